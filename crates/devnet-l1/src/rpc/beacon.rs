//! The beacon API, as far as a rollup node asks for blobs: version, genesis, slot length, the blobs of a slot, and of its header
//! what tells whose slot it is. There is no beacon chain, so everything that would need its roots or signatures (blob sidecars)
//! answers 404.

use super::{Answer, CLIENT_VERSION, Server, connection::Cutter, under_fault};
use crate::{
    fault::{BeaconQuestion, FaultKind},
    l1::EmbeddedL1,
};
use alloy_primitives::{B256, hex, keccak256};
use axum::{
    Router,
    extract::{ConnectInfo, RawQuery, State},
    http::{StatusCode, Uri},
    response::Response,
    routing::get,
};
use light_node_devnet_fault::Met;
use serde_json::{Value, json};

/// Most versioned hashes of one request. A block holds nine blobs.
const MAX_HASHES: usize = 64;

/// Path of the blobs of a slot.
const BLOBS: &str = "/eth/v1/beacon/blobs/";

/// Path of the header of a slot, or of the newest one.
const HEADERS: &str = "/eth/v1/beacon/headers/";

/// Everything under `/eth`.
pub(super) fn routes() -> Router<Server> {
    Router::new().route("/eth/{*path}", get(handle))
}

async fn handle(
    State(server): State<Server>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    let met = server.l1.faults().take_for_beacon(question(uri.path()));
    let answer = || {
        let query = query.as_deref().unwrap_or_default();
        let answer = route(&server.l1, uri.path(), query);
        let answer = answer.and_then(|answer| spoil_blobs(answer, met));
        answer.unwrap_or_else(refused)
    };
    under_fault(&server, &cutter, met, answer).await
}

fn question(path: &str) -> BeaconQuestion {
    match path.strip_prefix(HEADERS) {
        // The newest block is there, whatever becomes of others.
        Some("head") => BeaconQuestion::Other,
        Some(_) => BeaconQuestion::Header,
        None if path.starts_with(BLOBS) => BeaconQuestion::Blobs,
        None => BeaconQuestion::Other,
    }
}

/// Why a request has no answer: a status and a message in the form of the beacon API.
type Refused = (StatusCode, String);

fn refused((status, message): Refused) -> Answer {
    let body = json!({ "code": status.as_u16(), "message": message });
    Answer { status, body }
}

fn not_found(message: &str) -> Refused {
    (StatusCode::NOT_FOUND, message.to_owned())
}

fn route(l1: &EmbeddedL1, path: &str, query: &str) -> Result<Answer, Refused> {
    let body = match path {
        "/eth/v1/node/version" => json!({ "data": { "version": CLIENT_VERSION } }),
        "/eth/v1/beacon/genesis" => genesis(l1),
        "/eth/v1/config/spec" => spec(l1),
        path => {
            if let Some(id) = path.strip_prefix(HEADERS) {
                header(l1, id)?
            } else if let Some(id) = path.strip_prefix(BLOBS) {
                blobs(l1, id, query)?
            } else {
                return Err(not_found("this L1 has no such endpoint"));
            }
        }
    };
    Ok(Answer::ok(body))
}

/// Lets an answer with blobs meet what goes wrong with blobs.
fn spoil_blobs(mut answer: Answer, met: Option<Met<FaultKind>>) -> Result<Answer, Refused> {
    let Some(met) = met.filter(|met| met.kind.is_of_blobs()) else {
        return Ok(answer);
    };
    let blobs = answer.body.get_mut("data").and_then(Value::as_array_mut);
    match (met.kind, blobs) {
        (FaultKind::MissedSlot, _) => return Err(not_found("block not found")),
        (FaultKind::WithheldBlobs, Some(blobs)) => {
            let all = blobs.len();
            let withheld = met.amount.and_then(|amount| usize::try_from(amount).ok());
            blobs.drain(..withheld.unwrap_or(all).min(all));
        }
        (_, Some(blobs)) => {
            for blob in blobs {
                // Still field elements, but others.
                let text = blob.as_str().unwrap_or_default();
                let end = if text.ends_with('0') { "1" } else { "0" };
                let other = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
                *blob = Value::String(format!("{other}{end}"));
            }
        }
        (_, None) => {}
    }
    Ok(answer)
}

fn genesis(l1: &EmbeddedL1) -> Value {
    let time = l1.with_chain(|chain| chain.config().genesis_time);
    json!({ "data": {
        "genesis_time": time.to_string(),
        "genesis_validators_root": B256::ZERO,
        "genesis_fork_version": "0x00000000",
    } })
}

fn spec(l1: &EmbeddedL1) -> Value {
    let slot = l1.with_chain(|chain| chain.config().block_time);
    json!({ "data": {
        "SECONDS_PER_SLOT": slot.as_secs().to_string(),
        "SLOT_DURATION_MS": slot.as_millis().to_string(),
    } })
}

/// Slot and parent root of a beacon block, which the execution block of the slot names, too.
fn header(l1: &EmbeddedL1, id: &str) -> Result<Value, Refused> {
    let block = l1.with_chain(|chain| {
        let slot = match id {
            "head" => chain.head().slot(),
            slot => slot.parse().ok()?,
        };
        chain.block_at_slot(slot).cloned()
    });
    let block = block.ok_or_else(|| not_found("block not found"))?;
    let parent_root = block.header().parent_beacon_block_root.unwrap_or_default();
    Ok(json!({ "execution_optimistic": false, "data": {
        // What its child names as the root of its parent.
        "root": keccak256(block.hash()),
        "canonical": true,
        "header": { "message": {
            "slot": block.slot().to_string(),
            "proposer_index": "0",
            "parent_root": parent_root,
            "state_root": B256::ZERO,
            "body_root": B256::ZERO,
        } },
    } }))
}

/// The blobs of a block, in block order: those that are asked for, or all.
fn blobs(l1: &EmbeddedL1, id: &str, query: &str) -> Result<Value, Refused> {
    let mut wanted = versioned_hashes(query)?;
    let found = l1.with_chain(|chain| {
        let slot = match id {
            "head" => chain.head().slot(),
            "genesis" => 0,
            slot => slot.parse().ok()?,
        };
        let finalized = chain.heads().finalized;
        let finalized_slot = finalized
            .and_then(|block| chain.block_by_hash(block.hash))
            .map_or(0, |block| block.slot());
        Some((slot <= finalized_slot, chain.blobs_at_slot(slot)?))
    });
    let (is_finalized, mut blobs) = found.ok_or_else(|| not_found("block not found"))?;
    if !wanted.is_empty() {
        // A blob may stand in a block twice. Clients count: as many come back as were asked for.
        blobs.retain(|(hash, _)| {
            let asked = wanted.iter().position(|one| one == hash);
            asked.map(|index| wanted.swap_remove(index)).is_some()
        });
    }
    let data: Vec<String> = blobs
        .iter()
        .map(|(_, blob)| hex::encode_prefixed(blob.as_slice()))
        .collect();
    Ok(json!({ "execution_optimistic": false, "finalized": is_finalized, "data": data }))
}

/// The `versioned_hashes` of a query: the parameter repeated, its values joined by commas, or both.
fn versioned_hashes(query: &str) -> Result<Vec<B256>, Refused> {
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    let values = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == "versioned_hashes")
        .map(|(_, value)| value.replace("%2C", ",").replace("%2c", ","));
    let mut hashes = Vec::new();
    for value in values {
        for hash in value.split(',').filter(|hash| !hash.is_empty()) {
            if hashes.len() == MAX_HASHES {
                return Err(bad(format!("more than {MAX_HASHES} versioned hashes")));
            }
            let hash = hash
                .parse()
                .map_err(|cause| bad(format!("malformed versioned hash: {cause}")))?;
            hashes.push(hash);
        }
    }
    Ok(hashes)
}
