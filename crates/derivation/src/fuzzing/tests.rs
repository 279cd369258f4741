//! Real data, and what the devnet's batcher writes, damaged in every way: no parser panics, and none takes more memory than its
//! input allows.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{allocations::peak_of, batcher, files, world};
use alloy_eips::BlockNumHash;
use light_node_devnet_batches::{
    Channel, Compression, SingularBatch, SpanBatch as DevnetSpan, SpanBlock, batcher_data,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::Value;
use std::{fs, panic};

/// Inputs that are tried of each parser. `FUZZ_CASES=100000` tries more of them, `FUZZ_SEED=17` that one alone.
const CASES: u64 = 120;

/// A parser, inputs that it reads, and how many bytes it may take for one of a given length.
struct Target {
    name: &'static str,
    run: fn(&[u8]),
    inputs: Vec<Vec<u8>>,
    bound: fn(usize) -> usize,
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a seed is a number"))
}

/// Runs the target over damaged inputs; on failure, what has to be set to see it again.
fn run(target: &Target) {
    let seeds = match number("FUZZ_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FUZZ_CASES").unwrap_or(CASES),
    };
    assert!(!target.inputs.is_empty(), "{}", target.name);
    for input in &target.inputs {
        (target.run)(input);
    }
    for seed in seeds {
        let input = damaged(&mut StdRng::seed_from_u64(seed), &target.inputs);
        let outcome = panic::catch_unwind(|| peak_of(|| (target.run)(&input)).1);
        let name = target.name;
        let peak = outcome.unwrap_or_else(|_| panic!("{name}: FUZZ_SEED={seed} breaks it"));
        let bound = (target.bound)(input.len());
        assert!(peak <= bound, "{name}: FUZZ_SEED={seed} takes {peak} bytes");
    }
}

fn damaged(rng: &mut StdRng, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = inputs.choose(rng).unwrap().clone();
    for _ in 0..rng.random_range(1..=6) {
        let at = rng.random_range(0..=input.len());
        let end = (at + rng.random_range(1..40)).min(input.len());
        match rng.random_range(0..7) {
            0 | 1 => {
                let telling = [0, 1, 0x7e, 0x7f, 0x80, 0xb8, 0xbf, 0xc0, 0xf8, 0xff];
                input[at..end.min(at + 1)].fill(*telling.choose(rng).unwrap());
            }
            2 => input[at..end.min(at + 1)]
                .iter_mut()
                .for_each(|it| *it ^= 1 << rng.random_range(0..8)),
            3 => drop(input.drain(at..end)),
            4 => input.truncate(at),
            5 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece.repeat(rng.random_range(1..9)));
            }
            _ => {
                let other = inputs.choose(rng).unwrap();
                let from = rng.random_range(0..=other.len());
                let piece = other[from..(from + 100).min(other.len())].to_vec();
                input.splice(at..at, piece);
            }
        }
    }
    input
}

/// Strings of a vector file, in hexadecimal, one of each entry.
fn vectors(file: &str, lists: &[&str], bytes: impl Fn(&Value) -> Option<Vec<u8>>) -> Vec<Vec<u8>> {
    let Some(folder) = files::folder("derivation") else {
        return Vec::new();
    };
    let value = files::json(folder.join(file));
    let entries = lists.iter().filter_map(|list| value[*list].as_array());
    entries.flatten().filter_map(bytes).collect()
}

fn hex(value: &Value) -> Option<Vec<u8>> {
    value.is_string().then(|| files::hex(value))
}

/// Topics behind the first one, and the data.
fn log_bytes(log: &Value) -> Option<Vec<u8>> {
    let topics = log["topics"].as_array()?.iter().skip(1);
    let parts: Option<Vec<Vec<u8>>> = topics.chain([&log["data"]]).map(hex).collect();
    Some(parts?.concat())
}

/// The blocks of the devnet, for its own batcher.
fn blocks() -> Vec<SpanBlock> {
    let block = |index: u64| SpanBlock {
        epoch: BlockNumHash::new(100 + index / 4, B256::repeat_byte(9)),
        timestamp: CHAIN.genesis_time + 1000 + 2 * index,
        transactions: world::transactions(index, (index % 5) as usize),
    };
    (0..40).map(block).collect()
}

fn devnet_batches() -> Vec<Bytes> {
    let span = DevnetSpan {
        parent_hash: B256::repeat_byte(1),
        parent_epoch_number: 99,
        blocks: blocks(),
    };
    let mut batches = vec![span.encoded(CHAIN.genesis_time, CHAIN.chain_id).unwrap()];
    for block in blocks() {
        let parent = B256::repeat_byte(2);
        let batch = SingularBatch::new(parent, block.epoch, block.timestamp, block.transactions);
        batches.push(batch.encoded());
    }
    batches
}

/// Compressed channels: the devnet's in both compressions, and real ones.
fn channels() -> Vec<Vec<u8>> {
    let mut channels = Vec::new();
    for compression in [Compression::Zlib, Compression::Brotli] {
        let channel = Channel::of_batches(&devnet_batches(), compression).unwrap();
        let frames = channel.frames(usize::MAX).unwrap();
        channels.push(frames[0].data.to_vec());
    }
    for (path, _) in files::channels("derivation/channels") {
        if let Ok(channel) = fs::read(path.with_extension("channel.bin")) {
            channels.push(channel);
        }
    }
    channels
}

fn batches_of_type(batch_type: u8) -> Vec<Vec<u8>> {
    let batches = devnet_batches().into_iter();
    let of_type = batches.filter(|batch| batch[0] == batch_type);
    of_type.map(|batch| batch[1..].to_vec()).collect()
}

#[test]
fn no_damage_to_frames_and_blobs_breaks_their_parsers() {
    let channel = Channel::of_batches(&devnet_batches(), Compression::Zlib).unwrap();
    let frames = channel.frames(500).unwrap();
    let mut inputs = vec![
        batcher_data(&frames).to_vec(),
        batcher_data(&frames[1..3]).to_vec(),
    ];
    inputs.extend(vectors("frames.json", &["valid", "invalid"], |it| {
        hex(&it["payload"])
    }));
    run(&Target {
        name: "frames",
        run: super::frames,
        inputs: inputs.clone(),
        bound: |length| 64 * length + 4096,
    });
    let blobs = inputs.iter().map(|data| {
        let data = &data[..data.len().min(100_000)];
        light_node_devnet_batches::blob_of(data).unwrap().to_vec()
    });
    run(&Target {
        name: "blob",
        run: blob,
        inputs: blobs.collect(),
        bound: |_| 4 * 131_072,
    });
}

#[test]
fn no_damage_to_channels_breaks_their_reader() {
    let inputs = channels();
    let bound = |length: usize| 4 * length + 64 * CHANNEL_LIMIT as usize;
    run(&Target {
        name: "channel",
        run: channel,
        inputs: inputs.clone(),
        bound,
    });
    // Damage within the compression, which the compression itself would hide.
    let plain = inputs.into_iter().map(|compressed| {
        let mut inflater = crate::inflate::Inflater::new(compressed.into(), 40_000, true).unwrap();
        inflater.peek(40_000).to_vec()
    });
    run(&Target {
        name: "channel, damaged before it was compressed",
        run: |plain| channel(&batcher::zlib(plain)),
        inputs: plain.collect(),
        bound,
    });
}

#[test]
fn no_damage_to_batches_breaks_their_decoders() {
    let bound = |length: usize| 256 * length + (1 << 20);
    run(&Target {
        name: "singular batch",
        run: singular_batch,
        inputs: batches_of_type(0),
        bound,
    });
    let mut spans = batches_of_type(1);
    if let Some(folder) = files::folder("derivation/channels") {
        spans.push(fs::read(folder.join("random-span-payload.bin")).unwrap());
    }
    run(&Target {
        name: "span batch",
        run: span_batch,
        inputs: spans,
        bound,
    });
}

#[test]
fn no_damage_to_deposits_and_config_updates_breaks_their_parsers() {
    let bound = |length: usize| 16 * length + 4096;
    let word = |value: u8| B256::with_last_byte(value).to_vec();
    let mut deposits = vectors("deposit-logs.json", &["valid", "invalid"], |it| {
        log_bytes(if it["log"].is_object() {
            &it["log"]
        } else {
            it
        })
    });
    deposits.push(
        [
            word(1),
            word(2),
            word(0),
            word(32),
            word(73),
            word(0),
            word(0),
            word(0),
        ]
        .concat(),
    );
    let mut updates = vectors("config-updates.json", &["valid", "invalid"], |it| {
        let kind = B256::with_last_byte(u8::try_from(it["kind"].as_u64()?).unwrap());
        Some([vec![0; 32], kind.to_vec(), hex(&it["data"])?].concat())
    });
    updates.push([word(0), word(2), word(32), word(32), word(9)].concat());
    let mut infos = vectors("l1-info.json", &["vectors", "invalid"], |it| {
        hex(&it["calldata"])
    });
    let facts = light_node_protocol::l1_info::L1BlockFacts {
        number: 5,
        hash: B256::repeat_byte(5),
        timestamp: 6,
        base_fee: 7,
        blob_base_fee: 8,
    };
    let config = &world::World::new().config;
    let deposit = light_node_protocol::l1_info_deposit(
        config,
        &config.genesis.system_config,
        3,
        &facts,
        world::GENESIS_TIME + 100,
    );
    infos.push(deposit.unwrap().input.to_vec());
    for (name, run_it, inputs) in [
        ("deposit log", deposit_log as fn(&[u8]), deposits),
        ("config update log", config_update_log, updates),
        ("l1 info", l1_info, infos),
    ] {
        run(&Target {
            name,
            run: run_it,
            inputs,
            bound,
        });
    }
}
