//! Gossip with a meter before it: whatever a peer has us work is charged to that peer, also what never becomes a message that
//! somebody judges, such as a copy of a known block in another compression or a block on a foreign topic.

use crate::{
    behaviour::Gossip,
    budget::{Budgets, Work},
};
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    gossipsub,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
    },
};
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

/// Counts what is decompressed. Written by the transform of gossip and read by who calls it, both on the swarm's task.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    is_shut: AtomicBool,
}

impl Meter {
    /// A message came, whose decompression makes so many bytes; false if it is not to be decompressed.
    pub(crate) fn count(&self, bytes: usize) -> bool {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        !self.is_shut.load(Ordering::Relaxed)
    }

    fn shut(&self, is_shut: bool) {
        self.is_shut.store(is_shut, Ordering::Relaxed);
    }

    /// What was counted since the last time.
    fn take(&self) -> (usize, usize) {
        let messages = self.messages.swap(0, Ordering::Relaxed);
        (messages, self.bytes.swap(0, Ordering::Relaxed))
    }
}

/// Gossip, and the budgets of its peers.
pub(crate) struct MeteredGossip {
    inner: Gossip,
    meter: Arc<Meter>,
    budgets: Budgets,
    /// With scores gossip itself stops listening to who has spent too much. Without, its messages are not decompressed.
    is_scoring: bool,
}

impl MeteredGossip {
    /// `inner`, whose transform counts with `meter`.
    pub(crate) fn new(inner: Gossip, meter: Arc<Meter>, is_scoring: bool) -> Self {
        Self {
            inner,
            meter,
            budgets: Budgets::new(),
            is_scoring,
        }
    }

    /// Whether a peer has spent more than it may in this span.
    pub(crate) fn is_spent(&self, peer: &PeerId) -> bool {
        self.budgets.is_spent(peer, Instant::now())
    }

    /// Lets penalties go with time.
    pub(crate) fn recover(&mut self, now: Instant) {
        for (peer, score) in self.budgets.recover(now) {
            self.inner.set_application_score(&peer, score);
        }
    }
}

impl Deref for MeteredGossip {
    type Target = Gossip;

    fn deref(&self) -> &Gossip {
        &self.inner
    }
}

impl DerefMut for MeteredGossip {
    fn deref_mut(&mut self) -> &mut Gossip {
        &mut self.inner
    }
}

impl NetworkBehaviour for MeteredGossip {
    type ConnectionHandler = <Gossip as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = gossipsub::Event;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner
            .handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner
            .handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let now = Instant::now();
        self.meter
            .shut(!self.is_scoring && self.budgets.is_spent(&peer, now));
        self.inner
            .on_connection_handler_event(peer, connection, event);
        let (messages, bytes) = self.meter.take();
        let work = Work { messages, bytes };
        if let Err(excess) = self.budgets.spend(peer, work, now) {
            self.inner.set_application_score(&peer, excess.score);
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(context)
    }
}
