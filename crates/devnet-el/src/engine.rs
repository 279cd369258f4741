//! The semantics of the Engine API on our chain, call by call and without any clock or thread: what op-reth or op-geth
//! answers, down to where its `VALID` means less than it says (see [`ElBehaviour`]). [`EmbeddedEl`](crate::EmbeddedEl)
//! gives it a lock and publishes what it changed.

mod buffer;
mod error;
mod forkchoice;
mod invalid;
mod jobs;
mod restart;

pub use error::EngineError;
pub use jobs::SealedPayload;

use crate::{
    behaviour::ElBehaviour,
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
    target: Option<Target>,
    jobs: PayloadJobs,
    behaviour: ElBehaviour,
    /// The sibling that was answered `VALID` without a move. The same again moves.
    put_off: Option<B256>,
    /// A gap is being filled that is so long that nothing else is executed meanwhile.
    is_backfilling: bool,
}

/// The forkchoice that waits for its head.
#[derive(Clone, Copy, Debug)]
struct Target {
    state: ForkchoiceState,
    /// Its finalized block was there: op-reth closes no long gap then.
    is_finalized_known: bool,
}

impl Engine {
    pub(crate) fn new(view: ChainView, state_history: u64, behaviour: ElBehaviour) -> Self {
        Self {
            view,
            state_history,
            behaviour,
            put_off: None,
            is_backfilling: false,
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
        self.target.map(|target| target.state.head_block_hash)
    }

    /// Number of the target, if its payload was given.
    pub(crate) fn target_number(&self) -> Option<u64> {
        self.buffer.number(&self.target()?)
    }

    /// True if the target's finalized block was there when it was asked for.
    pub(crate) fn is_target_finalized_known(&self) -> bool {
        self.target.is_some_and(|target| target.is_finalized_known)
    }

    pub(crate) const fn is_backfilling(&self) -> bool {
        self.is_backfilling
    }

    /// Says whether a gap is being filled that is so long that nothing else is executed meanwhile.
    pub(crate) const fn set_backfilling(&mut self, is_backfilling: bool) {
        self.is_backfilling = is_backfilling;
    }

    /// `engine_newPayload`: executes the block if its parent is there, else keeps it until then (`SYNCING`).
    pub(crate) fn new_payload(
        &mut self,
        data: OpExecutionData,
        pool: &Mutex<TransactionPool>,
    ) -> PayloadStatus {
        let hash = data.block_hash();
        // op-geth looks for the block before it looks at its sync, op-reth the other way round.
        let is_known = !self.behaviour.is_reth() && self.view.block_by_hash(&hash).is_some();
        if !self.is_backfilling || is_known || self.invalid.get(&hash).is_some() {
            return self.import(data, pool);
        }
        match DecodedPayload::new(data) {
            Ok(payload) => {
                self.buffer.insert(payload);
                PayloadStatus::from_status(PayloadStatusEnum::Syncing)
            }
            Err(error) => invalid_status(error.to_string(), None),
        }
    }

    /// The same for blocks that the execution layer fetched itself, which no backfill keeps out.
    pub(crate) fn import(
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
    /// A head that is an ancestor of the latest block is `VALID` but does not move (a block can be built on it all the
    /// same); the head moves before the labels are checked, so a call that fails with -38002 may have moved it. The rest
    /// is up to [`ElBehaviour`].
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
