//! Every way in which L1 fails us, as what the caller branches on. Nothing here names a credential.

use crate::transport::HttpError;
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
    #[error("l1 endpoint {endpoint} failed")]
    Http {
        /// URL without credentials.
        endpoint: String,
        /// What failed.
        #[source]
        source: HttpError,
    },
    /// The body is not the JSON-RPC answer that was asked for.
    #[error("l1 endpoint {endpoint} gave an answer that does not decode: {cause}")]
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
    /// The endpoint is of another chain.
    #[error("l1 endpoint {endpoint} is of another chain: {detail}")]
    WrongChain {
        /// URL without credentials.
        endpoint: String,
        /// Which fact differs.
        detail: String,
    },
    /// Every endpoint has failed lately and waits out its back-off.
    #[error("no l1 endpoint is available, the last error was: {last}")]
    Unavailable {
        /// The last error in words.
        last: String,
    },
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
