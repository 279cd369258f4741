//! The execution layer, asked with reads alone: the node may be running on it.

use super::{
    REQUEST_DEADLINE, ages,
    clock::{self, Stake},
    finding::{Check, Finding},
    words,
};
use crate::commands::http::{self, Answer, Route};
use light_node_engine_api::{
    ElBlock, ElDeadlines, ElError, ElReader, ElSyncing, HttpEngine, HttpEngineConfig, JwtRefusal,
    JwtSource,
};
use light_node_l1::HttpError;
use light_node_protocol::{BlockNumHash, L2BlockRef, RollupConfig, redact_url};
use serde_json::Value;
use std::{path::PathBuf, sync::Arc, time::SystemTime};
use url::Url;

/// What asking without a token brought.
pub(crate) type WithoutToken = Result<Answer, HttpError>;

/// What the execution layer said.
#[derive(Debug)]
pub(crate) struct ElFacts {
    pub(crate) endpoint: String,
    /// `eth_chainId`, as anybody may ask it on the plain port and nobody on the authenticated one.
    pub(crate) without_token: WithoutToken,
    /// Where that was answered: whether `engine_*` exists there.
    pub(crate) serves_engine: Option<bool>,
    /// None if there is no client, because there is no secret.
    pub(crate) with_token: Option<Authenticated>,
}

/// What it said to us alone.
#[derive(Debug)]
pub(crate) struct Authenticated {
    reader: HttpEngine,
    pub(crate) chain_id: Result<u64, ElError>,
    pub(crate) details: Option<Details>,
}

/// What is asked once it is clear that it answers.
#[derive(Debug)]
pub(crate) struct Details {
    pub(crate) genesis: Result<Option<ElBlock>, ElError>,
    /// latest, safe, finalized
    pub(crate) heads: [Result<Option<ElBlock>, ElError>; 3],
    pub(crate) syncing: Result<ElSyncing, ElError>,
    pub(crate) client: Option<String>,
    /// None where it does not say: op-reth and op-geth serve `net_peerCount` at their plain port alone.
    pub(crate) peers: Option<u64>,
}

/// What it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) rollup: &'a RollupConfig,
    /// The node would build from L1 what the execution layer lacks.
    pub(crate) derives: bool,
    pub(crate) now: SystemTime,
}

/// Asks all at once, then what depends on it.
pub(crate) async fn ask(url: Url, jwt: Option<PathBuf>, rollup: Arc<RollupConfig>) -> ElFacts {
    let endpoint = redact_url(&url);
    let genesis = rollup.genesis.l2;
    let engine = jwt.and_then(|file| {
        let config = HttpEngineConfig {
            url: url.clone(),
            jwt: JwtSource::File(file),
            rollup_config: rollup,
            deadlines: ElDeadlines {
                read: REQUEST_DEADLINE,
                ..ElDeadlines::default()
            },
        };
        // A bad secret or URL has its finding already.
        HttpEngine::new(config).ok()
    });
    let with_token = async {
        let engine = engine?;
        let chain_id = engine.chain_id().await;
        let details = match chain_id {
            Ok(_) => Some(details(&engine, genesis).await),
            Err(_) => None,
        };
        Some(Authenticated {
            reader: engine,
            chain_id,
            details,
        })
    };
    let (with_token, (without_token, serves_engine)) = tokio::join!(with_token, plain(&url));
    ElFacts {
        endpoint,
        without_token,
        serves_engine,
        with_token,
    }
}

async fn plain(url: &Url) -> (WithoutToken, Option<bool>) {
    let post = |method: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#);
        http::post(url.clone(), Route::Direct, body, REQUEST_DEADLINE)
    };
    let without_token = post("eth_chainId").await;
    if !matches!(&without_token, Ok(answer) if answer.status == 200) {
        return (without_token, None);
    }
    // It reads, and every execution layer has it where it has the Engine API at all.
    let serves_engine = match post("engine_exchangeCapabilities").await {
        Ok(answer) if answer.status == 200 => serde_json::from_slice(&answer.body)
            .ok()
            .map(|answer: Value| answer["error"]["code"] != ElError::METHOD_NOT_FOUND),
        _ => None,
    };
    (without_token, serves_engine)
}

async fn details(engine: &HttpEngine, genesis: BlockNumHash) -> Details {
    let block = |id: alloy_eips::BlockId| engine.block(id);
    let (genesis, latest, safe, finalized, syncing, client, peers) = tokio::join!(
        block(genesis.number.into()),
        block(alloy_eips::BlockId::latest()),
        block(alloy_eips::BlockId::safe()),
        block(alloy_eips::BlockId::finalized()),
        engine.syncing(),
        tokio::time::timeout(REQUEST_DEADLINE, engine.client_version()),
        engine.peer_count(),
    );
    Details {
        genesis,
        heads: [latest, safe, finalized],
        syncing,
        client: client.ok().and_then(Result::ok).flatten(),
        peers: peers.ok(),
    }
}

impl ElFacts {
    /// Time (seconds) of the block from which derivation goes on, if it is known.
    pub(crate) fn derives_from(&self) -> Option<u64> {
        let details = self.with_token.as_ref()?.details.as_ref()?;
        let [_, safe, finalized] = &details.heads;
        let label = |head: &Result<Option<ElBlock>, ElError>| head.as_ref().ok().copied().flatten();
        let block = label(safe).or_else(|| label(finalized))?;
        Some(block.block_ref.timestamp)
    }

    /// Whether it has the block that the source calls finalized.
    pub(crate) async fn compare_with(&self, finalized: L2BlockRef) -> Option<Finding> {
        let with_token = self.with_token.as_ref()?;
        let latest = with_token.details.as_ref()?.heads[0]
            .as_ref()
            .ok()?
            .as_ref()?;
        if finalized.is_zero() || finalized.number > latest.block_ref.number {
            return None;
        }
        let block = with_token.reader.block(finalized.number.into()).await;
        Some(same_block(
            &self.endpoint,
            finalized,
            block.ok()??.block_ref,
        ))
    }
}

/// Judges the block at the height of the source's finalized block.
pub(crate) fn same_block(name: &str, theirs: L2BlockRef, ours: L2BlockRef) -> Finding {
    let number = theirs.number;
    if ours.hash == theirs.hash {
        let detail = format!("has the source's finalized block {number}");
        return Finding::ok(Check::ElFinalized, name, detail);
    }
    Finding::error(
        Check::ElFinalized,
        name,
        format!(
            "its block {number} is {}, the source's finalized block is {}",
            ours.hash, theirs.hash
        ),
        "one of them left the chain: compare with a third node; if it is the execution layer, give it a fresh data directory",
    )
}

/// Judges what was said.
pub(crate) fn judge(facts: &ElFacts, expected: Expected<'_>) -> Vec<Finding> {
    let name = facts.endpoint.as_str();
    let mut findings = vec![reachable(name, facts)];
    if facts.without_token.is_ok() {
        findings.extend(engine_port(name, facts));
    }
    if let Some(with_token) = &facts.with_token {
        let is_guarded = matches!(&facts.without_token, Ok(answer) if answer.status != 200);
        findings.extend(token(name, is_guarded, &with_token.chain_id));
        if let Ok(chain_id) = with_token.chain_id {
            findings.push(chain(name, chain_id, expected.rollup));
        }
        // Of another chain, the rest is only the consequence.
        let is_ours = with_token.chain_id == Ok(expected.rollup.l2_chain_id);
        if let Some(details) = with_token.details.as_ref().filter(|_| is_ours) {
            findings.extend(judge_details(name, details, expected));
        }
    }
    if let Ok(answer) = &facts.without_token {
        findings.extend(clock::judge(name, Stake::Tokens, answer.clock));
    }
    findings
}

fn reachable(name: &str, facts: &ElFacts) -> Finding {
    match &facts.without_token {
        Ok(_) => Finding::ok(Check::ElReachable, name, "answers"),
        Err(error @ HttpError::Connect { cause }) if !words::is_of_tls(cause) => Finding::error(
            Check::ElReachable,
            name,
            error.to_string(),
            "start the execution layer, or point --l2 at its authenticated port (--authrpc.addr, --authrpc.port, usually 8551); \
             in a container it must listen on more than 127.0.0.1",
        ),
        Err(error) => Finding::error(
            Check::ElReachable,
            name,
            error.to_string(),
            words::remedy(error, "--l2"),
        ),
    }
}

/// Is it the port of the Engine API?
fn engine_port(name: &str, facts: &ElFacts) -> Option<Finding> {
    let check = Check::ElEnginePort;
    let answer = facts.without_token.as_ref().ok()?;
    Some(match (answer.status, facts.serves_engine) {
        (401 | 403, _) => Finding::ok(check, name, "asks for a token, as the Engine API does"),
        (200, Some(true)) => Finding::warning(
            check,
            name,
            "serves the Engine API to everybody, without a token",
            "whoever reaches this port steers the execution layer: serve it with --authrpc.jwtsecret",
        ),
        (200, _) => Finding::error(
            check,
            name,
            "answers without a token and serves no engine_*: this is the public RPC port",
            "point --l2 at the authenticated port of the execution layer (--authrpc.port, usually 8551)",
        ),
        (status, _) => Finding::error(
            check,
            name,
            format!("answers with HTTP {status}, as no Engine API does"),
            "point --l2 at the authenticated port of the execution layer (--authrpc.port, usually 8551)",
        ),
    })
}

/// Does it accept our secret, and answer?
fn token(name: &str, is_guarded: bool, chain_id: &Result<u64, ElError>) -> Option<Finding> {
    let error = match chain_id {
        Ok(_) if is_guarded => return Some(Finding::ok(Check::ElJwt, name, "accepts our secret")),
        Ok(_) => return None,
        Err(error) => error,
    };
    match error {
        // Said already.
        ElError::Transport { .. } | ElError::Timeout { .. } if !is_guarded => None,
        ElError::Unauthorized(refusal) => Some(refused(name, refusal)),
        error => Some(Finding::error(
            Check::ElAnswer,
            name,
            error.to_string(),
            "point --l2 at op-reth or op-geth, with nothing between that rewrites answers; its log may say more",
        )),
    }
}

fn refused(name: &str, refusal: &JwtRefusal) -> Finding {
    let fix = if refusal.status == 403 {
        "if the secrets are the same: op-geth answers 403 to a host name that --authrpc.vhosts does not list"
    } else {
        "give both the same file: --l2.jwt-secret here, --authrpc.jwtsecret there; then restart the execution layer, which reads it \
         once"
    };
    Finding::error(Check::ElJwt, name, refusal.to_string(), fix)
}

fn chain(name: &str, chain_id: u64, rollup: &RollupConfig) -> Finding {
    let expected = rollup.l2_chain_id;
    if chain_id == expected {
        return Finding::ok(Check::ElChainId, name, format!("chain {chain_id}"));
    }
    Finding::error(
        Check::ElChainId,
        name,
        format!("runs chain {chain_id}, expected {expected}"),
        "point --l2 at an execution layer of the chain that --network or --rollup.config names, or correct these",
    )
}

fn judge_details(name: &str, details: &Details, expected: Expected<'_>) -> Vec<Finding> {
    let mut findings = vec![genesis(name, &details.genesis, expected.rollup)];
    let client = details.client.as_deref().unwrap_or("does not name itself");
    findings.push(Finding::info(Check::ElClient, name, client));
    findings.push(match &details.syncing {
        Ok(ElSyncing::Idle) => {
            Finding::ok(Check::ElSync, name, "eth_syncing says that no sync runs")
        }
        Ok(ElSyncing::Syncing {
            current, highest, ..
        }) => {
            let detail = if highest > current {
                format!("eth_syncing: block {current} of {highest}")
            } else {
                format!("eth_syncing: block {current}, and names no target")
            };
            Finding::info(Check::ElSync, name, detail)
        }
        Err(error) => Finding::warning(
            Check::ElSync,
            name,
            error.to_string(),
            "serve eth_syncing on the authenticated port",
        ),
    });
    findings.extend(peers(name, details.peers, expected.derives));
    // Of another chain, the rest is only the consequence.
    if !matches!(details.genesis, Err(ElError::WrongGenesis { .. })) {
        findings.push(heads(name, details, expected.now));
    }
    findings
}

fn genesis(name: &str, said: &Result<Option<ElBlock>, ElError>, rollup: &RollupConfig) -> Finding {
    let check = Check::ElGenesis;
    let BlockNumHash { number, hash } = rollup.genesis.l2;
    match said {
        Ok(Some(block)) if block.block_ref.hash == hash => {
            Finding::ok(check, name, format!("block {number} is {hash}"))
        }
        Ok(Some(ElBlock { block_ref, .. })) => {
            let detail = format!("its block {number} is {}, expected {hash}", block_ref.hash);
            wrong_genesis(name, detail)
        }
        Err(ElError::WrongGenesis { actual, .. }) => wrong_genesis(
            name,
            format!("its block {number} is {actual}, expected {hash}"),
        ),
        Ok(None) => Finding::warning(
            check,
            name,
            format!("has no block {number}"),
            "initialise it with the genesis file of the chain, or let it sync one",
        ),
        Err(error) => Finding::error(
            check,
            name,
            error.to_string(),
            "its blocks are not those of an OP Stack chain: point --l2 at op-reth or op-geth",
        ),
    }
}

fn wrong_genesis(name: &str, detail: String) -> Finding {
    let fix = "start the execution layer with the genesis file of this chain, on a fresh data directory, or correct --rollup.config";
    Finding::error(Check::ElGenesis, name, detail, fix)
}

/// Every block comes from its peers. Those that it has may still be of no use: only none at all is a finding.
fn peers(name: &str, count: Option<u64>, derives: bool) -> Option<Finding> {
    let check = Check::ElPeers;
    Some(match count? {
        0 if derives => Finding::info(
            check,
            name,
            "has no peers: all its blocks are built from L1",
        ),
        0 => Finding::warning(
            check,
            name,
            "has no peers: it fetches every block from them, because light-node hands out none",
            "start it without --nodiscover and --maxpeers=0 (op-reth: --disable-discovery), give it --bootnodes of the chain, and let \
             port 30303 through (tcp and udp)",
        ),
        count => Finding::ok(check, name, format!("{count} peers")),
    })
}

/// Old heads are no fault: an execution layer stands still while no node drives it.
fn heads(name: &str, details: &Details, now: SystemTime) -> Finding {
    let shown = |said: &Result<Option<ElBlock>, ElError>| match said {
        Ok(Some(block)) => block.block_ref.number.to_string(),
        Ok(None) => "none".to_owned(),
        Err(_) => "?".to_owned(),
    };
    let [latest, safe, finalized] = &details.heads;
    let labels = format!("safe {}, finalized {}", shown(safe), shown(finalized));
    match latest {
        Ok(Some(block)) => {
            let L2BlockRef {
                number,
                hash,
                timestamp,
                ..
            } = block.block_ref;
            let age = ages::shown(ages::since(timestamp, now));
            Finding::info(
                Check::ElHeads,
                name,
                format!("latest {number} {hash}, {age}; {labels}"),
            )
        }
        Ok(None) => Finding::warning(
            Check::ElHeads,
            name,
            "has no latest block",
            "initialise it with the genesis file of the chain",
        ),
        Err(error) => Finding::error(
            Check::ElHeads,
            name,
            error.to_string(),
            "its blocks do not decode as those of this chain: is it another chain, or damaged?",
        ),
    }
}

#[cfg(test)]
mod tests;
