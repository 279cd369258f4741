//! Every way in which L1 fails us, as what the caller branches on. Nothing here names a credential.

use crate::transport::HttpError;
use light_node_protocol::BlockNumHash;
use thiserror::Error;

/// The settings do not make an L1 client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum L1ConfigError {
    /// No endpoint was given.
    #[error("no l1 endpoint was given")]
    NoEndpoint,
    /// An endpoint is neither http nor https.
    #[error("l1 endpoint {endpoint} is not an http or https url")]
    UnsupportedScheme {
        /// URL without credentials.
        endpoint: String,
    },
    /// The HTTP client cannot be built (TLS set-up).
    #[error("cannot build the http client: {cause}")]
    HttpClient {
        /// What went wrong.
        cause: String,
    },
}

/// A failed question to L1. The same question may succeed later: every variant is temporary.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum L1Error {
    /// The endpoint did not answer, or not with HTTP 200.
    #[error("endpoint {endpoint} failed")]
    Http {
        /// URL without credentials.
        endpoint: String,
        /// What failed.
        #[source]
        source: HttpError,
    },
    /// The body is not the JSON-RPC answer that was asked for.
    #[error("endpoint {endpoint} gave an answer that does not decode: {cause}")]
    Malformed {
        /// URL without credentials.
        endpoint: String,
        /// What did not decode.
        cause: String,
    },
    /// The endpoint answered with a JSON-RPC error.
    #[error("l1 endpoint {endpoint} failed with {code}: {message}")]
    Rpc {
        /// URL without credentials.
        endpoint: String,
        /// JSON-RPC error code.
        code: i64,
        /// The endpoint's words, shortened.
        message: String,
    },
    /// Answers of one endpoint contradict each other; it changed its mind while we asked, or several nodes stand behind it.
    #[error("l1 endpoint {endpoint} contradicts itself about block {number}")]
    Inconsistent {
        /// URL without credentials.
        endpoint: String,
        /// The block in question.
        number: u64,
    },
    /// The endpoint names a head and has no block below it.
    #[error("l1 endpoint {endpoint} has no block {number} although its head is {head}")]
    Missing {
        /// URL without credentials.
        endpoint: String,
        /// The block that it does not have.
        number: u64,
        /// Height of the head that it named.
        head: u64,
    },
    /// Another endpoint is further.
    #[error(
        "l1 endpoint {endpoint} lags: its head is {number}, and another endpoint has block {known}"
    )]
    Lagging {
        /// URL without credentials.
        endpoint: String,
        /// Height of its head.
        number: u64,
        /// Height that is known to exist.
        known: u64,
    },
    /// The endpoint's head is below our finalized block, or on a branch without it.
    #[error(
        "l1 endpoint {endpoint} contradicts our finalized block {} ({}): its head {} ({}) does not descend from it",
        .finalized.number, .finalized.hash, .head.number, .head.hash
    )]
    BelowFinalized {
        /// URL without credentials.
        endpoint: String,
        /// The head that was not adopted.
        head: BlockNumHash,
        /// Our finalized block.
        finalized: BlockNumHash,
    },
    /// The endpoint is of another chain.
    #[error("l1 endpoint {endpoint} is of another chain: {detail}")]
    WrongChain {
        /// URL without credentials.
        endpoint: String,
        /// Which fact differs.
        detail: String,
    },
    /// Every endpoint has failed lately and waits out its back-off.
    #[error("no l1 endpoint is available: {causes}")]
    Unavailable {
        /// Each endpoint's last error in words.
        causes: String,
        /// Each of them answered, and what it said cannot be: see [`L1Error::is_contradiction`].
        all_contradict: bool,
    },
}

impl L1Error {
    /// L1 answers, and what it says cannot be true or used: it contradicts itself, its headers or its head. Whoever reads it need not
    /// look at the network.
    pub const fn is_contradiction(&self) -> bool {
        match self {
            Self::Malformed { .. } | Self::Inconsistent { .. } | Self::Missing { .. } => true,
            Self::Unavailable { all_contradict, .. } => *all_contradict,
            Self::Http { .. }
            | Self::Rpc { .. }
            | Self::Lagging { .. }
            | Self::BelowFinalized { .. }
            | Self::WrongChain { .. } => false,
        }
    }

    /// The endpoint answered, and the answer is useless. A single one may be a request that met a reorg.
    pub(crate) const fn is_bad_answer(&self) -> bool {
        match self {
            Self::Malformed { .. }
            | Self::Rpc { .. }
            | Self::Inconsistent { .. }
            | Self::Missing { .. } => true,
            Self::Http { .. }
            | Self::Lagging { .. }
            | Self::BelowFinalized { .. }
            | Self::WrongChain { .. }
            | Self::Unavailable { .. } => false,
        }
    }
}

/// Why the watcher ends the process.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum L1Fatal {
    /// Every endpoint answered, and every one is of another chain, before any was of ours.
    #[error(
        "no l1 endpoint is of the configured chain {expected}: {details}; check --l1 and the rollup config's l1_chain_id and genesis.l1"
    )]
    WrongChain {
        /// The configured L1 chain id.
        expected: u64,
        /// Each endpoint and what differs.
        details: String,
    },
}
