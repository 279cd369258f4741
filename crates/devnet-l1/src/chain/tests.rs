#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    contracts::{abi::IOptimismPortal, deposit_calldata},
    testing::{GENESIS_TIME, call, chain, config, ether, key, sign, transaction},
};
use alloy_consensus::{ReceiptEnvelope, TxEip1559, proofs};
use alloy_primitives::{Bytes, TxKind, U256};
use alloy_sol_types::SolEvent;

const TO: Address = Address::repeat_byte(9);

/// A chain of `length` blocks, each with a batch in it.
fn grown(length: u64) -> Chain {
    let mut chain = chain();
    for slot in 1..=length {
        let inbox = chain.config().contracts.batch_inbox;
        chain
            .submit(&call(
                1,
                slot - 1,
                inbox,
                U256::ZERO,
                vec![slot as u8].into(),
            ))
            .unwrap();
        chain.mine(slot);
    }
    chain
}

#[test]
fn blocks_link_and_their_roots_are_those_of_their_content() {
    let chain = grown(5);
    for number in 1..=5 {
        let block = chain.block_by_number(number).unwrap();
        let header = block.header();
        let parent = chain.block_by_number(number - 1).unwrap();
        assert_eq!(header.parent_hash, parent.hash());
        assert_eq!(header.timestamp, GENESIS_TIME + 2 * number);
        assert_eq!(
            header.base_fee_per_gas,
            Some(next_base_fee(parent.header()))
        );
        assert_eq!(
            header.receipts_root,
            proofs::calculate_receipt_root(block.receipts())
        );
        assert_eq!(header.state_root, block.state().root());
        assert_eq!(block.hash(), header.hash_slow());
        let gas = block
            .receipts()
            .last()
            .map_or(0, ReceiptEnvelope::cumulative_gas_used);
        assert_eq!(header.gas_used, gas);
    }
    let inbox = chain.config().contracts.batch_inbox;
    let third = chain.block_by_number(3).unwrap();
    let batches = third.inputs_to(inbox).collect::<Vec<_>>();
    assert_eq!(batches, [(key(1).address(), &Bytes::from([3]))]);
}

#[test]
fn missed_slots_move_time_but_not_numbers() {
    let mut chain = chain();
    chain.mine(1);
    let block = chain.mine(5).clone();
    assert_eq!((block.number(), block.slot()), (2, 5));
    assert_eq!(block.header().timestamp, GENESIS_TIME + 10);
    // A slot that is taken already is not used twice.
    assert_eq!(chain.mine(5).slot(), 6);
}

#[test]
fn a_deposit_goes_through_pool_and_block_to_a_log_in_its_receipt() {
    let mut chain = chain();
    let portal = chain.config().contracts.portal;
    let input = deposit_calldata(TO, ether(2), 100_000, Bytes::from([1, 2, 3]));
    chain.submit(&call(1, 0, portal, ether(3), input)).unwrap();
    chain
        .submit(&call(2, 0, portal, ether(1), Bytes::new()))
        .unwrap();
    let block = chain.mine(1);
    let logs = block
        .receipts()
        .iter()
        .flat_map(|receipt| receipt.logs())
        .collect::<Vec<_>>();
    assert_eq!(logs.len(), 2);
    for log in &logs {
        assert_eq!(log.address, portal);
        IOptimismPortal::TransactionDeposited::decode_log(log).unwrap();
    }
    assert!(
        block
            .header()
            .logs_bloom
            .contains_input(alloy_primitives::BloomInput::Raw(portal.as_slice()))
    );
    assert_eq!(block.state().balance(&portal), ether(4));
}

#[test]
fn a_broken_contract_rule_costs_gas_and_nothing_else() {
    let mut chain = chain();
    let portal = chain.config().contracts.portal;
    let starved = deposit_calldata(TO, U256::ZERO, 1, Bytes::new());
    chain
        .submit(&call(1, 0, portal, ether(3), starved))
        .unwrap();
    let create = TxEip1559 {
        to: TxKind::Create,
        ..transaction(1, TO)
    };
    let create = TxEip1559 {
        gas_limit: 60_000,
        ..create
    };
    chain.submit(&sign(&key(1), create)).unwrap();
    let before = chain.head().state().balance(&key(1).address());
    let block = chain.mine(1);
    assert!(
        block
            .receipts()
            .iter()
            .all(|receipt| !receipt.status() && receipt.logs().is_empty())
    );
    assert_eq!(block.state().nonce(&key(1).address()), 2);
    assert_eq!(block.state().balance(&portal), U256::ZERO);
    let price = u128::from(block.base_fee()) + 1_000_000_000;
    let paid = U256::from(block.header().gas_used) * U256::from(price);
    assert_eq!(before - block.state().balance(&key(1).address()), paid);
}

#[test]
fn a_reorg_keeps_slot_times_and_serves_dropped_blocks_by_hash() {
    for depth in [1, 3, 10] {
        let mut config = config();
        config.finalized_lag = 20;
        let mut chain = Chain::new(config);
        // A missed slot in the middle: times must be kept, not recomputed from numbers.
        for slot in (1..=12).map(|slot| if slot > 9 { slot + 2 } else { slot }) {
            chain.mine(slot);
        }
        let old = (1..=12)
            .map(|n| chain.block_by_number(n).unwrap().clone())
            .collect::<Vec<_>>();
        let reorg = chain.reorg(depth, depth + 1, false).unwrap();
        assert_eq!(reorg.common_ancestor.number, 12 - depth);
        assert_eq!(reorg.old_head, old[11].reference());
        assert_eq!(reorg.new_head.number, 13);
        assert_eq!(chain.heads().reorgs, 1);
        for block in old {
            let known = chain.block_by_hash(block.hash()).unwrap();
            assert_eq!(known.reference(), block.reference());
            let new = chain.block_by_number(block.number()).unwrap();
            assert_eq!(new.header().timestamp, block.header().timestamp);
            let dropped = block.number() > 12 - depth;
            assert_eq!(new.hash() != block.hash(), dropped);
            assert_eq!(chain.is_canonical(&block), !dropped);
            let required = BlockId::from((block.hash(), Some(true)));
            assert_eq!(chain.block(required).is_none(), dropped);
        }
    }
}

#[test]
fn the_head_number_may_fall_in_a_reorg_and_then_grows_again() {
    let mut chain = grown(6);
    let reorg = chain.reorg(4, 1, false).unwrap();
    assert_eq!(reorg.new_head.number, 3);
    // All four batches that waited again went into the one new block.
    assert_eq!(chain.head().transactions().len(), 4);
    let block = chain.mine(7);
    assert_eq!((block.number(), block.slot()), (4, 7));
    assert_eq!(chain.reorg(1, 0, false).unwrap().new_head.number, 3);
}

#[test]
fn a_reorg_may_lose_transactions_for_good() {
    let mut chain = grown(3);
    let lost = *chain.head().transactions()[0].tx_hash();
    assert!(chain.transaction(&lost).is_some());
    chain.reorg(1, 1, true).unwrap();
    assert!(chain.transaction(&lost).is_none());
    assert_eq!(chain.head().state().nonce(&key(1).address()), 2);
}

#[test]
fn finalized_blocks_are_never_dropped() {
    let mut chain = grown(10);
    assert_eq!(chain.heads().finalized.unwrap().number, 2);
    let refused = ReorgError::BelowFinalized {
        depth: 9,
        floor: 2,
        head: 10,
    };
    assert_eq!(chain.reorg(9, 9, false), Err(refused));
    assert_eq!(chain.reorg(0, 1, false), Err(ReorgError::NoDepth));
    let reorg = chain.reorg(8, 8, false).unwrap();
    assert_eq!(reorg.common_ancestor.number, 2);
    // The safe block was dropped: the label went down to the fork and up with the new branch.
    assert_eq!(chain.heads().safe.unwrap().number, 6);
}

#[test]
fn a_system_config_change_is_taken_back_with_its_block() {
    let mut chain = chain();
    let contracts = chain.config().contracts;
    let slot = crate::contracts::UNSAFE_BLOCK_SIGNER_SLOT;
    let signer = |chain: &Chain| {
        let word = chain
            .head()
            .state()
            .storage(&contracts.system_config, &slot);
        Address::from_word(word.into())
    };
    let new = Address::repeat_byte(0x99);
    let setter = crate::contracts::abi::ISystemConfig::setUnsafeBlockSignerCall {
        unsafeBlockSigner: new,
    };
    let input = alloy_sol_types::SolCall::abi_encode(&setter);
    chain
        .submit(&call(
            4,
            0,
            contracts.system_config,
            U256::ZERO,
            input.into(),
        ))
        .unwrap();
    chain.mine(1);
    assert_eq!(signer(&chain), new);
    chain.reorg(1, 1, true).unwrap();
    assert_eq!(signer(&chain), contracts.unsafe_block_signer);
}

#[test]
fn full_blocks_raise_the_base_fee_and_empty_ones_lower_it() {
    let mut chain = chain();
    let filler = Bytes::from(vec![1; 100_000]);
    for nonce in 0..8 {
        let tx = TxEip1559 {
            input: filler.clone(),
            ..transaction(nonce, TO)
        };
        chain
            .submit(&sign(
                &key(1),
                TxEip1559 {
                    gas_limit: 5_000_000,
                    ..tx
                },
            ))
            .unwrap();
    }
    let block = chain.mine(1).clone();
    // Calldata is priced by its floor: forty gas a byte.
    assert_eq!(
        block.header().gas_used,
        block.transactions().len() as u64 * 4_021_000
    );
    assert!(chain.next_base_fee() > block.base_fee());
    chain.mine(2);
    chain.mine(3);
    assert!(chain.next_base_fee() < chain.head().base_fee());
}
