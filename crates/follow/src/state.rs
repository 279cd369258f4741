//! What the actor has found so far, as it is published, and what is said about it in the log: changes only.

use crate::status::{IdentityVerdict, NotReady, PollOutcome, Snapshot};
use light_node_engine::DerivationState;
use light_node_protocol::SyncStatus;
use std::time::Duration;
use tokio::{sync::watch, time::Instant};
use tracing::{debug, error, info, warn};

/// A trouble that comes and goes (one of several backends lags) is said once in this time.
const REPEAT_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct FollowState {
    snapshot: watch::Sender<Snapshot>,
    source: String,
    max_age: Duration,
    said_unverified: bool,
    said_trouble: Option<&'static str>,
    last_said: Option<(&'static str, Instant)>,
}

impl FollowState {
    pub(crate) fn new(snapshot: watch::Sender<Snapshot>, source: &str, max_age: Duration) -> Self {
        Self {
            snapshot,
            source: source.to_owned(),
            max_age,
            said_unverified: false,
            said_trouble: None,
            last_said: None,
        }
    }

    /// Something is wrong right now.
    pub(crate) fn has_trouble(&self) -> bool {
        self.snapshot.borrow().trouble.is_some()
    }

    /// The source has answered, whatever the answer is worth.
    pub(crate) fn note_answer(&self, status: SyncStatus, lag: Option<Duration>) {
        self.snapshot.send_modify(|snapshot| {
            snapshot.reported = Some(status);
            snapshot.answered = Some(Instant::now());
            snapshot.source_lag = lag;
        });
    }

    pub(crate) fn note_identity(&mut self, verdict: IdentityVerdict, path: Vec<String>) {
        if verdict == IdentityVerdict::Unverified && !self.said_unverified {
            self.said_unverified = true;
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
            if self.said_trouble.take().is_some() {
                info!(source, "in step with the follow source again");
            }
            return;
        };
        let reason = trouble.name();
        let in_step = self.snapshot.borrow().in_step;
        let has_lasted = in_step.is_some_and(|instant| instant.elapsed() > self.max_age);
        let flaps = self
            .last_said
            .is_some_and(|(said, instant)| said == reason && instant.elapsed() < REPEAT_AFTER);
        let waits = trouble.is_usual() && !has_lasted || flaps && !trouble.is_alarm();
        if self.said_trouble == Some(reason) || waits {
            return;
        }
        self.said_trouble = Some(reason);
        self.last_said = Some((reason, Instant::now()));
        if trouble.is_alarm() {
            error!(source, reason, detail = %trouble, "follow source is refused");
        } else {
            warn!(source, reason, detail = %trouble, "not in step with the follow source");
        }
    }
}
