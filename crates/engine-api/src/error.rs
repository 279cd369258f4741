//! Every way in which a call to the EL fails, as what the caller branches on.

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
    #[error("the execution layer refused the JWT (HTTP {status})")]
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
    /// What the caller has to do about it.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Transport { .. }
            | Self::Timeout { .. }
            | Self::Unauthorized { .. }
            | Self::Http { .. }
            | Self::Malformed { .. }
            | Self::Rpc { .. } => Severity::Temporary,
            Self::UnknownPayload
            | Self::InvalidPayloadAttributes { .. }
            | Self::TooLargeRequest { .. }
            | Self::UnsupportedFork { .. } => Severity::Drop,
            Self::InvalidForkchoiceState { .. } => Severity::Reset,
        }
    }
}
