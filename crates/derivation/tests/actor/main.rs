//! The derivation actor between an L1 on which batches are posted and a real engine beside an execution layer in memory.

#![allow(clippy::unwrap_used)]

mod drought;
mod faults;
mod history;
mod world;

use light_node_derivation::{DerivationPhase, DerivationTrouble};
use light_node_engine_api::memory::CallKind;
use light_node_safedb::SafeDb;
use std::time::Duration;
use tokio::time::sleep;
use world::{Carrier, L1_GENESIS, World};

#[tokio::test(start_paused = true)]
async fn what_a_batcher_posts_becomes_the_safe_chain() {
    let world = World::new();
    let node = world.start();
    node.until_caught_up(L1_GENESIS).await;
    let first = world.derive_span(&node, 12).await;
    assert_eq!(first.l1_origin, world.origin(12));
    let second = world.derive_span(&node, 30).await;
    assert_eq!(second.number, 42);
    assert_eq!(
        world.el.head(),
        second,
        "built, because nobody else brought it"
    );
    let head = world.l1.head();
    let status = node.until_caught_up(head.number).await;
    assert_eq!((status.not_ready, status.counters.blocks), (None, 42));
    node.until(|state| state.current_l1 == head).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn batches_in_blobs_are_read_too() {
    let world = World::new();
    let node = world.start();
    node.until_caught_up(L1_GENESIS).await;
    let genesis = world.builder.genesis().block_ref();
    world.grow_for(12);
    world.post(&[world.span(&genesis, 12)], Carrier::Blob);
    world.announce();
    node.until_safe(12).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_cursor_is_the_last_l1_block_that_is_used_up() {
    let world = World::new();
    let node = world.start();
    for _ in 0..3 {
        world.mine(5);
        let head = world.l1.head();
        let state = node.until(|state| state.current_l1 == head).await;
        assert_eq!(state.safe_head.number, 0);
    }
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_caught_up_asks_nobody_before_the_next_l1_block() {
    let world = World::new();
    let node = world.start();
    world.derive_span(&node, 12).await;
    node.until_caught_up(world.l1.head().number).await;
    let answers = world.l1.answers();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.l1.answers(), answers);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restarted_node_derives_the_same_chain_and_builds_nothing() {
    let world = World::new();
    let node = world.start();
    for _ in 0..5 {
        world.derive_span(&node, 20).await;
    }
    let safe = node.safe();
    node.stop().await;
    world.el.take_calls();
    let node = world.start();
    node.until_caught_up(world.l1.head().number).await;
    assert_eq!(node.until_safe(100).await, safe);
    assert_eq!(world.el.count(CallKind::GetPayload), 0);
    let next = world.derive_span(&node, 6).await;
    assert_eq!(next.number, 106);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn confirmations_hold_derivation_below_the_l1_head() {
    let mut world = World::new();
    world.confirmations = 4;
    let node = world.start();
    world.grow_for(12);
    let genesis = world.builder.genesis().block_ref();
    world.post(&[world.span(&genesis, 12)], Carrier::Calldata);
    let batch_at = world.l1.head().number;
    world.announce();
    world.mine(3);
    node.until_caught_up(batch_at - 1).await;
    assert_eq!(node.safe().number, 0);
    assert_eq!(node.derivation.status().not_ready, None);
    world.mine(1);
    node.until_safe(12).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_derived_from_finalized_l1_blocks_is_final() {
    let world = World::new();
    let node = world.start();
    let mut derived = Vec::new();
    for _ in 0..4 {
        let safe = world.derive_span(&node, 12).await;
        derived.push((world.l1.head().number, safe));
        world.mine(2);
    }
    for (l1, l2) in derived {
        world.finalize(l1 - 1);
        sleep(Duration::from_secs(5)).await;
        assert!(node.engine.state().finalized_head.number < l2.number);
        world.finalize(l1);
        node.until(|state| state.finalized_head == l2).await;
    }
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_far_behind_finalizes_while_it_catches_up() {
    let world = World::new();
    let node = world.start();
    for _ in 0..10 {
        world.derive_span(&node, 60).await;
    }
    let safe = node.safe();
    node.stop().await;
    world.mine(100);
    world.finalize(world.l1.head().number - 20);
    let node = world.start();
    let state = node.until(|state| state.finalized_head == safe).await;
    assert!(state.safe_head.number >= state.finalized_head.number);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_reorg_takes_back_what_stood_on_it() {
    let world = World::new();
    let node = world.start();
    world.derive_span(&node, 12).await;
    let kept = node.safe();
    let kept_at = world.l1.head().number;
    world.finalize(kept_at);
    node.until(|state| state.finalized_head == kept).await;
    world.derive_span(&node, 24).await;
    let gone = node.safe();
    let depth = world.l1.head().number - kept_at;
    world.l1.reorg(depth as usize);
    world.grow_for(50);
    world.post(&[world.span(&kept, 18)], Carrier::Calldata);
    world.announce();
    let state = node
        .until(|state| state.safe_head.number == 30 && state.unsafe_head.number == 30)
        .await;
    assert_eq!(state.finalized_head, kept);
    assert_ne!(state.safe_head.l1_origin, gone.l1_origin);
    let status = node.until_caught_up(world.l1.head().number).await;
    assert_eq!(status.counters.resets, 1);
    assert_eq!(status.not_ready, None);
    assert_eq!(world.derive_span(&node, 6).await.number, 36);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_safe_head_history_writes_none_and_one_with_it_starts_where_it_stopped() {
    let mut world = World::new();
    let in_memory = light_node_safedb::SafeDbConfig::new(None);
    let db = SafeDb::open(&in_memory, &world.config).unwrap();
    world.safe_db = Some(db.clone());
    let node = world.start();
    for _ in 0..3 {
        world.derive_span(&node, 12).await;
        world.mine(1);
    }
    let head = world.l1.head().number;
    node.until_caught_up(head).await;
    let safe = node.safe();
    // The disk is written beside the actor, in real time.
    let mut newest = None;
    for _ in 0..1_000 {
        newest = db.at(head).unwrap();
        if newest.is_some_and(|newest| newest.safe_head == safe.id()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
        tokio::task::yield_now().await;
    }
    assert_eq!(newest.map(|newest| newest.safe_head), Some(safe.id()));
    node.stop().await;
    world.el.take_calls();
    let node = world.start();
    let state = node.until(|state| state.reset_epoch > 0).await;
    assert_eq!(state.safe_head, safe, "nothing is derived again");
    assert_eq!(world.derive_span(&node, 6).await.number, 42);
    node.stop().await;
}
