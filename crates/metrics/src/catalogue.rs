//! All metrics of one node: their values for the scraper, their meaning for the generated page.

use core::fmt;
use prometheus_client::{
    encoding::{EncodeMetric, text},
    metrics::MetricType,
    registry::{Metric, Registry},
};

/// The prefix of our own names.
const PREFIX: &str = "light_node";

/// What one metric means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as it is scraped: with prefix, and with `_total` for a counter.
    pub name: String,
    /// `counter`, `gauge`, `histogram`.
    pub kind: &'static str,
    /// The keys of its labels.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// The metrics of one node.
#[derive(Default)]
pub struct Catalogue {
    registry: Registry,
    entries: Vec<Entry>,
    refreshers: Vec<Box<dyn Fn() + Send + Sync>>,
}

impl Catalogue {
    /// An empty catalogue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a metric in under `light_node_<name>`. A counter's name is given without `_total`. `help` is a sentence without its
    /// full stop; `labels` names the keys of the metric's label set, for the generated page.
    pub fn register(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        metric: impl Metric,
    ) {
        self.register_as(format!("{PREFIX}_{name}"), help, labels, metric);
    }

    /// Takes a metric in under a name that others have fixed, as dashboards of other nodes or `process_*`.
    pub fn register_as(
        &mut self,
        name: impl Into<String>,
        help: &'static str,
        labels: &'static [&'static str],
        metric: impl Metric,
    ) {
        let name = name.into();
        let (kind, suffix) = match EncodeMetric::metric_type(&metric) {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Gauge => ("gauge", ""),
            MetricType::Histogram => ("histogram", ""),
            MetricType::Info => ("info", "_info"),
            MetricType::Unknown => ("unknown", ""),
        };
        self.entries.push(Entry {
            name: format!("{name}{suffix}"),
            kind,
            labels,
            help,
        });
        self.registry.register(name, help, metric);
    }

    /// Calls `refresh` before each encoding: it sets gauges to what stands in a `watch` at that moment. It must not block.
    pub fn on_scrape(&mut self, refresh: impl Fn() + Send + Sync + 'static) {
        self.refreshers.push(Box::new(refresh));
    }

    /// Every metric, in the order in which they were registered.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The exposition in the OpenMetrics text format, with all gauges as of now.
    pub fn encode(&self) -> String {
        for refresh in &self.refreshers {
            refresh();
        }
        let mut exposition = String::new();
        text::encode(&mut exposition, &self.registry).expect("a string takes everything");
        exposition
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue")
            .field("metrics", &self.entries.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counter, Gauge};

    #[test]
    fn a_counter_is_known_by_the_name_that_is_scraped() {
        let mut catalogue = Catalogue::new();
        let polls: Counter = Counter::default();
        polls.inc();
        catalogue.register("polls", "Polls of the source", &[], polls);
        assert_eq!(catalogue.entries()[0].name, "light_node_polls_total");
        assert!(catalogue.encode().contains("\nlight_node_polls_total 1\n"));
    }

    #[test]
    fn a_fact_is_read_when_somebody_scrapes() {
        let mut catalogue = Catalogue::new();
        let head: Gauge = Gauge::default();
        catalogue.register_as("refs_number", "Number of the head", &[], head.clone());
        catalogue.on_scrape(move || {
            head.inc();
        });
        assert!(catalogue.encode().contains("\nrefs_number 1\n"));
        assert!(catalogue.encode().contains("\nrefs_number 2\n"));
    }
}
