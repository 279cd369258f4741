//! `dev_*` methods on the source's port that command the batcher and send transactions to the rollup's contracts on L1.

use super::rpc::Context;
use crate::{
    batcher::{BatcherConfig, BatcherError, BatcherHandle, DataAvailability},
    l1_commands::{Deposit, L1CommandError, L1Commands, SystemConfigChange},
};
use alloy_primitives::Bytes;
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params, error::INVALID_PARAMS_CODE},
};
use light_node_actor::in_words;
use light_node_devnet_batches::malformed::Malformed;
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;

/// JSON-RPC code of commands that are not carried out.
const REFUSED_CODE: i32 = -32000;

/// Who carries the commands out.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    pub(crate) batcher: BatcherHandle,
    pub(crate) l1: L1Commands,
}

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    module.register_method("dev_batcher", |_, context, _| status(context))?;
    module.register_method("dev_setBatcher", |params, context, _| {
        let config: BatcherConfig = changed(&context.rpc.commands.batcher.config(), &params)?;
        context.rpc.commands.batcher.set_config(config);
        Ok::<_, ErrorObjectOwned>(status(context))
    })?;
    module.register_method("dev_pauseBatcher", |_, context, _| {
        context.rpc.commands.batcher.pause();
        status(context)
    })?;
    module.register_method("dev_resumeBatcher", |_, context, _| {
        context.rpc.commands.batcher.resume();
        status(context)
    })?;
    module.register_async_method("dev_postBatcherData", |params, context, _| async move {
        let (data, da): (Vec<Bytes>, Option<DataAvailability>) = two(&params)?;
        let batcher = &context.rpc.commands.batcher;
        let da = da.unwrap_or_else(|| batcher.config().da);
        batcher
            .post(data, da)
            .await
            .map_err(refused::<BatcherError>)
    })?;
    module.register_async_method("dev_postMalformed", |params, context, _| async move {
        let (kind, da): (Malformed, Option<DataAvailability>) = two(&params)?;
        let batcher = &context.rpc.commands.batcher;
        let da = da.unwrap_or_else(|| batcher.config().da);
        batcher
            .post_malformed(kind, da)
            .await
            .map_err(refused::<BatcherError>)
    })?;
    module.register_method("dev_setSystemConfig", |params, context, _| {
        let change: SystemConfigChange = params.one()?;
        let sent = context.rpc.commands.l1.change_system_config(change);
        sent.map_err(refused::<L1CommandError>)
    })?;
    module.register_method("dev_deposit", |params, context, _| {
        let deposit: Deposit = params.one()?;
        let sent = context.rpc.commands.l1.deposit(deposit);
        sent.map_err(refused::<L1CommandError>)
    })?;
    Ok(())
}

fn status(context: &Context) -> Value {
    let batcher = &context.rpc.commands.batcher;
    json!({ "paused": batcher.is_paused(), "config": batcher.config() })
}

/// `now` with the fields that the one parameter names.
fn changed(now: &BatcherConfig, params: &Params<'_>) -> Result<BatcherConfig, ErrorObjectOwned> {
    let fields: serde_json::Map<String, Value> = params.one()?;
    let mut config = json!(now);
    if let Some(config) = config.as_object_mut() {
        config.extend(fields);
    }
    serde_json::from_value(config).map_err(|cause| {
        ErrorObjectOwned::owned(INVALID_PARAMS_CODE, cause.to_string(), None::<()>)
    })
}

/// A parameter that must be there, and one that may.
fn two<'a, A: Deserialize<'a>, B: Deserialize<'a>>(
    params: &'a Params<'_>,
) -> Result<(A, Option<B>), ErrorObjectOwned> {
    let mut sequence = params.sequence();
    Ok((sequence.next()?, sequence.optional_next()?))
}

fn refused<E: Error>(error: E) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(REFUSED_CODE, in_words(&error), None::<()>)
}

#[cfg(test)]
mod tests;
