//! What an active sequencer waits for, said once, and only if it lasts.

use crate::{metrics::SequencerMetrics, schedule::Wait};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// Shorter waits are nobody's business: L1 or the parent is being read.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Since {
    wait: Wait,
    since: Instant,
    is_said: bool,
}

/// The wait, if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waiting(Option<Since>);

impl Waiting {
    /// The reason in words; empty if there is none.
    pub(crate) fn words(&self) -> &'static str {
        self.0.map_or("", |since| since.wait.words())
    }

    /// Nothing is waited for.
    pub(crate) fn over(&mut self) {
        if self.0.take().is_some_and(|since| since.is_said) {
            info!("blocks are built again");
        }
    }

    /// This is waited for. Returns when it has to be said.
    pub(crate) fn for_(&mut self, wait: Wait, metrics: &SequencerMetrics) -> Option<Instant> {
        let now = Instant::now();
        let before = self.0.filter(|before| before.wait == wait);
        let mut since = before.unwrap_or_else(|| {
            metrics.wait(wait);
            Since {
                wait,
                since: now,
                is_said: false,
            }
        });
        let due = since.since + PATIENCE;
        if !since.is_said && due <= now {
            since.is_said = true;
            warn!(reason = wait.words(), "no block is built");
        }
        self.0 = Some(since);
        (!since.is_said).then_some(due)
    }
}
