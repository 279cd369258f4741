//! Derivation beside an execution layer that loses what it had in the middle of something: a build, a reorg, a span, labels.

use super::{
    deriving::{at, derived, in_span, safe, span, with_transaction},
    *,
};
use crate::request::{ConsolidateOutcome, ResetReason};
use alloy_rpc_types_engine::PayloadStatusEnum;
use light_node_engine_api::memory::Scripted;

under_each_el! {
    an_el_that_restarts_between_build_and_payload_builds_again,
    an_el_that_comes_back_on_another_branch_has_derivation_begin_anew,
    a_span_whose_blocks_are_lost_in_its_middle_has_derivation_begin_anew,
    an_executed_block_that_the_el_forgot_is_sent_again,
    what_is_waited_for_in_vain_has_derivation_begin_anew,
    a_forkchoice_that_calls_an_executed_block_invalid_says_nothing_of_its_batch,
    a_restart_of_derivation_leaves_no_target_of_ours,
    a_refused_block_whose_replacement_got_lost_is_replaced_once,
    what_came_back_by_itself_is_left_for_another_branch_of_l1,
    what_was_lost_and_taken_back_by_l1_is_held_until_that_is_read,
}

fn lost() -> ConsolidateOutcome {
    ConsolidateOutcome::Reset(ResetReason::ElLostBlocks)
}

fn status(status: PayloadStatusEnum) -> Scripted {
    Scripted::Status(status)
}

impl Harness {
    /// Lets the next `count` calls of `kind` through.
    fn pass_calls(&self, kind: CallKind, count: usize) {
        for _ in 0..count {
            self.el.script(kind, Scripted::Delay(Duration::ZERO));
        }
    }

    /// Derivation finds its start at the first `count` blocks of `chain`, and all of the rest becomes safe.
    async fn derive_on(&mut self, chain: &[MemoryBlock], count: usize) {
        self.safe_may_fall = true;
        let state = self
            .published_until(|state| state.el_sync == ElSyncState::Synced)
            .await;
        assert_eq!(state.target, None);
        assert!(self.reset_to(&chain[count - 1]).await.is_ok());
        let rest = &chain[count..];
        let outcomes = self.consolidate_all(span(rest)).await;
        assert_eq!(outcomes, rest.iter().map(safe).collect::<Vec<_>>());
        self.pass(seconds(2)).await;
        let tip = chain[chain.len() - 1].block_ref();
        assert_eq!((self.el.head(), self.el.safe()), (tip, tip));
        assert_eq!(self.state().safe_head, tip);
    }
}

async fn an_el_that_restarts_between_build_and_payload_builds_again(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    let delay = Scripted::Delay(seconds(1));
    harness.el.script(CallKind::GetPayload, delay);
    let el = Arc::clone(&harness.el);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        el.restart(0);
    });
    let outcomes = harness.consolidate_all(span(&chain[4..8])).await;
    assert_eq!(outcomes, chain[4..8].iter().map(safe).collect::<Vec<_>>());
    assert_eq!(harness.state().reset_epoch, 1);
    assert_eq!(harness.el.safe(), chain[7].block_ref());
    harness.stop().await;
}

async fn an_el_that_comes_back_on_another_branch_has_derivation_begin_anew(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    let other = harness.branch(&chain[3], 9, 1);
    for block in &chain[4..10] {
        harness.insert(block).await;
    }
    // The EL is not asked about them, and their labels do not reach it.
    harness.el.set_down(true);
    let outcomes = harness.consolidate_all(span(&chain[4..10])).await;
    assert_eq!(outcomes, chain[4..10].iter().map(safe).collect::<Vec<_>>());
    harness.el.restart(6);
    harness.el.add_canonical(&other);
    harness.el.set_down(false);
    let state = harness.published_until(|state| state.reset_epoch > 1).await;
    assert_eq!(state.safe_head, chain[3].block_ref());
    harness.derive_on(&chain[..12], 4).await;
    harness.stop().await;
}

async fn a_span_whose_blocks_are_lost_in_its_middle_has_derivation_begin_anew(kind: MemoryElKind) {
    let mut harness = Harness::deriving_before_holocene(kind, 1_000_000).await;
    let chain = harness.chain(12);
    let other = harness.branch(&chain[3], 6, 1);
    let mut outcomes = harness.consolidate_all(span(&chain[..4])).await;
    for block in &chain[4..8] {
        outcomes.push(harness.consolidate(in_span(block)).await);
    }
    assert_eq!(outcomes, chain[..8].iter().map(safe).collect::<Vec<_>>());
    harness.el.restart(4);
    harness.el.add_canonical(&other);
    assert_eq!(harness.consolidate(in_span(&chain[8])).await, lost());
    let state = harness.state();
    assert_eq!(state.safe_head, chain[3].block_ref());
    assert_eq!(state.pending_safe_head, chain[3].block_ref());
    harness.derive_on(&chain, 4).await;
    harness.stop().await;
}

async fn an_executed_block_that_the_el_forgot_is_sent_again(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    for block in &harness.branch(&chain[3], 6, 1) {
        harness.insert(block).await;
    }
    // It says so, and has lost it a moment later.
    let valid = status(PayloadStatusEnum::Valid);
    harness.el.script(CallKind::NewPayload, valid);
    assert_eq!(
        harness.consolidate(derived(&chain[4])).await,
        safe(&chain[4])
    );
    harness.pass(seconds(1)).await;
    assert_eq!(harness.el.head(), chain[4].block_ref());
    assert_eq!(harness.el.safe(), chain[4].block_ref());
    assert_eq!(harness.state().reset_epoch, 1);
    harness.stop().await;
}

async fn what_is_waited_for_in_vain_has_derivation_begin_anew(kind: MemoryElKind) {
    let mut harness = Harness::deriving_before_holocene(kind, 1_000_000).await;
    let chain = harness.chain(12);
    let branch = harness.branch(&chain[5], 6, 1);
    let above = harness.branch(&chain[3], 9, 2);
    harness.consolidate_all(span(&chain[..4])).await;
    for block in chain[4..6].iter().chain(&branch) {
        harness.insert(block).await;
    }
    for block in &chain[4..6] {
        assert_eq!(harness.consolidate(in_span(block)).await, safe(block));
    }
    // The next one takes the place of the branch; before the EL gets to it, it loses all of the span.
    harness.pass_calls(CallKind::ForkchoiceUpdated, 1);
    let syncing = status(PayloadStatusEnum::Syncing);
    harness.el.script(CallKind::ForkchoiceUpdated, syncing);
    let waits = harness.engine.consolidate(1, in_span(&chain[6]));
    harness
        .published_until(|state| state.target.is_some())
        .await;
    harness.el.restart(8);
    harness.el.add_canonical(&above);
    assert_eq!(waits.await, Ok(lost()));
    harness.derive_on(&chain, 4).await;
    harness.stop().await;
}

async fn a_forkchoice_that_calls_an_executed_block_invalid_says_nothing_of_its_batch(
    kind: MemoryElKind,
) {
    for replaces in [false, true] {
        let (mut harness, chain) = at(kind, 4).await;
        for block in harness.branch(&chain[3], 2, 1).iter().filter(|_| replaces) {
            harness.insert(block).await;
        }
        harness.pass_calls(CallKind::ForkchoiceUpdated, 1);
        let invalid = PayloadStatusEnum::Invalid {
            validation_error: "a bad day".to_owned(),
        };
        harness
            .el
            .script(CallKind::ForkchoiceUpdated, status(invalid));
        let outcome = harness.consolidate(derived(&chain[4])).await;
        assert!(
            matches!(
                outcome,
                ConsolidateOutcome::Reset(ResetReason::ParentRefused { .. })
            ),
            "{outcome:?}"
        );
        assert_eq!(harness.state().safe_head, chain[3].block_ref());
        harness.derive_on(&chain[..8], 4).await;
        harness.stop().await;
    }
}

async fn a_restart_of_derivation_leaves_no_target_of_ours(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    for block in &harness.branch(&chain[3], 6, 1) {
        harness.insert(block).await;
    }
    harness.pass_calls(CallKind::ForkchoiceUpdated, 1);
    for _ in 0..200 {
        let syncing = status(PayloadStatusEnum::Syncing);
        harness.el.script(CallKind::ForkchoiceUpdated, syncing);
    }
    let waits = harness.engine.consolidate(1, derived(&chain[4]));
    harness
        .published_until(|state| state.target.is_some())
        .await;
    harness.engine.restart_derivation().await.unwrap();
    assert_eq!(waits.await, Ok(ConsolidateOutcome::Stale));
    assert_eq!(harness.state().target, None);
    harness.el.clear_script();
    harness.derive_on(&chain[..8], 4).await;
    harness.stop().await;
}

async fn a_refused_block_whose_replacement_got_lost_is_replaced_once(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 4).await;
    harness.el.leave_out_transactions(true);
    // Of the first attempt the build without transactions is applied, and its last answer lost.
    harness.pass_calls(CallKind::ForkchoiceUpdated, 2);
    let cause = ElError::Transport {
        endpoint: "memory".to_owned(),
        cause: "connection reset".to_owned(),
    };
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, Scripted::ApplyThenError(cause));
    let outcome = harness.consolidate(with_transaction(&chain[4])).await;
    let deposits = ConsolidateOutcome::DepositsOnly(chain[4].block_ref());
    assert_eq!(outcome, deposits);
    harness.pass(seconds(1)).await;
    let state = harness.state();
    assert_eq!((state.epoch, state.reset_epoch), (1, 1));
    assert_eq!(state.safe_head, chain[4].block_ref());
    assert_eq!(harness.el.safe(), chain[4].block_ref());
    harness.stop().await;
}

async fn what_came_back_by_itself_is_left_for_another_branch_of_l1(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 10).await;
    harness.el.restart(6);
    assert_eq!(harness.consolidate(derived(&chain[10])).await, lost());
    assert!(harness.reset_to(&chain[1]).await.is_ok());
    assert_eq!(
        harness.consolidate(derived(&chain[2])).await,
        safe(&chain[2])
    );
    // The peers of the EL bring all of it back before derivation is there; then L1 turns out to say something else.
    harness.el.add_canonical(&chain[..12]);
    harness.insert(&chain[12]).await;
    harness.pass(seconds(70)).await;
    let other = harness.branch(&chain[2], 10, 1);
    let outcome = harness.consolidate(derived(&other[0])).await;
    let is_contradicted = matches!(
        outcome,
        ConsolidateOutcome::Reset(ResetReason::Contradicted(_)) | ConsolidateOutcome::Safe(_)
    );
    assert!(is_contradicted, "{outcome:?}");
    let branch = [&chain[..3], &other[..]].concat();
    harness.derive_on(&branch, 2).await;
    harness.stop().await;
}

/// A reorg of L1 took the batches of the lost blocks along, and brings fewer of them.
async fn what_was_lost_and_taken_back_by_l1_is_held_until_that_is_read(kind: MemoryElKind) {
    let (mut harness, chain) = at(kind, 10).await;
    harness.safe_may_fall = true;
    let read = ChainBuilder::l1_block(110, 0);
    harness.engine.cursor(read).await.unwrap();
    let before = harness
        .published_until(|state| state.current_l1 == read)
        .await;
    harness.el.restart(6);
    assert_eq!(harness.consolidate(derived(&chain[10])).await, lost());
    assert!(harness.reset_to(&chain[3]).await.is_ok());
    let other = harness.branch(&chain[3], 3, 1);
    for block in &other {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
    }
    // The lost blocks may have been in what comes next.
    for number in [109, 110] {
        let cursor = ChainBuilder::l1_block(number, 1);
        harness.engine.cursor(cursor).await.unwrap();
        harness.pass(seconds(1)).await;
        let state = harness.state();
        assert_eq!(state.safe_head, before.safe_head, "heads hold");
        assert_eq!(state.current_l1, read);
    }
    let cursor = ChainBuilder::l1_block(111, 1);
    harness.engine.cursor(cursor).await.unwrap();
    let state = harness
        .published_until(|state| state.current_l1 == cursor)
        .await;
    assert_eq!(state.el_sync, ElSyncState::Synced);
    assert_eq!(state.safe_head, other[2].block_ref());
    assert_eq!(state.unsafe_head, other[2].block_ref());
    assert_eq!(state.finalized_head, before.finalized_head);
    harness.stop().await;
}
