//! What the sequencer asks beside its blocks: the unsafe head of its source, a way back below its own head, and what becomes of
//! its builds when the EL has lost blocks.

use super::*;
use crate::request::BuildOutcome;
use light_node_engine_api::ElSyncing;

impl Harness {
    async fn try_build(&self, parent: &MemoryBlock) -> BuildOutcome {
        let origin = parent.block_ref().l1_origin;
        let attributes = self.builder.attributes(parent, origin, 0);
        let epoch = self.state().epoch;
        let built = self.engine.build(epoch, parent.hash(), attributes).await;
        built.unwrap()
    }

    /// Five blocks, the second of which is safe.
    async fn sequenced() -> (Self, Vec<MemoryBlock>) {
        let mut harness = Self::fresh().await;
        let chain = harness.chain(8);
        for block in &chain[..5] {
            assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
        }
        harness.follow(Self::update(&chain[1], None)).await;
        (harness, chain)
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_fetched_becomes_ours_when_the_el_has_it() {
    let (harness, chain) = Harness::sequenced().await;
    let head = chain[7].block_ref().id();
    assert_eq!(harness.engine.fetch(head).await, Ok(true));
    assert_eq!(harness.state().target, Some(head));
    assert_eq!(harness.engine.fetch(head).await, Ok(false), "under way");
    assert_eq!(harness.try_build(&chain[4]).await, BuildOutcome::Syncing);
    harness.el.add(&chain);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, chain[7].block_ref());
    assert_eq!((state.safe_head, state.epoch), (chain[1].block_ref(), 0));
    assert_eq!(harness.engine.fetch(head).await, Ok(false), "it is ours");
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_nobody_has_is_given_up_also_when_the_source_is_silent() {
    let (mut harness, chain) = Harness::sequenced().await;
    let asked_at = Instant::now();
    assert_eq!(
        harness.engine.fetch(chain[7].block_ref().id()).await,
        Ok(true)
    );
    // One word of the source, and no other: the update belongs to the target from now on.
    let update = Harness::update(&chain[2], None);
    harness.follow(update).await;
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, chain[4].block_ref());
    assert!(asked_at.elapsed() < seconds(60), "{:?}", asked_at.elapsed());
    let built = harness.try_build(&chain[4]).await;
    assert!(matches!(built, BuildOutcome::Started(_)), "{built:?}");
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_not_on_the_safe_chain_is_fetched_and_refused() {
    let (mut harness, chain) = Harness::sequenced().await;
    let other = harness.branch(&chain[0], 7, 1);
    harness.el.add(&other);
    harness
        .engine
        .fetch(other[6].block_ref().id())
        .await
        .unwrap();
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, chain[4].block_ref());
    assert_eq!(harness.el.head(), chain[4].block_ref());
    let again = harness.engine.fetch(other[6].block_ref().id()).await;
    assert_eq!(again, Ok(false), "it was refused");
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_is_on_l1_again_ends_the_leave_to_reorganise() {
    let (mut harness, chain) = Harness::sequenced().await;
    harness.engine.reset_keeping_heads().await.unwrap();
    let state = harness.published_until(|state| state.epoch == 1).await;
    assert!(state.origin_left_l1);
    harness.engine.origin_stands().await.unwrap();
    harness.published_until(|state| !state.origin_left_l1).await;
    assert_eq!(
        harness.try_build(&chain[2]).await,
        BuildOutcome::HeadChanged
    );
    // Nor does anybody's block at the height of our head, or below it, take its place.
    let other = harness.branch(&chain[2], 1, 1);
    assert_eq!(harness.insert(&other[0]).await, InsertOutcome::Buffered);
    assert_eq!(harness.state().unsafe_head, chain[4].block_ref());
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_nothing_is_built_on_a_block_beside_the_safe_one() {
    let mut chain = Vec::new();
    let mut other = Vec::new();
    let mut harness = Harness::beside(ChainBuilder::new(), |builder, el| {
        chain = builder.extend(&builder.genesis(), 5, 0);
        other = builder.extend(&chain[0], 4, 1);
        el.add(&other);
        el.add_canonical(&chain);
    })
    .await;
    for block in chain.iter().chain(&other) {
        harness.blocks.insert(block.hash(), block.block_ref());
    }
    harness.follow(Harness::update(&chain[1], None)).await;
    harness.engine.reset_keeping_heads().await.unwrap();
    harness.published_until(|state| state.epoch == 1).await;
    // This engine has just been started and remembers nothing: it looks, and the EL has gone elsewhere by itself.
    harness.el.set_head(other[3].hash());
    for block in &other[..2] {
        assert_eq!(harness.try_build(block).await, BuildOutcome::HeadChanged);
    }
    harness.el.set_head(chain[4].hash());
    let built = harness.try_build(&chain[1]).await;
    assert!(matches!(built, BuildOutcome::Started(_)), "{built:?}");
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_of_gossip_yields_to_who_begins_on_ours() {
    let (mut harness, chain) = Harness::sequenced().await;
    let at_length = Some(ElSyncing::Syncing {
        current: 4,
        highest: 7,
        marks: 0,
    });
    harness.el.set_syncing(at_length);
    assert_eq!(harness.insert(&chain[7]).await, InsertOutcome::Buffered);
    harness.pass(seconds(6)).await;
    assert_eq!(harness.state().target, Some(chain[7].block_ref().id()));
    assert_eq!(harness.try_build(&chain[4]).await, BuildOutcome::Syncing);
    harness.engine.begin_here().await.unwrap();
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, chain[4].block_ref());
    let built = harness.try_build(&chain[4]).await;
    assert!(matches!(built, BuildOutcome::Started(_)), "{built:?}");
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_build_on_a_head_that_the_el_has_lost_finds_that_out_at_once() {
    let (harness, chain) = Harness::sequenced().await;
    harness.el.restart(2);
    let lost_at = Instant::now();
    assert_eq!(harness.try_build(&chain[4]).await, BuildOutcome::Syncing);
    let state = harness.state();
    assert_eq!(state.unsafe_head, chain[2].block_ref());
    assert_eq!(state.el_sync, ElSyncState::Synced);
    assert_eq!(state.epoch, 1);
    let built = harness.try_build(&chain[2]).await;
    assert!(matches!(built, BuildOutcome::Started(_)), "{built:?}");
    assert!(lost_at.elapsed() < seconds(1));
    harness.stop().await;
}
