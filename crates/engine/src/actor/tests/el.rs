//! Execution layers that are exchanged, get nowhere, are killed or backfill, under each kind of EL.

use super::*;
use crate::sync_watch::SyncReport;
use light_node_engine_api::{ElSyncing, JwtRefusal, memory::Scripted};

under_each_el! {
    the_el_of_another_chain_holds_the_heads_until_ours_is_back,
    the_el_of_another_chain_is_found_also_when_no_call_failed,
    an_el_that_stands_still_makes_no_progress_after_a_minute,
    an_el_that_syncs_for_hours_makes_progress_and_then_all_is_there,
    a_killed_el_is_brought_back_without_help,
    an_el_wiped_to_genesis_is_brought_back_without_help,
    a_loss_is_found_although_the_source_runs_ahead,
    a_loss_is_found_while_a_target_is_waited_for,
    an_el_that_imports_another_branch_from_below_has_lost_nothing,
    a_backfill_is_waited_for,
    accepted_is_no_valid,
    a_null_block_of_a_once_valid_head_is_a_loss,
    an_update_costs_one_forkchoice_and_one_batch_of_reads,
}

/// An engine that follows up to block 6, finalized block 4; the EL has 8 more by gossip.
async fn following(kind: MemoryElKind) -> (Harness, Vec<MemoryBlock>) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(20);
    for block in &chain[..14] {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
    }
    let update = Harness::update(&chain[5], Some(&chain[3]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    (harness, chain)
}

impl Harness {
    /// Polls each second, as the follow actor does, until the engine is at `block`; all its blocks are with the EL's peers.
    async fn follow_until(&mut self, chain: &[MemoryBlock], finalized: &MemoryBlock) {
        let last = chain.last().unwrap();
        for _ in 0..120 {
            self.el.add(chain);
            self.follow(Self::update(last, Some(finalized))).await;
            self.pass(seconds(1)).await;
            let state = self.state();
            if (state.safe_head, state.el_sync) == (last.block_ref(), ElSyncState::Synced) {
                assert_eq!(self.el.safe(), last.block_ref());
                assert_eq!(self.el.finalized(), finalized.block_ref());
                return;
            }
        }
        panic!("never arrived: {:?}", self.state());
    }

    fn sync(&self) -> Option<SyncReport> {
        self.engine.status().sync
    }
}

async fn the_el_of_another_chain_holds_the_heads_until_ours_is_back(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    harness.el.set_down(true);
    let update = Harness::update(&chain[7], Some(&chain[3]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Skipped);
    assert!(!harness.engine.status().el_wrong_chain);
    harness.el.set_chain_id(10);
    harness.el.set_down(false);
    let before = harness.state();
    harness.forkchoices();
    for _ in 0..60 {
        assert_eq!(harness.follow(update).await, FollowOutcome::Skipped);
        harness.pass(seconds(1)).await;
    }
    let status = harness.engine.status();
    assert!(status.el_wrong_chain && !status.is_answering());
    let words = status.last_error.unwrap();
    assert!(
        words.contains("chain 10") && words.contains("--l2"),
        "{words}"
    );
    assert_eq!(harness.state(), before);
    assert_eq!(harness.forkchoices(), [], "nothing goes to a foreign chain");

    harness.el.set_chain_id(901);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    let status = harness.engine.status();
    assert!(!status.el_wrong_chain && status.is_answering());
    harness.stop().await;
}

async fn the_el_of_another_chain_is_found_also_when_no_call_failed(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let before = harness.state();
    harness.el.restart(14);
    harness.el.set_chain_id(10);
    let update = Harness::update(&chain[7], Some(&chain[3]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Skipped);
    assert!(harness.engine.status().el_wrong_chain);
    assert_eq!(harness.state(), before, "another chain is no loss");
    harness.el.set_chain_id(901);
    harness.follow_until(&chain, &chain[3]).await;
    harness.stop().await;
}

async fn an_el_that_stands_still_makes_no_progress_after_a_minute(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    harness.el.set_syncing(Some(ElSyncing::Idle));
    let far = harness.branch(&chain[19], 30, 0);
    let update = Harness::update(&far[29], None);
    for second in 0..120 {
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        let stuck = harness.engine.status().no_progress().is_some();
        assert_eq!(stuck, second >= 60, "after {second} s");
        harness.pass(seconds(1)).await;
    }
    let report = harness.sync().unwrap();
    assert_eq!((report.el_head, report.blocks_left()), (14, 36));
    assert_eq!(
        (report.target, report.eta()),
        (far[29].block_ref().id(), None)
    );

    // One block a second: a rate, and the time that is left.
    for block in chain[14..].iter().chain(&far[..14]) {
        harness.el.add(std::slice::from_ref(block));
        harness.el.set_head(block.hash());
        harness.pass(seconds(1)).await;
    }
    let report = harness.sync().unwrap();
    assert!(!report.no_progress);
    assert!(report.blocks_per_second() > 0.2, "{report:?}");
    assert!(report.eta().is_some());
    harness
        .follow_until(&[&chain[..], &far[..]].concat(), &chain[3])
        .await;
    assert_eq!(harness.sync(), None);
    harness.stop().await;
}

async fn an_el_that_syncs_for_hours_makes_progress_and_then_all_is_there(kind: MemoryElKind) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(20);
    let update = Harness::update(&chain[19], Some(&chain[9]));
    for minute in 0..240 {
        // Its head stands still while its stages move.
        harness.el.set_syncing(Some(ElSyncing::Syncing {
            current: 0,
            highest: 20,
            marks: minute,
        }));
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        harness.pass(seconds(60)).await;
        assert_eq!(harness.engine.status().no_progress(), None);
    }
    assert!(harness.forkchoices().len() < 240 * 6, "one each 12 s");
    harness.follow_until(&chain, &chain[9]).await;
    harness.stop().await;
}

async fn a_killed_el_is_brought_back_without_help(kind: MemoryElKind) {
    for lost in [0, 1, 5, 9, 12] {
        let (mut harness, chain) = following(kind).await;
        harness.el.set_down(true);
        harness.pass(seconds(3)).await;
        harness.el.restart(lost);
        harness.el.set_down(false);
        harness.follow_until(&chain, &chain[9]).await;
        assert_eq!(harness.state().unsafe_head, chain[19].block_ref());
        harness.stop().await;
    }
}

async fn an_el_wiped_to_genesis_is_brought_back_without_help(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    harness.el.restart(14);
    let update = Harness::update(&chain[7], Some(&chain[3]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    assert_eq!(harness.state().el_sync, ElSyncState::LostBlocks);
    harness.follow_until(&chain, &chain[9]).await;
    harness.stop().await;
}

async fn a_loss_is_found_although_the_source_runs_ahead(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let before = harness.state();
    harness.el.restart(14);
    let update = Harness::update(&chain[15], Some(&chain[3]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    let state = harness.state();
    assert_eq!(state.el_sync, ElSyncState::LostBlocks);
    let heads = |state: &EngineState| (state.unsafe_head, state.safe_head, state.finalized_head);
    assert_eq!(heads(&state), heads(&before), "published heads hold");
    assert_eq!(state.target, Some(chain[15].block_ref().id()));
    harness.follow_until(&chain, &chain[9]).await;
    harness.stop().await;
}

async fn a_loss_is_found_while_a_target_is_waited_for(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let update = Harness::update(&chain[19], Some(&chain[3]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    assert_eq!(harness.state().el_sync, ElSyncState::Syncing);
    harness.el.restart(14);
    harness.pass(seconds(6)).await;
    assert_eq!(harness.state().el_sync, ElSyncState::LostBlocks);
    harness.follow_until(&chain, &chain[9]).await;
    harness.stop().await;
}

async fn an_el_that_imports_another_branch_from_below_has_lost_nothing(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let before = harness.state();
    let other = harness.branch(&chain[3], 9, 1);
    let update = FollowUpdate {
        safe_may_move: true,
        ..Harness::update(&other[8], Some(&chain[3]))
    };
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    for imported in 1..8 {
        harness.el.add(&other[..imported]);
        harness.el.set_head(other[imported - 1].hash());
        harness.pass(seconds(3)).await;
        let state = harness.state();
        assert_eq!(state.el_sync, ElSyncState::Syncing, "{imported}");
        assert_eq!(
            state.unsafe_head, before.unsafe_head,
            "published heads hold"
        );
    }
    harness.el.add(&other);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.safe_head, other[8].block_ref());
    harness.stop().await;
}

async fn a_backfill_is_waited_for(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    harness.el.set_backfilling(true);
    let far = harness.branch(&chain[19], 10, 0);
    for block in &far {
        harness.follow(Harness::update(block, None)).await;
        harness.pass(seconds(2)).await;
    }
    assert_eq!(harness.state().unsafe_head, chain[13].block_ref());
    harness.el.add(&chain);
    harness.el.add(&far);
    harness.el.set_backfilling(false);
    harness
        .follow_until(&[&chain[..], &far[..]].concat(), &chain[9])
        .await;
    harness.stop().await;
}

async fn accepted_is_no_valid(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let before = harness.state();
    let accepted = alloy_rpc_types_engine::PayloadStatusEnum::Accepted;
    for _ in 0..2 {
        harness.el.script(
            CallKind::ForkchoiceUpdated,
            Scripted::Status(accepted.clone()),
        );
    }
    let update = Harness::update(&chain[15], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    let state = harness.state();
    assert_eq!(
        (state.unsafe_head, state.safe_head),
        (before.unsafe_head, before.safe_head)
    );
    assert_eq!(state.target, Some(chain[15].block_ref().id()));
    harness.follow_until(&chain, &chain[9]).await;
    harness.stop().await;
}

async fn a_null_block_of_a_once_valid_head_is_a_loss(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    harness.el.restart(6);
    assert_eq!(harness.el.known(chain[13].hash()), None);
    let update = Harness::update(&chain[7], Some(&chain[3]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.state().unsafe_head, chain[7].block_ref());
    harness.stop().await;
}

async fn an_update_costs_one_forkchoice_and_one_batch_of_reads(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    harness.take_calls();
    let engine = harness.engine.clone();
    // Up to our head labels move; above it the source's block is new to the EL's chain.
    harness.el.add(&chain);
    for block in &chain[6..] {
        let outcome = engine.follow(Harness::update(block, None)).await.unwrap();
        assert_eq!(outcome, FollowOutcome::Applied);
        let calls = harness.take_calls();
        assert_eq!(
            calls,
            [CallKind::Blocks, CallKind::ForkchoiceUpdated],
            "{}",
            block.number()
        );
    }
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn beside_an_old_op_geth_without_gossip_the_node_says_that_nothing_comes() {
    let (mut harness, chain) = following(MemoryElKind::OldGeth).await;
    let update = Harness::update(&chain[19], None);
    for _ in 0..70 {
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        harness.el.add(&chain);
        harness.pass(seconds(1)).await;
        if harness.state().target.is_none() {
            break;
        }
    }
    // The blocks that came made it VALID; without them it stays where it is.
    let far = harness.branch(&chain[19], 30, 0);
    let update = Harness::update(&far[29], None);
    for _ in 0..70 {
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        harness.pass(seconds(1)).await;
    }
    assert_eq!(harness.el.target(), None, "it has not even begun");
    assert!(harness.engine.status().no_progress().is_some());
    assert!(SyncReport::NO_PROGRESS_HINT.contains("payloads of gossip"));
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_jwt_is_named_with_its_remedy_from_the_first_refusal_on() {
    let builder = ChainBuilder::new();
    let el = MemoryEl::new(&builder);
    let refusal = JwtRefusal {
        status: 401,
        secret_file: Some("/etc/jwt.hex".into()),
        ..Default::default()
    };
    let error = ElError::Unauthorized(Box::new(refusal));
    el.script(CallKind::ChainId, Scripted::Error(error));
    let harness = Harness::start(builder, Arc::clone(&el));
    el.wait_until(|el| el.count(CallKind::ChainId) == 1).await;
    tokio::task::yield_now().await;
    let words = harness.engine.status().last_error.unwrap();
    assert!(words.contains("--l2.jwt-secret (/etc/jwt.hex)"), "{words}");
    harness.token.cancel();
}
