//! What samples of a safe source prove. Pure.
//!
//! A cursor on L1 block C says that everything *before* C has been derived, and C itself perhaps in part. With the safe head
//! S that was seen beside it: safe@(C-1) <= S <= safe@C, where safe@n is the safe head once L1 up to block n is derived. It
//! never falls as n grows. So one sample proves nothing about any block, but two with the same safe head do: seen at C0
//! and at C1, S is the safe head of every block from C0 to C1 - 1.

use light_node_protocol::{BlockNumHash, L1BlockRef};

/// A sample of a safe source: its L1 cursor, and the local safe head at the same moment.
///
/// A source that replays (its cursor is on L1 that made blocks safe long ago, the safe head is the one from before) must not
/// be sampled: its safe head is above that of its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The L1 block that is being derived. Everything before it has been.
    pub cursor: L1BlockRef,
    /// The local safe head.
    pub safe: BlockNumHash,
    /// Nothing more comes out of the cursor's block: it has been derived completely. Only a pipeline knows that of itself.
    pub is_complete: bool,
}

/// What is remembered of the last sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// Its cursor.
    pub cursor: BlockNumHash,
    /// Its safe head.
    pub safe: BlockNumHash,
    /// As in [`Observation`].
    pub is_complete: bool,
}

/// A statement: at each L1 block from `from` to `through`, both included, `safe` is the safe head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first block at which it is known to be the safe head.
    pub from: BlockNumHash,
    /// The last one.
    pub through: BlockNumHash,
    /// The L2 block.
    pub safe: BlockNumHash,
}

/// The sample and the history cannot both be of one L1 chain, or not of one L2 chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// L1 has another block where the last cursor stood: it was reorganised.
    L1,
    /// The safe head is lower than it was, or another block of its height.
    L2,
}

/// What a sample means for the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time, moved once
pub enum Step {
    /// It was seen before.
    Known,
    /// Its cursor is below the last one: the source derives again what it had derived before.
    Behind,
    /// It becomes the last one.
    Take {
        /// What it proves together with what was known. It replaces the newest span if it starts where that does.
        proves: Option<Span>,
    },
    /// Something must be forgotten first.
    Contradicts(Contradiction),
}

/// Judges the sample `next`, given the last one and the newest span.
pub fn step(last: Option<&Last>, newest: Option<&Span>, next: &Observation) -> Step {
    let cursor = next.cursor;
    let mut proven = None;
    if let Some(last) = last {
        if cursor.number < last.cursor.number {
            return Step::Behind;
        }
        if let Some(contradiction) = contradiction(last, next) {
            return Step::Contradicts(contradiction);
        }
        let is_same_safe = last.safe == next.safe;
        if cursor.number == last.cursor.number {
            if is_same_safe && (last.is_complete || !next.is_complete) {
                return Step::Known;
            }
        } else if is_same_safe {
            proven = Some((last.cursor, parent_of(&cursor)));
        }
    }
    if next.is_complete {
        let from = proven.map_or(cursor.id(), |(from, _)| from);
        proven = Some((from, cursor.id()));
    }
    let proves = proven.map(|(from, through)| Span {
        // Between two blocks with one safe head there is no other.
        from: newest
            .filter(|newest| newest.safe == next.safe)
            .map_or(from, |newest| newest.from),
        through,
        safe: next.safe,
    });
    Step::Take { proves }
}

fn contradiction(last: &Last, next: &Observation) -> Option<Contradiction> {
    let cursor = next.cursor;
    let is_same_block = cursor.number == last.cursor.number;
    let is_child = last.cursor.number.checked_add(1) == Some(cursor.number);
    if is_same_block && cursor.hash != last.cursor.hash
        || is_child && cursor.parent_hash != last.cursor.hash
    {
        return Some(Contradiction::L1);
    }
    let is_lower = next.safe.number < last.safe.number;
    let is_sibling = next.safe.number == last.safe.number && next.safe.hash != last.safe.hash;
    let is_late = is_same_block && last.is_complete && next.safe != last.safe;
    (is_lower || is_sibling || is_late).then_some(Contradiction::L2)
}

/// Only called for a block above another, so it is not block 0.
const fn parent_of(block: &L1BlockRef) -> BlockNumHash {
    BlockNumHash {
        number: block.number.saturating_sub(1),
        hash: block.parent_hash,
    }
}

#[cfg(test)]
mod tests;
