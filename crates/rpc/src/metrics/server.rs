//! `GET /metrics` on a port of its own, for Prometheus.

use crate::{
    RpcError,
    config::Limits,
    metrics::{RpcMetrics, Server},
    server::{
        Request, Response, Site, accept,
        connection::Connection,
        http::{text, with_type},
    },
};
use futures::future::{BoxFuture, FutureExt};
use http::{Method, StatusCode};
use light_node_actor::CancellationToken;
use light_node_metrics::Catalogue;
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};
use tracing::info;

/// What the exposition is written in. Prometheus reads it since 2.5, without being told to.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Knows where metrics are served, and which.
#[derive(Clone, Debug)]
pub struct MetricsHandle {
    local_addr: SocketAddr,
    catalogue: Arc<Catalogue>,
}

impl MetricsHandle {
    /// The bound address, with the real port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Everything that is served.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

/// The metrics server: a bound port and what is shown there. The RPC actor runs it on its thread.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    local_addr: SocketAddr,
    catalogue: Arc<Catalogue>,
}

impl MetricsServer {
    /// Binds the port, so that a taken one is known before anything else starts. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`RpcError::BindMetrics`] if the address cannot be bound.
    pub fn new(
        listen: SocketAddr,
        catalogue: Catalogue,
    ) -> Result<(Self, MetricsHandle), RpcError> {
        let bind = || {
            let listener = TcpListener::bind(listen)?;
            listener.set_nonblocking(true)?;
            let local_addr = listener.local_addr()?;
            Ok((listener, local_addr))
        };
        let (listener, local_addr) =
            bind().map_err(|source| RpcError::BindMetrics { listen, source })?;
        let catalogue = Arc::new(catalogue);
        let server = Self {
            listener,
            local_addr,
            catalogue: catalogue.clone(),
        };
        let handle = MetricsHandle {
            local_addr,
            catalogue,
        };
        Ok((server, handle))
    }

    /// Starts serving on this thread's runtime, until `token` is cancelled.
    ///
    /// # Errors
    /// If the bound port cannot be listened on.
    pub(crate) fn start(
        self,
        metrics: &RpcMetrics,
        token: CancellationToken,
    ) -> Result<tokio::task::JoinHandle<()>, RpcError> {
        let Self {
            listener,
            local_addr,
            catalogue,
        } = self;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(|source| {
            RpcError::BindMetrics {
                listen: local_addr,
                source,
            }
        })?;
        let connections = metrics.of_connections(Server::Metrics);
        let site = Arc::new(MetricsSite { catalogue });
        let serving = tokio::spawn(accept::serve(
            "metrics",
            listener,
            site,
            Limits::METRICS,
            connections,
            token,
        ));
        // Harnesses look for exactly these words, with the address among them.
        info!("Serving metrics at: http://{local_addr}");
        Ok(serving)
    }
}

struct MetricsSite {
    catalogue: Arc<Catalogue>,
}

impl Site for MetricsSite {
    fn handle(
        self: Arc<Self>,
        request: Request,
        _: Arc<Connection>,
    ) -> BoxFuture<'static, Response> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let answer = match request.uri().path() {
            _ if !is_read => text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n"),
            "/metrics" => with_type(StatusCode::OK, self.catalogue.encode(), OPEN_METRICS),
            "/" => text(StatusCode::OK, "light-node: the metrics are at /metrics\n"),
            _ => text(StatusCode::NOT_FOUND, "the metrics are at /metrics\n"),
        };
        std::future::ready(answer).boxed()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    async fn first_line(addr: SocketAddr) -> Option<String> {
        let mut stream = TcpStream::connect(addr).await.ok()?;
        let request = b"GET /metrics HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.lines().next().map(ToOwned::to_owned)
    }

    #[tokio::test]
    async fn a_silent_crowd_does_not_keep_prometheus_out() {
        let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
        let (server, handle) = MetricsServer::new(listen, Catalogue::default()).unwrap();
        let token = CancellationToken::new();
        let _stop = token.clone().drop_guard();
        let serving = server.start(&RpcMetrics::default(), token).unwrap();
        let mut crowd = Vec::new();
        for _ in 0..100 {
            crowd.push(TcpStream::connect(handle.local_addr()).await.unwrap());
        }
        // Sooner than the patience with any of the crowd ends.
        let answered = tokio::time::timeout(Limits::METRICS.head / 2, async {
            loop {
                if let Some(line) = first_line(handle.local_addr()).await {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert_eq!(answered.await.unwrap(), "HTTP/1.1 200 OK");
        assert!(!serving.is_finished());
    }
}
