//! What the network is told at start.

use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use ipnet::IpNet;
use libp2p::{Multiaddr, identity::secp256k1};
use light_node_protocol::{RollupConfig, redact_url};
use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};
use url::Url;

/// Settings of the network.
#[derive(Clone)]
pub struct NetworkConfig {
    /// The chain whose blocks are gossiped.
    pub rollup_config: Arc<RollupConfig>,
    /// Identity of this node in libp2p and discv5.
    pub key: secp256k1::Keypair,
    /// Where peers reach us.
    pub listen: Listen,
    /// What we tell others of where we are.
    pub advertise: Advertise,
    /// Finding peers; without it only static peers, inbound ones and those that RPC names are there.
    pub discovery: Option<DiscoveryConfig>,
    /// Peers that are dialled at start and again whenever they are gone, never pruned and never banned. Each ends in `/p2p/<peer id>`.
    pub static_peers: Vec<Multiaddr>,
    /// Only addresses in one of these are dialled or let in; all if empty.
    pub netrestrict: Vec<IpNet>,
    /// How many peers.
    pub peers: PeerLimits,
    /// Whether peers are scored by their behaviour (`light`), or not at all.
    pub is_scoring: bool,
    /// Banning of peers with a bad score; `None` never bans.
    pub bans: Option<BanConfig>,
    /// The mesh.
    pub gossip: GossipConfig,
    /// Of the transport.
    pub timeouts: Timeouts,
    /// What we call ourselves to peers.
    pub user_agent: String,
    /// Where blocked peers, addresses and subnets are kept; in memory without it.
    pub gater_path: Option<PathBuf>,
    /// Whether peers are pinged.
    pub is_pinging: bool,
    /// Who signs the blocks of a sequencer here; a verifier has none.
    pub signer: Option<BlockSigner>,
    /// What nobody has to set.
    pub(crate) pace: Pace,
}

/// Times that no flag changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Between two pings of a peer.
    pub(crate) ping_interval: Duration,
    /// Until a ping has failed. The second failure in a row ends the connection.
    pub(crate) ping_timeout: Duration,
    /// Between two dials of a static peer that is gone, at the most.
    pub(crate) static_redial: Duration,
    /// For so long a peer that we dialled may tell no topics before it gets another connection.
    pub(crate) silent_max: Duration,
    /// For so long a peer may have none of our topics.
    pub(crate) unshared_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            // A connection whose other side is gone without a word is let go within two minutes.
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            // As op-node.
            static_redial: Duration::from_secs(60),
            // Subscriptions come right after the handshake, so these are many round trips.
            silent_max: Duration::from_secs(10),
            unshared_max: Duration::from_secs(60),
        }
    }
}

/// Where peers reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address of both ports.
    pub ip: IpAddr,
    /// TCP port of libp2p; 0 takes a free one.
    pub tcp_port: u16,
    /// UDP port of discv5; 0 takes the number of the TCP port.
    pub udp_port: u16,
}

/// What we tell others of where we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advertise {
    /// Our public address; without it, it is learned from peers.
    pub ip: Option<IpAddr>,
    /// Public TCP port, if another than the one we listen on.
    pub tcp_port: Option<u16>,
    /// Public UDP port, if another than the one we listen on.
    pub udp_port: Option<u16>,
}

/// Settings of discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// Node records (`enr:...`) or `enode://` URLs, of whatever chain: a bootnode is a router.
    pub bootnodes: Vec<String>,
    /// Where records of found nodes are kept; in memory without it.
    pub store_path: Option<PathBuf>,
    /// Time between two lookups while peers are wanted.
    pub interval: Duration,
}

/// How many peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// Below it more are looked for.
    pub low: usize,
    /// Above it the worst are let go.
    pub high: usize,
    /// For so long a new peer is not let go.
    pub grace: Duration,
}

/// When a peer is banned, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BanConfig {
    /// A score below it bans.
    pub threshold: f64,
    /// Time until the peer may come back.
    pub duration: Duration,
}

/// Settings of gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GossipConfig {
    /// Peers that the mesh should have (D).
    pub mesh: usize,
    /// Fewest (D low).
    pub mesh_low: usize,
    /// Most (D high).
    pub mesh_high: usize,
    /// Peers that get gossip without being in the mesh (D lazy).
    pub lazy: usize,
    /// Whether own blocks go to all peers instead of the mesh.
    pub is_flood_publishing: bool,
    /// How old a block may be.
    pub age_max: Duration,
}

/// Limits of time of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Of agreeing on a protocol.
    pub negotiation: Duration,
    /// Of an inbound connection until it is secured.
    pub accept: Duration,
    /// Of a dial.
    pub dial: Duration,
}

/// Who signs the blocks that we publish.
#[derive(Clone, Debug)]
pub enum BlockSigner {
    /// A key in this process.
    Local(PrivateKeySigner),
    /// A signer that speaks `opsigner_signBlockPayload`.
    Remote(RemoteSigner),
}

/// A signer behind JSON-RPC.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteSigner {
    /// Its address, http or https.
    pub endpoint: Url,
    /// The account that signs.
    pub address: Address,
    /// Certificate authority of the server (PEM file); the system's without it.
    pub ca_path: Option<PathBuf>,
    /// Certificate and key of ours (PEM files), if the server wants them.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Without what opens the endpoint.
impl fmt::Debug for RemoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSigner")
            .field("endpoint", &redact_url(&self.endpoint))
            .field("address", &self.address)
            .field("ca_path", &self.ca_path)
            .field("identity", &self.identity)
            .finish()
    }
}

impl NetworkConfig {
    /// The settings of op-node where nothing else is said: port 9222 everywhere, 20 to 30 peers, no bootnodes, nothing on disk.
    pub fn new(rollup_config: Arc<RollupConfig>, key: secp256k1::Keypair) -> Self {
        Self {
            rollup_config,
            key,
            listen: Listen {
                ip: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
                tcp_port: 9222,
                udp_port: 0,
            },
            advertise: Advertise::default(),
            discovery: Some(DiscoveryConfig {
                bootnodes: Vec::new(),
                store_path: None,
                interval: Duration::from_secs(5),
            }),
            static_peers: Vec::new(),
            netrestrict: Vec::new(),
            peers: PeerLimits {
                low: 20,
                high: 30,
                grace: Duration::from_secs(30),
            },
            is_scoring: true,
            bans: Some(BanConfig {
                threshold: -100.0,
                duration: Duration::from_secs(60 * 60),
            }),
            gossip: GossipConfig::default(),
            timeouts: Timeouts {
                negotiation: Duration::from_secs(10),
                accept: Duration::from_secs(10),
                dial: Duration::from_secs(10),
            },
            user_agent: "light-node".to_owned(),
            gater_path: None,
            is_pinging: true,
            signer: None,
            pace: Pace::default(),
        }
    }
}

impl Default for GossipConfig {
    fn default() -> Self {
        Self {
            mesh: 8,
            mesh_low: 6,
            mesh_high: 12,
            lazy: 6,
            is_flood_publishing: false,
            age_max: Duration::from_secs(60),
        }
    }
}

/// Without the keys.
impl fmt::Debug for NetworkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkConfig")
            .field("l2_chain_id", &self.rollup_config.l2_chain_id)
            .field("listen", &self.listen)
            .field("advertise", &self.advertise)
            .field("discovery", &self.discovery)
            .field("static_peers", &self.static_peers)
            .field("netrestrict", &self.netrestrict)
            .field("peers", &self.peers)
            .field("is_scoring", &self.is_scoring)
            .field("bans", &self.bans)
            .field("gossip", &self.gossip)
            .field("timeouts", &self.timeouts)
            .field("user_agent", &self.user_agent)
            .field("gater_path", &self.gater_path)
            .field("is_pinging", &self.is_pinging)
            .field("is_signing", &self.signer.is_some())
            .finish()
    }
}
