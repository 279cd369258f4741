//! The L1 blocks on which the next L2 blocks may stand: from the safe head's origin up to the block that is being read.

use crate::kona::BlockInfo;
use light_node_protocol::L2BlockRef;
use std::collections::VecDeque;

/// A run of L1 blocks. It begins no later than at the origin of the last parent whose hash was known, so that derivation that ran
/// ahead of the engine can be taken back to it.
#[derive(Debug, Default)]
pub(super) struct Origins {
    blocks: VecDeque<BlockInfo>,
    /// The last block that was seen, whether or not it is in the window.
    last_seen: Option<BlockInfo>,
}

impl Origins {
    /// A window that begins where the pipeline begins.
    pub(super) fn beginning_at(block: BlockInfo) -> Self {
        Self {
            blocks: VecDeque::from([block]),
            last_seen: Some(block),
        }
    }

    /// Takes in the block that is being read. Blocks below the parent's origin are of no use, and what was there before them
    /// does not link to what comes.
    pub(super) fn update(&mut self, origin: BlockInfo, parent: &L2BlockRef, is_known: bool) {
        if self.last_seen != Some(origin) {
            self.last_seen = Some(origin);
            if origin.number < parent.l1_origin.number {
                self.blocks.clear();
            } else {
                self.blocks.push_back(origin);
            }
        }
        if is_known && self.contains(parent.l1_origin.number) {
            while self.first_number() < Some(parent.l1_origin.number) {
                self.blocks.pop_front();
            }
        }
    }

    /// The blocks for a child of `parent`: its origin first.
    pub(super) fn of(&mut self, parent: &L2BlockRef) -> &[BlockInfo] {
        let blocks = self.blocks.make_contiguous();
        let number = parent.l1_origin.number;
        let start = blocks.iter().position(|block| block.number == number);
        blocks.get(start.unwrap_or(0)..).unwrap_or_default()
    }

    fn contains(&self, number: u64) -> bool {
        self.blocks.iter().any(|block| block.number == number)
    }

    fn first_number(&self) -> Option<u64> {
        self.blocks.front().map(|block| block.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use light_node_protocol::BlockNumHash;

    fn l1(number: u64) -> BlockInfo {
        BlockInfo::new(
            B256::with_last_byte(number as u8),
            number,
            B256::ZERO,
            number,
        )
    }

    fn parent(number: u64, origin: u64) -> L2BlockRef {
        L2BlockRef {
            number,
            l1_origin: BlockNumHash::new(origin, l1(origin).hash),
            ..L2BlockRef::default()
        }
    }

    fn numbers(origins: &mut Origins, parent: &L2BlockRef) -> Vec<u64> {
        origins
            .of(parent)
            .iter()
            .map(|block| block.number)
            .collect()
    }

    #[test]
    fn blocks_below_the_parents_origin_are_passed_over() {
        let mut origins = Origins::beginning_at(l1(1));
        let parent = parent(9, 4);
        for number in 1..=6 {
            origins.update(l1(number), &parent, true);
        }
        assert_eq!(numbers(&mut origins, &parent), [4, 5, 6]);
    }

    #[test]
    fn what_ran_ahead_can_be_taken_back() {
        let mut origins = Origins::beginning_at(l1(1));
        for number in 1..=4 {
            origins.update(l1(number), &parent(5, 1), true);
        }
        let ahead = parent(20, 3);
        origins.update(l1(4), &ahead, false);
        assert_eq!(numbers(&mut origins, &ahead), [3, 4]);
        assert_eq!(numbers(&mut origins, &parent(6, 1)), [1, 2, 3, 4]);
        origins.update(l1(4), &ahead, true);
        assert_eq!(numbers(&mut origins, &ahead), [3, 4]);
    }
}
