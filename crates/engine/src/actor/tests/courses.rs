//! Whole courses of following: without payloads, with those that come back, with a source that turns back, after Lagoon.

use super::*;

#[tokio::test(start_paused = true)]
async fn following_with_no_payloads_at_all_unsafe_equals_safe_in_every_observed_state() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(60);
    harness.el.add(&[]);
    let mut watch = harness.engine.watch();
    let observer = tokio::spawn(async move {
        let mut seen = 0;
        while watch.changed().await.is_ok() {
            let state = *watch.borrow_and_update();
            if state.safe_head.is_zero() {
                continue;
            }
            seen += 1;
            assert_eq!(state.unsafe_head, state.safe_head);
            assert_eq!(state.unsafe_head, state.local_safe_head);
        }
        seen
    });
    for (index, block) in chain.iter().enumerate().skip(2).step_by(3) {
        let update = Harness::update(block, index.checked_sub(6).map(|index| &chain[index]));
        harness.follow(update).await;
        harness.pass(Duration::from_millis(300)).await;
        // The EL fetches from its peers.
        harness.el.add(&chain[..=index]);
        harness.pass(seconds(2)).await;
        assert_eq!(harness.state().safe_head, block.block_ref());
        assert_eq!(harness.el.safe(), block.block_ref());
    }
    assert_eq!(harness.el.finalized(), chain[53].block_ref());
    harness.stop().await;
    assert!(observer.await.unwrap() >= 20);
}

#[tokio::test(start_paused = true)]
async fn payloads_that_return_by_admin_catch_up_and_unsafe_runs_ahead_again() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(12);
    harness.el.add(&chain[..4]);
    harness.follow(Harness::update(&chain[3], None)).await;
    assert_eq!(harness.state().unsafe_head, chain[3].block_ref());
    for block in &chain[4..] {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
    }
    harness.follow(Harness::update(&chain[6], None)).await;
    let state = harness.state();
    assert_eq!(state.unsafe_head, chain[11].block_ref());
    assert_eq!(state.safe_head, chain[6].block_ref());
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn with_a_target_the_el_is_asked_also_for_blocks_that_are_remembered() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(6);
    for block in &chain {
        harness.insert(block).await;
    }
    let other = harness.branch(&chain[1], 6, 1);
    let update = Harness::update(&other[5], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    // The EL's own sync has moved it to the other branch already; then the source turns back.
    harness.el.add(&other[..3]);
    harness.el.set_head(other[2].hash());
    let back = Harness::update(&chain[3], None);
    assert_eq!(harness.follow(back).await, FollowOutcome::Applied);
    assert_eq!(
        harness.engine.status().last_follow_case,
        Some(FollowCase::Reorg)
    );
    assert_eq!(harness.el.safe(), chain[3].block_ref());
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_turns_back_takes_its_own_target_back() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(9);
    for block in &chain[..3] {
        harness.insert(block).await;
    }
    harness.follow(Harness::update(&chain[1], None)).await;
    let update = Harness::update(&chain[8], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    let other = harness.branch(&chain[0], 5, 1);
    let update = FollowUpdate {
        safe_may_move: true,
        ..Harness::update(&other[4], None)
    };
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    assert_eq!(harness.state().target, Some(other[4].block_ref().id()));
    harness.el.add(&other);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.safe_head, other[4].block_ref());
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_lagoon_safe_and_local_safe_are_apart_and_gossip_may_leave_neither() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(6);
    for block in &chain {
        harness.insert(block).await;
    }
    let mut update = Harness::update(&chain[3], None);
    update.state.safe = chain[1].block_ref();
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    let before = harness.state();
    assert_eq!(before.local_safe_head, chain[3].block_ref());
    assert_eq!(
        harness.el.safe(),
        chain[1].block_ref(),
        "the EL is told the cross-safe one"
    );
    // A branch between the two, far ahead by gossip.
    let other = harness.branch(&chain[1], 9, 1);
    assert_eq!(harness.insert(&other[8]).await, InsertOutcome::Buffered);
    harness
        .published_until(|state| state.target.is_some())
        .await;
    harness.el.add(&other);
    harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(harness.state(), before);
    harness.stop().await;
}

/// Adopted with an L1 cursor of the branch that was left, it comes again with one of the new branch and nothing else.
#[tokio::test(start_paused = true)]
async fn a_head_that_was_refused_and_then_adopted_is_refused_no_more() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(9);
    harness.el.add(&chain);
    harness.follow(Harness::update(&chain[4], None)).await;
    let other = harness.branch(&chain[1], 9, 1);
    harness.el.add(&other);
    let update = Harness::update(&other[8], None);
    let contradicted = FollowOutcome::Refused(FollowRefusal::SafeContradicted);
    assert_eq!(harness.follow(update).await, contradicted);
    harness.safe_may_fall = true;
    let mut moving = FollowUpdate {
        safe_may_move: true,
        ..update
    };
    moving.state.current_l1 = harness.state().current_l1;
    assert_eq!(harness.follow(moving).await, FollowOutcome::Applied);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.state().current_l1, update.state.current_l1);
    harness.stop().await;
}
