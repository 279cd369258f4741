//! The servers' limits against clients that mean no good, on real sockets and in real time.
#![allow(clippy::unwrap_used)]

mod http;
mod websocket;

use super::{accept, dispatch::Dispatcher, http::RpcSite};
use crate::{
    config::Limits,
    metrics::{RpcMetrics, Server},
};
use ::http::StatusCode;
use jsonrpsee::RpcModule;
use light_node_actor::CancellationToken;
use light_node_metrics::Catalogue;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, timeout},
};

/// Long enough for everything that must happen.
const LIMIT: Duration = Duration::from_secs(20);

/// Length of a large answer.
const BLOB_BYTES: usize = 400_000;

const LIMITS: Limits = Limits {
    connections: 8,
    page_connections: 2,
    head: Duration::from_secs(2),
    body: Duration::from_secs(2),
    write: Duration::from_secs(1),
    idle: Duration::from_secs(60),
    ping_interval: Duration::from_millis(200),
};

/// A server with a few methods: `echo`; `blob`, whose answer is large; `sleep`, which never answers; `numbers`, a
/// subscription that pushes without end.
struct TestServer {
    addr: SocketAddr,
    metrics: RpcMetrics,
    calls: Arc<AtomicU64>,
    token: CancellationToken,
    serving: JoinHandle<()>,
}

impl TestServer {
    async fn start(limits: Limits) -> Self {
        Self::start_with(limits, false).await
    }

    async fn start_with(limits: Limits, enable_admin: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let metrics = RpcMetrics::default();
        let (token, calls) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let dispatcher = Dispatcher::new(methods(calls.clone()), metrics.clone());
        let pages = |path: &str| (path == "/healthz").then(|| (StatusCode::OK, json!("well")));
        let site = Arc::new(RpcSite::new(dispatcher, Box::new(pages), enable_admin));
        let connections = metrics.of_connections(Server::Rpc);
        let serving = accept::serve("RPC", listener, site, limits, connections, token.clone());
        Self {
            addr,
            metrics,
            calls,
            token,
            serving: tokio::spawn(serving),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// The value of one line of the exposition.
    fn metric(&self, line: &str) -> u64 {
        let mut catalogue = Catalogue::new();
        self.metrics.register(&mut catalogue);
        let exposition = catalogue.encode();
        let value = exposition.lines().find_map(|it| it.strip_prefix(line));
        value.unwrap_or("0").trim().parse().unwrap()
    }

    fn open(&self) -> u64 {
        self.metric(r#"light_node_rpc_server_connections{server="rpc"}"#)
    }

    fn rejected(&self) -> u64 {
        self.metric(r#"light_node_rpc_server_rejected_connections_total{server="rpc"}"#)
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops it, and says how long that took.
    async fn stop(self) -> Duration {
        let asked = Instant::now();
        self.token.cancel();
        self.serving.await.unwrap();
        asked.elapsed()
    }
}

fn methods(calls: Arc<AtomicU64>) -> RpcModule<()> {
    let mut module = RpcModule::new(());
    module
        .register_method("echo", move |params, _, _| {
            calls.fetch_add(1, Ordering::Relaxed);
            params.parse::<Value>()
        })
        .unwrap();
    module
        .register_method("blob", |_, _, _| "x".repeat(BLOB_BYTES))
        .unwrap();
    module
        .register_async_method("sleep", |_, _, _| std::future::pending::<()>())
        .unwrap();
    module
        .register_subscription(
            "numbers",
            "numbers",
            "stop",
            |_, pending, _, _| async move {
                let sink = pending.accept().await?;
                let number = serde_json::value::to_raw_value(&"7".repeat(1000))?;
                while sink.send(number.clone()).await.is_ok() {}
                Ok(())
            },
        )
        .unwrap();
    module
}

fn post(body: &str) -> String {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn call(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#)
}

/// Everything that comes until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = timeout(LIMIT, stream.read_to_end(&mut bytes))
        .await
        .expect("it does not end");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The status line of the answer to `request`.
async fn status_line(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n") {
        let byte = timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap();
        head.push(byte);
    }
    String::from_utf8(head).unwrap().trim().to_owned()
}
