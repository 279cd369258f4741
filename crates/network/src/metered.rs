//! Gossip with a meter before it: whatever a peer has us work is charged to that peer, also what never becomes a message that
//! somebody judges, such as a copy of a known block in another compression or a block on a foreign topic.

use crate::{
    behaviour::Gossip,
    budget::{Budgets, Work},
    standing::Standing,
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
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

/// Counts what is decompressed, and says when it is enough. Written by the transform of gossip and read by who calls it, both on the
/// swarm's task.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    /// Bytes that may still be decompressed of the RPC at hand.
    allowance: AtomicUsize,
    decompressed: AtomicUsize,
    shed: AtomicUsize,
    malformed: AtomicUsize,
}

/// Messages that were dropped before they had an id.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dropped {
    /// Not decompressed, because their senders or all together had sent too much.
    pub(crate) shed: usize,
    /// No snappy, or of no block's length.
    pub(crate) malformed: usize,
}

impl Meter {
    /// A message came that is refused as soon as it is seen, of so many bytes.
    pub(crate) fn refused(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A message came, whose decompression makes so many bytes; false if it is not to be decompressed.
    pub(crate) fn admit(&self, bytes: usize) -> bool {
        self.refused(bytes);
        let left = self.allowance.load(Ordering::Relaxed);
        let Some(left) = left.checked_sub(bytes) else {
            self.shed.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        self.allowance.store(left, Ordering::Relaxed);
        self.decompressed.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// A message on a topic of ours could not be decompressed.
    pub(crate) fn malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// An RPC comes of which so many bytes may be decompressed.
    pub(crate) fn open(&self, allowance: usize) {
        self.allowance.store(allowance, Ordering::Relaxed);
    }

    /// What was counted since the last time.
    fn take(&self) -> (Work, Dropped) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        let work = Work {
            messages: take(&self.messages),
            bytes: take(&self.bytes),
            decompressed: take(&self.decompressed),
        };
        let dropped = Dropped {
            shed: take(&self.shed),
            malformed: take(&self.malformed),
        };
        (work, dropped)
    }
}

/// Gossip, and the budgets of its peers.
pub(crate) struct MeteredGossip {
    inner: Gossip,
    meter: Arc<Meter>,
    budgets: Budgets,
    standing: Standing,
    dropped: Dropped,
}

impl MeteredGossip {
    /// `inner`, whose transform counts with `meter`.
    pub(crate) fn new(inner: Gossip, meter: Arc<Meter>, standing: Standing) -> Self {
        Self {
            inner,
            meter,
            budgets: Budgets::new(standing.clone()),
            standing,
            dropped: Dropped::default(),
        }
    }

    /// A peer has brought a good block.
    pub(crate) fn prove(&self, peer: PeerId) {
        self.standing.prove(peer, Instant::now());
    }

    /// Whether a peer has spent more than it may in this span.
    pub(crate) fn is_spent(&self, peer: &PeerId) -> bool {
        self.budgets.is_spent(peer, Instant::now())
    }

    /// Messages that were dropped before they had an id, since the last time.
    pub(crate) fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
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
        self.meter.open(self.budgets.allowance(peer, now));
        self.inner
            .on_connection_handler_event(peer, connection, event);
        let (work, dropped) = self.meter.take();
        self.dropped.shed += dropped.shed;
        self.dropped.malformed += dropped.malformed;
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
