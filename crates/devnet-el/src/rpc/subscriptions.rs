//! `eth_subscribe` to `newHeads`: each block that becomes canonical, in order; after a reorg those of the new branch.

use super::{Registered, RpcContext, convert::rpc_header, error::invalid_params};
use crate::{chain::ChainView, execution::ExecutedBlock};
use jsonrpsee::{
    PendingSubscriptionSink, RpcModule,
    core::SubscriptionError,
    types::{ErrorObjectOwned, Params},
};
use std::sync::Arc;

/// Most heads that one change of the chain is reported with. A syncing node moves its head by thousands of blocks at once,
/// and who wants them all reads them.
const HEADS_MAX: usize = 128;

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |params, pending, context, _| subscribe(params, pending, context),
    )?;
    Ok(())
}

async fn subscribe(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    context: Arc<RpcContext>,
) -> Result<(), SubscriptionError> {
    if let Err(refusal) = check_kind(&params) {
        pending.reject(refusal).await;
        return Ok(());
    }
    push_heads(pending, &context).await
}

fn check_kind(params: &Params<'_>) -> Result<(), ErrorObjectOwned> {
    let kind: String = params.sequence().next()?;
    if kind == "newHeads" {
        return Ok(());
    }
    Err(invalid_params(format_args!(
        "no subscription to {kind}, only to newHeads"
    )))
}

async fn push_heads(
    pending: PendingSubscriptionSink,
    context: &RpcContext,
) -> Result<(), SubscriptionError> {
    let mut views = context.el.subscribe();
    let mut lives = context.el.faults.life.subscribe();
    lives.mark_unchanged();
    let mut last = views.borrow_and_update().clone();
    let sink = pending.accept().await?;
    loop {
        tokio::select! {
            biased;
            () = context.token.cancelled() => return Ok(()),
            () = sink.closed() => return Ok(()),
            _ = lives.changed() => return Ok(()),
            changed = views.changed() => if changed.is_err() { return Ok(()) },
        }
        let now = views.borrow_and_update().clone();
        for block in new_heads(&last, &now) {
            let header = serde_json::value::to_raw_value(&rpc_header(&block))?;
            if sink.send(header).await.is_err() {
                return Ok(());
            }
        }
        last = now;
    }
}

/// The blocks that are canonical now and were not before, lowest first; the highest ones if they are too many.
fn new_heads(before: &ChainView, now: &ChainView) -> Vec<Arc<ExecutedBlock>> {
    let mut heads = Vec::new();
    let mut next = Some(now.head());
    while let Some(block) = next
        && heads.len() < HEADS_MAX
        && !before.is_canonical(&block.hash)
    {
        heads.push(block.clone());
        next = now.block_by_hash(&block.header().parent_hash);
    }
    heads.reverse();
    heads
}
