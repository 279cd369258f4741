//! What a batcher wrote into a blob: 31 bytes into each of its 4096 field elements, and 6 bits into the byte that a field element
//! cannot fill (`specs/protocol/ecotone/derivation.md#blob-encoding`).

use alloy_primitives::Bytes;
use light_node_l1::Blob;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Bytes of a field element.
const ELEMENT: usize = 32;
/// Field elements that are decoded together: their four times six bits make three bytes.
const ROUND: usize = 4;
/// Bytes of data in a round.
const ROUND_BYTES: usize = ROUND * (ELEMENT - 1) + 3;
/// Bytes before the data in the first field element: the six bits, the version, and the length in three bytes.
const HEAD: usize = 5;
/// Rounds in a blob.
const ROUNDS: usize = 4096 / ROUND;
/// Most bytes that a blob holds.
const MAX_BYTES: usize = ROUNDS * ROUND_BYTES - (HEAD - 1);

/// Why a blob holds no data. Batchers post such a blob at their own cost: derivation skips it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BlobDecodeError {
    /// Only version 0 exists.
    #[error("unknown encoding version {version}")]
    Version { version: u8 },
    /// More than a blob can hold.
    #[error("length {length} is more than a blob holds")]
    Length { length: usize },
    /// One of the two highest bits is set.
    #[error("field element {index} has one of its two highest bits set")]
    FieldElement { index: usize },
    /// There is something where nothing belongs.
    #[error("bytes after the data are not zero")]
    Trailing,
}

/// The data in a blob.
pub(crate) fn decode_blob(blob: &Blob) -> Result<Bytes, BlobDecodeError> {
    let version = blob[1];
    if version != 0 {
        return Err(BlobDecodeError::Version { version });
    }
    let length = usize::from(blob[2]) << 16 | usize::from(blob[3]) << 8 | usize::from(blob[4]);
    if length > MAX_BYTES {
        return Err(BlobDecodeError::Length { length });
    }
    let mut data = Vec::with_capacity(length + ROUND_BYTES);
    let mut rounds = 0;
    // The first round is always decoded, so that an empty blob, too, is checked for what lies behind its length.
    while rounds == 0 || (rounds < ROUNDS && data.len() < length) {
        decode_round(blob, rounds, &mut data)?;
        rounds += 1;
    }
    let unread = &blob[rounds * ROUND * ELEMENT..];
    let is_clean = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    if !is_clean(&data[length..]) || !is_clean(unread) {
        return Err(BlobDecodeError::Trailing);
    }
    data.truncate(length);
    Ok(data.into())
}

/// Appends the data of four field elements.
fn decode_round(blob: &Blob, round: usize, data: &mut Vec<u8>) -> Result<(), BlobDecodeError> {
    let mut high = [0; ROUND];
    for (position, high) in high.iter_mut().enumerate() {
        let index = round * ROUND + position;
        *high = blob[index * ELEMENT];
        // Nobody looks at the bits of the very first element; the field's modulus bounds them.
        if index > 0 && *high & 0b1100_0000 != 0 {
            return Err(BlobDecodeError::FieldElement { index });
        }
    }
    let [a, b, c, d] = high;
    let between = [
        (a & 0b0011_1111) | ((b & 0b0011_0000) << 2),
        (b & 0b0000_1111) | ((d & 0b0000_1111) << 4),
        (c & 0b0011_1111) | ((d & 0b0011_0000) << 2),
    ];
    for position in 0..ROUND {
        let index = round * ROUND + position;
        let skipped = if index == 0 { HEAD } else { 1 };
        let element = &blob[index * ELEMENT..(index + 1) * ELEMENT];
        data.extend_from_slice(&element[skipped..]);
        data.extend(between.get(position));
    }
    Ok(())
}
