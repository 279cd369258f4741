//! Starting, stopping, and what is kept of that.

use super::*;

fn stopped() -> Settings {
    Settings::with(|settings| settings.config.starts_active = false)
}

#[tokio::test(start_paused = true)]
async fn it_starts_on_the_head_and_on_nothing_else() {
    let world = World::start(stopped()).await;
    world.pass(Duration::from_secs(10)).await;
    assert!(world.so_far().is_empty());
    let given = B256::repeat_byte(9);
    let head = world.builder.genesis().block_ref().id();
    let refused = world.sequencer.start(Some(given)).await;
    assert_eq!(
        refused,
        Err(SequencerCommandError::WrongHead { head, given })
    );
    assert_eq!(world.sequencer.start(Some(head.hash)).await, Ok(()));
    assert!(world.sequencer.status().is_active);
    world.published(2).await;
    let again = world.sequencer.start(None).await;
    assert_eq!(again, Err(SequencerCommandError::AlreadyActive));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_on_our_head_waits_for_no_head_of_gossip_that_nobody_serves() {
    let settings = Settings::with(|settings| {
        settings.config.starts_active = false;
        settings.l2_blocks = 4;
        settings.now = Duration::from_secs(GENESIS_TIME + 100);
    });
    let world = World::start(settings).await;
    let head = world.chain.last().unwrap();
    let origin = head.block_ref().l1_origin;
    let lost = world.builder.child(head, origin, 5);
    let heard = world.builder.child(&lost, origin, 5);
    world.gossip(&heard).await;
    world.pass(Duration::from_secs(10)).await;
    assert_eq!(world.engine.state().target, Some(heard.block_ref().id()));
    let started = world.sequencer.start(Some(head.hash())).await;
    assert_eq!(started, Ok(()));
    let published = world.published(1).await;
    assert_eq!(published[0].block.parent_hash, head.hash());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_answers_with_the_head_and_leaves_no_half_block() {
    let world = World::start(Settings::new()).await;
    world.published(3).await;
    for half in [0, 500, 1_000, 1_940, 1_950, 1_960] {
        world.pass(Duration::from_millis(half)).await;
        let last = world.sequencer.stop().await.unwrap();
        assert_eq!(last, world.engine.state().unsafe_head.hash);
        let published = world.so_far();
        assert_eq!(published.last().unwrap().block.hash, last);
        world.pass(Duration::from_secs(10)).await;
        assert_eq!(world.so_far().len(), published.len());
        assert_eq!(world.sequencer.start(Some(last)).await, Ok(()));
        let next = world.published(published.len() + 8).await;
        assert_eq!(next[published.len()].block.parent_hash, last);
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_sequencer_cannot_be_stopped() {
    let world = World::start(stopped()).await;
    let refused = world.sequencer.stop().await;
    assert_eq!(refused, Err(SequencerCommandError::NotActive));
    let refused = world.sequencer.override_leader().await;
    assert_eq!(refused, Err(SequencerCommandError::NoConductor));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_execution_layer_to_take_the_sealed_block() {
    use light_node_engine_api::memory::{CallKind, Scripted};
    let world = World::start(Settings::new()).await;
    world.published(1).await;
    for _ in 0..3 {
        world.el.script(CallKind::NewPayload, Scripted::Hang);
    }
    let el = Arc::clone(&world.el);
    el.take_calls();
    within(el.wait_until(|el| el.count(CallKind::NewPayload) == 1)).await;
    let last = within(world.sequencer.stop()).await.unwrap();
    let published = world.published(2).await;
    assert_eq!(published[1].block.hash, last);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_admin_said_last_holds_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.json");
    let settings = || {
        let path = path.clone();
        Settings::with(|settings| settings.config.state_path = Some(path))
    };
    let world = World::start(settings()).await;
    world.published(1).await;
    world.sequencer.stop().await.unwrap();
    world.stop().await;

    let world = World::start(settings()).await;
    assert!(!world.sequencer.status().is_active);
    world.sequencer.start(None).await.unwrap();
    world.stop().await;

    let world = World::start(settings()).await;
    world.published(1).await;
    world.stop().await;
    std::fs::write(&path, "what").unwrap();
    let broken = SequencerActor::new(settings().config);
    assert!(matches!(broken, Err(SequencerConfigError::State(_))));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_is_said_and_the_command_is_carried_out() {
    let settings = Settings::with(|settings| {
        settings.config.state_path = Some("/dev/null/admin.json".into());
        settings.config.starts_active = false;
    });
    // The file cannot be there, so nothing was said.
    let Err(error) = SequencerActor::with_conductor(settings.config.clone(), None) else {
        panic!("a path below a file");
    };
    assert!(error.to_string().contains("/dev/null/admin.json"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("below/admin.json");
    let settings = Settings::with(|settings| settings.config.state_path = Some(path));
    let world = World::start(settings).await;
    world.published(1).await;
    std::fs::write(directory.path().join("below"), "a file").unwrap();
    let stopped = world.sequencer.stop().await;
    assert!(matches!(
        stopped,
        Err(SequencerCommandError::NotKept { .. })
    ));
    assert!(!world.sequencer.status().is_active);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_names_the_head_also_where_another_one_made_it() {
    let world = World::start(Settings::new()).await;
    let parent = world.as_parent(&world.published(2).await[1]);
    let origin = parent.block_ref().l1_origin;
    let theirs = world.builder.child(&parent, origin, 77);
    world.gossip(&theirs).await;
    assert_eq!(within(world.sequencer.stop()).await, Ok(theirs.hash()));
    assert_eq!(world.engine.state().unsafe_head, theirs.block_ref());
    world.stop().await;
}
