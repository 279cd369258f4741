//! Errors of the server, and the JSON-RPC errors of its methods.

use jsonrpsee::types::{
    ErrorObjectOwned,
    error::{
        INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE, METHOD_NOT_FOUND_CODE, SERVER_IS_BUSY_CODE,
        SERVER_IS_BUSY_MSG,
    },
};
use std::net::SocketAddr;
use thiserror::Error;

/// The server cannot start.
#[derive(Debug, Error)]
pub enum RpcError {
    /// The address cannot be bound.
    #[error(
        "cannot serve RPC on {listen} (another node may be running, or --rpc.addr is not an address of this host)"
    )]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The address of the metrics server cannot be bound.
    #[error(
        "cannot serve metrics on {listen} (another node may be running: choose another --metrics.port; or --metrics.addr is \
         not an address of this host)"
    )]
    BindMetrics {
        /// The address asked for.
        listen: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The servers' thread cannot be started.
    #[error("cannot start the thread of the RPC server")]
    Thread {
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The servers' thread panicked: a defect of ours.
    #[error("the thread of the RPC server panicked")]
    Panicked,
    /// A method name was registered twice: a defect of ours.
    #[error("cannot register an RPC method")]
    Register(#[from] jsonrpsee::core::RegisterMethodError),
}

/// JSON-RPC code of errors that op-node returns for missing things.
const NOT_FOUND_CODE: i32 = -32000;

pub(crate) fn invalid_params(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, None::<()>)
}

/// Parameters that do not decode: what was expected, and what the decoder says.
pub(crate) fn expected(what: &str, cause: &ErrorObjectOwned) -> ErrorObjectOwned {
    let detail = cause.data().map_or(cause.message(), |data| data.get());
    invalid_params(format!("expected {what}: {}", detail.trim_matches('"')))
}

pub(crate) fn not_found(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(NOT_FOUND_CODE, message, None::<()>)
}

pub(crate) fn failed(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(NOT_FOUND_CODE, message, None::<()>)
}

pub(crate) fn internal(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INTERNAL_ERROR_CODE, message, None::<()>)
}

/// A method that this node does not serve, in the words that clients of op-node know, and why.
pub(crate) fn not_available(method: &str, why: &str) -> ErrorObjectOwned {
    let message = format!("the method {method} does not exist/is not available: {why}");
    ErrorObjectOwned::owned(METHOD_NOT_FOUND_CODE, message, None::<()>)
}

/// Too many calls of this kind are being worked on.
pub(crate) fn busy() -> ErrorObjectOwned {
    ErrorObjectOwned::owned(SERVER_IS_BUSY_CODE, SERVER_IS_BUSY_MSG, None::<()>)
}
