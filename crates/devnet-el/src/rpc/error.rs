//! JSON-RPC errors with the codes and the words that clients look for in them.

use crate::engine::EngineError;
use alloy_eips::BlockId;
use alloy_primitives::Bytes;
use jsonrpsee::types::ErrorObjectOwned;
use std::fmt::Display;

pub(crate) type RpcResult<T> = Result<T, ErrorObjectOwned>;

/// Execution API: no such block.
const UNKNOWN_BLOCK: i32 = -39001;
/// The code of every failure that has none of its own; what geth says of a refused transaction.
const SERVER_ERROR: i32 = -32000;
/// EIP-1474: a defined limit is exceeded.
const LIMIT_EXCEEDED: i32 = -32005;
/// JSON-RPC: invalid parameters.
const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC: internal error.
const INTERNAL: i32 = -32603;
/// Engine API: the method version does not fit the timestamp.
const UNSUPPORTED_FORK: i32 = -38005;
/// Engine API: the request is too large.
const TOO_LARGE_REQUEST: i32 = -38004;
/// geth's code of a reverted execution; the data is what the contract returned.
const REVERTED: i32 = 3;

fn error(code: i32, message: impl Display) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message.to_string(), None::<()>)
}

pub(super) fn unknown_block(id: BlockId) -> ErrorObjectOwned {
    error(UNKNOWN_BLOCK, format_args!("unknown block {id}"))
}

pub(super) fn state_dropped(id: BlockId) -> ErrorObjectOwned {
    error(
        SERVER_ERROR,
        format_args!("the state of block {id} is not kept any more"),
    )
}

pub(super) fn server_error(cause: impl Display) -> ErrorObjectOwned {
    error(SERVER_ERROR, cause)
}

pub(super) fn limit_exceeded(cause: impl Display) -> ErrorObjectOwned {
    error(LIMIT_EXCEEDED, cause)
}

pub(super) fn invalid_params(cause: impl Display) -> ErrorObjectOwned {
    error(INVALID_PARAMS, cause)
}

pub(super) fn internal(cause: impl Display) -> ErrorObjectOwned {
    error(INTERNAL, cause)
}

pub(super) fn unsupported_fork(cause: impl Display) -> ErrorObjectOwned {
    error(UNSUPPORTED_FORK, cause)
}

pub(super) fn too_large_request(cause: impl Display) -> ErrorObjectOwned {
    error(TOO_LARGE_REQUEST, cause)
}

pub(super) fn reverted(message: String, output: &Bytes) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(REVERTED, message, Some(output))
}

impl From<EngineError> for ErrorObjectOwned {
    fn from(cause: EngineError) -> Self {
        error(cause.code(), cause)
    }
}
