//! What every client of the node records of its requests: how long they took, by method and by what became of them.

use crate::{Catalogue, EncodeLabelSet, Histogram, latency_histogram};
use core::fmt;
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::MetricType,
};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::time::Instant;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestResult {
    /// Answered as it should.
    Ok,
    /// Not answered within its deadline.
    Timeout,
    /// The connection failed: refused, reset, DNS, TLS.
    Transport,
    /// HTTP 401 or 403.
    Unauthorized,
    /// HTTP 429.
    RateLimited,
    /// Another HTTP status than 200.
    HttpStatus,
    /// A JSON-RPC error object.
    RpcError,
    /// The body is no JSON-RPC answer, or too large, or not of the shape that was asked for.
    Malformed,
}

impl RequestResult {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Timeout,
        Self::Transport,
        Self::Unauthorized,
        Self::RateLimited,
        Self::HttpStatus,
        Self::RpcError,
        Self::Malformed,
    ];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate_limited",
            Self::HttpStatus => "http_status",
            Self::RpcError => "rpc_error",
            Self::Malformed => "malformed",
        }
    }
}

/// Durations of the requests that one client sends. Clones share their values; unregistered it costs as little and is never read.
#[derive(Clone, Debug)]
pub struct RequestMetrics {
    rpc: &'static str,
    durations: Arc<RwLock<HashMap<RequestLabels, Histogram>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    rpc: &'static str,
    method: &'static str,
    result: &'static str,
}

impl RequestMetrics {
    /// Of the client that talks to `rpc`: `l1`, `engine-api`, `follow-source-api`, the words that op-node's dashboards know.
    pub fn new(rpc: &'static str) -> Self {
        Self {
            rpc,
            durations: Arc::default(),
        }
    }

    /// Records one request that was sent at `sent_at`. `method` must come from a fixed list.
    pub fn observe(&self, method: &'static str, result: RequestResult, sent_at: Instant) {
        let labels = RequestLabels {
            rpc: self.rpc,
            method,
            result: result.name(),
        };
        self.histogram(labels)
            .observe(sent_at.elapsed().as_secs_f64());
    }

    fn histogram(&self, labels: RequestLabels) -> Histogram {
        let known = self
            .durations
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&labels)
            .cloned();
        known.unwrap_or_else(|| {
            let mut durations = self
                .durations
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            durations
                .entry(labels)
                .or_insert_with(latency_histogram)
                .clone()
        })
    }

    /// Takes several clients' durations into the catalogue, as one metric: under our own name, and under op-node's where its
    /// dashboards are served too.
    pub fn register_all(clients: &[Self], catalogue: &mut Catalogue, op_node_names: bool) {
        let all = RequestDurations(clients.to_vec());
        catalogue.register(
            "client_request_duration_seconds",
            "Duration of requests to L1, execution layer and source",
            &["rpc", "method", "result"],
            all.clone(),
        );
        if op_node_names {
            catalogue.register_as(
                "op_node_default_rpc_client_request_duration_seconds",
                "Same as light_node_client_request_duration_seconds",
                &["rpc", "method", "result"],
                all,
            );
        }
    }
}

/// The same metric of several clients: their label sets differ in `rpc`. (A family knows one set of members only.)
#[derive(Clone, Debug)]
struct RequestDurations(Vec<RequestMetrics>);

impl EncodeMetric for RequestDurations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for client in &self.0 {
            let durations = client
                .durations
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            for (labels, histogram) in durations.iter() {
                histogram.encode(encoder.encode_family(labels)?)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_clients_are_one_metric_under_both_names() {
        let (l1, engine) = (RequestMetrics::new("l1"), RequestMetrics::new("engine-api"));
        l1.observe("eth_getBlockByNumber", RequestResult::Ok, Instant::now());
        engine.observe(
            "engine_newPayloadV4",
            RequestResult::Timeout,
            Instant::now(),
        );
        let mut catalogue = Catalogue::new();
        RequestMetrics::register_all(&[l1, engine], &mut catalogue, true);
        let exposition = catalogue.encode();
        for prefix in ["light_node_", "op_node_default_rpc_"] {
            for labels in [
                r#"rpc="l1",method="eth_getBlockByNumber",result="ok""#,
                r#"rpc="engine-api",method="engine_newPayloadV4",result="timeout""#,
            ] {
                let line = format!("{prefix}client_request_duration_seconds_count{{{labels}}} 1");
                assert!(exposition.contains(&line), "{line}\n{exposition}");
            }
        }
    }
}
