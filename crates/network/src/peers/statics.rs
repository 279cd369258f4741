//! Static peers: dialled at start, and again each minute while they are gone.

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Least time between two words on a static peer that cannot be reached.
const TOLD_PAUSE: Duration = Duration::from_secs(10 * 60);

/// The static peers, and when each was last dialled.
#[derive(Debug, Default)]
pub(super) struct StaticPeers {
    peers: BTreeMap<PeerId, StaticPeer>,
    /// Time between two dials of one.
    redial: Duration,
}

#[derive(Debug, Default)]
struct StaticPeer {
    addresses: Vec<Multiaddr>,
    dialled_at: Option<Instant>,
    /// When it was last told that it cannot be reached.
    told_at: Option<Instant>,
}

impl StaticPeers {
    /// Of addresses that end in `/p2p/<peer id>`; one that does not is nobody's.
    pub(super) fn new(addresses: &[Multiaddr], redial: Duration) -> Self {
        let mut statics = Self {
            redial,
            ..Self::default()
        };
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

    /// A dial of a peer failed: whether that is to be told, which it is once in a while for as long as it is so.
    pub(super) fn is_news(&mut self, peer: &PeerId, now: Instant) -> bool {
        let Some(entry) = self.peers.get_mut(peer) else {
            return false;
        };
        let is_recent = |at: Instant| now.saturating_duration_since(at) < TOLD_PAUSE;
        let is_news = !entry.told_at.is_some_and(is_recent);
        if is_news {
            entry.told_at = Some(now);
        }
        is_news
    }

    /// The addresses of those that are wanted whose turn it is.
    pub(super) fn due(
        &mut self,
        now: Instant,
        is_wanted: impl Fn(&PeerId) -> bool,
    ) -> Vec<Multiaddr> {
        let redial = self.redial;
        let due = self.peers.iter_mut().filter(|(peer, entry)| {
            let is_time = entry
                .dialled_at
                .is_none_or(|at| now.saturating_duration_since(at) >= redial);
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
