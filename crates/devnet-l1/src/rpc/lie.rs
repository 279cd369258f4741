//! Whole answers that are not true: another chain, wrong hashes, a head that stands still or goes down.

use super::{RpcResult, call, error::RpcError, params::Params, quantity};
use crate::{
    fault::{FaultKind, Snapshot},
    l1::EmbeddedL1,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, keccak256};
use light_node_devnet_fault::Met;
use serde_json::{Value, json};
use std::sync::Arc;

/// What requests are answered with instead of the truth.
#[derive(Clone, Debug)]
pub(super) enum Lie {
    Error,
    /// Of all blocks, or of one.
    WrongHash(Option<u64>),
    OtherChain(u64),
    /// Of all blocks, or of one.
    WrongReceipts(Option<u64>),
    /// All blocks, or one.
    MissingBlock(Option<u64>),
    /// The canonical chain is this one.
    Chain(Arc<Snapshot>),
}

impl Lie {
    /// The lie that a request has met; `None` for faults that are none.
    pub(super) fn new(l1: &EmbeddedL1, met: Met<FaultKind>) -> Option<Self> {
        Some(match met.kind {
            FaultKind::RpcError => Self::Error,
            FaultKind::WrongHash => Self::WrongHash(met.amount),
            FaultKind::WrongReceipts => Self::WrongReceipts(met.amount),
            FaultKind::MissingBlock => Self::MissingBlock(met.amount),
            FaultKind::OtherChain => {
                let own = super::chain_id(l1);
                Self::OtherChain(met.amount.unwrap_or(own + 1))
            }
            FaultKind::Stale => Self::Chain(l1.faults().frozen()),
            FaultKind::LowerHead => {
                let mut chain = l1.snapshot();
                let by = usize::try_from(met.amount.unwrap_or(1)).unwrap_or(usize::MAX);
                // Block 0 stays.
                chain
                    .hashes
                    .truncate(chain.hashes.len().saturating_sub(by).max(1));
                Self::Chain(Arc::new(chain))
            }
            _ => return None,
        })
    }

    /// Answers a method.
    pub(super) fn call(&self, l1: &EmbeddedL1, method: &str, params: &Params) -> RpcResult {
        match (self, method) {
            (Self::Error, _) => Err(RpcError::limit_exceeded("request limit exceeded")),
            (Self::OtherChain(id), "eth_chainId") => Ok(quantity(*id)),
            (Self::OtherChain(id), "net_version") => Ok(json!(id.to_string())),
            (Self::WrongHash(number), "eth_getBlockByNumber" | "eth_getBlockByHash") => {
                let mut block = call(l1, method, params)?;
                if is_of(*number, &block, "number")
                    && let Some(hash) = block.get_mut("hash")
                {
                    *hash = json!(keccak256(hash.to_string()));
                }
                Ok(block)
            }
            (Self::WrongReceipts(number), "eth_getBlockReceipts") => {
                let mut receipts = call(l1, method, params)?;
                for receipt in receipts.as_array_mut().into_iter().flatten() {
                    if is_of(*number, receipt, "blockNumber") {
                        receipt["logs"] = json!([]);
                    }
                }
                Ok(receipts)
            }
            (Self::WrongReceipts(number), "eth_getLogs") => {
                let mut logs = call(l1, method, params)?;
                if let Some(logs) = logs.as_array_mut() {
                    logs.retain(|log| !is_of(*number, log, "blockNumber"));
                }
                Ok(logs)
            }
            (Self::MissingBlock(number), "eth_getBlockByNumber" | "eth_getBlockByHash") => {
                let block = call(l1, method, params)?;
                Ok(if is_of(*number, &block, "number") {
                    Value::Null
                } else {
                    block
                })
            }
            (Self::Chain(chain), "eth_blockNumber") => {
                Ok(quantity(chain.hashes.len().saturating_sub(1)))
            }
            (Self::Chain(chain), "eth_getBlockByNumber" | "eth_getBlockReceipts") => {
                let BlockId::Number(tag) = params.required(0)? else {
                    return call(l1, method, params);
                };
                let Some(hash) = find(chain, tag)? else {
                    return Ok(Value::Null);
                };
                let by_hash = match method {
                    "eth_getBlockByNumber" => "eth_getBlockByHash",
                    other => other,
                };
                let full: Option<bool> = params.optional(1)?;
                call(l1, by_hash, &Params::new(Some(json!([hash, full])))?)
            }
            _ => call(l1, method, params),
        }
    }
}

/// True if `answer` is of the block that is meant, or if all are.
fn is_of(number: Option<u64>, answer: &Value, field: &str) -> bool {
    number.is_none_or(|number| answer.get(field) == Some(&quantity(number)))
}

/// The block that `tag` means on `chain`. Labels above its head fall back to the head.
fn find(chain: &Snapshot, tag: BlockNumberOrTag) -> Result<Option<B256>, RpcError> {
    let head = chain.hashes.len().saturating_sub(1) as u64;
    let label = |number: Option<u64>, missing: &str| {
        number
            .map(|number| number.min(head))
            .ok_or_else(|| RpcError::server(missing))
    };
    let number = match tag {
        BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => head,
        BlockNumberOrTag::Earliest => 0,
        BlockNumberOrTag::Number(number) => number,
        BlockNumberOrTag::Safe => label(chain.safe, "safe block not found")?,
        BlockNumberOrTag::Finalized => label(chain.finalized, "finalized block not found")?,
    };
    let index = usize::try_from(number).ok();
    Ok(index.and_then(|index| chain.hashes.get(index)).copied())
}
