//! Our clock beside those of the endpoints. The execution layer refuses a token whose time is 60 s off; ages and freshness of
//! heads stand on the clock, too.

use super::finding::{Check, Finding};
use crate::commands::http::ClockReading;
use std::time::Duration;

/// Differences below come from whole seconds, from slow answers and from caches.
const NOTEWORTHY: Duration = Duration::from_secs(10);

/// The execution layer accepts 60 s (Engine API specification, authentication); the rest is drift until somebody looks.
const REFUSED: Duration = Duration::from_secs(55);

/// What a difference would mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stake {
    /// Tokens are refused.
    Tokens,
    /// Ages are wrong.
    Ages,
}

/// The least by which our clock differs from the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offset {
    None,
    Ahead(Duration),
    Behind(Duration),
}

impl Offset {
    fn of(reading: ClockReading) -> Self {
        let ClockReading {
            before,
            server,
            after,
        } = reading;
        // The header is cut to whole seconds.
        let latest = server + Duration::from_secs(1);
        match (before.duration_since(latest), server.duration_since(after)) {
            (Ok(ahead), _) if !ahead.is_zero() => Self::Ahead(ahead),
            (_, Ok(behind)) if !behind.is_zero() => Self::Behind(behind),
            _ => Self::None,
        }
    }
}

/// Judges one reading; nothing is said where the server tells no time.
pub(crate) fn judge(subject: &str, stake: Stake, reading: Option<ClockReading>) -> Option<Finding> {
    let check = Check::ClockOffset;
    let (size, side) = match Offset::of(reading?) {
        Offset::None => (Duration::ZERO, "in step with"),
        Offset::Ahead(size) => (size, "ahead of"),
        Offset::Behind(size) => (size, "behind"),
    };
    if size < NOTEWORTHY {
        return Some(Finding::ok(check, subject, "the clocks agree"));
    }
    let detail = format!("our clock is {} s {side} its clock", size.as_secs());
    let fix = "let NTP set the clock on both machines (timedatectl, chronyc tracking)";
    Some(match stake {
        Stake::Tokens if size >= REFUSED => Finding::error(
            check,
            subject,
            detail + ": the execution layer refuses tokens that are 60 s off",
            fix,
        ),
        Stake::Tokens | Stake::Ages => Finding::warning(check, subject, detail, fix),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Severity, *};
    use std::time::{SystemTime, UNIX_EPOCH};

    fn reading(server_less_ours: i64) -> Option<ClockReading> {
        let ours = 1_000_000_i64;
        let server = u64::try_from(ours + server_less_ours).unwrap_or_default();
        let before = UNIX_EPOCH + Duration::from_secs(1_000_000);
        Some(ClockReading {
            before,
            server: UNIX_EPOCH + Duration::from_secs(server),
            after: before + Duration::from_millis(900),
        })
    }

    #[test]
    fn only_the_execution_layer_makes_an_error_of_a_clock() {
        for (offset, tokens, ages) in [
            (0, Severity::Ok, Severity::Ok),
            (-1, Severity::Ok, Severity::Ok),
            (-10, Severity::Ok, Severity::Ok),
            (-11, Severity::Warning, Severity::Warning),
            (11, Severity::Warning, Severity::Warning),
            (-56, Severity::Error, Severity::Warning),
            (56, Severity::Error, Severity::Warning),
            (-900_000, Severity::Error, Severity::Warning),
        ] {
            let severity = |stake| {
                let finding = judge("x", stake, reading(offset));
                finding.map(|finding| finding.severity)
            };
            assert_eq!(severity(Stake::Tokens), Some(tokens), "{offset}");
            assert_eq!(severity(Stake::Ages), Some(ages), "{offset}");
        }
    }

    #[test]
    fn the_side_is_named() {
        let detail = |offset| judge("x", Stake::Ages, reading(offset)).map(|one| one.detail);
        assert!(detail(30).is_some_and(|words| words.contains("behind")));
        assert!(detail(-30).is_some_and(|words| words.contains("ahead of")));
    }

    #[test]
    fn times_without_sense_do_no_harm() {
        let reading = ClockReading {
            before: SystemTime::now(),
            server: UNIX_EPOCH,
            after: UNIX_EPOCH,
        };
        assert!(judge("x", Stake::Tokens, Some(reading)).is_some());
        assert_eq!(judge("x", Stake::Tokens, None), None);
    }
}
