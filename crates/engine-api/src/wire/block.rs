//! Blocks as `eth_getBlockBy*` answers them. Of a block's transactions only the first is decoded; a block may have
//! thousands, and the rest is skipped without being built.

use super::{decode, malformed};
use crate::{ElBlock, ElError};
use alloy_consensus::Header;
use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes, U64};
use core::fmt;
use light_node_protocol::{L2BlockRef, L2BlockRefError, RollupConfig};
use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, TxDeposit};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct WireBlock<T> {
    #[serde(flatten)]
    header: Header,
    hash: B256,
    transactions: T,
}

/// The first of an array of transactions, if there is one.
struct FirstTransaction(Option<WireTransaction>);

/// What the L1 origin needs of a transaction. The other fields of a deposit are left alone, because geth and reth differ
/// in which of them they write: `mint` null, zero or absent, `isSystemTx`, `nonce`, `depositReceiptVersion`.
#[derive(Deserialize)]
struct WireTransaction {
    #[serde(rename = "type", default)]
    tx_type: U64,
    #[serde(alias = "data")]
    input: Bytes,
}

impl WireTransaction {
    /// The transaction as [`L2BlockRef::from_parts`] takes it: of a deposit it reads the input alone, so that the other
    /// fields may stay zero; of any other transaction it reads the type alone.
    fn into_envelope(self) -> Vec<u8> {
        if self.tx_type == U64::from(DEPOSIT_TX_TYPE_ID) {
            TxDeposit {
                input: self.input,
                ..Default::default()
            }
            .encoded_2718()
        } else {
            vec![self.tx_type.byte(0)]
        }
    }
}

impl<'de> Deserialize<'de> for FirstTransaction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;

        impl<'de> Visitor<'de> for First {
            type Value = FirstTransaction;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of transaction objects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let first = array.next_element()?;
                while array.next_element::<IgnoredAny>()?.is_some() {}
                Ok(FirstTransaction(first))
            }
        }

        deserializer.deserialize_seq(First)
    }
}

/// The block that was asked for by `id`, `None` for `null`. Its hash is recomputed, its L1 origin is what its first
/// deposit says.
pub(crate) fn decode_block(
    config: &RollupConfig,
    method: &'static str,
    id: BlockId,
    result: &RawValue,
) -> Result<Option<ElBlock>, ElError> {
    let Some(block) = decode::<Option<WireBlock<FirstTransaction>>>(method, result)? else {
        return Ok(None);
    };
    check_identity(method, id, &block.header, block.hash)?;
    let header = block.header;
    let first = block.transactions.0.map(WireTransaction::into_envelope);
    let block_ref = L2BlockRef::from_parts(
        config,
        block.hash,
        header.number,
        header.parent_hash,
        header.timestamp,
        first.as_deref(),
    )
    .map_err(|error| refuse(method, error))?;
    Ok(Some(ElBlock {
        block_ref,
        state_root: header.state_root,
        withdrawals_root: header.withdrawals_root,
    }))
}

/// The header of the block that was asked for by `id`, `None` for `null`; transactions may be hashes or objects.
pub(crate) fn decode_header(
    method: &'static str,
    id: BlockId,
    result: &RawValue,
) -> Result<Option<Header>, ElError> {
    let Some(block) = decode::<Option<WireBlock<IgnoredAny>>>(method, result)? else {
        return Ok(None);
    };
    check_identity(method, id, &block.header, block.hash)?;
    Ok(Some(block.header))
}

/// The header must hash to what is announced, and be what was asked for.
fn check_identity(
    method: &'static str,
    id: BlockId,
    header: &Header,
    announced: B256,
) -> Result<(), ElError> {
    let computed = header.hash_slow();
    if computed != announced {
        let cause = format!("the header announces {announced} and hashes to {computed}");
        return Err(malformed(method, &cause));
    }
    let is_wanted = match id {
        BlockId::Hash(hash) => hash.block_hash == computed,
        BlockId::Number(tag) => tag.as_number().is_none_or(|number| number == header.number),
    };
    if !is_wanted {
        let cause = format!("asked for {id}, got block {} {computed}", header.number);
        return Err(malformed(method, &cause));
    }
    Ok(())
}

/// Another genesis is another chain; every other block without an L1 origin is an answer that does not decode.
fn refuse(method: &'static str, error: L2BlockRefError) -> ElError {
    match error {
        L2BlockRefError::WrongGenesis {
            number,
            expected,
            actual,
        } => ElError::WrongGenesis {
            number,
            expected,
            actual,
        },
        L2BlockRefError::BeforeGenesis { .. }
        | L2BlockRefError::NoTransactions { .. }
        | L2BlockRefError::NotADeposit { .. }
        | L2BlockRefError::NotL1Info { .. } => malformed(method, &error.to_string()),
    }
}
