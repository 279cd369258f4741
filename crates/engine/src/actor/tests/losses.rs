//! Execution layers that lose blocks which they once confirmed.

use super::{faults::following, *};
use light_node_engine_api::memory::Scripted;

under_each_el! {
    an_el_that_lost_its_last_blocks_goes_on_from_its_latest,
    row_2c_a_missing_block_means_lost_blocks_and_the_source_is_followed_from_what_is_left,
    a_wiped_el_is_noticed_by_the_heartbeat_heads_hold_and_the_sources_block_is_asked_for,
    a_wiped_el_that_is_also_down_is_looked_at_again_until_it_answers,
    syncing_for_a_head_that_the_el_still_has_is_a_busy_el,
}

async fn an_el_that_lost_its_last_blocks_goes_on_from_its_latest(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    harness.el.lose_last(3);
    let before = harness.state();
    let update = Harness::update(&chain[5], Some(&chain[3]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    let state = harness.state();
    assert_eq!(state.unsafe_head, chain[6].block_ref());
    assert_eq!(state.safe_head, chain[5].block_ref());
    assert_eq!(state.el_sync, ElSyncState::Synced);
    assert_eq!(state.epoch, before.epoch + 1);
    assert_eq!(harness.insert(&chain[7]).await, InsertOutcome::Inserted);
    harness.stop().await;
}

async fn row_2c_a_missing_block_means_lost_blocks_and_the_source_is_followed_from_what_is_left(
    kind: MemoryElKind,
) {
    let (mut harness, chain) = following(kind).await;
    harness.el.lose_last(4);
    // The child of a block that is gone: remembered blocks do not hide the loss.
    let more = harness.branch(&chain[9], 1, 0);
    harness.insert(&more[0]).await;
    assert_eq!(harness.state().unsafe_head, chain[5].block_ref());
    let update = Harness::update(&chain[8], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    harness.el.add(&chain);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.safe_head, chain[8].block_ref());
    harness.stop().await;
}

async fn a_wiped_el_is_noticed_by_the_heartbeat_heads_hold_and_the_sources_block_is_asked_for(
    kind: MemoryElKind,
) {
    let (mut harness, chain) = following(kind).await;
    let before = harness.state();
    harness.el.lose_last(10);
    let state = harness
        .published_until(|state| state.el_sync == ElSyncState::LostBlocks)
        .await;
    assert_eq!(
        (state.unsafe_head, state.safe_head),
        (before.unsafe_head, before.safe_head)
    );
    assert_eq!(state.target, Some(chain[4].block_ref().id()));

    // The source goes on; the target goes with it.
    let update = Harness::update(&chain[7], Some(&chain[5]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    assert_eq!(harness.state().target, Some(chain[7].block_ref().id()));
    assert_eq!(harness.state().el_sync, ElSyncState::LostBlocks);
    harness.el.add(&chain[..8]);
    let state = harness
        .published_until(|state| state.el_sync == ElSyncState::Synced)
        .await;
    assert_eq!(state.unsafe_head, chain[7].block_ref());
    assert_eq!(state.safe_head, chain[7].block_ref());
    assert_eq!(state.finalized_head, chain[5].block_ref());
    assert_eq!(state.epoch, before.epoch + 1);
    harness.stop().await;
}

async fn a_wiped_el_that_is_also_down_is_looked_at_again_until_it_answers(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    harness.el.lose_last(10);
    harness
        .published_until(|state| state.el_sync == ElSyncState::LostBlocks)
        .await;
    harness.el.set_down(true);
    harness.pass(seconds(120)).await;
    harness.el.set_down(false);
    harness.el.add(&chain);
    let state = harness
        .published_until(|state| state.el_sync == ElSyncState::Synced)
        .await;
    assert!(state.unsafe_head.number >= chain[4].number());
    harness.stop().await;
}

async fn syncing_for_a_head_that_the_el_still_has_is_a_busy_el(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let before = harness.state();
    let syncing = alloy_rpc_types_engine::PayloadStatusEnum::Syncing;
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, Scripted::Status(syncing));
    let update = Harness::update(&chain[6], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Skipped);
    assert_eq!(harness.state(), before);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    harness.stop().await;
}
