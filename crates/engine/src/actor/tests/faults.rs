//! Execution layers that refuse, do not answer, do not move, or move by themselves.

use super::{contradictions::beside_an_el_on_a_refused_block, *};
use light_node_engine_api::memory::Scripted;

under_each_el! {
    an_el_that_went_further_on_our_chain_by_itself_is_followed_with_one_forkchoice,
    an_el_above_our_head_is_found_by_the_heartbeat_when_the_source_says_nothing_new,
    after_38002_all_three_labels_are_read_again_and_the_next_poll_applies,
    an_answer_that_got_lost_is_asked_for_again,
    an_el_that_answers_valid_and_stays_is_asked_each_500_ms_until_it_moves,
    a_known_sibling_at_our_height_is_no_head_before_the_el_stands_there,
    an_el_that_never_moves_is_given_up_after_20_looks_and_the_next_poll_tries_anew,
    of_two_waiting_updates_the_newer_wins,
    labels_never_go_out_under_an_els_head_of_another_branch,
}

/// Ten blocks by payload; safe is block 5, finalized block 3.
pub(super) async fn following(kind: MemoryElKind) -> (Harness, Vec<MemoryBlock>) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(10);
    for block in &chain {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
    }
    let update = Harness::update(&chain[4], Some(&chain[2]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    harness.forkchoices();
    (harness, chain)
}

async fn an_el_that_went_further_on_our_chain_by_itself_is_followed_with_one_forkchoice(
    kind: MemoryElKind,
) {
    let (mut harness, chain) = following(kind).await;
    let next = harness.branch(&chain[9], 3, 0);
    harness.el.add(&next);
    harness.el.set_head(next[2].hash());
    let update = Harness::update(&chain[7], None);
    let engine = harness.engine.clone();
    assert_eq!(engine.follow(update).await, Ok(FollowOutcome::Applied));
    let calls = harness.take_calls();
    assert_eq!(calls, [CallKind::Blocks, CallKind::ForkchoiceUpdated]);
    assert_eq!(harness.state().unsafe_head, next[2].block_ref());
    assert_eq!(harness.el.safe(), chain[7].block_ref());
    harness.stop().await;
}

async fn an_el_above_our_head_is_found_by_the_heartbeat_when_the_source_says_nothing_new(
    kind: MemoryElKind,
) {
    let (mut harness, chain, next) = beside_an_el_on_a_refused_block(kind).await;
    harness.pass(seconds(200)).await;
    let refused_yet = harness.state();
    assert_eq!(refused_yet.unsafe_head, chain[9].block_ref());
    let state = harness.published_until(|state| *state != refused_yet).await;
    assert_eq!(state.unsafe_head, next[5].block_ref());
    assert_eq!(state.safe_head, refused_yet.safe_head);
    assert_eq!(state.epoch, refused_yet.epoch);
    harness.stop().await;
}

async fn after_38002_all_three_labels_are_read_again_and_the_next_poll_applies(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let refusal = ElError::InvalidForkchoiceState {
        message: "unknown safe".to_owned(),
    };
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, Scripted::Error(refusal));
    let update = Harness::update(&chain[6], None);
    let engine = harness.engine.clone();
    assert_eq!(engine.follow(update).await, Ok(FollowOutcome::Skipped));
    assert_eq!(
        harness.take_calls(),
        [
            CallKind::Blocks,
            CallKind::ForkchoiceUpdated,
            CallKind::Blocks
        ]
    );
    assert_eq!(harness.state().safe_head, chain[4].block_ref());
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.el.safe(), chain[6].block_ref());
    harness.stop().await;
}

async fn an_answer_that_got_lost_is_asked_for_again(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let lost = ElError::Transport {
        endpoint: "memory".to_owned(),
        cause: "reset".to_owned(),
    };
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, Scripted::ApplyThenError(lost));
    let update = Harness::update(&chain[6], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Skipped);
    assert_eq!(harness.state().safe_head, chain[4].block_ref());
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.forkchoices().len(), 2);
    harness.stop().await;
}

async fn an_el_that_answers_valid_and_stays_is_asked_each_500_ms_until_it_moves(
    kind: MemoryElKind,
) {
    let (mut harness, chain) = following(kind).await;
    let other = harness.branch(&chain[6], 4, 1);
    harness.el.add(&other);
    harness.el.stick_to_branch(5);
    let start = Instant::now();
    let update = Harness::update(&other[3], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    assert_eq!(harness.state().unsafe_head, chain[9].block_ref());
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(start.elapsed(), Duration::from_millis(2_500));
    assert_eq!(state.unsafe_head, other[3].block_ref());
    assert_eq!(harness.el.safe(), other[3].block_ref());
    harness.stop().await;
}

async fn a_known_sibling_at_our_height_is_no_head_before_the_el_stands_there(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let other = harness.branch(&chain[6], 3, 1);
    harness.el.add(&other);
    harness.el.stick_to_branch(5);
    let before = harness.state();
    let update = Harness::update(&other[2], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    harness.pass(seconds(2)).await;
    let state = harness.state();
    let heads = |state: &EngineState| (state.unsafe_head, state.safe_head, state.current_l1);
    assert_eq!(heads(&state), heads(&before));
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, other[2].block_ref());
    assert_eq!(state.safe_head, other[2].block_ref());
    harness.stop().await;
}

async fn an_el_that_never_moves_is_given_up_after_20_looks_and_the_next_poll_tries_anew(
    kind: MemoryElKind,
) {
    let (mut harness, chain) = following(kind).await;
    let other = harness.branch(&chain[6], 4, 1);
    harness.el.add(&other);
    harness.el.stick_to_branch(20);
    let start = Instant::now();
    let update = Harness::update(&other[3], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(start.elapsed(), Duration::from_millis(9_500));
    assert_eq!(harness.state().unsafe_head, chain[9].block_ref());
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.state().unsafe_head, other[3].block_ref());
    harness.stop().await;
}

async fn of_two_waiting_updates_the_newer_wins(kind: MemoryElKind) {
    let (harness, chain) = following(kind).await;
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, Scripted::Delay(seconds(1)));
    let send = |index: usize| {
        let engine = harness.engine.clone();
        let update = Harness::update(&chain[index], None);
        tokio::spawn(async move { engine.follow(update).await.unwrap() })
    };
    let first = send(5);
    harness
        .el
        .wait_until(|el| el.count(CallKind::ForkchoiceUpdated) == 1)
        .await;
    let (second, third) = (send(6), send(7));
    assert_eq!(first.await.unwrap(), FollowOutcome::Applied);
    assert_eq!(second.await.unwrap(), FollowOutcome::Superseded);
    assert_eq!(third.await.unwrap(), FollowOutcome::Applied);
    assert_eq!(harness.state().safe_head, chain[7].block_ref());
    harness.stop().await;
}

async fn labels_never_go_out_under_an_els_head_of_another_branch(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let update = Harness::update(&chain[9], Some(&chain[2]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    // By itself the EL has gone higher, on another branch than that of our head, which is safe.
    let other = harness.branch(&chain[6], 8, 1);
    harness.el.add_canonical(&other);
    let update = Harness::update(&chain[9], Some(&chain[3]));
    harness.follow(update).await;
    harness.pass(seconds(15)).await;
    let state = harness.state();
    assert_eq!(state.unsafe_head, chain[9].block_ref());
    assert_eq!(state.finalized_head, chain[3].block_ref());
    assert_eq!(harness.el.head(), chain[9].block_ref());
    assert_eq!(harness.el.safe(), chain[9].block_ref());
    harness.stop().await;
}
