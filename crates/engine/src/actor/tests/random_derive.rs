//! Random histories of derivation, before Holocene and after: L1 that goes on and reorgs, blocks that ran ahead, batches that
//! cannot be executed, resets in the middle, gossip of any branch, an EL that loses, wanders off, refuses, lags and goes down. The
//! invariants hold throughout, and when the faults end the engine arrives where L1 is.

use super::{
    deriving::{derived, span, with_transaction},
    *,
};
use crate::request::{ConsolidateOutcome, ForkchoiceStart};
use light_node_engine_api::memory::Scripted;
use proptest::prelude::*;

const MAIN: usize = 24;

/// The id of the test chain.
const OUR_CHAIN: u64 = 901;

/// How long derivation waits for an answer before something else happens.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
enum Event {
    /// So many blocks are derived, one after the other.
    Derive(usize),
    /// A span of so many is handed over at once.
    Span(usize),
    /// A span of which one batch cannot be executed: after so many good ones, and before so many.
    BadBatch(usize, usize),
    /// Derivation is to begin anew while so many blocks are under way.
    RestartInSpan(usize),
    /// It begins anew by itself, without waiting for what is under way.
    ResetInSpan(usize),
    /// The EL loses so many blocks while so many are under way.
    LoseInSpan(usize, usize),
    /// L1 leaves its branch so many blocks below what was derived.
    Reorg(usize),
    /// So many blocks behind what is derived are final.
    Finalize(usize),
    /// An L1 block is done.
    Cursor,
    /// Somebody wants derivation to begin anew.
    Restart,
    /// A payload of any branch comes by gossip.
    Gossip(usize),
    /// The EL gets a block of any branch from its peers.
    Peers(usize),
    Lose(usize),
    Kill(usize),
    /// The EL comes back without its last blocks, and on another branch, if it has one there.
    Elsewhere(usize, usize),
    Backfill(bool),
    Foreign(bool),
    Down(bool),
    Stick(usize),
    LostAnswer(CallKind),
    Refuse,
    Busy,
    /// Milliseconds.
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1usize..4).prop_map(Event::Derive),
        6 => (1usize..6).prop_map(Event::Span),
        2 => (0usize..4, 1usize..3).prop_map(|(good, after)| Event::BadBatch(good, after)),
        1 => (1usize..6).prop_map(Event::RestartInSpan),
        1 => (1usize..6).prop_map(Event::ResetInSpan),
        1 => (1usize..8, 1usize..6).prop_map(|(lost, ahead)| Event::LoseInSpan(lost, ahead)),
        1 => (1usize..6).prop_map(Event::Reorg),
        2 => (0usize..6).prop_map(Event::Finalize),
        2 => Just(Event::Cursor),
        1 => Just(Event::Restart),
        6 => (0usize..1_000).prop_map(Event::Gossip),
        4 => (0usize..1_000).prop_map(Event::Peers),
        1 => (1usize..20).prop_map(Event::Lose),
        1 => (0usize..20).prop_map(Event::Kill),
        1 => (0usize..8, 0usize..1_000).prop_map(|(lost, onto)| Event::Elsewhere(lost, onto)),
        1 => any::<bool>().prop_map(Event::Backfill),
        1 => any::<bool>().prop_map(Event::Foreign),
        1 => any::<bool>().prop_map(Event::Down),
        1 => (1usize..4).prop_map(Event::Stick),
        2 => prop_oneof![
            Just(CallKind::ForkchoiceUpdated),
            Just(CallKind::NewPayload),
            Just(CallKind::GetPayload),
            Just(CallKind::Payload),
            Just(CallKind::Blocks),
        ].prop_map(Event::LostAnswer),
        1 => Just(Event::Refuse),
        1 => Just(Event::Busy),
        6 => (1u64..4_000).prop_map(Event::Wait),
    ]
}

/// What L1 says, and all blocks that there are.
struct World {
    harness: Harness,
    genesis: MemoryBlock,
    chain: Vec<MemoryBlock>,
    all: Vec<MemoryBlock>,
    /// Blocks of `chain` that are derived, as far as derivation knows; `None` before a start is found.
    next: Option<usize>,
    /// That of the last start.
    epoch: u64,
    /// Blocks of `chain` up to which L1 is final.
    finalized: usize,
    salt: u64,
    l1: u64,
}

impl World {
    async fn new(kind: MemoryElKind, is_holocene: bool) -> Self {
        let mut harness = if is_holocene {
            Harness::deriving_beside(kind, |_, _| {}).await
        } else {
            Harness::deriving_before_holocene(kind, 1_000_000).await
        };
        harness.safe_may_fall = true;
        harness.el.leave_out_transactions(true);
        let chain = harness.chain(MAIN);
        Self {
            genesis: harness.builder.genesis(),
            harness,
            all: chain.clone(),
            chain,
            next: None,
            epoch: 0,
            finalized: 0,
            salt: 0,
            l1: 101,
        }
    }

    /// The last of the first `count` blocks, or genesis.
    fn block(&self, count: usize) -> MemoryBlock {
        match count.checked_sub(1) {
            Some(index) => self.chain[index].clone(),
            None => self.genesis.clone(),
        }
    }

    /// How many blocks of L1's chain the EL has on its own, counted from genesis.
    fn shared(&self) -> usize {
        let el = &self.harness.el;
        let parent = |block: &L2BlockRef| Some(el.known(block.parent_hash)?.block_ref);
        let canonical: Vec<_> = std::iter::successors(Some(el.head()), parent).collect();
        let is_there = |block: &MemoryBlock| canonical.contains(&block.block_ref());
        self.chain
            .iter()
            .take_while(|block| is_there(block))
            .count()
    }

    /// Finds a start, as derivation does: a block of L1's chain that the EL has, not above what was safe once.
    async fn begin(&mut self) {
        let state = self.harness.state();
        let known = usize::try_from(state.safe_head.number).unwrap();
        let count = self.shared().min(known.max(self.finalized));
        let start = ForkchoiceStart {
            finalized: self.genesis.block_ref(),
            ..self.harness.start_at(&self.block(count))
        };
        let begun = self.harness.engine.reset(start);
        let begun = tokio::time::timeout(PATIENCE, begun).await;
        self.next = matches!(begun, Ok(Ok(_))).then_some(count);
        if let Ok(Ok(epoch)) = begun {
            self.epoch = epoch;
        }
    }

    async fn derive(&mut self, count: usize, at_once: bool) {
        if self.next.is_none() || self.harness.state().reset_epoch > self.epoch {
            self.begin().await;
        }
        let Some(next) = self.next else {
            return;
        };
        let blocks = self.chain[next..(next + count).min(MAIN - 1)].to_vec();
        if blocks.is_empty() {
            return;
        }
        let epoch = self.epoch;
        let attributes = if at_once {
            span(&blocks)
        } else {
            blocks.iter().map(derived).collect()
        };
        let engine = self.harness.engine.clone();
        let calls = attributes
            .into_iter()
            .map(|it| engine.consolidate(epoch, it));
        let answers = tokio::time::timeout(PATIENCE, futures::future::join_all(calls)).await;
        let is_safe = |(answer, block): (&Result<_, _>, &MemoryBlock)| {
            *answer == Ok(ConsolidateOutcome::Safe(block.block_ref()))
        };
        // Whatever else was answered, or was not: derivation finds its start anew.
        let done = answers.is_ok_and(|answers| answers.iter().zip(&blocks).all(is_safe));
        self.next = done.then_some(next + blocks.len());
    }

    /// What remains of the refused block is its deposits, which is the block of the chain. Before Holocene it is dropped.
    async fn derive_bad_batch(&mut self, good: usize, after: usize) {
        let end = |next: usize| next + good + 1 + after;
        let Some(next) = self.next.filter(|next| end(*next) < MAIN) else {
            return;
        };
        let blocks = self.chain[next..end(next)].to_vec();
        let mut attributes = span(&blocks);
        attributes[good].attributes = with_transaction(&blocks[good]).attributes;
        let calls = attributes
            .into_iter()
            .map(|it| self.harness.engine.consolidate(self.epoch, it));
        let answers = tokio::time::timeout(PATIENCE, futures::future::join_all(calls)).await;
        self.next = None;
        let Ok(answers) = answers else {
            return;
        };
        let deposits = ConsolidateOutcome::DepositsOnly(blocks[good].block_ref());
        let next_after = match &answers[good] {
            Ok(outcome) if *outcome == deposits => Some(next + good + 1),
            Ok(ConsolidateOutcome::Dropped(safe)) => {
                let number = usize::try_from(safe.number).unwrap();
                assert_eq!(*safe, self.block(number).block_ref(), "not what is safe");
                Some(number)
            }
            _ => None,
        };
        if next_after.is_some() {
            let is_stale = |answer: &Result<_, _>| *answer == Ok(ConsolidateOutcome::Stale);
            let ahead = &answers[good + 1..];
            assert!(
                ahead.iter().all(is_stale),
                "it ran ahead in vain: {ahead:?}"
            );
            self.next = next_after;
        }
    }

    /// Hands over a span, and has something happen before anybody looks at the answers.
    async fn in_span(&mut self, count: usize, then: impl AsyncFnOnce(&mut Self)) {
        let Some(next) = self.next.filter(|next| next + count < MAIN) else {
            return;
        };
        let engine = self.harness.engine.clone();
        let attributes = span(&self.chain[next..next + count]);
        let calls: Vec<_> = attributes
            .into_iter()
            .map(|it| engine.consolidate(self.epoch, it))
            .collect();
        // Some of them are done by then.
        tokio::task::yield_now().await;
        self.next = None;
        then(self).await;
        let answers = tokio::time::timeout(PATIENCE, futures::future::join_all(calls)).await;
        let is_taken = |answer: &Result<_, _>| matches!(answer, Ok(ConsolidateOutcome::Safe(_)));
        if let Ok(answers) = answers {
            let taken = answers.iter().take_while(|answer| is_taken(answer)).count();
            let late = answers[taken..].iter().any(is_taken);
            assert!(!late, "a block stands on one that was refused: {answers:?}");
        }
    }

    async fn step(&mut self, event: Event) {
        let el = Arc::clone(&self.harness.el);
        let engine = self.harness.engine.clone();
        match event {
            Event::Derive(count) => self.derive(count, false).await,
            Event::Span(count) => self.derive(count, true).await,
            Event::BadBatch(good, after) => self.derive_bad_batch(good, after).await,
            Event::RestartInSpan(count) => {
                let restart = async |_: &mut Self| engine.restart_derivation().await.unwrap();
                self.in_span(count, restart).await;
            }
            Event::ResetInSpan(count) => self.in_span(count, Self::begin).await,
            Event::LoseInSpan(lost, count) => {
                self.in_span(count, async |_: &mut Self| el.restart(lost))
                    .await;
            }
            Event::Reorg(depth) => {
                self.salt += 1;
                let top = self.next.unwrap_or_default().max(self.finalized);
                let fork = top.saturating_sub(depth).max(self.finalized);
                let parent = self.block(fork);
                let branch = self.harness.branch(&parent, MAIN - fork, self.salt);
                self.chain.truncate(fork);
                self.chain.extend(branch.iter().cloned());
                self.all.extend(branch);
                self.next = None;
            }
            Event::Finalize(behind) => {
                let Some(next) = self.next else { return };
                let count = next.saturating_sub(behind);
                if count > self.finalized {
                    self.finalized = count;
                    let id = self.block(count).block_ref().id();
                    engine.finalize(id).await.unwrap();
                }
            }
            Event::Cursor => {
                self.l1 += 1;
                let l1 = ChainBuilder::l1_block(self.l1, 0);
                engine.cursor(l1).await.unwrap();
            }
            Event::Restart => engine.restart_derivation().await.unwrap(),
            Event::Gossip(index) => {
                let block = &self.all[index % self.all.len()];
                let taken = engine.try_insert_unsafe(block.envelope.clone());
                assert_eq!(taken, Ok(()));
            }
            Event::Wait(millis) => self.harness.pass(Duration::from_millis(millis)).await,
            fault => self.befall(fault),
        }
        self.harness.check();
    }

    /// Something happens to the EL.
    fn befall(&self, event: Event) {
        let el = &self.harness.el;
        match event {
            Event::Peers(index) => el.add(&self.all[index % self.all.len()..][..1]),
            Event::Lose(count) => el.lose_last(count),
            Event::Kill(lost) => el.restart(lost),
            Event::Elsewhere(lost, onto) => {
                el.restart(lost);
                let other = self.all[onto % self.all.len()].hash();
                if el.known(other).is_some() {
                    el.set_head(other);
                }
            }
            Event::Backfill(on) => el.set_backfilling(on),
            Event::Foreign(foreign) => el.set_chain_id(if foreign { 10 } else { OUR_CHAIN }),
            Event::Down(down) => el.set_down(down),
            Event::Stick(count) => el.stick_to_branch(count),
            Event::LostAnswer(kind) => {
                let error = ElError::Transport {
                    endpoint: "memory".to_owned(),
                    cause: "connection reset".to_owned(),
                };
                el.script(kind, Scripted::ApplyThenError(error));
            }
            Event::Refuse => {
                let message = "unknown safe".to_owned();
                let error = ElError::InvalidForkchoiceState { message };
                el.script(CallKind::ForkchoiceUpdated, Scripted::Error(error));
            }
            Event::Busy => {
                let syncing = alloy_rpc_types_engine::PayloadStatusEnum::Syncing;
                el.script(CallKind::ForkchoiceUpdated, Scripted::Status(syncing));
            }
            other => panic!("{other:?} is no fault of the EL"),
        }
    }

    /// The faults end, but for those already on their way. Derivation goes on until all of L1 is derived.
    async fn heal(mut self) {
        let el = Arc::clone(&self.harness.el);
        el.set_down(false);
        el.stick_to_branch(0);
        el.set_backfilling(false);
        el.set_chain_id(OUR_CHAIN);
        let wanted = self.chain[MAIN - 2].block_ref();
        for _ in 0..300 {
            // A head that gossip named is served by then.
            el.add(&self.all);
            self.derive(MAIN, true).await;
            self.harness.pass(seconds(1)).await;
            let state = self.harness.state();
            let arrived = (el.head(), el.safe()) == (state.unsafe_head, wanted)
                && state.safe_head == wanted
                && state.finalized_head == el.finalized()
                && state.el_sync == ElSyncState::Synced;
            if arrived {
                break;
            }
        }
        let state = self.harness.state();
        assert_eq!((state.safe_head, state.local_safe_head), (wanted, wanted));
        assert_eq!(state.el_sync, ElSyncState::Synced, "{state:?}");
        assert_eq!(el.head(), state.unsafe_head);
        assert_eq!(el.safe(), wanted);
        assert_eq!(el.finalized(), state.finalized_head);
        self.harness.stop().await;
    }
}

proptest! {
    // 256 histories, or as many as PROPTEST_CASES says.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold_and_the_engine_arrives_where_l1_is(
        kind in proptest::sample::select(MemoryElKind::ALL.to_vec()),
        is_holocene in proptest::bool::weighted(0.7),
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new(kind, is_holocene).await;
            for event in events {
                world.step(event).await;
            }
            world.heal().await;
        });
    }
}
