//! What is left of an execution layer when its process ends and starts again.

use super::{Engine, InvalidBlocks, PayloadBuffer, PayloadJobs};
use crate::chain::ChainView;

impl Engine {
    /// The process ended: what was in its memory alone is gone. Blocks are lost with the next start.
    pub(crate) fn forget_memory(&mut self) {
        self.buffer = PayloadBuffer::default();
        self.invalid = InvalidBlocks::default();
        self.jobs = PayloadJobs::default();
        self.target = None;
        self.put_off = None;
        self.is_backfilling = false;
    }

    /// The process starts again, without the last `lost` blocks of the canonical chain. op-reth keeps no side branch either;
    /// op-geth has no safe block but the finalized one.
    pub(crate) fn restart(&mut self, lost: u64) {
        self.forget_memory();
        self.view.lose_last(lost, self.behaviour.is_reth());
        if !self.behaviour.is_reth() {
            self.view.set_safe_to_finalized();
        }
    }

    /// The process starts with another database.
    pub(crate) fn replace_view(&mut self, view: ChainView) -> ChainView {
        self.forget_memory();
        std::mem::replace(&mut self.view, view)
    }

    pub(super) fn prune(&mut self) {
        self.view
            .prune(self.state_history, super::MAX_UNFINALIZED_STATES);
    }
}
