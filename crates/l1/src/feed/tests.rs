//! The feed over endpoints in memory, with the watcher that shares them, under paused time.
#![allow(clippy::unwrap_used)]

mod lies;
mod logs;
mod reorgs;
mod storm;

use super::*;
use crate::{
    BeaconTransport, InboxData, L1Config, L1Source,
    test_utils::{MemoryL1, MemoryTransaction},
    testing::{CHAIN_ID, Running},
};
use alloy_primitives::Bytes;
use testing::{ADDRESSES, MemoryBeacon, batcher, blobs, receipt, root, transaction};
use tokio::{task::JoinHandle, time::sleep};

/// A feed that runs beside a watcher.
struct World {
    l1: MemoryL1,
    watcher: Running,
    feed: L1FeedHandle,
    token: CancellationToken,
    task: JoinHandle<Result<(), Infallible>>,
}

/// How a test's feed differs from others.
struct Setup {
    feed: L1FeedConfig,
    trust_rpc: bool,
    beacons: Vec<MemoryBeacon>,
}

impl Default for Setup {
    fn default() -> Self {
        let feed = L1FeedConfig {
            addresses: ADDRESSES,
            window_blocks: 64,
            window_bytes: 256 << 20,
            max_concurrency: 16,
            calls_per_second: 0,
            request_deadline: Duration::from_secs(10),
        };
        Self {
            feed,
            trust_rpc: false,
            beacons: Vec::new(),
        }
    }
}

impl World {
    async fn start(endpoints: &[&MemoryL1], setup: Setup) -> Self {
        let l1 = endpoints[0].clone();
        let mut config = L1Config::new(Vec::new(), CHAIN_ID, l1.id(0));
        config.trust_rpc = setup.trust_rpc;
        let watcher = Running::start_with(config, endpoints);
        let transports = setup.beacons.into_iter();
        let transports = transports.map(|beacon| Box::new(beacon) as Box<dyn BeaconTransport>);
        let beacons = BeaconClient::with_transports(transports.collect(), None);
        let (feed, handle) = L1Feed::new(setup.feed, &watcher.l1, beacons);
        let token = CancellationToken::new();
        let task = tokio::spawn(feed.run(token.clone()));
        watcher.head_is(l1.head().number).await;
        Self {
            l1,
            watcher,
            feed: handle,
            token,
            task,
        }
    }

    fn advance(&self, number: u64) {
        self.feed.advance(self.l1.id(number), batcher().address());
    }

    async fn block(&self, number: u64) -> Arc<L1Data> {
        self.feed.block(number).await.unwrap().unwrap()
    }

    fn active(&self) -> String {
        self.watcher.active()
    }

    async fn stop(self) {
        self.token.cancel();
        self.task.await.unwrap().unwrap();
        self.watcher.stop().await;
    }
}

/// Requests for whole blocks, for receipts, and for logs; a batch counts once for each.
fn requests(l1: &MemoryL1) -> [usize; 3] {
    let calls = l1.calls();
    let count = |words: &str| {
        let has = |call: &&Vec<String>| call.iter().any(|method| method.contains(words));
        calls.iter().filter(has).count()
    };
    [count("whole"), count("Receipts"), count("Logs")]
}

/// One block with every type of transaction to the inbox and to others.
fn mine_all_types(l1: &MemoryL1) {
    let other = Address::repeat_byte(1);
    let mut transactions: Vec<MemoryTransaction> = Vec::new();
    for tx_type in 0..=4 {
        transactions.push(transaction(tx_type, ADDRESSES.inbox, &[tx_type; 40]));
        transactions.push(transaction(tx_type, other, b"not for us"));
    }
    let receipts = vec![receipt(true, &[]); transactions.len()];
    l1.mine_with(transactions, receipts);
}

#[tokio::test(start_paused = true)]
async fn blocks_after_the_cursor_are_there_before_they_are_asked_for() {
    let l1 = MemoryL1::new(CHAIN_ID, 200);
    let world = World::start(&[&l1], Setup::default()).await;
    world.advance(100);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(requests(&l1), [64, 0, 0], "the window");
    let started = Instant::now();
    for number in 101..=164 {
        let data = world.block(number).await;
        assert_eq!(
            (data.hash, data.header.number),
            (l1.id(number).hash, number)
        );
        world.advance(number);
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    sleep(Duration::from_secs(1)).await;
    // The head comes with its receipts.
    assert_eq!(requests(&l1), [99, 1, 0], "up to the head, each once");
    assert_eq!(world.feed.block(200).await, Ok(None), "not there yet");
    assert_eq!(requests(&l1), [99, 1, 0]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_head_is_fetched_at_once_with_all_that_belongs_to_it() {
    let l1 = MemoryL1::new(CHAIN_ID, 100);
    let beacon = MemoryBeacon::new("one", l1.block(0).timestamp);
    let setup = Setup {
        beacons: vec![beacon.clone()],
        ..Setup::default()
    };
    let world = World::start(&[&l1], setup).await;
    world.advance(99);
    let hash = beacon.put(100, 1, root(1));
    let deposit = receipt(true, &[ADDRESSES.portal]);
    l1.mine_with(vec![blobs(ADDRESSES.inbox, vec![hash])], vec![deposit]);
    world.watcher.head_is(100).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(requests(&l1), [1, 1, 0]);
    assert_eq!(beacon.requests("/blobs/"), 1);
    let started = Instant::now();
    let data = world.block(100).await;
    let blobs = world
        .feed
        .blobs(data.id(), data.header.timestamp, None, &[hash, hash])
        .await
        .unwrap();
    assert_eq!((blobs.len(), blobs[1][1]), (2, 1));
    assert_eq!(started.elapsed(), Duration::ZERO);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn transactions_to_the_inbox_are_read_in_order_with_their_senders() {
    for trust_rpc in [false, true] {
        let l1 = MemoryL1::new(CHAIN_ID, 3);
        mine_all_types(&l1);
        let setup = Setup {
            trust_rpc,
            ..Setup::default()
        };
        let world = World::start(&[&l1], setup).await;
        let inbox = &world.block(3).await.inbox;
        let sender = batcher().address();
        assert!(inbox.iter().all(|one| one.sender == sender));
        let calldata = |byte| InboxData::Calldata(Bytes::from(vec![byte; 40]));
        let hashes = vec![B256::with_last_byte(1), B256::with_last_byte(2)];
        let expected = [
            calldata(0),
            calldata(1),
            calldata(2),
            InboxData::Blobs {
                hashes,
                input: vec![3; 40].into(),
            },
        ];
        let found: Vec<_> = inbox.iter().map(|one| one.data.clone()).collect();
        assert_eq!(found, expected, "set-code transactions carry no batches");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_of_an_unknown_type_is_skipped_and_still_counted_into_the_root() {
    for trust_rpc in [false, true] {
        let l1 = MemoryL1::new(CHAIN_ID, 3);
        let unknown = MemoryTransaction::Unknown {
            bytes: Bytes::from_static(&[0x6f, 1, 2, 3]),
            to: ADDRESSES.inbox,
        };
        let known = transaction(2, ADDRESSES.inbox, b"batch");
        l1.mine_with(
            vec![unknown.clone(), known, unknown],
            vec![receipt(true, &[]); 3],
        );
        let setup = Setup {
            trust_rpc,
            ..Setup::default()
        };
        let world = World::start(&[&l1], setup).await;
        assert_eq!(world.block(3).await.inbox.len(), 1);
        let raw = l1
            .calls()
            .iter()
            .flatten()
            .filter(|call| call.contains("Raw"))
            .count();
        assert_eq!(raw, if trust_rpc { 0 } else { 2 });
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_for_a_block_wait_for_one_request() {
    let l1 = MemoryL1::new(CHAIN_ID, 50);
    let world = World::start(&[&l1], Setup::default()).await;
    let ask = || world.feed.block(7);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert_eq!(one, two);
    assert_eq!(two, three);
    assert_eq!(requests(&l1), [1, 0, 0]);
    let id = l1.id(7);
    assert_eq!(world.feed.block_by_hash(id).await, one);
    assert_eq!(requests(&l1), [1, 0, 0], "known by its hash, too");
    // Who goes away does not take the fetch along.
    assert!(
        tokio::time::timeout(Duration::from_millis(5), world.feed.block(9))
            .await
            .is_err()
    );
    sleep(Duration::from_millis(100)).await;
    let by_hash = world.feed.block_by_hash(l1.id(9)).await.unwrap().unwrap();
    assert_eq!(by_hash.header.number, 9);
    assert_eq!(requests(&l1), [2, 0, 0]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_window_that_is_full_by_bytes_is_not_filled_further_and_who_asks_is_served() {
    let l1 = MemoryL1::new(CHAIN_ID, 2);
    for _ in 0..30 {
        let batch = transaction(2, ADDRESSES.inbox, &[1; 20_000]);
        l1.mine_with(vec![batch], vec![receipt(true, &[])]);
    }
    let mut setup = Setup::default();
    setup.feed.window_bytes = 200_000;
    let world = World::start(&[&l1], setup).await;
    world.advance(0);
    sleep(Duration::from_secs(5)).await;
    let [filled, ..] = requests(&l1);
    assert!((2..=12).contains(&filled), "{filled}");
    assert_eq!(world.block(30).await.header.number, 30);
    for number in 1..=31 {
        world.advance(number);
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(requests(&l1), [31, 1, 0], "each once all the same");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_spreads_what_is_fetched_ahead() {
    let l1 = MemoryL1::new(CHAIN_ID, 200);
    let mut setup = Setup::default();
    setup.feed.calls_per_second = 5;
    let world = World::start(&[&l1], setup).await;
    world.advance(0);
    sleep(Duration::from_secs(4)).await;
    let [fetched, ..] = requests(&l1);
    assert!((18..=22).contains(&fetched), "{fetched}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn blobs_of_the_batcher_are_fetched_ahead_and_others_only_when_asked_for() {
    let l1 = MemoryL1::new(CHAIN_ID, 3);
    let beacon = MemoryBeacon::new("one", l1.block(0).timestamp);
    let hashes = [1, 2, 3].map(|byte| beacon.put(3, byte, root(1)));
    let ours = blobs(ADDRESSES.inbox, hashes[..2].to_vec());
    let elsewhere = blobs(Address::repeat_byte(1), hashes[2..].to_vec());
    l1.mine_with(vec![ours, elsewhere], vec![receipt(true, &[]); 2]);
    let setup = Setup {
        beacons: vec![beacon.clone()],
        ..Setup::default()
    };
    let world = World::start(&[&l1], setup).await;
    world.advance(2);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(beacon.requests("/blobs/"), 1, "one for the whole block");
    let data = world.block(3).await;
    let ask = |hashes: Vec<B256>| {
        let (feed, data) = (world.feed.clone(), data.clone());
        async move {
            let time = data.header.timestamp;
            feed.blobs(data.id(), time, None, &hashes).await
        }
    };
    assert_eq!(ask(hashes[..2].to_vec()).await.unwrap().len(), 2);
    assert_eq!(beacon.requests("/blobs/"), 1);
    assert_eq!(ask(hashes.to_vec()).await.unwrap()[2][1], 3);
    assert_eq!(beacon.requests("/blobs/"), 2, "the missing one");
    let missing = ask(vec![B256::repeat_byte(1)]).await.unwrap_err();
    assert!(matches!(missing, BlobError::Absent { .. }), "{missing}");
    assert_eq!(ask(Vec::new()).await, Ok(Vec::new()));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_end_who_asks_is_told() {
    let l1 = MemoryL1::new(CHAIN_ID, 3);
    let world = World::start(&[&l1], Setup::default()).await;
    let feed = world.feed.clone();
    world.stop().await;
    assert_eq!(feed.block(1).await, Err(L1DataError::Stopped));
    let blobs = feed.blobs(l1.id(1), 0, None, &[B256::ZERO]).await;
    assert!(matches!(blobs, Err(BlobError::Unavailable { .. })));
}
