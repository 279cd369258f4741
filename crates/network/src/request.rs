//! What others ask of the network actor, grouped by sender.

use crate::peer_info::{PeerDump, PeerInfo};
use ipnet::IpNet;
use libp2p::{Multiaddr, PeerId};
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use std::{net::IpAddr, time::Instant};
use tokio::sync::oneshot;

/// The answer to a command: done, or why not in words.
pub(crate) type Reply = oneshot::Sender<Result<(), String>>;

/// A block of the sequencer: to be signed and sent out, after those before it. It goes to the publisher and not to the swarm's task.
#[derive(Debug)]
pub(crate) struct OwnBlock {
    pub(crate) envelope: OpExecutionPayloadEnvelope,
    /// When the sequencer gave it.
    pub(crate) published_at: Instant,
}

/// A message to the swarm's task.
#[derive(Debug)]
pub(crate) enum NetworkRequest {
    // From rpc, reading.
    /// This node.
    This {
        reply: oneshot::Sender<PeerInfo>,
    },
    /// The connected peers, or all that are known.
    Peers {
        connected_only: bool,
        reply: oneshot::Sender<PeerDump>,
    },
    /// Records in discovery's table.
    DiscoveryTable {
        reply: oneshot::Sender<Vec<String>>,
    },
    // From rpc, commanding.
    BlockPeer {
        peer: PeerId,
        reply: Reply,
    },
    UnblockPeer {
        peer: PeerId,
        reply: Reply,
    },
    BlockAddr {
        addr: IpAddr,
        reply: Reply,
    },
    UnblockAddr {
        addr: IpAddr,
        reply: Reply,
    },
    BlockSubnet {
        subnet: IpNet,
        reply: Reply,
    },
    UnblockSubnet {
        subnet: IpNet,
        reply: Reply,
    },
    ProtectPeer {
        peer: PeerId,
        reply: Reply,
    },
    UnprotectPeer {
        peer: PeerId,
        reply: Reply,
    },
    /// Connect, and answer when connected.
    Connect {
        address: Multiaddr,
        reply: Reply,
    },
    /// Disconnect for good.
    Disconnect {
        peer: PeerId,
        reply: Reply,
    },
}
