//! Asks a running node whether it is healthy: for container runtimes whose image has no shell and no curl.

use crate::{
    args::healthcheck::HealthcheckArgs,
    commands::{
        http::{self, Route},
        print_line,
    },
};
use eyre::{Context, bail};
use light_node_protocol::redact_url;
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
};
use url::Url;

/// Asks the node; what keeps it from being healthy is printed.
///
/// # Errors
/// If there is no node to be asked, or it does not answer in time.
pub(crate) fn run(args: &HealthcheckArgs) -> eyre::Result<ExitCode> {
    let url = base_url(args)?;
    let shown = redact_url(&url);
    let path = if args.live { "healthz" } else { "readyz" };
    let page = join(url, path);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(http::get(page, Route::Direct, args.timeout));
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    let answer = answer.wrap_err_with(|| format!("no node answers at {shown}"))?;
    if answer.status == 200 {
        print_line(&format!("{path}: ok"));
        return Ok(ExitCode::SUCCESS);
    }
    let reasons = reasons(&answer.body);
    if reasons.is_empty() {
        bail!(
            "{shown} answered /{path} with HTTP {} and no reason: is this the RPC port of a light-node?",
            answer.status
        );
    }
    for Reason { reason, detail } in reasons {
        print_line(&format!("{path}: {reason}: {detail}"));
    }
    Ok(ExitCode::FAILURE)
}

/// The node that is asked.
fn base_url(args: &HealthcheckArgs) -> eyre::Result<Url> {
    if let Some(url) = &args.url {
        return url.url("--url");
    }
    let addr = reachable(args.rpc.listen());
    if addr.port() == 0 {
        bail!(
            "--rpc.port is 0, and which port the node took stands in its log: give --url=http://host:port"
        );
    }
    Ok(Url::parse(&format!("http://{addr}"))?)
}

/// Where a server on this machine is reached that listens on `listen`.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The page below the URL, whose own path is kept.
fn join(mut base: Url, page: &str) -> Url {
    let path = format!("{}/{page}", base.path().trim_end_matches('/'));
    base.set_path(&path);
    base.set_query(None);
    base
}

/// Why a node is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Reason {
    /// One stable word.
    pub(crate) reason: String,
    /// The same for people.
    pub(crate) detail: String,
}

/// The reasons in the body of `/readyz`; none if it is something else.
pub(crate) fn reasons(body: &[u8]) -> Vec<Reason> {
    #[derive(Deserialize)]
    struct Page {
        reasons: Vec<Reason>,
    }
    serde_json::from_slice::<Page>(body)
        .map(|page| page.reasons)
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_all_is_asked_at_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:9545", "127.0.0.1:9545"),
            ("[::]:9545", "[::1]:9545"),
            ("10.0.0.7:1", "10.0.0.7:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }

    #[test]
    fn a_page_is_asked_for_below_the_path_of_the_url() {
        for (base, page) in [
            ("http://host:1", "http://host:1/readyz"),
            ("http://host:1/a/b/?x=1", "http://host:1/a/b/readyz"),
        ] {
            assert_eq!(join(base.parse().unwrap(), "readyz").as_str(), page);
        }
    }

    #[test]
    fn reasons_are_read_from_the_page_and_from_nothing_else() {
        let page = br#"{"ready":false,"reasons":[{"reason":"l1_behind","detail":"x","age":1}]}"#;
        assert_eq!(reasons(page)[0].reason, "l1_behind");
        for other in ["", "<html>", "[]", "null", r#"{"reasons":[{}]}"#] {
            assert_eq!(reasons(other.as_bytes()), []);
        }
    }
}
