//! Span batches: many blocks in one batch, with the parts of their transactions sorted by kind so that they compress well
//! (`specs/protocol/delta/span-batches.md#span-batch-format`). Decoding puts the transactions together again.
//!
//! Two kinds of faults are told apart, because what follows differs: a batch whose parts cannot be found in the bytes ends its
//! channel; one whose parts are found, but do not make transactions, is left out alone.

mod reader;
#[cfg(test)]
mod tests;
mod transaction;

use crate::kona::{SpanBatch, SpanBatchElement};
use alloy_primitives::{Bytes, FixedBytes};
use reader::{Bits, Reader};
use transaction::{Parts, TxData};

/// Most blocks, and most transactions, of a span batch.
const MAX_ELEMENTS: u64 = 10_000_000;

/// What a span batch leaves to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanChain {
    /// L2 chain id, which the transactions' signatures are for.
    pub(crate) chain_id: u64,
    /// Seconds between two blocks.
    pub(crate) block_time: u64,
    /// Time of genesis, to which the batch's time is relative.
    pub(crate) genesis_time: u64,
    /// Above this time (seconds), a block is of no L1 block that is there, unless it is empty and the first on its origin. Blocks
    /// behind the first such one are never reached and are left out, but for the last. `None`: all are kept.
    pub(crate) horizon: Option<u64>,
}

/// Why bytes are no span batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanError {
    /// The parts cannot be found.
    Structure(&'static str),
    /// The parts make no transactions.
    Transactions(&'static str),
}

/// Decodes a span batch without its type byte. Bytes behind it do not matter.
pub(crate) fn decode_span(content: &[u8], chain: &SpanChain) -> Result<SpanBatch, SpanError> {
    let mut reader = Reader::new(content);
    let rel_timestamp = reader.varint("relative timestamp")?;
    let l1_origin_number = reader.varint("l1 origin number")?;
    let parent_check = FixedBytes(*reader.array("parent check")?);
    let l1_origin_check = FixedBytes(*reader.array("l1 origin check")?);
    let block_count = count(reader.varint("block count")?, "block count")?;
    if block_count == 0 {
        return Err(SpanError::Structure("no blocks"));
    }
    let origin_bits = reader.bits(block_count, "origin bits")?;
    let (counts, total) = transaction_counts(&mut reader, block_count)?;
    let parts = read_parts(&mut reader, total)?;

    let transactions = parts.assemble(chain.chain_id)?;
    let batches = Blocks {
        counts: &counts,
        origin_bits,
        first_timestamp: chain.genesis_time.wrapping_add(rel_timestamp),
        last_epoch: l1_origin_number,
    }
    .join(transactions, chain);
    Ok(SpanBatch {
        parent_check,
        l1_origin_check,
        genesis_timestamp: chain.genesis_time,
        chain_id: chain.chain_id,
        batches,
        ..SpanBatch::default()
    })
}

fn count(number: u64, what: &'static str) -> Result<usize, SpanError> {
    if number > MAX_ELEMENTS {
        return Err(SpanError::Structure(what));
    }
    usize::try_from(number).map_err(|_| SpanError::Structure(what))
}

/// How many transactions each block has, and all of them together.
fn transaction_counts(
    reader: &mut Reader<'_>,
    block_count: usize,
) -> Result<(Vec<u32>, usize), SpanError> {
    const WHAT: &str = "transaction counts";
    // Each takes a byte at least, so what is not there is not reserved.
    let mut counts = Vec::with_capacity(block_count.min(reader.len()));
    let mut total = 0_u64;
    for _ in 0..block_count {
        let number = reader.varint(WHAT)?;
        counts.push(count(number, WHAT)? as u32);
        total += number;
    }
    Ok((counts, count(total, WHAT)?))
}

/// What a span batch says of its blocks.
struct Blocks<'a> {
    /// How many transactions each has.
    counts: &'a [u32],
    /// A bit says that a block's origin is the one after that of the block before it.
    origin_bits: Bits<'a>,
    first_timestamp: u64,
    /// L1 origin of the last one.
    last_epoch: u64,
}

impl Blocks<'_> {
    /// The blocks with their transactions, as far as they lie within the horizon.
    fn join(&self, transactions: Vec<Transaction>, chain: &SpanChain) -> Vec<SpanBatchElement> {
        let mut transactions = transactions.into_iter();
        let mut blocks = Vec::new();
        let mut timestamp = self.first_timestamp;
        // Of the first bit nobody knows what was before it.
        let is_first = |index: usize| index > 0 && self.origin_bits.get(index);
        let steps = (0..self.counts.len()).filter(|index| is_first(*index));
        let mut epoch_num = self.last_epoch.wrapping_sub(steps.count() as u64);
        let mut is_beyond = false;
        for (index, count) in self.counts.iter().enumerate() {
            epoch_num = epoch_num.wrapping_add(u64::from(is_first(index)));
            let own = transactions.by_ref().take(*count as usize);
            if is_beyond && index + 1 < self.counts.len() {
                own.for_each(drop);
            } else {
                blocks.push(SpanBatchElement {
                    epoch_num,
                    timestamp,
                    transactions: own.collect(),
                });
            }
            let stays = index > 0 && !is_first(index);
            let is_late = chain.horizon.is_some_and(|horizon| timestamp > horizon);
            is_beyond |= is_late && (stays || *count > 0);
            timestamp = timestamp.wrapping_add(chain.block_time);
        }
        blocks
    }
}

fn read_parts<'a>(reader: &mut Reader<'a>, total: usize) -> Result<Parts<'a>, SpanError> {
    let creations = reader.bits(total, "contract creation bits")?;
    let y_parities = reader.bits(total, "y parity bits")?;
    let signatures = reader.arrays::<64>(total, "signatures")?;
    let recipients = reader.arrays::<20>(total - creations.count(), "recipients")?;
    let mut data = Vec::with_capacity(total.min(reader.len()));
    for _ in 0..total {
        data.push(TxData::read(reader)?);
    }
    let nonces = reader.varints(total, "nonces")?;
    let gas_limits = reader.varints(total, "gas limits")?;
    let legacy = data.iter().filter(|data| data.is_legacy()).count();
    let protected = reader.bits(legacy, "protected bits")?;
    Ok(Parts {
        creations,
        y_parities,
        signatures,
        recipients,
        data,
        nonces,
        gas_limits,
        protected,
    })
}

/// A transaction as it is in a block.
type Transaction = Bytes;
