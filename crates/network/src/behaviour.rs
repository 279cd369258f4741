//! What the swarm is made of: the transport, and the behaviours on it. Whoever is refused by the first of them reaches none of
//! the others.

use crate::{
    admission::InboundLimits,
    config::{GossipConfig, NetworkConfig, PeerLimits, Timeouts},
    gater::{GatedTransport, Gater, GaterBehaviour},
    metered::{Meter, MeteredGossip},
    receiving::LargeRpcs,
    scores,
    snappy::{BoundedSnappy, DATA_BYTES_MAX},
    standing::Standing,
    topics::{self, BlockVersion},
};
use libp2p::{
    PeerId, Swarm, Transport, connection_limits,
    connection_limits::ConnectionLimits,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dns,
    gossipsub::{
        self, IdentTopic, MaxCountSubscriptionFilter, MessageAuthenticity, TopicHash,
        ValidationMode, WhitelistSubscriptionFilter,
    },
    identify,
    identity::Keypair,
    memory_connection_limits, noise, ping,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};
use std::{sync::Arc, time::Duration};
use thiserror::Error;

/// A connection on which nothing is agreed is closed after this, as op-node does; we prune ourselves long before.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Bytes of one gossip RPC: a message of the largest size and what stands around it.
const RPC_BYTES_MAX: usize = DATA_BYTES_MAX + 64 * 1024;
/// Messages in one RPC: as many as a peer may send in the span of a budget. An RPC with more is dropped undecoded.
const MESSAGES_PER_RPC_MAX: usize = 200;
/// Messages that wait to be sent to one peer. A slow peer loses some; the mesh brings them to it another way. Each is a copy of its
/// block, and a peer that does not read at all holds as many.
const SEND_QUEUE_LENGTH: usize = 64;
/// Streams of one connection, and those of them of which nobody knows yet what they are for: gossip has two, identify and ping few.
/// What waits unread in each is up to 256 KiB, also before anything is known of it.
const STREAMS_MAX: usize = 16;
const NEGOTIATING_STREAMS_MAX: usize = 8;
/// What of a connection waits for the swarm's task, besides one: an RPC each, and as large.
const EVENTS_MAX: usize = 1;
/// Connections in all, inbound and outbound, with the usual number of peers or fewer; static and protected peers come on top.
const ESTABLISHED_MAX: (usize, usize, usize) = (80, 60, 30);
/// Room above the most peers that are wanted: for those that come in their grace, which push out worse ones.
const ESTABLISHED_ROOM: (usize, usize) = (50, 30);
/// Inbound connections of which nobody knows yet who it is.
const PENDING_INBOUND_MAX: u32 = 32;
/// Outbound ones.
const PENDING_OUTBOUND_MAX: u32 = 32;
/// Share of the machine's memory above which no new connection is taken.
const MEMORY_SHARE_MAX: f64 = 0.8;
/// Where the limit of a control group stands, in its two versions; no number stands there if there is none.
const MEMORY_LIMIT_FILES: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];
/// Topics that a peer may be subscribed to at a time: ours, and room for a mistake.
const TOPICS_PER_PEER_MAX: usize = 8;
/// Changes of subscriptions in one RPC.
const SUBSCRIPTIONS_PER_RPC_MAX: usize = 100;
/// Peers of which identify remembers addresses; we dial none of those.
const IDENTIFY_CACHE_LENGTH: usize = 0;

/// Gossip as we speak it.
pub(crate) type Gossip =
    gossipsub::Behaviour<BoundedSnappy, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// The behaviours of the swarm, in the order in which they are asked.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gater: GaterBehaviour,
    pub(crate) limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    ping: Toggle<ping::Behaviour>,
    identify: identify::Behaviour,
    pub(crate) gossip: MeteredGossip,
}

/// Why no swarm can be made of a configuration.
#[derive(Debug, Error)]
pub enum SwarmError {
    /// The mesh's numbers contradict each other.
    #[error("the settings of the mesh are refused: {reason}")]
    Mesh {
        /// In the library's words.
        reason: String,
    },
    /// The key cannot secure a connection.
    #[error("the node key cannot secure connections")]
    Noise(#[from] noise::Error),
}

/// The topics of a chain, by version.
pub(crate) fn topics_of(chain_id: u64) -> [IdentTopic; 4] {
    BlockVersion::ALL.map(|version| version.topic(chain_id))
}

/// A swarm that listens nowhere yet.
///
/// # Errors
/// [`SwarmError`].
pub(crate) fn swarm(
    config: &NetworkConfig,
    gater: &Arc<Gater>,
) -> Result<Swarm<Behaviour>, SwarmError> {
    let key = Keypair::from(config.key.clone());
    let peer_id = key.public().to_peer_id();
    let standing = Standing::new();
    let large_rpcs = LargeRpcs::new(standing.clone());
    let transport = transport(&key, gater, config.timeouts, large_rpcs)?;
    let behaviour = behaviour(config, gater, &key, standing)?;
    let settings = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(IDLE_TIMEOUT)
        .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS_MAX)
        .with_per_connection_event_buffer_size(EVENTS_MAX);
    Ok(Swarm::new(transport, behaviour, peer_id, settings))
}

fn behaviour(
    config: &NetworkConfig,
    gater: &Arc<Gater>,
    key: &Keypair,
    standing: Standing,
) -> Result<Behaviour, SwarmError> {
    let local = key.public().to_peer_id();
    let limits = connection_limits_for(config.peers);
    let pings = config.is_pinging.then(|| {
        let settings = ping::Config::new()
            .with_interval(config.pace.ping_interval)
            .with_timeout(config.pace.ping_timeout);
        ping::Behaviour::new(settings)
    });
    let identify = identify::Config::new(String::new(), key.public())
        .with_agent_version(config.user_agent.clone())
        .with_cache_size(IDENTIFY_CACHE_LENGTH);
    Ok(Behaviour {
        gater: GaterBehaviour::new(Arc::clone(gater), local, InboundLimits::default()),
        limits: connection_limits::Behaviour::new(limits),
        memory: memory_limit(),
        ping: Toggle::from(pings),
        identify: identify::Behaviour::new(identify),
        gossip: gossip(config, standing)?,
    })
}

fn connection_limits_for(peers: PeerLimits) -> ConnectionLimits {
    let (all, inbound, outbound) = established_max(peers);
    // That a peer has one connection is the gater's matter: it decides which of two stays.
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_INBOUND_MAX))
        .with_max_pending_outgoing(Some(PENDING_OUTBOUND_MAX))
        .with_max_established_incoming(Some(inbound))
        .with_max_established_outgoing(Some(outbound))
        .with_max_established(Some(all))
}

/// Connections in all, inbound and outbound. They grow with the peers that are wanted: below them, nobody would ever be pruned, and
/// more would be looked for than may come.
fn established_max(peers: PeerLimits) -> (u32, u32, u32) {
    let (all, inbound, outbound) = ESTABLISHED_MAX;
    let (room, room_inbound) = ESTABLISHED_ROOM;
    let wanted = peers.high.max(peers.low);
    let larger = |than: usize, room| {
        let count = than.max(wanted.saturating_add(room));
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    (
        larger(all, room),
        larger(inbound, room_inbound),
        larger(outbound, 0),
    )
}

/// The share of what this process may have: of the machine's memory, or of its control group's if that is less. The library knows
/// of the machine only.
fn memory_limit() -> memory_connection_limits::Behaviour {
    let machine = memory_connection_limits::Behaviour::with_max_percentage(MEMORY_SHARE_MAX);
    let group = MEMORY_LIMIT_FILES.iter().find_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        text.trim().parse::<u64>().ok()
    });
    let share = group.map(|bytes| (bytes as f64 * MEMORY_SHARE_MAX) as usize);
    match share {
        Some(bytes) if bytes < machine.max_allowed_bytes() => {
            memory_connection_limits::Behaviour::with_max_bytes(bytes)
        }
        _ => machine,
    }
}

fn gossip(config: &NetworkConfig, standing: Standing) -> Result<MeteredGossip, SwarmError> {
    let refused = |reason: &str| SwarmError::Mesh {
        reason: reason.to_owned(),
    };
    let chain_id = config.rollup_config.l2_chain_id;
    let topics = topics_of(chain_id);
    let hashes = || topics.iter().map(IdentTopic::hash);
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(hashes().collect()),
        max_subscribed_topics: TOPICS_PER_PEER_MAX,
        max_subscriptions_per_request: SUBSCRIPTIONS_PER_RPC_MAX,
    };
    let settings = gossip_settings(config.gossip)?;
    let meter = Arc::new(Meter::default());
    let transform = BoundedSnappy::new(topics.clone().map(TopicHash::from), Arc::clone(&meter));
    let mut gossip = Gossip::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        settings,
        filter,
        transform,
    )
    .map_err(refused)?;
    if config.is_scoring {
        let block_time = Duration::from_secs(config.rollup_config.block_time);
        let (parameters, thresholds) = scores::light(hashes(), block_time);
        gossip
            .with_peer_score(parameters, thresholds)
            .map_err(|reason| refused(&reason))?;
    }
    for topic in &topics {
        let subscribed = gossip.subscribe(topic);
        subscribed.map_err(|error| refused(&error.to_string()))?;
    }
    Ok(MeteredGossip::new(gossip, meter, standing))
}

fn gossip_settings(mesh: GossipConfig) -> Result<gossipsub::Config, SwarmError> {
    let mut builder = gossipsub::ConfigBuilder::default();
    builder
        .mesh_n(mesh.mesh)
        .mesh_n_low(mesh.mesh_low)
        .mesh_n_high(mesh.mesh_high)
        // The library wants it below the lowest and at most half of the mesh.
        .mesh_outbound_min(2.min(mesh.mesh / 2).min(mesh.mesh_low.saturating_sub(1)))
        .gossip_lazy(mesh.lazy)
        .heartbeat_interval(Duration::from_millis(500))
        .heartbeat_initial_delay(Duration::from_millis(100))
        .fanout_ttl(Duration::from_secs(24))
        .history_length(12)
        .history_gossip(3)
        .duplicate_cache_time(Duration::from_secs(65))
        .max_transmit_size(RPC_BYTES_MAX)
        .max_publish_messages(MESSAGES_PER_RPC_MAX)
        .connection_handler_queue_len(SEND_QUEUE_LENGTH)
        .flood_publish(mesh.is_flood_publishing)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        // go-libp2p names it among its protocols, and those who look for it there look for it here.
        .support_floodsub()
        .message_id_fn(topics::message_id);
    builder.build().map_err(|error| SwarmError::Mesh {
        reason: error.to_string(),
    })
}

fn transport(
    key: &Keypair,
    gater: &Arc<Gater>,
    timeouts: Timeouts,
    large_rpcs: LargeRpcs,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SwarmError> {
    let noise = noise::Config::new(key)?;
    let tcp = || {
        let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
        GatedTransport::new(tcp, Arc::clone(gater))
    };
    // A machine without a resolver has peers by address all the same.
    Ok(match dns::tokio::Transport::system(tcp()) {
        Ok(named) => secured(named, noise, timeouts, large_rpcs),
        Err(error) => {
            tracing::warn!(%error, "No resolver: peers are dialled by address only");
            secured(tcp(), noise, timeouts, large_rpcs)
        }
    })
}

fn secured<T>(
    transport: T,
    noise: noise::Config,
    timeouts: Timeouts,
    large_rpcs: LargeRpcs,
) -> Boxed<(PeerId, StreamMuxerBox)>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(STREAMS_MAX);
    let upgraded = transport
        .upgrade(Version::V1)
        .authenticate(noise)
        .multiplex(muxer);
    upgraded
        // An inbound connection is nothing but negotiation, an outbound one has to be made before.
        .inbound_timeout(timeouts.accept.min(timeouts.negotiation))
        .outbound_timeout(timeouts.dial)
        .map(move |(peer, muxer), _| {
            let bounded = large_rpcs.bound(peer, muxer);
            (peer, StreamMuxerBox::new(bounded))
        })
        .boxed()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_mesh_has_the_numbers_of_the_configuration() {
        let mesh = GossipConfig {
            mesh: 5,
            mesh_low: 3,
            mesh_high: 9,
            lazy: 2,
            is_flood_publishing: true,
            age_max: Duration::ZERO,
        };
        let settings = gossip_settings(mesh).unwrap();
        assert_eq!(settings.mesh_n(), 5);
        assert_eq!((settings.mesh_n_low(), settings.mesh_n_high()), (3, 9));
        assert_eq!(settings.gossip_lazy(), 2);
        assert!(settings.flood_publish());
    }

    #[test]
    fn the_limits_of_connections_grow_with_the_peers_that_are_wanted() {
        let limits = |low, high| {
            established_max(PeerLimits {
                low,
                high,
                grace: Duration::ZERO,
            })
        };
        assert_eq!(limits(20, 30), (80, 60, 30));
        assert_eq!(limits(0, 1), (80, 60, 30));
        assert_eq!(limits(60, 100), (150, 130, 100));
        assert_eq!(limits(0, usize::MAX), (u32::MAX, u32::MAX, u32::MAX));
    }
}
