//! What is done once a second: who is let go, who is dialled, who is banned.

use super::Session;
use crate::{
    discovery::Discovered, metrics::Unjudged, peer_info::GossipScores, peers::peer_of,
    topics::BlockVersion,
};
use libp2p::{Multiaddr, PeerId};
use light_node_l1::L1Heads;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tracing::{debug, warn};

/// Rounds between two looks at what changes slowly.
const SLOW_ROUNDS: u64 = 15;
/// A clock that went so much faster or slower than time was set.
const JUMP_MAX: Duration = Duration::from_secs(2);
/// For so long a clock that was set is not trusted.
const DISTRUST: Duration = Duration::from_secs(60);
/// L1 has a block every twelve seconds, and misses some.
const L1_HEAD_AGE_MAX: Duration = Duration::from_secs(60);

impl Session<'_> {
    /// One round.
    pub(super) fn on_upkeep(&mut self) {
        let now = Instant::now();
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.recover(now);
        let dropped = gossip.take_dropped();
        let metrics = &self.network.metrics;
        metrics.unjudged_count(Unjudged::Budget, dropped.shed);
        metrics.unjudged_count(Unjudged::Malformed, dropped.malformed);
        self.observe_scores();
        self.ban();
        self.prune(now);
        self.redial(now);
        self.renew_doubled(now);
        self.reopen_silent(now);
        self.expire_connects(now);
        let heads = *self.network.l1_heads.borrow();
        let is_trusted = self.clock.observe(&heads, SystemTime::now(), now);
        self.network.judge.trust_clock(is_trusted);
        if let Some(discovery) = &self.network.discovery {
            discovery.want_peers(self.book.wants_peers());
        }
        if self.rounds.is_multiple_of(SLOW_ROUNDS) {
            self.look_around();
        }
        self.rounds += 1;
    }

    /// Tells the book the score of each connected peer.
    pub(super) fn observe_scores(&mut self) {
        let peers: Vec<PeerId> = self.book.connected_peers().copied().collect();
        let gossip = &self.swarm.behaviour().gossip;
        for peer in peers {
            if let Some(total) = gossip.peer_score(&peer) {
                let scores = GossipScores {
                    total,
                    ..GossipScores::default()
                };
                self.book.scored(peer, scores);
            }
        }
    }

    fn ban(&mut self) {
        for (peer, duration) in self.book.to_ban() {
            // Whoever wants to fill our log needs only new keys; how many there were is measured.
            debug!(%peer, ?duration, "A peer is banned for its score");
            self.network.metrics.banned();
            self.network.gater.ban_peer(peer, duration);
            if let Some(discovery) = &self.network.discovery {
                discovery.ban(Discovered::Peer(peer), duration);
            }
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn prune(&mut self, now: Instant) {
        for peer in self.book.prune(now) {
            debug!(%peer, "A peer is let go");
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn redial(&mut self, now: Instant) {
        let mut due: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
        for address in self.book.redial(now) {
            if let Some(peer) = peer_of(&address) {
                due.entry(peer).or_default().push(address);
            }
        }
        for (peer, addresses) in due {
            self.dial_or_forget(peer, addresses);
        }
    }

    /// What changes slowly or costs more: the mesh, discovery's table, our record, the histogram of scores.
    fn look_around(&mut self) {
        let network = &*self.network;
        let gossip = &self.swarm.behaviour().gossip;
        for (version, hash) in BlockVersion::ALL.into_iter().zip(&self.topics) {
            network
                .metrics
                .mesh(version, gossip.mesh_peers(hash).count());
        }
        for peer in self.book.connected_peers() {
            if let Some(score) = gossip.peer_score(peer) {
                network.metrics.scored(score);
            }
        }
        let table = network
            .discovery
            .as_ref()
            .map(|discovery| discovery.table_len());
        let banned = network.gater.peers_out();
        network.stats.send_if_modified(|stats| {
            let before = *stats;
            stats.table = table.unwrap_or_default();
            stats.banned = banned;
            *stats != before
        });
        self.tell_local_node();
    }
}

/// Whether the clock that blocks are dated by is right, as far as we can tell.
pub(super) struct ClockWatch {
    last: Option<(SystemTime, Instant)>,
    distrusted_until: Option<Instant>,
    is_trusted: bool,
}

impl ClockWatch {
    pub(super) const fn new() -> Self {
        Self {
            last: None,
            distrusted_until: None,
            is_trusted: true,
        }
    }

    /// Compares the clock with time that passed, and with L1.
    pub(super) fn observe(&mut self, heads: &L1Heads, clock: SystemTime, now: Instant) -> bool {
        if let Some((last_clock, last)) = self.last.replace((clock, now)) {
            let passed = now.saturating_duration_since(last);
            let expected = last_clock + passed;
            let jump = clock
                .duration_since(expected)
                .unwrap_or_else(|error| error.duration());
            if jump > JUMP_MAX {
                warn!(?jump, "The clock of this machine was set");
                self.distrusted_until = Some(now + DISTRUST);
            }
        }
        let is_set = self.distrusted_until.is_some_and(|until| now < until);
        let unix = clock.duration_since(UNIX_EPOCH).unwrap_or_default();
        let head = Duration::from_secs(heads.head.timestamp);
        self.is_trusted = !is_set && unix.abs_diff(head) <= L1_HEAD_AGE_MAX;
        self.is_trusted
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use light_node_protocol::L1BlockRef;

    fn heads(timestamp: u64) -> L1Heads {
        L1Heads {
            head: L1BlockRef {
                timestamp,
                ..L1BlockRef::default()
            },
            ..L1Heads::default()
        }
    }

    #[test]
    fn a_clock_is_trusted_while_l1_agrees_with_it() {
        let (clock, now) = (UNIX_EPOCH + Duration::from_secs(1_000_000), Instant::now());
        let mut watch = ClockWatch::new();
        assert!(watch.observe(&heads(999_960), clock, now));
        assert!(!watch.observe(&heads(999_930), clock, now));
        assert!(!watch.observe(&heads(1_000_100), clock, now));
    }

    #[test]
    fn a_clock_that_was_set_is_not_trusted_for_a_minute() {
        let (clock, now) = (UNIX_EPOCH + Duration::from_secs(1_000_000), Instant::now());
        let second = Duration::from_secs(1);
        let mut watch = ClockWatch::new();
        assert!(watch.observe(&heads(1_000_000), clock, now));
        assert!(!watch.observe(&heads(1_000_000), clock + 5 * second, now + second));
        assert!(!watch.observe(&heads(1_000_000), clock + 6 * second, now + 2 * second));
        let later = Duration::from_secs(62);
        assert!(watch.observe(
            &heads(1_000_060),
            clock + 5 * second + later,
            now + second + later
        ));
    }
}
