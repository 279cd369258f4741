//! What a client asks about the node itself: `net`, `web3`, `txpool`, raw blocks of `debug`, and the one method of `miner` by
//! which a batcher throttles the sequencer.

use super::{
    Lane, Registered, RpcContext,
    error::{RpcResult, unknown_block},
    execute, read,
};
use crate::{el::CLIENT_VERSION, execution::ExecutedBlock, pool::DaLimits};
use alloy_eips::{BlockId, Encodable2718};
use alloy_primitives::{Bytes, U64, keccak256};
use jsonrpsee::RpcModule;
use serde_json::json;
use std::sync::Arc;

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    read(module, "net_version", |context, _| {
        Ok(context.view().spec().chain_id().to_string())
    })?;
    read(module, "net_listening", |_, _| Ok(true))?;
    // We speak no devp2p; the one from which we sync is our peer.
    read(module, "net_peerCount", |context, _| {
        let is_connected = context.el.is_peer_connected() == Some(true);
        Ok(U64::from(u64::from(is_connected)))
    })?;
    read(module, "web3_clientVersion", |_, _| Ok(CLIENT_VERSION))?;
    read(module, "web3_sha3", |_, params| {
        let data: Bytes = params.next()?;
        Ok(keccak256(data))
    })?;
    read(module, "txpool_status", |context, _| {
        let pending = U64::from(context.el.pool().len());
        Ok(json!({ "pending": pending, "queued": U64::ZERO }))
    })?;
    read(module, "miner_setMaxDASize", |context, params| {
        let (transaction, block): (U64, U64) = (params.next()?, params.next()?);
        context.el.pool().set_da_limits(DaLimits {
            max_transaction_bytes: transaction.to(),
            max_block_bytes: block.to(),
        });
        Ok(true)
    })?;
    execute(
        module,
        Lane::Evm,
        "debug_getRawHeader",
        |context, params| Ok(encoded(find(context, params.next()?)?.header())),
    )?;
    execute(module, Lane::Evm, "debug_getRawBlock", |context, params| {
        Ok(encoded(&find(context, params.next()?)?.block))
    })?;
    execute(
        module,
        Lane::Evm,
        "debug_getRawReceipts",
        |context, params| {
            let block = find(context, params.next()?)?;
            let receipts = block
                .receipts
                .iter()
                .map(|receipt| receipt.encoded_2718().into());
            Ok(receipts.collect::<Vec<Bytes>>())
        },
    )
}

fn find(context: &RpcContext, id: BlockId) -> RpcResult<Arc<ExecutedBlock>> {
    context
        .view()
        .block(id)
        .cloned()
        .ok_or_else(|| unknown_block(id))
}

fn encoded(value: &impl alloy_rlp::Encodable) -> Bytes {
    alloy_rlp::encode(value).into()
}
