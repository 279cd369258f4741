#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing;
use alloy_eips::eip1559::BaseFeeParams;
use alloy_op_hardforks::OpHardfork;
use alloy_primitives::Address;
use light_node_protocol::Hardfork;
use serde_json::Value;
use std::{io::Read, path::Path};

/// Genesis files of the superchain registry with the latest fork that is active in each.
const REGISTRY: [(&str, OpHardfork); 5] = [
    ("sepolia-devnet-2.json.zst", OpHardfork::Karst),
    ("radius_testnet.json.zst", OpHardfork::Holocene),
    ("unichain-mainnet.json.zst", OpHardfork::Granite),
    ("base-mainnet.json.zst", OpHardfork::Regolith),
    ("op-sepolia.json.zst", OpHardfork::Regolith),
];

fn registry_genesis(file: &str) -> Genesis {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/genesis");
    let dictionary = std::fs::read(directory.join("dictionary")).unwrap();
    let compressed = std::fs::read(directory.join(file)).unwrap();
    let mut json = String::new();
    zstd::Decoder::with_dictionary(compressed.as_slice(), &dictionary)
        .unwrap()
        .read_to_string(&mut json)
        .unwrap();
    // The registry leaves the configuration to its chain files.
    let json = json.replacen("\"config\":null", "\"config\":{}", 1);
    serde_json::from_str(&json).unwrap()
}

#[test]
fn genesis_blocks_of_the_registry_have_the_hashes_that_the_registry_names() {
    let expected: Value =
        serde_json::from_str(include_str!("../../testdata/genesis/expected.json")).unwrap();
    for (file, latest) in REGISTRY {
        let entry = expected["genesis"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["file"] == file)
            .unwrap();
        let forks = OpHardfork::VARIANTS.iter().filter(|fork| **fork <= latest);
        let spec = ElSpec::new(
            entry["chainId"].as_u64().unwrap(),
            forks.map(|fork| (*fork, 0)),
            BaseFeeParams::new(250, 6),
        );
        let (block, state) = genesis_block(&spec, &registry_genesis(file)).unwrap();
        let root: B256 = serde_json::from_value(entry["stateRoot"].clone()).unwrap();
        assert_eq!(state.root(), root, "{file}");
        let hash: B256 = serde_json::from_value(entry["hash"].clone()).unwrap();
        assert_eq!(block.hash, hash, "{file}");
    }
}

#[test]
fn our_genesis_says_the_same_after_a_round_trip_through_its_file() {
    for fork in testing::FORKS {
        let genesis = testing::genesis(fork);
        let json = serde_json::to_string(&genesis).unwrap();
        let again: Genesis = serde_json::from_str(&json).unwrap();
        let spec = ElSpec::from_chain_config(&again.config).unwrap();
        let ours = ElSpec::from_chain_config(&genesis.config).unwrap();
        let (block, _) = startable_genesis_block(&spec, &again).unwrap();
        assert_eq!(
            block.hash,
            startable_genesis_block(&ours, &genesis).unwrap().0.hash
        );
        assert_eq!(spec.is_isthmus(0), fork >= Hardfork::Isthmus);
        assert_eq!(spec.is_jovian(0), fork >= Hardfork::Jovian);
    }
}

#[test]
fn the_chain_config_names_each_active_fork_and_no_other() {
    let config =
        |fork| -> Value { serde_json::to_value(testing::genesis(fork)).unwrap()["config"].clone() };
    let holocene = config(Hardfork::Holocene);
    assert_eq!(holocene["holoceneTime"], 0);
    assert_eq!(holocene["cancunTime"], 0);
    for absent in [
        "isthmusTime",
        "pragueTime",
        "jovianTime",
        "karstTime",
        "osakaTime",
    ] {
        assert!(holocene.get(absent).is_none(), "{absent}");
    }
    let karst = config(Hardfork::Karst);
    for present in [
        "isthmusTime",
        "pragueTime",
        "jovianTime",
        "karstTime",
        "osakaTime",
    ] {
        assert_eq!(karst[present], 0, "{present}");
    }
    assert!(karst.get("interopTime").is_none());
    assert!(karst.get("blobSchedule").is_none(), "op-geth refuses it");
    assert_eq!(karst["optimism"]["eip1559DenominatorCanyon"], 250);
    assert_eq!(karst["bedrockBlock"], 0);
}

#[test]
fn extra_data_grows_with_the_forks() {
    let length = |fork| testing::genesis(fork).extra_data.len();
    assert_eq!(length(Hardfork::Granite), 0);
    assert_eq!(length(Hardfork::Holocene), 9);
    assert_eq!(length(Hardfork::Isthmus), 9);
    assert_eq!(length(Hardfork::Jovian), 17);
    assert_eq!(length(Hardfork::Karst), 17);
}

#[test]
fn a_genesis_that_no_chain_can_start_from_is_refused() {
    let start = |genesis: &Genesis| {
        let spec = ElSpec::from_chain_config(&genesis.config)?;
        startable_genesis_block(&spec, genesis).map(|_| ())
    };
    let genesis = testing::genesis(Hardfork::Jovian);
    assert!(start(&genesis).is_ok());

    let mut without_section = genesis.clone();
    without_section.config.extra_fields.remove("optimism");
    assert!(matches!(
        start(&without_section),
        Err(GenesisError::ChainConfig(
            ChainConfigError::NoOptimismSection
        ))
    ));

    let mut wrong_type = genesis.clone();
    wrong_type
        .config
        .extra_fields
        .insert("jovianTime".to_owned(), "soon".into());
    assert!(matches!(
        start(&wrong_type),
        Err(GenesisError::ChainConfig(ChainConfigError::InvalidField {
            field: "jovianTime",
            ..
        }))
    ));

    let mut extra_data = genesis.clone();
    extra_data.extra_data = vec![1, 2, 3].into();
    assert!(matches!(
        start(&extra_data),
        Err(GenesisError::ExtraData(_))
    ));

    let mut malformed_code = genesis.clone();
    malformed_code.alloc.entry(Address::ZERO).or_default().code =
        Some(vec![0xef, 0x01, 0x00].into());
    assert!(matches!(
        start(&malformed_code),
        Err(GenesisError::Account(_))
    ));

    let lagoon = testing::genesis(Hardfork::Lagoon);
    assert!(matches!(start(&lagoon), Err(GenesisError::AfterKarst)));

    let canyon = testing::genesis(Hardfork::Canyon);
    assert!(matches!(start(&canyon), Err(GenesisError::BeforeEcotone)));
}

#[test]
fn the_withdrawals_root_of_our_genesis_is_not_the_empty_root() {
    let genesis = testing::genesis(Hardfork::Jovian);
    let spec = ElSpec::from_chain_config(&genesis.config).unwrap();
    let (block, _) = genesis_block(&spec, &genesis).unwrap();
    let root = block.header().withdrawals_root.unwrap();
    assert_ne!(root, alloy_consensus::EMPTY_ROOT_HASH);
}
