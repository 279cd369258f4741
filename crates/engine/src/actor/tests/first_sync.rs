//! Who brings the execution layer its first blocks: its peers, up to a block of gossip, or derivation; and where derivation
//! begins then.

use super::{
    deriving::{at, derived, safe},
    *,
};
use crate::{SyncMode, request::ResetError};

under_each_el! {
    after_the_first_sync_safe_lies_behind_the_head_and_never_is_it,
    a_chain_younger_than_the_offset_is_safe_at_genesis_alone,
    a_node_that_restarts_in_the_middle_waits_for_the_next_block_of_gossip,
    an_el_that_restarts_in_the_middle_is_told_its_target_again,
    what_was_safe_before_the_sync_stays_safe,
    an_el_with_final_blocks_needs_no_first_sync,
    where_derivation_builds_the_chain_a_wide_gap_is_no_target_and_a_narrow_one_is,
}

/// An engine in `--syncmode=execution-layer` that waits for a first block of gossip. Twenty seconds are ten blocks.
async fn syncing(kind: MemoryElKind, arrange: impl FnOnce(&ChainBuilder, &MemoryEl)) -> Harness {
    let harness = starting(kind, arrange).await;
    assert_eq!(harness.state().el_sync, ElSyncState::Syncing, "it waits");
    harness
}

async fn starting(kind: MemoryElKind, arrange: impl FnOnce(&ChainBuilder, &MemoryEl)) -> Harness {
    let builder = ChainBuilder::new();
    let el = MemoryEl::with_kind(&builder, kind);
    arrange(&builder, &el);
    let config = EngineConfig {
        sync_mode: SyncMode::ExecutionLayer,
        el_safe_offset: seconds(20),
        ..EngineConfig::new(builder.config(), SafeSourceKind::Derive)
    };
    let harness = Harness::start_with(config, builder, el);
    harness
        .published_until(|state| !state.unsafe_head.is_zero())
        .await;
    harness
}

impl Harness {
    /// The peers of the EL serve `chain`, and its sync ends.
    async fn synced(&mut self, chain: &[MemoryBlock]) -> EngineState {
        self.el.add(chain);
        let state = self
            .published_until(|state| state.el_sync == ElSyncState::Synced)
            .await;
        self.check();
        state
    }
}

async fn a_chain_younger_than_the_offset_is_safe_at_genesis_alone(kind: MemoryElKind) {
    let mut harness = syncing(kind, |_, _| {}).await;
    let chain = harness.chain(9);
    assert_eq!(harness.insert(&chain[8]).await, InsertOutcome::Buffered);
    let state = harness.synced(&chain).await;
    let genesis = harness.builder.genesis().block_ref();
    assert_eq!(state.unsafe_head, chain[8].block_ref());
    assert_eq!((state.safe_head, state.finalized_head), (genesis, genesis));
    harness.stop().await;
}

async fn a_node_that_restarts_in_the_middle_waits_for_the_next_block_of_gossip(kind: MemoryElKind) {
    let builder = ChainBuilder::new();
    let all = builder.extend(&builder.genesis(), 40, 0);
    let mut harness = syncing(kind, |_, el| el.add_canonical(&all[..15])).await;
    let chain = harness.chain(40);
    harness.pass(seconds(60)).await;
    let state = harness.state();
    assert_eq!(state.safe_head, L2BlockRef::default(), "nothing is known");
    assert_eq!(state.unsafe_head, chain[14].block_ref());
    assert_eq!(harness.insert(&chain[39]).await, InsertOutcome::Buffered);
    let state = harness.synced(&chain).await;
    assert_eq!(state.unsafe_head, chain[39].block_ref());
    assert_eq!(state.safe_head, chain[29].block_ref());
    assert_eq!(state.finalized_head, chain[29].block_ref());
    harness.stop().await;
}

async fn an_el_that_restarts_in_the_middle_is_told_its_target_again(kind: MemoryElKind) {
    let mut harness = syncing(kind, |_, _| {}).await;
    let chain = harness.chain(40);
    harness.insert(&chain[39]).await;
    let target = chain[39].block_ref().id();
    harness
        .published_until(|state| state.target == Some(target))
        .await;
    harness.pass(seconds(5)).await;
    harness.el.restart(0);
    assert_eq!(harness.el.target(), None);
    harness.pass(seconds(15)).await;
    assert_eq!(harness.el.target(), Some(target.hash));
    let state = harness.synced(&chain).await;
    assert_eq!(state.safe_head, chain[29].block_ref());
    harness.stop().await;
}

async fn what_was_safe_before_the_sync_stays_safe(kind: MemoryElKind) {
    let builder = ChainBuilder::new();
    let all = builder.extend(&builder.genesis(), 20, 0);
    let genesis = builder.genesis().hash();
    let mut harness = syncing(kind, |_, el| {
        el.add_canonical(&all[..15]);
        el.set_labels(all[13].hash(), genesis);
    })
    .await;
    let chain = harness.chain(20);
    harness.insert(&chain[19]).await;
    let state = harness.synced(&chain).await;
    assert_eq!(state.safe_head, chain[13].block_ref());
    assert_eq!(state.finalized_head, chain[9].block_ref());
    assert_eq!(harness.el.finalized(), chain[9].block_ref());
    harness.stop().await;
}

async fn an_el_with_final_blocks_needs_no_first_sync(kind: MemoryElKind) {
    let builder = ChainBuilder::new();
    let all = builder.extend(&builder.genesis(), 20, 0);
    let mut harness = starting(kind, |_, el| {
        el.add_canonical(&all[..15]);
        el.set_labels(all[9].hash(), all[4].hash());
    })
    .await;
    let state = harness.state();
    assert_eq!(state.el_sync, ElSyncState::Synced);
    let chain = harness.chain(20);
    assert!(harness.reset_to(&chain[9]).await.is_ok());
    assert_eq!(
        harness.consolidate(derived(&chain[10])).await,
        safe(&chain[10])
    );
    harness.pass(seconds(1)).await;
    assert_eq!(harness.state().finalized_head, chain[4].block_ref());
    harness.stop().await;
}

async fn where_derivation_builds_the_chain_a_wide_gap_is_no_target_and_a_narrow_one_is(
    kind: MemoryElKind,
) {
    let (mut harness, chain) = at(kind, 4).await;
    let far = harness.branch(&chain[23], 500, 0);
    assert_eq!(harness.insert(&far[499]).await, InsertOutcome::Buffered);
    harness.pass(seconds(60)).await;
    assert_eq!(harness.state().target, None);
    assert_eq!(
        harness.consolidate(derived(&chain[4])).await,
        safe(&chain[4])
    );
    assert_eq!(harness.insert(&chain[20]).await, InsertOutcome::Buffered);
    let target = chain[20].block_ref().id();
    harness
        .published_until(|state| state.target == Some(target))
        .await;
    harness.el.add(&chain[..21]);
    harness
        .published_until(|state| state.unsafe_head == chain[20].block_ref())
        .await;
    harness.stop().await;
}

async fn after_the_first_sync_safe_lies_behind_the_head_and_never_is_it(kind: MemoryElKind) {
    let mut harness = syncing(kind, |_, _| {}).await;
    let chain = harness.chain(40);
    assert_eq!(harness.insert(&chain[39]).await, InsertOutcome::Buffered);
    let target = chain[39].block_ref().id();
    let asked = Instant::now();
    harness
        .published_until(|state| state.target == Some(target))
        .await;
    assert_eq!(asked.elapsed(), Duration::ZERO, "no gap has to grow old");
    harness.pass(seconds(30)).await;
    assert_eq!(harness.state().safe_head, L2BlockRef::default());
    harness.el.add(&chain);
    let state = harness
        .published_until(|state| state.el_sync == ElSyncState::Synced)
        .await;
    harness.check();
    // Twenty seconds are ten blocks.
    assert_eq!(state.unsafe_head, chain[39].block_ref());
    assert_eq!(state.safe_head, chain[29].block_ref());
    assert_eq!(state.finalized_head, chain[29].block_ref());
    assert_eq!(harness.el.finalized(), chain[29].block_ref());
    assert!(matches!(
        harness.reset_to(&chain[10]).await,
        Err(ResetError::Refused(_))
    ));
    assert!(harness.reset_to(&chain[29]).await.is_ok());
    for block in &chain[30..] {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
    }
    harness.pass(seconds(1)).await;
    assert_eq!(harness.el.safe(), chain[39].block_ref());
    harness.stop().await;
}
