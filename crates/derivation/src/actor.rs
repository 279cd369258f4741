//! The derivation actor: looks for a start, steps the pipeline, sends what it derives to the engine and does what the engine's
//! answers ask for: go on, flush, or start over. It waits on the L1 heads, on the engine's answers and, after a failure, on a
//! timer; nothing is polled. It awaits L1, the engine and reads of the execution layer; nobody awaits it.
//!
//! One piece of work at a time holds the pipeline (a step, or the search for a start); answers come in meanwhile. What they ask
//! of the pipeline is done when the work gives it back.

mod answers;
mod work;

use crate::{
    config::DerivationConfig,
    confirmations::{ConfirmedL1, readable},
    deriver::{Deriver, DeriverConfig},
    drought::Drought,
    finality::{Finality, Finding},
    handle::DerivationHandle,
    history::History,
    in_flight::InFlight,
    metrics::DerivationMetrics,
    refusals::Refusals,
    report::Report,
    status::{DerivationPhase, Measure, Snapshot},
    trouble::DerivationTrouble,
    upgrades::UpgradeBundles,
};
use alloy_primitives::B256;
use answers::Answers;
use core::{convert::Infallible, future::Future, pin::Pin};
use light_node_actor::{Backoff, CancellationToken};
use light_node_engine::{ElSyncState, EngineGone, EngineHandle, EngineState};
use light_node_engine_api::ElReader;
use light_node_l1::{L1Heads, L1Source};
use light_node_protocol::{BlockNumHash, L1BlockRef};
use light_node_safedb::SafeDb;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use work::WorkCall;

/// First and longest pause after a failure of L1, a beacon or the execution layer.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// First and longest pause before derivation starts over once more.
const RESETS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A reset this long after the one before is done at once.
const RESETS_FORGOTTEN: Duration = Duration::from_secs(60);

/// While derivation lies behind the finalized L1 block, L1 is asked after so many L1 blocks whether what was read is on it.
const FINALITY_STRIDE: u64 = 32;

/// What the actor is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The execution layer is to answer, or to end a sync of its own.
    WaitingForEl,
    /// A start is to be found.
    Starting,
    /// The pipeline is stepped.
    Deriving,
    /// An operator has to act.
    Stopped,
}

type FinalityCall = Pin<Box<dyn Future<Output = Option<BlockNumHash>> + Send>>;
type FinalizeCall = Pin<Box<dyn Future<Output = Result<(), EngineGone>> + Send>>;

/// Derives the safe chain from L1.
#[derive(Debug)]
pub struct DerivationActor {
    config: DerivationConfig,
    deriver_config: Option<DeriverConfig>,
    l1: Arc<dyn L1Source>,
    l1_heads: watch::Receiver<L1Heads>,
    upgrades: UpgradeBundles,
    has_warned: bool,
    history: History,
    report: Report,
    finality: Finality,
    stage: Stage,
    /// The engine's epoch since the last start: what is sent carries it.
    epoch: u64,
    in_flight: InFlight,
    /// The L1 block that is read now, and the last one that is used up.
    origin: L1BlockRef,
    used_up: L1BlockRef,
    /// All that may be read is used up; the height of the L1 head that this was found with.
    caught_up: bool,
    flush_due: bool,
    not_before: Option<Instant>,
    retry: Backoff,
    resets: Backoff,
    /// When derivation last started over, and at which L1 block.
    last_reset: Option<(Instant, u64)>,
    was_lost: bool,
    /// What of the batch inbox makes no block, and how much of it was known when it was last looked at.
    refusals: Refusals,
    refused: u64,
    drought: Drought,
    /// The L1 block after the one that is read now was not given so often, although the L1 head is above it.
    lacking: u32,
    /// At which L1 block the pipeline last asked for a start, and how often it did there.
    stuck_at: (u64, u32),
    /// The L1 head at which it was last looked whether what was read is still on L1, while nothing more can be derived.
    looked_at: B256,
    /// What the engine was last told to be final.
    told_final: Option<BlockNumHash>,
    /// About which L1 block L1 was last asked, and at which head.
    asked_final: (u64, B256),
}

impl DerivationActor {
    /// An actor that derives from `l1`, waiting on `l1_heads`, and writes its safe heads into `safe_db`. Nothing is asked before
    /// [`DerivationActor::run`].
    pub fn new(
        config: DerivationConfig,
        deriver_config: DeriverConfig,
        l1: Arc<dyn L1Source>,
        l1_heads: watch::Receiver<L1Heads>,
        safe_db: Option<SafeDb>,
    ) -> (Self, DerivationHandle) {
        let refusals = Refusals::default();
        let (sender, snapshot) = watch::channel(Snapshot {
            refusals: refusals.clone(),
            ..Snapshot::default()
        });
        let measure = Measure {
            patience: config.patience,
            behind_max_blocks: config.behind_max_blocks,
            l1_confirmations: config.l1_confirmations,
        };
        let metrics = DerivationMetrics::of(snapshot.clone(), l1_heads.clone(), measure);
        let handle = DerivationHandle::new(snapshot, l1_heads.clone(), measure, metrics);
        let actor = Self {
            config,
            upgrades: deriver_config.upgrades.clone(),
            has_warned: false,
            deriver_config: Some(deriver_config),
            l1,
            l1_heads,
            history: History::new(safe_db),
            report: Report::new(sender),
            finality: Finality::default(),
            stage: Stage::WaitingForEl,
            epoch: 0,
            in_flight: InFlight::default(),
            origin: L1BlockRef::default(),
            used_up: L1BlockRef::default(),
            caught_up: false,
            flush_due: false,
            not_before: None,
            retry: Backoff::new(RETRY.0, RETRY.1),
            resets: Backoff::new(RESETS.0, RESETS.1),
            last_reset: None,
            was_lost: false,
            refusals,
            refused: 0,
            drought: Drought::default(),
            lacking: 0,
            stuck_at: (0, 0),
            looked_at: B256::ZERO,
            told_final: None,
            asked_final: (0, B256::ZERO),
        };
        (actor, handle)
    }

    /// Derives until `token` is cancelled or the engine has stopped. `el` is asked for blocks at a start, and for what a batch
    /// overlaps with.
    ///
    /// # Errors
    /// Never: what L1, a beacon or the execution layer says is no reason to end.
    pub async fn run(
        mut self,
        engine: EngineHandle,
        el: Arc<dyn ElReader>,
        token: CancellationToken,
    ) -> Result<(), Infallible> {
        let Some(deriver_config) = self.deriver_config.take() else {
            return Ok(());
        };
        let confirmed = ConfirmedL1::new(
            self.l1.clone(),
            self.l1_heads.clone(),
            self.config.l1_confirmations,
        );
        let deriver = Deriver::new(deriver_config, Arc::new(confirmed), el.clone());
        let mut deriver = Some(deriver.counting(self.refusals.clone()));
        let mut states = engine.watch();
        let mut heads = self.l1_heads.clone();
        let mut answers = Answers::default();
        let mut work: Option<WorkCall> = None;
        let mut finality_check: Option<FinalityCall> = None;
        let mut finalize: Option<FinalizeCall> = None;
        self.handle_engine(&states.borrow_and_update(), &mut answers);
        loop {
            if work.is_none()
                && let Some(free) = deriver.take()
            {
                (work, deriver) = self.next_work(free, &engine, &el, &heads, &answers);
            }
            let pause = self.not_before;
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                answer = answers.next(), if !answers.is_empty() => {
                    let Ok(answer) = answer else { return Ok(()) };
                    self.handle_answer(answer, &mut answers);
                }
                changed = states.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.handle_engine(&states.borrow_and_update(), &mut answers);
                }
                // The watcher ends only with the node.
                Ok(()) = heads.changed() => self.handle_l1_heads(),
                done = pending_or(&mut work) => {
                    work = None;
                    let Some(free) = self.handle_work(done, &engine, &mut answers) else {
                        return Ok(());
                    };
                    deriver = Some(free);
                }
                l2 = pending_or(&mut finality_check) => {
                    finality_check = None;
                    finalize = l2.and_then(|l2| self.tell_final(l2, &engine)).or(finalize);
                }
                told = pending_or(&mut finalize) => {
                    finalize = None;
                    if told.is_err() {
                        return Ok(());
                    }
                }
                () = self.history.written() => {}
                () = sleep_until(pause.unwrap_or_else(Instant::now)), if pause.is_some() => self.not_before = None,
            }
            self.history.write();
            if finality_check.is_none() && finalize.is_none() {
                (finalize, finality_check) = self.next_finality(&engine);
            }
        }
    }

    /// What is to be done with the pipeline next, if there is anything.
    fn next_work(
        &mut self,
        mut deriver: Deriver,
        engine: &EngineHandle,
        el: &Arc<dyn ElReader>,
        heads: &watch::Receiver<L1Heads>,
        answers: &Answers,
    ) -> (Option<WorkCall>, Option<Deriver>) {
        if self.not_before.is_some() || answers.is_full() {
            return (None, Some(deriver));
        }
        match self.stage {
            Stage::WaitingForEl => (None, Some(deriver)),
            Stage::Stopped => {
                let head = heads.borrow().head.hash;
                if std::mem::replace(&mut self.looked_at, head) == head {
                    return (None, Some(deriver));
                }
                let call = work::look(deriver, self.l1.clone(), self.origin.id());
                (Some(Box::pin(call)), None)
            }
            Stage::Starting => {
                self.report.set_phase(DerivationPhase::FindingStart);
                let call = work::start(
                    deriver,
                    self.config.rollup_config.clone(),
                    engine.clone(),
                    el.clone(),
                    self.l1.clone(),
                    self.history.store(),
                );
                (Some(Box::pin(call)), None)
            }
            Stage::Deriving => {
                if std::mem::take(&mut self.flush_due) {
                    deriver.flush();
                    self.caught_up = false;
                }
                if self.caught_up && !self.may_read_on(heads) {
                    return (None, Some(deriver));
                }
                let Some(parent) = self.in_flight.parent() else {
                    return (None, Some(deriver));
                };
                (Some(Box::pin(work::step(deriver, parent))), None)
            }
        }
    }

    /// True if L1 has a block that derivation may read after the one that it reads now.
    fn may_read_on(&self, heads: &watch::Receiver<L1Heads>) -> bool {
        let head = heads.borrow().head;
        readable(&head, self.config.l1_confirmations) > self.origin.number
    }

    /// The engine has published a state.
    fn handle_engine(&mut self, state: &EngineState, answers: &mut Answers) {
        self.finality.note_final(state.finalized_head.id());
        let is_lost = state.el_sync == ElSyncState::LostBlocks;
        let was_lost = std::mem::replace(&mut self.was_lost, is_lost);
        match self.stage {
            Stage::WaitingForEl
                if state.el_sync == ElSyncState::Synced && !state.unsafe_head.is_zero() =>
            {
                self.stage = Stage::Starting;
            }
            Stage::Deriving | Stage::Stopped if is_lost && !was_lost => {
                self.start_over("the execution layer lost blocks".to_owned(), answers);
            }
            Stage::Deriving | Stage::Stopped if state.reset_epoch > self.epoch => {
                self.start_over("the engine was reset".to_owned(), answers);
            }
            Stage::WaitingForEl | Stage::Starting | Stage::Deriving | Stage::Stopped => {}
        }
    }

    /// L1 has a new head, or new labels.
    fn handle_l1_heads(&mut self) {
        // Whoever waits for L1 after a failure need not wait for the timer.
        if self.stage == Stage::Deriving && self.report.phase() == DerivationPhase::CaughtUp {
            self.not_before = None;
        }
    }

    /// Everything under way is given up, and a start is looked for.
    fn start_over(&mut self, cause: String, answers: &mut Answers) {
        self.report.note_reset(cause);
        answers.clear();
        self.in_flight.give_up();
        self.stage = Stage::Starting;
        self.flush_due = false;
        self.caught_up = false;
        let (now, here) = (Instant::now(), self.origin.number);
        let last = self.last_reset.replace((now, here));
        let last = last.filter(|(at, _)| now.duration_since(*at) <= RESETS_FORGOTTEN);
        // What happens again and again at one place waits longer each time.
        if last.is_none_or(|(_, place)| place != here) {
            self.resets.reset();
        }
        self.not_before = last.map(|_| now + self.resets.next_delay());
    }

    /// What L1's finality means for us, if that is not known yet.
    fn next_finality(
        &mut self,
        engine: &EngineHandle,
    ) -> (Option<FinalizeCall>, Option<FinalityCall>) {
        if !matches!(self.stage, Stage::Deriving | Stage::Stopped) {
            return (None, None);
        }
        let (head, finalized_l1) = {
            let heads = self.l1_heads.borrow();
            (heads.head.hash, heads.finalized)
        };
        let state = engine.state();
        let (safe, finalized) = (&state.local_safe_head, &state.finalized_head);
        match self.finality.judge(&finalized_l1, safe, finalized) {
            // A contradiction is an L1 reorg that the pipeline finds when it reads on.
            Finding::Nothing | Finding::Contradicted => (None, None),
            Finding::Final(l2) => (self.tell_final(l2, engine), None),
            Finding::FinalIf { l1, l2 } => {
                let (asked, asked_at) = self.asked_final;
                // Whatever the answer was, it is not asked for again before L1 or derivation has moved.
                let is_due =
                    self.caught_up && asked_at != head || l1.number >= asked + FINALITY_STRIDE;
                if !is_due || self.told_final == Some(l2) {
                    return (None, None);
                }
                self.asked_final = (l1.number, head);
                let check = work::check_final(self.l1.clone(), l1, l2);
                (None, Some(Box::pin(check)))
            }
        }
    }

    /// Tells the engine that `l2` is final, unless it was told.
    fn tell_final(&mut self, l2: BlockNumHash, engine: &EngineHandle) -> Option<FinalizeCall> {
        if self.told_final == Some(l2) {
            return None;
        }
        self.told_final = Some(l2);
        let engine = engine.clone();
        Some(Box::pin(async move { engine.finalize(l2).await }))
    }

    fn publish_position(&mut self) {
        let (safe, in_flight) = (*self.in_flight.safe(), self.in_flight.count());
        self.report.set_position(self.origin, safe, in_flight);
        let l1_blocks = self.drought.l1_blocks(&self.origin);
        let is_drought = self
            .drought
            .is_one(&self.config.rollup_config, &self.origin);
        let drought = is_drought.then(|| DerivationTrouble::NoValidBatch {
            l1_blocks,
            refused: self.refusals.counts(),
        });
        self.report.note_drought(l1_blocks, drought);
    }

    /// Looks whether the last step has refused what should have been blocks.
    fn note_refused(&mut self) {
        let refused = self.refusals.costly();
        if std::mem::replace(&mut self.refused, refused) != refused {
            self.drought.note_refused(self.origin.number);
        }
    }
}

async fn pending_or<T>(call: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}
