//! The start-up probe: what is taken over, and what ends the node before it began.

use super::*;
use light_node_engine_api::{JwtRefusal, memory::Scripted};

fn unauthorized() -> ElError {
    ElError::Unauthorized(Box::new(JwtRefusal {
        status: 401,
        ..Default::default()
    }))
}

#[tokio::test(start_paused = true)]
async fn a_fresh_el_has_genesis_as_unsafe_head_and_gets_no_forkchoice() {
    let mut harness = Harness::fresh().await;
    let state = harness.state();
    assert_eq!(state.unsafe_head, harness.builder.genesis().block_ref());
    assert_eq!(state.el_sync, ElSyncState::Synced);
    assert!(state.safe_head.is_zero() && state.finalized_head.is_zero());
    harness.pass(seconds(120)).await;
    assert_eq!(
        harness.forkchoices(),
        [],
        "a snap-syncing EL would believe that it is done"
    );
    assert!(harness.engine.status().probed);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_warm_el_keeps_latest_and_finalized_while_safe_waits_for_the_source() {
    let builder = ChainBuilder::new();
    let chain = builder.extend(&builder.genesis(), 9, 0);
    let harness = Harness::beside(builder, |_, el| {
        el.add_canonical(&chain);
        el.set_labels(chain[6].hash(), chain[4].hash());
    })
    .await;
    let state = harness.state();
    assert_eq!(state.unsafe_head, chain[8].block_ref());
    assert_eq!(state.finalized_head, chain[4].block_ref());
    assert!(state.safe_head.is_zero() && state.local_safe_head.is_zero());
    assert!(state.current_l1.is_zero());
    harness.token.cancel();
}

#[tokio::test(start_paused = true)]
async fn derivation_starts_from_the_labels_of_the_el() {
    let builder = ChainBuilder::new();
    let chain = builder.extend(&builder.genesis(), 9, 0);
    let el = MemoryEl::new(&builder);
    el.add_canonical(&chain);
    el.set_labels(chain[6].hash(), chain[4].hash());
    let config = EngineConfig::new(builder.config(), SafeSourceKind::Derive);
    let (actor, engine) = EngineActor::new(config, el);
    let run = tokio::spawn(actor.run(CancellationToken::new()));
    let mut watch = engine.watch();
    let state = *watch
        .wait_for(|state| !state.unsafe_head.is_zero())
        .await
        .unwrap();
    assert_eq!(state.safe_head, chain[6].block_ref());
    assert_eq!(state.local_safe_head, chain[6].block_ref());
    drop((engine, watch));
    assert_eq!(run.await.unwrap(), Ok(()), "no handle, no engine");
}

#[tokio::test(start_paused = true)]
async fn an_el_that_is_down_at_start_is_waited_for_and_requests_are_answered_meanwhile() {
    let builder = ChainBuilder::new();
    let el = MemoryEl::new(&builder);
    el.set_down(true);
    let mut harness = Harness::start(builder, Arc::clone(&el));
    let chain = harness.chain(1);
    let update = Harness::update(&chain[0], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Skipped);
    assert!(matches!(
        harness.insert(&chain[0]).await,
        InsertOutcome::Failed { .. }
    ));
    assert!(harness.engine.status().last_error.is_some());
    harness.pass(seconds(300)).await;
    assert_eq!(harness.state(), EngineState::default());
    el.set_down(false);
    harness
        .published_until(|state| state.el_sync == ElSyncState::Synced)
        .await;
    assert_eq!(harness.engine.status().last_error, None);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_el_of_another_chain_ends_the_engine_with_cause_and_remedy() {
    let builder = ChainBuilder::new();
    let el = MemoryEl::new(&builder);
    let mut rollup_config = (*builder.config()).clone();
    rollup_config.l2_chain_id = 7;
    let config = EngineConfig::new(Arc::new(rollup_config), SafeSourceKind::Follow);
    let (actor, _engine) = EngineActor::new(config, el);
    let error = actor.run(CancellationToken::new()).await.unwrap_err();
    assert_eq!(
        error,
        EngineError::WrongChain {
            expected: 7,
            found: 901
        }
    );
    let words = error.to_string();
    assert!(words.contains("901") && words.contains("--l2"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn an_el_with_another_genesis_ends_the_engine() {
    let builder = ChainBuilder::new();
    let el = MemoryEl::new(&builder);
    let mut rollup_config = (*builder.config()).clone();
    let expected = B256::repeat_byte(7);
    rollup_config.genesis.l2.hash = expected;
    let config = EngineConfig::new(Arc::new(rollup_config), SafeSourceKind::Follow);
    let (actor, _engine) = EngineActor::new(config, el);
    let error = actor.run(CancellationToken::new()).await.unwrap_err();
    let found = builder.genesis().hash();
    assert_eq!(error, EngineError::WrongGenesis { expected, found });
}

#[tokio::test(start_paused = true)]
async fn a_jwt_that_is_refused_for_30_s_ends_the_engine() {
    let builder = ChainBuilder::new();
    let el = MemoryEl::new(&builder);
    for _ in 0..100 {
        el.script(CallKind::ChainId, Scripted::Error(unauthorized()));
    }
    let config = EngineConfig::new(builder.config(), SafeSourceKind::Follow);
    let (actor, _engine) = EngineActor::new(config, el);
    let start = Instant::now();
    let error = actor.run(CancellationToken::new()).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::JwtRefused { refusal, .. } if refusal.status == 401),
        "{error}"
    );
    assert!(start.elapsed() >= seconds(30) && start.elapsed() < seconds(40));
}

#[tokio::test(start_paused = true)]
async fn a_jwt_that_is_refused_for_a_moment_or_after_the_first_success_ends_nothing() {
    let builder = ChainBuilder::new();
    let el = MemoryEl::new(&builder);
    for _ in 0..3 {
        el.script(CallKind::ChainId, Scripted::Error(unauthorized()));
    }
    let mut harness = Harness::start(builder, Arc::clone(&el));
    harness
        .published_until(|state| state.el_sync == ElSyncState::Synced)
        .await;
    let chain = harness.chain(1);
    for _ in 0..100 {
        el.script(CallKind::ForkchoiceUpdated, Scripted::Error(unauthorized()));
        let update = Harness::update(&chain[0], None);
        assert_eq!(harness.follow(update).await, FollowOutcome::Skipped);
        harness.pass(seconds(1)).await;
    }
    assert!(
        harness
            .engine
            .status()
            .last_error
            .is_some_and(|words| words.contains("JWT"))
    );
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_does_not_hold_up_the_end() {
    let builder = ChainBuilder::new();
    let el = MemoryEl::new(&builder);
    let mut harness = Harness::start(builder, Arc::clone(&el));
    harness
        .published_until(|state| state.el_sync == ElSyncState::Synced)
        .await;
    let chain = harness.chain(1);
    el.script(CallKind::NewPayload, Scripted::Hang);
    harness
        .engine
        .try_insert_unsafe(chain[0].envelope.clone())
        .unwrap();
    el.wait_until(|el| el.count(CallKind::NewPayload) == 1)
        .await;
    let start = Instant::now();
    harness.stop().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_first_forkchoice_that_failed_is_followed_by_no_heartbeat() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(1);
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, Scripted::Error(unauthorized()));
    let update = Harness::update(&chain[0], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Skipped);
    harness.forkchoices();
    harness.pass(seconds(200)).await;
    assert_eq!(
        harness.forkchoices(),
        [],
        "genesis is not what anybody wants"
    );
    harness.stop().await;
}
