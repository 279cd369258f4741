use super::*;
use crate::{
    ElServer, ElServerConfig, ElServerHandle, ExecutedBlock,
    rpc::rpc_block,
    testing::{TestChain, data, forkchoice, transfer},
};
use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_engine::{JwtSecret, PayloadStatusEnum};
use jsonrpsee::{
    RpcModule,
    server::{Server, ServerHandle},
};
use light_node_protocol::Hardfork;
use op_alloy_rpc_types::Transaction;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn url(addr: SocketAddr) -> Url {
    format!("http://{addr}").parse().unwrap()
}

/// A chain of `length` blocks, with transfers in some, behind its own server.
struct ServedChain {
    chain: TestChain,
    handle: ElServerHandle,
}

impl ServedChain {
    fn start(length: u64) -> Self {
        let chain = TestChain::new(Hardfork::Jovian);
        for number in 0..length {
            if number % 3 == 0 {
                chain.submit(&transfer(0, number / 3));
            }
            chain.extend();
        }
        let config = ElServerConfig {
            authrpc: ANY,
            http: ANY,
            jwt: JwtSecret::random(),
        };
        let handle = ElServer::start(chain.el.clone(), config, CancellationToken::new()).unwrap();
        Self { chain, handle }
    }

    fn block(&self, number: u64) -> Arc<ExecutedBlock> {
        self.chain
            .el
            .view()
            .block_by_number(number)
            .unwrap()
            .clone()
    }

    fn config(&self, batch: usize) -> SyncConfig {
        SyncConfig {
            batch,
            ..SyncConfig::new(url(self.handle.http_addr()))
        }
    }
}

fn ask_for(chain: &TestChain, head: B256) {
    let updated = chain.choose(head);
    assert_eq!(updated.payload_status.status, PayloadStatusEnum::Syncing);
}

/// Steps until nothing is to be fetched, by hand: no clock is involved.
async fn step_to_the_end(sync: &mut ElSync) -> Result<(), StepError> {
    loop {
        let target = *sync.el.subscribe_sync_target().borrow();
        match target {
            Some(target) => sync.step(target.hash).await?,
            None => return Ok(()),
        }
    }
}

/// Waits until the head is `hash`, while an [`ElSync`] runs.
async fn wait_for_head(el: &EmbeddedEl, hash: B256) {
    let mut views = el.subscribe();
    let mut targets = el.subscribe_sync_target();
    let is_there = async {
        views
            .wait_for(|view| view.head().hash == hash)
            .await
            .unwrap();
        targets.wait_for(Option::is_none).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(30), is_there)
        .await
        .unwrap();
    assert_eq!(el.sync_progress(), None);
}

/// A peer that answers from a table, and null to the first calls.
#[derive(Default)]
struct FakePeer {
    by_hash: Mutex<HashMap<B256, alloy_rpc_types_eth::Block<Transaction>>>,
    calls: AtomicUsize,
    nulls: AtomicUsize,
}

impl FakePeer {
    fn put(&self, asked: B256, block: &ExecutedBlock) {
        self.by_hash
            .lock()
            .unwrap()
            .insert(asked, rpc_block(block, true));
    }

    fn get(&self, hash: B256) -> Option<alloy_rpc_types_eth::Block<Transaction>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let is_null = self
            .nulls
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        if is_null {
            return None;
        }
        self.by_hash.lock().unwrap().get(&hash).cloned()
    }

    async fn start(self: &Arc<Self>) -> (ServerHandle, Url) {
        let server = Server::builder().build(ANY).await.unwrap();
        let addr = server.local_addr().unwrap();
        let mut module = RpcModule::from_arc(self.clone());
        module
            .register_method("eth_getBlockByHash", |params, peer, _| {
                peer.get(params.sequence().next().unwrap())
            })
            .unwrap();
        // Nothing is canonical here: every parent must be asked for by hash.
        module
            .register_method("eth_getBlockByNumber", |params, _, _| {
                let _: BlockNumberOrTag = params.sequence().next().unwrap();
                None::<alloy_rpc_types_eth::Block<Transaction>>
            })
            .unwrap();
        (server.start(module), url(addr))
    }
}

#[tokio::test]
async fn a_node_far_behind_reaches_the_head_that_a_forkchoice_names() {
    let peer = ServedChain::start(40);
    let behind = TestChain::new(Hardfork::Jovian);
    ask_for(&behind, peer.block(40).hash);
    let sync = ElSync::new(behind.el.clone(), peer.config(7)).unwrap();
    let token = CancellationToken::new();
    let running = tokio::spawn(sync.run(token.clone()));
    wait_for_head(&behind.el, peer.block(40).hash).await;
    assert_eq!(
        behind.el.view().head_state().root(),
        peer.block(40).header().state_root
    );
    // And again, from there.
    let next = peer.chain.extend();
    ask_for(&behind, next.hash);
    wait_for_head(&behind.el, next.hash).await;
    token.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn progress_is_told_from_the_start_to_the_target() {
    let peer = ServedChain::start(9);
    let behind = TestChain::new(Hardfork::Jovian);
    for number in 1..=2 {
        behind.insert(&peer.block(number));
    }
    assert!(behind.choose(peer.block(2).hash).is_valid());
    let target = peer.block(9).hash;
    ask_for(&behind, target);
    let mut sync = ElSync::new(behind.el.clone(), peer.config(3)).unwrap();
    sync.begin(target);
    let mut told = Vec::new();
    while behind.el.subscribe_sync_target().borrow().is_some() {
        sync.step(target).await.unwrap();
        told.extend(
            behind
                .el
                .sync_progress()
                .map(|it| (it.starting, it.current, it.highest)),
        );
    }
    // Two batches of headers, then two of blocks; the third ends it.
    assert_eq!(told, [(2, 2, 9), (2, 2, 9), (2, 5, 9), (2, 8, 9)]);
    sync.finish();
    assert_eq!(behind.el.sync_progress(), None);
}

#[tokio::test]
async fn a_far_ahead_payload_alone_starts_no_sync() {
    let source = TestChain::new(Hardfork::Jovian);
    let blocks: Vec<_> = (0..3).map(|_| source.extend()).collect();
    let fake = Arc::new(FakePeer::default());
    for block in &blocks {
        fake.put(block.hash, block);
    }
    let (server, url) = fake.start().await;
    let behind = TestChain::new(Hardfork::Jovian);
    let status = behind.el.new_payload(data(&blocks[2]));
    assert_eq!(status.status, PayloadStatusEnum::Syncing);
    let mut sync = ElSync::new(behind.el.clone(), SyncConfig::new(url)).unwrap();
    step_to_the_end(&mut sync).await.unwrap();
    assert_eq!(fake.calls.load(Ordering::SeqCst), 0);
    assert_eq!(behind.el.sync_progress(), None);
    ask_for(&behind, blocks[2].hash);
    step_to_the_end(&mut sync).await.unwrap();
    assert_eq!(behind.head().hash, blocks[2].hash);
    server.stop().unwrap();
}

#[tokio::test]
async fn a_target_that_moves_on_lengthens_the_way_and_another_one_replaces_it() {
    let peer = ServedChain::start(30);
    let behind = TestChain::new(Hardfork::Jovian);
    let mut sync = ElSync::new(behind.el.clone(), peer.config(4)).unwrap();
    for number in [18, 19, 23] {
        let target = peer.block(number).hash;
        ask_for(&behind, target);
        sync.step(target).await.unwrap();
        assert_eq!(sync.way.top(), Some(target));
    }
    // Each step went on with the walk back of the one before.
    assert!(
        sync.way.lowest_number() <= 18 - 3 * 4,
        "{}",
        sync.way.lowest_number()
    );
    // A lower target stands on the way, but is not its end.
    let target = peer.block(20).hash;
    ask_for(&behind, target);
    sync.step(target).await.unwrap();
    assert_eq!(sync.way.top(), Some(target));
    step_to_the_end(&mut sync).await.unwrap();
    assert_eq!(behind.head().hash, target);
}

#[tokio::test]
async fn a_target_that_the_peer_has_left_is_fetched_by_hash() {
    let peer = ServedChain::start(10);
    let old = peer.block(10);
    // The peer reorgs from block 4 on; the old branch is still served by hash.
    let mut tip = peer.block(4);
    for randomness in 0..7 {
        tip = peer.chain.block_on(&tip, 100 + randomness);
        peer.chain.insert(&tip);
    }
    assert!(peer.chain.choose(tip.hash).is_valid());
    let behind = TestChain::new(Hardfork::Jovian);
    let mut sync = ElSync::new(behind.el.clone(), peer.config(64)).unwrap();
    for target in [&old, &tip] {
        ask_for(&behind, target.hash);
        step_to_the_end(&mut sync).await.unwrap();
        assert_eq!(behind.head().hash, target.hash);
    }
}

#[tokio::test]
async fn a_peer_that_does_not_have_the_blocks_yet_is_asked_again() {
    let source = TestChain::new(Hardfork::Jovian);
    let blocks: Vec<_> = (0..3).map(|_| source.extend()).collect();
    let fake = Arc::new(FakePeer::default());
    for block in &blocks {
        fake.put(block.hash, block);
    }
    fake.nulls.store(2, Ordering::SeqCst);
    let (server, url) = fake.start().await;
    let behind = TestChain::new(Hardfork::Jovian);
    ask_for(&behind, blocks[2].hash);
    let sync = ElSync::new(behind.el.clone(), SyncConfig::new(url)).unwrap();
    let token = CancellationToken::new();
    let running = tokio::spawn(sync.run(token.clone()));
    wait_for_head(&behind.el, blocks[2].hash).await;
    token.cancel();
    running.await.unwrap();
    server.stop().unwrap();
}

#[tokio::test]
async fn a_lie_about_a_header_or_about_transactions_is_seen() {
    let source = TestChain::new(Hardfork::Jovian);
    source.submit(&transfer(0, 0));
    let (first, second) = (source.extend(), source.extend());
    let fake = Arc::new(FakePeer::default());
    let (server, url) = fake.start().await;
    let behind = TestChain::new(Hardfork::Jovian);
    ask_for(&behind, second.hash);
    let mut sync = ElSync::new(behind.el.clone(), SyncConfig::new(url)).unwrap();

    fake.put(second.hash, &first);
    let error = step_to_the_end(&mut sync).await.unwrap_err();
    assert!(
        matches!(error, StepError::Peer(PeerError::WrongBlock { asked }) if asked == second.hash)
    );

    fake.put(second.hash, &second);
    let mut shortened = ExecutedBlock::clone(&first);
    shortened.block.body.transactions.pop();
    shortened.senders.pop();
    shortened.receipts.pop();
    fake.put(first.hash, &shortened);
    let error = step_to_the_end(&mut sync).await.unwrap_err();
    assert!(
        matches!(error, StepError::Peer(PeerError::WrongBlock { asked }) if asked == first.hash)
    );
    assert_eq!(behind.head().number(), 0);

    fake.put(first.hash, &first);
    step_to_the_end(&mut sync).await.unwrap();
    assert_eq!(behind.head().hash, second.hash);
    server.stop().unwrap();
}

#[tokio::test]
async fn a_peer_that_is_down_is_an_error_of_the_step() {
    let behind = TestChain::new(Hardfork::Jovian);
    ask_for(&behind, B256::repeat_byte(1));
    // Port 9 of the loopback interface: nobody serves the discard protocol.
    let config = SyncConfig::new("http://127.0.0.1:9".parse().unwrap());
    let mut sync = ElSync::new(behind.el.clone(), config).unwrap();
    let error = step_to_the_end(&mut sync).await.unwrap_err();
    assert!(
        matches!(error, StepError::Peer(PeerError::Transport(_))),
        "{error}"
    );
}

#[tokio::test]
async fn a_target_on_an_invalid_block_is_invalid_in_the_end() {
    let source = TestChain::new(Hardfork::Jovian);
    let forged = |parent: B256, number: u64| {
        let mut block = ExecutedBlock::clone(&source.extend());
        block.block.header.parent_hash = parent;
        block.block.header.number = number;
        block.block.header.state_root = B256::repeat_byte(0xee);
        block.hash = block.block.header.hash_slow();
        block
    };
    let first = forged(source.el.view().genesis().hash, 1);
    let second = forged(first.hash, 2);
    let fake = Arc::new(FakePeer::default());
    fake.put(first.hash, &first);
    fake.put(second.hash, &second);
    let (server, url) = fake.start().await;
    let behind = TestChain::new(Hardfork::Jovian);
    ask_for(&behind, second.hash);
    let mut sync = ElSync::new(behind.el.clone(), SyncConfig::new(url)).unwrap();
    step_to_the_end(&mut sync).await.unwrap();
    assert_eq!(behind.head().number(), 0);
    let status = behind
        .el
        .fork_choice_updated(forkchoice(second.hash), None)
        .unwrap();
    assert!(status.payload_status.is_invalid());
    server.stop().unwrap();
}

#[tokio::test]
async fn a_chain_from_another_genesis_is_refused() {
    let peer = ServedChain::start(3);
    let other = TestChain::new(Hardfork::Isthmus);
    ask_for(&other, peer.block(3).hash);
    let mut sync = ElSync::new(other.el.clone(), peer.config(64)).unwrap();
    let error = step_to_the_end(&mut sync).await.unwrap_err();
    assert!(
        matches!(error, StepError::Way(WayError::NoCommonAncestor)),
        "{error}"
    );
}

#[tokio::test]
async fn the_delay_is_waited_before_each_batch() {
    let peer = ServedChain::start(3);
    let behind = TestChain::new(Hardfork::Jovian);
    ask_for(&behind, peer.block(3).hash);
    let delay = Duration::from_millis(40);
    let config = SyncConfig {
        delay,
        ..peer.config(1)
    };
    let sync = ElSync::new(behind.el.clone(), config).unwrap();
    let (token, start) = (CancellationToken::new(), std::time::Instant::now());
    let running = tokio::spawn(sync.run(token.clone()));
    wait_for_head(&behind.el, peer.block(3).hash).await;
    // Two batches of headers (the target's own comes with the first), three of blocks.
    assert!(start.elapsed() >= 5 * delay);
    token.cancel();
    running.await.unwrap();
}
