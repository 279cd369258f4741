#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{files, world::World};
use alloy_primitives::keccak256;
use serde_json::Value;
use std::fs;

fn bundle(name: &str) -> Option<Vec<u8>> {
    let folder = files::folder("derivation/upgrades")?;
    Some(fs::read(folder.join(name)).unwrap())
}

fn crossing(fork: Hardfork, time: u64) -> RollupConfig {
    let world = World::with(|config| match fork {
        Hardfork::Ecotone => {
            config.ecotone_time = Some(time);
            config.fjord_time = None;
            config.granite_time = None;
            config.holocene_time = None;
            config.isthmus_time = None;
            config.jovian_time = None;
        }
        Hardfork::Fjord => {
            config.fjord_time = Some(time);
            config.granite_time = None;
            config.holocene_time = None;
            config.isthmus_time = None;
            config.jovian_time = None;
        }
        Hardfork::Isthmus => {
            config.isthmus_time = Some(time);
            config.jovian_time = None;
        }
        Hardfork::Jovian => config.jovian_time = Some(time),
        _ => config.karst_time = Some(time),
    });
    (*world.config).clone()
}

#[test]
fn the_upgrades_of_older_forks_are_those_that_were_published() {
    for (fork, name) in [
        (Hardfork::Ecotone, "ecotone.json"),
        (Hardfork::Fjord, "fjord.json"),
        (Hardfork::Isthmus, "isthmus.json"),
    ] {
        let Some(file) = bundle(name) else { return };
        let expected: Value = serde_json::from_slice(&file).unwrap();
        let config = crossing(fork, 2_000_000_000);
        let bundles = UpgradeBundles::default();
        let upgrade = bundles.at(&config, 2_000_000_000).unwrap();
        assert_eq!(upgrade.gas, 0, "their gas is within the limit");
        let raw: Vec<Bytes> = expected["transactions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|transaction| files::hex(&transaction["raw"]).into())
            .collect();
        assert_eq!(upgrade.transactions, raw, "{name}");
        let before = bundles.at(&config, 1_999_999_998).unwrap();
        let after = bundles.at(&config, 2_000_000_002).unwrap();
        assert!(before.transactions.is_empty() && after.transactions.is_empty());
    }
}

#[test]
fn the_bundle_of_karst_makes_the_transactions_that_are_expected() {
    let (Some(file), Some(expected)) = (
        bundle("karst_nut_bundle.json"),
        bundle("karst-expected.json"),
    ) else {
        return;
    };
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let mut bundles = UpgradeBundles::default();
    assert_eq!(bundles.add(&file).unwrap(), Hardfork::Karst);
    let config = crossing(Hardfork::Karst, 2_000_000_000);
    let upgrade = bundles.at(&config, 2_000_000_000).unwrap();
    assert_eq!(upgrade.gas, expected["totalGas"]);
    assert_eq!(upgrade.gas, light_node_protocol::KARST_UPGRADE_GAS);
    let expected = expected["transactions"].as_array().unwrap();
    assert_eq!(upgrade.transactions.len(), expected.len());
    for (raw, expected) in upgrade.transactions.iter().zip(expected) {
        assert_eq!(files::sha256(raw), expected["rawSha256"]);
        assert_eq!(keccak256(raw).to_string(), expected["txHash"]);
    }
}

#[test]
fn the_bundle_of_jovian_adds_no_gas() {
    let Some(file) = bundle("jovian.json") else {
        return;
    };
    let mut bundles = UpgradeBundles::default();
    let config = crossing(Hardfork::Jovian, 2_000_000_000);
    assert_eq!(bundles.missing_after(&config, 0), Some(Hardfork::Jovian));
    let missing = bundles.at(&config, 2_000_000_000).unwrap_err();
    assert_eq!(missing, Hardfork::Jovian);
    assert_eq!(bundles.add(&file).unwrap(), Hardfork::Jovian);
    let upgrade = bundles.at(&config, 2_000_000_000).unwrap();
    assert_eq!((upgrade.transactions.len(), upgrade.gas), (5, 0));
    assert_eq!(bundles.missing_after(&config, 0), None);
}

#[test]
fn a_bundle_is_missed_only_before_its_fork() {
    let config = crossing(Hardfork::Karst, 2_000_000_000);
    let bundles = UpgradeBundles::default();
    let missing = |timestamp| bundles.missing_after(&config, timestamp);
    assert_eq!(missing(1_999_999_999), Some(Hardfork::Karst));
    assert_eq!(missing(2_000_000_000), None);
    assert_eq!(bundles.missing_after(&World::new().config, 0), None);
}

#[test]
fn a_bundle_that_differs_in_one_byte_is_refused() {
    let Some(file) = bundle("karst_nut_bundle.json") else {
        return;
    };
    let changed = String::from_utf8(file).unwrap().replacen("6080", "6081", 1);
    let mut bundles = UpgradeBundles::default();
    let error = bundles.add(changed.as_bytes()).unwrap_err();
    assert!(matches!(error, UpgradeBundleError::UnknownDigest { .. }));
    assert!(bundles.karst.is_none());
}

#[test]
fn the_bundle_format_is_read_as_published() {
    let Some(file) = bundle("nut-format-cases.json") else {
        return;
    };
    let cases: Value = serde_json::from_slice(&file).unwrap();
    let text = cases["bundle"].to_string();
    let File::Bundle { transactions, .. } = serde_json::from_str(&text).unwrap() else {
        panic!("a bundle");
    };
    let expected = cases["expected"]["sourceHashes"].as_array().unwrap();
    for (index, (transaction, expected)) in transactions.into_iter().zip(expected).enumerate() {
        let raw = transaction.deposit("Test", index).unwrap();
        use alloy_eips::eip2718::Decodable2718;
        let deposit = TxDeposit::decode_2718(&mut raw.as_ref()).unwrap();
        assert_eq!(deposit.source_hash.to_string(), *expected);
    }
    for case in cases["invalid"].as_array().unwrap() {
        let text = case["json"].as_str().unwrap();
        assert!(read(text.as_bytes(), Hardfork::Karst).is_err(), "{text}");
    }
    let creation = cases["nullTo"]["json"].as_str().unwrap();
    assert_eq!(
        read(creation.as_bytes(), Hardfork::Karst).unwrap().gas,
        500_000
    );
}
