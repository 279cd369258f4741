//! The `engine` namespace: decodes, checks that the method version fits the timestamp, and asks the engine.

mod version;

use super::{
    Lane, Registered, RpcContext,
    error::{RpcResult, invalid_params, too_large_request},
    execute, read,
};
use crate::{
    el::CLIENT_VERSION,
    engine::{EngineError, SealedPayload},
    execution::ExecutedBlock,
};
use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_engine::{
    BlobsBundleV1, ExecutionPayloadBodyV1, ExecutionPayloadEnvelopeV2, ExecutionPayloadFieldV2,
    ExecutionPayloadInputV2, ExecutionPayloadV3, ForkchoiceState, ForkchoiceUpdated, PayloadId,
    PayloadStatus,
};
use jsonrpsee::{RpcModule, types::ParamsSequence};
use op_alloy_rpc_types_engine::{
    OpExecutionData, OpExecutionPayload, OpExecutionPayloadEnvelopeV3,
    OpExecutionPayloadEnvelopeV4, OpExecutionPayloadV4, OpPayloadAttributes,
};
use serde_json::{Value, json};
use version::{ForkchoiceVersion, GetPayloadVersion, NewPayloadVersion};

/// Most bodies of one request; what the specification asks for at least.
const BODIES_MAX: u64 = 1024;

/// What `engine_exchangeCapabilities` answers.
const CAPABILITIES: [&str; 14] = [
    "engine_newPayloadV2",
    "engine_newPayloadV3",
    "engine_newPayloadV4",
    "engine_forkchoiceUpdatedV1",
    "engine_forkchoiceUpdatedV2",
    "engine_forkchoiceUpdatedV3",
    "engine_getPayloadV2",
    "engine_getPayloadV3",
    "engine_getPayloadV4",
    "engine_getPayloadV5",
    "engine_getPayloadBodiesByHashV1",
    "engine_getPayloadBodiesByRangeV1",
    "engine_getClientVersionV1",
    "engine_signalSuperchainV1",
];

/// Registers the namespace.
pub(crate) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    execute(module, Lane::Engine, "engine_newPayloadV2", new_payload_v2)?;
    execute(module, Lane::Engine, "engine_newPayloadV3", new_payload_v3)?;
    execute(module, Lane::Engine, "engine_newPayloadV4", new_payload_v4)?;
    execute(
        module,
        Lane::Engine,
        "engine_forkchoiceUpdatedV1",
        |context, params| forkchoice_updated(context, params, ForkchoiceVersion::V1),
    )?;
    execute(
        module,
        Lane::Engine,
        "engine_forkchoiceUpdatedV2",
        |context, params| forkchoice_updated(context, params, ForkchoiceVersion::V2),
    )?;
    execute(
        module,
        Lane::Engine,
        "engine_forkchoiceUpdatedV3",
        |context, params| forkchoice_updated(context, params, ForkchoiceVersion::V3),
    )?;
    execute(module, Lane::Engine, "engine_getPayloadV2", get_payload_v2)?;
    execute(module, Lane::Engine, "engine_getPayloadV3", get_payload_v3)?;
    execute(
        module,
        Lane::Engine,
        "engine_getPayloadV4",
        |context, params| get_payload_v4(context, params, GetPayloadVersion::V4),
    )?;
    execute(
        module,
        Lane::Engine,
        "engine_getPayloadV5",
        |context, params| get_payload_v4(context, params, GetPayloadVersion::V5),
    )?;
    execute(
        module,
        Lane::Evm,
        "engine_getPayloadBodiesByHashV1",
        bodies_by_hash,
    )?;
    execute(
        module,
        Lane::Evm,
        "engine_getPayloadBodiesByRangeV1",
        bodies_by_range,
    )?;
    read(module, "engine_exchangeCapabilities", |_, params| {
        let _theirs: Vec<String> = params.next()?;
        Ok(CAPABILITIES)
    })?;
    read(module, "engine_getClientVersionV1", |_, _| {
        Ok(client_version())
    })?;
    read(module, "engine_signalSuperchainV1", signal_superchain)
}

fn new_payload_v2(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<PayloadStatus> {
    let payload: ExecutionPayloadInputV2 = params.next()?;
    new_payload(context, NewPayloadVersion::V2, OpExecutionData::v2(payload))
}

fn new_payload_v3(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<PayloadStatus> {
    let payload: ExecutionPayloadV3 = params.next()?;
    let (versioned_hashes, beacon_root) = (params.next()?, params.next()?);
    let data = OpExecutionData::v3(payload, versioned_hashes, beacon_root);
    new_payload(context, NewPayloadVersion::V3, data)
}

fn new_payload_v4(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<PayloadStatus> {
    let payload: OpExecutionPayloadV4 = params.next()?;
    let (versioned_hashes, beacon_root) = (params.next()?, params.next()?);
    let requests: Vec<Bytes> = params.next()?;
    if !requests.is_empty() {
        return Err(invalid_params("execution requests must be empty on L2"));
    }
    let data = OpExecutionData::v4(payload, versioned_hashes, beacon_root, Requests::default());
    new_payload(context, NewPayloadVersion::V4, data)
}

fn new_payload(
    context: &RpcContext,
    version: NewPayloadVersion,
    data: OpExecutionData,
) -> RpcResult<PayloadStatus> {
    version.check(context.view().spec(), data.payload.timestamp())?;
    if data
        .sidecar
        .versioned_hashes()
        .is_some_and(|hashes| !hashes.is_empty())
    {
        return Err(invalid_params(
            "expected blob versioned hashes must be empty on L2",
        ));
    }
    Ok(context.el.new_payload(data))
}

fn forkchoice_updated(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
    version: ForkchoiceVersion,
) -> RpcResult<ForkchoiceUpdated> {
    let state: ForkchoiceState = params.next()?;
    let attributes: Option<OpPayloadAttributes> = params.optional_next()?;
    if let Some(attributes) = &attributes {
        version.check(
            context.view().spec(),
            attributes.payload_attributes.timestamp,
        )?;
    }
    Ok(context.el.fork_choice_updated(state, attributes)?)
}

/// The sealed payload of a build, if the method version fits it.
fn sealed(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
    version: GetPayloadVersion,
) -> RpcResult<(SealedPayload, OpExecutionPayload, Option<B256>)> {
    let id: PayloadId = params.next()?;
    let sealed = context.el.get_payload(id)?;
    version.check(context.view().spec(), sealed.block().header().timestamp)?;
    let envelope = sealed.envelope();
    Ok((
        sealed,
        envelope.execution_payload,
        envelope.parent_beacon_block_root,
    ))
}

fn get_payload_v2(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<ExecutionPayloadEnvelopeV2> {
    let (sealed, payload, _) = sealed(context, params, GetPayloadVersion::V2)?;
    let execution_payload = match payload {
        OpExecutionPayload::V1(payload) => ExecutionPayloadFieldV2::V1(payload),
        OpExecutionPayload::V2(payload) => ExecutionPayloadFieldV2::V2(payload),
        OpExecutionPayload::V3(_) | OpExecutionPayload::V4(_) => {
            return Err(EngineError::UnknownPayload.into());
        }
    };
    Ok(ExecutionPayloadEnvelopeV2 {
        execution_payload,
        block_value: sealed.value(),
    })
}

fn get_payload_v3(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<OpExecutionPayloadEnvelopeV3> {
    let (sealed, payload, beacon_root) = sealed(context, params, GetPayloadVersion::V3)?;
    let (OpExecutionPayload::V3(execution_payload), Some(parent_beacon_block_root)) =
        (payload, beacon_root)
    else {
        return Err(EngineError::UnknownPayload.into());
    };
    Ok(OpExecutionPayloadEnvelopeV3 {
        execution_payload,
        block_value: sealed.value(),
        blobs_bundle: no_blobs(),
        should_override_builder: false,
        parent_beacon_block_root,
    })
}

/// V5 asks for the proofs of other blobs than V4; without blobs the answers are the same.
fn get_payload_v4(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
    version: GetPayloadVersion,
) -> RpcResult<OpExecutionPayloadEnvelopeV4> {
    let (sealed, payload, beacon_root) = sealed(context, params, version)?;
    let (OpExecutionPayload::V4(execution_payload), Some(parent_beacon_block_root)) =
        (payload, beacon_root)
    else {
        return Err(EngineError::UnknownPayload.into());
    };
    Ok(OpExecutionPayloadEnvelopeV4 {
        execution_payload,
        block_value: sealed.value(),
        blobs_bundle: no_blobs(),
        should_override_builder: false,
        parent_beacon_block_root,
        execution_requests: Vec::new(),
    })
}

fn no_blobs() -> BlobsBundleV1 {
    BlobsBundleV1::new([])
}

fn bodies_by_hash(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<Vec<Option<ExecutionPayloadBodyV1>>> {
    let hashes: Vec<B256> = params.next()?;
    if hashes.len() as u64 > BODIES_MAX {
        return Err(too_large_request(format_args!(
            "at most {BODIES_MAX} bodies"
        )));
    }
    let view = context.view();
    Ok(hashes
        .iter()
        .map(|hash| view.block_by_hash(hash).map(|block| body(block)))
        .collect())
}

fn bodies_by_range(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<Vec<Option<ExecutionPayloadBodyV1>>> {
    let (start, count): (U64, U64) = (params.next()?, params.next()?);
    let (start, count): (u64, u64) = (start.to(), count.to());
    if start == 0 || count == 0 {
        return Err(invalid_params("start and count must be positive"));
    }
    if count > BODIES_MAX {
        return Err(too_large_request(format_args!(
            "at most {BODIES_MAX} bodies"
        )));
    }
    let view = context.view();
    // Blocks beyond the head are left out, they are not null.
    let last = view.head().number().min(start.saturating_add(count - 1));
    Ok((start..=last)
        .map(|number| view.block_by_number(number).map(|block| body(block)))
        .collect())
}

fn body(block: &ExecutedBlock) -> ExecutionPayloadBodyV1 {
    let body = &block.block.body;
    ExecutionPayloadBodyV1::new(body.withdrawals.clone(), &body.transactions)
}

/// The specification reserves codes for clients that are none of ours, so the code is our own.
fn client_version() -> Value {
    let (name, version) = CLIENT_VERSION
        .split_once('/')
        .unwrap_or((CLIENT_VERSION, ""));
    json!([{ "code": "LN", "name": name, "version": version, "commit": "00000000" }])
}

/// Accepted and ignored: a devnet has no protocol versions to fall behind. The answer claims to support what is required.
fn signal_superchain(_: &RpcContext, params: &mut ParamsSequence<'_>) -> RpcResult<Value> {
    let signal: Option<Value> = params.optional_next()?;
    let required = signal.and_then(|mut signal| signal.get_mut("required").map(Value::take));
    Ok(required.unwrap_or_else(|| json!(B256::ZERO)))
}
