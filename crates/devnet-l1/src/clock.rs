//! Slots on the wall clock. The wall clock is read once, at the start; from then on the monotonic one runs, so that
//! slots neither jump nor repeat when the machine's time is set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Maps slots to instants and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotClock {
    slot_length: Duration,
    /// Unix time of slot 0.
    genesis: Duration,
    /// The same moment on both clocks.
    started: Instant,
    started_unix: Duration,
}

impl SlotClock {
    /// A clock for slots that begin at `genesis_time` (Unix time in seconds). The slot length is not zero.
    pub(crate) fn new(genesis_time: u64, slot_length: Duration) -> Self {
        let started_unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let genesis = Duration::from_secs(genesis_time);
        Self {
            slot_length,
            genesis,
            started: Instant::now(),
            started_unix,
        }
    }

    /// The first slot that begins after now. Slot 0 belongs to block 0 and is never the next one.
    pub(crate) fn next_slot(&self) -> u64 {
        let now = self.started_unix + self.started.elapsed();
        let since = now.saturating_sub(self.genesis);
        u64::try_from(since.as_millis() / self.slot_length.as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// When a slot begins; in the past if it has begun already.
    pub(crate) fn start_of(&self, slot: u64) -> Instant {
        let length = self.slot_length.as_secs().saturating_mul(slot);
        let start = self.genesis.saturating_add(Duration::from_secs(length));
        self.started + start.saturating_sub(self.started_unix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slots_follow_each_other_at_their_times() {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let clock = SlotClock::new(now.as_secs() - 100, Duration::from_secs(12));
        let first = clock.next_slot();
        assert_eq!(first, 9);
        for slot in first..first + 5 {
            assert_eq!(clock.next_slot(), slot);
            tokio::time::sleep_until(clock.start_of(slot)).await;
        }
        let future = SlotClock::new(now.as_secs() + 100, Duration::from_secs(12));
        assert_eq!(future.next_slot(), 1);
        assert!(future.start_of(1) > Instant::now() + Duration::from_secs(100));
    }
}
