//! Span batches: many L2 blocks in one, field by field instead of block by block (`specs/protocol/delta/span-batches.md`).

mod transactions;

pub use transactions::SpanError;

use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, Bytes};
use transactions::encode_transactions;

/// Type byte of a span batch.
pub const SPAN_BATCH_TYPE: u8 = 1;

/// Bytes of a hash by which parent and origin are checked.
const CHECK_BYTES: usize = 20;

/// Consecutive L2 blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanBatch {
    /// The parent of the first block.
    pub parent_hash: B256,
    /// Number of the parent's L1 origin.
    pub parent_epoch_number: u64,
    /// The blocks, in order, one block time apart; at least one.
    pub blocks: Vec<SpanBlock>,
}

/// A block of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanBlock {
    /// Its L1 origin.
    pub epoch: BlockNumHash,
    /// Its time, Unix seconds. Only the first block's is encoded.
    pub timestamp: u64,
    /// Its transactions but the deposits, each as EIP-2718 bytes.
    pub transactions: Vec<Bytes>,
}

impl SpanBatch {
    /// The batch with its type, as it stands in a channel before it is wrapped in RLP. `genesis_time` is the time of the L2
    /// genesis block.
    ///
    /// # Errors
    /// There is no block, or a transaction that no span batch can carry.
    pub fn encoded(&self, genesis_time: u64, chain_id: u64) -> Result<Bytes, SpanError> {
        let (Some(first), Some(last)) = (self.blocks.first(), self.blocks.last()) else {
            return Err(SpanError::Empty);
        };
        let mut out = vec![SPAN_BATCH_TYPE];
        // Prefix.
        put_varint(&mut out, first.timestamp.saturating_sub(genesis_time));
        put_varint(&mut out, last.epoch.number);
        out.extend_from_slice(&self.parent_hash[..CHECK_BYTES]);
        out.extend_from_slice(&last.epoch.hash[..CHECK_BYTES]);
        // Payload.
        put_varint(&mut out, self.blocks.len() as u64);
        put_bits(&mut out, &self.origin_bits());
        for block in &self.blocks {
            put_varint(&mut out, block.transactions.len() as u64);
        }
        let transactions = self.blocks.iter().flat_map(|block| &block.transactions);
        encode_transactions(&mut out, transactions, chain_id)?;
        Ok(out.into())
    }

    /// True for each block that has another L1 origin than the block before it.
    fn origin_bits(&self) -> Vec<bool> {
        let mut before = self.parent_epoch_number;
        let changes = self.blocks.iter().map(|block| {
            let number = block.epoch.number;
            std::mem::replace(&mut before, number) != number
        });
        changes.collect()
    }
}

/// Unsigned LEB128, as Go's `binary.PutUvarint`.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A bit list: a big-endian number of as many bytes as needed, whose bit `i` is the list's element `i`.
fn put_bits(out: &mut Vec<u8>, bits: &[bool]) {
    let start = out.len();
    let bytes = bits.len().div_ceil(8);
    out.resize(start + bytes, 0);
    for (index, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
        out[start + bytes - 1 - index / 8] |= 1 << (index % 8);
    }
}

#[cfg(test)]
mod tests;
