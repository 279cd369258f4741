//! What methods and pages answer from: the handles of the other actors.

use crate::{
    config::{ASKING_CALLS_MAX, ASKING_PATIENCE, TURN_PATIENCE},
    error::{busy, internal},
    metrics::RpcMetrics,
};
use jsonrpsee::types::ErrorObjectOwned;
use light_node_actor::CancellationToken;
use light_node_engine::EngineHandle;
use light_node_engine_api::ElReader;
use light_node_follow::FollowHandle;
use light_node_l1::L1Handle;
use light_node_protocol::{RollupConfig, SyncStatus};
use std::sync::Arc;
use tokio::{runtime::Handle, sync::Semaphore, task::JoinSet, time::timeout};

/// Whom the server reads from.
#[derive(Clone, Debug)]
pub struct RpcPeers {
    /// The chain.
    pub rollup_config: Arc<RollupConfig>,
    /// L2 heads; `admin_postUnsafePayload` goes there too.
    pub engine: EngineHandle,
    /// Blocks and proofs for output roots.
    pub reader: Arc<dyn ElReader>,
    /// L1 heads.
    pub l1: L1Handle,
    /// The follow source's verdicts.
    pub follow: FollowHandle,
}

impl RpcPeers {
    /// One coherent answer to `optimism_syncStatus`, without a call to anybody.
    pub(crate) fn sync_status(&self) -> SyncStatus {
        crate::sync_status(&self.rollup_config, &self.engine.state(), &self.l1.heads())
    }
}

/// What methods and pages answer from.
#[derive(Debug)]
pub(crate) struct RpcContext {
    pub(crate) peers: RpcPeers,
    pub(crate) version: String,
    pub(crate) metrics: RpcMetrics,
    /// Ends the subscriptions, which would otherwise keep the server alive.
    pub(crate) token: CancellationToken,
    /// The runtime of the actors, where their connections live.
    actors: Handle,
    /// Turns to ask somebody else.
    turns: Arc<Semaphore>,
}

impl RpcContext {
    pub(crate) fn new(
        peers: RpcPeers,
        version: String,
        actors: Handle,
        metrics: RpcMetrics,
        token: CancellationToken,
    ) -> Self {
        Self {
            peers,
            version,
            metrics,
            token,
            actors,
            turns: Arc::new(Semaphore::new(ASKING_CALLS_MAX)),
        }
    }

    /// Runs work that asks an actor or the execution layer: on the actors' runtime, a few at a time, for a bounded time.
    ///
    /// # Cancel safety
    /// When dropped, the work is aborted.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ErrorObjectOwned>> + Send + 'static,
    ) -> Result<T, ErrorObjectOwned> {
        let turn = self.turns.clone().acquire_owned();
        let Ok(Ok(turn)) = timeout(TURN_PATIENCE, turn).await else {
            return Err(busy());
        };
        let mut task = JoinSet::new();
        let work = async move {
            let _turn = turn;
            timeout(ASKING_PATIENCE, work).await
        };
        task.spawn_on(work, &self.actors);
        match task.join_next().await {
            Some(Ok(Ok(answer))) => answer,
            Some(Ok(Err(_))) => Err(internal("no answer in time")),
            Some(Err(_)) | None => Err(internal("the node is stopping")),
        }
    }
}
