//! Nodes and blocks for the tests of the actor.

use crate::{
    NetworkActor, NetworkConfig, NetworkHandle, NetworkMetrics,
    config::{BlockSigner, Listen},
    test_chain,
    topics::BlockVersion,
};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes};
use futures::{FutureExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Swarm,
    identity::secp256k1,
    swarm::{NetworkBehaviour, SwarmEvent},
};
use light_node_actor::CancellationToken;
use light_node_engine::test_utils::{ScriptedEngine, ScriptedRequest};
use light_node_l1::{L1Heads, SignerHandle, SignerState};
use light_node_protocol::{L1BlockRef, SystemConfig, l1_info::L1BlockFacts, l1_info_deposit};
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use std::{
    future::Future,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::watch, task::JoinHandle};

/// Far beyond what anything here takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what must come.
pub(super) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(came) => came,
        Err(_) => panic!("{what} did not come"),
    }
}

/// Has a swarm listen, and says where.
pub(super) async fn listening<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> Multiaddr {
    let any_port = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    swarm.listen_on(any_port).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return address.with_p2p(*swarm.local_peer_id()).unwrap();
        }
    }
}

/// Waits for a number that nobody tells the change of.
pub(super) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        look.tick().await;
    }
}

/// A node, and the far side of its engine.
pub(super) struct Host {
    pub(super) handle: NetworkHandle,
    pub(super) engine: ScriptedEngine,
    pub(super) metrics: NetworkMetrics,
    pub(super) signer: watch::Sender<SignerState>,
    _l1_heads: watch::Sender<L1Heads>,
    token: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// A node of the test chain on a free port, alone, after `configure`.
pub(super) fn host(configure: impl FnOnce(&mut NetworkConfig)) -> Host {
    host_with_key(secp256k1::Keypair::generate(), configure)
}

pub(super) fn host_with_key(
    key: secp256k1::Keypair,
    configure: impl FnOnce(&mut NetworkConfig),
) -> Host {
    host_of(key, configure, |_| {})
}

/// A node whose actor `tamper` has had in its hands before it ran.
pub(super) fn host_of(
    key: secp256k1::Keypair,
    configure: impl FnOnce(&mut NetworkConfig),
    tamper: impl FnOnce(&mut NetworkActor),
) -> Host {
    let mut config = NetworkConfig::new(test_chain::config(), key);
    config.listen = Listen {
        ip: Ipv4Addr::LOCALHOST.into(),
        tcp_port: 0,
        udp_port: 0,
    };
    config.discovery = None;
    config.signer = Some(BlockSigner::Local(test_chain::key()));
    // The blocks are of the eras of their versions.
    config.gossip.age_max = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    configure(&mut config);
    let (engine, engine_handle) = ScriptedEngine::new(Arc::clone(&config.rollup_config));
    let (signer, signer_state) = watch::channel(SignerState {
        address: Some(test_chain::key().address()),
        reads: 1,
        is_pending: false,
    });
    // L1 is fresh: with an old one nobody is blamed for a signer.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (l1_heads, heads) = watch::channel(L1Heads {
        head: L1BlockRef {
            timestamp: now.as_secs(),
            ..L1BlockRef::default()
        },
        ..L1Heads::default()
    });
    let signer_handle = SignerHandle::fixed(Address::ZERO);
    let (mut actor, handle) =
        NetworkActor::new(config, engine_handle, signer_handle, heads).unwrap();
    actor.network.signer_state = signer_state;
    tamper(&mut actor);
    let metrics = actor.metrics().clone();
    let token = CancellationToken::new();
    let run = actor
        .run(token.clone())
        .map(|ended| ended.unwrap_or_else(|never| match never {}));
    Host {
        handle,
        engine,
        metrics,
        signer,
        _l1_heads: l1_heads,
        token,
        task: Some(tokio::spawn(run)),
    }
}

impl Host {
    pub(super) fn peer_id(&self) -> PeerId {
        self.handle.local_node().peer_id
    }

    pub(super) fn address(&self) -> Multiaddr {
        self.handle.local_node().addresses[0].clone()
    }

    /// The next block that the engine gets.
    pub(super) async fn inserted(&mut self) -> Arc<OpExecutionPayloadEnvelope> {
        match soon("a block", self.engine.next_request()).await {
            Some(ScriptedRequest::InsertUnsafe(envelope, None)) => envelope,
            other => panic!("no gossiped block: {other:?}"),
        }
    }

    /// Waits until so many peers are subscribed to all block topics.
    pub(super) async fn has_gossip_with(&self, count: usize) {
        let mut stats = self.handle.watch_stats();
        let gossip = stats.wait_for(|stats| stats.block_topics == [count; 4]);
        soon("gossip with peers", gossip).await.unwrap();
    }

    pub(super) async fn has_peers(&self, count: usize) {
        let mut stats = self.handle.watch_stats();
        let peers = stats.wait_for(|stats| stats.connected == count);
        soon("a number of peers", peers).await.unwrap();
    }

    pub(super) async fn score_of(&self, peer: PeerId) -> f64 {
        let dump = self.handle.peers(false).await.unwrap();
        dump.peers
            .get(&peer)
            .map_or(0.0, |peer| peer.scores.gossip.total)
    }

    /// Ends the node, which must end well.
    pub(super) async fn stop(mut self) {
        self.token.cancel();
        let task = self.task.take().unwrap();
        soon("the end", task).await.unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.token.cancel();
    }
}

/// Two nodes that gossip with each other.
pub(super) async fn two_hosts() -> (Host, Host) {
    let (a, b) = (host(|_| {}), host(|_| {}));
    soon("a connection", a.handle.connect(b.address()))
        .await
        .unwrap();
    a.has_gossip_with(1).await;
    b.has_gossip_with(1).await;
    (a, b)
}

/// A block that an engine takes: with a deposit that names its L1 origin.
pub(super) fn block(version: BlockVersion, number: u64) -> OpExecutionPayloadEnvelope {
    block_with(version, number, Vec::new())
}

pub(super) fn block_with(
    version: BlockVersion,
    number: u64,
    more: Vec<Bytes>,
) -> OpExecutionPayloadEnvelope {
    let facts = L1BlockFacts {
        number: 100,
        hash: B256::repeat_byte(0x55),
        timestamp: test_chain::CANYON - 2000,
        base_fee: 7,
        blob_base_fee: 1,
    };
    let deposit = l1_info_deposit(
        &test_chain::config(),
        &SystemConfig::default(),
        1,
        &facts,
        test_chain::time_of(version),
    );
    let first = Bytes::from(deposit.unwrap().encoded_2718());
    let mut envelope = test_chain::block(version, [vec![first], more].concat());
    envelope.execution_payload.as_v1_mut().block_number = number;
    test_chain::rehashed(envelope)
}
