//! The source fails, lies or goes back while it is followed: what is wrong is counted and named, heads hold, and once the source
//! is good again it is followed without help.

use crate::helpers::{
    beside_both,
    chain::Settings,
    followed::{Followed, LIMIT, followed},
    rpc::Rpc,
    wait::until,
};
use light_node_devnet::{ElBehaviour, SourceFault, SourceFaultKind};
use light_node_devnet_l1::{Fault as L1Fault, FaultKind as L1FaultKind};
use serde_json::json;

beside_both!(
    one_that_does_not_answer_is_waited_for,
    one_whose_server_was_stopped_is_followed_again,
    one_that_is_slow_is_followed,
    one_that_contradicts_itself_is_not_followed,
    one_that_has_no_heads_yet_is_waited_for,
    one_without_a_cursor_is_followed_and_the_cursor_holds,
    an_origin_that_is_not_on_our_l1_is_not_followed,
    a_block_with_another_origin_than_claimed_is_refused,
    a_block_that_nobody_has_holds_nothing_up,
    a_frozen_one_becomes_stale,
    one_that_is_an_l1_reorg_behind_is_not_followed,
    one_that_is_an_l1_reorg_ahead_is_waited_for,
    a_safe_head_that_goes_back_is_believed_when_it_stays,
    a_finalized_head_that_goes_back_is_ignored,
    one_that_derives_again_is_waited_for,
    two_backends_of_which_one_lags_are_followed,
    another_chain_at_the_same_url_is_named,
    one_that_cannot_be_identified_is_followed_and_named,
);

/// The endpoint hangs for longer than a request may take, by this flag.
const DEADLINE: (&str, &str) = ("--l2.follow.request-timeout", "500ms");

const fn lasting(kind: SourceFaultKind) -> SourceFault {
    SourceFault::until_cleared(kind)
}

/// Sets each fault while the source goes on, asserts that it is counted and that no head moves, and that the node is in step
/// again when it is over. The last one lasts until it makes the node unready.
async fn each_is_counted(it: &Followed, faults: &[SourceFault], outcome: &str, reason: &str) {
    let last = faults.len() - 1;
    for (index, fault) in faults.iter().enumerate() {
        let before = it.status().await;
        let polls = it.polls(outcome).await;
        it.chain.source().set_fault(*fault);
        it.source_goes_on().await;
        it.until_polls_above(outcome, polls).await;
        if index == last {
            it.until_unready(reason).await;
        }
        let now = it.status().await;
        assert_eq!(followed(&now), followed(&before), "{fault:?}");
        assert_eq!(now.unsafe_l2, before.unsafe_l2, "{fault:?}");
        it.chain.source().clear_fault();
        it.in_step().await;
    }
}

async fn heals(it: Followed) {
    it.chain.source().clear_fault();
    it.follows_again().await;
    it.finish().await;
}

async fn one_that_does_not_answer_is_waited_for(behaviour: ElBehaviour) {
    let it = Followed::start_with(behaviour, |_, flags| flags.with(DEADLINE.0, DEADLINE.1)).await;
    let faults = [
        lasting(SourceFaultKind::Refuse),
        lasting(SourceFaultKind::Hang),
        lasting(SourceFaultKind::Slow).by(60_000),
        lasting(SourceFaultKind::Http429),
        lasting(SourceFaultKind::Http500),
        lasting(SourceFaultKind::Truncated),
        lasting(SourceFaultKind::Huge).by(16 << 20),
        lasting(SourceFaultKind::RpcError),
        lasting(SourceFaultKind::Null),
        lasting(SourceFaultKind::Html),
    ];
    each_is_counted(&it, &faults, "source_error", "source_unreachable").await;
    heals(it).await;
}

async fn one_whose_server_was_stopped_is_followed_again(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    it.chain.source().stop_serving().await;
    it.source_goes_on().await;
    let detail = it.until_unready("source_unreachable").await;
    assert!(!detail.is_empty());
    assert_eq!(followed(&it.status().await), followed(&before));
    it.chain.source().start_serving().await.unwrap();
    heals(it).await;
}

async fn one_that_is_slow_is_followed(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let errors = it.polls("source_error").await;
    let slow = lasting(SourceFaultKind::Slow).by(400);
    it.chain.source().set_fault(slow);
    for _ in 0..2 {
        it.source_goes_on().await;
        it.in_step().await;
    }
    assert_eq!(it.polls("source_error").await, errors);
    heals(it).await;
}

async fn one_that_contradicts_itself_is_not_followed(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let faults = [
        lasting(SourceFaultKind::FinalizedAboveSafe),
        lasting(SourceFaultKind::AbsurdNumbers),
    ];
    each_is_counted(&it, &faults, "invalid", "source_invalid").await;
    heals(it).await;
}

async fn one_that_has_no_heads_yet_is_waited_for(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let faults = [lasting(SourceFaultKind::ZeroHeads)];
    each_is_counted(&it, &faults, "source_not_ready", "source_not_ready").await;
    heals(it).await;
}

async fn one_without_a_cursor_is_followed_and_the_cursor_holds(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    let fault = lasting(SourceFaultKind::ZeroCursor);
    it.chain.source().set_fault(fault);
    let theirs = it.source_goes_on().await;
    until("the safe head without a cursor", LIMIT, || async {
        let ours = it.status().await;
        assert_eq!(ours.current_l1, before.current_l1);
        if ours.safe_l2 == theirs.safe_l2 {
            Ok(())
        } else {
            Err(json!(ours))
        }
    })
    .await;
    heals(it).await;
}

async fn an_origin_that_is_not_on_our_l1_is_not_followed(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let faults = [lasting(SourceFaultKind::ForeignOrigin)];
    each_is_counted(&it, &faults, "l1_mismatch", "l1_mismatch").await;
    heals(it).await;
}

async fn a_block_with_another_origin_than_claimed_is_refused(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let faults = [lasting(SourceFaultKind::WrongOrigin)];
    each_is_counted(&it, &faults, "refused", "refused").await;
    heals(it).await;
}

async fn a_block_that_nobody_has_holds_nothing_up(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let faults = [lasting(SourceFaultKind::ForeignBlock)];
    each_is_counted(&it, &faults, "syncing", "el_syncing").await;
    heals(it).await;
}

async fn a_frozen_one_becomes_stale(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    let frozen = lasting(SourceFaultKind::Frozen);
    it.chain.source().set_fault(frozen);
    // Each L1 block is a second, and three are allowed.
    for _ in 0..4 {
        it.source_goes_on().await;
    }
    it.until_unready("source_stale").await;
    assert_eq!(followed(&it.status().await), followed(&before));
    heals(it).await;
}

/// On chains whose L1 may go back by some blocks below the safe origin.
async fn before_a_reorg(el_behaviour: ElBehaviour) -> Followed {
    let settings = Settings {
        el_behaviour,
        finalized_lag: 10,
        ..Settings::on_command()
    };
    let it = Followed::start_on(settings, |_, flags| {
        flags.with("--l2.follow.max-age", "10s")
    })
    .await;
    it.expect_reorg();
    it
}

/// Takes the origin of the source's safe head, and one more, off L1.
fn reorg_below_safe(it: &Followed) {
    let origin = it.chain.source().status().safe_l2.l1_origin;
    let depth = it.chain.l1().heads().latest.number - origin.number + 2;
    it.chain.l1().reorg(depth, None, false).unwrap();
}

async fn one_that_is_an_l1_reorg_behind_is_not_followed(behaviour: ElBehaviour) {
    let it = before_a_reorg(behaviour).await;
    let mismatches = it.polls("l1_mismatch").await;
    let frozen = lasting(SourceFaultKind::Frozen);
    it.chain.source().set_fault(frozen);
    let before = it.status().await;
    reorg_below_safe(&it);
    it.source_goes_on().await;
    it.until_polls_above("l1_mismatch", mismatches).await;
    assert_eq!(followed(&it.status().await), followed(&before));
    it.until_unready("l1_mismatch").await;
    heals(it).await;
}

async fn one_that_is_an_l1_reorg_ahead_is_waited_for(behaviour: ElBehaviour) {
    let it = before_a_reorg(behaviour).await;
    let mismatches = it.polls("l1_mismatch").await;
    let before = it.status().await;
    let stale = L1Fault::until_cleared(L1FaultKind::Stale);
    it.chain.l1().set_fault(stale);
    reorg_below_safe(&it);
    it.chain.source_at_l1_head().await;
    // As far as our L1 reaches the source's new blocks have foreign origins there.
    it.chain
        .step_until(|status| status.safe_l2.number >= before.safe_l2.number)
        .await;
    it.until_polls_above("l1_mismatch", mismatches).await;
    let now = it.status().await;
    assert!(now.safe_l2.number <= before.safe_l2.number);
    it.chain.l1().clear_fault();
    it.in_step().await;
    heals(it).await;
}

async fn a_safe_head_that_goes_back_is_believed_when_it_stays(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    let back = lasting(SourceFaultKind::SafeBack).by(2);
    it.chain.source().set_fault(back);
    // A head that it never published it cannot go back to, so it may be lower than that.
    let theirs = Rpc::url(it.chain.source().url());
    let lower = theirs.sync_status().await.unwrap().safe_l2;
    assert!(lower.number <= before.safe_l2.number - 2, "{lower:?}");
    it.until_unready("source_regressed").await;
    assert_eq!(followed(&it.status().await), followed(&before));
    it.expect_reorg();
    until("the lower safe head", LIMIT, || async {
        let now = it.status().await;
        if now.safe_l2 == lower {
            assert_eq!(now.finalized_l2, before.finalized_l2);
            Ok(())
        } else {
            Err(json!(now))
        }
    })
    .await;
    it.rpc().until_ready(LIMIT).await;
    heals(it).await;
}

async fn a_finalized_head_that_goes_back_is_ignored(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    let ignored = it.polls("finalized_lower").await;
    let back = lasting(SourceFaultKind::FinalizedBack).by(100);
    it.chain.source().set_fault(back);
    let theirs = it.source_goes_on().await;
    it.until_polls_above("finalized_lower", ignored).await;
    until("the safe head all the same", LIMIT, || async {
        let now = it.status().await;
        assert_eq!(now.finalized_l2, before.finalized_l2);
        if now.safe_l2 == theirs.safe_l2 {
            Ok(())
        } else {
            Err(json!(now))
        }
    })
    .await;
    heals(it).await;
}

async fn one_that_derives_again_is_waited_for(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    let behind = lasting(SourceFaultKind::Behind).by(2);
    it.chain.source().set_fault(behind);
    it.until_unready("source_replaying").await;
    assert_eq!(followed(&it.status().await), followed(&before));
    heals(it).await;
}

async fn two_backends_of_which_one_lags_are_followed(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let replays = it.polls("replaying").await;
    let alternating = lasting(SourceFaultKind::Alternating).by(2);
    it.chain.source().set_fault(alternating);
    for _ in 0..4 {
        it.source_goes_on().await;
        it.in_step().await;
    }
    it.until_polls_above("replaying", replays).await;
    heals(it).await;
}

async fn another_chain_at_the_same_url_is_named(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let faults = [
        lasting(SourceFaultKind::OtherChain),
        lasting(SourceFaultKind::OtherGenesis),
    ];
    for fault in faults {
        let before = it.status().await;
        comes_back_as(&it, fault).await;
        it.source_goes_on().await;
        it.until_unready("wrong_chain").await;
        assert_eq!(followed(&it.status().await), followed(&before));
        it.chain.source().clear_fault();
        it.in_step().await;
    }
    heals(it).await;
}

async fn one_that_cannot_be_identified_is_followed_and_named(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    comes_back_as(&it, lasting(SourceFaultKind::NoRollupConfig)).await;
    it.source_goes_on().await;
    it.in_step().await;
    it.until_unready("identity_unverified").await;
    // It is asked again after some time, and sooner if it was away.
    comes_back_as(&it, lasting(SourceFaultKind::Refuse)).await;
    heals(it).await;
}

/// A source is asked who it is when it comes back.
async fn comes_back_as(it: &Followed, fault: SourceFault) {
    let errors = it.polls("source_error").await;
    let refusing = lasting(SourceFaultKind::Refuse);
    it.chain.source().set_fault(refusing);
    it.until_polls_above("source_error", errors).await;
    it.chain.source().set_fault(fault);
}
