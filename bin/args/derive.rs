//! Derivation: what a node needs that reads the safe chain from L1 itself, because it follows nobody.

use crate::args::value::{self, Endpoint};
use clap::{Args, ValueEnum};
use light_node_node::SyncMode;
use std::{path::PathBuf, time::Duration};

/// Who brings an execution layer that has nothing but genesis its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyncModeArg {
    /// Derivation builds them one by one from L1.
    ConsensusLayer,
    /// It fetches them from its peers, up to the first unsafe block that comes.
    ExecutionLayer,
}

/// Flags of derivation.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Derivation (without --l2.follow.source)")]
pub(crate) struct DeriveArgs {
    /// Beacon endpoint for the blobs of batches. Several (repeated or comma separated) are asked in this order.
    #[arg(
        id = "l1.beacon",
        long,
        value_name = "URL",
        env = "LIGHT_NODE_L1_BEACON",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = value::endpoint
    )]
    pub(crate) beacons: Vec<Endpoint>,

    /// Beacon endpoint that is asked when those of --l1.beacon lack blobs: an archive of blobs that beacons no longer keep.
    #[arg(
        id = "l1.beacon-fallbacks",
        long,
        value_name = "URL",
        env = "LIGHT_NODE_L1_BEACON_FALLBACKS",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = value::endpoint
    )]
    pub(crate) beacon_fallbacks: Vec<Endpoint>,

    /// Calls a second to L1 at the most for what derivation reads, a batch counting as many as it has; 0 is no limit. Of a
    /// fraction the whole part counts.
    #[arg(
        id = "l1.rpc-rate-limit",
        long,
        value_name = "CALLS",
        env = "LIGHT_NODE_L1_RPC_RATE_LIMIT",
        default_value_t = 0,
        value_parser = calls_per_second
    )]
    pub(crate) calls_per_second: u32,

    /// Requests to L1 that may be under way while blocks are fetched ahead.
    #[arg(
        id = "l1.max-concurrency",
        long,
        value_name = "REQUESTS",
        env = "LIGHT_NODE_L1_MAX_CONCURRENCY",
        default_value_t = 16,
        value_parser = clap::value_parser!(u32).range(1..=256)
    )]
    pub(crate) max_concurrency: u32,

    /// Genesis file of the L1, or the chain config in it: for the blob schedule of an L1 that is not built in.
    #[arg(
        id = "l1.chain-config",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_L1_CHAIN_CONFIG"
    )]
    pub(crate) l1_chain_config: Option<PathBuf>,

    /// How many blocks below the L1 head derivation stays, 10000 at most. Safe heads come later and are not taken back by shallow
    /// L1 reorgs.
    #[arg(
        id = "verifier.l1-confs",
        long,
        value_name = "BLOCKS",
        env = "LIGHT_NODE_VERIFIER_L1_CONFS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u64).range(..=10_000)
    )]
    pub(crate) l1_confirmations: u64,

    /// File with the upgrade transactions of a fork (Jovian, Karst), needed to derive across its activation. Repeat for several.
    #[arg(
        id = "rollup.upgrade-bundle",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_ROLLUP_UPGRADE_BUNDLE",
        value_delimiter = ','
    )]
    pub(crate) upgrade_bundles: Vec<PathBuf>,

    /// Who brings an execution layer that has nothing but genesis its blocks.
    #[arg(
        id = "syncmode",
        long,
        value_name = "MODE",
        env = "LIGHT_NODE_SYNCMODE",
        value_enum,
        default_value = "consensus-layer"
    )]
    pub(crate) sync_mode: SyncModeArg,

    /// After the execution layer's own first sync, blocks older than this are taken to be safe and final. From 1s to 1day.
    #[arg(
        id = "syncmode.offset-el-safe",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_SYNCMODE_OFFSET_EL_SAFE",
        default_value = "12h",
        value_parser = value::within(value::AGE)
    )]
    pub(crate) offset_el_safe: Duration,
}

/// op-node takes fractions here.
fn calls_per_second(typed: &str) -> Result<u32, String> {
    let bounds = 1.0..=f64::from(u32::MAX);
    match typed.parse::<f64>() {
        Ok(0.0) => Ok(0),
        Ok(calls) if bounds.contains(&calls) => Ok(calls as u32),
        _ => Err("must be 0, for no limit, or at least 1".to_owned()),
    }
}

impl From<SyncModeArg> for SyncMode {
    fn from(mode: SyncModeArg) -> Self {
        match mode {
            SyncModeArg::ConsensusLayer => Self::ConsensusLayer,
            SyncModeArg::ExecutionLayer => Self::ExecutionLayer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_nothing_or_a_call_a_second_at_least() {
        for (typed, calls) in [("0", 0), ("0.0", 0), ("1", 1), ("2.9", 2), ("50", 50)] {
            assert_eq!(calls_per_second(typed), Ok(calls), "{typed}");
        }
        for refused in ["", "0.5", "-1", "1e300", "inf", "NaN", "many"] {
            assert!(calls_per_second(refused).is_err(), "{refused}");
        }
    }
}
