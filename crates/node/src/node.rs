//! The wiring: the only file that names all actors. Handles are made first, then each actor is run with those it talks to.

use crate::{EngineDoor, NodeConfig, NodeError, SafeSource};
use light_node_actor::{CancellationToken, Supervisor};
use light_node_engine::{EngineActor, EngineConfig, EngineHandle, SafeSourceKind};
use light_node_engine_api::{ElReader, EngineApi, HttpEngine};
use light_node_follow::{FollowActor, FollowConfig, FollowHandle, HttpSource};
use light_node_l1::{L1Handle, L1Watcher};
use light_node_rpc::{RpcActor, RpcHandle, RpcPeers};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tracing::info;

/// How long actors may take to end. With the process's own work around it the whole stays under 2 s.
const STOP_GRACE: Duration = Duration::from_millis(1500);

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
}

impl NodeHandle {
    /// Where JSON-RPC is served, with the real port.
    pub const fn rpc_addr(&self) -> SocketAddr {
        self.rpc.local_addr()
    }
}

/// A node that is wired and not yet running.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    peers: RpcPeers,
    engine: EngineActor,
    l1: L1Watcher,
    follow: FollowActor,
    rpc: RpcActor,
}

impl Node {
    /// Builds and wires the actors. Only local things are touched: the JWT file is read and the RPC port bound.
    ///
    /// # Errors
    /// What is wrong with the configuration, in words that name flag, file or address.
    pub fn new(config: NodeConfig) -> Result<(Self, NodeHandle), NodeError> {
        let rollup_config = config.rollup_config;
        let door: Arc<dyn EngineApi> = match config.engine {
            EngineDoor::Http(http) => Arc::new(HttpEngine::new(http)?),
            EngineDoor::InProcess(door) => door,
        };
        let reader: Arc<dyn ElReader> = door.clone().as_reader();
        let (l1, l1_handle) = L1Watcher::new(config.l1)?;
        let SafeSource::Follow(settings) = config.safe_source;
        let engine_config = EngineConfig::new(rollup_config.clone(), SafeSourceKind::Follow);
        let (engine, engine_handle) = EngineActor::new(engine_config, door);
        let source = HttpSource::new(settings.source, settings.request_deadline)?;
        let mut follow_config = FollowConfig::new(rollup_config.clone(), own_id());
        follow_config.poll_interval = settings.poll_interval;
        follow_config.max_age = settings.max_age;
        let (follow, follow_handle) = FollowActor::new(follow_config, Box::new(source));
        let (rpc, rpc_handle) = RpcActor::new(config.rpc)?;
        let handle = NodeHandle {
            engine: engine_handle.clone(),
            l1: l1_handle.clone(),
            follow: follow_handle.clone(),
            rpc: rpc_handle,
        };
        let peers = RpcPeers {
            rollup_config,
            engine: engine_handle,
            reader,
            l1: l1_handle,
            follow: follow_handle,
        };
        Ok((
            Self {
                handle: handle.clone(),
                peers,
                engine,
                l1,
                follow,
                rpc,
            },
            handle,
        ))
    }

    /// Runs until `token` is cancelled.
    ///
    /// # Errors
    /// If an actor ends by itself: its name and the cause.
    pub async fn run(self, token: CancellationToken) -> Result<(), NodeError> {
        let Self {
            handle,
            peers,
            engine,
            l1,
            follow,
            rpc,
        } = self;
        info!(
            l2_chain_id = peers.rollup_config.l2_chain_id,
            l1_chain_id = peers.rollup_config.l1_chain_id,
            version = env!("CARGO_PKG_VERSION"),
            "light-node starts"
        );
        let mut actors = Supervisor::new(token);
        let token = actors.token();
        actors.spawn("engine", engine.run(token.clone()));
        actors.spawn("l1 watcher", l1.run(token.clone()));
        actors.spawn(
            "follow",
            follow.run(handle.engine, handle.l1, token.clone()),
        );
        actors.spawn("rpc", rpc.run(peers, token));
        actors.run(STOP_GRACE).await?;
        info!("stopped");
        Ok(())
    }
}

/// An id of this process that no other has, by which a cycle of followers is found.
fn own_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
