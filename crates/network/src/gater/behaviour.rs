//! The gater in the swarm: it stands first among the behaviours, so that whoever is refused reaches none of the others. It also
//! holds the limits of connections that go by address and by peer.

use super::Gater;
use crate::admission::{Admission, InboundLimits};
use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm,
        NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::ConnectionEstablished, dummy,
    },
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};
use thiserror::Error;

/// A second connection of a peer, of the direction that both sides let go.
#[derive(Debug, Error)]
#[error("the peer is connected already")]
pub(crate) struct AlreadyConnected;

/// Refuses connections in both directions, and keeps one connection per peer.
///
/// Of two connections of one peer both sides keep the one that the smaller peer id dialled, so that a simultaneous dial leaves
/// one and not none. A newer one of the same direction takes the place of the older: the peer knows better which one is dead.
/// The swarm reports the refused one as a denied dial although the peer is connected.
pub(crate) struct GaterBehaviour {
    gater: Arc<Gater>,
    local: PeerId,
    admission: Admission,
    exempt: HashSet<PeerId>,
    connections: HashMap<PeerId, Vec<Connection>>,
    closing: VecDeque<(PeerId, ConnectionId)>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy)]
struct Connection {
    id: ConnectionId,
    is_outbound: bool,
    addr: Option<IpAddr>,
}

impl GaterBehaviour {
    /// The gater of the node `local`.
    pub(crate) fn new(gater: Arc<Gater>, local: PeerId, limits: InboundLimits) -> Self {
        Self {
            gater,
            local,
            admission: Admission::new(limits),
            exempt: HashSet::new(),
            connections: HashMap::new(),
            closing: VecDeque::new(),
            waker: None,
        }
    }

    /// Lifts the limit of connections per address for a static or protected peer. It is still gated, and has one connection.
    pub(crate) fn exempt(&mut self, peer: PeerId) {
        self.exempt.insert(peer);
    }

    /// Takes that back.
    pub(crate) fn unexempt(&mut self, peer: &PeerId) {
        self.exempt.remove(peer);
    }

    fn may_establish(
        &mut self,
        peer: PeerId,
        address: &Multiaddr,
        is_outbound: bool,
    ) -> Result<(), ConnectionDenied> {
        self.gater.may_have(&peer).map_err(ConnectionDenied::new)?;
        let addr = ip_of(address);
        if let Some(addr) = addr {
            self.gater.may_accept(addr).map_err(ConnectionDenied::new)?;
        }
        let is_preferred = is_outbound == (self.local.to_bytes() < peer.to_bytes());
        let held = self.connections.get(&peer).into_iter().flatten();
        let has_better = held
            .clone()
            .any(|connection| connection.is_outbound != is_outbound && !is_preferred);
        if has_better {
            return Err(ConnectionDenied::new(AlreadyConnected));
        }
        let replaced = held.count();
        if let (Some(addr), 0, false) = (addr, replaced, self.exempt.contains(&peer)) {
            let check = self.admission.may_establish(addr);
            check.map_err(ConnectionDenied::new)?;
        }
        Ok(())
    }

    fn established(&mut self, peer: PeerId, connection: Connection) {
        let held = self.connections.entry(peer).or_default();
        self.closing.extend(held.iter().map(|old| (peer, old.id)));
        held.push(connection);
        if let Some(addr) = connection.addr {
            self.admission.established(addr);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn closed(&mut self, peer: PeerId, id: ConnectionId) {
        let Some(held) = self.connections.get_mut(&peer) else {
            return;
        };
        if let Some(at) = held.iter().position(|connection| connection.id == id)
            && let Some(addr) = held.swap_remove(at).addr
        {
            self.admission.closed(addr);
        }
        if held.is_empty() {
            self.connections.remove(&peer);
        }
    }
}

impl NetworkBehaviour for GaterBehaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(addr) = ip_of(remote) else {
            return Ok(());
        };
        self.gater.may_accept(addr).map_err(ConnectionDenied::new)?;
        let admitted = self.admission.admit(addr, Instant::now());
        admitted.map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.may_establish(peer, remote, false)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = peer {
            self.gater.may_have(&peer).map_err(ConnectionDenied::new)?;
        }
        // An address cannot be taken out of a dial: with one that is refused among others, the transport refuses that one.
        let mut refusals = addresses.iter().map(|address| self.gater.may_dial(address));
        match refusals.next() {
            Some(Err(refusal)) if refusals.all(|other| other.is_err()) => {
                Err(ConnectionDenied::new(refusal))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.may_establish(peer, address, true)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            }) => {
                let connection = Connection {
                    id: connection_id,
                    is_outbound: matches!(endpoint, ConnectedPoint::Dialer { .. }),
                    addr: ip_of(endpoint.get_remote_address()),
                };
                self.established(peer_id, connection);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                ..
            }) => self.closed(peer_id, connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection)) = self.closing.pop_front() {
            return Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(connection),
            });
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}
