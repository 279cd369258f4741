//! Blocks, transactions and receipts. An unknown block is null; a label that no block carries yet is an error, as in geth.

use super::{RpcResult, error::RpcError, params::Params, view};
use crate::{chain::L1Block, l1::EmbeddedL1};
use alloy_eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The block that `id` means, if there is one.
///
/// # Errors
/// A label that no block carries yet.
pub(super) fn find(l1: &EmbeddedL1, id: BlockId) -> Result<Option<Arc<L1Block>>, RpcError> {
    let block = l1.with_chain(|chain| chain.block(id).cloned());
    match id {
        BlockId::Number(BlockNumberOrTag::Safe) if block.is_none() => {
            Err(RpcError::server("safe block not found"))
        }
        BlockId::Number(BlockNumberOrTag::Finalized) if block.is_none() => {
            Err(RpcError::server("finalized block not found"))
        }
        _ => Ok(block),
    }
}

/// The block whose state is asked for.
///
/// # Errors
/// There is no such block.
pub(super) fn find_state(l1: &EmbeddedL1, id: BlockId) -> Result<Arc<L1Block>, RpcError> {
    find(l1, id)?.ok_or_else(|| RpcError::server("header not found"))
}

pub(super) fn block_by_number(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let number: BlockNumberOrTag = params.required(0)?;
    block(l1, number.into(), params)
}

pub(super) fn block_by_hash(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let hash: B256 = params.required(0)?;
    block(l1, hash.into(), params)
}

fn block(l1: &EmbeddedL1, id: BlockId, params: &Params) -> RpcResult {
    let full = params.optional(1)?.unwrap_or(false);
    find(l1, id)?.map_or(Ok(Value::Null), |block| to_json(&view::block(&block, full)))
}

pub(super) fn block_receipts(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let block = find(l1, params.required(0)?)?;
    block.map_or(Ok(Value::Null), |block| to_json(&view::receipts(&block)))
}

pub(super) fn transaction_by_hash(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let hash: B256 = params.required(0)?;
    let known = l1.with_chain(|chain| {
        let mined = chain.transaction(&hash);
        mined
            .and_then(|(block, index)| view::transaction(block, index))
            .or_else(|| {
                chain
                    .pending_transaction(&hash)
                    .map(view::pending_transaction)
            })
    });
    to_json(&known)
}

pub(super) fn transaction_receipt(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let hash: B256 = params.required(0)?;
    let mined = l1.with_chain(|chain| {
        chain
            .transaction(&hash)
            .map(|(block, index)| (block.clone(), index))
    });
    let receipt = mined.and_then(|(block, index)| view::receipts(&block).into_iter().nth(index));
    to_json(&receipt)
}

pub(super) fn raw_header(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let block = find_state(l1, params.required(0)?)?;
    Ok(json!(Bytes::from(alloy_rlp::encode(block.header()))))
}

pub(super) fn raw_receipts(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let block = find_state(l1, params.required(0)?)?;
    let receipts = block
        .receipts()
        .iter()
        .map(|receipt| Bytes::from(receipt.encoded_2718()));
    Ok(json!(receipts.collect::<Vec<_>>()))
}

/// Our own views always serialize; if one did not, its caller gets an error and the server lives on.
pub(super) fn to_json(value: &impl Serialize) -> RpcResult {
    serde_json::to_value(value).map_err(|error| RpcError::server(error.to_string()))
}
