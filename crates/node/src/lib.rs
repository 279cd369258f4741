//! The node as one thing: [`NodeConfig`] says what it is, [`Node`] wires the actors and runs them until they are asked to
//! stop or one of them cannot go on.

mod config;
mod error;
mod metrics;
mod node;
mod status_line;

pub use config::{
    CoreConfig, EngineDoor, FollowSettings, MetricsCompat, MetricsConfig, NodeConfig,
    STATUS_INTERVAL, SafeSource,
};
pub use error::NodeError;
pub use node::{Core, CoreHandle, Doors, Node, NodeHandle};
