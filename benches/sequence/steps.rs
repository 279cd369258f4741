//! How long the steps of a block take, by the node's metrics.

use crate::node::Node;
use std::collections::BTreeMap;

const NAME: &str = "light_node_sequencer_step_duration_seconds_";

/// Seconds and number of each step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps(BTreeMap<String, (f64, f64)>);

impl Steps {
    /// All so far.
    pub(crate) async fn of(node: &Node) -> Self {
        let mut steps = Self::default();
        for line in node.metrics().await.lines() {
            let Some((kind, rest)) = line.strip_prefix(NAME).and_then(|it| it.split_once('{'))
            else {
                continue;
            };
            let step = rest.split('"').nth(1);
            let value = rest
                .rsplit(' ')
                .next()
                .and_then(|value| value.parse::<f64>().ok());
            let (Some(step), Some(value)) = (step, value) else {
                continue;
            };
            let figures = steps.0.entry(step.to_owned()).or_default();
            match kind {
                "sum" => figures.0 = value,
                "count" => figures.1 = value,
                _ => {}
            }
        }
        steps
    }

    /// Those since `before`.
    pub(crate) fn since(mut self, before: &Self) -> Self {
        for (step, figures) in &mut self.0 {
            let (seconds, count) = before.0.get(step).copied().unwrap_or_default();
            figures.0 -= seconds;
            figures.1 -= count;
        }
        self
    }

    pub(crate) fn add(&mut self, more: &Self) {
        for (step, (seconds, count)) in &more.0 {
            let figures = self.0.entry(step.clone()).or_default();
            figures.0 += seconds;
            figures.1 += count;
        }
    }

    /// Seconds that each takes on the mean.
    pub(crate) fn means(&self) -> impl Iterator<Item = (&str, f64)> {
        let taken = self.0.iter().filter(|(_, (_, count))| *count > 0.0);
        taken.map(|(step, (seconds, count))| (step.as_str(), seconds / count))
    }
}
