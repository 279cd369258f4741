//! Derivation: blocks that the execution layer has, lacks, or has otherwise; labels that follow them; resets.

use super::{
    deriving::{derived, safe, span},
    *,
};
use crate::request::{ConsolidateOutcome, ResetError};
use light_node_engine_api::memory::Call;

under_each_el! {
    a_block_that_gossip_brought_costs_the_el_nothing_but_its_labels,
    a_block_of_before_the_start_is_read_once,
    a_missing_block_is_built_and_is_head_and_safe_at_once,
    another_block_is_replaced_and_what_ran_ahead_goes_on,
    a_replaced_branch_is_left_although_the_el_stays_for_a_while,
    a_burst_costs_a_forkchoice_each_100_ms_and_the_last_goes_out,
    sixty_four_blocks_that_ran_ahead_are_built_in_their_order,
    the_cursor_is_published_with_the_labels_that_belong_to_it,
    finalized_waits_until_it_is_safe_and_never_goes_down,
    attributes_of_another_place_are_stale,
    a_reset_lowers_safe_and_voids_what_was_handed_over,
    a_reset_below_finalized_is_refused,
    a_restart_voids_what_was_handed_over_and_keeps_the_heads,
    the_unsafe_chain_runs_ahead_of_derivation,
}

async fn a_block_that_gossip_brought_costs_the_el_nothing_but_its_labels(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(3);
    for block in &chain {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
    }
    harness.take_calls();
    for block in &chain {
        let outcome = harness.engine.consolidate(1, derived(block)).await;
        assert_eq!(outcome, Ok(safe(block)));
        harness
            .published_until(|state| state.safe_head == block.block_ref())
            .await;
        assert_eq!(
            harness.take_calls(),
            [CallKind::Blocks, CallKind::ForkchoiceUpdated]
        );
        assert_eq!(harness.el.safe(), block.block_ref());
        harness.pass(seconds(1)).await;
    }
    let state = harness.state();
    assert_eq!(state.local_safe_head, state.safe_head);
    assert_eq!(state.epoch, 1);
    harness.stop().await;
}

async fn a_block_of_before_the_start_is_read_once(kind: MemoryElKind) {
    let builder = ChainBuilder::new();
    let before = builder.extend(&builder.genesis(), 6, 0);
    let mut harness = Harness::deriving_beside(kind, |_, el| el.add_canonical(&before)).await;
    let chain = harness.chain(6);
    assert_eq!(harness.reset_to(&chain[1]).await, Ok(1));
    assert_eq!(harness.state().safe_head, chain[1].block_ref());
    assert_eq!(harness.state().unsafe_head, chain[5].block_ref());
    harness.take_calls();
    for block in &chain[2..] {
        let outcome = harness.engine.consolidate(1, derived(block)).await;
        assert_eq!(outcome, Ok(safe(block)));
        let calls = harness.take_calls();
        let reads = calls.iter().filter(|call| **call == CallKind::Payload);
        assert_eq!(reads.count(), 1);
        assert!(!calls.contains(&CallKind::NewPayload), "{calls:?}");
        harness.pass(seconds(1)).await;
    }
    assert_eq!(harness.el.safe(), chain[5].block_ref());
    harness.stop().await;
}

async fn a_missing_block_is_built_and_is_head_and_safe_at_once(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(2);
    harness.take_calls();
    for block in &chain {
        let outcome = harness.engine.consolidate(1, derived(block)).await;
        assert_eq!(outcome, Ok(safe(block)));
        assert_eq!(
            harness.take_calls(),
            [
                CallKind::ForkchoiceUpdated,
                CallKind::GetPayload,
                CallKind::NewPayload,
                CallKind::ForkchoiceUpdated
            ]
        );
        let state = harness.state();
        assert_eq!(state.unsafe_head, block.block_ref());
        assert_eq!(state.safe_head, block.block_ref());
        assert_eq!(harness.el.safe(), block.block_ref());
    }
    harness.pass(seconds(10)).await;
    assert_eq!(harness.take_calls(), [], "the labels stand");
    harness.stop().await;
}

async fn another_block_is_replaced_and_what_ran_ahead_goes_on(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(6);
    let other = harness.branch(&chain[1], 6, 1);
    for block in chain[..2].iter().chain(&other) {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
    }
    let outcomes = harness.consolidate_all(span(&chain)).await;
    assert_eq!(outcomes, chain.iter().map(safe).collect::<Vec<_>>());
    let state = harness
        .published_until(|state| state.safe_head == chain[5].block_ref())
        .await;
    assert_eq!(state.unsafe_head, chain[5].block_ref());
    assert_eq!((state.epoch, state.reset_epoch), (2, 1), "one reorg");
    assert_eq!(harness.el.head(), chain[5].block_ref());
    harness.stop().await;
}

async fn a_replaced_branch_is_left_although_the_el_stays_for_a_while(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(4);
    let other = harness.branch(&chain[1], 4, 1);
    for block in chain[..2].iter().chain(&other) {
        harness.insert(block).await;
    }
    harness.el.stick_to_branch(3);
    for block in &chain {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
    }
    harness.pass(seconds(2)).await;
    assert_eq!(harness.el.head(), chain[3].block_ref());
    assert_eq!(harness.el.safe(), chain[3].block_ref());
    harness.stop().await;
}

async fn a_burst_costs_a_forkchoice_each_100_ms_and_the_last_goes_out(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(150);
    for block in &chain {
        harness.insert(block).await;
    }
    harness.forkchoices();
    // Slowly: one block each 10 ms.
    for block in &chain[..60] {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
        harness.pass(Duration::from_millis(10)).await;
    }
    harness.pass(seconds(1)).await;
    let sent = harness.forkchoices().len();
    assert!((6..=8).contains(&sent), "{sent} forkchoices in 600 ms");
    assert_eq!(harness.el.safe(), chain[59].block_ref());
    // At once: one each 32 blocks.
    for block in &chain[60..] {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
    }
    harness.pass(seconds(1)).await;
    let sent = harness.forkchoices().len();
    assert!((3..=5).contains(&sent), "{sent} forkchoices for 90 blocks");
    assert_eq!(harness.el.safe(), chain[149].block_ref());
    assert_eq!(harness.state().safe_head, chain[149].block_ref());
    harness.stop().await;
}

async fn sixty_four_blocks_that_ran_ahead_are_built_in_their_order(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(65);
    let mut outcomes = harness.consolidate_all(span(&chain)).await;
    let too_many = outcomes.pop();
    assert_eq!(too_many, Some(ConsolidateOutcome::Stale));
    for (outcome, block) in outcomes.iter().zip(&chain) {
        assert_eq!(*outcome, safe(block));
    }
    let last = harness.consolidate(derived(&chain[64])).await;
    assert_eq!(last, safe(&chain[64]));
    harness.pass(seconds(1)).await;
    assert_eq!(harness.el.head(), chain[64].block_ref());
    assert_eq!(harness.el.safe(), chain[64].block_ref());
    harness.stop().await;
}

async fn the_cursor_is_published_with_the_labels_that_belong_to_it(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(2);
    for block in &chain {
        harness.insert(block).await;
    }
    let before = harness.state().current_l1;
    assert_eq!(before, ChainBuilder::l1_block(100, 0));
    let next = ChainBuilder::l1_block(101, 0);
    // The EL does not take the label at first.
    for _ in 0..3 {
        let error = ElError::InvalidForkchoiceState {
            message: "unknown safe".to_owned(),
        };
        harness.el.script(
            CallKind::ForkchoiceUpdated,
            light_node_engine_api::memory::Scripted::Error(error),
        );
    }
    assert_eq!(
        harness.consolidate(derived(&chain[0])).await,
        safe(&chain[0])
    );
    harness.engine.cursor(next).await.unwrap();
    let mut watch = harness.engine.watch();
    let state = *watch
        .wait_for(|state| state.current_l1 != before)
        .await
        .unwrap();
    assert_eq!(state.current_l1, next);
    assert_eq!(state.safe_head, chain[0].block_ref());
    // An L1 block that brings nothing costs the EL nothing.
    harness.pass(seconds(1)).await;
    harness.take_calls();
    harness
        .engine
        .cursor(ChainBuilder::l1_block(102, 0))
        .await
        .unwrap();
    harness
        .published_until(|state| state.current_l1.number == 102)
        .await;
    assert_eq!(harness.take_calls(), []);
    harness.stop().await;
}

async fn finalized_waits_until_it_is_safe_and_never_goes_down(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(8);
    for block in &chain {
        harness.insert(block).await;
    }
    let genesis = harness.builder.genesis().block_ref();
    assert_eq!(harness.state().finalized_head, genesis);
    for block in &chain[..4] {
        harness.consolidate(derived(block)).await;
    }
    harness
        .engine
        .finalize(chain[5].block_ref().id())
        .await
        .unwrap();
    harness.pass(seconds(1)).await;
    assert_eq!(harness.state().finalized_head, genesis, "not safe yet");
    for block in &chain[4..] {
        harness.consolidate(derived(block)).await;
    }
    harness.pass(seconds(1)).await;
    assert_eq!(harness.state().finalized_head, chain[5].block_ref());
    assert_eq!(harness.el.finalized(), chain[5].block_ref());
    harness.forkchoices();
    for lower in [chain[2].block_ref().id(), genesis.id()] {
        harness.engine.finalize(lower).await.unwrap();
        harness.pass(seconds(1)).await;
    }
    assert_eq!(harness.state().finalized_head, chain[5].block_ref());
    assert_eq!(harness.forkchoices(), []);
    // A hash that nobody has.
    let unknown = BlockNumHash::new(7, B256::repeat_byte(9));
    harness.engine.finalize(unknown).await.unwrap();
    harness.pass(seconds(1)).await;
    assert_eq!(harness.state().finalized_head, chain[5].block_ref());
    harness
        .engine
        .finalize(chain[6].block_ref().id())
        .await
        .unwrap();
    harness.pass(seconds(1)).await;
    assert_eq!(harness.state().finalized_head, chain[6].block_ref());
    harness.stop().await;
}

async fn attributes_of_another_place_are_stale(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(3);
    let stale = ConsolidateOutcome::Stale;
    assert_eq!(harness.consolidate(derived(&chain[1])).await, stale);
    assert_eq!(
        harness.consolidate(derived(&chain[0])).await,
        safe(&chain[0])
    );
    assert_eq!(harness.consolidate(derived(&chain[0])).await, stale);
    let other = harness.branch(&harness.builder.genesis(), 2, 1);
    assert_eq!(harness.consolidate(derived(&other[1])).await, stale);
    assert_eq!(
        harness.consolidate(derived(&chain[1])).await,
        safe(&chain[1])
    );
    harness.stop().await;
}

async fn a_reset_lowers_safe_and_voids_what_was_handed_over(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(8);
    harness.consolidate_all(span(&chain[..6])).await;
    harness.pass(seconds(1)).await;
    harness.safe_may_fall = true;
    let other = harness.branch(&chain[2], 5, 1);
    let late = harness.engine.consolidate(1, derived(&chain[6]));
    assert_eq!(
        harness.engine.reset(harness.start_at(&chain[2])).await,
        Ok(2)
    );
    assert_eq!(late.await, Ok(ConsolidateOutcome::Stale));
    let state = harness.state();
    assert_eq!(
        (state.reset_epoch, state.safe_head),
        (2, chain[2].block_ref())
    );
    assert_eq!(harness.el.safe(), chain[2].block_ref());
    assert_eq!(
        state.unsafe_head,
        chain[5].block_ref(),
        "nothing is unwound"
    );
    let outcomes = harness.consolidate_all(span(&other)).await;
    assert_eq!(outcomes, other.iter().map(safe).collect::<Vec<_>>());
    harness.pass(seconds(1)).await;
    assert_eq!(harness.el.head(), other[4].block_ref());
    assert_eq!(harness.state().safe_head, other[4].block_ref());
    harness.stop().await;
}

async fn a_reset_below_finalized_is_refused(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(6);
    harness.consolidate_all(span(&chain)).await;
    harness
        .engine
        .finalize(chain[4].block_ref().id())
        .await
        .unwrap();
    harness.pass(seconds(1)).await;
    let refused = harness.reset_to(&chain[2]).await;
    assert_eq!(
        refused,
        Err(ResetError::Refused(FollowRefusal::FinalizedContradicted))
    );
    assert_eq!(harness.state().finalized_head, chain[4].block_ref());
    harness.safe_may_fall = true;
    assert!(harness.reset_to(&chain[4]).await.is_ok());
    assert_eq!(harness.state().safe_head, chain[4].block_ref());
    harness.stop().await;
}

async fn a_restart_voids_what_was_handed_over_and_keeps_the_heads(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(4);
    harness.consolidate_all(span(&chain[..2])).await;
    harness.pass(seconds(1)).await;
    let heads = |state: EngineState| (state.unsafe_head, state.safe_head, state.current_l1);
    let before = heads(harness.state());
    harness.engine.restart_derivation().await.unwrap();
    let state = harness
        .published_until(|state| state.reset_epoch == 2)
        .await;
    assert_eq!(heads(state), before);
    let late = harness.engine.consolidate(1, derived(&chain[2])).await;
    assert_eq!(late, Ok(ConsolidateOutcome::Stale));
    assert_eq!(harness.reset_to(&chain[1]).await, Ok(2));
    assert_eq!(
        harness.consolidate(derived(&chain[2])).await,
        safe(&chain[2])
    );
    harness.stop().await;
}

async fn the_unsafe_chain_runs_ahead_of_derivation(kind: MemoryElKind) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(20);
    for (index, block) in chain.iter().enumerate() {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
        if let Some(behind) = index.checked_sub(5) {
            let behind = &chain[behind];
            assert_eq!(harness.consolidate(derived(behind)).await, safe(behind));
        }
        harness.pass(seconds(2)).await;
        assert_eq!(harness.state().unsafe_head, block.block_ref());
    }
    assert_eq!(harness.state().safe_head, chain[14].block_ref());
    let built = harness.el.calls();
    let built = built.iter().any(
        |call| matches!(call, Call::ForkchoiceUpdated { attributes, .. } if attributes.is_some()),
    );
    assert!(!built);
    harness.stop().await;
}
