//! Endpoints that turn bad after they were good, seen through the watcher.
#![allow(clippy::unwrap_used)]

use crate::L1Config;
use crate::{
    Canonicality, EndpointVerdict,
    test_utils::{Fault, MemoryL1},
    testing::{BLOCK_TIME, CHAIN_ID, Lines, Running},
};
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn an_l1_refused_as_another_chain_is_unreachable_by_name_and_soon_found_again() {
    let memory = MemoryL1::new(900, 100);
    let running = Running::start(&memory, &[&memory]);
    let l1 = &running.l1;
    sleep(Duration::from_secs(1)).await;
    assert!(l1.status().reachable);

    memory.set_fault(Fault::Refused);
    sleep(Duration::from_secs(60)).await;
    memory.set_fault(Fault::None);
    memory.set_chain_id(901);
    // At any moment from the first refusal on, between two questions too.
    sleep(Duration::from_secs(60)).await;
    for _ in 0..60 {
        let status = l1.status();
        let cause = status.last_error.unwrap_or_default();
        assert!(!status.reachable, "{cause}");
        assert!(cause.contains("its chain id is 901"), "{cause}");
        sleep(Duration::from_secs(1)).await;
    }

    // Right after a refusal, when the whole pause lies ahead.
    let refusals = memory.requests();
    while memory.requests() == refusals {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(1)).await;
    memory.set_chain_id(900);
    sleep(Duration::from_secs(17)).await;
    let status = l1.status();
    assert!(status.reachable, "{status:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn bad_answers_are_counted_and_two_in_a_row_make_us_leave_the_endpoint() {
    let faults = [
        Fault::Html,
        Fault::Truncated,
        Fault::RpcError,
        Fault::WrongHashes,
    ];
    for fault in faults {
        let first = MemoryL1::new(CHAIN_ID, 100);
        let second = first.another_endpoint("second");
        let running = Running::start(&first, &[&first, &second]);
        running.head_is(99).await;
        first.mine_with_the_clock(BLOCK_TIME, Duration::from_secs(1));
        first.set_fault(fault.clone());
        let verdicts = running.l1.check(&[first.id(42)]).await.unwrap();
        assert_eq!(verdicts, [Canonicality::Canonical]);
        assert_eq!(running.active(), "first", "one is forgiven");
        sleep(Duration::from_secs(18)).await;
        assert_eq!(running.active(), "second", "{fault:?}");
        let status = running.l1.status();
        assert_eq!(status.endpoints[0].bad_answers, 2, "{fault:?}");
        assert!(status.reachable && status.endpoints[0].last_error.is_some());
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_the_blocks_it_claims_costs_a_check_its_answer_at_most_once() {
    let first = MemoryL1::new(CHAIN_ID, 2000);
    let second = first.another_endpoint("second");
    let running = Running::start(&first, &[&first, &second]);
    running.head_is(1999).await;
    first.set_fault(Fault::NullBlocks);
    let mut failed = 0;
    for step in 0..300 {
        let block = first.id(1900 - 5 * step);
        failed += u32::from(running.l1.check(&[block]).await.is_err());
        sleep(Duration::from_millis(1100)).await;
    }
    assert_eq!(failed, 0);
    assert_eq!(running.active(), "second");
    assert!(first.requests() < 30, "{} requests", first.requests());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_endpoint_that_comes_and_goes_does_not_make_us_flap() {
    let first = MemoryL1::new(CHAIN_ID, 100);
    let second = first.another_endpoint("second");
    let lines = Lines::capture();
    let running = Running::start(&first, &[&first, &second]);
    running.head_is(99).await;
    first.mine_with_the_clock(BLOCK_TIME, Duration::from_secs(1));
    for turn in 0..120 {
        let fault = [Fault::Refused, Fault::None][turn % 2].clone();
        first.set_fault(fault);
        sleep(Duration::from_secs(30)).await;
    }
    let switches = lines.with("l1 endpoint switched").len();
    assert!((2..=36).contains(&switches), "{switches} in an hour");
    assert!(running.l1.heads().head.number + 2 >= first.head().number);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_verified_endpoint_that_silently_becomes_another_chain_is_found_out() {
    for (length, finalized) in [(60, None), (300, None), (60, Some(80)), (300, Some(80))] {
        let first = MemoryL1::new(CHAIN_ID, 100);
        first.set_tags(finalized, finalized);
        let second = first.another_endpoint("second");
        let other = MemoryL1::new(901, length);
        other.set_tags(Some(50), Some(40));
        let running = Running::start(&first, &[&first, &second]);
        running.head_is(99).await;
        second.mine_with_the_clock(BLOCK_TIME, Duration::from_secs(1));
        first.lead_to(&other);
        running.head_is(105).await;
        let status = running.l1.status();
        let detail = "its chain id is 901, expected 900".to_owned();
        let expected = EndpointVerdict::WrongChain { detail };
        assert_eq!(status.endpoints[0].verdict, expected, "{length}");
        assert_eq!((running.active(), status.reorgs), ("second".to_owned(), 0));
        let heads = running.l1.heads();
        assert_eq!(heads.finalized.number, finalized.unwrap_or_default());
        assert_eq!(heads.head, second.block(105));
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_endpoint_that_silently_becomes_another_chain_is_refused_by_name_and_never_fatal() {
    let first = MemoryL1::new(CHAIN_ID, 100);
    let other = MemoryL1::new(901, 300);
    let running = Running::start(&first, &[&first]);
    running.head_is(99).await;
    first.lead_to(&other);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(running.l1.heads().head.number, 99);
    assert_eq!(running.trouble(), Some("l1_wrong_chain"));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn when_nobody_answers_every_endpoint_s_error_is_named() {
    let first = MemoryL1::new(CHAIN_ID, 100);
    let second = first.another_endpoint("second");
    first.set_fault(Fault::Refused);
    second.set_fault(Fault::Status(503, None));
    let running = Running::start(&first, &[&first, &second]);
    sleep(Duration::from_secs(60)).await;
    for _ in 0..2 {
        let refused = running.l1.check(&[first.id(7)]).await.unwrap_err();
        let causes = refused.to_string();
        for words in [
            "first failed: cannot connect",
            "second failed: http status 503",
        ] {
            assert!(causes.contains(words), "{causes}");
        }
    }
    assert_eq!(running.trouble(), Some("l1_unreachable"));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_answer_and_say_what_cannot_be_are_invalid_and_not_unreachable() {
    for (faults, trouble) in [
        ([Fault::WrongHashes, Fault::WrongHashes], "l1_invalid"),
        ([Fault::Html, Fault::WrongHashes], "l1_invalid"),
        ([Fault::WrongHashes, Fault::Refused], "l1_unreachable"),
        ([Fault::RpcError, Fault::RpcError], "l1_unreachable"),
    ] {
        for has_answered in [false, true] {
            let first = MemoryL1::new(CHAIN_ID, 100);
            let second = first.another_endpoint("second");
            let endpoints = [&first, &second];
            if !has_answered {
                set_faults(&endpoints, &faults);
            }
            let running = Running::start(&first, &endpoints);
            if has_answered {
                running.head_is(99).await;
                set_faults(&endpoints, &faults);
            }
            sleep(Duration::from_secs(120)).await;
            assert_eq!(running.trouble(), Some(trouble), "{faults:?}");
            set_faults(&endpoints, &[Fault::None, Fault::None]);
            sleep(Duration::from_secs(60)).await;
            assert!(running.l1.status().reachable, "{faults:?}");
            running.stop().await;
        }
    }
}

fn set_faults(endpoints: &[&MemoryL1; 2], faults: &[Fault; 2]) {
    for (endpoint, fault) in endpoints.iter().zip(faults) {
        endpoint.set_fault(fault.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn how_long_an_l1_may_fail_goes_by_its_block_time_and_the_deadline_of_requests() {
    for (block_seconds, deadline_seconds, down_after) in [(12, 10, 30), (1, 10, 20), (1, 1, 8)] {
        let l1 = MemoryL1::new(CHAIN_ID, 100);
        let config = L1Config {
            block_time: Duration::from_secs(block_seconds),
            request_deadline: Duration::from_secs(deadline_seconds),
            ..L1Config::new(Vec::new(), CHAIN_ID, l1.id(0))
        };
        let running = Running::start_with(config, &[&l1]);
        running.head_is(l1.head().number).await;
        let is_down = || running.trouble() == Some("l1_unreachable");
        l1.set_fault(Fault::Refused);
        sleep(Duration::from_secs(down_after - 1)).await;
        assert!(!is_down(), "{block_seconds}");
        sleep(Duration::from_secs(1 + 2 * block_seconds)).await;
        assert!(is_down(), "{block_seconds}");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_chain_before_the_first_success_is_fatal_with_cause_and_remedy() {
    let ours = MemoryL1::new(CHAIN_ID, 100);
    let other = MemoryL1::new(901, 100);
    let running = Running::start(&ours, &[&other]);
    let fatal = running.task.await.unwrap().unwrap_err();
    assert_eq!(
        fatal.to_string(),
        "no l1 endpoint is of the configured chain 900: first: its chain id is 901, expected 900; \
         check --l1 and the rollup config's l1_chain_id and genesis.l1"
    );
}

#[tokio::test(start_paused = true)]
async fn one_wrong_endpoint_among_good_ones_is_a_warning() {
    let other = MemoryL1::new(901, 100);
    let ours = MemoryL1::new(CHAIN_ID, 100).another_endpoint("ours");
    let lines = Lines::capture();
    let running = Running::start(&ours, &[&other, &ours]);
    running.head_is(99).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(lines.with("l1 endpoint refused").len(), 1);
    assert_eq!(lines.with("WARN").len(), 1);
    assert!(lines.with("ERROR").is_empty());
    running.stop().await;
}
