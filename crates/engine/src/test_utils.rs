//! An engine whose state and answers a test gives: for the tests of those who hold an [`EngineHandle`].

use crate::{
    handle::{DerivationDoor, EngineHandle},
    metrics::EngineMetrics,
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
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

/// The far side of an [`EngineHandle`]. Dropping it is the engine's end.
#[derive(Debug)]
pub struct ScriptedEngine {
    requests: mpsc::Receiver<EngineRequest>,
    derivation: mpsc::Receiver<EngineRequest>,
    state: watch::Sender<EngineState>,
    status: watch::Sender<EngineStatus>,
}

/// A request as the engine gets it, with the door for its answer. Dropping the door is the engine's end for the sender.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // a test holds one at a time
pub enum ScriptedRequest {
    /// `EngineHandle::follow`.
    Follow(FollowUpdate, oneshot::Sender<FollowOutcome>),
    /// `EngineHandle::insert_unsafe`, or `try_insert_unsafe` if there is no door.
    InsertUnsafe(
        Arc<OpExecutionPayloadEnvelope>,
        Option<oneshot::Sender<InsertOutcome>>,
    ),
    /// `EngineHandle::reset_keeping_heads`.
    ResetKeepingHeads,
    /// `EngineHandle::origin_stands`.
    OriginStands,
    /// `EngineHandle::begin_here`.
    BeginHere,
    /// `EngineHandle::fetch`.
    Fetch(BlockNumHash, oneshot::Sender<bool>),
    /// `EngineHandle::consolidate`: epoch and attributes. The permit is held until it is dropped, as by an engine at work.
    Consolidate(
        u64,
        Box<DerivedAttributes>,
        OwnedSemaphorePermit,
        oneshot::Sender<ConsolidateOutcome>,
    ),
    /// `EngineHandle::cursor`.
    Cursor(L1BlockRef),
    /// `EngineHandle::finalize`.
    Finalize(BlockNumHash),
    /// `EngineHandle::reset`.
    Reset(ForkchoiceStart, oneshot::Sender<Result<u64, ResetError>>),
    /// `EngineHandle::restart_derivation`.
    RestartDerivation,
    /// `EngineHandle::build`: epoch, parent and attributes.
    Build(
        u64,
        B256,
        Box<OpPayloadAttributes>,
        oneshot::Sender<BuildOutcome>,
    ),
    /// `EngineHandle::seal`.
    Seal(PayloadId, oneshot::Sender<SealOutcome>),
    /// `EngineHandle::commit`.
    Commit(
        Arc<OpExecutionPayloadEnvelope>,
        oneshot::Sender<CommitOutcome>,
    ),
}

impl ScriptedEngine {
    /// An engine of the chain `rollup_config` that has published nothing yet, and its handle.
    pub fn new(rollup_config: Arc<RollupConfig>) -> (Self, EngineHandle) {
        let (sender, requests) = mpsc::channel(16);
        let (door, derivation) = DerivationDoor::new();
        let (state, published) = watch::channel(EngineState::default());
        let (status, reported) = watch::channel(EngineStatus::default());
        let metrics = EngineMetrics::of(published.clone(), reported.clone());
        let handle = EngineHandle::new(rollup_config, sender, published, reported, metrics, door);
        (
            Self {
                requests,
                derivation,
                state,
                status,
            },
            handle,
        )
    }

    /// Publishes a state.
    pub fn publish(&self, state: EngineState) {
        self.state.send_replace(state);
    }

    /// Publishes a status.
    pub fn report(&self, status: EngineStatus) {
        self.status.send_replace(status);
    }

    /// The next request; `None` when all handles are gone.
    pub async fn next_request(&mut self) -> Option<ScriptedRequest> {
        let request = tokio::select! {
            biased;
            request = self.requests.recv() => request?,
            Some(request) = self.derivation.recv() => request,
        };
        Some(match request {
            EngineRequest::Follow { update, reply } => ScriptedRequest::Follow(*update, reply),
            EngineRequest::InsertUnsafe { payload, reply } => {
                ScriptedRequest::InsertUnsafe(payload.envelope, reply)
            }
            EngineRequest::ResetKeepingHeads => ScriptedRequest::ResetKeepingHeads,
            EngineRequest::OriginStands => ScriptedRequest::OriginStands,
            EngineRequest::BeginHere => ScriptedRequest::BeginHere,
            EngineRequest::Fetch { head, reply } => ScriptedRequest::Fetch(head, reply),
            EngineRequest::Consolidate {
                epoch,
                attributes,
                permit,
                reply,
            } => ScriptedRequest::Consolidate(epoch, attributes, permit, reply),
            EngineRequest::Cursor { current_l1, .. } => ScriptedRequest::Cursor(current_l1),
            EngineRequest::Finalize { block } => ScriptedRequest::Finalize(block),
            EngineRequest::Reset { start, reply } => ScriptedRequest::Reset(*start, reply),
            EngineRequest::RestartDerivation => ScriptedRequest::RestartDerivation,
            EngineRequest::Build {
                epoch,
                parent,
                attributes,
                reply,
            } => ScriptedRequest::Build(epoch, parent, attributes, reply),
            EngineRequest::Seal { id, reply } => ScriptedRequest::Seal(id, reply),
            EngineRequest::Commit { payload, reply } => {
                ScriptedRequest::Commit(payload.envelope, reply)
            }
        })
    }
}
