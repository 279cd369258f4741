//! Who may be a peer at all. Everything that dials, lets in or hands out addresses asks the gater: the swarm through
//! [`GaterBehaviour`] and [`GatedTransport`], discovery before it names a candidate.
//!
//! Operators block peers, addresses and subnets until they unblock them; bad scores ban for a while. Both survive a restart.
//! They are kept apart, so that no flood of bans pushes out what an operator blocked.

mod behaviour;
mod store;
#[cfg(test)]
mod tests;
mod transport;

pub(crate) use behaviour::GaterBehaviour;
pub(crate) use transport::GatedTransport;

use ipnet::IpNet;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use schnellru::{ByLength, LruMap};
use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::Lists;
use thiserror::Error;

/// Most entries of one list: 2048 is far beyond what people block by hand, and a file of it stays below 200 KB.
pub(crate) const LIST_LENGTH_MAX: usize = 2048;

/// Why somebody is kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub(crate) enum Refusal {
    /// An operator blocked the peer.
    #[error("the peer is blocked")]
    BlockedPeer,
    /// An operator blocked the address.
    #[error("the address is blocked")]
    BlockedAddr,
    /// An operator blocked a subnet that the address is in.
    #[error("the subnet is blocked")]
    BlockedSubnet,
    /// The peer is banned for a while.
    #[error("the peer is banned")]
    BannedPeer,
    /// The address is in none of the networks that we are restricted to.
    #[error("the address is outside the allowed networks")]
    Restricted,
}

/// Why a list could not be read or changed.
#[derive(Debug, Error)]
pub enum GaterError {
    /// The file cannot be read.
    #[error("cannot read the list of blocked peers at {}", path.display())]
    Read {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is not such a list. Going on would let in whom an operator blocked.
    #[error("the list of blocked peers at {} is broken; mend it, or remove it to begin with an empty one", path.display())]
    Broken {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The change holds until a restart, but was not kept.
    #[error("cannot write the list of blocked peers to {}", path.display())]
    Write {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The list is as long as it may be.
    #[error("the list is full: {LIST_LENGTH_MAX} entries")]
    Full,
}

/// The lists, and who is let through. One per node, shared.
pub(crate) struct Gater {
    inner: Arc<Inner>,
    restricted_to: Vec<IpNet>,
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
}

struct Inner {
    rules: Mutex<Rules>,
    path: Option<PathBuf>,
    /// Held while the file is written, so that the newest lists are written last.
    writing: Mutex<()>,
    /// A write for bans waits for its turn and will have those that come until then, too: with a disk that is slow or stuck, there
    /// is one that waits and not one for each ban.
    is_write_due: AtomicBool,
}

struct Rules {
    peers: BTreeSet<PeerId>,
    addrs: BTreeSet<IpAddr>,
    subnets: BTreeSet<IpNet>,
    /// Until when, in seconds of Unix time: a ban outlives the process.
    peer_bans: LruMap<PeerId, u64, ByLength>,
}

impl Gater {
    /// A gater with the lists of `path`, if there is such a file.
    ///
    /// # Errors
    /// [`GaterError::Read`], [`GaterError::Broken`].
    pub(crate) fn new(
        restricted_to: Vec<IpNet>,
        path: Option<PathBuf>,
    ) -> Result<Arc<Self>, GaterError> {
        Self::with_clock(restricted_to, path, Box::new(SystemTime::now))
    }

    fn with_clock(
        restricted_to: Vec<IpNet>,
        path: Option<PathBuf>,
        clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    ) -> Result<Arc<Self>, GaterError> {
        let lists = path.as_deref().map_or(Ok(Lists::default()), store::read)?;
        let inner = Inner {
            rules: Mutex::new(Rules::from(lists)),
            path,
            writing: Mutex::new(()),
            is_write_due: AtomicBool::new(false),
        };
        Ok(Arc::new(Self {
            inner: Arc::new(inner),
            restricted_to,
            clock,
        }))
    }

    /// Whether an address may be dialled: by its IP address and by the peer at its end, as far as it names them. The address of
    /// a name is known when it is resolved; [`GatedTransport`] asks again then.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_dial(&self, address: &Multiaddr) -> Result<(), Refusal> {
        for part in address {
            match part {
                Protocol::Ip4(ip) => self.may_accept(ip.into())?,
                Protocol::Ip6(ip) => self.may_accept(ip.into())?,
                Protocol::P2p(peer) => self.may_have(&peer)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether somebody at an address may come in.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_accept(&self, addr: IpAddr) -> Result<(), Refusal> {
        let addr = addr.to_canonical();
        let is_allowed = self.restricted_to.is_empty()
            || self.restricted_to.iter().any(|net| net.contains(&addr));
        if !is_allowed {
            return Err(Refusal::Restricted);
        }
        let rules = self.inner.rules();
        if rules.addrs.contains(&addr) {
            return Err(Refusal::BlockedAddr);
        }
        if rules.subnets.iter().any(|net| net.contains(&addr)) {
            return Err(Refusal::BlockedSubnet);
        }
        Ok(())
    }

    /// Whether a peer may be connected.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_have(&self, peer: &PeerId) -> Result<(), Refusal> {
        let now = self.now();
        let rules = self.inner.rules();
        if rules.peers.contains(peer) {
            return Err(Refusal::BlockedPeer);
        }
        match rules.peer_bans.peek(peer) {
            Some(until) if *until > now => Err(Refusal::BannedPeer),
            _ => Ok(()),
        }
    }

    /// Blocks a peer until it is unblocked.
    ///
    /// # Errors
    /// [`GaterError::Full`], [`GaterError::Write`].
    pub(crate) fn block_peer(&self, peer: PeerId) -> Result<(), GaterError> {
        insert_bounded(&mut self.inner.rules().peers, peer)?;
        self.inner.keep()
    }

    /// Unblocks a peer, and lifts its ban.
    ///
    /// # Errors
    /// [`GaterError::Write`].
    pub(crate) fn unblock_peer(&self, peer: &PeerId) -> Result<(), GaterError> {
        {
            let mut rules = self.inner.rules();
            rules.peers.remove(peer);
            rules.peer_bans.remove(peer);
        }
        self.inner.keep()
    }

    /// The peers that an operator blocked.
    pub(crate) fn listed_peers(&self) -> Vec<PeerId> {
        self.inner.rules().peers.iter().copied().collect()
    }

    /// Blocks an address until it is unblocked.
    ///
    /// # Errors
    /// [`GaterError::Full`], [`GaterError::Write`].
    pub(crate) fn block_addr(&self, addr: IpAddr) -> Result<(), GaterError> {
        insert_bounded(&mut self.inner.rules().addrs, addr.to_canonical())?;
        self.inner.keep()
    }

    /// Unblocks an address.
    ///
    /// # Errors
    /// [`GaterError::Write`].
    pub(crate) fn unblock_addr(&self, addr: IpAddr) -> Result<(), GaterError> {
        self.inner.rules().addrs.remove(&addr.to_canonical());
        self.inner.keep()
    }

    /// The addresses that an operator blocked.
    pub(crate) fn listed_addrs(&self) -> Vec<IpAddr> {
        self.inner.rules().addrs.iter().copied().collect()
    }

    /// Blocks a subnet until it is unblocked.
    ///
    /// # Errors
    /// [`GaterError::Full`], [`GaterError::Write`].
    pub(crate) fn block_subnet(&self, subnet: IpNet) -> Result<(), GaterError> {
        insert_bounded(&mut self.inner.rules().subnets, subnet.trunc())?;
        self.inner.keep()
    }

    /// Unblocks a subnet.
    ///
    /// # Errors
    /// [`GaterError::Write`].
    pub(crate) fn unblock_subnet(&self, subnet: IpNet) -> Result<(), GaterError> {
        self.inner.rules().subnets.remove(&subnet.trunc());
        self.inner.keep()
    }

    /// The subnets that an operator blocked.
    pub(crate) fn listed_subnets(&self) -> Vec<IpNet> {
        self.inner.rules().subnets.iter().copied().collect()
    }

    /// Bans a peer for a while. The file is written beside the caller: a ban is set by the swarm's task, which must not wait for
    /// a disk.
    pub(crate) fn ban_peer(&self, peer: PeerId, duration: Duration) {
        let until = self.now().saturating_add(duration.as_secs());
        self.inner.rules().peer_bans.insert(peer, until);
        self.keep_beside();
    }

    /// How many peers are kept out, be they blocked or banned.
    pub(crate) fn peers_out(&self) -> usize {
        let now = self.now();
        let rules = self.inner.rules();
        let banned = rules.peer_bans.iter();
        let only_banned =
            banned.filter(|(peer, until)| **until > now && !rules.peers.contains(*peer));
        rules.peers.len() + only_banned.count()
    }

    fn now(&self) -> u64 {
        let since = (self.clock)().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_secs()
    }

    fn keep_beside(&self) {
        if self.inner.path.is_none() || self.inner.is_write_due.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = Arc::clone(&self.inner);
        let write = move || {
            if let Err(error) = inner.keep() {
                tracing::warn!(%error, "A ban was not kept; it ends with this process");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(write)),
            Err(_) => write(),
        }
    }
}

impl Inner {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        // No code panics while it holds the lock, and the lists would be whole if it did.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self) -> Result<(), GaterError> {
        let Some(path) = self.path.as_deref() else {
            return Ok(());
        };
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the lists are read: what comes after that asks for another write.
        self.is_write_due.store(false, Ordering::Release);
        let lists = Lists::from(&*self.rules());
        store::write(path, &lists).map_err(|source| GaterError::Write {
            path: Path::to_owned(path),
            source,
        })
    }
}

fn insert_bounded<T: Ord>(list: &mut BTreeSet<T>, entry: T) -> Result<(), GaterError> {
    if list.len() >= LIST_LENGTH_MAX && !list.contains(&entry) {
        return Err(GaterError::Full);
    }
    list.insert(entry);
    Ok(())
}

impl From<Lists> for Rules {
    fn from(lists: Lists) -> Self {
        let length = u32::try_from(LIST_LENGTH_MAX).unwrap_or(u32::MAX);
        let mut peer_bans = LruMap::new(ByLength::new(length));
        for (peer, until) in lists.peer_bans {
            peer_bans.insert(peer, until);
        }
        Self {
            peers: lists.peers,
            addrs: lists.addrs,
            subnets: lists.subnets,
            peer_bans,
        }
    }
}

impl From<&Rules> for Lists {
    fn from(rules: &Rules) -> Self {
        Self {
            peers: rules.peers.clone(),
            addrs: rules.addrs.clone(),
            subnets: rules.subnets.clone(),
            peer_bans: rules
                .peer_bans
                .iter()
                .map(|(peer, until)| (*peer, *until))
                .collect(),
        }
    }
}
