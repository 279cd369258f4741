//! The hash of a payload's block, computed from the payload without decoding transactions. It is written out here because a header
//! of the usual types holds a base fee of 64 bits, while a payload, and with it op-node, takes one of 256.

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH,
    proofs::{calculate_withdrawals_root, ordered_trie_root_encoded},
};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B64, B256, keccak256};
use alloy_rlp::Encodable;
use op_alloy_rpc_types_engine::{OpExecutionPayload, OpExecutionPayloadEnvelope};

/// Bytes of a header with room to spare: it is allocated once.
const HEADER_BYTES: usize = 1024;

/// Most of a block's number of which op-node takes the hash: it holds it as a signed one, and no header is made of one below zero.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// Whether op-node computes another hash of a payload than [`block_hash`]. It leaves empty transactions, which are none, out of their
/// root; and a number that does not fit gives it the hash of nothing. No execution layer can take either.
pub(crate) fn is_hashed_apart(payload: &OpExecutionPayload) -> bool {
    let v1 = payload.as_v1();
    v1.block_number > NUMBER_MAX || v1.transactions.iter().any(|bytes| bytes.is_empty())
}

/// The hash that the block of `envelope` has, whatever hash it claims.
pub(crate) fn block_hash(envelope: &OpExecutionPayloadEnvelope) -> B256 {
    let payload = &envelope.execution_payload;
    let v1 = payload.as_v1();
    let v2 = payload.as_v2();
    let v3 = payload.as_v3();
    let transactions_root = ordered_trie_root_encoded(&v1.transactions);
    // Since Isthmus it is a root of the state, not of the list.
    let withdrawals_root = match payload {
        OpExecutionPayload::V4(v4) => Some(v4.withdrawals_root),
        _ => v2.map(|v2| calculate_withdrawals_root(&v2.withdrawals)),
    };
    let requests_hash = matches!(payload, OpExecutionPayload::V4(_)).then_some(EMPTY_REQUESTS_HASH);

    let mut fields: Vec<&dyn Encodable> = vec![
        &v1.parent_hash,
        &EMPTY_OMMER_ROOT_HASH,
        &v1.fee_recipient,
        &v1.state_root,
        &transactions_root,
        &v1.receipts_root,
        &v1.logs_bloom,
        &0_u64, // difficulty
        &v1.block_number,
        &v1.gas_limit,
        &v1.gas_used,
        &v1.timestamp,
        &v1.extra_data,
        &v1.prev_randao,
        &B64::ZERO, // nonce
        &v1.base_fee_per_gas,
    ];
    if let Some(root) = &withdrawals_root {
        fields.push(root);
    }
    if let Some(v3) = v3 {
        fields.push(&v3.blob_gas_used);
        fields.push(&v3.excess_blob_gas);
    }
    if let Some(root) = &envelope.parent_beacon_block_root {
        fields.push(root);
    }
    if let Some(hash) = &requests_hash {
        fields.push(hash);
    }

    let mut header = Vec::with_capacity(HEADER_BYTES);
    alloy_rlp::Header {
        list: true,
        payload_length: fields.iter().map(|field| field.length()).sum(),
    }
    .encode(&mut header);
    for field in fields {
        field.encode(&mut header);
    }
    keccak256(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{test_chain, topics::BlockVersion};
    use alloy_consensus::Header;
    use alloy_eips::eip4895::Withdrawal;
    use alloy_primitives::{Bytes, U256};

    /// The hash by way of the usual header.
    fn by_header(envelope: &OpExecutionPayloadEnvelope) -> B256 {
        let payload = &envelope.execution_payload;
        let v1 = payload.as_v1();
        let v3 = payload.as_v3();
        Header {
            parent_hash: v1.parent_hash,
            beneficiary: v1.fee_recipient,
            state_root: v1.state_root,
            transactions_root: ordered_trie_root_encoded(&v1.transactions),
            receipts_root: v1.receipts_root,
            logs_bloom: v1.logs_bloom,
            number: v1.block_number,
            gas_limit: v1.gas_limit,
            gas_used: v1.gas_used,
            timestamp: v1.timestamp,
            mix_hash: v1.prev_randao,
            base_fee_per_gas: Some(v1.base_fee_per_gas.to()),
            extra_data: v1.extra_data.clone(),
            withdrawals_root: match payload {
                OpExecutionPayload::V4(v4) => Some(v4.withdrawals_root),
                _ => payload
                    .as_v2()
                    .map(|v2| calculate_withdrawals_root(&v2.withdrawals)),
            },
            blob_gas_used: v3.map(|v3| v3.blob_gas_used),
            excess_blob_gas: v3.map(|v3| v3.excess_blob_gas),
            parent_beacon_block_root: envelope.parent_beacon_block_root,
            requests_hash: payload.as_v4().map(|_| EMPTY_REQUESTS_HASH),
            ..Default::default()
        }
        .hash_slow()
    }

    #[test]
    fn the_hash_is_that_of_the_header_in_every_version() {
        let transactions = |count: u8| (0..count).map(|i| Bytes::from(vec![i; 300])).collect();
        for version in BlockVersion::ALL {
            for count in [0, 1, 127, 200] {
                let envelope = test_chain::block(version, transactions(count));
                assert_eq!(
                    block_hash(&envelope),
                    by_header(&envelope),
                    "{version:?} {count}"
                );
            }
        }
    }

    #[test]
    fn withdrawals_and_blob_gas_are_in_the_hash() {
        let envelope = test_chain::changed(BlockVersion::V3, |payload| {
            let OpExecutionPayload::V3(v3) = payload else {
                panic!("a payload of another version")
            };
            v3.payload_inner.withdrawals = vec![Withdrawal::default(); 2];
            v3.blob_gas_used = 1;
            v3.excess_blob_gas = 2;
        });
        assert_eq!(block_hash(&envelope), by_header(&envelope));
    }

    #[test]
    fn a_base_fee_of_more_than_64_bits_is_hashed_whole() {
        let hash_with = |fee| {
            block_hash(&test_chain::changed(BlockVersion::V1, |payload| {
                payload.as_v1_mut().base_fee_per_gas = fee;
            }))
        };
        let fee = U256::from(1_000_000);
        assert_ne!(hash_with(fee), hash_with(fee + (U256::ONE << 64)));
    }
}
