//! What methods and pages answer from: the handles of the other actors.

use crate::{
    config::{
        ASKING_CALLS_MAX, ASKING_PATIENCE, COMMANDS_MAX, CONNECT_PATIENCE, CONNECTS_MAX,
        TURN_PATIENCE,
    },
    error::{busy, internal},
    metrics::RpcMetrics,
    safe_source::SafeSourceHandle,
};
use jsonrpsee::types::ErrorObjectOwned;
use light_node_actor::CancellationToken;
use light_node_engine::EngineHandle;
use light_node_engine_api::ElReader;
use light_node_l1::L1Handle;
use light_node_network::NetworkHandle;
use light_node_protocol::{RollupConfig, SyncStatus};
use light_node_safedb::SafeDb;
use light_node_sequencer::SequencerHandle;
use std::{sync::Arc, time::Duration};
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
    /// Who says what is safe.
    pub safe_source: SafeSourceHandle,
    /// The history of safe heads, if one is kept.
    pub safe_db: Option<SafeDb>,
    /// Peers and gossip; none where p2p is disabled.
    pub network: Option<NetworkHandle>,
    /// Who builds blocks; none on a node that does not sequence.
    pub sequencer: Option<SequencerHandle>,
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
    pub(crate) turns: Turns,
}

/// Turns to ask somebody else: another actor, or the execution layer.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    /// The runtime of the actors, where their connections live.
    actors: Handle,
    free: Arc<Semaphore>,
    /// How long a call may take once it has its turn.
    patience: Duration,
}

/// Turns of each kind. A call never waits for one of another kind: neither a flood of questions nor a peer that does not answer
/// keeps a command waiting.
#[derive(Clone, Debug)]
pub(crate) struct TurnsByKind {
    /// Of what anybody may ask.
    pub(crate) questions: Turns,
    /// Of what an admin commands.
    pub(crate) commands: Turns,
    /// Of commands that wait for a peer.
    pub(crate) connects: Turns,
}

impl TurnsByKind {
    /// All free.
    pub(crate) fn new(actors: &Handle) -> Self {
        let turns = |calls_max, patience| Turns::new(actors.clone(), calls_max, patience);
        Self {
            questions: turns(ASKING_CALLS_MAX, ASKING_PATIENCE),
            commands: turns(COMMANDS_MAX, ASKING_PATIENCE),
            connects: turns(CONNECTS_MAX, CONNECT_PATIENCE),
        }
    }
}

impl Turns {
    fn new(actors: Handle, calls_max: usize, patience: Duration) -> Self {
        Self {
            actors,
            free: Arc::new(Semaphore::new(calls_max)),
            patience,
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
        let turn = self.free.clone().acquire_owned();
        let Ok(Ok(turn)) = timeout(TURN_PATIENCE, turn).await else {
            return Err(busy());
        };
        let mut task = JoinSet::new();
        let patience = self.patience;
        let work = async move {
            let _turn = turn;
            timeout(patience, work).await
        };
        task.spawn_on(work, &self.actors);
        match task.join_next().await {
            Some(Ok(Ok(answer))) => answer,
            Some(Ok(Err(_))) => Err(internal("no answer in time")),
            Some(Err(_)) | None => Err(internal("the node is stopping")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use jsonrpsee::types::error::{INTERNAL_ERROR_CODE, SERVER_IS_BUSY_CODE};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(start_paused = true)]
    async fn few_ask_at_a_time_and_who_waits_too_long_is_told_so() {
        let turns = TurnsByKind::new(&Handle::current()).questions;
        let asking = Arc::new(AtomicUsize::new(0));
        let mut calls = JoinSet::new();
        for _ in 0..3 * ASKING_CALLS_MAX {
            let (turns, asking) = (turns.clone(), asking.clone());
            calls.spawn(async move {
                let work = async move {
                    asking.fetch_add(1, Ordering::Relaxed);
                    std::future::pending::<Result<(), ErrorObjectOwned>>().await
                };
                turns.ask(work).await
            });
        }
        let mut codes = Vec::new();
        while let Some(answer) = calls.join_next().await {
            codes.push(answer.unwrap().unwrap_err().code());
        }
        assert_eq!(asking.load(Ordering::Relaxed), ASKING_CALLS_MAX);
        let count = |code| codes.iter().filter(|it| **it == code).count();
        assert_eq!(count(SERVER_IS_BUSY_CODE), 2 * ASKING_CALLS_MAX);
        assert_eq!(count(INTERNAL_ERROR_CODE), ASKING_CALLS_MAX, "no answer");
    }

    #[tokio::test]
    async fn the_actors_runtime_does_the_asking() {
        let turns = TurnsByKind::new(&Handle::current()).questions;
        let here = std::thread::current().id();
        let answer = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(turns.ask(async { Ok(std::thread::current().id()) }))
        });
        // The work runs while this runtime is polled.
        let answer = tokio::task::spawn_blocking(|| answer.join().unwrap()).await;
        assert_eq!(answer.unwrap().unwrap(), here);
    }
}
