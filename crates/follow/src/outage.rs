//! How long to wait for a source that fails: a restarted one shall be followed again within seconds, one that stays away
//! shall not be pestered.

use crate::config::FollowConfig;
use light_node_actor::Backoff;
use std::time::Duration;
use tokio::time::Instant;

/// How long an outage counts as a restart.
const EARLY: Duration = Duration::from_secs(60);
/// The longest pause in that time, before jitter.
const EARLY_PAUSE: Duration = Duration::from_secs(3);

/// A source that fails, since its first failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    since: Instant,
    early: Backoff,
    late: Backoff,
}

impl Outage {
    pub(crate) fn new(config: &FollowConfig) -> Self {
        let longest = EARLY_PAUSE.min(config.max_backoff);
        Self {
            since: Instant::now(),
            early: Backoff::new(config.poll_interval, longest),
            late: Backoff::new(longest, config.max_backoff),
        }
    }

    /// The pause after one more failure.
    pub(crate) fn next_delay(&mut self) -> Duration {
        if self.since.elapsed() < EARLY {
            self.early.next_delay()
        } else {
            self.late.next_delay()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use light_node_protocol::RollupConfig;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_source_is_asked_every_few_seconds_for_a_minute_and_then_every_half_minute() {
        let config = FollowConfig::new(RollupConfig::default().into(), "me".to_owned());
        let mut outage = Outage::new(&config);
        let mut delays = Vec::new();
        while outage.since.elapsed() < Duration::from_secs(600) {
            let delay = outage.next_delay();
            delays.push((outage.since.elapsed(), delay));
            advance(delay).await;
        }
        let early = |at: &Duration| *at < EARLY;
        assert!(
            delays
                .iter()
                .filter(|(at, _)| early(at))
                .all(|(_, delay)| *delay < Duration::from_secs(4))
        );
        assert!(delays.iter().filter(|(at, _)| early(at)).count() >= 16);
        let last = delays[delays.len() - 1].1;
        assert!(last >= Duration::from_secs(22), "{last:?}");
    }
}
