#![allow(clippy::unwrap_used)]

use super::*;
use libp2p::identity::PublicKey;
use std::os::unix::fs::OpenOptionsExt;
use std::{io::Write, path::PathBuf};
use tempfile::TempDir;

/// A key that stands in every introduction to node records.
const KEY: &str = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";

fn file(folder: &TempDir, content: &str, mode: u32) -> PathBuf {
    let path = folder.path().join("node.key");
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)
        .unwrap();
    file.write_all(content.as_bytes()).unwrap();
    // The mask of the process takes bits away at creation.
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn secret(key: &Keypair) -> String {
    hex::encode(key.secret().to_bytes())
}

#[test]
fn a_key_is_made_once_and_is_the_same_at_the_next_start() {
    let folder = folder();
    let path = folder.path().join("new/folder/node.key");
    let made = load_or_create_node_key(&path).unwrap();
    let found = load_or_create_node_key(&path).unwrap();
    assert_eq!(secret(&made), secret(&found));
    let other = load_or_create_node_key(&folder.path().join("other.key")).unwrap();
    assert_ne!(secret(&made), secret(&other));
}

#[test]
fn a_new_key_is_hex_that_only_the_owner_reads_and_leaves_nothing_beside_it() {
    let folder = folder();
    let path = folder.path().join("node.key");
    let made = load_or_create_node_key(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap(), secret(&made));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn both_forms_of_hex_are_the_same_key() {
    for text in [
        KEY.to_owned(),
        format!("0x{KEY}"),
        format!("0x{}\n", KEY.to_uppercase()),
        format!("  {KEY}\r\n"),
    ] {
        let folder = folder();
        let path = file(&folder, &text, 0o600);
        let key = load_or_create_node_key(&path).unwrap();
        assert_eq!(secret(&key), KEY, "{text:?}");
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            text,
            "the file stays as it is"
        );
    }
}

#[test]
fn a_key_that_others_can_read_or_write_is_refused() {
    for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o666, 0o777] {
        let folder = folder();
        let path = file(&folder, KEY, mode);
        let refused = load_or_create_node_key(&path).unwrap_err();
        assert!(
            matches!(refused, NodeKeyFileError::Exposed { mode: seen, .. } if seen == mode),
            "{mode:o}: {refused}"
        );
    }
    for mode in [0o600, 0o400] {
        let folder = folder();
        load_or_create_node_key(&file(&folder, KEY, mode)).unwrap();
    }
}

#[test]
fn a_broken_file_ends_the_start_and_stays_as_it_is() {
    let zero = "0".repeat(64);
    let above_the_order = "f".repeat(64);
    let not_hex = format!("{}zz", &KEY[..62]);
    for (content, expected) in [
        ("", NodeKeyError::Length { digits: 0 }),
        (&KEY[..63], NodeKeyError::Length { digits: 63 }),
        ("0x", NodeKeyError::Length { digits: 0 }),
        (not_hex.as_str(), NodeKeyError::NotHex),
        (zero.as_str(), NodeKeyError::OutOfRange),
        (above_the_order.as_str(), NodeKeyError::OutOfRange),
    ] {
        let folder = folder();
        let path = file(&folder, content, 0o600);
        match load_or_create_node_key(&path).unwrap_err() {
            NodeKeyFileError::Broken { source, .. } => assert_eq!(source, expected, "{content:?}"),
            other => panic!("{content:?}: {other}"),
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_file_that_is_no_key_at_all_is_not_read_to_its_end() {
    let folder = folder();
    let path = file(&folder, &"a".repeat(1 << 20), 0o600);
    let refused = load_or_create_node_key(&path).unwrap_err();
    assert!(
        matches!(refused, NodeKeyFileError::Read { .. }),
        "{refused}"
    );
}

#[test]
fn a_folder_in_the_keys_place_is_refused() {
    let folder = folder();
    let refused = load_or_create_node_key(folder.path()).unwrap_err();
    assert!(
        matches!(refused, NodeKeyFileError::Read { .. }),
        "{refused}"
    );
}

#[test]
fn a_key_that_cannot_be_kept_is_not_used() {
    // Nobody can make files there, not even root.
    let path = Path::new("/proc/light-node/node.key");
    let refused = load_or_create_node_key(path).unwrap_err();
    assert!(
        matches!(refused, NodeKeyFileError::Write { .. }),
        "{refused}"
    );
}

#[test]
fn no_error_tells_the_key() {
    let folder = folder();
    let path = file(&folder, &KEY[..63], 0o600);
    let refused = load_or_create_node_key(&path).unwrap_err();
    let told = format!(
        "{refused} {refused:?} {}",
        light_node_actor::in_words(&refused)
    );
    assert!(!told.contains(&KEY[..16]), "{told}");
}

#[test]
fn the_key_is_the_peer_that_others_compute_from_it() {
    let key = node_key_from_hex(KEY).unwrap();
    let peer = PublicKey::from(key.public().clone()).to_peer_id();
    assert!(peer.to_base58().starts_with("16Uiu2HA"), "{peer}");
}
