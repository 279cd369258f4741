//! Batcher data in blobs (`specs/protocol/ecotone/derivation.md#blob-encoding`): 31 bytes of each field element, and 6 bits of
//! its first byte, four of which make three more bytes.

use alloy_eips::eip4844::{
    BYTES_PER_BLOB, Blob, BlobTransactionSidecar, Bytes48, FIELD_ELEMENTS_PER_BLOB,
};
use alloy_primitives::Bytes;
use c_kzg::ethereum_kzg_settings;
use thiserror::Error;

/// Version of the encoding, in the second byte of a blob.
const ENCODING_VERSION: u8 = 0;

/// Four field elements at a time carry 4 * 31 + 3 bytes.
const ELEMENTS_PER_ROUND: usize = 4;
const ROUNDS: usize = FIELD_ELEMENTS_PER_BLOB as usize / ELEMENTS_PER_ROUND;

/// Version and 24 bits of length.
const HEADER_BYTES: usize = 4;

/// Most bytes of batcher data that go into one blob.
pub const BLOB_DATA_BYTES_MAX: usize = (4 * 31 + 3) * ROUNDS - HEADER_BYTES;

/// Why there is no blob.
#[derive(Debug, Error)]
pub enum BlobError {
    /// It does not fit.
    #[error("{bytes} bytes are more than the {BLOB_DATA_BYTES_MAX} that fit into a blob")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The content is no list of field elements.
    #[error("a blob has no commitment")]
    Commitment(#[from] c_kzg::Error),
}

/// Puts batcher data into a blob.
///
/// # Errors
/// It does not fit.
pub fn blob_of(data: &[u8]) -> Result<Box<Blob>, BlobError> {
    if data.len() > BLOB_DATA_BYTES_MAX {
        return Err(BlobError::TooLong { bytes: data.len() });
    }
    let [_, length @ ..] = (data.len() as u32).to_be_bytes();
    let mut input = vec![ENCODING_VERSION];
    input.extend_from_slice(&length);
    input.extend_from_slice(data);
    let mut blob = Box::new(Blob::ZERO);
    let mut input = input.into_iter();
    for round in blob.0.chunks_exact_mut(32 * ELEMENTS_PER_ROUND) {
        // Bytes between the elements' own come after the element before which they are read.
        let mut between = [0; 3];
        for (index, element) in round.chunks_exact_mut(32).enumerate() {
            for byte in &mut element[1..] {
                *byte = input.next().unwrap_or(0);
            }
            if let Some(byte) = between.get_mut(index) {
                *byte = input.next().unwrap_or(0);
            }
        }
        let [x, y, z] = between;
        round[0] = x & 0x3f;
        round[32] = (y & 0x0f) | ((x & 0xc0) >> 2);
        round[64] = z & 0x3f;
        round[96] = ((z & 0xc0) >> 2) | ((y & 0xf0) >> 4);
    }
    Ok(blob)
}

/// Blobs as a transaction carries them.
#[derive(Clone, Debug, Default)]
pub struct Blobs {
    blobs: Vec<Blob>,
    commitments: Vec<Bytes48>,
}

impl Blobs {
    /// The blobs of batcher data, one for each piece, with their commitments. Takes tens of milliseconds for each blob.
    ///
    /// # Errors
    /// A piece does not fit.
    pub fn of_data<'a>(pieces: impl IntoIterator<Item = &'a Bytes>) -> Result<Self, BlobError> {
        let mut blobs = Self::default();
        for piece in pieces {
            blobs.push(*blob_of(piece)?)?;
        }
        Ok(blobs)
    }

    /// Adds a blob, whatever is in it.
    ///
    /// # Errors
    /// It is no list of field elements.
    pub fn push(&mut self, blob: Blob) -> Result<(), BlobError> {
        // Without precomputation it takes longer for a blob, and neither seconds nor 100 MB at the start.
        let settings = ethereum_kzg_settings(0);
        let commitment = settings.blob_to_kzg_commitment(&c_kzg::Blob::new(blob.0))?;
        self.commitments
            .push(Bytes48::from(commitment.to_bytes().into_inner()));
        self.blobs.push(blob);
        Ok(())
    }

    /// The sidecar. Its proofs are empty: the devnet's L1 looks at commitments only.
    pub fn into_sidecar(self) -> BlobTransactionSidecar {
        let proofs = vec![Bytes48::ZERO; self.blobs.len()];
        BlobTransactionSidecar::new(self.blobs, self.commitments, proofs)
    }
}

const _: () = assert!(BYTES_PER_BLOB == 32 * ELEMENTS_PER_ROUND * ROUNDS);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_primitives::b256;

    /// The other way round, by the specification.
    fn decode(blob: &Blob) -> Vec<u8> {
        let mut out = Vec::new();
        for round in blob.0.chunks_exact(32 * ELEMENTS_PER_ROUND) {
            let [a, b, c, d] = [round[0], round[32], round[64], round[96]];
            let between = [
                a | ((b & 0b0011_0000) << 2),
                (b & 0b0000_1111) | ((d & 0b0000_1111) << 4),
                c | ((d & 0b0011_0000) << 2),
            ];
            for (index, element) in round.chunks_exact(32).enumerate() {
                out.extend_from_slice(&element[1..]);
                out.extend(between.get(index));
            }
        }
        assert_eq!(out[0], ENCODING_VERSION);
        let length = u32::from_be_bytes([0, out[1], out[2], out[3]]) as usize;
        out[HEADER_BYTES..HEADER_BYTES + length].to_vec()
    }

    #[test]
    fn data_of_every_length_comes_back() {
        for length in [0, 1, 27, 28, 123, 124, 127, 128, 5_000, BLOB_DATA_BYTES_MAX] {
            let data: Vec<u8> = (0..length)
                .map(|index| (index * 7 + index / 251) as u8)
                .collect();
            let blob = blob_of(&data).unwrap();
            assert_eq!(decode(&blob), data, "{length}");
            // Every element is below the field's modulus.
            assert!(blob.0.chunks_exact(32).all(|element| element[0] < 0x40));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let data = vec![0; BLOB_DATA_BYTES_MAX + 1];
        assert!(matches!(blob_of(&data), Err(BlobError::TooLong { .. })));
        assert_eq!(BLOB_DATA_BYTES_MAX, 130_044);
    }

    #[test]
    fn a_sidecar_has_the_hashes_of_its_commitments() {
        let mut blobs = Blobs::default();
        blobs.push(Blob::ZERO).unwrap();
        let sidecar = blobs.into_sidecar();
        // The commitment to zeros is the point at infinity, whose hash is well known.
        let hash = b256!("0x010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");
        assert_eq!(sidecar.versioned_hashes().collect::<Vec<_>>(), [hash]);
        let mut blobs = Blobs::default();
        assert!(
            blobs.push(Blob::repeat_byte(0xff)).is_err(),
            "no field element"
        );
    }
}
