//! The chain configuration, read from op-node's `rollup.json`, and the hardfork schedule in it. Reading and checking are two
//! steps (`from_json`, `check`): what a node answers to `optimism_rollupConfig` is read, a file of the operator is also checked.

mod check;
mod rules;
#[cfg(test)]
mod tests;

pub use check::ConfigError;

use crate::{Hardfork, SystemConfig};
use alloy_eips::BlockNumHash;
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The genesis anchors of a rollup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainGenesis {
    /// The L1 block after which the rollup starts.
    pub l1: BlockNumHash,
    /// The first L2 block of the rollup.
    pub l2: BlockNumHash,
    /// Unix time of the L2 genesis block in seconds.
    pub l2_time: u64,
    /// The system configuration at genesis.
    pub system_config: SystemConfig,
}

/// EIP-1559 parameters of the chain before Holocene lets the system config choose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainOpConfig {
    /// Elasticity multiplier.
    pub eip1559_elasticity: u64,
    /// Base fee change denominator.
    pub eip1559_denominator: u64,
    /// Base fee change denominator from Canyon on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eip1559_denominator_canyon: Option<u64>,
}

/// op-node's `rollup.json`. Unknown fields are ignored on input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollupConfig {
    /// Genesis anchors.
    pub genesis: ChainGenesis,
    /// Seconds between two L2 blocks.
    pub block_time: u64,
    /// How many seconds the sequencer may run ahead of its L1 origin (before Fjord).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_sequencer_drift: u64,
    /// L1 blocks within which a batch of an epoch must be included.
    pub seq_window_size: u64,
    /// L1 blocks within which a channel must be completed (before Granite).
    pub channel_timeout: u64,
    /// Chain id of the L1.
    pub l1_chain_id: u64,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Activation time of Regolith in seconds; absent: never. The same for the forks below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regolith_time: Option<u64>,
    /// Activation time of Canyon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canyon_time: Option<u64>,
    /// Activation time of Delta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_time: Option<u64>,
    /// Activation time of Ecotone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecotone_time: Option<u64>,
    /// Activation time of Fjord.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fjord_time: Option<u64>,
    /// Activation time of Granite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granite_time: Option<u64>,
    /// Activation time of Holocene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holocene_time: Option<u64>,
    /// Activation time of Isthmus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isthmus_time: Option<u64>,
    /// Activation time of Jovian.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jovian_time: Option<u64>,
    /// Activation time of Karst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub karst_time: Option<u64>,
    /// Activation time of Lagoon (older files say `interop_time`).
    #[serde(
        default,
        alias = "interop_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub lagoon_time: Option<u64>,
    /// Where the batcher posts.
    pub batch_inbox_address: Address,
    /// The `OptimismPortal`, whose events are deposits.
    pub deposit_contract_address: Address,
    /// The `SystemConfig` contract.
    pub l1_system_config_address: Address,
    /// EIP-1559 parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_op_config: Option<ChainOpConfig>,
    /// Alternative DA settings, passed through untouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_da: Option<serde_json::Value>,
    /// L1 time (seconds) until which the blob base fee of L1 origins is computed with Cancun's parameters although Prague is
    /// active on the L1, where a chain's history has it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pectra_blob_schedule_time: Option<u64>,
    /// True if the gas that Karst's activation block adds for its upgrade transactions stays in the gas limit, where a chain's
    /// history has it so.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub keep_karst_upgrade_gas: bool,
}

/// Why a text is no rollup config.
#[derive(Debug, Error)]
pub enum RollupJsonError {
    /// The text is another well-known document; easily mixed up.
    #[error("this is {actual}, not a rollup config")]
    OtherDocument {
        /// What it looks like.
        actual: &'static str,
    },
    /// Not JSON, or a field is missing or of another type; the source names field, line and column.
    #[error("not a rollup config")]
    Json(#[from] serde_json::Error),
}

impl RollupConfig {
    /// Reads op-node's `rollup.json`. Unknown fields are ignored. The values are not checked yet: see [`Self::check`].
    ///
    /// # Errors
    /// The text is not JSON, is another document, or lacks a field.
    pub fn from_json(text: &str) -> Result<Self, RollupJsonError> {
        serde_json::from_str(text).map_err(|error| match other_document(text) {
            Some(actual) => RollupJsonError::OtherDocument { actual },
            None => error.into(),
        })
    }

    /// Activation time of `fork` in seconds, `None` if it is not scheduled. Bedrock is active from the start.
    pub const fn activation_time(&self, fork: Hardfork) -> Option<u64> {
        match fork {
            Hardfork::Bedrock => Some(0),
            Hardfork::Regolith => self.regolith_time,
            Hardfork::Canyon => self.canyon_time,
            Hardfork::Delta => self.delta_time,
            Hardfork::Ecotone => self.ecotone_time,
            Hardfork::Fjord => self.fjord_time,
            Hardfork::Granite => self.granite_time,
            Hardfork::Holocene => self.holocene_time,
            Hardfork::Isthmus => self.isthmus_time,
            Hardfork::Jovian => self.jovian_time,
            Hardfork::Karst => self.karst_time,
            Hardfork::Lagoon => self.lagoon_time,
        }
    }

    /// True if `fork`, or a later one that implies it, is active at `timestamp` (seconds).
    pub fn is_active(&self, fork: Hardfork, timestamp: u64) -> bool {
        Hardfork::ALL
            .iter()
            .filter(|later| **later >= fork)
            .any(|later| {
                self.activation_time(*later)
                    .is_some_and(|time| timestamp >= time)
            })
    }

    /// The latest fork active at `timestamp` (seconds).
    pub fn hardfork_at(&self, timestamp: u64) -> Hardfork {
        Hardfork::ALL
            .into_iter()
            .rev()
            .find(|fork| {
                self.activation_time(*fork)
                    .is_some_and(|time| timestamp >= time)
            })
            .unwrap_or(Hardfork::Bedrock)
    }

    /// The timestamp that the L2 block `number` must have, `None` below genesis or on overflow.
    pub fn block_timestamp(&self, number: u64) -> Option<u64> {
        number
            .checked_sub(self.genesis.l2.number)?
            .checked_mul(self.block_time)?
            .checked_add(self.genesis.l2_time)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// What a text that is no rollup config may be instead.
fn other_document(text: &str) -> Option<&'static str> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let has = |key| document.get(key).is_some();
    if has("alloc") {
        Some("a genesis file of an execution layer")
    } else if has("jsonrpc") {
        Some("a JSON-RPC answer, whose \"result\" may be one")
    } else if has("chainId") && has("homesteadBlock") {
        Some("a chain config of an execution layer")
    } else {
        None
    }
}
