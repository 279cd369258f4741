//! The body of a block as `engine_getPayloadBodies*` answers it, and the payload that it makes with its header. Transactions
//! come as they were, so nothing has to be encoded again, and no form of JSON of any transaction type has to be known.

use super::{decode, malformed};
use crate::{ElError, payload_block_hash};
use alloy_consensus::Header;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{B256, Bytes, U256};
use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3};
use op_alloy_rpc_types_engine::{
    OpExecutionPayload, OpExecutionPayloadEnvelope, OpExecutionPayloadV4,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// `ExecutionPayloadBodyV1`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PayloadBody {
    transactions: Vec<Bytes>,
    #[serde(default)]
    withdrawals: Option<Vec<Withdrawal>>,
}

/// The one body that was asked for; `None` if the EL has no such block, which is said by `null` or by no entry at all.
pub(crate) fn decode_body(
    method: &'static str,
    result: &RawValue,
) -> Result<Option<PayloadBody>, ElError> {
    let bodies: Vec<Option<PayloadBody>> = decode(method, result)?;
    Ok(bodies.into_iter().next().flatten())
}

impl PayloadBody {
    /// The payload of the block with this header.
    ///
    /// # Errors
    /// [`ElError::Malformed`] if the body is not that of the header: the two were read across a reorg, or one is wrong.
    pub(crate) fn into_envelope(
        self,
        method: &'static str,
        header: Header,
    ) -> Result<OpExecutionPayloadEnvelope, ElError> {
        let hash = header.hash_slow();
        let envelope = OpExecutionPayloadEnvelope {
            parent_beacon_block_root: header.parent_beacon_block_root,
            execution_payload: self.into_payload(header, hash),
        };
        match payload_block_hash(&envelope) {
            Ok(computed) if computed == hash => Ok(envelope),
            Ok(_) => Err(malformed(method, "the body is not that of the header")),
            Err(error) => Err(malformed(method, &error.to_string())),
        }
    }

    /// The form of the payload follows from the fields of the header.
    fn into_payload(self, header: Header, block_hash: B256) -> OpExecutionPayload {
        let payload = ExecutionPayloadV1 {
            parent_hash: header.parent_hash,
            fee_recipient: header.beneficiary,
            state_root: header.state_root,
            receipts_root: header.receipts_root,
            logs_bloom: header.logs_bloom,
            prev_randao: header.mix_hash,
            block_number: header.number,
            gas_limit: header.gas_limit,
            gas_used: header.gas_used,
            timestamp: header.timestamp,
            extra_data: header.extra_data,
            base_fee_per_gas: U256::from(header.base_fee_per_gas.unwrap_or_default()),
            block_hash,
            transactions: self.transactions,
        };
        let Some(withdrawals_root) = header.withdrawals_root else {
            return OpExecutionPayload::V1(payload);
        };
        let payload = ExecutionPayloadV2 {
            payload_inner: payload,
            withdrawals: self.withdrawals.unwrap_or_default(),
        };
        let (Some(blob_gas_used), Some(excess_blob_gas)) =
            (header.blob_gas_used, header.excess_blob_gas)
        else {
            return OpExecutionPayload::V2(payload);
        };
        let payload = ExecutionPayloadV3 {
            payload_inner: payload,
            blob_gas_used,
            excess_blob_gas,
        };
        // From Isthmus on the header commits to (no) execution requests, and to the message passer in the place of withdrawals.
        if header.requests_hash.is_none() {
            return OpExecutionPayload::V3(payload);
        }
        OpExecutionPayload::V4(OpExecutionPayloadV4::from_v3_with_withdrawals_root(
            payload,
            withdrawals_root,
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{memory::ChainBuilder, payload::payload_header};

    #[test]
    fn a_header_and_its_body_make_the_payload_again() {
        let builder = ChainBuilder::new();
        let block = builder.extend(&builder.genesis(), 1, 0).remove(0);
        let header = payload_header(&block.envelope).unwrap();
        let transactions = block.envelope.execution_payload.transactions().clone();
        let body = |transactions| PayloadBody {
            transactions,
            withdrawals: Some(Vec::new()),
        };
        let made = body(transactions).into_envelope("bodies", header.clone());
        assert_eq!(made, Ok(block.envelope));
        let other = body(Vec::new()).into_envelope("bodies", header);
        assert!(matches!(other, Err(ElError::Malformed { .. })), "{other:?}");
    }

    #[test]
    fn an_unknown_block_has_no_body() {
        for text in ["[]", "[null]"] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            assert!(decode_body("bodies", &raw).unwrap().is_none());
        }
        let raw = RawValue::from_string("null".to_owned()).unwrap();
        assert!(decode_body("bodies", &raw).is_err());
    }
}
