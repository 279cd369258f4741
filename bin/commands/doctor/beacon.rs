//! Each beacon by itself, asked for what derivation asks it: whether it is of our L1, and whether it has the blobs of a block that our
//! L1 has.

use super::{
    REQUEST_DEADLINE,
    finding::{Check, Finding, Severity},
    words,
};
use light_node_l1::{BeaconTransport, HttpError, HttpTransport, Transport};
use light_node_protocol::redact_url;
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// The flag that names beacons.
pub(crate) const FLAG: &str = "--l1.beacon";
/// L1 blocks among which one with blobs is looked for. On Ethereum most blocks have some.
const BLOCKS: u64 = 16;
/// Headers of so many blocks, with the hashes of their transactions.
const BLOCKS_LIMIT_BYTES: usize = 4 << 20;
/// Answers of a beacon but those with blobs.
const SMALL_LIMIT_BYTES: usize = 1 << 20;
/// All blobs of a slot.
const BLOBS_LIMIT_BYTES: usize = 34 << 20;
/// Blobs of a slot are megabytes.
const BLOBS_DEADLINE: Duration = Duration::from_secs(5);
/// Gas of one blob, by which a header tells how many there are.
const GAS_PER_BLOB: u64 = 1 << 17;

/// What the L1 says of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) number: u64,
    /// Seconds.
    pub(crate) timestamp: u64,
    /// What the beacon block of its slot calls its parent root.
    pub(crate) parent_root: Option<String>,
    pub(crate) blobs: u64,
}

/// Blocks of the L1 by which beacons are examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Samples {
    /// One below the head, which beacons may not have yet.
    pub(crate) recent: Sample,
    /// The newest one with blobs, if there is one.
    pub(crate) with_blobs: Option<Sample>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Http(HttpError),
    Malformed(String),
}

/// What a beacon said.
#[derive(Clone, Debug)]
pub(crate) struct BeaconFacts {
    pub(crate) endpoint: String,
    /// When its chain began, in seconds.
    pub(crate) genesis_time: Result<u64, Failure>,
    /// The length of its slots; none if it does not tell.
    pub(crate) slot: Option<Duration>,
    /// Of the recent block: its slot, and what stands there.
    pub(crate) recent: Option<(u64, Result<String, Failure>)>,
    /// The slot of its newest block.
    pub(crate) head_slot: Option<u64>,
    /// How many blobs it has of the block with blobs.
    pub(crate) blobs: Option<Result<u64, Failure>>,
}

/// Asks the first L1 endpoint that answers for blocks to examine beacons by.
pub(crate) async fn sample(urls: &[Url]) -> Option<Samples> {
    for url in urls {
        if let Some(samples) = sample_of(url).await {
            return Some(samples);
        }
    }
    None
}

async fn sample_of(url: &Url) -> Option<Samples> {
    let transport = HttpTransport::new(url.clone()).ok()?;
    let latest = blocks(&transport, &[json!("latest")]).await?.pop()?;
    let first = latest.number.saturating_sub(BLOCKS);
    let numbers = first..latest.number;
    let numbers: Vec<_> = numbers
        .map(|number| json!(format!("{number:#x}")))
        .collect();
    let mut all = blocks(&transport, &numbers).await.unwrap_or_default();
    all.sort_by_key(|block| block.number);
    let with_blobs = all.iter().rev().find(|block| block.blobs > 0).cloned();
    let recent = all.pop().unwrap_or(latest);
    Some(Samples { recent, with_blobs })
}

async fn blocks(transport: &HttpTransport, ids: &[Value]) -> Option<Vec<Sample>> {
    if ids.is_empty() {
        return Some(Vec::new());
    }
    let call = |(index, id): (usize, &Value)| json!({ "jsonrpc": "2.0", "id": index, "method": "eth_getBlockByNumber", "params": [id, false] });
    let batch: Vec<_> = ids.iter().enumerate().map(call).collect();
    let body = serde_json::to_vec(&batch).ok()?;
    let posted = Transport::post(transport, body, BLOCKS_LIMIT_BYTES);
    let answer = tokio::time::timeout(REQUEST_DEADLINE, posted).await.ok()?;
    let answers: Vec<Value> = serde_json::from_slice(&answer.ok()?).ok()?;
    answers
        .iter()
        .map(|one| read_block(&one["result"]))
        .collect()
}

fn read_block(block: &Value) -> Option<Sample> {
    let quantity = |field: &str| {
        let digits = block[field].as_str()?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    };
    let parent_root = block["parentBeaconBlockRoot"].as_str();
    Some(Sample {
        number: quantity("number")?,
        timestamp: quantity("timestamp")?,
        parent_root: parent_root.map(str::to_lowercase),
        blobs: quantity("blobGasUsed").unwrap_or_default() / GAS_PER_BLOB,
    })
}

/// Asks one beacon. `slot` is the length of slots that the flags give.
pub(crate) async fn ask(
    url: Url,
    slot: Option<Duration>,
    samples: Option<&Samples>,
) -> BeaconFacts {
    let endpoint = redact_url(&url);
    let mut facts = BeaconFacts {
        endpoint,
        genesis_time: Err(Failure::Malformed(String::new())),
        slot,
        recent: None,
        head_slot: None,
        blobs: None,
    };
    let transport = match HttpTransport::new(url) {
        Ok(transport) => transport,
        Err(cause) => {
            facts.genesis_time = Err(Failure::Http(HttpError::Connect { cause }));
            return facts;
        }
    };
    let genesis = get(&transport, "/eth/v1/beacon/genesis").await;
    facts.genesis_time = genesis.and_then(|page| number(&page["data"]["genesis_time"]));
    let Ok(genesis_time) = facts.genesis_time else {
        return facts;
    };
    if facts.slot.is_none() {
        let spec = get(&transport, "/eth/v1/config/spec").await;
        facts.slot = spec.ok().and_then(|page| slot_duration(&page["data"]));
    }
    let (Some(samples), Some(duration)) = (samples, facts.slot) else {
        return facts;
    };
    if let Some(slot) = slot_at(genesis_time, duration, samples.recent.timestamp) {
        facts.recent = Some((slot, parent_root(&transport, slot).await));
        let head = get(&transport, "/eth/v1/beacon/headers/head").await;
        let head = head.and_then(|page| number(&page["data"]["header"]["message"]["slot"]));
        facts.head_slot = head.ok();
    }
    if let Some(sample) = &samples.with_blobs
        && let Some(slot) = slot_at(genesis_time, duration, sample.timestamp)
    {
        facts.blobs = Some(count_blobs(&transport, slot).await);
    }
    facts
}

async fn parent_root(transport: &HttpTransport, slot: u64) -> Result<String, Failure> {
    let page = get(transport, &format!("/eth/v1/beacon/headers/{slot}")).await?;
    let root = page["data"]["header"]["message"]["parent_root"].as_str();
    let malformed = || Failure::Malformed("a header without parent root".to_owned());
    root.map(str::to_lowercase).ok_or_else(malformed)
}

async fn count_blobs(transport: &HttpTransport, slot: u64) -> Result<u64, Failure> {
    let ask = async |path: String| {
        let got = BeaconTransport::get(transport, &path, BLOBS_LIMIT_BYTES);
        let page = page(
            tokio::time::timeout(BLOBS_DEADLINE, got).await,
            BLOBS_DEADLINE,
        )?;
        let blobs = page["data"].as_array().map(|blobs| blobs.len() as u64);
        blobs.ok_or_else(|| Failure::Malformed("an answer without blobs".to_owned()))
    };
    match ask(format!("/eth/v1/beacon/blobs/{slot}")).await {
        // It may be an older one.
        Err(failure) => {
            let older = ask(format!("/eth/v1/beacon/blob_sidecars/{slot}")).await;
            older.map_err(|_| failure)
        }
        counted => counted,
    }
}

async fn get(transport: &HttpTransport, path: &str) -> Result<Value, Failure> {
    let got = BeaconTransport::get(transport, path, SMALL_LIMIT_BYTES);
    let answer = tokio::time::timeout(REQUEST_DEADLINE, got).await;
    page(answer, REQUEST_DEADLINE)
}

fn page<E>(
    answer: Result<Result<Vec<u8>, HttpError>, E>,
    deadline: Duration,
) -> Result<Value, Failure> {
    let body = answer
        .unwrap_or(Err(HttpError::Timeout { deadline }))
        .map_err(Failure::Http)?;
    serde_json::from_slice(&body).map_err(|error| Failure::Malformed(error.to_string()))
}

fn number(value: &Value) -> Result<u64, Failure> {
    let parsed = value.as_str().and_then(|decimal| decimal.parse().ok());
    parsed.ok_or_else(|| Failure::Malformed("an answer of no beacon API".to_owned()))
}

fn slot_duration(spec: &Value) -> Option<Duration> {
    let millis = number(&spec["SLOT_DURATION_MS"]).map(Duration::from_millis);
    let duration = millis.or_else(|_| number(&spec["SECONDS_PER_SLOT"]).map(Duration::from_secs));
    duration.ok().filter(|duration| !duration.is_zero())
}

/// The slot that begins at `time`, if one does: a block's time is in whole seconds, where its slot may begin within one.
fn slot_at(genesis_time: u64, duration: Duration, time: u64) -> Option<u64> {
    let millis = u128::from(time.checked_sub(genesis_time)?) * 1000;
    let each = duration.as_millis();
    let slot = millis.div_ceil(each);
    let begins = slot * each - millis < 1000;
    begins.then(|| u64::try_from(slot).ok())?
}

/// Judges all beacons. One that is down or lacks blobs is a warning as long as another is good: then it is asked.
pub(crate) fn judge_all(all: &[BeaconFacts], samples: Option<&Samples>) -> Vec<Finding> {
    let judged: Vec<Vec<Finding>> = all.iter().map(|facts| judge(facts, samples)).collect();
    let is_good = |findings: &Vec<Finding>| {
        let mut findings = findings.iter();
        findings.all(|finding| finding.severity < Severity::Error)
    };
    let any_good = judged.iter().any(is_good);
    let mut findings: Vec<_> = judged.into_iter().flatten().collect();
    for finding in &mut findings {
        // Another chain is a mistake in the configuration, and is not excused.
        let may_pass = finding.check != Check::BeaconChain;
        if any_good && may_pass && finding.severity == Severity::Error {
            finding.severity = Severity::Warning;
            finding.detail += " (another beacon works)";
        }
    }
    findings
}

fn judge(facts: &BeaconFacts, samples: Option<&Samples>) -> Vec<Finding> {
    let name = facts.endpoint.as_str();
    let genesis_time = match &facts.genesis_time {
        Ok(time) => *time,
        Err(failure) => return vec![unreachable(name, failure)],
    };
    let mut findings = vec![Finding::ok(Check::BeaconReachable, name, "answers")];
    let Some(samples) = samples else {
        let detail = "not compared: no endpoint of --l1 gave a block to compare it with";
        findings.push(Finding::info(Check::BeaconChain, name, detail));
        return findings;
    };
    let chain = chain(facts, genesis_time, &samples.recent);
    let is_ours = chain.severity < Severity::Error;
    findings.push(chain);
    if is_ours {
        findings.push(blobs(facts, samples));
    }
    findings
}

fn unreachable(name: &str, failure: &Failure) -> Finding {
    match failure {
        Failure::Http(HttpError::Status { status: 404, .. }) | Failure::Malformed(_) => {
            let detail = match failure {
                Failure::Malformed(cause) => cause.clone(),
                Failure::Http(error) => error.to_string(),
            };
            let fix = "point --l1.beacon at the REST API of an L1 beacon node (its port 5052 or 3500), not at its execution node";
            Finding::error(Check::BeaconAnswer, name, detail, fix)
        }
        Failure::Http(error) => {
            let fix = words::remedy(error, FLAG);
            Finding::error(Check::BeaconReachable, name, error.to_string(), fix)
        }
    }
}

fn chain(facts: &BeaconFacts, genesis_time: u64, sample: &Sample) -> Finding {
    let (name, check, number) = (facts.endpoint.as_str(), Check::BeaconChain, sample.number);
    let fix = "point --l1.beacon at a beacon node of the L1 that --l1 leads to";
    let Some(duration) = facts.slot else {
        let detail = "it does not tell how long its slots are (config/spec)";
        let fix = "give the time between two L1 blocks as --l1.slot-duration";
        return Finding::error(check, name, detail, fix);
    };
    let Some((slot, root)) = &facts.recent else {
        let detail = format!(
            "its chain began at {genesis_time} with slots of {duration:?}, and L1 block {number} of {} begins none of them",
            sample.timestamp
        );
        let fix = format!("{fix}; or correct --l1.slot-duration");
        return Finding::error(check, name, detail, fix);
    };
    match (root, &sample.parent_root) {
        (Ok(root), Some(expected)) if root == expected => {
            Finding::ok(check, name, format!("has L1 block {number} in slot {slot}"))
        }
        (Ok(_), Some(_)) => {
            let detail = format!("its slot {slot} has another block than L1 block {number}");
            Finding::error(check, name, detail, fix)
        }
        (Ok(_), None) => {
            let detail = format!("has a block in slot {slot}, as the L1 has");
            Finding::ok(check, name, detail)
        }
        (Err(failure), _) => without_header(facts, *slot, number, failure),
    }
}

fn without_header(facts: &BeaconFacts, slot: u64, number: u64, failure: &Failure) -> Finding {
    let (name, check) = (facts.endpoint.as_str(), Check::BeaconChain);
    let is_unknown = matches!(
        failure,
        Failure::Http(HttpError::Status { status: 404, .. })
    );
    match facts.head_slot {
        Some(head) if head < slot => {
            let detail =
                format!("its head is slot {head}, and L1 block {number} is in slot {slot}");
            let fix = "let the beacon node catch up, or name another --l1.beacon before it";
            Finding::warning(check, name, detail, fix)
        }
        Some(_) if is_unknown => {
            let detail = format!("it has no block in slot {slot}, where the L1 has block {number}");
            let fix = "point --l1.beacon at a beacon node of the L1 that --l1 leads to";
            Finding::error(check, name, detail, fix)
        }
        // Services that archive blobs serve nothing else.
        _ => Finding::info(
            check,
            name,
            "serves no headers, so that its genesis time alone tells its chain",
        ),
    }
}

fn blobs(facts: &BeaconFacts, samples: &Samples) -> Finding {
    let (name, check) = (facts.endpoint.as_str(), Check::BeaconBlobs);
    let fix = "let it keep all blobs (a supernode, or one that is not checkpoint-synced past them), or name another --l1.beacon";
    let (Some(sample), Some(counted)) = (&samples.with_blobs, &facts.blobs) else {
        let detail = format!("not asked: none of the last {BLOCKS} L1 blocks has blobs");
        return Finding::info(check, name, detail);
    };
    let (number, all) = (sample.number, sample.blobs);
    match counted {
        Ok(count) if *count >= all => Finding::ok(
            check,
            name,
            format!("has the {all} blobs of L1 block {number}"),
        ),
        Ok(count) => {
            let detail = format!("has {count} of the {all} blobs of L1 block {number}");
            Finding::error(check, name, detail, fix)
        }
        Err(Failure::Http(error)) => {
            let detail = format!("has not got the blobs of L1 block {number}: {error}");
            Finding::error(check, name, detail, fix)
        }
        Err(Failure::Malformed(cause)) => {
            let detail = format!("has not got the blobs of L1 block {number}: {cause}");
            Finding::error(check, name, detail, fix)
        }
    }
}

#[cfg(test)]
mod tests;
