//! What L1, beacons and the execution layer do to derivation, and that it comes back by itself.

use super::*;
use alloy_primitives::{Address, B256, Bytes};
use async_trait::async_trait;
use light_node_l1::{Blob, BlobError, L1Data, L1DataError, L1Source, MemoryL1Source};
use light_node_protocol::BlockNumHash;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

fn trouble(node: &world::Node) -> Option<&'static str> {
    let status = node.derivation.status();
    status.trouble.as_ref().map(DerivationTrouble::name)
}

pub(crate) fn not_ready(node: &world::Node) -> Option<&'static str> {
    let status = node.derivation.status();
    status.not_ready.as_ref().map(DerivationTrouble::name)
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_does_not_answer_is_asked_again_with_backoff() {
    let world = World::new();
    let node = world.start();
    world.derive_span(&node, 12).await;
    node.until_caught_up(world.l1.head().number).await;
    let answers = world.l1.answers();
    world.l1.fail_next(1_000);
    world.mine(1);
    sleep(Duration::from_secs(100)).await;
    assert_eq!(
        (trouble(&node), not_ready(&node)),
        (Some("l1_unreachable"), None)
    );
    assert!(world.l1.answers() - answers < 30, "{}", world.l1.answers());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(not_ready(&node), Some("l1_unreachable"));
    world.l1.fail_next(0);
    node.until_caught_up(world.l1.head().number).await;
    assert_eq!((trouble(&node), not_ready(&node)), (None, None));
    assert_eq!(node.derivation.status().counters.resets, 0);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn blobs_that_are_not_there_are_named_and_waited_for() {
    let cause = || "connection refused".to_owned();
    let block = light_node_protocol::BlockNumHash::default();
    let unavailable = BlobError::Unavailable { cause: cause() };
    let expired = BlobError::Expired { block, slot: 7 };
    let cause = cause();
    let absent = BlobError::Absent { block, cause };
    for (error, reason, at_once) in [
        (unavailable, "beacon_unreachable", false),
        (absent, "blobs_missing", false),
        (expired, "blobs_expired", true),
    ] {
        let world = World::new();
        let node = world.start();
        let genesis = world.builder.genesis().block_ref();
        world.grow_for(12);
        world.post(&[world.span(&genesis, 12)], Carrier::Blob);
        world.l1.set_blob_error(Some(error));
        world.announce();
        node.until_status(|status| status.trouble.is_some()).await;
        assert_eq!(trouble(&node), Some(reason));
        assert_eq!(not_ready(&node).is_some(), at_once, "{reason}");
        sleep(Duration::from_secs(600)).await;
        assert_eq!(not_ready(&node), Some(reason));
        assert_eq!(node.safe().number, 0, "nothing is skipped");
        world.l1.set_blob_error(None);
        node.until_safe(12).await;
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_l1_changes_nothing_but_the_time() {
    let world = World::new();
    world.l1.set_delay(Duration::from_secs(3));
    let node = world.start();
    node.until(|state| state.reset_epoch > 0).await;
    assert_eq!(world.derive_span(&node, 12).await.number, 12);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_that_the_execution_layer_refuses_stands_without_its_transactions() {
    let world = World::new();
    let node = world.start();
    node.until_caught_up(L1_GENESIS).await;
    let genesis = world.builder.genesis().block_ref();
    world.el.leave_out_transactions(true);
    world.grow_for(12);
    let garbage = Bytes::from_static(&[0x02, 0xc0]);
    world.post(
        &[world.singular(&genesis, vec![garbage])],
        Carrier::Calldata,
    );
    world.announce();
    let status = node
        .until_status(|status| status.counters.deposits_only == 1)
        .await;
    assert_eq!(status.counters.resets, 0);
    node.until_safe(1).await;
    world.el.leave_out_transactions(false);
    assert_eq!(world.derive_span(&node, 6).await.number, 7);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_execution_layer_that_lost_blocks_gets_them_again() {
    let world = World::new();
    let node = world.start();
    world.derive_span(&node, 24).await;
    let safe = node.safe();
    node.until_caught_up(world.l1.head().number).await;
    world.el.restart(10);
    let again = node
        .until(|state| state.safe_head == safe && state.reset_epoch > 1)
        .await;
    assert_eq!(again.unsafe_head, safe);
    assert_eq!(world.derive_span(&node, 6).await.number, 30);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_execution_layer_that_is_down_is_waited_for() {
    let world = World::new();
    world.el.set_down(true);
    let node = world.start();
    sleep(Duration::from_secs(300)).await;
    let status = node.derivation.status();
    assert_eq!(status.phase, DerivationPhase::WaitingForEl);
    assert_eq!(not_ready(&node), Some("derivation_not_started"));
    world.el.set_down(false);
    world.derive_span(&node, 6).await;
    world.el.set_down(true);
    world.mine(1);
    sleep(Duration::from_secs(60)).await;
    world.el.set_down(false);
    assert_eq!(world.derive_span(&node, 6).await.number, 12);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_can_have_derivation_start_over() {
    let world = World::new();
    let node = world.start();
    let safe = world.derive_span(&node, 12).await;
    node.engine.restart_derivation().await.unwrap();
    let status = node
        .until_status(|status| status.counters.resets == 1)
        .await;
    assert_eq!(status.last_reset.as_deref(), Some("the engine was reset"));
    assert_eq!(node.until_safe(12).await, safe);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_upgrade_bundle_derivation_stops_before_the_fork_and_says_so() {
    let mut world = World::new();
    world.config.karst_time = Some(World::time(7));
    let node = world.start();
    let genesis = world.builder.genesis().block_ref();
    world.grow_for(12);
    world.post(&[world.span(&genesis, 12)], Carrier::Calldata);
    world.announce();
    let status = node
        .until_status(|status| status.phase == DerivationPhase::Stopped)
        .await;
    assert_eq!(status.counters.blocks, 6);
    assert_eq!(not_ready(&node), Some("missing_upgrade_bundle"));
    sleep(Duration::from_secs(600)).await;
    assert_eq!(node.derivation.status().phase, DerivationPhase::Stopped);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_waits_for_an_upgrade_bundle_finalizes_what_it_has_and_notices_reorgs() {
    let mut world = World::new();
    world.config.karst_time = Some(World::time(13));
    let node = world.start();
    let safe = world.derive_span(&node, 12).await;
    let batch_at = world.l1.head().number;
    world.post(&[world.span(&safe, 6)], Carrier::Calldata);
    world.announce();
    node.until_status(|status| status.phase == DerivationPhase::Stopped)
        .await;
    world.mine(5);
    world.finalize(batch_at);
    node.until(|state| state.finalized_head == safe).await;
    world.l1.reorg(6);
    world.mine(8);
    let status = node
        .until_status(|status| status.counters.resets == 1)
        .await;
    assert!(status.last_reset.unwrap().contains("left l1"));
    let head = world.l1.head().number;
    node.until_caught_up(head).await;
    assert_eq!((node.safe(), not_ready(&node)), (safe, None));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_block_that_no_endpoint_has_below_the_head_is_named() {
    let world = World::new();
    let node = world.start();
    world.derive_span(&node, 12).await;
    let head = world.l1.head();
    node.until_caught_up(head.number).await;
    let answers = world.l1.answers();
    world.heads.send_modify(|heads| {
        heads.head.number += 5;
        heads.head.hash = alloy_primitives::B256::repeat_byte(5);
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(trouble(&node), None, "one of several backends may lag");
    sleep(Duration::from_secs(200)).await;
    assert_eq!(not_ready(&node), Some("l1_invalid"));
    let cause = node.derivation.status().trouble.unwrap().to_string();
    let missing = format!("no endpoint has block {}", head.number + 1);
    assert!(cause.contains(&missing), "{cause}");
    assert!(world.l1.answers() - answers < 40);
    world.mine(6);
    node.until_caught_up(world.l1.head().number).await;
    assert_eq!(trouble(&node), None);
    node.stop().await;
}

/// An L1 that has for one height a block of no chain.
#[derive(Debug)]
struct WithOrphan {
    l1: MemoryL1Source,
    /// The height; zero is none.
    number: AtomicU64,
}

#[async_trait]
impl L1Source for WithOrphan {
    async fn block(&self, number: u64) -> Result<Option<Arc<L1Data>>, L1DataError> {
        let block = self.l1.block(number).await?;
        if number != self.number.load(Ordering::Relaxed) {
            return Ok(block);
        }
        let orphan = |block: Arc<L1Data>| {
            let mut header = block.header.clone();
            header.parent_hash = B256::repeat_byte(0xee);
            Arc::new(L1Data::with_header(header, Vec::new(), Vec::new()))
        };
        Ok(block.map(orphan))
    }

    async fn block_by_hash(&self, id: BlockNumHash) -> Result<Option<Arc<L1Data>>, L1DataError> {
        self.l1.block_by_hash(id).await
    }

    async fn blobs(
        &self,
        _block: BlockNumHash,
        _slot_time: u64,
        _parent_beacon_root: Option<B256>,
        _hashes: &[B256],
    ) -> Result<Vec<Arc<Blob>>, BlobError> {
        Ok(Vec::new())
    }

    fn advance(&self, cursor: BlockNumHash, batcher: Address) {
        self.l1.advance(cursor, batcher);
    }
}

#[tokio::test(start_paused = true)]
async fn an_l1_at_which_derivation_starts_over_again_and_again_is_named() {
    let mut world = World::new();
    let source = Arc::new(WithOrphan {
        l1: world.l1.clone(),
        number: AtomicU64::new(0),
    });
    world.l1_source = Some(source.clone());
    let node = world.start();
    let safe = world.derive_span(&node, 12).await;
    let head = world.l1.head().number;
    node.until_caught_up(head).await;
    source.number.store(head + 1, Ordering::Relaxed);
    world.mine(1);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(not_ready(&node), Some("l1_invalid"));
    let status = node.derivation.status();
    let cause = status.trouble.clone().unwrap().to_string();
    assert!(
        cause.contains(&format!("no further than block {head}")),
        "{cause}"
    );
    assert!((4..30).contains(&status.counters.resets), "{status:?}");
    assert_eq!(node.safe(), safe);
    source.number.store(0, Ordering::Relaxed);
    node.until_caught_up(head + 1).await;
    assert_eq!((trouble(&node), not_ready(&node)), (None, None));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn finality_ahead_of_derivation_is_looked_up_once_for_each_l1_head_also_if_l1_fails() {
    let mut world = World::new();
    world.confirmations = 30;
    let node = world.start();
    world.grow_for(12);
    let genesis = world.builder.genesis().block_ref();
    world.post(&[world.span(&genesis, 12)], Carrier::Calldata);
    world.mine(60);
    let safe = node.until_safe(12).await;
    let head = world.l1.head().number;
    node.until_caught_up(head - 30).await;
    world.l1.set_delay(Duration::from_millis(1));
    world.l1.fail_next(1_000_000);
    let answers = world.l1.answers();
    world.finalize(head - 5);
    sleep(Duration::from_secs(60)).await;
    let asked = world.l1.answers() - answers;
    assert!((1..=2).contains(&asked), "{asked}");
    world.l1.fail_next(0);
    world.mine(1);
    node.until(|state| state.finalized_head == safe).await;
    sleep(Duration::from_secs(5)).await;
    let answers = world.l1.answers();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.l1.answers(), answers);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_lags_behind_the_finalized_head_is_waited_for() {
    let world = World::new();
    let node = world.start();
    let safe = world.derive_span(&node, 60).await;
    world.finalize(world.l1.head().number);
    node.until(|state| state.finalized_head == safe).await;
    node.stop().await;
    world.l1.reorg(8);
    world.announce();
    let node = world.start();
    node.until_status(|status| status.trouble.is_some()).await;
    assert_eq!(trouble(&node), Some("l1_behind"));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reorgs_at_ever_new_heights_do_not_wait_longer_and_longer() {
    let world = World::new();
    let node = world.start();
    world.derive_span(&node, 12).await;
    for count in 1..=8 {
        world.mine(3);
        node.until_caught_up(world.l1.head().number).await;
        world.l1.reorg(1);
        let started = tokio::time::Instant::now();
        world.mine(2);
        let head = world.l1.head().number;
        let status = node.until_caught_up(head).await;
        assert_eq!(status.counters.resets, count);
        assert!(started.elapsed() < Duration::from_secs(2), "reorg {count}");
    }
    node.stop().await;
}

/// Numbers out of a seed, which is said.
pub(crate) fn dice() -> (u64, StdRng) {
    let seed =
        std::env::var("LIGHT_NODE_SEED").map_or_else(|_| rand::random(), |it| it.parse().unwrap());
    println!("LIGHT_NODE_SEED={seed}");
    (seed, StdRng::seed_from_u64(seed))
}

/// Restarts, slow answers, failures and L1 reorgs at random. Returns the node that runs at the end, when it has caught up.
pub(crate) async fn storm(world: &World, rng: &mut StdRng) -> world::Node {
    let mut node = world.start();
    let mut parent = world.builder.genesis().block_ref();
    for _ in 0..25 {
        match rng.random_range(0..8) {
            0 => {
                node.stop().await;
                node = world.start();
            }
            1 => world
                .l1
                .set_delay(Duration::from_millis(rng.random_range(0..2_000))),
            2 => world.l1.fail_next(rng.random_range(1..6)),
            3 => world.el.restart(rng.random_range(0..10)),
            4 => {
                // A branch without the last batches: who posts next stands on what is left.
                let depth = rng.random_range(1..4);
                let left = world.l1.head().number - depth;
                if left > L1_GENESIS {
                    world.l1.reorg(depth as usize);
                    world.mine(depth as usize + 1);
                    parent = node.until_caught_up(world.l1.head().number).await.safe;
                }
            }
            _ => {
                let count = rng.random_range(1..30);
                world.grow_for(parent.number + count);
                world.post(&[world.span(&parent, count)], Carrier::Calldata);
                world.announce();
                parent = node.until_safe(parent.number + count).await;
            }
        }
        sleep(Duration::from_millis(rng.random_range(0..3_000))).await;
    }
    node.until_caught_up(world.l1.head().number).await;
    node
}

/// In the end the chain is that of a node to which nothing happened.
#[tokio::test(start_paused = true)]
async fn the_derived_chain_depends_on_l1_alone() {
    let (seed, mut rng) = dice();
    let world = World::new();
    let node = storm(&world, &mut rng).await;
    let safe = node.derivation.status().safe;
    node.stop().await;
    let fresh = World {
        el: light_node_engine_api::memory::MemoryEl::new(&world.builder),
        ..world
    };
    fresh.l1.fail_next(0);
    let node = fresh.start();
    let again = node.until_caught_up(fresh.l1.head().number).await.safe;
    assert_eq!(again, safe, "seed {seed}");
    node.stop().await;
}
