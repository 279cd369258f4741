//! What the follow actor is told at start.

use light_node_protocol::RollupConfig;
use std::{ops::RangeInclusive, sync::Arc, time::Duration};

/// Shorter intervals would make a timer spin, longer ones overflow the clock.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// Settings of the follow actor. The pause between polls counts as at least a millisecond and at most a day.
#[derive(Clone, Debug)]
pub struct FollowConfig {
    /// The chain that is followed.
    pub rollup_config: Arc<RollupConfig>,
    /// Random id of this process, by which a cycle of followers is noticed.
    pub own_id: String,
    /// Time between two polls; each one is jittered by a tenth either way.
    pub poll_interval: Duration,
    /// A source whose L1 head is older than this against ours is stale; trouble that lasts longer makes us unready.
    pub max_age: Duration,
    /// How often the source is asked again which chain it serves and whom it follows.
    pub identity_interval: Duration,
    /// The longest pause after errors of the source.
    pub max_backoff: Duration,
}

impl FollowConfig {
    /// The defaults for a chain: polls each second, two minutes of patience.
    pub const fn new(rollup_config: Arc<RollupConfig>, own_id: String) -> Self {
        Self {
            rollup_config,
            own_id,
            poll_interval: Duration::from_secs(1),
            max_age: Duration::from_secs(120),
            identity_interval: Duration::from_secs(600),
            max_backoff: Duration::from_secs(30),
        }
    }

    /// The same with intervals that a timer can bear.
    pub(crate) fn bounded(mut self) -> Self {
        for interval in [&mut self.poll_interval, &mut self.max_backoff] {
            *interval = (*interval).clamp(*INTERVALS.start(), *INTERVALS.end());
        }
        self
    }
}
