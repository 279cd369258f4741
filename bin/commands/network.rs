//! The network as the flags describe it. What can be judged without touching anything is judged first; directories, key and names
//! are seen to when the node starts.

use crate::{
    args::{
        node::NodeArgs,
        p2p::{MEMORY, P2pArgs, Scoring},
    },
    commands::sequencer,
};
use eyre::{Report, WrapErr, bail, eyre};
use libp2p::identity::secp256k1::Keypair;
use light_node_network::{
    Advertise, BanConfig, DiscoveryConfig, GossipConfig, Listen, NetworkConfig, PeerLimits,
    Timeouts, built_in_bootnodes, check_bootnode, load_or_create_node_key, node_key_from_hex,
};
use light_node_protocol::RollupConfig;
use std::{
    env,
    fs::{self, File},
    net::{IpAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    sync::Arc,
};
use tracing::warn;

/// Names of the files in `--p2p.dir`.
const KEY_FILE: &str = "node.key";
const BLOCKED_FILE: &str = "blocked.json";
const NODES_FILE: &str = "nodes.txt";
const LOCK_FILE: &str = "lock";

/// The network, if there is to be one. The key, the addresses that are told and the files are those of [`open`].
pub(crate) fn judge(
    args: &NodeArgs,
    rollup_config: &Arc<RollupConfig>,
    faults: &mut Vec<Report>,
) -> Option<NetworkConfig> {
    let p2p = &args.p2p;
    if p2p.disable {
        return None;
    }
    let before = faults.len();
    faults.extend(numbers(p2p).err());
    faults.extend(ports(args).err());
    // Nobody reads them without discovery.
    if !p2p.no_discovery {
        let named = p2p.bootnodes.iter();
        let unread = named.filter_map(|it| check_bootnode(it).err());
        faults.extend(unread.map(|fault| Report::new(fault).wrap_err("--p2p.bootnodes")));
    }
    let key = key(p2p).map_err(|fault| faults.push(fault)).ok();
    let signer = sequencer::signer(&args.sequencer);
    let signer = signer.map_err(|fault| faults.push(fault)).ok()?;
    if faults.len() > before {
        return None;
    }
    let mut config = NetworkConfig::new(rollup_config.clone(), key?);
    config.listen = Listen {
        ip: p2p.listen_ip,
        tcp_port: p2p.listen_tcp,
        udp_port: p2p.listen_udp,
    };
    let some_port = |port: u16| (port != 0).then_some(port);
    config.advertise = Advertise {
        ip: None,
        tcp_port: some_port(p2p.advertise_tcp),
        udp_port: some_port(p2p.advertise_udp),
    };
    config.discovery = (!p2p.no_discovery).then(|| DiscoveryConfig {
        bootnodes: bootnodes(p2p, rollup_config),
        store_path: None,
        interval: p2p.discovery_interval,
    });
    config.static_peers = p2p.static_peers.clone();
    config.netrestrict = p2p.netrestrict.clone();
    config.peers = PeerLimits {
        low: p2p.peers_low,
        high: p2p.peers_high,
        grace: p2p.peers_grace,
    };
    config.is_scoring = p2p.scoring == Scoring::Light;
    config.bans = p2p.ban_peers.then_some(BanConfig {
        threshold: p2p.ban_threshold,
        duration: p2p.ban_duration,
    });
    config.gossip = GossipConfig {
        mesh: p2p.mesh,
        mesh_low: p2p.mesh_low,
        mesh_high: p2p.mesh_high,
        lazy: p2p.mesh_lazy,
        is_flood_publishing: p2p.flood_publish,
        age_max: p2p.timestamp_threshold,
    };
    config.timeouts = Timeouts {
        negotiation: p2p.timeout_negotiation,
        accept: p2p.timeout_accept,
        dial: p2p.timeout_dial,
    };
    config.user_agent = p2p.user_agent.clone();
    config.is_pinging = p2p.ping;
    config.signer = signer.filter(|_| args.sequencer.enabled);
    Some(config)
}

/// Those that are named; else those of a known chain.
fn bootnodes(p2p: &P2pArgs, rollup_config: &RollupConfig) -> Vec<String> {
    if !p2p.bootnodes.is_empty() {
        return p2p.bootnodes.clone();
    }
    let built_in = built_in_bootnodes(rollup_config).into_iter();
    built_in.map(str::to_owned).collect()
}

/// Numbers that contradict each other.
fn numbers(p2p: &P2pArgs) -> eyre::Result<()> {
    let (low, high) = (p2p.peers_low, p2p.peers_high);
    if low > high || high == 0 {
        bail!(
            "--p2p.peers.lo={low} and --p2p.peers.hi={high}: more peers are looked for than are kept; give a higher --p2p.peers.hi"
        );
    }
    let (low, mesh, high) = (p2p.mesh_low, p2p.mesh, p2p.mesh_high);
    if mesh == 0 || low > mesh || mesh > high {
        bail!(
            "--p2p.gossip.mesh.d={mesh} must be from --p2p.gossip.mesh.lo={low} to --p2p.gossip.mesh.dhi={high}, and at least 1"
        );
    }
    Ok(())
}

/// Gossip needs a TCP port of its own.
fn ports(args: &NodeArgs) -> eyre::Result<()> {
    let (ip, port) = (args.p2p.listen_ip, args.p2p.listen_tcp);
    let metrics = args.metrics.config().map(|config| config.listen);
    let others = [
        ("--rpc.port", Some(args.rpc.listen())),
        ("--metrics.port", metrics),
    ];
    for (flag, other) in others {
        let Some(other) = other else { continue };
        let overlap = ip == other.ip() || ip.is_unspecified() || other.ip().is_unspecified();
        if port != 0 && port == other.port() && overlap {
            bail!(
                "--p2p.listen.tcp and {flag} are the same, {port}: give one of them another port"
            );
        }
    }
    Ok(())
}

/// The key, as far as it can be had without making one.
fn key(p2p: &P2pArgs) -> eyre::Result<Keypair> {
    match (&p2p.priv_raw, &p2p.priv_path) {
        (Some(_), Some(path)) => bail!(
            "--p2p.priv.raw and --p2p.priv.path={} both say who the node is: give one of them",
            path.display()
        ),
        (Some(raw), None) => {
            node_key_from_hex(raw.reveal("--p2p.priv.raw")?).wrap_err("--p2p.priv.raw is no key")
        }
        (None, Some(path)) if path.exists() => load(path),
        (None, _) => Ok(Keypair::generate()),
    }
}

fn load(path: &Path) -> eyre::Result<Keypair> {
    load_or_create_node_key(path)
        .wrap_err_with(|| format!("--p2p.priv.path={} cannot be used", path.display()))
}

/// Opens what [`judge`] left closed: makes key and directories, and resolves names.
///
/// # Errors
/// What cannot be made or found, by its flag. Where nobody said where to keep things, memory does.
pub(crate) fn open(p2p: &P2pArgs, config: &mut NetworkConfig) -> eyre::Result<()> {
    if let Some(host) = &p2p.advertise_ip {
        config.advertise.ip = Some(resolve(host)?);
    }
    let is_open = |path: &Option<PathBuf>| path.is_none();
    let needs_dir = p2p.dir.is_some()
        || is_open(&p2p.discovery_path) && config.discovery.is_some()
        || is_open(&p2p.peerstore_path)
        || is_open(&p2p.priv_path) && p2p.priv_raw.is_none();
    let l2_chain_id = config.rollup_config.l2_chain_id;
    let dir = if needs_dir {
        dir(p2p, l2_chain_id)?
    } else {
        None
    };
    let in_dir = |name: &str| dir.as_ref().map(|dir| dir.join(name));
    if p2p.priv_raw.is_none() {
        match (&p2p.priv_path, in_dir(KEY_FILE)) {
            (Some(path), _) => {
                make_parent(path, "--p2p.priv.path")?;
                config.key = load(path)?;
            }
            (None, Some(path)) => config.key = load_or_create_node_key(&path)?,
            // The one that was made for judging is as good.
            (None, None) => {}
        }
    }
    let peerstore = p2p.peerstore_path.as_deref();
    config.gater_path = store(peerstore, "--p2p.peerstore.path", BLOCKED_FILE, in_dir)?;
    if let Some(discovery) = &mut config.discovery {
        let path = p2p.discovery_path.as_deref();
        discovery.store_path = store(path, "--p2p.discovery.path", NODES_FILE, in_dir)?;
    }
    Ok(())
}

/// Where something is kept; nowhere, if in memory. Another node may have made a directory there.
fn store(
    given: Option<&Path>,
    flag: &str,
    name: &str,
    in_dir: impl Fn(&str) -> Option<PathBuf>,
) -> eyre::Result<Option<PathBuf>> {
    let path = match given {
        None => return Ok(in_dir(name)),
        Some(path) if path.as_os_str() == MEMORY => return Ok(None),
        Some(path) if path.is_dir() => path.join(name),
        Some(path) => path.to_owned(),
    };
    make_parent(&path, flag)?;
    Ok(Some(path))
}

/// Makes the directory of a file, and sees that files can be made in it.
fn make_parent(path: &Path, flag: &str) -> eyre::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    writable(parent).wrap_err_with(|| format!("cannot write to {flag}={}", path.display()))
}

fn writable(dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    tempfile::Builder::new().prefix(".probe").tempfile_in(dir)?;
    Ok(())
}

/// The directory for everything whose place is not given; none, if it is to be memory.
fn dir(p2p: &P2pArgs, l2_chain_id: u64) -> eyre::Result<Option<PathBuf>> {
    if let Some(dir) = &p2p.dir {
        let name = || format!("--p2p.dir={}", dir.display());
        if dir.exists() && !dir.is_dir() {
            bail!(
                "{} is a file: give a directory, which is made if there is none",
                name()
            );
        }
        writable(dir).wrap_err_with(|| format!("cannot write to {}", name()))?;
        if !lock(dir).wrap_err_with(|| format!("cannot lock {}", name()))? {
            bail!(
                "{} is used by another node: give each node one of its own",
                name()
            );
        }
        return Ok(Some(dir.clone()));
    }
    let Some(dir) = default_dir(l2_chain_id) else {
        note_memory("neither STATE_DIRECTORY nor HOME is set");
        return Ok(None);
    };
    let outcome = writable(&dir).and_then(|()| lock(&dir));
    match outcome {
        Ok(true) => return Ok(Some(dir)),
        Ok(false) => note_memory(&format!("{} is used by another node", dir.display())),
        Err(error) => note_memory(&format!("cannot write to {}: {error}", dir.display())),
    }
    Ok(None)
}

fn note_memory(reason: &str) {
    warn!(
        reason,
        "node key and known peers are kept in memory, and are others after the next start; give --p2p.dir"
    );
}

fn default_dir(l2_chain_id: u64) -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let of_service = || {
        // systemd separates several by colons.
        let dirs = variable("STATE_DIRECTORY")?;
        env::split_paths(&dirs).next()
    };
    let of_user = || {
        let state = variable("XDG_STATE_HOME").map(PathBuf::from);
        let home = || Some(PathBuf::from(variable("HOME")?).join(".local/state"));
        Some(state.or_else(home)?.join("light-node"))
    };
    let base = of_service().or_else(of_user)?;
    Some(base.join("p2p").join(l2_chain_id.to_string()))
}

/// Two nodes with one key would be one peer. Whether nobody else has the directory; it is ours until the process ends.
fn lock(dir: &Path) -> std::io::Result<bool> {
    let file = File::create(dir.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => {
            std::mem::forget(file);
            Ok(true)
        }
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// An address, or the first one of a name; IPv4 is preferred, as other nodes do.
fn resolve(host: &str) -> eyre::Result<IpAddr> {
    let ip = match host.parse() {
        Ok(ip) => ip,
        Err(_) => resolve_name(host)?,
    };
    if ip.is_unspecified() {
        bail!(
            "--p2p.advertise.ip={host} is nobody's address: give the one at which peers reach you"
        );
    }
    Ok(ip)
}

fn resolve_name(host: &str) -> eyre::Result<IpAddr> {
    let remedy = "give a name that resolves, or the address itself";
    let found: Vec<IpAddr> = (host, 0)
        .to_socket_addrs()
        .map_err(|cause| eyre!("--p2p.advertise.ip={host} does not resolve: {cause}; {remedy}"))?
        .map(|address| address.ip())
        .collect();
    let first = found.iter().find(|ip| ip.is_ipv4()).or(found.first());
    first
        .copied()
        .ok_or_else(|| eyre!("--p2p.advertise.ip={host} has no address; {remedy}"))
}

#[cfg(test)]
mod tests;
