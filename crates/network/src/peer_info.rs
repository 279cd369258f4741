//! What is told of peers, in the words of the `opp2p_*` methods. The RPC gives it its JSON.

use alloy_primitives::B256;
use ipnet::IpNet;
use libp2p::{Multiaddr, PeerId};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// This node as peers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNode {
    /// Its identity in libp2p.
    pub peer_id: PeerId,
    /// Its identity in discv5: keccak-256 of the public key.
    pub node_id: B256,
    /// Its record; empty without discovery.
    pub enr: String,
    /// Where it is reached over libp2p, the most useful address first, each with `/p2p/<peer id>`.
    pub addresses: Vec<Multiaddr>,
    /// Address of discv5; `None` without discovery.
    pub discovery: Option<SocketAddr>,
}

/// Whether a peer is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Connectedness {
    /// Not.
    #[default]
    NotConnected = 0,
    /// It is.
    Connected = 1,
}

/// Who dialled whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// Not connected.
    #[default]
    Unknown = 0,
    /// The peer dialled us.
    Inbound = 1,
    /// We dialled the peer.
    Outbound = 2,
}

/// What is known of one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// Its identity in libp2p.
    pub peer_id: PeerId,
    /// Its identity in discv5, computed from the key in its peer id.
    pub node_id: B256,
    /// What it calls itself; empty until it has said so.
    pub user_agent: String,
    /// Version of what it speaks, as it says; empty until then.
    pub protocol_version: String,
    /// Its record, if discovery found it; else empty.
    pub enr: String,
    /// Where it is reached, each with `/p2p/<peer id>`.
    pub addresses: Vec<Multiaddr>,
    /// What it speaks; `None` until it has said so.
    pub protocols: Option<Vec<String>>,
    /// Whether it is connected.
    pub connectedness: Connectedness,
    /// Who dialled whom.
    pub direction: Direction,
    /// Never pruned.
    pub is_protected: bool,
    /// Chain in its record; 0 if unknown.
    pub chain_id: u64,
    /// Of the last ping; zero before.
    pub latency: Duration,
    /// It is subscribed to one of our block topics.
    pub gossips_blocks: bool,
    /// Its scores.
    pub scores: PeerScores,
}

/// Scores of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PeerScores {
    /// In gossip.
    pub gossip: GossipScores,
    /// In req/resp; we serve and ask nothing there.
    pub req_resp: ReqRespScores,
}

/// The gossip score and its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GossipScores {
    /// Sum of the parts.
    pub total: f64,
    /// Seconds in the mesh of the block topics.
    pub time_in_mesh: f64,
    /// Blocks that it was the first to bring.
    pub first_message_deliveries: f64,
    /// Blocks that it brought within the mesh's window.
    pub mesh_message_deliveries: f64,
    /// Blocks that were rejected.
    pub invalid_message_deliveries: f64,
    /// Peers behind the same address.
    pub ip_colocation_factor: f64,
    /// Broken rules of the protocol.
    pub behavioral_penalty: f64,
}

/// Scores of req/resp.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReqRespScores {
    /// Good answers.
    pub valid_responses: f64,
    /// Errors.
    pub error_responses: f64,
    /// Payloads that were refused.
    pub rejected_payloads: f64,
}

/// All peers at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerDump {
    /// How many are connected.
    pub total_connected: usize,
    /// The connected ones, or all that are known.
    pub peers: BTreeMap<PeerId, PeerInfo>,
    /// Blocked peers.
    pub banned_peers: Vec<PeerId>,
    /// Blocked addresses.
    pub banned_ips: Vec<IpAddr>,
    /// Blocked subnets.
    pub banned_subnets: Vec<IpNet>,
}

/// Peers in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// Connected.
    pub connected: usize,
    /// Records in discovery's table.
    pub table: usize,
    /// Peers subscribed to each block topic, versions 1 to 4.
    pub block_topics: [usize; 4],
    /// Blocked or banned.
    pub banned: usize,
    /// Known at all.
    pub known: usize,
}
