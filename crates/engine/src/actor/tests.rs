//! The actor beside an execution layer in memory, under paused time. After every step the harness asserts what must hold at
//! all times, over everything that was published and every forkchoice that was sent.
#![allow(clippy::unwrap_used)]

mod build;
mod contradictions;
mod courses;
mod derive;
mod derive_faults;
mod derive_losses;
mod deriving;
mod el;
mod faults;
mod first_sync;
mod follow;
mod insert;
mod logs;
mod losses;
mod random;
mod random_derive;
mod sequencing;
mod spans;
mod start;
mod targets;

use super::*;
use crate::{
    config::SafeSourceKind,
    follow_case::FollowCase,
    request::{FollowOutcome, FollowRefusal, FollowUpdate, InsertOutcome},
    state::{DerivationState, ElSyncState},
};
use alloy_primitives::B256;
use light_node_engine_api::memory::{CallKind, ChainBuilder, MemoryBlock, MemoryEl, MemoryElKind};
use light_node_protocol::{BlockNumHash, L1BlockRef, L2BlockRef};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use tokio::task::JoinHandle;

/// Each test beside an EL of each kind. The tests are functions of the kind.
macro_rules! under_each_el {
    ($($test:ident),* $(,)?) => {
        under_each_el!(@ on_op_reth Reth: $($test)*);
        under_each_el!(@ on_op_geth Geth: $($test)*);
    };
    (@ $module:ident $kind:ident: $($test:ident)*) => {
        mod $module {
            use light_node_engine_api::memory::MemoryElKind;

            $(
                #[tokio::test(start_paused = true)]
                async fn $test() {
                    super::$test(MemoryElKind::$kind).await;
                }
            )*
        }
    };
}
use under_each_el;

/// An engine that runs, and what a test knows of its world.
struct Harness {
    builder: ChainBuilder,
    el: Arc<MemoryEl>,
    engine: EngineHandle,
    token: CancellationToken,
    run: JoinHandle<Result<(), EngineError>>,
    published: Arc<Mutex<Vec<EngineState>>>,
    blocks: HashMap<B256, L2BlockRef>,
    sent: Vec<alloy_rpc_types_engine::ForkchoiceState>,
    asked: Vec<CallKind>,
    safe_may_fall: bool,
}

impl Harness {
    /// An engine beside an EL that knows genesis alone; the start-up probe is over.
    async fn fresh() -> Self {
        Self::beside(ChainBuilder::new(), |_, _| {}).await
    }

    /// The same beside an EL of `kind`.
    async fn fresh_as(kind: MemoryElKind) -> Self {
        Self::beside_a(kind, ChainBuilder::new(), |_, _| {}).await
    }

    /// An engine beside an EL that `arrange` has prepared; the start-up probe is over.
    async fn beside(builder: ChainBuilder, arrange: impl FnOnce(&ChainBuilder, &MemoryEl)) -> Self {
        Self::beside_a(MemoryElKind::Reth, builder, arrange).await
    }

    async fn beside_a(
        kind: MemoryElKind,
        builder: ChainBuilder,
        arrange: impl FnOnce(&ChainBuilder, &MemoryEl),
    ) -> Self {
        let el = MemoryEl::with_kind(&builder, kind);
        arrange(&builder, &el);
        let harness = Self::start(builder, el);
        harness
            .published_until(|state| !state.unsafe_head.is_zero())
            .await;
        harness
    }

    fn start(builder: ChainBuilder, el: Arc<MemoryEl>) -> Self {
        let config = EngineConfig::new(builder.config(), SafeSourceKind::Follow);
        Self::start_with(config, builder, el)
    }

    fn start_with(config: EngineConfig, builder: ChainBuilder, el: Arc<MemoryEl>) -> Self {
        let (actor, engine) = EngineActor::new(config, Arc::clone(&el) as Arc<dyn EngineApi>);
        let token = CancellationToken::new();
        let run = tokio::spawn(actor.run(token.clone()));
        let published = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(observe(engine.watch(), Arc::clone(&published)));
        let genesis = builder.genesis().block_ref();
        Self {
            blocks: HashMap::from([(genesis.hash, genesis)]),
            builder,
            el,
            engine,
            token,
            run,
            published,
            sent: Vec::new(),
            asked: Vec::new(),
            safe_may_fall: false,
        }
    }

    /// `count` blocks on genesis; the EL does not get them.
    fn chain(&mut self, count: usize) -> Vec<MemoryBlock> {
        self.branch(&self.builder.genesis(), count, 0)
    }

    /// `count` blocks on `parent`; another `salt` makes another branch.
    fn branch(&mut self, parent: &MemoryBlock, count: usize, salt: u64) -> Vec<MemoryBlock> {
        let blocks = self.builder.extend(parent, count, salt);
        self.blocks
            .extend(blocks.iter().map(|block| (block.hash(), block.block_ref())));
        blocks
    }

    async fn follow(&mut self, update: FollowUpdate) -> FollowOutcome {
        let outcome = self.engine.follow(update).await.unwrap();
        self.check();
        outcome
    }

    async fn insert(&mut self, block: &MemoryBlock) -> InsertOutcome {
        let outcome = self
            .engine
            .insert_unsafe(block.envelope.clone())
            .await
            .unwrap();
        self.check();
        outcome
    }

    fn state(&self) -> EngineState {
        self.engine.state()
    }

    async fn published_until(&self, condition: impl FnMut(&EngineState) -> bool) -> EngineState {
        let mut watch = self.engine.watch();
        let reached = watch.wait_for(condition);
        *tokio::time::timeout(Duration::from_secs(600), reached)
            .await
            .unwrap()
            .unwrap()
    }

    /// Lets paused time pass and asserts what must hold.
    async fn pass(&mut self, period: Duration) {
        tokio::time::sleep(period).await;
        self.check();
    }

    /// Forkchoices since the last look, as (head, safe, finalized).
    fn forkchoices(&mut self) -> Vec<(B256, B256, B256)> {
        self.check();
        std::mem::take(&mut self.sent)
            .iter()
            .map(|sent| {
                (
                    sent.head_block_hash,
                    sent.safe_block_hash,
                    sent.finalized_block_hash,
                )
            })
            .collect()
    }

    /// Takes the calls of the EL, and keeps the forkchoices among them.
    fn take_calls(&mut self) -> Vec<CallKind> {
        let calls = self.el.take_calls();
        self.sent
            .extend(calls.iter().filter_map(|call| call.forkchoice()));
        let kinds: Vec<CallKind> = calls.iter().map(|call| call.kind()).collect();
        self.asked.extend(&kinds);
        kinds
    }

    /// How many calls of `kind` the EL has had since the last question.
    fn asked(&mut self, kind: CallKind) -> usize {
        self.take_calls();
        let asked = std::mem::take(&mut self.asked);
        asked.into_iter().filter(|it| *it == kind).count()
    }

    fn is_ancestor(&self, ancestor: B256, of: B256) -> bool {
        let parent = |hash: &B256| Some(self.blocks.get(hash)?.parent_hash);
        std::iter::successors(Some(of), parent).any(|hash| hash == ancestor)
    }

    /// The invariants I1 to I4, over all that was published and sent since the last check.
    fn check(&mut self) {
        self.take_calls();
        for sent in &self.sent {
            let [head, safe, finalized] = [
                sent.head_block_hash,
                sent.safe_block_hash,
                sent.finalized_block_hash,
            ];
            for label in [safe, finalized]
                .into_iter()
                .filter(|label| !label.is_zero())
            {
                assert!(
                    self.is_ancestor(label, head),
                    "a label that is off its head was sent: {:?}",
                    self.sent
                );
            }
        }
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for pair in published.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            let heads = [
                after.finalized_head,
                after.safe_head,
                after.local_safe_head,
                after.pending_safe_head,
                after.unsafe_head,
            ];
            let known: Vec<_> = heads.iter().filter(|head| !head.is_zero()).collect();
            for pair in known.windows(2) {
                assert!(
                    self.is_ancestor(pair[0].hash, pair[1].hash),
                    "I1: {after:?}"
                );
            }
            let finalized = before.finalized_head;
            assert!(
                finalized.is_zero() || self.is_ancestor(finalized.hash, after.finalized_head.hash),
                "I2: finalized left its chain"
            );
            let fell = after.safe_head.number < before.safe_head.number;
            assert!(
                !fell || self.safe_may_fall,
                "I3: safe went back without cause"
            );
            assert!(
                before.current_l1.is_zero() || !after.current_l1.is_zero(),
                "I7"
            );
            assert!(after.epoch >= before.epoch);
        }
        let last = published.pop();
        published.clear();
        published.extend(last);
    }

    /// What an update with these heads looks like; the cursor is the L1 origin of local safe.
    fn update(safe: &MemoryBlock, finalized: Option<&MemoryBlock>) -> FollowUpdate {
        let safe = safe.block_ref();
        let BlockNumHash { number, hash } = safe.l1_origin;
        let state = DerivationState {
            safe,
            local_safe: safe,
            finalized: finalized.map(MemoryBlock::block_ref).unwrap_or_default(),
            current_l1: L1BlockRef {
                hash,
                number,
                ..Default::default()
            },
        };
        FollowUpdate {
            state,
            safe_may_move: false,
        }
    }

    /// Ends the engine; it must end well.
    async fn stop(mut self) {
        self.check();
        self.token.cancel();
        assert_eq!(self.run.await.unwrap(), Ok(()));
    }
}

async fn observe(mut watch: watch::Receiver<EngineState>, published: Arc<Mutex<Vec<EngineState>>>) {
    loop {
        let state = *watch.borrow_and_update();
        published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(state);
        if watch.changed().await.is_err() {
            return;
        }
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
