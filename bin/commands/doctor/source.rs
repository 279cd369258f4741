//! The follow source, judged by the same checks by which the node judges it.

use super::{
    REQUEST_DEADLINE, ages,
    clock::{self, Stake},
    finding::{Check, Finding, Severity},
    words,
};
use crate::commands::http::{self, ClockReading, Route};
use light_node_follow::{
    ChainIdentity, FollowSource, HttpSource, SourceError,
    checks::{ShapeError, check_chain, check_path, check_shape, source_lag},
};
use light_node_l1::HttpError;
use light_node_protocol::{L1BlockRef, RollupConfig, SyncStatus, redact_url};
use std::time::{Duration, SystemTime};
use url::Url;

/// What the source said.
#[derive(Clone, Debug)]
pub(crate) struct SourceFacts {
    pub(crate) endpoint: String,
    pub(crate) identity: Result<Option<ChainIdentity>, SourceError>,
    pub(crate) path: Result<Option<Vec<String>>, SourceError>,
    pub(crate) status: Result<SyncStatus, SourceError>,
    pub(crate) clock: Option<ClockReading>,
}

/// What it is measured by.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) rollup: &'a RollupConfig,
    pub(crate) max_age: Duration,
    /// The newest head of our L1 endpoints.
    pub(crate) l1_head: Option<L1BlockRef>,
    /// Its URL names the address of our own RPC server.
    pub(crate) is_our_address: bool,
    /// Whom the node at that address follows, itself first, if one runs there.
    pub(crate) own_path: Option<Vec<String>>,
    pub(crate) now: SystemTime,
}

/// Asks everything at once.
pub(crate) async fn ask(url: Url) -> Option<SourceFacts> {
    let endpoint = redact_url(&url);
    let source = HttpSource::new(url.clone(), REQUEST_DEADLINE).ok()?;
    let (identity, path, status, clock) = tokio::join!(
        source.chain_identity(),
        source.follow_path(),
        source.status(),
        http::get(url, Route::Configured, REQUEST_DEADLINE),
    );
    Some(SourceFacts {
        endpoint,
        identity,
        path,
        status,
        clock: clock.ok().and_then(|answer| answer.clock),
    })
}

/// Judges what was said.
pub(crate) fn judge(facts: &SourceFacts, expected: &Expected<'_>) -> Vec<Finding> {
    let name = facts.endpoint.as_str();
    let mut findings = Vec::new();
    // Our own port need not answer: it is ours that would.
    if !(expected.is_our_address && is_silent(&facts.status)) {
        findings.push(reachable(name, &facts.status));
    }
    findings.extend(answer(name, &facts.status));
    let identity = [
        chain(name, facts.status.is_ok(), &facts.identity, expected.rollup),
        cycle(name, facts, expected),
    ];
    let is_foreign = |finding: &Finding| finding.severity == Severity::Error;
    let is_ours = !identity.iter().flatten().any(is_foreign);
    findings.extend(identity.into_iter().flatten());
    // Of another chain, or of ourselves, the heads are only the consequence.
    if let Some(status) = facts.status.as_ref().ok().filter(|_| is_ours) {
        findings.push(shape(name, status, expected));
        findings.push(lag(name, status, expected));
    }
    findings.extend(clock::judge(name, Stake::Ages, facts.clock));
    findings
}

/// Whether nobody answered, with whatever.
const fn is_silent(status: &Result<SyncStatus, SourceError>) -> bool {
    matches!(status, Err(SourceError::Http { source, .. }) if !matches!(source, HttpError::Status { .. }))
}

fn reachable(name: &str, status: &Result<SyncStatus, SourceError>) -> Finding {
    match status {
        Err(SourceError::Http { source, .. }) if is_silent(status) => Finding::error(
            Check::SourceReachable,
            name,
            source.to_string(),
            words::remedy(source, "--l2.follow.source"),
        ),
        _ => Finding::ok(Check::SourceReachable, name, "answers"),
    }
}

/// Does it speak as a rollup node does?
fn answer(name: &str, status: &Result<SyncStatus, SourceError>) -> Option<Finding> {
    const NOT_A_NODE: &str = "point --l2.follow.source at the RPC port of a rollup node (op-node, kona-node, light-node; usually 9545)";
    let (detail, fix) = match status {
        Ok(_) => {
            return Some(Finding::ok(
                Check::SourceAnswer,
                name,
                "serves optimism_syncStatus",
            ));
        }
        Err(error @ SourceError::Html { .. }) => (
            error.to_string(),
            format!("this is a website or a proxy's error page: {NOT_A_NODE}"),
        ),
        Err(error @ SourceError::Rpc { code: -32601, .. }) => (
            error.to_string(),
            format!("this may be an execution layer: {NOT_A_NODE}"),
        ),
        Err(SourceError::Http { source, .. }) => match source {
            HttpError::Status { .. } => (
                source.to_string(),
                words::remedy(source, "--l2.follow.source"),
            ),
            _ => return None,
        },
        Err(error) => (error.to_string(), NOT_A_NODE.to_owned()),
    };
    Some(Finding::error(Check::SourceAnswer, name, detail, fix))
}

fn chain(
    name: &str,
    is_node: bool,
    identity: &Result<Option<ChainIdentity>, SourceError>,
    rollup: &RollupConfig,
) -> Option<Finding> {
    let check = Check::SourceChain;
    let theirs = match identity {
        Ok(Some(theirs)) => theirs,
        // Of what is no rollup node at all, that is said already.
        Ok(None) if !is_node => return None,
        Ok(None) => {
            return Some(Finding::warning(
                check,
                name,
                "does not serve optimism_rollupConfig, so which chain it serves cannot be verified",
                "let the proxy before it pass that method, too",
            ));
        }
        // Of a source that does not answer at all, that is said already.
        Err(_) => return None,
    };
    Some(match check_chain(&ChainIdentity::from(rollup), theirs) {
        Ok(()) => Finding::ok(check, name, format!("chain {}", theirs.l2_chain_id)),
        Err(error) => Finding::error(
            check,
            name,
            error.to_string(),
            "point --l2.follow.source at a node of the chain that --network or --rollup.config names, or correct these",
        ),
    })
}

fn cycle(name: &str, facts: &SourceFacts, expected: &Expected<'_>) -> Option<Finding> {
    let check = Check::SourceCycle;
    let fix =
        "follow a node that derives, or one that follows such a node: somebody has to read L1";
    let path = facts.path.as_ref().ok().and_then(Option::as_deref);
    let own_id = expected.own_path.as_ref().and_then(|path| path.first());
    // While nobody serves there, it is our own port; somebody else there has his own finding.
    if expected.is_our_address && (is_silent(&facts.status) || path.is_some()) {
        let detail = "this is the address of our own RPC server (--rpc.addr, --rpc.port): the node would follow itself";
        return Some(Finding::error(check, name, detail, fix));
    }
    let path = path?;
    match own_id.map_or(Ok(()), |own_id| check_path(own_id, path)) {
        Ok(()) => {
            let others = path.len().saturating_sub(1);
            let whom = match others {
                0 => "follows nobody that it names".to_owned(),
                1 => "follows one other node, and not us".to_owned(),
                others => format!("follows on through {others} other nodes, and not us"),
            };
            Some(Finding::ok(check, name, whom))
        }
        Err(error) => Some(Finding::error(check, name, error.to_string(), fix)),
    }
}

fn shape(name: &str, status: &SyncStatus, expected: &Expected<'_>) -> Finding {
    let check = Check::SourceStatus;
    match check_shape(status, expected.rollup) {
        Ok(_) => {
            let SyncStatus {
                unsafe_l2,
                safe_l2,
                finalized_l2,
                ..
            } = status;
            let age = ages::shown(ages::since(safe_l2.timestamp, expected.now));
            let detail = format!(
                "unsafe {}, safe {} ({age}), finalized {}",
                unsafe_l2.number, safe_l2.number, finalized_l2.number
            );
            Finding::ok(check, name, detail)
        }
        Err(error @ ShapeError::MissingHead { .. }) => Finding::warning(
            check,
            name,
            error.to_string(),
            "it has just started or never synced: wait until its optimism_syncStatus names a safe block",
        ),
        Err(error) => Finding::error(
            check,
            name,
            error.to_string(),
            "its heads contradict each other or the chain's rules: several backends behind one URL, or another chain",
        ),
    }
}

fn lag(name: &str, status: &SyncStatus, expected: &Expected<'_>) -> Finding {
    let check = Check::SourceLag;
    let theirs = status.head_l1;
    if theirs.is_zero() {
        let fix = "look at the L1 endpoint of the source: it has no L1 head";
        return Finding::error(check, name, "knows no L1 head", fix);
    }
    let Some(ours) = expected.l1_head else {
        let detail = format!("its L1 head is {}; ours is unknown", theirs.number);
        return Finding::info(check, name, detail);
    };
    let numbers = format!("its L1 head is {}, ours {}", theirs.number, ours.number);
    let ahead = Duration::from_secs(theirs.timestamp.saturating_sub(ours.timestamp));
    let lag = source_lag(&ours, &theirs).unwrap_or_default();
    let seconds = |time: Duration| time.as_secs();
    if lag > expected.max_age {
        return Finding::error(
            check,
            name,
            format!(
                "{numbers}: {} s behind, more than --l2.follow.max-age",
                seconds(lag)
            ),
            "the source or its L1 endpoint stands still: look into its log, or follow another one",
        );
    }
    if ahead > expected.max_age {
        return Finding::warning(
            check,
            name,
            format!(
                "{numbers}: our L1 is {} s behind the source's",
                seconds(ahead)
            ),
            "let the node at --l1 catch up: what it has not seen cannot be verified",
        );
    }
    Finding::ok(check, name, numbers)
}

#[cfg(test)]
mod tests;
