//! What the swarm's task sees of discovery.

use crate::enr::BootnodeError;
use discv5::{Discv5, Enr};
use libp2p::{Multiaddr, PeerId};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use thiserror::Error;
use tokio::sync::{mpsc, watch};

/// Most records that are told of the table.
const TABLE_MAX: usize = 512;

/// Why discovery cannot begin.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// A bootnode is neither a record nor an `enode://` URL.
    #[error("cannot read the bootnode {text}")]
    Bootnode {
        /// What was given.
        text: String,
        /// What is wrong.
        #[source]
        source: BootnodeError,
    },
    /// The UDP port cannot be had.
    #[error("cannot bind the UDP port of discovery at {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Our record cannot be signed.
    #[error("cannot sign the node record")]
    Record {
        /// Why not.
        #[source]
        source: ::enr::Error,
    },
}

/// A node of our chain that the gater lets through. Nobody has talked with it yet.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Its identity in libp2p.
    pub(crate) peer: PeerId,
    /// Where it says to listen, at least one, each with `/p2p/<peer id>`.
    pub(crate) addresses: Vec<Multiaddr>,
    /// Its record.
    pub(crate) enr: Enr,
}

/// Whom discovery should not talk with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discovered {
    /// A node, by its peer id.
    Peer(PeerId),
    /// All at an address.
    Addr(IpAddr),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ban {
    pub(super) who: Discovered,
    /// For how long; `None` lifts it.
    pub(super) duration: Option<Duration>,
}

/// A door to discovery. Candidates come out of it, so there is one.
pub(crate) struct DiscoveryHandle {
    shared: Arc<Shared>,
    wants_peers: watch::Sender<bool>,
    bans: mpsc::Sender<Ban>,
    candidates: mpsc::Receiver<Candidate>,
}

impl DiscoveryHandle {
    pub(super) const fn new(
        shared: Arc<Shared>,
        wants_peers: watch::Sender<bool>,
        bans: mpsc::Sender<Ban>,
        candidates: mpsc::Receiver<Candidate>,
    ) -> Self {
        Self {
            shared,
            wants_peers,
            bans,
            candidates,
        }
    }

    /// The next candidate; `None` if discovery has ended. The same one comes again and again.
    ///
    /// # Cancel safety
    /// No candidate is lost.
    pub(crate) async fn candidate(&mut self) -> Option<Candidate> {
        self.candidates.recv().await
    }

    /// Our record as it is now: the address in it may have been learned meanwhile.
    pub(crate) fn local_enr(&self) -> Enr {
        self.shared.local_enr()
    }

    /// Our UDP socket's own address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The records in the routing table, of all chains, at most 512. Empty while the service is down.
    pub(crate) fn table(&self) -> Vec<Enr> {
        let running = self.shared.running();
        let mut table = running
            .map(|service| service.table_entries_enr())
            .unwrap_or_default();
        table.truncate(TABLE_MAX);
        table
    }

    /// How many there are.
    pub(crate) fn table_len(&self) -> usize {
        let running = self.shared.running();
        let count =
            running.map(|service| service.with_kbuckets(|table| table.read().iter_ref().count()));
        count.unwrap_or_default().min(TABLE_MAX)
    }

    /// Whether peers are wanted: if not, lookups go on at a quarter of their pace, so that the table stays fresh.
    pub(crate) fn want_peers(&self, are_wanted: bool) {
        self.wants_peers
            .send_if_modified(|wanted| std::mem::replace(wanted, are_wanted) != are_wanted);
    }

    /// Does not listen to somebody for a while. Who is a candidate or in the table is the gater's word alone, which is asked anew all
    /// the time; this only spares us the packets.
    ///
    /// # Backpressure
    /// Never waits: with 64 bans in line this one is dropped.
    pub(crate) fn ban(&self, who: Discovered, duration: Duration) {
        let _ = self.bans.try_send(Ban {
            who,
            duration: Some(duration),
        });
    }

    /// Takes that back.
    pub(crate) fn unban(&self, who: Discovered) {
        let _ = self.bans.try_send(Ban {
            who,
            duration: None,
        });
    }
}

/// What the task and the handle both see.
pub(super) struct Shared {
    address: SocketAddr,
    /// Our record at the start, and what the last service made of it.
    local: Mutex<Enr>,
    service: Mutex<Option<Arc<Discv5>>>,
}

impl Shared {
    pub(super) const fn new(local: Enr, address: SocketAddr) -> Self {
        Self {
            address,
            local: Mutex::new(local),
            service: Mutex::new(None),
        }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn local_enr(&self) -> Enr {
        match self.running() {
            Some(service) => service.local_enr(),
            None => lock(&self.local).clone(),
        }
    }

    pub(super) fn started(&self, service: Arc<Discv5>) {
        *lock(&self.service) = Some(service);
    }

    /// Lets the service go: it shuts down with its last owner.
    pub(super) fn stopped(&self) {
        let stopped = lock(&self.service).take();
        if let Some(service) = stopped {
            *lock(&self.local) = service.local_enr();
        }
    }

    fn running(&self) -> Option<Arc<Discv5>> {
        lock(&self.service).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
