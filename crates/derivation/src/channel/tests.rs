#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    blob::decode_blob,
    frames::parse_frames,
    kona::SingleBatch,
    testing::{batcher, files},
};
use alloy_primitives::{B256, keccak256};
use light_node_l1::Blob;
use serde_json::Value;
use std::{fs, path::Path};

const LIMIT: u64 = 100_000_000;

const CHAIN: SpanChain = SpanChain {
    chain_id: 901,
    block_time: 2,
    genesis_time: 1000,
    horizon: None,
};

fn items(compressed: Vec<u8>, limit: u64, chain: SpanChain) -> (Vec<Batch>, ChannelEnd) {
    let mut channel = ChannelBatches::new(compressed.into(), limit, true, chain).unwrap();
    let mut batches = Vec::new();
    loop {
        match channel.next_item() {
            ChannelItem::Batch(batch) => batches.push(*batch),
            ChannelItem::Malformed(_) => {}
            ChannelItem::End(end) => return (batches, end),
        }
    }
}

fn single(timestamp: u64) -> Batch {
    Batch::Single(SingleBatch {
        timestamp,
        transactions: vec![Bytes::from_static(&[2, 1])],
        ..SingleBatch::default()
    })
}

/// The channel that a folder's files hold: from blobs, from calldata, or as it is.
fn compressed(path: &Path, case: &Value) -> Vec<u8> {
    let channel = path.with_extension("channel.bin");
    if channel.is_file() {
        return fs::read(channel).unwrap();
    }
    let blobs = path.with_extension("blobs.bin");
    let payloads: Vec<Bytes> = if blobs.is_file() {
        let blobs = fs::read(blobs).unwrap();
        let blobs = blobs.chunks(131_072).map(Blob::from_slice);
        blobs.map(|blob| decode_blob(&blob).unwrap()).collect()
    } else {
        use alloy_consensus::{Transaction, TxEnvelope};
        use alloy_eips::eip2718::Decodable2718;
        let raw = fs::read(path.with_extension("tx.bin")).unwrap();
        let transaction = TxEnvelope::decode_2718(&mut raw.as_slice()).unwrap();
        vec![transaction.input().clone()]
    };
    let frames = payloads.iter().flat_map(|data| parse_frames(data).unwrap());
    let frames: Vec<_> = frames.collect();
    assert_eq!(frames.len(), case["frames"].as_array().unwrap().len());
    frames
        .iter()
        .flat_map(|frame| frame.data.to_vec())
        .collect()
}

fn hashes(transactions: &[Bytes]) -> Vec<B256> {
    transactions.iter().map(keccak256).collect()
}

fn check(batch: &Batch, expected: &Value, name: &str) {
    match batch {
        Batch::Single(batch) => {
            assert_eq!(expected["type"], "singular", "{name}");
            assert_eq!(batch.timestamp, expected["timestamp"], "{name}");
            assert_eq!(batch.epoch_num, expected["epochNumber"], "{name}");
            let strings = [
                (batch.parent_hash, "parentHash"),
                (batch.epoch_hash, "epochHash"),
            ];
            for (hash, field) in strings {
                assert_eq!(hash.to_string(), expected[field], "{name}");
            }
            let hashes: Vec<_> = hashes(&batch.transactions)
                .iter()
                .map(ToString::to_string)
                .collect();
            let expected: Vec<String> =
                serde_json::from_value(expected["txHashes"].clone()).unwrap_or_default();
            assert_eq!(hashes, expected, "{name}");
        }
        Batch::Span(span) => {
            assert_eq!(expected["type"], "span", "{name}");
            assert_eq!(span.parent_check.to_string(), expected["parentCheck"]);
            assert_eq!(span.l1_origin_check.to_string(), expected["l1OriginCheck"]);
            let blocks = &span.batches;
            let counts: Vec<u64> = blocks
                .iter()
                .map(|block| block.transactions.len() as u64)
                .collect();
            assert_eq!(Value::from(counts), expected["blockTxCounts"], "{name}");
            let (first, last) = (&blocks[0], &blocks[blocks.len() - 1]);
            assert_eq!(last.epoch_num, expected["l1OriginNum"], "{name}");
            for (number, field) in [
                (first.epoch_num, "firstEpoch"),
                (last.epoch_num, "lastEpoch"),
                (first.timestamp, "firstTimestamp"),
                (last.timestamp, "lastTimestamp"),
            ] {
                if expected[field].is_u64() {
                    assert_eq!(number, expected[field], "{name}: {field}");
                }
            }
            let hashes: Vec<u8> = blocks
                .iter()
                .flat_map(|block| hashes(&block.transactions))
                .flatten()
                .collect();
            assert_eq!(files::sha256(&hashes), expected["txHashesSha256"], "{name}");
        }
    }
}

#[test]
fn every_real_channel_gives_the_batches_that_were_posted() {
    let mut batches = 0;
    for folder in ["blobs", "channels", "calldata"] {
        for (path, case) in files::channels(&format!("derivation/{folder}")) {
            let number = |field: &str| case["l2"][field].as_u64().unwrap_or(0);
            let chain = SpanChain {
                chain_id: number("chainId"),
                block_time: number("blockTime"),
                genesis_time: number("genesisTime"),
                horizon: None,
            };
            let name = path.display().to_string();
            let (found, end) = items(compressed(&path, &case), LIMIT, chain);
            let expected = case["channel"]["batches"].as_array().unwrap();
            assert_eq!(found.len(), expected.len(), "{name}: {end}");
            assert_eq!(found.len() as u64, case["channel"]["batchCount"], "{name}");
            for (batch, expected) in found.iter().zip(expected) {
                check(batch, expected, &name);
            }
            batches += found.len();
        }
    }
    println!("{batches} batches");
}

#[test]
fn batches_before_a_fault_count_and_those_behind_it_do_not() {
    let unknown = batcher::rlp_string(&[2, 1, 2, 3]);
    let empty = batcher::rlp_string(&[]);
    let not_rlp = batcher::rlp_string(&[0, 1, 2, 3]);
    let list = vec![0xc1, 0x80];
    let cut_span = batcher::rlp_string(&[1, 0, 0]);
    let non_canonical = vec![0x81, 0x01];
    let long_head = [vec![0xb8, 0x03], vec![0; 3]].concat();
    for fault in [
        unknown,
        empty,
        not_rlp,
        list,
        cut_span,
        non_canonical,
        long_head,
    ] {
        let parts = [
            batcher::rlp(&single(5)),
            fault.clone(),
            batcher::rlp(&single(6)),
        ];
        let (batches, end) = items(batcher::zlib(&parts.concat()), LIMIT, CHAIN);
        assert_eq!(batches, [single(5)], "{fault:x?}: {end}");
    }
}

#[test]
fn an_unknown_batch_type_is_named_where_the_stock_decoder_panics() {
    let (_, end) = items(batcher::zlib(&batcher::rlp_string(&[2, 1])), LIMIT, CHAIN);
    assert_eq!(end, ChannelEnd::UnknownType { batch_type: 2 });
    let config = crate::kona::rollup_config(&light_node_protocol::RollupConfig::default());
    let stock = std::panic::catch_unwind(|| Batch::decode(&mut &[2_u8][..], &config).is_ok());
    assert!(stock.is_err());
}

#[test]
fn the_rest_of_a_channel_that_is_cut_is_not_read() {
    let whole = [batcher::rlp(&single(5)), batcher::rlp(&single(6))].concat();
    let cut = batcher::zlib(&whole[..whole.len() - 1]);
    assert_eq!(items(cut, LIMIT, CHAIN), (vec![single(5)], ChannelEnd::Cut));
    let (batches, end) = items(batcher::zlib(&whole), LIMIT, CHAIN);
    assert_eq!((batches.len(), end), (2, ChannelEnd::Read));
}

#[test]
fn a_channel_is_clipped_at_its_limit_where_the_stock_reader_drops_it() {
    let one = batcher::rlp(&single(5));
    let whole = [one.clone(), batcher::rlp(&single(6))].concat();
    let limit = whole.len() as u64 - 1;
    for compressed in [batcher::zlib(&whole), batcher::brotli(&whole)] {
        let expected = (vec![single(5)], ChannelEnd::TooLong { limit });
        assert_eq!(items(compressed.clone(), limit, CHAIN), expected);
        let mut stock = kona_reader(&compressed, limit);
        assert!(stock.next().is_none());
    }
    let limit = one.len() as u64;
    let expected = (vec![single(5)], ChannelEnd::TooLong { limit });
    assert_eq!(items(batcher::zlib(&whole), limit, CHAIN), expected);
}

fn kona_reader(compressed: &[u8], limit: u64) -> impl Iterator<Item = Batch> + use<> {
    let config = crate::kona::rollup_config(&light_node_protocol::RollupConfig {
        fjord_time: Some(0),
        ..light_node_protocol::RollupConfig::default()
    });
    let mut reader = crate::kona::stock::BatchReader::new(compressed, limit as usize);
    std::iter::from_fn(move || reader.next_batch(&config))
}

#[test]
fn a_string_that_claims_more_than_there_is_reserves_nothing() {
    let claim = [vec![0xbf], vec![0x7f; 8]].concat();
    let (_, end) = items(batcher::zlib(&claim), LIMIT, CHAIN);
    assert_eq!(end, ChannelEnd::TooLong { limit: LIMIT });
    let claim = [vec![0xbb], 90_000_000_u32.to_be_bytes().to_vec()].concat();
    let (_, end) = items(batcher::zlib(&claim), LIMIT, CHAIN);
    assert_eq!(end, ChannelEnd::Cut);
}

#[test]
fn a_small_channel_with_a_large_batch_is_much_work() {
    let is_large = |batch: &[u8]| {
        let channel = batcher::brotli(&batcher::rlp_string(batch));
        assert!(channel.len() < 1000);
        let channel = ChannelBatches::new(channel.into(), LIMIT, true, CHAIN);
        channel.unwrap().is_large()
    };
    assert!(!is_large(&[0; 100]));
    assert!(is_large(&vec![0; 1_000_000]));
}
