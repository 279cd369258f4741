#![allow(clippy::unwrap_used)]

use super::*;
use light_node_protocol::L2BlockRef;
use std::time::UNIX_EPOCH;

const NOW: u64 = 2_000_000_000;

fn rollup() -> RollupConfig {
    RollupConfig::by_network("op-sepolia").unwrap()
}

fn l1(number: u64, timestamp: u64) -> L1BlockRef {
    L1BlockRef {
        hash: [1; 32].into(),
        number,
        timestamp,
        ..L1BlockRef::default()
    }
}

/// A block of the chain's rhythm.
fn l2(number: u64) -> L2BlockRef {
    L2BlockRef {
        hash: [u8::try_from(number % 251).unwrap(); 32].into(),
        number,
        timestamp: rollup().block_timestamp(number).unwrap(),
        ..L2BlockRef::default()
    }
}

fn healthy() -> SourceFacts {
    let status = SyncStatus {
        head_l1: l1(100, NOW),
        unsafe_l2: l2(120),
        safe_l2: l2(110),
        local_safe_l2: l2(110),
        finalized_l2: l2(100),
        ..SyncStatus::default()
    };
    SourceFacts {
        endpoint: "http://source:9545".to_owned(),
        identity: Ok(Some(ChainIdentity::from(&rollup()))),
        path: Ok(Some(vec!["a".to_owned()])),
        status: Ok(status),
        clock: None,
    }
}

fn expected(rollup: &RollupConfig) -> Expected<'_> {
    Expected {
        rollup,
        max_age: Duration::from_secs(120),
        l1_head: Some(l1(100, NOW)),
        is_our_address: false,
        own_path: Some(vec!["own".to_owned()]),
        now: UNIX_EPOCH + Duration::from_secs(NOW),
    }
}

/// What is not as it should be.
fn complaints(
    facts: impl FnOnce(&mut SourceFacts),
    measure: impl FnOnce(&mut Expected<'_>),
) -> Vec<(Check, Severity)> {
    let rollup = rollup();
    let mut said = healthy();
    facts(&mut said);
    let mut by = expected(&rollup);
    measure(&mut by);
    let findings = judge(&said, &by);
    let bad = findings.iter().filter(|one| one.severity != Severity::Ok);
    bad.map(|one| (one.check, one.severity)).collect()
}

fn of_facts(facts: impl FnOnce(&mut SourceFacts)) -> Vec<(Check, Severity)> {
    complaints(facts, |_| {})
}

fn of_status(change: impl FnOnce(&mut SyncStatus)) -> Vec<(Check, Severity)> {
    of_facts(|facts| change(facts.status.as_mut().unwrap()))
}

const METHOD: &str = "optimism_syncStatus";

#[test]
fn a_good_source_is_good() {
    assert_eq!(of_facts(|_| {}), []);
}

#[test]
fn a_source_that_does_not_answer_has_one_finding() {
    for source in [
        HttpError::Connect {
            cause: "refused".to_owned(),
        },
        HttpError::Timeout {
            deadline: REQUEST_DEADLINE,
        },
    ] {
        let error = SourceError::Http {
            method: METHOD,
            source,
        };
        let found = of_facts(|facts| {
            facts.identity = Err(error.clone());
            facts.path = Err(error.clone());
            facts.status = Err(error);
        });
        assert_eq!(found, [(Check::SourceReachable, Severity::Error)]);
    }
}

#[test]
fn what_is_no_rollup_node_is_said_so() {
    let cause = || "x".to_owned();
    for error in [
        SourceError::Html { method: METHOD },
        SourceError::Json {
            method: METHOD,
            cause: cause(),
        },
        SourceError::Malformed {
            method: METHOD,
            cause: cause(),
        },
        SourceError::Rpc {
            method: METHOD,
            code: -32601,
            message: cause(),
        },
        SourceError::Http {
            method: METHOD,
            source: HttpError::Status {
                status: 404,
                retry_after: None,
            },
        },
    ] {
        let found = of_facts(|facts| {
            facts.identity = Err(error.clone());
            facts.path = Ok(None);
            facts.status = Err(error);
        });
        assert_eq!(found, [(Check::SourceAnswer, Severity::Error)]);
    }
}

#[test]
fn another_chain_is_an_error_and_an_unknown_one_a_warning() {
    let other = of_facts(|facts| {
        facts
            .identity
            .as_mut()
            .unwrap()
            .as_mut()
            .unwrap()
            .genesis_l2 = [7; 32].into();
    });
    assert_eq!(other, [(Check::SourceChain, Severity::Error)]);
    let unknown = of_facts(|facts| facts.identity = Ok(None));
    assert_eq!(unknown, [(Check::SourceChain, Severity::Warning)]);
}

#[test]
fn a_cycle_is_found_by_id_and_by_address() {
    let error = [(Check::SourceCycle, Severity::Error)];
    let path = |ids: &[&str]| Ok(Some(ids.iter().map(|&id| id.to_owned()).collect()));
    for ids in [["own", "b"], ["a", "own"]] {
        assert_eq!(of_facts(|facts| facts.path = path(&ids)), error);
    }
    assert_eq!(of_facts(|facts| facts.path = path(&["a", "b"])), []);
    assert_eq!(complaints(|_| {}, |by| by.is_our_address = true), error);
    // Another kind of node on the port that we want: the port is the trouble.
    let other = complaints(|facts| facts.path = Ok(None), |by| by.is_our_address = true);
    assert_eq!(other, []);
    let refused = || SourceError::Http {
        method: METHOD,
        source: HttpError::Connect {
            cause: "refused".to_owned(),
        },
    };
    let silent = complaints(
        |facts| {
            facts.path = Err(refused());
            facts.status = Err(refused());
        },
        |by| by.is_our_address = true,
    );
    assert_eq!(
        silent, error,
        "that nobody answers there yet is as it should be"
    );
}

#[test]
fn heads_are_judged_as_the_node_judges_them() {
    let zero = of_status(|status| status.safe_l2 = L2BlockRef::default());
    assert_eq!(zero, [(Check::SourceStatus, Severity::Warning)]);
    let upside_down = of_status(|status| status.finalized_l2 = l2(115));
    assert_eq!(upside_down, [(Check::SourceStatus, Severity::Error)]);
    let wrong_time = of_status(|status| status.safe_l2.timestamp += 1);
    assert_eq!(wrong_time, [(Check::SourceStatus, Severity::Error)]);
}

#[test]
fn lag_is_measured_by_our_l1() {
    for (head, severity) in [
        (l1(100, NOW), None),
        (l1(90, NOW - 120), None),
        (l1(90, NOW - 121), Some(Severity::Error)),
        (l1(110, NOW + 121), Some(Severity::Warning)),
        (L1BlockRef::default(), Some(Severity::Error)),
    ] {
        let found = of_status(|status| status.head_l1 = head);
        let expected: Vec<_> = severity
            .iter()
            .map(|one| (Check::SourceLag, *one))
            .collect();
        assert_eq!(found, expected, "{head:?}");
    }
    let unknown = complaints(|_| {}, |by| by.l1_head = None);
    assert_eq!(unknown, [(Check::SourceLag, Severity::Info)]);
}
