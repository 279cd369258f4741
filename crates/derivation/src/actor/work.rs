//! What the actor does with the pipeline in its hands, and what it makes of the outcome.

use super::{DerivationActor, Stage};
use crate::{
    actor::answers::Answers,
    confirmations::readable,
    deriver::{Deriver, Parent, Step},
    drought::Drought,
    history::{self, Exact, Pair},
    in_flight::{InFlight, Sent},
    status::DerivationPhase,
    sync_start::{Start, StartError, SyncStart},
    trouble::DerivationTrouble,
};
use alloy_primitives::B256;
use core::{future::Future, pin::Pin};
use light_node_actor::in_words;
use light_node_engine::{DerivedAttributes, EngineHandle, ResetError};
use light_node_engine_api::ElReader;
use light_node_l1::L1Source;
use light_node_protocol::{BlockNumHash, L1BlockRef, RollupConfig};
use light_node_safedb::SafeDb;
use std::sync::Arc;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// So often the next L1 block may be missing, in some four seconds, before that is called a trouble.
const LACKING_TOLERATED: u32 = 4;

/// So many starts at one L1 block are more than a reorg takes.
const STUCK_AFTER: u32 = 3;

/// Work under way, with the pipeline.
pub(super) type WorkCall = Pin<Box<dyn Future<Output = (Deriver, Done)> + Send>>;

/// What work has come to.
#[derive(Debug)]
pub(super) enum Done {
    /// The pipeline made a step.
    Stepped(Step),
    /// The pipeline stands at a start, and the engine too.
    Started(Box<Started>),
    /// No start was found.
    NotStarted(StartError),
    /// The L1 block that was read last is another one by now, or not.
    Looked(bool),
    /// The engine has stopped.
    EngineGone,
}

/// A start that was made.
#[derive(Debug)]
pub(super) struct Started {
    start: Start,
    /// The engine's epoch.
    epoch: u64,
    /// What holds of the history of safe heads, newest first.
    history: Vec<Pair>,
}

/// One step.
pub(super) async fn step(mut deriver: Deriver, parent: Parent) -> (Deriver, Done) {
    // The pipeline may make many steps without waiting for anybody; others want to run, too.
    tokio::task::consume_budget().await;
    let step = deriver.step(parent).await;
    (deriver, Done::Stepped(step))
}

/// Looks for a start, and leads engine and pipeline there.
pub(super) async fn start(
    mut deriver: Deriver,
    config: Arc<RollupConfig>,
    engine: EngineHandle,
    el: Arc<dyn ElReader>,
    l1: Arc<dyn L1Source>,
    safe_db: Option<SafeDb>,
) -> (Deriver, Done) {
    let known = history::newest(safe_db.clone()).await;
    let found = SyncStart::new(&config, &*el, &*l1).find(&known).await;
    let start = match found {
        Ok(start) => start,
        Err(error) => return (deriver, Done::NotStarted(error)),
    };
    let history = match history::bearing(safe_db, &*l1, start.point.safe_head.number).await {
        Ok(history) => history,
        Err(error) => return (deriver, Done::NotStarted(error.into())),
    };
    let epoch = match engine.reset(start.forkchoice).await {
        Ok(epoch) => epoch,
        Err(ResetError::Gone(_)) => return (deriver, Done::EngineGone),
        Err(error) => return (deriver, Done::NotStarted(error.into())),
    };
    deriver.reset(&start.point);
    let started = Started {
        start,
        epoch,
        history,
    };
    (deriver, Done::Started(Box::new(started)))
}

/// Looks whether `origin` has left L1.
pub(super) async fn look(
    deriver: Deriver,
    l1: Arc<dyn L1Source>,
    origin: BlockNumHash,
) -> (Deriver, Done) {
    // A failure is no trouble: the next L1 head asks again.
    let block = l1.block_ref(origin.number).await.ok().flatten();
    let has_left = block.is_some_and(|block| block.hash != origin.hash);
    (deriver, Done::Looked(has_left))
}

/// Says that `l2` is final if `l1`, from which it was derived, is on L1.
pub(super) async fn check_final(
    l1_source: Arc<dyn L1Source>,
    l1: BlockNumHash,
    l2: BlockNumHash,
) -> Option<BlockNumHash> {
    // A failure is no trouble: the next L1 block asks again.
    let block = l1_source.block_ref(l1.number).await.ok().flatten()?;
    (block.hash == l1.hash).then_some(l2)
}

impl DerivationActor {
    /// The pipeline is back. `None` if the engine has stopped.
    pub(super) fn handle_work(
        &mut self,
        (deriver, done): (Deriver, Done),
        engine: &EngineHandle,
        answers: &mut Answers,
    ) -> Option<Deriver> {
        match done {
            Done::EngineGone => return None,
            Done::Started(started) => self.handle_start(&started),
            Done::NotStarted(error) => self.pause_for(DerivationTrouble::of_start(&error)),
            Done::Looked(has_left) => {
                if has_left && self.stage == Stage::Stopped {
                    self.start_over(format!("l1 block {} left l1", self.origin), answers);
                }
            }
            // An answer has asked for a new start meanwhile.
            Done::Stepped(_) if self.stage != Stage::Deriving => {}
            Done::Stepped(step) => {
                self.note_refused();
                self.handle_step(step, engine, answers);
            }
        }
        Some(deriver)
    }

    fn handle_start(&mut self, started: &Started) {
        let heads = &started.start.forkchoice;
        let point = &started.start.point;
        info!(
            l1_number = point.origin.number,
            safe_number = point.safe_head.number,
            safe_hash = %point.safe_head.hash,
            unsafe_number = heads.unsafe_head.number,
            finalized_number = heads.finalized.number,
            "derivation starts"
        );
        self.warn_of_missing_bundle(point.safe_head.timestamp);
        self.stage = Stage::Deriving;
        self.epoch = started.epoch;
        let used_up = point.used_up.map_or(0, |l1| l1.number);
        self.drought = Drought::since(used_up.max(point.safe_head.l1_origin.number));
        self.in_flight = InFlight::at(point.safe_head);
        self.origin = point.origin;
        self.used_up = L1BlockRef::default();
        let history = &started.history;
        self.finality.reset(point.origin.id(), history);
        self.told_final = None;
        self.asked_final = (0, B256::ZERO);
        let base = history.first().map(|(l1, _)| *l1);
        // Before the first batch genesis is the safe head.
        let is_genesis = point.safe_head.number == self.config.rollup_config.genesis.l2.number;
        let exact = match point.used_up {
            _ if is_genesis => Exact::All,
            Some(used_up) => Exact::Above(used_up.number),
            None => Exact::None,
        };
        self.history.restart(base, exact);
        self.flush_due = false;
        self.caught_up = false;
        self.go_on();
        self.report.set_phase(DerivationPhase::Deriving);
        self.publish_position();
    }

    /// Says in time that an operator will have to act.
    fn warn_of_missing_bundle(&mut self, after: u64) {
        let missing = self
            .upgrades
            .missing_after(&self.config.rollup_config, after);
        if let Some(fork) = missing.filter(|_| !self.has_warned) {
            self.has_warned = true;
            warn!(
                %fork,
                activation_time = self.config.rollup_config.activation_time(fork),
                "an upgrade bundle is missing; derivation will stop before this fork"
            );
        }
    }

    fn handle_step(&mut self, step: Step, engine: &EngineHandle, answers: &mut Answers) {
        match step {
            // The engine has refused a block before it: it goes with its span.
            Step::Attributes(_) if self.flush_due => {}
            Step::Attributes(derived) => self.send(*derived, engine, answers),
            Step::Advanced(origin) => {
                self.use_up(engine, answers);
                self.origin = origin;
                self.caught_up = false;
                self.finality.note_read(origin.id());
                self.report.count(|counters| counters.l1_blocks += 1);
                self.report.set_phase(DerivationPhase::Deriving);
                self.go_on();
                self.publish_position();
            }
            Step::Again => self.go_on(),
            Step::NeedsParent => self.in_flight.note_needs_parent(),
            Step::CaughtUp => self.handle_caught_up(engine, answers),
            Step::Retry(cause) => self.pause_for(DerivationTrouble::of_retry(&cause)),
            Step::Reset(cause) => {
                let here = self.origin.number;
                self.note_stuck(here, DerivationTrouble::of_reset(&cause, here));
                self.start_over(in_words(&cause), answers);
            }
            Step::MissingUpgradeBundle(fork) => {
                self.stage = Stage::Stopped;
                self.report.set_phase(DerivationPhase::Stopped);
                let trouble = DerivationTrouble::MissingUpgradeBundle { fork };
                self.report.note_trouble(trouble);
            }
        }
    }

    /// Hands a derived block to the engine.
    fn send(&mut self, derived: DerivedAttributes, engine: &EngineHandle, answers: &mut Answers) {
        if derived.number != self.in_flight.next_number() {
            let cause = format!(
                "block {} was derived where block {} was due",
                derived.number,
                self.in_flight.next_number()
            );
            self.start_over(cause, answers);
            return;
        }
        let sent = Sent {
            number: derived.number,
            derived_from: derived.derived_from.id(),
            l1_origin: derived.l1_origin.number,
        };
        debug!(
            number = sent.number,
            l1_number = sent.derived_from.number,
            "block derived"
        );
        self.in_flight.note_sent(derived.is_last_in_span);
        answers.consolidate(engine, self.epoch, sent, derived);
        self.go_on();
        self.publish_position();
    }

    /// The L1 block that was read is used up: once the blocks under way are safe, the heads are those of L1 up to it.
    fn use_up(&mut self, engine: &EngineHandle, answers: &mut Answers) {
        if self.used_up != self.origin && !self.origin.is_zero() {
            self.used_up = self.origin;
            answers.cursor(engine, self.origin);
        }
    }

    fn handle_caught_up(&mut self, engine: &EngineHandle, answers: &mut Answers) {
        self.use_up(engine, answers);
        self.caught_up = true;
        let head = self.l1_heads.borrow().head;
        if readable(&head, self.config.l1_confirmations) > self.origin.number {
            self.lack_next(head.number);
            return;
        }
        self.lacking = 0;
        self.retry.reset();
        self.report.note_well();
        self.report.set_phase(DerivationPhase::CaughtUp);
    }

    /// L1 is said to have the next block, but who was asked for it did not have it: one of several backends lags; or, after a
    /// while, something is wrong.
    fn lack_next(&mut self, head: u64) {
        self.lacking = self.lacking.saturating_add(1);
        if self.lacking > LACKING_TOLERATED {
            let number = self.origin.number.saturating_add(1);
            let cause =
                format!("no endpoint has block {number}, although the head is block {head}");
            self.pause_for(DerivationTrouble::L1Invalid { cause });
            return;
        }
        self.report.count(|counters| counters.retries += 1);
        self.not_before = Some(Instant::now() + self.retry.next_delay());
    }

    /// A new start is asked for at the L1 block `here`. Where that happens again and again it is no reorg, but a trouble.
    pub(super) fn note_stuck(&mut self, here: u64, trouble: DerivationTrouble) {
        let (place, times) = self.stuck_at;
        let times = if place == here { times + 1 } else { 1 };
        self.stuck_at = (here, times);
        if self.is_stuck() {
            self.report.note_trouble(trouble);
        }
    }

    /// Derivation has not got beyond the place at which it started over several times.
    const fn is_stuck(&self) -> bool {
        let (place, times) = self.stuck_at;
        times >= STUCK_AFTER && self.origin.number <= place
    }

    /// Nothing is wrong.
    fn go_on(&mut self) {
        self.lacking = 0;
        self.retry.reset();
        if !self.is_stuck() {
            self.report.note_well();
        }
    }

    /// Something could not be asked: it is asked again after a while.
    fn pause_for(&mut self, trouble: DerivationTrouble) {
        self.report.note_trouble(trouble);
        self.not_before = Some(Instant::now() + self.retry.next_delay());
    }
}
