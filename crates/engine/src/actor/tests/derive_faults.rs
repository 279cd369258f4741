//! Derivation beside an execution layer that refuses, leaves out, lags, loses blocks, or is down.

use super::{
    deriving::{at, bad_span, derived, in_span, is_stale, safe, span, with_transaction},
    *,
};
use crate::request::{ConsolidateOutcome, DerivedAttributes, ResetReason};
use alloy_rpc_types_engine::PayloadStatusEnum;
use light_node_engine_api::memory::Scripted;

under_each_el! {
    a_refused_block_is_built_of_its_deposits_and_what_ran_ahead_is_stale,
    attributes_that_the_el_calls_bad_parameters_are_refused_ones,
    an_invalid_block_is_built_of_its_deposits,
    a_block_from_which_the_el_leaves_out_transactions_is_refused,
    a_block_of_deposits_that_is_refused_ends_in_a_reset,
    what_the_el_cannot_be_asked_about_waits_and_keeps_its_order,
    lost_answers_change_nothing,
    an_el_without_payload_bodies_builds_the_same_block,
    a_busy_el_is_waited_for,
    an_el_that_lost_unsafe_blocks_goes_on,
    an_el_that_lost_safe_blocks_gets_them_again_while_heads_hold,
    final_blocks_that_were_lost_are_derived_again_while_heads_hold,
    a_head_of_gossip_is_waited_for_and_yields_when_nobody_serves_it,
    the_sequencers_reorg_below_what_is_derived_is_undone,
}

fn refused() -> Scripted {
    Scripted::Error(ElError::InvalidPayloadAttributes {
        message: "bad transaction".to_owned(),
    })
}

async fn deposits_only_after(mut harness: Harness, chain: Vec<MemoryBlock>) {
    let outcomes = harness.consolidate_all(bad_span(&chain[4..10])).await;
    assert_eq!(outcomes[..2], [safe(&chain[4]), safe(&chain[5])]);
    // Without the transaction it is the very block of the chain.
    let deposits = ConsolidateOutcome::DepositsOnly(chain[6].block_ref());
    assert_eq!(outcomes[2], deposits);
    assert!(is_stale(&outcomes[3..]), "{outcomes:?}");
    harness.pass(seconds(1)).await;
    let state = harness.state();
    assert_eq!(state.unsafe_head, chain[6].block_ref());
    assert_eq!(state.safe_head, chain[6].block_ref());
    assert_eq!(state.reset_epoch, 1);
    // After the flush derivation goes on from there.
    let outcomes = harness.consolidate_all(span(&chain[7..12])).await;
    assert_eq!(outcomes, chain[7..12].iter().map(safe).collect::<Vec<_>>());
    harness.pass(seconds(1)).await;
    assert_eq!(harness.el.safe(), chain[11].block_ref());
    harness.stop().await;
}

async fn a_refused_block_is_built_of_its_deposits_and_what_ran_ahead_is_stale(kind: MemoryElKind) {
    is_built_of_its_deposits_after(refused(), kind).await;
}

async fn attributes_that_the_el_calls_bad_parameters_are_refused_ones(kind: MemoryElKind) {
    let bad_parameters = ElError::Rpc {
        method: "engine_forkchoiceUpdatedV3",
        code: ElError::INVALID_PARAMS,
        message: "minimum base fee is missing".to_owned(),
    };
    is_built_of_its_deposits_after(Scripted::Error(bad_parameters), kind).await;
}

async fn is_built_of_its_deposits_after(answer: Scripted, kind: MemoryElKind) {
    let (harness, chain) = at(kind, 4).await;
    // Two blocks go well, of two forkchoices each.
    for _ in 0..4 {
        let none = Scripted::Delay(Duration::ZERO);
        harness.el.script(CallKind::ForkchoiceUpdated, none);
    }
    harness.el.script(CallKind::ForkchoiceUpdated, answer);
    deposits_only_after(harness, chain).await;
}

async fn an_invalid_block_is_built_of_its_deposits(kind: MemoryElKind) {
    let (harness, chain) = at(kind, 4).await;
    for _ in 0..2 {
        let none = Scripted::Delay(Duration::ZERO);
        harness.el.script(CallKind::NewPayload, none);
    }
    let invalid = PayloadStatusEnum::Invalid {
        validation_error: "bad".to_owned(),
    };
    harness
        .el
        .script(CallKind::NewPayload, Scripted::Status(invalid));
    deposits_only_after(harness, chain).await;
}

async fn a_block_from_which_the_el_leaves_out_transactions_is_refused(kind: MemoryElKind) {
    let (harness, chain) = at(kind, 4).await;
    harness.el.leave_out_transactions(true);
    deposits_only_after(harness, chain).await;
}

async fn a_block_of_deposits_that_is_refused_ends_in_a_reset(kind: MemoryElKind) {
    for full in [false, true] {
        let (mut harness, chain) = at(kind, 4).await;
        harness.el.script(CallKind::ForkchoiceUpdated, refused());
        harness.el.script(CallKind::ForkchoiceUpdated, refused());
        let mut next = derived(&chain[4]);
        if full {
            next = with_transaction(&chain[4]);
        }
        let after = in_span(&chain[5]);
        let after = DerivedAttributes {
            parent: None,
            ..after
        };
        let outcomes = harness.consolidate_all(vec![next, after]).await;
        assert!(
            matches!(
                outcomes[0],
                ConsolidateOutcome::Reset(ResetReason::DepositsOnlyRefused { .. })
            ),
            "{outcomes:?}"
        );
        assert!(is_stale(&outcomes[1..]), "{outcomes:?}");
        let state = harness.state();
        assert_eq!((state.epoch, state.reset_epoch), (2, 2));
        assert_eq!(state.safe_head, chain[3].block_ref());
        let reason = ConsolidateOutcome::Reset(ResetReason::NoStart);
        assert_eq!(harness.consolidate(derived(&chain[4])).await, reason);
        harness.el.clear_script();
        assert_eq!(harness.reset_to(&chain[3]).await, Ok(2));
        assert_eq!(
            harness.consolidate(derived(&chain[4])).await,
            safe(&chain[4])
        );
        harness.stop().await;
    }
}

async fn what_the_el_cannot_be_asked_about_waits_and_keeps_its_order(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    harness.el.set_down(true);
    let el = Arc::clone(&harness.el);
    let back = tokio::spawn(async move {
        tokio::time::sleep(seconds(40)).await;
        el.set_down(false);
    });
    let start = Instant::now();
    let outcomes = harness.consolidate_all(span(&chain[4..12])).await;
    assert_eq!(outcomes, chain[4..12].iter().map(safe).collect::<Vec<_>>());
    assert!(start.elapsed() >= seconds(40) && start.elapsed() < seconds(44));
    back.await.unwrap();
    harness.pass(seconds(2)).await;
    assert_eq!(harness.el.safe(), chain[11].block_ref());
    assert!(harness.engine.status().is_answering());
    harness.stop().await;
}

async fn lost_answers_change_nothing(kind: MemoryElKind) {
    let calls = [
        CallKind::ForkchoiceUpdated,
        CallKind::GetPayload,
        CallKind::NewPayload,
        CallKind::Payload,
        CallKind::Blocks,
    ];
    let (mut harness, chain) = at(kind, 2).await;
    let other = harness.branch(&chain[9], 6, 1);
    for block in &other {
        harness.el.add(std::slice::from_ref(block));
    }
    for (index, block) in chain[2..].iter().enumerate() {
        for _ in 0..index % 3 {
            let error = ElError::Transport {
                endpoint: "memory".to_owned(),
                cause: "connection reset".to_owned(),
            };
            let call = calls[index % calls.len()];
            harness.el.script(call, Scripted::ApplyThenError(error));
        }
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
        harness.pass(Duration::from_millis(150)).await;
    }
    harness.pass(seconds(10)).await;
    assert_eq!(harness.el.head(), chain[23].block_ref());
    assert_eq!(harness.el.safe(), chain[23].block_ref());
    harness.stop().await;
}

async fn an_el_without_payload_bodies_builds_the_same_block(kind: MemoryElKind) {
    let builder = ChainBuilder::new();
    let before = builder.extend(&builder.genesis(), 4, 0);
    let mut harness = Harness::deriving_beside(kind, |_, el| el.add_canonical(&before)).await;
    let chain = harness.chain(4);
    let genesis = harness.builder.genesis();
    assert_eq!(harness.reset_to(&genesis).await, Ok(1));
    for block in &chain {
        let error = ElError::Rpc {
            method: "engine_getPayloadBodiesByRangeV1",
            code: ElError::METHOD_NOT_FOUND,
            message: "not found".to_owned(),
        };
        harness.el.script(CallKind::Payload, Scripted::Error(error));
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
        harness.pass(seconds(1)).await;
        assert_eq!(harness.el.head(), chain[3].block_ref(), "no reorg");
    }
    assert_eq!(harness.state().epoch, 1);
    assert_eq!(harness.el.safe(), chain[3].block_ref());
    harness.stop().await;
}

async fn a_busy_el_is_waited_for(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    harness.el.set_backfilling(true);
    let el = Arc::clone(&harness.el);
    tokio::spawn(async move {
        tokio::time::sleep(seconds(30)).await;
        el.set_backfilling(false);
    });
    let outcomes = harness.consolidate_all(span(&chain[4..8])).await;
    assert_eq!(outcomes, chain[4..8].iter().map(safe).collect::<Vec<_>>());
    harness.pass(seconds(3)).await;
    assert_eq!(harness.el.safe(), chain[7].block_ref());
    harness.stop().await;
}

async fn an_el_that_lost_unsafe_blocks_goes_on(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    for block in &chain[4..12] {
        harness.insert(block).await;
    }
    harness.el.restart(6);
    for block in &chain[4..12] {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
        harness.pass(seconds(1)).await;
    }
    assert_eq!(harness.el.head(), chain[11].block_ref());
    assert_eq!(harness.el.safe(), chain[11].block_ref());
    assert_eq!(harness.state().reset_epoch, 1);
    harness.stop().await;
}

async fn an_el_that_lost_safe_blocks_gets_them_again_while_heads_hold(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 10).await;
    let before = harness.state();
    harness.el.restart(6);
    let outcome = harness.consolidate(derived(&chain[10])).await;
    assert_eq!(
        outcome,
        ConsolidateOutcome::Reset(ResetReason::ElLostBlocks)
    );
    let state = harness.state();
    assert_eq!(state.el_sync, ElSyncState::LostBlocks);
    assert_eq!(state.safe_head, before.safe_head, "heads hold");
    assert!(state.reset_epoch > before.reset_epoch);
    let epoch = harness.reset_to(&chain[3]).await;
    assert_eq!(epoch, Ok(state.reset_epoch));
    for block in &chain[4..10] {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
        assert_eq!(harness.state().safe_head, before.safe_head, "they still do");
        harness.pass(seconds(1)).await;
    }
    let state = harness.state();
    assert_eq!(state.el_sync, ElSyncState::Synced);
    assert_eq!(state.unsafe_head, chain[9].block_ref());
    let outcomes = harness.consolidate_all(span(&chain[10..14])).await;
    assert_eq!(outcomes, chain[10..14].iter().map(safe).collect::<Vec<_>>());
    harness.pass(seconds(1)).await;
    assert_eq!(harness.el.safe(), chain[13].block_ref());
    harness.stop().await;
}

async fn final_blocks_that_were_lost_are_derived_again_while_heads_hold(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 12).await;
    harness
        .engine
        .finalize(chain[9].block_ref().id())
        .await
        .unwrap();
    harness.pass(seconds(1)).await;
    let before = harness.state();
    assert_eq!(before.finalized_head, chain[9].block_ref());
    harness.el.restart(12);
    let outcome = harness.consolidate(derived(&chain[12])).await;
    assert_eq!(
        outcome,
        ConsolidateOutcome::Reset(ResetReason::ElLostBlocks)
    );
    let genesis = harness.builder.genesis();
    assert!(harness.reset_to(&genesis).await.is_ok());
    for block in &chain[..12] {
        let state = harness.state();
        assert_eq!(state.finalized_head, before.finalized_head);
        assert_eq!(state.safe_head, before.safe_head);
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
        harness.pass(seconds(6)).await;
    }
    harness.pass(seconds(2)).await;
    let state = harness.state();
    assert_eq!(state.el_sync, ElSyncState::Synced);
    for block in &chain[12..] {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
    }
    harness.pass(seconds(2)).await;
    assert_eq!(harness.el.safe(), chain[23].block_ref());
    assert_eq!(harness.el.finalized(), chain[9].block_ref());
    harness.stop().await;
}

async fn a_head_of_gossip_is_waited_for_and_yields_when_nobody_serves_it(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    assert_eq!(harness.insert(&chain[20]).await, InsertOutcome::Buffered);
    harness.pass(seconds(6)).await;
    assert_eq!(harness.state().target, Some(chain[20].block_ref().id()));
    let start = Instant::now();
    assert_eq!(
        harness.consolidate(derived(&chain[4])).await,
        safe(&chain[4])
    );
    let waited = start.elapsed();
    assert!((seconds(3)..seconds(8)).contains(&waited), "{waited:?}");
    assert_eq!(harness.state().target, None);
    // The next one of gossip does not hold it up again.
    assert_eq!(harness.insert(&chain[22]).await, InsertOutcome::Buffered);
    let start = Instant::now();
    for block in &chain[5..22] {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
        harness.pass(seconds(1)).await;
        assert_eq!(harness.state().target, None);
    }
    assert_eq!(start.elapsed(), seconds(17));
    harness.pass(seconds(2)).await;
    assert_eq!(harness.el.safe(), chain[21].block_ref());
    assert_eq!(harness.state().unsafe_head, chain[22].block_ref());
    harness.stop().await;
}

async fn the_sequencers_reorg_below_what_is_derived_is_undone(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    for block in &chain[4..8] {
        assert_eq!(harness.consolidate(in_span(block)).await, safe(block));
    }
    // Of another branch, which the EL takes for its head by itself.
    let other = harness.branch(&chain[5], 6, 1);
    harness.el.add_canonical(&other);
    let outcomes = [
        harness.consolidate(in_span(&chain[8])).await,
        harness.consolidate(derived(&chain[9])).await,
    ];
    assert_eq!(outcomes, [safe(&chain[8]), safe(&chain[9])]);
    harness.pass(seconds(15)).await;
    assert_eq!(harness.state().safe_head, chain[9].block_ref());
    assert_eq!(harness.el.safe(), chain[9].block_ref());
    assert_eq!(harness.el.head(), harness.state().unsafe_head);
    harness.stop().await;
}
