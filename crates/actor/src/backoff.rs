//! Exponential backoff with jitter. It only computes delays; who waits keeps selecting meanwhile.

use crate::random::jittered;
use std::{ops::RangeInclusive, time::Duration};

/// The least delay: an actor configured with a zero delay must not spin.
const LEAST: Duration = Duration::from_millis(1);

/// Factors by which a delay is jittered.
const JITTER: RangeInclusive<f64> = 0.75..=1.25;

/// Delays between attempts: they double from `first` to `max`, each jittered by a quarter either way so that many nodes
/// which lost the same peer do not come back in step.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// A backoff that starts at `first` and stays at `max` in the end (each before jitter). A `first` above `max` counts as `max`.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            next: first,
        }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.next.min(self.max).max(LEAST);
        self.next = delay.saturating_mul(2);
        jittered(delay, JITTER)
    }

    /// To be called after a success: the next failure waits `first` again.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// True if `delay` can be `base` after jitter. A nanosecond either way is lost in rounding.
    fn is_jittered(delay: Duration, base: Duration) -> bool {
        let factor = delay.as_secs_f64() / base.as_secs_f64();
        (JITTER.start() - 1e-6..=JITTER.end() + 1e-6).contains(&factor)
    }

    proptest! {
        #[test]
        fn delays_double_from_first_to_max_within_the_jitter(first in 1_u64..10_000, max in 1_u64..100_000, tries in 1_u32..40) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(max));
            let mut backoff = Backoff::new(first, max);
            for attempt in 0..tries {
                let base = first.saturating_mul(1 << attempt.min(30)).min(max);
                let delay = backoff.next_delay();
                prop_assert!(is_jittered(delay, base), "attempt {attempt}: {delay:?} is not around {base:?}");
            }
        }

        #[test]
        fn after_a_reset_the_delay_is_the_first_again(first in 1_u64..10_000, failures in 0_u32..40) {
            let first = Duration::from_millis(first);
            let mut backoff = Backoff::new(first, first * 64);
            for _ in 0..failures {
                backoff.next_delay();
            }
            backoff.reset();
            prop_assert!(is_jittered(backoff.next_delay(), first));
        }

        #[test]
        fn no_delay_is_zero_or_overflows(first in any::<u64>(), max in any::<u64>(), tries in 1_u32..80) {
            let mut backoff = Backoff::new(Duration::from_secs(first), Duration::from_secs(max));
            for _ in 0..tries {
                prop_assert!(backoff.next_delay() > Duration::ZERO);
            }
        }
    }

    #[test]
    fn zero_delays_do_not_make_a_loop_spin() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert!(is_jittered(backoff.next_delay(), LEAST));
        assert!(is_jittered(backoff.next_delay(), LEAST));
    }

    #[test]
    fn two_nodes_do_not_wait_in_step() {
        let delays =
            |mut backoff: Backoff| std::array::from_fn::<_, 16, _>(|_| backoff.next_delay());
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        assert_ne!(delays(backoff), delays(backoff));
    }
}
