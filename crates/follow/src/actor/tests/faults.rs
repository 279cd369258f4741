//! Sources that fail, turn into others, or are several.

use super::*;
use light_node_protocol::SyncStatus;

/// What another backend of the same source says.
fn on_another_branch(mut status: SyncStatus) -> SyncStatus {
    for head in [&mut status.safe_l2, &mut status.local_safe_l2] {
        head.hash.0[0] ^= 1;
        head.parent_hash.0[0] ^= 1;
    }
    status
}

#[tokio::test(start_paused = true)]
async fn a_source_that_was_restarted_is_followed_again_within_four_seconds() {
    let mut world = World::start().await;
    world.next_applied().await;
    for outage in [5, 20, 55] {
        world.source.fail(Some(SourceError::Html {
            method: "optimism_syncStatus",
        }));
        sleep(seconds(outage)).await;
        world.source.advance(1);
        world.source.fail(None);
        let start = Instant::now();
        world.next_applied().await;
        assert!(start.elapsed() < seconds(4), "{:?}", start.elapsed());
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_was_started_anew_behind_the_same_url_is_named_within_a_minute() {
    let mut world = World::start().await;
    world.next_applied().await;
    let ours = world.source.identity().unwrap();
    let mut status = world.source.status_now();
    for head in [
        &mut status.safe_l2,
        &mut status.local_safe_l2,
        &mut status.finalized_l2,
    ] {
        head.number = 3;
        head.hash.0[0] ^= 1;
    }
    world.source.set_status(status);
    world.source.set_identity(Some(ChainIdentity {
        genesis_l2: status.safe_l2.hash,
        ..ours
    }));
    let start = Instant::now();
    let status = world
        .until(|status| trouble(status) == Some("wrong_chain"))
        .await;
    assert!(start.elapsed() <= seconds(65), "{:?}", start.elapsed());
    let words = status.trouble.unwrap().to_string();
    assert!(words.contains("genesis.l2.hash"), "{words}");
    assert!(words.contains("started anew"), "{words}");
    assert_eq!(not_ready(&world.follow.status()), Some("wrong_chain"));
    world.engine_is_idle().await;

    world.source.set_identity(Some(ours));
    world.source.release();
    world.until(|status| status.trouble.is_none()).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_backends_one_of_which_lags_the_newer_one_is_followed_and_nothing_goes_back() {
    let mut world = World::start().await;
    let mut last = world.next_applied().await;
    for _ in 0..10 {
        let old = world.source.status_now();
        world.source.advance(6);
        let update = world.next_applied().await;
        assert!(update.state.safe.number > last.state.safe.number);
        assert!(update.state.current_l1.number >= last.state.current_l1.number);
        last = update;
        world.source.set_status(old);
        sleep(seconds(3)).await;
        world.engine_is_idle().await;
        assert_eq!(not_ready(&world.follow.status()), None);
        world.source.release();
        world.l1_memory.mine(1);
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_backends_one_of_which_is_on_another_branch_the_first_one_stays_followed() {
    let mut world = World::start().await;
    world.next_applied().await;
    for _ in 0..20 {
        world
            .source
            .set_status(on_another_branch(world.source.status_now()));
        sleep(seconds(1)).await;
        world.source.release();
        sleep(seconds(1)).await;
    }
    world.engine_is_idle().await;
    let counters = world.follow.status().counters;
    assert!(counters.get(PollOutcome::Regressed) > 5);
    world.source.advance(6);
    assert!(!world.next_applied().await.safe_may_move);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fell_into_a_ring_with_us_later_is_refused_and_the_node_goes_on() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.source.set_path(&["source", "other", "me"]);
    world.source.fail_status();
    world.until(|status| status.trouble.is_some()).await;
    world.source.fail(None);
    world.source.advance(6);
    let status = world.until(|status| trouble(status) == Some("cycle")).await;
    assert_eq!(not_ready(&status), Some("cycle"));
    let words = status.trouble.unwrap().to_string();
    assert!(words.contains("through 2 node(s)"), "{words}");
    world.engine_is_idle().await;
    world.source.set_path(&["source"]);
    world.next_applied().await;
    world.stop().await;
}
