//! Batches that never become blocks, and a rollup config that is not the chain's: both are named, and an honest chain is not.

use super::{faults::not_ready, *};
use alloy_primitives::{B256, Bytes};
use light_node_protocol::L2BlockRef;

/// A short window, so that one can pass: in L1 blocks.
const WINDOW: u64 = 140;
/// The channel timeout from Granite on, in L1 blocks.
const TIMEOUT: u64 = 50;

fn world() -> World {
    let mut world = World::new();
    world.config.seq_window_size = WINDOW;
    world
}

/// A span that stands on a block which nobody has.
fn of_another_branch(world: &World, safe: &L2BlockRef) -> Bytes {
    let hash = B256::repeat_byte(0xbb);
    world.span(&L2BlockRef { hash, ..*safe }, 6)
}

fn refused(node: &world::Node, what: &str, reason: &str) -> u64 {
    let refused = node.derivation.status().refused;
    let count = refused.iter().find(|it| (it.0, it.1) == (what, reason));
    count.unwrap().2
}

#[tokio::test(start_paused = true)]
async fn batches_of_another_branch_are_counted_and_named_once_the_batcher_had_time_to_repair_them()
{
    let world = world();
    let node = world.start();
    let safe = world.derive_span(&node, 12).await;
    world.grow_for(24);
    world.post(&[of_another_branch(&world, &safe)], Carrier::Calldata);
    let refused_at = world.l1.head().number;
    world.announce();
    world.mine((2 * TIMEOUT - 1) as usize);
    node.until_caught_up(refused_at + 2 * TIMEOUT - 1).await;
    assert_eq!(
        (not_ready(&node), refused(&node, "batch", "other_parent")),
        (None, 1)
    );
    world.mine(1);
    let status = node.until_caught_up(refused_at + 2 * TIMEOUT).await;
    assert_eq!(not_ready(&node), Some("no_valid_batch"));
    let detail = status.not_ready.unwrap().to_string();
    assert!(detail.contains("batch other_parent 1"), "{detail}");
    assert_eq!(status.counters.resets, 0);

    world.post(&[world.span(&safe, 12)], Carrier::Calldata);
    world.announce();
    node.until_safe(24).await;
    assert_eq!(not_ready(&node), None, "a batch became blocks");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_any_batch_the_node_is_unready_from_the_first_forced_block_on() {
    let world = world();
    let node = world.start();
    let safe = world.derive_span(&node, 12).await;
    let last_batch = world.l1.head().number;
    // An idle batcher may wait until here.
    world.mine((WINDOW - 1) as usize);
    let status = node.until_caught_up(last_batch + WINDOW - 1).await;
    assert_eq!(
        (status.not_ready, status.l1_blocks_without_batch),
        (None, Some(WINDOW - 1))
    );
    world.mine(1);
    node.until_caught_up(last_batch + WINDOW).await;
    assert_eq!(not_ready(&node), Some("no_valid_batch"));
    // Forced blocks do not count as the batcher's.
    world.mine(20);
    node.until_caught_up(last_batch + WINDOW + 20).await;
    assert!(node.safe().number > safe.number);
    assert_eq!(not_ready(&node), Some("no_valid_batch"));
    node.stop().await;

    // Nor does a new start hide it.
    let node = world.start();
    node.until_caught_up(last_batch + WINDOW + 20).await;
    world.mine(2);
    node.until_caught_up(last_batch + WINDOW + 22).await;
    assert_eq!(not_ready(&node), Some("no_valid_batch"));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batcher_that_is_idle_for_most_of_its_window_is_honest_at_the_tip_and_while_catching_up()
{
    let world = world();
    let node = world.start();
    let mut derivation = node.derivation.clone();
    let watched = tokio::spawn(async move {
        loop {
            let status = derivation.changed().await;
            let reason = status.not_ready.as_ref().map(DerivationTrouble::name);
            assert_ne!(reason, Some("no_valid_batch"), "{status:?}");
        }
    });
    for _ in 0..3 {
        // Of so many blocks the first stands on an L1 block that is as old as the window allows.
        world.derive_span(&node, 6 * (WINDOW - 2)).await;
    }
    let (safe, head) = (node.safe(), world.l1.head().number);
    node.until_caught_up(head).await;
    node.stop().await;
    world.el.restart(0);
    let node = world.start();
    node.until_caught_up(head).await;
    assert_eq!(
        (node.until_safe(safe.number).await, not_ready(&node)),
        (safe, None)
    );
    node.stop().await;
    assert!(!watched.is_finished());
    watched.abort();
}

#[tokio::test(start_paused = true)]
async fn data_of_somebody_else_is_counted_and_no_reason_by_itself() {
    let mut world = world();
    world.config.genesis.system_config.batcher_address = alloy_primitives::Address::repeat_byte(7);
    let node = world.start();
    world.grow_for(12);
    let genesis = world.builder.genesis().block_ref();
    world.post(&[world.span(&genesis, 12)], Carrier::Calldata);
    world.mine((2 * TIMEOUT + 1) as usize);
    node.until_caught_up(world.l1.head().number).await;
    assert_eq!(
        (not_ready(&node), refused(&node, "data", "foreign_sender")),
        (None, 1)
    );
    world.mine(WINDOW as usize);
    let status = node.until_caught_up(world.l1.head().number).await;
    let detail = status.not_ready.unwrap().to_string();
    assert!(detail.contains("data foreign_sender 1"), "{detail}");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_time_that_is_not_the_chains_is_named() {
    let mut world = World::new();
    let node = world.start();
    world.derive_span(&node, 12).await;
    node.stop().await;
    world.config.block_time = 1;
    let node = world.start();
    let status = node.until_status(|status| status.trouble.is_some()).await;
    assert_eq!(not_ready(&node), Some("rollup_config_mismatch"));
    let detail = status.not_ready.unwrap().to_string();
    assert!(detail.contains("block_time"), "{detail}");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_fork_that_the_rollup_config_lacks_is_named() {
    let mut world = World::new();
    let node = world.start();
    let safe = world.derive_span(&node, 12).await;
    world.finalize(world.l1.head().number);
    node.until(|state| state.finalized_head == safe).await;
    node.stop().await;
    world.config.jovian_time = None;
    let node = world.start();
    let status = node.until_status(|status| status.trouble.is_some()).await;
    assert_eq!(not_ready(&node), Some("rollup_config_mismatch"));
    let detail = status.not_ready.unwrap().to_string();
    assert!(detail.contains("jovian_time"), "{detail}");
    node.stop().await;
}
