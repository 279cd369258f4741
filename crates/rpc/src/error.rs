//! Errors of the server, and the JSON-RPC errors of its methods.

use jsonrpsee::types::{ErrorObjectOwned, error::INTERNAL_ERROR_CODE, error::INVALID_PARAMS_CODE};
use std::net::SocketAddr;
use thiserror::Error;

/// The server cannot start.
#[derive(Debug, Error)]
pub enum RpcError {
    /// The address cannot be bound.
    #[error(
        "cannot serve RPC on {listen}: {source}; is another node running, or is --rpc.addr not an address of this host?"
    )]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
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
