//! The wiring, with [`crate::unsafe_chain`] the only place that names actors. Handles are made first, then each actor is run with those it talks to.

use crate::{
    CoreConfig, DeriveSettings, EngineDoor, FollowSettings, NodeConfig, NodeError, SafeSource,
    metrics, status_line,
    unsafe_chain::{UnsafeChain, UnsafeChainConfig},
};
use light_node_actor::{CancellationToken, Supervisor, random_id};
use light_node_derivation::{DerivationActor, DerivationConfig, DeriverConfig};
use light_node_engine::{EngineActor, EngineConfig, EngineHandle, SafeSourceKind};
use light_node_engine_api::{ElReader, EngineApi, HttpEngine};
use light_node_follow::{FollowActor, FollowConfig, FollowSource, HttpSource};
use light_node_l1::{BeaconClient, L1Feed, L1Handle, L1Source, L1Watcher};
use light_node_metrics::RequestMetrics;
use light_node_network::NetworkHandle;
use light_node_protocol::RollupConfig;
use light_node_rpc::{
    MetricsHandle, MetricsServer, RpcActor, RpcHandle, RpcPeers, SafeSourceHandle,
};
use light_node_safedb::SafeDb;
use light_node_sequencer::SequencerHandle;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tracing::info;

/// How long actors may take to end. With the process's own work around it the whole stays under 2 s.
const STOP_GRACE: Duration = Duration::from_millis(1500);

/// The ways out of the process, opened. What [`Node::new`] opens by the configuration, a simulation gives itself.
#[derive(Debug)]
pub struct Doors {
    /// To the execution layer.
    pub engine: Arc<dyn EngineApi>,
    /// To L1: the watcher over its endpoints, not yet running.
    pub l1: (L1Watcher, L1Handle),
    /// To who says what is safe.
    pub safe_source: SafeDoor,
    /// The history of safe heads, if one is kept.
    pub safe_db: Option<SafeDb>,
}

/// The way to who says what is safe.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // there is one
pub enum SafeDoor {
    /// To the node that is followed.
    Follow(FollowSettings, Box<dyn FollowSource>),
    /// To what derivation reads of L1; with the actor that fetches it, if it has one.
    Derive(DeriveSettings, Arc<dyn L1Source>, Option<Box<L1Feed>>),
}

/// What others in the process may see of a node.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    /// L2 heads.
    pub engine: EngineHandle,
    /// L1 heads.
    pub l1: L1Handle,
    /// Who says what is safe.
    pub safe_source: SafeSourceHandle,
    /// Gossip and peers, where there are any.
    pub network: Option<NetworkHandle>,
    /// Who makes blocks, on a sequencer.
    pub sequencer: Option<SequencerHandle>,
    rpc: RpcHandle,
    metrics: Option<MetricsHandle>,
}

impl NodeHandle {
    /// Where JSON-RPC is served, with the real port.
    pub const fn rpc_addr(&self) -> SocketAddr {
        self.rpc.local_addr()
    }

    /// The metrics, and where they are served; `None` if they are not.
    pub const fn metrics(&self) -> Option<&MetricsHandle> {
        self.metrics.as_ref()
    }
}

/// What others may see of the actors of a [`Core`].
#[derive(Clone, Debug)]
pub struct CoreHandle {
    /// L2 heads.
    pub engine: EngineHandle,
    /// L1 heads.
    pub l1: L1Handle,
    /// Who says what is safe.
    pub safe_source: SafeSourceHandle,
    /// Gossip and peers; none without ports.
    pub network: Option<NetworkHandle>,
}

/// The actors without a server: what a [`Node`] is apart from its ports.
#[derive(Debug)]
pub struct Core {
    handle: CoreHandle,
    engine: EngineActor,
    l1: L1Watcher,
    safe_source: SafeSourceActor,
    status_interval: Option<Duration>,
}

/// Who says what is safe: exactly one of the two exists in a process.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // there is one
enum SafeSourceActor {
    Follow(FollowActor),
    Derive {
        derivation: DerivationActor,
        feed: Option<Box<L1Feed>>,
        reader: Arc<dyn ElReader>,
    },
}

impl Core {
    /// Builds the actors. Nothing is sent before [`Core::run`].
    pub fn new(config: CoreConfig, doors: Doors) -> (Self, CoreHandle) {
        let CoreConfig {
            rollup_config,
            status_interval,
        } = config;
        let Doors {
            engine,
            l1: (l1, l1_handle),
            safe_source,
            safe_db,
        } = doors;
        let engine_config = engine_config(rollup_config.clone(), &safe_source);
        let reader = engine.clone().as_reader();
        let (engine, engine_handle) = EngineActor::new(engine_config, engine);
        let (safe_source, safe_source_handle) = match safe_source {
            SafeDoor::Follow(settings, source) => follow(rollup_config, &settings, source, safe_db),
            SafeDoor::Derive(settings, data, feed) => {
                let parts = (data, feed, reader);
                derive(rollup_config, settings, parts, &l1_handle, safe_db)
            }
        };
        let handle = CoreHandle {
            engine: engine_handle,
            l1: l1_handle,
            safe_source: safe_source_handle,
            network: None,
        };
        let core = Self {
            handle: handle.clone(),
            engine,
            l1,
            safe_source,
            status_interval,
        };
        (core, handle)
    }

    /// Runs until `token` is cancelled.
    ///
    /// # Errors
    /// If an actor ends by itself: its name and the cause.
    pub async fn run(self, token: CancellationToken) -> Result<(), NodeError> {
        let mut actors = Supervisor::new(token);
        self.spawn(&mut actors);
        Ok(actors.run(STOP_GRACE).await?)
    }

    fn spawn(self, actors: &mut Supervisor) {
        let Self {
            handle,
            engine,
            l1,
            safe_source,
            status_interval,
        } = self;
        let token = actors.token();
        if let Some(interval) = status_interval {
            let lines = status_line::run(handle.clone(), interval, token.clone());
            actors.spawn("status line", lines);
        }
        actors.spawn("engine", engine.run(token.clone()));
        actors.spawn("l1 watcher", l1.run(token.clone()));
        match safe_source {
            SafeSourceActor::Follow(follow) => {
                actors.spawn("follow", follow.run(handle.engine, handle.l1, token));
            }
            SafeSourceActor::Derive {
                derivation,
                feed,
                reader,
            } => {
                if let Some(feed) = feed {
                    actors.spawn("l1 feed", feed.run(token.clone()));
                }
                actors.spawn("derivation", derivation.run(handle.engine, reader, token));
            }
        }
    }
}

/// A node that is wired and not yet running.
#[derive(Debug)]
pub struct Node {
    core: Core,
    unsafe_chain: UnsafeChain,
    peers: RpcPeers,
    rpc: RpcActor,
    metrics: Option<MetricsServer>,
}

impl Node {
    /// Builds and wires the actors. Only local things are touched: the JWT file is read, and the ports of RPC and peers are bound.
    ///
    /// # Errors
    /// What is wrong with the configuration, in words that name flag, file or address.
    pub fn new(mut config: NodeConfig) -> Result<(Self, NodeHandle), NodeError> {
        let mut requests = Vec::new();
        let unsafe_chain_config = UnsafeChainConfig::of(&mut config);
        let engine = engine_door(config.engine, &mut requests)?;
        let l1 = L1Watcher::new(config.l1)?;
        requests.push(l1.1.metrics().requests().clone());
        let safe_source = safe_door(config.safe_source, &l1.1, &mut requests)?;
        let reader: Arc<dyn ElReader> = engine.clone().as_reader();
        let safe_db = config
            .safe_db
            .map(|safe_db| SafeDb::open(&safe_db, &config.rollup_config))
            .transpose()?;
        let doors = Doors {
            engine,
            l1,
            safe_source,
            safe_db: safe_db.clone(),
        };
        let core_config = CoreConfig {
            rollup_config: config.rollup_config.clone(),
            status_interval: config.status_interval,
        };
        let (mut core, mut handle) = Core::new(core_config, doors);
        let unsafe_chain = UnsafeChain::new(unsafe_chain_config, &handle, reader.clone())?;
        requests.extend(unsafe_chain.requests());
        handle.network = unsafe_chain.network();
        core.handle.network = unsafe_chain.network();
        let version = config.rpc.version.clone();
        let (rpc, rpc_handle) = RpcActor::new(config.rpc)?;
        let peers = RpcPeers {
            rollup_config: config.rollup_config,
            engine: handle.engine.clone(),
            reader,
            l1: handle.l1.clone(),
            safe_source: handle.safe_source.clone(),
            safe_db,
            network: handle.network.clone(),
            sequencer: unsafe_chain.sequencer(),
        };
        let (metrics, metrics_handle) = match config.metrics {
            Some(metrics) => {
                let rpc = rpc_handle.metrics();
                let mut catalogue =
                    metrics::catalogue(&peers, rpc, &requests, metrics.compat, &version);
                unsafe_chain.register(&mut catalogue);
                let (server, handle) = MetricsServer::new(metrics.listen, catalogue)?;
                (Some(server), Some(handle))
            }
            None => (None, None),
        };
        let handle = NodeHandle {
            engine: handle.engine,
            l1: handle.l1,
            safe_source: handle.safe_source,
            network: handle.network,
            sequencer: unsafe_chain.sequencer(),
            rpc: rpc_handle,
            metrics: metrics_handle,
        };
        let node = Self {
            core,
            unsafe_chain,
            peers,
            rpc,
            metrics,
        };
        Ok((node, handle))
    }

    /// Runs until `token` is cancelled.
    ///
    /// # Errors
    /// If an actor ends by itself: its name and the cause.
    pub async fn run(self, token: CancellationToken) -> Result<(), NodeError> {
        let Self {
            core,
            unsafe_chain,
            peers,
            rpc,
            metrics,
        } = self;
        info!(
            l2_chain_id = peers.rollup_config.l2_chain_id,
            l1_chain_id = peers.rollup_config.l1_chain_id,
            version = env!("CARGO_PKG_VERSION"),
            "light-node starts"
        );
        let mut actors = Supervisor::new(token);
        core.spawn(&mut actors);
        unsafe_chain.spawn(&mut actors);
        let token = actors.token();
        actors.spawn("rpc", rpc.run(peers, metrics, token));
        actors.run(STOP_GRACE).await?;
        info!("stopped");
        Ok(())
    }
}

/// The way to the execution layer, opened.
fn engine_door(
    door: EngineDoor,
    requests: &mut Vec<RequestMetrics>,
) -> Result<Arc<dyn EngineApi>, NodeError> {
    Ok(match door {
        EngineDoor::Http(http) => {
            let engine = HttpEngine::new(http)?;
            requests.push(engine.requests().clone());
            Arc::new(engine)
        }
        EngineDoor::InProcess(door) => door,
    })
}

/// The way to who says what is safe, opened.
fn safe_door(
    safe_source: SafeSource,
    l1: &L1Handle,
    requests: &mut Vec<RequestMetrics>,
) -> Result<SafeDoor, NodeError> {
    Ok(match safe_source {
        SafeSource::Follow(settings) => {
            let source = HttpSource::new(settings.source.clone(), settings.request_deadline)?;
            requests.push(source.request_metrics());
            SafeDoor::Follow(settings, Box::new(source))
        }
        SafeSource::Derive(settings) => {
            let beacons = BeaconClient::new(&settings.beacons, settings.slot_duration)?;
            requests.push(l1.metrics().beacon_requests().clone());
            let (feed, data) = L1Feed::new(settings.feed.clone(), l1, beacons);
            SafeDoor::Derive(settings, Arc::new(data), Some(Box::new(feed)))
        }
    })
}

fn engine_config(rollup_config: Arc<RollupConfig>, safe_source: &SafeDoor) -> EngineConfig {
    match safe_source {
        SafeDoor::Follow(..) => EngineConfig::new(rollup_config, SafeSourceKind::Follow),
        SafeDoor::Derive(settings, ..) => EngineConfig {
            sync_mode: settings.sync_mode,
            el_safe_offset: settings.el_safe_offset,
            ..EngineConfig::new(rollup_config, SafeSourceKind::Derive)
        },
    }
}

fn follow(
    rollup_config: Arc<RollupConfig>,
    settings: &FollowSettings,
    source: Box<dyn FollowSource>,
    safe_db: Option<SafeDb>,
) -> (SafeSourceActor, SafeSourceHandle) {
    let mut config = FollowConfig::new(rollup_config, own_id());
    config.poll_interval = settings.poll_interval;
    config.max_age = settings.max_age;
    let (follow, handle) = FollowActor::new(config, source);
    let follow = follow.with_history(safe_db);
    (
        SafeSourceActor::Follow(follow),
        SafeSourceHandle::Follow(handle),
    )
}

/// The data of L1, the actor that fetches it, and the blocks of the execution layer.
type DeriveParts = (Arc<dyn L1Source>, Option<Box<L1Feed>>, Arc<dyn ElReader>);

fn derive(
    rollup_config: Arc<RollupConfig>,
    settings: DeriveSettings,
    (data, feed, reader): DeriveParts,
    l1: &L1Handle,
    safe_db: Option<SafeDb>,
) -> (SafeSourceActor, SafeSourceHandle) {
    let config = DerivationConfig {
        l1_confirmations: settings.l1_confirmations,
        ..DerivationConfig::new(rollup_config.clone())
    };
    let deriver = DeriverConfig {
        rollup: rollup_config,
        l1_chain: settings.l1_chain,
        upgrades: settings.upgrades,
    };
    let (derivation, handle) = DerivationActor::new(config, deriver, data, l1.watch(), safe_db);
    let actor = SafeSourceActor::Derive {
        derivation,
        feed,
        reader,
    };
    let handle = SafeSourceHandle::Derive {
        derivation: handle,
        own_id: own_id().into(),
    };
    (actor, handle)
}

/// An id of this process that no other has, by which a cycle of followers is found.
fn own_id() -> String {
    format!("{:032x}", random_id())
}
