#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    cause::Causes,
    epochs::Epochs,
    testing::{files, world, world::World},
};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{B256, Log, LogData};
use light_node_l1::{L1Data, L1Source, MemoryL1Source};
use light_node_protocol::{CONFIG_UPDATE_TOPIC, l1_info::L1FeeParams};
use op_alloy_consensus::TxDeposit;
use std::sync::Arc;

async fn epoch(l1: &MemoryL1Source, number: u64) -> Arc<Epoch> {
    let id = l1.data(number).unwrap().id();
    let source: &dyn L1Source = l1;
    let epochs = Epochs::default();
    epochs.get(id, source, &Causes::default()).await.unwrap()
}

/// The attributes of the block after genesis, on L1 block `number`.
async fn build(world: &World, number: u64) -> Result<Built, BuildError> {
    let parent = world.head();
    let epoch = epoch(&world.l1, number).await;
    let batch = SingleBatch {
        transactions: world::transactions(1, 2),
        ..SingleBatch::default()
    };
    Ingredients {
        config: &world.config,
        l1_chain: &world::l1_chain(),
        upgrades: &UpgradeBundles::default(),
        parent: &parent,
        parent_config: &world.config.genesis.system_config,
        epoch: &epoch,
        batch: &batch,
    }
    .build()
}

fn deposit(transaction: &Bytes) -> TxDeposit {
    TxDeposit::decode_2718(&mut transaction.as_ref()).unwrap()
}

pub(crate) fn config_update(kind: u8, value: u64) -> Log {
    let mut data = [0; 96];
    (data[31], data[63]) = (32, 32);
    data[88..].copy_from_slice(&value.to_be_bytes());
    let topics = vec![CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(kind)];
    Log {
        address: world::SYSTEM_CONFIG,
        data: LogData::new_unchecked(topics, data.to_vec().into()),
    }
}

#[tokio::test]
async fn a_block_within_an_epoch_has_no_deposits_but_the_l1_info() {
    let world = World::new();
    let built = build(&world, 1).await.unwrap();
    assert_eq!(built.sequence_number, 1);
    let transactions = built.attributes.transactions.unwrap();
    assert_eq!(transactions.len(), 3);
    assert_eq!(transactions[1..], world::transactions(1, 2));
    let info = L1BlockInfo::decode(&deposit(&transactions[0]).input).unwrap();
    assert_eq!((info.number, info.sequence_number), (1, 1));
    assert!(matches!(info.fees, L1FeeParams::Jovian(_, _, 400)));
    assert_eq!(built.attributes.no_tx_pool, Some(true));
    assert_eq!(built.attributes.min_base_fee, Some(0));
}

#[tokio::test]
async fn all_real_deposits_are_taken_over_bit_for_bit_in_order() {
    let Some(folder) = files::folder("derivation") else {
        return;
    };
    let cases = files::json(folder.join("deposit-logs.json"));
    for case in cases["valid"].as_array().unwrap() {
        let topics: Vec<B256> = serde_json::from_value(case["log"]["topics"].clone()).unwrap();
        let log = Log {
            address: world::PORTAL,
            data: LogData::new_unchecked(topics, files::hex(&case["log"]["data"]).into()),
        };
        let world = World::new();
        let hash = B256::from_slice(&files::hex(&case["l1BlockHash"]));
        let index = case["logIndex"].as_u64().unwrap();
        let header = alloy_consensus::Header {
            number: 2,
            parent_hash: world.l1.head().hash,
            timestamp: world::GENESIS_TIME,
            base_fee_per_gas: Some(1),
            ..Default::default()
        };
        let mut stranger = log.clone();
        stranger.address = world::SYSTEM_CONFIG;
        world.l1.push_data(L1Data {
            header,
            hash,
            inbox: Vec::new(),
            logs: vec![(0, stranger), (index, log)],
        });
        let built = build(&world, 2).await.unwrap();
        let transactions = built.attributes.transactions.unwrap();
        let expected = Bytes::from(files::hex(&case["depositTx"]));
        assert_eq!(transactions[1], expected, "{}", case["name"]);
        assert_eq!(transactions.len(), 4);
        assert_eq!(built.sequence_number, 0);
    }
}

#[tokio::test]
async fn a_malformed_deposit_is_never_left_out() {
    let world = World::new();
    let mut log = config_update(0, 0);
    log.address = world::PORTAL;
    log.data = LogData::new_unchecked(vec![TRANSACTION_DEPOSITED_TOPIC], Bytes::new());
    world.l1.push_with(Vec::new(), vec![log], |header| {
        header.timestamp = world::GENESIS_TIME
    });
    let error = build(&world, 2).await.unwrap_err();
    let is_it = |cause: &ResetCause| matches!(cause, ResetCause::Deposit { block, .. } if block.number == 2);
    assert!(
        matches!(&error, BuildError::Reset(cause) if is_it(cause)),
        "{error:?}"
    );
}

#[tokio::test]
async fn config_updates_hold_from_the_first_block_of_their_epoch_and_malformed_ones_are_left_out() {
    let world = World::new();
    let mut malformed = config_update(2, 1);
    malformed.data = LogData::new_unchecked(malformed.topics().to_vec(), Bytes::from_static(&[1]));
    let logs = vec![
        config_update(2, 40_000_000),
        malformed,
        config_update(99, 7),
        config_update(4, (100 << 32) | 8),
        config_update(5, 12),
        config_update(6, 1_000_000_000),
        config_update(7, 500),
        config_update(3, 77),
    ];
    world.l1.push_with(Vec::new(), logs, |header| {
        header.timestamp = world::GENESIS_TIME
    });
    let built = build(&world, 2).await.unwrap();
    let attributes = &built.attributes;
    assert_eq!(attributes.gas_limit, Some(40_000_000));
    assert_eq!(attributes.min_base_fee, Some(1_000_000_000));
    let params = attributes.eip_1559_params.unwrap();
    assert_eq!(params.0, [0, 0, 0, 100, 0, 0, 0, 8]);
    let info = &attributes.transactions.as_ref().unwrap()[0];
    let info = L1BlockInfo::decode(&deposit(info).input).unwrap();
    let L1FeeParams::Jovian(_, operator_fee, da_footprint_gas_scalar) = info.fees else {
        panic!("jovian");
    };
    assert_eq!((operator_fee.constant, da_footprint_gas_scalar), (12, 500));
    assert_eq!(built.system_config.gas_limit, 40_000_000);
    assert_eq!(built.system_config.min_base_fee, 1_000_000_000);
}

#[tokio::test]
async fn every_real_l1_info_deposit_comes_of_the_system_config_that_it_shows() {
    let Some(folder) = files::folder("derivation/blobs") else {
        return;
    };
    let case = files::json(folder.join("unichain-mainnet-jovian-713d467f.json"));
    for origin in case["l1Origins"].as_array().unwrap() {
        let header = alloy_consensus::Header {
            timestamp: origin["timestamp"].as_u64().unwrap(),
            excess_blob_gas: origin["excessBlobGas"].as_u64(),
            blob_gas_used: Some(0),
            ..Default::default()
        };
        let config = RollupConfig::default();
        let params = config.blob_params(&world::l1_chain(), header.timestamp);
        let facts = L1BlockFacts::from_header(&header, B256::ZERO, params);
        let expected = origin["blobBaseFeeBpo1Fraction"].as_str().unwrap();
        assert_eq!(facts.blob_base_fee.to_string(), expected);
    }
}

#[tokio::test]
async fn the_first_block_of_karst_has_its_gas_on_top_and_the_next_has_not() {
    let Some(folder) = files::folder("derivation/upgrades") else {
        return;
    };
    let mut upgrades = UpgradeBundles::default();
    let bundle = std::fs::read(folder.join("karst_nut_bundle.json")).unwrap();
    upgrades.add(&bundle).unwrap();
    for keep in [false, true] {
        let mut world = World::with(|config| {
            config.karst_time = Some(world::GENESIS_TIME + 4);
            config.keep_karst_upgrade_gas = keep;
        });
        world.set_upgrades(upgrades.clone());
        let mut limits = Vec::new();
        for _ in 0..4 {
            world.sequence(Vec::new()).await;
            limits.push(world.el.system_config(world.head().number).gas_limit);
        }
        let raised = 30_000_000 + light_node_protocol::KARST_UPGRADE_GAS;
        let expected = if keep {
            [30_000_000, raised, raised, raised]
        } else {
            [30_000_000; 4]
        };
        assert_eq!(limits, expected);
        assert_eq!(world.el.transactions(2).len(), 32);
        assert_eq!(world.el.transactions(3).len(), 1);
    }
}

#[tokio::test]
async fn without_its_bundle_the_first_block_of_a_fork_is_not_made() {
    let world = World::with(|config| config.karst_time = Some(world::GENESIS_TIME + 2));
    let error = build(&world, 1).await.unwrap_err();
    assert!(matches!(error, BuildError::MissingBundle(Hardfork::Karst)));
}

#[tokio::test]
async fn origins_that_do_not_continue_the_parents_are_a_reset() {
    let world = World::new();
    world.l1.push_empty(1);
    let error = build(&world, 2).await.unwrap_err();
    let is_early = |cause: &ResetCause| matches!(cause, ResetCause::BeforeOrigin { .. });
    let is_early = matches!(&error, BuildError::Reset(cause) if is_early(cause));
    assert!(is_early, "{error:?}");
    world.l1.reorg(1);
    world.l1.push_with(Vec::new(), Vec::new(), |header| {
        header.timestamp = world::GENESIS_TIME;
        header.parent_hash = B256::ZERO;
    });
    let error = build(&world, 2).await.unwrap_err();
    let is_foreign = |cause: &ResetCause| matches!(cause, ResetCause::OriginMismatch { .. });
    let is_foreign = matches!(&error, BuildError::Reset(cause) if is_foreign(cause));
    assert!(is_foreign, "{error:?}");
}

#[tokio::test]
async fn fields_of_a_fork_are_there_from_its_first_block_on() {
    let fields = |world: World| async move {
        let built = build(&world, 1).await.unwrap().attributes;
        (
            built.payload_attributes.withdrawals.is_some(),
            built.payload_attributes.parent_beacon_block_root.is_some(),
            built.eip_1559_params.is_some(),
            built.min_base_fee.is_some(),
        )
    };
    let late = Some(u64::MAX);
    let until = |last: u8| {
        World::with(|config| {
            for (index, time) in [
                &mut config.canyon_time,
                &mut config.delta_time,
                &mut config.ecotone_time,
                &mut config.fjord_time,
                &mut config.granite_time,
                &mut config.holocene_time,
                &mut config.isthmus_time,
                &mut config.jovian_time,
            ]
            .into_iter()
            .enumerate()
            {
                if index as u8 >= last {
                    *time = late;
                }
            }
        })
    };
    assert_eq!(fields(until(0)).await, (false, false, false, false));
    assert_eq!(fields(until(1)).await, (true, false, false, false));
    assert_eq!(fields(until(3)).await, (true, true, false, false));
    assert_eq!(fields(until(6)).await, (true, true, true, false));
    assert_eq!(fields(until(8)).await, (true, true, true, true));
}
