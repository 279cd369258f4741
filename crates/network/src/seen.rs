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
