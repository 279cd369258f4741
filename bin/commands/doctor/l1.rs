//! Each L1 endpoint by itself: one that is never asked while the first one works must work all the same.

use super::{
    REQUEST_DEADLINE, ages,
    clock::{self, Stake},
    finding::{Check, Finding, Severity},
    words,
};
use crate::commands::http::{self, ClockReading, Route};
use light_node_l1::{HttpError, HttpTransport, L1Config, L1Error, L1Probe, probe};
use light_node_protocol::{BlockNumHash, redact_url};
use std::time::{Duration, SystemTime};
use url::Url;

/// Slots that may stay empty before a head counts as old.
const SLOTS: u32 = 5;
/// No head is old before this, however short the slots: it may be a devnet whose blocks come on command.
const HEAD_AGE_MIN: Duration = Duration::from_secs(60);
/// A head that is older cannot be used to follow with.
const HEAD_AGE_MAX: Duration = Duration::from_secs(600);

/// What an endpoint said.
#[derive(Clone, Debug)]
pub(crate) struct L1Facts {
    pub(crate) endpoint: String,
    pub(crate) said: Result<L1Probe, L1Error>,
    /// It answers well if its block hashes are believed.
    pub(crate) trusted: bool,
    pub(crate) clock: Option<ClockReading>,
}

/// What it should have said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) chain_id: u64,
    pub(crate) genesis: BlockNumHash,
    pub(crate) slot: Duration,
    pub(crate) now: SystemTime,
}

/// Asks one endpoint.
pub(crate) async fn ask(url: Url, config: &L1Config) -> L1Facts {
    let endpoint = redact_url(&url);
    let chain_id = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#.to_owned();
    let clock = http::post(url.clone(), Route::Configured, chain_id, REQUEST_DEADLINE);
    let transport = match HttpTransport::new(url) {
        Ok(transport) => transport,
        Err(cause) => {
            let source = HttpError::Connect { cause };
            return L1Facts {
                said: Err(L1Error::Http {
                    endpoint: endpoint.clone(),
                    source,
                }),
                endpoint,
                trusted: false,
                clock: None,
            };
        }
    };
    let number = config.genesis_l1.number;
    let asked = probe(&transport, number, config.trust_rpc, REQUEST_DEADLINE);
    let (clock, said) = tokio::join!(clock, asked);
    let trusted = matches!(said, Err(L1Error::Malformed { .. }))
        && !config.trust_rpc
        && probe(&transport, number, true, REQUEST_DEADLINE)
            .await
            .is_ok();
    L1Facts {
        endpoint,
        said,
        trusted,
        clock: clock.ok().and_then(|answer| answer.clock),
    }
}

/// Judges all endpoints. One that is down is a warning as long as another is good: then failover works.
pub(crate) fn judge_all(all: &[L1Facts], expected: Expected) -> Vec<Finding> {
    let judged: Vec<Vec<Finding>> = all.iter().map(|facts| judge(facts, expected)).collect();
    let is_good = |findings: &Vec<Finding>| {
        findings
            .iter()
            .all(|finding| finding.severity < Severity::Error)
    };
    let any_good = judged.iter().any(is_good);
    let mut findings: Vec<_> = judged.into_iter().flatten().collect();
    for finding in &mut findings {
        // Another chain is a mistake in the configuration, and is not excused.
        let may_pass = matches!(
            finding.check,
            Check::L1Reachable | Check::L1Answer | Check::L1Head
        );
        if any_good && may_pass && finding.severity == Severity::Error {
            finding.severity = Severity::Warning;
            finding.detail += " (another --l1 works)";
        }
    }
    findings
}

fn judge(facts: &L1Facts, expected: Expected) -> Vec<Finding> {
    let name = facts.endpoint.as_str();
    let mut findings = Vec::new();
    match &facts.said {
        Ok(said) => {
            findings.push(Finding::ok(Check::L1Reachable, name, "answers"));
            findings.extend(identity(name, said, expected));
            findings.push(head(name, said, expected));
            findings.push(tags(name, said));
        }
        Err(error) => findings.push(failure(name, error, facts.trusted)),
    }
    findings.extend(clock::judge(name, Stake::Ages, facts.clock));
    findings
}

fn failure(name: &str, error: &L1Error, trusted: bool) -> Finding {
    match error {
        L1Error::Http { source, .. } => Finding::error(
            Check::L1Reachable,
            name,
            source.to_string(),
            words::remedy(source, "--l1"),
        ),
        L1Error::Malformed { cause, .. } if trusted => Finding::error(
            Check::L1Answer,
            name,
            cause.clone(),
            "if you trust the endpoint and its headers have fields that this version does not know: --l1.trust-rpc",
        ),
        L1Error::Malformed { cause, .. } => Finding::error(
            Check::L1Answer,
            name,
            cause.clone(),
            "point --l1 at the JSON-RPC port of an L1 execution node; a proxy's page or a beacon API is none",
        ),
        L1Error::Rpc { code, message, .. } => Finding::error(
            Check::L1Answer,
            name,
            format!("refused with {code}: {message}"),
            "the endpoint must serve eth_chainId and eth_getBlockByNumber, in batches of five",
        ),
        L1Error::WrongChain { detail, .. } => wrong_chain(Check::L1ChainId, name, detail.clone()),
        // Of the client over several endpoints, and of courses of answers.
        other => Finding::error(Check::L1Answer, name, other.to_string(), "try another --l1"),
    }
}

fn wrong_chain(check: Check, name: &str, detail: String) -> Finding {
    let fix = "point --l1 at a node of the L1 that --network or --rollup.config names (l1_chain_id, genesis.l1)";
    Finding::error(check, name, detail, fix)
}

fn identity(name: &str, said: &L1Probe, expected: Expected) -> Vec<Finding> {
    let Expected {
        chain_id, genesis, ..
    } = expected;
    if said.chain_id != chain_id {
        let detail = format!("chain {}, expected {chain_id}", said.chain_id);
        return vec![wrong_chain(Check::L1ChainId, name, detail)];
    }
    let chain = Finding::ok(Check::L1ChainId, name, format!("chain {chain_id}"));
    let number = genesis.number;
    let genesis = match said.genesis {
        Some(hash) if hash == genesis.hash => {
            let detail = format!("has the rollup's first L1 block {number}");
            Finding::ok(Check::L1Genesis, name, detail)
        }
        Some(hash) => {
            let detail = format!("its block {number} is {hash}, expected {}", genesis.hash);
            wrong_chain(Check::L1Genesis, name, detail)
        }
        None => Finding::info(
            Check::L1Genesis,
            name,
            format!(
                "does not serve block {number} (pruned?), so the chain id alone tells its chain"
            ),
        ),
    };
    vec![chain, genesis]
}

fn head(name: &str, said: &L1Probe, expected: Expected) -> Finding {
    let (number, hash) = (said.latest.number, said.latest.hash);
    let age = ages::since(said.latest.timestamp, expected.now);
    let detail = format!("head {number} {hash}, {}", ages::shown(age));
    let old = HEAD_AGE_MIN.max(expected.slot * SLOTS);
    let fix = "let the L1 node catch up, or name another --l1 before it";
    match age {
        Ok(age) if age > HEAD_AGE_MAX.max(old) => Finding::error(Check::L1Head, name, detail, fix),
        Ok(age) if age > old => Finding::warning(Check::L1Head, name, detail, fix),
        Err(ahead) if ahead > expected.slot + ages::SKEW => Finding::warning(
            Check::L1Head,
            name,
            detail,
            "our clock is slow, or that of the L1's proposers is fast: compare with NTP",
        ),
        Ok(_) | Err(_) => Finding::ok(Check::L1Head, name, detail),
    }
}

fn tags(name: &str, said: &L1Probe) -> Finding {
    let check = Check::L1Tags;
    match (said.safe, said.finalized) {
        (Some(safe), Some(finalized)) => {
            let (safe, finalized) = (safe.number, finalized.number);
            Finding::ok(check, name, format!("safe {safe}, finalized {finalized}"))
        }
        _ => Finding::info(
            check,
            name,
            "serves no safe or finalized block: right for an L1 in its first minutes only",
        ),
    }
}

#[cfg(test)]
mod tests;
