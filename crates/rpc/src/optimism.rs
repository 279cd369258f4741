//! The `optimism` namespace, with op-node's exact JSON.

use crate::{
    context::{RpcContext, RpcPeers},
    error::{expected, failed, internal},
    safe_head::safe_head_at_l1_block,
};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256, U64, address};
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::ErrorObjectOwned};
use light_node_engine_api::{ElBlock, ElReader};
use light_node_protocol::{BlockNumHash, OutputResponse, RollupConfig, WithdrawalsRoot};
use serde::Serialize;
use std::fmt;

/// The `L2ToL1MessagePasser` predeploy, whose storage root commits to all withdrawals.
const MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");

pub(crate) fn register(module: &mut RpcModule<RpcContext>) -> Result<(), RegisterMethodError> {
    module.register_method("optimism_syncStatus", |_, context, _| {
        encode(&context.peers.sync_status())
    })?;
    module.register_method("optimism_version", |_, context, _| context.version.clone())?;
    module.register_method("optimism_rollupConfig", |_, context, _| {
        encode(&*context.peers.rollup_config)
    })?;
    module.register_async_method("optimism_outputAtBlock", |params, context, _| async move {
        let number: BlockNumberOrTag = params
            .one()
            .map_err(|cause| expected("one block number in hex", &cause))?;
        let peers = context.peers.clone();
        let output = context
            .turns
            .ask(async move { output_at_block(number, &peers).await })
            .await?;
        encode(&output)
    })?;
    module.register_async_method(
        "optimism_safeHeadAtL1Block",
        |params, context, _| async move {
            let number: U64 = params
                .one()
                .map_err(|cause| expected("one L1 block number in hex", &cause))?;
            let peers = context.peers.clone();
            let answer = context
                .turns
                .ask(async move { safe_head_at_l1_block(number.to(), &peers).await })
                .await?;
            encode(&answer)
        },
    )?;
    Ok(())
}

/// `optimism_outputAtBlock(number)`: the output root of an L2 block that the EL has, with what it is made of.
async fn output_at_block(
    number: BlockNumberOrTag,
    peers: &RpcPeers,
) -> Result<OutputResponse, ErrorObjectOwned> {
    let block = peers
        .reader
        .block(number.into())
        .await
        .map_err(|cause| no_block(&cause))?
        .ok_or_else(|| no_block(&"not found"))?;
    let withdrawals_root = withdrawals_root(&peers.rollup_config, &*peers.reader, &block).await?;
    Ok(OutputResponse::new(
        block.block_ref,
        block.state_root,
        withdrawals_root,
        peers.sync_status(),
    ))
}

/// From the header where it has the root, else by proof.
async fn withdrawals_root(
    config: &RollupConfig,
    reader: &dyn ElReader,
    block: &ElBlock,
) -> Result<B256, ErrorObjectOwned> {
    let timestamp = block.block_ref.timestamp;
    match WithdrawalsRoot::of_header(config, timestamp, block.withdrawals_root) {
        Ok(WithdrawalsRoot::InHeader(root)) => Ok(root),
        Ok(WithdrawalsRoot::NeedsProof) => reader
            .storage_root(MESSAGE_PASSER, block.block_ref.hash)
            .await
            .map_err(|cause| no_output(block, &cause)),
        Err(cause) => Err(no_output(block, &cause)),
    }
}

/// In op-node's words, as the next one.
fn no_block(cause: &dyn fmt::Display) -> ErrorObjectOwned {
    failed(format!(
        "failed to get L2 block ref with sync status: {cause}"
    ))
}

fn no_output(block: &ElBlock, cause: &dyn fmt::Display) -> ErrorObjectOwned {
    let BlockNumHash { number, hash } = block.block_ref.id();
    failed(format!(
        "failed to get L2 output at block {hash}:{number}: {cause}"
    ))
}

fn encode<T: Serialize>(answer: &T) -> Result<serde_json::Value, ErrorObjectOwned> {
    serde_json::to_value(answer)
        .map_err(|cause| internal(format!("the answer does not encode: {cause}")))
}
