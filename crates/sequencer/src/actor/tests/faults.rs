//! Others fail; nothing is lost, and all of it goes on by itself.

use super::*;
use alloy_rpc_types_engine::PayloadStatusEnum;
use light_node_engine_api::{
    ElError,
    memory::{Call, CallKind, Scripted},
};
use world::Published;

fn lost_answer() -> Scripted {
    Scripted::ApplyThenError(ElError::Timeout {
        method: "engine",
        deadline: Duration::from_secs(1),
    })
}

/// No number is left out, and none comes twice.
fn are_in_a_row(published: &[Published]) -> bool {
    (1..)
        .zip(published)
        .all(|(number, one)| one.block.number == number)
}

#[tokio::test(start_paused = true)]
async fn an_execution_layer_that_comes_back_gets_the_next_block() {
    let world = World::start(Settings::new()).await;
    world.published(2).await;
    world.el.set_down(true);
    world.waits_for(Wait::Engine).await;
    let before = world.so_far().len();
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(world.so_far().len(), before);
    world.el.set_down(false);
    assert!(are_in_a_row(&world.published(40).await));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_made_again_with_the_same_block() {
    let world = World::start(Settings::new()).await;
    world.published(1).await;
    world.el.script(CallKind::NewPayload, lost_answer());
    let published = world.published(4).await;
    assert_eq!(published[1].block.parent_hash, published[0].block.hash);
    assert!(are_in_a_row(&published));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_build_whose_answer_is_lost_is_asked_for_again_with_the_same_attributes() {
    let world = World::start(Settings::new()).await;
    world.published(5).await;
    world.el.take_calls();
    world.el.script(CallKind::ForkchoiceUpdated, lost_answer());
    world.waits_for(Wait::Engine).await;
    // The sixth block could stand on this one by now.
    world.l1.push_empty(1);
    world.see_l1();
    let published = world.published(7).await;
    let origins = [5, 6].map(|place| published[place].block.l1_origin.number);
    assert_eq!(origins, [100, 101]);
    let calls = world.el.take_calls();
    let asked: Vec<_> = calls
        .iter()
        .filter_map(|call| match call {
            Call::ForkchoiceUpdated { state, attributes } => {
                attributes.clone().map(|it| (state.head_block_hash, it))
            }
            _ => None,
        })
        .collect();
    assert!(asked.len() > 2);
    for (parent, attributes) in &asked {
        let others = asked.iter().filter(|(other, _)| other == parent);
        assert!(others.map(|(_, it)| it).all(|it| it == attributes));
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn l1_may_be_gone_while_the_drift_lasts() {
    let world = World::start(Settings::with(|settings| settings.l1_blocks = 1)).await;
    world.published(1).await;
    world.l1.fail_next(100_000);
    world.l1.push_empty(3);
    world.see_l1();
    let published = world.published(60).await;
    assert_eq!(published[59].block.l1_origin.number, 101);
    world.l1.fail_next(0);
    let published = world.published(66).await;
    assert_eq!(published[65].block.l1_origin.number, 104);
    assert!(are_in_a_row(&published));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_that_the_execution_layer_refuses_never_goes_out() {
    let world = World::start(Settings::new()).await;
    world.published(1).await;
    let invalid = PayloadStatusEnum::Invalid {
        validation_error: "state root".to_owned(),
    };
    let refusal = Scripted::Status(invalid);
    world.el.script(CallKind::NewPayload, refusal);
    world.waits_for(Wait::Engine).await;
    assert_eq!(world.so_far().len(), 1);
    // Here it would be the same block again, which the engine remembers to be invalid.
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_build_that_the_execution_layer_forgot_is_begun_anew() {
    let world = World::start(Settings::new()).await;
    world.published(1).await;
    let gone = Scripted::Error(ElError::UnknownPayload);
    world.el.script(CallKind::GetPayload, gone);
    assert!(are_in_a_row(&world.published(3).await));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_build_that_can_never_be_fetched_makes_way_for_another_one() {
    let world = World::start(Settings::new()).await;
    world.published(1).await;
    world.el.take_calls();
    for _ in 0..20 {
        let fails = Scripted::Error(ElError::Timeout {
            method: "engine_getPayloadV4",
            deadline: Duration::from_secs(1),
        });
        world.el.script(CallKind::GetPayload, fails);
    }
    world.pass(Duration::from_secs(15)).await;
    let calls = world.el.take_calls();
    let is_build = |call: &&Call| {
        matches!(
            call,
            Call::ForkchoiceUpdated {
                attributes: Some(_),
                ..
            }
        )
    };
    assert!(calls.iter().filter(is_build).count() > 2);
    assert!(are_in_a_row(&world.published(3).await));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_execution_layer_that_lost_blocks_is_built_on_at_once() {
    let world = World::start(Settings::new()).await;
    let before = world.published(6).await;
    // In the middle of the seventh.
    world.pass(Duration::from_secs(1)).await;
    world.el.restart(2);
    let lost_at = Instant::now();
    let after = world.published(7).await;
    assert_eq!(after[6].block.parent_hash, before[3].block.hash);
    let waited = lost_at.elapsed();
    assert!(waited < Duration::from_secs(4), "{waited:?}");
    world.stop().await;
}
