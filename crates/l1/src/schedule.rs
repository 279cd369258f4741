//! When to ask for the next L1 head. A block is due one block time after the last header's time, plus a delay that is
//! learned: blocks take a moment to reach the endpoint, and asking too early costs a request. Pure but for `Instant`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// After this many questions without a new head the slot counts as missed, and the next one is waited for.
const MISSES_PER_SLOT: u32 = 3;
/// What one block that was there at the first question takes off the delay, as a part of the retry interval. Small, so
/// that one late answer in some fifty blocks keeps the delay where it should be.
const DECAY: u32 = 80;

/// Wall time that also advances with tokio's paused clock, and is never behind the system's clock (after a suspend the
/// monotonic clock is).
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    start: Duration,
    started: Instant,
}

impl WallClock {
    pub(crate) fn start() -> Self {
        Self {
            start: system_time(),
            started: Instant::now(),
        }
    }

    /// Time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        (self.start + self.started.elapsed()).max(system_time())
    }
}

fn system_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// The timer of the watcher.
#[derive(Debug)]
pub(crate) struct Schedule {
    clock: WallClock,
    block_time: Duration,
    retry_interval: Duration,
    delay: Duration,
    misses: u32,
    slot_due: Instant,
    due: Instant,
}

impl Schedule {
    /// Due at once. Both intervals are bounded by the configuration, and never zero.
    pub(crate) fn new(block_time: Duration, retry_interval: Duration) -> Self {
        let now = Instant::now();
        Self {
            clock: WallClock::start(),
            block_time,
            retry_interval,
            delay: Duration::ZERO,
            misses: 0,
            slot_due: now,
            due: now,
        }
    }

    /// When the next question is due.
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// A head of time `timestamp` (seconds) is new.
    pub(crate) fn new_head(&mut self, timestamp: u64) {
        let now = Instant::now();
        if self.misses == 0 {
            self.delay = self.delay.saturating_sub(self.retry_interval / DECAY);
        } else if self.misses < MISSES_PER_SLOT {
            let late = self.retry_interval * self.misses / 2;
            self.delay = (self.delay + late).min(self.block_time * 3 / 4);
        }
        self.misses = 0;
        let next = Duration::from_secs(timestamp)
            .saturating_add(self.block_time)
            .saturating_add(self.delay);
        // A clock that is wrong by more than a block, or an L1 that does not keep real time, must not silence us.
        let wait = match next.checked_sub(self.clock.now()) {
            Some(wait) => wait.min(self.block_time),
            None => self.retry_interval.min(self.block_time),
        };
        self.slot_due = now + wait;
        self.due = self.slot_due;
    }

    /// The head was asked for and is still the old one.
    pub(crate) fn nothing_new(&mut self) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        self.misses += 1;
        if self.misses < MISSES_PER_SLOT {
            self.due = now + self.retry_interval;
            return;
        }
        self.misses = MISSES_PER_SLOT;
        while self.slot_due <= now {
            self.slot_due += self.block_time;
        }
        self.due = self.slot_due;
    }

    /// Nobody answered; an endpoint is available again at `available`. A question that is due later anyway stays so:
    /// checks that fail often must not push it away.
    pub(crate) fn failed(&mut self, available: Instant) {
        let now = Instant::now();
        if self.due <= now {
            self.due = available.max(now + self.retry_interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const BLOCK: Duration = Duration::from_secs(12);
    const RETRY: Duration = Duration::from_secs(2);

    fn wait(schedule: &Schedule) -> Duration {
        schedule.due().saturating_duration_since(Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_clock_never_silences_the_watcher_nor_lets_it_spin() {
        let mut schedule = Schedule::new(BLOCK, RETRY);
        let now = system_time().as_secs();
        for timestamp in [0, now - 3600, now + 3600, u64::MAX] {
            schedule.new_head(timestamp);
            assert!((RETRY..=BLOCK).contains(&wait(&schedule)), "{timestamp}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_missed_slot_costs_three_questions_and_then_waits_for_the_next_slot() {
        let mut schedule = Schedule::new(BLOCK, RETRY);
        schedule.new_head(system_time().as_secs());
        for expected in [RETRY, RETRY, Duration::from_secs(8), BLOCK, BLOCK] {
            advance(wait(&schedule)).await;
            schedule.nothing_new();
            assert_eq!(wait(&schedule), expected);
        }
        // An early question by a check is not a miss.
        let due = schedule.due();
        advance(RETRY).await;
        schedule.nothing_new();
        assert_eq!(schedule.due(), due);
    }

    #[tokio::test(start_paused = true)]
    async fn failing_checks_do_not_push_the_next_question_away() {
        let mut schedule = Schedule::new(BLOCK, RETRY);
        let available = Instant::now() + Duration::from_secs(5);
        schedule.failed(available);
        assert_eq!(schedule.due(), available);
        advance(RETRY).await;
        schedule.failed(Instant::now() + Duration::from_secs(30));
        assert_eq!(schedule.due(), available);
    }
}
