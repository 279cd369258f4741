//! The network as an actor: binds its ports when it is made, and runs the swarm's task, the publisher and discovery until it is
//! cancelled. A swarm that dies is made again with the same identity on the same port; nothing that a peer does ends the actor.

use crate::{
    behaviour::{Behaviour, SwarmError},
    config::NetworkConfig,
    discovery::{Discovery, DiscoveryError},
    gater::{Gater, GaterError},
    handle::{BLOCKS_MAX, NetworkHandle, REQUESTS_MAX},
    local::Local,
    metrics::NetworkMetrics,
    peer_info::PeerStats,
    publish::Publisher,
    remote_signer::RemoteSignerConfigError,
    session::{Network, Session, SessionError, listening_swarm},
    verdict::Judge,
};
use futures::FutureExt;
use libp2p::Swarm;
use light_node_actor::{Backoff, CancellationToken, in_words};
use light_node_engine::EngineHandle;
use light_node_l1::{L1Heads, SignerHandle};
use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};
use tracing::{error, info};

/// Time before a swarm that died is made again.
const RESTART_FIRST: Duration = Duration::from_millis(500);
const RESTART_MAX: Duration = Duration::from_secs(30);
/// Free ports that are tried where any would do: between being found and being taken another process may take one.
const PORTS_TRIED: u8 = 8;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

/// Why there is no network.
#[derive(Debug, Error)]
pub enum NetworkConfigError {
    /// The TCP port cannot be had.
    #[error("cannot listen for peers at {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The transport refuses to listen.
    #[error("cannot listen for peers: {reason}")]
    Listen {
        /// In its words.
        reason: String,
    },
    /// No swarm can be made.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// The lists of blocked peers cannot be had.
    #[error(transparent)]
    Gater(#[from] GaterError),
    /// Discovery cannot begin.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The remote signer cannot be talked with.
    #[error(transparent)]
    Signer(#[from] RemoteSignerConfigError),
    /// A static peer is not named.
    #[error("the static peer {address} does not end in /p2p/<peer id>")]
    StaticPeer {
        /// As it was given.
        address: libp2p::Multiaddr,
    },
}

/// The network before it runs. Its ports are bound.
pub struct NetworkActor {
    network: Network,
    swarm: Swarm<Behaviour>,
    publisher: Publisher,
    discovery: Option<Discovery>,
    metrics: NetworkMetrics,
}

impl NetworkActor {
    /// Binds the ports. `engine` gets accepted blocks, `signer` says who may sign them, and the L1 heads whether our clock is
    /// right.
    ///
    /// # Errors
    /// [`NetworkConfigError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(
        config: NetworkConfig,
        engine: EngineHandle,
        signer: SignerHandle,
        l1_heads: watch::Receiver<L1Heads>,
    ) -> Result<(Self, NetworkHandle), NetworkConfigError> {
        check_static_peers(&config)?;
        let config = Arc::new(config);
        let gater = Gater::new(config.netrestrict.clone(), config.gater_path.clone())?;
        let (swarm, tcp_port) = bind(&config, &gater)?;
        let (discovery, discovery_handle) = match &config.discovery {
            Some(settings) => {
                let made = Discovery::new(&config, settings, tcp_port, Arc::clone(&gater))?;
                (Some(made.0), Some(made.1))
            }
            None => (None, None),
        };
        let local = Local::new(&config, tcp_port);
        let (local_node, local_watch) = watch::channel(local.node(discovery_handle.as_ref()));
        let (stats, stats_watch) = watch::channel(PeerStats::default());
        let metrics = NetworkMetrics::of(stats_watch.clone());
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        let (blocks, to_publish) = mpsc::channel(BLOCKS_MAX);
        // One is signed while one is sent; more would only wait elsewhere.
        let (to_send, signed) = mpsc::channel(1);
        let rollup_config = Arc::clone(&config.rollup_config);
        let judge = Arc::new(Judge::new(
            Arc::clone(&rollup_config),
            config.gossip.age_max,
        ));
        let publisher = Publisher::new(
            rollup_config,
            config.signer.clone(),
            Arc::clone(&judge),
            to_publish,
            to_send,
            metrics.clone(),
        )?;
        let network = Network {
            config,
            gater,
            judge,
            engine,
            signer_state: signer.watch(),
            signer,
            l1_heads,
            requests: asked,
            signed,
            discovery: discovery_handle,
            local,
            local_node,
            stats,
            metrics: metrics.clone(),
        };
        let handle = NetworkHandle {
            requests,
            blocks,
            local: local_watch,
            stats: stats_watch,
        };
        let actor = Self {
            network,
            swarm,
            publisher,
            discovery,
            metrics,
        };
        Ok((actor, handle))
    }

    /// What the network measures, to be registered once.
    pub const fn metrics(&self) -> &NetworkMetrics {
        &self.metrics
    }

    /// Runs until `token` is cancelled.
    ///
    /// # Errors
    /// None; the type is what an actor's `run` has.
    pub async fn run(self, token: CancellationToken) -> Result<(), Infallible> {
        {
            let node = self.network.local_node.borrow();
            let address = node.addresses.first().map(ToString::to_string);
            let enr = (!node.enr.is_empty()).then_some(&node.enr);
            info!(address, enr, "Gossip listens");
        }
        // Tasks of their own: hashing and signing a block should not keep the swarm waiting.
        let mut beside = JoinSet::new();
        beside.spawn(self.publisher.run(token.clone()));
        if let Some(discovery) = self.discovery {
            beside.spawn(discovery.run(token.clone()));
        }
        live(self.network, self.swarm, &token).await;
        while beside.join_next().await.is_some() {}
        Ok(())
    }
}

/// One swarm after the other.
async fn live(mut network: Network, swarm: Swarm<Behaviour>, token: &CancellationToken) {
    let mut backoff = Backoff::new(RESTART_FIRST, RESTART_MAX);
    let mut next = Ok(swarm);
    loop {
        let died = match next {
            Ok(swarm) => {
                let life = Session::new(&mut network, swarm).run(token);
                // A bug, ours or a library's, that a peer has hit on must not cost us the node.
                match AssertUnwindSafe(Box::pin(life)).catch_unwind().await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => in_words(&error),
                    Err(_) => "it panicked".to_owned(),
                }
            }
            Err(error) => in_words(&error),
        };
        let delay = backoff.next_delay();
        error!(cause = died, ?delay, "The swarm died; making it again");
        network.metrics.restarted();
        network.stats.send_replace(PeerStats::default());
        if token.run_until_cancelled(sleep(delay)).await.is_none() {
            return;
        }
        let port = network.local.tcp_port();
        next = listening_swarm(&network.config, &network.gater, port);
    }
}

fn check_static_peers(config: &NetworkConfig) -> Result<(), NetworkConfigError> {
    let nameless = |address: &&libp2p::Multiaddr| crate::peers::peer_of(address).is_none();
    match config.static_peers.iter().find(nameless) {
        Some(address) => Err(NetworkConfigError::StaticPeer {
            address: address.clone(),
        }),
        None => Ok(()),
    }
}

/// A swarm that listens, and on which port.
fn bind(
    config: &NetworkConfig,
    gater: &Arc<Gater>,
) -> Result<(Swarm<Behaviour>, u16), NetworkConfigError> {
    let listen = config.listen;
    for tries_left in (0..PORTS_TRIED).rev() {
        let port = free_port(listen.ip, listen.tcp_port)?;
        match listening_swarm(config, gater, port) {
            Ok(swarm) => return Ok((swarm, port)),
            Err(SessionError::Swarm(error)) => return Err(error.into()),
            Err(_) if listen.tcp_port == 0 && tries_left > 0 => {}
            Err(error) => {
                let reason = in_words(&error);
                return Err(NetworkConfigError::Listen { reason });
            }
        }
    }
    Err(NetworkConfigError::Listen {
        reason: "no free port".to_owned(),
    })
}

/// The port, if it can be had; any free one for zero. The transport would share a port with another process of this user and
/// say nothing, so it is tried without sharing first.
fn free_port(ip: IpAddr, port: u16) -> Result<u16, NetworkConfigError> {
    let address = SocketAddr::new(ip, port);
    let tried = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    tried
        .map(|bound| bound.port())
        .map_err(|source| NetworkConfigError::Bind { address, source })
}
