//! An L1 reorg takes the origin of the safe head away: the source goes back, and the follower goes with it, and both stand on
//! the new branch in the end.

use crate::helpers::{
    chain::{Chain, Settings},
    invariants::Invariants,
    process::NodeProcess,
    wait::until,
};
use serde_json::json;
use std::time::Duration;

/// Detection takes one L1 block time, and each step of the chain a few milliseconds.
const LIMIT: Duration = Duration::from_secs(60);

/// What happens to L1, and how slowly.
#[derive(Clone, Copy)]
struct Course {
    /// This many L1 blocks up to the origin of safe leave the chain, and all above it.
    depth: u64,
    /// The chain waits until the node has gone back, too. Otherwise the node finds the new branch already there.
    is_seen_going_back: bool,
    /// The new branch is one block shorter, and without what the batcher had sent.
    is_shorter: bool,
}

impl Course {
    const fn of_depth(depth: u64) -> Self {
        Self {
            depth,
            is_seen_going_back: true,
            is_shorter: false,
        }
    }
}

async fn recovers(course: Course) {
    let depth = course.depth;
    let chain = Chain::start(Settings {
        finalized_lag: depth + 6,
        ..Settings::on_command()
    })
    .await;
    let node = NodeProcess::start(&chain.flags().with_switch("--rpc.enable-admin"));
    let rpc = node.rpc();
    let invariants = Invariants::watch(node.rpc());
    let old = chain
        .step_until(|status| status.finalized_l2.number >= 2 && status.safe_l2.number > depth + 4)
        .await;
    until("the safe head that will go", LIMIT, || async {
        let ours = rpc.sync_status().await?;
        let is_ready = ours.safe_l2 == old.safe_l2 && ours.finalized_l2 == old.finalized_l2;
        if is_ready { Ok(()) } else { Err(json!(ours)) }
    })
    .await;
    // Unsafe blocks on origins that will go, too.
    for number in old.safe_l2.number + 1..=old.unsafe_l2.number {
        rpc.call("admin_postUnsafePayload", json!([chain.envelope(number)]))
            .await
            .unwrap();
    }
    assert_eq!(rpc.sync_status().await.unwrap().unsafe_l2, old.unsafe_l2);

    invariants.expect_reorg();
    let above_origin = chain.l1().heads().latest.number - old.safe_l2.l1_origin.number;
    let dropped = above_origin + depth;
    let added = dropped - u64::from(course.is_shorter);
    chain
        .l1()
        .reorg(dropped, Some(added), course.is_shorter)
        .unwrap();
    let back = chain.source_at_l1_head().await;
    assert!(
        back.safe_l2.number <= old.safe_l2.number - depth,
        "{back:#?}"
    );
    if course.is_seen_going_back {
        until("the way back", LIMIT, || async {
            let ours = rpc.sync_status().await?;
            let is_back = ours.safe_l2 == back.safe_l2 && ours.current_l1 == back.current_l1;
            if is_back { Ok(()) } else { Err(json!(ours)) }
        })
        .await;
    }

    let new = chain
        .step_until(|status| status.safe_l2.number > old.unsafe_l2.number)
        .await;
    assert_ne!(new.safe_l2.hash, old.safe_l2.hash);
    let theirs = chain.settle().await;
    assert_eq!(theirs.safe_l2, theirs.unsafe_l2);
    until("the heads of the new branch", LIMIT, || async {
        let ours = rpc.sync_status().await?;
        let is_equal = ours.unsafe_l2 == theirs.unsafe_l2
            && ours.local_safe_l2 == theirs.local_safe_l2
            && ours.safe_l2 == theirs.safe_l2
            && ours.finalized_l2 == theirs.finalized_l2
            && ours.current_l1 == theirs.current_l1;
        if is_equal {
            Ok(())
        } else {
            Err(json!({ "ours": ours, "theirs": theirs }))
        }
    })
    .await;
    invariants.finish().await;
    has_the_sequencers_blocks(&chain, theirs.unsafe_l2.number);
}

/// Asserts that the execution layer of the node has the sequencer's blocks up to `last`.
fn has_the_sequencers_blocks(chain: &Chain, last: u64) {
    for number in 0..=last {
        let ours = chain.hash_on_spare_el(number);
        assert_eq!(ours, chain.hash_on_sequencer_el(number), "block {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_reorg_one_block_deep_is_survived() {
    recovers(Course::of_depth(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_reorg_three_blocks_deep_is_survived() {
    recovers(Course::of_depth(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_reorg_ten_blocks_deep_is_survived() {
    recovers(Course::of_depth(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_reorg_that_is_over_when_it_is_noticed_is_survived() {
    recovers(Course {
        is_seen_going_back: false,
        ..Course::of_depth(3)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_reorg_to_a_shorter_branch_without_the_batches_is_survived() {
    recovers(Course {
        is_shorter: true,
        ..Course::of_depth(3)
    })
    .await;
}
