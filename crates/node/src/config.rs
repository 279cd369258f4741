//! What a node is. Modes are data: the choice of the safe source decides which actors exist.

use light_node_derivation::UpgradeBundles;
use light_node_engine::SyncMode;
use light_node_engine_api::{EngineApi, HttpEngineConfig};
use light_node_l1::{L1Config, L1FeedConfig};
use light_node_network::NetworkConfig;
use light_node_protocol::{L1ChainConfig, RollupConfig, redact_url};
use light_node_rpc::RpcConfig;
use light_node_safedb::SafeDbConfig;
use light_node_sequencer::SequencerConfig;
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};
use url::Url;

/// Often enough to see a node come nearer to its source, seldom enough for a log that is kept for weeks.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// A change of the signer is seen earlier by other signs; this is for when they are missed.
pub const SIGNER_INTERVAL: Duration = Duration::from_secs(5 * 60);

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
    /// Gossip and peers; none without it.
    pub network: Option<NetworkConfig>,
    /// How often it is read from L1 who signs unsafe blocks, [`SIGNER_INTERVAL`] usually. Without network it is not read.
    pub signer_interval: Duration,
    /// The making of blocks, on the chain's sequencer alone.
    pub sequencer: Option<SequencerConfig>,
    /// Where the history of safe heads is kept; none is kept without it.
    pub safe_db: Option<SafeDbConfig>,
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

/// The part of [`NodeConfig`] that the actors need when the doors are given.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// The chain.
    pub rollup_config: Arc<RollupConfig>,
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
    /// L1 itself. Nobody is followed.
    Derive(DeriveSettings),
}

impl SafeSource {
    /// How many blocks below the L1 head what is read of L1 has to be.
    pub(crate) const fn l1_confirmations(&self) -> u64 {
        match self {
            Self::Follow(_) => 0,
            Self::Derive(settings) => settings.l1_confirmations,
        }
    }
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

/// Settings of derivation.
#[derive(Clone)]
pub struct DeriveSettings {
    /// Beacon APIs for blobs, the preferred one first.
    pub beacons: Vec<Url>,
    /// Time between two slots, if the beacons' own word is not to be taken.
    pub slot_duration: Option<Duration>,
    /// How L1 is fetched ahead.
    pub feed: L1FeedConfig,
    /// Since when which blob parameters hold on L1.
    pub l1_chain: L1ChainConfig,
    /// Upgrade transactions of forks whose activation may be derived.
    pub upgrades: UpgradeBundles,
    /// How many blocks below the L1 head derivation stays.
    pub l1_confirmations: u64,
    /// Who brings an execution layer that has nothing but genesis its blocks.
    pub sync_mode: SyncMode,
    /// After the execution layer's own first sync, what is this much older than its head is taken to be safe and final.
    pub el_safe_offset: Duration,
}

/// The URLs may hold keys.
impl fmt::Debug for DeriveSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beacons: Vec<_> = self.beacons.iter().map(redact_url).collect();
        f.debug_struct("DeriveSettings")
            .field("beacons", &beacons)
            .field("slot_duration", &self.slot_duration)
            .field("feed", &self.feed)
            .field("l1_chain", &self.l1_chain)
            .field("upgrades", &self.upgrades)
            .field("l1_confirmations", &self.l1_confirmations)
            .field("sync_mode", &self.sync_mode)
            .field("el_safe_offset", &self.el_safe_offset)
            .finish()
    }
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
