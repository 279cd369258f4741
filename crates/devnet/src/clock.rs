//! The wall clock, read once: from then on the monotonic clock runs, so that blocks neither jump nor repeat when the
//! machine's time is set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Maps Unix times to instants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    started: Instant,
    /// The same moment as Unix time.
    started_unix: Duration,
}

impl WallClock {
    pub(crate) fn new() -> Self {
        let started_unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: Instant::now(),
            started_unix: started_unix.unwrap_or_default(),
        }
    }

    /// Unix time now, in whole seconds.
    pub(crate) fn now(&self) -> u64 {
        (self.started_unix + self.started.elapsed()).as_secs()
    }

    /// The instant of a Unix time in seconds; the start of the clock if it was earlier.
    pub(crate) fn instant_of(&self, unix_time: u64) -> Instant {
        self.started + Duration::from_secs(unix_time).saturating_sub(self.started_unix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_unix_time_comes_when_the_clock_says_so() {
        let clock = WallClock::new();
        let in_ten_seconds = clock.now() + 10;
        assert!(clock.instant_of(in_ten_seconds) > Instant::now() + Duration::from_secs(8));
        tokio::time::sleep_until(clock.instant_of(in_ten_seconds)).await;
        assert_eq!(clock.now(), in_ten_seconds);
        assert_eq!(clock.instant_of(0), clock.started);
    }
}
