//! Which version of an Engine API method a timestamp asks for (`specs/protocol/exec-engine.md` and, per fork,
//! `specs/protocol/<fork>/exec-engine.md`). Another one is -38005.

use crate::{
    rpc::error::{RpcResult, unsupported_fork},
    spec::ElSpec,
};

/// Version of `engine_newPayload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewPayloadVersion {
    /// Before Ecotone.
    V2,
    /// From Ecotone on.
    V3,
    /// From Isthmus on.
    V4,
}

impl NewPayloadVersion {
    /// The one version for payloads of `timestamp`.
    fn at(spec: &ElSpec, timestamp: u64) -> Self {
        if spec.is_isthmus(timestamp) {
            Self::V4
        } else if spec.is_ecotone(timestamp) {
            Self::V3
        } else {
            Self::V2
        }
    }

    /// Refuses payloads of another time than this version's.
    pub(super) fn check(self, spec: &ElSpec, timestamp: u64) -> RpcResult<()> {
        check("newPayload", self, Self::at(spec, timestamp))
    }
}

/// Version of `engine_forkchoiceUpdated`. It matters only with attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForkchoiceVersion {
    /// Before Canyon.
    V1,
    /// From Canyon on.
    V2,
    /// From Ecotone on.
    V3,
}

impl ForkchoiceVersion {
    fn at(spec: &ElSpec, timestamp: u64) -> Self {
        if spec.is_ecotone(timestamp) {
            Self::V3
        } else if spec.is_canyon(timestamp) {
            Self::V2
        } else {
            Self::V1
        }
    }

    /// Refuses attributes of another time than this version's.
    pub(super) fn check(self, spec: &ElSpec, timestamp: u64) -> RpcResult<()> {
        check("forkchoiceUpdated", self, Self::at(spec, timestamp))
    }
}

/// Version of `engine_getPayload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GetPayloadVersion {
    /// Before Ecotone.
    V2,
    /// From Ecotone on.
    V3,
    /// From Isthmus on.
    V4,
    /// From Karst on.
    V5,
}

impl GetPayloadVersion {
    fn at(spec: &ElSpec, timestamp: u64) -> Self {
        if spec.is_karst(timestamp) {
            Self::V5
        } else if spec.is_isthmus(timestamp) {
            Self::V4
        } else if spec.is_ecotone(timestamp) {
            Self::V3
        } else {
            Self::V2
        }
    }

    /// Refuses builds of another time than this version's.
    pub(super) fn check(self, spec: &ElSpec, timestamp: u64) -> RpcResult<()> {
        check("getPayload", self, Self::at(spec, timestamp))
    }
}

fn check<V: PartialEq + core::fmt::Debug>(method: &str, called: V, expected: V) -> RpcResult<()> {
    if called == expected {
        return Ok(());
    }
    Err(unsupported_fork(format_args!(
        "unsupported fork: {method}{called:?} was called where {method}{expected:?} must be"
    )))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_eips::eip1559::BaseFeeParams;
    use alloy_op_hardforks::OpHardfork;

    fn spec() -> ElSpec {
        let forks = [
            (OpHardfork::Canyon, 10),
            (OpHardfork::Ecotone, 20),
            (OpHardfork::Isthmus, 30),
            (OpHardfork::Jovian, 40),
            (OpHardfork::Karst, 50),
        ];
        ElSpec::new(1, forks, BaseFeeParams::optimism())
    }

    #[test]
    fn every_time_has_one_version_of_each_method() {
        use ForkchoiceVersion as F;
        use GetPayloadVersion as G;
        use NewPayloadVersion as N;
        let rows = [
            (0, F::V1, N::V2, G::V2),
            (9, F::V1, N::V2, G::V2),
            (10, F::V2, N::V2, G::V2),
            (20, F::V3, N::V3, G::V3),
            (29, F::V3, N::V3, G::V3),
            (30, F::V3, N::V4, G::V4),
            (40, F::V3, N::V4, G::V4),
            (49, F::V3, N::V4, G::V4),
            (50, F::V3, N::V4, G::V5),
        ];
        for (time, forkchoice, new_payload, get_payload) in rows {
            assert_eq!(
                ForkchoiceVersion::at(&spec(), time),
                forkchoice,
                "time {time}"
            );
            assert_eq!(
                NewPayloadVersion::at(&spec(), time),
                new_payload,
                "time {time}"
            );
            assert_eq!(
                GetPayloadVersion::at(&spec(), time),
                get_payload,
                "time {time}"
            );
        }
    }

    #[test]
    fn a_version_of_another_fork_is_an_unsupported_fork() {
        assert!(NewPayloadVersion::V4.check(&spec(), 30).is_ok());
        let error = NewPayloadVersion::V3.check(&spec(), 30).unwrap_err();
        assert_eq!(error.code(), -38005);
        assert_eq!(
            GetPayloadVersion::V4.check(&spec(), 50).unwrap_err().code(),
            -38005
        );
        assert_eq!(
            ForkchoiceVersion::V2.check(&spec(), 20).unwrap_err().code(),
            -38005
        );
    }
}
