//! Rollup configs of real chains through JSON and back, and each fault that the check names.

#![allow(clippy::unwrap_used)]

use super::*;
use alloy_primitives::B256;
use serde_json::{Value, json};

const XLAYER: &str = include_str!("../../testdata/rollup/xlayer-mainnet.json");
const DUSK: &str = include_str!("../../testdata/rollup/dusk-mainnet.json");
const WHITECHAIN: &str = include_str!("../../testdata/rollup/whitechain-mainnet.json");
const BASE_2023: &str = include_str!("../../testdata/rollup/base-mainnet-2023.json");
const OP_SEPOLIA_CANYON: &str =
    include_str!("../../testdata/rpc/optimism_rollupConfig-op-sepolia-canyon.json");

const REAL: [&str; 5] = [XLAYER, DUSK, WHITECHAIN, BASE_2023, OP_SEPOLIA_CANYON];

/// What op-node of today writes for a file of then: no retired field, and every field of the system config.
fn as_op_node_writes(text: &str) -> Value {
    let mut json: Value = serde_json::from_str(text).unwrap();
    json.as_object_mut()
        .unwrap()
        .remove("protocol_versions_address");
    let system_config = json["genesis"]["system_config"].as_object_mut().unwrap();
    for (field, zero) in [
        ("eip1559Params", json!("0x0000000000000000")),
        ("operatorFeeParams", json!(B256::ZERO)),
        ("minBaseFee", json!(0)),
        ("daFootprintGasScalar", json!(0)),
    ] {
        system_config.entry(field).or_insert(zero);
    }
    json
}

#[test]
fn every_real_config_is_written_as_op_node_writes_it() {
    for text in REAL {
        let config = RollupConfig::from_json(text).unwrap();
        assert_eq!(
            serde_json::to_value(&config).unwrap(),
            as_op_node_writes(text)
        );
    }
}

#[test]
fn every_real_config_passes_the_check() {
    for text in REAL {
        assert_eq!(RollupConfig::from_json(text).unwrap().check(), Ok(()));
    }
}

#[test]
fn config_of_every_field_survives_the_round_trip() {
    let mut config = RollupConfig::from_json(DUSK).unwrap();
    config.karst_time = Some(1);
    config.lagoon_time = Some(u64::MAX);
    config.pectra_blob_schedule_time = Some(3);
    config.keep_karst_upgrade_gas = true;
    config.alt_da =
        Some(json!({"da_commitment_type": "KeccakCommitment", "da_challenge_window": 10}));
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(RollupConfig::from_json(&text).unwrap(), config);
}

#[test]
fn optional_fields_at_their_defaults_are_left_out() {
    let mut config = RollupConfig::from_json(BASE_2023).unwrap();
    config.max_sequencer_drift = 0;
    let json = serde_json::to_value(&config).unwrap();
    for field in [
        "max_sequencer_drift",
        "canyon_time",
        "lagoon_time",
        "chain_op_config",
        "alt_da",
        "keep_karst_upgrade_gas",
    ] {
        assert!(json.get(field).is_none(), "{field}");
    }
}

#[test]
fn interop_time_is_read_as_lagoon_time_and_written_under_the_new_name() {
    let mut json: Value = serde_json::from_str(DUSK).unwrap();
    json["interop_time"] = json!(7);
    let config = RollupConfig::from_json(&json.to_string()).unwrap();
    assert_eq!(config.lagoon_time, Some(7));
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(
        (written.get("interop_time"), &written["lagoon_time"]),
        (None, &json!(7))
    );
}

#[test]
fn unknown_fields_are_ignored_at_every_level() {
    let mut json: Value = serde_json::from_str(DUSK).unwrap();
    json["new_field"] = json!({"deep": [1, 2]});
    json["genesis"]["new_field"] = json!(null);
    json["genesis"]["system_config"]["newField"] = json!("0x");
    json["chain_op_config"]["newField"] = json!(1);
    let config = RollupConfig::from_json(&json.to_string()).unwrap();
    assert_eq!(config, RollupConfig::from_json(DUSK).unwrap());
}

#[test]
fn error_names_the_missing_field_and_its_place() {
    let text = XLAYER.replace("\"block_time\"", "\"blocktime\"");
    let RollupJsonError::Json(error) = RollupConfig::from_json(&text).unwrap_err() else {
        panic!("not a JSON error")
    };
    let message = error.to_string();
    assert!(
        message.contains("`block_time`") && message.contains("line"),
        "{message}"
    );
}

#[test]
fn documents_easily_mixed_up_are_named() {
    for (text, expected) in [
        (
            json!({"config": {"chainId": 1}, "alloc": {}}),
            "this is a genesis file of an execution layer, not a rollup config",
        ),
        (
            json!({"chainId": 1, "homesteadBlock": 0}),
            "this is a chain config of an execution layer, not a rollup config",
        ),
        (
            json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
            "this is a JSON-RPC answer, whose \"result\" may be one, not a rollup config",
        ),
    ] {
        assert_eq!(
            RollupConfig::from_json(&text.to_string())
                .unwrap_err()
                .to_string(),
            expected
        );
    }
}

#[test]
fn check_names_each_field_that_must_be_set() {
    type Fault = fn(&mut RollupConfig);
    let faults: [(&str, Fault); 14] = [
        ("block_time", |config| config.block_time = 0),
        ("channel_timeout", |config| config.channel_timeout = 0),
        ("max_sequencer_drift", |config| {
            config.max_sequencer_drift = 0
        }),
        ("genesis.l1.hash", |config| {
            config.genesis.l1.hash = B256::ZERO
        }),
        ("genesis.l2.hash", |config| {
            config.genesis.l2.hash = B256::ZERO
        }),
        ("genesis.l2_time", |config| config.genesis.l2_time = 0),
        ("genesis.system_config.batcherAddr", |config| {
            config.genesis.system_config.batcher_address = Address::ZERO
        }),
        ("genesis.system_config.scalar", |config| {
            config.genesis.system_config.scalar = B256::ZERO
        }),
        ("genesis.system_config.gasLimit", |config| {
            config.genesis.system_config.gas_limit = 0
        }),
        ("batch_inbox_address", |config| {
            config.batch_inbox_address = Address::ZERO
        }),
        ("deposit_contract_address", |config| {
            config.deposit_contract_address = Address::ZERO
        }),
        ("l1_system_config_address", |config| {
            config.l1_system_config_address = Address::ZERO
        }),
        ("l1_chain_id", |config| config.l1_chain_id = 0),
        ("l2_chain_id", |config| config.l2_chain_id = 0),
    ];
    for (field, fault) in faults {
        let mut config = RollupConfig::from_json(BASE_2023).unwrap();
        fault(&mut config);
        assert_eq!(config.check(), Err(ConfigError::Zero { field }));
    }
}

#[test]
fn check_wants_a_drift_only_where_it_is_used() {
    let mut config = RollupConfig::from_json(DUSK).unwrap();
    config.max_sequencer_drift = 0;
    assert_eq!(config.check(), Ok(()));
}

#[test]
fn check_refuses_a_window_of_one_block() {
    let mut config = RollupConfig::from_json(DUSK).unwrap();
    config.seq_window_size = 1;
    assert_eq!(
        config.check(),
        Err(ConfigError::SequencingWindowTooShort { actual: 1 })
    );
}

#[test]
fn check_refuses_an_l2_that_is_its_own_l1() {
    let mut config = RollupConfig::from_json(DUSK).unwrap();
    config.l1_chain_id = config.l2_chain_id;
    assert_eq!(
        config.check(),
        Err(ConfigError::SameChainId { chain_id: 744 })
    );
    config.genesis.l1.hash = config.genesis.l2.hash;
    assert_eq!(
        config.check(),
        Err(ConfigError::SameGenesis {
            hash: config.genesis.l2.hash
        })
    );
}

#[test]
fn check_refuses_forks_with_a_gap() {
    let mut config = RollupConfig::from_json(DUSK).unwrap();
    config.holocene_time = None;
    let expected = ConfigError::ForkGap {
        fork: Hardfork::Isthmus,
        missing: Hardfork::Holocene,
    };
    assert_eq!(config.check(), Err(expected));
    assert_eq!(
        expected.to_string(),
        "the rollup config has isthmus_time, but no holocene_time"
    );
}

#[test]
fn check_refuses_forks_out_of_order() {
    let mut config = RollupConfig::from_json(DUSK).unwrap();
    config.holocene_time = Some(20);
    config.isthmus_time = Some(10);
    let expected = ConfigError::ForkOrder {
        fork: Hardfork::Isthmus,
        time: 10,
        previous: Hardfork::Holocene,
        previous_time: 20,
    };
    assert_eq!(config.check(), Err(expected));
}

#[test]
fn forks_are_active_from_their_time_on() {
    let config = RollupConfig::from_json(XLAYER).unwrap();
    let jovian = 1_764_691_201;
    assert!(!config.is_active(Hardfork::Jovian, jovian - 1));
    assert!(config.is_active(Hardfork::Jovian, jovian));
    assert!(!config.is_active(Hardfork::Karst, u64::MAX));
    assert_eq!(config.hardfork_at(jovian - 1), Hardfork::Isthmus);
    assert_eq!(config.hardfork_at(jovian), Hardfork::Jovian);
}

#[test]
fn block_timestamps_count_from_genesis() {
    let config = RollupConfig::from_json(XLAYER).unwrap();
    assert_eq!(config.block_timestamp(42_810_021), Some(1_761_567_143));
    assert_eq!(config.block_timestamp(42_810_024), Some(1_761_567_146));
    assert_eq!(config.block_timestamp(42_810_020), None);
    assert_eq!(config.block_timestamp(u64::MAX), None);
}
