//! The node as one thing: [`NodeConfig`] says what it is, [`Node`] wires the actors and runs them until they are asked to
//! stop or one of them cannot go on.

mod config;
mod error;
mod metrics;
mod node;
mod status_line;
mod unsafe_chain;

pub use config::{
    CoreConfig, DeriveSettings, EngineDoor, FollowSettings, MetricsCompat, MetricsConfig,
    NodeConfig, SIGNER_INTERVAL, STATUS_INTERVAL, SafeSource,
};
pub use error::NodeError;
pub use light_node_derivation::UpgradeBundles;
pub use light_node_engine::SyncMode;
pub use light_node_network::NetworkConfig;
pub use light_node_rpc::{SafeSourceHandle, SafeSourceStatus};
pub use light_node_safedb::SafeDbConfig;
pub use light_node_sequencer::{ConductorConfig, SequencerConfig};
pub use node::{Core, CoreHandle, Doors, Node, NodeHandle, SafeDoor};
