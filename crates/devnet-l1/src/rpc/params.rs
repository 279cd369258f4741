//! Positional parameters, which may be left out at the end or be null.

use super::error::RpcError;
use alloy_eips::{BlockId, BlockNumberOrTag};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Params(Vec<Value>);

impl Params {
    /// Missing and null parameters are none; an object stands for a single positional one.
    pub(crate) fn new(params: Option<Value>) -> Result<Self, RpcError> {
        match params {
            None | Some(Value::Null) => Ok(Self(Vec::new())),
            Some(Value::Array(params)) => Ok(Self(params)),
            Some(object @ Value::Object(_)) => Ok(Self(vec![object])),
            Some(_) => Err(RpcError::invalid_params("non-array args")),
        }
    }

    /// A parameter that must be there.
    pub(crate) fn required<T: DeserializeOwned>(&self, index: usize) -> Result<T, RpcError> {
        self.optional(index)?.ok_or_else(|| {
            RpcError::invalid_params(format!("missing value for required argument {index}"))
        })
    }

    /// A parameter that may be missing or null.
    pub(crate) fn optional<T: DeserializeOwned>(
        &self,
        index: usize,
    ) -> Result<Option<T>, RpcError> {
        let Some(value) = self.0.get(index).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        T::deserialize(value)
            .map(Some)
            .map_err(|error| RpcError::invalid_params(format!("invalid argument {index}: {error}")))
    }

    /// A number, written as a JSON number or as a hex quantity.
    pub(crate) fn number(&self, index: usize) -> Result<Option<u64>, RpcError> {
        let Some(value) = self.0.get(index).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        value
            .as_u64()
            .or_else(|| value.as_str().and_then(hex))
            .map(Some)
            .ok_or_else(|| RpcError::invalid_params(format!("invalid argument {index}: no number")))
    }

    /// A number that must be there.
    pub(crate) fn required_number(&self, index: usize) -> Result<u64, RpcError> {
        self.number(index)?.ok_or_else(|| {
            RpcError::invalid_params(format!("missing value for required argument {index}"))
        })
    }

    /// A block by number, tag, bare hash or EIP-1898 object; the head if it is left out.
    pub(crate) fn block(&self, index: usize) -> Result<BlockId, RpcError> {
        Ok(self
            .optional(index)?
            .unwrap_or(BlockId::Number(BlockNumberOrTag::Latest)))
    }
}
