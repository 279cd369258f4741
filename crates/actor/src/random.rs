//! The node's randomness, in one place: jitter and ids. None of it is a secret. A simulation seeds the thread on which it
//! runs, and the same seed gives the same run.

use rand::{Rng, rngs::StdRng};
use std::{cell::RefCell, ops::RangeInclusive, time::Duration};

thread_local! {
    static SEEDED: RefCell<Option<StdRng>> = const { RefCell::new(None) };
}

/// `delay` times a random factor out of `factors`; [`Duration::MAX`] where that overflows.
pub fn jittered(delay: Duration, factors: RangeInclusive<f64>) -> Duration {
    let factor = with_rng(|rng| match rng {
        Some(rng) => rng.random_range(factors),
        None => rand::random_range(factors),
    });
    Duration::try_from_secs_f64(delay.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// An id that no other process has.
pub fn random_id() -> u128 {
    with_rng(|rng| rng.map_or_else(rand::random, Rng::random))
}

/// From now on everything random on this thread follows from `seed`.
#[cfg(any(test, feature = "test-utils"))]
pub fn seed_thread(seed: u64) {
    SEEDED.with_borrow_mut(|rng| *rng = Some(rand::SeedableRng::seed_from_u64(seed)));
}

fn with_rng<T>(draw: impl FnOnce(Option<&mut StdRng>) -> T) -> T {
    SEEDED.with_borrow_mut(|rng| draw(rng.as_mut()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seeded_thread_repeats_itself_and_another_seed_does_not() {
        let draw = |seed| {
            seed_thread(seed);
            let delays: [_; 8] =
                std::array::from_fn(|_| jittered(Duration::from_secs(1), 0.5..=1.5));
            (delays, random_id())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn ids_differ() {
        assert_ne!(random_id(), random_id());
    }
}
