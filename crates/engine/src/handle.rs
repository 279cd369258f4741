//! What others may call. The handle hides channels and replies; a method's documentation says what a dead engine answers.

use crate::{
    request::{EngineRequest, FollowOutcome, FollowUpdate, InsertOutcome},
    state::EngineState,
};
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// The engine has stopped; the process is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the engine has stopped")]
pub struct EngineGone;

/// A door to the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    requests: mpsc::Sender<EngineRequest>,
    state: watch::Receiver<EngineState>,
}

impl EngineHandle {
    pub(crate) const fn new(
        requests: mpsc::Sender<EngineRequest>,
        state: watch::Receiver<EngineState>,
    ) -> Self {
        Self { requests, state }
    }

    /// The published state; the last one if the engine has stopped.
    pub fn state(&self) -> EngineState {
        *self.state.borrow()
    }

    /// A watch over the published state.
    pub fn watch(&self) -> watch::Receiver<EngineState> {
        self.state.clone()
    }

    /// Applies one checked answer of the follow source and says what became of it.
    ///
    /// # Backpressure
    /// Waits while the inbox is full. Of two waiting updates the newer wins; the older is answered `Superseded`.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn follow(&self, update: FollowUpdate) -> Result<FollowOutcome, EngineGone> {
        let (reply, answer) = oneshot::channel();
        let request = EngineRequest::Follow { update, reply };
        self.requests.send(request).await.map_err(|_| EngineGone)?;
        answer.await.map_err(|_| EngineGone)
    }

    /// Inserts an unsafe payload and waits for the engine's verdict. The block hash must have been checked.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn insert_unsafe(
        &self,
        envelope: OpExecutionPayloadEnvelope,
    ) -> Result<InsertOutcome, EngineGone> {
        let (reply, answer) = oneshot::channel();
        let request = EngineRequest::InsertUnsafe { envelope: Box::new(envelope), reply: Some(reply) };
        self.requests.send(request).await.map_err(|_| EngineGone)?;
        answer.await.map_err(|_| EngineGone)
    }
}
