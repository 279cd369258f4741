//! What a node is. Modes are data: the choice of the safe source decides which actors exist.

use light_node_engine_api::{EngineApi, HttpEngineConfig};
use light_node_l1::L1Config;
use light_node_protocol::{RollupConfig, redact_url};
use light_node_rpc::RpcConfig;
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};
use url::Url;

/// Often enough to see a node come nearer to its source, seldom enough for a log that is kept for weeks.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// Everything a node needs to start.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The chain.
    pub rollup_config: Arc<RollupConfig>,
    /// The execution layer to drive.
    pub engine: EngineDoor,
    /// Our own view of L1.
    pub l1: L1Config,
    /// Who says what is safe and finalized.
    pub safe_source: SafeSource,
    /// The RPC server.
    pub rpc: RpcConfig,
    /// The metrics server; none is started without it.
    pub metrics: Option<MetricsConfig>,
    /// Time between two lines in the log that say where the node is, [`STATUS_INTERVAL`] usually; without it there are none.
    pub status_interval: Option<Duration>,
}

/// Settings of the metrics server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whose names metrics have beside our own.
    pub compat: MetricsCompat,
}

/// Names of metrics beside our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsCompat {
    /// Those of op-node, for its dashboards and alerts.
    #[default]
    OpNode,
    /// None.
    None,
}

/// The part of [`NodeConfig`] that the actors need which follow, when the doors are given.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// The chain.
    pub rollup_config: Arc<RollupConfig>,
    /// How to follow.
    pub follow: FollowSettings,
    /// As in [`NodeConfig`].
    pub status_interval: Option<Duration>,
}

/// The way to the execution layer.
#[derive(Clone, Debug)]
pub enum EngineDoor {
    /// Engine API over HTTP with JWT: op-reth, op-geth.
    Http(HttpEngineConfig),
    /// An execution layer in this process.
    InProcess(Arc<dyn EngineApi>),
}

/// Who says what is safe and finalized.
#[derive(Clone, Debug)]
pub enum SafeSource {
    /// Another rollup node (the light CL). No derivation exists in the process.
    Follow(FollowSettings),
}

/// Settings of follow mode.
#[derive(Clone)]
pub struct FollowSettings {
    /// RPC of the node that is followed; the path is kept.
    pub source: Url,
    /// Time between two polls.
    pub poll_interval: Duration,
    /// How far the source's L1 head may lie behind ours before the source counts as stale.
    pub max_age: Duration,
    /// Deadline of one request to the source.
    pub request_deadline: Duration,
}

/// The source's URL may hold a key.
impl fmt::Debug for FollowSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowSettings")
            .field("source", &redact_url(&self.source))
            .field("poll_interval", &self.poll_interval)
            .field("max_age", &self.max_age)
            .field("request_deadline", &self.request_deadline)
            .finish()
    }
}
