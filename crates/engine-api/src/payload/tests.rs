#![allow(clippy::unwrap_used)]

use super::*;
use crate::versions::tests::config_at;
use alloy_primitives::{Bytes, b256};
use light_node_protocol::{BlockNumHash, Hardfork};
use serde_json::{Value, json};

/// Blocks of real chains, in the shape of requests.
const OP_SEPOLIA: &str = include_str!("../../testdata/newPayload/op-sepolia-9427873.json");
const OP_MAINNET: &str = include_str!("../../testdata/newPayload/op-mainnet-129499858.json");
const UNICHAIN_SEPOLIA: &str =
    include_str!("../../testdata/newPayload/unichain-sepolia-35535698.json");

/// The envelope in the JSON of `admin_postUnsafePayload`.
fn envelope(file: &str) -> OpExecutionPayloadEnvelope {
    let file: Value = serde_json::from_str(file).unwrap();
    let params = &file["request"]["params"];
    let json = json!({ "executionPayload": params[0], "parentBeaconBlockRoot": params[2] });
    serde_json::from_value(json).unwrap()
}

#[test]
fn real_blocks_hash_to_what_they_announce() {
    for file in [OP_SEPOLIA, OP_MAINNET, UNICHAIN_SEPOLIA] {
        let envelope = envelope(file);
        let computed = payload_block_hash(&envelope).unwrap();
        assert_eq!(computed, envelope.execution_payload.block_hash());
    }
    assert!(envelope(OP_MAINNET).execution_payload.as_v4().is_none());
    assert!(
        envelope(UNICHAIN_SEPOLIA)
            .execution_payload
            .as_v4()
            .is_some()
    );
}

#[test]
fn a_changed_payload_no_longer_has_its_hash() {
    let mut altered = envelope(UNICHAIN_SEPOLIA);
    altered.execution_payload.transactions_mut()[0] = Bytes::from_static(&[0x7e]);
    let error = payload_ref(&RollupConfig::default(), &altered).unwrap_err();
    assert!(matches!(error, PayloadError::HashMismatch { .. }));

    let mut altered = envelope(OP_SEPOLIA);
    altered.parent_beacon_block_root = Some(B256::ZERO);
    assert_ne!(
        payload_block_hash(&altered).unwrap(),
        altered.execution_payload.block_hash()
    );
    altered.parent_beacon_block_root = None;
    let error = payload_block_hash(&altered).unwrap_err();
    assert!(matches!(error, PayloadError::MissingBeaconRoot));
}

#[test]
fn a_payload_with_withdrawals_or_too_much_extra_data_is_no_l2_block() {
    let mut altered = envelope(OP_SEPOLIA);
    altered.execution_payload.as_v1_mut().extra_data = Bytes::from(vec![0; 33]);
    assert!(matches!(
        payload_block_hash(&altered).unwrap_err(),
        PayloadError::Invalid(_)
    ));
    let mut altered = envelope(UNICHAIN_SEPOLIA);
    altered
        .execution_payload
        .as_v2_mut()
        .unwrap()
        .withdrawals
        .push(Default::default());
    assert!(matches!(
        payload_block_hash(&altered).unwrap_err(),
        PayloadError::Invalid(_)
    ));
}

#[test]
fn references_name_the_l1_origin_of_the_first_deposit() {
    let config = config_at(Hardfork::Ecotone, 0);
    let found = payload_ref(&config, &envelope(OP_SEPOLIA)).unwrap();
    assert_eq!(found.number, 9_427_873);
    let origin = b256!("b391490331d2e77a26b664cb609fdb4398f42939e8eb808188de905b06f8fc16");
    assert_eq!(found.l1_origin, BlockNumHash::new(5_502_917, origin));
    assert_eq!(found.sequence_number, 2);

    let found = payload_ref(
        &config_at(Hardfork::Isthmus, 0),
        &envelope(UNICHAIN_SEPOLIA),
    )
    .unwrap();
    let origin = b256!("0ffd7e2fb2c36e5f27c015872ce733a7b4f3fc0f4ee668d7469c557c48f8250f");
    assert_eq!(found.l1_origin, BlockNumHash::new(9_569_326, origin));
    assert_eq!(found.sequence_number, 8);
}

#[test]
fn the_json_of_an_envelope_is_that_of_the_admin_method() {
    for file in [OP_SEPOLIA, UNICHAIN_SEPOLIA] {
        let envelope = envelope(file);
        let json = serde_json::to_value(&envelope).unwrap();
        assert!(json["executionPayload"]["blockHash"].is_string());
        assert!(json["parentBeaconBlockRoot"].is_string());
        let back: OpExecutionPayloadEnvelope = serde_json::from_value(json).unwrap();
        assert_eq!(back, envelope);
    }
}
