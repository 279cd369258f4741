//! A network that a test plays, for those who hold a [`NetworkHandle`]: rpc and the sequencer. No socket, no task.

use crate::{
    NetworkHandle,
    handle::{BLOCKS_MAX, REQUESTS_MAX},
    peer_info::{Connectedness, Direction, LocalNode, PeerDump, PeerInfo, PeerScores, PeerStats},
    request::{NetworkRequest, OwnBlock, Reply},
};
use alloy_primitives::B256;
use ipnet::IpNet;
use libp2p::{Multiaddr, PeerId, identity::Keypair};
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use std::{net::IpAddr, time::Duration};
use tokio::sync::{mpsc, watch};

/// What a scripted network was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkQuestion {
    /// [`NetworkHandle::this`].
    This,
    /// [`NetworkHandle::peers`].
    Peers {
        /// Only the connected ones.
        connected_only: bool,
    },
    /// [`NetworkHandle::discovery_table`].
    DiscoveryTable,
    /// [`NetworkHandle::block_peer`].
    BlockPeer(PeerId),
    /// [`NetworkHandle::unblock_peer`].
    UnblockPeer(PeerId),
    /// [`NetworkHandle::block_addr`].
    BlockAddr(IpAddr),
    /// [`NetworkHandle::unblock_addr`].
    UnblockAddr(IpAddr),
    /// [`NetworkHandle::block_subnet`].
    BlockSubnet(IpNet),
    /// [`NetworkHandle::unblock_subnet`].
    UnblockSubnet(IpNet),
    /// [`NetworkHandle::protect_peer`].
    ProtectPeer(PeerId),
    /// [`NetworkHandle::unprotect_peer`].
    UnprotectPeer(PeerId),
    /// [`NetworkHandle::connect`].
    Connect(Multiaddr),
    /// [`NetworkHandle::disconnect`].
    Disconnect(PeerId),
}

/// The other side of [`NetworkHandle::scripted`]. Dropping it is the network's end.
#[derive(Debug)]
pub struct ScriptedNetwork {
    /// Answer to [`NetworkHandle::this`].
    pub this: PeerInfo,
    /// Answer to [`NetworkHandle::peers`], whatever was asked.
    pub peers: PeerDump,
    /// Answer to [`NetworkHandle::discovery_table`].
    pub table: Vec<String>,
    /// Answer to every command, if it is to fail.
    pub refusal: Option<String>,
    requests: mpsc::Receiver<NetworkRequest>,
    blocks: mpsc::Receiver<OwnBlock>,
    local: watch::Sender<LocalNode>,
    stats: watch::Sender<PeerStats>,
}

impl NetworkHandle {
    /// A handle and the network behind it, which a test plays: a node on port 9222 of the loopback without peers.
    pub fn scripted() -> (Self, ScriptedNetwork) {
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        let (blocks, published) = mpsc::channel(BLOCKS_MAX);
        let peer_id = Keypair::generate_secp256k1().public().to_peer_id();
        let this = a_node(peer_id, 9222);
        let (local, local_watch) = watch::channel(LocalNode {
            peer_id,
            node_id: this.node_id,
            enr: String::new(),
            addresses: this.addresses.clone(),
            discovery: None,
        });
        let (stats, stats_watch) = watch::channel(PeerStats::default());
        let network = ScriptedNetwork {
            this,
            peers: PeerDump::default(),
            table: Vec::new(),
            refusal: None,
            requests: asked,
            blocks: published,
            local,
            stats,
        };
        let handle = Self {
            requests,
            blocks,
            local: local_watch,
            stats: stats_watch,
        };
        (handle, network)
    }
}

impl ScriptedNetwork {
    /// Answers the next question or command out of the fields, and says what it was; `None` when all handles are gone.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn answer_next(&mut self) -> Option<NetworkQuestion> {
        let request = self.requests.recv().await?;
        Some(self.answer(request))
    }

    /// The next block given to [`NetworkHandle::publish`]; `None` when all handles are gone. Until blocks are taken, 32 wait.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn published(&mut self) -> Option<OpExecutionPayloadEnvelope> {
        Some(self.blocks.recv().await?.envelope)
    }

    /// The next block that waits, if there is one.
    pub fn try_published(&mut self) -> Option<OpExecutionPayloadEnvelope> {
        let block = self.blocks.try_recv().ok()?;
        Some(block.envelope)
    }

    /// Changes what [`NetworkHandle::local_node`] says.
    pub fn set_local_node(&self, local: LocalNode) {
        self.local.send_replace(local);
    }

    /// Changes what [`NetworkHandle::stats`] says.
    pub fn set_stats(&self, stats: PeerStats) {
        self.stats.send_replace(stats);
    }

    fn answer(&self, request: NetworkRequest) -> NetworkQuestion {
        use NetworkQuestion as Q;
        let (question, reply): (Q, Reply) = match request {
            NetworkRequest::This { reply } => {
                let _ = reply.send(self.this.clone());
                return Q::This;
            }
            NetworkRequest::Peers {
                connected_only,
                reply,
            } => {
                let _ = reply.send(self.peers.clone());
                return Q::Peers { connected_only };
            }
            NetworkRequest::DiscoveryTable { reply } => {
                let _ = reply.send(self.table.clone());
                return Q::DiscoveryTable;
            }
            NetworkRequest::BlockPeer { peer, reply } => (Q::BlockPeer(peer), reply),
            NetworkRequest::UnblockPeer { peer, reply } => (Q::UnblockPeer(peer), reply),
            NetworkRequest::BlockAddr { addr, reply } => (Q::BlockAddr(addr), reply),
            NetworkRequest::UnblockAddr { addr, reply } => (Q::UnblockAddr(addr), reply),
            NetworkRequest::BlockSubnet { subnet, reply } => (Q::BlockSubnet(subnet), reply),
            NetworkRequest::UnblockSubnet { subnet, reply } => (Q::UnblockSubnet(subnet), reply),
            NetworkRequest::ProtectPeer { peer, reply } => (Q::ProtectPeer(peer), reply),
            NetworkRequest::UnprotectPeer { peer, reply } => (Q::UnprotectPeer(peer), reply),
            NetworkRequest::Connect { address, reply } => (Q::Connect(address), reply),
            NetworkRequest::Disconnect { peer, reply } => (Q::Disconnect(peer), reply),
        };
        let _ = reply.send(self.refusal.clone().map_or(Ok(()), Err));
        question
    }
}

/// A peer on the loopback that has said nothing yet.
pub fn a_node(peer_id: PeerId, tcp_port: u16) -> PeerInfo {
    let address = format!("/ip4/127.0.0.1/tcp/{tcp_port}/p2p/{peer_id}");
    PeerInfo {
        peer_id,
        node_id: B256::repeat_byte(0x11),
        user_agent: String::new(),
        protocol_version: String::new(),
        enr: String::new(),
        addresses: vec![address.parse().expect("an address of a peer")],
        protocols: None,
        connectedness: Connectedness::NotConnected,
        direction: Direction::Unknown,
        is_protected: false,
        chain_id: 0,
        latency: Duration::ZERO,
        gossips_blocks: false,
        scores: PeerScores::default(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::NetworkRequestError;

    #[tokio::test]
    async fn a_test_answers_what_a_handle_asks_and_sees_what_it_was() {
        let (handle, mut network) = NetworkHandle::scripted();
        let peer = network.this.peer_id;
        let (this, asked) = tokio::join!(handle.this(), network.answer_next());
        assert_eq!(this.unwrap(), network.this);
        assert_eq!(asked, Some(NetworkQuestion::This));

        network.refusal = Some("no route".to_owned());
        let (done, asked) = tokio::join!(handle.disconnect(peer), network.answer_next());
        let reason = "no route".to_owned();
        assert_eq!(done, Err(NetworkRequestError::Failed { reason }));
        assert_eq!(asked, Some(NetworkQuestion::Disconnect(peer)));

        drop(network);
        assert_eq!(handle.this().await, Err(NetworkRequestError::Gone));
    }
}
