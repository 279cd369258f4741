//! Output roots: the commitment to an L2 block that proposers post on L1, and the answer of `optimism_outputAtBlock`.

use crate::{Hardfork, L2BlockRef, RollupConfig, SyncStatus};
use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version of the output root: the only one there is.
pub const OUTPUT_VERSION_V0: B256 = B256::ZERO;

/// The output root, version 0: `keccak256(version ++ state_root ++ withdrawals_root ++ block_hash)`
/// (`specs/protocol/proposals.md#l2-output-commitment-construction`).
pub fn output_root(state_root: B256, withdrawals_root: B256, block_hash: B256) -> B256 {
    keccak256([OUTPUT_VERSION_V0, state_root, withdrawals_root, block_hash].concat())
}

/// Where the storage root of the `L2ToL1MessagePasser` at a block comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithdrawalsRoot {
    /// The header has it.
    InHeader(B256),
    /// It has to be proven with `eth_getProof`: the header's root is that of an empty list.
    NeedsProof,
}

/// From Isthmus on every header must have a withdrawals root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("header at time {timestamp} is of isthmus or later, but has no withdrawals root")]
pub struct MissingWithdrawalsRoot {
    /// Time of the header in seconds.
    pub timestamp: u64,
}

impl WithdrawalsRoot {
    /// The rule for a header of time `timestamp` (seconds) with the withdrawals root `in_header`: from Isthmus on the header
    /// commits to the message passer's storage (`specs/protocol/isthmus/exec-engine.md#l2tol1messagepasser-storage-root-in-header`).
    ///
    /// # Errors
    /// A header of Isthmus or later without the root.
    pub fn of_header(
        config: &RollupConfig,
        timestamp: u64,
        in_header: Option<B256>,
    ) -> Result<Self, MissingWithdrawalsRoot> {
        if !config.is_active(Hardfork::Isthmus, timestamp) {
            return Ok(Self::NeedsProof);
        }
        in_header
            .map(Self::InHeader)
            .ok_or(MissingWithdrawalsRoot { timestamp })
    }
}

/// The answer of `optimism_outputAtBlock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputResponse {
    /// Version of the output root: zero.
    pub version: B256,
    /// The output root.
    pub output_root: B256,
    /// The block that it commits to.
    pub block_ref: L2BlockRef,
    /// Storage root of the `L2ToL1MessagePasser` at the block.
    pub withdrawal_storage_root: B256,
    /// State root of the block.
    pub state_root: B256,
    /// The node's heads when it answered.
    pub sync_status: SyncStatus,
}

impl OutputResponse {
    /// The answer for a block with these roots.
    pub fn new(
        block_ref: L2BlockRef,
        state_root: B256,
        withdrawals_root: B256,
        sync_status: SyncStatus,
    ) -> Self {
        Self {
            version: OUTPUT_VERSION_V0,
            output_root: output_root(state_root, withdrawals_root, block_ref.hash),
            block_ref,
            withdrawal_storage_root: withdrawals_root,
            state_root,
            sync_status,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::Value;

    #[test]
    fn output_root_is_the_one_of_op_nodes_test() {
        let vector: Value =
            serde_json::from_str(include_str!("../testdata/output-root.json")).unwrap();
        let field = |name: &str| {
            vector["expected"][name]
                .as_str()
                .unwrap()
                .parse::<B256>()
                .unwrap()
        };
        assert_eq!(field("version"), OUTPUT_VERSION_V0);
        assert_eq!(
            output_root(
                field("stateRoot"),
                field("messagePasserStorageRoot"),
                field("blockHash")
            ),
            field("outputRoot")
        );
    }

    #[test]
    fn real_answer_is_rebuilt_field_for_field() {
        let text = include_str!("../testdata/rpc/optimism_outputAtBlock-op-sepolia-27982526.json");
        let real: OutputResponse = serde_json::from_str(text).unwrap();
        let rebuilt = OutputResponse::new(
            real.block_ref,
            real.state_root,
            real.withdrawal_storage_root,
            real.sync_status,
        );
        assert_eq!(rebuilt, real);
        let real_json: Value = serde_json::from_str(text).unwrap();
        let mut json = serde_json::to_value(rebuilt).unwrap();
        // A field that op-node has dropped since.
        if let Some(queued) = real_json["syncStatus"].get("queued_unsafe_l2") {
            json["syncStatus"]["queued_unsafe_l2"] = queued.clone();
        }
        assert_eq!(json, real_json);
    }

    #[test]
    fn withdrawals_root_is_in_the_header_from_isthmus_on() {
        let config = RollupConfig {
            isthmus_time: Some(100),
            ..RollupConfig::default()
        };
        let root = B256::repeat_byte(1);
        assert_eq!(
            WithdrawalsRoot::of_header(&config, 99, Some(root)),
            Ok(WithdrawalsRoot::NeedsProof)
        );
        assert_eq!(
            WithdrawalsRoot::of_header(&config, 99, None),
            Ok(WithdrawalsRoot::NeedsProof)
        );
        assert_eq!(
            WithdrawalsRoot::of_header(&config, 100, Some(root)),
            Ok(WithdrawalsRoot::InHeader(root))
        );
        let missing = MissingWithdrawalsRoot { timestamp: 100 };
        assert_eq!(WithdrawalsRoot::of_header(&config, 100, None), Err(missing));
    }
}
