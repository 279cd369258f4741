//! Parsers of single values, with messages that help and never repeat what may be a secret.

use std::time::Duration;
use url::Url;

/// The longest duration that a flag takes. What lasts longer than a day is a mistyped unit.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A positive duration such as `2s`, `500ms` or `10m`, up to a day.
pub(crate) fn duration(typed: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(typed).map_err(|cause| cause.to_string())?;
    if duration.is_zero() || duration > DURATION_MAX {
        return Err("must be more than 0 and at most 1day".to_owned());
    }
    Ok(duration)
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
}
