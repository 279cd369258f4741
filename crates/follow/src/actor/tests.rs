#![allow(clippy::unwrap_used)]

mod engine;
mod faults;
mod history;
mod l1;
mod log;
mod world;

use super::*;
use crate::{
    source::{ChainIdentity, SourceError},
    status::FollowStatus,
};
use light_node_engine::{EngineState, test_utils::ScriptedRequest};
use tokio::time::sleep;
use world::{World, seconds};

fn not_ready(status: &FollowStatus) -> Option<&'static str> {
    status.not_ready.as_ref().map(NotReady::name)
}

fn trouble(status: &FollowStatus) -> Option<&'static str> {
    status.trouble.as_ref().map(NotReady::name)
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_is_applied_as_one_update() {
    let mut world = World::start().await;
    assert_eq!(not_ready(&world.follow.status()), Some("no_update_yet"));
    let update = world.next_applied().await;
    assert_eq!(update.state, world.source.state());
    assert!(!update.safe_may_move);
    let status = world.until(|status| status.applied.is_some()).await;
    assert_eq!(not_ready(&status), None);
    assert_eq!(status.applied, Some(update.state));
    assert_eq!(status.reported, Some(world.source.status_now()));
    assert_eq!(status.identity, IdentityVerdict::Verified);
    assert_eq!(world.follow.path(), ["me", "source", "origin"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_news_costs_one_call_to_the_source_and_none_to_l1_or_the_engine() {
    let mut world = World::start_without_watcher().await;
    world.next_applied().await;
    let (source, l1) = (world.source.calls(), world.l1_memory.requests());
    sleep(seconds(60)).await;
    let spent = world.source.calls() - source;
    assert!((54..=67).contains(&spent), "{spent} calls");
    assert_eq!(world.l1_memory.requests(), l1);
    world.engine_is_idle().await;
    assert_eq!(not_ready(&world.follow.status()), None);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_source_is_asked_with_backoff_and_makes_us_unready_after_the_maximal_age() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.source.fail(Some(SourceError::Html {
        method: "optimism_syncStatus",
    }));
    sleep(seconds(100)).await;
    let status = world.follow.status();
    assert_eq!(
        (trouble(&status), not_ready(&status)),
        (Some("source_unreachable"), None)
    );
    sleep(seconds(60)).await;
    assert_eq!(
        not_ready(&world.follow.status()),
        Some("source_unreachable")
    );
    let before = world.source.calls();
    sleep(seconds(300)).await;
    assert!(world.source.calls() - before <= 15);
    world.engine_is_idle().await;

    world.source.fail(None);
    world.until(|status| status.trouble.is_none()).await;
    assert_eq!(not_ready(&world.follow.status()), None);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_down_at_start_is_waited_for() {
    let mut world = World::start_with(|source| {
        source.fail(Some(SourceError::Html {
            method: "optimism_syncStatus",
        }));
    })
    .await;
    sleep(seconds(600)).await;
    assert_eq!(
        not_ready(&world.follow.status()),
        Some("source_unreachable")
    );
    world.source.fail(None);
    world.next_applied().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn absurd_intervals_neither_overflow_nor_spin() {
    for interval in [Duration::ZERO, Duration::MAX] {
        let mut world = World::start_as(|config| {
            config.poll_interval = interval;
            config.identity_interval = Duration::MAX;
            config.max_backoff = interval;
            config.max_age = Duration::MAX;
        })
        .await;
        world.next_applied().await;
        world.source.fail_status();
        sleep(seconds(1)).await;
        assert!(world.source.calls() < 1000, "{}", world.source.calls());
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_has_one_poll_in_flight() {
    let mut world = World::start_with(|source| source.answer_after(seconds(9))).await;
    world.next_applied().await;
    sleep(seconds(100)).await;
    assert_eq!(world.source.most_calls_at_once(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_source_is_not_believed_and_makes_us_unready_at_once() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.source.freeze_l1_head();
    world.l1_memory.mine(20);
    world.source.advance(6);
    let status = world.until(|status| status.trouble.is_some()).await;
    assert_eq!(not_ready(&status), Some("source_stale"));
    assert_eq!(status.source_lag, Some(seconds(240)));
    world.engine_is_idle().await;
    world.source.thaw_l1_head();
    world.next_applied().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn zero_heads_of_a_resetting_source_change_nothing() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.source.set_status(Default::default());
    let status = world.until(|status| status.trouble.is_some()).await;
    assert_eq!(
        (trouble(&status), not_ready(&status)),
        (Some("source_not_ready"), None)
    );
    sleep(seconds(10)).await;
    world.engine_is_idle().await;
    sleep(seconds(115)).await;
    let status = world.follow.status();
    assert_eq!(not_ready(&status), Some("source_not_ready"));
    let words = status.trouble.unwrap().to_string();
    assert!(words.contains("safe head is missing"), "{words}");
    world.source.release();
    world.until(|status| status.trouble.is_none()).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_of_another_chain_is_fatal_before_its_first_success_only() {
    let other = |source: &world::ScriptedSource| {
        let ours = source.identity().unwrap();
        source.set_identity(Some(ChainIdentity {
            l2_chain_id: 7,
            ..ours
        }));
    };
    let world = World::start_with(other).await;
    let fatal = world.task.await.unwrap().unwrap_err().to_string();
    assert!(fatal.contains("l2_chain_id is 7, ours is 901"), "{fatal}");
    assert!(fatal.contains("--l2.follow.source"), "{fatal}");

    let mut world = World::start().await;
    world.next_applied().await;
    other(&world.source);
    world.source.advance(6);
    world.next_applied().await;
    // It is noticed with the next look at the identity: after ten minutes, or after a failure.
    world.source.fail(Some(SourceError::Html {
        method: "optimism_syncStatus",
    }));
    world.until(|status| status.trouble.is_some()).await;
    world.source.fail(None);
    let status = world
        .until(|status| trouble(status) == Some("wrong_chain"))
        .await;
    assert_eq!(status.identity, IdentityVerdict::Refused);
    assert_eq!(not_ready(&status), Some("wrong_chain"));
    world.source.advance(6);
    sleep(seconds(60)).await;
    world.engine_is_idle().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_ourselves_or_follows_us_is_fatal_even_without_heads() {
    for (path, words) in [
        (vec!["me", "source"], "it is this node itself"),
        (vec!["source", "other", "me"], "through 2 node(s)"),
    ] {
        let world = World::start_with(|source| {
            source.set_path(&path);
            source.set_status(Default::default());
        })
        .await;
        let fatal = world.task.await.unwrap().unwrap_err().to_string();
        assert!(fatal.contains(words), "{fatal}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_say_its_chain_is_followed_with_a_mark() {
    let mut world = World::start_with(|source| source.set_identity(None)).await;
    world.next_applied().await;
    let status = world.follow.status();
    assert_eq!(status.identity, IdentityVerdict::Unverified);
    assert_eq!(
        (trouble(&status), not_ready(&status)),
        (None, Some("identity_unverified"))
    );
    world.source.advance(6);
    world.next_applied().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_replays_holds_the_heads_and_is_unready_only_when_it_lasts() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.source.set_safe(400);
    let status = world.until(|status| status.trouble.is_some()).await;
    assert_eq!(
        (trouble(&status), not_ready(&status)),
        (Some("source_replaying"), None)
    );
    sleep(seconds(121)).await;
    assert_eq!(not_ready(&world.follow.status()), Some("source_replaying"));
    world.engine_is_idle().await;
    world.source.set_safe(506);
    let update = world.next_applied().await;
    assert!(!update.safe_may_move);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unexplained_regression_is_followed_after_ten_seconds() {
    let mut world = World::start().await;
    let first = world.next_applied().await;
    world.source.set_cursor(Some(first.state.current_l1));
    world.source.set_safe(480);
    world.source.set_finalized(280);
    let start = Instant::now();
    world
        .until(|status| trouble(status) == Some("source_regressed"))
        .await;
    let update = world.next_applied().await;
    assert!(update.safe_may_move);
    assert_eq!(update.state.safe, world.source.state().safe);
    // The source's finalized head went down, too; ours did not.
    assert_eq!(update.state.finalized, first.state.finalized);
    assert!(
        world
            .follow
            .status()
            .counters
            .get(PollOutcome::FinalizedLower)
            > 0
    );
    assert!(start.elapsed() >= seconds(10) && start.elapsed() < seconds(14));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_finalized_contradiction_is_an_alarm_at_once() {
    let mut world = World::start().await;
    world.next_applied().await;
    let mut status = world.source.status_now();
    status.finalized_l2.hash = status.safe_l2.hash;
    world.source.set_status(status);
    let status = world.until(|status| status.trouble.is_some()).await;
    assert_eq!(not_ready(&status), Some("finalized_contradicted"));
    sleep(seconds(60)).await;
    world.engine_is_idle().await;
    assert!(
        world
            .follow
            .status()
            .counters
            .get(PollOutcome::FinalizedConflict)
            > 30
    );
    world.stop().await;
}
