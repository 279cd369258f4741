//! Frames on the wire, ours and those of other clients.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{snappy, test_chain};
use alloy_primitives::hex;

/// Frames as other clients compress them, V1 to V4. Chain 10; times of 2024 and 2025.
pub(crate) const FOREIGN_FRAMES: [(BlockVersion, &[u8]); 4] = [
    (
        BlockVersion::V1,
        &hex!(
            "bd04f043128457c6ccf35128497167442bcc0f8cce78cda8b366e6a12e526d938d1e4c1046acffffbfc542a7e212bb7d80d3a4b2f84f7b196d935398a24eb84c"
            "519789b401000000fe0300fe0300fe0300fe0300fe0300fe0300a203000c4a8fd56621ad04fc0101067601008ce60be0005b220117c32c0f3b394b346c2aa42c"
            "fa8157cd41f891aa0bec485a62fc010000"
        ),
    ),
    (
        BlockVersion::V2,
        &hex!(
            "c104f0433805080eb36c0b130a7cc1dc74c3f721af4e249aa6f61bb89d1557143e971bb738a3f3b98df7c457e74048e9d2d7e5cd82bb45e3760467e2270e9db8"
            "6d1271a700000000fe0300fe0300fe0300fe0300fe0300fe0300a203000c6b89d46525ad000205067201009cda69cb5b9b73fc4eb2458b37d37f04ff507fe6c9"
            "cd2ab704a05ea9dae3cd61760002000000020000"
        ),
    ),
    (
        BlockVersion::V3,
        &hex!(
            "f104f0434442b9eb38b259f5b23826e6b623e829d2fb878dac70187a1aecf42a3f9bedfd29793d1fcb5822324be0d3e12340a95855553a65d64b83e5579dffb3"
            "1470df5d010000006a03000412346a1d00fe0100fe0100fe0100fe0100fe0100fe01004201000cc588d465219504100201067601007cfece77b89685f60e3663"
            "b6e0faf2de0734674eb91339700c4858c773a8ff921e014401043e0100"
        ),
    ),
    (
        BlockVersion::V4,
        &hex!(
            "9105f043cee25401b6853202950d1d8a082f31a80c4fef5782c049a731f5d104b1b9b9aa7618605b420438ae98b44c8aaaebd482854473c2ae57c079286bb634"
            "bece5210000000006a03000412346a1d00fe0100fe0100fe0100fe0100fe0100fe01004201000c5766d26721950430020106f6010001440104b60100049876"
        ),
    ),
];

#[test]
fn frames_of_other_clients_are_read_and_written_to_the_byte() {
    for (version, compressed) in FOREIGN_FRAMES {
        let data = Bytes::from(snappy::decompress(compressed).unwrap());
        let frame = Frame::parse(version, data.clone()).unwrap();
        let envelope = frame.decode().unwrap();
        let signed = encode(version, &envelope).unwrap();
        assert_eq!(seal(frame.signature(), &signed), data, "{version:?}");
        assert_eq!(snappy::compress(&data).unwrap(), compressed, "{version:?}");
    }
}

#[test]
fn a_block_of_each_version_comes_back_from_its_frame() {
    for version in BlockVersion::ALL {
        let envelope = test_chain::block(version, vec![Bytes::from_static(&[1, 2, 3]); 3]);
        let data = test_chain::data(version, &envelope, &test_chain::key());
        let frame = Frame::parse(version, data).unwrap();
        assert_eq!(frame.decode(), Ok(envelope));
    }
}

#[test]
fn the_root_before_the_payload_is_kept_even_if_it_is_zero() {
    let mut envelope = test_chain::block(BlockVersion::V4, Vec::new());
    envelope.parent_beacon_block_root = Some(B256::ZERO);
    let data = test_chain::data(BlockVersion::V4, &envelope, &test_chain::key());
    let frame = Frame::parse(BlockVersion::V4, data).unwrap();
    assert_eq!(frame.decode(), Ok(envelope));
}

#[test]
fn the_length_of_a_frame_is_bounded_on_both_sides() {
    for bytes in [0, SIGNATURE_LEN, DATA_BYTES_MAX + 1] {
        assert_eq!(
            Frame::parse(BlockVersion::V1, vec![0; bytes].into()).map(drop),
            Err(FrameError::Length { bytes })
        );
    }
    for bytes in [DATA_BYTES_MIN, DATA_BYTES_MAX] {
        Frame::parse(BlockVersion::V1, vec![0; bytes].into()).unwrap();
    }
}

#[test]
fn a_signed_part_too_short_for_a_root_is_refused() {
    let frame = Frame::parse(BlockVersion::V3, vec![0; SIGNATURE_LEN + 31].into()).unwrap();
    assert_eq!(frame.decode(), Err(FrameError::NoParentBeaconBlockRoot));
}

#[test]
fn a_block_is_not_encoded_as_another_version() {
    for version in BlockVersion::ALL {
        let mut envelope = test_chain::block(version, Vec::new());
        envelope.parent_beacon_block_root = Some(B256::ZERO);
        for other in BlockVersion::ALL {
            assert_eq!(
                encode(other, &envelope) == Err(FrameError::OtherVersion),
                other != version
            );
        }
    }
}

#[test]
fn a_block_without_its_root_or_too_large_to_be_gossiped_is_not_encoded() {
    let mut envelope = test_chain::block(BlockVersion::V4, Vec::new());
    envelope.parent_beacon_block_root = None;
    assert_eq!(
        encode(BlockVersion::V4, &envelope),
        Err(FrameError::NoParentBeaconBlockRoot)
    );
    let large = |bytes| test_chain::block(BlockVersion::V1, vec![vec![0; bytes].into()]);
    // The extra data, and the offset of the transaction.
    let rest = SIGNATURE_LEN + ssz::fixed_bytes(BlockVersion::V1) + 17 + 4;
    encode(BlockVersion::V1, &large(DATA_BYTES_MAX - rest)).unwrap();
    assert_eq!(
        encode(BlockVersion::V1, &large(DATA_BYTES_MAX - rest + 1)),
        Err(FrameError::Length {
            bytes: DATA_BYTES_MAX + 1
        })
    );
}
