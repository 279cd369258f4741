//! JSON-RPC errors with geth's codes and words, since clients branch on both.

use crate::{contracts::Reverted, pool::PoolError};
use serde_json::{Value, json};

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RpcError {
    code: i64,
    message: String,
    data: Option<Value>,
}

impl RpcError {
    /// The body is not JSON.
    pub(crate) fn parse(cause: &impl ToString) -> Self {
        Self::new(-32700, cause.to_string())
    }

    /// JSON, but no request, or too many at a time.
    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(-32600, message)
    }

    /// A method that this L1 does not have.
    pub(crate) fn method_not_found(method: &str) -> Self {
        let message = format!("the method {method} does not exist/is not available");
        Self::new(-32601, message)
    }

    /// Missing or malformed parameters.
    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    /// More than this server gives in one answer.
    pub(crate) fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new(-32005, message)
    }

    /// geth's code for everything that is wrong with the state of things.
    pub(crate) fn server(message: impl Into<String>) -> Self {
        Self::new(-32000, message)
    }

    fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// The `error` member of a response.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        error
    }
}

impl From<PoolError> for RpcError {
    fn from(error: PoolError) -> Self {
        Self::server(error.to_string())
    }
}

impl From<Reverted> for RpcError {
    fn from(reverted: Reverted) -> Self {
        Self {
            data: Some(json!(reverted.data())),
            ..Self::new(3, reverted.to_string())
        }
    }
}
