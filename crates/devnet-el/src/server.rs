//! The two ports of an embedded execution layer: the authenticated one that a rollup node drives (`engine_*`, `eth_*`), and
//! the plain one for wallets, explorers and batchers. HTTP and WebSocket share a port. Every limit is set on purpose: what
//! comes in is bounded before it is parsed. While the execution layer is killed the authenticated port refuses connections, and
//! the plain one answers nothing but the control methods that bring it back.

mod auth;
mod life;
mod port;

use crate::{el::EmbeddedEl, fault::ServedFaults, rpc};
use alloy_rpc_types_engine::JwtSecret;
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    server::{
        BatchRequestConfig, IdProvider, Server, ServerConfig, ServerConfigBuilder, ServerHandle,
    },
    types::SubscriptionId,
};
use life::AuthPort;
use light_node_devnet_fault::FaultLayer;
use port::Port;
use std::{io, net::SocketAddr, sync::Arc};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceBuilder;

/// Largest request on the authenticated port. A payload of the largest L2 block is a few MiB, twice that in hex.
const AUTH_REQUEST_BYTES_MAX: u32 = 64 << 20;

/// Largest request on the plain port. The largest transaction that the pool takes has 128 KiB.
const HTTP_REQUEST_BYTES_MAX: u32 = 2 << 20;

/// Largest answer on either port: a batch of full blocks for a syncing peer.
const RESPONSE_BYTES_MAX: u32 = 64 << 20;

/// Most requests in a batch. A peer that syncs asks for 64 blocks at once, op-node for 20 receipts.
const BATCH_MAX: u32 = 256;

/// Most connections per port. The authenticated one serves a few rollup nodes and peers, the plain one a test's clients.
const CONNECTIONS_MAX: u32 = 128;

/// Most subscriptions of a connection.
const SUBSCRIPTIONS_MAX: u32 = 16;

/// Most answers waiting for a slow WebSocket client.
const MESSAGES_BUFFERED_MAX: u32 = 64;

/// Where an [`ElServer`] listens. Port 0 takes any free port.
#[derive(Clone, Copy, Debug)]
pub struct ElServerConfig {
    /// The authenticated port.
    pub authrpc: SocketAddr,
    /// The plain port.
    pub http: SocketAddr,
    /// The secret that tokens on the authenticated port are signed with.
    pub jwt: JwtSecret,
}

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum ElServerError {
    /// The address cannot be bound.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A method has two handlers.
    #[error("the methods do not fit together")]
    Methods(#[from] RegisterMethodError),
}

/// Serves an [`EmbeddedEl`] over JSON-RPC.
#[derive(Debug)]
pub struct ElServer;

impl ElServer {
    /// Binds both ports and serves `el` on them until `token` is cancelled. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// If an address cannot be bound.
    pub fn start(
        el: Arc<EmbeddedEl>,
        config: ElServerConfig,
        token: CancellationToken,
    ) -> Result<ElServerHandle, ElServerError> {
        let bind = |addr| move |source| ElServerError::Bind { addr, source };
        let port = Port::reserve(config.authrpc).map_err(bind(config.authrpc))?;
        let http_port = Port::reserve(config.http).map_err(bind(config.http))?;
        let (authrpc_addr, http_addr) = (port.addr(), http_port.addr());
        let faults = el.faults.clone();
        let context = Arc::new(rpc::RpcContext::new(el, token.clone()));
        let mut module = RpcModule::from_arc(context.clone());
        rpc::register_public(&mut module)?;
        rpc::register_engine(&mut module)?;
        let mut http_module = RpcModule::from_arc(context);
        rpc::register_public(&mut http_module)?;
        rpc::register_control(&mut http_module)?;

        let http_faults = FaultLayer::new(Arc::new(ServedFaults {
            faults: faults.clone(),
            life: None,
            token: token.clone(),
        }))
        .with_control();
        let http = http_port
            .listen()
            .and_then(|listener| {
                Server::builder()
                    .set_config(limits(HTTP_REQUEST_BYTES_MAX))
                    .set_http_middleware(ServiceBuilder::new().layer(http_faults))
                    .build_from_tcp(listener)
            })
            .map_err(bind(config.http))?;
        let authrpc = AuthPort {
            port,
            jwt: config.jwt,
            methods: module.into(),
            faults,
        };
        let life = authrpc.faults.life();
        let first = authrpc
            .open(life.number, &token)
            .map_err(bind(config.authrpc))?;
        let (life_sender, served_life) = watch::channel(Some(life.number));
        let tasks = TaskTracker::new();
        let http = http.start(http_module);
        tasks.spawn(stop_on_cancellation(http, http_port, token.clone()));
        tasks.spawn(authrpc.serve((life.number, first), life_sender, token));
        tasks.close();
        Ok(ElServerHandle {
            authrpc_addr,
            http_addr,
            served_life,
            tasks,
        })
    }
}

/// A running server.
#[derive(Clone, Debug)]
pub struct ElServerHandle {
    authrpc_addr: SocketAddr,
    http_addr: SocketAddr,
    served_life: watch::Receiver<Option<u64>>,
    tasks: TaskTracker,
}

impl ElServerHandle {
    /// The authenticated port.
    pub const fn authrpc_addr(&self) -> SocketAddr {
        self.authrpc_addr
    }

    /// The plain port.
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// The life, as [`EmbeddedEl::life`] counts them, for which the authenticated port takes connections; `None` while it
    /// refuses them. It follows a moment after the execution layer was killed or started.
    pub fn watch_authrpc(&self) -> watch::Receiver<Option<u64>> {
        self.served_life.clone()
    }

    /// Returns when both ports are closed and every call that had begun is answered.
    pub async fn stopped(self) {
        self.tasks.wait().await;
    }
}

async fn stop_on_cancellation(server: ServerHandle, port: Port, token: CancellationToken) {
    token.cancelled().await;
    // An error means that it has stopped already.
    let _ = server.stop();
    server.stopped().await;
    drop(port);
}

fn limits(request_bytes_max: u32) -> ServerConfig {
    ServerConfigBuilder::new()
        .max_request_body_size(request_bytes_max)
        .max_response_body_size(RESPONSE_BYTES_MAX)
        .max_connections(CONNECTIONS_MAX)
        .max_subscriptions_per_connection(SUBSCRIPTIONS_MAX)
        .set_message_buffer_capacity(MESSAGES_BUFFERED_MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH_MAX))
        .set_id_provider(HexIds)
        .build()
}

/// Subscription ids as geth's: hex strings. Some wallets read nothing else.
#[derive(Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        format!("{:#x}", rand::random::<u64>()).into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
