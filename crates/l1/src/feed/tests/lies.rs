//! Endpoints that lie, fail or refuse.

use super::*;
use crate::test_utils::Fault;

/// A block with a deposit in it after some empty ones.
fn l1_with_a_deposit() -> MemoryL1 {
    let l1 = MemoryL1::new(CHAIN_ID, 10);
    let batch = transaction(2, ADDRESSES.inbox, b"batch");
    l1.mine_with(vec![batch], vec![receipt(true, &[ADDRESSES.portal])]);
    l1
}

#[tokio::test(start_paused = true)]
async fn a_lie_is_never_believed_and_another_endpoint_is_asked() {
    for fault in [
        Fault::WrongHashes,
        Fault::WrongTransactions,
        Fault::WrongReceipts,
        Fault::NullBlocks,
        Fault::Html,
        Fault::Truncated,
        Fault::RpcError,
        Fault::Refused,
        Fault::Silent,
    ] {
        let first = l1_with_a_deposit();
        let second = first.another_endpoint("second");
        let world = World::start(&[&first, &second], Setup::default()).await;
        first.set_fault(fault.clone());
        let data = world.block(10).await;
        assert_eq!(data.hash, first.id(10).hash, "{fault:?}");
        assert_eq!((data.inbox.len(), data.logs.len()), (1, 1), "{fault:?}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_endpoint_that_lies_gives_an_error_and_serves_when_it_is_honest_again() {
    for fault in [
        Fault::WrongHashes,
        Fault::WrongTransactions,
        Fault::WrongReceipts,
        Fault::Refused,
    ] {
        let l1 = l1_with_a_deposit();
        let world = World::start(&[&l1], Setup::default()).await;
        l1.set_fault(fault.clone());
        for _ in 0..3 {
            let refused = world.feed.block(10).await;
            let Err(L1DataError::Failed { source }) = refused else {
                panic!("{refused:?}");
            };
            let is_lie = !matches!(fault, Fault::Refused);
            assert_eq!(source.is_contradiction(), is_lie, "{fault:?}: {source}");
            sleep(Duration::from_secs(2)).await;
        }
        l1.set_fault(Fault::None);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(world.block(10).await.logs.len(), 1, "{fault:?}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_all_lie_are_told_from_endpoints_of_which_one_is_down() {
    for (fault, is_lie) in [(Fault::WrongReceipts, true), (Fault::Refused, false)] {
        let first = l1_with_a_deposit();
        let second = first.another_endpoint("second");
        let world = World::start(&[&first, &second], Setup::default()).await;
        first.set_fault(Fault::WrongReceipts);
        second.set_fault(fault.clone());
        let refused = world.feed.block(10).await;
        let Err(L1DataError::Failed { source }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(source.is_contradiction(), is_lie, "{fault:?}: {source}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_block_is_not_there_rather_than_an_error() {
    let l1 = MemoryL1::new(CHAIN_ID, 10);
    let world = World::start(&[&l1], Setup::default()).await;
    l1.set_fault(Fault::NullBlocks);
    assert_eq!(world.feed.block(7).await, Ok(None));
    let mut id = l1.id(7);
    id.hash = B256::repeat_byte(1);
    assert_eq!(world.feed.block_by_hash(id).await, Ok(None));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_a_lone_endpoint_is_honoured_by_all_that_is_under_way() {
    let l1 = MemoryL1::new(CHAIN_ID, 200);
    let world = World::start(&[&l1], Setup::default()).await;
    l1.set_fault(Fault::Status(429, Some(Duration::from_secs(60))));
    world.advance(0);
    sleep(Duration::from_millis(100)).await;
    l1.set_fault(Fault::None);
    let before = l1.requests();
    sleep(Duration::from_secs(55)).await;
    assert!(world.feed.block(3).await.is_err());
    assert_eq!(l1.requests(), before, "nobody asks");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.block(3).await.header.number, 3);
    sleep(Duration::from_secs(2)).await;
    assert!(requests(&l1)[0] >= 64 + 16, "and the window is filled");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_their_turn_are_not_sent_to_an_endpoint_that_asked_for_a_pause() {
    let l1 = MemoryL1::new(CHAIN_ID, 200);
    let mut setup = Setup::default();
    setup.feed.calls_per_second = 2;
    let world = World::start(&[&l1], setup).await;
    world.advance(0);
    sleep(Duration::from_millis(600)).await;
    l1.set_fault(Fault::Status(429, Some(Duration::from_secs(60))));
    sleep(Duration::from_millis(1000)).await;
    let refused = l1.requests();
    sleep(Duration::from_secs(50)).await;
    assert_eq!(l1.requests(), refused);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn many_failures_at_the_same_time_are_one() {
    let first = MemoryL1::new(CHAIN_ID, 200);
    let world = World::start(&[&first], Setup::default()).await;
    first.set_fault(Fault::Refused);
    world.advance(0);
    sleep(Duration::from_millis(100)).await;
    first.set_fault(Fault::None);
    // The pause is a first one, and not that of sixteen failures in a row.
    sleep(Duration::from_secs(3)).await;
    assert!(world.feed.block(3).await.is_ok());
    assert_eq!(world.active(), "first");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_type_does_not_hide_a_transaction_from_us() {
    // The endpoint announces a batch as a transaction of an unknown type, and then has to give its bytes.
    let l1 = MemoryL1::new(CHAIN_ID, 3);
    let MemoryTransaction::Known(batch) = transaction(2, ADDRESSES.inbox, b"batch") else {
        unreachable!();
    };
    let bytes = alloy_eips::eip2718::Encodable2718::encoded_2718(&*batch);
    let disguised = MemoryTransaction::Disguised {
        bytes: bytes.into(),
        tx_type: 0x6f,
    };
    l1.mine_with(vec![disguised], vec![receipt(true, &[])]);
    let world = World::start(&[&l1], Setup::default()).await;
    let refused = world.feed.block(3).await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("announced type"),
        "{refused:?}"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_with_an_orphan_in_its_chain_is_told_from_a_reorg_and_another_one_is_asked() {
    for (is_sibling, trust_rpc) in [(true, false), (false, false), (true, true), (false, true)] {
        let first = MemoryL1::new(CHAIN_ID, 100);
        let second = first.another_endpoint("second");
        let setup = Setup {
            trust_rpc,
            ..Setup::default()
        };
        let world = World::start(&[&first, &second], setup).await;
        first.set_fault(Fault::Orphan {
            number: 30,
            is_sibling,
        });
        world.advance(0);
        sleep(Duration::from_secs(60)).await;
        for number in 1..=99 {
            let data = world.block(number).await;
            assert_eq!(data.hash, first.id(number).hash, "{number}");
            world.advance(number);
            sleep(Duration::from_millis(100)).await;
        }
        let asked = first.requests() + second.requests();
        assert!(asked < 250, "{asked}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_endpoint_with_an_orphan_in_its_chain_is_named_and_not_hammered() {
    for is_sibling in [true, false] {
        let l1 = MemoryL1::new(CHAIN_ID, 100);
        let world = World::start(&[&l1], Setup::default()).await;
        l1.set_fault(Fault::Orphan {
            number: 30,
            is_sibling,
        });
        world.advance(0);
        sleep(Duration::from_secs(2)).await;
        let before = l1.requests();
        let mut causes = Vec::new();
        for _ in 0..12 {
            for number in [30, 31] {
                if let Err(error) = world.feed.block(number).await {
                    causes.push(format!("{error:?}"));
                }
            }
            sleep(Duration::from_secs(10)).await;
        }
        let asked = l1.requests() - before;
        assert!(asked < 200, "{asked}");
        let is_named = |cause: &String| cause.contains("Inconsistent");
        assert!(causes.iter().any(is_named), "{causes:?}");
        l1.set_fault(Fault::None);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(world.block(30).await.hash, l1.id(30).hash);
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_unusual_size_is_read_all_the_same_and_an_endless_one_is_refused() {
    let l1 = l1_with_a_deposit();
    let second = l1.another_endpoint("second");
    let world = World::start(&[&l1, &second], Setup::default()).await;
    l1.set_fault(Fault::Padded(20 << 20));
    assert_eq!(world.block(10).await.logs.len(), 1);
    assert_eq!(second.requests(), 0);
    l1.set_fault(Fault::Padded(200 << 20));
    assert_eq!(world.block(9).await.hash, l1.id(9).hash);
    assert!(second.requests() > 0);
    world.stop().await;
}
