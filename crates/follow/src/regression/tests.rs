#![allow(clippy::unwrap_used)]

use super::*;
use alloy_primitives::{B256, keccak256};
use light_node_protocol::{L1BlockRef, L2BlockRef};
use proptest::prelude::*;

fn hash(number: u64, branch: u8) -> B256 {
    keccak256([&number.to_be_bytes()[..], &[branch]].concat())
}

/// Branch 0 is the first chain; branch `b` leaves it above block `10 * b`.
fn block(number: u64, branch: u8) -> L2BlockRef {
    let of = |number| {
        hash(
            number,
            if number <= 10 * u64::from(branch) {
                0
            } else {
                branch
            },
        )
    };
    L2BlockRef {
        hash: of(number),
        number,
        parent_hash: of(number.saturating_sub(1)),
        l1_origin: BlockNumHash::new(number / 6, hash(number / 6, 100)),
        ..L2BlockRef::default()
    }
}

fn l1(number: u64) -> L1BlockRef {
    L1BlockRef {
        hash: hash(number, 100),
        number,
        ..L1BlockRef::default()
    }
}

fn says(finalized: u64, safe: u64, branch: u8, cursor: u64) -> DerivationState {
    let safe = block(safe, branch);
    let current_l1 = if cursor == 0 {
        L1BlockRef::default()
    } else {
        l1(cursor)
    };
    DerivationState {
        safe,
        local_safe: safe,
        finalized: block(finalized, branch),
        current_l1,
    }
}

fn answer(said: DerivationState) -> CheckedAnswer {
    let cursor_is_canonical = !said.current_l1.is_zero();
    CheckedAnswer {
        said,
        cursor_is_canonical,
        facts: L1Facts::default(),
    }
}

/// Check 5 after the update (finalized 12, safe 30, cursor 9) was applied.
fn after_first() -> (Regression, DerivationState) {
    let mut regression = Regression::default();
    let applied = says(12, 30, 0, 9);
    regression.note_applied(applied);
    (regression, applied)
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn sent(verdict: Verdict) -> FollowUpdate {
    let Verdict::Send { update, .. } = verdict else {
        panic!("not sent: {verdict:?}")
    };
    update
}

#[test]
fn the_first_answer_is_sent_without_an_unusable_cursor() {
    let mut regression = Regression::default();
    let said = says(12, 30, 0, 9);
    assert_eq!(regression.needs_l1(&said), None);
    assert_eq!(sent(regression.judge(&answer(said), at(0))).state, said);
    let foreign = CheckedAnswer {
        cursor_is_canonical: false,
        ..answer(said)
    };
    let update = sent(regression.judge(&foreign, at(0)));
    assert!(update.state.current_l1.is_zero() && !update.safe_may_move);
}

#[test]
fn progress_is_sent_as_it_is() {
    let (mut regression, _) = after_first();
    let said = says(13, 36, 0, 10);
    assert_eq!(regression.needs_l1(&said), None);
    let update = sent(regression.judge(&answer(said), at(0)));
    assert_eq!(
        update,
        FollowUpdate {
            state: said,
            safe_may_move: false
        }
    );
}

#[test]
fn a_lower_or_unknown_finalized_head_keeps_ours_and_the_rest_goes_on() {
    let (mut regression, applied) = after_first();
    let mut unknown = says(12, 36, 0, 10);
    unknown.finalized = L2BlockRef::default();
    for said in [says(11, 36, 0, 10), unknown] {
        let verdict = regression.judge(&answer(said), at(0));
        assert!(matches!(
            verdict,
            Verdict::Send {
                finalized_kept: true,
                ..
            }
        ));
        let state = sent(verdict).state;
        assert_eq!(
            (state.finalized, state.safe),
            (applied.finalized, said.safe)
        );
    }
}

#[test]
fn another_block_at_our_finalized_height_is_never_accepted() {
    let (mut regression, _) = after_first();
    for seconds in 0..60 {
        // Branch 1 leaves the chain at block 10, below our finalized block 12.
        let verdict = regression.judge(&answer(says(12, 40, 1, 20)), at(seconds));
        assert_eq!(verdict, Verdict::FinalizedContradicted);
    }
}

#[test]
fn a_safe_head_below_our_finalized_one_is_never_accepted() {
    let (mut regression, _) = after_first();
    let gone = L1Facts {
        safe_origin_left: true,
        cursor_left: true,
        cursor_out_of_reach: false,
    };
    for seconds in 0..60 {
        let deep = CheckedAnswer {
            facts: gone,
            ..answer(says(5, 11, 0, 20))
        };
        assert_eq!(
            regression.judge(&deep, at(seconds)),
            Verdict::BelowFinalized
        );
        let replay = CheckedAnswer {
            facts: gone,
            ..answer(says(5, 11, 0, 3))
        };
        assert_eq!(regression.judge(&replay, at(seconds)), Verdict::Replaying);
    }
}

#[test]
fn a_regression_whose_origin_or_cursor_left_l1_is_accepted_at_once() {
    for (safe_origin_left, cursor_left) in [(true, false), (false, true), (true, true)] {
        let (mut regression, applied) = after_first();
        let said = says(12, 24, 2, 8);
        let asked = regression.needs_l1(&said).unwrap();
        assert_eq!(asked, [applied.safe.l1_origin, applied.current_l1.id()]);
        let facts = L1Facts {
            safe_origin_left,
            cursor_left,
            cursor_out_of_reach: false,
        };
        let update = sent(regression.judge(
            &CheckedAnswer {
                facts,
                ..answer(said)
            },
            at(0),
        ));
        assert!(update.safe_may_move);
        assert_eq!(update.state.safe, said.safe);
        let cursor = if cursor_left {
            said.current_l1
        } else {
            applied.current_l1
        };
        assert_eq!(update.state.current_l1, cursor);
    }
}

#[test]
fn a_source_that_resets_after_an_l1_reorg_is_given_time_to_derive_again() {
    let (mut regression, _) = after_first();
    let facts = L1Facts {
        cursor_left: true,
        ..L1Facts::default()
    };
    // No cursor, and safe is what is finalized.
    let resetting = CheckedAnswer {
        facts,
        ..answer(says(14, 14, 0, 0))
    };
    for seconds in 0..10 {
        assert_eq!(
            regression.judge(&resetting, at(seconds)),
            Verdict::Replaying
        );
    }
    // It has derived most of it again.
    let back = CheckedAnswer {
        facts,
        ..answer(says(14, 27, 0, 8))
    };
    let update = sent(regression.judge(&back, at(10)));
    assert_eq!(update.state.safe, block(27, 0));
    assert!(update.safe_may_move);
    // One that stays without a cursor is believed in the end.
    let (mut regression, _) = after_first();
    for seconds in 0..10 {
        assert_eq!(
            regression.judge(&resetting, at(seconds)),
            Verdict::Replaying
        );
    }
    assert_eq!(
        sent(regression.judge(&resetting, at(10))).state.safe,
        block(14, 0)
    );
}

#[test]
fn a_lower_safe_head_with_a_lower_or_unknown_cursor_is_a_replay_for_ever() {
    let (mut regression, _) = after_first();
    for seconds in 0..60 {
        let cursor = seconds % 9;
        let verdict = regression.judge(&answer(says(12, 20, 0, cursor)), at(seconds));
        assert_eq!(verdict, Verdict::Replaying);
    }
}

#[test]
fn an_unexplained_regression_is_accepted_after_three_polls_over_ten_seconds() {
    let (mut regression, _) = after_first();
    let lower = answer(says(12, 25, 0, 9));
    for seconds in 0..10 {
        assert_eq!(regression.judge(&lower, at(seconds)), Verdict::Waiting);
    }
    assert!(sent(regression.judge(&lower, at(10))).safe_may_move);
    // Until the engine has applied it, it stays accepted.
    assert!(sent(regression.judge(&lower, at(11))).safe_may_move);

    let (mut regression, _) = after_first();
    assert_eq!(regression.judge(&lower, at(0)), Verdict::Waiting);
    assert_eq!(regression.judge(&lower, at(30)), Verdict::Waiting);
    assert!(sent(regression.judge(&lower, at(60))).safe_may_move);
}

#[test]
fn a_backend_that_only_sometimes_lags_never_wears_our_patience_down() {
    let (mut regression, applied) = after_first();
    for seconds in 0..60 {
        let verdict = regression.judge(&answer(says(12, 25, 0, 9)), at(2 * seconds));
        assert_eq!(verdict, Verdict::Waiting);
        let update = sent(regression.judge(&answer(applied), at(2 * seconds + 1)));
        assert!(!update.safe_may_move);
    }
}

#[test]
fn a_head_at_or_right_above_ours_that_does_not_fit_is_a_regression() {
    for said in [says(12, 30, 2, 10), says(12, 31, 2, 10)] {
        let (mut regression, _) = after_first();
        assert!(regression.needs_l1(&said).is_some());
        assert_eq!(regression.judge(&answer(said), at(0)), Verdict::Waiting);
    }
}

#[test]
fn a_contradiction_found_by_the_engine_is_a_regression_until_an_update_is_applied() {
    let (mut regression, _) = after_first();
    let said = says(12, 40, 2, 10);
    assert!(!sent(regression.judge(&answer(said), at(0))).safe_may_move);
    regression.note_contradicted();
    assert_eq!(regression.judge(&answer(said), at(1)), Verdict::Waiting);
    assert_eq!(regression.judge(&answer(said), at(5)), Verdict::Waiting);
    let update = sent(regression.judge(&answer(said), at(11)));
    assert!(update.safe_may_move);
    regression.note_applied(update.state);
    assert!(!sent(regression.judge(&answer(says(12, 41, 2, 10)), at(12))).safe_may_move);
}

#[test]
fn a_cursor_alone_goes_back_only_when_the_old_one_left_l1() {
    let (mut regression, applied) = after_first();
    let said = says(12, 30, 0, 8);
    assert!(regression.needs_l1(&said).is_some());
    let update = sent(regression.judge(&answer(said), at(0)));
    assert_eq!(
        update,
        FollowUpdate {
            state: applied,
            safe_may_move: false
        }
    );
    for (cursor_left, cursor_out_of_reach) in [(true, false), (false, true)] {
        let facts = L1Facts {
            safe_origin_left: false,
            cursor_left,
            cursor_out_of_reach,
        };
        let back = CheckedAnswer {
            facts,
            ..answer(said)
        };
        let update = sent(regression.judge(&back, at(0)));
        assert_eq!(update.state.current_l1, said.current_l1);
        assert!(!update.safe_may_move);
        // The source still names the old one, or none.
        for cursor in [applied.current_l1, L1BlockRef::default()] {
            let mut stuck = back;
            stuck.cursor_is_canonical = false;
            stuck.said.current_l1 = cursor;
            let update = sent(regression.judge(&stuck, at(0)));
            assert_eq!(update.state.current_l1, applied.current_l1);
        }
    }
}

#[test]
fn lower_heads_over_an_l1_that_became_too_short_are_no_replay_but_need_patience() {
    let (mut regression, _) = after_first();
    let out_of_reach = L1Facts {
        cursor_out_of_reach: true,
        ..L1Facts::default()
    };
    let said = says(12, 20, 0, 8);
    let lower = CheckedAnswer {
        facts: out_of_reach,
        ..answer(said)
    };
    for seconds in 0..10 {
        assert_eq!(regression.judge(&lower, at(seconds)), Verdict::Waiting);
    }
    let update = sent(regression.judge(&lower, at(10)));
    assert!(update.safe_may_move);
    assert_eq!(update.state, said);
}

#[test]
fn an_unknown_applied_cursor_asks_about_the_origin_alone() {
    let mut regression = Regression::default();
    let applied = says(12, 30, 0, 0);
    regression.note_applied(applied);
    let asked = regression.needs_l1(&says(12, 25, 0, 4)).unwrap();
    assert_eq!(asked, [applied.safe.l1_origin; 2]);
}

prop_compose! {
    fn any_answer()(
        finalized in 0..60_u64, up in 0..30_u64, branch in 0..4_u8, cursor in 0..12_u64,
        no_finalized in prop::bool::weighted(0.1), cursor_is_canonical in any::<bool>(),
        safe_origin_left in prop::bool::weighted(0.2), cursor_left in prop::bool::weighted(0.2),
        cursor_out_of_reach in prop::bool::weighted(0.2),
    ) -> CheckedAnswer {
        let mut said = says(finalized, finalized + up, branch, cursor);
        if no_finalized {
            said.finalized = L2BlockRef::default();
        }
        CheckedAnswer { said, cursor_is_canonical, facts: L1Facts { safe_origin_left, cursor_left, cursor_out_of_reach } }
    }
}

proptest! {
    #[test]
    fn no_sequence_of_answers_lowers_finalized_or_lifts_it_above_safe(
        answers in prop::collection::vec((any_answer(), any::<bool>()), 1..40),
    ) {
        let mut regression = Regression::default();
        for (second, (answer, contradicted)) in answers.into_iter().enumerate() {
            let before = regression.applied();
            if contradicted {
                regression.note_contradicted();
            }
            let verdict = regression.judge(&answer, at(second as u64 * 4));
            let Verdict::Send { update, .. } = verdict else { continue };
            let state = update.state;
            prop_assert!(state.finalized.number <= state.safe.number);
            if let Some(before) = before {
                prop_assert!(state.finalized.number >= before.finalized.number);
                if !before.finalized.is_zero() && state.finalized.number == before.finalized.number {
                    prop_assert_eq!(state.finalized, before.finalized);
                }
                let back = state.safe.number < before.safe.number
                    || state.safe.number == before.safe.number && state.safe != before.safe;
                prop_assert!(update.safe_may_move || !back);
                prop_assert!(before.current_l1.is_zero() || !state.current_l1.is_zero());
            }
            regression.note_applied(state);
        }
    }
}
