//! Parsers of single values, with messages that help and never repeat what may be a secret.

use light_node_protocol::redact_url;
use std::{ops::RangeInclusive, time::Duration};
use url::Url;

/// The longest duration that a flag takes. What lasts longer than a day is a mistyped unit.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Time between two questions to the same endpoint. Below it we would flood the endpoint, above it nobody follows.
pub(crate) const POLL: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(60);

/// Deadline of one request over a network.
pub(crate) const REQUEST: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(5 * 60);

/// Time between two L1 blocks; devnets go down to a second.
pub(crate) const L1_BLOCK: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(10 * 60);

/// Time between two questions for labels of L1, which move once an epoch.
pub(crate) const L1_LABELS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60 * 60);

/// How far a source may lie behind. It is a few L1 blocks even where all is well.
pub(crate) const AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=DURATION_MAX;

/// How long something new is spared; none is an answer, too.
pub(crate) const PATIENCE: RangeInclusive<Duration> = Duration::ZERO..=DURATION_MAX;

/// Time between two lookups of peers.
pub(crate) const LOOKUP: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60 * 60);

/// Time between two reads of what seldom changes on L1.
pub(crate) const L1_RELOAD: RangeInclusive<Duration> = Duration::from_secs(1)..=DURATION_MAX;

/// A positive duration such as `2s`, `500ms` or `10m`, up to a day.
pub(crate) fn duration(typed: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(typed).map_err(|cause| cause.to_string())?;
    if duration.is_zero() || duration > DURATION_MAX {
        return Err("must be more than 0 and at most 1day".to_owned());
    }
    Ok(duration)
}

/// A parser of durations within bounds, which it names to whoever misses them.
pub(crate) fn within(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |typed| {
        let duration = humantime::parse_duration(typed).map_err(|cause| cause.to_string())?;
        if bounds.contains(&duration) {
            return Ok(duration);
        }
        let [min, max] =
            [bounds.start(), bounds.end()].map(|bound| humantime::format_duration(*bound));
        Err(format!("must be from {min} to {max}"))
    }
}

/// An `http` or `https` endpoint. clap repeats a refused value in its message, so a value that may hold a password or a key
/// is let through here and refused by [`Endpoint::url`].
pub(crate) fn endpoint(typed: &str) -> Result<Endpoint, std::convert::Infallible> {
    Ok(Endpoint(typed.trim().to_owned()))
}

/// What was typed where a URL is expected. It may hold credentials, so nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(String);

impl Endpoint {
    /// The URL.
    ///
    /// # Errors
    /// If it is none, or of another scheme than http and https. The message names the flag, not the value.
    pub(crate) fn url(&self, flag: &str) -> eyre::Result<Url> {
        if is_redacted(&self.0) {
            eyre::bail!(
                "{flag} was left out of a dump: write the whole URL, or dump with --dump-config=with-credentials"
            );
        }
        let url = Url::parse(&self.0).map_err(|cause| {
            eyre::eyre!("{flag} is not a URL: {cause}; it must look like http://host:port")
        })?;
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(url),
            scheme => Err(eyre::eyre!(
                "{flag} has the scheme `{scheme}`: it must begin with http:// or https://"
            )),
        }
    }
}

/// A key. As with [`endpoint`], nothing is refused here, where clap would repeat it.
pub(crate) fn secret(typed: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret(typed.trim().to_owned()))
}

/// What opens something. Nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// What was typed.
    ///
    /// # Errors
    /// If it was left out of a dump.
    pub(crate) fn reveal(&self, flag: &str) -> eyre::Result<&str> {
        if is_redacted(&self.0) {
            eyre::bail!(
                "{flag} was left out of a dump: write it, or dump with --dump-config=with-credentials"
            );
        }
        Ok(&self.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Stands for what is not shown of a URL. No URL that was typed has it.
pub(crate) const REDACTED: &str = "<redacted>";

/// A typed URL as far as it can be shown: whole if nothing in it can be a password or a key.
pub(crate) fn redacted(typed: &str) -> String {
    let Ok(url) = Url::parse(typed.trim()) else {
        return REDACTED.to_owned();
    };
    let shown = redact_url(&url);
    let whole = url.as_str().trim_end_matches('/');
    if shown.trim_end_matches('/') == whole {
        return typed.to_owned();
    }
    let host = url.host_str().unwrap_or("?");
    let port = url.port().map(|port| format!(":{port}"));
    let port = port.unwrap_or_default();
    format!("{}://{host}{port}/{REDACTED}", url.scheme())
}

/// Whether something is left out of a shown URL.
pub(crate) fn is_redacted(shown: &str) -> bool {
    shown.contains(REDACTED)
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endpoint(redacted)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_positive_and_at_most_a_day() {
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("1day").unwrap(), DURATION_MAX);
        for refused in ["0s", "25h", "500000000000y", "-1s", "7"] {
            assert!(duration(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_duration_out_of_bounds_is_told_the_bounds() {
        let parse = within(POLL);
        assert_eq!(parse("10ms").unwrap(), *POLL.start());
        assert_eq!(parse("1m").unwrap(), *POLL.end());
        for refused in ["9ms", "61s", "0s"] {
            assert_eq!(parse(refused).unwrap_err(), "must be from 10ms to 1m");
        }
        assert!(parse("soon").is_err());
    }

    #[test]
    fn a_refused_endpoint_names_the_flag_and_hides_the_value() {
        for typed in [
            "https://user:hunter2@bad host/",
            "ws://user:hunter2@host",
            "hunter2",
        ] {
            let Ok(endpoint) = endpoint(typed);
            let message = endpoint.url("--l1").unwrap_err().to_string();
            assert!(
                message.contains("--l1") && !message.contains("hunter2"),
                "{message}"
            );
            assert!(!format!("{endpoint:?}").contains("hunter2"));
        }
        let Ok(endpoint) = endpoint("https://host/path/");
        assert_eq!(endpoint.url("--l1").unwrap().path(), "/path/");
    }

    #[test]
    fn a_url_is_shown_whole_unless_it_may_hold_a_secret() {
        for typed in ["http://host:8545", "http://host/", "https://host/901"] {
            assert_eq!(redacted(typed), typed);
        }
        for typed in [
            "https://user:hunter2@host",
            "https://host/v3/hunter2",
            "https://host?key=hunter2",
        ] {
            let shown = redacted(typed);
            assert_eq!(shown, "https://host/<redacted>");
            let Ok(endpoint) = endpoint(&shown);
            let message = endpoint.url("--l1").unwrap_err().to_string();
            assert!(message.contains("--dump-config=with-credentials"));
        }
        assert_eq!(redacted("hunter2"), REDACTED);
    }
}
