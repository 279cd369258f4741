//! Remedies for failed HTTP exchanges: the same for every endpoint.

use light_node_l1::HttpError;

/// What the TLS library says of a certificate that it does not accept.
const BAD_CERTIFICATE: &str = "invalid peer certificate";

/// What it says where its handshake was answered with something else.
const NO_TLS: &str = "InvalidContentType";

/// True if there was a connection, and TLS failed on it.
pub(crate) fn is_of_tls(cause: &str) -> bool {
    cause.contains(BAD_CERTIFICATE) || cause.contains(NO_TLS)
}

/// True if the connection ended before the answer did.
fn is_of_dropping(cause: &str) -> bool {
    ["closed", "reset", "broken pipe", "end of file", "eof"]
        .iter()
        .any(|word| cause.to_lowercase().contains(word))
}

/// What to do about a failed exchange with the endpoint of `flag`.
pub(crate) fn remedy(error: &HttpError, flag: &str) -> String {
    match error {
        HttpError::Connect { cause } if cause.contains(NO_TLS) => {
            format!("the port speaks no TLS: let {flag} begin with http://, or name its TLS port")
        }
        HttpError::Connect { cause } if cause.contains(BAD_CERTIFICATE) => format!(
            "let {flag} name a host that the certificate is for, and let this machine trust whoever signed it"
        ),
        HttpError::Connect { .. } => {
            format!(
                "start it, or correct host and port of {flag}; then look for a firewall between"
            )
        }
        HttpError::Broken { cause } if is_of_dropping(cause) => format!(
            "it, or a proxy before it, dropped the connection: look into its log; if it does so each time, something at that port \
             speaks no HTTP, or TLS where {flag} says http"
        ),
        HttpError::Broken { .. } => format!(
            "something at that port speaks no HTTP, or TLS where {flag} says http (or the other way round)"
        ),
        HttpError::Timeout { .. } => {
            format!(
                "it is overloaded, or packets to {flag} are dropped on the way: a firewall, a wrong address"
            )
        }
        HttpError::Status { status, .. } => match status {
            401 | 403 => format!("it wants credentials or a key that {flag} does not have"),
            404 => format!("the path of {flag} is wrong, or the port is that of another service"),
            429 => "it limits our requests: raise the plan, or name another endpoint before it"
                .to_owned(),
            300..=399 => format!(
                "it redirects, and redirects are not followed: give the final URL to {flag}"
            ),
            _ => format!("look into its log, or into that of the proxy at {flag}"),
        },
        HttpError::TooLarge { .. } => {
            format!("is {flag} the right service? No honest answer is so large")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_remedy() {
        let status = |status| HttpError::Status {
            status,
            retry_after: None,
        };
        let connect = |cause: &str| HttpError::Connect {
            cause: cause.to_owned(),
        };
        let broken = |cause: &str| HttpError::Broken {
            cause: cause.to_owned(),
        };
        for (error, word) in [
            (
                broken("connection closed before message completed"),
                "dropped the connection",
            ),
            (
                broken("Connection reset by peer (os error 104)"),
                "dropped the connection",
            ),
            (broken("invalid HTTP version parsed"), "speaks no HTTP"),
            (status(401), "key"),
            (status(404), "path"),
            (status(429), "limits"),
            (status(301), "redirects"),
            (status(502), "log"),
            (HttpError::TooLarge { limit_bytes: 1 }, "right service"),
            (connect("Connection refused (os error 111)"), "firewall"),
            (
                connect("received corrupt message of type InvalidContentType"),
                "begin with http://",
            ),
            (
                connect("invalid peer certificate: UnknownIssuer"),
                "certificate",
            ),
        ] {
            assert!(remedy(&error, "--l1").contains(word), "{error}");
        }
    }
}
