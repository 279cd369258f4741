#![allow(clippy::unwrap_used)]

use crate::testing::{TestChain, transfer};
use alloy_eips::{BlockId, BlockNumberOrTag, RpcBlockHash};
use alloy_primitives::B256;
use alloy_rpc_types_engine::ForkchoiceState;
use light_node_protocol::Hardfork;

#[test]
fn blocks_are_found_by_hash_number_and_tag() {
    let chain = TestChain::new(Hardfork::Jovian);
    let side = chain.block_on(&chain.head(), 1);
    chain.insert(&side);
    let first = chain.extend();
    let second = chain.extend();
    let state = ForkchoiceState {
        head_block_hash: second.hash,
        safe_block_hash: first.hash,
        finalized_block_hash: B256::ZERO,
    };
    chain.el.fork_choice_updated(state, None).unwrap();
    let view = chain.el.view();
    let hash = |id: BlockId| view.block(id).map(|block| block.hash);
    assert_eq!(hash(BlockId::latest()), Some(second.hash));
    assert_eq!(hash(BlockId::pending()), Some(second.hash));
    assert_eq!(hash(BlockId::safe()), Some(first.hash));
    assert_eq!(hash(BlockId::finalized()), None);
    assert_eq!(
        hash(BlockNumberOrTag::Earliest.into()),
        Some(view.genesis().hash)
    );
    assert_eq!(hash(1.into()), Some(first.hash));
    assert_eq!(hash(3.into()), None);
    assert_eq!(hash(side.hash.into()), Some(side.hash));
    let canonical = RpcBlockHash::from_hash(side.hash, Some(true));
    assert_eq!(hash(canonical.into()), None);
}

#[test]
fn old_states_and_side_branches_go_and_canonical_blocks_stay() {
    // The test chain keeps the states of two blocks below the finalized one.
    let chain = TestChain::new(Hardfork::Isthmus);
    let side = chain.block_on(&chain.head(), 1);
    chain.insert(&side);
    let sent = chain.submit(&transfer(0, 0));
    let blocks: Vec<_> = (0..6).map(|_| chain.extend()).collect();
    let before = chain.el.view();
    let state = ForkchoiceState {
        head_block_hash: blocks[5].hash,
        safe_block_hash: blocks[4].hash,
        finalized_block_hash: blocks[4].hash,
    };
    chain.el.fork_choice_updated(state, None).unwrap();
    let view = chain.el.view();
    for block in &blocks {
        let is_kept = block.number() >= 3;
        assert_eq!(view.state(&block.hash).is_some(), is_kept);
        assert_eq!(
            view.block_by_number(block.number()).unwrap().hash,
            block.hash
        );
    }
    assert!(view.block_by_hash(&side.hash).is_none());
    assert_eq!(view.transaction(&sent).unwrap().0.hash, blocks[0].hash);
    // A reader that took the view before still has everything.
    assert!(before.state(&side.hash).is_some());
    // What cannot be executed any more waits, and what cannot be reached is no head.
    let status = chain.el.new_payload(crate::testing::data(&side));
    assert!(status.is_syncing());
    assert!(chain.choose(side.hash).is_syncing());
    assert_eq!(chain.head().hash, blocks[5].hash);
}
