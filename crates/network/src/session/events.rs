//! What the swarm tells.

use super::{Session, SessionError};
use crate::{
    behaviour::BehaviourEvent, discovery::Candidate, gater::Refusal, metrics::Dial,
    peer_info::Direction, peers::Identified,
};
use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    gossipsub::{self, TopicHash},
    identify, ping,
    swarm::{DialError, ListenError, SwarmEvent},
};
use std::{
    io,
    time::{Duration, Instant},
};
use tracing::{debug, warn};

/// How often a peer is let go and dialled again because its gossip did not come up.
const REOPENINGS_MAX: u8 = 3;
/// Time after a second connection until the peer gets a new one, from who dialled the one that stayed.
const RENEWAL_BY_DIALLER: Duration = Duration::from_secs(1);
/// The same from who was dialled.
const RENEWAL_BY_LISTENER: Duration = Duration::from_secs(4);
/// Least time between two new connections of a peer for that reason.
const RENEWAL_PAUSE: Duration = Duration::from_secs(20);
/// Least time between two words on trouble of the listener.
const TROUBLE_PAUSE: Duration = Duration::from_secs(60);
/// What a protocol of gossip begins with.
const MESHSUB: &str = "/meshsub/";

impl Session<'_> {
    /// Hears the swarm out.
    ///
    /// # Errors
    /// [`SessionError`] if it cannot go on.
    pub(super) fn on_event(
        &mut self,
        event: SwarmEvent<BehaviourEvent>,
    ) -> Result<(), SessionError> {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                endpoint,
                num_established,
                ..
            } => {
                self.on_established(peer_id, &endpoint);
                if num_established.get() > 1 {
                    self.note_double(peer_id);
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => self.on_closed(peer_id),
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => {
                self.on_dial_failed(peer_id, connection_id, &error);
                if let (Some(peer), DialError::Denied { .. }) = (peer_id, &error) {
                    self.note_double(peer);
                }
            }
            SwarmEvent::IncomingConnectionError { error, peer_id, .. } => {
                if let (Some(peer), ListenError::Denied { .. }) = (peer_id, &error) {
                    self.note_double(peer);
                }
                self.network.metrics.refused_inbound(reason_of(&error));
                debug!(%error, "An inbound connection came to nothing");
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => {
                let listeners = self.swarm.listeners().cloned();
                self.network.local.listens(listeners);
                self.tell_local_node();
            }
            SwarmEvent::ListenerError { error, .. } => self.on_listener_trouble(&error),
            SwarmEvent::ListenerClosed { reason, .. } => {
                let reason = reason
                    .err()
                    .unwrap_or_else(|| io::ErrorKind::NotConnected.into());
                return Err(SessionError::ListenerClosed(reason));
            }
            _ => {}
        }
        Ok(())
    }

    /// Who floods us until we have no sockets left should not fill our log, too.
    fn on_listener_trouble(&mut self, error: &io::Error) {
        let now = Instant::now();
        let is_recent = |at: Instant| now.saturating_duration_since(at) < TROUBLE_PAUSE;
        if !self.trouble_told_at.is_some_and(is_recent) {
            self.trouble_told_at = Some(now);
            warn!(%error, "The listener has trouble");
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            }) => self.on_message(propagation_source, message_id, message),
            BehaviourEvent::Gossip(gossipsub::Event::Subscribed { peer_id, topic }) => {
                self.on_subscription(&peer_id, &topic, true);
            }
            BehaviourEvent::Gossip(gossipsub::Event::Unsubscribed { peer_id, topic }) => {
                self.on_subscription(&peer_id, &topic, false);
            }
            // A word of a connection that is gone meanwhile would never be forgotten.
            BehaviourEvent::Gossip(gossipsub::Event::GossipsubNotSupported { peer_id })
                if self.book.is_connected(&peer_id) =>
            {
                self.deaf.insert(peer_id);
                self.reopen_if_deaf(peer_id);
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, info);
            }
            BehaviourEvent::Ping(ping::Event {
                peer,
                result: Ok(latency),
                ..
            }) => self.book.pinged(peer, latency),
            _ => {}
        }
    }

    fn on_established(&mut self, peer: PeerId, endpoint: &ConnectedPoint) {
        let direction = match endpoint {
            ConnectedPoint::Dialer { .. } => Direction::Outbound,
            ConnectedPoint::Listener { .. } => Direction::Inbound,
        };
        if direction == Direction::Outbound {
            self.network.metrics.dialled(Dial::Connected);
        }
        let address = endpoint.get_remote_address();
        self.book
            .connected(peer, direction, address, Instant::now());
        debug!(%peer, ?direction, "A peer is connected");
    }

    fn on_closed(&mut self, peer: PeerId) {
        debug!(%peer, "A peer is gone");
        self.book.disconnected(&peer);
        self.identified.remove(&peer);
        self.deaf.remove(&peer);
        self.doubled.remove(&peer);
        for reply in self.leaving.remove(&peer).into_iter().flatten() {
            let _ = reply.send(Ok(()));
        }
        if let Some(addresses) = self.again.remove(&peer) {
            self.dial_or_forget(peer, addresses);
        }
        self.on_lost(peer);
    }

    fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        // A word of a connection that is gone meanwhile.
        if !self.book.is_connected(&peer) {
            return;
        }
        self.book.identified(
            peer,
            Identified {
                user_agent: info.agent_version,
                protocol_version: info.protocol_version,
                protocols: info.protocols.iter().map(ToString::to_string).collect(),
            },
        );
        self.identified.insert(peer);
        self.connects.settle(&peer, &Ok(()));
        self.reopen_if_deaf(peer);
    }

    fn on_subscription(&mut self, peer: &PeerId, topic: &TopicHash, is_subscribed: bool) {
        if let Some(version) = self.topics.iter().position(|known| known == topic) {
            self.book
                .subscribed(peer, version, is_subscribed, Instant::now());
        }
    }

    /// The streams of gossip are given up after a few failures, and the connection then stays without it for ever. A peer that
    /// speaks gossip gets a new connection.
    fn reopen_if_deaf(&mut self, peer: PeerId) {
        if !self.deaf.contains(&peer) || !self.identified.contains(&peer) {
            return;
        }
        let Some(info) = self.book.info(&peer) else {
            return;
        };
        let mut protocols = info.protocols.iter().flatten();
        if !protocols.any(|protocol| protocol.starts_with(MESHSUB)) {
            return;
        }
        let Some(times) = self.reopened.get_or_insert(peer, || 0) else {
            return;
        };
        if *times >= REOPENINGS_MAX {
            return;
        }
        *times += 1;
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
    fn note_double(&mut self, peer: PeerId) {
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

    /// Discovery found somebody.
    pub(super) fn on_candidate(&mut self, candidate: Candidate) {
        let Candidate {
            peer,
            addresses,
            enr,
        } = candidate;
        if peer == self.network.local.peer_id() {
            return;
        }
        self.book.found(peer, enr, &addresses);
        if self.book.may_dial(peer, Instant::now()) {
            self.dial_or_forget(peer, addresses);
        }
    }

    pub(super) fn dial_or_forget(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        if let Err(error) = self.dial(peer, addresses) {
            self.book.dial_failed(&peer);
            debug!(%peer, %error, "A dial did not begin");
        }
    }

    pub(super) fn tell_local_node(&self) {
        let node = self.network.local.node(self.network.discovery.as_ref());
        self.network.local_node.send_if_modified(|known| {
            let is_new = *known != node;
            *known = node;
            is_new
        });
    }
}

/// Why somebody did not come in, as a metric's label.
fn reason_of(error: &ListenError) -> &'static str {
    match error {
        ListenError::Denied { cause } if cause.downcast_ref::<Refusal>().is_some() => "gater",
        ListenError::Denied { .. } => "limit",
        _ => "handshake",
    }
}
