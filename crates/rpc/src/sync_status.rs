//! `optimism_syncStatus` out of what the engine and the L1 watcher published: pure, from memory.

use light_node_engine::EngineState;
use light_node_l1::L1Heads;
use light_node_protocol::{Hardfork, RollupConfig, SyncStatus};

/// The status that a caller of `optimism_syncStatus` sees.
///
/// `pending_safe_l2` equals `local_safe_l2`. `cross_unsafe_l2` equals `unsafe_l2`; after Lagoon a block's cross-chain
/// messages are known to be met only where it is safe, so the cross-unsafe head is the safe head there.
pub fn sync_status(config: &RollupConfig, state: &EngineState, l1: &L1Heads) -> SyncStatus {
    let lagoon = config.is_active(Hardfork::Lagoon, state.unsafe_head.timestamp);
    SyncStatus {
        current_l1: state.current_l1,
        current_l1_finalized: l1.finalized,
        head_l1: l1.head,
        safe_l1: l1.safe,
        finalized_l1: l1.finalized,
        unsafe_l2: state.unsafe_head,
        safe_l2: state.safe_head,
        finalized_l2: state.finalized_head,
        pending_safe_l2: state.local_safe_head,
        cross_unsafe_l2: if lagoon { state.safe_head } else { state.unsafe_head },
        local_safe_l2: state.local_safe_head,
    }
}
