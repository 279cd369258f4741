//! The execution payload of a block that the EL built. Fields that we do not know are skipped, whatever is in them: op-geth
//! answers with those of coming L1 forks, null as yet, which the general decoder of payloads takes for a mistake.

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bloom, Bytes, U64, U256};
use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3};
use op_alloy_rpc_types_engine::{
    OpExecutionPayload, OpExecutionPayloadEnvelope, OpExecutionPayloadV4,
};
use serde::Deserialize;

/// `ExecutionPayloadV1` to `V3` and its OP Stack successor. Which one it is follows from the fields that are there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePayload {
    parent_hash: B256,
    fee_recipient: Address,
    state_root: B256,
    receipts_root: B256,
    logs_bloom: Bloom,
    prev_randao: B256,
    block_number: U64,
    gas_limit: U64,
    gas_used: U64,
    timestamp: U64,
    extra_data: Bytes,
    base_fee_per_gas: U256,
    block_hash: B256,
    transactions: Vec<Bytes>,
    #[serde(default)]
    withdrawals: Option<Vec<Withdrawal>>,
    #[serde(default)]
    blob_gas_used: Option<U64>,
    #[serde(default)]
    excess_blob_gas: Option<U64>,
    #[serde(default)]
    withdrawals_root: Option<B256>,
}

impl From<WirePayload> for OpExecutionPayload {
    fn from(wire: WirePayload) -> Self {
        let payload = ExecutionPayloadV1 {
            parent_hash: wire.parent_hash,
            fee_recipient: wire.fee_recipient,
            state_root: wire.state_root,
            receipts_root: wire.receipts_root,
            logs_bloom: wire.logs_bloom,
            prev_randao: wire.prev_randao,
            block_number: wire.block_number.to(),
            gas_limit: wire.gas_limit.to(),
            gas_used: wire.gas_used.to(),
            timestamp: wire.timestamp.to(),
            extra_data: wire.extra_data,
            base_fee_per_gas: wire.base_fee_per_gas,
            block_hash: wire.block_hash,
            transactions: wire.transactions,
        };
        let Some(withdrawals) = wire.withdrawals else {
            return Self::V1(payload);
        };
        let payload = ExecutionPayloadV2 {
            payload_inner: payload,
            withdrawals,
        };
        let (Some(blob_gas_used), Some(excess_blob_gas)) =
            (wire.blob_gas_used, wire.excess_blob_gas)
        else {
            return Self::V2(payload);
        };
        let payload = ExecutionPayloadV3 {
            payload_inner: payload,
            blob_gas_used: blob_gas_used.to(),
            excess_blob_gas: excess_blob_gas.to(),
        };
        match wire.withdrawals_root {
            Some(root) => Self::V4(OpExecutionPayloadV4::from_v3_with_withdrawals_root(
                payload, root,
            )),
            None => Self::V3(payload),
        }
    }
}

/// An envelope as op-node's `admin_postUnsafePayload` takes it: `{executionPayload, parentBeaconBlockRoot}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEnvelope {
    execution_payload: WirePayload,
    #[serde(default)]
    parent_beacon_block_root: Option<B256>,
}

/// Reads a payload envelope in the form of op-node's `admin_postUnsafePayload`, unknown fields skipped.
///
/// # Errors
/// If the JSON is no such envelope.
pub fn payload_envelope_from_json(json: &str) -> serde_json::Result<OpExecutionPayloadEnvelope> {
    let wire: WireEnvelope = serde_json::from_str(json)?;
    Ok(OpExecutionPayloadEnvelope {
        parent_beacon_block_root: wire.parent_beacon_block_root,
        execution_payload: wire.execution_payload.into(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> OpExecutionPayload {
        serde_json::from_value::<WirePayload>(value).unwrap().into()
    }

    /// One payload of each form.
    fn payloads() -> [OpExecutionPayload; 4] {
        let v1 = ExecutionPayloadV1 {
            parent_hash: B256::repeat_byte(1),
            fee_recipient: Address::repeat_byte(2),
            state_root: B256::repeat_byte(3),
            receipts_root: B256::repeat_byte(4),
            logs_bloom: Bloom::repeat_byte(5),
            prev_randao: B256::repeat_byte(6),
            block_number: 7,
            gas_limit: 8,
            gas_used: 9,
            timestamp: 10,
            extra_data: Bytes::from_static(&[11]),
            base_fee_per_gas: U256::from(12),
            block_hash: B256::repeat_byte(13),
            transactions: vec![Bytes::from_static(&[14])],
        };
        let v2 = ExecutionPayloadV2 {
            payload_inner: v1.clone(),
            withdrawals: Vec::new(),
        };
        let v3 = ExecutionPayloadV3 {
            payload_inner: v2.clone(),
            blob_gas_used: 15,
            excess_blob_gas: 16,
        };
        let root = B256::repeat_byte(17);
        let v4 = OpExecutionPayloadV4::from_v3_with_withdrawals_root(v3.clone(), root);
        [
            OpExecutionPayload::V1(v1),
            OpExecutionPayload::V2(v2),
            OpExecutionPayload::V3(v3),
            OpExecutionPayload::V4(v4),
        ]
    }

    #[test]
    fn every_form_is_told_by_its_fields() {
        for payload in payloads() {
            assert_eq!(read(json!(payload)), payload);
        }
    }

    #[test]
    fn fields_of_coming_forks_are_skipped() {
        for payload in payloads() {
            let mut value = json!(payload);
            value["slotNumber"] = Value::Null;
            value["blockAccessList"] = json!({ "any": ["thing"] });
            assert_eq!(read(value), payload);
        }
    }

    #[test]
    fn an_envelope_with_null_fields_of_coming_forks_is_read() {
        for payload in payloads() {
            let mut value = json!({ "executionPayload": payload, "parentBeaconBlockRoot": null });
            value["executionPayload"]["slotNumber"] = Value::Null;
            let envelope = payload_envelope_from_json(&value.to_string()).unwrap();
            assert_eq!(envelope.execution_payload, payload);
            assert_eq!(envelope.parent_beacon_block_root, None);
        }
        assert!(payload_envelope_from_json("{}").is_err());
    }
}
