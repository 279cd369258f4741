#![allow(clippy::unwrap_used)]

use super::*;
use crate::{SINGULAR_BATCH_TYPE, SingularBatch};
use alloy_primitives::B256;
use alloy_rlp::{Decodable, Header};
use std::io::Read;

fn batch(timestamp: u64, transaction_bytes: usize) -> SingularBatch {
    // Hashes do not compress, so that the channel is as long as its transactions.
    let transaction = (0..transaction_bytes.div_ceil(32))
        .flat_map(|n| keccak256((n as u64 ^ (timestamp << 32)).to_be_bytes()))
        .collect::<Vec<u8>>();
    SingularBatch {
        parent_hash: B256::repeat_byte(1),
        epoch_number: 7,
        epoch_hash: B256::repeat_byte(2),
        timestamp,
        transactions: vec![transaction.into()],
    }
}

fn channel(batches: &[SingularBatch], compression: Compression) -> Channel {
    let encoded: Vec<_> = batches.iter().map(SingularBatch::encoded).collect();
    Channel::of_batches(&encoded, compression).unwrap()
}

fn inflate(data: &[u8], compression: Compression) -> Vec<u8> {
    let mut plain = Vec::new();
    match compression {
        Compression::Zlib => {
            let mut decoder = flate2::read::ZlibDecoder::new(data);
            decoder.read_to_end(&mut plain).unwrap();
        }
        Compression::Brotli => {
            assert_eq!(data[0], BROTLI_VERSION);
            let mut decoder = brotli::Decompressor::new(&data[1..], BROTLI_BUFFER_BYTES);
            decoder.read_to_end(&mut plain).unwrap();
        }
    }
    plain
}

#[test]
fn a_channel_inflates_to_its_batches_with_their_types() {
    for compression in [Compression::Zlib, Compression::Brotli] {
        let channel = channel(&[batch(10, 32), batch(12, 32)], compression);
        let plain = inflate(&channel.data, compression);
        let mut rest = plain.as_slice();
        for timestamp in [10, 12] {
            let typed = Bytes::decode(&mut rest).unwrap();
            assert_eq!(typed[0], SINGULAR_BATCH_TYPE);
            let mut fields = &typed[1..];
            assert!(Header::decode(&mut fields).unwrap().list);
            assert_eq!(B256::decode(&mut fields).unwrap(), B256::repeat_byte(1));
            assert_eq!(u64::decode(&mut fields).unwrap(), 7);
            assert_eq!(B256::decode(&mut fields).unwrap(), B256::repeat_byte(2));
            assert_eq!(u64::decode(&mut fields).unwrap(), timestamp);
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn readers_can_tell_how_a_channel_is_compressed() {
    let first = |compression| channel(&[batch(10, 32)], compression).data[0];
    // Deflate with any window, as op-node looks for it.
    assert_eq!(first(Compression::Zlib) & 0x0f, 8);
    assert_eq!(first(Compression::Brotli), 1);
}

#[test]
fn frames_carry_the_channel_in_order_and_the_last_one_says_so() {
    let channel = channel(&[batch(10, 250_000)], Compression::Zlib);
    let frames = channel.frames(100_000).unwrap();
    let numbers: Vec<_> = frames.iter().map(|frame| frame.number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    let ends: Vec<_> = frames.iter().map(|frame| frame.is_last).collect();
    assert_eq!(ends, [false, false, true]);
    let joined: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.data.to_vec())
        .collect();
    assert_eq!(joined, channel.data);
    assert!(frames.iter().all(|frame| frame.id == channel.id));
}

#[test]
fn an_empty_channel_is_one_frame_without_data() {
    let frames = Channel::of_data(Bytes::new()).frames(10).unwrap();
    assert_eq!(frames.len(), 1);
    assert!(frames[0].is_last && frames[0].data.is_empty());
}

#[test]
fn a_channel_with_more_frames_than_numbers_is_refused() {
    let channel = Channel::of_data(vec![0; 65_537]);
    assert!(channel.frames(1).is_err());
    assert_eq!(channel.frames(2).unwrap().len(), 32_769);
}

#[test]
fn a_frame_has_the_bytes_of_the_specification() {
    let frame = Frame {
        id: ChannelId::repeat_byte(9),
        number: 258,
        data: vec![0xab, 0xcd].into(),
        is_last: true,
    };
    let data = batcher_data([&frame]);
    let mut expected = vec![0];
    expected.extend([9; 16]);
    expected.extend([1, 2, 0, 0, 0, 2, 0xab, 0xcd, 1]);
    assert_eq!(data, expected);
    assert_eq!(data.len(), 1 + frame.encoded_len());
}
