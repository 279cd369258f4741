//! The semantics of the Engine API on our chain, call by call and without any clock or thread: what op-reth answers, down
//! to where its `VALID` means less than it says (see [`Engine::fork_choice_updated`]). [`EmbeddedEl`](crate::EmbeddedEl)
//! gives it a lock and publishes what it changed.

mod buffer;
mod error;
mod invalid;
mod jobs;

pub use error::EngineError;
pub use jobs::SealedPayload;

use crate::{
    chain::{ChainView, Reorg},
    execution::{CheckedAttributes, DecodedPayload, InvalidBlock, validate},
    pool::TransactionPool,
};
use alloy_primitives::B256;
use alloy_rpc_types_engine::{
    ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus, PayloadStatusEnum,
};
use buffer::PayloadBuffer;
use invalid::InvalidBlocks;
use jobs::PayloadJobs;
use op_alloy_rpc_types_engine::{OpExecutionData, OpPayloadAttributes};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many states a chain keeps that is never finalized. More than 4 hours of two-second blocks; a state costs what its
/// block changed, a few kilobytes.
const MAX_UNFINALIZED_STATES: u64 = 8192;

/// Version byte of a payload id: that of the forkchoice method from Ecotone on.
const PAYLOAD_ID_VERSION: u8 = 3;

/// The chain and what the Engine API remembers beside it.
#[derive(Debug)]
pub(crate) struct Engine {
    view: ChainView,
    /// States kept below the finalized block.
    state_history: u64,
    buffer: PayloadBuffer,
    invalid: InvalidBlocks,
    /// The last forkchoice whose head we do not have. It is applied as soon as its head is there, unless another
    /// forkchoice became valid in between.
    target: Option<ForkchoiceState>,
    jobs: PayloadJobs,
}

impl Engine {
    pub(crate) fn new(view: ChainView, state_history: u64) -> Self {
        Self {
            view,
            state_history,
            buffer: PayloadBuffer::default(),
            invalid: InvalidBlocks::default(),
            target: None,
            jobs: PayloadJobs::default(),
        }
    }

    pub(crate) const fn view(&self) -> &ChainView {
        &self.view
    }

    /// The head that was asked for and is not there yet.
    pub(crate) fn target(&self) -> Option<B256> {
        self.target.map(|state| state.head_block_hash)
    }

    /// Number of the target, if its payload was given.
    pub(crate) fn target_number(&self) -> Option<u64> {
        self.buffer.number(&self.target()?)
    }

    /// `engine_newPayload`: executes the block if its parent is there, else keeps it until then (`SYNCING`).
    pub(crate) fn new_payload(
        &mut self,
        data: OpExecutionData,
        pool: &Mutex<TransactionPool>,
    ) -> PayloadStatus {
        let hash = data.block_hash();
        if let Some(invalid) = self.invalid.get(&hash) {
            return invalid.status();
        }
        if self.view.block_by_hash(&hash).is_some() {
            return valid(hash);
        }
        let payload = match DecodedPayload::new(data) {
            Ok(payload) => payload,
            // The claimed hash may well be that of a valid block: nothing is remembered about it.
            Err(error) => return invalid_status(error.to_string(), None),
        };
        let parent = payload.header.parent_hash;
        if let Some(invalid) = self.invalid.get(&parent) {
            let status = invalid.status();
            self.reject_with_descendants(hash, &status);
            return status;
        }
        if self.view.parent(&parent).is_none() {
            self.buffer.insert(payload);
            return PayloadStatus::from_status(PayloadStatusEnum::Syncing);
        }
        let status = self.execute(payload);
        if status.is_valid() {
            self.execute_descendants(hash);
            self.resume_target(pool);
        }
        status
    }

    /// `engine_forkchoiceUpdated`.
    ///
    /// As op-reth does: a head that is an ancestor of the latest block is `VALID` but nothing moves, neither head nor
    /// labels (a block can be built on it all the same); the head moves before the labels are checked, so a call that
    /// fails with -38002 may have moved it; a label may name any known block; any `VALID` forgets the sync target.
    ///
    /// # Errors
    ///
    /// A zero head, a label that names an unknown block, or attributes that no block can be built from.
    pub(crate) fn fork_choice_updated(
        &mut self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
        pool: &Mutex<TransactionPool>,
    ) -> Result<ForkchoiceUpdated, EngineError> {
        let status = self.apply_forkchoice(state, pool)?;
        let mut updated = ForkchoiceUpdated::new(status);
        if let Some(attributes) = attributes
            && updated.is_valid()
        {
            updated.payload_id = Some(self.start_build(state.head_block_hash, attributes, pool)?);
        }
        Ok(updated)
    }

    /// `engine_getPayload`: seals a build. What came into the pool since it was started takes part.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownPayload`] for an id that was never given or is too old.
    pub(crate) fn get_payload(
        &mut self,
        id: PayloadId,
        pool: &Mutex<TransactionPool>,
    ) -> Result<SealedPayload, EngineError> {
        self.jobs.seal(self.view.spec(), id, pool)
    }

    fn apply_forkchoice(
        &mut self,
        state: ForkchoiceState,
        pool: &Mutex<TransactionPool>,
    ) -> Result<PayloadStatus, EngineError> {
        let head = state.head_block_hash;
        if head.is_zero() {
            return Err(EngineError::ZeroHead);
        }
        if let Some(invalid) = self.invalid.get(&head) {
            return Ok(invalid.status());
        }
        let is_latest = self.view.head().hash == head;
        if !is_latest && self.view.is_canonical(&head) {
            self.target = None;
            return Ok(valid(head));
        }
        if !is_latest {
            let Some(reorg) = self.view.set_head(&head) else {
                self.target = Some(state);
                return Ok(PayloadStatus::from_status(PayloadStatusEnum::Syncing));
            };
            self.after_head_moved(&reorg, pool);
        }
        self.target = None;
        self.apply_labels(state)?;
        self.view.prune(self.state_history, MAX_UNFINALIZED_STATES);
        Ok(valid(head))
    }

    /// Zero means unchanged.
    fn apply_labels(&mut self, state: ForkchoiceState) -> Result<(), EngineError> {
        let (finalized, safe) = (state.finalized_block_hash, state.safe_block_hash);
        if !finalized.is_zero() && !self.view.set_finalized(&finalized) {
            return Err(EngineError::UnknownFinalized(finalized));
        }
        if !safe.is_zero() && !self.view.set_safe(&safe) {
            return Err(EngineError::UnknownSafe(safe));
        }
        Ok(())
    }

    /// Transactions of dropped blocks wait again, those that were mined wait no more.
    fn after_head_moved(&self, reorg: &Reorg, pool: &Mutex<TransactionPool>) {
        if let (Some(highest), Some(lowest)) = (reorg.dropped.first(), reorg.dropped.last()) {
            tracing::info!(
                from = highest.number(),
                dropped = reorg.dropped.len(),
                parent = %lowest.header().parent_hash,
                head = self.view.head().number(),
                hash = %self.view.head().hash,
                "reorg of the embedded chain"
            );
        }
        let mut pool = lock(pool);
        // Lowest first, so that nonces come in order.
        for block in reorg.dropped.iter().rev() {
            pool.restore(block, &self.view);
        }
        pool.head_changed(self.view.head_state());
    }

    fn start_build(
        &mut self,
        head: B256,
        attributes: OpPayloadAttributes,
        pool: &Mutex<TransactionPool>,
    ) -> Result<PayloadId, EngineError> {
        let id = attributes.payload_id(&head, PAYLOAD_ID_VERSION);
        if self.jobs.contains(id) {
            return Ok(id);
        }
        let parent = self
            .view
            .parent(&head)
            .ok_or(EngineError::StateDropped(head))?;
        let attributes = CheckedAttributes::new(self.view.spec(), &parent, attributes)?;
        self.jobs
            .start(self.view.spec(), id, parent, attributes, pool)?;
        Ok(id)
    }

    /// Executes a payload whose parent is there.
    fn execute(&mut self, payload: DecodedPayload) -> PayloadStatus {
        let hash = payload.hash;
        let Some(parent) = self.view.parent(&payload.header.parent_hash) else {
            return PayloadStatus::from_status(PayloadStatusEnum::Syncing);
        };
        match validate(self.view.spec(), &parent, &payload) {
            Ok((block, state)) => {
                self.view.insert(block, state);
                valid(hash)
            }
            Err(error) => {
                tracing::warn!(number = payload.header.number, %hash, %error, "invalid block");
                let status = invalid_block(&error, parent.block.hash);
                self.reject_with_descendants(hash, &status);
                status
            }
        }
    }

    /// Executes what was waiting for `hash`, and what was waiting for that.
    fn execute_descendants(&mut self, hash: B256) {
        let mut waiting = self.buffer.take_children(&hash);
        while let Some(payload) = waiting.pop() {
            let hash = payload.hash;
            if self.execute(payload).is_valid() {
                waiting.extend(self.buffer.take_children(&hash));
            }
        }
    }

    /// Remembers that `hash`, and what waits for it, is invalid.
    fn reject_with_descendants(&mut self, hash: B256, status: &PayloadStatus) {
        let mut rejected = vec![hash];
        while let Some(hash) = rejected.pop() {
            if self.target() == Some(hash) {
                self.target = None;
            }
            self.invalid.insert(hash, status);
            let children = self.buffer.take_children(&hash);
            rejected.extend(children.into_iter().map(|payload| payload.hash));
        }
    }

    /// Makes the target the head once it is there.
    fn resume_target(&mut self, pool: &Mutex<TransactionPool>) {
        if let Some(target) = self.target
            && self.view.block_by_hash(&target.head_block_hash).is_some()
            && let Err(error) = self.apply_forkchoice(target, pool)
        {
            tracing::warn!(%error, "the labels of the reached sync target do not fit");
        }
    }
}

/// Locks a mutex of this crate. What a panicking holder leaves behind is whole: execution, the one thing that could panic,
/// works on a snapshot and changes nothing before it has succeeded.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn valid(hash: B256) -> PayloadStatus {
    PayloadStatus::new(PayloadStatusEnum::Valid, Some(hash))
}

const fn invalid_status(validation_error: String, latest_valid: Option<B256>) -> PayloadStatus {
    PayloadStatus::new(
        PayloadStatusEnum::Invalid { validation_error },
        latest_valid,
    )
}

fn invalid_block(error: &InvalidBlock, parent: B256) -> PayloadStatus {
    invalid_status(error.to_string(), Some(parent))
}

#[cfg(test)]
mod tests;
