#![allow(clippy::unwrap_used)]

use crate::{
    Canonicality, EndpointVerdict, L1Config, L1Error, L1Fatal,
    test_utils::{Fault, MemoryL1},
    testing::{BLOCK_TIME, CHAIN_ID, Running},
};
use light_node_protocol::BlockNumHash;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn mismatch(ours: BlockNumHash) -> Canonicality {
    Canonicality::Mismatch { ours: ours.hash }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_blocks_cost_at_most_1_1_requests_each_tags_included() {
    for delay_ms in [0, 700, 1500, 4000] {
        let memory = MemoryL1::new(CHAIN_ID, 200);
        memory.set_tags(Some(150), Some(120));
        let running = Running::start(&memory, &[&memory]);
        running.head_is(199).await;
        memory.mine_with_the_clock(BLOCK_TIME, Duration::from_millis(delay_ms));
        running.head_is(209).await;
        let before = memory.requests();
        running.head_is(309).await;
        let spent = memory.requests() - before;
        assert!(
            spent <= 110,
            "{spent} requests with a delay of {delay_ms} ms"
        );
        assert_eq!(running.l1.heads().finalized, memory.block(120));
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn absurd_intervals_neither_overflow_nor_spin() {
    for interval in [Duration::ZERO, Duration::MAX] {
        let memory = MemoryL1::new(CHAIN_ID, 50);
        memory.set_tags(Some(40), Some(30));
        let mut config = L1Config::new(Vec::new(), CHAIN_ID, memory.id(0))
            .with_block_time(interval)
            .with_epoch_poll_interval(interval);
        config.retry_interval = interval;
        config.request_deadline = config.request_deadline.max(interval);
        config.check_deadline = config.check_deadline.max(interval);
        let running = Running::start_with(config, &[&memory]);
        running.head_is(49).await;
        for fault in [Fault::Refused, Fault::None] {
            memory.set_fault(fault);
            memory.reorg(1, 1);
            sleep(Duration::from_secs(2)).await;
            let _ = running.l1.check(&[memory.id(45)]).await;
        }
        assert!(memory.requests() < 1000, "{}", memory.requests());
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_block_is_seen_within_the_retry_interval() {
    let memory = MemoryL1::new(CHAIN_ID, 50);
    let running = Running::start(&memory, &[&memory]);
    running.head_is(49).await;
    memory.mine_with_the_clock(BLOCK_TIME, Duration::from_millis(800));
    let start = Instant::now();
    for block in 1..=20_u32 {
        running.head_is(49 + u64::from(block)).await;
        let seen = start.elapsed();
        let visible = BLOCK_TIME * block + Duration::from_millis(800);
        assert!(
            seen <= visible + Duration::from_millis(3300),
            "block {block} at {seen:?}"
        );
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stalled_l1_is_not_hammered() {
    let memory = MemoryL1::new(CHAIN_ID, 50);
    memory.set_tags(Some(40), Some(30));
    let running = Running::start(&memory, &[&memory]);
    running.head_is(49).await;
    let before = memory.requests();
    sleep(BLOCK_TIME * 100).await;
    let spent = memory.requests() - before;
    assert!((50..=301).contains(&spent), "{spent} requests");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn known_heights_are_answered_from_memory_and_unknown_ones_by_one_batch() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    memory.set_tags(Some(90), Some(80));
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    let before = memory.requests();
    let blocks = [
        memory.id(99),
        memory.id(98),
        memory.id(50),
        memory.id(51),
        memory.id(10),
    ];
    let verdicts = running.l1.check(&blocks).await.unwrap();
    assert_eq!(verdicts, [Canonicality::Canonical; 5]);
    assert_eq!(memory.requests(), before + 1);
    running.l1.check(&blocks).await.unwrap();
    assert_eq!(memory.requests(), before + 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_that_the_head_has_left_behind_at_once_is_asked_for_by_its_number() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    memory.set_tags(Some(90), Some(80));
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    sleep(Duration::from_secs(2)).await;
    memory.mine(6);
    let before = memory.requests();
    let blocks = [memory.id(101), memory.id(105)];
    assert_eq!(
        running.l1.check(&blocks).await.unwrap(),
        [Canonicality::Canonical; 2]
    );
    assert!(memory.requests() <= before + 3);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_ahead_of_our_head_is_asked_for_a_few_times_only() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    memory.set_tags(Some(90), Some(80));
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    let before = memory.requests();
    let ahead = BlockNumHash::new(100, memory.id(99).hash);
    for _ in 0..9 {
        assert_eq!(
            running.l1.check(&[ahead]).await.unwrap(),
            [Canonicality::Ahead]
        );
        sleep(Duration::from_secs(1)).await;
    }
    assert!(memory.requests() <= before + 2);
    memory.mine(1);
    running.head_is(100).await;
    assert_eq!(
        running.l1.check(&[memory.id(100)]).await.unwrap(),
        [Canonicality::Canonical]
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_that_sees_a_new_block_first_moves_the_head() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    sleep(Duration::from_secs(5)).await;
    memory.mine(1);
    let verdicts = running.l1.check(&[memory.id(100)]).await.unwrap();
    assert_eq!(verdicts, [Canonicality::Canonical]);
    assert_eq!(running.l1.heads().head, memory.head());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_block_is_confirmed_once_per_head() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    memory.set_tags(Some(90), Some(80));
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    let foreign = BlockNumHash::new(98, memory.id(99).hash);
    let before = memory.requests();
    for _ in 0..5 {
        let verdicts = running.l1.check(&[foreign]).await.unwrap();
        assert_eq!(verdicts, [mismatch(memory.id(98))]);
    }
    assert_eq!(memory.requests(), before + 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_of_any_depth_is_seen_and_old_blocks_become_foreign() {
    for depth in [1_usize, 3, 10, 30] {
        let memory = MemoryL1::new(CHAIN_ID, 100);
        memory.set_tags(Some(60), Some(50));
        let running = Running::start(&memory, &[&memory]);
        running.head_is(99).await;
        let kept = memory.id(99 - depth as u64);
        let lost: Vec<_> = [99, 100 - depth as u64]
            .map(|number| memory.id(number))
            .to_vec();
        let all = [&lost[..], &[kept]].concat();
        assert_eq!(
            running.l1.check(&all).await.unwrap(),
            [Canonicality::Canonical; 3]
        );

        memory.reorg(depth, 1);
        let verdicts = running.l1.check(&all).await.unwrap();
        // The window still vouches for the old blocks until L1 is asked; the next head brings the news.
        assert_eq!(verdicts, [Canonicality::Canonical; 3]);
        running.head_is(100).await;
        let verdicts = running.l1.check(&all).await.unwrap();
        let expected = [
            mismatch(memory.id(99)),
            mismatch(memory.id(lost[1].number)),
            Canonicality::Canonical,
        ];
        assert_eq!(verdicts, expected, "depth {depth}");
        assert_eq!(running.l1.status().reorgs, 1);
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_sees_a_reorg_first_is_not_called_foreign() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    memory.reorg(2, 0);
    let verdicts = running
        .l1
        .check(&[memory.id(99), memory.id(98)])
        .await
        .unwrap();
    assert_eq!(verdicts, [Canonicality::Canonical; 2]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_falling_head_number_is_a_rollback_only_when_it_stays() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    memory.hide(1);
    sleep(BLOCK_TIME + Duration::from_secs(1)).await;
    assert_eq!(running.l1.heads().head.number, 99);
    memory.hide(0);
    sleep(BLOCK_TIME).await;
    assert_eq!(running.l1.status().reorgs, 0);
    memory.roll_back(5);
    running.head_is(94).await;
    assert_eq!(running.l1.status().reorgs, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn missed_heads_do_not_empty_the_window() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    memory.set_tags(Some(60), Some(50));
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    running.l1.check(&[memory.id(70)]).await.unwrap();
    memory.mine(7);
    running.head_is(106).await;
    let before = memory.requests();
    let verdicts = running
        .l1
        .check(&[memory.id(70), memory.id(99)])
        .await
        .unwrap();
    assert_eq!(verdicts, [Canonicality::Canonical; 2]);
    assert_eq!(memory.requests(), before);
    assert_eq!(running.l1.status().reorgs, 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn tags_that_fail_are_unknown_and_come_with_a_later_head() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    assert!(running.l1.heads().safe.is_zero() && running.l1.heads().finalized.is_zero());
    memory.set_tags(Some(90), Some(80));
    memory.mine(1);
    running.head_is(100).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(running.l1.heads().safe, memory.block(90));
    assert_eq!(running.l1.heads().finalized, memory.block(80));
    // A tag that fails again later leaves what is known.
    memory.set_tags(None, None);
    sleep(Duration::from_secs(800)).await;
    assert_eq!(running.l1.heads().finalized, memory.block(80));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_the_first_endpoint_fails_over_to_the_second() {
    let faults = [
        Fault::Refused,
        Fault::Silent,
        Fault::Status(429, None),
        Fault::Status(503, None),
        Fault::Html,
        Fault::Truncated,
        Fault::RpcError,
        Fault::WrongHashes,
    ];
    for fault in faults {
        let first = MemoryL1::new(CHAIN_ID, 100);
        let second = first.another_endpoint("second");
        first.set_fault(fault.clone());
        let running = Running::start(&first, &[&first, &second]);
        running.head_is(99).await;
        let verdicts = running.l1.check(&[first.id(42)]).await;
        assert_eq!(verdicts.unwrap(), [Canonicality::Canonical], "{fault:?}");
        let status = running.l1.status();
        assert_eq!(status.active.as_deref(), Some("second"));
        assert!(status.reachable && status.endpoints[0].last_error.is_some());

        // The preferred endpoint is used again once it works and its back-off is over.
        first.set_fault(Fault::None);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(
            running.l1.status().active.as_deref(),
            Some("first"),
            "{fault:?}"
        );
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    memory.set_fault(Fault::Status(429, Some(Duration::from_secs(90))));
    let running = Running::start(&memory, &[&memory]);
    sleep(Duration::from_secs(80)).await;
    for _ in 0..5 {
        let refused = running.l1.check(&[memory.id(3)]).await;
        assert!(
            matches!(refused, Err(L1Error::Unavailable { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(memory.requests(), 1);
    memory.set_fault(Fault::None);
    running.head_is(99).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_is_down_is_asked_with_backoff_and_found_when_it_returns() {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    let running = Running::start(&memory, &[&memory]);
    running.head_is(99).await;
    memory.set_fault(Fault::Refused);
    let before = memory.requests();
    sleep(Duration::from_secs(600)).await;
    let spent = memory.requests() - before;
    assert!((10..=40).contains(&spent), "{spent} requests");
    let status = running.l1.status();
    assert!(!status.reachable && status.last_success_age > Some(Duration::from_secs(580)));
    assert_eq!(status.endpoints[0].verdict, EndpointVerdict::Unchecked);
    // What memory knows is still answered.
    let verdicts = running
        .l1
        .check(&[memory.id(99), memory.id(98)])
        .await
        .unwrap();
    assert_eq!(verdicts, [Canonicality::Canonical; 2]);
    memory.set_fault(Fault::None);
    memory.mine(1);
    running.head_is(100).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_another_chain_is_excluded_and_named() {
    let other_id = MemoryL1::new(901, 100);
    let ours = MemoryL1::new(CHAIN_ID, 100).another_endpoint("ours");
    let running = Running::start(&ours, &[&other_id, &ours]);
    running.head_is(99).await;
    let status = running.l1.status();
    assert_eq!(status.active.as_deref(), Some("ours"));
    let detail = "its chain id is 901, expected 900".to_owned();
    assert_eq!(
        status.endpoints[0].verdict,
        EndpointVerdict::WrongChain { detail }
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_endpoints_of_other_chains_are_fatal_with_the_cause() {
    let ours = MemoryL1::new(CHAIN_ID, 100);
    ours.reorg(99, 0);
    let other_id = MemoryL1::new(901, 100);
    let other_genesis = MemoryL1::new(CHAIN_ID, 101).another_endpoint("second");
    let running = Running::start(&ours, &[&other_id, &other_genesis]);
    let L1Fatal::WrongChain { expected, details } = running.task.await.unwrap().unwrap_err();
    assert_eq!(expected, CHAIN_ID);
    assert!(details.contains("first: its chain id is 901"), "{details}");
    assert!(details.contains("second: its block 0 is "), "{details}");
}

#[tokio::test(start_paused = true)]
async fn one_unreachable_endpoint_keeps_a_wrong_chain_from_being_fatal() {
    let ours = MemoryL1::new(CHAIN_ID, 100).another_endpoint("ours");
    let other_id = MemoryL1::new(901, 100);
    ours.set_fault(Fault::Refused);
    let running = Running::start(&ours, &[&other_id, &ours]);
    sleep(Duration::from_secs(300)).await;
    assert!(!running.task.is_finished());
    ours.set_fault(Fault::None);
    running.head_is(99).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_changes_its_chain_later_is_not_fatal() {
    let ours = MemoryL1::new(CHAIN_ID, 100);
    let running = Running::start(&ours, &[&ours]);
    running.head_is(99).await;
    ours.set_fault(Fault::Refused);
    sleep(Duration::from_secs(60)).await;
    ours.set_fault(Fault::None);
    ours.set_chain_id(901);
    sleep(Duration::from_secs(300)).await;
    assert!(!running.task.is_finished());
    let status = running.l1.status();
    assert!(matches!(
        status.endpoints[0].verdict,
        EndpointVerdict::WrongChain { .. }
    ));
    assert_eq!(running.l1.heads().head, ours.head());
    running.stop().await;
}
