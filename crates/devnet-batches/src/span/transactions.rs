//! The transactions of a span batch: all `to` fields together, all nonces together and so on, so that they compress well.

use super::{put_bits, put_varint};
use alloy_consensus::{
    Signed, Transaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy, Typed2718,
};
use alloy_eips::eip2718::{Decodable2718, Eip2718Error};
use alloy_primitives::{Address, Bytes, Signature, TxKind};
use alloy_rlp::{Encodable, Header};
use thiserror::Error;

/// Why blocks do not fit into a span batch.
#[derive(Debug, Error)]
pub enum SpanError {
    /// A span has at least one block.
    #[error("a span batch has at least one block")]
    Empty,
    /// A transaction does not decode as one of Ethereum.
    #[error("transaction {index} of the span does not decode")]
    Transaction {
        /// Which one, counted over all blocks.
        index: usize,
        /// What the decoder says.
        #[source]
        source: Eip2718Error,
    },
    /// Span batches carry legacy, access list, dynamic fee and set-code transactions.
    #[error(
        "transaction {index} of the span is of type {tx_type}, which a span batch cannot carry"
    )]
    Type {
        /// Which one.
        index: usize,
        /// Its EIP-2718 type.
        tx_type: u8,
    },
    /// The chain id is left out and filled in again by the reader.
    #[error("transaction {index} of the span is for chain {chain_id}")]
    ChainId {
        /// Which one.
        index: usize,
        /// Its chain.
        chain_id: u64,
    },
}

/// One transaction, taken apart.
struct Parts {
    signature: Signature,
    to: Option<Address>,
    /// Type byte, if any, and what is not in a column of its own.
    data: Vec<u8>,
    nonce: u64,
    gas_limit: u64,
    /// For legacy transactions only: with a chain id in the signature (EIP-155)?
    is_protected: Option<bool>,
}

/// Appends the columns in the order of the specification.
pub(super) fn encode_transactions<'a>(
    out: &mut Vec<u8>,
    transactions: impl Iterator<Item = &'a Bytes>,
    chain_id: u64,
) -> Result<(), SpanError> {
    let parts = transactions
        .enumerate()
        .map(|(index, bytes)| take_apart(index, bytes, chain_id))
        .collect::<Result<Vec<_>, _>>()?;
    let bits = |bit: fn(&Parts) -> bool| parts.iter().map(bit).collect::<Vec<_>>();
    put_bits(out, &bits(|one| one.to.is_none()));
    put_bits(out, &bits(|one| one.signature.v()));
    for one in &parts {
        out.extend_from_slice(&one.signature.r().to_be_bytes::<32>());
        out.extend_from_slice(&one.signature.s().to_be_bytes::<32>());
    }
    for to in parts.iter().filter_map(|one| one.to) {
        out.extend_from_slice(to.as_slice());
    }
    for one in &parts {
        out.extend_from_slice(&one.data);
    }
    for one in &parts {
        put_varint(out, one.nonce);
    }
    for one in &parts {
        put_varint(out, one.gas_limit);
    }
    let protected: Vec<bool> = parts.iter().filter_map(|one| one.is_protected).collect();
    put_bits(out, &protected);
    Ok(())
}

fn take_apart(index: usize, bytes: &Bytes, chain_id: u64) -> Result<Parts, SpanError> {
    let transaction = TxEnvelope::decode_2718_exact(bytes)
        .map_err(|source| SpanError::Transaction { index, source })?;
    if let Some(id) = transaction.chain_id().filter(|id| *id != chain_id) {
        let chain_id = id;
        return Err(SpanError::ChainId { index, chain_id });
    }
    let mut data = Vec::new();
    let is_protected = match &transaction {
        TxEnvelope::Legacy(signed) => {
            encode_legacy(signed, &mut data);
            Some(signed.tx().chain_id.is_some())
        }
        TxEnvelope::Eip2930(signed) => {
            encode_access_list(signed, &mut data);
            None
        }
        TxEnvelope::Eip1559(signed) => {
            encode_dynamic_fee(signed, &mut data);
            None
        }
        TxEnvelope::Eip7702(signed) => {
            encode_set_code(signed, &mut data);
            None
        }
        TxEnvelope::Eip4844(_) => {
            let tx_type = transaction.ty();
            return Err(SpanError::Type { index, tx_type });
        }
    };
    Ok(Parts {
        signature: *transaction.signature(),
        to: match transaction.kind() {
            TxKind::Create => None,
            TxKind::Call(to) => Some(to),
        },
        data,
        nonce: transaction.nonce(),
        gas_limit: transaction.gas_limit(),
        is_protected,
    })
}

/// `rlp_encode(value, gas_price, data)`
fn encode_legacy(signed: &Signed<TxLegacy>, out: &mut Vec<u8>) {
    let tx = signed.tx();
    put_list(out, &[&tx.value, &tx.gas_price, &tx.input]);
}

/// `0x01 ++ rlp_encode(value, gas_price, data, access_list)`
fn encode_access_list(signed: &Signed<TxEip2930>, out: &mut Vec<u8>) {
    let tx = signed.tx();
    out.push(tx.ty());
    put_list(out, &[&tx.value, &tx.gas_price, &tx.input, &tx.access_list]);
}

/// `0x02 ++ rlp_encode(value, max_priority_fee_per_gas, max_fee_per_gas, data, access_list)`
fn encode_dynamic_fee(signed: &Signed<TxEip1559>, out: &mut Vec<u8>) {
    let tx = signed.tx();
    out.push(tx.ty());
    put_list(
        out,
        &[
            &tx.value,
            &tx.max_priority_fee_per_gas,
            &tx.max_fee_per_gas,
            &tx.input,
            &tx.access_list,
        ],
    );
}

/// `0x04 ++ rlp_encode(value, max_priority_fee_per_gas, max_fee_per_gas, data, access_list, authorization_list)`
/// (`specs/protocol/isthmus/derivation.md`)
fn encode_set_code(signed: &Signed<TxEip7702>, out: &mut Vec<u8>) {
    let tx = signed.tx();
    out.push(tx.ty());
    put_list(
        out,
        &[
            &tx.value,
            &tx.max_priority_fee_per_gas,
            &tx.max_fee_per_gas,
            &tx.input,
            &tx.access_list,
            &tx.authorization_list,
        ],
    );
}

fn put_list(out: &mut Vec<u8>, fields: &[&dyn Encodable]) {
    let payload_length = fields.iter().map(|field| field.length()).sum();
    let list = true;
    Header {
        list,
        payload_length,
    }
    .encode(out);
    for field in fields {
        field.encode(out);
    }
}
