//! Where checked heads come from. There really are several kinds of source (a rollup node today; an EL or a quorum
//! later), so this is one of the two object-safe traits of the node.

use alloy_primitives::B256;
use async_trait::async_trait;
use core::fmt::Debug;
use light_node_l1::HttpError;
use light_node_protocol::{RollupConfig, SyncStatus};
use light_node_safedb::SafeHeadAtL1;
use thiserror::Error;

/// The method that asks for a safe head of the past.
pub(crate) const SAFE_HEAD_AT_L1_BLOCK: &str = "optimism_safeHeadAtL1Block";

/// JSON-RPC code of methods that are not served.
const METHOD_NOT_FOUND: i64 = -32601;

/// A failed call to the source. The same call may succeed later: every variant is temporary.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SourceError {
    /// No answer, or not with HTTP 200.
    #[error("{method} failed")]
    Http {
        /// JSON-RPC method.
        method: &'static str,
        /// What failed.
        #[source]
        source: HttpError,
    },
    /// The body is HTML: a proxy's error page, or the URL of a website.
    #[error("{method} was answered with HTML, not JSON")]
    Html {
        /// JSON-RPC method.
        method: &'static str,
    },
    /// The body is not JSON, or was cut short.
    #[error("{method} was answered with broken JSON: {cause}")]
    Json {
        /// JSON-RPC method.
        method: &'static str,
        /// What did not parse.
        cause: String,
    },
    /// The body is JSON, but not the answer of this method: heads are missing or have another form.
    #[error("the answer of {method} does not decode: {cause}")]
    Malformed {
        /// JSON-RPC method.
        method: &'static str,
        /// What did not decode.
        cause: String,
    },
    /// A JSON-RPC error.
    #[error("{method} failed with {code}: {message}")]
    Rpc {
        /// JSON-RPC method.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The source's words, shortened.
        message: String,
    },
}

/// The facts by which two nodes know that they are of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainIdentity {
    /// Chain id of the L1.
    pub l1_chain_id: u64,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Hash of the L1 block after which the rollup starts.
    pub genesis_l1: B256,
    /// Hash of the first L2 block.
    pub genesis_l2: B256,
}

impl From<&RollupConfig> for ChainIdentity {
    fn from(config: &RollupConfig) -> Self {
        Self {
            l1_chain_id: config.l1_chain_id,
            l2_chain_id: config.l2_chain_id,
            genesis_l1: config.genesis.l1.hash,
            genesis_l2: config.genesis.l2.hash,
        }
    }
}

/// A node whose view of safe and finalized can be followed. Every call ends within the source's deadline.
#[async_trait]
pub trait FollowSource: Debug + Send + Sync + 'static {
    /// `optimism_syncStatus`: one coherent answer.
    async fn status(&self) -> Result<SyncStatus, SourceError>;

    /// The chain that the source serves, from `optimism_rollupConfig`; `None` if it does not serve the method.
    async fn chain_identity(&self) -> Result<Option<ChainIdentity>, SourceError>;

    /// Whom the source follows, itself first, from `lightnode_followPath`; `None` if it does not serve the method.
    async fn follow_path(&self) -> Result<Option<Vec<String>>, SourceError>;

    /// `optimism_safeHeadAtL1Block`: the safe head once L1 up to `l1_number` is derived. A source that keeps no history says
    /// that it does not serve the method.
    async fn safe_head_at_l1_block(&self, l1_number: u64) -> Result<SafeHeadAtL1, SourceError> {
        let _ = l1_number;
        Err(SourceError::Rpc {
            method: SAFE_HEAD_AT_L1_BLOCK,
            code: METHOD_NOT_FOUND,
            message: "method not found".to_owned(),
        })
    }

    /// The source for logs: a URL without credentials.
    fn name(&self) -> &str;
}
