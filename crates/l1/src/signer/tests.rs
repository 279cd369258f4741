#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    L1Config,
    test_utils::{Fault, MemoryL1, MemoryReceipt, MemoryTransaction},
    testing::{BLOCK_TIME, CHAIN_ID, Running},
};
use alloy_primitives::{Bytes, Log, address, keccak256};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

const SYSTEM_CONFIG: Address = address!("229047fed2591dbec1ef1118d64f7af3db9eb290");
const FIRST: Address = address!("aaaa45d9549eda09e70937013520214382ffc4a2");
const SECOND: Address = address!("bbbb45d9549eda09e70937013520214382ffc4a2");
/// A second in which a request is answered, and nothing regular happens.
const MOMENT: Duration = Duration::from_secs(1);

struct World {
    l1: Running,
    signer: SignerHandle,
    token: CancellationToken,
    task: JoinHandle<()>,
}

impl World {
    fn start(endpoints: &[&MemoryL1]) -> Self {
        Self::start_with(SignerConfig::new(SYSTEM_CONFIG), endpoints)
    }

    fn start_with(config: SignerConfig, endpoints: &[&MemoryL1]) -> Self {
        let l1_config = L1Config::new(Vec::new(), CHAIN_ID, endpoints[0].id(0));
        let l1 = Running::start_with(l1_config, endpoints);
        let (watcher, signer) = SignerWatcher::new(config, &l1.l1);
        let token = CancellationToken::new();
        let task = tokio::spawn(watcher.run(token.clone()));
        Self {
            l1,
            signer,
            token,
            task,
        }
    }

    fn state(&self) -> SignerState {
        *self.signer.watch().borrow()
    }

    async fn reads(&self, reads: u64) -> Option<Address> {
        let mut states = self.signer.watch();
        let state = states.wait_for(|state| state.reads == reads).await.unwrap();
        assert!(!state.is_pending);
        state.address
    }

    async fn stop(self) {
        self.token.cancel();
        self.task.await.unwrap();
        self.l1.stop().await;
    }
}

fn memory() -> MemoryL1 {
    let memory = MemoryL1::new(CHAIN_ID, 100);
    memory.set_tags(Some(90), Some(80));
    memory.store_address(FIRST);
    memory
}

/// Mines a block with a log of `contract` that says what kind of update it is.
fn mine_update(memory: &MemoryL1, contract: Address, kind: u8) {
    let topics = [CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(kind)];
    let log = Log::new_unchecked(contract, topics.to_vec(), Bytes::new());
    let transaction = MemoryTransaction::Unknown {
        bytes: Bytes::from_static(&[0x7f, 1]),
        to: contract,
    };
    let receipt = MemoryReceipt {
        successful: true,
        logs: vec![log],
    };
    memory.mine_with(vec![transaction], vec![receipt]);
}

#[test]
fn the_slot_is_the_hash_of_its_name() {
    let derived = keccak256("systemconfig.unsafeblocksigner");
    assert_eq!(UNSAFE_BLOCK_SIGNER_SLOT, derived);
}

#[tokio::test(start_paused = true)]
async fn the_signer_is_read_once_at_the_start() {
    let memory = memory();
    let world = World::start(&[&memory]);
    assert_eq!(world.state().address, None);
    assert!(world.state().is_pending);
    assert_eq!(world.reads(1).await, Some(FIRST));
    sleep(BLOCK_TIME * 10).await;
    assert_eq!(memory.storage_reads(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_without_l1_is_made_up_for_when_l1_comes() {
    let memory = memory();
    memory.set_fault(Fault::Refused);
    let world = World::start(&[&memory]);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(memory.storage_reads(), 0);
    memory.set_fault(Fault::None);
    assert_eq!(world.reads(1).await, Some(FIRST));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_read_is_repeated_with_growing_pauses_and_stays_pending() {
    let memory = memory();
    memory.store(Value::Null);
    let world = World::start(&[&memory]);
    sleep(Duration::from_secs(600)).await;
    let tries = memory.storage_reads();
    assert!((15..=60).contains(&tries), "{tries}");
    assert!(world.state().is_pending && world.state().address.is_none());
    // Endpoints that have no storage to show go on serving heads.
    assert!(world.l1.l1.status().reachable);
    memory.store_address(FIRST);
    assert_eq!(world.reads(1).await, Some(FIRST));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_signer_is_read_again_every_interval() {
    let memory = memory();
    let world = World::start(&[&memory]);
    world.reads(1).await;
    let started = Instant::now();
    memory.store_address(SECOND);
    assert_eq!(world.reads(2).await, Some(SECOND));
    let waited = started.elapsed();
    assert!(
        (Duration::from_secs(299)..Duration::from_secs(301)).contains(&waited),
        "{waited:?}"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_may_change_the_signer_has_it_read_at_once() {
    let memory = memory();
    let world = World::start(&[&memory]);
    world.reads(1).await;
    for (reads, signer) in [(2, SECOND), (3, FIRST), (4, SECOND)] {
        memory.store_address(signer);
        mine_update(&memory, SYSTEM_CONFIG, 3);
        world.l1.head_is(memory.head().number).await;
        let seen = Instant::now();
        assert_eq!(world.reads(reads).await, Some(signer));
        assert!(seen.elapsed() < MOMENT);
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn heads_without_such_a_log_cost_no_request() {
    let memory = memory();
    let world = World::start(&[&memory]);
    world.reads(1).await;
    for kind in [0, 1, 2, 4] {
        mine_update(&memory, SYSTEM_CONFIG, kind);
        mine_update(&memory, FIRST, 3);
        world.l1.head_is(memory.head().number).await;
        sleep(MOMENT).await;
    }
    assert_eq!(memory.storage_reads(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn blooms_that_cry_wolf_cost_one_read_between_two_regular_ones() {
    let memory = memory();
    let world = World::start(&[&memory]);
    world.reads(1).await;
    let before = memory.storage_reads();
    let blocks = 100;
    for _ in 0..blocks {
        mine_update(&memory, SYSTEM_CONFIG, 3);
        world.l1.head_is(memory.head().number).await;
        sleep(BLOCK_TIME).await;
    }
    let spent = memory.storage_reads() - before;
    assert!(
        (4..=10).contains(&spent),
        "{spent} reads in {blocks} blocks"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_waits_for_its_confirmations() {
    let memory = memory();
    let config = SignerConfig {
        confirmations: 3,
        ..SignerConfig::new(SYSTEM_CONFIG)
    };
    let world = World::start_with(config, &[&memory]);
    assert_eq!(world.reads(1).await, Some(FIRST));
    mine_update(&memory, SYSTEM_CONFIG, 3);
    memory.store_address(SECOND);
    for _ in 0..2 {
        memory.mine(1);
        world.l1.head_is(memory.head().number).await;
        sleep(MOMENT).await;
    }
    assert_eq!(world.state().reads, 1);
    memory.mine(1);
    assert_eq!(world.reads(2).await, Some(SECOND));
    assert_eq!(memory.storage_reads(), 2);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_has_it_read_at_once_but_at_most_every_twelve_seconds() {
    let memory = memory();
    let world = World::start(&[&memory]);
    world.reads(1).await;
    sleep(RECHECK_INTERVAL).await;
    memory.store_address(SECOND);
    world.signer.recheck();
    let asked = Instant::now();
    assert_eq!(world.reads(2).await, Some(SECOND));
    assert!(asked.elapsed() < MOMENT);
    for _ in 0..60 {
        world.signer.recheck();
        sleep(MOMENT).await;
    }
    let reads = world.state().reads;
    assert!((6..=7).contains(&reads), "{reads}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_of_the_block_it_was_read_at_has_it_read_again() {
    let memory = memory();
    let world = World::start(&[&memory]);
    world.reads(1).await;
    memory.reorg(2, 1);
    memory.store_address(SECOND);
    assert_eq!(world.reads(2).await, Some(SECOND));
    // One above it is of no interest.
    memory.mine(3);
    world.l1.head_is(103).await;
    memory.reorg(2, 1);
    world.l1.head_is(104).await;
    sleep(MOMENT).await;
    assert_eq!(world.state().reads, 2);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn wrong_words_of_one_endpoint_are_refused_and_the_next_is_asked() {
    let dirty = format!("0x01{}{}", "0".repeat(22), "aa".repeat(20));
    for wrong in [
        json!(dirty),
        Value::Null,
        json!("0x"),
        json!("aaaa"),
        json!("0xgg"),
        json!(format!("0x{}", "0".repeat(65))),
        json!(7),
        json!({}),
        json!("x".repeat(20_000)),
    ] {
        let first = memory();
        let second = first.another_endpoint("second");
        first.store(wrong.clone());
        second.store_address(SECOND);
        let world = World::start(&[&first, &second]);
        assert_eq!(world.reads(1).await, Some(SECOND), "{wrong}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_word_leaves_the_signer_that_is_known() {
    let memory = memory();
    let world = World::start(&[&memory]);
    world.reads(1).await;
    memory.store(json!(B256::repeat_byte(0xff)));
    sleep(Duration::from_secs(310)).await;
    let state = world.state();
    assert_eq!((state.address, state.reads), (Some(FIRST), 1));
    assert!(state.is_pending);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn zero_is_a_chain_without_signer_and_short_words_are_padded() {
    for (word, signer) in [
        (json!(B256::ZERO), Address::ZERO),
        (json!("0x0"), Address::ZERO),
        (json!("0xab"), Address::with_last_byte(0xab)),
    ] {
        let memory = memory();
        memory.store(word);
        let world = World::start(&[&memory]);
        assert_eq!(world.reads(1).await, Some(signer));
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_silent_is_left_for_the_next() {
    let first = memory();
    let second = first.another_endpoint("second");
    second.store_address(SECOND);
    let world = World::start(&[&first, &second]);
    assert_eq!(world.reads(1).await, Some(FIRST));
    first.set_fault(Fault::Silent);
    sleep(RECHECK_INTERVAL).await;
    world.signer.recheck();
    assert_eq!(world.reads(2).await, Some(SECOND));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn five_minutes_of_l1_stay_within_the_budget_of_requests() {
    let memory = memory();
    let world = World::start(&[&memory]);
    world.reads(1).await;
    memory.mine_with_the_clock(BLOCK_TIME, Duration::from_millis(700));
    world.l1.head_is(109).await;
    let before = memory.requests();
    world.l1.head_is(209).await;
    let spent = memory.requests() - before;
    assert!(spent <= 110, "{spent} requests in 100 blocks");
    world.stop().await;
}
