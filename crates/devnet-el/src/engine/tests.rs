//! The answers of the Engine API, row by row as op-reth gives them.
#![allow(clippy::unwrap_used)]

use super::{buffer::PayloadBuffer, *};
use crate::{
    EmbeddedEl, ExecutedBlock,
    testing::{TestChain, data, foreign_blocks, forkchoice, transfer},
};
use alloy_consensus::Transaction as _;
use light_node_protocol::Hardfork;
use std::sync::Arc;

const FORK: Hardfork = Hardfork::Isthmus;

fn labelled(head: B256, safe: B256, finalized: B256) -> ForkchoiceState {
    ForkchoiceState {
        head_block_hash: head,
        safe_block_hash: safe,
        finalized_block_hash: finalized,
    }
}

fn code(el: &EmbeddedEl, state: ForkchoiceState, attributes: Option<OpPayloadAttributes>) -> i32 {
    el.fork_choice_updated(state, attributes)
        .unwrap_err()
        .code()
}

/// Two chains of two blocks on one parent: a1, a2 and b1, b2. The head is a2.
fn two_branches() -> (TestChain, [Arc<ExecutedBlock>; 4]) {
    let chain = TestChain::new(FORK);
    let genesis = chain.head();
    let b1 = chain.block_on(&genesis, 0xb1);
    chain.insert(&b1);
    let a1 = chain.extend();
    let a2 = chain.extend();
    let elsewhere = TestChain::new(FORK);
    elsewhere.insert(&b1);
    assert!(elsewhere.choose(b1.hash).is_valid());
    let b2 = elsewhere.extend();
    chain.insert(&b2);
    (chain, [a1, a2, b1, b2])
}

#[test]
fn a_gap_filled_by_payloads_moves_the_head_to_the_target_without_another_forkchoice() {
    let chain = TestChain::new(FORK);
    let blocks = foreign_blocks(FORK, 5);
    let last = blocks.last().unwrap();
    let status = chain.el.new_payload(data(last));
    assert!(status.is_syncing() && status.latest_valid_hash.is_none());
    assert!(chain.choose(last.hash).is_syncing());
    let target = *chain.el.subscribe_sync_target().borrow();
    assert_eq!(
        target.map(|target| (target.hash, target.number)),
        Some((last.hash, Some(5)))
    );
    // Out of order on purpose: 2 waits for 1.
    for index in [1, 0, 2] {
        chain.el.new_payload(data(&blocks[index]));
        assert_eq!(chain.head().number(), 0);
    }
    assert!(chain.el.new_payload(data(&blocks[3])).is_valid());
    assert_eq!(chain.head().hash, last.hash);
    assert!(chain.el.subscribe_sync_target().borrow().is_none());
}

#[test]
fn a_valid_forkchoice_forgets_the_target() {
    let chain = TestChain::new(FORK);
    let blocks = foreign_blocks(FORK, 2);
    let own = chain.block_on(&chain.head(), 7);
    chain.insert(&own);
    assert!(chain.choose(blocks[1].hash).is_syncing());
    assert!(chain.choose(own.hash).is_valid());
    chain.insert(&blocks[0]);
    chain.insert(&blocks[1]);
    assert_eq!(chain.head().hash, own.hash);
}

#[test]
fn a_zero_head_or_an_unknown_label_is_an_invalid_forkchoice_state() {
    let chain = TestChain::new(FORK);
    let block = chain.block_on(&chain.head(), 1);
    chain.insert(&block);
    let unknown = B256::repeat_byte(0xee);
    assert_eq!(code(&chain.el, forkchoice(B256::ZERO), None), -38002);
    let state = labelled(block.hash, unknown, B256::ZERO);
    assert_eq!(code(&chain.el, state, None), -38002);
    // The head moved before the labels were looked at.
    assert_eq!(chain.head().hash, block.hash);
    let state = labelled(block.hash, B256::ZERO, unknown);
    assert_eq!(code(&chain.el, state, None), -38002);
}

#[test]
fn zero_labels_stay_and_named_ones_move_in_both_directions() {
    let chain = TestChain::new(FORK);
    let blocks = [chain.extend(), chain.extend()];
    let set = |safe, finalized| {
        let state = labelled(blocks[1].hash, safe, finalized);
        assert!(
            chain
                .el
                .fork_choice_updated(state, None)
                .unwrap()
                .is_valid()
        );
        let view = chain.el.view();
        let number = |block: Option<&Arc<ExecutedBlock>>| block.map(|block| block.number());
        (number(view.safe()), number(view.finalized()))
    };
    assert_eq!(set(B256::ZERO, B256::ZERO), (None, None));
    assert_eq!(set(blocks[1].hash, blocks[0].hash), (Some(2), Some(1)));
    assert_eq!(set(B256::ZERO, B256::ZERO), (Some(2), Some(1)));
    assert_eq!(set(blocks[0].hash, B256::ZERO), (Some(1), Some(1)));
}

#[test]
fn a_finalized_block_on_another_branch_is_not_refused() {
    let (chain, [_, a2, b1, _]) = two_branches();
    let state = labelled(a2.hash, B256::ZERO, b1.hash);
    assert!(
        chain
            .el
            .fork_choice_updated(state, None)
            .unwrap()
            .is_valid()
    );
}

#[test]
fn an_ancestor_as_head_is_valid_and_moves_neither_head_nor_labels() {
    let (chain, [a1, a2, _, _]) = two_branches();
    let state = labelled(a1.hash, a1.hash, a1.hash);
    let updated = chain.el.fork_choice_updated(state, None).unwrap();
    assert!(updated.is_valid());
    assert_eq!(updated.payload_status.latest_valid_hash, Some(a1.hash));
    let view = chain.el.view();
    assert_eq!(view.head().hash, a2.hash);
    assert!(view.safe().is_none() && view.finalized().is_none());
    // A block can be built on it, and becomes head like any sibling.
    let sibling = chain.block_on(&a1, 0x55);
    assert_eq!(sibling.header().parent_hash, a1.hash);
    chain.insert(&sibling);
    assert_eq!(chain.head().hash, a2.hash);
    assert!(chain.choose(sibling.hash).is_valid());
    assert_eq!(chain.head().hash, sibling.hash);
}

#[test]
fn a_sibling_as_head_is_a_reorg_and_so_is_the_way_back() {
    let (chain, [a1, a2, b1, b2]) = two_branches();
    for branch in [[&b1, &b2], [&a1, &a2]] {
        assert!(chain.choose(branch[1].hash).is_valid());
        let view = chain.el.view();
        assert_eq!(view.head().hash, branch[1].hash);
        assert_eq!(view.block_by_number(1).unwrap().hash, branch[0].hash);
        assert_eq!(view.block_by_number(2).unwrap().hash, branch[1].hash);
        assert_eq!(view.head_state().root(), branch[1].header().state_root);
    }
}

#[test]
fn a_reorg_to_a_shorter_branch_ends_the_canonical_chain_there() {
    let (chain, [_, _, b1, _]) = two_branches();
    assert!(chain.choose(b1.hash).is_valid());
    let view = chain.el.view();
    assert_eq!(view.head().number(), 1);
    assert!(view.block_by_number(2).is_none());
}

#[test]
fn transactions_of_dropped_blocks_wait_again() {
    let chain = TestChain::new(FORK);
    let genesis = chain.head();
    let sibling = chain.block_on(&genesis, 0x77);
    chain.insert(&sibling);
    let sent = [chain.submit(&transfer(0, 0)), chain.submit(&transfer(0, 1))];
    let block = chain.extend();
    assert_eq!(block.block.body.transactions.len(), 3);
    assert!(chain.el.pool().is_empty());
    assert_eq!(chain.el.view().transaction(&sent[1]).unwrap().1, 2);
    assert!(chain.choose(sibling.hash).is_valid());
    assert!(sent.iter().all(|hash| chain.el.pool().get(hash).is_some()));
    assert!(chain.el.view().transaction(&sent[0]).is_none());
    assert_eq!(chain.extend().block.body.transactions.len(), 3);
}

#[test]
fn the_same_attributes_give_the_same_payload_id() {
    let chain = TestChain::new(FORK);
    let head = chain.head();
    let start = || {
        chain
            .el
            .fork_choice_updated(forkchoice(head.hash), Some(chain.attributes_on(&head)))
            .unwrap()
            .payload_id
            .unwrap()
    };
    let id = start();
    assert_eq!(id, start());
    assert_eq!(id.0[0], 3);
    assert_eq!(id, chain.attributes_on(&head).payload_id(&head.hash, 3));
}

#[test]
fn an_unknown_payload_id_is_named_so() {
    let chain = TestChain::new(FORK);
    let error = chain.el.get_payload(PayloadId::default()).unwrap_err();
    assert_eq!(error.code(), -38001);
}

#[test]
fn attributes_that_lack_what_a_rollup_adds_are_invalid_parameters() {
    let chain = TestChain::new(Hardfork::Jovian);
    let head = chain.head();
    let refused = |change: &dyn Fn(&mut OpPayloadAttributes)| {
        let mut attributes = chain.attributes_on(&head);
        change(&mut attributes);
        code(&chain.el, forkchoice(head.hash), Some(attributes))
    };
    assert_eq!(refused(&|wrong| wrong.gas_limit = None), -32602);
    assert_eq!(refused(&|wrong| wrong.eip_1559_params = None), -32602);
    assert_eq!(refused(&|wrong| wrong.min_base_fee = None), -32602);
}

#[test]
fn attributes_that_make_no_block_are_invalid_but_the_head_moves() {
    let chain = TestChain::new(FORK);
    let block = chain.block_on(&chain.head(), 1);
    chain.insert(&block);
    let refused = |change: &dyn Fn(&mut OpPayloadAttributes)| {
        let mut attributes = chain.attributes_on(&block);
        change(&mut attributes);
        code(&chain.el, forkchoice(block.hash), Some(attributes))
    };
    let timestamp = block.header().timestamp;
    assert_eq!(
        refused(&|wrong| wrong.payload_attributes.timestamp = timestamp),
        -38003
    );
    assert_eq!(chain.head().hash, block.hash);
    assert_eq!(
        refused(&|wrong| wrong.payload_attributes.parent_beacon_block_root = None),
        -38003
    );
    assert_eq!(
        refused(&|wrong| wrong.payload_attributes.withdrawals = None),
        -38003
    );
    let garbage = |bytes: &'static [u8]| Some(vec![bytes.into()]);
    assert_eq!(
        refused(&|wrong| wrong.transactions = garbage(&[0x7e, 1])),
        -38003
    );
    assert_eq!(refused(&|wrong| wrong.transactions = garbage(&[])), -38003);
    assert_eq!(
        refused(&|wrong| wrong.transactions = garbage(&[0x03, 0xc0])),
        -38003
    );
}

#[test]
fn a_forced_transaction_with_a_bad_nonce_is_left_out() {
    let chain = TestChain::new(FORK);
    let head = chain.head();
    let mut attributes = chain.attributes_on(&head);
    let transactions = attributes.transactions.as_mut().unwrap();
    transactions.extend([transfer(0, 7), transfer(1, 0)]);
    let sealed = chain.build(head.hash, attributes);
    let included = &sealed.block().block.body.transactions;
    assert_eq!(included.len(), 2);
    assert_eq!(included[1].nonce(), 0);
}

#[test]
fn sealing_takes_what_came_into_the_pool_since_unless_the_pool_is_not_to_be_used() {
    let chain = TestChain::new(FORK);
    let head = chain.head();
    let start = |no_tx_pool| {
        let mut attributes = chain.attributes_on(&head);
        attributes.no_tx_pool = Some(no_tx_pool);
        let state = forkchoice(head.hash);
        let updated = chain.el.fork_choice_updated(state, Some(attributes));
        updated.unwrap().payload_id.unwrap()
    };
    let ids = [start(false), start(true)];
    chain.submit(&transfer(0, 0));
    let sealed = ids.map(|id| chain.el.get_payload(id).unwrap());
    let count = |sealed: &SealedPayload| sealed.block().block.body.transactions.len();
    assert_eq!([count(&sealed[0]), count(&sealed[1])], [2, 1]);
    // Sealing again changes nothing.
    let again = chain.el.get_payload(ids[0]).unwrap();
    assert_eq!(again.block().hash, sealed[0].block().hash);
    assert_eq!(
        again.envelope().execution_payload.block_hash(),
        again.block().hash
    );
}

#[test]
fn a_wrong_hash_is_invalid_and_says_nothing_about_the_block_of_that_hash() {
    let chain = TestChain::new(FORK);
    let block = chain.block_on(&chain.head(), 1);
    let mut forged = (*block).clone();
    forged.block.header.gas_limit += 1;
    let status = chain.el.new_payload(data(&forged));
    assert!(status.is_invalid() && status.latest_valid_hash.is_none());
    assert!(format!("{status:?}").contains("block hash mismatch"));
    chain.insert(&block);
}

#[test]
fn what_stands_on_an_invalid_block_is_invalid() {
    let chain = TestChain::new(FORK);
    let genesis = chain.head();
    let mut blocks: Vec<_> = foreign_blocks(FORK, 3)
        .iter()
        .map(|block| (**block).clone())
        .collect();
    // An invalid first block, and the others on it.
    blocks[0].block.header.gas_used += 1;
    for index in 0..3 {
        if index > 0 {
            blocks[index].block.header.parent_hash = blocks[index - 1].hash;
        }
        blocks[index].hash = blocks[index].header().hash_slow();
    }
    assert!(chain.el.new_payload(data(&blocks[1])).is_syncing());
    assert!(chain.choose(blocks[1].hash).is_syncing());
    for block in [&blocks[0], &blocks[1], &blocks[2], &blocks[0]] {
        let status = chain.el.new_payload(data(block));
        assert!(status.is_invalid(), "{status:?}");
        assert_eq!(status.latest_valid_hash, Some(genesis.hash));
    }
    let updated = chain.choose(blocks[2].hash);
    assert!(updated.payload_status.is_invalid());
    assert_eq!(chain.head().hash, genesis.hash);
    assert!(chain.el.subscribe_sync_target().borrow().is_none());
}

#[test]
fn a_known_block_is_valid_again() {
    let chain = TestChain::new(FORK);
    let block = chain.extend();
    chain.insert(&block);
    chain.extend();
    let status = chain.el.new_payload(data(&block));
    assert_eq!(status.latest_valid_hash, Some(block.hash));
}

#[test]
fn a_full_buffer_forgets_the_payload_that_has_waited_longest() {
    let mut block = (*foreign_blocks(FORK, 1)[0]).clone();
    let mut buffer = PayloadBuffer::default();
    let mut hashes = Vec::new();
    for index in 0..1030u64 {
        block.block.header.parent_hash = B256::with_last_byte(1);
        block.block.header.number = index;
        block.hash = block.header().hash_slow();
        buffer.insert(DecodedPayload::new(data(&block)).unwrap());
        hashes.push(block.hash);
    }
    assert_eq!(buffer.number(&hashes[5]), None);
    assert_eq!(buffer.number(&hashes[6]), Some(6));
    let children = buffer.take_children(&B256::with_last_byte(1));
    assert_eq!(children.len(), 1024);
    assert_eq!(buffer.number(&hashes[6]), None);
}

#[test]
fn subscribers_see_a_new_view_for_each_change_and_none_without() {
    let chain = TestChain::new(FORK);
    let mut views = chain.el.subscribe();
    let block = chain.block_on(&chain.head(), 1);
    assert!(!views.has_changed().unwrap(), "building changes nothing");
    chain.insert(&block);
    assert!(views.has_changed().unwrap());
    views.mark_unchanged();
    chain.insert(&block);
    assert!(!views.has_changed().unwrap());
    chain.choose(block.hash);
    assert_eq!(views.borrow_and_update().head().hash, block.hash);
}
