//! The book of peers and its rules.

use super::{
    record::{Connection, Identified, Record},
    statics::StaticPeers,
};
use crate::{
    config::{BanConfig, NetworkConfig, Pace, PeerLimits},
    peer_info::{Direction, GossipScores, PeerInfo, PeerStats},
};
use libp2p::{Multiaddr, PeerId};
use schnellru::{ByLength, LruMap};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

/// Peers that are remembered after they went.
const RECORDS_MAX: u32 = 1024;
/// A candidate is not dialled again for so long: those that are gone should not take the place of others.
const CANDIDATE_PAUSE: Duration = Duration::from_secs(60);
/// Dials of candidates at a time.
const DIALS_MAX: usize = 4;
/// A dial of which nothing was heard is forgotten after this: above every timeout of the transport.
const DIAL_FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// The peers, and what should become of them.
pub(crate) struct PeerBook {
    limits: PeerLimits,
    bans: Option<BanConfig>,
    pace: Pace,
    connected: HashMap<PeerId, Connection>,
    /// Of those that are not connected: what is known of a peer that is there is not pushed out by news of others.
    records: LruMap<PeerId, Record, ByLength>,
    statics: StaticPeers,
    protected: BTreeSet<PeerId>,
    /// Disconnected by command, until connected by command, or by itself if it is a static peer. Bounded like the records; the oldest command is forgotten first.
    let_go: LruMap<PeerId, (), ByLength>,
    /// Candidates that were dialled, and when.
    dialled: LruMap<PeerId, Instant, ByLength>,
    dialling: HashMap<PeerId, Instant>,
}

impl PeerBook {
    /// An empty book.
    pub(crate) fn new(config: &NetworkConfig) -> Self {
        let statics = StaticPeers::new(&config.static_peers, config.pace.static_redial);
        let mut book = Self {
            limits: config.peers,
            bans: config.bans,
            pace: config.pace,
            connected: HashMap::new(),
            records: LruMap::new(ByLength::new(RECORDS_MAX)),
            statics,
            protected: BTreeSet::new(),
            let_go: LruMap::new(ByLength::new(RECORDS_MAX)),
            dialled: LruMap::new(ByLength::new(RECORDS_MAX)),
            dialling: HashMap::new(),
        };
        for (peer, addresses) in book.statics.iter() {
            let record = Record {
                addresses: addresses.to_vec(),
                ..Record::default()
            };
            book.records.insert(*peer, record);
        }
        book
    }

    // What happened.

    /// A peer is connected. A second connection that takes the place of the first is told by another call of this.
    pub(crate) fn connected(
        &mut self,
        peer: PeerId,
        direction: Direction,
        address: &Multiaddr,
        now: Instant,
    ) {
        self.dialling.remove(&peer);
        // What it subscribed to is the peer's and not the connection's.
        let held = self.connected.entry(peer).or_insert_with(|| Connection {
            record: self.records.remove(&peer).unwrap_or_default(),
            direction,
            since: now,
            topics: [false; 4],
            shared_at: now,
        });
        held.direction = direction;
        match direction {
            // The port from which a peer came is not the one at which it listens.
            Direction::Inbound => {
                held.record.came_from = Some(address.clone());
                // A static peer that was sent away and came back by itself is one again; a guest that did is still not looked for.
                if self.statics.contains(&peer) {
                    self.let_go.remove(&peer);
                }
            }
            _ => held.record.add_address(address),
        }
    }

    /// Its last connection is gone.
    pub(crate) fn disconnected(&mut self, peer: &PeerId) {
        if let Some(connection) = self.connected.remove(peer) {
            self.records.insert(*peer, connection.record);
        }
    }

    /// A dial failed.
    pub(crate) fn dial_failed(&mut self, peer: &PeerId) {
        self.dialling.remove(peer);
    }

    /// A peer said what it is.
    pub(crate) fn identified(&mut self, peer: PeerId, identified: Identified) {
        if let Some(record) = self.record(peer) {
            record.identified = Some(identified.bounded());
        }
    }

    /// A peer answered a ping.
    pub(crate) fn pinged(&mut self, peer: PeerId, latency: Duration) {
        if let Some(record) = self.record(peer) {
            record.latency = latency;
        }
    }

    /// A peer subscribed to the block topic of a version, 0 to 3, or left it.
    pub(crate) fn subscribed(
        &mut self,
        peer: &PeerId,
        version: usize,
        is_subscribed: bool,
        now: Instant,
    ) {
        let Some(connection) = self.connected.get_mut(peer) else {
            return;
        };
        if connection.is_sharing() {
            connection.shared_at = now;
        }
        if let Some(topic) = connection.topics.get_mut(version) {
            *topic = is_subscribed;
        }
    }

    /// The scores of a peer at this moment.
    pub(crate) fn scored(&mut self, peer: PeerId, scores: GossipScores) {
        if let Some(record) = self.record(peer) {
            record.scores = scores;
        }
    }

    /// Discovery found a peer's record.
    pub(crate) fn found(&mut self, peer: PeerId, enr: discv5::Enr, addresses: &[Multiaddr]) {
        let Some(record) = self.record(peer) else {
            return;
        };
        record.enr = Some(enr);
        for address in addresses {
            record.add_address(address);
        }
    }

    /// An operator names an address of a peer.
    pub(crate) fn reached_at(&mut self, peer: PeerId, address: &Multiaddr) {
        if let Some(record) = self.record(peer) {
            record.add_address(address);
        }
    }

    // What an operator says.

    /// Keeps a peer from being pruned and banned.
    pub(crate) fn protect(&mut self, peer: PeerId) {
        self.protected.insert(peer);
    }

    /// Takes that back. A static peer stays what it is.
    pub(crate) fn unprotect(&mut self, peer: &PeerId) {
        self.protected.remove(peer);
    }

    /// A peer is to be gone for good: it is not dialled until [`Self::connect`], or until it has come by itself if it is static.
    pub(crate) fn disconnect(&mut self, peer: PeerId) {
        self.let_go.insert(peer, ());
    }

    /// A peer is dialled by command.
    pub(crate) fn connect(&mut self, peer: PeerId, now: Instant) {
        self.let_go.remove(&peer);
        self.dialling.insert(peer, now);
    }

    // What to do.

    /// Whether more peers are wanted.
    pub(crate) fn wants_peers(&self) -> bool {
        self.connected.len() < self.limits.low
    }

    /// Whether a candidate should be dialled now. If so, it counts as being dialled until it is connected or has failed.
    pub(crate) fn may_dial(&mut self, peer: PeerId, now: Instant) -> bool {
        self.forget_dials(now);
        let is_recent = self
            .dialled
            .peek(&peer)
            .is_some_and(|at| now.saturating_duration_since(*at) < CANDIDATE_PAUSE);
        let is_enough = self.connected.len() + self.dialling.len() >= self.limits.low;
        let is_busy = self.dialling.len() >= DIALS_MAX;
        if is_recent || is_enough || is_busy || !self.is_absent(&peer) {
            return false;
        }
        self.dialled.insert(peer, now);
        self.dialling.insert(peer, now);
        true
    }

    /// Whether it is to be told that a peer cannot be reached: if it is a static one, and once in a while.
    pub(crate) fn is_news(&mut self, unreached: &PeerId, now: Instant) -> bool {
        self.statics.is_news(unreached, now)
    }

    /// Addresses of static peers to be dialled now: at first at once, then after ever longer pauses.
    pub(crate) fn redial(&mut self, now: Instant) -> Vec<Multiaddr> {
        self.forget_dials(now);
        let mut statics = std::mem::take(&mut self.statics);
        let due = statics.due(now, |peer| self.is_absent(peer));
        self.statics = statics;
        due
    }

    /// Peers to be let go now: those that share no topic with us after a while, and the worst of those that are too many.
    pub(crate) fn prune(&self, now: Instant) -> Vec<PeerId> {
        let free = self
            .connected
            .iter()
            .filter(|(peer, _)| !self.is_kept(peer));
        let (unshared, mut others): (Vec<_>, Vec<_>) = free.partition(|(_, connection)| {
            let is_long =
                now.saturating_duration_since(connection.shared_at) >= self.pace.unshared_max;
            !connection.is_sharing() && is_long
        });
        let excess = self
            .connected
            .len()
            .saturating_sub(unshared.len())
            .saturating_sub(self.limits.high);
        others.retain(|(_, connection)| {
            now.saturating_duration_since(connection.since) >= self.limits.grace
        });
        // Of equal scores the one that came last goes; the peer id only makes the order certain.
        others.sort_by(|(peer, connection), (other, than)| {
            let by_score = self.score(peer).total_cmp(&self.score(other));
            by_score
                .then_with(|| than.since.cmp(&connection.since))
                .then_with(|| peer.cmp(other))
        });
        let worst = others.into_iter().take(excess);
        unshared
            .into_iter()
            .chain(worst)
            .map(|(peer, _)| *peer)
            .collect()
    }

    /// Peers that we dialled and that have told no topic of ours for longer than it takes.
    pub(crate) fn silent(&self, now: Instant) -> Vec<PeerId> {
        let silent = self.connected.iter().filter(|(_, connection)| {
            let silence = now.saturating_duration_since(connection.shared_at);
            let is_outbound = connection.direction == Direction::Outbound;
            is_outbound && !connection.is_sharing() && silence >= self.pace.silent_max
        });
        silent.map(|(peer, _)| *peer).collect()
    }

    /// Connected peers whose score bans them, and for how long.
    pub(crate) fn to_ban(&self) -> Vec<(PeerId, Duration)> {
        let Some(bans) = self.bans else {
            return Vec::new();
        };
        let free = self.connected.keys().filter(|peer| !self.is_kept(peer));
        let bad = free.filter(|peer| self.score(peer) < bans.threshold);
        bad.map(|peer| (*peer, bans.duration)).collect()
    }

    /// Whether a peer is never pruned: static or protected.
    pub(crate) fn is_kept(&self, peer: &PeerId) -> bool {
        self.statics.contains(peer) || self.protected.contains(peer)
    }

    /// Whether a peer is connected.
    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.connected.contains_key(peer)
    }

    /// The connected peers.
    pub(crate) fn connected_peers(&self) -> impl Iterator<Item = &PeerId> {
        self.connected.keys()
    }

    /// Where a peer may be dialled: addresses that were found, named or dialled, and none from which it came.
    pub(crate) fn dialable(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let record = match self.connected.get(peer) {
            Some(connection) => Some(&connection.record),
            None => self.records.peek(peer),
        };
        record.map_or_else(Vec::new, |record| record.dialable(*peer))
    }

    // What is told.

    /// All that is known of one peer.
    pub(crate) fn info(&self, peer: &PeerId) -> Option<PeerInfo> {
        let connection = self.connected.get(peer);
        let record = match connection {
            Some(connection) => &connection.record,
            None => self.records.peek(peer)?,
        };
        Some(record.info(*peer, connection, self.is_kept(peer)))
    }

    /// The connected peers, or all that are known.
    pub(crate) fn infos(&self, connected_only: bool) -> BTreeMap<PeerId, PeerInfo> {
        let known = self.records.iter().map(|(peer, _)| peer);
        let peers = self
            .connected
            .keys()
            .chain(known.filter(|_| !connected_only));
        let infos = peers.filter_map(|peer| Some((*peer, self.info(peer)?)));
        infos.collect()
    }

    /// Peers in numbers, without what discovery and the gater know.
    pub(crate) fn stats(&self) -> PeerStats {
        let mut block_topics = [0; 4];
        for connection in self.connected.values() {
            for (count, is_subscribed) in block_topics.iter_mut().zip(connection.topics) {
                *count += usize::from(is_subscribed);
            }
        }
        PeerStats {
            connected: self.connected.len(),
            table: 0,
            block_topics,
            banned: 0,
            known: self.connected.len() + self.records.len(),
        }
    }

    /// There always is one: a list that holds a thousand takes one more by dropping the oldest.
    fn record(&mut self, peer: PeerId) -> Option<&mut Record> {
        match self.connected.get_mut(&peer) {
            Some(connection) => Some(&mut connection.record),
            None => self.records.get_or_insert(peer, Record::default),
        }
    }

    fn score(&self, peer: &PeerId) -> f64 {
        let connection = self.connected.get(peer);
        connection.map_or(0.0, |connection| connection.record.scores.total)
    }

    /// Neither there, nor on its way, nor sent away.
    fn is_absent(&self, peer: &PeerId) -> bool {
        let is_here = self.connected.contains_key(peer) || self.dialling.contains_key(peer);
        !is_here && self.let_go.peek(peer).is_none()
    }

    fn forget_dials(&mut self, now: Instant) {
        self.dialling
            .retain(|_, since| now.saturating_duration_since(*since) < DIAL_FORGOTTEN_AFTER);
    }
}
