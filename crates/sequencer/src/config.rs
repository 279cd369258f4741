//! What the sequencer is told at start.

use light_node_derivation::UpgradeBundles;
use light_node_protocol::{L1ChainConfig, RollupConfig, redact_url};
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};
use url::Url;

/// Settings of the sequencer.
#[derive(Clone, Debug)]
pub struct SequencerConfig {
    /// The chain.
    pub rollup_config: Arc<RollupConfig>,
    /// Since when which blob parameters hold on L1.
    pub l1_chain: L1ChainConfig,
    /// Upgrade transactions of forks whose first block may be built here.
    pub upgrades: UpgradeBundles,
    /// How many blocks below the L1 head origins are taken from.
    pub l1_confirmations: u64,
    /// No block is built while the unsafe head is so many blocks above the safe one; 0 sets no limit.
    pub max_safe_lag: u64,
    /// Blocks are built from the start on, unless an admin's word of before or a conductor says otherwise.
    pub starts_active: bool,
    /// Blocks without transactions of users, each on the next L1 origin, until the L1 head is caught up with.
    pub is_recovering: bool,
    /// Where it is kept whether an admin has started or stopped the sequencer.
    pub state_path: Option<PathBuf>,
    /// How long the safe source may take for its first word on what is safe, before blocks are built without it.
    pub source_patience: Duration,
    /// Who must take each block before it is ours. With it the sequencer always starts stopped.
    pub conductor: Option<ConductorConfig>,
}

/// The way to op-conductor.
#[derive(Clone)]
pub struct ConductorConfig {
    /// Its RPC.
    pub endpoint: Url,
    /// Deadline of one call.
    pub timeout: Duration,
}

/// Without what opens the endpoint.
impl fmt::Debug for ConductorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConductorConfig")
            .field("endpoint", &redact_url(&self.endpoint))
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl SequencerConfig {
    /// Two minutes: the age at which a follow source is stale.
    pub const SOURCE_PATIENCE: Duration = Duration::from_secs(120);

    /// The settings of op-node where nothing else is said: four confirmations, no limit to unsafe blocks, no conductor.
    pub const fn new(
        rollup_config: Arc<RollupConfig>,
        l1_chain: L1ChainConfig,
        upgrades: UpgradeBundles,
    ) -> Self {
        Self {
            rollup_config,
            l1_chain,
            upgrades,
            l1_confirmations: 4,
            max_safe_lag: 0,
            starts_active: true,
            is_recovering: false,
            state_path: None,
            source_patience: Self::SOURCE_PATIENCE,
            conductor: None,
        }
    }
}
