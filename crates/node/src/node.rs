//! The wiring: the only file that names all actors. Handles are made first, then each actor is run with those it talks to.

use crate::{CoreConfig, EngineDoor, NodeConfig, NodeError, SafeSource, metrics, status_line};
use light_node_actor::{CancellationToken, Supervisor, random_id};
use light_node_engine::{EngineActor, EngineConfig, EngineHandle, SafeSourceKind};
use light_node_engine_api::{ElReader, EngineApi, HttpEngine};
use light_node_follow::{FollowActor, FollowConfig, FollowHandle, FollowSource, HttpSource};
use light_node_l1::{L1Handle, L1Watcher};
use light_node_rpc::{MetricsHandle, MetricsServer, RpcActor, RpcHandle, RpcPeers};
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
    /// To the node that is followed.
    pub source: Box<dyn FollowSource>,
}

/// What others in the process may see of a node.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    /// L2 heads.
    pub engine: EngineHandle,
    /// L1 heads.
    pub l1: L1Handle,
    /// The follow source's verdicts.
    pub follow: FollowHandle,
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
    /// The follow source's verdicts.
    pub follow: FollowHandle,
}

/// The actors that follow, without a server: what a [`Node`] is apart from its ports.
#[derive(Debug)]
pub struct Core {
    handle: CoreHandle,
    engine: EngineActor,
    l1: L1Watcher,
    follow: FollowActor,
    status_interval: Option<Duration>,
}

impl Core {
    /// Builds the actors. Nothing is sent before [`Core::run`].
    pub fn new(config: CoreConfig, doors: Doors) -> (Self, CoreHandle) {
        let CoreConfig {
            rollup_config,
            follow: settings,
            status_interval,
        } = config;
        let engine_config = EngineConfig::new(rollup_config.clone(), SafeSourceKind::Follow);
        let (engine, engine_handle) = EngineActor::new(engine_config, doors.engine);
        let (l1, l1_handle) = doors.l1;
        let mut follow_config = FollowConfig::new(rollup_config, own_id());
        follow_config.poll_interval = settings.poll_interval;
        follow_config.max_age = settings.max_age;
        let (follow, follow_handle) = FollowActor::new(follow_config, doors.source);
        let handle = CoreHandle {
            engine: engine_handle,
            l1: l1_handle,
            follow: follow_handle,
        };
        let core = Self {
            handle: handle.clone(),
            engine,
            l1,
            follow,
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
            follow,
            status_interval,
        } = self;
        let token = actors.token();
        if let Some(interval) = status_interval {
            let lines = status_line::run(handle.clone(), interval, token.clone());
            actors.spawn("status line", lines);
        }
        actors.spawn("engine", engine.run(token.clone()));
        actors.spawn("l1 watcher", l1.run(token.clone()));
        actors.spawn("follow", follow.run(handle.engine, handle.l1, token));
    }
}

/// A node that is wired and not yet running.
#[derive(Debug)]
pub struct Node {
    core: Core,
    peers: RpcPeers,
    rpc: RpcActor,
    metrics: Option<MetricsServer>,
}

impl Node {
    /// Builds and wires the actors. Only local things are touched: the JWT file is read and the RPC port bound.
    ///
    /// # Errors
    /// What is wrong with the configuration, in words that name flag, file or address.
    pub fn new(config: NodeConfig) -> Result<(Self, NodeHandle), NodeError> {
        let mut requests = Vec::new();
        let engine: Arc<dyn EngineApi> = match config.engine {
            EngineDoor::Http(http) => {
                let engine = HttpEngine::new(http)?;
                requests.push(engine.requests().clone());
                Arc::new(engine)
            }
            EngineDoor::InProcess(door) => door,
        };
        let SafeSource::Follow(settings) = config.safe_source;
        let source = HttpSource::new(settings.source.clone(), settings.request_deadline)?;
        requests.push(source.request_metrics());
        let reader: Arc<dyn ElReader> = engine.clone().as_reader();
        let doors = Doors {
            engine,
            l1: L1Watcher::new(config.l1)?,
            source: Box::new(source),
        };
        requests.push(doors.l1.1.metrics().requests().clone());
        let core_config = CoreConfig {
            rollup_config: config.rollup_config.clone(),
            follow: settings,
            status_interval: config.status_interval,
        };
        let (core, handle) = Core::new(core_config, doors);
        let version = config.rpc.version.clone();
        let (rpc, rpc_handle) = RpcActor::new(config.rpc)?;
        let peers = RpcPeers {
            rollup_config: config.rollup_config,
            engine: handle.engine.clone(),
            reader,
            l1: handle.l1.clone(),
            follow: handle.follow.clone(),
        };
        let (metrics, metrics_handle) = match config.metrics {
            Some(metrics) => {
                let rpc = rpc_handle.metrics();
                let catalogue =
                    metrics::catalogue(&peers, rpc, &requests, metrics.compat, &version);
                let (server, handle) = MetricsServer::new(metrics.listen, catalogue)?;
                (Some(server), Some(handle))
            }
            None => (None, None),
        };
        let CoreHandle { engine, l1, follow } = handle;
        let handle = NodeHandle {
            engine,
            l1,
            follow,
            rpc: rpc_handle,
            metrics: metrics_handle,
        };
        let node = Self {
            core,
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
        let token = actors.token();
        actors.spawn("rpc", rpc.run(peers, metrics, token));
        actors.run(STOP_GRACE).await?;
        info!("stopped");
        Ok(())
    }
}

/// An id of this process that no other has, by which a cycle of followers is found.
fn own_id() -> String {
    format!("{:032x}", random_id())
}
