//! `/status`: where the node stands, as JSON for people and scripts. Everything is read from memory. Keys stay; new ones may
//! come. Heads are written as in `optimism_syncStatus`, ages and lags in seconds, unknown values as null:
//!
//! - `version`, `ready`, `reasons` (as on `/readyz`), `chain` (both chain ids)
//! - `heads`: the answer of `optimism_syncStatus`
//! - `lags`: of each head behind the clock, and behind the source in blocks
//! - `execution_layer`: whether it answers and for how long not, its `state`, the `target` that it is asked for with its
//!   `sync`, the payloads that wait, and `queue`: what waits in each lane, and for how long
//! - `source`, where another node is followed, else null: its identity, what is wrong with it, the age of its answer, its own heads,
//!   and `polls` by outcome
//! - `derivation`, where the node derives, else null: its `phase`, what is wrong, the L1 block that is read, how many are to be read,
//!   how many were read without a batch that became a block, what of the batch inbox was `refused` and why, and counters
//! - `network`, where p2p is on, else null: who this node is to its peers, and the peers in numbers
//! - `sequencer`, where the node sequences, else null: whether it builds, what it waits for, its last block
//! - `l1`: which endpoint serves, what is wrong, the age of the head, and each endpoint's verdict

mod unsafe_chain;

use crate::{context::RpcContext, readiness};
use light_node_derivation::{DerivationStatus, RefusedCounts};
use light_node_engine::{ElSyncState, EngineState, EngineStatus, SyncReport};
use light_node_follow::FollowStatus;
use light_node_l1::{EndpointVerdict, L1Status};
use light_node_protocol::SyncStatus;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) fn status(context: &RpcContext) -> Value {
    let peers = &context.peers;
    let heads = peers.sync_status();
    let safe_source = peers.safe_source.status();
    let (follow, derivation) = (safe_source.follow(), safe_source.derivation());
    let (network, sequencer) = (peers.network.as_ref(), peers.sequencer.as_ref());
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
        "lags": lags(&heads, follow.and_then(|follow| follow.reported.as_ref()), now_seconds()),
        "execution_layer": execution_layer(&peers.engine.state(), &peers.engine.status()),
        "source": follow.map(source),
        "derivation": derivation.map(self::derivation),
        "network": network.map(|it| unsafe_chain::network(&it.local_node(), &it.stats())),
        "sequencer": sequencer.map(|it| unsafe_chain::sequencer(&it.status())),
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
        .zip(status.oldest_since)
        .map(|((lane, waiting), oldest)| {
            let oldest = oldest.map(|since| seconds(since.elapsed()));
            let entry = json!({ "waiting": waiting, "oldest_seconds": oldest });
            (lane.to_owned(), entry)
        })
        .collect();
    json!({
        "client": status.el_version,
        "answering": status.is_answering(),
        "wrong_chain": status.el_wrong_chain,
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
        "sync": status.sync.as_ref().map(sync),
        "epoch": state.epoch,
        "last_follow_case": status.last_follow_case.map(|case| case.name()),
        "buffered_payloads": status.buffered_payloads,
        "buffered_bytes": status.buffered_bytes,
        "queue": queue,
    })
}

/// The way of the execution layer to its target.
fn sync(report: &SyncReport) -> Value {
    json!({
        "el_head_number": report.el_head,
        "blocks_left": report.blocks_left(),
        "blocks_per_second": report.blocks_per_second(),
        "eta_seconds": report.eta().map(seconds),
        "still_seconds": seconds(report.still_age()),
        "no_progress": report.no_progress,
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
        "identity": follow.identity.name(),
        "trouble": follow.trouble.as_ref().map(ToString::to_string),
        "last_poll": follow.last_outcome.map(|outcome| outcome.name()),
        "answer_age_seconds": follow.answer_age.map(seconds),
        "in_step_age_seconds": follow.in_step_age.map(seconds),
        "l1_lag_seconds": follow.source_lag.map(seconds),
        "heads": follow.reported,
        "polls": polls,
    })
}

fn derivation(derivation: &DerivationStatus) -> Value {
    let counters = derivation.counters;
    json!({
        "phase": derivation.phase.name(),
        "trouble": derivation.trouble.as_ref().map(ToString::to_string),
        "origin": derivation.origin,
        "behind_l1_blocks": derivation.behind_l1_blocks,
        "l1_blocks_without_batch": derivation.l1_blocks_without_batch,
        "refused": refused(&derivation.refused),
        "in_flight_blocks": derivation.in_flight,
        "last_reset": derivation.last_reset,
        "blocks": counters.blocks,
        "deposits_only_blocks": counters.deposits_only,
        "dropped_batches": counters.dropped,
        "l1_blocks": counters.l1_blocks,
        "resets": counters.resets,
        "retries": counters.retries,
    })
}

/// What was refused at all, by what it was and why.
fn refused(counts: &RefusedCounts) -> Value {
    let mut refused = Map::new();
    for (what, reason, count) in counts.iter().filter(|(.., count)| *count > 0) {
        refused.insert(format!("{what}_{reason}"), count.into());
    }
    Value::Object(refused)
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
                "bad_answers": endpoint.bad_answers,
            })
        })
        .collect();
    json!({
        "active": status.active,
        "reachable": status.reachable,
        "trouble": status.trouble.as_ref().map(ToString::to_string),
        "head_age_seconds": status.head_age.map(seconds),
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

#[cfg(test)]
mod tests {
    use super::*;
    use light_node_l1::EndpointStatus;
    use std::collections::BTreeSet;

    fn keys(page: &Value) -> BTreeSet<&str> {
        let object = page.as_object().expect("an object");
        object.keys().map(String::as_str).collect()
    }

    #[test]
    fn keys_of_each_part_are_those_that_scripts_know() {
        let part = execution_layer(&EngineState::default(), &EngineStatus::default());
        let expected = [
            "client",
            "answering",
            "wrong_chain",
            "failing_seconds",
            "last_error",
            "state",
            "target",
            "target_age_seconds",
            "sync",
            "epoch",
            "last_follow_case",
            "buffered_payloads",
            "buffered_bytes",
            "queue",
        ];
        assert_eq!(keys(&part), BTreeSet::from(expected));
        let lane = &part["queue"]["follow"];
        assert_eq!(keys(lane), BTreeSet::from(["waiting", "oldest_seconds"]));

        let part = source(&FollowStatus::default());
        let expected = [
            "endpoint",
            "identity",
            "trouble",
            "last_poll",
            "answer_age_seconds",
            "in_step_age_seconds",
            "l1_lag_seconds",
            "heads",
            "polls",
        ];
        assert_eq!(keys(&part), BTreeSet::from(expected));
        assert!(keys(&part["polls"]).contains("applied"));

        let part = l1(&L1Status {
            endpoints: vec![EndpointStatus {
                endpoint: "http://l1".to_owned(),
                verdict: EndpointVerdict::Verified,
                last_error: None,
                bad_answers: 0,
            }],
            ..L1Status::default()
        });
        let expected = [
            "active",
            "reachable",
            "trouble",
            "head_age_seconds",
            "last_success_age_seconds",
            "last_error",
            "endpoints",
            "requests",
            "reorgs",
        ];
        assert_eq!(keys(&part), BTreeSet::from(expected));
        let expected = ["endpoint", "verdict", "last_error", "bad_answers"];
        assert_eq!(keys(&part["endpoints"][0]), BTreeSet::from(expected));
    }

    #[test]
    fn keys_of_the_part_on_derivation_are_those_that_scripts_know() {
        let part = derivation(&DerivationStatus::default());
        let expected = [
            "phase",
            "trouble",
            "origin",
            "behind_l1_blocks",
            "l1_blocks_without_batch",
            "refused",
            "in_flight_blocks",
            "last_reset",
            "blocks",
            "deposits_only_blocks",
            "dropped_batches",
            "l1_blocks",
            "resets",
            "retries",
        ];
        assert_eq!(keys(&part), BTreeSet::from(expected));
    }

    #[test]
    fn an_unknown_head_has_no_lag() {
        let lags = lags(&SyncStatus::default(), None, 1_000);
        assert!(
            lags.as_object()
                .expect("an object")
                .values()
                .all(Value::is_null)
        );
    }
}
