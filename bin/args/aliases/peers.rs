//! Other nodes' names for what has to do with peers and with the sequencer. Where only variables stand, the flag has the same name
//! here.

use super::{
    Alias,
    Meaning::{Duration, Flag, Ignored, Minutes, Only, Refused},
    table::{NO_OP, row},
};
use crate::args::words::Arity::{Switch, Value};

const NO_NAT: &str = "no router is asked for a port: open it there, and name the address outside with --p2p.advertise.ip";
const OWN_DIALS: &str =
    "peers are dialled while there are too few of them, and static ones each minute";
const NO_MPLEX: &str = "connections carry yamux, which every node speaks, and not mplex alone";
const NOISE_ALONE: &str = "connections are secured by noise, which every node speaks";
const NO_REQ_RESP: &str =
    "blocks that were missed come over the execution layer's peers; no node asks this one for them";
const NO_CHOICE: &str = "there is no such choice here";

/// The names, one row a meaning.
pub(super) const OF_PEERS: &[Alias] = &[
    // Who we are.
    row(&[], &["P2P_DISABLE"], Switch, Flag("p2p.disable")),
    row(&[], &["P2P_PRIV_PATH"], Value, Flag("p2p.priv.path")),
    row(&[], &["P2P_PRIV_RAW"], Value, Flag("p2p.priv.raw")),
    row(&[], &["P2P_AGENT"], Value, Flag("p2p.useragent")),
    // Where we are.
    row(&[], &["P2P_LISTEN_IP"], Value, Flag("p2p.listen.ip")),
    row(&[], &["P2P_LISTEN_TCP_PORT"], Value, Flag("p2p.listen.tcp")),
    row(&[], &["P2P_LISTEN_UDP_PORT"], Value, Flag("p2p.listen.udp")),
    row(&[], &["P2P_ADVERTISE_IP"], Value, Flag("p2p.advertise.ip")),
    row(
        &[],
        &["P2P_ADVERTISE_TCP", "P2P_ADVERTISE_TCP_PORT"],
        Value,
        Flag("p2p.advertise.tcp"),
    ),
    row(
        &[],
        &["P2P_ADVERTISE_UDP", "P2P_ADVERTISE_UDP_PORT"],
        Value,
        Flag("p2p.advertise.udp"),
    ),
    row(&["p2p.nat"], &["P2P_NAT"], Switch, Ignored(NO_NAT)),
    // Whom we look for.
    row(&[], &["P2P_NO_DISCOVERY"], Switch, Flag("p2p.no-discovery")),
    row(&[], &["P2P_BOOTNODES"], Value, Flag("p2p.bootnodes")),
    row(&[], &["P2P_STATIC"], Value, Flag("p2p.static")),
    row(&[], &["P2P_NETRESTRICT"], Value, Flag("p2p.netrestrict")),
    row(
        &[],
        &["P2P_DISCOVERY_INTERVAL"],
        Value,
        Duration("p2p.discovery.interval"),
    ),
    row(
        &["p2p.bootstore"],
        &["P2P_DISCOVERY_PATH", "P2P_BOOTSTORE"],
        Value,
        Flag("p2p.discovery.path"),
    ),
    row(
        &["p2p.no-bootstore"],
        &["P2P_NO_BOOTSTORE"],
        Switch,
        Ignored("found nodes are kept in memory with --p2p.discovery.path=memory"),
    ),
    row(
        &["p2p.redial", "p2p.redial.period", "p2p.discovery.randomize"],
        &["P2P_REDIAL", "P2P_REDIAL_PERIOD", "P2P_DISCOVERY_RANDOMIZE"],
        Value,
        Ignored(OWN_DIALS),
    ),
    // How many, and how they are judged.
    row(&[], &["P2P_PEERS_LO"], Value, Flag("p2p.peers.lo")),
    row(&[], &["P2P_PEERS_HI"], Value, Flag("p2p.peers.hi")),
    row(
        &[],
        &["P2P_PEERS_GRACE"],
        Value,
        Duration("p2p.peers.grace"),
    ),
    row(
        &[],
        &["P2P_PEERSTORE_PATH"],
        Value,
        Flag("p2p.peerstore.path"),
    ),
    row(
        &[],
        &["P2P_PEER_SCORING", "P2P_SCORING"],
        Value,
        Flag("p2p.scoring"),
    ),
    row(
        &[],
        &["P2P_PEER_BANNING", "P2P_BAN_PEERS"],
        Switch,
        Flag("p2p.ban.peers"),
    ),
    row(
        &[],
        &["P2P_PEER_BANNING_THRESHOLD", "P2P_BAN_THRESHOLD"],
        Value,
        Flag("p2p.ban.threshold"),
    ),
    row(
        &[],
        &["P2P_PEER_BANNING_DURATION"],
        Value,
        Flag("p2p.ban.duration"),
    ),
    row(
        &[],
        &["P2P_BAN_DURATION"],
        Value,
        Minutes("p2p.ban.duration"),
    ),
    row(
        &["p2p.scoring.peers", "p2p.scoring.topics", "p2p.score.bands"],
        &[
            "P2P_SCORING_PEERS",
            "P2P_SCORING_TOPICS",
            "P2P_TOPIC_SCORING",
            "P2P_SCORE_BANDS",
        ],
        Value,
        Ignored(NO_OP),
    ),
    row(&["p2p.topic-scoring"], &[], Switch, Ignored(NO_OP)),
    // Gossip and transport.
    row(&[], &["P2P_PING"], Switch, Flag("p2p.ping")),
    row(
        &[],
        &["P2P_GOSSIP_MESH_D"],
        Value,
        Flag("p2p.gossip.mesh.d"),
    ),
    row(
        &["p2p.gossip.mesh.dlo"],
        &["P2P_GOSSIP_MESH_DLO", "P2P_GOSSIP_MESH_LO"],
        Value,
        Flag("p2p.gossip.mesh.lo"),
    ),
    row(
        &[],
        &["P2P_GOSSIP_MESH_DHI"],
        Value,
        Flag("p2p.gossip.mesh.dhi"),
    ),
    row(
        &[],
        &["P2P_GOSSIP_MESH_DLAZY"],
        Value,
        Flag("p2p.gossip.mesh.dlazy"),
    ),
    row(
        &[],
        &["P2P_GOSSIP_FLOOD_PUBLISH", "P2P_GOSSIP_MESH_FLOODPUBLISH"],
        Switch,
        Flag("p2p.gossip.mesh.floodpublish"),
    ),
    row(
        &[],
        &["P2P_GOSSIP_TIMESTAMP_THRESHOLD"],
        Value,
        Flag("p2p.gossip.timestamp.threshold"),
    ),
    row(
        &[],
        &["P2P_TIMEOUT_NEGOTIATION"],
        Value,
        Flag("p2p.timeout.negotiation"),
    ),
    row(
        &[],
        &["P2P_TIMEOUT_ACCEPT"],
        Value,
        Flag("p2p.timeout.accept"),
    ),
    row(&[], &["P2P_TIMEOUT_DIAL"], Value, Flag("p2p.timeout.dial")),
    row(
        &["p2p.mux"],
        &["P2P_MUX"],
        Value,
        Only(&["yamux", "yamux,mplex", "mplex,yamux"], NO_MPLEX),
    ),
    row(
        &["p2p.security"],
        &["P2P_SECURITY"],
        Value,
        Only(&["noise", "noise,tls", "tls,noise"], NOISE_ALONE),
    ),
    row(
        &["p2p.sync.req-resp", "p2p.sync.onlyreqtostatic"],
        &["P2P_SYNC_REQ_RESP", "P2P_SYNC_ONLYREQTOSTATIC"],
        Switch,
        Ignored(NO_REQ_RESP),
    ),
    row(
        &["p2p.unsafe.block.signer"],
        &["P2P_UNSAFE_BLOCK_SIGNER"],
        Value,
        Ignored("who signs blocks is read from the SystemConfig contract on L1"),
    ),
    // Who signs.
    row(
        &[],
        &["P2P_SEQUENCER_KEY"],
        Value,
        Flag("p2p.sequencer.key"),
    ),
    row(
        &["p2p.sequencer.key.path"],
        &["P2P_SEQUENCER_KEY_PATH"],
        Value,
        Flag("p2p.sequencer.key-file"),
    ),
    row(
        &["p2p.signer.endpoint"],
        &["SIGNER_ENDPOINT", "P2P_SIGNER_ENDPOINT"],
        Value,
        Flag("signer.endpoint"),
    ),
    row(
        &["p2p.signer.address"],
        &["SIGNER_ADDRESS", "P2P_SIGNER_ADDRESS"],
        Value,
        Flag("signer.address"),
    ),
    row(
        &["p2p.signer.tls.ca"],
        &["SIGNER_TLS_CA", "P2P_SIGNER_TLS_CA"],
        Value,
        Flag("signer.tls.ca"),
    ),
    row(
        &["p2p.signer.tls.cert"],
        &["SIGNER_TLS_CERT", "P2P_SIGNER_TLS_CERT"],
        Value,
        Flag("signer.tls.cert"),
    ),
    row(
        &["p2p.signer.tls.key"],
        &["SIGNER_TLS_KEY", "P2P_SIGNER_TLS_KEY"],
        Value,
        Flag("signer.tls.key"),
    ),
    row(
        &["signer.header", "p2p.signer.header"],
        &["SIGNER_HEADER", "P2P_SIGNER_HEADER"],
        Value,
        Refused(
            "no header of yours is sent to the signer, so it might refuse to sign: a key belongs into the URL",
        ),
    ),
    row(
        &["signer.tls.enabled"],
        &["SIGNER_TLS_ENABLED"],
        Switch,
        Ignored("a signer whose URL begins with https:// is spoken to by TLS"),
    ),
    // The sequencer.
    row(
        &[],
        &["SEQUENCER_ENABLED"],
        Switch,
        Flag("sequencer.enabled"),
    ),
    row(
        &[],
        &["SEQUENCER_STOPPED"],
        Switch,
        Flag("sequencer.stopped"),
    ),
    row(
        &[],
        &["SEQUENCER_L1_CONFS"],
        Value,
        Flag("sequencer.l1-confs"),
    ),
    row(
        &[],
        &["SEQUENCER_MAX_SAFE_LAG"],
        Value,
        Flag("sequencer.max-safe-lag"),
    ),
    row(
        &[],
        &["SEQUENCER_RECOVER"],
        Switch,
        Flag("sequencer.recover"),
    ),
    row(
        &[],
        &["CONDUCTOR_ENABLED"],
        Switch,
        Flag("conductor.enabled"),
    ),
    row(&[], &["CONDUCTOR_RPC"], Value, Flag("conductor.rpc")),
    row(
        &["conductor.rpc.timeout"],
        &["CONDUCTOR_RPC_TIMEOUT"],
        Value,
        Duration("conductor.rpc-timeout"),
    ),
    row(
        &["sequencer.*", "conductor.*", "signer.*"],
        &["SEQUENCER_*", "CONDUCTOR_*", "SIGNER_*"],
        Value,
        Ignored(NO_CHOICE),
    ),
    row(&["p2p.*"], &["P2P_*"], Value, Ignored(NO_CHOICE)),
];
