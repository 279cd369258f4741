//! What the engine remembers of blocks: those that were part of its chain, and those that were refused.

use crate::content::Content;
use alloy_primitives::B256;
use light_node_protocol::L2BlockRef;
use schnellru::{ByLength, LruMap};
use std::time::Duration;
use tokio::time::Instant;

/// Refused hashes that are remembered: enough for a burst of a broken sequencer or peer.
const MAX_REFUSALS: u32 = 512;

/// A refusal is forgotten after this time. An EL may have refused for a reason of its own (disk, a bug that an upgrade
/// ended); a refusal that still holds is only made again.
const REFUSAL_AGE: Duration = Duration::from_secs(300);

/// Why a hash is not to become head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The EL calls it INVALID.
    Invalid,
    /// Our finalized head is not among its ancestors.
    FinalizedContradicted,
    /// Our safe head was not among its ancestors.
    SafeContradicted,
    /// A source lied about it. The block may be good, but the EL has it on that source's word alone: it does not become
    /// head only because the EL stands there.
    SourceLied,
}

/// A block, and what attributes are compared with, if we have seen its payload and derive.
struct Remembered {
    block: L2BlockRef,
    content: Option<Content>,
}

/// The memory of blocks.
pub(crate) struct BlockMemory {
    blocks: LruMap<B256, Remembered, ByLength>,
    refused: LruMap<B256, (Refusal, Instant), ByLength>,
}

impl BlockMemory {
    /// A memory of `blocks` blocks.
    pub(crate) fn new(blocks: u32) -> Self {
        Self {
            blocks: LruMap::new(ByLength::new(blocks)),
            refused: LruMap::new(ByLength::new(MAX_REFUSALS)),
        }
    }

    /// Remembers a block that is, or was, part of our chain in the EL.
    pub(crate) fn remember(&mut self, block: L2BlockRef) {
        // What is remembered already becomes the youngest by being looked at.
        if !block.is_zero() && self.blocks.get(&block.hash).is_none() {
            let content = None;
            self.blocks
                .insert(block.hash, Remembered { block, content });
        }
    }

    /// Remembers such a block with its content.
    pub(crate) fn remember_content(&mut self, block: L2BlockRef, content: Content) {
        let content = Some(content);
        self.blocks
            .insert(block.hash, Remembered { block, content });
    }

    /// A remembered block.
    pub(crate) fn get(&self, hash: B256) -> Option<L2BlockRef> {
        self.blocks.peek(&hash).map(|remembered| remembered.block)
    }

    /// The content of a remembered block, if that is remembered, too.
    pub(crate) fn content(&self, hash: B256) -> Option<&Content> {
        self.blocks.peek(&hash)?.content.as_ref()
    }

    /// The ancestor with `number` of the block `hash` (or that block itself), as far as the chain is remembered.
    pub(crate) fn ancestor(&self, hash: B256, number: u64) -> Option<L2BlockRef> {
        self.chain(hash)
            .take_while(|block| block.number >= number)
            .find(|b| b.number == number)
    }

    /// The block `hash` and its ancestors, as far as they are remembered without a gap.
    pub(crate) fn chain(&self, hash: B256) -> impl Iterator<Item = L2BlockRef> + '_ {
        // A parent's number is one less, so the walk ends even if a hash came from nonsense.
        std::iter::successors(self.get(hash), |block| {
            let parent = self.get(block.parent_hash)?;
            (parent.number + 1 == block.number).then_some(parent)
        })
    }

    /// Remembers a refusal.
    pub(crate) fn refuse(&mut self, hash: B256, refusal: Refusal, now: Instant) {
        self.refused.insert(hash, (refusal, now));
    }

    /// Why `hash` was refused, if it was and that is not long ago.
    pub(crate) fn refusal(&self, hash: B256, now: Instant) -> Option<Refusal> {
        let (refusal, at) = self.refused.peek(&hash).copied()?;
        (now.duration_since(at) < REFUSAL_AGE).then_some(refusal)
    }

    /// Forgets the refusal of a block that is on our chain now: an answer that names it again is no contradiction.
    pub(crate) fn forgive(&mut self, hash: B256) {
        self.refused.remove(&hash);
    }

    /// The EL lost blocks: what is remembered of its chain says nothing any more. Refusals stay.
    pub(crate) fn forget_blocks(&mut self) {
        self.blocks.clear();
    }
}

impl std::fmt::Debug for BlockMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockMemory")
            .field("blocks", &self.blocks.len())
            .field("refused", &self.refused.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64) -> L2BlockRef {
        let hash = |number: u64| B256::with_last_byte(number as u8 + 1);
        L2BlockRef {
            hash: hash(number),
            number,
            parent_hash: hash(number.wrapping_sub(1)),
            ..Default::default()
        }
    }

    #[test]
    fn an_ancestor_is_found_as_far_as_the_chain_is_remembered() {
        let mut memory = BlockMemory::new(8);
        for number in [3, 5, 6, 7] {
            memory.remember(block(number));
        }
        let head = block(7).hash;
        assert_eq!(memory.ancestor(head, 7), Some(block(7)));
        assert_eq!(memory.ancestor(head, 5), Some(block(5)));
        assert_eq!(memory.ancestor(head, 4), None);
        assert_eq!(memory.ancestor(head, 3), None, "4 is missing between");
        assert_eq!(memory.ancestor(head, 8), None);
        assert_eq!(memory.chain(head).count(), 3);
    }

    #[test]
    fn the_oldest_block_is_forgotten_first() {
        let mut memory = BlockMemory::new(2);
        for number in 1..=3 {
            memory.remember(block(number));
        }
        assert_eq!(memory.get(block(1).hash), None);
        assert_eq!(memory.get(block(3).hash), Some(block(3)));
    }

    #[test]
    fn a_refusal_holds_for_its_age() {
        let mut memory = BlockMemory::new(2);
        let now = Instant::now();
        let hash = B256::repeat_byte(1);
        memory.refuse(hash, Refusal::Invalid, now);
        assert_eq!(memory.refusal(hash, now), Some(Refusal::Invalid));
        assert_eq!(memory.refusal(hash, now + REFUSAL_AGE), None);
        assert_eq!(memory.refusal(B256::ZERO, now), None);
        memory.forgive(hash);
        assert_eq!(memory.refusal(hash, now), None);
    }
}
