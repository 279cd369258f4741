//! Connections on which one side does not hear the other, and that only a new one mends.

use super::Session;
use crate::peer_info::Direction;
use libp2p::PeerId;
use std::time::{Duration, Instant};
use tracing::debug;

/// How often a peer is let go and dialled again because its gossip did not come up.
const REOPENINGS_MAX: u8 = 3;
/// After so long without one these are forgotten.
const REOPENINGS_FORGOTTEN_AFTER: Duration = Duration::from_secs(10 * 60);
/// Time after a second connection until the peer gets a new one, from who dialled the one that stayed.
const RENEWAL_BY_DIALLER: Duration = Duration::from_secs(1);
/// The same from who was dialled.
const RENEWAL_BY_LISTENER: Duration = Duration::from_secs(4);
/// Least time between two new connections of a peer for that reason.
const RENEWAL_PAUSE: Duration = Duration::from_secs(20);
/// What a protocol of gossip begins with.
const MESHSUB: &str = "/meshsub/";

/// How often a peer got a new connection, and when it got the last.
#[derive(Clone, Copy)]
pub(super) struct Reopenings {
    times: u8,
    at: Instant,
}

impl Session<'_> {
    /// The streams of gossip are given up after a few failures, and the connection then stays without it for ever. A peer that
    /// speaks gossip gets a new connection.
    pub(super) fn reopen_if_deaf(&mut self, peer: PeerId) {
        if self.deaf.contains(&peer) && self.speaks_gossip(&peer) {
            self.reopen(peer, Instant::now());
        }
    }

    /// A peer that we dialled and that speaks gossip should have told its topics long since. If it took our connection for another
    /// one of which it had yet to learn that it was gone, it tells them no more: it did so on that one.
    pub(super) fn reopen_silent(&mut self, now: Instant) {
        for peer in self.book.silent(now) {
            if self.speaks_gossip(&peer) {
                self.reopen(peer, now);
            }
        }
    }

    /// Whether a peer has said so.
    fn speaks_gossip(&self, peer: &PeerId) -> bool {
        let info = self
            .book
            .info(peer)
            .filter(|_| self.identified.contains(peer));
        let protocols = info.and_then(|info| info.protocols).unwrap_or_default();
        protocols
            .iter()
            .any(|protocol| protocol.starts_with(MESHSUB))
    }

    fn reopen(&mut self, peer: PeerId, now: Instant) {
        let fresh = || Reopenings { times: 0, at: now };
        let Some(reopenings) = self.reopened.get_or_insert(peer, fresh) else {
            return;
        };
        if now.saturating_duration_since(reopenings.at) >= REOPENINGS_FORGOTTEN_AFTER {
            *reopenings = fresh();
        }
        if reopenings.times >= REOPENINGS_MAX {
            return;
        }
        reopenings.times += 1;
        reopenings.at = now;
        debug!(%peer, "The gossip of a peer did not come up; connecting anew");
        // One that only ever came in left no address at which it listens; it comes again.
        let addresses = self.book.dialable(&peer);
        if !addresses.is_empty() {
            self.again.insert(peer, addresses);
        }
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// A connected peer has, or would have, a second connection. Each side tells its topics once, on the first, and forgets the
    /// other's when the connection goes on which it talks. One that is let go for the other may so leave a peer that hears
    /// nothing of us, and we would not know.
    pub(super) fn note_double(&mut self, peer: PeerId) {
        if self.book.is_connected(&peer) {
            self.doubled.insert(peer, Instant::now());
        }
    }

    /// Peers of two connections get a new one. First by who dialled the one that stayed: if the other side does the same, both
    /// should not do it at once.
    pub(super) fn renew_doubled(&mut self, now: Instant) {
        let passed = |at: Instant| now.saturating_duration_since(at);
        let is_due = |peer: &PeerId, at: Instant| {
            let is_rested = |renewed: &Instant| passed(*renewed) >= RENEWAL_PAUSE;
            let info = self.book.info(peer);
            let direction = info.map_or(Direction::Unknown, |info| info.direction);
            let wait = match direction {
                Direction::Outbound => RENEWAL_BY_DIALLER,
                _ => RENEWAL_BY_LISTENER,
            };
            passed(at) >= wait && self.renewed.peek(peer).is_none_or(is_rested)
        };
        let doubled = self.doubled.iter();
        let due: Vec<PeerId> = doubled
            .filter(|(peer, at)| is_due(peer, **at))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in due {
            self.doubled.remove(&peer);
            let addresses = self.book.dialable(&peer);
            // One that only ever came in left no address at which it listens: better half heard than gone.
            if addresses.is_empty() || !self.book.is_connected(&peer) {
                continue;
            }
            debug!(%peer, "A peer had two connections; connecting anew");
            self.renewed.insert(peer, now);
            self.again.insert(peer, addresses);
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }
}
