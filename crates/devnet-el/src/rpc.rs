//! The JSON-RPC methods of the embedded execution layer. A handler takes the context and its parameters one by one, so that
//! trailing parameters may be missing or null, and answers from a [`ChainView`](crate::ChainView), which no execution
//! blocks. What executes leaves the async threads, and a bounded number of such calls runs at a time.

mod control;
mod convert;
mod engine;
mod error;
mod eth;
mod l1_fee;
mod node;
mod subscriptions;

pub(crate) use control::register as register_control;
#[cfg(test)]
pub(crate) use convert::rpc_block;
pub(crate) use engine::register as register_engine;

use crate::{chain::ChainView, el::EmbeddedEl, execution::ExecutedBlock, state::StateSnapshot};
use alloy_eips::BlockId;
use error::{RpcResult, internal, state_dropped, unknown_block};
use jsonrpsee::{
    IntoResponse, RpcModule,
    core::RegisterMethodError,
    types::{Params, ParamsSequence},
};
use serde::Serialize;
use std::{sync::Arc, thread::available_parallelism};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Calls of the Engine API that may wait for the engine at a time, each on a thread. One lock serves them, so more threads
/// would only wait.
const ENGINE_CALLS_MAX: usize = 8;

/// What the methods answer from.
#[derive(Debug)]
pub(crate) struct RpcContext {
    el: Arc<EmbeddedEl>,
    engine_calls: Arc<Semaphore>,
    /// `eth_call` and the like run on idle cores, never on all that the engine may need.
    evm_calls: Arc<Semaphore>,
    /// Ends the subscriptions, which would otherwise keep the server alive.
    token: CancellationToken,
}

impl RpcContext {
    pub(crate) fn new(el: Arc<EmbeddedEl>, token: CancellationToken) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            el,
            engine_calls: Arc::new(Semaphore::new(ENGINE_CALLS_MAX)),
            evm_calls: Arc::new(Semaphore::new(cores)),
            token,
        }
    }

    fn view(&self) -> Arc<ChainView> {
        self.el.view()
    }

    /// A block and the state after it.
    fn state_at(
        &self,
        id: Option<BlockId>,
    ) -> RpcResult<(Arc<ChainView>, Arc<ExecutedBlock>, Arc<StateSnapshot>)> {
        let id = id.unwrap_or_else(BlockId::latest);
        let view = self.view();
        let block = view.block(id).ok_or_else(|| unknown_block(id))?.clone();
        let state = view
            .state(&block.hash)
            .ok_or_else(|| state_dropped(id))?
            .clone();
        Ok((view, block, state))
    }
}

/// Which calls a call waits behind.
#[derive(Clone, Copy, Debug)]
enum Lane {
    Engine,
    Evm,
}

type Handler<R> = fn(&RpcContext, &mut ParamsSequence<'_>) -> RpcResult<R>;

type Registered = Result<(), RegisterMethodError>;

/// Registers what the plain port serves. The authenticated one serves it, too: a rollup node has one URL.
pub(crate) fn register_public(module: &mut RpcModule<RpcContext>) -> Registered {
    eth::register(module)?;
    node::register(module)?;
    subscriptions::register(module)
}

/// Registers a method that only reads.
fn read<R>(
    module: &mut RpcModule<RpcContext>,
    name: &'static str,
    handler: Handler<R>,
) -> Registered
where
    R: Serialize + Clone + Send + Sync + 'static,
{
    module.register_method(name, move |params, context, _| {
        handler(context, &mut params.sequence())
    })?;
    Ok(())
}

/// Registers a method that executes, or does other long work.
fn execute<R>(
    module: &mut RpcModule<RpcContext>,
    lane: Lane,
    name: &'static str,
    handler: Handler<R>,
) -> Registered
where
    R: Serialize + Clone + Send + Sync + 'static,
    RpcResult<R>: IntoResponse,
{
    module.register_async_method(name, move |params, context, _| {
        on_a_thread(context, lane, params, handler)
    })?;
    Ok(())
}

async fn on_a_thread<R: Send + 'static>(
    context: Arc<RpcContext>,
    lane: Lane,
    params: Params<'static>,
    handler: Handler<R>,
) -> RpcResult<R> {
    let calls = match lane {
        Lane::Engine => context.engine_calls.clone(),
        Lane::Evm => context.evm_calls.clone(),
    };
    let permit = calls.acquire_owned().await.map_err(internal)?;
    // The permit goes along: a caller that hangs up does not end the work.
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        handler(&context, &mut params.sequence())
    });
    work.await.map_err(internal)?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
