//! When a block is built and sealed, and what may keep the sequencer from it. Pure rules.

use light_node_engine::{ElSyncState, EngineState};
use light_node_protocol::L2BlockRef;
use std::time::Duration;

/// So long before its time a block is sealed, as op-node does: sealing and committing take about that.
const SEALING: Duration = Duration::from_millis(50);

/// Why nothing is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wait {
    /// The engine has no head yet.
    Head,
    /// The execution layer fetches blocks.
    Syncing,
    /// The safe source has not said yet what is safe.
    Source,
    /// The unsafe head of the safe source is not known, or not there yet.
    SourceHead,
    /// The head is below what is safe.
    BelowSafe,
    /// Too many blocks are unsafe.
    SafeLag,
    /// L1 has not been read.
    L1,
    /// The drift is used up and L1 has no next origin.
    Drift,
    /// The L1 origin of the head, and of all that is above the safe head, has left L1.
    OriginLost,
    /// The execution layer has not been asked for what the next block needs of its parent.
    Parent,
    /// The execution layer fails.
    Engine,
    /// The conductor does not take the block.
    Conductor,
    /// Another sequencer leads.
    Leader,
    /// The attributes cannot be made, or are refused.
    Attributes,
}

impl Wait {
    /// All of them.
    pub(crate) const ALL: [Self; 14] = [
        Self::Head,
        Self::Syncing,
        Self::Source,
        Self::SourceHead,
        Self::BelowSafe,
        Self::SafeLag,
        Self::L1,
        Self::Drift,
        Self::OriginLost,
        Self::Parent,
        Self::Engine,
        Self::Conductor,
        Self::Leader,
        Self::Attributes,
    ];

    /// The name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Syncing => "syncing",
            Self::Source => "source",
            Self::SourceHead => "source_head",
            Self::BelowSafe => "below_safe",
            Self::SafeLag => "safe_lag",
            Self::L1 => "l1",
            Self::Drift => "drift",
            Self::OriginLost => "origin_lost",
            Self::Parent => "parent",
            Self::Engine => "engine",
            Self::Conductor => "conductor",
            Self::Leader => "leader",
            Self::Attributes => "attributes",
        }
    }

    /// The reason in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Head => "the execution layer has not answered yet",
            Self::Syncing => "the execution layer is syncing",
            Self::Source => "nobody has said yet what is safe",
            Self::SourceHead => "the unsafe head of the safe source is not there yet",
            Self::BelowSafe => "the unsafe head is below the safe one",
            Self::SafeLag => "too many blocks are not safe yet",
            Self::L1 => "l1 has not been read",
            Self::Drift => "the sequencer drift is used up and l1 has no next block",
            Self::OriginLost => "the l1 origins of all unsafe blocks have left l1",
            Self::Parent => "the parent block has not been read",
            Self::Engine => "the execution layer fails",
            Self::Conductor => "the conductor does not take the block",
            Self::Leader => "another sequencer leads",
            Self::Attributes => "no block can be made of the next attributes",
        }
    }
}

/// What a sequencer goes by before it builds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// No block is built while so many are unsafe; 0 sets no limit.
    pub(crate) max_safe_lag: u64,
    /// The safe source has had its time to say what is safe.
    pub(crate) is_source_overdue: bool,
}

/// Whether anything may be built on the heads of `state`.
pub(crate) fn may_build(state: &EngineState, limits: &Limits) -> Result<(), Wait> {
    let (head, safe) = (&state.unsafe_head, &state.local_safe_head);
    if is_unknown(head) {
        return Err(Wait::Head);
    }
    let is_synced = matches!(state.el_sync, ElSyncState::Synced);
    if state.target.is_some() || !is_synced {
        return Err(Wait::Syncing);
    }
    if is_unknown(safe) && !limits.is_source_overdue {
        return Err(Wait::Source);
    }
    if head.number < safe.number {
        return Err(Wait::BelowSafe);
    }
    let limit = state.safe_head.number.saturating_add(limits.max_safe_lag);
    if limits.max_safe_lag > 0 && limit <= head.number {
        return Err(Wait::SafeLag);
    }
    Ok(())
}

fn is_unknown(block: &L2BlockRef) -> bool {
    block.is_zero()
}

/// The moments of one block, in Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moments {
    /// It is not begun before.
    pub(crate) start: Duration,
    /// It is sealed, or as soon after as it is begun.
    pub(crate) seal: Duration,
    /// It carries this time.
    pub(crate) due: Duration,
}

/// When the block after one of `parent_time` is made. Blocks that are late follow one another without a pause.
pub(crate) const fn moments(parent_time: u64, block_time: u64) -> Moments {
    let due = Duration::from_secs(parent_time.saturating_add(block_time));
    Moments {
        start: Duration::from_secs(parent_time),
        seal: due.saturating_sub(SEALING),
        due,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use light_node_protocol::BlockNumHash;

    const FREE: Limits = Limits {
        max_safe_lag: 0,
        is_source_overdue: false,
    };

    fn block(number: u64) -> L2BlockRef {
        L2BlockRef {
            number,
            hash: B256::repeat_byte(1),
            ..L2BlockRef::default()
        }
    }

    fn state(head: u64, safe: u64) -> EngineState {
        EngineState {
            unsafe_head: block(head),
            local_safe_head: block(safe),
            safe_head: block(safe),
            el_sync: ElSyncState::Synced,
            ..EngineState::default()
        }
    }

    #[test]
    fn a_block_is_begun_at_its_parents_time_and_sealed_just_before_its_own() {
        let moments = moments(100, 2);
        assert_eq!(moments.start, Duration::from_secs(100));
        assert_eq!(moments.seal, Duration::from_millis(101_950));
        assert_eq!(moments.due, Duration::from_secs(102));
    }

    #[test]
    fn nothing_is_built_without_a_head_or_while_the_execution_layer_syncs() {
        let nothing = EngineState::default();
        assert_eq!(may_build(&nothing, &FREE), Err(Wait::Head));
        let syncing = EngineState {
            target: Some(BlockNumHash::new(9, B256::repeat_byte(9))),
            ..state(5, 3)
        };
        assert_eq!(may_build(&syncing, &FREE), Err(Wait::Syncing));
        let lost = EngineState {
            el_sync: ElSyncState::LostBlocks,
            ..state(5, 3)
        };
        assert_eq!(may_build(&lost, &FREE), Err(Wait::Syncing));
        assert_eq!(may_build(&state(5, 3), &FREE), Ok(()));
    }

    #[test]
    fn a_source_is_waited_for_until_it_is_overdue() {
        let silent = EngineState {
            unsafe_head: block(5),
            el_sync: ElSyncState::Synced,
            ..EngineState::default()
        };
        assert_eq!(may_build(&silent, &FREE), Err(Wait::Source));
        let overdue = Limits {
            is_source_overdue: true,
            ..FREE
        };
        assert_eq!(may_build(&silent, &overdue), Ok(()));
    }

    #[test]
    fn nothing_is_built_below_what_is_safe() {
        assert_eq!(may_build(&state(5, 6), &FREE), Err(Wait::BelowSafe));
        assert_eq!(may_build(&state(6, 6), &FREE), Ok(()));
    }

    #[test]
    fn the_safe_lag_stops_building_until_the_safe_head_moves() {
        let limits = Limits {
            max_safe_lag: 3,
            ..FREE
        };
        assert_eq!(may_build(&state(5, 3), &limits), Ok(()));
        assert_eq!(may_build(&state(6, 3), &limits), Err(Wait::SafeLag));
        assert_eq!(may_build(&state(6, 4), &limits), Ok(()));
    }
}
