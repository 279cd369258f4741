//! The history of safe heads as derivation writes it: what was safe at each L1 block, through restarts and L1 reorgs.

use super::*;
use light_node_protocol::L2BlockRef;
use light_node_safedb::{SafeDbConfig, SafeHeadAtL1};

/// A world whose nodes share one history, with the history.
fn world_with_history() -> (World, SafeDb) {
    let mut world = World::new();
    let db = SafeDb::open(&SafeDbConfig::new(None), &world.config).unwrap();
    world.safe_db = Some(db.clone());
    (world, db)
}

/// Derives `count` spans of 12 blocks, each with `rest` empty L1 blocks behind it. The L1 block at which each became safe, with it.
async fn derive_spans(
    world: &World,
    node: &world::Node,
    count: usize,
    rest: usize,
) -> Vec<(u64, L2BlockRef)> {
    let mut reached = Vec::with_capacity(count);
    for _ in 0..count {
        let safe = world.derive_span(node, 12).await;
        reached.push((world.l1.head().number, safe));
        world.mine(rest);
    }
    reached
}

/// The safe head at each L1 block from `first` on, as it has to be answered; each entry is where a safe head was reached.
fn expected(reached: &[(u64, L2BlockRef)], l1_number: u64) -> Option<u64> {
    let at = reached.iter().rev().find(|(l1, _)| *l1 <= l1_number);
    at.map(|(_, safe)| safe.number)
}

/// The disk is written beside the actor, in real time: waits for an answer at `l1_number`.
async fn recorded(db: &SafeDb, l1_number: u64, safe: u64) {
    let is_it = |found: SafeHeadAtL1| found.safe_head.number == safe;
    for _ in 0..2_000 {
        if db.at(l1_number).unwrap().is_some_and(is_it) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
    panic!("at {l1_number} it is {:?}", db.at(l1_number).unwrap());
}

/// Every L1 block from the first entry of `reached` to `last` is answered truly.
fn assert_whole(db: &SafeDb, reached: &[(u64, L2BlockRef)], last: u64) {
    for number in reached[0].0..=last {
        let found = db.at_or_last(number).unwrap();
        let found = found.map(|found| found.safe_head.number);
        assert_eq!(found, expected(reached, number), "at l1 block {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn before_the_first_batch_genesis_is_the_safe_head() {
    let (world, db) = world_with_history();
    let node = world.start();
    world.mine(5);
    let mut reached = vec![(L1_GENESIS, world.builder.genesis().block_ref())];
    recorded(&db, L1_GENESIS + 5, 0).await;
    let safe = world.derive_span(&node, 12).await;
    let head = world.l1.head().number;
    reached.push((head, safe));
    recorded(&db, head, 12).await;
    assert_whole(&db, &reached, head);
    assert_eq!(db.at_or_last(L1_GENESIS - 1).unwrap(), None);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn blocks_without_batches_after_a_restart_leave_no_hole_in_the_history() {
    let (world, db) = world_with_history();
    let node = world.start();
    let mut reached = derive_spans(&world, &node, 3, 2).await;
    let head = world.l1.head().number;
    node.until_caught_up(head).await;
    recorded(&db, head, 36).await;
    node.stop().await;
    world.mine(3);
    let node = world.start();
    node.until_caught_up(world.l1.head().number).await;
    world.mine(3);
    let safe = world.derive_span(&node, 12).await;
    let head = world.l1.head().number;
    reached.push((head, safe));
    recorded(&db, head, 48).await;
    assert_whole(&db, &reached, head);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_reorg_takes_only_what_stood_on_it_out_of_the_history() {
    let (world, db) = world_with_history();
    let node = world.start();
    let mut reached = derive_spans(&world, &node, 6, 1).await;
    let head = world.l1.head().number;
    node.until_caught_up(head).await;
    recorded(&db, head, 72).await;
    // The block with the last batch leaves L1; the new branch brings the same batch later.
    let (_, gone) = reached.pop().unwrap();
    let parent = reached.last().unwrap().1;
    world.l1.reorg(2);
    world.mine(4);
    world.grow_for(gone.number);
    node.until_caught_up(world.l1.head().number).await;
    world.mine(1);
    world.post(&[world.span(&parent, 12)], Carrier::Calldata);
    world.announce();
    let safe = node.until_safe(72).await;
    let head = world.l1.head().number;
    reached.push((head, safe));
    recorded(&db, head, 72).await;
    assert_whole(&db, &reached, head);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_while_the_node_was_down_takes_what_stood_on_it_out_of_the_history() {
    let (world, db) = world_with_history();
    let node = world.start();
    let mut reached = derive_spans(&world, &node, 4, 1).await;
    let head = world.l1.head().number;
    node.until_caught_up(head).await;
    recorded(&db, head, 48).await;
    node.stop().await;
    let (_, gone) = reached.pop().unwrap();
    let parent = reached.last().unwrap().1;
    world.l1.reorg(2);
    world.l1.push_empty(4);
    world.grow_for(gone.number);
    world.announce();
    let node = world.start();
    node.until_caught_up(world.l1.head().number).await;
    // Nothing is said of blocks that are gone.
    recorded(&db, world.l1.head().number, 36).await;
    world.post(&[world.span(&parent, 12)], Carrier::Calldata);
    world.announce();
    let safe = node.until_safe(48).await;
    let head = world.l1.head().number;
    reached.push((head, safe));
    recorded(&db, head, 48).await;
    assert_whole(&db, &reached, head);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_safe_before_a_restart_becomes_final_without_anything_new() {
    let (world, db) = world_with_history();
    let node = world.start();
    let reached = derive_spans(&world, &node, 4, 20).await;
    let head = world.l1.head().number;
    node.until_caught_up(head).await;
    recorded(&db, head, 48).await;
    world.finalize(reached[0].0);
    node.until(|state| state.finalized_head == reached[0].1)
        .await;
    node.stop().await;
    let node = world.start();
    node.until_caught_up(head).await;
    // The second is below the block at which reading begins.
    for (l1, safe) in &reached[1..] {
        world.finalize(l1 - 1);
        sleep(Duration::from_secs(5)).await;
        assert!(node.engine.state().finalized_head.number < safe.number);
        world.finalize(*l1);
        node.until(|state| state.finalized_head == *safe).await;
    }
    node.stop().await;
}

/// What is answered of the history after restarts, failures and reorgs is what a node answers to which nothing happened.
#[tokio::test(start_paused = true)]
async fn the_history_depends_on_l1_alone() {
    let (seed, mut rng) = faults::dice();
    let (world, db) = world_with_history();
    let node = faults::storm(&world, &mut rng).await;
    let safe = node.derivation.status().safe;
    let head = world.l1.head().number;
    recorded(&db, head, safe.number).await;
    node.stop().await;
    let fresh_db = SafeDb::open(&SafeDbConfig::new(None), &world.config).unwrap();
    let fresh = World {
        el: light_node_engine_api::memory::MemoryEl::new(&world.builder),
        safe_db: Some(fresh_db.clone()),
        ..world
    };
    fresh.l1.fail_next(0);
    let node = fresh.start();
    node.until_caught_up(head).await;
    recorded(&fresh_db, head, safe.number).await;
    for number in L1_GENESIS..=head {
        let (found, expected) = (db.at(number).unwrap(), fresh_db.at(number).unwrap());
        assert_eq!(found, expected, "seed {seed}, l1 block {number}");
    }
    node.stop().await;
}
