//! What others may call. The handle hides channels and replies; a method's documentation says what a dead engine answers.

use crate::{
    metrics::EngineMetrics,
    payload::Payload,
    request::{
        BuildOutcome, CommitOutcome, ConsolidateOutcome, DerivedAttributes, EngineRequest,
        FollowOutcome, FollowUpdate, ForkchoiceStart, InsertOutcome, ResetError, SealOutcome,
    },
    state::EngineState,
    status::EngineStatus,
};
use alloy_primitives::B256;
use alloy_rpc_types_engine::PayloadId;
use light_node_protocol::{BlockNumHash, L1BlockRef, RollupConfig};
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Derived blocks that may be under way in the engine, and cursors between them. A span of batches has some ten to some
/// hundred blocks; with these many the EL never waits for derivation.
pub(crate) const MAX_DERIVED: usize = 64;

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
    derivation: DerivationDoor,
}

/// Derivation's own way into the engine. It is never full, because who sends holds a permit: so what ran ahead keeps its
/// order without anybody waiting.
#[derive(Clone, Debug)]
pub(crate) struct DerivationDoor {
    requests: mpsc::Sender<EngineRequest>,
    blocks: Arc<Semaphore>,
    cursors: Arc<Semaphore>,
}

impl DerivationDoor {
    /// The door, and what the actor reads from.
    pub(crate) fn new() -> (Self, mpsc::Receiver<EngineRequest>) {
        let (requests, inbox) = mpsc::channel(2 * MAX_DERIVED);
        let permits = || Arc::new(Semaphore::new(MAX_DERIVED));
        let door = Self {
            requests,
            blocks: permits(),
            cursors: permits(),
        };
        (door, inbox)
    }
}

impl EngineHandle {
    pub(crate) const fn new(
        rollup_config: Arc<RollupConfig>,
        requests: mpsc::Sender<EngineRequest>,
        state: watch::Receiver<EngineState>,
        status: watch::Receiver<EngineStatus>,
        metrics: EngineMetrics,
        derivation: DerivationDoor,
    ) -> Self {
        Self {
            rollup_config,
            requests,
            state,
            status,
            metrics,
            derivation,
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

    /// Takes [`Self::reset_keeping_heads`] back: L1 was reorganised again, and the L1 origin of the unsafe head is on it.
    ///
    /// # Backpressure
    /// Waits while the inbox is full.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn origin_stands(&self) -> Result<(), EngineGone> {
        self.send(EngineRequest::OriginStands).await
    }

    /// Makes a derived block part of the chain. `epoch` is that of the last [`Self::reset`]. The block is handed over by the
    /// call itself, so that several may be under way in the order of the calls, up to 64; one more is answered `Stale`. The
    /// future is the answer. An EL that cannot be asked is waited for.
    ///
    /// # Cancel safety
    /// A block whose answer is not waited for may be taken, or not. Those behind it are answered accordingly.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub fn consolidate(
        &self,
        epoch: u64,
        attributes: DerivedAttributes,
    ) -> impl Future<Output = Result<ConsolidateOutcome, EngineGone>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let attributes = Box::new(attributes);
        match Arc::clone(&self.derivation.blocks).try_acquire_owned() {
            Ok(permit) => {
                let request = EngineRequest::Consolidate {
                    epoch,
                    attributes,
                    permit,
                    reply,
                };
                // It has room for all that hold a permit; a closed one drops the reply.
                let _ = self.derivation.requests.try_send(request);
            }
            // A receiver that lives takes it.
            Err(_) => drop(reply.send(ConsolidateOutcome::Stale)),
        }
        async move { answer.await.map_err(|_| EngineGone) }
    }

    /// Says that all that L1 says up to `current_l1` has been handed over. It is published when the labels that belong to
    /// it stand.
    ///
    /// # Backpressure
    /// Keeps its order with [`Self::consolidate`]. Waits while 64 of these are under way.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn cursor(&self, current_l1: L1BlockRef) -> Result<(), EngineGone> {
        let permit = Arc::clone(&self.derivation.cursors).acquire_owned().await;
        let permit = permit.map_err(|_| EngineGone)?;
        let request = EngineRequest::Cursor { current_l1, permit };
        let sent = self.derivation.requests.send(request).await;
        sent.map_err(|_| EngineGone)
    }

    /// Says that a derived block is final. It becomes the finalized head when it is safe; the finalized head never goes
    /// down. Of two that wait the newer wins.
    ///
    /// # Backpressure
    /// Waits while the inbox is full.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn finalize(&self, block: BlockNumHash) -> Result<(), EngineGone> {
        self.send(EngineRequest::Finalize { block }).await
    }

    /// Says from where derivation goes on, and waits until the EL has taken that up. All that was handed over before is
    /// void. Returns the epoch that begins.
    ///
    /// # Errors
    /// [`ResetError`]; then nothing can be consolidated until another reset is done.
    pub async fn reset(&self, start: ForkchoiceStart) -> Result<u64, ResetError> {
        let start = Box::new(start);
        self.ask(|reply| EngineRequest::Reset { start, reply })
            .await?
    }

    /// Has derivation find its start anew: [`EngineState::reset_epoch`] grows, and what it has handed over is void. Heads
    /// stay.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn restart_derivation(&self) -> Result<(), EngineGone> {
        self.send(EngineRequest::RestartDerivation).await
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

    /// Tells that a sequencer has been told to begin on our unsafe head, and on no other: a head of gossip that the EL was asked
    /// for, and may never get, yields at once.
    ///
    /// # Backpressure
    /// Waits while the inbox is full.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn begin_here(&self) -> Result<(), EngineGone> {
        self.send(EngineRequest::BeginHere).await
    }

    /// Has the EL fetch `head`, which the safe source calls its unsafe head, from its peers: it is the target until it is our
    /// head, or until the EL has made no progress to it for half a minute. False if the EL could not be asked, or is not to
    /// be: it has another target, or stands as high.
    ///
    /// # Errors
    /// [`EngineGone`] if the engine has stopped.
    pub async fn fetch(&self, head: BlockNumHash) -> Result<bool, EngineGone> {
        self.ask(|reply| EngineRequest::Fetch { head, reply }).await
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
