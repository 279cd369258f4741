//! The one place that asks L1. The watcher and every check share it behind a mutex: one request at a time, and whatever one
//! of them learns goes into the window, into the published heads and into the timer.

mod judge;

use crate::{
    Canonicality, L1Config, L1Error, L1Fatal, L1Heads, L1Metrics,
    endpoints::Endpoints,
    schedule::{Schedule, WallClock},
    status::Snapshot,
    window::{Forks, Window},
};
use alloy_primitives::Bloom;
use judge::LowHead;
use light_node_actor::{Backoff, in_words};
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::time::Duration;
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};
use tracing::{error, info};

/// Deadline of a question that another endpoint can answer as well.
const SPARE_DEADLINE: Duration = Duration::from_secs(3);
/// First and longest time between two questions whether another endpoint is further than one whose head is old.
const SURVEYS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// So many blocks past due, and at least [`LEAST_PAST_DUE`], makes a head old.
const PAST_DUE_BLOCKS: u32 = 3;
/// An L1 is down that has failed for two of its blocks and a retry, which takes so long; and never for less than two requests.
const RETRY_TIME: Duration = Duration::from_secs(6);
/// On a devnet's L1 three blocks may pass in a second.
const LEAST_PAST_DUE: Duration = Duration::from_secs(12);
/// Between two regular heads this often a check may ask whether a block ahead of us has come.
const QUESTIONS_AHEAD: u32 = 2;
/// With head, tags and the proof of identity this stays below the 20 calls that careful providers allow in a batch.
const BLOCKS_PER_BATCH: usize = 12;

/// So many new heads wait for who looks at their blooms; one that misses some is told that it did.
const HEADS_REMEMBERED: usize = 16;

/// A new head, and what says which logs it has.
#[derive(Clone, Debug)]
pub(crate) struct HeadLogs {
    pub(crate) head: L1BlockRef,
    pub(crate) logs_bloom: Box<Bloom>,
}

/// What is told of the chain of heads.
#[derive(Clone, Debug)]
pub(crate) struct News {
    /// The reorgs, on every change.
    pub(crate) forks: watch::Receiver<Forks>,
    /// Each new head with its bloom.
    pub(crate) head_logs: broadcast::Sender<HeadLogs>,
}

#[derive(Debug)]
pub(crate) struct Fetcher {
    endpoints: Endpoints,
    window: Window,
    schedule: Schedule,
    heads: watch::Sender<L1Heads>,
    status: watch::Sender<Snapshot>,
    clock: WallClock,
    block_time: Duration,
    epoch_poll_interval: Duration,
    retry_interval: Duration,
    request_deadline: Duration,
    tags_due: Instant,
    last_asked: Option<Instant>,
    asked_at: Instant,
    last_success: Option<Instant>,
    last_error: Option<L1Error>,
    low_head: Option<LowHead>,
    surveys: Backoff,
    survey_due: Instant,
    holds: bool,
    questions_ahead: u32,
    mismatch_confirmed: bool,
    forks: watch::Sender<Forks>,
    head_logs: broadcast::Sender<HeadLogs>,
    metrics: L1Metrics,
}

impl Fetcher {
    pub(crate) fn new(
        config: &L1Config,
        endpoints: Endpoints,
        heads: watch::Sender<L1Heads>,
        status: watch::Sender<Snapshot>,
        metrics: L1Metrics,
    ) -> Self {
        let fetcher = Self {
            endpoints,
            window: Window::default(),
            schedule: Schedule::new(config.block_time, config.retry_interval),
            heads,
            status,
            clock: WallClock::start(),
            block_time: config.block_time,
            epoch_poll_interval: config.epoch_poll_interval,
            retry_interval: config.retry_interval,
            request_deadline: config.request_deadline,
            tags_due: Instant::now(),
            last_asked: None,
            asked_at: Instant::now(),
            last_success: None,
            last_error: None,
            low_head: None,
            surveys: Backoff::new(SURVEYS.0, SURVEYS.1),
            survey_due: Instant::now(),
            holds: false,
            questions_ahead: 0,
            mismatch_confirmed: false,
            forks: watch::Sender::default(),
            head_logs: broadcast::Sender::new(HEADS_REMEMBERED),
            metrics,
        };
        fetcher.publish_status();
        fetcher
    }

    /// What it tells beside the heads.
    pub(crate) fn news(&self) -> News {
        News {
            forks: self.forks.subscribe(),
            head_logs: self.head_logs.clone(),
        }
    }

    /// When the watcher shall ask.
    pub(crate) const fn due(&self) -> Instant {
        self.schedule.due()
    }

    /// The reason to end the process, if there is one.
    pub(crate) fn fatal(&self) -> Option<L1Fatal> {
        self.endpoints.fatal()
    }

    /// Says where each block stands. Memory first; L1 is asked where the window does not know the height, and also before a
    /// block is called foreign or ahead for the first time since the head is what it is, because then L1 may have moved.
    pub(crate) async fn check(
        &mut self,
        blocks: &[BlockNumHash],
        deadline: Duration,
    ) -> Result<Vec<Canonicality>, L1Error> {
        let mut missing = Vec::new();
        let mut doubtful = false;
        for block in blocks {
            match self.window.judge(*block) {
                Some(Canonicality::Canonical) => {}
                Some(Canonicality::Mismatch { .. }) => {
                    if !self.mismatch_confirmed && !self.window.is_final(block.number) {
                        doubtful = true;
                        missing.push(block.number);
                    }
                }
                Some(Canonicality::Ahead) => {}
                None => missing.push(block.number),
            }
        }
        let ahead = self.may_ask_ahead()
            && blocks
                .iter()
                .any(|block| self.window.judge(*block) == Some(Canonicality::Ahead));
        if missing.is_empty() && !ahead {
            return self.verdicts(blocks);
        }
        if ahead {
            self.questions_ahead += 1;
        }
        if !missing.is_empty() {
            self.window.look_ahead(&mut missing, BLOCKS_PER_BATCH);
        }
        match self.refresh(&missing, deadline).await {
            Ok(()) => self.mismatch_confirmed |= doubtful,
            // What memory could say for itself does not become doubtful by an L1 that is silent.
            Err(_) if missing.is_empty() => {}
            Err(error) => return Err(error),
        }
        // The head may have left behind what was ahead of it.
        let unknown = |block: &&BlockNumHash| self.window.judge(**block).is_none();
        let mut passed: Vec<_> = blocks.iter().filter(unknown).map(|it| it.number).collect();
        if !passed.is_empty() {
            self.window.look_ahead(&mut passed, BLOCKS_PER_BATCH);
            self.refresh(&passed, deadline).await?;
        }
        self.verdicts(blocks)
    }

    fn verdicts(&self, blocks: &[BlockNumHash]) -> Result<Vec<Canonicality>, L1Error> {
        let verdict = |block: &BlockNumHash| {
            self.window
                .judge(*block)
                .ok_or_else(|| self.inconsistent(block.number))
        };
        blocks.iter().map(verdict).collect()
    }

    fn may_ask_ahead(&self) -> bool {
        let rested = self
            .last_asked
            .is_none_or(|asked| asked.elapsed() >= self.retry_interval);
        rested && self.questions_ahead < QUESTIONS_AHEAD
    }

    /// One batch to one endpoint: the newest head, the tags if they are due, and the blocks at the heights `missing`. A second
    /// batch only if the new head does not link to what we know. The next endpoint is asked if the answer is not accepted.
    pub(crate) async fn refresh(
        &mut self,
        missing: &[u64],
        deadline: Duration,
    ) -> Result<(), L1Error> {
        self.last_asked = Some(Instant::now());
        let outcome = self.ask_in_turn(missing, deadline).await;
        match &outcome {
            Ok(()) => {
                self.last_success = Some(Instant::now());
                self.last_error = None;
                self.survey(deadline).await;
            }
            Err(error) => {
                self.schedule.failed(self.endpoints.available_at());
                self.last_error = Some(error.clone());
            }
        }
        self.note_hold();
        self.publish_status();
        outcome
    }

    async fn ask_in_turn(&mut self, missing: &[u64], deadline: Duration) -> Result<(), L1Error> {
        let mut failure = None;
        for candidate in self.endpoints.candidates() {
            let index = candidate.index;
            let (least_head, deadline) = if candidate.is_trial {
                (self.window.head().number, deadline.min(SPARE_DEADLINE))
            } else {
                (0, deadline)
            };
            match self.fetch_from(index, least_head, missing, deadline).await {
                Ok(()) => {
                    self.endpoints.accepted(index, self.asked_at);
                    return Ok(());
                }
                Err(error @ L1Error::Lagging { .. }) => self.endpoints.lags(index, &error),
                Err(error) => {
                    if matches!(error, L1Error::Inconsistent { .. }) {
                        self.window.forget();
                    }
                    self.endpoints.failed(index, self.asked_at, &error);
                    failure = Some(error);
                }
            }
        }
        Err(self.endpoints.unavailable(failure))
    }

    /// Looks for an endpoint that is further, if the head of the one in use is old or went down.
    async fn survey(&mut self, deadline: Duration) {
        let Some(in_use) = self.endpoints.in_use() else {
            return;
        };
        let head = self.window.head().number;
        let is_low = self.low_head.as_ref().is_some_and(LowHead::is_doubtful);
        let is_old = self.head_is_old();
        if !is_old {
            self.surveys.reset();
        }
        if !(is_low || is_old && Instant::now() >= self.survey_due) {
            return;
        }
        self.survey_due = Instant::now() + self.surveys.next_delay();
        let (seen, known) = match &mut self.low_head {
            Some(low_head) if is_low => {
                low_head.is_surveyed = true;
                (low_head.number(), head)
            }
            _ => (head, head.saturating_add(1)),
        };
        for index in self.endpoints.others() {
            let deadline = deadline.min(SPARE_DEADLINE);
            match self.fetch_from(index, known, &[], deadline).await {
                Ok(()) => {
                    let failure = L1Error::Lagging {
                        endpoint: self.endpoints.name(in_use),
                        number: seen,
                        known: self.window.head().number,
                    };
                    self.endpoints.lags(in_use, &failure);
                    self.endpoints.accepted(index, self.asked_at);
                    return;
                }
                // It is no further, and serves as well as before.
                Err(L1Error::Lagging { .. }) => {}
                Err(error) => self.endpoints.failed(index, self.asked_at, &error),
            }
        }
    }

    /// The head's successor is due since three blocks.
    fn head_is_old(&self) -> bool {
        let head = self.window.head();
        let is_due = Duration::from_secs(head.timestamp).saturating_add(self.block_time);
        !head.is_zero() && self.clock.now() > is_due.saturating_add(self.past_due())
    }

    fn down_after(&self) -> Duration {
        self.block_time
            .saturating_mul(2)
            .saturating_add(RETRY_TIME)
            .max(self.request_deadline.saturating_mul(2))
    }

    fn past_due(&self) -> Duration {
        (self.block_time * PAST_DUE_BLOCKS).max(LEAST_PAST_DUE)
    }

    /// Raises the alarm when nobody serves the chain of our finalized block any more, once.
    fn note_hold(&mut self) {
        let contradiction = self.contradiction();
        if let Some(contradiction) = &contradiction
            && !self.holds
        {
            error!(%contradiction, "l1 left our finalized block, heads hold");
        } else if contradiction.is_none() && self.holds && self.last_error.is_none() {
            info!("l1 has our finalized block again");
        }
        self.holds = contradiction.is_some() || self.holds && self.last_error.is_some();
    }

    fn contradiction(&self) -> Option<String> {
        self.last_error
            .as_ref()
            .and_then(|_| self.endpoints.contradiction())
    }

    fn inconsistent(&self, number: u64) -> L1Error {
        L1Error::Inconsistent {
            endpoint: self.in_use().unwrap_or_default(),
            number,
        }
    }

    fn in_use(&self) -> Option<String> {
        self.endpoints
            .in_use()
            .map(|index| self.endpoints.name(index))
    }

    fn publish_status(&self) {
        let head = self.window.head();
        let snapshot = Snapshot {
            active: self.in_use(),
            active_index: self.endpoints.in_use(),
            last_success: self.last_success,
            last_error: self.last_error.as_ref().map(|error| in_words(error)),
            contradicts: self
                .last_error
                .as_ref()
                .is_some_and(L1Error::is_contradiction),
            reachable: self.last_success.is_some() && self.last_error.is_none(),
            head_time: (!head.is_zero())
                .then_some((self.clock, Duration::from_secs(head.timestamp))),
            down_after: self.down_after(),
            old_after: self.block_time.saturating_add(self.past_due()),
            wrong_chain: self.endpoints.wrong_chain(),
            contradiction: self.contradiction(),
            endpoints: self.endpoints.statuses(),
            requests: self.endpoints.requests(),
            reorgs: self.forks.borrow().count,
        };
        self.status.send_replace(snapshot);
    }
}

#[cfg(test)]
mod tests;
