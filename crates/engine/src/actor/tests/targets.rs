//! Row 3 of the follow table while the EL fetches a target: whatever is sent meanwhile takes it away from there.

use super::*;
use light_node_engine_api::memory::Scripted;

under_each_el! {
    row_3_with_a_target_the_el_hears_of_its_target_again_and_its_own_progress_is_ours,
    row_3_with_a_target_labels_that_stand_and_such_as_were_put_off_do_not_take_the_el_from_it,
}

const NONE: B256 = B256::ZERO;

async fn row_3_with_a_target_the_el_hears_of_its_target_again_and_its_own_progress_is_ours(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(10);
    harness.insert(&chain[9]).await;
    harness
        .published_until(|state| state.target.is_some())
        .await;
    harness.forkchoices();
    harness.el.add(&chain[..6]);
    harness.el.set_head(chain[5].hash());
    let update = Harness::update(&chain[3], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.state().unsafe_head, chain[5].block_ref());
    harness.pass(Duration::from_millis(1)).await;
    let sent = harness.forkchoices();
    assert_eq!(
        sent.first(),
        Some(&(chain[5].hash(), chain[3].hash(), NONE))
    );
    assert_eq!(sent.get(1), Some(&(chain[9].hash(), NONE, NONE)));
    assert_eq!(harness.el.target(), Some(chain[9].hash()));
    harness.stop().await;
}

async fn row_3_with_a_target_labels_that_stand_and_such_as_were_put_off_do_not_take_the_el_from_it(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(10);
    harness.el.add_canonical(&chain[..3]);
    let mut update = Harness::update(&chain[1], None);
    harness.follow(update).await;
    harness.insert(&chain[9]).await;
    let target = harness
        .published_until(|state| state.target.is_some())
        .await
        .target;
    // The time in which the engine asks for it by itself is long now.
    harness.pass(seconds(20)).await;
    harness.forkchoices();

    update.state.current_l1 = ChainBuilder::l1_block(107, 0);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.state().current_l1, update.state.current_l1);
    harness.pass(Duration::from_millis(1)).await;
    assert_eq!(harness.forkchoices(), [], "nothing has moved");
    assert_eq!(harness.state().target, target);

    let moved = Harness::update(&chain[2], None);
    let syncing = alloy_rpc_types_engine::PayloadStatusEnum::Syncing;
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, Scripted::Status(syncing));
    assert_eq!(harness.follow(moved).await, FollowOutcome::Skipped);
    harness.pass(Duration::from_millis(1)).await;
    let sent = harness.forkchoices();
    assert_eq!(sent[0], (chain[2].hash(), chain[2].hash(), NONE));
    assert_eq!(
        sent[1..],
        [(chain[9].hash(), NONE, NONE)],
        "asked for again"
    );
    assert_eq!(harness.follow(moved).await, FollowOutcome::Skipped);
    harness.pass(Duration::from_millis(1)).await;
    assert_eq!(harness.forkchoices(), [], "not put off twice");

    harness.el.add(&chain);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, chain[9].block_ref());
    assert_eq!(harness.follow(moved).await, FollowOutcome::Applied);
    assert_eq!(harness.state().safe_head, chain[2].block_ref());
    harness.stop().await;
}
