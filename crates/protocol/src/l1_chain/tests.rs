#![allow(clippy::unwrap_used)]

use super::*;

fn fraction(config: &L1ChainConfig, l1_time: u64) -> u128 {
    config.blob_params(l1_time).update_fraction
}

#[test]
fn mainnet_changes_its_blob_fee_at_prague_and_at_both_parameter_forks() {
    let mainnet = L1ChainConfig::by_chain_id(1).unwrap();
    for (l1_time, expected) in [
        (1_700_000_000, 3_338_477),
        (1_746_612_310, 3_338_477),
        (1_746_612_311, 5_007_716),
        (1_764_798_551, 5_007_716),
        (1_765_290_070, 5_007_716),
        (1_765_290_071, 8_346_193),
        (1_767_747_671, 11_684_671),
    ] {
        assert_eq!(fraction(&mainnet, l1_time), expected, "at {l1_time}");
    }
}

#[test]
fn every_known_schedule_is_in_order_and_strangers_have_none() {
    for l1_chain_id in [1, 11_155_111, 17_000, 560_048] {
        let config = L1ChainConfig::by_chain_id(l1_chain_id).unwrap();
        let times: Vec<_> = config.blob_schedule.iter().map(|entry| entry.0).collect();
        assert!(times.is_sorted());
        assert_eq!(fraction(&config, u64::MAX), 11_684_671);
    }
    assert_eq!(L1ChainConfig::by_chain_id(900), None);
}

#[test]
fn a_chain_may_stay_with_cancuns_fee_for_a_while() {
    let l1 = L1ChainConfig::by_chain_id(11_155_111).unwrap();
    let config = RollupConfig {
        pectra_blob_schedule_time: Some(1_742_486_400),
        ..RollupConfig::default()
    };
    let fraction = |l1_time| config.blob_params(&l1, l1_time).update_fraction;
    assert_eq!(fraction(1_742_486_399), 3_338_477);
    assert_eq!(fraction(1_742_486_400), 5_007_716);
    let plain = RollupConfig::default();
    assert_eq!(
        plain.blob_params(&l1, 1_742_486_399).update_fraction,
        5_007_716
    );
}

#[test]
fn a_genesis_file_and_the_config_in_it_say_the_same() {
    let config = r#"{"chainId": 900, "cancunTime": 0, "pragueTime": 10, "bpo1Time": 20, "blobSchedule": {
        "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
        "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716},
        "bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 7},
        "bpo2": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8}}}"#;
    let read = L1ChainConfig::from_json(config, 900).unwrap();
    let genesis = format!(r#"{{"alloc": {{}}, "config": {config}}}"#);
    assert_eq!(L1ChainConfig::from_json(&genesis, 900).unwrap(), read);
    let fractions = [0, 10, 20, u64::MAX].map(|l1_time| fraction(&read, l1_time));
    assert_eq!(fractions, [3_338_477, 5_007_716, 7, 7]);
}

#[test]
fn what_is_no_schedule_is_named() {
    let error = L1ChainConfig::from_json("{}", 900).unwrap_err();
    assert!(matches!(error, L1ChainJsonError::NoSchedule));
    let error = L1ChainConfig::from_json("nonsense", 900).unwrap_err();
    assert!(matches!(error, L1ChainJsonError::Json(_)));
    let error =
        L1ChainConfig::from_json(r#"{"blobSchedule": {"cancun": {"max": 6}}}"#, 900).unwrap_err();
    assert!(matches!(error, L1ChainJsonError::Parameters { fork, .. } if fork == "cancun"));
}

#[test]
fn the_schedule_of_another_chain_is_refused() {
    let config = r#"{"chainId": 1, "blobSchedule": {}}"#;
    let genesis = format!(r#"{{"config": {config}}}"#);
    for text in [config, &genesis] {
        assert!(L1ChainConfig::from_json(text, 1).is_ok());
        let error = L1ChainConfig::from_json(text, 900).unwrap_err();
        assert!(matches!(
            error,
            L1ChainJsonError::OtherChain {
                ours: 900,
                theirs: 1
            }
        ));
    }
    assert!(L1ChainConfig::from_json(r#"{"blobSchedule": {}}"#, 900).is_ok());
}
