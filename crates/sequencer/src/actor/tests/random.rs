//! Random failures at every step, leadership that moves, blocks of others, starts and stops: whatever happens, what goes out was
//! taken by the conductor, and on one parent goes out one block.

use super::*;
use alloy_eips::BlockId;
use alloy_primitives::Bytes;
use el::{Hooked, Hooks, Sealed};
use light_node_engine_api::{
    ElError, ElReader,
    memory::{CallKind, Scripted},
};
use proptest::prelude::*;
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
};

/// An execution layer with a pool: the same attributes at another time make another block. As real ones it takes a question
/// that it was asked before for the same one, until the block is sealed.
#[derive(Debug)]
struct Pooled {
    conductor: ScriptedConductor,
    tick: AtomicU8,
    builds: Mutex<HashMap<B256, Vec<(OpPayloadAttributes, OpPayloadAttributes)>>>,
}

impl Hooks for Pooled {
    fn asked(&self, head: B256, asked: OpPayloadAttributes) -> OpPayloadAttributes {
        let mut builds = self.builds.lock().unwrap();
        let on_parent = builds.entry(head).or_default();
        if let Some((_, made)) = on_parent.iter().find(|(before, _)| *before == asked) {
            return made.clone();
        }
        // Nothing is built in the place of what the cluster has.
        let taken = self.conductor.lock().taken_on(head);
        assert!(taken.is_none(), "built beside {taken:?}: {asked:?}");
        let mut made = asked.clone();
        let tick = self.tick.fetch_add(1, Ordering::Relaxed);
        let transactions = made.transactions.get_or_insert_default();
        transactions.push(Bytes::from(vec![2, tick, 7]));
        on_parent.push((asked, made.clone()));
        made
    }

    fn sealed(&self, answer: Sealed) -> Sealed {
        // Whoever asks for it from now on gets what the pool has then.
        self.builds.lock().unwrap().clear();
        answer
    }
}

/// What happens in the course of a test.
#[derive(Clone, Copy, Debug)]
enum Event {
    Pass(u64),
    Conductor(Answer),
    Down(bool),
    Leads(bool),
    El(u8, u8),
    Stop,
    Start,
    Foreign(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let answer = prop_oneof![
        Just(Answer::Taken),
        Just(Answer::TakenInSilence),
        Just(Answer::Lost),
        Just(Answer::Fails),
        Just(Answer::LeadershipMoves),
        Just(Answer::TakenAndLeadershipMoves),
    ];
    prop_oneof![
        4 => (1u64..5_000).prop_map(Event::Pass),
        4 => answer.prop_map(Event::Conductor),
        1 => any::<bool>().prop_map(Event::Down),
        2 => any::<bool>().prop_map(Event::Leads),
        4 => (0u8..3, 0u8..4).prop_map(|(kind, how)| Event::El(kind, how)),
        1 => Just(Event::Stop),
        3 => Just(Event::Start),
        1 => any::<u8>().prop_map(Event::Foreign),
    ]
}

fn scripted(how: u8) -> Scripted {
    let lost = ElError::Timeout {
        method: "engine",
        deadline: Duration::from_secs(1),
    };
    match how {
        0 => Scripted::Hang,
        1 => Scripted::ApplyThenError(lost),
        2 => Scripted::Error(lost),
        _ => Scripted::Delay(Duration::from_millis(700)),
    }
}

async fn happen(world: &World, conductor: &ScriptedConductor, event: Event) {
    let kinds = [
        CallKind::ForkchoiceUpdated,
        CallKind::GetPayload,
        CallKind::NewPayload,
    ];
    match event {
        Event::Pass(millis) => world.pass(Duration::from_millis(millis)).await,
        Event::Conductor(answer) => conductor.answer([answer]),
        Event::Down(is_down) => conductor.lock().is_down = is_down,
        Event::Leads(leads) => conductor.lock().leads = leads,
        Event::El(kind, how) => world.el.script(kinds[usize::from(kind)], scripted(how)),
        // Whether it is done in time is not the question here.
        Event::Stop => {
            let stop = world.sequencer.stop();
            let _ = tokio::time::timeout(Duration::from_secs(2), stop).await;
        }
        Event::Start => {
            let start = world.sequencer.start(None);
            let _ = tokio::time::timeout(Duration::from_secs(3), start).await;
        }
        Event::Foreign(salt) => {
            let head = world.el.head();
            let envelope = world.el.payload(BlockId::hash(head.hash)).await;
            if let (Some(el), Ok(Some(envelope))) = (world.el.known(head.hash), envelope) {
                let parent = MemoryBlock { el, envelope };
                let salt = u64::from(salt) + 1_000;
                let theirs = world.builder.child(&parent, head.l1_origin, salt);
                let inserted = world.engine.insert_unsafe(theirs.envelope);
                let _ = tokio::time::timeout(Duration::from_secs(3), inserted).await;
            }
        }
    }
}

/// What must hold at all times.
fn check(world: &World, conductor: &ScriptedConductor) {
    let state = conductor.lock();
    let published = world.so_far();
    let mut on_parent: HashMap<B256, B256> = HashMap::new();
    for one in &published {
        let hash = one.block.hash;
        assert!(state.log.contains(&hash), "not the cluster's: {one:?}");
        let before = on_parent.insert(one.block.parent_hash, hash);
        assert!(before.is_none_or(|before| before == hash), "two: {one:?}");
    }
    // Of what the cluster may have, nothing else was offered in its place; what it surely refused nobody has.
    let mut taken: HashMap<B256, B256> = HashMap::new();
    for (parent, hash) in &state.offered {
        if state.log.contains(hash) {
            let before = taken.insert(*parent, *hash);
            assert!(before.is_none_or(|before| before == *hash), "two taken");
        }
    }
}

/// With a conductor, and an execution layer that has a pool.
pub(super) fn pooled() -> (Settings, ScriptedConductor) {
    let (mut settings, conductor) = Settings::conducted();
    let cluster = conductor.clone();
    settings.wrap = Box::new(|el| {
        let hooks = Pooled {
            conductor: cluster,
            tick: AtomicU8::new(0),
            builds: Mutex::default(),
        };
        Arc::new(Hooked { el, hooks })
    });
    (settings, conductor)
}

async fn course(events: Vec<Event>) {
    let (mut settings, conductor) = pooled();
    settings.l1_blocks = 3;
    let world = World::start(settings).await;
    world.sequencer.start(None).await.unwrap();
    for event in events {
        happen(&world, &conductor, event).await;
        check(&world, &conductor);
    }
    // In the end all is well again, and blocks go on.
    world.el.clear_script();
    {
        let mut state = conductor.lock();
        state.answers.clear();
        (state.leads, state.is_down) = (true, false);
    }
    world.pass(Duration::from_secs(40)).await;
    let _ = tokio::time::timeout(Duration::from_secs(30), world.sequencer.start(None)).await;
    let count = world.so_far().len();
    world.published(count + 3).await;
    check(&world, &conductor);
    world.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_only_what_the_conductor_took_goes_out_and_once(
        events in proptest::collection::vec(event(), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(course(events));
    }
}
