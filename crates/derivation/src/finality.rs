//! Which L2 block is final: the highest one that was derived from a finalized L1 block. Derivation notes each L1 block that it
//! reads and each L2 block that it makes safe; when L1 finalizes, the answer is looked up by number and held against the hashes
//! of what was really read. What was safe before the start comes from the history of safe heads, so that finality does not wait for
//! something new after each restart. Pure.

use light_node_protocol::{BlockNumHash, L1BlockRef, L2BlockRef};
use std::collections::VecDeque;

/// L1 blocks that are remembered: half a day of Ethereum without finality, some 400 KB. Beyond that the oldest are forgotten,
/// which only makes finality wait for the next.
const CAPACITY: usize = 4096;

/// One L1 block that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Read {
    l1: BlockNumHash,
    /// The last L2 block that was derived from it; `None` if there was none.
    l2: Option<BlockNumHash>,
}

/// What a finalized L1 block means for L2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing new.
    Nothing,
    /// The block is final.
    Final(BlockNumHash),
    /// The block is final if `l1` is on L1: derivation has not reached the finalized L1 block, so that nothing which was read
    /// says whether the two are of one branch.
    FinalIf {
        /// The L1 block that it was derived from.
        l1: BlockNumHash,
        /// The L2 block.
        l2: BlockNumHash,
    },
    /// What was read at the height of the finalized L1 block is another block: L1 has left what was read.
    Contradicted,
}

/// The L1 blocks read since the last reset, and what was derived from them.
#[derive(Debug, Default)]
pub(crate) struct Finality {
    read: VecDeque<Read>,
    /// Of the L1 blocks that are not read yet, what was derived from them before the start; the lowest first.
    known: VecDeque<(BlockNumHash, BlockNumHash)>,
}

impl Finality {
    /// Derivation starts over and reads `origin`: what was read before says nothing any more. `known` are L1 blocks, the newest first
    /// and canonical, each with the safe head that was derived up to it.
    pub(crate) fn reset(&mut self, origin: BlockNumHash, known: &[(BlockNumHash, BlockNumHash)]) {
        self.read.clear();
        self.known = known.iter().rev().copied().collect();
        while let Some((l1, l2)) = self.known.front().copied()
            && l1.number < origin.number
        {
            self.known.pop_front();
            self.push(Read { l1, l2: Some(l2) });
        }
        self.note_read(origin);
    }

    /// Derivation reads this block now, the child of the one before.
    pub(crate) fn note_read(&mut self, l1: BlockNumHash) {
        let is_known = self.known.front().filter(|(known, _)| *known == l1);
        let l2 = is_known.map(|(_, l2)| *l2);
        while self
            .known
            .front()
            .is_some_and(|(known, _)| known.number <= l1.number)
        {
            self.known.pop_front();
        }
        self.push(Read { l1, l2 });
    }

    fn push(&mut self, read: Read) {
        if self.read.len() == CAPACITY {
            self.read.pop_front();
        }
        self.read.push_back(read);
    }

    /// `safe` is the safe head now, and was derived from `derived_from`.
    pub(crate) fn note_safe(&mut self, derived_from: BlockNumHash, safe: BlockNumHash) {
        let read = self
            .read
            .iter_mut()
            .rev()
            .find(|read| read.l1 == derived_from);
        if let Some(read) = read {
            read.l2 = Some(safe);
        }
    }

    /// The block is final: what is below it needs no memory.
    pub(crate) fn note_final(&mut self, l2: BlockNumHash) {
        let is_behind = |read: &Read| read.l2.is_none_or(|own| own.number < l2.number);
        let Some(at) = self.read.iter().position(|read| read.l2 == Some(l2)) else {
            return;
        };
        debug_assert!(self.read.iter().take(at).all(is_behind), "safe heads grow");
        self.read.drain(..at);
    }

    /// What follows from the finalized L1 block, with the safe and the finalized L2 head as they stand.
    pub(crate) fn judge(
        &self,
        l1: &L1BlockRef,
        safe: &L2BlockRef,
        finalized: &L2BlockRef,
    ) -> Finding {
        let Some((first, last)) = self.read.front().zip(self.read.back()) else {
            return Finding::Nothing;
        };
        if l1.is_zero() || l1.number < first.l1.number {
            return Finding::Nothing;
        }
        let same_height = self
            .read
            .iter()
            .rev()
            .find(|read| read.l1.number == l1.number);
        if same_height.is_some_and(|read| read.l1.hash != l1.hash) {
            return Finding::Contradicted;
        }
        // A block above the safe head has been taken back by a reset of the engine; it never becomes final from memory.
        let is_new = |l2: &BlockNumHash| l2.number > finalized.number && l2.number <= safe.number;
        let newest = self
            .read
            .iter()
            .rev()
            .filter(|read| read.l1.number <= l1.number)
            .find_map(|read| Some((read.l1, read.l2.filter(is_new)?)));
        match newest {
            None => Finding::Nothing,
            Some((_, l2)) if l1.number <= last.l1.number => Finding::Final(l2),
            Some((l1, l2)) => Finding::FinalIf { l1, l2 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    fn id(number: u64) -> BlockNumHash {
        BlockNumHash::new(number, B256::repeat_byte(number as u8))
    }

    fn l1(number: u64) -> L1BlockRef {
        L1BlockRef {
            number,
            hash: id(number).hash,
            ..L1BlockRef::default()
        }
    }

    fn l2(number: u64) -> L2BlockRef {
        L2BlockRef {
            number,
            hash: id(number).hash,
            ..L2BlockRef::default()
        }
    }

    /// L1 blocks 10 to 20 were read; L2 block 2 n was the last one derived from L1 block n, but nothing was from 15 and 16.
    fn read() -> Finality {
        let mut finality = Finality::default();
        finality.reset(id(10), &[]);
        for number in 11..=20 {
            finality.note_read(id(number));
            if !(15..=16).contains(&number) {
                finality.note_safe(id(number), id(2 * number - 1));
                finality.note_safe(id(number), id(2 * number));
            }
        }
        finality
    }

    #[test]
    fn the_highest_block_derived_from_a_finalized_l1_block_is_final() {
        let finality = read();
        for (finalized, expected) in [(12, 24), (14, 28), (15, 28), (16, 28), (17, 34), (20, 40)] {
            let finding = finality.judge(&l1(finalized), &l2(40), &l2(20));
            assert_eq!(finding, Finding::Final(id(expected)));
        }
    }

    #[test]
    fn before_anything_was_derived_nothing_is_final() {
        let finality = read();
        assert_eq!(finality.judge(&l1(10), &l2(40), &l2(20)), Finding::Nothing);
        assert_eq!(finality.judge(&l1(9), &l2(40), &l2(20)), Finding::Nothing);
        let unknown = L1BlockRef::default();
        assert_eq!(finality.judge(&unknown, &l2(40), &l2(20)), Finding::Nothing);
        let empty = Finality::default();
        assert_eq!(empty.judge(&l1(20), &l2(40), &l2(20)), Finding::Nothing);
    }

    #[test]
    fn what_is_final_already_is_nothing_new() {
        assert_eq!(read().judge(&l1(12), &l2(40), &l2(24)), Finding::Nothing);
        assert_eq!(read().judge(&l1(12), &l2(40), &l2(30)), Finding::Nothing);
    }

    #[test]
    fn a_block_above_the_safe_head_is_never_final() {
        let finding = read().judge(&l1(20), &l2(30), &l2(20));
        assert_eq!(finding, Finding::Final(id(28)));
    }

    #[test]
    fn behind_the_finalized_l1_block_somebody_has_to_ask_l1() {
        let finding = read().judge(&l1(60), &l2(40), &l2(20));
        assert_eq!(
            finding,
            Finding::FinalIf {
                l1: id(20),
                l2: id(40)
            }
        );
    }

    #[test]
    fn a_finalized_l1_block_that_was_not_read_contradicts() {
        let mut other = l1(15);
        other.hash = B256::repeat_byte(0xee);
        let finding = read().judge(&other, &l2(40), &l2(20));
        assert_eq!(finding, Finding::Contradicted);
    }

    #[test]
    fn memory_is_bounded_also_if_l1_never_finalizes() {
        let mut finality = Finality::default();
        finality.reset(id(0), &[]);
        for number in 1..=2 * CAPACITY as u64 {
            finality.note_read(id(number));
            finality.note_safe(id(number), id(number));
        }
        assert_eq!(finality.read.len(), CAPACITY);
        let early = CAPACITY as u64 - 10;
        assert_eq!(
            finality.judge(&l1(early), &l2(9000), &l2(0)),
            Finding::Nothing
        );
        let late = CAPACITY as u64 + 10;
        assert_eq!(
            finality.judge(&l1(late), &l2(9000), &l2(0)),
            Finding::Final(id(late))
        );
    }

    #[test]
    fn what_was_safe_before_the_start_becomes_final() {
        let other = BlockNumHash::new(13, B256::repeat_byte(0xee));
        let known = [
            (id(16), id(32)),
            (other, id(26)),
            (id(12), id(24)),
            (id(10), id(20)),
            (id(6), id(12)),
        ];
        let mut finality = Finality::default();
        finality.reset(id(10), &known);
        for number in 11..=14 {
            finality.note_read(id(number));
        }
        let judge =
            |finality: &Finality, l1_number| finality.judge(&l1(l1_number), &l2(40), &l2(5));
        assert_eq!(judge(&finality, 5), Finding::Nothing);
        for (l1_number, l2_number) in [(6, 12), (9, 12), (10, 20), (11, 20), (12, 24), (14, 24)] {
            let expected = Finding::Final(id(l2_number));
            assert_eq!(judge(&finality, l1_number), expected, "{l1_number}");
        }
        // What is not read yet may have left L1.
        let behind = Finding::FinalIf {
            l1: id(12),
            l2: id(24),
        };
        assert_eq!(judge(&finality, 17), behind);
        for number in 15..=17 {
            finality.note_read(id(number));
        }
        assert_eq!(judge(&finality, 17), Finding::Final(id(32)));
    }

    #[test]
    fn what_is_final_is_forgotten() {
        let mut finality = read();
        finality.note_final(id(28));
        assert_eq!(finality.read.front().map(|read| read.l1), Some(id(14)));
        let finding = finality.judge(&l1(17), &l2(40), &l2(28));
        assert_eq!(finding, Finding::Final(id(34)));
    }
}
