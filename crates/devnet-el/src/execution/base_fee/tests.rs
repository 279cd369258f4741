#![allow(clippy::unwrap_used)]

use super::*;
use alloy_consensus::Block;
use alloy_eips::Encodable2718;
use alloy_op_hardforks::OpHardfork;
use alloy_primitives::{B64, B256, keccak256};
use alloy_rlp::Decodable;
use alloy_rpc_types_engine::PayloadAttributes;
use op_alloy_consensus::OpTxEnvelope;
use op_revm::estimate_tx_compressed_size;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../testdata/base-fee.json")).unwrap()
}

fn number(vector: &Value, field: &str) -> u64 {
    vector[field].as_u64().unwrap()
}

fn spec(latest: OpHardfork, denominator: u128, elasticity: u128) -> ElSpec {
    let forks = OpHardfork::VARIANTS.iter().filter(|fork| **fork <= latest);
    ElSpec::new(
        1,
        forks.map(|fork| (*fork, 0)),
        BaseFeeParams::new(denominator, elasticity),
    )
}

fn extra_data(version: u8, vector: &Value) -> Vec<u8> {
    let mut data = vec![version];
    for field in ["denominator", "elasticity"] {
        let value = u32::try_from(number(vector, field)).unwrap();
        data.extend(value.to_be_bytes());
    }
    data
}

#[test]
fn holocene_base_fees_follow_the_published_vectors() {
    let vectors = vectors();
    for vector in vectors["holocene"]["vectors"].as_array().unwrap() {
        let parent = Header {
            gas_used: number(vector, "parentGasUsed"),
            gas_limit: number(vector, "gasLimit"),
            base_fee_per_gas: Some(number(vector, "parentBaseFee")),
            extra_data: extra_data(0, vector).into(),
            ..Header::default()
        };
        let base_fee = next_base_fee(&spec(OpHardfork::Holocene, 50, 2), &parent).unwrap();
        assert_eq!(base_fee, number(vector, "expected"), "{vector}");
        // Before Holocene the same parameters are those of the chain.
        let parent = Header {
            extra_data: Bytes::new(),
            ..parent
        };
        let denominator = number(vector, "denominator").into();
        let elasticity = number(vector, "elasticity").into();
        let before = spec(OpHardfork::Granite, denominator, elasticity);
        assert_eq!(next_base_fee(&before, &parent).unwrap(), base_fee);
    }
}

#[test]
fn jovian_base_fees_follow_the_published_vectors() {
    let vectors = vectors();
    for vector in vectors["jovian"]["vectors"].as_array().unwrap() {
        let is_jovian = vector["jovian"].as_bool().unwrap();
        let mut extra = extra_data(u8::from(is_jovian), vector);
        if is_jovian {
            extra.extend(number(vector, "minBaseFee").to_be_bytes());
        }
        let latest = if is_jovian {
            OpHardfork::Jovian
        } else {
            OpHardfork::Isthmus
        };
        let parent = Header {
            gas_used: number(vector, "gasUsed"),
            blob_gas_used: Some(number(vector, "blobGasUsed")),
            gas_limit: number(vector, "gasLimit"),
            base_fee_per_gas: Some(number(vector, "parentBaseFee")),
            extra_data: extra.into(),
            ..Header::default()
        };
        let base_fee = next_base_fee(&spec(latest, 50, 2), &parent).unwrap();
        assert_eq!(base_fee, number(vector, "expected"), "{vector}");
    }
}

#[test]
fn extra_data_is_accepted_in_its_fork_only() {
    let accepts =
        |latest, data: &Bytes| BaseFeeRules::of_header(&spec(latest, 50, 2), 0, data).is_ok();
    let vectors = vectors();
    let list = |name: &str| -> Vec<Bytes> {
        serde_json::from_value(vectors["extraData"][name].clone()).unwrap()
    };
    for data in list("jovianOnly") {
        assert!(accepts(OpHardfork::Jovian, &data), "{data}");
        assert!(!accepts(OpHardfork::Isthmus, &data), "{data}");
    }
    for data in list("holoceneOnly") {
        assert!(accepts(OpHardfork::Isthmus, &data), "{data}");
        assert!(!accepts(OpHardfork::Jovian, &data), "{data}");
    }
    for data in list("neverAfterHolocene") {
        assert!(!accepts(OpHardfork::Isthmus, &data), "{data}");
        assert!(!accepts(OpHardfork::Jovian, &data), "{data}");
    }
    assert!(accepts(OpHardfork::Granite, &vec![0; 32].into()));
    assert!(!accepts(OpHardfork::Granite, &vec![0; 33].into()));
}

#[test]
fn attributes_give_the_published_extra_data() {
    let vectors = vectors();
    for vector in vectors["extraData"]["build"].as_array().unwrap() {
        let min_base_fee = vector["minBaseFee"].as_u64();
        let latest = if min_base_fee.is_some() {
            OpHardfork::Jovian
        } else {
            OpHardfork::Isthmus
        };
        let defaults = &vector["defaults"];
        let spec = spec(
            latest,
            number(defaults, "denominator").into(),
            number(defaults, "elasticity").into(),
        );
        let params: B64 = serde_json::from_value(vector["eip1559Params"].clone()).unwrap();
        let attributes = OpPayloadAttributes {
            payload_attributes: PayloadAttributes::default(),
            eip_1559_params: Some(params),
            min_base_fee,
            ..OpPayloadAttributes::default()
        };
        let expected: Bytes = serde_json::from_value(vector["extraData"].clone()).unwrap();
        assert_eq!(
            BaseFeeRules::extra_data_for(&spec, &attributes),
            Ok(expected)
        );
    }
}

#[test]
fn base_fee_steps_of_real_jovian_blocks_follow_from_their_da_footprint() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../testdata/jovian-blocks.json")).unwrap();
    let blocks: Vec<(B256, Block<OpTxEnvelope>, Value)> = vectors["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| {
            let rlp: Bytes = serde_json::from_value(vector["rlp"].clone()).unwrap();
            let hash = serde_json::from_value(vector["hash"].clone()).unwrap();
            let block = Block::decode(&mut rlp.as_ref()).unwrap();
            (hash, block, vector.clone())
        })
        .collect();
    let spec = spec(OpHardfork::Jovian, 250, 6);
    let mut steps = 0;
    for (hash, block, vector) in &blocks {
        assert_eq!(keccak256(alloy_rlp::encode(&block.header)), *hash);
        assert_eq!(block.header.blob_gas_used, vector["daFootprint"].as_u64());
        // What the EVM estimates of their transactions, times the scalar that their L1-info deposits name.
        let sizes = block
            .body
            .transactions
            .iter()
            .filter(|one| !one.is_deposit());
        let estimates =
            sizes.map(|one| estimate_tx_compressed_size(&one.encoded_2718()) / 1_000_000);
        let footprint = estimates.sum::<u64>() * 400;
        assert_eq!(block.header.blob_gas_used, Some(footprint));
        if let Some((_, child, _)) = blocks
            .iter()
            .find(|(_, child, _)| child.header.parent_hash == *hash)
        {
            let base_fee = next_base_fee(&spec, &block.header).unwrap();
            assert_eq!(Some(base_fee), child.header.base_fee_per_gas);
            steps += 1;
        }
    }
    assert_eq!(steps, 2);
}

#[test]
fn no_parameters_overflow_or_divide_by_zero() {
    let rules = |denominator, elasticity| BaseFeeRules {
        params: BaseFeeParams::new(denominator, elasticity),
        floor: 0,
    };
    assert_eq!(
        rules(1, 30_000_000).next(30_000_000, 30_000_000, u64::MAX),
        u64::MAX
    );
    assert_eq!(rules(1, 1).next(u64::MAX, 1, u64::MAX), u64::MAX);
    assert_eq!(rules(1, 0).next(1, 1, 7), 7);
    assert_eq!(rules(1, u32::MAX.into()).next(u64::MAX, 1, 7), 7);
    assert_eq!(rules(1, 1).next(0, u64::MAX, u64::MAX), 0);
}
