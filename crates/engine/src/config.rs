//! What the engine is told at start. Everything else it learns from the execution layer and from requests.

use light_node_protocol::RollupConfig;
use std::{sync::Arc, time::Duration};

/// Configuration of the engine actor.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The chain: its id and genesis are compared with the execution layer's at start.
    pub rollup_config: Arc<RollupConfig>,
    /// Who decides what is safe.
    pub safe_source: SafeSourceKind,
    /// How many unsafe payloads may wait for their parents.
    pub buffer: BufferLimits,
    /// Who brings the execution layer its first blocks, if we derive. Following, the safe source's block is asked for at once.
    pub sync_mode: SyncMode,
    /// After the execution layer's own first sync, what is this much older than its head is taken to be safe and final.
    pub el_safe_offset: Duration,
    /// How many blocks are remembered, so that a label which moves onto one of them needs no read of the EL.
    pub remembered_blocks: u32,
}

/// Who decides what is safe, as far as the engine has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafeSourceKind {
    /// Another node's answers. Safe and the L1 cursor stay unknown until the first checked update: an EL may restart
    /// with labels that say nothing (op-geth comes back with safe = finalized).
    Follow,
    /// Our own derivation, which starts from the labels of the EL.
    Derive,
}

/// Who brings an execution layer that has nothing but genesis its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// Derivation builds them one by one from L1.
    #[default]
    ConsensusLayer,
    /// The execution layer fetches them from its peers, up to the first unsafe payload that comes.
    ExecutionLayer,
}

/// Bounds of the buffer of unsafe payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferLimits {
    /// Bytes of payload.
    pub bytes: usize,
    /// Number of payloads.
    pub blocks: usize,
    /// How long a payload waits before it is forgotten.
    pub age: Duration,
}

impl BufferLimits {
    /// 64 MiB: some 600 blocks of 100 KB; small beside the EL, large beside any gap that is filled from here.
    pub const BYTES: usize = 64 << 20;
    /// 512 payloads: 17 minutes of a 2 s chain. A longer gap is the EL's own sync to fill.
    pub const BLOCKS: usize = 512;
    /// 5 minutes: whoever has not sent the parent by then will not send it.
    pub const AGE: Duration = Duration::from_secs(300);
}

impl Default for BufferLimits {
    fn default() -> Self {
        Self {
            bytes: Self::BYTES,
            blocks: Self::BLOCKS,
            age: Self::AGE,
        }
    }
}

impl EngineConfig {
    /// 512 blocks: more than a batcher normally leaves unsafe, about 100 KB of references.
    pub const REMEMBERED_BLOCKS: u32 = 512;

    /// 12 hours: the sequencing window of all chains. What is older is on L1, or will never be.
    pub const EL_SAFE_OFFSET: Duration = Duration::from_secs(12 * 3600);

    /// The configuration with its defaults.
    pub fn new(rollup_config: Arc<RollupConfig>, safe_source: SafeSourceKind) -> Self {
        Self {
            rollup_config,
            safe_source,
            buffer: BufferLimits::default(),
            remembered_blocks: Self::REMEMBERED_BLOCKS,
            sync_mode: SyncMode::default(),
            el_safe_offset: Self::EL_SAFE_OFFSET,
        }
    }

    /// The time between two L2 blocks.
    pub fn block_time(&self) -> Duration {
        Duration::from_secs(self.rollup_config.block_time.max(1))
    }
}
