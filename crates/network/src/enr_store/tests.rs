#![allow(clippy::unwrap_used)]

use super::*;
use crate::enr::LocalRecord;
use enr::CombinedKey;
use std::fs;
use tempfile::TempDir;

fn records(count: usize) -> Vec<Enr> {
    let key = CombinedKey::generate_secp256k1();
    let record = |seq| LocalRecord {
        chain_id: 901,
        ip: Some([127, 0, 0, 1].into()),
        is_v6: false,
        tcp_port: 9222,
        udp_port: 9222,
        seq,
    };
    (0..count as u64)
        .map(|seq| record(seq).sign(&key).unwrap())
        .collect()
}

fn store(folder: &TempDir) -> EnrStore {
    EnrStore::new(folder.path().join("records"))
}

#[test]
fn what_was_saved_is_loaded_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let records = records(20);
    store(&folder).save(&records).unwrap();
    assert_eq!(store(&folder).load(), records);
    store(&folder).save(&records[..3]).unwrap();
    assert_eq!(store(&folder).load(), records[..3]);
}

#[test]
fn no_file_is_no_records() {
    let folder = tempfile::tempdir().unwrap();
    assert!(store(&folder).load().is_empty());
}

#[test]
fn no_more_than_the_first_512_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let records = records(RECORDS_MAX + 5);
    store(&folder).save(&records).unwrap();
    assert_eq!(store(&folder).load(), records[..RECORDS_MAX]);
}

#[test]
fn a_broken_line_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let records = records(3);
    store(&folder).save(&records).unwrap();
    let path = folder.path().join("records");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
    // One letter of the second record is another: its signature is wrong.
    let swapped = if lines[1].ends_with('A') { 'B' } else { 'A' };
    lines[1].insert(40, swapped);
    lines.push("enr:-cut".to_owned());
    fs::write(&path, lines.join("\n")).unwrap();
    assert_eq!(
        store(&folder).load(),
        [records[0].clone(), records[2].clone()]
    );
}

#[test]
fn a_file_of_anything_else_begins_anew_and_is_replaced_by_the_next_saving() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    for content in [vec![0xff; 4096], vec![b'\n'; 4096], vec![b'a'; 2 << 20]] {
        fs::write(&path, content).unwrap();
        assert!(store(&folder).load().is_empty());
        let records = records(2);
        store(&folder).save(&records).unwrap();
        assert_eq!(store(&folder).load(), records);
    }
}

#[test]
fn a_saving_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("records");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("other"), "x").unwrap();
    assert!(store(&folder).save(&records(1)).is_err());
    assert!(store(&folder).load().is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
