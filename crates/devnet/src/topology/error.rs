//! Why a devnet does not start, or ends by itself.

use super::ports::MAX_FOLLOWERS;
use crate::{DeployError, FileError, SourceRpcError};
use light_node_actor::TaskFailure;
use light_node_devnet_el::{ElServerError, GenesisError, PeerError};
use light_node_devnet_l1::StartError;
use light_node_node::NodeError;
use thiserror::Error;

/// A devnet that does not start or does not go on.
#[derive(Debug, Error)]
pub enum DevnetError {
    /// More followers than there are ports for.
    #[error("{given} followers are more than the {MAX_FOLLOWERS} that fit")]
    TooManyFollowers {
        /// How many were asked for.
        given: usize,
    },
    /// A light sequencer has nobody to follow.
    #[error("a light sequencer needs a deriver to follow")]
    NobodyDerives,
    /// The configuration is no chain.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The L1 does not start.
    #[error("the L1 does not start")]
    L1(#[from] StartError),
    /// An execution layer does not start.
    #[error("an execution layer does not start")]
    El(#[from] GenesisError),
    /// A port of an execution layer cannot be bound.
    #[error("an execution layer does not serve")]
    ElServer(#[from] ElServerError),
    /// The client of an execution layer's sync cannot be set up.
    #[error("an execution layer cannot sync")]
    ElSync(#[from] PeerError),
    /// The source's port cannot be bound.
    #[error("the source does not start")]
    Source(#[from] SourceRpcError),
    /// A URL of our own does not parse: a defect.
    #[error("malformed endpoint")]
    Url(#[from] url::ParseError),
    /// The light-node that derives does not start.
    #[error("the deriver does not start")]
    Deriver(#[source] NodeError),
    /// The light-node that sequences does not start.
    #[error("the sequencer does not start")]
    Sequencer(#[source] NodeError),
    /// A follower does not start.
    #[error("follower {number} does not start")]
    Follower {
        /// Which one, from 1.
        number: usize,
        /// Why.
        #[source]
        source: NodeError,
    },
    /// A part ended by itself.
    #[error(transparent)]
    Task(#[from] TaskFailure),
    /// The devnet itself panicked.
    #[error("the devnet panicked")]
    Panicked(#[from] tokio::task::JoinError),
}
