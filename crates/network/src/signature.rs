//! Signatures of blocks: what is signed, and by whom. The accept set is that of libsecp256k1 with a recovery id of one byte, 0 to 3,
//! because that is what op-node takes: a node that takes less drops blocks that its peers relay, one that takes more relays blocks
//! for which its peers blame it.

use alloy_primitives::{Address, B256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use secp256k1::{
    Message, SECP256K1,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use thiserror::Error;

/// Bytes of a signature: r, s, recovery id.
pub(crate) const SIGNATURE_LEN: usize = 65;

/// What all blocks are signed under, of whatever version.
const DOMAIN: B256 = B256::ZERO;

/// A signature that nobody has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum SignatureError {
    /// The recovery id is none of 0 to 3; 27 and 28 are none.
    #[error("the recovery id {recovery_id} is none")]
    RecoveryId {
        /// The last byte of the signature.
        recovery_id: u8,
    },
    /// r or s are out of range, or no key fits them.
    #[error("no key fits the signature")]
    NoKey,
}

/// The hash of the signed part of a frame, which remote signers are told.
pub(crate) fn payload_hash(signed: &[u8]) -> B256 {
    keccak256(signed)
}

/// What is signed for a block with this payload hash on this chain.
pub(crate) fn digest(l2_chain_id: u64, payload_hash: B256) -> B256 {
    let mut message = [0; 96];
    message[..32].copy_from_slice(DOMAIN.as_slice());
    message[56..64].copy_from_slice(&l2_chain_id.to_be_bytes());
    message[64..].copy_from_slice(payload_hash.as_slice());
    keccak256(message)
}

/// The account that signed `digest`. An s in the upper half of the range is taken.
///
/// # Errors
/// [`SignatureError`].
pub(crate) fn recover(
    signature: &[u8; SIGNATURE_LEN],
    digest: B256,
) -> Result<Address, SignatureError> {
    let [rs @ .., recovery_id] = signature;
    let id =
        RecoveryId::try_from(i32::from(*recovery_id)).map_err(|_| SignatureError::RecoveryId {
            recovery_id: *recovery_id,
        })?;
    let signature =
        RecoverableSignature::from_compact(rs, id).map_err(|_| SignatureError::NoKey)?;
    let key = SECP256K1
        .recover_ecdsa(&Message::from_digest(digest.0), &signature)
        .map_err(|_| SignatureError::NoKey)?;
    // Without the byte that says that the key is not compressed.
    Ok(Address::from_raw_public_key(
        &key.serialize_uncompressed()[1..],
    ))
}

/// Signs `digest` with a key of this process.
///
/// # Errors
/// The signer's, which a sound key never gives.
pub(crate) fn sign(
    key: &PrivateKeySigner,
    digest: B256,
) -> Result<[u8; SIGNATURE_LEN], alloy_signer::Error> {
    let signature = key.sign_hash_sync(&digest)?;
    let mut bytes = [0; SIGNATURE_LEN];
    bytes[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    bytes[32..64].copy_from_slice(&signature.s().to_be_bytes::<32>());
    bytes[64] = u8::from(signature.v());
    Ok(bytes)
}
