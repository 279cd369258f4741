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

/// A signature whose parts are in range. Telling so takes no hashing of what it signs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoundSignature(RecoverableSignature);

impl SoundSignature {
    /// Checks the parts. An s in the upper half of its range is taken.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub(crate) fn parse(signature: &[u8; SIGNATURE_LEN]) -> Result<Self, SignatureError> {
        let [rs @ .., recovery_id] = signature;
        let id = RecoveryId::try_from(i32::from(*recovery_id)).map_err(|_| {
            SignatureError::RecoveryId {
                recovery_id: *recovery_id,
            }
        })?;
        RecoverableSignature::from_compact(rs, id)
            .map(Self)
            .map_err(|_| SignatureError::NoKey)
    }

    /// The account that signed `digest`.
    ///
    /// # Errors
    /// [`SignatureError::NoKey`].
    pub(crate) fn signer(&self, digest: B256) -> Result<Address, SignatureError> {
        let key = SECP256K1
            .recover_ecdsa(&Message::from_digest(digest.0), &self.0)
            .map_err(|_| SignatureError::NoKey)?;
        // Without the byte that says that the key is not compressed.
        Ok(Address::from_raw_public_key(
            &key.serialize_uncompressed()[1..],
        ))
    }
}

/// The account that signed `digest`, in one go.
///
/// # Errors
/// [`SignatureError`].
pub(crate) fn recover(
    signature: &[u8; SIGNATURE_LEN],
    digest: B256,
) -> Result<Address, SignatureError> {
    SoundSignature::parse(signature)?.signer(digest)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::test_chain;
    use alloy_primitives::{U256, b256, uint};

    /// Order of the curve's group.
    const N: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

    fn signature(r: U256, s: U256, recovery_id: u8) -> [u8; SIGNATURE_LEN] {
        let mut bytes = [recovery_id; SIGNATURE_LEN];
        bytes[..32].copy_from_slice(&r.to_be_bytes::<32>());
        bytes[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        bytes
    }

    fn recover(signature: &[u8; SIGNATURE_LEN], digest: B256) -> Result<Address, SignatureError> {
        SoundSignature::parse(signature)?.signer(digest)
    }

    fn parts(signature: &[u8; SIGNATURE_LEN]) -> (U256, U256, u8) {
        (
            U256::from_be_slice(&signature[..32]),
            U256::from_be_slice(&signature[32..64]),
            signature[64],
        )
    }

    fn sample() -> (B256, [u8; SIGNATURE_LEN]) {
        let digest = digest(test_chain::CHAIN_ID, payload_hash(b"a block"));
        (digest, sign(&test_chain::key(), digest).unwrap())
    }

    #[test]
    fn the_digest_is_that_of_other_clients() {
        let hash = payload_hash(B256::repeat_byte(0x99).as_slice());
        assert_eq!(
            digest(10, hash),
            b256!("44a0e2b1aba1aae1771eddae1dcd2ad18a8cdac8891517153f03253e49d3f206")
        );
        assert_ne!(digest(11, hash), digest(10, hash));
    }

    #[test]
    fn own_signatures_are_recovered_and_have_a_low_s() {
        let (digest, signature) = sample();
        let (_, s, recovery_id) = parts(&signature);
        assert_eq!(recover(&signature, digest), Ok(test_chain::signer()));
        assert!(s <= N >> 1);
        assert!(recovery_id <= 1);
    }

    #[test]
    fn of_256_recovery_ids_one_gives_the_signer_and_those_above_3_are_refused() {
        let (digest, signature) = sample();
        for recovery_id in 0..=u8::MAX {
            let mut other = signature;
            other[64] = recovery_id;
            let recovered = recover(&other, digest);
            assert_eq!(
                recovered == Ok(test_chain::signer()),
                recovery_id == signature[64]
            );
            assert_eq!(
                recovered == Err(SignatureError::RecoveryId { recovery_id }),
                recovery_id > 3
            );
        }
    }

    #[test]
    fn a_high_s_gives_the_same_signer() {
        let (digest, signature) = sample();
        let (r, s, recovery_id) = parts(&signature);
        let flipped = self::signature(r, N - s, recovery_id ^ 1);
        assert_eq!(recover(&flipped, digest), Ok(test_chain::signer()));
    }

    #[test]
    fn recovery_ids_2_and_3_are_taken_for_an_r_that_wraps_around() {
        let (digest, _) = sample();
        let wrapped = (1_u64..100)
            .map(|r| [2, 3].map(|id| recover(&signature(U256::from(r), U256::ONE, id), digest)))
            .find(|recovered| recovered[0].is_ok())
            .unwrap();
        assert!(wrapped[1].is_ok());
        assert_ne!(wrapped[0], wrapped[1]);
    }

    #[test]
    fn r_and_s_out_of_range_have_no_key() {
        let (digest, signature) = sample();
        let (r, s, recovery_id) = parts(&signature);
        for (r, s) in [
            (U256::ZERO, s),
            (N, s),
            (U256::MAX, s),
            (r, U256::ZERO),
            (r, N),
            (r, U256::MAX),
        ] {
            assert_eq!(
                recover(&self::signature(r, s, recovery_id), digest),
                Err(SignatureError::NoKey)
            );
        }
    }
}
