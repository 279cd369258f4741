//! One life of the swarm, and the one task that owns it. It turns what the swarm tells into words to the book of peers, the judges
//! and the engine, and what others ask into words to the swarm. It waits for none of them: whatever would take long is done
//! beside it and comes back as an event. When a swarm dies, another life begins with the same identity.

mod dials;
mod events;
mod gossip;
mod reopen;
mod requests;
mod upkeep;

use crate::{
    behaviour::{Behaviour, BehaviourEvent, SwarmError, swarm, topics_of},
    config::NetworkConfig,
    discovery::{Candidate, DiscoveryHandle},
    gater::Gater,
    local::Local,
    metrics::NetworkMetrics,
    peer_info::{LocalNode, PeerStats},
    peers::PeerBook,
    pool::{Judged, ValidationPool},
    publish::SignedBlock,
    request::{NetworkRequest, Reply},
    verdict::Judge,
};
use dials::Connects;
use futures::StreamExt;
use libp2p::{Multiaddr, PeerId, Swarm, gossipsub::TopicHash, swarm::SwarmEvent};
use light_node_actor::CancellationToken;
use light_node_engine::EngineHandle;
use light_node_l1::{L1Heads, SignerHandle, SignerState};
use reopen::Reopenings;
use schnellru::{ByLength, LruMap};
use std::{
    collections::{HashMap, HashSet},
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::{
    sync::{mpsc, watch},
    time::{Interval, MissedTickBehavior, interval},
};
use upkeep::ClockWatch;

/// Time between two rounds of upkeep.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Peers of which we remember that their gossip did not come up.
const REOPENED_MAX: u32 = 1024;

/// What outlives a swarm.
pub(crate) struct Network {
    pub(crate) config: Arc<NetworkConfig>,
    pub(crate) gater: Arc<Gater>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) engine: EngineHandle,
    pub(crate) signer: SignerHandle,
    pub(crate) signer_state: watch::Receiver<SignerState>,
    pub(crate) l1_heads: watch::Receiver<L1Heads>,
    pub(crate) requests: mpsc::Receiver<NetworkRequest>,
    pub(crate) signed: mpsc::Receiver<SignedBlock>,
    pub(crate) discovery: Option<DiscoveryHandle>,
    pub(crate) local: Local,
    pub(crate) local_node: watch::Sender<LocalNode>,
    pub(crate) stats: watch::Sender<PeerStats>,
    pub(crate) metrics: NetworkMetrics,
}

/// Why a life ended before it was asked to.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    /// Nobody can come in any more.
    #[error("the listener closed")]
    ListenerClosed(#[source] io::Error),
    /// The swarm could not be made again.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// The port could not be had again.
    #[error("cannot listen: {reason}")]
    Listen {
        /// In the transport's words.
        reason: String,
    },
}

/// A swarm and what goes with it.
pub(crate) struct Session<'a> {
    network: &'a mut Network,
    swarm: Swarm<Behaviour>,
    book: PeerBook,
    pool: ValidationPool,
    topics: [TopicHash; 4],
    connects: Connects,
    /// Who waits until a peer is gone.
    leaving: HashMap<PeerId, Vec<Reply>>,
    /// Peers that have said what they are on the connection that they have.
    identified: HashSet<PeerId>,
    /// Peers whose gossip did not come up.
    deaf: HashSet<PeerId>,
    /// How often a peer was let go because of that.
    reopened: LruMap<PeerId, Reopenings, ByLength>,
    /// Peers of which a second connection came up, and when.
    doubled: HashMap<PeerId, Instant>,
    /// When a peer last got a new connection because of that.
    renewed: LruMap<PeerId, Instant, ByLength>,
    /// Peers to be dialled as soon as they are gone, and where.
    again: HashMap<PeerId, Vec<Multiaddr>>,
    clock: ClockWatch,
    /// When the listener's trouble was last told of.
    trouble_told_at: Option<Instant>,
    upkeep: Interval,
    rounds: u64,
}

/// What there is to do.
enum Wake {
    Ended,
    Request(NetworkRequest),
    Signed(SignedBlock),
    Judged(Judged),
    Swarm(Box<SwarmEvent<BehaviourEvent>>),
    Candidate(Candidate),
    Signer,
    Upkeep,
}

/// A swarm that listens where the configuration says, on the TCP port `port`.
///
/// # Errors
/// [`SessionError`].
pub(crate) fn listening_swarm(
    config: &NetworkConfig,
    gater: &Arc<Gater>,
    port: u16,
) -> Result<Swarm<Behaviour>, SessionError> {
    let mut swarm = swarm(config, gater)?;
    let listen = Multiaddr::from(config.listen.ip).with(libp2p::multiaddr::Protocol::Tcp(port));
    swarm
        .listen_on(listen)
        .map_err(|error| SessionError::Listen {
            reason: light_node_actor::in_words(&error),
        })?;
    if let Some(ip) = config.advertise.ip {
        let port = config.advertise.tcp_port.unwrap_or(port);
        let address = Multiaddr::from(ip).with(libp2p::multiaddr::Protocol::Tcp(port));
        swarm.add_external_address(address);
    }
    Ok(swarm)
}

impl<'a> Session<'a> {
    /// A life that begins with `swarm`, which listens already.
    pub(crate) fn new(network: &'a mut Network, swarm: Swarm<Behaviour>) -> Self {
        let topics = topics_of(network.config.rollup_config.l2_chain_id).map(TopicHash::from);
        let mut upkeep = interval(UPKEEP_INTERVAL);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut session = Self {
            book: PeerBook::new(&network.config),
            pool: ValidationPool::new(Arc::clone(&network.judge)),
            topics,
            connects: Connects::default(),
            leaving: HashMap::new(),
            identified: HashSet::new(),
            deaf: HashSet::new(),
            doubled: HashMap::new(),
            renewed: LruMap::new(ByLength::new(REOPENED_MAX)),
            reopened: LruMap::new(ByLength::new(REOPENED_MAX)),
            again: HashMap::new(),
            clock: ClockWatch::new(),
            trouble_told_at: None,
            upkeep,
            rounds: 0,
            network,
            swarm,
        };
        for address in session.network.config.static_peers.clone() {
            if let Some(peer) = crate::peers::peer_of(&address) {
                session.keep(peer);
            }
        }
        session.observe_signer();
        session
    }

    /// Lives until cancelled.
    ///
    /// # Errors
    /// [`SessionError`] if the swarm died before.
    pub(crate) async fn run(mut self, token: &CancellationToken) -> Result<(), SessionError> {
        loop {
            match self.next(token).await {
                Wake::Ended => return Ok(()),
                Wake::Request(request) => self.on_request(request),
                Wake::Signed(block) => self.on_signed(block),
                Wake::Judged(judged) => self.on_judged(judged),
                Wake::Swarm(event) => self.on_event(*event)?,
                Wake::Candidate(candidate) => self.on_candidate(candidate),
                Wake::Signer => self.observe_signer(),
                Wake::Upkeep => self.on_upkeep(),
            }
            self.tell_stats();
        }
    }

    /// Fair, so that no flood of one kind keeps the others waiting.
    async fn next(&mut self, token: &CancellationToken) -> Wake {
        let network = &mut *self.network;
        tokio::select! {
            () = token.cancelled() => Wake::Ended,
            Some(request) = network.requests.recv() => Wake::Request(request),
            Some(block) = network.signed.recv() => Wake::Signed(block),
            judged = self.pool.judged() => Wake::Judged(judged),
            event = self.swarm.select_next_some() => Wake::Swarm(Box::new(event)),
            Some(candidate) = next_candidate(&mut network.discovery) => Wake::Candidate(candidate),
            Ok(()) = network.signer_state.changed() => Wake::Signer,
            _ = self.upkeep.tick() => Wake::Upkeep,
        }
    }

    fn observe_signer(&mut self) {
        let state = *self.network.signer_state.borrow_and_update();
        let judge = &self.network.judge;
        judge.observe_signer(state.address, state.is_pending, Instant::now());
    }

    /// Numbers change with nearly every event; who watches is woken only by a change.
    fn tell_stats(&mut self) {
        let counted = self.book.stats();
        self.network.stats.send_if_modified(|stats| {
            let new = PeerStats {
                table: stats.table,
                banned: stats.banned,
                ..counted
            };
            std::mem::replace(stats, new) != new
        });
    }

    /// A static or protected peer is bound by no limit of numbers.
    fn keep(&mut self, peer: PeerId) {
        let behaviour = self.swarm.behaviour_mut();
        behaviour.limits.bypass_peer_id(&peer);
        behaviour.gater.exempt(peer);
    }
}

async fn next_candidate(discovery: &mut Option<DiscoveryHandle>) -> Option<Candidate> {
    discovery.as_mut()?.candidate().await
}
