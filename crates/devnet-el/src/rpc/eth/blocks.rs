//! Blocks and their receipts.

use crate::{
    execution::ExecutedBlock,
    rpc::{
        Lane, Registered, RpcContext,
        convert::{rpc_block, rpc_receipts},
        error::RpcResult,
        execute, read,
    },
    spec::ElSpec,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::Block;
use jsonrpsee::{RpcModule, types::ParamsSequence};
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};
use std::sync::Arc;

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    execute(
        module,
        Lane::Evm,
        "eth_getBlockByNumber",
        |context, params| {
            let number: BlockNumberOrTag = params.next()?;
            block(context, params, number.into())
        },
    )?;
    execute(
        module,
        Lane::Evm,
        "eth_getBlockByHash",
        |context, params| {
            let hash: B256 = params.next()?;
            block(context, params, hash.into())
        },
    )?;
    execute(
        module,
        Lane::Evm,
        "eth_getBlockReceipts",
        |context, params| {
            let view = context.view();
            let block = view.block(params.next()?);
            Ok(block.map(|block| rpc_receipts(view.spec(), block)))
        },
    )?;
    read(
        module,
        "eth_getBlockTransactionCountByNumber",
        |context, params| {
            let number: BlockNumberOrTag = params.next()?;
            Ok(transaction_count(context, number.into()))
        },
    )?;
    read(
        module,
        "eth_getBlockTransactionCountByHash",
        |context, params| {
            let hash: B256 = params.next()?;
            Ok(transaction_count(context, hash.into()))
        },
    )
}

/// A block by hash, number or tag; side branches by hash. A label that no forkchoice has set finds nothing.
pub(super) fn find(context: &RpcContext, id: BlockId) -> Option<Arc<ExecutedBlock>> {
    context.el.find_block(&context.view(), id)
}

fn block(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
    id: BlockId,
) -> RpcResult<Option<Block<Transaction>>> {
    let is_full: bool = params.optional_next()?.unwrap_or_default();
    Ok(find(context, id).map(|block| rpc_block(&block, is_full)))
}

fn transaction_count(context: &RpcContext, id: BlockId) -> Option<U64> {
    find(context, id).map(|block| U64::from(block.block.body.transactions.len()))
}

/// The receipt of one transaction of a block.
pub(super) fn receipt(
    spec: &ElSpec,
    block: &ExecutedBlock,
    index: usize,
) -> Option<OpTransactionReceipt> {
    rpc_receipts(spec, block).into_iter().nth(index)
}
