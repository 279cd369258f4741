//! Singular batches: the block of one L2 time (`specs/protocol/derivation.md#batch-format`).
//!
//! A channel may claim a hundred million transactions of no bytes at all, at the price of some kilobytes on L1. What becomes of a
//! batch with a transaction that nobody can decode depends on how its transactions begin, and on nothing else in them: so of
//! those that begin alike, one is kept.

use crate::kona::SingleBatch;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Error, Header, Result};
use std::collections::HashSet;

#[cfg(test)]
mod tests;

/// No transaction has fewer bytes: the head of a list, and nine fields.
const SHORTEST: usize = 10;

/// Decodes a singular batch without its type byte. Bytes behind it do not matter.
pub(crate) fn decode_single(mut content: &[u8]) -> Result<SingleBatch> {
    let mut fields = Header::decode_bytes(&mut content, true)?;
    let batch = SingleBatch {
        parent_hash: B256::decode(&mut fields)?,
        epoch_num: u64::decode(&mut fields)?,
        epoch_hash: B256::decode(&mut fields)?,
        timestamp: u64::decode(&mut fields)?,
        transactions: transactions(Header::decode_bytes(&mut fields, true)?)?,
    };
    if fields.is_empty() {
        Ok(batch)
    } else {
        Err(Error::UnexpectedLength)
    }
}

/// The transactions in the content of a list; what counts of them if they are none.
fn transactions(list: &[u8]) -> Result<Vec<Bytes>> {
    let mut count = 0;
    let mut are_whole = true;
    for transaction in Strings(list) {
        count += 1;
        are_whole &= transaction?.len() >= SHORTEST;
    }
    if !are_whole {
        return decisive(list);
    }
    // One allocation for all of them.
    let shared = Bytes::copy_from_slice(list);
    let mut transactions = Vec::with_capacity(count);
    let mut strings = Strings(list);
    while let Some(transaction) = strings.next() {
        let end = list.len() - strings.0.len();
        transactions.push(shared.slice(end - transaction?.len()..end));
    }
    Ok(transactions)
}

/// Of the transactions that begin alike the first, and the first that is too short to be one.
fn decisive(list: &[u8]) -> Result<Vec<Bytes>> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for transaction in Strings(list) {
        let transaction = transaction?;
        if seen.insert((transaction.first(), transaction.len() < SHORTEST)) {
            kept.push(Bytes::copy_from_slice(transaction));
        }
    }
    Ok(kept)
}

/// RLP strings, one after the other.
struct Strings<'a>(&'a [u8]);

impl<'a> Iterator for Strings<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| Header::decode_bytes(&mut self.0, false))
    }
}
