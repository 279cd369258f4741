//! The execution layer of the simulation: an EL in memory whose peers have every block of the model, sooner or later, and
//! which errs on command. It sees every forkchoice as it is sent, and holds it to the invariants.

use crate::model::Model;
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus};
use async_trait::async_trait;
use light_node_engine_api::{
    ElBlock, ElError, ElReader, ElSyncing, EngineApi,
    memory::{MemoryEl, MemoryElKind},
};
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

#[derive(Debug)]
struct State {
    inner: Arc<MemoryEl>,
    /// Reads that find nothing although the block is there.
    nulls: u32,
    /// Every block that was the EL's head at some time, or an ancestor of one.
    confirmed: HashSet<B256>,
    /// The last finalized label of a forkchoice that was answered well.
    finalized: B256,
    violations: Vec<String>,
}

/// The execution layer. It stays the same thing for the node when it is wiped.
pub struct SimEl {
    kind: MemoryElKind,
    model: Arc<Mutex<Model>>,
    state: Mutex<State>,
}

impl SimEl {
    pub fn new(kind: MemoryElKind, model: Arc<Mutex<Model>>) -> Arc<Self> {
        let inner = MemoryEl::with_kind(model.lock().unwrap().builder(), kind);
        let state = State {
            inner,
            nulls: 0,
            confirmed: HashSet::new(),
            finalized: B256::ZERO,
            violations: Vec::new(),
        };
        let el = Arc::new(Self {
            kind,
            model,
            state: Mutex::new(state),
        });
        el.note_head();
        el
    }

    pub fn inner(&self) -> Arc<MemoryEl> {
        self.state().inner.clone()
    }

    /// The data directory is gone.
    pub fn wipe(&self) {
        let fresh = MemoryEl::with_kind(self.model().builder(), self.kind);
        self.state().inner = fresh;
    }

    /// It starts anew after its process died: the last blocks are gone, and so is what the labels said.
    pub fn restart(&self, lost: usize) {
        let inner = self.inner();
        inner.lose_last(lost);
        if self.kind == MemoryElKind::Geth {
            let finalized = inner.finalized().hash;
            inner.set_labels(finalized, finalized);
        }
    }

    /// The next `count` reads of blocks find nothing.
    pub fn answer_null(&self, count: u32) {
        self.state().nulls = count;
    }

    /// The EL's peers give it up to `count` blocks on the way to what it was asked for. True if that is something.
    pub fn fetch(&self, count: usize) -> bool {
        let inner = self.inner();
        let Some(target) = inner.target() else {
            return false;
        };
        let mut way = self
            .model()
            .way_to(target, |hash| inner.known(hash).is_some());
        way.truncate(count);
        inner.add(&way);
        self.note_head();
        !way.is_empty()
    }

    /// A node starts, and knows of what went before only what the EL knows.
    pub fn begin(&self) {
        let mut state = self.state();
        state.finalized = state.inner.finalized().hash;
    }

    /// True if `hash` was the EL's head at some time, or below it.
    pub fn has_confirmed(&self, hash: B256) -> bool {
        self.state().confirmed.contains(&hash)
    }

    /// What was wrong with the forkchoices since the last call.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.state().violations)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    /// To be called whenever the head may have moved.
    pub fn note_head(&self) {
        let model = self.model();
        let mut state = self.state();
        let mut at = state.inner.head().hash;
        while state.confirmed.insert(at)
            && let Some(block) = model.block(at)
        {
            at = block.block_ref().parent_hash;
        }
    }

    /// I1 and I2 on a forkchoice as it is sent, I6 on what comes with it.
    fn check(&self, sent: &ForkchoiceState, has_attributes: bool) {
        let model = self.model();
        let mut state = self.state();
        let mut violations = Vec::new();
        let ForkchoiceState {
            head_block_hash: head,
            safe_block_hash: safe,
            finalized_block_hash: finalized,
        } = *sent;
        if has_attributes {
            violations.push("I6: attributes in follow mode");
        }
        if head.is_zero() {
            violations.push("I1: a zero head was sent");
        }
        let is_known = state.inner.known(head).is_some() || state.confirmed.contains(&head);
        let has_labels = !safe.is_zero() || !finalized.is_zero();
        if !is_known && has_labels {
            violations.push("I1: labels were sent with a head that the EL does not have");
        }
        if !safe.is_zero() && !model.is_ancestor(safe, head) {
            violations.push("I1: safe is not an ancestor of the head");
        }
        let above = if safe.is_zero() { head } else { safe };
        if !finalized.is_zero() && !model.is_ancestor(finalized, above) {
            violations.push("I1: finalized is not an ancestor of safe");
        }
        let before = state.finalized;
        if !finalized.is_zero() && !before.is_zero() && !model.is_ancestor(before, finalized) {
            violations.push("I2: finalized went back or to another branch");
        }
        let violations: Vec<String> = violations
            .into_iter()
            .map(|what| format!("{what}: {sent:?}"))
            .collect();
        state.violations.extend(violations);
    }
}

impl fmt::Debug for SimEl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimEl").finish_non_exhaustive()
    }
}

#[async_trait]
impl ElReader for SimEl {
    async fn chain_id(&self) -> Result<u64, ElError> {
        self.inner().chain_id().await
    }

    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError> {
        let found = self.inner().blocks(ids).await?;
        let mut state = self.state();
        if state.nulls == 0 {
            return Ok(found);
        }
        state.nulls -= 1;
        Ok(vec![None; ids.len()])
    }

    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError> {
        self.inner().payload(id).await
    }

    async fn storage_root(&self, address: Address, block: B256) -> Result<B256, ElError> {
        self.inner().storage_root(address, block).await
    }

    async fn syncing(&self) -> Result<ElSyncing, ElError> {
        self.inner().syncing().await
    }

    async fn client_version(&self) -> Result<Option<String>, ElError> {
        self.inner().client_version().await
    }
}

#[async_trait]
impl EngineApi for SimEl {
    async fn new_payload(
        &self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<PayloadStatus, ElError> {
        let answer = self.inner().new_payload(envelope).await;
        self.note_head();
        answer
    }

    async fn fork_choice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, ElError> {
        self.check(&state, attributes.is_some());
        let answer = self.inner().fork_choice_updated(state, attributes).await;
        self.note_head();
        let finalized = state.finalized_block_hash;
        let is_valid = answer.as_ref().is_ok_and(ForkchoiceUpdated::is_valid);
        if is_valid && !finalized.is_zero() {
            self.state().finalized = finalized;
        }
        answer
    }

    async fn get_payload(
        &self,
        id: PayloadId,
        timestamp: u64,
    ) -> Result<OpExecutionPayloadEnvelope, ElError> {
        self.inner().get_payload(id, timestamp).await
    }

    fn as_reader(self: Arc<Self>) -> Arc<dyn ElReader> {
        self
    }
}
