//! The rules by which batches are taken or dropped from Holocene on (`specs/protocol/derivation.md#batch-queue` with the changes of
//! `specs/protocol/holocene/derivation.md`). Pure: what must be read for a rule is given.
//!
//! Numbers in batches are the batcher's and may be anything. Sums with them wrap, as they do in the reference node, so that the
//! outcome is the same for absurd ones, too.

use crate::{
    kona::{BlockInfo, SingleBatch, SpanBatch, SpanBatchElement},
    refusals::Refusal,
    safe_block::SafeBlock,
};
use alloy_primitives::Bytes;
use light_node_protocol::{Hardfork, L2BlockRef, RollupConfig};

#[cfg(test)]
mod tests;

/// Type byte of deposits, which derivation alone makes.
const DEPOSIT: u8 = 0x7e;
/// Type byte of post-exec transactions, which Lagoon brings.
pub(super) const POST_EXEC: u8 = 0x7d;
/// Type byte of EIP-7702 transactions, which Isthmus brings.
const SET_CODE: u8 = 4;

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is taken.
    Accept,
    /// It holds nothing new. The channel goes on.
    Past,
    /// It is invalid, and all of its channel with it: as it is counted, and in words.
    Drop(Refusal, &'static str),
    /// It names L1 blocks that are not there yet. It is dropped, but its channel goes on.
    Undecided,
}

/// Where a batch meets the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) config: &'a RollupConfig,
    /// From the safe head's origin up; two at the least.
    pub(super) origins: &'a [BlockInfo],
    pub(super) safe: &'a L2BlockRef,
    /// The L1 block that completes the batch's channel.
    pub(super) inclusion: &'a BlockInfo,
}

impl Place<'_> {
    pub(super) const fn next_timestamp(&self) -> u64 {
        self.safe.timestamp.wrapping_add(self.config.block_time)
    }

    const fn is_too_late(&self, epoch: u64) -> bool {
        epoch.wrapping_add(self.config.seq_window_size) < self.inclusion.number
    }

    /// The verdict on a batch of one block, which may be a piece of a span batch. Whether it names the right parent is another
    /// question.
    pub(super) fn check_single(&self, batch: &SingleBatch) -> Verdict {
        let [current, next, ..] = self.origins else {
            return Verdict::Undecided;
        };
        let steps = match batch.epoch_num.checked_sub(current.number) {
            _ if self.is_too_late(batch.epoch_num) => {
                return Verdict::Drop(Refusal::BatchTooLate, "included too late");
            }
            Some(0) => 0,
            Some(1) => 1,
            None => return Verdict::Drop(Refusal::BatchEpoch, "epoch is too old"),
            Some(_) => return Verdict::Drop(Refusal::BatchEpoch, "epoch is too far ahead"),
        };
        let origin = if steps == 0 { current } else { next };
        if batch.epoch_hash != origin.hash {
            return Verdict::Drop(Refusal::BatchL1Branch, "epoch is not on this l1 chain");
        }
        if batch.timestamp < origin.timestamp {
            return Verdict::Drop(Refusal::BatchTime, "older than its l1 origin");
        }
        let is_upgrade = [Hardfork::Jovian, Hardfork::Karst, Hardfork::Lagoon]
            .into_iter()
            .any(|fork| self.config.is_first_block_of(fork, batch.timestamp));
        if is_upgrade && !batch.transactions.is_empty() {
            return Verdict::Drop(
                Refusal::BatchTransactions,
                "transactions in the first block of a fork",
            );
        }
        let drift = self.config.max_sequencer_drift(origin.timestamp);
        if batch.timestamp > origin.timestamp.wrapping_add(drift) {
            if !batch.transactions.is_empty() {
                return Verdict::Drop(
                    Refusal::BatchDrift,
                    "transactions beyond the sequencer drift",
                );
            }
            // Where the window of the parent's origin is over, all blocks on it are made, and one on the next origin stays behind,
            // too. A block that stays behind may do so as long as the next origin would be ahead of it.
            let advances = steps == 1 && !self.is_too_late(current.number);
            match self.origins.get(steps + 1) {
                _ if advances => {}
                None => return Verdict::Undecided,
                Some(following) if batch.timestamp >= following.timestamp => {
                    return Verdict::Drop(
                        Refusal::BatchDrift,
                        "next l1 origin could have been adopted",
                    );
                }
                Some(_) => {}
            }
        }
        self.check_transactions(batch)
    }

    fn check_transactions(&self, batch: &SingleBatch) -> Verdict {
        let is_active = |fork| self.config.is_active(fork, batch.timestamp);
        for transaction in &batch.transactions {
            match transaction.first() {
                None => return Verdict::Drop(Refusal::BatchTransactions, "empty transaction"),
                Some(&DEPOSIT) => {
                    return Verdict::Drop(Refusal::BatchTransactions, "deposit in a batch");
                }
                Some(&POST_EXEC) if !is_active(Hardfork::Lagoon) => {
                    return Verdict::Drop(
                        Refusal::BatchTransactions,
                        "post-exec transaction before lagoon",
                    );
                }
                Some(&SET_CODE) if !is_active(Hardfork::Isthmus) => {
                    return Verdict::Drop(
                        Refusal::BatchTransactions,
                        "set-code transaction before isthmus",
                    );
                }
                Some(_) => {}
            }
        }
        Verdict::Accept
    }

    /// The part of the rules for a span batch that needs no L2 block.
    pub(super) fn check_span_time(&self, span: &SpanBatch) -> Verdict {
        let (Some(first), Some(last)) = (span.batches.first(), span.batches.last()) else {
            return Verdict::Drop(Refusal::BatchMalformed, "no blocks");
        };
        let [current, next, ..] = self.origins else {
            return Verdict::Undecided;
        };
        let is_next = first.epoch_num == current.number.wrapping_add(1);
        let origin = if is_next { next } else { current };
        if !self.config.is_active(Hardfork::Delta, origin.timestamp) {
            return Verdict::Drop(Refusal::BatchBeforeFork, "span batch before delta");
        }
        if first.timestamp > self.next_timestamp() {
            return Verdict::Drop(Refusal::BatchTime, "begins after the next block");
        }
        if last.timestamp < self.next_timestamp() {
            return Verdict::Past;
        }
        Verdict::Accept
    }

    /// The number of the block on which a span batch stands whose time is right: the safe head, or one before it if the span
    /// overlaps the safe chain. It may be a number that no block has.
    pub(super) fn span_parent(&self, span: &SpanBatch) -> Result<u64, Verdict> {
        let first = span.batches.first().map_or(0, |block| block.timestamp);
        if first == self.next_timestamp() {
            return Ok(self.safe.number);
        }
        let back = self.safe.timestamp.checked_sub(first);
        let back = back.ok_or(Verdict::Drop(
            Refusal::BatchTime,
            "begins between two blocks",
        ))?;
        if back % self.config.block_time != 0 {
            return Err(Verdict::Drop(
                Refusal::BatchTime,
                "times are not those of blocks",
            ));
        }
        let blocks = back / self.config.block_time + 1;
        Ok(self.safe.number.wrapping_sub(blocks))
    }

    /// The rest of the rules for a span batch that stands on `parent`.
    pub(super) fn check_span_origins(&self, span: &SpanBatch, parent: &L2BlockRef) -> Verdict {
        let (Some(first), Some(last)) = (span.batches.first(), span.batches.last()) else {
            return Verdict::Drop(Refusal::BatchMalformed, "no blocks");
        };
        if span.parent_check != parent.hash[..20] {
            return Verdict::Drop(Refusal::BatchParent, "stands on another block");
        }
        if self.is_too_late(first.epoch_num) {
            return Verdict::Drop(Refusal::BatchTooLate, "included too late");
        }
        if first.epoch_num > parent.l1_origin.number.wrapping_add(1) {
            return Verdict::Drop(Refusal::BatchEpoch, "epoch is too far ahead");
        }
        let mut origins = self.origins.iter();
        let Some(origin) = origins.find(|origin| origin.number == last.epoch_num) else {
            return Verdict::Undecided;
        };
        if span.l1_origin_check != origin.hash[..20] {
            return Verdict::Drop(Refusal::BatchL1Branch, "epoch is not on this l1 chain");
        }
        if first.epoch_num < parent.l1_origin.number {
            return Verdict::Drop(Refusal::BatchEpoch, "epoch is too old");
        }
        Verdict::Accept
    }

    /// The blocks of a span batch above the safe head. Each may still be invalid by itself.
    pub(super) fn singles(&self, span: SpanBatch) -> Result<Vec<SingleBatch>, Verdict> {
        let mut singles = Vec::with_capacity(span.batches.len());
        let mut origins = self.origins;
        for block in span.batches {
            if block.timestamp <= self.safe.timestamp {
                continue;
            }
            if block.epoch_num < self.safe.l1_origin.number {
                let words = "epoch of a later block is before that of the safe head";
                return Err(Verdict::Drop(Refusal::BatchEpoch, words));
            }
            let position = origins
                .iter()
                .position(|origin| origin.number == block.epoch_num)
                .ok_or(Verdict::Drop(
                    Refusal::BatchEpoch,
                    "epoch of a block is not among the l1 blocks at hand",
                ))?;
            origins = &origins[position..];
            singles.push(SingleBatch {
                epoch_num: block.epoch_num,
                epoch_hash: origins[0].hash,
                timestamp: block.timestamp,
                transactions: block.transactions,
                ..SingleBatch::default()
            });
        }
        Ok(singles)
    }
}

/// True if a block of a span batch is the safe block in its place: the same transactions behind the deposits, and the same L1
/// origin (`specs/protocol/delta/span-batches.md#span-batch-rules`, `specs/protocol/holocene/derivation.md#span-batches`).
pub(super) fn overlaps(block: &SpanBatchElement, safe: &SafeBlock) -> bool {
    let is_deposit = |transaction: &&Bytes| transaction.first() == Some(&DEPOSIT);
    let deposits = safe.transactions.iter().filter(is_deposit).count();
    // Deposits come first in every block.
    safe.transactions[deposits..] == block.transactions
        && safe.block_ref.l1_origin.number == block.epoch_num
}
