//! Blocks of which op-node computes another hash than an execution layer would: who relays them is not to blame.

use super::*;
use alloy_primitives::keccak256;

const TRANSACTION: Bytes = Bytes::from_static(&[2; 100]);

/// A block as op-node relays it: the hash leaves out the empty transaction.
fn with_empty_transaction(version: BlockVersion) -> OpExecutionPayloadEnvelope {
    let mut envelope = test_chain::block(version, vec![TRANSACTION]);
    let payload = envelope.execution_payload.as_v1_mut();
    payload.transactions.push(Bytes::new());
    envelope
}

/// A block as op-node relays it: the header of which it takes the hash comes out empty.
fn with_number(number: u64) -> OpExecutionPayloadEnvelope {
    let mut envelope = test_chain::block(BlockVersion::V4, vec![TRANSACTION]);
    let payload = envelope.execution_payload.as_v1_mut();
    payload.block_number = number;
    payload.block_hash = keccak256([]);
    envelope
}

#[test]
fn a_block_with_an_empty_transaction_is_nobodys_fault_whatever_its_hash() {
    for version in BlockVersion::ALL {
        let relayed = with_empty_transaction(version);
        for envelope in [relayed.clone(), test_chain::rehashed(relayed)] {
            assert_eq!(
                verdict_on(&judge(), version, &envelope),
                ignore(IgnoreReason::Unusable)
            );
        }
    }
}

#[test]
fn a_block_whose_number_is_beyond_63_bits_is_nobodys_fault_whatever_its_hash() {
    let judge = judge();
    for number in [1 << 63, u64::MAX] {
        let relayed = with_number(number);
        for envelope in [relayed.clone(), test_chain::rehashed(relayed)] {
            assert_eq!(
                verdict_on(&judge, BlockVersion::V4, &envelope),
                ignore(IgnoreReason::Unusable)
            );
        }
    }
    let last = test_chain::rehashed(with_number((1 << 63) - 1));
    assert_eq!(verdict_on(&judge, BlockVersion::V4, &last), accept(&last));
}

#[test]
fn an_unusable_block_is_looked_at_only_if_its_signer_is_right_and_its_time_is_now() {
    let version = BlockVersion::V4;
    for envelope in [with_empty_transaction(version), with_number(u64::MAX)] {
        let time = envelope.execution_payload.timestamp();
        let by = |key| test_chain::data(version, &envelope, &key);
        assert_eq!(
            verdict_at(&judge(), version, by(test_chain::key_of(0x43)), time),
            reject(RejectReason::Signer)
        );
        assert_eq!(
            verdict_at(&judge(), version, by(test_chain::key()), time + 3600),
            ignore(IgnoreReason::TooOld)
        );
    }
}
