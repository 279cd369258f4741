//! Random histories of derivation: L1 that goes on and reorgs, blocks that ran ahead, gossip of any branch, an EL that loses,
//! refuses, lags and goes down. The invariants hold throughout, and when the faults end the engine arrives where L1 is.

use super::{
    deriving::{derived, span, with_transaction},
    *,
};
use crate::request::{ConsolidateOutcome, DerivedAttributes, ForkchoiceStart};
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
    /// The batch of the next block cannot be executed.
    BadBatch,
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
        1 => Just(Event::BadBatch),
        1 => (1usize..6).prop_map(Event::Reorg),
        2 => (0usize..6).prop_map(Event::Finalize),
        2 => Just(Event::Cursor),
        1 => Just(Event::Restart),
        6 => (0usize..1_000).prop_map(Event::Gossip),
        4 => (0usize..1_000).prop_map(Event::Peers),
        1 => (1usize..20).prop_map(Event::Lose),
        1 => (0usize..20).prop_map(Event::Kill),
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
    async fn new(kind: MemoryElKind) -> Self {
        let mut harness = Harness::deriving_beside(kind, |_, _| {}).await;
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

    /// What remains of the block is its deposits, which is the block of the chain.
    async fn derive_bad_batch(&mut self) {
        let Some(next) = self.next.filter(|next| next + 2 < MAIN) else {
            return;
        };
        let (bad, after) = (&self.chain[next], &self.chain[next + 1]);
        let after = DerivedAttributes {
            parent: None,
            ..derived(after)
        };
        let engine = self.harness.engine.clone();
        let calls = [with_transaction(bad), after].map(|it| engine.consolidate(self.epoch, it));
        let answers = tokio::time::timeout(PATIENCE, futures::future::join_all(calls)).await;
        let deposits = Ok(ConsolidateOutcome::DepositsOnly(bad.block_ref()));
        self.next = None;
        if let Ok([answer, ahead]) = answers.as_deref()
            && *answer == deposits
        {
            assert_eq!(
                *ahead,
                Ok(ConsolidateOutcome::Stale),
                "it ran ahead in vain"
            );
            self.next = Some(next + 1);
        }
    }

    async fn step(&mut self, event: Event) {
        let el = Arc::clone(&self.harness.el);
        let engine = self.harness.engine.clone();
        match event {
            Event::Derive(count) => self.derive(count, false).await,
            Event::Span(count) => self.derive(count, true).await,
            Event::BadBatch => self.derive_bad_batch().await,
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
            Event::Peers(index) => el.add(&self.all[index % self.all.len()..][..1]),
            Event::Lose(count) => el.lose_last(count),
            Event::Kill(lost) => el.restart(lost),
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
            Event::Wait(millis) => self.harness.pass(Duration::from_millis(millis)).await,
        }
        self.harness.check();
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
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new(kind).await;
            for event in events {
                world.step(event).await;
            }
            world.heal().await;
        });
    }
}
