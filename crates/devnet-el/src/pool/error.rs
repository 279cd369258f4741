//! Why the pool refuses a transaction. The words are geth's where wallets and tools look for them.

use crate::execution::TransactionError;
use alloy_primitives::U256;
use thiserror::Error;

/// A transaction that the pool refuses.
#[derive(Debug, Error)]
pub enum PoolError {
    /// It cannot be read, or is of a type that L2 does not have.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// Only derivation makes deposits.
    #[error("transaction type not supported: deposits come from L1")]
    Deposit,
    /// It is waiting already.
    #[error("already known")]
    AlreadyKnown,
    /// Too many bytes.
    #[error("oversized data: {bytes} bytes, limit {limit}")]
    TooLarge {
        /// Of the encoded transaction.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Signed for another chain.
    #[error("invalid chain id: have {given}, want {expected}")]
    WrongChainId {
        /// Of the transaction.
        given: u64,
        /// Ours.
        expected: u64,
    },
    /// More gas than a block has, or from Karst on than a transaction may have.
    #[error("exceeds block gas limit: {gas_limit}, limit {limit}")]
    GasLimitTooHigh {
        /// Of the transaction.
        gas_limit: u64,
        /// The limit.
        limit: u64,
    },
    /// Less gas than any transaction needs.
    #[error("intrinsic gas too low: gas {gas_limit}, minimum needed {least}")]
    IntrinsicGas {
        /// Of the transaction.
        gas_limit: u64,
        /// What it needs at least.
        least: u64,
    },
    /// The priority fee is higher than the fee cap.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    /// The sender has used this nonce.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// Of the transaction.
        nonce: u64,
        /// The sender's next one.
        next: u64,
    },
    /// The sender could not pay.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")]
    InsufficientFunds {
        /// The most it may take, in wei.
        cost: U256,
        /// What the sender has, in wei.
        balance: U256,
    },
    /// Another transaction of the same nonce pays as much, or almost.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The sender has too many waiting.
    #[error("account limit exceeded")]
    TooManyOfSender,
    /// The pool is full.
    #[error("txpool is full")]
    Full,
}
