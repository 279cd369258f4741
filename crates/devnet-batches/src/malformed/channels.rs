//! What is wrong with compression, and with what stands in a channel instead of batches.

use super::Malformed;
use crate::{Channel, ChannelError, Compression, SINGULAR_BATCH_TYPE, SingularBatch};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Encodable, Header};

/// What a bomb inflates to: more than any limit of a channel (10 MB, 100 MB from Fjord on), in bytes.
const BOMB_BYTES: usize = 104 * 1024 * 1024;

/// The longest batch that a channel may hold, with its RLP head, in bytes.
const LONG_BATCH_BYTES: usize = 100_000_000 - 5;

/// Transactions of a crowd. Each is one byte long, and a pointer and more in memory.
const CROWD: usize = 10_000_000;

/// Begins a zlib stream that needs a dictionary, and names it.
const DICTIONARY_HEAD: [u8; 6] = [0x78, 0xbb, 1, 2, 3, 4];

/// Bytes before the data of a zlib stream.
const ZLIB_HEAD_BYTES: usize = 2;

impl Malformed {
    pub(super) fn bad_channel(
        self,
        honest: &SingularBatch,
    ) -> Result<Option<Channel>, ChannelError> {
        let whole = |compression| Channel::of_batches(&[honest.encoded()], compression);
        let half =
            |channel: Channel| Channel::of_data(channel.data.slice(..channel.data.len() / 2));
        let zlib = |plain: &[u8]| Channel::of_bytes(plain, Compression::Zlib);
        Ok(Some(match self {
            Self::EmptyChannel => Channel::of_data(Bytes::new()),
            Self::NotCompressed => Channel::of_data(vec![0xff; 300]),
            Self::UnknownCompression => {
                let mut data = whole(Compression::Brotli)?.data.to_vec();
                data[0] = 2;
                Channel::of_data(data)
            }
            Self::UnknownDictionary => {
                let stream = whole(Compression::Zlib)?.data;
                Channel::of_data([&DICTIONARY_HEAD, &stream[ZLIB_HEAD_BYTES..]].concat())
            }
            Self::TruncatedStream => half(whole(Compression::Zlib)?),
            Self::TruncatedBrotli => half(whole(Compression::Brotli)?),
            Self::BrotliOfNoise => Channel::of_data([&[1][..], &[0xa5; 300]].concat()),
            Self::ZlibBomb => zlib(&vec![0; BOMB_BYTES])?,
            Self::BrotliBomb => Channel::of_bytes(&vec![0; BOMB_BYTES], Compression::Brotli)?,
            Self::LongBatch => zlib(&string(&vec![0; LONG_BATCH_BYTES]))?,
            Self::OverlongBatch => {
                zlib(&[&[0xbb, 0xff, 0xff, 0xff, 0xff], &honest.encoded()[..]].concat())?
            }
            Self::CrowdedBatch => zlib(&string(&crowded(honest)))?,
            // An RLP string of 60,000 bytes of which a few are there.
            Self::TruncatedBatch => zlib(&[&[0xb9, 0xea, 0x60], &honest.encoded()[..]].concat())?,
            // Its fields as they are, without type and without a string around them.
            Self::BatchAsList => zlib(&honest.encoded()[1..])?,
            _ => return Ok(None),
        }))
    }
}

/// The RLP string of `content`.
fn string(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 9);
    content.encode(&mut out);
    out
}

fn crowded(honest: &SingularBatch) -> Vec<u8> {
    let mut fields = Vec::with_capacity(CROWD + 200);
    honest.parent_hash.encode(&mut fields);
    honest.epoch_number.encode(&mut fields);
    B256::encode(&honest.epoch_hash, &mut fields);
    honest.timestamp.encode(&mut fields);
    let list = |payload_length| Header {
        list: true,
        payload_length,
    };
    list(CROWD).encode(&mut fields);
    fields.resize(fields.len() + CROWD, alloy_rlp::EMPTY_STRING_CODE);
    let mut out = vec![SINGULAR_BATCH_TYPE];
    list(fields.len()).encode(&mut out);
    out.extend(fields);
    out
}
