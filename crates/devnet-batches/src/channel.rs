//! Channels and frames: batches one after the other, compressed, cut into pieces that fit into transactions
//! (`specs/protocol/derivation.md#channel-format`, `#frame-format`).

use alloy_primitives::{Bytes, FixedBytes, keccak256};
use alloy_rlp::Encodable;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use thiserror::Error;

/// Version byte before the frames in a batcher transaction (`specs/protocol/derivation.md#batcher-transaction-format`).
pub const DERIVATION_VERSION: u8 = 0;

/// Bytes of a frame beside its data: channel id, number, length, end mark.
pub const FRAME_OVERHEAD_BYTES: usize = 16 + 2 + 4 + 1;

/// Byte before a channel that is compressed with brotli (`specs/protocol/fjord/derivation.md#brotli-channel-compression`).
const BROTLI_VERSION: u8 = 1;

/// Effort (of 11) and window (in bits) that op-batcher uses.
const BROTLI_QUALITY: u32 = 10;
/// Effort for what is long and says nothing.
const BROTLI_QUICK_QUALITY: u32 = 2;
const LONG_BYTES: usize = 10_000_000;
const BROTLI_WINDOW_BITS: u32 = 22;

/// Buffer of the brotli encoder, in bytes.
const BROTLI_BUFFER_BYTES: usize = 4_096;

/// The name of a channel: any 16 bytes that no other open channel has.
pub type ChannelId = FixedBytes<16>;

/// How a channel is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Always understood.
    Zlib,
    /// Understood from Fjord on.
    #[default]
    Brotli,
}

/// Why there is no channel.
#[derive(Debug, Error)]
pub enum ChannelError {
    /// The compressor fails.
    #[error("a channel cannot be compressed")]
    Compress(#[from] io::Error),
    /// Frames are numbered with 16 bits.
    #[error("a channel of {bytes} bytes needs more frames than there are numbers")]
    TooManyFrames {
        /// Length of the channel.
        bytes: usize,
    },
}

/// A compressed channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub id: ChannelId,
    /// Its bytes, all frames together.
    pub data: Bytes,
}

/// A piece of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which channel.
    pub id: ChannelId,
    /// Which piece, from 0.
    pub number: u16,
    /// Its bytes.
    pub data: Bytes,
    /// The last piece.
    pub is_last: bool,
}

impl Channel {
    /// A channel of encoded batches (type byte and content). Its id is the hash of its data, so that the same batches sent
    /// again are the same channel.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn of_batches<'a>(
        batches: impl IntoIterator<Item = &'a Bytes>,
        compression: Compression,
    ) -> Result<Self, ChannelError> {
        let mut plain = Vec::new();
        for batch in batches {
            batch.as_ref().encode(&mut plain);
        }
        Self::of_bytes(&plain, compression)
    }

    /// A channel that inflates to `plain`, whatever that is.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn of_bytes(plain: &[u8], compression: Compression) -> Result<Self, ChannelError> {
        Ok(Self::of_data(compress(plain, compression)?))
    }

    /// A channel of the bytes `data`, whatever they are.
    pub fn of_data(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Self {
            id: ChannelId::from_slice(&keccak256(&data)[..16]),
            data,
        }
    }

    /// Cuts it into frames of at most `data_bytes_max` bytes of data; at least one frame.
    ///
    /// # Errors
    /// There are more frames than numbers.
    pub fn frames(&self, data_bytes_max: usize) -> Result<Vec<Frame>, ChannelError> {
        let size = data_bytes_max.max(1);
        let count = self.data.len().div_ceil(size).max(1);
        let too_many = ChannelError::TooManyFrames {
            bytes: self.data.len(),
        };
        let last = u16::try_from(count - 1).map_err(|_| too_many)?;
        let frames = (0..=last).map(|number| {
            let start = usize::from(number) * size;
            let end = self.data.len().min(start + size);
            Frame {
                id: self.id,
                number,
                data: self.data.slice(start..end),
                is_last: number == last,
            }
        });
        Ok(frames.collect())
    }
}

impl Frame {
    /// Its length with everything around the data, in bytes.
    pub const fn encoded_len(&self) -> usize {
        self.data.0.len() + FRAME_OVERHEAD_BYTES
    }

    /// Appends it as it stands in a batcher transaction.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_slice());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&(self.data.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.data);
        out.push(u8::from(self.is_last));
    }
}

/// The data of one batcher transaction or blob: the version, and frames.
pub fn batcher_data<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Bytes {
    let mut data = vec![DERIVATION_VERSION];
    for frame in frames {
        frame.encode(&mut data);
    }
    data.into()
}

fn compress(plain: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    match compression {
        Compression::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain)?;
            encoder.finish()
        }
        Compression::Brotli => {
            let mut out = vec![BROTLI_VERSION];
            let quality = if plain.len() < LONG_BYTES {
                BROTLI_QUALITY
            } else {
                BROTLI_QUICK_QUALITY
            };
            let mut encoder = brotli::CompressorWriter::new(
                &mut out,
                BROTLI_BUFFER_BYTES,
                quality,
                BROTLI_WINDOW_BITS,
            );
            encoder.write_all(plain)?;
            // The end of the stream is written when the encoder goes.
            drop(encoder);
            Ok(out)
        }
    }
}

#[cfg(test)]
mod tests;
