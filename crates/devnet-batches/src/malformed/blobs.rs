//! What is wrong with blobs around good data (`specs/protocol/ecotone/derivation.md#blob-encoding`).

use super::{Malformed, honest_data};
use crate::{ChannelError, SingularBatch, blob_of};
use alloy_eips::eip4844::Blob;

/// Where the version of a blob's encoding stands, and the three bytes of its length after it.
const VERSION_AT: usize = 1;
const LENGTH_AT: std::ops::Range<usize> = 2..5;

/// A bit that a field element can have, and its share of the data cannot. Readers look at all elements but the first.
const STRAY_BIT: u8 = 0x40;
const SECOND_ELEMENT_AT: usize = 32;

impl Malformed {
    pub(super) fn bad_blob(
        self,
        honest: &SingularBatch,
    ) -> Result<Option<Box<Blob>>, ChannelError> {
        let mut blob =
            blob_of(&honest_data(honest)?).expect("one batch of an empty block fits into a blob");
        match self {
            Self::BlobOfUnknownVersion => blob[VERSION_AT] = 1,
            Self::OverlongBlob => blob[LENGTH_AT].fill(0xff),
            Self::BlobWithStrayBit => blob[SECOND_ELEMENT_AT] |= STRAY_BIT,
            Self::BytesBehindBlob => {
                if let Some(end) = blob.last_mut() {
                    *end = 1;
                }
            }
            Self::ZeroBlob => *blob = Blob::ZERO,
            _ => return Ok(None),
        }
        Ok(Some(blob))
    }
}
