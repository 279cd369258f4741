//! What a devnet is made of: forks, times, followers, ports. The defaults are those of `light-node devnet`.

use crate::batcher::{BatchKind, BatcherConfig, DataAvailability};
use light_node_devnet_batches::Compression;
use light_node_devnet_el::ElBehaviour;
use light_node_devnet_l1::L1_BLOCK_TIME_MAX;
use light_node_protocol::Hardfork;
use std::{path::PathBuf, time::Duration};

/// The longest time between two L2 blocks; as long as the longest slot of the L1.
pub const BLOCK_TIME_MAX: Duration = L1_BLOCK_TIME_MAX;

/// The longest artificial delay of an execution layer's sync.
pub const EL_SYNC_DELAY_MAX: Duration = Duration::from_secs(60 * 60);

/// Most blocks that an execution layer's sync asks for at a time.
pub const EL_SYNC_BATCH_MAX: usize = 128;

/// Everything that fixes a devnet before its first block.
#[derive(Clone, Debug)]
pub struct DevnetConfig {
    /// The latest hardfork, active from genesis on together with all before it; Ecotone to Karst.
    pub fork: Hardfork,
    /// Time between two L2 blocks, in whole seconds up to [`BLOCK_TIME_MAX`].
    pub block_time: Duration,
    /// Time between two L1 blocks, in whole seconds up to [`L1_BLOCK_TIME_MAX`].
    pub l1_block_time: Duration,
    /// How long ago both layers began, in whole seconds. On command, the blocks of that time can be made as fast as the machine can.
    pub age: Duration,
    /// How many blocks the L1's `safe` label stays behind its head.
    pub l1_safe_lag: u64,
    /// How many blocks the L1's `finalized` label stays behind its head. No L1 reorg can be deeper.
    pub l1_finalized_lag: u64,
    /// Whether a light-node derives the chain from L1, on an execution layer of its own that has no peer, and the others follow
    /// that one. Otherwise they follow the reference source, which knows the batcher's mind and fails on command.
    pub deriver: bool,
    /// How many light-nodes follow in the process, each with an execution layer of its own.
    pub followers: usize,
    /// How the followers reach their execution layers.
    pub engine: EngineKind,
    /// Fixed port numbers instead of free ones.
    pub stable_ports: bool,
    /// Where the files go; must exist.
    pub datadir: PathBuf,
    /// Artificial delay of each request of the embedded execution layers' sync, to make it visible; up to
    /// [`EL_SYNC_DELAY_MAX`].
    pub el_sync_delay: Duration,
    /// Blocks of each request of their sync, from 1 to [`EL_SYNC_BATCH_MAX`].
    pub el_sync_batch: usize,
    /// Whose answers the embedded execution layers give, the sequencer's among them.
    pub el_behaviour: ElBehaviour,
    /// How the batcher writes at first.
    pub batcher: BatcherConfig,
    /// Who makes blocks.
    pub blocks: Blocks,
    /// Whether transactions are sent all the time.
    pub traffic: bool,
}

impl DevnetConfig {
    /// The devnet that `light-node devnet` starts without flags. A batch reaches the chain within two L1 blocks and the
    /// finalized label is eight behind, so with three seconds for an L1 block safe moves within six seconds and finality
    /// takes half a minute.
    pub const fn new(datadir: PathBuf) -> Self {
        Self {
            fork: Hardfork::Jovian,
            block_time: Duration::from_secs(2),
            l1_block_time: Duration::from_secs(3),
            age: Duration::ZERO,
            l1_safe_lag: 4,
            l1_finalized_lag: 8,
            deriver: true,
            followers: 2,
            engine: EngineKind::Http,
            stable_ports: false,
            datadir,
            el_sync_delay: Duration::ZERO,
            el_sync_batch: 64,
            el_behaviour: ElBehaviour::OpReth,
            batcher: BatcherConfig {
                batches: BatchKind::Span,
                compression: Compression::Brotli,
                da: DataAvailability::Blobs,
                frame_bytes: None,
            },
            blocks: Blocks::BySequencer,
            traffic: true,
        }
    }
}

/// How a follower reaches its execution layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// Engine API over HTTP with JWT, as with op-reth and op-geth.
    #[default]
    Http,
    /// Without a wire.
    InProcess,
}

/// Who makes blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blocks {
    /// A light-node that derives and sequences. All light-nodes are in its network, where they hear of its blocks; the L1 goes
    /// by the clock, too.
    #[default]
    BySequencer,
    /// The same, but the sequencer follows the deriver instead of deriving itself: a light sequencer. Needs
    /// [`DevnetConfig::deriver`].
    ByLightSequencer,
    /// A script, by the clock on both layers. There is no network: what light-nodes have comes from L1 and from whom they
    /// follow.
    ByScript,
    /// Nobody of the devnet: the sequencer is started by hand on the sequencer's execution layer. The L1 goes by the clock.
    ByHand,
    /// The script, but only on command: [`EmbeddedL1::mine`](light_node_devnet_l1::EmbeddedL1::mine) and
    /// [`SequencerHandle::build`](crate::SequencerHandle::build).
    OnCommand,
}

impl Blocks {
    /// True if the light-nodes have a network.
    pub(crate) const fn are_gossiped(self) -> bool {
        matches!(self, Self::BySequencer | Self::ByLightSequencer)
    }

    /// True if the devnet's script makes them.
    pub(crate) const fn are_scripted(self) -> bool {
        matches!(self, Self::ByScript | Self::OnCommand)
    }
}
