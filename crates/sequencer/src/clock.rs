//! The time of day, by which blocks are due. It is read anew at every decision, so that a corrected clock of the machine is
//! followed at once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Tells Unix time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// In tests the time of day goes on with tokio's clock from here.
    started: Option<(Instant, Duration)>,
}

impl Clock {
    /// A clock that says `unix` now and goes with tokio's.
    #[cfg(test)]
    pub(crate) fn starting_at(unix: Duration) -> Self {
        Self {
            started: Some((Instant::now(), unix)),
        }
    }

    /// Unix time now.
    pub(crate) fn now(&self) -> Duration {
        match self.started {
            Some((started, unix)) => unix + started.elapsed(),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// When it will be `unix`; now, if that is over.
    pub(crate) fn instant_of(&self, unix: Duration) -> Instant {
        Instant::now() + unix.saturating_sub(self.now())
    }
}
