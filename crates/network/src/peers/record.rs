//! One peer: what it said of itself, what was found out about it, and its connection.

use crate::{
    enr,
    peer_info::{Connectedness, Direction, GossipScores, PeerInfo, PeerScores},
};
use alloy_primitives::B256;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Longest text that a peer may say of itself: far above every client's, and 1024 peers of it stay below 1 MB.
const TEXT_BYTES_MAX: usize = 256;
/// Most protocols that are remembered of one peer.
const PROTOCOLS_MAX: usize = 64;
/// Most addresses of one peer.
const ADDRESSES_MAX: usize = 8;

/// What a peer says of itself by identify. The addresses that it claims are not taken: we dial what discovery, an operator or a
/// connection told us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identified {
    /// What it calls itself.
    pub(crate) user_agent: String,
    /// Version of what it speaks.
    pub(crate) protocol_version: String,
    /// What it speaks.
    pub(crate) protocols: Vec<String>,
}

/// What outlives a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Computed from the peer id when it is first told: it costs a point of the curve, and a list has a thousand peers.
    pub(super) node_id: OnceLock<B256>,
    pub(super) identified: Option<Identified>,
    pub(super) enr: Option<discv5::Enr>,
    /// Where it may be dialled.
    pub(super) addresses: Vec<Multiaddr>,
    /// Where it last came from.
    pub(super) came_from: Option<Multiaddr>,
    pub(super) latency: Duration,
    pub(super) scores: GossipScores,
}

/// A peer that is there.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) record: Record,
    pub(super) direction: Direction,
    pub(super) since: Instant,
    /// Which block topics it is subscribed to, versions 1 to 4.
    pub(super) topics: [bool; 4],
    /// When it last had a topic of ours.
    pub(super) shared_at: Instant,
}

impl Connection {
    pub(super) fn is_sharing(&self) -> bool {
        self.topics.contains(&true)
    }
}

impl Identified {
    /// The same within bounds.
    pub(super) fn bounded(mut self) -> Self {
        truncate(&mut self.user_agent);
        truncate(&mut self.protocol_version);
        self.protocols.truncate(PROTOCOLS_MAX);
        self.protocols.iter_mut().for_each(truncate);
        self
    }
}

impl Record {
    /// Some tell an address with the peer at its end, some without.
    pub(super) fn add_address(&mut self, address: &Multiaddr) {
        let address = without_peer(address);
        if !self.addresses.contains(&address) {
            self.addresses.insert(0, address);
            self.addresses.truncate(ADDRESSES_MAX);
        }
    }

    pub(super) fn dialable(&self, peer: PeerId) -> Vec<Multiaddr> {
        let whole = |address| with_peer(address, peer);
        self.addresses.iter().map(whole).collect()
    }

    /// What is told of a peer; `connection` is the one that this record is of, if it is there.
    pub(super) fn info(
        &self,
        peer: PeerId,
        connection: Option<&Connection>,
        is_protected: bool,
    ) -> PeerInfo {
        let identified = self.identified.as_ref();
        let opstack = self.enr.as_ref().and_then(enr::opstack_of);
        PeerInfo {
            peer_id: peer,
            node_id: *self
                .node_id
                .get_or_init(|| enr::node_id_of(&peer).unwrap_or(B256::ZERO)),
            user_agent: identified
                .map(|said| said.user_agent.clone())
                .unwrap_or_default(),
            protocol_version: identified
                .map(|said| said.protocol_version.clone())
                .unwrap_or_default(),
            enr: self
                .enr
                .as_ref()
                .map(discv5::Enr::to_base64)
                .unwrap_or_default(),
            addresses: match &self.came_from {
                Some(address) if self.addresses.is_empty() => vec![with_peer(address, peer)],
                _ => self.dialable(peer),
            },
            protocols: identified.map(|said| said.protocols.clone()),
            connectedness: match connection {
                Some(_) => Connectedness::Connected,
                None => Connectedness::NotConnected,
            },
            direction: connection.map_or(Direction::Unknown, |connection| connection.direction),
            is_protected,
            chain_id: opstack.map_or(0, |opstack| opstack.chain_id),
            latency: self.latency,
            gossips_blocks: connection.is_some_and(Connection::is_sharing),
            scores: PeerScores {
                gossip: self.scores,
                ..PeerScores::default()
            },
        }
    }
}

fn without_peer(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    address
}

/// The address with the peer at its end.
pub(crate) fn with_peer(address: &Multiaddr, peer: PeerId) -> Multiaddr {
    match address.iter().last() {
        Some(Protocol::P2p(_)) => address.clone(),
        _ => address.clone().with(Protocol::P2p(peer)),
    }
}

fn truncate(text: &mut String) {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    text.truncate(end);
}
