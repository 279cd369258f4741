//! Blocks as they come when nothing is in the way, and what rightly holds them back.

use super::*;
use light_node_engine_api::memory::Call;

#[tokio::test(start_paused = true)]
async fn blocks_follow_one_another_at_their_times_and_go_out_in_order() {
    let world = World::start(Settings::new()).await;
    let published = world.published(5).await;
    for (index, one) in (1u64..).zip(&published) {
        assert_eq!(one.block.number, index);
        assert_eq!(one.block.timestamp, GENESIS_TIME + 2 * index);
        let due = Duration::from_secs(2 * index);
        assert!(one.after <= due && one.after >= due - Duration::from_millis(60));
    }
    assert_eq!(world.el.head(), published[4].block);
    assert_eq!(world.engine.state().epoch, 0);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_new_origin_is_taken_as_soon_as_it_is_confirmed_and_not_later_than_the_block() {
    let settings = Settings::with(|settings| {
        settings.l1_blocks = 4;
        settings.config.l1_confirmations = 2;
    });
    let world = World::start(settings).await;
    // L1 blocks each 12 s; 101 and 102 are deep enough.
    let published = world.published(20).await;
    let origins = published.iter().map(|one| one.block.l1_origin.number);
    let origins: Vec<_> = origins.collect();
    assert_eq!(origins[..5], [100; 5]);
    assert_eq!(origins[5..11], [101; 6]);
    assert_eq!(origins[11..20], [102; 9]);
    assert_eq!(published[5].block.sequence_number, 0);
    world.l1.push_empty(2);
    world.see_l1();
    let published = world.published(23).await;
    let origin = world.l1.data(103).unwrap();
    assert_eq!(published[22].block.l1_origin, origin.id());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_sequencer_that_is_behind_builds_back_to_back_until_it_is_in_time() {
    let settings = Settings::with(|settings| {
        settings.now = Duration::from_secs(GENESIS_TIME + 100);
        settings.l1_blocks = 20;
    });
    let world = World::start(settings).await;
    let published = world.published(52).await;
    let behind = &published[49];
    assert!(behind.after < Duration::from_secs(1), "{behind:?}");
    let in_time = &published[51];
    assert!(in_time.after > Duration::from_secs(3), "{in_time:?}");
    assert_eq!(in_time.block.l1_origin.number, 108);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_question_to_l1_stands_on_the_way_of_a_block() {
    let world = World::start(Settings::with(|settings| settings.l1_blocks = 8)).await;
    world.published(1).await;
    world.l1.set_delay(Duration::from_secs(5));
    for one in world.published(20).await {
        let due = Duration::from_secs(one.block.timestamp - GENESIS_TIME);
        assert!(one.after <= due, "{one:?}");
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_drift_it_waits_for_l1() {
    let world = World::start(Settings::new()).await;
    world.waits_for(Wait::Drift).await;
    let last = world.published(900).await.pop().unwrap().block;
    assert_eq!(last.timestamp, GENESIS_TIME + 1_800);
    world.l1.push_empty(1);
    world.see_l1();
    let next = world.published(901).await.pop().unwrap();
    assert_eq!(next.block.l1_origin.number, 101);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn recovering_it_builds_empty_blocks() {
    let settings = Settings::with(|settings| {
        settings.now = Duration::from_secs(GENESIS_TIME + 100);
        settings.l1_blocks = 8;
        settings.config.is_recovering = true;
    });
    let world = World::start(settings).await;
    world.published(10).await;
    let is_full = |call: &Call| {
        matches!(call, Call::ForkchoiceUpdated { attributes: Some(it), .. }
            if it.no_tx_pool != Some(true))
    };
    assert!(!world.el.take_calls().iter().any(is_full));
    world.sequencer.set_recover_mode(false).await.unwrap();
    world.status(|status| !status.is_recovering).await;
    world.published(80).await;
    assert!(world.el.take_calls().iter().any(is_full));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_safe_lag_holds_blocks_back_until_the_safe_head_moves() {
    let settings = Settings::with(|settings| settings.config.max_safe_lag = 3);
    let world = World::start(settings).await;
    world.waits_for(Wait::SafeLag).await;
    let published = world.published(3).await;
    assert_eq!(published.len(), 3);
    world.safe_ref(published[1].block).await;
    assert_eq!(world.published(5).await.len(), 5);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_light_sequencer_builds_after_its_sources_first_word_without_a_reset() {
    let settings = Settings::with(|settings| {
        settings.has_source = false;
        settings.l2_blocks = 4;
    });
    let world = World::start(settings).await;
    world.waits_for(Wait::Source).await;
    world.pass(Duration::from_secs(20)).await;
    assert!(world.so_far().is_empty());
    world.safe(&world.chain[1]).await;
    let first = world.published(1).await.remove(0);
    assert_eq!(first.block.parent_hash, world.chain[3].hash());
    assert_eq!(world.engine.state().epoch, 0);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_source_does_not_stop_blocks() {
    let world = World::start(Settings::with(|settings| settings.has_source = false)).await;
    let first = world.published(1).await.remove(0);
    assert!(
        first.after >= SequencerConfig::SOURCE_PATIENCE - Duration::from_secs(1),
        "{first:?}"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn on_a_head_that_is_ahead_of_the_clock_nothing_is_begun() {
    use light_node_engine_api::memory::Call;
    let world = World::start(Settings::with(|settings| settings.l2_blocks = 3)).await;
    let is_build = |call: &Call| {
        matches!(
            call,
            Call::ForkchoiceUpdated {
                attributes: Some(_),
                ..
            }
        )
    };
    world.pass(Duration::from_millis(5_900)).await;
    assert!(!world.el.take_calls().iter().any(is_build));
    world.pass(Duration::from_millis(200)).await;
    assert!(world.el.take_calls().iter().any(is_build));
    let published = world.published(1).await;
    assert_eq!(published[0].after.as_secs(), 7);
    world.stop().await;
}
