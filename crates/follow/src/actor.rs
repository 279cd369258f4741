//! The follow actor: ticks, one poll in flight, one update in flight. What a poll does over the network is in
//! [`crate::poll`]; what its report means is decided here, in sequence.

use crate::{
    checks::{OriginError, ShapeError, check_freshness, source_lag},
    config::FollowConfig,
    delegation,
    fatal::FollowFatal,
    handle::FollowHandle,
    metrics::{FollowMetrics, GoesBack},
    outage::Outage,
    outcome::PollOutcome,
    poll::{Failure, Finding, Identity, Plan, Report, poll},
    recorder::Recorder,
    regression::{CheckedAnswer, Regression, Verdict},
    source::FollowSource,
    state::{FollowState, el_trouble},
    status::{IdentityVerdict, NotReady, Snapshot, with_cause},
};
use core::{future::Future, pin::Pin};
use light_node_actor::{Backoff, CancellationToken, jittered};
use light_node_engine::{
    DerivationState, ElSyncState, EngineGone, EngineHandle, FollowOutcome, FollowRefusal,
    FollowUpdate,
};
use light_node_l1::{L1Handle, L1Trouble};
use light_node_safedb::SafeDb;
use std::{ops::RangeInclusive, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Factors by which the pause between two polls is jittered: many followers of one source shall not ask it in step.
const POLL_JITTER: RangeInclusive<f64> = 0.9..=1.1;

/// First and longest pause after the engine has caught the source lying.
const QUARANTINE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// While something is wrong, the source is asked sooner who it is: two nodes that were started to follow each other look
/// good to one another until both have asked.
const IDENTITY_INTERVAL_IN_TROUBLE: Duration = Duration::from_secs(60);

/// An update on its way to the engine, with the words of the source that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    update: FollowUpdate,
    /// What is settled once the update is applied; `None` if something of it must be looked at again.
    settles: Option<DerivationState>,
}

type PollCall = Pin<Box<dyn Future<Output = Report> + Send>>;
type EngineCall = Pin<Box<dyn Future<Output = Result<FollowOutcome, EngineGone>> + Send>>;

/// Polls the source and sends checked updates to the engine.
#[derive(Debug)]
pub struct FollowActor {
    config: Arc<FollowConfig>,
    source: Arc<dyn FollowSource>,
    state: FollowState,
    metrics: FollowMetrics,
    recorder: Recorder,
    regression: Regression,
    settled: Option<DerivationState>,
    identified: Option<Instant>,
    was_identified: bool,
    started: Instant,
    next_poll: Instant,
    outage: Option<Outage>,
    quarantine: Backoff,
    quarantined_until: Option<Instant>,
    seen_l1_reorgs: u64,
    in_flight: Option<Sent>,
    waiting: Option<Sent>,
    /// The engine applies an update by itself when the EL has fetched its blocks.
    engine_syncs: bool,
}

impl FollowActor {
    /// An actor that follows `source`. Nothing is sent before [`FollowActor::run`].
    pub fn new(config: FollowConfig, source: Box<dyn FollowSource>) -> (Self, FollowHandle) {
        let config = config.bounded();
        let (sender, snapshot) = watch::channel(Snapshot::default());
        let source: Arc<dyn FollowSource> = source.into();
        let metrics = FollowMetrics::of(snapshot.clone(), config.max_age);
        let handle = FollowHandle::new(
            config.own_id.as_str().into(),
            source.clone(),
            config.max_age,
            snapshot,
            metrics.clone(),
        );
        let now = Instant::now();
        let actor = Self {
            state: FollowState::new(sender, source.name(), config.max_age),
            source,
            metrics,
            recorder: Recorder::default(),
            regression: Regression::default(),
            settled: None,
            identified: None,
            was_identified: false,
            started: now,
            next_poll: now,
            outage: None,
            quarantine: Backoff::new(QUARANTINE.0, QUARANTINE.1),
            quarantined_until: None,
            seen_l1_reorgs: 0,
            in_flight: None,
            waiting: None,
            engine_syncs: false,
            config: Arc::new(config),
        };
        (actor, handle)
    }

    /// The same actor, which keeps what the source was seen with in `history`.
    pub fn with_history(mut self, history: Option<SafeDb>) -> Self {
        self.recorder = Recorder::new(history);
        self
    }

    /// Follows until `token` is cancelled or the engine has stopped.
    ///
    /// # Errors
    /// If the source is of another chain, or follows us, before its first success.
    pub async fn run(
        mut self,
        engine: EngineHandle,
        l1: L1Handle,
        token: CancellationToken,
    ) -> Result<(), FollowFatal> {
        delegation::tell(self.source.name());
        let mut poll_call: Option<PollCall> = None;
        let mut engine_call: Option<EngineCall> = None;
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                outcome = pending_or(&mut engine_call) => {
                    engine_call = None;
                    let Ok(outcome) = outcome else { return Ok(()) };
                    self.handle_outcome(outcome, &engine);
                }
                report = pending_or(&mut poll_call) => {
                    poll_call = None;
                    self.handle_report(report, &engine, &l1)?;
                }
                () = self.recorder.write(&l1) => {}
                () = sleep_until(self.next_poll), if poll_call.is_none() => {
                    self.pause(self.jittered_interval());
                    self.note_finished_sync(&engine);
                    poll_call = Some(Box::pin(poll(self.plan(&engine, &l1))));
                }
            }
            if engine_call.is_none()
                && let Some(sent) = self.waiting.take()
            {
                self.in_flight = Some(sent);
                let engine = engine.clone();
                engine_call = Some(Box::pin(async move { engine.follow(sent.update).await }));
            }
        }
    }

    /// After a sync of the EL, what was applied last is what the engine publishes: it applied it by itself, between two polls.
    /// A source that goes back right then must not be compared with what was applied before the sync.
    fn note_finished_sync(&mut self, engine: &EngineHandle) {
        let state = engine.state();
        let is_finished = self.engine_syncs && state.target.is_none();
        if !is_finished || self.in_flight.is_some() || state.safe_head.is_zero() {
            return;
        }
        self.engine_syncs = false;
        let applied = DerivationState {
            safe: state.safe_head,
            local_safe: state.local_safe_head,
            finalized: state.finalized_head,
            current_l1: state.current_l1,
        };
        self.regression.note_applied(applied);
        self.state.note_applied(applied);
    }

    fn plan(&self, engine: &EngineHandle, l1: &L1Handle) -> Plan {
        let mut interval = self.config.identity_interval;
        if self.state.has_trouble() {
            interval = interval.min(IDENTITY_INTERVAL_IN_TROUBLE);
        }
        let identity_is_due = self
            .identified
            .is_none_or(|instant| instant.elapsed() >= interval);
        Plan {
            config: self.config.clone(),
            source: self.source.clone(),
            engine: engine.clone(),
            l1: l1.clone(),
            identity_is_due,
            seen_l1_reorgs: self.seen_l1_reorgs,
            settled: self.settled,
            regression: self.regression,
            metrics: self.metrics.clone(),
        }
    }

    fn handle_report(
        &mut self,
        report: Report,
        engine: &EngineHandle,
        l1: &L1Handle,
    ) -> Result<(), FollowFatal> {
        self.recorder.note_poll(&report.finding, l1.reorgs());
        if self.seen_l1_reorgs != report.seen_l1_reorgs {
            // What was settled may stand on a branch that is gone: the same words are checked again.
            self.seen_l1_reorgs = report.seen_l1_reorgs;
            self.settled = None;
        }
        if let Some(identity) = report.identity {
            self.note_identity(identity);
        }
        if self
            .quarantined_until
            .is_some_and(|instant| instant > Instant::now())
        {
            return Ok(());
        }
        let lag = report
            .status
            .and_then(|status| source_lag(&l1.heads().head, &status.head_l1));
        if let Some(status) = report.status {
            self.outage = None;
            // What an answer of bad shape says is nothing that anybody should see as the source's words.
            if !matches!(report.finding, Err(Failure::Shape(_))) {
                self.state.note_answer(status, lag);
            }
        }
        let finding = match report.finding {
            Ok(finding) => finding,
            Err(failure) => return self.handle_failure(failure),
        };
        if let Err(stale) = check_freshness(lag, self.config.max_age) {
            self.state.note(
                PollOutcome::Stale,
                Some(NotReady::SourceStale { age: stale.age }),
            );
            return Ok(());
        }
        let sent = match finding {
            Finding::Settled => {
                self.regression.note_repeated();
                self.regression.applied().map(|state| Sent {
                    update: FollowUpdate {
                        state,
                        safe_may_move: false,
                    },
                    settles: self.settled,
                })
            }
            Finding::New(answer) => self.judge(&answer),
        };
        if let Some(sent) = sent {
            self.dispatch(sent, engine, l1);
        }
        Ok(())
    }

    fn note_identity(&mut self, identity: Identity) {
        self.identified = Some(Instant::now());
        self.was_identified = true;
        let verdict = if identity.is_verified {
            IdentityVerdict::Verified
        } else {
            IdentityVerdict::Unverified
        };
        self.state.note_identity(verdict, identity.path);
    }

    fn handle_failure(&mut self, failure: Failure) -> Result<(), FollowFatal> {
        let (outcome, trouble) = match failure {
            Failure::Source(error) => {
                self.identified = None;
                self.back_off();
                (
                    PollOutcome::SourceError,
                    NotReady::SourceUnreachable { error },
                )
            }
            Failure::Identity(error) => {
                self.identified = None;
                if !self.was_identified {
                    return Err(FollowFatal::wrong_source(self.source.name(), error));
                }
                self.back_off();
                self.state
                    .note_identity(IdentityVerdict::Refused, Vec::new());
                (PollOutcome::WrongSource, NotReady::WrongSource { error })
            }
            Failure::Shape(error @ ShapeError::MissingHead { .. }) => (
                PollOutcome::SourceNotReady,
                NotReady::SourceNotReady { error },
            ),
            Failure::Shape(error) => (PollOutcome::Invalid, NotReady::SourceInvalid { error }),
            Failure::Origin(OriginError::Mismatch { origin, .. }) => {
                (PollOutcome::L1Mismatch, NotReady::L1Mismatch { origin })
            }
            Failure::Origin(OriginError::Behind { origin }) => {
                (PollOutcome::L1Behind, NotReady::L1Behind { origin })
            }
            Failure::L1(error) => {
                let cause = with_cause(&error);
                (
                    PollOutcome::L1Error,
                    NotReady::of_l1(error.is_contradiction(), cause),
                )
            }
        };
        self.state.note(outcome, Some(trouble));
        Ok(())
    }

    /// Sends an update to the engine, unless it is the applied one and the engine neither waits for the EL nor has lost
    /// blocks. Behind an update in flight one place waits, and the newest takes it.
    fn dispatch(&mut self, sent: Sent, engine: &EngineHandle, l1: &L1Handle) {
        let state = engine.state();
        let engine_waits = state.target.is_some() || state.el_sync == ElSyncState::LostBlocks;
        if self.in_flight.is_some() {
            self.waiting = (self.in_flight != Some(sent)).then_some(sent);
        } else if engine_waits || self.regression.applied() != Some(sent.update.state) {
            self.waiting = Some(sent);
        } else {
            self.settled = sent.settles;
            self.state.note(PollOutcome::Unchanged, self.l1_trouble(l1));
        }
    }

    /// Without L1 nobody can tell whether the source is fresh.
    fn l1_trouble(&self, l1: &L1Handle) -> Option<NotReady> {
        let status = l1.status();
        let cause = match status.last_success_age {
            Some(age) if age <= self.config.max_age => return None,
            Some(age) => format!("the last answer is {} s old", age.as_secs()),
            None => "there was no answer yet".to_owned(),
        };
        let contradicts = matches!(status.trouble, Some(L1Trouble::Invalid { .. }));
        let cause = status.last_error.unwrap_or(cause);
        Some(NotReady::of_l1(contradicts, cause))
    }

    /// Check 5. `None` if the heads hold.
    fn judge(&mut self, answer: &CheckedAnswer) -> Option<Sent> {
        let (goes_back, outcome, trouble) =
            match self.regression.judge(answer, self.started.elapsed()) {
                Verdict::Send {
                    update,
                    finalized_kept,
                } => {
                    if finalized_kept {
                        self.metrics.goes_back(GoesBack::FinalizedKept);
                        self.state.count(PollOutcome::FinalizedLower);
                    }
                    if update.safe_may_move {
                        self.metrics.goes_back(GoesBack::Accepted);
                    }
                    let cursor_is_done =
                        answer.cursor_is_canonical || answer.said.current_l1.is_zero();
                    return Some(Sent {
                        update,
                        settles: cursor_is_done.then_some(answer.said),
                    });
                }
                Verdict::Replaying => (
                    GoesBack::Replaying,
                    PollOutcome::Replaying,
                    NotReady::SourceReplaying,
                ),
                Verdict::Waiting => (
                    GoesBack::Waiting,
                    PollOutcome::Regressed,
                    NotReady::SourceRegressed,
                ),
                Verdict::FinalizedContradicted => (
                    GoesBack::FinalizedContradicted,
                    PollOutcome::FinalizedConflict,
                    NotReady::FinalizedContradicted,
                ),
                Verdict::BelowFinalized => (
                    GoesBack::BelowFinalized,
                    PollOutcome::FinalizedConflict,
                    NotReady::BelowFinalized,
                ),
            };
        self.metrics.goes_back(goes_back);
        self.state.note(outcome, Some(trouble));
        None
    }

    fn handle_outcome(&mut self, outcome: FollowOutcome, engine: &EngineHandle) {
        let Some(sent) = self.in_flight.take() else {
            return;
        };
        match outcome {
            FollowOutcome::Applied | FollowOutcome::Unchanged => {
                self.engine_syncs = false;
                self.regression.note_applied(sent.update.state);
                self.settled = sent.settles;
                if let Some(said) = sent.settles {
                    self.recorder.offer(&said, sent.update.safe_may_move);
                }
                self.quarantine.reset();
                self.state.note_applied(sent.update.state);
                self.state.note(PollOutcome::Applied, None);
            }
            FollowOutcome::Syncing => {
                self.engine_syncs = true;
                self.state
                    .note(PollOutcome::Syncing, Some(NotReady::ElSyncing));
            }
            FollowOutcome::Skipped => {
                let trouble = el_trouble(&engine.status());
                self.state.note(PollOutcome::Skipped, Some(trouble));
            }
            FollowOutcome::Superseded => self.state.count(PollOutcome::Skipped),
            FollowOutcome::Refused(refusal) => self.handle_refusal(refusal),
        }
    }

    fn handle_refusal(&mut self, refusal: FollowRefusal) {
        let trouble = match refusal {
            FollowRefusal::SafeContradicted => {
                self.regression.note_contradicted();
                NotReady::SourceRegressed
            }
            FollowRefusal::FinalizedContradicted => {
                self.put_in_quarantine();
                NotReady::FinalizedContradicted
            }
            FollowRefusal::OriginMismatch { .. } => {
                self.put_in_quarantine();
                NotReady::Refused { refusal }
            }
            // The EL's word, not the source's: it may be the one that is broken. The engine remembers the block.
            FollowRefusal::InvalidBlock { .. } => NotReady::Refused { refusal },
        };
        self.state.note(PollOutcome::Refused, Some(trouble));
    }

    fn put_in_quarantine(&mut self) {
        let delay = self.quarantine.next_delay();
        let until = Instant::now() + delay;
        self.quarantined_until = Some(until);
        self.state.note_quarantine(until);
        self.pause(delay);
        self.waiting = None;
    }

    /// The next poll is not before `delay` from now; a longer pause stays.
    fn pause(&mut self, delay: Duration) {
        self.next_poll = self.next_poll.max(Instant::now() + delay);
    }

    fn back_off(&mut self) {
        let config = &self.config;
        let outage = self.outage.get_or_insert_with(|| Outage::new(config));
        let delay = outage.next_delay();
        self.pause(delay);
    }

    fn jittered_interval(&self) -> Duration {
        jittered(self.config.poll_interval, POLL_JITTER)
    }
}

/// The answer of the call in flight; pends while there is none.
async fn pending_or<T>(call: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
