//! The sequencer's three steps.

use super::*;
use crate::request::{BuildOutcome, CommitOutcome, SealOutcome};
use alloy_rpc_types_engine::PayloadId;
use light_node_engine_api::{ElSyncing, memory::Scripted};
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;

impl Harness {
    async fn build(&self, parent: &MemoryBlock, salt: u64) -> BuildOutcome {
        let origin = parent.block_ref().l1_origin;
        let attributes = self.builder.attributes(parent, origin, salt);
        let epoch = self.state().epoch;
        let built = self.engine.build(epoch, parent.hash(), attributes).await;
        built.unwrap()
    }

    async fn start_build(&self, parent: &MemoryBlock) -> PayloadId {
        match self.build(parent, 0).await {
            BuildOutcome::Started(id) => id,
            other => panic!("{other:?}"),
        }
    }

    async fn seal(&self, id: PayloadId) -> OpExecutionPayloadEnvelope {
        match self.engine.seal(id).await.unwrap() {
            SealOutcome::Sealed(envelope) => *envelope,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_is_built_sealed_and_committed() {
    let mut harness = Harness::fresh().await;
    let next = harness.chain(1);
    let genesis = harness.builder.genesis();
    let id = harness.start_build(&genesis).await;
    let envelope = harness.seal(id).await;
    assert_eq!(
        harness.state().unsafe_head,
        genesis.block_ref(),
        "sealed is not head"
    );
    assert_eq!(
        envelope, next[0].envelope,
        "the attributes name this very block"
    );
    assert_eq!(
        harness.engine.commit(envelope.clone()).await,
        Ok(CommitOutcome::Committed)
    );
    assert_eq!(harness.state().unsafe_head, next[0].block_ref());
    assert_eq!(
        harness.engine.commit(envelope).await,
        Ok(CommitOutcome::Committed),
        "again"
    );
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_built_on_another_head_or_while_a_target_is_pending() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(5);
    assert_eq!(harness.build(&chain[0], 0).await, BuildOutcome::HeadChanged);
    harness.follow(Harness::update(&chain[4], None)).await;
    let genesis = harness.builder.genesis();
    assert_eq!(harness.build(&genesis, 0).await, BuildOutcome::Syncing);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_of_gossip_that_nobody_serves_holds_the_sequencer_up_for_a_minute_at_most() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(3);
    for block in &chain {
        harness.insert(block).await;
    }
    harness.el.set_syncing(Some(ElSyncing::Idle));
    let other = harness.branch(&chain[1], 9, 1);
    assert_eq!(harness.insert(&other[8]).await, InsertOutcome::Buffered);
    let target = Some(other[8].block_ref().id());
    harness
        .published_until(|state| state.target == target)
        .await;
    let start = Instant::now();
    // What is safe is our head already: the source has nothing to say for which it would yield.
    let update = Harness::update(&chain[2], None);
    assert_eq!(harness.build(&chain[2], 0).await, BuildOutcome::Syncing);
    while harness.state().target.is_some() {
        harness.follow(update).await;
        harness.pass(seconds(1)).await;
        assert!(
            start.elapsed() < seconds(120),
            "the sequencer waits for ever"
        );
    }
    assert_eq!(harness.state().el_sync, ElSyncState::Synced);
    assert!(harness.engine.status().no_progress().is_some());
    harness.forkchoices();
    harness.pass(seconds(30)).await;
    let sent = harness.forkchoices();
    assert!(!sent.is_empty(), "until somebody builds it is asked for");
    let built = harness.build(&chain[2], 0).await;
    assert!(matches!(built, BuildOutcome::Started(_)), "{built:?}");
    assert!(start.elapsed() >= seconds(55), "{:?}", start.elapsed());
    // Nor does the next one of gossip hold it up at once.
    let far = harness.branch(&other[8], 3, 1);
    harness.insert(&far[2]).await;
    harness.pass(seconds(60)).await;
    assert_eq!(harness.state().target, None);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_by_the_source_drops_the_build_and_older_epochs_are_stale() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(3);
    for block in &chain {
        harness.insert(block).await;
    }
    let id = harness.start_build(&chain[2]).await;
    let envelope = harness.seal(id).await;
    let other = harness.branch(&chain[0], 3, 1);
    harness.el.add(&other);
    harness.follow(Harness::update(&other[2], None)).await;
    assert_eq!(harness.engine.seal(id).await, Ok(SealOutcome::Dropped));
    assert_eq!(
        harness.engine.commit(envelope).await,
        Ok(CommitOutcome::HeadChanged)
    );
    let attributes = harness
        .builder
        .attributes(&other[2], other[2].block_ref().l1_origin, 0);
    let stale = harness.engine.build(0, other[2].hash(), attributes).await;
    assert_eq!(stale, Ok(BuildOutcome::Stale));
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_answered_and_the_build_stays_open() {
    let harness = Harness::fresh().await;
    let genesis = harness.builder.genesis();
    let id = harness.start_build(&genesis).await;
    harness.el.script(CallKind::GetPayload, Scripted::Hang);
    let failed = harness.engine.seal(id).await;
    assert!(
        matches!(failed, Ok(SealOutcome::Failed { .. })),
        "{failed:?}"
    );
    let envelope = harness.seal(id).await;
    harness.el.script(CallKind::NewPayload, Scripted::Hang);
    let failed = harness.engine.commit(envelope.clone()).await;
    assert!(
        matches!(failed, Ok(CommitOutcome::Failed { .. })),
        "{failed:?}"
    );
    assert_eq!(
        harness.engine.commit(envelope).await,
        Ok(CommitOutcome::Committed)
    );
    harness.token.cancel();
}

#[tokio::test(start_paused = true)]
async fn attributes_that_the_el_refuses_are_answered_with_its_words() {
    let harness = Harness::fresh().await;
    let genesis = harness.builder.genesis();
    let mut attributes = harness
        .builder
        .attributes(&genesis, genesis.block_ref().l1_origin, 0);
    let good = attributes.clone();
    attributes.payload_attributes.timestamp = 1;
    let refused = harness.engine.build(0, genesis.hash(), attributes).await;
    assert!(
        matches!(refused, Ok(BuildOutcome::InvalidAttributes { .. })),
        "{refused:?}"
    );
    let reason = "minimum base fee is missing".to_owned();
    let bad_parameters = Scripted::Error(ElError::Rpc {
        method: "engine_forkchoiceUpdatedV3",
        code: ElError::INVALID_PARAMS,
        message: reason.clone(),
    });
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, bad_parameters);
    let refused = harness.engine.build(0, genesis.hash(), good).await;
    assert_eq!(refused, Ok(BuildOutcome::InvalidAttributes { reason }));
    harness.token.cancel();
}

#[tokio::test(start_paused = true)]
async fn an_older_block_is_built_on_only_once_the_origin_of_our_head_has_left_l1() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(5);
    for block in &chain {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
    }
    harness.follow(Harness::update(&chain[1], None)).await;
    assert_eq!(harness.build(&chain[2], 7).await, BuildOutcome::HeadChanged);
    harness.engine.reset_keeping_heads().await.unwrap();
    harness.published_until(|state| state.epoch == 1).await;
    // Not below what is safe.
    assert_eq!(harness.build(&chain[0], 7).await, BuildOutcome::HeadChanged);
    let BuildOutcome::Started(id) = harness.build(&chain[2], 7).await else {
        panic!("no build");
    };
    let envelope = harness.seal(id).await;
    let hash = envelope.execution_payload.block_hash();
    harness.branch(&chain[2], 1, 7);
    let committed = harness.engine.commit(envelope).await.unwrap();
    assert_eq!(committed, CommitOutcome::Committed);
    assert_eq!(harness.state().unsafe_head.hash, hash);
    assert_eq!(harness.state().epoch, 2);
    harness.stop().await;
}
