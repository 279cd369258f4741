//! A block as it is gossiped, without compression: a signature and what it signs, which is the payload in SSZ, from V3 on behind the
//! parent beacon block root. The version is not in the bytes; the topic says it.

use crate::{
    signature::{self, SIGNATURE_LEN},
    snappy::{DATA_BYTES_MAX, DATA_BYTES_MIN},
    ssz::{self, SszError},
    topics::BlockVersion,
};
use ::ssz::Encode;
use alloy_primitives::{B256, Bytes};
use op_alloy_rpc_types_engine::{OpExecutionPayload, OpExecutionPayloadEnvelope};
use thiserror::Error;

/// Why bytes are no frame, or a block cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum FrameError {
    /// It is too short or too long.
    #[error("a frame of {bytes} bytes is not within {DATA_BYTES_MIN} to {DATA_BYTES_MAX}")]
    Length {
        /// Its bytes.
        bytes: usize,
    },
    /// The parent beacon block root is not there.
    #[error("the parent beacon block root is missing")]
    NoParentBeaconBlockRoot,
    /// The payload is not of the version that its topic wants.
    #[error("the payload is not of the version that the topic wants")]
    OtherVersion,
    /// The payload is broken.
    #[error(transparent)]
    Payload(#[from] SszError),
}

/// A frame, split but not decoded. Its parts share the bytes that came in.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    version: BlockVersion,
    signature: [u8; SIGNATURE_LEN],
    signed: Bytes,
}

impl Frame {
    /// Splits the decompressed data of a message.
    ///
    /// # Errors
    /// [`FrameError::Length`].
    pub(crate) fn parse(version: BlockVersion, data: Bytes) -> Result<Self, FrameError> {
        let bytes = data.len();
        match data.first_chunk() {
            Some(signature) if (DATA_BYTES_MIN..=DATA_BYTES_MAX).contains(&bytes) => Ok(Self {
                version,
                signature: *signature,
                signed: data.slice(SIGNATURE_LEN..),
            }),
            _ => Err(FrameError::Length { bytes }),
        }
    }

    /// r, s, recovery id.
    pub(crate) const fn signature(&self) -> &[u8; SIGNATURE_LEN] {
        &self.signature
    }

    /// The hash of what is signed.
    pub(crate) fn payload_hash(&self) -> B256 {
        signature::payload_hash(&self.signed)
    }

    /// Decodes the block. Its transactions share the bytes of the frame.
    ///
    /// # Errors
    /// [`FrameError`].
    pub(crate) fn decode(&self) -> Result<OpExecutionPayloadEnvelope, FrameError> {
        let (root, payload) = if self.version.has_parent_beacon_block_root() {
            let root: &[u8; 32] = self
                .signed
                .first_chunk()
                .ok_or(FrameError::NoParentBeaconBlockRoot)?;
            (Some(B256::from(*root)), self.signed.slice(root.len()..))
        } else {
            (None, self.signed.clone())
        };
        Ok(OpExecutionPayloadEnvelope {
            parent_beacon_block_root: root,
            execution_payload: ssz::decode(self.version, &payload)?,
        })
    }
}

/// The signed part of the frame of a block.
///
/// # Errors
/// [`FrameError`] if the block is not of this version, or too large to be gossiped.
pub(crate) fn encode(
    version: BlockVersion,
    envelope: &OpExecutionPayloadEnvelope,
) -> Result<Vec<u8>, FrameError> {
    let mut signed = Vec::new();
    if version.has_parent_beacon_block_root() {
        let root = envelope
            .parent_beacon_block_root
            .ok_or(FrameError::NoParentBeaconBlockRoot)?;
        signed.extend_from_slice(root.as_slice());
    }
    match (version, &envelope.execution_payload) {
        (BlockVersion::V1, OpExecutionPayload::V1(payload)) => append(payload, &mut signed),
        (BlockVersion::V2, OpExecutionPayload::V2(payload)) => append(payload, &mut signed),
        (BlockVersion::V3, OpExecutionPayload::V3(payload)) => append(payload, &mut signed),
        (BlockVersion::V4, OpExecutionPayload::V4(payload)) => append(payload, &mut signed),
        _ => return Err(FrameError::OtherVersion),
    }
    let bytes = SIGNATURE_LEN + signed.len();
    if bytes > DATA_BYTES_MAX {
        return Err(FrameError::Length { bytes });
    }
    Ok(signed)
}

fn append(payload: &impl Encode, signed: &mut Vec<u8>) {
    signed.reserve_exact(payload.ssz_bytes_len());
    payload.ssz_append(signed);
}

/// The frame of a signed part: what is published.
pub(crate) fn seal(signature: &[u8; SIGNATURE_LEN], signed: &[u8]) -> Vec<u8> {
    [signature.as_slice(), signed].concat()
}

#[cfg(test)]
pub(crate) mod tests;
