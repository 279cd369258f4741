#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{batcher, files};
use proptest::prelude::*;
use std::fs;

const LIMIT: u64 = 100_000_000;

fn inflate(compressed: &[u8], limit: u64) -> Vec<u8> {
    let compressed = Bytes::copy_from_slice(compressed);
    let mut inflater = Inflater::new(compressed, limit, true).unwrap();
    let mut out = Vec::new();
    loop {
        let piece = inflater.peek(1000).to_vec();
        if piece.is_empty() {
            return out;
        }
        inflater.consume(piece.len());
        out.extend_from_slice(&piece);
    }
}

#[test]
fn real_channels_come_out_whole_also_those_that_were_never_finished() {
    for (path, case) in files::channels("derivation/channels") {
        let compressed = fs::read(path.with_extension("channel.bin")).unwrap();
        let out = inflate(&compressed, LIMIT);
        let expected = &case["channel"];
        assert_eq!(out.len() as u64, expected["decompressedBytes"], "{path:?}");
        let sum = files::sha256(&out);
        assert_eq!(sum, expected["decompressedSha256"], "{path:?}");
    }
}

#[test]
fn a_channel_is_clipped_at_the_limit_and_not_dropped() {
    let data: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
    for compressed in [batcher::zlib(&data), batcher::brotli(&data)] {
        assert_eq!(inflate(&compressed, 70_001), data[..70_001]);
        assert_eq!(inflate(&compressed, LIMIT), data);
    }
}

#[test]
fn a_bomb_is_not_blown_up_beyond_what_is_read() {
    let bomb = batcher::brotli(&vec![0; 50_000_000]);
    let mut inflater = Inflater::new(bomb.into(), LIMIT, true).unwrap();
    assert!(inflater.peek(1).len() <= 16 * PIECE);
    inflater.consume(1);
    assert!(inflater.peek(1).len() <= 16 * PIECE);
}

#[test]
fn what_came_before_a_break_stays() {
    let data: Vec<u8> = (0..50_000_u32).flat_map(u32::to_be_bytes).collect();
    for compressed in [batcher::zlib(&data), batcher::brotli(&data)] {
        let cut = inflate(&compressed[..compressed.len() / 2], LIMIT);
        assert!(cut.len() > 10_000, "{} bytes", cut.len());
        assert_eq!(cut, data[..cut.len()]);
    }
    let mut wrong_sum = batcher::zlib(&data);
    *wrong_sum.last_mut().unwrap() ^= 1;
    assert_eq!(inflate(&wrong_sum, LIMIT), data);
}

#[test]
fn unknown_and_early_compressions_are_refused() {
    let refused = |compressed: &'static [u8], is_fjord| {
        let compressed = Bytes::from_static(compressed);
        Inflater::new(compressed, LIMIT, is_fjord).unwrap_err()
    };
    assert_eq!(refused(&[], true), CompressionError::Empty);
    let unknown = CompressionError::Unknown { first: 2 };
    assert_eq!(refused(&[2, 0], true), unknown);
    assert_eq!(refused(&[1, 0], false), CompressionError::TooEarly);
    // A reserved method of zlib is recognised and gives nothing.
    assert_eq!(inflate(&[0x0f, 0, 1, 2], LIMIT), [0; 0]);
}

proptest! {
    #[test]
    fn no_stream_breaks_the_decompressor(
        first in prop_oneof![Just(0x78_u8), Just(1_u8)],
        rest in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let compressed = [vec![first], rest].concat();
        prop_assert!(inflate(&compressed, 1 << 20).len() <= 1 << 20);
    }

    #[test]
    fn no_damage_breaks_the_decompressor(at in 0_usize..2000, flip in 1_u8..) {
        let data: Vec<u8> = (0..1000_u32).flat_map(|n| n.wrapping_mul(n).to_be_bytes()).collect();
        for mut compressed in [batcher::zlib(&data), batcher::brotli(&data)] {
            let at = at % compressed.len();
            compressed[at] ^= flip;
            let inflater = Inflater::new(compressed.clone().into(), 1 << 20, true);
            if inflater.is_ok() {
                prop_assert!(inflate(&compressed, 1 << 20).len() <= 1 << 20);
            }
        }
    }
}
