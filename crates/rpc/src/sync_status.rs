//! `optimism_syncStatus` out of what the engine and the L1 watcher published: pure, from memory.

use light_node_engine::EngineState;
use light_node_l1::L1Heads;
use light_node_protocol::{Hardfork, RollupConfig, SyncStatus};

/// The status that a caller of `optimism_syncStatus` sees.
///
/// `pending_safe_l2` lies above `local_safe_l2` where, before Holocene, a span of batches has not ended. `cross_unsafe_l2` equals `unsafe_l2`; after Lagoon a block's cross-chain
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
        pending_safe_l2: state.pending_safe_head,
        cross_unsafe_l2: if lagoon {
            state.safe_head
        } else {
            state.unsafe_head
        },
        local_safe_l2: state.local_safe_head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use light_node_protocol::{L1BlockRef, L2BlockRef};

    fn l1(number: u64) -> L1BlockRef {
        L1BlockRef {
            number,
            hash: B256::repeat_byte(number as u8),
            ..L1BlockRef::default()
        }
    }

    fn l2(number: u64) -> L2BlockRef {
        L2BlockRef {
            number,
            hash: B256::repeat_byte(number as u8),
            timestamp: number * 2,
            ..L2BlockRef::default()
        }
    }

    fn heads() -> (EngineState, L1Heads) {
        let state = EngineState {
            unsafe_head: l2(30),
            pending_safe_head: l2(22),
            local_safe_head: l2(21),
            safe_head: l2(20),
            finalized_head: l2(10),
            current_l1: l1(5),
            ..EngineState::default()
        };
        (
            state,
            L1Heads {
                head: l1(7),
                safe: l1(4),
                finalized: l1(3),
            },
        )
    }

    #[test]
    fn each_head_stands_where_op_node_puts_it() {
        let (state, l1_heads) = heads();
        let status = sync_status(&RollupConfig::default(), &state, &l1_heads);
        assert_eq!(
            (status.current_l1, status.head_l1, status.safe_l1),
            (l1(5), l1(7), l1(4))
        );
        assert_eq!(
            (status.finalized_l1, status.current_l1_finalized),
            (l1(3), l1(3))
        );
        assert_eq!((status.unsafe_l2, status.cross_unsafe_l2), (l2(30), l2(30)));
        assert_eq!(
            (status.local_safe_l2, status.pending_safe_l2),
            (l2(21), l2(22))
        );
        assert_eq!((status.safe_l2, status.finalized_l2), (l2(20), l2(10)));
    }

    #[test]
    fn after_lagoon_cross_unsafe_is_what_is_known_to_be_safe() {
        let (state, l1_heads) = heads();
        let config = RollupConfig {
            lagoon_time: Some(60),
            ..RollupConfig::default()
        };
        assert_eq!(
            sync_status(&config, &state, &l1_heads).cross_unsafe_l2,
            l2(20)
        );
    }

    #[test]
    fn unknown_heads_are_zero_objects() {
        let status = sync_status(
            &RollupConfig::default(),
            &EngineState::default(),
            &L1Heads::default(),
        );
        assert_eq!(status, SyncStatus::default());
    }
}
