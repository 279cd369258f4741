//! Every way in which a call to the EL fails, as what the caller branches on.

use alloy_primitives::B256;
use core::fmt;
use light_node_protocol::Severity;
use std::{path::PathBuf, time::Duration};
use thiserror::Error;

/// Clocks that differ by less agree: a `Date` header has whole seconds, and the answer took its time.
const CLOCKS_AGREE_SECS: u64 = 5;

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
    /// HTTP 401 or 403: the request was refused before it was read.
    #[error("{0}")]
    Unauthorized(Box<JwtRefusal>),
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
    /// The EL runs another chain.
    #[error(
        "the execution layer runs chain {found}, but this node is configured for chain {expected}: \
         point --l2 at an execution layer of that chain"
    )]
    WrongChain {
        /// Chain id of the rollup config.
        expected: u64,
        /// Chain id of the EL.
        found: u64,
    },
    /// The EL's genesis is not the rollup's: it runs another chain, or has another genesis file.
    #[error(
        "the execution layer's block {number} is {actual}, but the rollup's genesis is {expected}: \
         it runs another chain, or was initialised with another genesis file"
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
    #[error("{method} failed with {code}: {message}{}", port_hint(method, *code))]
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
            | Self::Unauthorized(_)
            | Self::Http { .. }
            | Self::Malformed { .. }
            | Self::Rpc { .. } => Severity::Temporary,
            Self::InvalidForkchoiceState { .. } => Severity::Reset,
            Self::WrongChain { .. } | Self::WrongGenesis { .. } => Severity::Critical,
        }
    }

    /// The words in which the EL refuses attributes. Some ELs answer [`Self::INVALID_PARAMS`] to those that lack what a fork wants,
    /// or have what it does not.
    ///
    /// # Errors
    /// The error itself, if it is about something else. Only what `forkchoiceUpdated` with attributes answers is to be asked.
    pub fn into_refused_attributes(self) -> Result<String, Self> {
        match self {
            Self::InvalidPayloadAttributes { message }
            | Self::Rpc {
                code: Self::INVALID_PARAMS,
                message,
                ..
            } => Ok(message),
            error => Err(error),
        }
    }

    /// The class of the error, for labels of metrics and for logs that speak once per kind of trouble.
    pub const fn class(&self) -> ElErrorClass {
        match self {
            Self::Transport { .. } => ElErrorClass::Transport,
            Self::Timeout { .. } => ElErrorClass::Timeout,
            Self::Unauthorized(_) => ElErrorClass::Unauthorized,
            Self::Http { .. } => ElErrorClass::Http,
            Self::Malformed { .. } => ElErrorClass::Malformed,
            Self::WrongChain { .. } | Self::WrongGenesis { .. } => ElErrorClass::WrongChain,
            Self::InvalidForkchoiceState { .. } => ElErrorClass::InvalidForkchoice,
            Self::Rpc {
                code: Self::METHOD_NOT_FOUND,
                ..
            } => ElErrorClass::MethodNotFound,
            Self::UnknownPayload
            | Self::InvalidPayloadAttributes { .. }
            | Self::TooLargeRequest { .. }
            | Self::UnsupportedFork { .. }
            | Self::Rpc { .. } => ElErrorClass::Rpc,
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

/// The kinds of failed calls, few enough for a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ElErrorClass {
    /// No connection.
    Transport,
    /// No answer in time.
    Timeout,
    /// HTTP 401 or 403.
    Unauthorized,
    /// Another HTTP status than 200.
    Http,
    /// An answer that does not decode.
    Malformed,
    /// An EL of another chain or genesis.
    WrongChain,
    /// -38002.
    InvalidForkchoice,
    /// -32601.
    MethodNotFound,
    /// Any other JSON-RPC error.
    Rpc,
}

impl ElErrorClass {
    /// All classes.
    pub const ALL: [Self; 9] = [
        Self::Transport,
        Self::Timeout,
        Self::Unauthorized,
        Self::Http,
        Self::Malformed,
        Self::WrongChain,
        Self::InvalidForkchoice,
        Self::MethodNotFound,
        Self::Rpc,
    ];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::Http => "http",
            Self::Malformed => "malformed",
            Self::WrongChain => "wrong_chain",
            Self::InvalidForkchoice => "invalid_forkchoice",
            Self::MethodNotFound => "method_not_found",
            Self::Rpc => "rpc_error",
        }
    }

    /// True if what answers may be another EL than before, or none: who it is has to be asked again.
    pub const fn is_outage(self) -> bool {
        match self {
            Self::Transport
            | Self::Timeout
            | Self::Unauthorized
            | Self::Http
            | Self::Malformed
            | Self::WrongChain => true,
            Self::InvalidForkchoice | Self::MethodNotFound | Self::Rpc => false,
        }
    }
}

/// A refused JWT, with all that tells its cause. Its words name the remedy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtRefusal {
    /// HTTP status code, 401 or 403.
    pub status: u16,
    /// The file of our secret, if it comes from one.
    pub secret_file: Option<PathBuf>,
    /// Why that file cannot be read any more, if it cannot: then the last good secret was used.
    pub secret_error: Option<String>,
    /// The EL's clock less ours in seconds, if it said its time.
    pub clock_offset_secs: Option<i64>,
}

impl fmt::Display for JwtRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        write!(
            f,
            "the execution layer refused our JWT (HTTP {status}): --l2.jwt-secret"
        )?;
        if let Some(path) = &self.secret_file {
            write!(f, " ({})", path.display())?;
        }
        f.write_str(" must hold the same secret as the execution layer's --authrpc.jwtsecret")?;
        if let Some(error) = &self.secret_error {
            write!(f, "; {error}")?;
        }
        match self.clock_offset_secs {
            Some(offset) if offset.unsigned_abs() <= CLOCKS_AGREE_SECS => {
                f.write_str("; the clocks agree, so it is not the time")?;
            }
            Some(offset) => {
                let side = if offset > 0 { "ahead of" } else { "behind" };
                let seconds = offset.unsigned_abs();
                write!(
                    f,
                    "; its clock is {seconds} s {side} ours, and 60 s are too much: set the clocks"
                )?;
            }
            None => f.write_str(", and the two clocks must agree within 60 s")?,
        }
        if status == 403 {
            f.write_str(
                "; op-geth answers 403 also to a host name that its --authrpc.vhosts does not list",
            )?;
        }
        Ok(())
    }
}

/// What a missing method of the Engine API most often means.
fn port_hint(method: &str, code: i64) -> &'static str {
    if code == ElError::METHOD_NOT_FOUND && method.starts_with("engine_") {
        "; is --l2 the authrpc port of the execution layer (usually 8551), not its plain RPC port?"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests;
