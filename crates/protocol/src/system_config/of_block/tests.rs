#![allow(clippy::unwrap_used)]

use super::*;
use crate::l1_info::{EcotoneFees, L1BlockFacts, l1_info_deposit};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, U256, hex};

const KARST: u64 = 1000;

fn config() -> RollupConfig {
    let at_genesis = Some(0);
    RollupConfig {
        block_time: 2,
        regolith_time: at_genesis,
        canyon_time: at_genesis,
        delta_time: at_genesis,
        ecotone_time: at_genesis,
        fjord_time: at_genesis,
        granite_time: at_genesis,
        holocene_time: Some(100),
        isthmus_time: Some(200),
        jovian_time: Some(300),
        karst_time: Some(KARST),
        chain_op_config: Some(ChainOpConfig {
            eip1559_elasticity: 60,
            eip1559_denominator: 50,
            eip1559_denominator_canyon: Some(80),
        }),
        ..RollupConfig::default()
    }
}

fn system_config() -> SystemConfig {
    SystemConfig {
        batcher_address: Address::repeat_byte(7),
        overhead: B256::ZERO,
        scalar: packed(EcotoneScalars {
            base_fee_scalar: 5,
            blob_base_fee_scalar: 9,
        }),
        gas_limit: 30_000_000,
        eip1559_params: FixedBytes([0, 0, 0, 8, 0, 0, 0, 2]),
        operator_fee_params: packed_operator_fee(OperatorFee {
            scalar: 3,
            constant: 4,
        }),
        min_base_fee: 11,
        da_footprint_gas_scalar: 500,
    }
}

/// The config read back from the block that this config makes at `timestamp`.
fn read_back(system_config: &SystemConfig, gas_limit: u64, timestamp: u64) -> SystemConfig {
    let config = config();
    let l1 = L1BlockFacts {
        number: 1,
        hash: B256::repeat_byte(1),
        timestamp: 1,
        base_fee: 1,
        blob_base_fee: 1,
    };
    let deposit = l1_info_deposit(&config, system_config, 0, &l1, timestamp).unwrap();
    let extra_data = system_config.extra_data(&config, timestamp);
    let transaction = deposit.encoded_2718();
    SystemConfig::of_l2_block(
        &config,
        5,
        Some(&transaction),
        gas_limit,
        &extra_data,
        timestamp,
    )
    .unwrap()
}

#[test]
fn every_field_comes_back_from_a_jovian_block() {
    let config = system_config();
    assert_eq!(read_back(&config, config.gas_limit, 400), config);
}

#[test]
fn fields_of_later_forks_are_not_in_older_blocks() {
    let config = system_config();
    let holocene = SystemConfig {
        operator_fee_params: B256::ZERO,
        min_base_fee: 0,
        da_footprint_gas_scalar: 0,
        ..config
    };
    assert_eq!(read_back(&config, config.gas_limit, 150), holocene);
    let ecotone = SystemConfig {
        eip1559_params: FixedBytes::ZERO,
        ..holocene
    };
    assert_eq!(read_back(&config, config.gas_limit, 50), ecotone);
}

#[test]
fn the_first_block_of_a_fork_forgets_what_the_old_format_has_no_room_for() {
    let config = system_config();
    let read = read_back(&config, config.gas_limit, 300);
    assert_eq!(read.min_base_fee, 11, "the header has it");
    assert_eq!(read.da_footprint_gas_scalar, 0, "the deposit has it not");
}

#[test]
fn zero_eip1559_parameters_come_back_as_those_of_the_chain() {
    let config = SystemConfig {
        eip1559_params: FixedBytes::ZERO,
        ..system_config()
    };
    let read = read_back(&config, config.gas_limit, 400);
    assert_eq!(read.eip1559_params, FixedBytes([0, 0, 0, 80, 0, 0, 0, 60]));
}

#[test]
fn a_scalar_of_version_0_comes_back_as_version_1() {
    let mut config = system_config();
    config.scalar = U256::from(684_000).into();
    let read = read_back(&config, config.gas_limit, 400);
    assert_eq!(read.ecotone_scalars(), config.ecotone_scalars());
    assert_eq!(read.scalar[0], 1);
}

#[test]
fn the_gas_of_karsts_upgrade_is_taken_off_after_its_first_block() {
    let config = system_config();
    let with_upgrade = config.gas_limit + KARST_UPGRADE_GAS;
    assert_eq!(
        read_back(&config, with_upgrade, KARST).gas_limit,
        config.gas_limit
    );
    assert_eq!(
        read_back(&config, with_upgrade, KARST + 2).gas_limit,
        with_upgrade
    );
}

#[test]
fn a_chain_whose_history_has_it_so_keeps_the_gas_of_karsts_upgrade() {
    let config = RollupConfig {
        keep_karst_upgrade_gas: true,
        ..config()
    };
    let fees = EcotoneFees {
        scalars: EcotoneScalars::default(),
        blob_base_fee: U256::ZERO,
    };
    let info = L1BlockInfo {
        number: 1,
        timestamp: 1,
        base_fee: U256::ZERO,
        hash: B256::ZERO,
        sequence_number: 0,
        batcher_address: Address::ZERO,
        fees: L1FeeParams::Jovian(fees, OperatorFee::default(), 400),
    };
    let extra_data = system_config().extra_data(&config, KARST);
    let read = SystemConfig::of_block(&config, &info, 90_000_000, &extra_data, KARST).unwrap();
    assert_eq!(read.gas_limit, 90_000_000);
}

#[test]
fn genesis_has_the_config_of_the_rollup_config() {
    let mut config = config();
    config.genesis.system_config = system_config();
    let read = SystemConfig::of_l2_block(&config, 0, None, 1, b"genesis", 0).unwrap();
    assert_eq!(read, system_config());
    let read = SystemConfig::of_l2_block(&config, 1, None, 1, &[], 2);
    assert!(matches!(read, Err(BlockConfigError::NoTransactions)));
}

#[test]
fn extra_data_is_written_as_execution_layers_write_it() {
    let config = config();
    let with = |params: [u8; 8], min_base_fee| SystemConfig {
        eip1559_params: FixedBytes(params),
        min_base_fee,
        ..SystemConfig::default()
    };
    let set = [0, 0, 0, 8, 0, 0, 0, 8];
    for (system_config, timestamp, expected) in [
        (with(set, 0), 99, "".as_bytes().to_vec()),
        (with(set, 0), 100, hex!("000000000800000008").to_vec()),
        (with([0; 8], 0), 100, hex!("00000000500000003c").to_vec()),
        (
            with(set, 257),
            300,
            hex!("0100000008000000080000000000000101").to_vec(),
        ),
        (
            with([0; 8], 0),
            300,
            hex!("01000000500000003c0000000000000000").to_vec(),
        ),
    ] {
        assert_eq!(system_config.extra_data(&config, timestamp), expected);
    }
}

#[test]
fn extra_data_of_another_form_is_refused() {
    let config = config();
    for malformed in [
        &hex!("")[..],
        &hex!("ffffaaaa"),
        &hex!("01ffffffff00000000"),
        &hex!("ff0000000100000001"),
        &hex!("000000000000000000"),
        &hex!("000000000000000001"),
        &hex!("01ffffffff000001bc00000000000000"),
        &hex!("01ffffffff000001bc000000000000000000"),
    ] {
        for timestamp in [100, 300] {
            let decoded = FeeExtraData::decode(&config, timestamp, malformed);
            assert!(decoded.is_err(), "{malformed:x?} at {timestamp}");
        }
    }
    let elasticity_zero = hex!("000000000100000000");
    assert!(FeeExtraData::decode(&config, 100, &elasticity_zero).is_ok());
    assert!(FeeExtraData::decode(&config, 300, &elasticity_zero).is_err());
    assert!(FeeExtraData::decode(&config, 99, &hex!("ffffaaaa")).is_ok());
}
