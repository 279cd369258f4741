//! What is decoded, and what is refused before anything is allocated for it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::test_chain;
use ::ssz::{Decode, Encode};
use proptest::prelude::*;
use std::{mem::size_of, ops::Range};

/// Where fields stand in the part of fixed length.
const EXTRA_DATA_AT: usize = 436;
const TRANSACTIONS_AT: usize = 504;
const WITHDRAWALS_AT: usize = 508;

fn sample(version: BlockVersion) -> OpExecutionPayload {
    let transactions = (0..5_u8).map(|i| vec![i; usize::from(i) * 10].into());
    test_chain::block(version, transactions.collect()).execution_payload
}

fn encoded(payload: &OpExecutionPayload) -> Vec<u8> {
    match payload {
        OpExecutionPayload::V1(payload) => payload.as_ssz_bytes(),
        OpExecutionPayload::V2(payload) => payload.as_ssz_bytes(),
        OpExecutionPayload::V3(payload) => payload.as_ssz_bytes(),
        OpExecutionPayload::V4(payload) => payload.as_ssz_bytes(),
    }
}

/// What a decoder without limits makes of the bytes.
fn decoded_without_limits(version: BlockVersion, bytes: &[u8]) -> Option<OpExecutionPayload> {
    Some(match version {
        BlockVersion::V1 => OpExecutionPayload::V1(Decode::from_ssz_bytes(bytes).ok()?),
        BlockVersion::V2 => OpExecutionPayload::V2(Decode::from_ssz_bytes(bytes).ok()?),
        BlockVersion::V3 => OpExecutionPayload::V3(Decode::from_ssz_bytes(bytes).ok()?),
        BlockVersion::V4 => OpExecutionPayload::V4(Decode::from_ssz_bytes(bytes).ok()?),
    })
}

fn is_within_limits(payload: &OpExecutionPayload) -> bool {
    payload.as_v1().extra_data.len() <= EXTRA_DATA_BYTES_MAX
        && payload.transactions().len() <= TRANSACTIONS_MAX
        && payload
            .as_v2()
            .is_none_or(|v2| v2.withdrawals.len() <= WITHDRAWALS_MAX)
}

fn decode_vec(version: BlockVersion, bytes: Vec<u8>) -> Result<OpExecutionPayload, SszError> {
    decode(version, &bytes.into())
}

fn set_offset(bytes: &mut [u8], at: usize, offset: usize) {
    bytes[at..at + 4].copy_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
}

/// A V1 payload whose list of transactions is these bytes.
fn with_list(list: &[u8]) -> Vec<u8> {
    let mut bytes = encoded(&test_chain::block(BlockVersion::V1, Vec::new()).execution_payload);
    bytes.extend_from_slice(list);
    bytes
}

/// A list of so many empty transactions.
fn empty_transactions(count: usize) -> Vec<u8> {
    u32::try_from(count * OFFSET_BYTES)
        .unwrap()
        .to_le_bytes()
        .repeat(count)
}

fn transactions_of(list: &[u8]) -> Result<Vec<Bytes>, SszError> {
    decode_vec(BlockVersion::V1, with_list(list))
        .map(|mut payload| std::mem::take(payload.transactions_mut()))
}

fn offsets(offsets: &[u32]) -> Vec<u8> {
    offsets.iter().flat_map(|at| at.to_le_bytes()).collect()
}

#[test]
fn every_version_comes_back_as_it_was_encoded() {
    for version in BlockVersion::ALL {
        let payload = sample(version);
        assert_eq!(decode_vec(version, encoded(&payload)), Ok(payload));
    }
}

#[test]
fn a_payload_cut_within_its_fixed_part_is_refused() {
    for version in BlockVersion::ALL {
        let bytes = encoded(&sample(version));
        for length in [0, 1, 31, 436, fixed_bytes(version) - 1] {
            assert!(
                matches!(
                    decode_vec(version, bytes[..length].to_vec()),
                    Err(SszError::TooShort { .. })
                ),
                "{version:?} {length}"
            );
        }
    }
}

#[test]
fn a_payload_of_one_version_is_none_of_another() {
    for version in BlockVersion::ALL {
        for other in BlockVersion::ALL
            .into_iter()
            .filter(|other| *other != version)
        {
            decode_vec(other, encoded(&sample(version))).unwrap_err();
        }
    }
}

#[test]
fn offsets_that_go_back_or_beyond_are_refused() {
    let version = BlockVersion::V2;
    let fixed = fixed_bytes(version);
    let bytes = encoded(&sample(version));
    let length = bytes.len();
    let cases = [
        (EXTRA_DATA_AT, 0, "extra data"),
        (EXTRA_DATA_AT, fixed - 1, "extra data"),
        (EXTRA_DATA_AT, fixed + 1, "extra data"),
        (EXTRA_DATA_AT, u32::MAX as usize, "extra data"),
        (TRANSACTIONS_AT, 0, "transactions"),
        (TRANSACTIONS_AT, fixed - 1, "transactions"),
        (TRANSACTIONS_AT, length + 1, "withdrawals"),
        (TRANSACTIONS_AT, u32::MAX as usize, "withdrawals"),
        (WITHDRAWALS_AT, 0, "withdrawals"),
        (WITHDRAWALS_AT, fixed, "withdrawals"),
        (WITHDRAWALS_AT, length + 1, "withdrawals"),
        (WITHDRAWALS_AT, u32::MAX as usize, "withdrawals"),
    ];
    for (at, offset, list) in cases {
        let mut bytes = bytes.clone();
        set_offset(&mut bytes, at, offset);
        assert_eq!(
            decode_vec(version, bytes),
            Err(SszError::Offset {
                list,
                offset: if list == "withdrawals" && at == TRANSACTIONS_AT {
                    length
                } else {
                    offset
                }
            }),
            "{at} {offset}"
        );
    }
}

#[test]
fn extra_data_is_taken_up_to_32_bytes() {
    for (size, is_taken) in [(0, true), (32, true), (33, false), (1000, false)] {
        let mut payload = sample(BlockVersion::V1);
        payload.as_v1_mut().extra_data = vec![1; size].into();
        let decoded = decode_vec(BlockVersion::V1, encoded(&payload));
        if is_taken {
            assert_eq!(decoded, Ok(payload));
        } else {
            let list = "extra data";
            assert_eq!(decoded, Err(SszError::Size { list, size }));
        }
    }
}

#[test]
fn withdrawals_are_taken_up_to_16_whole_ones() {
    let with = |count, rest: &[u8]| {
        let OpExecutionPayload::V2(mut payload) = sample(BlockVersion::V2) else {
            panic!("a payload of another version")
        };
        payload.withdrawals = (0..count)
            .map(|index| Withdrawal {
                index,
                validator_index: 2,
                address: Address::repeat_byte(3),
                amount: 4,
            })
            .collect();
        let payload = OpExecutionPayload::V2(payload);
        let bytes = [encoded(&payload), rest.to_vec()].concat();
        (decode_vec(BlockVersion::V2, bytes), payload)
    };
    for count in [0, 1, 16] {
        let (decoded, payload) = with(count, &[]);
        assert_eq!(decoded, Ok(payload));
    }
    for (count, rest) in [(17, &[][..]), (1, &[0]), (0, &[0; 43])] {
        let (decoded, _) = with(count, rest);
        assert!(matches!(
            decoded,
            Err(SszError::Size {
                list: "withdrawals",
                ..
            })
        ));
    }
}

#[test]
fn broken_lists_of_transactions_are_refused() {
    for list in [
        &[0, 0, 0][..],
        &offsets(&[5, 0]),
        &offsets(&[8]),
        &offsets(&[u32::MAX]),
        &offsets(&[8, 7]),
        &offsets(&[8, 9]),
        &offsets(&[8, u32::MAX]),
        &offsets(&[12, 16, 12, 0]),
    ] {
        transactions_of(list).unwrap_err();
    }
    assert_eq!(transactions_of(&offsets(&[4])), Ok(vec![Bytes::new()]));
    assert_eq!(
        transactions_of(&offsets(&[8, 8, 7])),
        Ok(vec![Bytes::new(), Bytes::from_static(&[7, 0, 0, 0])])
    );
}

#[test]
fn a_first_offset_of_zero_is_an_empty_list_as_it_is_to_op_node() {
    assert_eq!(transactions_of(&offsets(&[0, 1, 2])), Ok(Vec::new()));
}

#[test]
fn transactions_are_counted_before_they_are_allocated() {
    let most = transactions_of(&empty_transactions(TRANSACTIONS_MAX)).unwrap();
    assert_eq!(most.len(), TRANSACTIONS_MAX);
    assert!(most.capacity() * size_of::<Bytes>() <= 32 << 20);
    for count in [TRANSACTIONS_MAX + 1, 2_600_000] {
        assert_eq!(
            transactions_of(&empty_transactions(count)),
            Err(SszError::Size {
                list: "transactions",
                size: count
            })
        );
    }
}

#[test]
fn transactions_share_the_bytes_of_the_frame() {
    let bytes = Bytes::from(encoded(&sample(BlockVersion::V4)));
    let payload = decode(BlockVersion::V4, &bytes).unwrap();
    let frame: Range<*const u8> = bytes.as_ptr_range();
    for transaction in payload
        .transactions()
        .iter()
        .filter(|bytes| !bytes.is_empty())
    {
        assert!(frame.contains(&transaction.as_ptr()));
    }
}

fn versions() -> impl Strategy<Value = BlockVersion> {
    prop::sample::select(BlockVersion::ALL.to_vec())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_never_ask_for_more_than_they_are(
        version in versions(),
        lists in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = vec![0; fixed_bytes(version)];
        set_offset(&mut bytes, EXTRA_DATA_AT, fixed_bytes(version));
        set_offset(&mut bytes, TRANSACTIONS_AT, fixed_bytes(version));
        bytes.extend_from_slice(&lists);
        if version != BlockVersion::V1 {
            let end = bytes.len();
            set_offset(&mut bytes, WITHDRAWALS_AT, end);
        }
        if let Ok(payload) = decode_vec(version, bytes) {
            prop_assert!(payload.transactions().capacity() * OFFSET_BYTES <= lists.len());
        }
    }

    #[test]
    fn changed_bytes_never_panic_and_what_is_taken_is_what_others_read(
        version in versions(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        // Offsets are where it hurts.
        offsets in prop::collection::vec((0..12_usize, 0..800_usize), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = encoded(&sample(version));
        let lists_at = fixed_bytes(version) + 17;
        let places = [EXTRA_DATA_AT, TRANSACTIONS_AT, WITHDRAWALS_AT, lists_at, lists_at + 4, lists_at + 8];
        for (place, offset) in offsets {
            set_offset(&mut bytes, places[place % places.len()], offset);
        }
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let ours = decode_vec(version, bytes.clone()).ok();
        let theirs = decoded_without_limits(version, &bytes);
        if let Some(theirs) = theirs {
            match ours {
                Some(ours) => prop_assert_eq!(ours, theirs),
                None => prop_assert!(!is_within_limits(&theirs)),
            }
        }
    }
}
