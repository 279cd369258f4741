//! Static peers: dialled at start, and again each minute while they are gone.

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Time between two dials of a static peer that is gone: what op-node takes.
pub(super) const REDIAL_INTERVAL: Duration = Duration::from_secs(60);

/// The static peers, and when each was last dialled.
#[derive(Debug, Default)]
pub(super) struct StaticPeers {
    peers: BTreeMap<PeerId, StaticPeer>,
}

#[derive(Debug, Default)]
struct StaticPeer {
    addresses: Vec<Multiaddr>,
    dialled_at: Option<Instant>,
}

impl StaticPeers {
    /// Of addresses that end in `/p2p/<peer id>`; one that does not is nobody's.
    pub(super) fn new(addresses: &[Multiaddr]) -> Self {
        let mut statics = Self::default();
        for address in addresses {
            if let Some(peer) = peer_of(address) {
                let entry = statics.peers.entry(peer).or_default();
                entry.addresses.push(address.clone());
            }
        }
        statics
    }

    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PeerId, &[Multiaddr])> {
        self.peers
            .iter()
            .map(|(peer, entry)| (peer, entry.addresses.as_slice()))
    }

    /// The addresses of those of `wanted` whose turn it is; their next is a minute later.
    pub(super) fn due(
        &mut self,
        now: Instant,
        is_wanted: impl Fn(&PeerId) -> bool,
    ) -> Vec<Multiaddr> {
        let due = self.peers.iter_mut().filter(|(peer, entry)| {
            let is_time = entry
                .dialled_at
                .is_none_or(|at| now.saturating_duration_since(at) >= REDIAL_INTERVAL);
            is_time && is_wanted(peer)
        });
        let mut addresses = Vec::new();
        for (_, entry) in due {
            entry.dialled_at = Some(now);
            addresses.extend(entry.addresses.iter().cloned());
        }
        addresses
    }
}

/// The peer at the end of an address.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}
