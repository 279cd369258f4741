//! What a forkchoice does to head, labels and sync target, as the imitated execution layer does it.

use super::{Engine, EngineError, Target, invalid_status, valid};
use crate::{chain::ChainView, pool::TransactionPool};
use alloy_primitives::B256;
use alloy_rpc_types_engine::{ForkchoiceState, PayloadStatus, PayloadStatusEnum};
use std::sync::Mutex;

impl Engine {
    /// Applies a forkchoice, without its attributes.
    pub(super) fn apply_forkchoice(
        &mut self,
        state: ForkchoiceState,
        pool: &Mutex<TransactionPool>,
    ) -> Result<PayloadStatus, EngineError> {
        let is_reth = self.behaviour.is_reth();
        let head = state.head_block_hash;
        if head.is_zero() {
            if is_reth {
                return Err(EngineError::ZeroHead);
            }
            let reason = "forkchoice requested update to zero hash".to_owned();
            return Ok(invalid_status(reason, None));
        }
        if let Some(invalid) = self.invalid.get(&head) {
            return Ok(invalid.status());
        }
        if is_reth && self.is_backfilling {
            return Ok(self.sync_to(state));
        }
        if self.view.head().hash != head {
            if self.view.is_canonical(&head) {
                return self.stay(state);
            }
            if is_reth && self.puts_off(&head) {
                self.target = None;
                return Ok(valid(head));
            }
            let Some(reorg) = self.view.set_head(&head) else {
                return Ok(self.sync_to(state));
            };
            self.after_head_moved(&reorg, pool);
        }
        self.put_off = None;
        self.forget_target_if_reth();
        self.apply_labels(state)?;
        self.prune();
        Ok(valid(head))
    }

    /// The head is an ancestor of the latest block: op-reth does nothing, op-geth moves the labels.
    fn stay(&mut self, state: ForkchoiceState) -> Result<PayloadStatus, EngineError> {
        self.put_off = None;
        self.forget_target_if_reth();
        if !self.behaviour.is_reth() {
            self.apply_labels(state)?;
        }
        Ok(valid(state.head_block_hash))
    }

    /// The head is not there (any more).
    fn sync_to(&mut self, state: ForkchoiceState) -> PayloadStatus {
        let is_seen = self.buffer.number(&state.head_block_hash).is_some();
        if is_seen || self.behaviour.syncs_to_unseen_heads() {
            let finalized = state.finalized_block_hash;
            self.target = Some(Target {
                state,
                is_finalized_known: self.view.is_canonical(&finalized),
            });
        }
        PayloadStatus::from_status(PayloadStatusEnum::Syncing)
    }

    /// True for the first forkchoice to a known block that does not stand on the head. The chain in memory follows the
    /// answer a little later, and only the second call is sure to find it there.
    fn puts_off(&mut self, head: &B256) -> bool {
        let is_first = self.view.is_sibling(head) && self.put_off != Some(*head);
        self.put_off = is_first.then_some(*head);
        is_first
    }

    fn forget_target_if_reth(&mut self) {
        if self.behaviour.is_reth() {
            self.target = None;
        }
    }

    /// Zero means unchanged.
    fn apply_labels(&mut self, state: ForkchoiceState) -> Result<(), EngineError> {
        let (finalized, safe) = (state.finalized_block_hash, state.safe_block_hash);
        let is_good = |engine: &mut Self, label: B256, set: fn(&mut ChainView, &B256) -> bool| {
            label.is_zero() || (engine.may_be_label(&label) && set(&mut engine.view, &label))
        };
        if !is_good(self, finalized, ChainView::set_finalized) {
            return Err(EngineError::UnknownFinalized(finalized));
        }
        if !is_good(self, safe, ChainView::set_safe) {
            return Err(EngineError::UnknownSafe(safe));
        }
        Ok(())
    }

    /// op-reth takes any block that it knows, op-geth only those of the canonical chain.
    fn may_be_label(&self, hash: &B256) -> bool {
        self.behaviour.is_reth() || self.view.is_canonical(hash)
    }

    /// Makes the target the head once it is there. op-geth's downloader knows no labels.
    pub(super) fn resume_target(&mut self, pool: &Mutex<TransactionPool>) {
        let Some(target) = self.target else {
            return;
        };
        let hash = target.state.head_block_hash;
        if self.view.block_by_hash(&hash).is_none() {
            return;
        }
        if let Some(reorg) = self.view.set_head(&hash) {
            self.target = None;
            self.is_backfilling = false;
            self.put_off = None;
            self.after_head_moved(&reorg, pool);
            if self.behaviour.is_reth()
                && let Err(error) = self.apply_labels(target.state)
            {
                tracing::warn!(%error, "the labels of the reached sync target do not fit");
            }
            self.prune();
        }
    }
}
