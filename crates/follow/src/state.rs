//! What the actor has found so far, as it is published, and what is said about it in the log: changes only.

use crate::{
    news::News,
    outcome::PollOutcome,
    status::{IdentityVerdict, NotReady, Snapshot},
};
use light_node_engine::{DerivationState, EngineStatus};
use light_node_protocol::SyncStatus;
use std::time::Duration;
use tokio::{sync::watch, time::Instant};
use tracing::{debug, error, info, warn};

#[derive(Debug)]
pub(crate) struct FollowState {
    snapshot: watch::Sender<Snapshot>,
    source: String,
    max_age: Duration,
    started: Instant,
    news: News,
}

impl FollowState {
    pub(crate) fn new(snapshot: watch::Sender<Snapshot>, source: &str, max_age: Duration) -> Self {
        Self {
            snapshot,
            source: source.to_owned(),
            max_age,
            started: Instant::now(),
            news: News::default(),
        }
    }

    /// Something is wrong right now.
    pub(crate) fn has_trouble(&self) -> bool {
        self.snapshot.borrow().trouble.is_some()
    }

    /// The source has given an answer of good shape.
    pub(crate) fn note_answer(&mut self, status: SyncStatus, lag: Option<Duration>) {
        self.snapshot.send_modify(|snapshot| {
            snapshot.reported = Some(status);
            snapshot.answered = Some(Instant::now());
            snapshot.source_lag = lag;
        });
        if self.news.is_first_answer() {
            let identity = self.snapshot.borrow().identity;
            let verified = identity == IdentityVerdict::Verified;
            info!(source = self.source, verified, "follow source answers");
        }
    }

    pub(crate) fn note_identity(&mut self, verdict: IdentityVerdict, path: Vec<String>) {
        if verdict == IdentityVerdict::Unverified && self.news.is_first_unverified() {
            warn!(
                source = self.source,
                "follow source does not serve optimism_rollupConfig, its chain cannot be verified"
            );
        }
        self.snapshot.send_modify(|snapshot| {
            snapshot.identity = verdict;
            snapshot.path = path;
        });
    }

    pub(crate) fn note_applied(&self, state: DerivationState) {
        debug!(
            safe = %state.safe,
            finalized = %state.finalized,
            current_l1 = %state.current_l1,
            "follow update applied"
        );
        self.snapshot
            .send_modify(|snapshot| snapshot.applied = Some(state));
    }

    /// The source's answers are ignored until then.
    pub(crate) fn note_quarantine(&self, until: Instant) {
        self.snapshot
            .send_modify(|snapshot| snapshot.quarantined_until = Some(until));
    }

    /// Counts an outcome that does not end the poll.
    pub(crate) fn count(&self, outcome: PollOutcome) {
        self.snapshot
            .send_modify(|snapshot| snapshot.counters.count(outcome));
    }

    /// What a poll has come to. Without trouble we are in step with the source.
    pub(crate) fn note(&mut self, outcome: PollOutcome, trouble: Option<NotReady>) {
        self.say(trouble.as_ref());
        self.snapshot.send_modify(|snapshot| {
            snapshot.counters.count(outcome);
            snapshot.last_outcome = Some(outcome);
            if trouble.is_none() {
                snapshot.in_step = Some(Instant::now());
            }
            snapshot.trouble = trouble;
        });
    }

    /// A trouble is said when it begins, or, if it is a usual one, when it has lasted for the maximal age.
    fn say(&mut self, trouble: Option<&NotReady>) {
        let source = self.source.as_str();
        let Some(trouble) = trouble else {
            if self.news.is_end_of_trouble() {
                info!(source, "in step with the follow source again");
            }
            return;
        };
        // A source comes up in its own time, and not for ever; what L1 and EL still have to fetch at start is told elsewhere.
        let started = trouble.is_of_source().then_some(self.started);
        let since = self.snapshot.borrow().in_step.or(started);
        let has_lasted = since.is_some_and(|instant| instant.elapsed() > self.max_age);
        let reason = trouble.name();
        if trouble.is_usual() && !has_lasted || !self.news.is_new_trouble(reason) {
            return;
        }
        if trouble.is_alarm() {
            error!(source, reason, detail = %trouble, "follow source is refused");
        } else {
            warn!(source, reason, detail = %trouble, "not in step with the follow source");
        }
    }
}

/// Why the engine has skipped an update.
pub(crate) fn el_trouble(status: &EngineStatus) -> NotReady {
    let cause = match &status.last_error {
        Some(cause) => cause.to_string(),
        None if status.probed => return NotReady::ElDeclined,
        None => "it has not answered yet".to_owned(),
    };
    NotReady::ElUnavailable { cause }
}
