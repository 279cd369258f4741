//! The servers' life: bind, serve on a thread of their own, stop when the token is cancelled.

use crate::{
    admin,
    config::{Limits, RpcConfig},
    context::{RpcContext, RpcPeers, TurnsByKind},
    error::RpcError,
    lightnode,
    log_level::SetLogLevel,
    metrics::{MetricsServer, RpcMetrics, Server},
    opp2p, optimism, pages,
    server::{accept, dispatch::Dispatcher, http::RpcSite},
    subscriptions, thread,
};
use jsonrpsee::RpcModule;
use light_node_actor::CancellationToken;
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};
use tracing::info;

/// Knows where the server listens.
#[derive(Clone, Debug)]
pub struct RpcHandle {
    local_addr: SocketAddr,
    metrics: RpcMetrics,
}

impl RpcHandle {
    /// The bound address, with the real port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What the servers measure of themselves.
    pub const fn metrics(&self) -> &RpcMetrics {
        &self.metrics
    }
}

/// The RPC server.
#[derive(Debug)]
pub struct RpcActor {
    config: RpcConfig,
    listener: TcpListener,
    handle: RpcHandle,
}

impl RpcActor {
    /// Binds the port, so that a taken one is known before anything else starts.
    ///
    /// # Errors
    /// [`RpcError::Bind`] if the address cannot be bound.
    pub fn new(config: RpcConfig) -> Result<(Self, RpcHandle), RpcError> {
        let listen = config.listen;
        let bind = || {
            let listener = TcpListener::bind(listen)?;
            listener.set_nonblocking(true)?;
            let local_addr = listener.local_addr()?;
            Ok((listener, local_addr))
        };
        let (listener, local_addr) = bind().map_err(|source| RpcError::Bind { listen, source })?;
        let handle = RpcHandle {
            local_addr,
            metrics: RpcMetrics::default(),
        };
        let actor = Self {
            config,
            listener,
            handle: handle.clone(),
        };
        Ok((actor, handle))
    }

    /// Serves until `token` is cancelled: JSON-RPC, and `metrics` beside it. What a method asks of other actors or of the
    /// execution layer runs on the runtime that this is called on.
    ///
    /// # Errors
    /// If the servers cannot be started on the bound ports.
    pub async fn run(
        self,
        peers: RpcPeers,
        metrics: Option<MetricsServer>,
        token: CancellationToken,
    ) -> Result<(), RpcError> {
        let actors = tokio::runtime::Handle::current();
        thread::run(token, |token| self.serve(peers, metrics, actors, token)).await
    }

    async fn serve(
        self,
        peers: RpcPeers,
        metrics: Option<MetricsServer>,
        actors: tokio::runtime::Handle,
        token: CancellationToken,
    ) -> Result<(), RpcError> {
        let Self {
            config,
            listener,
            handle,
        } = self;
        let own_metrics = handle.metrics;
        let serving_metrics = metrics
            .map(|server| server.start(&own_metrics, token.clone()))
            .transpose()?;
        let listener =
            tokio::net::TcpListener::from_std(listener).map_err(|source| RpcError::Bind {
                listen: config.listen,
                source,
            })?;
        let enable_admin = config.enable_admin;
        let turns = TurnsByKind::new(&actors);
        let context = RpcContext {
            peers,
            version: config.version,
            metrics: own_metrics.clone(),
            token: token.clone(),
            turns: turns.questions.clone(),
        };
        let context = Arc::new(context);
        let connections = own_metrics.of_connections(Server::Rpc);
        let methods = methods(context.clone(), turns, enable_admin, config.set_log_level)?;
        let dispatcher = Dispatcher::new(methods, own_metrics);
        let pages = Box::new(move |path: &str| pages::page(&context, path));
        let site = Arc::new(RpcSite::new(dispatcher, pages, enable_admin));
        info!(addr = %handle.local_addr, "RPC server bound to address");
        accept::serve("RPC", listener, site, Limits::RPC, connections, token).await;
        if let Some(serving) = serving_metrics {
            // It ends by the same token; a panic there has been printed.
            let _ = serving.await;
        }
        Ok(())
    }
}

fn methods(
    context: Arc<RpcContext>,
    turns: TurnsByKind,
    enable_admin: bool,
    log_level: Option<SetLogLevel>,
) -> Result<RpcModule<RpcContext>, RpcError> {
    let RpcPeers {
        network, sequencer, ..
    } = context.peers.clone();
    let mut module = RpcModule::from_arc(context);
    optimism::register(&mut module)?;
    lightnode::register(&mut module)?;
    subscriptions::register(&mut module)?;
    if enable_admin {
        admin::register(&mut module, sequencer, &turns, log_level)?;
    } else {
        admin::register_hints(&mut module)?;
    }
    module.merge(opp2p::methods(network, turns, enable_admin)?)?;
    Ok(module)
}
