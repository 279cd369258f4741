#![allow(clippy::unwrap_used)]

use super::*;
use light_node_protocol::L1BlockRef;
use std::time::UNIX_EPOCH;

const NOW: u64 = 2_000_000_000;

fn block(number: u64, timestamp: u64) -> L1BlockRef {
    L1BlockRef {
        number,
        timestamp,
        ..L1BlockRef::default()
    }
}

fn expected() -> Expected {
    Expected {
        chain_id: 900,
        genesis: BlockNumHash {
            number: 3,
            hash: [3; 32].into(),
        },
        slot: Duration::from_secs(12),
        now: UNIX_EPOCH + Duration::from_secs(NOW),
    }
}

fn healthy() -> L1Probe {
    L1Probe {
        chain_id: 900,
        genesis: Some([3; 32].into()),
        latest: block(100, NOW - 5),
        safe: Some(block(90, NOW - 200)),
        finalized: Some(block(80, NOW - 400)),
    }
}

fn facts(said: Result<L1Probe, L1Error>) -> L1Facts {
    L1Facts {
        endpoint: "http://l1:8545".to_owned(),
        said,
        trusted: false,
        clock: None,
    }
}

fn down() -> L1Error {
    L1Error::Http {
        endpoint: "http://l1:8545".to_owned(),
        source: HttpError::Connect {
            cause: "refused".to_owned(),
        },
    }
}

/// What is not as it should be.
fn complaints(all: &[L1Facts]) -> Vec<(Check, Severity)> {
    let findings = judge_all(all, expected());
    let bad = findings.iter().filter(|one| one.severity != Severity::Ok);
    bad.map(|one| (one.check, one.severity)).collect()
}

fn of_said(change: impl FnOnce(&mut L1Probe)) -> Vec<(Check, Severity)> {
    let mut said = healthy();
    change(&mut said);
    complaints(&[facts(Ok(said))])
}

#[test]
fn each_fault_of_an_answer_has_its_finding() {
    assert_eq!(of_said(|_| {}), []);
    let error = |check| vec![(check, Severity::Error)];
    assert_eq!(of_said(|said| said.chain_id = 1), error(Check::L1ChainId));
    let other = Some([4; 32].into());
    assert_eq!(
        of_said(|said| said.genesis = other),
        error(Check::L1Genesis)
    );
    let info = |check| vec![(check, Severity::Info)];
    assert_eq!(of_said(|said| said.genesis = None), info(Check::L1Genesis));
    assert_eq!(of_said(|said| said.safe = None), info(Check::L1Tags));
}

#[test]
fn an_old_head_is_worse_the_older_it_is() {
    for (timestamp, severity) in [
        (NOW - 60, None),
        (NOW - 61, Some(Severity::Warning)),
        (NOW - 600, Some(Severity::Warning)),
        (NOW - 601, Some(Severity::Error)),
        (0, Some(Severity::Error)),
        (NOW + 22, None),
        (NOW + 23, Some(Severity::Warning)),
        (u64::MAX, Some(Severity::Warning)),
    ] {
        let found = of_said(|said| said.latest.timestamp = timestamp);
        let expected: Vec<_> = severity.iter().map(|one| (Check::L1Head, *one)).collect();
        assert_eq!(found, expected, "{timestamp}");
    }
}

#[test]
fn an_endpoint_that_is_down_is_excused_by_one_that_works_and_another_chain_is_not() {
    let mut foreign = healthy();
    foreign.chain_id = 1;
    let (dead, good, foreign) = (facts(Err(down())), facts(Ok(healthy())), facts(Ok(foreign)));
    let unreachable = |severity| (Check::L1Reachable, severity);
    let wrong = (Check::L1ChainId, Severity::Error);
    assert_eq!(
        complaints(std::slice::from_ref(&dead)),
        [unreachable(Severity::Error)]
    );
    assert_eq!(
        complaints(&[dead.clone(), good.clone()]),
        [unreachable(Severity::Warning)]
    );
    assert_eq!(
        complaints(&[dead, foreign.clone()]),
        [unreachable(Severity::Error), wrong]
    );
    assert_eq!(complaints(&[good, foreign]), [wrong]);
}

#[test]
fn headers_of_a_coming_fork_are_answered_with_the_flag_for_them() {
    let malformed = Err(L1Error::Malformed {
        endpoint: "http://l1:8545".to_owned(),
        cause: "header 7 hashes to something else".to_owned(),
    });
    for (trusted, word) in [(true, "--l1.trust-rpc"), (false, "JSON-RPC port")] {
        let mut facts = facts(malformed.clone());
        facts.trusted = trusted;
        let findings = judge_all(&[facts], expected());
        assert_eq!(findings[0].check, Check::L1Answer);
        assert!(findings[0].fix.as_deref().unwrap().contains(word));
    }
}
