//! What others may call. The handle hides channels and replies; a method's documentation says what a dead engine answers.

use crate::{
    metrics::EngineMetrics,
    payload::Payload,
    request::{
        BuildOutcome, CommitOutcome, EngineRequest, FollowOutcome, FollowUpdate, InsertOutcome,
        SealOutcome,
    },
    state::EngineState,
    status::EngineStatus,
};
use alloy_primitives::B256;
use alloy_rpc_types_engine::PayloadId;
use light_node_protocol::RollupConfig;
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// The engine has stopped; the process is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the engine has stopped")]
pub struct EngineGone;

/// Why a payload was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PayloadDropped {
    /// The inbox is full: the EL is slower than the payloads come.
    #[error("the engine's inbox is full")]
    Full,
    /// The payload has no place in this rollup: no L1-info deposit, or below genesis.
    #[error("the payload has no place in this rollup")]
    NoPlace,
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Gone,
}

/// A door to the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    rollup_config: Arc<RollupConfig>,
    requests: mpsc::Sender<EngineRequest>,
    state: watch::Receiver<EngineState>,
    status: watch::Receiver<EngineStatus>,
    metrics: EngineMetrics,
}

impl EngineHandle {
    pub(crate) const fn new(
        rollup_config: Arc<RollupConfig>,
        requests: mpsc::Sender<EngineRequest>,
        state: watch::Receiver<EngineState>,
        status: watch::Receiver<EngineStatus>,
        metrics: EngineMetrics,
    ) -> Self {
        Self {
            rollup_config,
            requests,
            state,
            status,
            metrics,
        }
    }

    /// What the engine measures, to be registered once.
    pub const fn metrics(&self) -> &EngineMetrics {
        &self.metrics
    }

    /// The published state; the last one if the engine has stopped.
    pub fn state(&self) -> EngineState {
        *self.state.borrow()
    }

    /// A watch over the published state.
    pub fn watch(&self) -> watch::Receiver<EngineState> {
        self.state.clone()
    }

    /// What an operator wants to know of the engine; the last state of things if it has stopped.
    pub fn status(&self) -> EngineStatus {
        self.status.borrow().clone()
    }

    /// Applies one checked answer of the follow source and says what became of it. The state that it led to is published
    /// before the answer comes.
    ///
    /// # Backpressure
    /// Waits while the inbox is full. Of two waiting updates the newer wins; the older is answered `Superseded`.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn follow(&self, update: FollowUpdate) -> Result<FollowOutcome, EngineGone> {
        let update = Box::new(update);
        self.ask(|reply| EngineRequest::Follow { update, reply })
            .await
    }

    /// Says that the L1 origin of the unsafe head has left L1, as the safe source knows. Heads stay; the epoch grows, and
    /// from now on the sequencer may lead the unsafe chain back below its head.
    ///
    /// # Backpressure
    /// Waits while the inbox is full.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn reset_keeping_heads(&self) -> Result<(), EngineGone> {
        self.send(EngineRequest::ResetKeepingHeads).await
    }

    /// Inserts an unsafe payload and waits for the engine's verdict. The block hash must have been checked.
    ///
    /// # Backpressure
    /// Waits while the inbox is full. An EL that cannot be asked is tried again for ten seconds.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn insert_unsafe(
        &self,
        envelope: OpExecutionPayloadEnvelope,
    ) -> Result<InsertOutcome, EngineGone> {
        let Ok(payload) = Payload::new(&self.rollup_config, envelope) else {
            return Ok(InsertOutcome::Rejected {
                reason: "it has no place in this rollup",
            });
        };
        self.ask(|reply| EngineRequest::InsertUnsafe {
            payload,
            reply: Some(reply),
        })
        .await
    }

    /// Has the EL build the child of `parent`, if that is the unsafe head. `epoch` is the published one that the attributes
    /// were made in.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn build(
        &self,
        epoch: u64,
        parent: B256,
        attributes: OpPayloadAttributes,
    ) -> Result<BuildOutcome, EngineGone> {
        let attributes = Box::new(attributes);
        self.ask(|reply| EngineRequest::Build {
            epoch,
            parent,
            attributes,
            reply,
        })
        .await
    }

    /// Fetches the block of a build. It does not become head by that.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn seal(&self, id: PayloadId) -> Result<SealOutcome, EngineGone> {
        self.ask(|reply| EngineRequest::Seal { id, reply }).await
    }

    /// Makes a sealed block the unsafe head, if its parent still is. After a `Failed` the same envelope may be committed
    /// again.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn commit(
        &self,
        envelope: OpExecutionPayloadEnvelope,
    ) -> Result<CommitOutcome, EngineGone> {
        let payload = match Payload::new(&self.rollup_config, envelope) {
            Ok(payload) => payload,
            Err(error) => {
                let reason = error.to_string();
                return Ok(CommitOutcome::Invalid { reason });
            }
        };
        self.ask(|reply| EngineRequest::Commit { payload, reply })
            .await
    }

    /// Hands over an unsafe payload of which nobody waits for the verdict. The block hash must have been checked.
    ///
    /// # Backpressure
    /// Never waits: a full inbox drops the payload, and the caller counts it.
    ///
    /// # Errors
    /// [`PayloadDropped`] if the payload was not taken in.
    pub fn try_insert_unsafe(
        &self,
        envelope: OpExecutionPayloadEnvelope,
    ) -> Result<(), PayloadDropped> {
        let payload =
            Payload::new(&self.rollup_config, envelope).map_err(|_| PayloadDropped::NoPlace)?;
        let request = EngineRequest::InsertUnsafe {
            payload,
            reply: None,
        };
        self.requests
            .try_send(request)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => PayloadDropped::Full,
                mpsc::error::TrySendError::Closed(_) => PayloadDropped::Gone,
            })
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> EngineRequest,
    ) -> Result<T, EngineGone> {
        let (reply, answer) = oneshot::channel();
        self.send(request(reply)).await?;
        answer.await.map_err(|_| EngineGone)
    }

    async fn send(&self, request: EngineRequest) -> Result<(), EngineGone> {
        self.requests.send(request).await.map_err(|_| EngineGone)
    }
}
