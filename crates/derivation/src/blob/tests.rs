#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::files;
use proptest::prelude::*;
use std::fs;

fn with_prefix(prefix: &[u8]) -> Box<Blob> {
    let mut blob = Box::new(Blob::ZERO);
    blob[..prefix.len()].copy_from_slice(prefix);
    blob
}

#[test]
fn every_case_of_the_codec_decodes_or_is_refused_as_it_should() {
    let Some(folder) = files::folder("derivation/blobs") else {
        return;
    };
    let cases = files::json(folder.join("codec-cases.json"));
    for case in cases["valid"].as_array().unwrap() {
        let data = decode_blob(&with_prefix(&files::hex(&case["prefix"]))).unwrap();
        assert_eq!(data.len() as u64, case["decodedBytes"], "{}", case["name"]);
        let sum = files::sha256(&data);
        assert_eq!(sum, case["decodedSha256"], "{}", case["name"]);
    }
    for case in cases["invalid"].as_array().unwrap() {
        let error = decode_blob(&with_prefix(&files::hex(&case["prefix"]))).unwrap_err();
        let expected = case["error"].as_str().unwrap();
        let fits = match error {
            BlobDecodeError::Version { .. } => expected == "encoding version",
            BlobDecodeError::Length { .. } => expected == "length",
            BlobDecodeError::FieldElement { .. } => expected == "field element",
            BlobDecodeError::Trailing => expected == "trailing",
        };
        assert!(fits, "{}: {error}", case["name"]);
    }
}

#[test]
fn every_real_blob_decodes_to_what_its_batcher_wrote() {
    let mut decoded = 0;
    for (path, case) in files::channels("derivation/blobs") {
        let blobs = fs::read(path.with_extension("blobs.bin")).unwrap();
        for (bytes, expected) in blobs.chunks(131_072).zip(case["blobs"].as_array().unwrap()) {
            let data = decode_blob(&Blob::from_slice(bytes)).unwrap();
            assert_eq!(data.len() as u64, expected["decodedBytes"]);
            assert_eq!(files::sha256(&data), expected["decodedSha256"]);
            decoded += 1;
        }
    }
    println!("{decoded} blobs");
}

#[test]
fn bytes_behind_the_length_are_refused() {
    let mut within_the_round = with_prefix(&[0, 0, 0, 0, 1, 7]);
    within_the_round[40] = 1;
    let mut far_behind = with_prefix(&[0, 0, 0, 0, 1, 7]);
    far_behind[131_071] = 1;
    for blob in [within_the_round, far_behind] {
        assert_eq!(decode_blob(&blob), Err(BlobDecodeError::Trailing));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_blob_breaks_the_decoder(seed: u64, length in 0_usize..200_000) {
        let mut blob = Box::new(Blob::ZERO);
        let mut state = seed;
        for byte in blob.iter_mut() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 58) as u8;
        }
        blob[1] = 0;
        blob[2..5].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        if let Ok(data) = decode_blob(&blob) {
            prop_assert_eq!(data.len(), length);
        }
    }
}
