//! What becomes of an update at the engine.

use super::*;
use light_node_engine::EngineStatus;
use light_node_protocol::BlockNumHash;

#[tokio::test(start_paused = true)]
async fn an_unsafe_head_whose_origin_left_l1_is_reported_to_the_engine_once() {
    let mut world = World::start().await;
    let update = world.next_applied().await;
    let head = world.source.block(99 * 6);
    world.engine.publish(EngineState {
        unsafe_head: head,
        safe_head: update.state.safe,
        ..EngineState::default()
    });
    sleep(seconds(5)).await;
    world.engine_is_idle().await;
    world.l1_memory.reorg(1, 1);
    assert!(matches!(
        world.next_request().await,
        ScriptedRequest::ResetKeepingHeads
    ));
    sleep(seconds(60)).await;
    world.engine_is_idle().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_l1_comes_back_to_is_reported_to_the_engine_once() {
    let mut world = World::start().await;
    let update = world.next_applied().await;
    let state = EngineState {
        unsafe_head: world.source.block(99 * 6),
        safe_head: update.state.safe,
        ..EngineState::default()
    };
    world.engine.publish(state);
    let before = world.l1_memory.fork("before");
    world.l1_memory.reorg(1, 1);
    assert!(matches!(
        world.next_request().await,
        ScriptedRequest::ResetKeepingHeads
    ));
    world.engine.publish(EngineState {
        origin_left_l1: true,
        ..state
    });
    before.mine(3);
    world.l1_memory.lead_to(&before);
    assert!(matches!(
        world.next_request().await,
        ScriptedRequest::OriginStands
    ));
    world.engine.publish(state);
    sleep(seconds(60)).await;
    world.engine_is_idle().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_el_that_syncs_is_given_the_newest_update_with_each_poll() {
    let mut world = World::start().await;
    for _ in 0..5 {
        let update = world.next_answered(FollowOutcome::Syncing).await;
        assert_eq!(update.state, world.source.state());
        world.source.advance(1);
    }
    let status = world.until(|status| status.trouble.is_some()).await;
    assert_eq!(not_ready(&status), Some("el_syncing"));
    world.next_applied().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_el_that_cannot_be_asked_is_told_from_one_that_does_not_take_an_update() {
    let mut world = World::start().await;
    for (probed, last_error, words) in [
        (false, None, "it has not answered yet"),
        (true, None, "did not take the update"),
        (true, Some("connection refused"), "connection refused"),
    ] {
        world.engine.report(EngineStatus {
            probed,
            last_error: last_error.map(Into::into),
            ..EngineStatus::default()
        });
        world.next_answered(FollowOutcome::Skipped).await;
        let said = |status: &FollowStatus| status.trouble.as_ref()?.to_string().find(words);
        let status = world.until(|status| said(status).is_some()).await;
        assert_eq!(status.last_outcome, Some(PollOutcome::Skipped));
    }
    world.next_applied().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_reorg_right_after_a_sync_is_judged_by_what_the_sync_has_applied() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.source.set_safe(99 * 6);
    let update = world.next_answered(FollowOutcome::Syncing).await;
    // The engine applies it when the blocks are there, between two polls, and L1 is reorganised before the next one.
    world.publish(&update);
    world.l1_memory.reorg(3, 1);
    world.source.set_safe(97 * 6);
    let back = loop {
        match world.next_request().await {
            ScriptedRequest::Follow(back, _) => break back,
            ScriptedRequest::ResetKeepingHeads => {}
            other => panic!("not from us: {other:?}"),
        }
    };
    assert_eq!(back.state, world.source.state());
    assert!(back.safe_may_move);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pending_target_or_lost_blocks_make_the_same_update_go_out_again() {
    let mut world = World::start().await;
    let first = world.next_applied().await;
    let target = Some(BlockNumHash::new(900, world.source.block(300).hash));
    let lost = EngineState {
        el_sync: ElSyncState::LostBlocks,
        ..EngineState::default()
    };
    for state in [
        EngineState {
            target,
            ..EngineState::default()
        },
        lost,
    ] {
        world.engine.publish(state);
        let again = world.next_applied().await;
        assert_eq!(again, first);
        world.engine.publish(EngineState::default());
        world.drain_engine().await;
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_engine_never_blocks_the_polls_and_gets_the_newest_update_next() {
    let mut world = World::start().await;
    let ScriptedRequest::Follow(first, reply) = world.next_request().await else {
        panic!()
    };
    let calls = world.source.calls();
    for _ in 0..20 {
        world.source.advance(1);
        sleep(seconds(1)).await;
    }
    assert!(world.source.calls() - calls >= 15);
    world.engine_is_idle().await;
    sleep(seconds(2)).await;
    world.publish(&first);
    reply.send(FollowOutcome::Applied).unwrap();
    let newest = world.next_applied().await;
    assert_eq!(newest.state, world.source.state());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_lies_about_an_origin_is_put_in_quarantine() {
    let mut world = World::start().await;
    let first = world.next_applied().await;
    world.source.advance(6);
    let block = first.state.safe.hash;
    let lie = FollowOutcome::Refused(FollowRefusal::OriginMismatch { block });
    world.next_answered(lie).await;
    let status = world.until(|status| status.trouble.is_some()).await;
    assert_eq!(not_ready(&status), Some("refused"));
    let calls = world.source.calls();
    sleep(seconds(7)).await;
    assert!(world.source.calls() <= calls + 1);
    let start = Instant::now();
    world.next_answered(lie).await;
    world.next_answered(lie).await;
    assert!(start.elapsed() >= seconds(15), "the pause grows");
    world.next_applied().await;
    assert_eq!(not_ready(&world.follow.status()), None);
    world.stop().await;
}

/// The source may be right and the EL out of disk: whoever stops asking then stays behind for minutes after it recovered.
#[tokio::test(start_paused = true)]
async fn a_block_that_the_el_calls_invalid_is_an_alarm_and_the_source_is_polled_on() {
    let mut world = World::start().await;
    let first = world.next_applied().await;
    let block = first.state.safe.hash;
    let invalid = FollowOutcome::Refused(FollowRefusal::InvalidBlock { block });
    for _ in 0..20 {
        world.source.advance(6);
        world.l1_memory.mine(1);
        let start = Instant::now();
        world.next_answered(invalid).await;
        assert!(start.elapsed() < seconds(3), "{:?}", start.elapsed());
        let status = world.until(|status| status.trouble.is_some()).await;
        assert_eq!(not_ready(&status), Some("refused"));
    }
    world.next_applied().await;
    assert_eq!(not_ready(&world.follow.status()), None);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_contradiction_that_the_engine_finds_is_sent_again_when_the_source_stays_with_it() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.source.advance(60);
    let contradicted = FollowOutcome::Refused(FollowRefusal::SafeContradicted);
    let update = world.next_answered(contradicted).await;
    assert!(!update.safe_may_move);
    let start = Instant::now();
    let again = world.next_applied().await;
    assert!(again.safe_may_move);
    assert_eq!(again.state, update.state);
    assert!(start.elapsed() >= seconds(10));
    world.source.advance(6);
    assert!(!world.next_applied().await.safe_may_move);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_engine_ends_the_actor_without_an_error() {
    let World { engine, task, .. } = World::start().await;
    drop(engine);
    task.await.unwrap().unwrap();
}
