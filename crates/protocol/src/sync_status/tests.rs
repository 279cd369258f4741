//! Answers of real op-nodes through the type and back, and what an answer may lack.

#![allow(clippy::unwrap_used)]

use super::*;
use alloy_primitives::B256;
use serde_json::{Value, json};

const OP_MAINNET_2025: &str =
    include_str!("../../testdata/rpc/optimism_syncStatus-op-mainnet-2025.json");
const SEPOLIA_2023: &str = include_str!("../../testdata/rpc/optimism_syncStatus-sepolia-2023.json");

const FIELDS: [&str; 11] = [
    "current_l1",
    "current_l1_finalized",
    "head_l1",
    "safe_l1",
    "finalized_l1",
    "unsafe_l2",
    "safe_l2",
    "finalized_l2",
    "pending_safe_l2",
    "cross_unsafe_l2",
    "local_safe_l2",
];

#[test]
fn answer_of_op_node_survives_the_round_trip() {
    let status: SyncStatus = serde_json::from_str(OP_MAINNET_2025).unwrap();
    let mut real: Value = serde_json::from_str(OP_MAINNET_2025).unwrap();
    // Dropped by op-node since.
    real.as_object_mut().unwrap().remove("queued_unsafe_l2");
    assert_eq!(serde_json::to_value(status).unwrap(), real);
}

#[test]
fn answer_of_2023_gets_the_fields_of_today() {
    let status: SyncStatus = serde_json::from_str(SEPOLIA_2023).unwrap();
    assert_eq!(status.local_safe_l2, status.safe_l2);
    assert_eq!(status.cross_unsafe_l2, status.unsafe_l2);
    let real: Value = serde_json::from_str(SEPOLIA_2023).unwrap();
    let written = serde_json::to_value(status).unwrap();
    for field in FIELDS {
        if let Some(value) = real.get(field) {
            assert_eq!(&written[field], value, "{field}");
        }
    }
}

#[test]
fn unknown_heads_are_zero_objects_and_never_null() {
    let l1 = json!({"hash": B256::ZERO, "number": 0, "parentHash": B256::ZERO, "timestamp": 0});
    let l2 = json!({
        "hash": B256::ZERO,
        "number": 0,
        "parentHash": B256::ZERO,
        "timestamp": 0,
        "l1origin": {"hash": B256::ZERO, "number": 0},
        "sequenceNumber": 0,
    });
    let written = serde_json::to_value(SyncStatus::default()).unwrap();
    assert_eq!(written.as_object().unwrap().len(), FIELDS.len());
    for field in FIELDS {
        assert_eq!(
            written[field],
            if field.ends_with("l2") {
                l2.clone()
            } else {
                l1.clone()
            },
            "{field}"
        );
        let json = written[field].clone();
        let zero = if field.ends_with("l2") {
            serde_json::from_value::<L2BlockRef>(json)
                .unwrap()
                .is_zero()
        } else {
            serde_json::from_value::<L1BlockRef>(json)
                .unwrap()
                .is_zero()
        };
        assert!(zero, "{field}");
    }
    assert_eq!(
        serde_json::from_value::<SyncStatus>(written).unwrap(),
        SyncStatus::default()
    );
}

#[test]
fn fields_of_the_future_are_ignored() {
    let mut json: Value = serde_json::from_str(OP_MAINNET_2025).unwrap();
    json["super_safe_l2"] = json!([1, 2]);
    json["safe_l2"]["stateRoot"] = json!(null);
    json["safe_l2"]["l1origin"]["timestamp"] = json!(1);
    json["current_l1"]["slot"] = json!("0x1");
    let expected: SyncStatus = serde_json::from_str(OP_MAINNET_2025).unwrap();
    assert_eq!(
        serde_json::from_value::<SyncStatus>(json).unwrap(),
        expected
    );
}

#[test]
fn answer_without_the_heads_that_a_follower_needs_is_refused() {
    for field in ["safe_l2", "finalized_l2"] {
        let mut json: Value = serde_json::from_str(OP_MAINNET_2025).unwrap();
        json.as_object_mut().unwrap().remove(field);
        let error = serde_json::from_value::<SyncStatus>(json)
            .unwrap_err()
            .to_string();
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn numbers_have_64_bits_and_no_more() {
    let mut json: Value = serde_json::from_str(OP_MAINNET_2025).unwrap();
    json["safe_l2"]["number"] = json!(u64::MAX);
    json["safe_l2"]["l1origin"]["number"] = json!(u64::MAX);
    json["safe_l2"]["sequenceNumber"] = json!(u64::MAX);
    let text = json.to_string();
    let status: SyncStatus = serde_json::from_str(&text).unwrap();
    assert_eq!(status.safe_l2.l1_origin.number, u64::MAX);
    assert_eq!(
        serde_json::to_value(status).unwrap()["safe_l2"],
        json["safe_l2"]
    );

    let text = text.replace("18446744073709551615", "18446744073709551616");
    assert!(serde_json::from_str::<SyncStatus>(&text).is_err());
    for wrong in [json!(-1), json!(1.5), json!("0x1"), json!(null)] {
        json["safe_l2"]["number"] = wrong.clone();
        assert!(
            serde_json::from_value::<SyncStatus>(json.clone()).is_err(),
            "{wrong}"
        );
    }
}
