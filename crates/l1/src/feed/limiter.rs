//! The rate limit that providers ask for: calls are spread evenly, and a batch costs as many as it has calls.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Lets calls through at a rate. Without a rate it is always open.
#[derive(Debug)]
pub(crate) struct Limiter {
    interval: Option<Duration>,
    next: Mutex<Option<Instant>>,
}

impl Limiter {
    /// At most `calls_per_second`; zero is no limit.
    pub(crate) fn new(calls_per_second: u32) -> Self {
        let interval = (calls_per_second > 0).then(|| Duration::from_secs(1) / calls_per_second);
        Self {
            interval,
            next: Mutex::new(None),
        }
    }

    /// Waits until `calls` more may be sent.
    ///
    /// # Cancel safety
    /// A place in the queue that is left is not given to anybody else.
    pub(crate) async fn pass(&self, calls: usize) {
        let Some(interval) = self.interval else {
            return;
        };
        let cost = interval * u32::try_from(calls).unwrap_or(u32::MAX);
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let turn = next.unwrap_or(now).max(now);
            *next = Some(turn + cost);
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_are_spread_evenly_and_a_batch_costs_what_is_in_it() {
        let limiter = Limiter::new(10);
        let started = Instant::now();
        for (calls, waited) in [(1, 0), (2, 100), (1, 300), (1, 400)] {
            limiter.pass(calls).await;
            assert_eq!(started.elapsed().as_millis(), waited);
        }
        tokio::time::sleep(Duration::from_secs(9)).await;
        let rested = Instant::now();
        limiter.pass(1).await;
        assert_eq!(rested.elapsed(), Duration::ZERO, "rest is not saved up");
        limiter.pass(1).await;
        assert_eq!(rested.elapsed().as_millis(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nobody_waits() {
        let (limiter, started) = (Limiter::new(0), Instant::now());
        for _ in 0..1000 {
            limiter.pass(100).await;
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
