//! The chain moves under the sequencer.

use super::*;
use light_node_engine_api::memory::{CallKind, Scripted};
use light_node_l1::L1Data;

#[tokio::test(start_paused = true)]
async fn a_reorg_by_the_safe_source_drops_the_build() {
    let world = World::start(Settings::with(|settings| settings.l2_blocks = 3)).await;
    world.published(1).await;
    // Another branch, which the source calls safe.
    let genesis = world.builder.genesis();
    let origin = genesis.block_ref().l1_origin;
    let mut other = vec![world.builder.child(&genesis, origin, 9)];
    for _ in 0..5 {
        other.push(world.builder.child(other.last().unwrap(), origin, 9));
    }
    world.el.add(&other);
    world.safe(&other[5]).await;
    let published = world.published(2).await;
    assert_eq!(published[1].block.parent_hash, other[5].hash());
    assert_eq!(world.el.head(), published[1].block);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_of_another_sequencer_that_comes_first_takes_the_place_of_ours() {
    let world = World::start(Settings::new()).await;
    let parent = world.as_parent(&world.published(2).await[1]);
    // While the third block is being built.
    world.pass(Duration::from_secs(1)).await;
    let origin = parent.block_ref().l1_origin;
    let theirs = world.builder.child(&parent, origin, 77);
    world.gossip(&theirs).await;
    let published = world.published(3).await;
    assert_eq!(published[2].block.parent_hash, theirs.hash());
    assert_eq!(published[2].block.number, 4);
    // Ours was not even sealed.
    assert_eq!(world.el.count(CallKind::GetPayload), 3);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_an_l1_reorg_the_chain_goes_on_from_the_last_block_whose_origin_stands() {
    let world = World::start(Settings::with(|settings| settings.l1_blocks = 3)).await;
    // On 101 from block 6 on, on 102 from block 12 on.
    let before = world.published(14).await;
    assert_eq!(before[13].block.l1_origin.number, 102);
    world.l1.reorg(2);
    world.l1.push_empty(3);
    world.see_l1();
    let after = world.published(30).await;
    let first = after[14].block;
    assert_eq!(first.number, 12);
    assert_eq!(first.parent_hash, before[10].block.hash);
    let origin = world.l1.data(102).unwrap();
    assert_eq!(first.l1_origin, origin.id());
    for pair in after[14..].windows(2) {
        assert_eq!(pair[1].block.parent_hash, pair[0].block.hash);
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_reorg_above_our_origins_changes_nothing() {
    let settings = Settings::with(|settings| {
        settings.l1_blocks = 4;
        settings.config.l1_confirmations = 2;
    });
    let world = World::start(settings).await;
    world.published(3).await;
    world.l1.reorg(2);
    world.l1.push_empty(3);
    world.see_l1();
    let published = world.published(20).await;
    let numbers = published.iter().map(|one| one.block.number);
    assert!(numbers.eq(1..=20));
    assert_eq!(world.engine.state().epoch, 0);
    let origin = world.l1.data(103).unwrap();
    assert_eq!(published[19].block.l1_origin, origin.id());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_reorg_below_what_is_safe_is_the_safe_sources_to_set_right() {
    let world = World::start(Settings::with(|settings| settings.l1_blocks = 3)).await;
    let before = world.published(14).await;
    world.safe_ref(before[12].block).await;
    world.l1.reorg(2);
    world.l1.push_empty(3);
    world.see_l1();
    world.waits_for(Wait::OriginLost).await;
    world.pass(Duration::from_secs(30)).await;
    let count = world.so_far().len();
    assert!(count <= 15);
    world.safe_ref(before[8].block).await;
    let first = world.published(count + 1).await[count].block;
    assert_eq!(first.parent_hash, before[10].block.hash);
    world.stop().await;
}

/// The L1 blocks 102 and 103, which go and come back.
struct Branch([Arc<L1Data>; 2]);

impl Branch {
    fn of(world: &World) -> Self {
        Self([102, 103].map(|number| world.l1.data(number).unwrap()))
    }

    fn come_back(self, world: &World) {
        world.l1.reorg(3);
        for data in self.0 {
            world.l1.push_data(L1Data::clone(&data));
        }
        world.l1.push_empty(2);
        world.see_l1();
    }
}

#[tokio::test(start_paused = true)]
async fn an_l1_reorg_that_is_undone_takes_no_block_with_it() {
    let world = World::start(Settings::with(|settings| settings.l1_blocks = 3)).await;
    let before = world.published(14).await;
    assert_eq!(before[13].block.l1_origin.number, 102);
    let old = Branch::of(&world);
    // L1 is slow, so that the chain is not led back before L1 comes back.
    world.l1.set_delay(Duration::from_secs(5));
    world.l1.reorg(2);
    world.l1.push_empty(3);
    world.see_l1();
    let mut states = world.engine.watch();
    within(states.wait_for(|state| state.origin_left_l1))
        .await
        .unwrap();
    world.l1.set_delay(Duration::ZERO);
    old.come_back(&world);
    within(states.wait_for(|state| !state.origin_left_l1))
        .await
        .unwrap();
    let published = world.published(30).await;
    for pair in published.windows(2) {
        assert_eq!(pair[1].block.parent_hash, pair[0].block.hash);
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_reorg_that_is_undone_ends_a_build_in_the_place_of_blocks_that_stand() {
    let world = World::start(Settings::with(|settings| settings.l1_blocks = 3)).await;
    world.published(14).await;
    let old = Branch::of(&world);
    world.l1.reorg(2);
    world.l1.push_empty(3);
    // The chain is led back, by a build that takes its time to begin.
    let slow = Scripted::Delay(Duration::from_millis(700));
    world.el.script(CallKind::ForkchoiceUpdated, slow);
    let el = Arc::clone(&world.el);
    el.take_calls();
    world.see_l1();
    within(el.wait_until(|el| el.count(CallKind::ForkchoiceUpdated) == 1)).await;
    assert!(world.engine.state().origin_left_l1);
    old.come_back(&world);
    let published = world.published(30).await;
    for pair in published.windows(2) {
        assert_eq!(pair[1].block.parent_hash, pair[0].block.hash);
    }
    assert!(!world.engine.state().origin_left_l1);
    world.stop().await;
}
