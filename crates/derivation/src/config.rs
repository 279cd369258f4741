//! What the derivation actor is told at start.

use light_node_protocol::RollupConfig;
use std::{sync::Arc, time::Duration};

/// Configuration of the derivation actor.
#[derive(Clone, Debug)]
pub struct DerivationConfig {
    /// The chain.
    pub rollup_config: Arc<RollupConfig>,
    /// How many blocks below the L1 head derivation stays, against shallow L1 reorgs.
    pub l1_confirmations: u64,
    /// How long a trouble that may pass by itself is borne before the node is not ready.
    pub patience: Duration,
    /// How many L1 blocks derivation may lie behind what it may read before the node is not ready.
    pub behind_max_blocks: u64,
}

impl DerivationConfig {
    /// Two minutes: ten L1 blocks, or a restart of a beacon node.
    pub const PATIENCE: Duration = Duration::from_secs(120);
    /// 10 blocks: two minutes of Ethereum.
    pub const BEHIND_MAX_BLOCKS: u64 = 10;

    /// The configuration with its defaults.
    pub const fn new(rollup_config: Arc<RollupConfig>) -> Self {
        Self {
            rollup_config,
            l1_confirmations: 0,
            patience: Self::PATIENCE,
            behind_max_blocks: Self::BEHIND_MAX_BLOCKS,
        }
    }
}
