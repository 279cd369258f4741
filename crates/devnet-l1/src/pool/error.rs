//! Why the pool refuses a transaction, in geth's words.

use super::MAX_TRANSACTION_BYTES;
use alloy_primitives::U256;
use thiserror::Error;

/// Why the pool refused a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PoolError {
    /// The bytes are no transaction.
    #[error("malformed transaction: {cause}")]
    Malformed {
        /// What the decoder said.
        cause: String,
    },
    /// A type that this L1 does not execute.
    #[error("transaction type not supported")]
    UnsupportedType,
    /// Too long for a block builder to look at.
    #[error("oversized data: transaction size {size}, limit {MAX_TRANSACTION_BYTES}")]
    Oversized {
        /// Encoded length in bytes.
        size: usize,
    },
    /// The signature recovers to no account.
    #[error("invalid sender")]
    InvalidSender,
    /// Signed for another chain, or for none.
    #[error("invalid chain id for signer: have {have:?} want {want}")]
    ChainId {
        /// The transaction's chain id.
        have: Option<u64>,
        /// Ours.
        want: u64,
    },
    /// Already in the pool.
    #[error("already known")]
    AlreadyKnown,
    /// The account has sent a transaction with this nonce before.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The account's next nonce.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// Too far ahead to be kept.
    #[error("nonce too high: next nonce {next}, tx nonce {nonce}")]
    NonceTooHigh {
        /// The account's next nonce.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// No block could hold it.
    #[error("exceeds block gas limit")]
    GasLimit,
    /// Its gas limit does not even cover its bytes.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {minimum}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        gas: u64,
        /// What it needs.
        minimum: u64,
    },
    /// The tip is larger than the whole fee.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFee,
    /// The account could not pay.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")]
    Funds {
        /// The account's balance in wei.
        balance: U256,
        /// The most that the transaction may cost.
        cost: U256,
    },
    /// A waiting transaction with this nonce pays as much.
    #[error("replacement transaction underpriced")]
    Underpriced,
    /// Blobs and their hashes do not belong together.
    #[error("blob sidecar does not match the transaction's versioned hashes")]
    Sidecar,
    /// More blobs than a block may hold, or none.
    #[error("blob transaction with {count} blobs, allowed are 1 to {max}")]
    BlobCount {
        /// Blobs in the transaction.
        count: u64,
        /// Most blobs of a block.
        max: u64,
    },
    /// Nothing more can wait.
    #[error("txpool is full")]
    Full,
}
