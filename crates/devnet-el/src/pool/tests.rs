#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{
    GAS_LIMIT, TestChain, sign_1559, transfer, transfer_fields, user_deposit, wallet,
};
use alloy_consensus::TxEip1559;
use alloy_primitives::Bytes;
use light_node_protocol::Hardfork;

fn chain() -> TestChain {
    TestChain::new(Hardfork::Jovian)
}

fn refused(chain: &TestChain, raw: &[u8]) -> PoolError {
    chain.el.submit_transaction(raw).unwrap_err()
}

/// A transfer of wallet 0 with one thing changed.
fn changed(change: impl FnOnce(&mut TxEip1559)) -> Bytes {
    let mut transaction = transfer_fields(0, 1_000_000);
    change(&mut transaction);
    sign_1559(&wallet(0), transaction)
}

/// Sender and nonce of what the next block would hold.
fn best(chain: &TestChain, base_fee: u64) -> Vec<(Address, u64)> {
    let view = chain.el.view();
    chain
        .el
        .pool()
        .best(base_fee, view.head_state())
        .iter()
        .map(|transaction| (transaction.signer(), transaction.nonce()))
        .collect()
}

#[test]
fn what_l2_does_not_take_from_users_is_refused() {
    let chain = chain();
    let deposit = user_deposit(Address::ZERO);
    assert!(matches!(refused(&chain, &deposit), PoolError::Deposit));
    for undecodable in [&[][..], &[0x03, 0xc0], &[0x7d, 0xc0], &[0xff; 100]] {
        let error = refused(&chain, undecodable);
        assert!(matches!(error, PoolError::Transaction(_)), "{error}");
    }
    let mut trailing = transfer(0, 0).to_vec();
    trailing.push(0);
    assert!(matches!(
        refused(&chain, &trailing),
        PoolError::Transaction(_)
    ));
    let large = changed(|one| one.input = vec![0; 128 * 1024].into());
    assert!(matches!(
        refused(&chain, &large),
        PoolError::TooLarge { .. }
    ));
    assert!(chain.el.pool().is_empty());
}

#[test]
fn what_cannot_be_executed_is_refused() {
    let chain = chain();
    let error = refused(&chain, &changed(|one| one.chain_id = 1));
    assert!(matches!(error, PoolError::WrongChainId { given: 1, .. }));
    let error = refused(&chain, &changed(|one| one.gas_limit = GAS_LIMIT + 1));
    assert!(matches!(error, PoolError::GasLimitTooHigh { .. }));
    let error = refused(&chain, &changed(|one| one.gas_limit = 20_999));
    assert!(matches!(error, PoolError::IntrinsicGas { .. }));
    let error = refused(
        &chain,
        &changed(|one| one.max_priority_fee_per_gas = u128::MAX),
    );
    assert!(matches!(error, PoolError::TipAboveFeeCap));
    let error = refused(&chain, &changed(|one| one.value = U256::MAX));
    assert!(matches!(error, PoolError::InsufficientFunds { .. }));
    let error = refused(&chain, &changed(|one| one.max_fee_per_gas = u128::MAX));
    assert!(matches!(error, PoolError::InsufficientFunds { .. }));
    let penniless = sign_1559(&wallet(99), transfer_fields(0, 1));
    let error = refused(&chain, &penniless);
    assert!(matches!(error, PoolError::InsufficientFunds { .. }));

    chain.submit(&transfer(0, 0));
    let error = refused(&chain, &transfer(0, 0));
    assert!(matches!(error, PoolError::AlreadyKnown));
    chain.extend();
    let error = refused(&chain, &transfer(0, 0));
    assert!(matches!(
        error,
        PoolError::NonceTooLow { nonce: 0, next: 1 }
    ));
}

#[test]
fn the_highest_tip_goes_first_and_nonces_stay_in_order() {
    let chain = chain();
    for (from, nonce, tip) in [(0, 0, 10), (0, 1, 90), (1, 0, 50), (2, 0, 70), (2, 2, 99)] {
        chain.submit(&sign_1559(&wallet(from), transfer_fields(nonce, tip)));
    }
    let order = |sequence: &[(u8, u64)]| -> Vec<_> {
        sequence
            .iter()
            .map(|(from, nonce)| (wallet(*from).address(), *nonce))
            .collect()
    };
    // Wallet 2's nonce 2 waits for its nonce 1.
    assert_eq!(best(&chain, 1), order(&[(2, 0), (1, 0), (0, 0), (0, 1)]));
    assert_eq!(best(&chain, u64::MAX), []);
    let view = chain.el.view();
    let state = view.head_state();
    assert_eq!(chain.el.pool().next_nonce(&wallet(2).address(), state), 1);
    chain.submit(&transfer(2, 1));
    assert_eq!(chain.el.pool().next_nonce(&wallet(2).address(), state), 3);
}

#[test]
fn a_replacement_pays_a_tenth_more_in_both_fees() {
    let chain = chain();
    let first = chain.submit(&transfer(0, 0));
    let error = refused(&chain, &changed(|one| one.max_fee_per_gas += 1));
    assert!(matches!(error, PoolError::ReplacementUnderpriced));
    let error = refused(&chain, &changed(|one| one.max_fee_per_gas *= 2));
    assert!(matches!(error, PoolError::ReplacementUnderpriced));
    let second = chain.submit(&changed(|one| {
        one.max_fee_per_gas = one.max_fee_per_gas * 11 / 10;
        one.max_priority_fee_per_gas = one.max_priority_fee_per_gas * 11 / 10;
    }));
    let pool = chain.el.pool();
    assert!(pool.get(&first).is_none());
    assert!(pool.get(&second).is_some());
    assert_eq!(pool.len(), 1);
}

#[test]
fn a_full_pool_refuses() {
    let limits = PoolLimits {
        max_transactions: 3,
        max_transactions_per_sender: 2,
        ..PoolLimits::default()
    };
    let chain = TestChain::with_pool_limits(Hardfork::Jovian, limits);
    chain.submit(&transfer(0, 0));
    chain.submit(&transfer(0, 1));
    let error = refused(&chain, &transfer(0, 2));
    assert!(matches!(error, PoolError::TooManyOfSender));
    chain.submit(&transfer(1, 0));
    assert!(matches!(refused(&chain, &transfer(2, 0)), PoolError::Full));
    // Mined transactions make room.
    chain.extend();
    chain.submit(&transfer(2, 0));

    let limits = PoolLimits {
        max_bytes: transfer(0, 0).len() + 10,
        ..PoolLimits::default()
    };
    let chain = TestChain::with_pool_limits(Hardfork::Jovian, limits);
    chain.submit(&transfer(0, 0));
    assert!(matches!(refused(&chain, &transfer(1, 0)), PoolError::Full));
}

#[test]
fn mined_transactions_leave_and_those_after_a_gap_stay() {
    let chain = chain();
    let mined = chain.submit(&transfer(0, 0));
    let waiting = chain.submit(&transfer(0, 2));
    let block = chain.extend();
    assert_eq!(block.block.body.transactions.len(), 2);
    let pool = chain.el.pool();
    assert!(pool.get(&mined).is_none());
    assert!(pool.get(&waiting).is_some());
    assert_eq!(pool.transactions().count(), 1);
}

#[test]
fn a_transaction_that_proves_invalid_when_a_block_is_built_is_dropped() {
    let chain = chain();
    // Enough for the bound that the pool knows, too little for the calldata's real price.
    let invalid = chain.submit(&changed(|one| {
        one.input = vec![1; 1000].into();
        one.gas_limit = 21_000 + 4_000;
    }));
    let valid = chain.submit(&transfer(1, 0));
    let block = chain.extend();
    assert_eq!(block.block.body.transactions[1].tx_hash(), valid);
    assert_eq!(block.block.body.transactions.len(), 2);
    assert!(chain.el.pool().get(&invalid).is_none());
}

#[test]
fn what_does_not_fit_into_this_block_waits_for_the_next() {
    let chain = chain();
    for from in 0..3 {
        // Whatever it uses: a second one needs the gas of a whole block to be left.
        let transaction = TxEip1559 {
            gas_limit: GAS_LIMIT,
            ..transfer_fields(0, 1)
        };
        chain.submit(&sign_1559(&wallet(from), transaction));
    }
    // The L1-info deposit leaves less than a whole block for the first one already.
    let block = chain.extend();
    assert_eq!(block.block.body.transactions.len(), 1);
    assert_eq!(chain.el.pool().len(), 3);
    // A block with one of them and small ones: the small ones fit.
    let small = chain.submit(&transfer(5, 0));
    let block = chain.extend();
    assert_eq!(
        block.block.body.transactions.last().unwrap().tx_hash(),
        small
    );
    assert_eq!(chain.el.pool().len(), 3);
}

#[test]
fn karst_bounds_the_gas_of_one_transaction() {
    let raw = changed(|one| one.gas_limit = MAX_TX_GAS_LIMIT_OSAKA + 1);
    chain().submit(&raw);
    let error = refused(&TestChain::new(Hardfork::Karst), &raw);
    assert!(matches!(error, PoolError::GasLimitTooHigh { .. }));
}

#[test]
fn da_limits_hold_back_what_would_bring_too_much_to_l1() {
    let chain = chain();
    let noise: Vec<u8> = (0u32..400)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let large = changed(|one| {
        one.input = noise.into();
        one.gas_limit = 100_000;
    });
    // The large one is first by its tip alone, and a small one follows it.
    chain.submit(&large);
    chain.submit(&transfer(0, 1));
    for from in 1..4 {
        chain.submit(&transfer(from, 0));
    }
    let generation = chain.el.pool().generation();
    let limited = |max_transaction_bytes, max_block_bytes| {
        chain.el.pool().set_da_limits(DaLimits {
            max_transaction_bytes,
            max_block_bytes,
        });
        best(&chain, 1).len()
    };
    assert_eq!(limited(0, 0), 5);
    assert_eq!(limited(1_000, 0), 5);
    // Small transactions count a hundred bytes each, the least there is.
    assert_eq!(limited(150, 0), 3);
    assert_eq!(limited(0, 200), 2);
    assert_eq!(limited(150, 100), 1);
    assert_eq!(limited(1, 0), 0);
    assert!(
        chain.el.pool().generation() > generation,
        "a build is made again"
    );
    assert_eq!(limited(0, 0), 5);
}
