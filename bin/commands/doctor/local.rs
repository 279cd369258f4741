//! What can be seen on this machine: names, ports, the secret's file.

use super::finding::{Check, Finding, Severity};
use crate::commands::{
    healthcheck::{Reason, reachable, reasons},
    http::{self, Answer, Route},
};
use light_node_engine_api::JwtSecret;
use serde_json::Value;
use std::{
    io::{Error, ErrorKind},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};
use url::{Host, Url};

/// A resolver tries several servers in turn before it gives up, each for some seconds.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(5);

/// The page of the metrics server.
pub(crate) const METRICS_PAGE: &str = "metrics";

/// Our own server answers from memory.
const OWN_DEADLINE: Duration = Duration::from_secs(2);

/// Where the host of an endpoint lies.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The flag that names it.
    pub(crate) flag: &'static str,
    pub(crate) host: String,
    /// The host is an address itself.
    pub(crate) is_literal: bool,
    pub(crate) found: Result<Vec<SocketAddr>, String>,
}

/// Looks a host up.
pub(crate) async fn resolve(flag: &'static str, url: &Url) -> Resolved {
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    let literal = match url.host() {
        Some(Host::Ipv4(ip)) => Some(IpAddr::from(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::from(ip)),
        Some(Host::Domain(_)) | None => None,
    };
    let found = match literal {
        Some(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        None => {
            let looked_up = tokio::net::lookup_host((host.as_str(), port));
            match tokio::time::timeout(RESOLVE_DEADLINE, looked_up).await {
                Ok(Ok(found)) => Ok(found.collect()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer within {RESOLVE_DEADLINE:?}")),
            }
        }
    };
    Resolved {
        flag,
        host,
        is_literal: literal.is_some(),
        found,
    }
}

/// Judges the lookups; an address needs none. A host of several endpoints is named once.
pub(crate) fn judge_names(all: &[Resolved]) -> Vec<Finding> {
    let mut seen = Vec::new();
    let mut findings = Vec::new();
    for Resolved {
        flag,
        host,
        is_literal,
        found,
    } in all
    {
        if *is_literal || seen.contains(host) {
            continue;
        }
        seen.push(host.clone());
        findings.push(match found {
            Ok(found) if !found.is_empty() => {
                let ips: Vec<_> = found.iter().map(|addr| addr.ip().to_string()).collect();
                Finding::ok(Check::Dns, host, ips.join(", "))
            }
            Ok(_) => unresolved(host, flag, "the name has no address"),
            Err(cause) => unresolved(host, flag, cause),
        });
    }
    findings
}

/// A name that does not resolve is one trouble: that its endpoint cannot be reached is the consequence, and is not said. It is
/// as bad as that, because another endpoint may stand in, and no trouble where a proxy knows the name.
pub(crate) fn without_consequences(findings: &[Finding]) -> Vec<Finding> {
    let is_unresolved = |one: &Finding| one.check == Check::Dns && one.severity == Severity::Error;
    let unresolved: Vec<_> = findings.iter().filter(|one| is_unresolved(one)).collect();
    let is_consequence = |one: &Finding| {
        one.severity > Severity::Info && unresolved.iter().any(|lookup| is_reach_of(one, lookup))
    };
    let judged_anew = |one: &Finding| {
        let reaches = findings.iter().filter(|other| is_reach_of(other, one));
        let worst = reaches.map(|one| one.severity).max();
        let mut one = one.clone();
        match worst {
            Some(Severity::Ok | Severity::Info) => {
                let detail = one.detail + " (a proxy reaches it)";
                Finding {
                    severity: Severity::Info,
                    detail,
                    fix: None,
                    ..one
                }
            }
            Some(worst) => {
                one.severity = worst;
                one
            }
            None => one,
        }
    };
    let kept = findings.iter().filter(|one| !is_consequence(one));
    kept.map(|one| {
        if is_unresolved(one) {
            judged_anew(one)
        } else {
            one.clone()
        }
    })
    .collect()
}

/// Whether a finding says if the host of a lookup was reached.
fn is_reach_of(one: &Finding, lookup: &Finding) -> bool {
    let is_about_reach = matches!(
        one.check,
        Check::L1Reachable | Check::BeaconReachable | Check::ElReachable | Check::SourceReachable
    );
    let url = one.subject.as_deref().and_then(|url| Url::parse(url).ok());
    is_about_reach && url.is_some_and(|url| url.host_str() == lookup.subject.as_deref())
}

fn unresolved(host: &str, flag: &str, cause: &str) -> Finding {
    let fix = format!(
        "correct the host of {flag}, or the resolver of this machine or container (/etc/resolv.conf)"
    );
    Finding::error(Check::Dns, host, cause, fix)
}

/// Whether an endpoint is the address on which we listen ourselves.
pub(crate) fn is_ours(
    found: &[SocketAddr],
    listen: SocketAddr,
    is_local: impl Fn(IpAddr) -> bool,
) -> bool {
    listen.port() != 0
        && found.iter().any(|addr| {
            let ip = addr.ip().to_canonical();
            let is_listened = listen.ip().is_unspecified() || listen.ip().to_canonical() == ip;
            addr.port() == listen.port() && is_listened && (ip == listen.ip() || is_local(ip))
        })
}

/// Whether the address is one of this machine: only such a one can be bound.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// A light-node that runs already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Running {
    /// If its page tells it.
    pub(crate) version: Option<String>,
    /// Why it is not ready; none if it is. Not known from its metrics, nor if it does not answer in time.
    pub(crate) reasons: Option<Vec<Reason>>,
}

/// What is to be seen of a port of ours.
#[derive(Debug)]
pub(crate) enum Port {
    /// The system will choose one.
    Any,
    Free,
    /// A light-node serves there.
    LightNode(Running),
    /// Somebody else is there.
    Taken,
    Impossible(Error),
}

/// Looks at a port of ours: nothing is left behind.
pub(crate) async fn look_at_port(listen: SocketAddr, page: &str) -> Port {
    if listen.port() == 0 {
        return Port::Any;
    }
    match TcpListener::bind(listen) {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => running(listen, page)
            .await
            .map_or(Port::Taken, Port::LightNode),
        Err(error) => Port::Impossible(error),
    }
}

/// The light-node that serves this page there.
async fn running(listen: SocketAddr, page: &str) -> Option<Running> {
    let answer = own_page(listen, page)
        .await
        .filter(|answer| answer.status == 200)?;
    let mut running = identify(page, &answer.body)?;
    if page != METRICS_PAGE {
        let answer = own_page(listen, "readyz").await;
        running.reasons = answer.and_then(|answer| match answer.status {
            200 => Some(Vec::new()),
            _ => Some(reasons(&answer.body)).filter(|reasons| !reasons.is_empty()),
        });
    }
    Some(running)
}

async fn own_page(listen: SocketAddr, page: &str) -> Option<Answer> {
    let url = Url::parse(&format!("http://{}/{page}", reachable(listen))).ok()?;
    http::get(url, Route::Direct, OWN_DEADLINE).await.ok()
}

/// The light-node whose page this is.
fn identify(page: &str, body: &[u8]) -> Option<Running> {
    if page == METRICS_PAGE {
        let text = String::from_utf8_lossy(body);
        return text.contains("light_node_").then(Running::default);
    }
    let page: Value = serde_json::from_slice(body).ok()?;
    Some(Running {
        version: Some(page["version"].as_str()?.to_owned()),
        reasons: None,
    })
}

/// Reasons that do not pass by themselves and that nothing else here sees; the causes of others have findings of their own.
const STAYING: [(&str, &str); 4] = [
    (
        "el_no_progress",
        "give the execution layer peers: net_peerCount at its plain RPC port counts them; look at its bootnodes, --maxpeers and port \
         30303",
    ),
    (
        "l1_finalized_lost",
        "compare the endpoints of --l1 with an L1 node that you trust, and remove the one that is wrong",
    ),
    (
        "no_valid_batch",
        "compare batch_inbox_address, genesis.system_config.batcherAddr and the fork times of --rollup.config with the chain's; ask \
         whoever runs the batcher",
    ),
    (
        "rollup_config_mismatch",
        "take the chain's own rollup.json for --rollup.config, and start the execution layer from the genesis that belongs to it",
    ),
];

/// Judges the node that runs already by what it says of itself; nothing is said if it says nothing.
pub(crate) fn judge_running(listen: SocketAddr, port: &Port) -> Option<Finding> {
    let Port::LightNode(Running {
        reasons: Some(reasons),
        ..
    }) = port
    else {
        return None;
    };
    let name = listen.to_string();
    if reasons.is_empty() {
        return Some(Finding::ok(Check::NodeReady, &name, "/readyz: ok"));
    }
    let is_given = |word: &str| reasons.iter().any(|one| one.reason == word);
    let staying = STAYING.iter().find(|(word, _)| is_given(word));
    let reasons: Vec<_> = reasons
        .iter()
        .map(|Reason { reason, detail }| format!("{reason}: {detail}"))
        .collect();
    let detail = format!("the node that runs is not ready: {}", reasons.join("; "));
    Some(match staying {
        Some((_, fix)) => Finding::error(Check::NodeReady, &name, detail, *fix),
        None => Finding::warning(
            Check::NodeReady,
            &name,
            detail,
            "docs/troubleshooting.md has each of these words as a heading",
        ),
    })
}

/// Judges a port. `flags` begins the names of its flags: `--rpc`.
pub(crate) fn judge_port(check: Check, flags: &str, listen: SocketAddr, port: &Port) -> Finding {
    let name = listen.to_string();
    match port {
        Port::Any => Finding::ok(check, &name, "any free port; the log names it"),
        Port::Free => Finding::ok(check, &name, "free"),
        Port::LightNode(Running { version, .. }) => {
            let version = version
                .as_deref()
                .map(|version| format!(" (version {version})"));
            let detail = "a light-node runs there".to_owned() + &version.unwrap_or_default();
            Finding::ok(check, &name, detail)
        }
        Port::Taken => Finding::error(
            check,
            &name,
            "another program listens there",
            format!("stop it (`ss -ltnp` names it), or choose another {flags}.port"),
        ),
        Port::Impossible(error) => {
            let fix = match error.kind() {
                ErrorKind::AddrNotAvailable => {
                    format!(
                        "{flags}.addr must be an address of this machine: 127.0.0.1, or 0.0.0.0 for all"
                    )
                }
                ErrorKind::PermissionDenied => {
                    format!(
                        "choose a {flags}.port above 1023, or give the process the capability to bind it"
                    )
                }
                _ => format!("choose another {flags}.addr or {flags}.port"),
            };
            Finding::error(check, &name, error.to_string(), fix)
        }
    }
}

/// Judges who reaches the admin namespace.
pub(crate) fn judge_admin(listen: SocketAddr, is_enabled: bool) -> Option<Finding> {
    if !is_enabled {
        return None;
    }
    let name = listen.to_string();
    Some(if listen.ip().is_loopback() {
        Finding::ok(
            Check::RpcAdmin,
            &name,
            "admin is served to this machine alone",
        )
    } else {
        Finding::warning(
            Check::RpcAdmin,
            &name,
            "admin is served to everybody who reaches the port: they can post unsafe blocks",
            "drop --rpc.enable-admin, set --rpc.addr=127.0.0.1, or let a firewall guard the port",
        )
    })
}

/// Looks at the file of the secret.
pub(crate) fn look_at_secret(path: &Path) -> Vec<Finding> {
    let name = path.display().to_string();
    if let Err(error) = JwtSecret::from_file(path) {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        let detail = error.to_string() + &cause.unwrap_or_default();
        let fix = "name the file that the execution layer was started with, readable for this user; `light-node jwt generate` makes a \
                   new one for both";
        return vec![Finding::error(Check::JwtFile, &name, detail, fix)];
    }
    let mut findings = vec![Finding::ok(Check::JwtFile, &name, "holds a secret")];
    if let Ok(metadata) = std::fs::metadata(path) {
        findings.push(judge_mode(&name, metadata.permissions().mode()));
    }
    findings
}

/// A group may share it: that is how two containers with different users do.
fn judge_mode(name: &str, mode: u32) -> Finding {
    let check = Check::JwtPermissions;
    let shown = mode & 0o7777;
    if mode & 0o007 == 0 {
        return Finding::ok(check, name, format!("mode {shown:04o}"));
    }
    Finding::warning(
        check,
        name,
        format!(
            "mode {shown:04o}: every user of this machine may read or replace it, and steer the execution layer"
        ),
        format!("chmod o-rwx {name}"),
    )
}

#[cfg(test)]
mod tests;
