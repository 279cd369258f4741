//! What stands in the batch inbox and makes no block, counted by why. The stages count while they read, whoever looks at the node
//! reads: a batcher that nobody understands is seen in these numbers first.

use core::fmt;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Why a piece of data is left out. What is read twice, after a new start, counts twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A transaction to the inbox is not by the batcher. Anybody may send one.
    ForeignSender,
    /// A blob is not encoded as a batcher's.
    BlobEncoding,
    /// Calldata or a blob of the batcher holds no frames.
    NoFrames,
    /// A frame continues none of those before it.
    FrameOutOfOrder,
    /// A channel was not completed in its time.
    ChannelTimedOut,
    /// A channel is longer than what may be read of one.
    ChannelTooLong,
    /// A channel is compressed in no way that is allowed.
    ChannelCompression,
    /// A channel stops within a batch.
    ChannelCut,
    /// A channel holds something else than batches, or a type of batch that does not exist.
    ChannelContent,
    /// The parts of a batch do not make one.
    BatchMalformed,
    /// A span batch comes before Delta.
    BatchBeforeFork,
    /// A batch stands on another block than the safe head.
    BatchParent,
    /// A batch names an L1 origin that is not on our L1.
    BatchL1Branch,
    /// A batch was included after its sequencing window.
    BatchTooLate,
    /// The L1 origin of a batch is too old, or too far ahead.
    BatchEpoch,
    /// The time of a batch is not that of the next block, or of no block.
    BatchTime,
    /// A batch goes beyond the sequencer's drift.
    BatchDrift,
    /// A batch has transactions that may not be in it.
    BatchTransactions,
    /// A span batch contradicts the safe chain.
    BatchSafeChain,
    /// A batch names L1 blocks that are not there yet.
    BatchAheadOfL1,
}

const COUNT: usize = Refusal::ALL.len();

impl Refusal {
    /// All of them, in the order of the pipeline.
    const ALL: [Self; 20] = [
        Self::ForeignSender,
        Self::BlobEncoding,
        Self::NoFrames,
        Self::FrameOutOfOrder,
        Self::ChannelTimedOut,
        Self::ChannelTooLong,
        Self::ChannelCompression,
        Self::ChannelCut,
        Self::ChannelContent,
        Self::BatchMalformed,
        Self::BatchBeforeFork,
        Self::BatchParent,
        Self::BatchL1Branch,
        Self::BatchTooLate,
        Self::BatchEpoch,
        Self::BatchTime,
        Self::BatchDrift,
        Self::BatchTransactions,
        Self::BatchSafeChain,
        Self::BatchAheadOfL1,
    ];

    /// What is refused, and why, as labels.
    const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::ForeignSender => ("data", "foreign_sender"),
            Self::BlobEncoding => ("data", "blob_encoding"),
            Self::NoFrames => ("data", "no_frames"),
            Self::FrameOutOfOrder => ("frame", "out_of_order"),
            Self::ChannelTimedOut => ("channel", "timed_out"),
            Self::ChannelTooLong => ("channel", "too_long"),
            Self::ChannelCompression => ("channel", "compression"),
            Self::ChannelCut => ("channel", "cut"),
            Self::ChannelContent => ("channel", "content"),
            Self::BatchMalformed => ("batch", "malformed"),
            Self::BatchBeforeFork => ("batch", "before_fork"),
            Self::BatchParent => ("batch", "other_parent"),
            Self::BatchL1Branch => ("batch", "other_l1"),
            Self::BatchTooLate => ("batch", "too_late"),
            Self::BatchEpoch => ("batch", "epoch"),
            Self::BatchTime => ("batch", "time"),
            Self::BatchDrift => ("batch", "drift"),
            Self::BatchTransactions => ("batch", "transactions"),
            Self::BatchSafeChain => ("batch", "contradicts_safe"),
            Self::BatchAheadOfL1 => ("batch", "ahead_of_l1"),
        }
    }

    /// True if the batcher meant blocks by it that will not come of it. Frames and channels that are left over are everyday life:
    /// a transaction that was sent twice, a start in the middle of a channel.
    const fn costs_blocks(self) -> bool {
        !matches!(
            self,
            Self::ForeignSender
                | Self::BlobEncoding
                | Self::NoFrames
                | Self::FrameOutOfOrder
                | Self::ChannelTimedOut
                | Self::BatchAheadOfL1
        )
    }
}

/// The counters. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(Arc<[AtomicU64; COUNT]>);

impl Refusals {
    pub(crate) fn note(&self, refusal: Refusal) {
        self.note_many(refusal, 1);
    }

    pub(crate) fn note_many(&self, refusal: Refusal, count: usize) {
        self.0[refusal as usize].fetch_add(count as u64, Ordering::Relaxed);
    }

    /// So many batches, or channels of them, that the batcher meant to be blocks.
    pub(crate) fn costly(&self) -> u64 {
        let costly = Refusal::ALL.into_iter().filter(|it| it.costs_blocks());
        costly
            .map(|refusal| self.0[refusal as usize].load(Ordering::Relaxed))
            .sum()
    }

    pub(crate) fn counts(&self) -> RefusedCounts {
        let count = |refusal| self.0[refusal as usize].load(Ordering::Relaxed);
        RefusedCounts(Refusal::ALL.map(count))
    }
}

/// How much of what stands in the batch inbox made no block since the node started, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedCounts([u64; COUNT]);

impl RefusedCounts {
    /// What was refused (`data`, `frame`, `channel`, `batch`), why in one word, and how often; also what never was.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let labelled = Refusal::ALL.map(Refusal::labels).into_iter().zip(self.0);
        labelled.map(|((what, reason), count)| (what, reason, count))
    }
}

/// What was refused at all.
impl fmt::Display for RefusedCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (what, reason, count) in self.iter().filter(|(.., count)| *count > 0) {
            write!(f, "{separator}{what} {reason} {count}")?;
            separator = ", ";
        }
        if separator.is_empty() {
            f.write_str("nothing")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_reason_has_its_own_counter_and_name() {
        let names: BTreeSet<_> = Refusal::ALL.map(Refusal::labels).into();
        assert_eq!(names.len(), COUNT);
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index, "{refusal:?}");
        }
    }

    #[test]
    fn only_what_was_refused_is_said() {
        let refusals = Refusals::default();
        assert_eq!(refusals.counts().to_string(), "nothing");
        refusals.note_many(Refusal::FrameOutOfOrder, 2);
        assert_eq!(refusals.costly(), 0);
        refusals.note(Refusal::BatchParent);
        assert_eq!(refusals.costly(), 1);
        let said = refusals.counts().to_string();
        assert_eq!(said, "frame out_of_order 2, batch other_parent 1");
    }
}
