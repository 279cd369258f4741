//! One run: the node between its peers, a step after the other, and the way back to health.

mod cut;
mod events;

pub use cut::network_cut;

use crate::{
    el::SimEl,
    fault::{ElEvent, Event},
    invariants::Watch,
    l1::{L1Fault, SimL1},
    model::{L1_CHAIN_ID, Model, View},
    source::{SimSource, SourceFault},
};
use alloy_rpc_types_engine::PayloadStatusEnum;
use light_node_actor::CancellationToken;
use light_node_engine_api::memory::{CallKind, MemoryElKind, Scripted};
use light_node_follow::{FollowHandle, HttpSource};
use light_node_l1::{L1Config, L1Watcher};
use light_node_node::{
    Core, CoreConfig, CoreHandle, Doors, FollowSettings, NodeError, STATUS_INTERVAL, SafeDoor,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{task::JoinHandle, time::Instant};

/// Steps of a run.
const STEPS: usize = 40;
/// Deadline of one request to the source.
const SOURCE_DEADLINE: Duration = Duration::from_secs(5);
/// The longest that a node may need, once all faults are over, to stand where its source stands: as long as a refusal of
/// the engine or a quarantine of the source lasts, and a little.
const CONVERGENCE: Duration = Duration::from_secs(420);
/// An orderly end takes less.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// A run that failed: why, and all that happened before.
#[derive(Debug)]
pub struct Failure {
    pub cause: String,
    pub trace: Vec<String>,
}

struct Running {
    handle: CoreHandle,
    token: CancellationToken,
    task: JoinHandle<Result<(), NodeError>>,
}

impl Running {
    fn follow(&self) -> &FollowHandle {
        self.handle.safe_source.follow().unwrap()
    }
}

pub struct World {
    rng: StdRng,
    model: Arc<Mutex<Model>>,
    /// What the world looked like after each step.
    views: Vec<View>,
    l1: [SimL1; 2],
    source: SimSource,
    el: Arc<SimEl>,
    /// Blocks that the EL gets from its peers at each turn.
    peers: usize,
    node: Running,
    watch: Watch,
    pub trace: Vec<String>,
    started: Instant,
}

impl World {
    pub fn new(seed: u64) -> Self {
        light_node_actor::seed_thread(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let model = Model::new();
        let view = model.view().clone();
        let source = SimSource::new(model.config(), &view);
        let model = Arc::new(Mutex::new(model));
        let kind = if rng.random() {
            MemoryElKind::Reth
        } else {
            MemoryElKind::Geth
        };
        let el = SimEl::new(kind, model.clone());
        if rng.random() {
            warm(
                &el,
                &model.lock().unwrap(),
                rng.random_range(1..view.l2.len()),
            );
            el.note_head();
        }
        let l1 = ["first", "second"].map(|name| SimL1::new(name, &view));
        let node = start(&model, &el, &l1, &source);
        Self {
            rng,
            views: vec![view],
            watch: Watch::new(&node.handle),
            trace: vec![format!("{kind:?}, head {}", el.inner().head())],
            model,
            l1,
            source,
            el,
            peers: usize::MAX,
            node,
            started: Instant::now(),
        }
    }

    /// Everything, from the first step to the end of the node.
    ///
    /// # Errors
    /// The first violation of an invariant.
    pub async fn run(mut self) -> Result<(Vec<String>, Duration), Failure> {
        let outcome = self.course().await;
        match outcome {
            Ok(converged) => Ok((self.trace, converged)),
            Err(cause) => Err(Failure {
                cause,
                trace: self.trace,
            }),
        }
    }

    async fn course(&mut self) -> Result<Duration, String> {
        for step in 0..STEPS {
            let event = Event::draw(&mut self.rng);
            self.log(&format!("step {step}: {event:?}"));
            self.happen(event).await?;
            // Now and then long enough for what is asked or forgotten only after a minute.
            let longest = if self.rng.random_bool(0.05) {
                90_000
            } else {
                4_000
            };
            let millis = self.rng.random_range(0..longest);
            self.pass(Duration::from_millis(millis)).await?;
            if self.is_honest() && self.is_converged().is_ok() {
                self.watch.safe_must_hold();
            }
            self.see();
        }
        self.heal();
        let converged = self.converge().await?;
        self.stop_node().await?;
        Ok(converged)
    }

    /// Neither the source nor an L1 endpoint errs.
    fn is_honest(&self) -> bool {
        !self.source.has_fault(|_| true) && !self.l1.iter().any(|l1| l1.has_fault(|_| true))
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    fn log(&mut self, words: &str) {
        let at = self.started.elapsed().as_millis();
        let state = self.node.handle.engine.state();
        let follow = self.node.follow().status();
        let trouble = follow.trouble.as_ref().map(|trouble| trouble.name());
        let (el, view) = (self.el.inner(), self.model().view().clone());
        self.trace.push(format!(
            "{at:>7} ms {words:<50} | U {} S {} F {} C {} T {:?} {:?} | EL {} S {} F {} T {:?} | source S {} F {} C {} L1 {} | {trouble:?}",
            short(state.unsafe_head),
            short(state.safe_head),
            short(state.finalized_head),
            state.current_l1.number,
            state.target.map(|target| target.number),
            state.el_sync,
            short(el.head()),
            short(el.safe()),
            short(el.finalized()),
            el.target().map(|target| target.to_string()[..6].to_owned()),
            short(view.l2_at(view.safe)),
            view.finalized,
            view.cursor,
            view.l1_head(),
        ));
    }

    /// Time passes in turns of at most 200 ms; the EL's peers answer, and everything is looked at after each.
    async fn pass(&mut self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let turn = (Instant::now() + Duration::from_millis(200)).min(end);
            tokio::time::sleep_until(turn).await;
            if self.peers > 0 {
                self.el.fetch(self.peers);
            }
            self.check()?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), String> {
        if self.node.task.is_finished() {
            return Err("I11: the node ended by itself".to_owned());
        }
        let model = self.model.lock().unwrap();
        self.watch
            .check(&self.node.handle, &model, &self.el, &self.source)
    }

    /// Peers without a fault of their own see the world as it is now.
    fn see(&mut self) {
        let view = self.model().view().clone();
        for endpoint in &self.l1 {
            endpoint.see(&view);
        }
        self.source.see(&view);
        self.views.push(view);
    }

    fn old_view(&mut self) -> View {
        let back = self.rng.random_range(0..12);
        let index = (self.views.len() - 1).saturating_sub(back);
        self.views[index].clone()
    }

    async fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Advance(count) => self.model().advance(count),
            Event::AdvanceUnsafe(count) => self.model().advance_unsafe(count),
            Event::Derive(count) => {
                let mut model = self.model();
                let cursor = model.view().cursor + count;
                model.derive(cursor);
            }
            Event::L1Reorg { depth, grown } => {
                self.watch.safe_may_go_back();
                self.model().reorg_l1(depth, grown);
            }
            Event::UnsafeReorg(depth) => self.model().reorg_unsafe(depth),
            Event::Payload(above) => self.insert_payload(above),
            Event::L1(index, event) => self.l1_event(index, event),
            Event::Source(event) => self.source_event(event),
            Event::El(event) => self.el_event(event),
            Event::KillNode => {
                self.node.task.abort();
                let _ = (&mut self.node.task).await;
                self.start_node();
            }
            Event::StopNode => {
                self.stop_node().await?;
                self.start_node();
            }
            Event::Wait => {}
        }
        Ok(())
    }

    fn start_node(&mut self) {
        // What would be a wrong configuration at start must not stand there by accident.
        let is_fatal =
            |fault: &SourceFault| matches!(fault, SourceFault::OtherChain | SourceFault::Cycle(_));
        if self.source.has_fault(is_fatal) {
            self.source.set_fault(None);
        }
        for endpoint in &self.l1 {
            if endpoint.has_fault(|fault| matches!(fault, L1Fault::OtherChain)) {
                endpoint.set_fault(None);
            }
        }
        if self
            .source
            .has_fault(|fault| matches!(fault, SourceFault::Alternating(_)))
        {
            self.watch.safe_may_go_back();
        }
        self.el.begin();
        self.node = start(&self.model, &self.el, &self.l1, &self.source);
        self.watch.restarted(&self.node.handle);
    }

    /// Asks the node to end, and holds it to its time.
    async fn stop_node(&mut self) -> Result<(), String> {
        self.node.token.cancel();
        match tokio::time::timeout(SHUTDOWN, &mut self.node.task).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(ended) => Err(format!("I11: the node ended with {ended:?}")),
            Err(_) => Err("I11: the node did not end in time".to_owned()),
        }
    }

    fn heal(&mut self) {
        self.watch.safe_may_go_back();
        for endpoint in &self.l1 {
            endpoint.set_fault(None);
        }
        self.source.set_fault(None);
        self.el_event(ElEvent::Heal);
        self.el.answer_null(0);
        self.el.inner().stick_to_branch(0);
        self.el.inner().clear_script();
        {
            let mut model = self.model();
            let head = model.view().l1_head();
            model.derive(head);
        }
        self.see();
        self.log("all faults are over");
    }

    /// Waits until the node stands where the source does. The world goes on meanwhile, or stands still.
    async fn converge(&mut self) -> Result<Duration, String> {
        let start = Instant::now();
        let goes_on: bool = self.rng.random();
        let mut turn = 0;
        loop {
            self.pass(Duration::from_secs(1)).await?;
            let Err(missing) = self.is_converged() else {
                self.log("converged");
                return Ok(start.elapsed());
            };
            turn += 1;
            if turn % 15 == 0 {
                self.log(&format!("not converged: {missing}"));
            }
            if start.elapsed() > CONVERGENCE {
                return Err(format!("no convergence: {missing}"));
            }
            if goes_on && turn % 12 == 0 {
                self.model().advance(1);
                self.see();
            }
        }
    }

    fn is_converged(&self) -> Result<(), &'static str> {
        let (state, el) = (self.node.handle.engine.state(), self.el.inner());
        let said = self.model().view().status();
        let expect = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
        expect(state.safe_head == said.safe_l2, "safe")?;
        expect(state.local_safe_head == said.local_safe_l2, "local safe")?;
        expect(state.finalized_head == said.finalized_l2, "finalized")?;
        expect(state.current_l1 == said.current_l1, "current_l1")?;
        expect(state.target.is_none(), "a target is pending")?;
        expect(el.head() == state.unsafe_head, "the EL's head")?;
        expect(el.safe() == state.safe_head, "the EL's safe label")?;
        expect(
            el.finalized() == state.finalized_head,
            "the EL's finalized label",
        )?;
        expect(self.node.follow().status().not_ready.is_none(), "not ready")?;
        expect(self.node.follow().status().trouble.is_none(), "trouble")
    }
}

/// How a node ends one of whose actors panics.
pub async fn end_after_a_panic() -> Result<(), NodeError> {
    let world = World::new(0);
    // A chain id with the status of a payload is a defect of the EL in memory, which panics in the engine's task.
    let nonsense = Scripted::Status(PayloadStatusEnum::Syncing);
    world.el.inner().script(CallKind::ChainId, nonsense);
    world.node.task.await.unwrap()
}

/// An EL that has followed the chain before, up to block `head`.
fn warm(el: &SimEl, model: &Model, head: usize) {
    let view = model.view();
    let head = view.l2[head];
    let way = model.way_to(head.hash, |hash| hash == view.l2[0].hash);
    let inner = el.inner();
    inner.add_canonical(&way);
    let safe = view.l2_at(view.safe.min(head.number)).hash;
    let finalized = view.l2_at(view.finalized.min(head.number)).hash;
    inner.set_labels(safe, finalized);
}

fn start(
    model: &Arc<Mutex<Model>>,
    el: &Arc<SimEl>,
    l1: &[SimL1; 2],
    source: &SimSource,
) -> Running {
    let (rollup_config, genesis_l1) = {
        let model = model.lock().unwrap();
        (model.config(), model.view().l1_at(0).id())
    };
    let l1_config = L1Config::new(Vec::new(), L1_CHAIN_ID, genesis_l1);
    let transports = vec![Box::new(l1[0].clone()) as _, Box::new(l1[1].clone()) as _];
    let source = HttpSource::with_transport(Box::new(source.clone()), SOURCE_DEADLINE);
    let settings = FollowSettings {
        source: "http://source".parse().unwrap(),
        poll_interval: Duration::from_secs(1),
        max_age: Duration::from_secs(120),
        request_deadline: SOURCE_DEADLINE,
    };
    let doors = Doors {
        engine: el.clone(),
        l1: L1Watcher::with_transports(l1_config, transports).unwrap(),
        safe_source: SafeDoor::Follow(settings, Box::new(source)),
        safe_db: None,
    };
    let config = CoreConfig {
        rollup_config,
        status_interval: Some(STATUS_INTERVAL),
    };
    let (core, handle) = Core::new(config, doors);
    let token = CancellationToken::new();
    let task = tokio::spawn(core.run(token.clone()));
    Running {
        handle,
        token,
        task,
    }
}

fn short(block: light_node_protocol::L2BlockRef) -> String {
    format!("{}:{}", block.number, &block.hash.to_string()[2..6])
}
