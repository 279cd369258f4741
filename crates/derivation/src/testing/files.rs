//! Real data: blobs, channels and frames of public chains with what is in them.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) use light_node_l1::test_utils::real_data as folder;

/// A JSON file of the real data.
pub(crate) fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// All JSON files of a folder that say what a channel holds.
pub(crate) fn channels(name: &str) -> Vec<(PathBuf, Value)> {
    let Some(folder) = folder(name) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    let files = paths.into_iter().map(|path| (path.clone(), json(path)));
    let found: Vec<_> = files
        .filter(|(_, value)| value.get("channel").is_some())
        .collect();
    assert!(!found.is_empty(), "nothing in {name} says what it holds");
    found
}

/// Bytes that a JSON string gives in hexadecimal.
pub(crate) fn hex(value: &Value) -> Vec<u8> {
    alloy_primitives::hex::decode(value.as_str().unwrap()).unwrap()
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    alloy_primitives::hex::encode(Sha256::digest(bytes))
}
