//! Finding peers. One task owns discv5; it walks the network of all chains, which route for each other, and hands out only nodes of
//! our chain that the gater lets through. Gossip goes on without it: when the service dies, it is started again.

mod handle;
mod service;
#[cfg(test)]
mod tests;

pub use handle::DiscoveryError;
pub(crate) use handle::{Candidate, Discovered, DiscoveryHandle};

use crate::{
    config::{DiscoveryConfig, NetworkConfig},
    enr::{self, Bootnode, LocalRecord},
    enr_store::EnrStore,
    gater::Gater,
};
use discv5::{ConfigBuilder, ListenConfig};
use handle::{Ban, Shared};
use libp2p::identity::secp256k1;
use light_node_actor::{Backoff, CancellationToken};
use service::Ended;
use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{mpsc, watch};

/// Candidates that wait to be dialled. Full: the candidate is dropped; a later lookup finds it again.
const CANDIDATES_MAX: usize = 64;
/// Bans that wait to be taken over. Full: dropped; the gater holds them anyway.
const BANS_MAX: usize = 64;
/// Time before a service that died is started again.
const RESTART_FIRST: Duration = Duration::from_secs(1);
const RESTART_MAX: Duration = Duration::from_secs(60);

/// Discovery before it runs. Its socket is bound.
pub(crate) struct Discovery {
    settings: Settings,
    key: secp256k1::Keypair,
    socket: UdpSocket,
    shared: Arc<Shared>,
    gater: Arc<Gater>,
    store: Option<EnrStore>,
    candidates: mpsc::Sender<Candidate>,
    wants_peers: watch::Receiver<bool>,
    bans: mpsc::Receiver<Ban>,
}

struct Settings {
    chain_id: u64,
    bootnodes: Vec<Bootnode>,
    interval: Duration,
    /// Whether peers' word on our address changes our record.
    is_learning_ip: bool,
    /// Whether the limits per address of discv5 are on. On loopback all nodes have one address.
    is_limited: bool,
}

/// Whether a bootnode can be read, for who judges a configuration before anything starts.
///
/// # Errors
/// [`DiscoveryError::Bootnode`] if it is neither a record nor an `enode://` URL.
pub fn check_bootnode(text: &str) -> Result<(), DiscoveryError> {
    read_bootnode(text).map(|_| ())
}

fn read_bootnode(text: &str) -> Result<Bootnode, DiscoveryError> {
    text.parse().map_err(|source| DiscoveryError::Bootnode {
        text: text.to_owned(),
        source,
    })
}

impl Discovery {
    /// Reads the bootnodes, binds the UDP socket and signs our record. `tcp_port` is the port that libp2p really has.
    ///
    /// # Errors
    /// [`DiscoveryError`].
    pub(crate) fn new(
        config: &NetworkConfig,
        discovery: &DiscoveryConfig,
        tcp_port: u16,
        gater: Arc<Gater>,
    ) -> Result<(Self, DiscoveryHandle), DiscoveryError> {
        let bootnodes = discovery.bootnodes.iter().map(|text| read_bootnode(text));
        let bootnodes = bootnodes.collect::<Result<_, _>>()?;
        let (socket, address) = bind(config, tcp_port)?;
        let record = local_record(config, tcp_port, address);
        let signed = record.sign(&enr::discovery_key(&config.key));
        let local = signed.map_err(|source| DiscoveryError::Record { source })?;
        let settings = Settings {
            chain_id: record.chain_id,
            bootnodes,
            interval: discovery.interval,
            is_learning_ip: config.advertise.ip.is_none() && !address.ip().is_loopback(),
            is_limited: !address.ip().is_loopback(),
        };
        let shared = Arc::new(Shared::new(local, address));
        let (candidates, found) = mpsc::channel(CANDIDATES_MAX);
        let (wants, wants_peers) = watch::channel(true);
        let (ban, bans) = mpsc::channel(BANS_MAX);
        let handle = DiscoveryHandle::new(Arc::clone(&shared), wants, ban, found);
        let discovery = Self {
            settings,
            key: config.key.clone(),
            socket,
            shared,
            gater,
            store: discovery.store_path.clone().map(EnrStore::new),
            candidates,
            wants_peers,
            bans,
        };
        Ok((discovery, handle))
    }

    /// Looks for peers until cancelled.
    pub(crate) async fn run(mut self, token: CancellationToken) {
        let mut backoff = Backoff::new(RESTART_FIRST, RESTART_MAX);
        loop {
            let ended = self.serve(&mut backoff, &token).await;
            self.shared.stopped();
            if matches!(ended, Ended::Cancelled) {
                break;
            }
            let delay = backoff.next_delay();
            tracing::warn!(cause = %ended, ?delay, "Discovery died; starting it again");
            let waited = tokio::time::sleep(delay);
            if token.run_until_cancelled(waited).await.is_none() {
                break;
            }
        }
    }

    fn service_config(&self, socket: Arc<tokio::net::UdpSocket>) -> discv5::Config {
        let is_v6 = self.shared.address().is_ipv6();
        let (ipv4, ipv6) = if is_v6 {
            (None, Some(socket))
        } else {
            (Some(socket), None)
        };
        let mut builder = ConfigBuilder::new(ListenConfig::FromSockets { ipv4, ipv6 });
        if self.settings.is_limited {
            builder.enable_packet_filter().ip_limit();
        }
        if !self.settings.is_learning_ip {
            // Either alone would let the address go: by votes, or when nobody came in for five minutes.
            builder.disable_enr_update().auto_nat_listen_duration(None);
        }
        builder.build()
    }
}

/// Binds the UDP port: the configured one, else the number of the TCP port. If both were left to us and somebody has that
/// number, any.
fn bind(config: &NetworkConfig, tcp_port: u16) -> Result<(UdpSocket, SocketAddr), DiscoveryError> {
    let listen = config.listen;
    let port = if listen.udp_port == 0 {
        tcp_port
    } else {
        listen.udp_port
    };
    let is_any = listen.udp_port == 0 && listen.tcp_port == 0;
    let wanted = SocketAddr::new(listen.ip, port);
    let bound = match UdpSocket::bind(wanted) {
        Err(error) if is_any && error.kind() == io::ErrorKind::AddrInUse => {
            UdpSocket::bind(SocketAddr::new(listen.ip, 0))
        }
        bound => bound,
    };
    let bound = bound.and_then(|socket| {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    });
    bound.map_err(|source| DiscoveryError::Bind {
        address: wanted,
        source,
    })
}

fn local_record(config: &NetworkConfig, tcp_port: u16, udp: SocketAddr) -> LocalRecord {
    let advertise = config.advertise;
    let listened = Some(udp.ip()).filter(|ip: &IpAddr| !ip.is_unspecified());
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since_epoch.unwrap_or_default().as_millis();
    LocalRecord {
        chain_id: config.rollup_config.l2_chain_id,
        ip: advertise.ip.filter(|ip| !ip.is_unspecified()).or(listened),
        is_v6: udp.is_ipv6(),
        tcp_port: advertise.tcp_port.unwrap_or(tcp_port),
        udp_port: advertise.udp_port.unwrap_or(udp.port()),
        // Higher at each start than all before, so that others take the new record for the old.
        seq: u64::try_from(millis).unwrap_or(1),
    }
}
