//! An L1 reorg takes the origin of the safe head away: the source goes back, and the follower goes with it, and both stand on
//! the new branch in the end.

use crate::helpers::{
    behaviours::{self, Course},
    chain::Settings,
    network::Topology,
};

async fn recovers(course: Course) {
    behaviours::recovers(Topology::Plain, course, Settings::on_command()).await;
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
async fn an_l1_reorg_seventy_blocks_deep_is_survived() {
    recovers(Course::of_depth(70)).await;
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
