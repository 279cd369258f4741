//! Entry points for fuzzers: each parser of what stands on L1, with what must hold of any input whatever. The same functions run
//! in the tests over damaged real data, and in the targets under `fuzz/`.
//!
//! A function panics where something does not hold, and says nothing otherwise.

use crate::{
    blob::decode_blob,
    channel::{ChannelBatches, ChannelItem},
    frames::{RawFrame, parse_frames, prune_frames},
    kona::{Batch, SingleBatch, SpanBatch},
    single::decode_single,
    span::{SpanChain, decode_span},
};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{B256, Bytes, Log, LogData};
use alloy_rlp::Decodable;
use light_node_l1::Blob;
use light_node_protocol::{
    CONFIG_UPDATE_TOPIC, ConfigUpdate, L1BlockInfo, RollupConfig, SystemConfig,
    TRANSACTION_DEPOSITED_TOPIC, user_deposit,
};
use op_alloy_consensus::TxDeposit;

#[cfg(test)]
mod tests;

/// Bytes that are read of a channel here. The protocol's limit is a hundred times as high.
const CHANNEL_LIMIT: u64 = 1 << 20;

const CHAIN: SpanChain = SpanChain {
    chain_id: 901,
    block_time: 2,
    genesis_time: 1_750_000_000,
    horizon: None,
};

/// A batcher's data: frames fill it to the last byte or there are none, and those that are left after pruning continue each
/// other.
pub fn frames(data: &[u8]) {
    let Ok(frames) = parse_frames(&Bytes::copy_from_slice(data)) else {
        return;
    };
    let encoded = frames.iter().map(RawFrame::encode_alone);
    let encoded = encoded.flat_map(|frame| frame[1..].to_vec());
    assert_eq!(encoded.collect::<Vec<_>>(), data[1..]);
    let kept = prune_frames(frames);
    for pair in kept.windows(2) {
        let [current, next] = pair else { continue };
        let continues = !current.is_last
            && current.channel == next.channel
            && current.number.wrapping_add(1) == next.number;
        let begins = current.is_last && current.channel != next.channel && next.number == 0;
        assert!(continues || begins, "{current:?} {next:?}");
    }
}

/// A blob: what it holds is never longer than a blob.
pub fn blob(data: &[u8]) {
    let mut blob = Blob::ZERO;
    let length = data.len().min(blob.len());
    blob[..length].copy_from_slice(&data[..length]);
    if let Ok(data) = decode_blob(&blob) {
        assert!(data.len() < blob.len());
    }
}

/// A compressed channel: it comes to an end, and gives no more than is read of it.
pub fn channel(data: &[u8]) {
    let compressed = Bytes::copy_from_slice(data);
    let Ok(mut channel) = ChannelBatches::new(compressed, CHANNEL_LIMIT, true, CHAIN) else {
        return;
    };
    let mut bytes = 0;
    loop {
        match channel.next_item() {
            ChannelItem::Batch(batch) => bytes += content_bytes(&batch),
            ChannelItem::Malformed(_) => {}
            ChannelItem::End(_) => break,
        }
    }
    // Of a span batch, parts of a transaction become longer: a chain id and two numbers of 9 bytes, heads.
    assert!(bytes <= 3 * CHANNEL_LIMIT as usize, "{bytes}");
}

fn content_bytes(batch: &Batch) -> usize {
    let bytes = |transactions: &[Bytes]| transactions.iter().map(|it| it.len()).sum::<usize>();
    match batch {
        Batch::Single(batch) => bytes(&batch.transactions),
        Batch::Span(span) => span.batches.iter().map(|it| bytes(&it.transactions)).sum(),
    }
}

/// A singular batch without its type byte: read where kona reads it, and to the same but for transactions that are none.
pub fn singular_batch(data: &[u8]) {
    let ours = decode_single(data);
    let stock = SingleBatch::decode(&mut &*data);
    assert_eq!(ours.is_ok(), stock.is_ok());
    let (Ok(ours), Ok(stock)) = (ours, stock) else {
        return;
    };
    if ours.transactions.len() == stock.transactions.len() {
        assert_eq!(ours, stock);
    } else {
        assert!(ours.transactions.len() < stock.transactions.len());
        let mut stock = stock.transactions.iter();
        assert!(
            ours.transactions
                .iter()
                .all(|it| stock.any(|other| it == other))
        );
    }
}

/// A span batch without its type byte: a horizon leaves out blocks in the middle, and changes none.
pub fn span_batch(data: &[u8]) {
    let Ok(whole) = decode_span(data, &CHAIN) else {
        return;
    };
    assert!(!whole.batches.is_empty() && whole.batches.len() <= 8 * data.len());
    for horizon in [0, whole.batches[0].timestamp, u64::MAX] {
        let chain = SpanChain {
            horizon: Some(horizon),
            ..CHAIN
        };
        let within = decode_span(data, &chain).expect("a horizon refuses nothing");
        assert!(is_part(&within, &whole), "horizon {horizon}");
    }
}

/// True if `part` is the beginning of `whole`, and its last block.
fn is_part(part: &SpanBatch, whole: &SpanBatch) -> bool {
    let begins = part.batches.len().saturating_sub(1);
    part.batches[..begins] == whole.batches[..begins] && part.batches.last() == whole.batches.last()
}

/// Calldata of an L1-info deposit: what is read of it is all there is in it.
pub fn l1_info(data: &[u8]) {
    if let Ok(info) = L1BlockInfo::decode(data) {
        assert_eq!(&info.encode()[..], data);
    }
}

/// A log of the portal, its topics before its data: a deposit comes back from its encoding.
pub fn deposit_log(data: &[u8]) {
    let log = log(TRANSACTION_DEPOSITED_TOPIC, 4, data);
    if let Ok(deposit) = user_deposit(&log, B256::ZERO, 1) {
        let encoded = deposit.encoded_2718();
        assert!(encoded.len() <= data.len() + 256);
        let decoded = TxDeposit::decode_2718_exact(&encoded);
        assert_eq!(decoded.ok().as_ref(), Some(&deposit));
    }
}

/// A log of the system config, its topics before its data: what is read of it can be applied, and once more to the same.
pub fn config_update_log(data: &[u8]) {
    let log = log(CONFIG_UPDATE_TOPIC, 3, data);
    if ConfigUpdate::decode(&log).is_err() {
        return;
    }
    let log = Log {
        address: RollupConfig::default().l1_system_config_address,
        data: log,
    };
    let apply = |mut config: SystemConfig| {
        let applied = config.apply_log(&RollupConfig::default(), &log, 0);
        assert_eq!(applied, Ok(()));
        config
    };
    let once = apply(SystemConfig::default());
    assert_eq!(apply(once), once);
}

/// A log of this event with so many topics, if the bytes are enough for them.
fn log(event: B256, topics: usize, mut data: &[u8]) -> LogData {
    let mut found = vec![event];
    while found.len() < topics {
        let Some((topic, rest)) = data.split_first_chunk::<32>() else {
            break;
        };
        found.push(topic.into());
        data = rest;
    }
    LogData::new_unchecked(found, Bytes::copy_from_slice(data))
}
