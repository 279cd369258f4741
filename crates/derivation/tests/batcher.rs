//! What the devnet's batcher writes, read by kona's own decoders: encoder and decoder are of different hands, so they can only
//! agree by the specification.
#![allow(clippy::unwrap_used, missing_docs)]

use alloy_consensus::{
    SignableTransaction, Signed, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy,
};
use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use kona_protocol::{Batch, BatchReader, Frame as KonaFrame};
use light_node_devnet_batches::{
    Channel, Compression, SingularBatch, SpanBatch, SpanBlock, batcher_data,
};

const CHAIN_ID: u64 = 901;
const GENESIS_TIME: u64 = 1_750_000_000;
const BLOCK_TIME: u64 = 2;

fn sign<T: SignableTransaction<Signature>>(tx: T) -> Bytes
where
    TxEnvelope: From<Signed<T>>,
{
    let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    let signature = key.sign_hash_sync(&tx.signature_hash()).unwrap();
    let envelope = TxEnvelope::from(tx.into_signed(signature));
    envelope.encoded_2718().into()
}

fn data(seed: u64, length: u64) -> Bytes {
    let bytes = (0..length).map(|index| keccak256((seed << 32 | index).to_be_bytes())[0]);
    bytes.collect::<Vec<u8>>().into()
}

/// Transactions of every type, with and without a receiver, bound to the chain and not.
fn transactions(seed: u64) -> Vec<Bytes> {
    let to = TxKind::Call(Address::repeat_byte(seed as u8));
    vec![
        sign(TxLegacy {
            chain_id: Some(CHAIN_ID),
            nonce: seed,
            gas_price: 1_000_000_007,
            gas_limit: 21_000 + seed,
            to,
            value: U256::from(seed),
            input: Bytes::new(),
        }),
        sign(TxLegacy {
            chain_id: None,
            nonce: 1 << 40,
            gas_limit: 30_000_000,
            input: data(seed, 300),
            ..TxLegacy::default()
        }),
        sign(TxEip2930 {
            chain_id: CHAIN_ID,
            nonce: 127,
            gas_price: 1,
            gas_limit: 128,
            to,
            input: data(seed, 1),
            ..TxEip2930::default()
        }),
        sign(TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: 128,
            max_fee_per_gas: u128::from(u64::MAX),
            max_priority_fee_per_gas: 1,
            value: U256::from(10).pow(U256::from(24)),
            input: data(seed, 60),
            ..TxEip1559::default()
        }),
        sign(TxEip7702 {
            chain_id: CHAIN_ID,
            nonce: u64::from(u32::MAX),
            max_fee_per_gas: 9,
            to: Address::repeat_byte(0x77),
            input: data(seed, 40),
            ..TxEip7702::default()
        }),
    ]
}

/// Consecutive blocks: epochs of different lengths, empty blocks among full ones.
fn blocks(count: u64) -> Vec<SpanBlock> {
    let block = |index: u64| SpanBlock {
        epoch: BlockNumHash::new(100 + index / 3, B256::repeat_byte(100 + (index / 3) as u8)),
        timestamp: GENESIS_TIME + 1_000 + BLOCK_TIME * index,
        transactions: if index % 4 == 1 {
            Vec::new()
        } else {
            transactions(index)
        },
    };
    (0..count).map(block).collect()
}

/// The batches that kona finds in a channel of ours, which it gets frame by frame.
fn read(channel: &Channel, frame_bytes: usize) -> Vec<Batch> {
    let mut joined = Vec::new();
    for frame in channel.frames(frame_bytes).unwrap() {
        let data = batcher_data([&frame]);
        let parsed = KonaFrame::parse_frames(&data).unwrap();
        assert_eq!(parsed.len(), 1);
        assert_eq!(parsed[0].number, frame.number);
        assert_eq!(parsed[0].is_last, frame.is_last);
        joined.extend_from_slice(&parsed[0].data);
    }
    let config = kona_genesis::RollupConfig {
        l2_chain_id: CHAIN_ID.into(),
        block_time: BLOCK_TIME,
        genesis: kona_genesis::ChainGenesis {
            l2_time: GENESIS_TIME,
            ..Default::default()
        },
        hardforks: kona_genesis::HardForkConfig {
            fjord_time: Some(0),
            ..Default::default()
        },
        ..Default::default()
    };
    let mut reader = BatchReader::new(joined, 10_000_000);
    std::iter::from_fn(|| reader.next_batch(&config)).collect()
}

#[test]
fn kona_reads_the_same_blocks_out_of_our_spans() {
    for compression in [Compression::Zlib, Compression::Brotli] {
        for (count, frame_bytes) in [(1, 100_000), (2, 500), (9, 1_000), (64, 10_000)] {
            let blocks = blocks(count);
            let parent_hash = B256::repeat_byte(0xaa);
            let span = SpanBatch {
                parent_hash,
                parent_epoch_number: 99,
                blocks: blocks.clone(),
            };
            let encoded = span.encoded(GENESIS_TIME, CHAIN_ID).unwrap();
            let channel = Channel::of_batches(&[encoded], compression).unwrap();
            let batches = read(&channel, frame_bytes);
            let [Batch::Span(read)] = &batches[..] else {
                panic!("{count} blocks: {batches:?}");
            };
            assert_eq!(read.parent_check, parent_hash[..20]);
            let last = blocks.last().unwrap().epoch.hash;
            assert_eq!(read.l1_origin_check, last[..20]);
            assert_eq!(read.batches.len(), blocks.len());
            for (read, block) in read.batches.iter().zip(&blocks) {
                assert_eq!(read.timestamp, block.timestamp);
                assert_eq!(read.epoch_num, block.epoch.number);
                assert_eq!(read.transactions, block.transactions);
            }
        }
    }
}

#[test]
fn kona_reads_the_same_blocks_out_of_our_singular_batches() {
    for compression in [Compression::Zlib, Compression::Brotli] {
        let batches: Vec<_> = blocks(10)
            .into_iter()
            .map(|block| {
                let SpanBlock {
                    epoch,
                    timestamp,
                    transactions,
                } = block;
                SingularBatch::new(B256::repeat_byte(1), epoch, timestamp, transactions)
            })
            .collect();
        let encoded: Vec<_> = batches.iter().map(SingularBatch::encoded).collect();
        let channel = Channel::of_batches(&encoded, compression).unwrap();
        let read = read(&channel, 3_000);
        assert_eq!(read.len(), batches.len());
        for (read, batch) in read.iter().zip(&batches) {
            let Batch::Single(read) = read else {
                panic!("{read:?}");
            };
            assert_eq!(read.parent_hash, batch.parent_hash);
            assert_eq!(read.epoch_num, batch.epoch_number);
            assert_eq!(read.epoch_hash, batch.epoch_hash);
            assert_eq!(read.timestamp, batch.timestamp);
            assert_eq!(read.transactions, batch.transactions);
        }
    }
}
