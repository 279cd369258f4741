#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    kona::{Batch, SingleBatch},
    testing::{allocations::peak_of, batcher, files, world},
};
use alloy_primitives::{B256, keccak256};
use proptest::prelude::*;
use std::fs;

const CHAIN: SpanChain = SpanChain {
    chain_id: world::CHAIN_ID,
    block_time: 2,
    genesis_time: 1000,
    horizon: None,
};

/// A span batch of some blocks, without its type byte, and the blocks.
fn example() -> (Vec<u8>, SpanBatch) {
    let blocks = (0..5_u64).map(|index| {
        let batch = SingleBatch {
            parent_hash: B256::repeat_byte(9),
            epoch_num: 20 + index / 2,
            epoch_hash: B256::repeat_byte(8),
            timestamp: 1010 + 2 * index,
            transactions: world::transactions(index, 1 + index as usize),
        };
        (batch, index % 2)
    });
    let span = batcher::span(CHAIN.genesis_time, CHAIN.chain_id, blocks);
    let mut encoded = Vec::new();
    Batch::Span(span.clone()).encode(&mut encoded).unwrap();
    (encoded[1..].to_vec(), span)
}

fn same(ours: &SpanBatch, other: &SpanBatch) {
    assert_eq!(ours.parent_check, other.parent_check);
    assert_eq!(ours.l1_origin_check, other.l1_origin_check);
    assert_eq!(ours.batches, other.batches);
}

#[test]
fn a_span_batch_comes_back_as_it_was_made() {
    let (encoded, span) = example();
    same(&decode_span(&encoded, &CHAIN).unwrap(), &span);
    let trailing = [encoded, vec![1, 2, 3]].concat();
    same(&decode_span(&trailing, &CHAIN).unwrap(), &span);
}

#[test]
fn a_published_span_batch_decodes_as_by_the_stock_decoder() {
    let Some(folder) = files::folder("derivation/channels") else {
        return;
    };
    let encoded = fs::read(folder.join("random-span-payload.bin")).unwrap();
    let expected = files::json(folder.join("random-span-payload.json"));
    let config = light_node_protocol::RollupConfig {
        block_time: CHAIN.block_time,
        l2_chain_id: CHAIN.chain_id,
        genesis: light_node_protocol::ChainGenesis {
            l2_time: CHAIN.genesis_time,
            ..Default::default()
        },
        ..Default::default()
    };
    let ours = decode_span(&encoded, &CHAIN).unwrap();
    assert_eq!(ours.batches.len() as u64, expected["blockCount"]);
    let counts: Vec<_> = ours
        .batches
        .iter()
        .map(|it| it.transactions.len())
        .collect();
    assert_eq!(serde_json::json!(counts), expected["blockTxCounts"]);
    let with_type = [vec![1], encoded].concat();
    let config = crate::kona::rollup_config(&config);
    let Batch::Span(stock) = Batch::decode(&mut with_type.as_slice(), &config).unwrap() else {
        panic!("a span batch");
    };
    same(&ours, &stock);
}

#[test]
fn a_cut_span_batch_is_malformed_where_the_stock_decoder_may_panic() {
    let (encoded, _) = example();
    for length in 0..encoded.len() {
        let error = decode_span(&encoded[..length], &CHAIN).unwrap_err();
        assert!(matches!(error, SpanError::Structure(_)), "{length}");
    }
    let config = crate::kona::rollup_config(&light_node_protocol::RollupConfig::default());
    let cut = [1_u8, 0, 0];
    let stock = std::panic::catch_unwind(|| Batch::decode(&mut &cut[..], &config).is_ok());
    assert!(stock.is_err());
}

/// A span batch of one block with one transaction of these parts.
fn with_transaction(data: &[u8], is_creation: bool, protected: &[u8]) -> Vec<u8> {
    let mut out = vec![5, 7];
    out.extend_from_slice(&[1; 40]);
    out.extend_from_slice(&[1, 1, 1]); // one block, its origin bit, one transaction
    out.push(u8::from(is_creation));
    out.push(0); // y parity
    out.extend_from_slice(&[3; 64]);
    if !is_creation {
        out.extend_from_slice(&[4; 20]);
    }
    out.extend_from_slice(data);
    out.extend_from_slice(&[1, 1]); // nonce, gas
    out.extend_from_slice(protected);
    out
}

#[test]
fn transactions_that_are_none_cost_the_span_and_not_its_channel() {
    let legacy = [0xc3, 0x80, 0x80, 0x80];
    let typed = |tx_type: u8, fields: &[u8]| [vec![tx_type], fields.to_vec()].concat();
    assert!(decode_span(&with_transaction(&legacy, false, &[0]), &CHAIN).is_ok());
    let dynamic = typed(2, &[0xc5, 0x80, 0x80, 0x80, 0x80, 0xc0]);
    assert!(decode_span(&with_transaction(&dynamic, true, &[]), &CHAIN).is_ok());
    let set_code = typed(4, &[0xc6, 0x80, 0x80, 0x80, 0x80, 0xc0, 0xc0]);
    assert!(decode_span(&with_transaction(&set_code, false, &[]), &CHAIN).is_ok());
    for (data, is_creation, protected) in [
        // A type byte of zero, which the stock decoder takes for a legacy transaction.
        (typed(0, &legacy), false, vec![0]),
        (typed(3, &[0xc0]), false, vec![]),
        (typed(0x7d, &[0xc0]), false, vec![]),
        (typed(0x7e, &[0xc0]), false, vec![]),
        // A set-code transaction must have a recipient.
        (set_code, true, vec![]),
        // Too few fields, too many, and a number with a leading zero.
        (vec![0xc2, 0x80, 0x80], false, vec![0]),
        (vec![0xc4, 0x80, 0x80, 0x80, 0x80], false, vec![0]),
        (vec![0xc3, 0x00, 0x80, 0x80], false, vec![0]),
        (
            typed(2, &[0xc5, 0x80, 0x80, 0x80, 0x80, 0x80]),
            false,
            vec![],
        ),
    ] {
        let decoded = decode_span(&with_transaction(&data, is_creation, &protected), &CHAIN);
        let is_alone = matches!(decoded, Err(SpanError::Transactions(_)));
        assert!(is_alone, "{data:x?}: {decoded:?}");
    }
    for data in [vec![0x80], vec![2, 0x80], vec![0xf8, 0x01, 0x80]] {
        let decoded = decode_span(&with_transaction(&data, false, &[0]), &CHAIN);
        let is_structure = matches!(decoded, Err(SpanError::Structure(_)));
        assert!(is_structure, "{data:x?}: {decoded:?}");
    }
}

#[test]
fn absurd_numbers_are_refused_or_wrap_and_reserve_nothing() {
    let head = |count: &[u8]| [vec![5, 7], vec![1; 40], count.to_vec()].concat();
    let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for count in [&[0][..], &max, &[0xff, 0xff, 0xff, 0x7f], &[0x80; 11]] {
        assert!(decode_span(&head(count), &CHAIN).is_err(), "{count:x?}");
    }
    // Ten million blocks in 1.25 MB of origin bits, and nothing behind them.
    let many = [head(&[0x80, 0xad, 0xe2, 0x04]), vec![0; 1_250_000]].concat();
    assert!(decode_span(&many, &CHAIN).is_err());
    let mut far = max.to_vec();
    far.extend_from_slice(&max);
    far.extend_from_slice(&[1; 40]);
    far.extend_from_slice(&[2, 3, 0, 0]);
    let span = decode_span(&far, &CHAIN).unwrap();
    assert_eq!(span.batches[0].timestamp, CHAIN.genesis_time - 1);
    assert_eq!(span.batches[0].epoch_num, u64::MAX - 1);
}

/// So many blocks without transactions from 1005 on, all first on their origins or none.
fn empty_blocks(count: usize, advances: bool) -> Vec<u8> {
    let mut out = [vec![5, 7], vec![1; 40]].concat();
    let mut rest = count;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    let bits = if advances { 0xff } else { 0 };
    out.extend(std::iter::repeat_n(bits, count / 8));
    out.extend(std::iter::repeat_n(0, count));
    out
}

#[test]
fn blocks_behind_the_horizon_are_left_out_but_for_the_last() {
    let within = |horizon: Option<u64>, advances: bool| {
        let chain = SpanChain { horizon, ..CHAIN };
        let span = decode_span(&empty_blocks(96, advances), &chain).unwrap();
        span.batches
            .iter()
            .map(|block| block.timestamp)
            .collect::<Vec<_>>()
    };
    let all: Vec<u64> = (0..96).map(|index| 1005 + 2 * index).collect();
    assert_eq!(within(None, false), all);
    assert_eq!(within(Some(2000), false), all);
    assert_eq!(
        within(Some(1045), true),
        all,
        "each may be of the next origin"
    );
    let kept = within(Some(1045), false);
    assert_eq!(kept[..22], all[..22], "up to the first one behind it");
    assert_eq!(kept[22..], all[95..]);
}

#[test]
fn millions_of_blocks_without_transactions_take_little_memory() {
    let encoded = empty_blocks(2_000_000, false);
    let chain = SpanChain {
        horizon: Some(3000),
        ..CHAIN
    };
    let (span, peak) = peak_of(|| decode_span(&encoded, &chain).unwrap());
    assert!(span.batches.len() < 1100);
    assert!(peak < 9_000_000, "{peak}");
}

#[test]
fn numbers_longer_than_necessary_are_read() {
    let mut reader = Reader::new(&[0x80, 0x80, 0x00, 0xff]);
    assert_eq!(reader.varint("number"), Ok(0));
    assert!(reader.varint("number").is_err());
}

#[test]
fn signatures_of_both_kinds_make_the_transactions_that_were_signed() {
    let transactions = world::transactions(3, 12);
    let block = SingleBatch {
        timestamp: 1002,
        transactions: transactions.clone(),
        ..SingleBatch::default()
    };
    let span = batcher::span(CHAIN.genesis_time, CHAIN.chain_id, [(block, 0)]);
    let mut encoded = Vec::new();
    Batch::Span(span).encode(&mut encoded).unwrap();
    let decoded = decode_span(&encoded[1..], &CHAIN).unwrap();
    let hashes = |transactions: &[Bytes]| transactions.iter().map(keccak256).collect::<Vec<_>>();
    let found = &decoded.batches[0].transactions;
    assert_eq!(hashes(found), hashes(&transactions));
}

proptest! {
    #[test]
    fn no_damage_breaks_the_decoder(at: usize, value: u8) {
        let (mut encoded, _) = example();
        let at = at % encoded.len();
        encoded[at] = value;
        let _ = decode_span(&encoded, &CHAIN);
    }

    #[test]
    fn no_bytes_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode_span(&bytes, &CHAIN);
    }
}
