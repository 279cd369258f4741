//! The server's life: bind, serve, stop when the token is cancelled.

use crate::{
    admin,
    config::{
        ADMIN_REQUEST_BYTES_MAX, BATCH_MAX, CONNECTIONS_MAX, MESSAGES_BUFFERED_MAX,
        REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, RpcConfig, SUBSCRIPTIONS_MAX,
    },
    context::{RpcContext, RpcPeers},
    error::RpcError,
    lightnode, optimism,
    pages::PagesLayer,
    subscriptions,
};
use jsonrpsee::{
    RpcModule,
    server::{BatchRequestConfig, RandomIntegerIdProvider, Server, ServerConfig},
};
use light_node_actor::CancellationToken;
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tracing::{info, warn};

/// How long connections may take to end when the server stops.
const STOP_PATIENCE: Duration = Duration::from_millis(500);

/// Knows where the server listens.
#[derive(Clone, Copy, Debug)]
pub struct RpcHandle {
    local_addr: SocketAddr,
}

impl RpcHandle {
    /// The bound address, with the real port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

/// The RPC server.
#[derive(Debug)]
pub struct RpcActor {
    config: RpcConfig,
    listener: TcpListener,
}

impl RpcActor {
    /// Binds the port, so that a taken one is known before anything else starts.
    ///
    /// # Errors
    /// [`RpcError::Bind`] if the address cannot be bound.
    pub fn new(config: RpcConfig) -> Result<(Self, RpcHandle), RpcError> {
        let bind_error = |source| RpcError::Bind {
            listen: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).map_err(bind_error)?;
        listener.set_nonblocking(true).map_err(bind_error)?;
        let local_addr = listener.local_addr().map_err(bind_error)?;
        Ok((Self { config, listener }, RpcHandle { local_addr }))
    }

    /// Serves until `token` is cancelled.
    ///
    /// # Errors
    /// If the server cannot be built on the bound port.
    pub async fn run(self, peers: RpcPeers, token: CancellationToken) -> Result<(), RpcError> {
        let Self { config, listener } = self;
        let bind_error = |source| RpcError::Bind {
            listen: config.listen,
            source,
        };
        let addr = listener.local_addr().map_err(bind_error)?;
        let context = Arc::new(RpcContext {
            peers,
            version: config.version,
            token: token.clone(),
        });
        let server = Server::builder()
            .set_config(server_config(config.enable_admin))
            .set_http_middleware(
                tower::ServiceBuilder::new().layer(PagesLayer::new(context.clone())),
            )
            .build_from_tcp(listener)
            .map_err(bind_error)?;
        let handle = server.start(methods(context, config.enable_admin)?);
        info!(addr = %addr, "RPC server bound to address");
        token.cancelled().await;
        // An error means that it has stopped already.
        let _ = handle.stop();
        // A client that does not read its answers must not hold up the end of the process.
        if tokio::time::timeout(STOP_PATIENCE, handle.stopped())
            .await
            .is_err()
        {
            warn!("some RPC connections did not end and are cut");
        }
        Ok(())
    }
}

fn server_config(enable_admin: bool) -> ServerConfig {
    let request_bytes_max = if enable_admin {
        ADMIN_REQUEST_BYTES_MAX
    } else {
        REQUEST_BYTES_MAX
    };
    ServerConfig::builder()
        .max_request_body_size(request_bytes_max)
        .max_response_body_size(RESPONSE_BYTES_MAX)
        .max_connections(CONNECTIONS_MAX)
        .max_subscriptions_per_connection(SUBSCRIPTIONS_MAX)
        .set_message_buffer_capacity(MESSAGES_BUFFERED_MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH_MAX))
        // Harnesses decode the subscription id as a JSON number.
        .set_id_provider(RandomIntegerIdProvider)
        .build()
}

fn methods(
    context: Arc<RpcContext>,
    enable_admin: bool,
) -> Result<RpcModule<RpcContext>, RpcError> {
    let mut module = RpcModule::from_arc(context);
    optimism::register(&mut module)?;
    lightnode::register(&mut module)?;
    subscriptions::register(&mut module)?;
    if enable_admin {
        admin::register(&mut module)?;
    }
    Ok(module)
}
