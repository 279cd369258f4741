//! The published state of the engine, and the rules that need no EL to be decided.

use light_node_protocol::{BlockNumHash, L1BlockRef, L2BlockRef};

/// What a safe source (derivation or follow) says: one coherent answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DerivationState {
    /// Safe head (after Lagoon: cross-safe).
    pub safe: L2BlockRef,
    /// Local-safe head; equal to `safe` before Lagoon.
    pub local_safe: L2BlockRef,
    /// Finalized head; the zero object while unknown.
    pub finalized: L2BlockRef,
    /// The L1 block up to which these heads were derived; the zero object while unknown.
    pub current_l1: L1BlockRef,
}

/// Where the EL stands, as far as the engine knows from its own calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ElSyncState {
    /// The start-up probe has not succeeded yet.
    #[default]
    Unknown,
    /// The EL has every block that was asked of it.
    Synced,
    /// The EL fetches the pending target from its peers, or waits to be told the first one (`--syncmode=execution-layer`).
    Syncing,
    /// The EL has lost blocks that it once confirmed.
    LostBlocks,
}

/// The heads that the EL confirmed, published as one value. Unknown heads are zero objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineState {
    /// Highest block that the EL has as its head.
    pub unsafe_head: L2BlockRef,
    /// Highest block that is derived from L1. It lies above local safe while the span of batches that it belongs to has not
    /// ended, which matters before Holocene alone; equal to local safe elsewhere.
    pub pending_safe_head: L2BlockRef,
    /// Local-safe head.
    pub local_safe_head: L2BlockRef,
    /// Safe head.
    pub safe_head: L2BlockRef,
    /// Finalized head. Never goes down.
    pub finalized_head: L2BlockRef,
    /// The L1 cursor of the update whose labels were applied last. Never zeroed.
    pub current_l1: L1BlockRef,
    /// A head that the EL was asked for and has not confirmed yet.
    pub target: Option<BlockNumHash>,
    /// State of the EL's own sync.
    pub el_sync: ElSyncState,
    /// The L1 origin of the unsafe head has left L1: the sequencer will build its own way out, also below that head.
    pub origin_left_l1: bool,
    /// Grows at each reset and at each reorg of the unsafe chain.
    pub epoch: u64,
    /// The epoch that began with the last reset. What was derived in an older one is stale; where nobody derives, zero.
    pub reset_epoch: u64,
}
