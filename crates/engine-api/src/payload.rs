//! What a payload envelope says by itself: its block hash, recomputed from the header that it implies, and its place in
//! the rollup.

use alloy_consensus::Header;
use alloy_primitives::B256;
use alloy_rpc_types_engine::{CancunPayloadFields, PraguePayloadFields};
use light_node_protocol::{L2BlockRef, L2BlockRefError, RollupConfig};
use op_alloy_rpc_types_engine::{
    OpExecutionPayload, OpExecutionPayloadEnvelope, OpExecutionPayloadSidecar, OpPayloadError,
};
use thiserror::Error;

/// Why an envelope is no block of an OP Stack chain.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// From Ecotone on the header has the parent beacon block root, which is beside the payload.
    #[error("the payload has blob gas fields but the envelope lacks the parent beacon block root")]
    MissingBeaconRoot,
    /// Before Ecotone there is no such header field.
    #[error("the payload has no blob gas fields but the envelope has a parent beacon block root")]
    UnexpectedBeaconRoot,
    /// No header can be made of the payload: extra data too long, withdrawals not empty, base fee too large.
    #[error("the payload does not make a block")]
    Invalid(#[from] OpPayloadError),
    /// The payload announces another hash than its content has.
    #[error(
        "the payload announces the block hash {announced}, but its content hashes to {computed}"
    )]
    HashMismatch {
        /// `blockHash` of the payload.
        announced: B256,
        /// What the content hashes to.
        computed: B256,
    },
    /// The block has no place in the rollup.
    #[error(transparent)]
    Ref(#[from] L2BlockRefError),
}

/// The hash of the block that `envelope` carries, recomputed from its content. The hash that the payload announces is
/// not looked at: compare the two before the payload goes anywhere.
///
/// Transactions are hashed as they are, not decoded: whether they are valid is for the EL to say.
///
/// # Errors
/// [`PayloadError`] if the envelope's fields do not make a header.
pub fn payload_block_hash(envelope: &OpExecutionPayloadEnvelope) -> Result<B256, PayloadError> {
    payload_header(envelope).map(|header| header.hash_slow())
}

/// The reference to the block that `envelope` carries, its hash checked against the content. Where the hash has been
/// checked before, [`L2BlockRef::from_payload`] does without the second hashing.
///
/// # Errors
/// [`PayloadError`]: the envelope makes no block, or another one than it announces, or one without an L1 origin.
pub fn payload_ref(
    config: &RollupConfig,
    envelope: &OpExecutionPayloadEnvelope,
) -> Result<L2BlockRef, PayloadError> {
    let announced = envelope.execution_payload.block_hash();
    let computed = payload_block_hash(envelope)?;
    if announced != computed {
        return Err(PayloadError::HashMismatch {
            announced,
            computed,
        });
    }
    Ok(L2BlockRef::from_payload(
        config,
        &envelope.execution_payload,
    )?)
}

/// The header that `envelope` implies.
pub(crate) fn payload_header(
    envelope: &OpExecutionPayloadEnvelope,
) -> Result<Header, PayloadError> {
    let payload = &envelope.execution_payload;
    let root = envelope.parent_beacon_block_root;
    let cancun = |root| CancunPayloadFields::new(root, Vec::new());
    let sidecar = match (payload, root) {
        (OpExecutionPayload::V1(_) | OpExecutionPayload::V2(_), None) => {
            OpExecutionPayloadSidecar::default()
        }
        (OpExecutionPayload::V3(_), Some(root)) => OpExecutionPayloadSidecar::v3(cancun(root)),
        (OpExecutionPayload::V4(_), Some(root)) => OpExecutionPayloadSidecar::v4(
            cancun(root),
            PraguePayloadFields::new(alloy_eips::eip7685::Requests::default()),
        ),
        (OpExecutionPayload::V1(_) | OpExecutionPayload::V2(_), Some(_)) => {
            return Err(PayloadError::UnexpectedBeaconRoot);
        }
        (OpExecutionPayload::V3(_) | OpExecutionPayload::V4(_), None) => {
            return Err(PayloadError::MissingBeaconRoot);
        }
    };
    // The raw form shares the transactions' bytes with `envelope`; nothing but small fields is copied.
    Ok(payload
        .clone()
        .into_block_with_sidecar_raw(&sidecar)?
        .header)
}

#[cfg(test)]
mod tests;
