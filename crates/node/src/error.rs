//! Why a node does not start, or ends by itself. Remote data is never a reason.

use light_node_actor::TaskFailure;
use light_node_engine_api::HttpEngineError;
use light_node_follow::HttpSourceError;
use light_node_l1::L1ConfigError;
use light_node_network::NetworkConfigError;
use light_node_rpc::RpcError;
use light_node_safedb::OpenError;
use light_node_sequencer::SequencerConfigError;
use thiserror::Error;

/// A node that does not start or does not go on.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The Engine API client cannot be built: the JWT secret, or the URL.
    #[error(transparent)]
    Engine(#[from] HttpEngineError),
    /// The L1 client cannot be built.
    #[error(transparent)]
    L1(#[from] L1ConfigError),
    /// The follow source cannot be built.
    #[error(transparent)]
    Source(#[from] HttpSourceError),
    /// The history of safe heads cannot be opened.
    #[error(transparent)]
    SafeDb(#[from] OpenError),
    /// A port for peers cannot be bound.
    #[error(
        "no port for peers (another node may be running: choose others with --p2p.listen.tcp and --p2p.listen.udp; or --p2p.listen.ip \
         is not an address of this host; --p2p.disable does without peers)"
    )]
    PeerPort(#[source] NetworkConfigError),
    /// The UDP port of discovery cannot be bound.
    #[error(
        "no port for discovery (another program has it: choose another with --p2p.listen.udp, which is the number of \
         --p2p.listen.tcp unless given; --p2p.no-discovery does without)"
    )]
    DiscoveryPort(#[source] NetworkConfigError),
    /// The network cannot be made.
    #[error(transparent)]
    Network(NetworkConfigError),
    /// The sequencer cannot be made.
    #[error(transparent)]
    Sequencer(#[from] SequencerConfigError),
    /// The RPC port cannot be bound.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// An actor ended: a wrong configuration that showed at an endpoint's first answer, or a defect of ours.
    #[error(transparent)]
    Task(#[from] TaskFailure),
}
