//! The door to the execution layer, through which every task asks it. After an outage it first asks who answers there, for
//! an operator may have put another EL in the place of ours; and it measures what the EL says to payloads and forkchoices.

use crate::{metrics::EngineMetrics, tasks::probe};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus};
use async_trait::async_trait;
use light_node_engine_api::{ElBlock, ElError, ElReader, ElSyncing, EngineApi};
use light_node_protocol::RollupConfig;
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::time::Instant;

/// The EL behind its door.
#[derive(Debug)]
pub(crate) struct Door {
    el: Arc<dyn EngineApi>,
    config: Arc<RollupConfig>,
    metrics: EngineMetrics,
    /// Whoever answers next has to say who it is.
    suspect: AtomicBool,
}

impl Door {
    /// A door to an EL that the start-up probe asks who it is.
    pub(crate) const fn new(
        el: Arc<dyn EngineApi>,
        config: Arc<RollupConfig>,
        metrics: EngineMetrics,
    ) -> Self {
        Self {
            el,
            config,
            metrics,
            suspect: AtomicBool::new(false),
        }
    }

    /// The EL itself.
    pub(crate) fn el(&self) -> &dyn EngineApi {
        &*self.el
    }

    /// Something failed behind which another EL may stand.
    pub(crate) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    async fn admit(&self) -> Result<(), ElError> {
        if self.suspect.load(Ordering::Relaxed) {
            probe::identify(self.el(), &self.config).await?;
            self.suspect.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn pass<T>(&self, answer: Result<T, ElError>) -> Result<T, ElError> {
        if answer
            .as_ref()
            .is_err_and(|error| error.class().is_outage())
        {
            self.suspect();
        }
        answer
    }
}

#[async_trait]
impl ElReader for Door {
    async fn chain_id(&self) -> Result<u64, ElError> {
        self.admit().await?;
        self.pass(self.el.chain_id().await)
    }

    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError> {
        self.admit().await?;
        self.pass(self.el.blocks(ids).await)
    }

    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError> {
        self.admit().await?;
        self.pass(self.el.payload(id).await)
    }

    async fn storage_root(&self, address: Address, block: B256) -> Result<B256, ElError> {
        self.admit().await?;
        self.pass(self.el.storage_root(address, block).await)
    }

    async fn syncing(&self) -> Result<ElSyncing, ElError> {
        self.admit().await?;
        self.pass(self.el.syncing().await)
    }

    async fn client_version(&self) -> Result<Option<String>, ElError> {
        self.admit().await?;
        self.pass(self.el.client_version().await)
    }
}

#[async_trait]
impl EngineApi for Door {
    async fn new_payload(
        &self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<PayloadStatus, ElError> {
        self.admit().await?;
        let sent_at = Instant::now();
        let answer = self.el.new_payload(envelope).await;
        let status = answer.as_ref().map(|status| &status.status);
        self.metrics.new_payload(status, sent_at);
        self.pass(answer)
    }

    async fn fork_choice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, ElError> {
        self.admit().await?;
        let sent_at = Instant::now();
        let answer = self.el.fork_choice_updated(state, attributes).await;
        let status = answer
            .as_ref()
            .map(|updated| &updated.payload_status.status);
        self.metrics.forkchoice(status, sent_at);
        self.pass(answer)
    }

    async fn get_payload(
        &self,
        id: PayloadId,
        timestamp: u64,
    ) -> Result<OpExecutionPayloadEnvelope, ElError> {
        self.admit().await?;
        self.pass(self.el.get_payload(id, timestamp).await)
    }

    fn as_reader(self: Arc<Self>) -> Arc<dyn ElReader> {
        self
    }
}
