#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    kona::{l2_block_info, rollup_config},
    testing::world::World,
};
use alloy_primitives::{B256, FixedBytes};
use light_node_protocol::BlockNumHash;

const TIME: u64 = 1_900_000_000;

fn l1(number: u64) -> BlockInfo {
    let hash = B256::repeat_byte(number as u8);
    BlockInfo::new(hash, number, B256::ZERO, TIME + 12 * number)
}

/// The safe head: block 600 on L1 block 100, two seconds younger.
fn safe() -> L2BlockRef {
    L2BlockRef {
        hash: B256::repeat_byte(0x5a),
        number: 600,
        timestamp: TIME + 1202,
        l1_origin: BlockNumHash::new(100, l1(100).hash),
        sequence_number: 1,
        ..L2BlockRef::default()
    }
}

fn batch() -> SingleBatch {
    SingleBatch {
        parent_hash: safe().hash,
        epoch_num: 100,
        epoch_hash: l1(100).hash,
        timestamp: safe().timestamp + 2,
        transactions: vec![Bytes::from_static(&[2, 1])],
    }
}

fn check_on(config: &RollupConfig, origins: &[BlockInfo], batch: &SingleBatch) -> Verdict {
    let inclusion = l1(102);
    Place {
        config,
        origins,
        safe: &safe(),
        inclusion: &inclusion,
    }
    .check_single(batch)
}

fn check(batch: &SingleBatch) -> Verdict {
    check_on(&World::new().config, &[l1(100), l1(101), l1(102)], batch)
}

fn is_drop(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Drop(..))
}

#[test]
fn a_batch_on_the_current_or_the_next_origin_is_taken() {
    assert_eq!(check(&batch()), Verdict::Accept);
    let mut next = batch();
    (next.epoch_num, next.epoch_hash) = (101, l1(101).hash);
    assert!(is_drop(check(&next)), "older than its origin");
    let later = BlockInfo {
        timestamp: next.timestamp,
        ..l1(101)
    };
    let config = World::new().config;
    assert_eq!(check_on(&config, &[l1(100), later], &next), Verdict::Accept);
}

#[test]
fn epochs_that_are_old_far_absurd_or_foreign_are_dropped() {
    for epoch in [0, 99, 102, 200, u64::MAX, u64::MAX - 30] {
        let mut batch = batch();
        batch.epoch_num = epoch;
        assert!(is_drop(check(&batch)), "{epoch}");
    }
    let mut foreign = batch();
    foreign.epoch_hash = B256::ZERO;
    assert!(is_drop(check(&foreign)));
}

#[test]
fn a_batch_after_the_sequencing_window_is_dropped() {
    let config = World::with(|config| config.seq_window_size = 2).config;
    let origins = [l1(100), l1(101)];
    assert_eq!(check_on(&config, &origins, &batch()), Verdict::Accept);
    let config = World::with(|config| config.seq_window_size = 1).config;
    assert!(is_drop(check_on(&config, &origins, &batch())));
}

#[test]
fn transactions_that_no_sequencer_may_batch_are_dropped() {
    let config = World::with(|config| {
        config.isthmus_time = Some(TIME * 2);
        config.jovian_time = None;
    })
    .config;
    let origins = [l1(100), l1(101)];
    for first in [None, Some(0x7e), Some(0x7d), Some(4)] {
        let mut batch = batch();
        batch
            .transactions
            .push(first.into_iter().collect::<Vec<u8>>().into());
        assert!(is_drop(check_on(&config, &origins, &batch)), "{first:?}");
        if first == Some(4) {
            assert_eq!(check(&batch), Verdict::Accept, "isthmus brings it");
        }
    }
}

#[test]
fn the_first_block_of_jovian_and_of_karst_takes_no_transactions_where_the_stock_rules_do() {
    let time = batch().timestamp;
    for jovian in [true, false] {
        let config = World::with(|config| {
            if jovian {
                config.jovian_time = Some(time);
            } else {
                config.karst_time = Some(time);
            }
        })
        .config;
        let origins = [l1(100), l1(101)];
        assert!(is_drop(check_on(&config, &origins, &batch())));
        let stock = rollup_config(&config);
        let stock = batch().check_batch(&stock, &origins, l2_block_info(&safe()), &l1(102));
        assert!(stock.is_accept());
        let mut empty = batch();
        empty.transactions.clear();
        assert_eq!(check_on(&config, &origins, &empty), Verdict::Accept);
    }
}

#[test]
fn beyond_the_drift_only_empty_batches_may_wait_for_a_late_origin() {
    let config = World::new().config;
    let late = |time| BlockInfo {
        timestamp: time,
        ..l1(101)
    };
    let old = BlockInfo {
        timestamp: TIME - 1000,
        ..l1(100)
    };
    let time = batch().timestamp;
    let mut empty = batch();
    empty.transactions.clear();
    assert!(is_drop(check_on(&config, &[old, late(time + 1)], &batch())));
    let verdict = check_on(&config, &[old, late(time + 1)], &empty);
    assert_eq!(verdict, Verdict::Accept);
    assert!(is_drop(check_on(&config, &[old, late(time)], &empty)));
}

/// Once the sequencing window of the parent's origin is over, the reference node has moved on to the next one.
#[test]
fn beyond_the_window_of_the_parents_origin_the_next_one_is_held_to_the_drift_as_well() {
    let origins = [100, 101, 102].map(|number| BlockInfo {
        timestamp: TIME - 5000 + number,
        ..l1(number)
    });
    let mut empty = batch();
    (empty.epoch_num, empty.epoch_hash) = (101, l1(101).hash);
    empty.transactions.clear();
    for (window, is_taken) in [(2, true), (1, false)] {
        let config = World::with(|config| config.seq_window_size = window).config;
        let verdict = check_on(&config, &origins, &empty);
        assert_eq!(verdict == Verdict::Accept, is_taken, "{verdict:?}");
    }
    let config = World::with(|config| config.seq_window_size = 1).config;
    let mut late = origins;
    late[2].timestamp = empty.timestamp + 1;
    assert_eq!(check_on(&config, &late, &empty), Verdict::Accept);
}

fn span(first_timestamp: u64, epochs: &[u64]) -> SpanBatch {
    let blocks = epochs.iter().enumerate();
    SpanBatch {
        parent_check: FixedBytes::from_slice(&safe().hash[..20]),
        l1_origin_check: FixedBytes::from_slice(&l1(epochs[epochs.len() - 1]).hash[..20]),
        batches: blocks
            .map(|(index, epoch)| SpanBatchElement {
                epoch_num: *epoch,
                timestamp: first_timestamp.wrapping_add(2 * index as u64),
                transactions: Vec::new(),
            })
            .collect(),
        ..SpanBatch::default()
    }
}

fn with_place<T>(check: impl FnOnce(&Place<'_>) -> T) -> T {
    let config = World::new().config;
    let inclusion = l1(102);
    check(&Place {
        config: &config,
        origins: &[l1(100), l1(101), l1(102)],
        safe: &safe(),
        inclusion: &inclusion,
    })
}

#[test]
fn spans_of_the_past_and_of_the_future_are_told_apart() {
    let next = safe().timestamp + 2;
    with_place(|place| {
        let check = |span: &SpanBatch| place.check_span_time(span);
        assert_eq!(check(&span(next, &[100, 100])), Verdict::Accept);
        assert_eq!(check(&span(next - 4, &[100, 100])), Verdict::Past);
        assert!(is_drop(check(&span(next + 2, &[100]))));
        assert_eq!(place.span_parent(&span(next, &[100])), Ok(600));
        assert_eq!(place.span_parent(&span(next - 2, &[100, 100])), Ok(599));
        assert!(place.span_parent(&span(next - 1, &[100, 100])).is_err());
        assert!(place.span_parent(&span(next - 3, &[100, 100])).is_err());
        // Before genesis: a number that no block has.
        assert!(place.span_parent(&span(0, &[100])).unwrap() > 600);
    });
}

#[test]
fn a_span_must_stand_on_the_right_block_and_on_this_l1() {
    let next = safe().timestamp + 2;
    with_place(|place| {
        let check = |span: &SpanBatch| place.check_span_origins(span, &safe());
        assert_eq!(check(&span(next, &[100, 101])), Verdict::Accept);
        let mut stranger = span(next, &[100, 101]);
        stranger.parent_check = FixedBytes::ZERO;
        assert!(is_drop(check(&stranger)));
        let mut foreign = span(next, &[100, 101]);
        foreign.l1_origin_check = FixedBytes::ZERO;
        assert!(is_drop(check(&foreign)));
        assert!(is_drop(check(&span(next, &[102]))), "too far ahead");
        assert!(is_drop(check(&span(next, &[99, 100]))), "too old");
        assert_eq!(check(&span(next, &[100, 103])), Verdict::Undecided);
    });
}

#[test]
fn the_blocks_of_a_span_above_the_safe_head_get_the_hashes_of_their_epochs() {
    let next = safe().timestamp + 2;
    with_place(|place| {
        let singles = place.singles(span(next - 4, &[99, 100, 100, 101])).unwrap();
        let epochs: Vec<_> = singles
            .iter()
            .map(|it| (it.epoch_num, it.epoch_hash))
            .collect();
        assert_eq!(epochs, [(100, l1(100).hash), (101, l1(101).hash)]);
        assert!(place.singles(span(next, &[100, 103])).is_err());
        assert!(place.singles(span(next, &[99])).is_err());
        assert!(place.singles(span(next, &[101, 100])).is_err());
    });
}
