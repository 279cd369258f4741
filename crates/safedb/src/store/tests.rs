#![allow(clippy::unwrap_used)]

mod disk;

use super::*;
use crate::OpenError;
use alloy_primitives::B256;
use light_node_protocol::{L1BlockRef, RollupConfig};
use std::{fs, path::Path};

fn l1(number: u64) -> L1BlockRef {
    branch(0, number)
}

/// Blocks of branch 0, or of another one from block 100 on.
fn branch(of: u8, number: u64) -> L1BlockRef {
    let hash = |number: u64| {
        let mut hash = B256::left_padding_from(&number.to_be_bytes());
        hash.0[0] = if number < 100 { 0 } else { of };
        hash
    };
    L1BlockRef {
        hash: hash(number),
        number,
        parent_hash: hash(number.wrapping_sub(1)),
        timestamp: number * 12,
    }
}

fn l2(number: u64) -> BlockNumHash {
    BlockNumHash::new(number, B256::repeat_byte(number as u8))
}

fn seen(cursor: L1BlockRef, safe: u64) -> Observation {
    Observation {
        cursor,
        safe: l2(safe),
        is_complete: false,
    }
}

fn config(directory: &Path) -> SafeDbConfig {
    SafeDbConfig::new(Some(directory.to_path_buf()))
}

fn open(directory: &Path) -> SafeDb {
    SafeDb::open(&config(directory), &RollupConfig::default()).unwrap()
}

fn in_memory() -> SafeDb {
    SafeDb::open(&SafeDbConfig::new(None), &RollupConfig::default()).unwrap()
}

/// From `first` to `last`, every L1 block brings one L2 block of its number, and is left with it.
fn fill(history: &SafeDb, first: u64, last: u64) {
    let samples: Vec<_> = (first..=last)
        .flat_map(|number| {
            let before = seen(l1(number), number - 1);
            [before, seen(l1(number), number)]
        })
        .chain([seen(l1(last + 1), last)])
        .collect();
    assert_eq!(history.observe(&samples).unwrap(), Observed::Taken);
}

fn answer(from: L1BlockRef, safe: u64) -> Option<SafeHeadAtL1> {
    Some(SafeHeadAtL1 {
        l1_block: from.id(),
        safe_head: l2(safe),
    })
}

#[test]
fn what_was_taken_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let history = open(directory.path());
    fill(&history, 10, 20);
    drop(history);
    let history = open(directory.path());
    assert_eq!(history.at(10).unwrap(), answer(l1(10), 10));
    assert_eq!(history.at(20).unwrap(), answer(l1(20), 20));
    assert_eq!(history.at(9).unwrap(), None);
    assert_eq!(history.at(21).unwrap(), None);
    // The last sample is there, too: the next one goes on from it.
    history.observe(&[seen(l1(30), 20)]).unwrap();
    assert_eq!(history.at(29).unwrap(), answer(l1(20), 20));
}

#[test]
fn the_answer_has_op_nodes_json() {
    let json = serde_json::to_value(answer(l1(1), 2).unwrap()).unwrap();
    let expected = serde_json::json!({
        "l1Block": { "hash": l1(1).hash, "number": 1 },
        "safeHead": { "hash": l2(2).hash, "number": 2 },
    });
    assert_eq!(json, expected);
}

#[test]
fn a_node_that_derives_answers_beyond_its_cursor_with_its_last_safe_head() {
    let history = in_memory();
    fill(&history, 10, 12);
    assert_eq!(history.at_or_last(13).unwrap(), answer(l1(12), 12));
    assert_eq!(history.at_or_last(1_000).unwrap(), answer(l1(12), 12));
    history.observe(&[seen(l1(13), 14)]).unwrap();
    assert_eq!(history.at_or_last(13).unwrap(), answer(l1(13), 14));
    assert_eq!(history.at_or_last(9).unwrap(), None);
    assert_eq!(in_memory().at_or_last(9).unwrap(), None);
}

#[test]
fn a_hole_in_the_history_is_not_answered() {
    let history = in_memory();
    history
        .observe(&[seen(l1(10), 5), seen(l1(20), 9), seen(l1(21), 9)])
        .unwrap();
    assert_eq!(history.at(15).unwrap(), None);
    assert_eq!(history.at_or_last(15).unwrap(), None);
    assert_eq!(history.at(20).unwrap(), answer(l1(20), 9));
}

#[test]
fn after_an_l1_reorg_only_what_stands_below_it_is_answered() {
    let history = in_memory();
    fill(&history, 90, 97);
    history.observe(&[seen(l1(105), 97)]).unwrap();
    let stale = [seen(branch(1, 105), 97)];
    assert_eq!(
        history.observe(&stale).unwrap(),
        Observed::Contradicts(Contradiction::L1)
    );
    history.rewind_to_l1(l1(99).id()).unwrap();
    assert_eq!(history.at(99).unwrap(), answer(l1(97), 97));
    assert_eq!(history.at(100).unwrap(), None);
    // The new branch brings block 98 earlier than the old one did.
    let anew = [
        seen(branch(1, 100), 97),
        seen(branch(1, 100), 98),
        seen(branch(1, 102), 98),
    ];
    assert_eq!(history.observe(&anew).unwrap(), Observed::Taken);
    assert_eq!(history.at(99).unwrap(), answer(l1(97), 97));
    assert_eq!(history.at(101).unwrap(), answer(branch(1, 100), 98));
}

#[test]
fn an_l1_reorg_below_everything_forgets_everything() {
    let history = in_memory();
    fill(&history, 90, 97);
    history.rewind_to_l1(l1(5).id()).unwrap();
    assert_eq!(history.newest(10).unwrap(), []);
    assert_eq!(history.last().unwrap(), None);
}

#[test]
fn a_source_that_leads_elsewhere_takes_its_blocks_with_it() {
    let history = in_memory();
    fill(&history, 10, 20);
    let sample = [seen(l1(22), 15)];
    assert_eq!(
        history.observe(&sample).unwrap(),
        Observed::Contradicts(Contradiction::L2)
    );
    history.rewind_to_l2(14).unwrap();
    assert_eq!(history.at(14).unwrap(), answer(l1(14), 14));
    assert_eq!(history.at(15).unwrap(), None);
    assert_eq!(history.last().unwrap(), None);
    assert_eq!(history.observe(&sample).unwrap(), Observed::Taken);
}

#[test]
fn a_cleared_history_knows_nothing_and_begins_anew() {
    let history = in_memory();
    fill(&history, 10, 20);
    history.clear().unwrap();
    assert_eq!(history.at(15).unwrap(), None);
    assert_eq!(history.last().unwrap(), None);
    fill(&history, 5, 6);
    assert_eq!(history.at(6).unwrap(), answer(l1(6), 6));
}

#[test]
fn samples_before_a_contradiction_are_kept() {
    let history = in_memory();
    let samples = [seen(l1(10), 5), seen(l1(12), 5), seen(l1(13), 4)];
    assert!(matches!(
        history.observe(&samples).unwrap(),
        Observed::Contradicts(_)
    ));
    assert_eq!(history.at(11).unwrap(), answer(l1(10), 5));
}

#[test]
fn the_history_is_bounded_and_the_oldest_goes_first() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.spans_max = 5;
    let history = SafeDb::open(&config, &RollupConfig::default()).unwrap();
    for number in 10..30 {
        fill(&history, number, number);
    }
    assert_eq!(history.newest(100).unwrap().len(), 5);
    assert_eq!(history.at(24).unwrap(), None);
    assert_eq!(history.at(25).unwrap(), answer(l1(25), 25));
}

#[test]
fn spans_are_listed_newest_first() {
    let history = in_memory();
    fill(&history, 10, 20);
    let numbers = |spans: Vec<Span>| {
        spans
            .iter()
            .map(|span| span.from.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(history.newest(3).unwrap()), [20, 19, 18]);
    assert_eq!(numbers(history.newest_below(12, 9).unwrap()), [11, 10]);
}

#[test]
fn a_second_process_is_refused_and_told_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(directory.path());
    let refusal = SafeDb::open(&config(directory.path()), &RollupConfig::default()).unwrap_err();
    assert!(matches!(refusal, OpenError::InUse { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("--safedb.path"), "{refusal}");
}

#[test]
fn the_history_of_another_chain_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(directory.path()), 10, 12);
    let other = RollupConfig {
        l2_chain_id: 10,
        ..RollupConfig::default()
    };
    let refusal = SafeDb::open(&config(directory.path()), &other).unwrap_err();
    let text = refusal.to_string();
    assert!(
        text.contains("chain 0 ") && text.contains("chain 10 "),
        "{text}"
    );
    assert_eq!(open(directory.path()).at(12).unwrap(), answer(l1(12), 12));
}

#[test]
fn a_directory_that_cannot_be_made_is_named_with_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    let refusal = SafeDb::open(&config(&file.join("below")), &RollupConfig::default()).unwrap_err();
    let text = refusal.to_string();
    assert!(
        text.contains("below") && text.contains("--safedb.disable"),
        "{text}"
    );
}

#[test]
fn a_file_of_anything_else_is_moved_aside() {
    for content in [
        &b"x"[..],
        &[0; 70_000],
        b"redb\x1a\n\xa9\r\nand then nothing",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        fs::write(&path, content).unwrap();
        fill(&open(directory.path()), 10, 12);
        let aside = directory.path().join("safe-heads.redb.corrupt");
        assert_eq!(fs::read(aside).unwrap(), content);
        assert_eq!(open(directory.path()).at(12).unwrap(), answer(l1(12), 12));
    }
}

/// Bytes are spoilt all over the file, one place at a time. Whatever is answered afterwards was once true.
#[test]
fn a_spoilt_file_never_ends_the_process_nor_answers_what_was_never_so() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(directory.path()), 10, 300);
    let path = directory.path().join(FILE_NAME);
    let good = fs::read(&path).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    let aside = directory.path().join("safe-heads.redb.corrupt");
    let mut found_out = 0;
    for place in (0..=used).step_by(used / 60) {
        let mut bad = good.clone();
        for byte in bad.iter_mut().skip(place).take(16) {
            *byte = !*byte;
        }
        fs::write(&path, &bad).unwrap();
        let history = open(directory.path());
        for number in 10..=300 {
            if let Some(found) = history.at(number).unwrap() {
                assert_eq!(Some(found), answer(l1(number), number), "spoilt at {place}");
            }
        }
        found_out += usize::from(fs::remove_file(&aside).is_ok());
    }
    assert!(found_out > 0, "most of the file is free, but not all of it");
}

#[test]
fn a_truncated_file_never_ends_the_process() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(directory.path()), 10, 300);
    let path = directory.path().join(FILE_NAME);
    let good = fs::read(&path).unwrap();
    for part in 0..16 {
        fs::write(&path, &good[..good.len() * part / 16]).unwrap();
        let history = open(directory.path());
        assert!([None, answer(l1(50), 50)].contains(&history.at(50).unwrap()));
    }
}
