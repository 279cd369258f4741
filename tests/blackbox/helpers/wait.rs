//! Waiting for a state that another process shows.

use std::{fmt::Debug, future::Future, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the state is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks until `look` gives a value, and panics after `limit` with the last thing that it saw.
pub(crate) async fn until<T, S: Debug, F: Future<Output = Result<T, S>>>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + limit;
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match look().await {
            Ok(value) => return value,
            Err(seen) if Instant::now() >= deadline => {
                panic!("{what}: not seen within {limit:?}, last seen: {seen:?}")
            }
            Err(_) => {}
        }
    }
}
