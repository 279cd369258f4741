//! What others may call. The handle hides channels and replies; a method's documentation says what a dead network answers.

use crate::{
    peer_info::{LocalNode, PeerDump, PeerInfo, PeerStats},
    request::{NetworkRequest, OwnBlock, Reply},
};
use ipnet::IpNet;
use libp2p::{Multiaddr, PeerId};
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use std::{net::IpAddr, time::Instant};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that may wait for the swarm's task.
pub(crate) const REQUESTS_MAX: usize = 256;

/// Blocks that may wait to be signed.
pub(crate) const BLOCKS_MAX: usize = 32;

/// Why a block does not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PublishError {
    /// Blocks come faster than they can be signed and sent.
    #[error("the queue of blocks to be published is full")]
    Full,
    /// The network has ended.
    #[error("the network has stopped")]
    Gone,
}

/// Why the network did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkRequestError {
    /// It was tried.
    #[error("{reason}")]
    Failed {
        /// Why not, in words.
        reason: String,
    },
    /// The network has ended.
    #[error("the network has stopped")]
    Gone,
}

/// A door to the network. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NetworkHandle {
    pub(crate) requests: mpsc::Sender<NetworkRequest>,
    /// Blocks to go out have a way of their own, which questions about peers never fill.
    pub(crate) blocks: mpsc::Sender<OwnBlock>,
    pub(crate) local: watch::Receiver<LocalNode>,
    pub(crate) stats: watch::Receiver<PeerStats>,
}

impl NetworkHandle {
    /// Signs a block and sends it out, after those given before. Nobody learns whether peers took it.
    ///
    /// # Backpressure
    /// Never waits: 32 blocks may wait to be signed.
    ///
    /// # Errors
    /// [`PublishError`] if the block was not taken.
    pub fn publish(&self, envelope: OpExecutionPayloadEnvelope) -> Result<(), PublishError> {
        let block = OwnBlock {
            envelope,
            published_at: Instant::now(),
        };
        self.blocks.try_send(block).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PublishError::Full,
            mpsc::error::TrySendError::Closed(_) => PublishError::Gone,
        })
    }

    /// This node as peers know it; the last word if the network has ended.
    pub fn local_node(&self) -> LocalNode {
        self.local.borrow().clone()
    }

    /// Peers in numbers; the last ones if the network has ended.
    pub fn stats(&self) -> PeerStats {
        *self.stats.borrow()
    }

    /// A watch over the numbers.
    pub fn watch_stats(&self) -> watch::Receiver<PeerStats> {
        self.stats.clone()
    }

    /// This node in the words of `opp2p_self`.
    ///
    /// # Errors
    /// [`NetworkRequestError::Gone`].
    pub async fn this(&self) -> Result<PeerInfo, NetworkRequestError> {
        self.read(|reply| NetworkRequest::This { reply }).await
    }

    /// The connected peers, or all that are known.
    ///
    /// # Errors
    /// [`NetworkRequestError::Gone`].
    pub async fn peers(&self, connected_only: bool) -> Result<PeerDump, NetworkRequestError> {
        self.read(|reply| NetworkRequest::Peers {
            connected_only,
            reply,
        })
        .await
    }

    /// The records in discovery's table, as `enr:...`.
    ///
    /// # Errors
    /// [`NetworkRequestError::Gone`].
    pub async fn discovery_table(&self) -> Result<Vec<String>, NetworkRequestError> {
        self.read(|reply| NetworkRequest::DiscoveryTable { reply })
            .await
    }

    /// Blocks a peer: it is dialled no more and let in no more. A connection that it has stays.
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn block_peer(&self, peer: PeerId) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::BlockPeer { peer, reply })
            .await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn unblock_peer(&self, peer: PeerId) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::UnblockPeer { peer, reply })
            .await
    }

    /// Blocks an address, as [`Self::block_peer`].
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn block_addr(&self, addr: IpAddr) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::BlockAddr { addr, reply })
            .await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn unblock_addr(&self, addr: IpAddr) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::UnblockAddr { addr, reply })
            .await
    }

    /// Blocks a subnet, as [`Self::block_peer`].
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn block_subnet(&self, subnet: IpNet) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::BlockSubnet { subnet, reply })
            .await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn unblock_subnet(&self, subnet: IpNet) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::UnblockSubnet { subnet, reply })
            .await
    }

    /// Keeps a peer from being pruned.
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn protect_peer(&self, peer: PeerId) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::ProtectPeer { peer, reply })
            .await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn unprotect_peer(&self, peer: PeerId) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::UnprotectPeer { peer, reply })
            .await
    }

    /// Connects to the peer at `address`, which ends in `/p2p/<peer id>`, and returns when it is connected and has said what
    /// it speaks; at once if it is. At most 30 s.
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn connect(&self, address: Multiaddr) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::Connect { address, reply })
            .await
    }

    /// Ends the connection to a peer, which is not dialled again before it is connected by command, or, if it is a static one, has
    /// connected to us by itself. Done, too, if there is none.
    ///
    /// # Errors
    /// [`NetworkRequestError`].
    pub async fn disconnect(&self, peer: PeerId) -> Result<(), NetworkRequestError> {
        self.command(|reply| NetworkRequest::Disconnect { peer, reply })
            .await
    }

    async fn command(
        &self,
        request: impl FnOnce(Reply) -> NetworkRequest,
    ) -> Result<(), NetworkRequestError> {
        let done = self.read(request).await?;
        done.map_err(|reason| NetworkRequestError::Failed { reason })
    }

    async fn read<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> NetworkRequest,
    ) -> Result<T, NetworkRequestError> {
        let gone = NetworkRequestError::Gone;
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(request(reply)).await;
        sent.map_err(|_| gone.clone())?;
        answer.await.map_err(|_| gone)
    }
}
