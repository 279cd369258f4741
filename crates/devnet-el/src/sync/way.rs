//! The way from blocks that we have to a sync target, as hashes without gaps.

use alloy_consensus::Header;
use alloy_primitives::B256;
use std::collections::VecDeque;
use thiserror::Error;

/// Longest way: 32 MiB of hashes, three weeks of two-second blocks.
const BLOCKS_MAX: usize = 1 << 20;

/// Why a way cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum WayError {
    /// The peer's chain leads back to another genesis, or to states that are not kept.
    #[error("no ancestor of the target can be executed on")]
    NoCommonAncestor,
    /// The target is too far ahead.
    #[error("the target is more than {BLOCKS_MAX} blocks ahead")]
    TooLong,
}

/// Hashes of consecutive blocks. Empty, or ending at the target.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Lowest first.
    hashes: VecDeque<B256>,
    lowest_number: u64,
    /// The parent of the lowest block.
    below: B256,
}

impl Way {
    /// The way that consists of its target.
    pub(super) fn start(hash: B256, header: &Header) -> Self {
        Self {
            hashes: VecDeque::from([hash]),
            lowest_number: header.number,
            below: header.parent_hash,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The highest block.
    pub(super) fn top(&self) -> Option<B256> {
        self.hashes.back().copied()
    }

    /// The number of the highest block.
    pub(super) fn top_number(&self) -> Option<u64> {
        let above_lowest = self.hashes.len().checked_sub(1)?;
        Some(self.lowest_number + above_lowest as u64)
    }

    /// The number of the lowest block.
    pub(super) const fn lowest_number(&self) -> u64 {
        self.lowest_number
    }

    /// The parent of the lowest block.
    pub(super) fn lowest_parent(&self) -> Option<B256> {
        (!self.hashes.is_empty()).then_some(self.below)
    }

    /// Hashes of the lowest blocks.
    pub(super) fn lowest(&self, count: usize) -> Vec<B256> {
        self.hashes.iter().take(count).copied().collect()
    }

    /// Adds the parent of the lowest block, whose header the caller has checked against [`Self::lowest_parent`].
    pub(super) fn lower(&mut self, parent: &Header) -> Result<(), WayError> {
        if self.hashes.len() >= BLOCKS_MAX {
            return Err(WayError::TooLong);
        }
        self.hashes.push_front(self.below);
        self.lowest_number = parent.number;
        self.below = parent.parent_hash;
        Ok(())
    }

    /// The lowest block is there now. The way may be empty then.
    pub(super) fn pop_lowest(&mut self) {
        if let Some(hash) = self.hashes.pop_front() {
            self.lowest_number += 1;
            self.below = hash;
        }
    }

    /// Puts this way under `above`, as far as `above` stands on it or overlaps with it; otherwise `above` replaces it.
    pub(super) fn put_under(&mut self, mut above: Self) {
        let Some(shared) = self.top_number().zip(above.lowest_number.checked_sub(1)) else {
            *self = above;
            return;
        };
        let (top_number, below_number) = shared;
        // How many blocks of `above` are on this way, too, if it is the same chain.
        let Some(overlap) = (top_number + 1).checked_sub(below_number + 1) else {
            *self = above;
            return;
        };
        let overlap = usize::try_from(overlap).unwrap_or(usize::MAX);
        let is_same_chain = overlap <= above.hashes.len()
            && if overlap == 0 {
                self.top() == Some(above.below)
            } else {
                self.top() == above.hashes.get(overlap - 1).copied()
            };
        if is_same_chain && self.hashes.len() + above.hashes.len() <= BLOCKS_MAX {
            self.hashes.extend(above.hashes.drain(overlap..));
        } else {
            *self = above;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> B256 {
        B256::with_last_byte(u8::try_from(number).unwrap_or(u8::MAX))
    }

    fn header(number: u64) -> Header {
        Header {
            number,
            parent_hash: hash(number - 1),
            ..Header::default()
        }
    }

    /// The way over these numbers.
    fn way(numbers: std::ops::RangeInclusive<u64>) -> Way {
        let mut way = Way::start(hash(*numbers.end()), &header(*numbers.end()));
        for number in (*numbers.start()..*numbers.end()).rev() {
            assert_eq!(way.lower(&header(number)), Ok(()));
        }
        way
    }

    fn numbers(way: &Way) -> Vec<u64> {
        let first = way.lowest_number();
        assert!(
            way.lowest(usize::MAX)
                .iter()
                .zip(first..)
                .all(|(it, number)| *it == hash(number))
        );
        (first..).take(way.lowest(usize::MAX).len()).collect()
    }

    #[test]
    fn a_way_grows_down_and_is_eaten_from_below() {
        let mut way = way(5..=8);
        assert_eq!((way.top(), way.top_number()), (Some(hash(8)), Some(8)));
        assert_eq!(way.lowest_parent(), Some(hash(4)));
        way.pop_lowest();
        assert_eq!(numbers(&way), [6, 7, 8]);
        assert_eq!(way.lowest_parent(), Some(hash(5)));
        for _ in 0..5 {
            way.pop_lowest();
        }
        assert_eq!((way.top(), way.lowest_parent()), (None, None));
    }

    #[test]
    fn a_target_further_along_the_same_chain_keeps_the_way() {
        for above in [way(9..=9), way(9..=12), way(8..=10), way(6..=9)] {
            let top = above.top_number();
            let mut below = way(5..=8);
            below.put_under(above);
            assert_eq!(numbers(&below).first(), Some(&5));
            assert_eq!(below.top_number(), top);
        }
    }

    #[test]
    fn a_target_on_another_chain_or_beyond_a_gap_replaces_the_way() {
        let mut foreign = Way::start(B256::repeat_byte(9), &header(9));
        foreign.below = B256::repeat_byte(8);
        let mut below = way(5..=8);
        below.put_under(foreign);
        assert_eq!(
            (below.top(), below.lowest_number()),
            (Some(B256::repeat_byte(9)), 9)
        );
        for above in [way(11..=12), way(3..=4)] {
            let expected = numbers(&above);
            let mut below = way(5..=8);
            below.put_under(above);
            assert_eq!(numbers(&below), expected);
        }
    }

    #[test]
    fn an_empty_way_is_replaced() {
        let mut below = Way::default();
        below.put_under(way(3..=4));
        assert_eq!(numbers(&below), [3, 4]);
    }
}
