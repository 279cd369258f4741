//! The embedded execution layer: a real OP Stack EL (op-revm behind a state trie of our own) small enough to live in the
//! process of a devnet or a test. It executes chains from Ecotone to Karst and keeps them in memory.
//!
//! From the bottom up: `trie` and `state` (one persistent snapshot per block), `execution` (build and validate blocks),
//! `genesis` and `predeploys`, `chain` (blocks, canonical chain, labels), `pool`, `engine` (the semantics of the Engine
//! API, as op-reth or op-geth has them), and [`EmbeddedEl`], which joins them and fails on command. Outsiders reach it through [`InProcessEngine`] or over the wire.

mod behaviour;
mod chain;
mod control;
mod el;
mod engine;
mod execution;
mod fault;
mod genesis;
mod in_process;
mod pool;
mod predeploys;
mod rpc;
mod server;
mod spec;
mod state;
mod sync;
#[cfg(test)]
mod testing;
mod trie;

pub use behaviour::ElBehaviour;
pub use chain::ChainView;
pub use control::ControlError;
pub use el::{CLIENT_VERSION, ElConfig, EmbeddedEl, SyncProgress, SyncTarget};
pub use engine::{EngineError, SealedPayload};
pub use execution::{
    AttributesError, BuildError, ExecutedBlock, ExtraDataError, InvalidBlock, MESSAGE_PASSER,
    PayloadError, TransactionError,
};
pub use fault::{ElFault, ElFaultKind};
pub use genesis::{DevnetGenesis, GenesisError};
pub use in_process::InProcessEngine;
pub use pool::{DaLimits, PoolError, PoolLimits, TransactionPool};
pub use predeploys::SEQUENCER_FEE_VAULT;
pub use server::{ElServer, ElServerConfig, ElServerError, ElServerHandle};
pub use spec::{ChainConfigError, ElSpec};
pub use state::{Account, AccountError, StateSnapshot};
pub use sync::{ElSync, PeerError, SyncConfig};
