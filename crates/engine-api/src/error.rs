//! Every way in which a call to the EL fails, as what the caller branches on.

use alloy_primitives::B256;
use light_node_protocol::Severity;
use std::time::Duration;
use thiserror::Error;

/// A failed call to the EL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ElError {
    /// The connection failed: refused, reset, DNS, TLS.
    #[error("cannot reach the execution layer at {endpoint}: {cause}")]
    Transport {
        /// URL without credentials.
        endpoint: String,
        /// The innermost cause.
        cause: String,
    },
    /// No answer within the deadline.
    #[error("{method} had no answer within {deadline:?}")]
    Timeout {
        /// JSON-RPC method.
        method: &'static str,
        /// The deadline that passed.
        deadline: Duration,
    },
    /// HTTP 401 or 403: the JWT was refused.
    #[error(
        "the execution layer refused the JWT (HTTP {status}): the secrets or the clocks differ"
    )]
    Unauthorized {
        /// HTTP status code.
        status: u16,
    },
    /// Another HTTP status than 200.
    #[error("{method} got HTTP {status}")]
    Http {
        /// JSON-RPC method.
        method: &'static str,
        /// HTTP status code.
        status: u16,
    },
    /// The body is not the JSON-RPC answer that the method has.
    #[error("{method} got an answer that does not decode: {cause}")]
    Malformed {
        /// JSON-RPC method.
        method: &'static str,
        /// What did not decode.
        cause: String,
    },
    /// -38001: the payload id is not known (any more).
    #[error("unknown payload")]
    UnknownPayload,
    /// -38002: head, safe and finalized do not fit. The EL may have moved its head all the same.
    #[error("invalid forkchoice state: {message}")]
    InvalidForkchoiceState {
        /// The EL's words.
        message: String,
    },
    /// -38003: the attributes were refused.
    #[error("invalid payload attributes: {message}")]
    InvalidPayloadAttributes {
        /// The EL's words.
        message: String,
    },
    /// -38004: the request was too large.
    #[error("request too large: {message}")]
    TooLargeRequest {
        /// The EL's words.
        message: String,
    },
    /// -38005: the method version does not fit the timestamp.
    #[error("unsupported fork: {message}")]
    UnsupportedFork {
        /// The EL's words.
        message: String,
    },
    /// The EL's genesis is not the rollup's: it runs another chain, or has another genesis file.
    #[error(
        "the execution layer's block {number} is {actual}, but the rollup's genesis is {expected}"
    )]
    WrongGenesis {
        /// Number of genesis.
        number: u64,
        /// Hash in the rollup config.
        expected: B256,
        /// Hash of the EL's block.
        actual: B256,
    },
    /// Any other JSON-RPC error.
    #[error("{method} failed with {code}: {message}")]
    Rpc {
        /// JSON-RPC method.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The EL's words.
        message: String,
    },
}

impl ElError {
    /// JSON-RPC: the EL does not serve the method, at least not on this port.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// JSON-RPC: the parameters do not decode, or a field that the fork wants is missing.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Execution API: no such block.
    pub const UNKNOWN_BLOCK: i64 = -39001;

    /// What the caller has to do about it.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Rpc {
                code: Self::METHOD_NOT_FOUND | Self::INVALID_PARAMS,
                ..
            }
            | Self::UnknownPayload
            | Self::InvalidPayloadAttributes { .. }
            | Self::TooLargeRequest { .. }
            | Self::UnsupportedFork { .. } => Severity::Drop,
            Self::Transport { .. }
            | Self::Timeout { .. }
            | Self::Unauthorized { .. }
            | Self::Http { .. }
            | Self::Malformed { .. }
            | Self::Rpc { .. } => Severity::Temporary,
            Self::InvalidForkchoiceState { .. } => Severity::Reset,
            Self::WrongGenesis { .. } => Severity::Critical,
        }
    }

    /// The EL has no such block, where a block was required.
    pub(crate) fn unknown_block(method: &'static str) -> Self {
        Self::Rpc {
            method,
            code: Self::UNKNOWN_BLOCK,
            message: "unknown block".to_owned(),
        }
    }
}
