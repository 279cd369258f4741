//! The unsafe chain's network: who we are to peers, where they reach us, whom we look for, and how we judge them. The names are
//! op-node's.

use crate::args::value::{self, Secret};
use clap::{ArgAction, Args, ValueEnum, builder::BoolishValueParser};
use ipnet::IpNet;
use libp2p::Multiaddr;
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// A path that stands for no file.
pub(crate) const MEMORY: &str = "memory";

/// Whether peers are judged by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scoring {
    /// Not at all.
    #[value(alias = "off")]
    None,
    /// As op-node does.
    Light,
}

/// Flags of gossip and discovery.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Peers")]
pub(crate) struct P2pArgs {
    /// No gossip, no discovery, no peers. So it is, too, where no --p2p flag is given and the node does not sequence;
    /// --p2p.disable=false is enough to have them.
    #[arg(id = "p2p.disable", long, env = "LIGHT_NODE_P2P_DISABLE", value_parser = BoolishValueParser::new())]
    pub(crate) disable: bool,

    /// Look for no peers by discv5: peers are those of --p2p.static, those that come, and those that opp2p_connectPeer names.
    #[arg(id = "p2p.no-discovery", long, env = "LIGHT_NODE_P2P_NO_DISCOVERY", value_parser = BoolishValueParser::new())]
    pub(crate) no_discovery: bool,

    /// Directory of what is kept of the network: the node key, blocked peers, found nodes. By default a directory of the chain under
    /// $STATE_DIRECTORY, $XDG_STATE_HOME/light-node or ~/.local/state/light-node; where none can be written or another node uses it,
    /// all is kept in memory, and the node is another one after each start.
    #[arg(id = "p2p.dir", long, value_name = "DIR", env = "LIGHT_NODE_P2P_DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// File with the node key, 64 hex digits, readable by its owner alone. It is made if there is none. By default in --p2p.dir.
    #[arg(
        id = "p2p.priv.path",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_P2P_PRIV_PATH"
    )]
    pub(crate) priv_path: Option<PathBuf>,

    /// The node key itself. Others may see it in the list of processes: --p2p.priv.path is better.
    #[arg(
        id = "p2p.priv.raw",
        long,
        value_name = "HEX",
        env = "LIGHT_NODE_P2P_PRIV_RAW",
        hide_env_values = true,
        value_parser = value::secret
    )]
    pub(crate) priv_raw: Option<Secret>,

    /// What the node calls itself to peers.
    #[arg(
        id = "p2p.useragent",
        long,
        value_name = "NAME",
        env = "LIGHT_NODE_P2P_USERAGENT",
        default_value = "light-node"
    )]
    pub(crate) user_agent: String,

    /// Address on which peers reach the node.
    #[arg(
        id = "p2p.listen.ip",
        long,
        value_name = "IP",
        env = "LIGHT_NODE_P2P_LISTEN_IP",
        default_value = "0.0.0.0"
    )]
    pub(crate) listen_ip: IpAddr,

    /// TCP port of gossip; 0 takes a free one.
    #[arg(
        id = "p2p.listen.tcp",
        long,
        value_name = "PORT",
        env = "LIGHT_NODE_P2P_LISTEN_TCP",
        default_value_t = 9222
    )]
    pub(crate) listen_tcp: u16,

    /// UDP port of discovery; 0 takes the number of the TCP port.
    #[arg(
        id = "p2p.listen.udp",
        long,
        value_name = "PORT",
        env = "LIGHT_NODE_P2P_LISTEN_UDP",
        default_value_t = 0
    )]
    pub(crate) listen_udp: u16,

    /// Address that peers are told: an IP, or a host name, which is resolved once at the start. Without it the node learns its address
    /// from peers.
    #[arg(
        id = "p2p.advertise.ip",
        long,
        value_name = "HOST",
        env = "LIGHT_NODE_P2P_ADVERTISE_IP"
    )]
    pub(crate) advertise_ip: Option<String>,

    /// TCP port that peers are told; 0 tells the one of --p2p.listen.tcp.
    #[arg(
        id = "p2p.advertise.tcp",
        long,
        value_name = "PORT",
        env = "LIGHT_NODE_P2P_ADVERTISE_TCP",
        default_value_t = 0
    )]
    pub(crate) advertise_tcp: u16,

    /// UDP port that peers are told; 0 tells the one of --p2p.listen.udp.
    #[arg(
        id = "p2p.advertise.udp",
        long,
        value_name = "PORT",
        env = "LIGHT_NODE_P2P_ADVERTISE_UDP",
        default_value_t = 0
    )]
    pub(crate) advertise_udp: u16,

    /// Nodes through which others are found: enr:... or enode://... of any chain, repeated or comma separated. They take the place of
    /// those that are built in for known chains.
    #[arg(
        id = "p2p.bootnodes",
        long,
        value_name = "RECORDS",
        env = "LIGHT_NODE_P2P_BOOTNODES",
        value_delimiter = ',',
        value_parser = record
    )]
    pub(crate) bootnodes: Vec<String>,

    /// Peers to keep up a connection to, as /ip4/1.2.3.4/tcp/9222/p2p/16Uiu2..., repeated or comma separated. They are never pruned or
    /// banned.
    #[arg(
        id = "p2p.static",
        long,
        value_name = "ADDRESSES",
        env = "LIGHT_NODE_P2P_STATIC",
        value_delimiter = ',',
        value_parser = static_peer
    )]
    pub(crate) static_peers: Vec<Multiaddr>,

    /// Deal only with addresses in these networks, such as 10.0.0.0/8.
    #[arg(
        id = "p2p.netrestrict",
        long,
        value_name = "CIDRS",
        env = "LIGHT_NODE_P2P_NETRESTRICT",
        value_delimiter = ',',
        value_parser = restriction
    )]
    pub(crate) netrestrict: Vec<IpNet>,

    /// Below so many peers more are looked for.
    #[arg(
        id = "p2p.peers.lo",
        long,
        value_name = "PEERS",
        env = "LIGHT_NODE_P2P_PEERS_LO",
        default_value_t = 20
    )]
    pub(crate) peers_low: usize,

    /// Above so many peers the worst are let go.
    #[arg(
        id = "p2p.peers.hi",
        long,
        value_name = "PEERS",
        env = "LIGHT_NODE_P2P_PEERS_HI",
        default_value_t = 30
    )]
    pub(crate) peers_high: usize,

    /// For so long a new peer is not let go.
    #[arg(
        id = "p2p.peers.grace",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_P2P_PEERS_GRACE",
        default_value = "30s",
        value_parser = value::within(value::PATIENCE)
    )]
    pub(crate) peers_grace: Duration,

    /// Whether peers are judged by what they do.
    #[arg(
        id = "p2p.scoring",
        long,
        value_name = "HOW",
        env = "LIGHT_NODE_P2P_SCORING",
        value_enum,
        default_value_t = Scoring::Light
    )]
    pub(crate) scoring: Scoring,

    /// Ban peers with a bad score.
    #[arg(
        id = "p2p.ban.peers",
        long,
        value_name = "BOOL",
        env = "LIGHT_NODE_P2P_BAN_PEERS",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        value_parser = BoolishValueParser::new(),
        hide_possible_values = true,
        default_value = "true",
        default_missing_value = "true"
    )]
    pub(crate) ban_peers: bool,

    /// A score below this bans.
    #[arg(
        id = "p2p.ban.threshold",
        long,
        value_name = "SCORE",
        env = "LIGHT_NODE_P2P_BAN_THRESHOLD",
        default_value = "-100",
        allow_negative_numbers = true,
        value_parser = score
    )]
    pub(crate) ban_threshold: f64,

    /// Time until a banned peer may come back.
    #[arg(
        id = "p2p.ban.duration",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_P2P_BAN_DURATION",
        default_value = "1h",
        value_parser = value::within(value::AGE)
    )]
    pub(crate) ban_duration: Duration,

    /// Ask peers now and then whether they are there.
    #[arg(
        id = "p2p.ping",
        long,
        value_name = "BOOL",
        env = "LIGHT_NODE_P2P_PING",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        value_parser = BoolishValueParser::new(),
        hide_possible_values = true,
        default_value = "true",
        default_missing_value = "true"
    )]
    pub(crate) ping: bool,

    /// Time between two lookups while peers are wanted.
    #[arg(
        id = "p2p.discovery.interval",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_P2P_DISCOVERY_INTERVAL",
        default_value = "5s",
        value_parser = value::within(value::LOOKUP)
    )]
    pub(crate) discovery_interval: Duration,

    /// File in which found nodes are kept, or `memory`. By default in --p2p.dir.
    #[arg(
        id = "p2p.discovery.path",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_P2P_DISCOVERY_PATH"
    )]
    pub(crate) discovery_path: Option<PathBuf>,

    /// File in which blocked peers, addresses and networks are kept, or `memory`. By default in --p2p.dir.
    #[arg(
        id = "p2p.peerstore.path",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_P2P_PEERSTORE_PATH"
    )]
    pub(crate) peerstore_path: Option<PathBuf>,

    /// Peers to which blocks are sent on.
    #[arg(
        id = "p2p.gossip.mesh.d",
        long,
        value_name = "PEERS",
        env = "LIGHT_NODE_P2P_GOSSIP_MESH_D",
        default_value_t = 8
    )]
    pub(crate) mesh: usize,

    /// Fewest such peers.
    #[arg(
        id = "p2p.gossip.mesh.lo",
        long,
        value_name = "PEERS",
        env = "LIGHT_NODE_P2P_GOSSIP_MESH_LO",
        default_value_t = 6
    )]
    pub(crate) mesh_low: usize,

    /// Most such peers.
    #[arg(
        id = "p2p.gossip.mesh.dhi",
        long,
        value_name = "PEERS",
        env = "LIGHT_NODE_P2P_GOSSIP_MESH_DHI",
        default_value_t = 12
    )]
    pub(crate) mesh_high: usize,

    /// Peers that are only told which blocks there are.
    #[arg(
        id = "p2p.gossip.mesh.dlazy",
        long,
        value_name = "PEERS",
        env = "LIGHT_NODE_P2P_GOSSIP_MESH_DLAZY",
        default_value_t = 6
    )]
    pub(crate) mesh_lazy: usize,

    /// Send own blocks to all peers instead of some.
    #[arg(id = "p2p.gossip.mesh.floodpublish", long, env = "LIGHT_NODE_P2P_GOSSIP_MESH_FLOODPUBLISH", value_parser = BoolishValueParser::new())]
    pub(crate) flood_publish: bool,

    /// Older blocks are refused.
    #[arg(
        id = "p2p.gossip.timestamp.threshold",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_P2P_GOSSIP_TIMESTAMP_THRESHOLD",
        default_value = "60s",
        value_parser = value::within(value::AGE)
    )]
    pub(crate) timestamp_threshold: Duration,

    /// Time to agree on a protocol with a peer.
    #[arg(
        id = "p2p.timeout.negotiation",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_P2P_TIMEOUT_NEGOTIATION",
        default_value = "10s",
        value_parser = value::within(value::REQUEST)
    )]
    pub(crate) timeout_negotiation: Duration,

    /// Time until a connection that comes in is secured.
    #[arg(
        id = "p2p.timeout.accept",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_P2P_TIMEOUT_ACCEPT",
        default_value = "10s",
        value_parser = value::within(value::REQUEST)
    )]
    pub(crate) timeout_accept: Duration,

    /// Time of a dial.
    #[arg(
        id = "p2p.timeout.dial",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_P2P_TIMEOUT_DIAL",
        default_value = "10s",
        value_parser = value::within(value::REQUEST)
    )]
    pub(crate) timeout_dial: Duration,
}

/// A record whose form is right; discovery looks into it.
fn record(typed: &str) -> Result<String, String> {
    let typed = typed.trim();
    if ["enr:", "enode://"]
        .iter()
        .any(|scheme| typed.starts_with(scheme))
    {
        return Ok(typed.to_owned());
    }
    Err("must begin with enr: or enode://".to_owned())
}

fn static_peer(typed: &str) -> Result<Multiaddr, String> {
    let form = |_| "must look like /ip4/1.2.3.4/tcp/9222/p2p/16Uiu2...".to_owned();
    let address: Multiaddr = typed.trim().parse().map_err(form)?;
    let last = address.iter().last();
    if matches!(last, Some(libp2p::multiaddr::Protocol::P2p(_))) {
        return Ok(address);
    }
    Err("must end in /p2p/ and the id of the peer".to_owned())
}

fn restriction(typed: &str) -> Result<IpNet, String> {
    let network = typed.trim().parse();
    network.map_err(|_| "must be a network such as 10.0.0.0/8 or fd00::/8".to_owned())
}

fn score(typed: &str) -> Result<f64, String> {
    let score = typed.parse().ok();
    score
        .filter(|score: &f64| score.is_finite() && *score <= 0.0)
        .ok_or_else(|| "must be a number of at most 0".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_static_peer_names_itself() {
        let id = "16Uiu2HAmE1WrFWUZqGBvvjKvDf8FFLWdSbVYNPyRrPkjNnRzzxYM";
        for host in ["ip4/127.0.0.1", "dns4/peer.example"] {
            let address = format!(" /{host}/tcp/9222/p2p/{id}");
            let parsed = static_peer(&address);
            assert!(parsed.is_ok(), "{parsed:?}");
        }
        for refused in ["", "/ip4/127.0.0.1/tcp/9222", "127.0.0.1:9222", "/ip4/x"] {
            assert!(static_peer(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_bootnode_is_a_record() {
        assert_eq!(record(" enr:-Iu4").unwrap(), "enr:-Iu4");
        assert!(record("enode://ab@1.2.3.4:30305").is_ok());
        assert!(record("1.2.3.4:30305").is_err());
    }

    #[test]
    fn a_restriction_is_a_network() {
        assert!(restriction(" 10.0.0.0/8").is_ok());
        assert!(restriction("fd00::/8").is_ok());
        for refused in ["banana", "10.0.0.0/40", "10.0.0.1"] {
            let said = restriction(refused).unwrap_err();
            assert!(said.contains("10.0.0.0/8"), "{said}");
        }
    }

    #[test]
    fn a_score_that_bans_is_none_of_an_honest_peer() {
        assert_eq!(score("-100").unwrap(), -100.0);
        for refused in ["", "1", "NaN", "-inf", "bad"] {
            assert!(score(refused).is_err(), "{refused}");
        }
    }
}
