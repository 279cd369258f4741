//! The names that op-node's dashboards and alerts know, filled from the same facts as our own. All is read at scrape time.

use crate::RpcPeers;
use alloy_primitives::B256;
use light_node_derivation::{DerivationHandle, DerivationPhase};
use light_node_follow::{FollowCounters, FollowHandle, PollOutcome};
use light_node_metrics::{Catalogue, Counter, Family, FloatGauge, Gauge};
use light_node_network::NetworkHandle;
use light_node_protocol::{BlockNumHash, L1BlockRef, L2BlockRef, SyncStatus};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The result labels of op-node's follow source, and the outcomes of a poll that each stands for.
///
/// Checks that op-node does not make count as an invalid state there. That a lower finalized head was ignored is counted
/// beside the poll's own outcome, so it is left out.
const FOLLOW_RESULTS: [(&str, &[PollOutcome]); 5] = [
    (
        "success",
        &[
            PollOutcome::Applied,
            PollOutcome::Unchanged,
            PollOutcome::Syncing,
            PollOutcome::Skipped,
        ],
    ),
    ("error_fetch_status", &[PollOutcome::SourceError]),
    (
        "error_invalid_state",
        &[
            PollOutcome::SourceNotReady,
            PollOutcome::Invalid,
            PollOutcome::WrongSource,
            PollOutcome::Stale,
            PollOutcome::Replaying,
            PollOutcome::Regressed,
            PollOutcome::FinalizedConflict,
            PollOutcome::Refused,
        ],
    ),
    (
        "error_l1_lookup",
        &[PollOutcome::L1Error, PollOutcome::L1Behind],
    ),
    ("error_l1_mismatch", &[PollOutcome::L1Mismatch]),
];

type RefLabels = [(&'static str, &'static str); 2];

/// References to blocks by layer and type.
#[derive(Debug, Default)]
struct Refs {
    number: Family<RefLabels, Gauge>,
    time: Family<RefLabels, Gauge>,
    latency: Family<RefLabels, FloatGauge>,
    seen: Mutex<HashMap<RefLabels, B256>>,
}

/// Takes op-node's names into the catalogue.
pub fn register_op_node_names(peers: &RpcPeers, version: &str, catalogue: &mut Catalogue) {
    register_constants(version, catalogue);
    register_peers(peers.network.clone(), catalogue);
    register_refs(peers.clone(), catalogue);
    if let Some(follow) = peers.safe_source.follow() {
        register_follow(follow.clone(), catalogue);
    }
    if let Some(derivation) = peers.safe_source.derivation() {
        register_derivation(derivation.clone(), catalogue);
    }
    catalogue.register_as(
        "op_node_default_l1_reorg_depth",
        "Blocks that an L1 reorg took from the chain",
        &[],
        peers.l1.metrics().reorg_depths().clone(),
    );
    let (payloads, bytes) = (Gauge::<i64>::default(), Gauge::<i64>::default());
    catalogue.register_as(
        "op_node_default_unsafe_payloads_buffer_len",
        "Unsafe payloads that wait for their parents",
        &[],
        payloads.clone(),
    );
    catalogue.register_as(
        "op_node_default_unsafe_payloads_buffer_mem_size",
        "Memory that the waiting payloads hold, in bytes",
        &[],
        bytes.clone(),
    );
    let engine = peers.engine.clone();
    catalogue.on_scrape(move || {
        let status = engine.status();
        payloads.set(whole(status.buffered_payloads as u64));
        bytes.set(whole(status.buffered_bytes as u64));
    });
}

fn register_constants(version: &str, catalogue: &mut Catalogue) {
    let up = Gauge::<i64>::default();
    up.set(1);
    catalogue.register_as("op_node_default_up", "1 while the node runs", &[], up);
    let info = Family::<[(&'static str, String); 1], Gauge>::default();
    info.get_or_create(&[("version", version.to_owned())])
        .set(1);
    catalogue.register_as(
        "op_node_default_info",
        "1, with the version of the program",
        &["version"],
        info,
    );
}

/// Both names: the second is the one of its documentation.
fn register_peers(network: Option<NetworkHandle>, catalogue: &mut Catalogue) {
    let peers = Gauge::<i64>::default();
    for name in [
        "op_node_default_p2p_peer_count",
        "op_node_default_peer_count",
    ] {
        let help = "Peers that are connected; 0 where p2p is disabled";
        catalogue.register_as(name, help, &[], peers.clone());
    }
    if let Some(network) = network {
        catalogue.on_scrape(move || {
            peers.set(whole(network.stats().connected as u64));
        });
    }
}

fn register_refs(peers: RpcPeers, catalogue: &mut Catalogue) {
    let refs = Refs::default();
    catalogue.register_as(
        "op_node_default_refs_number",
        "Number of each head, and of the L1 origin of each L2 head",
        &["layer", "type"],
        refs.number.clone(),
    );
    catalogue.register_as(
        "op_node_default_refs_time",
        "Timestamp of each head, in seconds since 1970",
        &["layer", "type"],
        refs.time.clone(),
    );
    catalogue.register_as(
        "op_node_default_refs_latency",
        "Timestamp of each head minus the time of the first scrape that saw it, in seconds: below zero by its age",
        &["layer", "type"],
        refs.latency.clone(),
    );
    catalogue.on_scrape(move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        refs.record(&peers.sync_status(), now.unwrap_or_default().as_secs_f64());
    });
}

fn register_derivation(derivation: DerivationHandle, catalogue: &mut Catalogue) {
    let (resets, errors) = (Counter::<u64>::default(), Counter::<u64>::default());
    catalogue.register_as(
        "op_node_default_pipeline_resets",
        "Times that derivation started over",
        &[],
        resets.clone(),
    );
    catalogue.register_as(
        "op_node_default_derivation_errors",
        "Times that derivation had to ask for something again",
        &[],
        errors.clone(),
    );
    let idle = Gauge::<i64>::default();
    catalogue.register_as(
        "op_node_default_derivation_idle",
        "1 while derivation waits for the next L1 block",
        &[],
        idle.clone(),
    );
    catalogue.on_scrape(move || {
        let status = derivation.status();
        let counters = status.counters;
        resets.inner().store(counters.resets, Ordering::Relaxed);
        errors.inner().store(counters.retries, Ordering::Relaxed);
        idle.set(i64::from(status.phase == DerivationPhase::CaughtUp));
    });
}

fn register_follow(follow: FollowHandle, catalogue: &mut Catalogue) {
    let requests = Family::<[(&'static str, &'static str); 1], Counter>::default();
    catalogue.register_as(
        "op_node_default_follow_source_requests",
        "Polls of the source by what became of them, in op-node's words",
        &["result"],
        requests.clone(),
    );
    catalogue.on_scrape(move || {
        let counters = follow.status().counters;
        for (result, outcomes) in FOLLOW_RESULTS {
            let counter = requests.get_or_create_owned(&[("result", result)]);
            counter
                .inner()
                .store(total(&counters, outcomes), Ordering::Relaxed);
        }
    });
}

fn total(counters: &FollowCounters, outcomes: &[PollOutcome]) -> u64 {
    outcomes.iter().map(|outcome| counters.get(*outcome)).sum()
}

impl Refs {
    fn record(&self, heads: &SyncStatus, now: f64) {
        for (name, head) in [
            ("l1_head", heads.head_l1),
            ("l1_safe", heads.safe_l1),
            ("l1_finalized", heads.finalized_l1),
            ("l1_derived", heads.current_l1),
        ] {
            let L1BlockRef {
                number,
                hash,
                timestamp,
                ..
            } = head;
            self.set(
                "l1",
                name,
                BlockNumHash { number, hash },
                Some(timestamp),
                now,
            );
        }
        for (name, head) in [
            ("l2_unsafe", heads.unsafe_l2),
            ("l2_cross_unsafe", heads.cross_unsafe_l2),
            ("l2_local_safe", heads.local_safe_l2),
            ("l2_pending_safe", heads.pending_safe_l2),
            ("l2_safe", heads.safe_l2),
            ("l2_finalized", heads.finalized_l2),
        ] {
            let L2BlockRef {
                number,
                hash,
                timestamp,
                l1_origin,
                ..
            } = head;
            self.set(
                "l2",
                name,
                BlockNumHash { number, hash },
                Some(timestamp),
                now,
            );
            self.set("l1_origin", name, l1_origin, None, now);
        }
    }

    /// An unknown head has no value: a zero would look like a fall to genesis.
    fn set(
        &self,
        layer: &'static str,
        name: &'static str,
        block: BlockNumHash,
        timestamp: Option<u64>,
        now: f64,
    ) {
        if block.hash.is_zero() {
            return;
        }
        let labels = [("layer", layer), ("type", name)];
        self.number.get_or_create(&labels).set(whole(block.number));
        let Some(timestamp) = timestamp else {
            return;
        };
        self.time.get_or_create(&labels).set(whole(timestamp));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.insert(labels, block.hash) != Some(block.hash) {
            self.latency
                .get_or_create(&labels)
                .set(timestamp as f64 - now);
        }
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use light_node_network::PeerStats;

    #[test]
    fn every_outcome_of_a_poll_counts_once() {
        for outcome in PollOutcome::ALL {
            let results = FOLLOW_RESULTS
                .iter()
                .filter(|(_, outcomes)| outcomes.contains(&outcome));
            let expected = usize::from(outcome != PollOutcome::FinalizedLower);
            assert_eq!(results.count(), expected, "{outcome:?}");
        }
    }

    #[test]
    fn peers_are_counted_at_each_scrape() {
        let (network, scripted) = NetworkHandle::scripted();
        let mut catalogue = Catalogue::new();
        register_peers(Some(network), &mut catalogue);
        for connected in [3, 0] {
            scripted.set_stats(PeerStats {
                connected,
                ..PeerStats::default()
            });
            let page = catalogue.encode();
            for name in ["p2p_peer_count", "peer_count"] {
                let line = format!("op_node_default_{name} {connected}");
                assert!(page.lines().any(|it| it == line), "{page}");
            }
        }
    }

    #[test]
    fn latency_is_that_of_the_first_sight_and_below_zero() {
        let refs = Refs::default();
        let mut heads = SyncStatus::default();
        refs.record(&heads, 1000.0);
        let labels = [("layer", "l2"), ("type", "l2_safe")];
        assert!(
            refs.number.get(&labels).is_none(),
            "an unknown head has no value"
        );

        heads.safe_l2 = L2BlockRef {
            number: 7,
            hash: B256::repeat_byte(7),
            timestamp: 990,
            l1_origin: BlockNumHash::new(3, B256::repeat_byte(3)),
            ..L2BlockRef::default()
        };
        let latency = || refs.latency.get_or_create_owned(&labels).get();
        refs.record(&heads, 1000.0);
        refs.record(&heads, 1010.0);
        assert_eq!(latency(), -10.0);
        assert_eq!(refs.number.get_or_create_owned(&labels).get(), 7);
        let origin = [("layer", "l1_origin"), ("type", "l2_safe")];
        assert_eq!(refs.number.get_or_create_owned(&origin).get(), 3);
        assert!(refs.time.get(&origin).is_none(), "an origin has no time");
        heads.safe_l2.hash = B256::repeat_byte(8);
        refs.record(&heads, 1010.0);
        assert_eq!(latency(), -20.0);
    }
}
