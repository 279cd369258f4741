use super::*;

const ROOT: &str = "0x11";

fn sample(number: u64, blobs: u64) -> Sample {
    Sample {
        number,
        timestamp: 1_000 + number * 12,
        parent_root: Some(ROOT.to_owned()),
        blobs,
    }
}

fn samples() -> Samples {
    Samples {
        recent: sample(90, 0),
        with_blobs: Some(sample(88, 6)),
    }
}

fn healthy() -> BeaconFacts {
    BeaconFacts {
        endpoint: "http://beacon:5052".to_owned(),
        genesis_time: Ok(1_000),
        slot: Some(Duration::from_secs(12)),
        recent: Some((90, Ok(ROOT.to_owned()))),
        head_slot: Some(91),
        blobs: Some(Ok(6)),
    }
}

fn status(status: u16) -> Failure {
    Failure::Http(HttpError::Status {
        status,
        retry_after: None,
    })
}

/// What is not as it should be.
fn complaints(all: &[BeaconFacts]) -> Vec<(Check, Severity)> {
    let findings = judge_all(all, Some(&samples()));
    for finding in &findings {
        let must_have_fix = finding.severity >= Severity::Warning;
        assert_eq!(finding.fix.is_some(), must_have_fix, "{finding:?}");
    }
    let bad = findings.iter().filter(|one| one.severity != Severity::Ok);
    bad.map(|one| (one.check, one.severity)).collect()
}

#[test]
fn a_healthy_beacon_has_no_complaint() {
    assert_eq!(complaints(&[healthy()]), []);
}

#[test]
fn each_fault_of_a_beacon_has_its_finding() {
    let with = |change: fn(&mut BeaconFacts)| {
        let mut facts = healthy();
        change(&mut facts);
        complaints(&[facts])
    };
    let error = |check| vec![(check, Severity::Error)];
    let down = with(|it| it.genesis_time = Err(status(503)));
    assert_eq!(down, error(Check::BeaconReachable));
    let other_service = with(|it| it.genesis_time = Err(status(404)));
    assert_eq!(other_service, error(Check::BeaconAnswer));
    let html = with(|it| it.genesis_time = Err(Failure::Malformed("html".to_owned())));
    assert_eq!(html, error(Check::BeaconAnswer));
    assert_eq!(with(|it| it.slot = None), error(Check::BeaconChain));
    assert_eq!(with(|it| it.recent = None), error(Check::BeaconChain));
    let other_block = with(|it| it.recent = Some((90, Ok("0x22".to_owned()))));
    assert_eq!(other_block, error(Check::BeaconChain));
    let no_block = with(|it| it.recent = Some((90, Err(status(404)))));
    assert_eq!(no_block, error(Check::BeaconChain));
    assert_eq!(with(|it| it.blobs = Some(Ok(5))), error(Check::BeaconBlobs));
    let pruned = with(|it| it.blobs = Some(Err(status(404))));
    assert_eq!(pruned, error(Check::BeaconBlobs));
}

#[test]
fn a_beacon_that_lags_is_a_warning_and_an_archive_without_headers_is_none() {
    let mut lagging = healthy();
    lagging.recent = Some((90, Err(status(404))));
    lagging.head_slot = Some(80);
    let expected = [(Check::BeaconChain, Severity::Warning)];
    assert_eq!(complaints(&[lagging]), expected);
    let mut archive = healthy();
    archive.recent = Some((90, Err(status(404))));
    archive.head_slot = None;
    let expected = [(Check::BeaconChain, Severity::Info)];
    assert_eq!(complaints(&[archive]), expected);
}

#[test]
fn a_beacon_that_fails_is_a_warning_beside_a_good_one_and_one_of_another_chain_is_not() {
    let mut down = healthy();
    down.genesis_time = Err(status(500));
    let expected = [(Check::BeaconReachable, Severity::Warning)];
    assert_eq!(complaints(&[down, healthy()]), expected);
    let mut foreign = healthy();
    foreign.recent = None;
    let expected = [(Check::BeaconChain, Severity::Error)];
    assert_eq!(complaints(&[healthy(), foreign]), expected);
}

#[test]
fn without_an_l1_or_blobs_on_it_nothing_is_compared() {
    let findings = judge_all(&[healthy()], None);
    assert!(findings.iter().all(|one| one.severity < Severity::Warning));
    let mut quiet = samples();
    quiet.with_blobs = None;
    let findings = judge_all(&[healthy()], Some(&quiet));
    let last = findings.last().map(|one| (one.check, one.severity));
    assert_eq!(last, Some((Check::BeaconBlobs, Severity::Info)));
}

#[test]
fn slots_are_found_by_time_and_blocks_are_read() {
    let twelve = Duration::from_secs(12);
    assert_eq!(slot_at(1_000, twelve, 1_024), Some(2));
    assert_eq!(slot_at(1_000, twelve, 1_025), None);
    assert_eq!(slot_at(1_000, twelve, 999), None);
    let spec = json!({ "SECONDS_PER_SLOT": "12" });
    assert_eq!(slot_duration(&spec), Some(twelve));
    let spec = json!({ "SECONDS_PER_SLOT": "12", "SLOT_DURATION_MS": "6000" });
    assert_eq!(slot_duration(&spec), Some(Duration::from_secs(6)));
    assert_eq!(slot_duration(&json!({ "SECONDS_PER_SLOT": "0" })), None);
    let block = json!({ "number": "0x5a", "timestamp": "0x820", "blobGasUsed": "0xc0000", "parentBeaconBlockRoot": "0x11" });
    let expected = Sample {
        timestamp: 0x820,
        ..sample(90, 6)
    };
    assert_eq!(read_block(&block), Some(expected));
    assert_eq!(read_block(&Value::Null), None);
}
