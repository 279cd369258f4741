//! Static peers: dialled at start, and again while they are gone, after seconds at first and each minute at last.

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Time after a dial until the first one that follows it. It doubles with each, up to the time of the configuration.
const REDIAL_FIRST: Duration = Duration::from_secs(2);
/// Least time between two words on a static peer that cannot be reached.
const TOLD_PAUSE: Duration = Duration::from_secs(10 * 60);

/// The static peers, and when each was last dialled.
#[derive(Debug, Default)]
pub(super) struct StaticPeers {
    peers: BTreeMap<PeerId, StaticPeer>,
    /// Most time between two dials of one that is gone.
    redial: Duration,
}

#[derive(Debug, Default)]
struct StaticPeer {
    addresses: Vec<Multiaddr>,
    dialled_at: Option<Instant>,
    /// Time until it may be dialled again.
    pause: Duration,
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
            let since = entry.dialled_at.map(|at| now.saturating_duration_since(at));
            is_wanted(peer) && since.is_none_or(|since| since >= entry.pause)
        });
        let mut addresses = Vec::new();
        for (_, entry) in due {
            entry.dial(now, redial);
            addresses.extend(entry.addresses.iter().cloned());
        }
        addresses
    }
}

impl StaticPeer {
    /// It is dialled. One that was there for longer than the longest pause begins with the shortest.
    fn dial(&mut self, now: Instant, longest: Duration) {
        let last = self.dialled_at.replace(now);
        let is_stable = |at: Instant| now.saturating_duration_since(at) >= 2 * longest;
        self.pause = match last {
            Some(at) if !is_stable(at) => self.pause * 2,
            _ => REDIAL_FIRST,
        }
        .min(longest);
    }
}

/// The peer at the end of an address.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}
