//! The `admin` namespace. It exists only where the operator enabled it.

use crate::{
    context::RpcContext,
    error::{expected, failed, invalid_params},
};
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use light_node_engine::InsertOutcome;
use light_node_engine_api::{payload_block_hash, payload_envelope_from_json};
use serde_json::value::RawValue;
use std::sync::Arc;

pub(crate) fn register(module: &mut RpcModule<RpcContext>) -> Result<(), RegisterMethodError> {
    module.register_async_method("admin_postUnsafePayload", |params, context, _| async move {
        post_unsafe_payload(&params, &context).await
    })?;
    module.register_async_method(
        "admin_resetDerivationPipeline",
        |_, context, _| async move { reset_derivation(&context).await },
    )?;
    Ok(())
}

/// `admin_resetDerivationPipeline()`: what was derived and is not safe yet is void, and derivation finds its start anew. Answers
/// when the engine has done its part; heads hold meanwhile.
async fn reset_derivation(context: &Arc<RpcContext>) -> Result<(), ErrorObjectOwned> {
    if context.peers.safe_source.derivation().is_none() {
        return Err(failed(
            "this node follows another one: there is no derivation to reset",
        ));
    }
    let engine = context.peers.engine.clone();
    context
        .turns
        .ask(async move {
            let mut states = engine.watch();
            let before = states.borrow_and_update().reset_epoch;
            let gone = |cause: &dyn std::fmt::Display| failed(cause.to_string());
            engine
                .restart_derivation()
                .await
                .map_err(|cause| gone(&cause))?;
            let done = states.wait_for(|state| state.reset_epoch > before).await;
            done.map(drop).map_err(|cause| gone(&cause))
        })
        .await
}

/// `admin_postUnsafePayload(envelope)`: checks the block hash, hands the payload to the engine and answers with its verdict.
async fn post_unsafe_payload(
    params: &Params<'_>,
    context: &Arc<RpcContext>,
) -> Result<&'static str, ErrorObjectOwned> {
    let json: Box<RawValue> = params
        .one()
        .map_err(|cause| expected("one payload envelope", &cause))?;
    let envelope = payload_envelope_from_json(json.get())
        .map_err(|cause| invalid_params(format!("expected one payload envelope: {cause}")))?;
    let claimed = envelope.execution_payload.block_hash();
    let computed = payload_block_hash(&envelope)
        .map_err(|cause| invalid_params(format!("the payload does not decode: {cause}")))?;
    if claimed != computed {
        return Err(invalid_params(format!(
            "payload has bad block hash: claimed {claimed}, computed {computed}"
        )));
    }
    let engine = context.peers.engine.clone();
    let outcome = context
        .turns
        .ask(async move {
            let outcome = engine.insert_unsafe(envelope).await;
            outcome.map_err(|cause| failed(cause.to_string()))
        })
        .await?;
    match outcome {
        InsertOutcome::Inserted => Ok("inserted"),
        InsertOutcome::AlreadyKnown => Ok("already known"),
        InsertOutcome::Buffered => Ok("buffered"),
        InsertOutcome::Syncing => Ok("syncing"),
        InsertOutcome::Invalid { reason } => Err(failed(format!(
            "the execution layer calls it invalid: {reason}"
        ))),
        InsertOutcome::Rejected { reason } => Err(failed(format!("rejected: {reason}"))),
        InsertOutcome::Failed { reason } => Err(failed(format!("not inserted: {reason}"))),
    }
}
