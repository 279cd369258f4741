//! The table of the follow mode as a function: which case an update of the source is, given what we and the EL have.
//! Pure; `tasks/follow.rs` acts on it.

use crate::{
    request::{FollowOutcome, FollowRefusal, FollowUpdate},
    state::EngineState,
};
use alloy_primitives::B256;
use light_node_protocol::{BlockNumHash, L2BlockRef};

/// The rows of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FollowCase {
    /// 0: equal to the last applied update, and nothing is pending.
    Unchanged,
    /// 1: the source's local-safe block is above our head and above what the EL was asked for.
    Ahead,
    /// 2a: the EL still fetches the target.
    TargetPending,
    /// 2b: the EL could not be asked.
    Unanswered,
    /// 2c: the EL has no block at a height that it once had.
    LostBlocks,
    /// 3: the block at that height is the source's: labels move.
    Consolidate,
    /// 4: the block at that height is another: the chain is reorganised to the source's.
    Reorg,
}

impl FollowCase {
    /// All rows.
    pub const ALL: [Self; 7] = [
        Self::Unchanged,
        Self::Ahead,
        Self::TargetPending,
        Self::Unanswered,
        Self::LostBlocks,
        Self::Consolidate,
        Self::Reorg,
    ];

    /// The row's name in status reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Ahead => "ahead",
            Self::TargetPending => "target_pending",
            Self::Unanswered => "unanswered",
            Self::LostBlocks => "lost_blocks",
            Self::Consolidate => "consolidate",
            Self::Reorg => "reorg",
        }
    }
}

/// What the decision stands on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FollowView {
    /// The update is equal to the last applied one.
    pub unchanged: bool,
    /// The source's local-safe block.
    pub local_safe: BlockNumHash,
    /// The number of our unsafe head.
    pub unsafe_number: u64,
    /// The head that the EL was asked for and has not confirmed.
    pub target: Option<BlockNumHash>,
    /// The EL lost blocks, and what it still has is no chain of ours.
    pub lost: bool,
}

/// The case, if it shows without asking the EL.
pub(crate) fn case_before_reads(view: &FollowView) -> Option<FollowCase> {
    if view.unchanged && view.target.is_none() && !view.lost {
        return Some(FollowCase::Unchanged);
    }
    let highest = view
        .target
        .map_or(view.unsafe_number, |target| target.number);
    if view.local_safe.number > highest || (view.lost && view.target.is_none()) {
        return Some(FollowCase::Ahead);
    }
    (view.target == Some(view.local_safe)).then_some(FollowCase::TargetPending)
}

/// The case of an update that [`case_before_reads`] leaves open, given the EL's canonical block at the height of local safe.
pub(crate) fn case_after_reads(view: &FollowView, at_local_safe: Option<B256>) -> FollowCase {
    match (view.target, at_local_safe) {
        (Some(_), None) => FollowCase::TargetPending,
        (None, None) => FollowCase::LostBlocks,
        (_, Some(hash)) if hash == view.local_safe.hash => FollowCase::Consolidate,
        (_, Some(_)) => FollowCase::Reorg,
    }
}

/// The row and the answer of an update that was on its way through `row`. Whichever call to the EL failed, and whatever the
/// ones before it did, it is row 2b then: the update is not tried again, because the next poll brings a newer one.
pub(crate) fn answered<E>(
    row: Option<FollowCase>,
    answer: &Result<FollowOutcome, E>,
) -> (Option<FollowCase>, FollowOutcome) {
    match answer {
        Ok(outcome) => (row, *outcome),
        Err(_) => (Some(FollowCase::Unanswered), FollowOutcome::Skipped),
    }
}

/// The head under which labels go out: our own, or the EL's if it stands above, for an EL ignores labels on an ancestor of
/// its head and answers VALID all the same. `None` if labels have to wait, because the EL stands on a block that may not be
/// adopted, or is still below the source's. `ours` is `None` if the EL has lost it, `latest` if there was no need to look.
pub(crate) fn head_to_label(
    ours: Option<L2BlockRef>,
    latest: Option<L2BlockRef>,
    may_adopt: bool,
    local_safe: u64,
) -> Option<L2BlockRef> {
    let stays = |ours: &L2BlockRef| latest.is_none_or(|latest| latest.number <= ours.number);
    ours.filter(stays)
        .or(latest.filter(|_| may_adopt))
        .filter(|head| head.number >= local_safe)
}

/// A contradiction between the update and what is published that shows without asking the EL: another block at the same
/// height, or heads below the finalized one.
pub(crate) fn contradiction(state: &EngineState, update: &FollowUpdate) -> Option<FollowRefusal> {
    let new = &update.state;
    let other = |ours: &L2BlockRef, theirs: &L2BlockRef| {
        !ours.is_zero() && ours.number == theirs.number && ours.hash != theirs.hash
    };
    let finalized = &state.finalized_head;
    let finalized_differs = (!new.finalized.is_zero() && other(finalized, &new.finalized))
        || other(finalized, &new.safe)
        || other(finalized, &new.local_safe);
    if finalized_differs {
        return Some(FollowRefusal::FinalizedContradicted);
    }
    let safe = &state.safe_head;
    let below_finalized = new.safe.number < finalized.number;
    let below_safe = new.safe.number < safe.number;
    let safe_differs = other(safe, &new.safe) || other(safe, &new.local_safe);
    if below_finalized || (!update.safe_may_move && (below_safe || safe_differs)) {
        return Some(FollowRefusal::SafeContradicted);
    }
    None
}

/// The finalized head after an update: it never goes down, and an unknown one changes nothing.
pub(crate) fn next_finalized(ours: L2BlockRef, theirs: L2BlockRef) -> L2BlockRef {
    if theirs.is_zero() || (!ours.is_zero() && theirs.number <= ours.number) {
        ours
    } else {
        theirs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::DerivationState;

    fn hash(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn at(number: u64, byte: u8) -> BlockNumHash {
        BlockNumHash::new(number, hash(byte))
    }

    fn block(number: u64, byte: u8) -> L2BlockRef {
        L2BlockRef {
            hash: hash(byte),
            number,
            ..Default::default()
        }
    }

    /// Our head is 10; the source's local safe is given.
    fn view(local_safe: BlockNumHash, target: Option<BlockNumHash>) -> FollowView {
        FollowView {
            unchanged: false,
            local_safe,
            unsafe_number: 10,
            target,
            lost: false,
        }
    }

    #[test]
    fn row_0_an_equal_update_with_nothing_pending_needs_no_read() {
        let equal = FollowView {
            unchanged: true,
            ..view(at(8, 8), None)
        };
        assert_eq!(case_before_reads(&equal), Some(FollowCase::Unchanged));
        let pending = FollowView {
            target: Some(at(12, 12)),
            ..equal
        };
        assert_eq!(case_before_reads(&pending), None);
        let lost = FollowView {
            lost: true,
            ..equal
        };
        assert_eq!(case_before_reads(&lost), Some(FollowCase::Ahead));
    }

    #[test]
    fn row_1_local_safe_above_head_and_target_needs_no_read() {
        assert_eq!(
            case_before_reads(&view(at(11, 11), None)),
            Some(FollowCase::Ahead)
        );
        assert_eq!(case_before_reads(&view(at(10, 10), None)), None);
        let retarget = view(at(13, 13), Some(at(12, 12)));
        assert_eq!(case_before_reads(&retarget), Some(FollowCase::Ahead));
        let low_target = view(at(9, 9), Some(at(8, 8)));
        assert_eq!(case_before_reads(&low_target), Some(FollowCase::Ahead));
    }

    #[test]
    fn row_2a_a_pending_target_is_waited_for() {
        let same = view(at(12, 12), Some(at(12, 12)));
        assert_eq!(case_before_reads(&same), Some(FollowCase::TargetPending));
        let below = view(at(11, 11), Some(at(12, 12)));
        assert_eq!(case_before_reads(&below), None);
        assert_eq!(case_after_reads(&below, None), FollowCase::TargetPending);
    }

    #[test]
    fn row_2b_a_failed_call_in_any_row_skips_the_update() {
        let rows = [None, Some(FollowCase::Ahead), Some(FollowCase::Consolidate)];
        for row in rows {
            assert_eq!(
                answered(row, &Err(())),
                (Some(FollowCase::Unanswered), FollowOutcome::Skipped)
            );
            for outcome in [FollowOutcome::Applied, FollowOutcome::Skipped] {
                assert_eq!(answered::<()>(row, &Ok(outcome)), (row, outcome));
            }
        }
    }

    #[test]
    fn row_2c_no_target_and_no_block_means_lost_blocks() {
        assert_eq!(
            case_after_reads(&view(at(9, 9), None), None),
            FollowCase::LostBlocks
        );
    }

    #[test]
    fn row_3_the_same_block_is_consolidated_with_and_without_target() {
        assert_eq!(
            case_after_reads(&view(at(9, 9), None), Some(hash(9))),
            FollowCase::Consolidate
        );
        let target = view(at(9, 9), Some(at(12, 12)));
        assert_eq!(
            case_after_reads(&target, Some(hash(9))),
            FollowCase::Consolidate
        );
    }

    #[test]
    fn row_4_another_block_is_a_reorg_with_and_without_target() {
        assert_eq!(
            case_after_reads(&view(at(9, 9), None), Some(hash(99))),
            FollowCase::Reorg
        );
        let target = view(at(9, 9), Some(at(12, 12)));
        assert_eq!(case_after_reads(&target, Some(hash(99))), FollowCase::Reorg);
    }

    #[test]
    fn labels_go_out_under_the_head_on_which_the_el_stands_or_wait() {
        let (ours, above, below) = (block(10, 10), block(16, 16), block(8, 8));
        let label = head_to_label;
        assert_eq!(label(Some(ours), None, false, 9), Some(ours));
        assert_eq!(label(Some(ours), Some(ours), false, 10), Some(ours));
        assert_eq!(label(Some(ours), Some(above), true, 9), Some(above));
        assert_eq!(label(Some(ours), Some(above), true, 14), Some(above));
        assert_eq!(label(Some(ours), Some(above), false, 9), None);
        assert_eq!(label(Some(ours), Some(ours), true, 14), None);
        assert_eq!(label(None, Some(below), true, 8), Some(below));
        assert_eq!(label(None, Some(below), true, 9), None);
        assert_eq!(label(None, Some(below), false, 8), None);
    }

    fn published() -> EngineState {
        EngineState {
            unsafe_head: block(10, 10),
            local_safe_head: block(8, 8),
            safe_head: block(8, 8),
            finalized_head: block(5, 5),
            ..Default::default()
        }
    }

    fn update(safe: L2BlockRef, finalized: L2BlockRef) -> FollowUpdate {
        let state = DerivationState {
            safe,
            local_safe: safe,
            finalized,
            ..Default::default()
        };
        FollowUpdate {
            state,
            safe_may_move: false,
        }
    }

    #[test]
    fn finalized_is_contradicted_by_another_block_at_its_height_in_any_label() {
        let contradicted = Some(FollowRefusal::FinalizedContradicted);
        let check = |update: FollowUpdate| contradiction(&published(), &update);
        assert_eq!(check(update(block(9, 9), block(5, 55))), contradicted);
        assert_eq!(
            check(update(block(5, 55), L2BlockRef::default())),
            contradicted
        );
        let moving = FollowUpdate {
            safe_may_move: true,
            ..update(block(9, 9), block(5, 55))
        };
        assert_eq!(check(moving), contradicted);
        assert_eq!(
            check(update(block(9, 9), block(4, 44))),
            None,
            "lower: ours is kept"
        );
    }

    #[test]
    fn safe_goes_down_or_to_another_branch_only_when_it_may_move() {
        let refused = Some(FollowRefusal::SafeContradicted);
        for safe in [block(7, 7), block(8, 88)] {
            let held = update(safe, block(5, 5));
            assert_eq!(contradiction(&published(), &held), refused);
            let moving = FollowUpdate {
                safe_may_move: true,
                ..held
            };
            assert_eq!(contradiction(&published(), &moving), None);
        }
        let below_finalized = FollowUpdate {
            safe_may_move: true,
            ..update(block(4, 4), L2BlockRef::default())
        };
        assert_eq!(contradiction(&published(), &below_finalized), refused);
    }

    #[test]
    fn nothing_published_contradicts_nothing() {
        let fresh = EngineState::default();
        assert_eq!(
            contradiction(&fresh, &update(block(0, 1), L2BlockRef::default())),
            None
        );
    }

    #[test]
    fn finalized_only_rises() {
        let none = L2BlockRef::default();
        assert_eq!(
            next_finalized(none, block(0, 7)),
            block(0, 7),
            "genesis is a known block"
        );
        assert_eq!(next_finalized(block(5, 5), none), block(5, 5));
        assert_eq!(next_finalized(block(5, 5), block(4, 4)), block(5, 5));
        assert_eq!(next_finalized(block(5, 5), block(6, 6)), block(6, 6));
    }
}
