//! The `optimism` namespace, with op-node's exact JSON.

use crate::{
    actor::RpcContext,
    error::{internal, invalid_params, not_found},
};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::B256;
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use light_node_engine_api::{ElBlock, ElReader};
use light_node_protocol::{Hardfork, MESSAGE_PASSER, OutputResponse, RollupConfig};
use std::sync::Arc;

pub(crate) fn register(module: &mut RpcModule<RpcContext>) -> Result<(), RegisterMethodError> {
    module.register_method("optimism_syncStatus", |_, context, _| context.peers.sync_status())?;
    module.register_method("optimism_version", |_, context, _| context.version.clone())?;
    module.register_method("optimism_rollupConfig", |_, context, _| {
        serde_json::to_value(&*context.peers.rollup_config)
            .map_err(|cause| internal(format!("the configuration does not encode: {cause}")))
    })?;
    module.register_async_method("optimism_outputAtBlock", |params, context, _| async move {
        output_at_block(&params, &context).await
    })?;
    Ok(())
}

/// `optimism_outputAtBlock(number)`: the output root of an L2 block that the EL has, with what it is made of.
async fn output_at_block(
    params: &Params<'_>,
    context: &Arc<RpcContext>,
) -> Result<OutputResponse, ErrorObjectOwned> {
    let number: BlockNumberOrTag = params
        .one()
        .map_err(|cause| invalid_params(format!("expected one block number in hex: {cause}")))?;
    let peers = &context.peers;
    let block = peers
        .reader
        .block(number.into())
        .await
        .map_err(|cause| internal(format!("cannot read the block: {cause}")))?
        .ok_or_else(|| not_found(format!("the execution layer has no block {number}: not found")))?;
    let withdrawals_root = withdrawals_root(&peers.rollup_config, &*peers.reader, &block).await?;
    Ok(OutputResponse::new(block.block_ref, block.state_root, withdrawals_root, peers.sync_status()))
}

/// From Isthmus on the header carries the storage root of the message passer; before, it has to be proven.
/// Spec: `specs/protocol/isthmus/exec-engine.md#l2tol1messagepasser-storage-root-in-header`.
async fn withdrawals_root(
    config: &RollupConfig,
    reader: &dyn ElReader,
    block: &ElBlock,
) -> Result<B256, ErrorObjectOwned> {
    if config.is_active(Hardfork::Isthmus, block.block_ref.timestamp) {
        return block
            .withdrawals_root
            .ok_or_else(|| internal("the header lacks the withdrawals root that Isthmus demands"));
    }
    reader
        .storage_root(MESSAGE_PASSER, block.block_ref.hash)
        .await
        .map_err(|cause| internal(format!("cannot prove the withdrawals root: {cause}")))
}
