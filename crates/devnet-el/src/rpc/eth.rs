//! The `eth` namespace: what a rollup node, a wallet, a batcher and a block explorer ask an execution layer for.

mod accounts;
mod blocks;
mod call;
mod estimate;
mod fees;
mod logs;
mod transactions;

use super::{Registered, RpcContext, read};
use alloy_primitives::{Address, U64};
use jsonrpsee::RpcModule;
use serde_json::{Value, json};

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    read(module, "eth_chainId", |context, _| {
        Ok(U64::from(context.view().spec().chain_id()))
    })?;
    read(module, "eth_blockNumber", |context, _| {
        Ok(U64::from(context.view().head().number()))
    })?;
    read(module, "eth_syncing", |context, _| Ok(syncing(context)))?;
    read(module, "eth_accounts", |_, _| Ok(Vec::<Address>::new()))?;
    accounts::register(module)?;
    blocks::register(module)?;
    call::register(module)?;
    estimate::register(module)?;
    fees::register(module)?;
    logs::register(module)?;
    transactions::register(module)
}

/// `eth_syncing`: false, or how far the way to the head that a forkchoice asked for is.
fn syncing(context: &RpcContext) -> Value {
    let Some(progress) = context.el.sync_progress() else {
        return json!(false);
    };
    json!({
        "startingBlock": U64::from(progress.starting),
        "currentBlock": U64::from(progress.current),
        "highestBlock": U64::from(progress.highest),
    })
}
