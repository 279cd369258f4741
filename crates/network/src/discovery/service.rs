//! The life of one discv5 service.

use super::{Ban, Candidate, Discovered, Discovery, handle::Shared};
use crate::{
    admission::is_public,
    enr::{self, Bootnode, Enode},
    enr_store::RECORDS_MAX,
};
use ::enr::NodeId;
use discv5::{Discv5, Enr, Event};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use light_node_actor::{Backoff, CancellationToken};
use schnellru::{ByLength, LruMap};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    net::{UdpSocket, lookup_host},
    time::{Instant, interval_at, sleep_until},
};
use url::Host;

/// Nodes of our chain that a lookup ends with.
const LOOKUP_LENGTH: usize = 16;
/// With enough peers lookups are so many times slower.
const ENOUGH_FACTOR: u32 = 4;
/// Time between two savings of the records.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);
/// Least time between two words on a bootnode of which the operator has to know.
const TOLD_PAUSE: Duration = Duration::from_secs(60 * 60);
/// A service that lived so long was sound: the next restart comes soon.
const SOUND_AFTER: Duration = Duration::from_secs(60);

/// Why a service ended.
#[derive(Debug, Error)]
pub(super) enum Ended {
    #[error("it was cancelled")]
    Cancelled,
    #[error("the socket is of no use: {0}")]
    Socket(#[from] std::io::Error),
    #[error("the service does not take our settings: {0}")]
    Settings(&'static str),
    #[error("the service does not start: {0}")]
    Start(discv5::Error),
    #[error("the service has ended")]
    Service,
}

/// What comes back from a question.
enum Answer {
    Lookup(Vec<Enr>),
    Bootnode {
        index: usize,
        record: Result<Enr, NoRecord>,
    },
}

/// Why a bootnode has not told its record.
#[derive(Debug, Error)]
enum NoRecord {
    #[error("its name does not resolve: {0}")]
    Unresolved(#[from] std::io::Error),
    #[error("its name has no address of the kind that we listen at")]
    OtherFamily,
    #[error("it does not answer")]
    Silent,
}

/// One service, and what was found by it.
struct Service {
    discv5: Arc<Discv5>,
    shared: Arc<Shared>,
    questions: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Nodes of our chain, for the store.
    found: LruMap<NodeId, Enr, ByLength>,
    /// `enode://` bootnodes that have not told their record, by index.
    unresolved: Vec<(usize, Enode)>,
    /// When it was last told of one of them that it is of no use.
    told: BTreeMap<usize, Instant>,
    is_looking: bool,
    next_lookup: Instant,
}

impl Discovery {
    /// Runs a service until it dies or is cancelled.
    pub(super) async fn serve(
        &mut self,
        backoff: &mut Backoff,
        token: &CancellationToken,
    ) -> Ended {
        let mut service = match self.start().await {
            Ok(service) => service,
            Err(ended) => return ended,
        };
        let events = service.discv5.event_stream().await;
        let Ok(mut events) = events else {
            return Ended::Service;
        };
        let sound_at = Instant::now() + SOUND_AFTER;
        let mut saving = interval_at(Instant::now() + SAVE_INTERVAL, SAVE_INTERVAL);
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => {
                    self.save(service.records()).await;
                    return Ended::Cancelled;
                }
                Some(answer) = service.questions.next(), if !service.questions.is_empty() => {
                    self.on_answer(&mut service, answer);
                }
                Some(ban) = self.bans.recv() => service.ban(ban),
                Ok(()) = self.wants_peers.changed() => service.hurry(self.settings.interval),
                () = sleep_until(service.next_lookup), if !service.is_looking => self.look(&mut service),
                _ = saving.tick() => {
                    if Instant::now() >= sound_at {
                        backoff.reset();
                    }
                    self.save(service.records()).await;
                }
                // Last: a flood of these must not keep the rest waiting.
                event = events.recv() => match event {
                    Some(event) => self.on_event(&mut service, event),
                    None => return Ended::Service,
                },
            }
        }
    }

    async fn start(&mut self) -> Result<Service, Ended> {
        let socket = Arc::new(UdpSocket::from_std(self.socket.try_clone()?)?);
        let key = enr::discovery_key(&self.key);
        let config = self.service_config(socket);
        let mut discv5 =
            Discv5::new(self.shared.local_enr(), key, config).map_err(Ended::Settings)?;
        discv5.start().await.map_err(Ended::Start)?;
        let discv5 = Arc::new(discv5);
        self.shared.started(Arc::clone(&discv5));
        let length = u32::try_from(RECORDS_MAX).unwrap_or(u32::MAX);
        let mut service = Service {
            discv5,
            shared: Arc::clone(&self.shared),
            questions: FuturesUnordered::new(),
            found: LruMap::new(ByLength::new(length)),
            unresolved: Vec::new(),
            told: BTreeMap::new(),
            is_looking: false,
            next_lookup: Instant::now(),
        };
        for (index, bootnode) in self.settings.bootnodes.iter().enumerate() {
            match bootnode {
                Bootnode::Record(record) => service.add(record.as_ref().clone()),
                Bootnode::Enode(enode) => {
                    service.unresolved.push((index, enode.clone()));
                    service.ask(index, enode);
                }
            }
        }
        let stored = self.store.as_ref().map(crate::enr_store::EnrStore::load);
        for record in stored.unwrap_or_default() {
            if self.is_let_in(&record) {
                service.add(record.clone());
                self.offer(&mut service, record);
            }
        }
        Ok(service)
    }

    fn on_event(&self, service: &mut Service, event: Event) {
        match event {
            Event::Discovered(record) | Event::SessionEstablished(record, _) => {
                self.offer(service, record);
            }
            Event::NodeInserted { node_id, .. } => {
                let inserted = service.discv5.find_enr(&node_id);
                if inserted.is_some_and(|record| !self.is_let_in(&record)) {
                    service.discv5.remove_node(&node_id);
                }
            }
            Event::SocketUpdated(address) => {
                tracing::info!(%address, "Peers see us at this address; the node record says so now");
            }
            _ => {}
        }
    }

    fn on_answer(&self, service: &mut Service, answer: Answer) {
        match answer {
            Answer::Lookup(records) => {
                service.is_looking = false;
                for record in records {
                    self.offer(service, record);
                }
            }
            Answer::Bootnode {
                index,
                record: Ok(record),
            } => {
                service
                    .unresolved
                    .retain(|(unresolved, _)| *unresolved != index);
                service.add(record);
                service.next_lookup = Instant::now();
            }
            Answer::Bootnode {
                index,
                record: Err(cause),
            } => service.no_record(index, &cause),
        }
    }

    /// Starts a lookup, and asks the bootnodes again that have not answered.
    fn look(&self, service: &mut Service) {
        let wants = *self.wants_peers.borrow();
        let factor = if wants { 1 } else { ENOUGH_FACTOR };
        service.next_lookup = Instant::now() + self.settings.interval * factor;
        service.is_looking = true;
        self.sweep(service);
        let chain_id = self.settings.chain_id;
        let is_ours = Box::new(move |record: &Enr| enr::is_of_chain(record, chain_id));
        let lookup = service
            .discv5
            .find_node_predicate(NodeId::random(), is_ours, LOOKUP_LENGTH);
        let question = async move { Answer::Lookup(lookup.await.unwrap_or_default()) };
        service.questions.push(Box::pin(question));
        // One question at a time for each: those that are open are counted without the lookup.
        if service.questions.len() == 1 {
            for (index, enode) in service.unresolved.clone() {
                service.ask(index, &enode);
            }
        }
    }

    /// Drops from the table whom the gater keeps out by now.
    fn sweep(&self, service: &Service) {
        for record in service.discv5.table_entries_enr() {
            if !self.is_let_in(&record) {
                service.discv5.remove_node(&record.node_id());
            }
        }
    }

    /// Hands a node of our chain to the swarm.
    fn offer(&self, service: &mut Service, record: Enr) {
        let is_ours = enr::is_of_chain(&record, self.settings.chain_id);
        let is_self = record.node_id() == service.shared.local_enr().node_id();
        let Some(peer) = enr::peer_id_of(&record).filter(|_| is_ours && !is_self) else {
            return;
        };
        let mut addresses = enr::addresses_of(&record);
        addresses.retain(|address| self.gater.may_dial(address).is_ok());
        if is_elsewhere(&service.shared.local_enr()) {
            addresses.retain(|address| !enr::ips_in(address).any(enr::is_local));
        }
        if addresses.is_empty() {
            return;
        }
        service.found.insert(record.node_id(), record.clone());
        let candidate = Candidate {
            peer,
            addresses,
            enr: record,
        };
        let _ = self.candidates.try_send(candidate);
    }

    fn is_let_in(&self, record: &Enr) -> bool {
        let peer = enr::peer_id_of(record);
        let is_peer_allowed = peer.is_none_or(|peer| self.gater.may_have(&peer).is_ok());
        is_peer_allowed && enr::ips_of(record).all(|ip| self.gater.may_accept(ip).is_ok())
    }

    /// Keeps the records of a service.
    async fn save(&self, records: Vec<Enr>) {
        let Some(store) = self.store.clone() else {
            return;
        };
        let saved = tokio::task::spawn_blocking(move || store.save(&records)).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(%error, "Cannot keep the node records; a restart will begin with the bootnodes");
        }
    }
}

impl Service {
    /// Nodes of our chain first, then the routers.
    fn records(&self) -> Vec<Enr> {
        let found = self.found.iter().map(|(_, record)| record.clone());
        let mut records = found.collect::<Vec<_>>();
        let mut routers = self.discv5.table_entries_enr();
        routers.retain(|record| self.found.peek(&record.node_id()).is_none());
        records.append(&mut routers);
        records
    }

    fn add(&self, record: Enr) {
        if let Err(cause) = self.discv5.add_enr(record.clone()) {
            tracing::debug!(record = %record, cause, "A node record is of no use as a router");
        }
    }

    /// Bootnodes come and go, and discovery lives on those that are there; a wrong name would be wrong for ever.
    fn no_record(&mut self, index: usize, cause: &NoRecord) {
        if matches!(cause, NoRecord::Silent) {
            return;
        }
        let now = Instant::now();
        let is_recent = |at: &Instant| now.duration_since(*at) < TOLD_PAUSE;
        if self.told.get(&index).is_some_and(is_recent) {
            return;
        }
        let unresolved = self.unresolved.iter();
        for (_, enode) in unresolved.filter(|(unresolved, _)| *unresolved == index) {
            tracing::warn!(
                host = %enode.host, peer = %enode.peer, %cause,
                "A bootnode is of no use; mend or remove it in --p2p.bootnodes"
            );
            self.told.insert(index, now);
        }
    }

    fn ask(&self, index: usize, enode: &Enode) {
        let discv5 = Arc::clone(&self.discv5);
        let enode = enode.clone();
        let question = async move {
            let record = resolve(&discv5, &enode).await;
            Answer::Bootnode { index, record }
        };
        self.questions.push(Box::pin(question));
    }

    /// Peers are wanted again, or no more: the next lookup comes accordingly.
    fn hurry(&mut self, interval: Duration) {
        self.next_lookup = self.next_lookup.min(Instant::now() + interval);
    }

    fn ban(&self, ban: Ban) {
        match ban.who {
            Discovered::Peer(peer) => self.ban_peer(&peer, ban.duration),
            Discovered::Addr(addr) => self.ban_addr(addr, ban.duration),
        }
    }

    // The library has one list of bans per process. With several nodes in one process they all are on loopback or a private
    // network; only addresses of the internet go to that list.

    fn ban_peer(&self, peer: &PeerId, duration: Option<Duration>) {
        let Some(node_id) = enr::node_id_of(peer).map(|id| NodeId::new(&id.0)) else {
            return;
        };
        let record = self.discv5.find_enr(&node_id);
        let is_on_internet = record.is_some_and(|record| enr::ips_of(&record).any(is_public));
        match duration {
            Some(_) if is_on_internet => self.discv5.ban_node(&node_id, duration),
            Some(_) => drop(self.discv5.remove_node(&node_id)),
            None => self.discv5.ban_node_remove(&node_id),
        }
    }

    fn ban_addr(&self, addr: IpAddr, duration: Option<Duration>) {
        if duration.is_none() {
            self.discv5.ban_ip_remove(&addr);
            return;
        }
        if is_public(addr) {
            self.discv5.ban_ip(addr, duration);
        }
    }
}

/// Whether we are known by an address that others than this machine have: then those that we look for are not on it.
fn is_elsewhere(ours: &Enr) -> bool {
    let mut ips = enr::ips_of(ours).peekable();
    ips.peek().is_some() && !ips.any(enr::is_local)
}

/// Asks a bootnode for its record, which must be of the key that it is known by.
async fn resolve(discv5: &Discv5, enode: &Enode) -> Result<Enr, NoRecord> {
    let ip = match &enode.host {
        Host::Ipv4(ip) => IpAddr::V4(*ip),
        Host::Ipv6(ip) => IpAddr::V6(*ip),
        Host::Domain(name) => {
            let is_v6 = discv5.local_enr().udp6().is_some();
            let mut found = lookup_host((name.as_str(), enode.udp_port)).await?;
            let found = found.find(|found: &SocketAddr| found.is_ipv6() == is_v6);
            found.ok_or(NoRecord::OtherFamily)?.ip()
        }
    };
    let address = Multiaddr::from(ip)
        .with(Protocol::Udp(enode.udp_port))
        .with(Protocol::P2p(enode.peer));
    let asked = discv5.request_enr(address).await;
    let told = asked
        .ok()
        .filter(|record| enr::peer_id_of(record) == Some(enode.peer));
    told.ok_or(NoRecord::Silent)
}
