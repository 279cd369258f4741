//! `optimism_syncStatus`: the answer that batchers, proposers, conductors, proxies and followers read.

use crate::{L1BlockRef, L2BlockRef};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// The heads of a rollup node in one coherent snapshot. Unknown heads are zero objects.
///
/// On input unknown fields are ignored, a missing `local_safe_l2` means `safe_l2` and a missing `cross_unsafe_l2` means
/// `unsafe_l2`; on output every field is present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WireSyncStatus")]
pub struct SyncStatus {
    /// The L1 block up to which L2 has been derived: safe heads stand on this block or before it.
    pub current_l1: L1BlockRef,
    /// Deprecated name of `finalized_l1`, still read by old clients.
    pub current_l1_finalized: L1BlockRef,
    /// L1 head.
    pub head_l1: L1BlockRef,
    /// L1 block of the `safe` tag.
    pub safe_l1: L1BlockRef,
    /// L1 block of the `finalized` tag.
    pub finalized_l1: L1BlockRef,
    /// Highest block, from gossip or from the sequencer.
    pub unsafe_l2: L2BlockRef,
    /// Highest block derived from L1 (after Lagoon: and whose cross-chain messages are safe too).
    pub safe_l2: L2BlockRef,
    /// Highest block derived from finalized L1 blocks.
    pub finalized_l2: L2BlockRef,
    /// Highest derived block. Above `local_safe_l2` only while, before Holocene, a span of batches has not ended.
    pub pending_safe_l2: L2BlockRef,
    /// Unsafe block whose cross-chain dependencies are met.
    pub cross_unsafe_l2: L2BlockRef,
    /// Highest block derived from this chain's L1 data alone.
    pub local_safe_l2: L2BlockRef,
}

#[derive(Deserialize)]
struct WireSyncStatus {
    #[serde(default)]
    current_l1: L1BlockRef,
    #[serde(default)]
    current_l1_finalized: L1BlockRef,
    #[serde(default)]
    head_l1: L1BlockRef,
    #[serde(default)]
    safe_l1: L1BlockRef,
    #[serde(default)]
    finalized_l1: L1BlockRef,
    #[serde(default)]
    unsafe_l2: L2BlockRef,
    safe_l2: L2BlockRef,
    finalized_l2: L2BlockRef,
    pending_safe_l2: Option<L2BlockRef>,
    cross_unsafe_l2: Option<L2BlockRef>,
    local_safe_l2: Option<L2BlockRef>,
}

impl From<WireSyncStatus> for SyncStatus {
    fn from(wire: WireSyncStatus) -> Self {
        let local_safe_l2 = wire.local_safe_l2.unwrap_or(wire.safe_l2);
        Self {
            current_l1: wire.current_l1,
            current_l1_finalized: wire.current_l1_finalized,
            head_l1: wire.head_l1,
            safe_l1: wire.safe_l1,
            finalized_l1: wire.finalized_l1,
            unsafe_l2: wire.unsafe_l2,
            safe_l2: wire.safe_l2,
            finalized_l2: wire.finalized_l2,
            pending_safe_l2: wire.pending_safe_l2.unwrap_or(local_safe_l2),
            cross_unsafe_l2: wire.cross_unsafe_l2.unwrap_or(wire.unsafe_l2),
            local_safe_l2,
        }
    }
}
