//! Control methods of the plain port: what a test or an operator of a devnet does to the execution layer. No fault meets them,
//! and they answer while it is killed. Numbers may be JSON numbers or hex quantities.

use super::{
    Lane, Registered, RpcContext,
    error::{RpcResult, server_error},
    execute, read,
};
use crate::{execution::ExecutedBlock, fault::ElFault};
use alloy_primitives::U64;
use jsonrpsee::{RpcModule, types::ParamsSequence};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Registers the namespace.
pub(crate) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    read(module, "dev_status", |context, _| Ok(status(context)))?;
    execute(module, Lane::Evm, "dev_kill", |context, _| {
        context.el.kill();
        Ok(status(context))
    })?;
    execute(module, Lane::Evm, "dev_restart", |context, params| {
        context.el.restart(number(params)?);
        Ok(status(context))
    })?;
    execute(module, Lane::Evm, "dev_wipe", |context, _| {
        context.el.wipe().map_err(server_error)?;
        Ok(status(context))
    })?;
    execute(module, Lane::Evm, "dev_swapChain", |context, params| {
        let chain_id = number(params)?;
        context.el.swap_chain(chain_id).map_err(server_error)?;
        Ok(status(context))
    })?;
    execute(module, Lane::Evm, "dev_ownChain", |context, _| {
        context.el.return_to_own_chain();
        Ok(status(context))
    })?;
    read(module, "dev_setPeer", |context, params| {
        context.el.set_peer_connected(params.next()?);
        Ok(status(context))
    })?;
    read(module, "dev_fault", |context, params| {
        let fault: ElFault = params.next()?;
        context.el.set_fault(fault);
        Ok(true)
    })?;
    read(module, "dev_clearFault", |context, _| {
        context.el.clear_fault();
        Ok(true)
    })
}

/// A number in either form.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Hex(U64),
}

fn number(params: &mut ParamsSequence<'_>) -> RpcResult<Option<u64>> {
    let given: Option<Number> = params.optional_next()?;
    Ok(given.map(|given| match given {
        Number::Plain(number) => number,
        Number::Hex(number) => number.to(),
    }))
}

/// The heads, and what is going on.
fn status(context: &RpcContext) -> Value {
    let (el, view) = (&context.el, context.view());
    let block = |block: Option<&Arc<ExecutedBlock>>| {
        block.map(|block| json!({ "number": block.number(), "hash": block.hash }))
    };
    let target = el
        .sync_target()
        .map(|target| json!({ "hash": target.hash, "number": target.number }));
    json!({
        "behaviour": el.behaviour(),
        "alive": el.is_alive(),
        "chainId": view.spec().chain_id(),
        "genesis": view.genesis().hash,
        "latest": block(Some(view.head())),
        "safe": block(view.safe()),
        "finalized": block(view.finalized()),
        "syncTarget": target,
        "backfilling": el.is_backfilling(),
        "peerConnected": el.is_peer_connected(),
        "fault": el.fault(),
        "faultsMet": *el.faults_met().borrow(),
        "pendingTransactions": el.pool().len(),
    })
}
