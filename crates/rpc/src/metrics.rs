//! What the servers measure of themselves, and the metrics server, by which all rooms' metrics leave the process.

mod node;
mod op_node;
mod server;

pub use node::register_node;
pub use op_node::register_op_node_names;
pub use server::{MetricsHandle, MetricsServer};

use light_node_metrics::{Catalogue, Counter, Family, Gauge, HistogramFamily, latency_histogram};
use tokio::time::Instant;

/// Label sets of one and of two labels; their values come from fixed lists.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Calls, connections and subscriptions of the servers. Cheap to clone; clones share their values.
#[derive(Clone, Debug)]
pub struct RpcMetrics {
    calls: HistogramFamily<Labels<2>>,
    connections: Family<Labels<1>, Gauge>,
    rejected: Family<Labels<1>, Counter>,
    subscriptions: Gauge,
}

impl Default for RpcMetrics {
    fn default() -> Self {
        let metrics = Self {
            calls: HistogramFamily::new_with_constructor(latency_histogram),
            connections: Family::default(),
            rejected: Family::default(),
            subscriptions: Gauge::default(),
        };
        // Known from the first scrape on, also while nothing has happened.
        for server in [Server::Rpc, Server::Metrics] {
            metrics.of_connections(server);
        }
        metrics
    }
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// JSON-RPC and pages.
    Rpc,
    /// `/metrics`.
    Metrics,
}

impl Server {
    const fn labels(self) -> Labels<1> {
        match self {
            Self::Rpc => [("server", "rpc")],
            Self::Metrics => [("server", "metrics")],
        }
    }
}

impl RpcMetrics {
    /// Takes them into the catalogue.
    pub fn register(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "rpc_server_request_duration_seconds",
            "Duration of JSON-RPC calls that the node answered; method is unknown for all that do not exist",
            &["method", "result"],
            self.calls.clone(),
        );
        catalogue.register(
            "rpc_server_connections",
            "Open connections of the RPC server and of the metrics server",
            &["server"],
            self.connections.clone(),
        );
        catalogue.register(
            "rpc_server_rejected_connections",
            "Connections that were closed at once because there were too many, or too few file descriptors",
            &["server"],
            self.rejected.clone(),
        );
        catalogue.register(
            "rpc_server_subscriptions",
            "Open WebSocket subscriptions",
            &[],
            self.subscriptions.clone(),
        );
    }

    /// Counts one answered call of a registered method.
    pub(crate) fn called(&self, method: &'static str, error: Option<i32>, started: Instant) {
        let result = if error.is_some() { "error" } else { "ok" };
        self.calls
            .get_or_create(&[("method", method), ("result", result)])
            .observe(started.elapsed().as_secs_f64());
    }

    /// Counts a call of a method that does not exist. Its name is the client's choice, so it is no label.
    pub(crate) fn unknown_method(&self) {
        self.calls
            .get_or_create(&[("method", "unknown"), ("result", "error")])
            .observe(0.0);
    }

    pub(crate) fn of_connections(&self, server: Server) -> ConnectionMetrics {
        ConnectionMetrics {
            open: self.connections.get_or_create_owned(&server.labels()),
            rejected: self.rejected.get_or_create_owned(&server.labels()),
        }
    }

    /// Counts a subscription as open until the guard is dropped.
    pub(crate) fn subscribed(&self) -> Subscribed {
        self.subscriptions.inc();
        Subscribed(self.subscriptions.clone())
    }
}

/// An open subscription.
#[derive(Debug)]
pub(crate) struct Subscribed(Gauge);

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Connections of one server.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionMetrics {
    open: Gauge,
    rejected: Counter,
}

impl ConnectionMetrics {
    pub(crate) fn opened(&self) {
        self.open.inc();
    }

    pub(crate) fn closed(&self) {
        self.open.dec();
    }

    pub(crate) fn rejected(&self) {
        self.rejected.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_known_before_the_first_comes() {
        let metrics = RpcMetrics::default();
        let mut catalogue = Catalogue::new();
        metrics.register(&mut catalogue);
        let exposition = catalogue.encode();
        for line in [
            r#"light_node_rpc_server_connections{server="rpc"} 0"#,
            r#"light_node_rpc_server_rejected_connections_total{server="metrics"} 0"#,
            "light_node_rpc_server_subscriptions 0",
        ] {
            assert!(exposition.contains(line), "{line}\n{exposition}");
        }
    }

    #[test]
    fn a_method_that_does_not_exist_makes_no_label_of_its_own() {
        let metrics = RpcMetrics::default();
        let mut catalogue = Catalogue::new();
        metrics.register(&mut catalogue);
        metrics.unknown_method();
        metrics.called("optimism_version", None, Instant::now());
        let exposition = catalogue.encode();
        let count = "light_node_rpc_server_request_duration_seconds_count";
        for labels in [
            r#"{method="unknown",result="error"} 1"#,
            r#"{method="optimism_version",result="ok"} 1"#,
        ] {
            assert!(
                exposition.contains(&format!("{count}{labels}")),
                "{exposition}"
            );
        }
    }
}
