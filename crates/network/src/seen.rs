//! The blocks that were accepted, by height: a block is accepted once, and a signer that makes many blocks for one height is stopped.
//! Only blocks with a good signature and a good hash enter, so no stranger fills the table.

use alloy_primitives::B256;
use schnellru::{ByLength, LruMap};

/// Heights that are remembered for a topic; those not asked about for longest are forgotten first.
pub(crate) const HEIGHTS_MAX: u32 = 1000;

/// Blocks that are accepted at one height.
pub(crate) const HASHES_MAX: usize = 6;

/// What a block is to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It was not there, and is now.
    New,
    /// It was there.
    Seen,
    /// As many others as are accepted are at its height; asked before whether it is one of them.
    TooMany,
}

/// The accepted blocks of a topic.
#[derive(Debug)]
pub(crate) struct SeenBlocks {
    heights: LruMap<u64, Hashes>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Hashes {
    hashes: [B256; HASHES_MAX],
    count: usize,
}

impl SeenBlocks {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self {
            heights: LruMap::new(ByLength::new(HEIGHTS_MAX)),
        }
    }

    /// Enters a block unless it is there or its height is full.
    pub(crate) fn admit(&mut self, number: u64, hash: B256) -> Admission {
        let Some(known) = self.heights.get_or_insert(number, Hashes::default) else {
            // Only if not one height could be remembered.
            return Admission::TooMany;
        };
        let (entered, free) = known.hashes.split_at_mut(known.count);
        let Some(next) = free.first_mut() else {
            return Admission::TooMany;
        };
        if entered.contains(&hash) {
            return Admission::Seen;
        }
        *next = hash;
        known.count += 1;
        Admission::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> B256 {
        B256::left_padding_from(&number.to_be_bytes())
    }

    #[test]
    fn six_blocks_enter_at_a_height_and_then_none_is_told_from_another() {
        let mut seen = SeenBlocks::new();
        for number in 1..=6 {
            assert_eq!(seen.admit(7, hash(number)), Admission::New);
            if number < 6 {
                assert_eq!(seen.admit(7, hash(number)), Admission::Seen);
            }
        }
        assert_eq!(seen.admit(7, hash(6)), Admission::TooMany);
        assert_eq!(seen.admit(7, hash(7)), Admission::TooMany);
        assert_eq!(seen.admit(8, hash(7)), Admission::New);
    }

    #[test]
    fn the_height_not_asked_about_for_longest_is_forgotten_first() {
        let mut seen = SeenBlocks::new();
        for height in 0..u64::from(HEIGHTS_MAX) {
            assert_eq!(seen.admit(height, hash(1)), Admission::New);
        }
        assert_eq!(seen.admit(0, hash(1)), Admission::Seen);
        assert_eq!(seen.admit(5000, hash(1)), Admission::New);
        assert_eq!(seen.admit(0, hash(1)), Admission::Seen);
        assert_eq!(seen.admit(1, hash(1)), Admission::New);
    }

    #[test]
    fn a_million_heights_take_no_more_room_than_a_thousand() {
        let mut seen = SeenBlocks::new();
        for height in 0..1_000_000 {
            seen.admit(height, hash(height));
        }
        assert_eq!(seen.heights.len(), HEIGHTS_MAX as usize);
        assert!(seen.heights.memory_usage() < 1024 * 1024);
    }

    #[test]
    fn the_zero_hash_is_a_hash_like_others() {
        let mut seen = SeenBlocks::new();
        assert_eq!(seen.admit(0, B256::ZERO), Admission::New);
        assert_eq!(seen.admit(0, B256::ZERO), Admission::Seen);
    }
}
