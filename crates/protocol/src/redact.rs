//! How an endpoint is named in logs, errors, debug output and answers of ours: never by what opens it. And how its words are
//! repeated there: never so that they pass for ours.

use url::Url;

/// The URL as it may be shown: scheme, host and port. User, password, query and path go, because providers put keys there;
/// a path that is one number stays, because it names the chain at an op-supernode.
pub fn redact_url(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path = match url.path().trim_matches('/') {
        "" => "",
        chain if chain.len() <= 20 && chain.bytes().all(|byte| byte.is_ascii_digit()) => url.path(),
        _ => "/...",
    };
    format!("{}://{host}{port}{path}", url.scheme())
}

/// The first `chars_max` characters of what somebody else wrote, with escapes in the place of control characters: on a terminal
/// it must neither begin a line of its own nor command the terminal.
pub fn foreign_text(text: &str, chars_max: usize) -> String {
    let mut shown = String::new();
    for letter in text.chars().take(chars_max) {
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_redacted_url_keeps_what_names_the_endpoint_and_drops_what_opens_it() {
        for (url, shown) in [
            (
                "https://user:pass@host.example/v3/key?apikey=1#key",
                "https://host.example/...",
            ),
            ("http://10.0.0.1:8545", "http://10.0.0.1:8545"),
            ("http://[::1]:8545/", "http://[::1]:8545"),
            ("http://host:9545/901", "http://host:9545/901"),
            ("http://host/123456789012345678901", "http://host/..."),
            ("data:secret", "data://?/..."),
        ] {
            assert_eq!(redact_url(&url.parse().unwrap()), shown);
        }
    }

    #[test]
    fn foreign_words_are_short_and_cannot_pass_for_lines_of_ours() {
        let words = "no\n level=error\r\x1b[31m \u{9b}2J täglich";
        let shown = foreign_text(words, 100);
        assert_eq!(shown, r"no\n level=error\r\u{1b}[31m \u{9b}2J täglich");
        assert_eq!(foreign_text(words, 2), "no");
    }
}
