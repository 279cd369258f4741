//! Random histories: a source that advances and reorgs, gossip of any branch, an EL that loses, refuses, lags and goes down.
//! The invariants hold throughout, and when the faults end the engine arrives where the source is, by itself.

use super::*;
use light_node_engine_api::memory::Scripted;
use proptest::prelude::*;

const MAIN: usize = 24;

/// The id of the test chain.
const OUR_CHAIN: u64 = 901;

#[derive(Clone, Debug)]
enum Event {
    /// The source's safe head goes up by this much, and is polled.
    Advance(usize),
    /// The source's chain leaves ours this many blocks below its safe head, and is polled.
    Reorg(usize),
    /// It is polled.
    Poll,
    /// It claims a wrong L1 origin for the block this much above its safe head.
    Lie(usize),
    /// A payload of any branch comes by gossip.
    Gossip(usize),
    /// The EL gets a block of any branch from its peers.
    Peers(usize),
    /// The EL loses this many blocks.
    Lose(usize),
    /// It is killed, and starts again without this many blocks.
    Restart(usize),
    Backfill(bool),
    /// The EL of another chain stands in its place, or not any more.
    Foreign(bool),
    Down(bool),
    /// The next forkchoices to another branch do not move it.
    Stick(usize),
    LostAnswer(CallKind),
    Refuse,
    Busy,
    /// Milliseconds.
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1usize..4).prop_map(Event::Advance),
        1 => (1usize..6).prop_map(Event::Reorg),
        4 => Just(Event::Poll),
        2 => (0usize..10).prop_map(Event::Lie),
        6 => (0usize..1_000).prop_map(Event::Gossip),
        6 => (0usize..1_000).prop_map(Event::Peers),
        1 => (1usize..20).prop_map(Event::Lose),
        1 => (0usize..20).prop_map(Event::Restart),
        1 => any::<bool>().prop_map(Event::Backfill),
        1 => any::<bool>().prop_map(Event::Foreign),
        1 => any::<bool>().prop_map(Event::Down),
        1 => (1usize..4).prop_map(Event::Stick),
        1 => prop_oneof![
            Just(CallKind::ForkchoiceUpdated),
            Just(CallKind::NewPayload),
            Just(CallKind::Blocks),
        ].prop_map(Event::LostAnswer),
        1 => Just(Event::Refuse),
        1 => Just(Event::Busy),
        6 => (1u64..4_000).prop_map(Event::Wait),
    ]
}

/// What the source says, and all blocks that there are.
struct World {
    harness: Harness,
    chain: Vec<MemoryBlock>,
    all: Vec<MemoryBlock>,
    safe: usize,
    finalized: usize,
    salt: u64,
    moved: bool,
}

impl World {
    async fn new(kind: MemoryElKind) -> Self {
        let builder = ChainBuilder::new();
        let el = MemoryEl::with_kind(&builder, kind);
        let mut harness = Harness::start(builder, el);
        harness
            .published_until(|state| !state.unsafe_head.is_zero())
            .await;
        // Whether safe may fall is the source's to say here; the engine may not lower it by itself.
        harness.safe_may_fall = true;
        let chain = harness.chain(MAIN);
        Self {
            harness,
            all: chain.clone(),
            chain,
            safe: 0,
            finalized: 0,
            salt: 0,
            moved: false,
        }
    }

    async fn poll(&mut self) -> FollowOutcome {
        let finalized = (self.finalized > 0).then(|| &self.chain[self.finalized]);
        let update = Harness::update(&self.chain[self.safe], finalized);
        let update = FollowUpdate {
            safe_may_move: self.moved,
            ..update
        };
        let outcome = self.harness.follow(update).await;
        if outcome == FollowOutcome::Applied {
            self.moved = false;
        }
        outcome
    }

    async fn step(&mut self, event: Event) {
        let el = Arc::clone(&self.harness.el);
        match event {
            Event::Advance(count) => {
                self.safe = (self.safe + count).min(MAIN - 1);
                self.finalized = self.finalized.max(self.safe.saturating_sub(8));
                self.poll().await;
            }
            Event::Reorg(depth) => {
                self.salt += 1;
                let fork = self.safe.saturating_sub(depth).max(self.finalized);
                let branch =
                    self.harness
                        .branch(&self.chain[fork].clone(), MAIN - 1 - fork, self.salt);
                self.chain.truncate(fork + 1);
                self.chain.extend(branch.iter().cloned());
                self.all.extend(branch);
                self.moved = true;
                self.poll().await;
            }
            Event::Poll => drop(self.poll().await),
            Event::Lie(above) => {
                let block = &self.chain[(self.safe + above).min(MAIN - 1)];
                let mut update = Harness::update(block, None);
                update.state.safe.l1_origin = ChainBuilder::l1_block(200, 0).id();
                update.state.local_safe.l1_origin = update.state.safe.l1_origin;
                update.safe_may_move = self.moved;
                self.harness.follow(update).await;
            }
            Event::Gossip(index) => {
                let block = &self.all[index % self.all.len()];
                let taken = self
                    .harness
                    .engine
                    .try_insert_unsafe(block.envelope.clone());
                assert_eq!(taken, Ok(()));
            }
            Event::Peers(index) => el.add(&self.all[index % self.all.len()..][..1]),
            Event::Lose(count) => el.lose_last(count),
            Event::Restart(lost) => el.restart(lost),
            Event::Backfill(on) => el.set_backfilling(on),
            Event::Foreign(foreign) => el.set_chain_id(if foreign { 10 } else { OUR_CHAIN }),
            Event::Down(down) => el.set_down(down),
            Event::Stick(count) => el.stick_to_branch(count),
            Event::LostAnswer(kind) => {
                let cause = "connection reset".to_owned();
                let error = ElError::Transport {
                    endpoint: "memory".to_owned(),
                    cause,
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

    /// The faults end (but for those already on their way), the EL's peers have every block, the source is polled each second.
    async fn heal(mut self) {
        self.harness.el.set_down(false);
        self.harness.el.stick_to_branch(0);
        self.harness.el.set_backfilling(false);
        self.harness.el.set_chain_id(OUR_CHAIN);
        let wanted = self.chain[self.safe].block_ref();
        let mut outcome = FollowOutcome::Skipped;
        for _ in 0..600 {
            self.harness.el.add(&self.all);
            outcome = self.poll().await;
            self.harness.pass(seconds(1)).await;
            let (el, state) = (&self.harness.el, self.harness.state());
            let arrived = (el.head(), el.safe()) == (state.unsafe_head, wanted)
                && state.el_sync == ElSyncState::Synced;
            if outcome == FollowOutcome::Unchanged && arrived {
                break;
            }
        }
        assert_eq!(
            outcome,
            FollowOutcome::Unchanged,
            "{:?}",
            self.harness.state()
        );
        let state = self.harness.state();
        assert_eq!((state.safe_head, state.local_safe_head), (wanted, wanted));
        assert_eq!(state.el_sync, ElSyncState::Synced);
        assert_eq!(self.harness.el.head(), state.unsafe_head);
        assert_eq!(self.harness.el.safe(), wanted);
        assert_eq!(self.harness.el.finalized(), state.finalized_head);
        self.harness.stop().await;
    }
}

proptest! {
    // 256 histories, or as many as PROPTEST_CASES says.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold_and_the_engine_arrives_where_the_source_is(
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
