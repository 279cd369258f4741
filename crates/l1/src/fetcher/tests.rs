//! Heads that go down, stand still, or leave our finalized block, seen through the watcher.
#![allow(clippy::unwrap_used)]

use crate::{
    Canonicality,
    test_utils::{Fault, MemoryL1},
    testing::{BLOCK_TIME, CHAIN_ID, Lines, Running},
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// An L1 with its head at 99 and its finalized block at 80.
fn memory() -> MemoryL1 {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    memory.set_tags(Some(90), Some(80));
    memory
}

#[tokio::test(start_paused = true)]
async fn a_lower_head_in_a_gap_of_the_window_is_not_taken_for_a_reorg() {
    let memory = memory();
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    memory.mine(4);
    running.head_is(103).await;
    // Its parent is known and itself it is not.
    memory.hide(3);
    sleep(BLOCK_TIME + SECOND).await;
    assert_eq!(running.l1.heads().head.number, 103);
    memory.hide(0);
    sleep(BLOCK_TIME).await;
    assert_eq!(running.l1.status().reorgs, 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_first_endpoint_is_left_and_used_again_when_it_has_caught_up() {
    let first = memory();
    let second = first.another_endpoint("second");
    let lines = Lines::capture();
    let running = Running::start(&first, &[&first, &second]);
    running.head_is(99).await;
    first.mine_with_the_clock(BLOCK_TIME, SECOND);
    running.head_is(105).await;
    first.freeze(true);
    running.head_is(120).await;
    assert_eq!(running.active(), "second");
    assert_eq!(running.trouble(), None);
    let error = running.l1.status().endpoints[0].last_error.clone();
    assert!(error.unwrap().contains("lags: its head is 105"));

    first.freeze(false);
    sleep(400 * SECOND).await;
    assert_eq!(running.active(), "first");
    assert_eq!(running.l1.status().reorgs, 0);
    let switches = lines.with("l1 endpoint switched");
    assert_eq!(switches.len(), 2, "{switches:?}");
    assert!(switches[0].contains("from=\"first\" to=\"second\" reason="));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_endpoints_cost_no_more_than_one_and_a_stale_one_little_more() {
    for (is_stale, most) in [(false, 110), (true, 118)] {
        let first = memory();
        let second = first.another_endpoint("second");
        let running = Running::start(&first, &[&first, &second]);
        running.head_is(99).await;
        first.mine_with_the_clock(BLOCK_TIME, SECOND);
        first.freeze(is_stale);
        running.head_is(120).await;
        let before = first.requests() + second.requests();
        let expected = if is_stale { "second" } else { "first" };
        for number in 121..=220 {
            running.head_is(number).await;
            assert_eq!(running.active(), expected);
        }
        let spent = first.requests() + second.requests() - before;
        assert!(spent <= most, "{spent} requests, stale: {is_stale}");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_stands_still_at_every_endpoint_is_stale_by_name_and_not_hammered() {
    let first = memory();
    let second = first.another_endpoint("second");
    let running = Running::start(&first, &[&first, &second]);
    running.head_is(99).await;
    assert_eq!(running.trouble(), None);
    sleep(100 * BLOCK_TIME).await;
    assert_eq!(running.trouble(), Some("l1_stale"));
    assert_eq!(running.active(), "first");
    let spent = first.requests() + second.requests();
    assert!(spent <= 120, "{spent} requests");
    first.mine(101);
    running.head_is(200).await;
    assert_eq!(running.trouble(), None);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_balancer_that_flaps_never_moves_our_head_down() {
    for blocks in [1, 2, 5] {
        let memory = memory();
        let running = Running::start(&memory, &[&memory]);
        running.head_is(99).await;
        memory.mine_with_the_clock(BLOCK_TIME, SECOND);
        memory.flap(blocks);
        let mut highest = 99;
        while highest < 199 {
            sleep(SECOND).await;
            let head = running.l1.heads().head;
            assert!(head.number >= highest, "{blocks} behind");
            highest = head.number;
        }
        assert_eq!(running.l1.status().reorgs, 0);
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_head_goes_down_is_left_for_one_that_has_our_head() {
    let first = memory();
    let second = first.another_endpoint("second");
    let running = Running::start(&first, &[&first, &second]);
    running.head_is(99).await;
    first.hide(5);
    sleep(3 * BLOCK_TIME).await;
    assert_eq!(running.active(), "second");
    assert_eq!(running.l1.heads().head, first.block(99));
    assert_eq!(running.l1.status().reorgs, 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_reorg_past_our_finalized_block_is_held_and_said_once() {
    let memory = memory();
    let before = memory.fork("before");
    let lines = Lines::capture();
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    let heads = running.l1.heads();
    assert_eq!(heads.finalized.number, 80);
    for (depth, grown) in [(30, 5), (5, 40), (30, 0)] {
        memory.reorg(depth, grown);
        sleep(200 * SECOND).await;
        assert_eq!(running.l1.heads(), heads, "{depth} {grown}");
        assert_eq!(running.trouble(), Some("l1_finalized_lost"));
        let known = [before.id(99), before.id(80)];
        let verdicts = running.l1.check(&known).await.unwrap();
        assert_eq!(verdicts, [Canonicality::Canonical; 2]);
    }
    assert_eq!(lines.with("ERROR").len(), 1, "{:?}", lines.with("ERROR"));

    before.mine(70);
    memory.lead_to(&before);
    running.head_is(169).await;
    assert_eq!(running.trouble(), None);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failover_target_without_our_finalized_block_is_not_adopted() {
    let first = memory();
    let forked = first.fork("forked");
    forked.reorg(40, 200);
    let lagging = first.another_endpoint("lagging");
    lagging.hide(30);
    for second in [&forked, &lagging] {
        let running = Running::start(&first, &[&first, second]);
        running.head_is(99).await;
        let heads = running.l1.heads();
        first.set_fault(Fault::Refused);
        sleep(300 * SECOND).await;
        assert_eq!(running.l1.heads(), heads);
        let status = running.l1.status();
        assert_eq!(status.reorgs, 0);
        let errors = status.last_error.unwrap();
        assert!(
            errors.contains("contradicts our finalized block 80"),
            "{errors}"
        );
        assert!(errors.contains("connection refused"), "{errors}");
        first.set_fault(Fault::None);
        sleep(24 * SECOND).await;
        assert!(running.l1.status().reachable);
        assert_ne!(running.trouble(), Some("l1_finalized_lost"));
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_any_outage_l1_is_followed_again_within_two_blocks() {
    let faults = [
        Fault::Refused,
        Fault::Silent,
        Fault::Status(429, None),
        Fault::Status(429, Some(20 * SECOND)),
        Fault::Slow(11 * SECOND),
        Fault::Html,
    ];
    for fault in faults {
        for outage in [7, 61, 300, 317, 3001] {
            let memory = memory();
            let running = Running::start(&memory, &[&memory]);
            running.head_is(99).await;
            memory.mine_with_the_clock(BLOCK_TIME, SECOND);
            memory.set_fault(fault.clone());
            sleep(outage * SECOND).await;
            memory.set_fault(Fault::None);
            let back = Instant::now();
            let (known, mut heads) = (running.l1.heads().head, running.l1.watch());
            heads.wait_for(|heads| heads.head != known).await.unwrap();
            let took = back.elapsed();
            assert!(
                took <= 2 * BLOCK_TIME + SECOND,
                "{fault:?} for {outage} s: {took:?}"
            );
            running.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_l1_is_followed_as_long_as_it_answers_within_the_deadline() {
    let memory = memory();
    memory.set_fault(Fault::Slow(4 * SECOND));
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    memory.mine_with_the_clock(BLOCK_TIME, SECOND);
    running.head_is(149).await;
    assert_eq!(running.l1.status().endpoints[0].last_error, None);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn in_normal_operation_nothing_is_logged_but_the_first_head() {
    let memory = memory();
    let lines = Lines::capture();
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    memory.mine_with_the_clock(BLOCK_TIME, SECOND);
    running.head_is(199).await;
    assert_eq!(lines.with("").len(), 2, "{:?}", lines.with(""));
    memory.reorg(1, 0);
    sleep(BLOCK_TIME).await;
    let reorg = &lines.with("l1 reorg")[0];
    for words in ["old=199:0x", "new=", "depth=1"] {
        assert!(reorg.contains(words), "{reorg}");
    }
    running.stop().await;
}
