//! The embedded L1: a chain of real slots without an EVM. It mines transactions, deposits and system config updates into
//! blocks whose headers, receipts, tries and proofs are exact, reorgs and fails on command, and serves JSON-RPC on which
//! light-node, op-node, kona-node and a batcher can stand.
//!
//! [`Chain`] is the pure core. [`EmbeddedL1`] puts a clock and a server around it, and is the handle that a devnet holds.

pub mod chain;
pub mod config;
pub mod contracts;
pub mod genesis;
pub mod pool;
pub mod state;
#[cfg(test)]
mod testing;

pub use {
    chain::{Chain, L1Block, L1Heads, L1Transaction, LabelError, Reorg, ReorgError},
    config::{ConfigError, DEVNET_L1_CHAIN_ID, L1Contracts, L1SimConfig},
    genesis::{l1_genesis_hash, l1_genesis_json},
    pool::PoolError,
};
