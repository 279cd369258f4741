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

/// Least time between two words on trouble of the listener.
const TROUBLE_PAUSE: Duration = Duration::from_secs(60);

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
            BehaviourEvent::Ping(event) => self.on_ping(event),
            _ => {}
        }
    }

    /// The library keeps the first failure of a row to itself, so who is told of here has not answered twice. Nobody else would end
    /// a connection whose other side went without a word: it stands for hours, and holds the peer's place.
    fn on_ping(&mut self, event: ping::Event) {
        match event.result {
            Ok(latency) => self.book.pinged(event.peer, latency),
            Err(failure) if is_silence(&failure) => {
                debug!(peer = %event.peer, "A peer does not answer pings; its connection is closed");
                self.swarm.close_connection(event.connection);
            }
            // It speaks, though no ping.
            Err(_) => {}
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
            // Another one may be under way already.
            if !matches!(error, DialError::DialPeerConditionFalse(_)) {
                self.tell_unreached(peer, &error);
            }
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

/// Whether nothing came back, rather than something that is no answer.
fn is_silence(failure: &ping::Failure) -> bool {
    match failure {
        ping::Failure::Timeout => true,
        ping::Failure::Other { error } => error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut),
        ping::Failure::Unsupported => false,
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
