//! What we know of the canonical L1 chain: the head, and for some heights the hash. Everything in the window is an ancestor
//! of the head, by a parent link or by an answer that was given when the head was one of its descendants. Pure rules.

use crate::Canonicality;
use alloy_primitives::B256;
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::collections::BTreeMap;

/// Heights that the window remembers: half a day of Ethereum blocks, 160 KiB.
const CAPACITY: usize = 4096;
/// Distances from the old head at which a new head that does not link is compared with the window. Dense where reorgs
/// happen, then doubling: what lies between two of them is dropped and asked for again when needed.
const ANCHOR_DISTANCES: [u64; 8] = [0, 1, 2, 3, 4, 8, 16, 64];

/// Heights above an unknown one that are asked for with it.
const LOOK_AHEAD: usize = 8;

/// How a head that an endpoint announces stands to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It is our head.
    Same,
    /// It is an ancestor of our head: the endpoint lags, or L1 was rolled back.
    Behind,
    /// Its parent is in the window.
    Linked,
    /// Its parent is not in the window: blocks were missed, or it is of another branch.
    Unlinked,
}

/// Blocks that left L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reorg {
    /// The head before.
    pub(crate) old_head: L1BlockRef,
    /// Height of the highest block that is known to have stayed.
    pub(crate) kept: Option<u64>,
}

/// The reorgs so far, for those who remember blocks of their own. Published before the head that follows from the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forks {
    /// How many there were.
    pub(crate) count: u64,
    /// Height of the highest block that is known to have stayed in the last one.
    pub(crate) kept: Option<u64>,
}

/// A block that contradicts the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) number: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    head: L1BlockRef,
    finalized: Option<BlockNumHash>,
    hashes: BTreeMap<u64, B256>,
}

impl Window {
    /// The head; the zero object before the first answer.
    pub(crate) const fn head(&self) -> L1BlockRef {
        self.head
    }

    /// The canonical hash at `number`, if known.
    pub(crate) fn hash_at(&self, number: u64) -> Option<B256> {
        match self.finalized {
            Some(finalized) if finalized.number == number => Some(finalized.hash),
            _ => self.hashes.get(&number).copied(),
        }
    }

    /// True if the block at `number` cannot change any more.
    pub(crate) fn is_final(&self, number: u64) -> bool {
        self.finalized
            .is_some_and(|finalized| number <= finalized.number)
    }

    /// The finalized block, if one is known: no head without it is adopted.
    pub(crate) const fn finalized(&self) -> Option<BlockNumHash> {
        self.finalized
    }

    /// Where `block` stands; `None` if its height is not known.
    pub(crate) fn judge(&self, block: BlockNumHash) -> Option<Canonicality> {
        match self.hash_at(block.number) {
            Some(ours) if ours == block.hash => Some(Canonicality::Canonical),
            Some(ours) => Some(Canonicality::Mismatch { ours }),
            None if !self.head.is_zero() && block.number > self.head.number => {
                Some(Canonicality::Ahead)
            }
            None => None,
        }
    }

    /// How `head` stands to what we know.
    pub(crate) fn relation(&self, head: &L1BlockRef) -> Relation {
        if head.hash == self.head.hash {
            return Relation::Same;
        }
        if self.hash_at(head.number) == Some(head.hash) {
            return Relation::Behind;
        }
        let parent = head
            .number
            .checked_sub(1)
            .and_then(|number| self.hash_at(number));
        if self.head.is_zero() || parent == Some(head.parent_hash) {
            Relation::Linked
        } else {
            Relation::Unlinked
        }
    }

    /// The heights whose hashes on the branch of an unlinked `head` say where the branches part, highest first. The
    /// finalized height is the last resort.
    pub(crate) fn anchors(&self, head: &L1BlockRef) -> Vec<u64> {
        let mut anchors: Vec<u64> = ANCHOR_DISTANCES
            .iter()
            .filter_map(|distance| self.head.number.checked_sub(*distance))
            .chain(self.finalized.map(|finalized| finalized.number))
            .filter(|number| *number < head.number && self.hash_at(*number).is_some())
            .collect();
        anchors.sort_unstable_by(|one, other| other.cmp(one));
        anchors.dedup();
        anchors
    }

    /// Makes `head` the head. `kept` is the highest block of the window that is its ancestor; what lies above it is
    /// dropped, everything without it.
    pub(crate) fn advance(&mut self, head: L1BlockRef, kept: Option<u64>) -> Option<Reorg> {
        let old_head = self.head;
        match kept {
            Some(kept) => drop(self.hashes.split_off(&kept.saturating_add(1))),
            None => self.hashes.clear(),
        }
        self.head = head;
        self.put(head.number, head.hash);
        if let Some(parent) = head.number.checked_sub(1) {
            self.put(parent, head.parent_hash);
        }
        let lost = !old_head.is_zero() && kept != Some(old_head.number);
        lost.then_some(Reorg { old_head, kept })
    }

    /// Adds a block that an endpoint says is canonical, and its parent.
    pub(crate) fn insert(&mut self, block: &L1BlockRef) -> Result<(), Conflict> {
        if block.number > self.head.number {
            return Ok(());
        }
        let parent = block
            .number
            .checked_sub(1)
            .map(|number| (number, block.parent_hash));
        let pairs = [Some((block.number, block.hash)), parent];
        for (number, hash) in pairs.into_iter().flatten() {
            if self.hash_at(number).is_some_and(|ours| ours != hash) {
                return Err(Conflict { number });
            }
        }
        for (number, hash) in pairs.into_iter().flatten() {
            self.put(number, hash);
        }
        Ok(())
    }

    /// Adds to the heights that must be asked for those above them that will be next, up to `limit` in all: safe and
    /// finalized walk up through the blocks from before our start, and each step would cost a request of its own.
    pub(crate) fn look_ahead(&self, missing: &mut Vec<u64>, limit: usize) {
        missing.sort_unstable();
        missing.dedup();
        for number in missing.clone() {
            let next = (number.saturating_add(1)..self.head.number)
                .take(LOOK_AHEAD)
                .take_while(|next| !self.hashes.contains_key(next) && !missing.contains(next));
            let next: Vec<u64> = next.take(limit.saturating_sub(missing.len())).collect();
            missing.extend(next);
        }
    }

    /// Remembers that `block`, which is in the window, and all below it are final.
    pub(crate) fn finalize(&mut self, block: BlockNumHash) {
        if !self.is_final(block.number) {
            self.finalized = Some(block);
        }
    }

    /// Forgets all but the head and the finalized block: an endpoint contradicts what is remembered, and nobody can say
    /// whether it or memory is wrong.
    pub(crate) fn forget(&mut self) {
        let _ = self.advance(self.head, None);
    }

    fn put(&mut self, number: u64, hash: B256) {
        self.hashes.insert(number, hash);
        while self.hashes.len() > CAPACITY {
            self.hashes.pop_first();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
