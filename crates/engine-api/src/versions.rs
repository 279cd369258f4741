//! Which version of an Engine API method a timestamp asks for (`specs/protocol/exec-engine.md` and, per fork,
//! `specs/protocol/<fork>/exec-engine.md`). Pure; no actor ever names a version.

use light_node_protocol::{Hardfork, RollupConfig};

/// Version of `engine_newPayload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPayloadVersion {
    /// Until Ecotone; takes payloads with and without withdrawals.
    V2,
    /// From Ecotone on: blob fields and the parent beacon block root.
    V3,
    /// From Isthmus on: withdrawals root and (empty) execution requests.
    V4,
}

impl NewPayloadVersion {
    /// The version for a payload of `timestamp` (seconds).
    pub fn at(config: &RollupConfig, timestamp: u64) -> Self {
        match config.hardfork_at(timestamp) {
            fork if fork >= Hardfork::Isthmus => Self::V4,
            fork if fork >= Hardfork::Ecotone => Self::V3,
            _ => Self::V2,
        }
    }

    /// Method name.
    pub const fn method(self) -> &'static str {
        match self {
            Self::V2 => "engine_newPayloadV2",
            Self::V3 => "engine_newPayloadV3",
            Self::V4 => "engine_newPayloadV4",
        }
    }
}

/// Version of `engine_getPayload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetPayloadVersion {
    /// Until Ecotone.
    V2,
    /// From Ecotone on.
    V3,
    /// From Isthmus on.
    V4,
    /// From Karst on; the answer looks like that of V4.
    V5,
}

impl GetPayloadVersion {
    /// The version for a build of `timestamp` (seconds).
    pub fn at(config: &RollupConfig, timestamp: u64) -> Self {
        match config.hardfork_at(timestamp) {
            fork if fork >= Hardfork::Karst => Self::V5,
            fork if fork >= Hardfork::Isthmus => Self::V4,
            fork if fork >= Hardfork::Ecotone => Self::V3,
            _ => Self::V2,
        }
    }

    /// Method name.
    pub const fn method(self) -> &'static str {
        match self {
            Self::V2 => "engine_getPayloadV2",
            Self::V3 => "engine_getPayloadV3",
            Self::V4 => "engine_getPayloadV4",
            Self::V5 => "engine_getPayloadV5",
        }
    }
}

/// Version of `engine_forkchoiceUpdated`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkchoiceVersion {
    /// With attributes until Canyon: geth takes no V2 before Shanghai.
    V1,
    /// With attributes from Canyon on: withdrawals.
    V2,
    /// With attributes from Ecotone on, and always without attributes.
    V3,
}

impl ForkchoiceVersion {
    /// The version for attributes of `timestamp` (seconds), or for none.
    pub fn at(config: &RollupConfig, attributes_timestamp: Option<u64>) -> Self {
        let Some(timestamp) = attributes_timestamp else {
            return Self::V3;
        };
        match config.hardfork_at(timestamp) {
            fork if fork >= Hardfork::Ecotone => Self::V3,
            fork if fork >= Hardfork::Canyon => Self::V2,
            _ => Self::V1,
        }
    }

    /// Method name.
    pub const fn method(self) -> &'static str {
        match self {
            Self::V1 => "engine_forkchoiceUpdatedV1",
            Self::V2 => "engine_forkchoiceUpdatedV2",
            Self::V3 => "engine_forkchoiceUpdatedV3",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A configuration in which `fork`, and all before it, are active from `time` on.
    pub(crate) fn config_at(fork: Hardfork, time: u64) -> RollupConfig {
        let when = |this: Hardfork| (this <= fork).then_some(time);
        RollupConfig {
            regolith_time: when(Hardfork::Regolith),
            canyon_time: when(Hardfork::Canyon),
            delta_time: when(Hardfork::Delta),
            ecotone_time: when(Hardfork::Ecotone),
            fjord_time: when(Hardfork::Fjord),
            granite_time: when(Hardfork::Granite),
            holocene_time: when(Hardfork::Holocene),
            isthmus_time: when(Hardfork::Isthmus),
            jovian_time: when(Hardfork::Jovian),
            karst_time: when(Hardfork::Karst),
            lagoon_time: when(Hardfork::Lagoon),
            ..Default::default()
        }
    }

    #[test]
    fn every_fork_has_its_versions() {
        use {ForkchoiceVersion as F, GetPayloadVersion as G, NewPayloadVersion as N};
        let table = [
            (Hardfork::Bedrock, N::V2, G::V2, F::V1),
            (Hardfork::Regolith, N::V2, G::V2, F::V1),
            (Hardfork::Canyon, N::V2, G::V2, F::V2),
            (Hardfork::Delta, N::V2, G::V2, F::V2),
            (Hardfork::Ecotone, N::V3, G::V3, F::V3),
            (Hardfork::Fjord, N::V3, G::V3, F::V3),
            (Hardfork::Granite, N::V3, G::V3, F::V3),
            (Hardfork::Holocene, N::V3, G::V3, F::V3),
            (Hardfork::Isthmus, N::V4, G::V4, F::V3),
            (Hardfork::Jovian, N::V4, G::V4, F::V3),
            (Hardfork::Karst, N::V4, G::V5, F::V3),
            (Hardfork::Lagoon, N::V4, G::V5, F::V3),
        ];
        assert_eq!(table.map(|row| row.0), Hardfork::ALL);
        for (fork, new_payload, get_payload, forkchoice) in table {
            let config = config_at(fork, 100);
            let versions = |time| {
                let forkchoice = F::at(&config, Some(time));
                (N::at(&config, time), G::at(&config, time), forkchoice)
            };
            assert_eq!(
                versions(99),
                (N::V2, G::V2, F::V1),
                "one second before {fork}"
            );
            assert_eq!(
                versions(100),
                (new_payload, get_payload, forkchoice),
                "at {fork}"
            );
            assert_eq!(F::at(&config, None), F::V3);
        }
    }

    #[test]
    fn method_names_end_in_their_version() {
        assert_eq!(NewPayloadVersion::V4.method(), "engine_newPayloadV4");
        assert_eq!(GetPayloadVersion::V5.method(), "engine_getPayloadV5");
        assert_eq!(ForkchoiceVersion::V1.method(), "engine_forkchoiceUpdatedV1");
    }
}
