//! Blocks of a made-up chain for tests: signed by a known key, of each version, with the hash that they should have.

use crate::{block_hash::block_hash, frame, signature, topics::BlockVersion};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3};
use alloy_signer_local::PrivateKeySigner;
use light_node_protocol::RollupConfig;
use op_alloy_rpc_types_engine::{
    OpExecutionPayload, OpExecutionPayloadEnvelope, OpExecutionPayloadV4,
};
use std::sync::Arc;

/// Chain id.
pub(crate) const CHAIN_ID: u64 = 901;
/// Activation of V2, in seconds.
pub(crate) const CANYON: u64 = 1_700_000_000;
/// Activation of V3.
pub(crate) const ECOTONE: u64 = 1_710_000_000;
/// Activation of V4.
pub(crate) const ISTHMUS: u64 = 1_720_000_000;
/// Activation of the data-availability footprint.
pub(crate) const JOVIAN: u64 = 1_730_000_000;

/// The chain.
pub(crate) fn config() -> Arc<RollupConfig> {
    Arc::new(RollupConfig {
        l2_chain_id: CHAIN_ID,
        block_time: 2,
        canyon_time: Some(CANYON),
        ecotone_time: Some(ECOTONE),
        isthmus_time: Some(ISTHMUS),
        jovian_time: Some(JOVIAN),
        ..Default::default()
    })
}

/// The sequencer's key.
pub(crate) fn key() -> PrivateKeySigner {
    key_of(0x42)
}

/// The account of [`key`].
pub(crate) fn signer() -> Address {
    key().address()
}

/// A key made of one byte.
pub(crate) fn key_of(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).expect("the bytes are a key")
}

/// A time in the era of a version.
pub(crate) const fn time_of(version: BlockVersion) -> u64 {
    match version {
        BlockVersion::V1 => CANYON - 1000,
        BlockVersion::V2 => CANYON + 1000,
        BlockVersion::V3 => ECOTONE + 1000,
        BlockVersion::V4 => JOVIAN + 1000,
    }
}

/// A block of a version: number 1234, at [`time_of`] it, with a good hash.
pub(crate) fn block(version: BlockVersion, transactions: Vec<Bytes>) -> OpExecutionPayloadEnvelope {
    let v1 = ExecutionPayloadV1 {
        parent_hash: B256::repeat_byte(7),
        fee_recipient: Address::repeat_byte(0x11),
        state_root: B256::repeat_byte(1),
        receipts_root: B256::repeat_byte(2),
        logs_bloom: Default::default(),
        prev_randao: B256::repeat_byte(3),
        block_number: 1234,
        gas_limit: 60_000_000,
        gas_used: 21_000,
        timestamp: time_of(version),
        extra_data: Bytes::from_static(&[1; 17]),
        base_fee_per_gas: U256::from(1_000_000),
        block_hash: B256::ZERO,
        transactions,
    };
    let v3 = |v1| ExecutionPayloadV3 {
        payload_inner: ExecutionPayloadV2 {
            payload_inner: v1,
            withdrawals: Vec::new(),
        },
        blob_gas_used: 0,
        excess_blob_gas: 0,
    };
    let execution_payload = match version {
        BlockVersion::V1 => OpExecutionPayload::V1(v1),
        BlockVersion::V2 => OpExecutionPayload::V2(ExecutionPayloadV2 {
            payload_inner: v1,
            withdrawals: Vec::new(),
        }),
        BlockVersion::V3 => OpExecutionPayload::V3(v3(v1)),
        BlockVersion::V4 => OpExecutionPayload::V4(OpExecutionPayloadV4 {
            payload_inner: v3(v1),
            withdrawals_root: B256::repeat_byte(0x77),
        }),
    };
    rehashed(OpExecutionPayloadEnvelope {
        parent_beacon_block_root: version
            .has_parent_beacon_block_root()
            .then_some(B256::repeat_byte(9)),
        execution_payload,
    })
}

/// The block with the hash of its content.
pub(crate) fn rehashed(mut envelope: OpExecutionPayloadEnvelope) -> OpExecutionPayloadEnvelope {
    envelope.execution_payload.as_v1_mut().block_hash = block_hash(&envelope);
    envelope
}

/// A block after some change, with a good hash.
pub(crate) fn changed(
    version: BlockVersion,
    change: impl FnOnce(&mut OpExecutionPayload),
) -> OpExecutionPayloadEnvelope {
    let mut envelope = block(version, Vec::new());
    change(&mut envelope.execution_payload);
    rehashed(envelope)
}

/// The decompressed data of a message with this block.
pub(crate) fn data(
    version: BlockVersion,
    envelope: &OpExecutionPayloadEnvelope,
    key: &PrivateKeySigner,
) -> Bytes {
    let signed = frame::encode(version, envelope).expect("the block is of its version");
    signed_data(&signed, key)
}

/// The data of a message that signs whatever bytes.
pub(crate) fn signed_data(signed: &[u8], key: &PrivateKeySigner) -> Bytes {
    let digest = signature::digest(CHAIN_ID, signature::payload_hash(signed));
    let signature = signature::sign(key, digest).expect("the key is sound");
    frame::seal(&signature, signed).into()
}
