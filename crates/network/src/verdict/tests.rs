//! Each reason once, their order, and the accept set at its edges.
#![allow(clippy::unwrap_used)]

mod unusable;

use super::*;
use crate::{
    frame::{self, tests::FOREIGN_FRAMES},
    signature::SIGNATURE_LEN,
    snappy, test_chain,
};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{B256, U256, hex, uint};
use alloy_signer_local::PrivateKeySigner;
use op_alloy_rpc_types_engine::OpNetworkPayloadEnvelope;
use std::collections::HashSet;

/// Order of the curve's group.
const N: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
const AGE_MAX: Duration = Duration::from_secs(60);

/// A judge who knows the signer.
fn judge() -> Judge {
    let judge = Judge::new(test_chain::config(), AGE_MAX);
    judge.observe_signer(Some(test_chain::signer()), false, Instant::now());
    judge
}

fn at(unix_seconds: u64) -> Moment {
    Moment {
        unix_seconds,
        instant: Instant::now(),
    }
}

/// Judges a block at its time.
fn verdict_on(
    judge: &Judge,
    version: BlockVersion,
    envelope: &OpExecutionPayloadEnvelope,
) -> Verdict {
    let data = test_chain::data(version, envelope, &test_chain::key());
    verdict_at(judge, version, data, envelope.execution_payload.timestamp())
}

fn verdict_at(judge: &Judge, version: BlockVersion, data: Bytes, unix_seconds: u64) -> Verdict {
    judge.judge(version, data, at(unix_seconds)).verdict
}

fn by(key: &PrivateKeySigner) -> Bytes {
    let envelope = test_chain::block(BlockVersion::V4, Vec::new());
    test_chain::data(BlockVersion::V4, &envelope, key)
}

/// The verdict on a good V4 block after something was done to its data.
fn verdict_on_data(judge: &Judge, change: impl FnOnce(&mut Vec<u8>)) -> Judgement {
    let mut data = by(&test_chain::key()).to_vec();
    change(&mut data);
    let now = at(test_chain::time_of(BlockVersion::V4));
    judge.judge(BlockVersion::V4, data.into(), now)
}

fn reject(reason: RejectReason) -> Verdict {
    Verdict::Reject(reason)
}

fn ignore(reason: IgnoreReason) -> Verdict {
    Verdict::Ignore(reason)
}

fn accept(envelope: &OpExecutionPayloadEnvelope) -> Verdict {
    Verdict::Accept(Box::new(envelope.clone()))
}

#[test]
fn a_good_block_of_each_version_is_accepted() {
    let judge = judge();
    for version in BlockVersion::ALL {
        let envelope = test_chain::block(version, vec![Bytes::from_static(&[2; 100]); 10]);
        assert_eq!(verdict_on(&judge, version, &envelope), accept(&envelope));
    }
}

#[test]
fn blocks_of_other_clients_are_accepted_and_the_made_up_one_has_a_bad_hash() {
    for (version, compressed) in FOREIGN_FRAMES {
        let config = RollupConfig {
            l2_chain_id: 10,
            ..Default::default()
        };
        let data = Bytes::from(snappy::decompress(compressed).unwrap());
        let frame = Frame::parse(version, data.clone()).unwrap();
        let digest = signature::digest(10, frame.payload_hash());
        let signer = signature::recover(frame.signature(), digest).unwrap();
        let envelope = frame.decode().unwrap();

        let judge = Judge::new(Arc::new(config), AGE_MAX);
        judge.observe_signer(Some(signer), false, Instant::now());
        let timestamp = envelope.execution_payload.timestamp();
        let expected = if version == BlockVersion::V4 {
            reject(RejectReason::BlockHash)
        } else {
            accept(&envelope)
        };
        assert_eq!(verdict_at(&judge, version, data, timestamp), expected);
    }
}

/// Made by this code and held fast, and read by another: the key is 0x42 thirty-two times.
#[test]
fn our_own_frame_of_v4_stays_what_it_is() {
    let frame = hex!(
        "d605f043cb87d75a95390125ff0833464848cde7bb2e103089abb095571a20408e918a73761e2f1b444aed16607259525a2458b7081d9dcc624400b51dd83fb6"
        "d284881a0009090972030000077a010000114a010000017a010000027a01000000fe0100fe0100fe0100fa010000037a010004d2042d2108879303010a040852"
        "010614000068b81d67010a183002000040420f010b620100909a37acc62a861b73361140a93f7dd52b3ca33ad3836dfbf4d9609a7ed64609e741020000754a8a"
        "0100777a010042fb012c080000000c0000007e0102037af80120020202020202020202"
    );
    let envelope = test_chain::block(
        BlockVersion::V4,
        vec![
            Bytes::from_static(&[0x7e, 1, 2, 3]),
            Bytes::from_static(&[2; 40]),
        ],
    );
    let data = test_chain::data(BlockVersion::V4, &envelope, &test_chain::key());
    assert_eq!(
        hex::encode(snappy::compress(&data).unwrap()),
        hex::encode(frame)
    );
    let data = snappy::decompress(&frame).unwrap().into();
    let timestamp = envelope.execution_payload.timestamp();
    assert_eq!(
        verdict_at(&judge(), BlockVersion::V4, data, timestamp),
        accept(&envelope)
    );

    let foreign = OpNetworkPayloadEnvelope::decode_v4(&frame).unwrap();
    assert_eq!(foreign.payload, envelope.execution_payload);
    let digest = foreign.payload_hash.signature_message(test_chain::CHAIN_ID);
    let signer = foreign.signature.recover_address_from_prehash(&digest);
    assert_eq!(signer.unwrap(), test_chain::signer());
}

#[test]
fn a_frame_of_no_blocks_length_is_rejected() {
    let judgement = verdict_on_data(&judge(), |data| data.truncate(SIGNATURE_LEN));
    assert_eq!(judgement.verdict, reject(RejectReason::Length));
}

#[test]
fn without_a_signer_read_from_l1_blocks_are_ignored() {
    let judge = Judge::new(test_chain::config(), AGE_MAX);
    let judgement = verdict_on_data(&judge, |_| ());
    assert_eq!(judgement.verdict, ignore(IgnoreReason::SignerNotRead));
    assert!(!judgement.signer_mismatch);
}

#[test]
fn while_l1_names_no_signer_blocks_are_ignored_even_with_a_bad_signature() {
    let judge = judge();
    judge.observe_signer(Some(Address::ZERO), false, Instant::now());
    for recovery_id in [0, 27] {
        let judgement = verdict_on_data(&judge, |data| data[64] = recovery_id);
        assert_eq!(judgement.verdict, ignore(IgnoreReason::SignerNotConfigured));
    }
}

#[test]
fn every_recovery_id_but_the_signers_is_rejected() {
    let good = by(&test_chain::key())[64];
    for recovery_id in (0..=u8::MAX).filter(|id| *id != good) {
        let judgement = verdict_on_data(&judge(), |data| data[64] = recovery_id);
        let Verdict::Reject(reason) = judgement.verdict else {
            panic!("{recovery_id} was not rejected")
        };
        assert_eq!(reason == RejectReason::RecoveryId, recovery_id > 3);
    }
}

#[test]
fn a_signature_that_no_key_fits_is_rejected_whatever_l1_is_asked() {
    let judge = judge();
    judge.observe_signer(None, true, Instant::now());
    let judgement = verdict_on_data(&judge, |data| data[..64].fill(0));
    assert_eq!(judgement.verdict, reject(RejectReason::Signature));
    assert!(!judgement.signer_mismatch);
}

#[test]
fn a_foreign_signer_is_rejected_and_is_reason_to_ask_l1() {
    let data = by(&test_chain::key_of(0x43));
    let judgement = judge().judge(BlockVersion::V4, data, at(0));
    assert_eq!(judgement.verdict, reject(RejectReason::Signer));
    assert!(judgement.signer_mismatch);
}

#[test]
fn a_foreign_signer_is_ignored_while_l1_is_asked() {
    let judge = judge();
    judge.observe_signer(Some(test_chain::signer()), true, Instant::now());
    let data = by(&test_chain::key_of(0x43));
    let judgement = judge.judge(BlockVersion::V4, data, at(0));
    assert_eq!(judgement.verdict, ignore(IgnoreReason::SignerUndecided));
    assert!(judgement.signer_mismatch);
}

#[test]
fn a_foreign_signer_is_ignored_while_l1_is_too_old_to_tell_of_a_rotation() {
    let judge = judge();
    judge.trust_clock(false);
    let data = by(&test_chain::key_of(0x43));
    let judgement = judge.judge(BlockVersion::V4, data, at(0));
    assert_eq!(judgement.verdict, ignore(IgnoreReason::SignerUndecided));
    assert!(judgement.signer_mismatch);
}

#[test]
fn a_signature_for_another_chain_is_a_foreign_one() {
    let envelope = test_chain::block(BlockVersion::V4, Vec::new());
    let signed = frame::encode(BlockVersion::V4, &envelope).unwrap();
    let digest = signature::digest(902, signature::payload_hash(&signed));
    let signature = signature::sign(&test_chain::key(), digest).unwrap();
    let data = frame::seal(&signature, &signed).into();
    assert_eq!(
        verdict_at(&judge(), BlockVersion::V4, data, 0),
        reject(RejectReason::Signer)
    );
}

#[test]
fn a_rotation_takes_both_signers_until_the_new_one_has_signed() {
    let judge = judge();
    let new = test_chain::key_of(0x43);
    judge.observe_signer(Some(new.address()), false, Instant::now());
    let of = |number, key: &PrivateKeySigner| {
        let envelope = test_chain::changed(BlockVersion::V4, |payload| {
            payload.as_v1_mut().block_number = number;
        });
        let data = test_chain::data(BlockVersion::V4, &envelope, key);
        verdict_at(
            &judge,
            BlockVersion::V4,
            data,
            test_chain::time_of(BlockVersion::V4),
        )
    };
    assert!(matches!(of(1, &test_chain::key()), Verdict::Accept(_)));
    assert!(matches!(of(2, &new), Verdict::Accept(_)));
    assert_eq!(of(3, &test_chain::key()), reject(RejectReason::Signer));
}

#[test]
fn a_high_s_is_accepted_and_the_original_after_it_was_seen() {
    let judge = judge();
    let flipped = verdict_on_data(&judge, |data| {
        let s = N - U256::from_be_slice(&data[32..64]);
        data[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        data[64] ^= 1;
    });
    assert!(matches!(flipped.verdict, Verdict::Accept(_)));
    let original = verdict_on_data(&judge, |_| ());
    assert_eq!(original.verdict, ignore(IgnoreReason::Seen));
}

#[test]
fn the_payload_of_another_version_is_rejected_for_its_encoding() {
    // Withdrawals or blob gas where they may not be, and none, or no root, where they must.
    for version in BlockVersion::ALL {
        let envelope = test_chain::block(version, Vec::new());
        let signed = frame::encode(version, &envelope).unwrap();
        let data = test_chain::signed_data(&signed, &test_chain::key());
        for other in BlockVersion::ALL
            .into_iter()
            .filter(|other| *other != version)
        {
            assert_eq!(
                verdict_at(&judge(), other, data.clone(), test_chain::time_of(version)),
                reject(RejectReason::Encoding),
                "{version:?} on {other:?}"
            );
        }
    }
}

#[test]
fn a_block_is_ignored_if_it_is_more_than_60_seconds_old_or_5_ahead() {
    let data = by(&test_chain::key());
    let time = test_chain::time_of(BlockVersion::V4);
    let verdict = |now| verdict_at(&judge(), BlockVersion::V4, data.clone(), now);
    assert_eq!(verdict(time + 61), ignore(IgnoreReason::TooOld));
    assert!(matches!(verdict(time + 60), Verdict::Accept(_)));
    assert!(matches!(verdict(time - 5), Verdict::Accept(_)));
    assert_eq!(verdict(time - 6), ignore(IgnoreReason::TooNew));
    assert_eq!(verdict(0), ignore(IgnoreReason::TooNew));
    assert_eq!(verdict(u64::MAX), ignore(IgnoreReason::TooOld));
}

#[test]
fn while_the_clock_is_not_trusted_blocks_out_of_time_are_dropped_for_that_and_others_go_on() {
    let data = by(&test_chain::key());
    let time = test_chain::time_of(BlockVersion::V4);
    let judge = judge();
    judge.trust_clock(false);
    let verdict = |now| verdict_at(&judge, BlockVersion::V4, data.clone(), now);
    assert_eq!(verdict(time + 61), ignore(IgnoreReason::ClockNotTrusted));
    assert_eq!(verdict(time - 6), ignore(IgnoreReason::ClockNotTrusted));
    assert!(matches!(verdict(time), Verdict::Accept(_)));
}

#[test]
fn a_hash_that_is_not_of_the_content_is_rejected() {
    let mut envelope = test_chain::block(BlockVersion::V4, Vec::new());
    envelope.execution_payload.as_v1_mut().gas_used += 1;
    assert_eq!(
        verdict_on(&judge(), BlockVersion::V4, &envelope),
        reject(RejectReason::BlockHash)
    );
    let mut envelope = test_chain::block(BlockVersion::V4, Vec::new());
    envelope.parent_beacon_block_root = Some(B256::repeat_byte(8));
    assert_eq!(
        verdict_on(&judge(), BlockVersion::V4, &envelope),
        reject(RejectReason::BlockHash)
    );
}

#[test]
fn withdrawals_are_rejected_in_every_version_that_could_have_them() {
    for version in [BlockVersion::V2, BlockVersion::V3, BlockVersion::V4] {
        let envelope = test_chain::changed(version, |payload| {
            if let Some(v2) = payload.as_v2_mut() {
                v2.withdrawals = vec![Withdrawal::default()];
            }
        });
        assert_eq!(
            verdict_on(&judge(), version, &envelope),
            reject(RejectReason::Withdrawals)
        );
    }
}

#[test]
fn blob_gas_is_rejected_before_jovian_and_taken_from_then_on() {
    let verdict = |version, timestamp| {
        let envelope = test_chain::changed(version, |payload| {
            payload.as_v1_mut().timestamp = timestamp;
            if let Some(v3) = payload.as_v3_mut() {
                v3.blob_gas_used = 1;
            }
        });
        verdict_on(&judge(), version, &envelope)
    };
    let rejected = reject(RejectReason::BlobGasUsed);
    assert_eq!(verdict(BlockVersion::V3, test_chain::ECOTONE), rejected);
    assert_eq!(verdict(BlockVersion::V4, test_chain::JOVIAN - 1), rejected);
    let accepted = verdict(BlockVersion::V4, test_chain::JOVIAN);
    assert!(matches!(accepted, Verdict::Accept(_)));
}

#[test]
fn excess_blob_gas_is_rejected_at_any_time() {
    for version in [BlockVersion::V3, BlockVersion::V4] {
        let envelope = test_chain::changed(version, |payload| {
            if let Some(v3) = payload.as_v3_mut() {
                v3.excess_blob_gas = 1;
            }
        });
        assert_eq!(
            verdict_on(&judge(), version, &envelope),
            reject(RejectReason::ExcessBlobGas)
        );
    }
}

#[test]
fn six_blocks_at_a_height_are_accepted_and_then_even_a_seen_one_is_one_too_many() {
    let judge = judge();
    let verdict = |gas_used| {
        let envelope = test_chain::changed(BlockVersion::V4, |payload| {
            payload.as_v1_mut().gas_used = gas_used;
        });
        verdict_on(&judge, BlockVersion::V4, &envelope)
    };
    for gas_used in 0..5 {
        assert!(matches!(verdict(gas_used), Verdict::Accept(_)));
        assert_eq!(verdict(gas_used), ignore(IgnoreReason::Seen));
    }
    assert!(matches!(verdict(5), Verdict::Accept(_)));
    assert_eq!(verdict(6), ignore(IgnoreReason::TooManyAtHeight));
    assert_eq!(verdict(0), ignore(IgnoreReason::TooManyAtHeight));
}

#[test]
fn a_block_that_was_refused_is_not_remembered() {
    let judge = judge();
    let data = by(&test_chain::key());
    let time = test_chain::time_of(BlockVersion::V4);
    let verdict = |now| verdict_at(&judge, BlockVersion::V4, data.clone(), now);
    assert_eq!(verdict(time + 61), ignore(IgnoreReason::TooOld));
    assert!(matches!(verdict(time), Verdict::Accept(_)));
}

/// Breaks one rule after the other from the last to the first; the first that is broken must be the one that is named.
#[test]
fn of_several_reasons_the_first_in_order_is_given() {
    let version = BlockVersion::V4;
    let time = test_chain::time_of(version);
    let key = test_chain::key();
    let judge = judge();
    let mut envelope = test_chain::block(version, Vec::new());
    assert_eq!(verdict_on(&judge, version, &envelope), accept(&envelope));
    assert_eq!(
        verdict_on(&judge, version, &envelope),
        ignore(IgnoreReason::Seen)
    );

    let mut break_rule = |change: fn(&mut OpExecutionPayload)| {
        change(&mut envelope.execution_payload);
        envelope = test_chain::rehashed(envelope.clone());
        verdict_on(&judge, version, &envelope)
    };
    let excess = break_rule(|payload| payload.as_v3_mut().unwrap().excess_blob_gas = 1);
    assert_eq!(excess, reject(RejectReason::ExcessBlobGas));
    let blob_gas = break_rule(|payload| {
        payload.as_v1_mut().timestamp = test_chain::JOVIAN - 1;
        payload.as_v3_mut().unwrap().blob_gas_used = 1;
    });
    assert_eq!(blob_gas, reject(RejectReason::BlobGasUsed));
    let withdrawals = break_rule(|payload| {
        payload.as_v2_mut().unwrap().withdrawals = vec![Withdrawal::default()];
    });
    assert_eq!(withdrawals, reject(RejectReason::Withdrawals));

    envelope.execution_payload.as_v1_mut().block_hash = B256::ZERO;
    assert_eq!(
        verdict_on(&judge, version, &envelope),
        reject(RejectReason::BlockHash)
    );
    let data = test_chain::data(version, &envelope, &key);
    assert_eq!(
        verdict_at(&judge, version, data, time + 3600),
        ignore(IgnoreReason::TooOld)
    );
    let mut signed = frame::encode(version, &envelope).unwrap();
    signed.truncate(100);
    let data = test_chain::signed_data(&signed, &key);
    assert_eq!(
        verdict_at(&judge, version, data, time + 3600),
        reject(RejectReason::Encoding)
    );
    let data = test_chain::signed_data(&signed, &test_chain::key_of(0x43));
    assert_eq!(
        verdict_at(&judge, version, data.clone(), time + 3600),
        reject(RejectReason::Signer)
    );
    judge.observe_signer(Some(Address::ZERO), false, Instant::now());
    assert_eq!(
        verdict_at(&judge, version, data.clone(), time + 3600),
        ignore(IgnoreReason::SignerNotConfigured)
    );
    assert_eq!(
        verdict_at(&judge, version, data.slice(..SIGNATURE_LEN), time + 3600),
        reject(RejectReason::Length)
    );
}

#[test]
fn a_block_judged_by_many_at_once_is_accepted_once() {
    let judge = judge();
    let accepted = std::thread::scope(|scope| {
        let judging = || verdict_on_data(&judge, |_| ()).verdict;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(judging)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .filter(|verdict| matches!(verdict, Verdict::Accept(_)))
            .count()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names: HashSet<_> = IgnoreReason::ALL
        .map(IgnoreReason::as_str)
        .into_iter()
        .chain(RejectReason::ALL.map(RejectReason::as_str))
        .collect();
    assert_eq!(
        names.len(),
        IgnoreReason::ALL.len() + RejectReason::ALL.len()
    );
}
