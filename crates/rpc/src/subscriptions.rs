//! `ws_subscribe_{unsafe,safe,finalized}_head`: the head as an L2 block reference each time it changes, nothing at first.
//! A client that reads slowly misses heads in between; the newest always comes.

use crate::context::RpcContext;
use jsonrpsee::{
    PendingSubscriptionSink, RpcModule, core::RegisterMethodError, core::SubscriptionError,
};
use light_node_engine::EngineState;
use light_node_protocol::L2BlockRef;
use std::sync::Arc;

/// Picks one head out of the published state.
type Head = fn(&EngineState) -> L2BlockRef;

/// Subscribe method, unsubscribe method, head.
const SUBSCRIPTIONS: [(&str, &str, Head); 3] = [
    (
        "ws_subscribe_unsafe_head",
        "ws_unsubscribe_unsafe_head",
        |state| state.unsafe_head,
    ),
    (
        "ws_subscribe_safe_head",
        "ws_unsubscribe_safe_head",
        |state| state.safe_head,
    ),
    (
        "ws_subscribe_finalized_head",
        "ws_unsubscribe_finalized_head",
        |state| state.finalized_head,
    ),
];

pub(crate) fn register(module: &mut RpcModule<RpcContext>) -> Result<(), RegisterMethodError> {
    for (subscribe, unsubscribe, head) in SUBSCRIPTIONS {
        module.register_subscription(
            subscribe,
            subscribe,
            unsubscribe,
            move |_, pending, context, _| push_heads(pending, context, head),
        )?;
    }
    Ok(())
}

async fn push_heads(
    pending: PendingSubscriptionSink,
    context: Arc<RpcContext>,
    head: Head,
) -> Result<(), SubscriptionError> {
    let mut states = context.peers.engine.watch();
    let mut last = head(&states.borrow_and_update());
    let sink = pending.accept().await?;
    let _open = context.metrics.subscribed();
    loop {
        tokio::select! {
            biased;
            () = context.token.cancelled() => return Ok(()),
            () = sink.closed() => return Ok(()),
            changed = states.changed() => if changed.is_err() { return Ok(()) },
        }
        let now = head(&states.borrow_and_update());
        if now == last {
            continue;
        }
        last = now;
        if sink
            .send(serde_json::value::to_raw_value(&now)?)
            .await
            .is_err()
        {
            return Ok(());
        }
    }
}
