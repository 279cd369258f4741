//! The embedded L1: a chain of real slots without an EVM. It mines transactions, deposits and system config updates into
//! blocks whose headers, receipts, tries and proofs are exact, reorgs and fails on command, and serves JSON-RPC and
//! blobs on which light-node, op-node, kona-node and a batcher can stand.
//!
//! [`Chain`] is the pure core. [`EmbeddedL1`] puts a clock and a server around it, and is the handle that a devnet holds.

mod chain;
mod clock;
mod config;
pub mod contracts;
mod fault;
mod genesis;
mod l1;
mod pool;
mod rpc;
mod start;
mod state;
#[cfg(test)]
mod testing;

pub use {
    chain::{
        Chain, L1Block, L1Heads, L1Transaction, LabelError, MAX_BLOCKS_PER_COMMAND, Reorg,
        ReorgError,
    },
    config::{
        ConfigError, DEVNET_L1_CHAIN_ID, L1_BLOCK_TIME_MAX, L1Contracts, L1SimConfig,
        ecotone_scalar,
    },
    fault::{Fault, FaultKind},
    genesis::{l1_genesis_hash, l1_genesis_json},
    l1::{EmbeddedL1, TooManyBlocks},
    pool::PoolError,
    start::StartError,
    state::{Account, State},
};
