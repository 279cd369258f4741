//! What a batcher does with batches: channels, frames, transactions to the inbox.

use crate::{
    frames::RawFrame,
    kona::{Batch, SingleBatch, SpanBatch},
};
use alloy_primitives::{Address, Bytes};
use flate2::{Compression, write::ZlibEncoder};
use light_node_l1::{InboxData, InboxTransaction};
use std::io::Write;

/// Compresses with zlib.
pub(crate) fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Compresses with Brotli, behind the version byte.
pub(crate) fn brotli(data: &[u8]) -> Vec<u8> {
    let mut out = vec![1];
    {
        let mut writer = brotli::CompressorWriter::new(&mut out, 4096, 5, 22);
        writer.write_all(data).unwrap();
    }
    out
}

/// A batch behind its type byte, in an RLP string.
pub(crate) fn rlp(batch: &Batch) -> Vec<u8> {
    let mut encoded = Vec::new();
    batch.encode(&mut encoded).unwrap();
    rlp_string(&encoded)
}

/// Bytes as an RLP string.
pub(crate) fn rlp_string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    alloy_rlp::Encodable::encode(bytes, &mut out);
    out
}

/// A compressed channel with these batches.
pub(crate) fn channel(batches: &[Batch]) -> Vec<u8> {
    zlib(&batches.iter().flat_map(rlp).collect::<Vec<_>>())
}

/// A span batch of these blocks, each with its distance to the first of its epoch.
pub(crate) fn span(
    genesis_time: u64,
    chain_id: u64,
    blocks: impl IntoIterator<Item = (SingleBatch, u64)>,
) -> SpanBatch {
    let mut span = SpanBatch {
        genesis_timestamp: genesis_time,
        chain_id,
        ..SpanBatch::default()
    };
    for (batch, sequence_number) in blocks {
        span.append_singular_batch(batch, sequence_number).unwrap();
    }
    span
}

/// The frames of a channel, `bytes` of data each.
pub(crate) fn frames(id: u8, channel: &[u8], bytes: usize) -> Vec<RawFrame> {
    let count = channel.len().div_ceil(bytes);
    let pieces = channel.chunks(bytes).enumerate();
    let frames = pieces.map(|(number, data)| RawFrame {
        channel: [id; 16],
        number: number as u16,
        data: Bytes::copy_from_slice(data),
        is_last: number + 1 == count,
    });
    frames.collect()
}

/// Calldata with these frames.
pub(crate) fn calldata(frames: &[RawFrame]) -> Bytes {
    let mut data = vec![0];
    for frame in frames {
        data.extend_from_slice(&frame.encode_alone()[1..]);
    }
    data.into()
}

/// A transaction with this calldata.
pub(crate) fn transaction(sender: Address, calldata: impl Into<Bytes>) -> InboxTransaction {
    InboxTransaction {
        sender,
        data: InboxData::Calldata(calldata.into()),
    }
}

/// A transaction with these batches in a channel of one frame.
pub(crate) fn post(sender: Address, id: u8, batches: &[Batch]) -> InboxTransaction {
    let channel = channel(batches);
    transaction(sender, calldata(&frames(id, &channel, usize::MAX)))
}
