//! The `admin` namespace. It is served only where the operator enabled it; elsewhere its methods say so.

mod sequencer;

use crate::{
    context::{RpcContext, TurnsByKind},
    error::{expected, failed, invalid_params},
    log_level::{SetLogLevel, level_of},
    opp2p::refuse,
};
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use light_node_engine::InsertOutcome;
use light_node_engine_api::{payload_block_hash, payload_envelope_from_json};
use light_node_sequencer::SequencerHandle;
use serde_json::value::RawValue;
use std::sync::Arc;
use tracing::info;

/// Why a method of an admin is not there.
pub(crate) const HINT: &str = "--rpc.enable-admin is off";

/// All methods of the namespace.
const METHODS: [&str; 10] = [
    "admin_postUnsafePayload",
    "admin_resetDerivationPipeline",
    "admin_setLogLevel",
    "admin_sequencerActive",
    "admin_conductorEnabled",
    "admin_adminRecoverMode",
    "admin_startSequencer",
    "admin_stopSequencer",
    "admin_overrideLeader",
    "admin_setRecoverMode",
];

/// Registers methods that say how an operator gets them.
pub(crate) fn register_hints(
    module: &mut RpcModule<RpcContext>,
) -> Result<(), RegisterMethodError> {
    refuse(module, &METHODS, HINT)
}

pub(crate) fn register(
    module: &mut RpcModule<RpcContext>,
    sequencer: Option<SequencerHandle>,
    turns: &TurnsByKind,
    log_level: Option<SetLogLevel>,
) -> Result<(), RegisterMethodError> {
    module.merge(sequencer::methods(sequencer, turns.commands.clone())?)?;
    module.register_method("admin_setLogLevel", move |params, _, _| {
        set_log_level(&params, log_level.as_ref())
    })?;
    module.register_async_method("admin_postUnsafePayload", |params, context, _| async move {
        post_unsafe_payload(&params, &context).await
    })?;
    module.register_async_method(
        "admin_resetDerivationPipeline",
        |_, context, _| async move { reset_derivation(&context).await },
    )?;
    Ok(())
}

/// `admin_setLogLevel(level)`: for all targets, until the process ends.
fn set_log_level(
    params: &Params<'_>,
    log_level: Option<&SetLogLevel>,
) -> Result<(), ErrorObjectOwned> {
    let name: String = params
        .one()
        .map_err(|cause| expected("the name of a log level", &cause))?;
    let level = level_of(&name).ok_or_else(|| {
        invalid_params(format!(
            "unknown level: {name}; there are trace, debug, info, warn, error, crit and off"
        ))
    })?;
    let Some(log_level) = log_level else {
        return Err(failed("this process has no log level to set"));
    };
    log_level.set(level).map_err(failed)?;
    info!(%level, "log level set over RPC");
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
