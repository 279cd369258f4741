#![allow(clippy::unwrap_used)]

use super::*;
use crate::{chain::L1Block, l1::TooManyBlocks, testing};
use alloy_primitives::{Address, Bytes, U256};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A chain that begins soon, with a miner and no server, so that time may be paused.
fn mining(config: L1SimConfig) -> (EmbeddedL1, CancellationToken) {
    let clock = SlotClock::new(config.genesis_time, config.block_time);
    let listen = config.listen;
    let (l1, token) = (EmbeddedL1::new(config, listen), CancellationToken::new());
    l1.tasks()
        .spawn(mine_on_the_clock(l1.clone(), clock, token.clone()));
    l1.tasks().close();
    (l1, token)
}

/// In the future, so that block 1 is in slot 1 however slow the machine is.
fn beginning_soon() -> L1SimConfig {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    L1SimConfig {
        genesis_time: now + 1_000,
        ..testing::config()
    }
}

async fn head_at(l1: &EmbeddedL1, number: u64) -> Arc<L1Block> {
    let mut heads = l1.subscribe();
    heads
        .wait_for(|heads| heads.latest.number >= number)
        .await
        .unwrap();
    l1.block_by_number(number).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_block_is_mined_in_every_slot_and_missed_slots_leave_a_gap() {
    let (l1, token) = mining(beginning_soon());
    assert_eq!(head_at(&l1, 3).await.slot(), 3);
    l1.miss_slots(2);
    let after_the_gap = head_at(&l1, 4).await;
    assert_eq!(after_the_gap.slot(), 6);
    let genesis = l1.block_by_number(0).unwrap();
    let since = after_the_gap.header().timestamp - genesis.header().timestamp;
    assert_eq!(since, 12);
    token.cancel();
    l1.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn slots_pass_without_blocks_while_mining_is_off() {
    let (l1, token) = mining(beginning_soon());
    head_at(&l1, 1).await;
    l1.set_mining(false);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(l1.heads().latest.number, 1);
    l1.set_mining(true);
    assert!(head_at(&l1, 2).await.slot() >= 11);
    token.cancel();
    l1.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn blocks_mined_ahead_on_command_are_not_mined_again_by_the_clock() {
    let (l1, token) = mining(beginning_soon());
    assert_eq!(l1.mine(5).unwrap().number, 5);
    assert_eq!(l1.block_by_number(5).unwrap().slot(), 5);
    assert_eq!(head_at(&l1, 6).await.slot(), 6);
    assert_eq!(l1.mine(1_001), Err(TooManyBlocks { count: 1_001 }));
    token.cancel();
    l1.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_is_seen_in_the_heads_and_the_clock_goes_on_behind_it() {
    let (l1, token) = mining(beginning_soon());
    let dropped = head_at(&l1, 4).await;
    let mut heads = l1.subscribe();
    let reorg = l1.reorg(3, Some(1), false).unwrap();
    assert_eq!(reorg.common_ancestor.number, 1);
    let seen = *heads.wait_for(|heads| heads.reorgs == 1).await.unwrap();
    assert_eq!(seen.latest.number, 2);
    let fourth = head_at(&l1, 4).await;
    assert_ne!(fourth.hash(), dropped.hash());
    assert!(fourth.slot() > dropped.slot());
    assert_eq!(
        l1.block_by_hash(dropped.hash()).unwrap().reference(),
        dropped.reference()
    );
    token.cancel();
    l1.stopped().await;
}

#[tokio::test]
async fn submitted_transactions_are_mined_and_can_be_found_by_their_recipient() {
    let token = CancellationToken::new();
    let config = L1SimConfig {
        mining: false,
        ..testing::config()
    };
    let inbox = config.contracts.batch_inbox;
    let l1 = EmbeddedL1::start(config, token.clone()).await.unwrap();
    let batch = Bytes::from([7; 100]);
    l1.submit(&testing::call(1, 0, inbox, U256::ZERO, batch.clone()))
        .unwrap();
    l1.submit(&testing::call(
        2,
        0,
        Address::repeat_byte(1),
        U256::ZERO,
        batch.clone(),
    ))
    .unwrap();
    let head = l1.mine(1).unwrap();
    let block = l1.block_by_hash(head.hash).unwrap();
    let inputs = block.inputs_to(inbox).collect::<Vec<_>>();
    assert_eq!(inputs, [(testing::key(1).address(), &batch)]);
    token.cancel();
    l1.stopped().await;
}

#[tokio::test]
async fn a_start_that_cannot_work_names_the_cause() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = L1SimConfig {
        listen: taken.local_addr().unwrap(),
        ..testing::config()
    };
    let error = EmbeddedL1::start(config, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }));

    let config = L1SimConfig {
        block_time: Duration::from_millis(1_500),
        ..testing::config()
    };
    let error = EmbeddedL1::start(config, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        StartError::Config(ConfigError::BlockTime { .. })
    ));
}
