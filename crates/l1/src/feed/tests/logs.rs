//! Receipts and logs: when they are asked for, and what is taken out of them.

use super::{super::decode::Addresses, *};

/// A block with logs of ours and of others, of transactions that failed and that did not.
fn mine_logs(l1: &MemoryL1) {
    let other = Address::repeat_byte(1);
    let Addresses {
        portal,
        system_config,
        ..
    } = ADDRESSES;
    let transactions = (0..4).map(|_| transaction(2, other, b"")).collect();
    let receipts = vec![
        receipt(true, &[other, portal]),
        receipt(true, &[]),
        receipt(true, &[system_config, other, portal]),
        receipt(true, &[other]),
    ];
    l1.mine_with(transactions, receipts);
}

#[tokio::test(start_paused = true)]
async fn logs_of_our_contracts_come_with_their_index_in_the_block_however_they_are_asked_for() {
    for trust_rpc in [false, true] {
        for by_hash in [false, true] {
            let l1 = MemoryL1::new(CHAIN_ID, 3);
            mine_logs(&l1);
            let setup = Setup {
                trust_rpc,
                ..Setup::default()
            };
            let world = World::start(&[&l1], setup).await;
            let data = if by_hash {
                world.feed.block_by_hash(l1.id(3)).await.unwrap().unwrap()
            } else {
                world.block(3).await
            };
            let found: Vec<(u64, Address)> = data
                .logs
                .iter()
                .map(|(index, log)| (*index, log.address))
                .collect();
            let expected = [
                (1, ADDRESSES.portal),
                (2, ADDRESSES.system_config),
                (4, ADDRESSES.portal),
            ];
            assert_eq!(found, expected, "trusted {trust_rpc}, by hash {by_hash}");
            let asked = requests(&l1);
            assert_eq!((asked[1] > 0, asked[2] > 0), (!trust_rpc, trust_rpc));
            world.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn logs_of_failed_transactions_do_not_count() {
    let l1 = MemoryL1::new(CHAIN_ID, 3);
    let transactions = vec![transaction(2, ADDRESSES.portal, b""); 2];
    let receipts = vec![
        receipt(false, &[ADDRESSES.portal]),
        receipt(true, &[ADDRESSES.portal]),
    ];
    l1.mine_with(transactions, receipts);
    let world = World::start(&[&l1], Setup::default()).await;
    let data = world.block(3).await;
    assert_eq!(data.logs.len(), 1);
    assert_eq!(data.logs[0].0, 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn receipts_are_fetched_only_where_the_bloom_does_not_exclude_us() {
    let l1 = MemoryL1::new(CHAIN_ID, 2);
    for number in 0..40 {
        let from = if number % 4 == 0 {
            ADDRESSES.portal
        } else {
            Address::repeat_byte(1)
        };
        l1.mine_with(
            vec![transaction(2, from, b"")],
            vec![receipt(true, &[from])],
        );
    }
    // The head is asked for with its receipts, whatever its bloom says.
    l1.mine(10);
    let world = World::start(&[&l1], Setup::default()).await;
    world.advance(1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(requests(&l1), [50, 11, 0]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_most_blocks_concern_us_receipts_travel_with_their_block() {
    let l1 = MemoryL1::new(CHAIN_ID, 2);
    for _ in 0..64 {
        mine_logs(&l1);
    }
    let mut setup = Setup::default();
    setup.feed.max_concurrency = 1;
    let world = World::start(&[&l1], setup).await;
    world.advance(1);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(requests(&l1), [64, 64, 0]);
    let batches = l1
        .calls()
        .iter()
        .filter(|call| call.len() == 2 && call[1].contains("Receipts"))
        .count();
    assert!(batches >= 46, "{batches}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_trusted_endpoint_costs_one_point_one_calls_a_block_at_the_most() {
    let l1 = MemoryL1::new(CHAIN_ID, 2);
    for _ in 0..200 {
        mine_logs(&l1);
    }
    let setup = Setup {
        trust_rpc: true,
        ..Setup::default()
    };
    let world = World::start(&[&l1], setup).await;
    for number in 1..=201 {
        world.advance(number - 1);
        assert_eq!(
            world.block(number).await.logs.len(),
            if number > 1 { 3 } else { 0 }
        );
    }
    let calls: usize = l1
        .calls()
        .iter()
        .filter(|call| {
            call.iter()
                .any(|method| method.contains("whole") || method.contains("Logs"))
        })
        .map(Vec::len)
        .sum();
    assert!(calls <= 201 * 11 / 10, "{calls} calls for 201 blocks");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_gives_logs_of_few_blocks_only_is_asked_for_few() {
    let l1 = MemoryL1::new(CHAIN_ID, 2);
    for _ in 0..100 {
        mine_logs(&l1);
    }
    l1.limit_logs(10);
    let setup = Setup {
        trust_rpc: true,
        ..Setup::default()
    };
    let world = World::start(&[&l1], setup).await;
    world.advance(1);
    sleep(Duration::from_secs(5)).await;
    let before = requests(&l1);
    for number in 2..=65 {
        assert_eq!(world.block(number).await.logs.len(), 3);
    }
    assert_eq!(requests(&l1), before, "all was there");
    assert_eq!(world.watcher.l1.status().endpoints[0].bad_answers, 0);
    world.stop().await;
}
