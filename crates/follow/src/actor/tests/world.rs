//! A follow actor between a scripted source, an L1 in memory and a scripted engine.

use super::*;
use alloy_primitives::{B256, keccak256};
use async_trait::async_trait;
use light_node_engine::test_utils::ScriptedEngine;
use light_node_l1::{BoxTransport, L1Config, L1Fatal, L1Watcher, test_utils::MemoryL1};
use light_node_protocol::{L1BlockRef, L2BlockRef, RollupConfig, SyncStatus};
use light_node_safedb::SafeDbConfig;
use std::sync::{Mutex, MutexGuard};
use tokio::{task::JoinHandle, time::timeout};

const L2_BLOCKS_PER_L1_BLOCK: u64 = 6;
/// Blocks of the L1 at start; the safe head stands on an origin well below.
const L1_LENGTH: u64 = 100;
const FIRST_SAFE: u64 = 500;
const FIRST_FINALIZED: u64 = 300;

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A source over the L1 in memory: its L2 block `n` has origin `n / 6`, and its hash depends on the origin's hash.
#[derive(Clone, Debug)]
pub(super) struct ScriptedSource {
    l1: MemoryL1,
    genesis_time: u64,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug)]
struct Script {
    safe: u64,
    finalized: u64,
    local_safe_lead: u64,
    cursor: Option<L1BlockRef>,
    frozen_head: Option<L1BlockRef>,
    status: Option<SyncStatus>,
    failure: Option<SourceError>,
    /// The failure hits `status` alone.
    only_status_fails: bool,
    identity: Option<ChainIdentity>,
    path: Vec<String>,
    delay: Duration,
    calls: u64,
    calls_now: u64,
    most_calls_at_once: u64,
}

impl ScriptedSource {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    pub(super) fn l1(&self) -> &MemoryL1 {
        &self.l1
    }

    pub(super) fn block(&self, number: u64) -> L2BlockRef {
        let hash = |number: u64| -> B256 {
            let origin = self.l1.id(number / L2_BLOCKS_PER_L1_BLOCK);
            keccak256([&number.to_be_bytes()[..], origin.hash.as_slice()].concat())
        };
        L2BlockRef {
            hash: hash(number),
            number,
            parent_hash: hash(number.saturating_sub(1)),
            timestamp: self.genesis_time + 2 * number,
            l1_origin: self.l1.id(number / L2_BLOCKS_PER_L1_BLOCK),
            sequence_number: number % L2_BLOCKS_PER_L1_BLOCK,
        }
    }

    pub(super) fn status_now(&self) -> SyncStatus {
        let script = self.script();
        if let Some(status) = script.status {
            return status;
        }
        let head = self.l1.head();
        let safe = self.block(script.safe);
        let local_safe = self.block(script.safe + script.local_safe_lead);
        let cursor = self
            .l1
            .block((local_safe.l1_origin.number + 2).min(head.number));
        SyncStatus {
            current_l1: script.cursor.unwrap_or(cursor),
            head_l1: script.frozen_head.unwrap_or(head),
            safe_l2: safe,
            local_safe_l2: local_safe,
            finalized_l2: self.block(script.finalized),
            unsafe_l2: local_safe,
            ..SyncStatus::default()
        }
    }

    /// What a follower that believes the source applies.
    pub(super) fn state(&self) -> DerivationState {
        let status = self.status_now();
        DerivationState {
            safe: status.safe_l2,
            local_safe: status.local_safe_l2,
            finalized: status.finalized_l2,
            current_l1: status.current_l1,
        }
    }

    pub(super) fn advance(&self, blocks: u64) {
        self.script().safe += blocks;
    }

    pub(super) fn set_safe(&self, number: u64) {
        self.script().safe = number;
    }

    pub(super) fn set_finalized(&self, number: u64) {
        self.script().finalized = number;
    }

    pub(super) fn set_cursor(&self, cursor: Option<L1BlockRef>) {
        self.script().cursor = cursor;
    }

    /// From now on answers with exactly this.
    pub(super) fn set_status(&self, status: SyncStatus) {
        self.script().status = Some(status);
    }

    /// Answers from its chain again.
    pub(super) fn release(&self) {
        self.script().status = None;
    }

    pub(super) fn fail(&self, failure: Option<SourceError>) {
        let mut script = self.script();
        script.failure = failure;
        script.only_status_fails = false;
    }

    /// From now on says who it is, but not where its heads are.
    pub(super) fn fail_status(&self) {
        let method = "optimism_syncStatus";
        self.fail(Some(SourceError::Html { method }));
        self.script().only_status_fails = true;
    }

    pub(super) fn freeze_l1_head(&self) {
        let head = self.l1.head();
        self.script().frozen_head = Some(head);
    }

    pub(super) fn thaw_l1_head(&self) {
        self.script().frozen_head = None;
    }

    pub(super) fn identity(&self) -> Option<ChainIdentity> {
        self.script().identity
    }

    pub(super) fn set_identity(&self, identity: Option<ChainIdentity>) {
        self.script().identity = identity;
    }

    pub(super) fn set_path(&self, path: &[&str]) {
        self.script().path = path.iter().map(ToString::to_string).collect();
    }

    pub(super) fn answer_after(&self, delay: Duration) {
        self.script().delay = delay;
    }

    pub(super) fn calls(&self) -> u64 {
        self.script().calls
    }

    pub(super) fn most_calls_at_once(&self) -> u64 {
        self.script().most_calls_at_once
    }

    async fn call(&self, is_status: bool) -> Result<(), SourceError> {
        let delay = {
            let mut script = self.script();
            script.calls += 1;
            script.calls_now += 1;
            script.most_calls_at_once = script.most_calls_at_once.max(script.calls_now);
            script.delay
        };
        sleep(delay).await;
        let mut script = self.script();
        script.calls_now -= 1;
        match &script.failure {
            Some(failure) if is_status || !script.only_status_fails => Err(failure.clone()),
            Some(_) | None => Ok(()),
        }
    }
}

#[async_trait]
impl FollowSource for ScriptedSource {
    async fn status(&self) -> Result<SyncStatus, SourceError> {
        self.call(true).await?;
        Ok(self.status_now())
    }

    async fn chain_identity(&self) -> Result<Option<ChainIdentity>, SourceError> {
        self.call(false).await?;
        Ok(self.script().identity)
    }

    async fn follow_path(&self) -> Result<Option<Vec<String>>, SourceError> {
        self.call(false).await?;
        Ok(Some(self.script().path.clone()))
    }

    fn name(&self) -> &str {
        "http://source"
    }
}

/// Everything that a test holds.
pub(super) struct World {
    pub(super) source: ScriptedSource,
    pub(super) l1_memory: MemoryL1,
    pub(super) engine: ScriptedEngine,
    /// What the actor remembers of safe heads.
    pub(super) history: SafeDb,
    pub(super) follow: FollowHandle,
    pub(super) task: JoinHandle<Result<(), FollowFatal>>,
    token: CancellationToken,
    watcher: Option<JoinHandle<Result<(), L1Fatal>>>,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::build(true, |_| {}, |_| {}).await
    }

    /// The L1 is asked by checks alone.
    pub(super) async fn start_without_watcher() -> Self {
        Self::build(false, |_| {}, |_| {}).await
    }

    pub(super) async fn start_with(prepare: impl FnOnce(&ScriptedSource)) -> Self {
        Self::build(true, prepare, |_| {}).await
    }

    pub(super) async fn start_as(configure: impl FnOnce(&mut FollowConfig)) -> Self {
        Self::build(true, |_| {}, configure).await
    }

    async fn build(
        with_watcher: bool,
        prepare: impl FnOnce(&ScriptedSource),
        configure: impl FnOnce(&mut FollowConfig),
    ) -> Self {
        let l1_memory = MemoryL1::new(900, L1_LENGTH);
        l1_memory.set_tags(Some(90), Some(80));
        let mut config = RollupConfig {
            block_time: 2,
            l1_chain_id: 900,
            l2_chain_id: 901,
            ..RollupConfig::default()
        };
        config.genesis.l1 = l1_memory.id(0);
        config.genesis.l2_time = l1_memory.block(0).timestamp;
        let config = Arc::new(config);
        let script = Script {
            safe: FIRST_SAFE,
            finalized: FIRST_FINALIZED,
            local_safe_lead: 0,
            cursor: None,
            frozen_head: None,
            status: None,
            failure: None,
            only_status_fails: false,
            identity: Some(ChainIdentity::from(&*config)),
            path: vec!["source".to_owned(), "origin".to_owned()],
            delay: Duration::from_millis(5),
            calls: 0,
            calls_now: 0,
            most_calls_at_once: 0,
        };
        let source = ScriptedSource {
            l1: l1_memory.clone(),
            genesis_time: config.genesis.l2_time,
            script: Arc::new(Mutex::new(script)),
        };
        prepare(&source);

        let l1_config = L1Config::new(Vec::new(), 900, l1_memory.id(0));
        // The node sees L1 through its own endpoint, which may lag or fail alone.
        let transports: Vec<BoxTransport> = vec![Box::new(l1_memory.clone())];
        let (watcher, l1) = L1Watcher::with_transports(l1_config, transports).unwrap();
        let token = CancellationToken::new();
        let watcher = with_watcher.then(|| tokio::spawn(watcher.run(token.clone())));
        let (engine, engine_handle) = ScriptedEngine::new(config.clone());
        let mut follow_config = FollowConfig::new(config.clone(), "me".to_owned());
        configure(&mut follow_config);
        let history = SafeDb::open(&SafeDbConfig::new(None), &config).unwrap();
        let (actor, follow) = FollowActor::new(follow_config, Box::new(source.clone()));
        let actor = actor.with_history(Some(history.clone()));
        let task = tokio::spawn(actor.run(engine_handle, l1, token.clone()));
        Self {
            source,
            l1_memory,
            engine,
            history,
            follow,
            task,
            token,
            watcher,
        }
    }

    /// The next request to the engine, within a minute.
    pub(super) async fn next_request(&mut self) -> ScriptedRequest {
        timeout(seconds(60), self.engine.next_request())
            .await
            .expect("the engine is asked")
            .unwrap()
    }

    /// The next update, answered with `outcome`.
    pub(super) async fn next_answered(&mut self, outcome: FollowOutcome) -> FollowUpdate {
        let ScriptedRequest::Follow(update, reply) = self.next_request().await else {
            panic!("not an update");
        };
        if outcome == FollowOutcome::Applied {
            self.publish(&update);
        }
        reply.send(outcome).unwrap();
        update
    }

    /// The next update, applied; returns once the actor knows.
    pub(super) async fn next_applied(&mut self) -> FollowUpdate {
        let update = self.next_answered(FollowOutcome::Applied).await;
        self.until(|status| status.applied == Some(update.state) && status.trouble.is_none())
            .await;
        update
    }

    /// Waits until the published status is as wanted, ten minutes at most.
    pub(super) async fn until(&self, is_it: impl Fn(&FollowStatus) -> bool) -> FollowStatus {
        let mut follow = self.follow.clone();
        let wait = async {
            let mut status = follow.status();
            while !is_it(&status) {
                status = follow.changed().await;
            }
            status
        };
        let outcome = timeout(seconds(600), wait).await;
        outcome.unwrap_or_else(|_| panic!("it stayed {:?}", self.follow.status()))
    }

    /// Asserts that nothing waits for the engine.
    pub(super) async fn engine_is_idle(&mut self) {
        let request = timeout(Duration::from_millis(1), self.engine.next_request()).await;
        assert!(request.is_err(), "the engine was asked: {request:?}");
    }

    /// Publishes the heads of an update, as the engine does before it answers.
    pub(super) fn publish(&self, update: &FollowUpdate) {
        let DerivationState {
            safe,
            local_safe,
            finalized,
            current_l1,
        } = update.state;
        self.engine.publish(EngineState {
            unsafe_head: local_safe,
            local_safe_head: local_safe,
            safe_head: safe,
            finalized_head: finalized,
            current_l1,
            ..EngineState::default()
        });
    }

    /// Applies what still comes within two seconds.
    pub(super) async fn drain_engine(&mut self) {
        while let Ok(Some(request)) = timeout(seconds(2), self.engine.next_request()).await {
            if let ScriptedRequest::Follow(_, reply) = request {
                reply.send(FollowOutcome::Unchanged).unwrap();
            }
        }
    }

    pub(super) async fn stop(self) {
        self.token.cancel();
        self.task.await.unwrap().unwrap();
        if let Some(watcher) = self.watcher {
            watcher.await.unwrap().unwrap();
        }
    }
}
