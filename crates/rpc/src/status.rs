//! `/status`: where the node stands, as JSON for people and scripts. Everything is read from memory.

use crate::{context::RpcContext, readiness};
use light_node_engine::{ElSyncState, EngineState, EngineStatus};
use light_node_follow::{FollowStatus, IdentityVerdict};
use light_node_l1::{EndpointVerdict, L1Status};
use light_node_protocol::SyncStatus;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) fn status(context: &RpcContext) -> Value {
    let peers = &context.peers;
    let heads = peers.sync_status();
    let follow = peers.follow.status();
    let reasons = readiness::not_ready(peers);
    json!({
        "version": context.version,
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "chain": {
            "l1_chain_id": peers.rollup_config.l1_chain_id,
            "l2_chain_id": peers.rollup_config.l2_chain_id,
        },
        "heads": heads,
        "lags": lags(&heads, follow.reported.as_ref(), now_seconds()),
        "execution_layer": execution_layer(&peers.engine.state(), &peers.engine.status()),
        "source": source(&follow),
        "l1": l1(&peers.l1.status()),
    })
}

/// How far our heads lie behind the clock, in seconds, and behind the source's, in blocks. Unknown heads have no lag.
fn lags(heads: &SyncStatus, source: Option<&SyncStatus>, now: u64) -> Value {
    let age = |known: bool, timestamp: u64| known.then(|| now.saturating_sub(timestamp));
    let behind = |ours: u64, theirs: Option<u64>| theirs.map(|theirs| theirs.saturating_sub(ours));
    json!({
        "l1_head_seconds": age(!heads.head_l1.is_zero(), heads.head_l1.timestamp),
        "unsafe_seconds": age(!heads.unsafe_l2.is_zero(), heads.unsafe_l2.timestamp),
        "safe_seconds": age(!heads.safe_l2.is_zero(), heads.safe_l2.timestamp),
        "finalized_seconds": age(!heads.finalized_l2.is_zero(), heads.finalized_l2.timestamp),
        "unsafe_behind_source_blocks":
            behind(heads.unsafe_l2.number, source.map(|source| source.unsafe_l2.number)),
        "safe_behind_source_blocks":
            behind(heads.safe_l2.number, source.map(|source| source.safe_l2.number)),
        "finalized_behind_source_blocks":
            behind(heads.finalized_l2.number, source.map(|source| source.finalized_l2.number)),
    })
}

fn execution_layer(state: &EngineState, status: &EngineStatus) -> Value {
    let queue: Map<String, Value> = status
        .queue()
        .map(|(lane, waiting)| (lane.to_owned(), waiting.into()))
        .collect();
    json!({
        "client": status.el_version,
        "answering": status.is_answering(),
        "failing_seconds": status.failing_age().map(seconds),
        "last_error": status.last_error,
        "state": match state.el_sync {
            ElSyncState::Unknown => "unknown",
            ElSyncState::Synced => "synced",
            ElSyncState::Syncing => "syncing",
            ElSyncState::LostBlocks => "lost_blocks",
        },
        "target": state.target.map(|target| json!({ "number": target.number, "hash": target.hash })),
        "target_age_seconds": status.target_age().map(seconds),
        "epoch": state.epoch,
        "last_follow_case": status.last_follow_case.map(|case| case.name()),
        "buffered_payloads": status.buffered_payloads,
        "buffered_bytes": status.buffered_bytes,
        "queue": queue,
    })
}

fn source(follow: &FollowStatus) -> Value {
    let polls: Map<String, Value> = follow
        .counters
        .iter()
        .map(|(outcome, count)| (outcome.name().to_owned(), count.into()))
        .collect();
    json!({
        "endpoint": follow.source,
        "identity": match follow.identity {
            IdentityVerdict::Unchecked => "unchecked",
            IdentityVerdict::Verified => "verified",
            IdentityVerdict::Unverified => "unverified",
            IdentityVerdict::Refused => "refused",
        },
        "trouble": follow.trouble.as_ref().map(ToString::to_string),
        "last_poll": follow.last_outcome.map(|outcome| outcome.name()),
        "answer_age_seconds": follow.answer_age.map(seconds),
        "in_step_age_seconds": follow.in_step_age.map(seconds),
        "l1_lag_seconds": follow.source_lag.map(seconds),
        "heads": follow.reported,
        "polls": polls,
    })
}

fn l1(status: &L1Status) -> Value {
    let endpoints: Vec<Value> = status
        .endpoints
        .iter()
        .map(|endpoint| {
            json!({
                "endpoint": endpoint.endpoint,
                "verdict": match &endpoint.verdict {
                    EndpointVerdict::Unchecked => "unchecked",
                    EndpointVerdict::Verified => "verified",
                    EndpointVerdict::WrongChain { .. } => "wrong_chain",
                },
                "last_error": endpoint.last_error,
            })
        })
        .collect();
    json!({
        "active": status.active,
        "reachable": status.reachable,
        "last_success_age_seconds": status.last_success_age.map(seconds),
        "last_error": status.last_error,
        "endpoints": endpoints,
        "requests": status.requests,
        "reorgs": status.reorgs,
    })
}

/// Seconds to three decimals.
fn seconds(age: Duration) -> f64 {
    (age.as_secs_f64() * 1e3).round() / 1e3
}

fn now_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
