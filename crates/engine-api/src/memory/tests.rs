#![allow(clippy::unwrap_used)]

use super::*;
use crate::{ElError, ElReader, EngineApi};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_rpc_types_engine::{ForkchoiceState, PayloadStatusEnum};
use std::time::Duration;

fn to(head: B256, safe: B256, finalized: B256) -> ForkchoiceState {
    ForkchoiceState {
        head_block_hash: head,
        safe_block_hash: safe,
        finalized_block_hash: finalized,
    }
}

async fn choose(el: &MemoryEl, head: &MemoryBlock) -> PayloadStatusEnum {
    let state = to(head.hash(), B256::ZERO, B256::ZERO);
    el.fork_choice_updated(state, None)
        .await
        .unwrap()
        .payload_status
        .status
}

#[tokio::test]
async fn an_unknown_head_is_syncing_and_becomes_head_when_its_blocks_arrive() {
    let chain = ChainBuilder::new();
    let el = MemoryEl::new(&chain);
    let blocks = chain.extend(&chain.genesis(), 5, 0);

    let status = el.new_payload(&blocks[4].envelope).await.unwrap().status;
    assert_eq!(status, PayloadStatusEnum::Syncing);
    assert_eq!(choose(&el, &blocks[4]).await, PayloadStatusEnum::Syncing);
    assert_eq!(el.target(), Some(blocks[4].hash()));
    assert_eq!(el.head(), chain.genesis().block_ref());

    for block in &blocks[..4] {
        let status = el.new_payload(&block.envelope).await.unwrap().status;
        assert_eq!(status, PayloadStatusEnum::Valid);
    }
    assert_eq!(el.head(), blocks[4].block_ref());
    assert_eq!(choose(&el, &blocks[4]).await, PayloadStatusEnum::Valid);
}

#[tokio::test]
async fn an_ancestor_is_valid_without_a_move_and_a_sibling_moves() {
    let chain = ChainBuilder::new();
    let el = MemoryEl::new(&chain);
    let ours = chain.extend(&chain.genesis(), 3, 0);
    let theirs = chain.extend(&ours[0], 2, 1);
    el.add_canonical(&ours);
    el.add(&theirs);

    assert_eq!(choose(&el, &ours[1]).await, PayloadStatusEnum::Valid);
    assert_eq!(el.head(), ours[2].block_ref());
    el.stick_to_branch(1);
    assert_eq!(choose(&el, &theirs[1]).await, PayloadStatusEnum::Valid);
    assert_eq!(el.head(), ours[2].block_ref());
    assert_eq!(choose(&el, &theirs[1]).await, PayloadStatusEnum::Valid);
    assert_eq!(el.head(), theirs[1].block_ref());
}

#[tokio::test]
async fn an_unknown_safe_block_is_refused_after_the_head_has_moved() {
    let chain = ChainBuilder::new();
    let el = MemoryEl::new(&chain);
    let blocks = chain.extend(&chain.genesis(), 2, 0);
    el.add(&blocks);
    let state = to(blocks[1].hash(), B256::repeat_byte(7), B256::ZERO);
    let error = el.fork_choice_updated(state, None).await.unwrap_err();
    assert!(matches!(error, ElError::InvalidForkchoiceState { .. }));
    assert_eq!(el.head(), blocks[1].block_ref());
    let error = el
        .fork_choice_updated(to(B256::ZERO, B256::ZERO, B256::ZERO), None)
        .await;
    assert!(matches!(error, Err(ElError::InvalidForkchoiceState { .. })));
}

#[tokio::test]
async fn attributes_build_the_block_that_the_chain_builder_builds() {
    let chain = ChainBuilder::new();
    let el = MemoryEl::new(&chain);
    let origin = ChainBuilder::l1_block(101, 0).id();
    let expected = chain.child(&chain.genesis(), origin, 9);
    let attributes = chain.attributes(&chain.genesis(), origin, 9);
    let timestamp = attributes.payload_attributes.timestamp;
    let state = to(chain.genesis().hash(), B256::ZERO, B256::ZERO);
    let id = el
        .fork_choice_updated(state, Some(attributes))
        .await
        .unwrap()
        .payload_id
        .unwrap();
    assert_eq!(
        el.get_payload(id, timestamp).await.unwrap(),
        expected.envelope
    );
    assert_eq!(expected.block_ref().l1_origin, origin);
}

#[tokio::test]
async fn lost_blocks_take_their_labels_with_them() {
    let chain = ChainBuilder::new();
    let el = MemoryEl::new(&chain);
    let blocks = chain.extend(&chain.genesis(), 4, 0);
    el.add_canonical(&blocks);
    el.set_labels(blocks[2].hash(), blocks[0].hash());
    el.lose_last(2);
    assert_eq!(el.head(), blocks[1].block_ref());
    assert!(el.safe().is_zero());
    assert_eq!(el.finalized(), blocks[0].block_ref());
    let ids = [
        blocks[3].hash().into(),
        BlockId::Number(BlockNumberOrTag::Latest),
    ];
    assert_eq!(
        el.blocks(&ids).await.unwrap(),
        vec![None, Some(blocks[1].el)]
    );
}

#[tokio::test(start_paused = true)]
async fn scripted_answers_are_used_once_and_every_call_is_logged() {
    let chain = ChainBuilder::new();
    let el = MemoryEl::new(&chain);
    let block = chain.extend(&chain.genesis(), 1, 0).remove(0);
    el.script(CallKind::NewPayload, Scripted::Hang);
    el.script(
        CallKind::NewPayload,
        Scripted::Status(PayloadStatusEnum::Accepted),
    );
    el.script(
        CallKind::ForkchoiceUpdated,
        Scripted::Delay(Duration::from_secs(3)),
    );

    let error = el.new_payload(&block.envelope).await.unwrap_err();
    assert!(matches!(error, ElError::Timeout { .. }));
    let status = el.new_payload(&block.envelope).await.unwrap().status;
    assert_eq!(status, PayloadStatusEnum::Accepted);
    assert!(el.known(block.hash()).is_none());
    assert_eq!(choose(&el, &block).await, PayloadStatusEnum::Syncing);
    assert_eq!(el.count(CallKind::NewPayload), 2);
    el.set_down(true);
    assert!(matches!(
        el.chain_id().await,
        Err(ElError::Transport { .. })
    ));
    assert_eq!(el.take_calls().len(), 4);
}

#[tokio::test]
async fn op_reth_forgets_its_sync_target_at_any_valid_and_op_geth_does_not() {
    for kind in [MemoryElKind::Reth, MemoryElKind::Geth] {
        let chain = ChainBuilder::new();
        let el = MemoryEl::with_kind(&chain, kind);
        let blocks = chain.extend(&chain.genesis(), 3, 0);
        assert_eq!(choose(&el, &blocks[2]).await, PayloadStatusEnum::Syncing);
        assert_eq!(
            choose(&el, &chain.genesis()).await,
            PayloadStatusEnum::Valid
        );
        el.add(&blocks);
        let is_reached = el.head() == blocks[2].block_ref();
        assert_eq!(is_reached, kind == MemoryElKind::Geth);
    }
}

#[tokio::test]
async fn a_known_finalized_block_keeps_op_reth_from_fetching_a_far_head() {
    for kind in [MemoryElKind::Reth, MemoryElKind::Geth] {
        let chain = ChainBuilder::new();
        let el = MemoryEl::with_kind(&chain, kind);
        let head = chain.extend(&chain.genesis(), 3, 0)[2].hash();
        let state = to(head, B256::ZERO, chain.genesis().hash());
        let updated = el.fork_choice_updated(state, None).await.unwrap();
        assert!(updated.is_syncing());
        assert_eq!(el.target().is_some(), kind == MemoryElKind::Geth);
    }
}

#[tokio::test]
async fn an_old_op_geth_syncs_only_to_a_head_whose_payload_came_before() {
    let chain = ChainBuilder::new();
    let el = MemoryEl::with_kind(&chain, MemoryElKind::OldGeth);
    let blocks = chain.extend(&chain.genesis(), 3, 0);
    assert_eq!(choose(&el, &blocks[2]).await, PayloadStatusEnum::Syncing);
    assert_eq!(el.target(), None);
    el.new_payload(&blocks[2].envelope).await.unwrap();
    assert_eq!(choose(&el, &blocks[2]).await, PayloadStatusEnum::Syncing);
    assert_eq!(el.target(), Some(blocks[2].hash()));
}

#[tokio::test]
async fn while_op_reth_backfills_every_call_is_syncing_and_then_the_last_head_stands() {
    let chain = ChainBuilder::new();
    let el = MemoryEl::new(&chain);
    let blocks = chain.extend(&chain.genesis(), 3, 0);
    el.add_canonical(&blocks[..2]);
    el.set_backfilling(true);
    assert_eq!(choose(&el, &blocks[1]).await, PayloadStatusEnum::Syncing);
    let status = el.new_payload(&blocks[2].envelope).await.unwrap().status;
    assert_eq!(status, PayloadStatusEnum::Syncing);
    assert_eq!(choose(&el, &blocks[2]).await, PayloadStatusEnum::Syncing);
    el.add(&blocks);
    assert_eq!(el.head(), blocks[1].block_ref());
    el.set_backfilling(false);
    assert_eq!(el.head(), blocks[2].block_ref());
}

#[tokio::test]
async fn a_kill_costs_blocks_and_on_op_geth_the_safe_label() {
    for kind in MemoryElKind::ALL {
        let chain = ChainBuilder::new();
        let el = MemoryEl::with_kind(&chain, kind);
        let blocks = chain.extend(&chain.genesis(), 5, 0);
        el.add_canonical(&blocks);
        el.set_labels(blocks[2].hash(), blocks[0].hash());
        el.restart(1);
        assert_eq!(el.head(), blocks[3].block_ref());
        let safe = if kind == MemoryElKind::Reth { 2 } else { 0 };
        assert_eq!(el.safe(), blocks[safe].block_ref());
        assert_eq!(el.finalized(), blocks[0].block_ref());
    }
}
