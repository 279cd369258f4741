//! Published L1-info deposits of real chains and of every format, decoded, encoded again and rebuilt from a system config.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{SystemConfig, rollup_config::RollupConfig};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Bytes, keccak256};
use op_alloy_consensus::TxDeposit;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
    invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    deposit_tx: Option<Bytes>,
    tx_hash: Option<B256>,
    source_hash: B256,
    gas_limit: Option<u64>,
    is_system_tx: Option<bool>,
    calldata: Bytes,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    fork: String,
    number: u64,
    time: u64,
    base_fee: u64,
    block_hash: B256,
    sequence_number: u64,
    batcher: Address,
    #[serde(default)]
    overhead: u64,
    #[serde(default)]
    scalar: u64,
    #[serde(default)]
    base_fee_scalar: u32,
    #[serde(default)]
    blob_base_fee_scalar: u32,
    #[serde(default)]
    blob_base_fee: u64,
    #[serde(default)]
    operator_fee_scalar: u32,
    #[serde(default)]
    operator_fee_constant: u64,
    #[serde(default)]
    da_footprint_gas_scalar: u16,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    calldata: Bytes,
    error: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../testdata/l1-info.json")).unwrap()
}

impl Expected {
    fn info(&self) -> L1BlockInfo {
        let ecotone = EcotoneFees {
            scalars: EcotoneScalars {
                base_fee_scalar: self.base_fee_scalar,
                blob_base_fee_scalar: self.blob_base_fee_scalar,
            },
            blob_base_fee: U256::from(self.blob_base_fee),
        };
        let operator_fee = OperatorFee {
            scalar: self.operator_fee_scalar,
            constant: self.operator_fee_constant,
        };
        L1BlockInfo {
            number: self.number,
            timestamp: self.time,
            base_fee: U256::from(self.base_fee),
            hash: self.block_hash,
            sequence_number: self.sequence_number,
            batcher_address: self.batcher,
            fees: match self.fork.as_str() {
                "bedrock" => L1FeeParams::Bedrock {
                    overhead: U256::from(self.overhead).into(),
                    scalar: U256::from(self.scalar).into(),
                },
                "ecotone" => L1FeeParams::Ecotone(ecotone),
                "isthmus" => L1FeeParams::Isthmus(ecotone, operator_fee),
                "jovian" => {
                    L1FeeParams::Jovian(ecotone, operator_fee, self.da_footprint_gas_scalar)
                }
                other => panic!("unknown fork {other}"),
            },
        }
    }

    /// A system config that leads to these fee parameters.
    fn system_config(&self) -> SystemConfig {
        let scalar = if self.fork == "bedrock" {
            U256::from(self.scalar).into()
        } else {
            let mut scalar = B256::ZERO;
            scalar[0] = 1;
            scalar[24..28].copy_from_slice(&self.blob_base_fee_scalar.to_be_bytes());
            scalar[28..].copy_from_slice(&self.base_fee_scalar.to_be_bytes());
            scalar
        };
        let mut operator_fee_params = B256::ZERO;
        operator_fee_params[20..24].copy_from_slice(&self.operator_fee_scalar.to_be_bytes());
        operator_fee_params[24..].copy_from_slice(&self.operator_fee_constant.to_be_bytes());
        SystemConfig {
            batcher_address: self.batcher,
            overhead: U256::from(self.overhead).into(),
            scalar,
            operator_fee_params,
            da_footprint_gas_scalar: self.da_footprint_gas_scalar,
            ..SystemConfig::default()
        }
    }
}

/// A chain with every fork up to `last` active from time 0.
fn chain(last: &str, regolith: bool) -> RollupConfig {
    let from = |format: &[&str]| format.contains(&last).then_some(0);
    RollupConfig {
        block_time: 2,
        regolith_time: regolith.then_some(0),
        ecotone_time: from(&["ecotone", "isthmus", "jovian"]),
        isthmus_time: from(&["isthmus", "jovian"]),
        jovian_time: from(&["jovian"]),
        ..RollupConfig::default()
    }
}

#[test]
fn every_published_calldata_decodes_to_its_fields() {
    let vectors = vectors().vectors;
    assert_eq!(vectors.len(), 22);
    for vector in vectors {
        let info = L1BlockInfo::decode(&vector.calldata).unwrap();
        assert_eq!(info, vector.expected.info(), "{}", vector.name);
        assert_eq!(
            info.l1_origin(),
            BlockNumHash::new(vector.expected.number, vector.expected.block_hash)
        );
        assert_eq!(info.format().to_string(), vector.expected.fork);
    }
}

#[test]
fn every_published_calldata_is_encoded_again_byte_for_byte() {
    for vector in vectors().vectors {
        assert_eq!(
            vector.expected.info().encode(),
            vector.calldata,
            "{}",
            vector.name
        );
    }
}

#[test]
fn every_published_deposit_is_rebuilt_from_config_and_l1_block() {
    for vector in vectors().vectors {
        let expected = &vector.expected;
        let regolith = !vector.is_system_tx.unwrap_or(false);
        let l1 = L1BlockFacts {
            number: expected.number,
            hash: expected.block_hash,
            timestamp: expected.time,
            base_fee: expected.base_fee,
            blob_base_fee: expected.blob_base_fee.into(),
        };
        let deposit = l1_info_deposit(
            &chain(&expected.fork, regolith),
            &expected.system_config(),
            expected.sequence_number,
            &l1,
            expected.time,
        )
        .unwrap();
        assert_eq!(deposit.input, vector.calldata, "{}", vector.name);
        assert_eq!(deposit.source_hash, vector.source_hash, "{}", vector.name);
        if let Some(gas_limit) = vector.gas_limit {
            assert_eq!(deposit.gas_limit, gas_limit, "{}", vector.name);
        }
        if let Some(raw) = &vector.deposit_tx {
            assert_eq!(deposit.encoded_2718(), *raw, "{}", vector.name);
            assert_eq!(
                TxDeposit::decode_2718_exact(raw).unwrap(),
                deposit,
                "{}",
                vector.name
            );
            assert_eq!(Some(keccak256(raw)), vector.tx_hash, "{}", vector.name);
        }
    }
}

#[test]
fn every_published_invalid_calldata_is_refused_for_its_reason() {
    for Invalid {
        name,
        calldata,
        error,
    } in vectors().invalid
    {
        let actual = match L1BlockInfo::decode(&calldata).unwrap_err() {
            L1InfoError::MissingSelector { .. } => "missing selector".to_owned(),
            L1InfoError::UnknownSelector { .. } => "unknown selector".to_owned(),
            L1InfoError::Length { expected, .. } => format!("length, want {expected}"),
            L1InfoError::OutOfRange { field } => field.to_owned(),
        };
        assert_eq!(actual, error, "{name}");
    }
}

#[test]
fn calldata_one_byte_too_short_or_too_long_is_refused() {
    for vector in vectors().vectors {
        let mut calldata = vector.calldata.to_vec();
        calldata.push(0);
        assert!(
            matches!(
                L1BlockInfo::decode(&calldata),
                Err(L1InfoError::Length { .. })
            ),
            "{}",
            vector.name
        );
        calldata.truncate(calldata.len() - 2);
        assert!(
            matches!(
                L1BlockInfo::decode(&calldata),
                Err(L1InfoError::Length { .. })
            ),
            "{}",
            vector.name
        );
    }
}

#[test]
fn bedrock_words_beyond_their_type_are_refused() {
    let vector = vectors().vectors.remove(0);
    for (word, field) in [
        (0, "number"),
        (1, "timestamp"),
        (4, "sequence_number"),
        (5, "batcher_address"),
    ] {
        let mut calldata = vector.calldata.to_vec();
        calldata[4 + 32 * word] = 1;
        assert_eq!(
            L1BlockInfo::decode(&calldata),
            Err(L1InfoError::OutOfRange { field })
        );
    }
}

#[test]
fn packed_batcher_hash_of_another_version_is_refused() {
    let vector = vectors()
        .vectors
        .into_iter()
        .find(|vector| vector.expected.fork == "jovian")
        .unwrap();
    let mut calldata = vector.calldata.to_vec();
    calldata[4 + 32 + 3 * 32] = 1;
    assert_eq!(
        L1BlockInfo::decode(&calldata),
        Err(L1InfoError::OutOfRange {
            field: "batcher_address"
        })
    );
}

#[test]
fn first_block_of_a_fork_still_uses_the_format_before() {
    let config = RollupConfig {
        block_time: 2,
        ecotone_time: Some(100),
        isthmus_time: Some(201),
        jovian_time: Some(300),
        ..RollupConfig::default()
    };
    for (timestamp, format) in [
        (98, L1InfoFormat::Bedrock),
        (100, L1InfoFormat::Bedrock),
        (102, L1InfoFormat::Ecotone),
        (200, L1InfoFormat::Ecotone),
        (202, L1InfoFormat::Ecotone),
        (204, L1InfoFormat::Isthmus),
        (300, L1InfoFormat::Isthmus),
        (302, L1InfoFormat::Jovian),
    ] {
        assert_eq!(
            L1InfoFormat::at(&config, timestamp),
            format,
            "at {timestamp}"
        );
    }
}

#[test]
fn fork_active_from_genesis_has_its_format_in_the_first_block() {
    // At time 0, and at the time of genesis itself.
    for jovian_time in [0, 1_000] {
        let config = RollupConfig {
            block_time: 2,
            ecotone_time: Some(0),
            isthmus_time: Some(0),
            jovian_time: Some(jovian_time),
            ..RollupConfig::default()
        };
        assert_eq!(L1InfoFormat::at(&config, 1_002), L1InfoFormat::Jovian);
    }
}

#[test]
fn forks_activated_together_skip_the_formats_between() {
    let config = RollupConfig {
        block_time: 2,
        ecotone_time: Some(100),
        isthmus_time: Some(100),
        jovian_time: Some(100),
        ..RollupConfig::default()
    };
    assert_eq!(L1InfoFormat::at(&config, 100), L1InfoFormat::Bedrock);
    assert_eq!(L1InfoFormat::at(&config, 102), L1InfoFormat::Jovian);
}

#[test]
fn l1_block_without_blob_fields_has_the_least_blob_base_fee() {
    let header = alloy_consensus::Header {
        base_fee_per_gas: Some(7),
        number: 3,
        ..Default::default()
    };
    let facts = L1BlockFacts::from_header(
        &header,
        B256::repeat_byte(1),
        alloy_eips::eip7840::BlobParams::cancun(),
    );
    assert_eq!(
        (facts.number, facts.base_fee, facts.blob_base_fee),
        (3, 7, 1)
    );
}
