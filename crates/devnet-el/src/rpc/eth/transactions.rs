//! Transactions, mined or waiting, and the way into the pool.

use super::blocks::{find, receipt};
use crate::rpc::{
    Lane, Registered, RpcContext,
    convert::{rpc_pending, rpc_transaction},
    error::{RpcResult, server_error},
    execute, read,
};
use alloy_eips::{BlockId, BlockNumberOrTag, Encodable2718};
use alloy_primitives::{B256, Bytes, U64};
use jsonrpsee::{RpcModule, types::ParamsSequence};
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    read(module, "eth_getTransactionByHash", by_hash)?;
    read(module, "eth_getRawTransactionByHash", raw_by_hash)?;
    read(
        module,
        "eth_getTransactionByBlockHashAndIndex",
        |context, params| {
            let hash: B256 = params.next()?;
            by_index(context, params, hash.into())
        },
    )?;
    read(
        module,
        "eth_getTransactionByBlockNumberAndIndex",
        |context, params| {
            let number: BlockNumberOrTag = params.next()?;
            by_index(context, params, number.into())
        },
    )?;
    execute(
        module,
        Lane::Evm,
        "eth_getTransactionReceipt",
        transaction_receipt,
    )?;
    // Recovers a signature.
    execute(
        module,
        Lane::Evm,
        "eth_sendRawTransaction",
        |context, params| {
            let raw: Bytes = params.next()?;
            context.el.submit_transaction(&raw).map_err(server_error)
        },
    )
}

fn by_hash(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<Option<Transaction>> {
    let hash: B256 = params.next()?;
    if let Some((block, index)) = context.view().transaction(&hash) {
        return Ok(rpc_transaction(block, index));
    }
    let pool = context.el.pool();
    let waiting = pool.get(&hash);
    Ok(waiting.map(|waiting| rpc_pending(waiting.inner().clone(), waiting.signer())))
}

fn raw_by_hash(context: &RpcContext, params: &mut ParamsSequence<'_>) -> RpcResult<Option<Bytes>> {
    let hash: B256 = params.next()?;
    if let Some((block, index)) = context.view().transaction(&hash) {
        let transaction = block.block.body.transactions.get(index);
        return Ok(transaction.map(|transaction| transaction.encoded_2718().into()));
    }
    Ok(context
        .el
        .pool()
        .get(&hash)
        .map(|waiting| waiting.encoded_2718().into()))
}

fn by_index(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
    id: BlockId,
) -> RpcResult<Option<Transaction>> {
    let index: U64 = params.next()?;
    let index = usize::try_from(index.to::<u64>()).unwrap_or(usize::MAX);
    Ok(find(context, id).and_then(|block| rpc_transaction(&block, index)))
}

fn transaction_receipt(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<Option<OpTransactionReceipt>> {
    let hash: B256 = params.next()?;
    let view = context.view();
    let found = view.transaction(&hash);
    Ok(found.and_then(|(block, index)| receipt(view.spec(), block, index)))
}
