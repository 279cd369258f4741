//! The table against the superchain registry's own files, and the spellings by which a network is found.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::rollup_config::RollupConfig;
use alloy_primitives::address;
use std::{collections::BTreeSet, fs, path::Path};
use toml::{Table, Value};

/// Name of the network, folder and file of the registry.
const FILES: [(&str, &str, &str); 12] = [
    ("op-mainnet", "mainnet", "op"),
    ("op-sepolia", "sepolia", "op"),
    ("base-mainnet", "mainnet", "base"),
    ("base-sepolia", "sepolia", "base"),
    ("unichain-mainnet", "mainnet", "unichain"),
    ("unichain-sepolia", "sepolia", "unichain"),
    ("ink-mainnet", "mainnet", "ink"),
    ("ink-sepolia", "sepolia", "ink"),
    ("soneium-mainnet", "mainnet", "soneium"),
    ("soneium-minato-sepolia", "sepolia", "soneium-minato"),
    ("worldchain-mainnet", "mainnet", "worldchain"),
    ("worldchain-sepolia", "sepolia", "worldchain"),
];

fn registry_file(network: &str, file: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("testdata/registry/{network}/{file}.toml"));
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_integer().unwrap().try_into().unwrap()
}

fn block_id(value: &Value) -> BlockNumHash {
    BlockNumHash::new(
        number(&value["number"]),
        value["hash"].as_str().unwrap().parse().unwrap(),
    )
}

/// The config that op-node makes of a registry file: the chain's own fork times rule, those of the superchain were copied into
/// them where they apply.
fn from_registry(network: &str, file: &str) -> RollupConfig {
    let chain = registry_file(network, file);
    let superchain = registry_file(network, "superchain");
    let forks = chain["hardforks"].as_table().unwrap();
    let time = |fork: &str| forks.get(&format!("{fork}_time")).map(number);
    let address = |value: &Value| value.as_str().unwrap().parse::<Address>().unwrap();
    let genesis = &chain["genesis"];
    let system_config = &genesis["system_config"];
    RollupConfig {
        genesis: ChainGenesis {
            l1: block_id(&genesis["l1"]),
            l2: block_id(&genesis["l2"]),
            l2_time: number(&genesis["l2_time"]),
            system_config: SystemConfig {
                batcher_address: address(&system_config["batcherAddress"]),
                overhead: system_config["overhead"].as_str().unwrap().parse().unwrap(),
                scalar: system_config["scalar"].as_str().unwrap().parse().unwrap(),
                gas_limit: number(&system_config["gasLimit"]),
                ..SystemConfig::default()
            },
        },
        block_time: number(&chain["block_time"]),
        max_sequencer_drift: number(&chain["max_sequencer_drift"]),
        seq_window_size: number(&chain["seq_window_size"]),
        channel_timeout: 300,
        l1_chain_id: number(&superchain["l1"]["chain_id"]),
        l2_chain_id: number(&chain["chain_id"]),
        regolith_time: Some(0),
        canyon_time: time("canyon"),
        delta_time: time("delta"),
        ecotone_time: time("ecotone"),
        fjord_time: time("fjord"),
        granite_time: time("granite"),
        holocene_time: time("holocene"),
        isthmus_time: time("isthmus"),
        jovian_time: time("jovian"),
        karst_time: time("karst"),
        lagoon_time: time("lagoon"),
        batch_inbox_address: address(&chain["batch_inbox_addr"]),
        deposit_contract_address: address(&chain["addresses"]["OptimismPortalProxy"]),
        l1_system_config_address: address(&chain["addresses"]["SystemConfigProxy"]),
        chain_op_config: Some(ChainOpConfig {
            eip1559_elasticity: number(&chain["optimism"]["eip1559_elasticity"]),
            eip1559_denominator: number(&chain["optimism"]["eip1559_denominator"]),
            eip1559_denominator_canyon: Some(number(
                &chain["optimism"]["eip1559_denominator_canyon"],
            )),
        }),
        alt_da: None,
        pectra_blob_schedule_time: time("pectra_blob_schedule"),
        keep_karst_upgrade_gas: forks
            .get("keep_karst_upgrade_gas")
            .is_some_and(|keep| keep.as_bool().unwrap()),
    }
}

#[test]
fn every_chain_is_as_in_the_registry() {
    assert_eq!(
        network_names().collect::<Vec<_>>(),
        FILES.map(|(name, ..)| name)
    );
    for (name, network, file) in FILES {
        let expected = from_registry(network, file);
        assert_eq!(RollupConfig::by_network(name).unwrap(), expected, "{name}");
        assert_eq!(
            RollupConfig::by_chain_id(expected.l2_chain_id).unwrap(),
            expected,
            "{name}"
        );
        assert_eq!(network_name(expected.l2_chain_id), Some(name));
    }
}

/// The registry copies the superchain's times into each chain that follows it; a chain without a copy would need the rule here.
#[test]
fn registry_files_miss_no_inherited_fork() {
    // Base left the registry before Karst was scheduled there, and follows its own schedule since.
    for (name, network, file) in FILES
        .into_iter()
        .filter(|(name, ..)| !name.starts_with("base-"))
    {
        let chain = registry_file(network, file);
        let Some(superchain_time) = chain.get("superchain_time").map(number) else {
            continue;
        };
        for (fork, time) in registry_file(network, "superchain")["hardforks"]
            .as_table()
            .unwrap()
        {
            if number(time) > superchain_time && number(time) > number(&chain["genesis"]["l2_time"])
            {
                assert_eq!(chain["hardforks"].get(fork), Some(time), "{fork} of {name}");
            }
        }
    }
}

#[test]
fn every_chain_passes_the_check_and_the_round_trip() {
    for name in network_names() {
        let config = RollupConfig::by_network(name).unwrap();
        assert_eq!(config.check(), Ok(()), "{name}");
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(RollupConfig::from_json(&text).unwrap(), config, "{name}");
    }
}

#[test]
fn every_spelling_names_one_chain() {
    let spellings: Vec<_> = CHAINS.iter().flat_map(Chain::names).collect();
    assert_eq!(
        spellings.iter().collect::<BTreeSet<_>>().len(),
        spellings.len()
    );
    for chain in &CHAINS {
        for spelling in chain.names() {
            assert_eq!(
                RollupConfig::by_network(spelling).unwrap().l2_chain_id,
                chain.l2_chain_id
            );
        }
    }
}

#[test]
fn network_is_found_in_any_case_and_by_its_id() {
    for spelling in ["OP-Mainnet", "op_mainnet", " op mainnet ", "optimism", "10"] {
        let config = RollupConfig::by_network(spelling).unwrap();
        assert_eq!(
            config.deposit_contract_address,
            address!("0xbEb5Fc579115071764c7423A4f12eDde41f106Ed")
        );
    }
}

#[test]
fn unknown_network_gets_the_nearest_name_and_the_list() {
    let error = RollupConfig::by_network("base-sepola").unwrap_err();
    assert_eq!(error.nearest, Some("base-sepolia"));
    let message = error.to_string();
    assert!(
        message.starts_with(
            "unknown network base-sepola (did you mean base-sepolia?); known are op-mainnet, "
        ),
        "{message}"
    );

    assert_eq!(
        RollupConfig::by_network("unichian").unwrap_err().nearest,
        Some("unichain-mainnet")
    );
    assert_eq!(RollupConfig::by_network("99999").unwrap_err().nearest, None);
    assert_eq!(RollupConfig::by_network("").unwrap_err().nearest, None);
}
