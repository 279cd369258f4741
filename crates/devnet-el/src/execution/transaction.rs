//! Transactions from their bytes, with their sender.

use alloy_consensus::transaction::{Recovered, SignerRecoverable};
use alloy_eips::{Decodable2718, eip2718::Eip2718Error};
use op_alloy_consensus::OpTxEnvelope;
use thiserror::Error;

/// Bytes that are no transaction of this chain.
#[derive(Debug, Error)]
pub enum TransactionError {
    /// Not a typed transaction (EIP-2718) of a known type, or bytes are left over.
    #[error("undecodable transaction: {0}")]
    Undecodable(Eip2718Error),
    /// The signature recovers to no address.
    #[error("invalid signature")]
    InvalidSignature,
    /// A type that only block builders of the future may make (0x7D).
    #[error("unsupported transaction type")]
    UnsupportedType,
}

/// Decodes a transaction and finds its sender. Blob transactions do not decode: L2 has none.
pub(crate) fn decode_transaction(raw: &[u8]) -> Result<Recovered<OpTxEnvelope>, TransactionError> {
    let transaction =
        OpTxEnvelope::decode_2718_exact(raw).map_err(TransactionError::Undecodable)?;
    let sender = match &transaction {
        OpTxEnvelope::Deposit(deposit) => deposit.from,
        OpTxEnvelope::PostExec(_) => return Err(TransactionError::UnsupportedType),
        OpTxEnvelope::Legacy(_)
        | OpTxEnvelope::Eip2930(_)
        | OpTxEnvelope::Eip1559(_)
        | OpTxEnvelope::Eip7702(_) => transaction
            .recover_signer()
            .map_err(|_| TransactionError::InvalidSignature)?,
    };
    Ok(Recovered::new_unchecked(transaction, sender))
}
