//! What L1 has to say about an update.

use super::*;
use light_node_l1::test_utils::Fault;
use light_node_protocol::L1BlockRef;

#[tokio::test(start_paused = true)]
async fn following_costs_about_one_l1_request_per_l1_block_from_the_start() {
    let mut world = World::start().await;
    world.l1_memory.set_tags(Some(90), Some(80));
    world.next_applied().await;
    world
        .l1_memory
        .mine_with_the_clock(seconds(12), Duration::from_millis(900));
    let (before, head) = (world.l1_memory.requests(), world.l1_memory.head().number);
    for step in 1..=150 {
        // Finalized walks with the safe head, through 50 L1 blocks from before our start.
        world.source.advance(6);
        world.source.set_finalized(300 + 6 * step);
        let update = world.next_applied().await;
        assert_eq!(update.state, world.source.state(), "step {step}");
        sleep(Duration::from_millis(11_400)).await;
    }
    let blocks = world.l1_memory.head().number - head;
    let spent = world.l1_memory.requests() - before;
    assert!(
        10 * spent <= 11 * blocks,
        "{spent} requests for {blocks} blocks"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_update_with_a_foreign_l1_origin_is_dropped() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.source.advance(6);
    let mut status = world.source.status_now();
    status.safe_l2.l1_origin.hash = status.safe_l2.hash;
    world.source.set_status(status);
    let status = world.until(|status| status.trouble.is_some()).await;
    assert_eq!(trouble(&status), Some("l1_mismatch"));
    sleep(seconds(20)).await;
    world.engine_is_idle().await;
    world.source.release();
    world.next_applied().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_origin_ahead_of_our_l1_waits_until_our_l1_has_it() {
    // Our L1 ends at block 79, the first safe head's origin is block 83.
    let mut world = World::start_with(|source| source.l1().hide(20)).await;
    let status = world
        .until(|status| trouble(status) == Some("l1_behind"))
        .await;
    assert_eq!(not_ready(&status), Some("l1_behind"));
    sleep(seconds(5)).await;
    world.engine_is_idle().await;
    world.l1_memory.hide(0);
    world.next_applied().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_l1_the_heads_hold_and_the_reason_is_named() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.l1_memory.set_fault(Fault::Refused);
    world.source.advance(24);
    let status = world.until(|status| status.trouble.is_some()).await;
    assert_eq!(
        (trouble(&status), not_ready(&status)),
        (Some("l1_unreachable"), None)
    );
    sleep(seconds(121)).await;
    assert_eq!(not_ready(&world.follow.status()), Some("l1_unreachable"));
    world.engine_is_idle().await;
    world.l1_memory.set_fault(Fault::None);
    world.next_applied().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_answers_what_cannot_be_is_not_called_unreachable() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.l1_memory.set_fault(Fault::WrongHashes);
    world.source.advance(24);
    let status = world.until(|status| status.trouble.is_some()).await;
    assert_eq!(trouble(&status), Some("l1_invalid"));
    sleep(seconds(121)).await;
    assert_eq!(not_ready(&world.follow.status()), Some("l1_invalid"));
    world.engine_is_idle().await;
    world.l1_memory.set_fault(Fault::None);
    world.next_applied().await;
    world.l1_memory.set_fault(Fault::WrongHashes);
    sleep(seconds(300)).await;
    let status = world.follow.status();
    assert_eq!(not_ready(&status), Some("l1_invalid"), "without news, too");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_l1_makes_us_unready_even_when_the_source_says_nothing_new() {
    let mut world = World::start().await;
    world.next_applied().await;
    world.l1_memory.set_fault(Fault::Silent);
    sleep(seconds(300)).await;
    assert_eq!(not_ready(&world.follow.status()), Some("l1_unreachable"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_never_failed_and_is_only_old_is_named_with_its_age() {
    let mut world = World::start_without_watcher().await;
    world.next_applied().await;
    sleep(seconds(130)).await;
    let trouble = world.follow.status().trouble.unwrap().to_string();
    assert!(trouble.contains("the last answer is 1"), "{trouble}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_our_l1_does_not_have_yet_keeps_the_old_one_while_the_heads_move() {
    let mut world = World::start().await;
    let first = world.next_applied().await;
    let ahead = L1BlockRef {
        number: 100,
        hash: world.l1_memory.id(7).hash,
        ..first.state.current_l1
    };
    world.source.set_cursor(Some(ahead));
    world.source.advance(6);
    let update = world.next_applied().await;
    assert_eq!(update.state.safe, world.source.state().safe);
    assert_eq!(update.state.current_l1, first.state.current_l1);
    // As long as it cannot be used, it costs the engine nothing.
    sleep(seconds(10)).await;
    world.engine_is_idle().await;
    world.l1_memory.mine(1);
    world.source.set_cursor(Some(world.l1_memory.block(100)));
    let update = world.next_applied().await;
    assert_eq!(update.state.current_l1, world.l1_memory.block(100));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_an_l1_reorg_the_source_is_followed_to_its_new_branch_at_once() {
    for depth in [1, 3, 10] {
        let mut world = World::start().await;
        // The safe head's origin is the L1 head.
        world.source.set_safe(99 * 6);
        let before = world.next_applied().await;
        world.l1_memory.reorg(depth, 1);
        world.source.set_safe((100 - depth as u64) * 6);
        let start = Instant::now();
        let update = loop {
            match world.next_request().await {
                ScriptedRequest::Follow(update, reply) => {
                    world.publish(&update);
                    reply.send(FollowOutcome::Applied).unwrap();
                    break update;
                }
                ScriptedRequest::ResetKeepingHeads => {}
                other => panic!("not from us: {other:?}"),
            }
        };
        assert!(update.safe_may_move, "depth {depth}");
        assert_eq!(update.state, world.source.state(), "depth {depth}");
        assert_ne!(update.state.safe.hash, before.state.safe.hash);
        assert!(start.elapsed() < seconds(15), "{:?}", start.elapsed());
        world.until(|status| status.trouble.is_none()).await;
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_l1_reorg_to_a_shorter_branch_the_cursor_goes_back_with_the_heads() {
    let mut world = World::start().await;
    world.source.set_safe(98 * 6);
    let before = world.next_applied().await;
    assert_eq!(before.state.current_l1, world.l1_memory.head());
    world.l1_memory.reorg(3, 0);
    world.l1_memory.roll_back(1);
    world.source.set_safe(96 * 6);
    let update = loop {
        if let ScriptedRequest::Follow(update, _) = world.next_request().await {
            break update;
        }
    };
    assert_eq!(update.state, world.source.state());
    assert_eq!(update.state.current_l1, world.l1_memory.head());
    assert!(update.safe_may_move);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_our_shortened_l1_no_longer_reaches_gives_way_to_the_source_s_new_one() {
    let mut world = World::start().await;
    world.source.set_cursor(Some(world.l1_memory.head()));
    world.next_applied().await;
    world.l1_memory.roll_back(2);
    sleep(seconds(30)).await;
    // The source has not noticed yet: there is nothing better than the old cursor.
    world.engine_is_idle().await;
    world.source.set_cursor(Some(world.l1_memory.head()));
    let update = world.next_applied().await;
    assert_eq!(update.state, world.source.state());
    assert_eq!(update.state.current_l1, world.l1_memory.head());
    assert!(!update.safe_may_move);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_stays_on_an_abandoned_l1_branch_is_trouble_until_it_moves() {
    let mut world = World::start().await;
    world.source.set_safe(99 * 6);
    world.next_applied().await;
    // The source goes on saying the same words; its own L1 head moves with ours.
    let mut stuck = world.source.status_now();
    world.l1_memory.reorg(2, 1);
    stuck.head_l1 = world.l1_memory.head();
    world.source.set_status(stuck);
    world
        .until(|status| trouble(status) == Some("l1_mismatch"))
        .await;
    sleep(seconds(60)).await;
    assert_eq!(trouble(&world.follow.status()), Some("l1_mismatch"));
    world.source.release();
    while world.follow.status().trouble.is_some() {
        if let ScriptedRequest::Follow(update, reply) = world.next_request().await {
            world.publish(&update);
            reply.send(FollowOutcome::Applied).unwrap();
            sleep(seconds(1)).await;
        }
    }
    world.stop().await;
}
