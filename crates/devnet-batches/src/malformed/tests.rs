#![allow(clippy::unwrap_used)]

use super::*;
use crate::{BLOB_DATA_BYTES_MAX, DERIVATION_VERSION, FRAME_OVERHEAD_BYTES, SpanBatch, SpanBlock};
use alloy_eips::BlockNumHash;
use alloy_primitives::B256;
use serde::de::{IntoDeserializer, value::Error};
use std::collections::HashSet;

fn honest() -> Honest {
    Honest {
        batch: SingularBatch {
            parent_hash: B256::repeat_byte(1),
            epoch_number: 9,
            epoch_hash: B256::repeat_byte(2),
            timestamp: 20_000_000,
            transactions: Vec::new(),
        },
        genesis_time: 10_000_000,
    }
}

fn data(kind: Malformed) -> Vec<Bytes> {
    match kind.content(&honest()).unwrap() {
        Content::Data(data) => data,
        Content::Blob(_) => panic!("{kind:?} is a blob"),
    }
}

#[test]
fn no_kind_is_like_another_and_only_the_stranger_is_honest() {
    let good = honest_data(&honest().batch).unwrap();
    assert_eq!(data(Malformed::Stranger), [good]);
    let mut seen = HashSet::new();
    for kind in Malformed::ALL {
        let content = kind.content(&honest()).unwrap();
        assert!(seen.insert(content), "{kind:?}");
    }
}

#[test]
fn a_batch_of_the_first_epoch_is_made_bad_like_any_other() {
    let honest = SingularBatch {
        epoch_number: 0,
        ..honest().batch
    };
    let bad = Malformed::PastEpoch.bad_batch(&honest);
    assert_ne!(bad, honest.encoded());
}

#[test]
fn what_is_wrong_deeper_down_stands_in_good_frames() {
    let data = data(Malformed::WrongParent);
    assert_eq!(data.len(), 1);
    assert_eq!(data[0][0], DERIVATION_VERSION);
    let length = u32::from_be_bytes(data[0][19..23].try_into().unwrap()) as usize;
    assert_eq!(data[0].len(), 1 + FRAME_OVERHEAD_BYTES + length);
}

#[test]
fn bombs_are_small() {
    let bombs = Malformed::ALL.iter().filter(|kind| kind.is_bomb());
    for bomb in bombs {
        let data = data(*bomb);
        assert!(data[0].len() < BLOB_DATA_BYTES_MAX, "{bomb:?}");
    }
}

#[test]
fn a_bad_span_differs_from_a_good_one_in_one_place() {
    let Honest {
        batch,
        genesis_time,
    } = honest();
    let good = SpanBatch {
        parent_hash: batch.parent_hash,
        parent_epoch_number: batch.epoch_number,
        blocks: vec![SpanBlock {
            epoch: BlockNumHash::new(batch.epoch_number, batch.epoch_hash),
            timestamp: batch.timestamp,
            transactions: Vec::new(),
        }],
    };
    let good = good.encoded(genesis_time, 901).unwrap();
    let bad = Malformed::SpanOnWrongParent.bad_span(&honest()).unwrap();
    let differing = good.iter().zip(&bad).filter(|(good, bad)| good != bad);
    assert_eq!((good.len(), differing.count()), (bad.len(), 20));
}

#[test]
fn kinds_have_names_for_commands() {
    let name = IntoDeserializer::<Error>::into_deserializer("spanOfTooManyBlocks");
    let read = Malformed::deserialize(name);
    assert_eq!(read.unwrap(), Malformed::SpanOfTooManyBlocks);
}
