//! An OP Stack chain in one process, for tests and for `light-node devnet`: an embedded L1, a sequencer with an embedded
//! execution layer, a batcher, a reference source that knows what is safe, and light-nodes that derive or follow.
//!
//! [`Deployment`] is the chain before it runs; [`Devnet`] is the running whole and hands out what commands its parts.

mod accounts;
mod banner;
mod batcher;
mod clock;
mod config;
mod deploy;
mod l1_commands;
mod l2_chain;
mod sequencer;
mod source;
mod status_lines;
mod system_configs;
#[cfg(test)]
mod testing;
mod topology;
mod traffic;

pub use accounts::{
    BALANCE_ETHER, BATCHER, DEV_ACCOUNTS, DevAccount, MNEMONIC, SYSTEM_CONFIG_OWNER, TRAFFIC,
    UNSAFE_BLOCK_SIGNER,
};
pub use batcher::{BatchKind, BatcherConfig, BatcherError, BatcherHandle, DataAvailability};
pub use config::{
    BLOCK_TIME_MAX, Blocks, DevnetConfig, EL_SYNC_BATCH_MAX, EL_SYNC_DELAY_MAX, EngineKind,
};
pub use deploy::{DEVNET_L2_CHAIN_ID, DeployError, DeployedFiles, Deployment, FileError};
pub use l1_commands::{Deposit, L1CommandError, L1Commands, SystemConfigChange};
pub use light_node_devnet_batches::{Compression, malformed::Malformed};
pub use light_node_devnet_el::ElBehaviour;
pub use sequencer::{AttributesError, SequencerError, SequencerHandle};
pub use source::{SourceFault, SourceFaultKind, SourceHandle, SourceRpcError};
pub use status_lines::StatusLines;
pub use topology::{
    Devnet, DevnetError, ElEndpoints, Endpoints, Follower, FollowerEndpoints, MAX_FOLLOWERS,
    P2pEndpoints,
};
