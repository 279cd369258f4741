//! Ages of blocks, by our clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What clocks may differ without meaning anything.
pub(crate) const SKEW: Duration = Duration::from_secs(10);

/// Time since the second `timestamp`; the error is the time until then.
pub(crate) fn since(timestamp: u64, now: SystemTime) -> Result<Duration, Duration> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let then = Duration::from_secs(timestamp);
    now.checked_sub(then)
        .ok_or_else(|| then.saturating_sub(now))
}

/// Seconds since 1970.
pub(crate) fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The age in words.
pub(crate) fn shown(age: Result<Duration, Duration>) -> String {
    let whole = |age: Duration| humantime::format_duration(Duration::from_secs(age.as_secs()));
    match age {
        Ok(age) => format!("{} old", whole(age)),
        Err(ahead) => format!("{} in the future", whole(ahead)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_never_out_of_range() {
        let now = UNIX_EPOCH + Duration::from_secs(100);
        for (timestamp, words) in [(40, "1m old"), (100, "0s old"), (130, "30s in the future")] {
            assert_eq!(shown(since(timestamp, now)), words);
        }
        assert!(!shown(since(u64::MAX, now)).is_empty());
        assert!(!shown(since(0, UNIX_EPOCH)).is_empty());
    }
}
