//! Which L2 blocks the L1 carries: the reference source's knowledge, as pure rules.
//!
//! For each canonical L1 block the record keeps the safe head after it. A batch extends the safe head if its block is the
//! head's child and its L1 origin is canonical at or below the including block, which is what derivation would find; a span
//! in which one origin is not is dropped whole (`specs/protocol/holocene/derivation.md#span-batches`). An L1 reorg takes the
//! lost L1 blocks off the record and thereby takes the safe head back.

use crate::batcher::Carried;
use light_node_protocol::{L1BlockRef, L2BlockRef};
use std::collections::VecDeque;

/// L1 blocks that are remembered. Deeper reorgs than this cannot be asked of the devnet's L1.
const L1_BLOCKS_MAX: usize = 4096;

/// What one L1 block did to the safe head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    l1: L1BlockRef,
    safe: L2BlockRef,
}

/// The safe head after each canonical L1 block.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    steps: VecDeque<Step>,
}

impl Record {
    /// A record that starts with L1 genesis and L2 genesis.
    pub(crate) fn new(l1_genesis: L1BlockRef, l2_genesis: L2BlockRef) -> Self {
        Self {
            steps: VecDeque::from([Step {
                l1: l1_genesis,
                safe: l2_genesis,
            }]),
        }
    }

    /// The last L1 block that was looked through.
    pub(crate) fn current_l1(&self) -> L1BlockRef {
        self.last().l1
    }

    /// The safe head after [`Self::current_l1`].
    pub(crate) fn safe(&self) -> L2BlockRef {
        self.last().safe
    }

    /// The safe head after the L1 block `number`, or after the last one below it that is known.
    pub(crate) fn safe_at(&self, number: u64) -> Option<L2BlockRef> {
        self.steps
            .iter()
            .rev()
            .find(|step| step.l1.number <= number)
            .map(|step| step.safe)
    }

    /// Takes every L1 block off the record that `is_canonical` does not know any more. True if any was lost.
    pub(crate) fn rewind(&mut self, is_canonical: impl Fn(&L1BlockRef) -> bool) -> bool {
        let before = self.steps.len();
        while self.steps.len() > 1 && !is_canonical(&self.last().l1) {
            self.steps.pop_back();
        }
        self.steps.len() < before
    }

    /// Adds the next canonical L1 block and the channels that its transactions complete, in order.
    /// `is_canonical_origin` says whether an L2 block's origin is on the L1 chain at or below `l1`.
    pub(crate) fn extend(
        &mut self,
        l1: L1BlockRef,
        channels: &[Carried],
        is_canonical_origin: impl Fn(&L2BlockRef) -> bool,
    ) {
        let has_origin =
            |block: &L2BlockRef| block.l1_origin.number <= l1.number && is_canonical_origin(block);
        let mut safe = self.safe();
        for channel in channels {
            if channel.is_span && !channel.blocks.iter().all(has_origin) {
                continue;
            }
            for block in channel.blocks.iter() {
                if block.parent_hash == safe.hash && has_origin(block) {
                    safe = *block;
                }
            }
        }
        if self.steps.len() == L1_BLOCKS_MAX {
            self.steps.pop_front();
        }
        self.steps.push_back(Step { l1, safe });
    }

    fn last(&self) -> &Step {
        self.steps
            .back()
            .expect("the record starts with genesis and never becomes empty")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use light_node_protocol::BlockNumHash;

    fn l1(number: u64, branch: u8) -> L1BlockRef {
        L1BlockRef {
            hash: hash(number, branch),
            number,
            ..L1BlockRef::default()
        }
    }

    fn l2(number: u64, origin: u64) -> L2BlockRef {
        L2BlockRef {
            hash: hash(number, 100),
            number,
            parent_hash: hash(number.wrapping_sub(1), 100),
            l1_origin: BlockNumHash::new(origin, hash(origin, 0)),
            ..L2BlockRef::default()
        }
    }

    fn hash(number: u64, branch: u8) -> B256 {
        let mut hash = B256::repeat_byte(branch);
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    fn record() -> Record {
        Record::new(l1(0, 0), l2(0, 0))
    }

    fn singular(blocks: &[L2BlockRef]) -> Carried {
        Carried {
            blocks: blocks.into(),
            is_span: false,
        }
    }

    fn span(blocks: &[L2BlockRef]) -> Carried {
        Carried {
            is_span: true,
            ..singular(blocks)
        }
    }

    #[test]
    fn batches_in_order_extend_the_safe_head() {
        let mut record = record();
        record.extend(l1(1, 0), &[singular(&[l2(1, 0), l2(2, 1)])], |_| true);
        assert_eq!(record.safe(), l2(2, 1));
        assert_eq!(record.current_l1(), l1(1, 0));
    }

    #[test]
    fn a_batch_that_does_not_link_is_dropped() {
        let mut record = record();
        record.extend(l1(1, 0), &[singular(&[l2(2, 0)])], |_| true);
        assert_eq!(record.safe(), l2(0, 0));
    }

    #[test]
    fn a_span_counts_whole_or_not_at_all() {
        let is_kept = |block: &L2BlockRef| block.l1_origin.number < 2;
        let blocks = [l2(1, 0), l2(2, 1), l2(3, 2)];
        let mut record = record();
        record.extend(l1(5, 0), &[span(&blocks)], is_kept);
        assert_eq!(record.safe(), l2(0, 0), "one origin is lost");
        record.extend(l1(6, 0), &[singular(&blocks)], is_kept);
        assert_eq!(record.safe(), l2(2, 1), "batch by batch");
        record.extend(l1(7, 0), &[span(&blocks)], |_| true);
        assert_eq!(
            record.safe(),
            l2(3, 2),
            "what is safe already may stand before the rest"
        );
    }

    #[test]
    fn a_batch_with_a_lost_or_future_origin_is_dropped() {
        let mut record = record();
        record.extend(l1(1, 0), &[singular(&[l2(1, 0)])], |_| false);
        record.extend(l1(2, 0), &[singular(&[l2(1, 3)])], |_| true);
        assert_eq!(record.safe(), l2(0, 0));
    }

    #[test]
    fn an_l1_reorg_takes_the_safe_head_back() {
        let mut record = record();
        record.extend(l1(1, 0), &[singular(&[l2(1, 0)])], |_| true);
        record.extend(l1(2, 0), &[singular(&[l2(2, 0)])], |_| true);
        assert!(record.rewind(|l1| l1.number < 2));
        assert_eq!(record.safe(), l2(1, 0));
        record.extend(l1(2, 1), &[], |_| true);
        assert_eq!((record.safe(), record.current_l1()), (l2(1, 0), l1(2, 1)));
        assert!(!record.rewind(|_| true));
    }

    #[test]
    fn the_finalized_head_is_the_safe_head_at_the_finalized_l1_block() {
        let mut record = record();
        record.extend(l1(1, 0), &[singular(&[l2(1, 0)])], |_| true);
        record.extend(l1(2, 0), &[singular(&[l2(2, 0)])], |_| true);
        assert_eq!(record.safe_at(1), Some(l2(1, 0)));
        assert_eq!(record.safe_at(0), Some(l2(0, 0)));
    }
}
