//! Blocks that the conductor has, or may have, and that a change of the head has made void. Should the chain come back to the
//! parent of one, it is that block that goes on there: the cluster keeps the first block of a height, so a second one with other
//! content would part this sequencer from all that start on the cluster's word.

use crate::work::{Kept, Taken};
use alloy_primitives::B256;

/// So many are kept. More leaders than this do not change within the blocks that one reorg takes.
const PLACES: usize = 8;

/// What is kept aside, the last one last.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Vec<Kept>);

impl Shelf {
    /// Keeps a block that is void, if anybody else may have it.
    pub(crate) fn put(&mut self, kept: Kept) {
        if kept.taken == Taken::NotAsked {
            return;
        }
        self.0.retain(|it| it.block.hash != kept.block.hash);
        if self.0.len() == PLACES {
            self.0.remove(0);
        }
        self.0.push(kept);
    }

    /// The first block on `parent`, to be gone on with where `head` is the unsafe head.
    pub(crate) fn take(&mut self, parent: B256, head: B256) -> Option<Kept> {
        let place = self.0.iter().position(|it| it.block.parent_hash == parent);
        let kept = self.0.remove(place?);
        Some(Kept { head, ..kept })
    }

    /// Forgets what can never be built on again: up to this number all is final.
    pub(crate) fn forget_to(&mut self, finalized: u64) {
        self.0.retain(|it| it.block.number > finalized);
    }
}
