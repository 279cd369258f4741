//! What a node measures. Each room of the house owns its metrics and registers them here, in the [`Catalogue`] of its node; the
//! metrics server encodes the catalogue at each scrape. Awaits nothing and has no global state: two nodes in one process have
//! two catalogues.
//!
//! A fact that stands in a `watch` is not counted where it changes but read when somebody scrapes ([`Catalogue::on_scrape`]);
//! only durations and events are recorded where they happen.

mod catalogue;
mod process;
mod requests;

pub use catalogue::{Catalogue, Entry};
pub use process::ProcessMetrics;
pub use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};
pub use requests::{RequestMetrics, RequestResult};

use std::sync::atomic::AtomicU64;

/// A gauge of fractions: seconds, rates.
pub type FloatGauge = Gauge<f64, AtomicU64>;

/// A family of histograms whose members are made alike.
pub type HistogramFamily<L> = Family<L, Histogram, fn() -> Histogram>;

/// Upper bounds of latency histograms, in seconds: from a call within the machine (0.5 ms) to the longest deadline of an Engine
/// API call (20 s), dense where a healthy node's calls lie.
pub const LATENCY_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 8.0, 20.0,
];

/// Upper bounds of reorg depths, in blocks.
pub const DEPTH_BUCKETS: [f64; 8] = [1.0, 2.0, 3.0, 5.0, 10.0, 32.0, 64.0, 256.0];

/// An empty histogram of latencies in seconds.
pub fn latency_histogram() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

/// An empty histogram of reorg depths in blocks.
pub fn depth_histogram() -> Histogram {
    Histogram::new(DEPTH_BUCKETS)
}
