//! Blocks with a conductor, which fails at each point.

use super::*;
use light_node_engine_api::{
    ElError,
    memory::{CallKind, Scripted},
};

async fn started() -> (World, ScriptedConductor) {
    let (settings, conductor) = Settings::conducted();
    let world = World::start(settings).await;
    assert!(!world.sequencer.status().is_active);
    world.sequencer.start(None).await.unwrap();
    world.published(2).await;
    (world, conductor)
}

/// All that went out is in the cluster's log, and on each parent one block went out.
fn check(world: &World, conductor: &ScriptedConductor) {
    let log = conductor.lock().log.clone();
    let published = world.so_far();
    for one in &published {
        assert!(log.contains(&one.block.hash), "{one:?}");
    }
    for pair in published.windows(2) {
        assert!(pair[0].block.number < pair[1].block.number);
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_conductor_it_starts_by_command_and_only_if_it_leads() {
    let (settings, conductor) = Settings::conducted();
    let world = World::start(settings).await;
    world.pass(Duration::from_secs(10)).await;
    assert!(world.so_far().is_empty());
    conductor.lock().leads = false;
    let refused = world.sequencer.start(None).await.unwrap_err();
    assert!(matches!(refused, SequencerCommandError::NotLeader { .. }));
    conductor.lock().is_down = true;
    let refused = world.sequencer.start(None).await.unwrap_err();
    assert!(matches!(refused, SequencerCommandError::NotLeader { .. }));
    {
        let mut state = conductor.lock();
        (state.is_down, state.leads, state.is_paused) = (false, true, true);
    }
    world.sequencer.start(None).await.unwrap();
    world.published(3).await;
    check(&world, &conductor);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_goes_to_the_conductor_then_to_the_engine_then_out() {
    let (world, conductor) = started().await;
    world.el.take_calls();
    conductor.answer([Answer::Lost, Answer::Lost, Answer::Lost]);
    world.waits_for(Wait::Conductor).await;
    // It was not taken, so the execution layer has not seen it, and nobody else.
    assert_eq!(world.el.count(CallKind::NewPayload), 0);
    let before = world.so_far().len();
    let published = world.published(before + 2).await;
    let log = conductor.lock().log.clone();
    let hashes: Vec<_> = published.iter().map(|one| one.block.hash).collect();
    assert_eq!(log[..hashes.len()], hashes);
    check(&world, &conductor);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_that_may_have_been_taken_is_offered_again_and_nothing_else_is_built() {
    let (world, conductor) = started().await;
    conductor.answer([
        Answer::TakenInSilence,
        Answer::Fails,
        Answer::Lost,
        Answer::Fails,
    ]);
    world.published(5).await;
    let offered = conductor.lock().offered.clone();
    for (parent, hash) in &offered {
        let others = offered.iter().filter(|(other, _)| other == parent);
        assert!(others.map(|(_, it)| it).all(|it| it == hash));
    }
    check(&world, &conductor);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_loses_leadership_builds_nothing_and_stays_started_for_the_conductor_to_stop_it() {
    let (world, conductor) = started().await;
    conductor.answer([Answer::LeadershipMoves]);
    world.waits_for(Wait::Leader).await;
    let count = world.so_far().len();
    world.el.take_calls();
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(world.so_far().len(), count);
    assert_eq!(world.el.count(CallKind::GetPayload), 0);
    let head = world.engine.state().unsafe_head.hash;
    assert_eq!(within(world.sequencer.stop()).await, Ok(head));
    // Another one has built meanwhile.
    let parent = world.as_parent(world.so_far().last().unwrap());
    let origin = parent.block_ref().l1_origin;
    let theirs = world.builder.child(&parent, origin, 5);
    world.gossip(&theirs).await;
    conductor.lock().leads = true;
    world.sequencer.start(Some(theirs.hash())).await.unwrap();
    let published = world.published(count + 1).await;
    assert_eq!(published[count].block.parent_hash, theirs.hash());
    check(&world, &conductor);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_leads_again_before_the_conductor_has_stopped_it_goes_on_by_itself() {
    let (world, conductor) = started().await;
    conductor.answer([Answer::LeadershipMoves]);
    world.waits_for(Wait::Leader).await;
    // Another one leads for a block, and no longer.
    let parent = world.as_parent(world.so_far().last().unwrap());
    let origin = parent.block_ref().l1_origin;
    let theirs = world.builder.child(&parent, origin, 5);
    world.gossip(&theirs).await;
    let count = world.so_far().len();
    world.pass(Duration::from_secs(5)).await;
    // A conductor that takes it for started does not start it.
    conductor.lock().leads = true;
    let published = world.published(count + 3).await;
    assert_eq!(published[count].block.parent_hash, theirs.hash());
    let again = world.sequencer.start(None).await;
    assert_eq!(again, Err(SequencerCommandError::AlreadyActive));
    check(&world, &conductor);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_that_was_taken_before_leadership_moved_is_the_first_one_of_the_next_start() {
    let (world, conductor) = started().await;
    conductor.answer([Answer::TakenAndLeadershipMoves]);
    world.waits_for(Wait::Leader).await;
    let count = world.so_far().len();
    let taken = *conductor.lock().log.last().unwrap();
    assert!(world.so_far().iter().all(|one| one.block.hash != taken));
    let head = world.engine.state().unsafe_head.hash;
    assert_eq!(within(world.sequencer.stop()).await, Ok(head));
    conductor.lock().leads = true;
    world.sequencer.start(Some(head)).await.unwrap();
    let published = world.published(count + 1).await;
    assert_eq!(published[count].block.hash, taken);
    check(&world, &conductor);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_conductor_that_is_dead_at_the_start_is_asked_until_it_answers_and_then_no_more() {
    let (settings, conductor) = Settings::conducted();
    conductor.lock().is_down = true;
    let world = World::start(settings).await;
    world.pass(Duration::from_secs(60)).await;
    let asked = conductor.lock().calls.len();
    assert!((4..=20).contains(&asked), "{asked}");
    conductor.lock().is_down = false;
    world.pass(Duration::from_secs(20)).await;
    let asked = conductor.lock().calls.len();
    world.pass(Duration::from_secs(600)).await;
    assert_eq!(conductor.lock().calls.len(), asked);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_conductor_that_is_gone() {
    let (world, conductor) = started().await;
    conductor.lock().is_down = true;
    world.waits_for(Wait::Conductor).await;
    let head = world.engine.state().unsafe_head.hash;
    assert_eq!(within(world.sequencer.stop()).await, Ok(head));
    let count = world.so_far().len();
    conductor.lock().is_down = false;
    world.sequencer.start(Some(head)).await.unwrap();
    world.published(count + 3).await;
    check(&world, &conductor);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn overridden_nobody_is_asked() {
    let (settings, conductor) = Settings::conducted();
    conductor.lock().leads = false;
    let world = World::start(settings).await;
    world.sequencer.override_leader().await.unwrap();
    world.sequencer.start(None).await.unwrap();
    world.published(2).await;
    assert!(world.sequencer.status().is_leader_overridden);
    // But for the greeting, when nothing was overridden yet.
    assert_eq!(conductor.lock().calls, ["conductor_leader"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_that_may_have_been_taken_is_gone_on_with_when_the_chain_comes_back_to_its_parent()
{
    let (settings, conductor) = random::pooled();
    let world = World::start(settings).await;
    world.sequencer.start(None).await.unwrap();
    world.published(2).await;
    let mut answers = vec![Answer::Lost; 200];
    answers[0] = Answer::TakenInSilence;
    conductor.answer(answers);
    world.waits_for(Wait::Conductor).await;
    let parent = world.so_far().last().unwrap().block;
    let taken = *conductor.lock().log.last().unwrap();
    // The safe source goes elsewhere, and comes back.
    let genesis = world.builder.genesis();
    let origin = genesis.block_ref().l1_origin;
    let mut other = vec![world.builder.child(&genesis, origin, 9)];
    for _ in 0..5 {
        other.push(world.builder.child(other.last().unwrap(), origin, 9));
    }
    world.el.add(&other);
    world.safe(&other[5]).await;
    assert_eq!(world.engine.state().unsafe_head, other[5].block_ref());
    world.pass(Duration::from_secs(20)).await;
    // It is not offered any more; what is built on the other branch is.
    let last = *conductor.lock().offered.last().unwrap();
    assert_eq!(last.0, other[5].hash());
    world.safe_ref(parent).await;
    assert_eq!(world.engine.state().unsafe_head, parent);
    let count = world.so_far().len();
    world.pass(Duration::from_secs(10)).await;
    conductor.lock().answers.clear();
    let published = world.published(count + 1).await;
    assert_eq!(published[count].block.hash, taken);
    let offered = conductor.lock().offered.clone();
    let mut there = offered.iter().filter(|(on, _)| *on == parent.hash);
    assert!(there.all(|(_, hash)| *hash == taken));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_outruns_a_start_for_which_the_conductor_is_still_asked() {
    let (settings, conductor) = Settings::conducted();
    let world = World::start(settings).await;
    conductor.lock().is_down = true;
    let stop = async {
        world.pass(Duration::from_millis(500)).await;
        let stopped = world.sequencer.stop().await;
        conductor.lock().is_down = false;
        stopped
    };
    let (started, stopped) = tokio::join!(world.sequencer.start(None), stop);
    assert_eq!(stopped, Err(SequencerCommandError::NotActive));
    assert!(
        matches!(started, Err(SequencerCommandError::NotLeader { .. })),
        "{started:?}"
    );
    assert!(!world.sequencer.status().is_active);
    world.sequencer.start(None).await.unwrap();
    world.published(1).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_until_a_block_that_was_taken_is_the_head() {
    let (world, conductor) = started().await;
    for _ in 0..3 {
        let fails = Scripted::Error(ElError::Timeout {
            method: "engine_newPayloadV4",
            deadline: Duration::from_secs(1),
        });
        world.el.script(CallKind::NewPayload, fails);
    }
    world.waits_for(Wait::Engine).await;
    let taken = *conductor.lock().log.last().unwrap();
    assert_ne!(world.engine.state().unsafe_head.hash, taken);
    assert_eq!(within(world.sequencer.stop()).await, Ok(taken));
    assert_eq!(world.engine.state().unsafe_head.hash, taken);
    world.pass(Duration::from_millis(1)).await;
    assert_eq!(world.so_far().last().unwrap().block.hash, taken);
    world.stop().await;
}
