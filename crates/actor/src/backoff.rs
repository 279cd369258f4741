//! Exponential backoff with jitter. It only computes delays; who waits keeps selecting meanwhile.

use std::time::Duration;

/// Delays between attempts: they double from `first` to `max`, each jittered by a quarter either way so that many nodes
/// which lost the same peer do not come back in step.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// A backoff that starts at `first` and stays at `max` in the end.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, next: first }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = delay.saturating_mul(2).min(self.max);
        delay.mul_f64(rand::random_range(0.75..=1.25))
    }

    /// To be called after a success: the next failure waits `first` again.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}
