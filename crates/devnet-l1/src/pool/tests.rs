#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{blob_transaction, call, chain, ether, key, sign, transaction};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bytes, TxKind, U256};
use alloy_signer::SignerSync;

const TO: Address = Address::repeat_byte(9);

fn pay(index: u8, nonce: u64) -> Bytes {
    call(index, nonce, TO, U256::from(1), Bytes::new())
}

#[test]
fn transactions_are_mined_in_nonce_order_whatever_order_they_came_in() {
    let mut chain = chain();
    for nonce in [2, 0, 1, 4] {
        chain.submit(&pay(1, nonce)).unwrap();
    }
    assert_eq!(chain.pending_nonce(&key(1).address()), 3);
    let block = chain.mine(1);
    let nonces = block
        .transactions()
        .iter()
        .map(|tx| tx.nonce())
        .collect::<Vec<_>>();
    assert_eq!(nonces, [0, 1, 2]);
    assert_eq!((chain.pending_count(), chain.ready_count()), (1, 0));
    chain.submit(&pay(1, 3)).unwrap();
    assert_eq!((chain.pending_count(), chain.ready_count()), (2, 2));
    assert_eq!(chain.mine(2).transactions().len(), 2);
    assert_eq!(chain.head().state().balance(&TO), U256::from(5));
}

#[test]
fn the_better_tip_of_another_sender_goes_first() {
    let mut chain = chain();
    let tip = |index, tip| {
        let tx = TxEip1559 {
            max_priority_fee_per_gas: tip,
            ..transaction(0, TO)
        };
        sign(&key(index), tx)
    };
    chain.submit(&tip(1, 5)).unwrap();
    chain.submit(&tip(2, 7)).unwrap();
    chain.submit(&tip(3, 5)).unwrap();
    let block = chain.mine(1);
    let senders = block
        .transactions()
        .iter()
        .map(Recovered::signer)
        .collect::<Vec<_>>();
    assert_eq!(
        senders,
        [key(2).address(), key(1).address(), key(3).address()]
    );
}

#[test]
fn a_replacement_must_pay_a_tenth_more() {
    let mut chain = chain();
    let bid = |fee, tip| {
        let tx = TxEip1559 {
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: tip,
            ..transaction(0, TO)
        };
        sign(&key(1), tx)
    };
    chain.submit(&bid(10_000_000_000, 1_000)).unwrap();
    assert_eq!(
        chain.submit(&bid(10_000_000_000, 1_000)),
        Err(PoolError::AlreadyKnown)
    );
    assert_eq!(
        chain.submit(&bid(10_900_000_000, 1_100)),
        Err(PoolError::Underpriced)
    );
    let winner = chain.submit(&bid(11_000_000_000, 1_100)).unwrap();
    assert_eq!(chain.pending_count(), 1);
    assert_eq!(*chain.mine(1).transactions()[0].tx_hash(), winner);
}

#[test]
fn what_could_never_be_mined_is_refused_with_the_reason() {
    let mut chain = chain();
    let mut refuse = |bytes: &[u8]| chain.submit(bytes).unwrap_err();
    let one = |change: fn(&mut TxEip1559)| {
        let mut tx = transaction(0, TO);
        change(&mut tx);
        sign(&key(1), tx)
    };
    assert!(matches!(refuse(&[0x02, 0xc0]), PoolError::Malformed { .. }));
    let chain_id = refuse(&one(|tx| tx.chain_id = 1));
    assert_eq!(
        chain_id,
        PoolError::ChainId {
            have: Some(1),
            want: 900
        }
    );
    assert_eq!(
        refuse(&one(|tx| tx.gas_limit = 36_000_001)),
        PoolError::GasLimit
    );
    let gas = refuse(&one(|tx| tx.gas_limit = 20_999));
    assert_eq!(
        gas,
        PoolError::IntrinsicGas {
            gas: 20_999,
            minimum: 21_000
        }
    );
    assert_eq!(
        refuse(&one(|tx| tx.max_priority_fee_per_gas = u128::MAX)),
        PoolError::TipAboveFee
    );
    assert!(matches!(
        refuse(&one(|tx| tx.value = ether(1_000_000))),
        PoolError::Funds { .. }
    ));
    let far = refuse(&one(|tx| tx.nonce = 257));
    assert_eq!(
        far,
        PoolError::NonceTooHigh {
            next: 0,
            nonce: 257
        }
    );
    let long = refuse(&one(|tx| tx.input = vec![0; 128 << 10].into()));
    assert!(matches!(long, PoolError::Oversized { .. }));
    let poor = sign(&key(77), transaction(0, TO));
    assert!(matches!(refuse(&poor), PoolError::Funds { .. }));
    let message = PoolError::NonceTooLow { next: 3, nonce: 1 }.to_string();
    assert_eq!(message, "nonce too low: next nonce 3, tx nonce 1");
}

#[test]
fn unprotected_and_set_code_transactions_are_refused() {
    let mut chain = chain();
    let legacy = TxLegacy {
        gas_price: 1 << 40,
        gas_limit: 21_000,
        ..TxLegacy::default()
    };
    let legacy = TxLegacy {
        to: TxKind::Call(TO),
        ..legacy
    };
    let signature = key(1).sign_hash_sync(&legacy.signature_hash()).unwrap();
    let unprotected = TxEnvelope::from(legacy.clone().into_signed(signature)).encoded_2718();
    let refused = chain.submit(&unprotected).unwrap_err();
    assert_eq!(
        refused,
        PoolError::ChainId {
            have: None,
            want: 900
        }
    );

    let protected = TxLegacy {
        chain_id: Some(900),
        ..legacy
    };
    let signature = key(1).sign_hash_sync(&protected.signature_hash()).unwrap();
    chain
        .submit(&TxEnvelope::from(protected.into_signed(signature)).encoded_2718())
        .unwrap();

    let set_code = TxEip7702 {
        chain_id: 900,
        nonce: 1,
        ..TxEip7702::default()
    };
    let signature = key(1).sign_hash_sync(&set_code.signature_hash()).unwrap();
    let set_code = TxEnvelope::from(set_code.into_signed(signature)).encoded_2718();
    assert_eq!(
        chain.submit(&set_code).unwrap_err(),
        PoolError::UnsupportedType
    );
}

#[test]
fn a_nonce_that_was_used_is_too_low_and_a_mined_transaction_already_known() {
    let mut chain = chain();
    chain.submit(&pay(1, 0)).unwrap();
    chain.mine(1);
    assert_eq!(chain.submit(&pay(1, 0)), Err(PoolError::AlreadyKnown));
    let other = call(1, 0, TO, U256::from(2), Bytes::new());
    assert_eq!(
        chain.submit(&other),
        Err(PoolError::NonceTooLow { next: 1, nonce: 0 })
    );
}

#[test]
fn blob_transactions_need_their_blobs_and_leave_them_at_their_slot() {
    let mut chain = chain();
    assert_eq!(
        chain.submit(&blob_transaction(1, 0, 1, true)),
        Err(PoolError::Sidecar)
    );
    let count = PoolError::BlobCount { count: 10, max: 9 };
    assert_eq!(chain.submit(&blob_transaction(1, 0, 10, false)), Err(count));
    chain.submit(&blob_transaction(1, 0, 6, false)).unwrap();
    chain.submit(&blob_transaction(1, 1, 4, false)).unwrap();

    // Nine blobs fit into a block, so the second transaction waits for the next one.
    let block = chain.mine(3);
    assert_eq!(block.header().blob_gas_used, Some(6 * 131_072));
    let blobs = chain.blobs_at_slot(3).unwrap();
    assert_eq!(blobs.len(), 6);
    let hashes = block.transactions()[0].blob_versioned_hashes().unwrap();
    assert!(blobs.iter().map(|(hash, _)| hash).eq(hashes));
    assert!(chain.blobs_at_slot(2).is_none());
    assert_eq!(chain.mine(4).header().blob_gas_used, Some(4 * 131_072));

    // A reorg mines both again, in other slots, and their blobs are still there.
    chain.reorg(2, 2, false).unwrap();
    assert_eq!(chain.blobs_at_slot(3).unwrap().len(), 6);
    assert_eq!(chain.blobs_at_slot(4).unwrap().len(), 4);
}

#[test]
fn the_pool_is_bounded_by_count() {
    let chain = chain();
    let (state, mut pool) = (chain.head().state(), Pool::default());
    let template = PoolTransaction::decode(&pay(1, 0), 900).unwrap();
    for index in 0..MAX_TRANSACTIONS {
        // Another sender each, without signing thousands of transactions.
        let mut word = [0; 20];
        word[..8].copy_from_slice(&(index as u64 + 1).to_be_bytes());
        pool.senders
            .entry(Address::from(word))
            .or_default()
            .insert(0, template.clone());
        pool.hashes
            .insert(B256::from(U256::from(index + 1)), (Address::from(word), 0));
    }
    assert_eq!(pool.add(template, state, 36_000_000), Err(PoolError::Full));
}
