//! Decoding of payloads. SSZ itself has no limits: half a megabyte of compressed offsets becomes millions of empty transactions. So
//! every offset is checked before anything is allocated, and transactions are slices of the frame instead of copies. What is taken
//! is what op-node's decoder takes, which is a little more than strict SSZ: whatever follows a list of transactions whose first
//! offset is zero is not looked at.

use crate::topics::BlockVersion;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3};
use op_alloy_rpc_types_engine::{OpExecutionPayload, OpExecutionPayloadV4};
use thiserror::Error;

/// Most transactions of a payload. Their slices take 32 MiB at the most, beside the frame.
pub(crate) const TRANSACTIONS_MAX: usize = 1 << 20;

/// Most withdrawals of a payload. More than none are refused later, by what the topic allows.
pub(crate) const WITHDRAWALS_MAX: usize = 16;

/// Most bytes of extra data.
pub(crate) const EXTRA_DATA_BYTES_MAX: usize = 32;

const WITHDRAWAL_BYTES: usize = 44;
const OFFSET_BYTES: usize = 4;

/// Why bytes are no payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum SszError {
    /// They end before the part of fixed length does.
    #[error("{bytes} bytes are too few for a payload")]
    TooShort {
        /// How many there are.
        bytes: usize,
    },
    /// An offset points behind the data, before the one before it, or at a place where its list cannot begin.
    #[error("the offset {offset} of {list} is out of place")]
    Offset {
        /// What begins there.
        list: &'static str,
        /// Bytes from where offsets are counted.
        offset: usize,
    },
    /// A list is longer than allowed, or not of whole items.
    #[error("{list} of {size} is too long or broken")]
    Size {
        /// Which.
        list: &'static str,
        /// Items; bytes for extra data and for withdrawals that are not whole.
        size: usize,
    },
}

/// Bytes of a payload without its lists.
pub(crate) const fn fixed_bytes(version: BlockVersion) -> usize {
    match version {
        BlockVersion::V1 => 508,
        BlockVersion::V2 => 512,
        BlockVersion::V3 => 528,
        BlockVersion::V4 => 560,
    }
}

/// Decodes a payload of this version, whole.
///
/// # Errors
/// [`SszError`].
pub(crate) fn decode(version: BlockVersion, bytes: &Bytes) -> Result<OpExecutionPayload, SszError> {
    let mut fields = Fields { rest: bytes };
    let parent_hash = B256::from(fields.array()?);
    let fee_recipient = Address::from(fields.array()?);
    let state_root = B256::from(fields.array()?);
    let receipts_root = B256::from(fields.array()?);
    let logs_bloom = Bloom::from(fields.array()?);
    let prev_randao = B256::from(fields.array()?);
    let block_number = fields.number()?;
    let gas_limit = fields.number()?;
    let gas_used = fields.number()?;
    let timestamp = fields.number()?;
    let extra_data_at = fields.offset()?;
    let base_fee_per_gas = U256::from_le_bytes(fields.array::<32>()?);
    let block_hash = B256::from(fields.array()?);
    let transactions_at = fields.offset()?;
    let withdrawals_at = match version {
        BlockVersion::V1 => bytes.len(),
        _ => fields.offset()?,
    };
    let (blob_gas_used, excess_blob_gas) = match version {
        BlockVersion::V1 | BlockVersion::V2 => (0, 0),
        BlockVersion::V3 | BlockVersion::V4 => (fields.number()?, fields.number()?),
    };
    let withdrawals_root = match version {
        BlockVersion::V4 => B256::from(fields.array()?),
        _ => B256::ZERO,
    };

    let lists = Lists::check(
        version,
        bytes,
        [extra_data_at, transactions_at, withdrawals_at],
    )?;
    let payload = ExecutionPayloadV1 {
        parent_hash,
        fee_recipient,
        state_root,
        receipts_root,
        logs_bloom,
        prev_randao,
        block_number,
        gas_limit,
        gas_used,
        timestamp,
        extra_data: lists.extra_data,
        base_fee_per_gas,
        block_hash,
        transactions: transactions(&lists.transactions)?,
    };
    if version == BlockVersion::V1 {
        return Ok(OpExecutionPayload::V1(payload));
    }
    let payload = ExecutionPayloadV2 {
        payload_inner: payload,
        withdrawals: withdrawals(&lists.withdrawals)?,
    };
    if version == BlockVersion::V2 {
        return Ok(OpExecutionPayload::V2(payload));
    }
    let payload = ExecutionPayloadV3 {
        payload_inner: payload,
        blob_gas_used,
        excess_blob_gas,
    };
    Ok(match version {
        BlockVersion::V4 => OpExecutionPayload::V4(OpExecutionPayloadV4 {
            payload_inner: payload,
            withdrawals_root,
        }),
        _ => OpExecutionPayload::V3(payload),
    })
}

/// The part of a payload that is of fixed length, from its front.
struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SszError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(SszError::TooShort {
            bytes: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(*field)
    }

    fn number(&mut self) -> Result<u64, SszError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn offset(&mut self) -> Result<usize, SszError> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }
}

/// The lists of a payload, in the order in which they stand.
struct Lists {
    extra_data: Bytes,
    transactions: Bytes,
    withdrawals: Bytes,
}

impl Lists {
    fn check(version: BlockVersion, bytes: &Bytes, offsets: [usize; 3]) -> Result<Self, SszError> {
        let [extra_data_at, transactions_at, withdrawals_at] = offsets;
        let misplaced = |list, offset| Err(SszError::Offset { list, offset });
        if extra_data_at != fixed_bytes(version) {
            return misplaced("extra data", extra_data_at);
        }
        if transactions_at < extra_data_at {
            return misplaced("transactions", transactions_at);
        }
        if withdrawals_at < transactions_at || withdrawals_at > bytes.len() {
            return misplaced("withdrawals", withdrawals_at);
        }
        if transactions_at - extra_data_at > EXTRA_DATA_BYTES_MAX {
            return Err(SszError::Size {
                list: "extra data",
                size: transactions_at - extra_data_at,
            });
        }
        Ok(Self {
            // A copy, because it outlives the transactions in what is kept of a block.
            extra_data: Bytes::copy_from_slice(&bytes[extra_data_at..transactions_at]),
            transactions: bytes.slice(transactions_at..withdrawals_at),
            withdrawals: bytes.slice(withdrawals_at..),
        })
    }
}

/// Splits the list of transactions: once to check its offsets, and then to allocate exactly.
fn transactions(list: &Bytes) -> Result<Vec<Bytes>, SszError> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let misplaced = |offset| SszError::Offset {
        list: "transactions",
        offset,
    };
    let first = offset_at(list, 0).ok_or(SszError::Size {
        list: "transactions",
        size: list.len(),
    })?;
    if !first.is_multiple_of(OFFSET_BYTES) || first > list.len() {
        return Err(misplaced(first));
    }
    let count = first / OFFSET_BYTES;
    if count > TRANSACTIONS_MAX {
        return Err(SszError::Size {
            list: "transactions",
            size: count,
        });
    }
    let ends = || (1..=count).map(|index| end_of(list, index, count));
    let mut start = first;
    for end in ends() {
        if end < start || end > list.len() {
            return Err(misplaced(end));
        }
        start = end;
    }
    let mut transactions = Vec::with_capacity(count);
    let mut start = first;
    for end in ends() {
        transactions.push(list.slice(start..end));
        start = end;
    }
    Ok(transactions)
}

/// Where the transaction before `index` ends: where the next begins, or with the list.
fn end_of(list: &[u8], index: usize, count: usize) -> usize {
    if index == count {
        return list.len();
    }
    // Behind the list if it is not there, which the caller refuses.
    offset_at(list, index).unwrap_or(usize::MAX)
}

fn offset_at(list: &[u8], index: usize) -> Option<usize> {
    let bytes = list.get(index * OFFSET_BYTES..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes) as usize)
}

fn withdrawals(list: &[u8]) -> Result<Vec<Withdrawal>, SszError> {
    if !list.len().is_multiple_of(WITHDRAWAL_BYTES)
        || list.len() / WITHDRAWAL_BYTES > WITHDRAWALS_MAX
    {
        return Err(SszError::Size {
            list: "withdrawals",
            size: list.len(),
        });
    }
    list.chunks_exact(WITHDRAWAL_BYTES)
        .map(|bytes| {
            let mut fields = Fields { rest: bytes };
            Ok(Withdrawal {
                index: fields.number()?,
                validator_index: fields.number()?,
                address: Address::from(fields.array()?),
                amount: fields.number()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
