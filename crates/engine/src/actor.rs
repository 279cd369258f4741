//! The actor: it takes in everything that waits in its inbox, picks the next piece of work (a request by lane, or a timer of
//! its own), carries it out, publishes, and begins anew. It waits for nobody but the EL.

use crate::{
    changes::log_changes,
    config::EngineConfig,
    context::Context,
    follow_case::FollowCase,
    handle::EngineHandle,
    payload::Payload,
    queue::{Lane, Pushed, Queue, Task},
    request::{EngineRequest, FollowOutcome, FollowUpdate, InsertOutcome},
    state::EngineState,
    status::{EngineError, EngineStatus},
    tasks::{
        follow, forkchoice,
        insert::{self, Insertion},
        lost,
        probe::{self, ProbeError},
        settle,
    },
};
use light_node_actor::{Backoff, CancellationToken};
use light_node_engine_api::{ElError, EngineApi};
use light_node_protocol::Severity;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tracing::{debug, info, warn};

/// Requests that may wait before the actor takes them in, which it does before every pick. Full: awaiting senders wait,
/// gossip is dropped and counted by its sender.
const INBOX: usize = 256;

/// Pauses between two probes of an EL that does not answer. The first is short because an EL that is started together
/// with us listens after a moment.
const PROBE_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Before the first success a JWT may be refused for this time: the EL may still be reading its own secret, or a clock
/// may be about to be set. After it the configuration is wrong.
const JWT_PATIENCE: Duration = Duration::from_secs(30);

/// Pauses before a payload that the EL could not be asked about is tried again.
const INSERT_PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Somebody waits for the verdict on a payload at most this long while the EL cannot be asked.
const INSERT_PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two looks at an EL that has lost the safe chain and cannot be asked for a target.
const LOST_PAUSE: Duration = Duration::from_secs(5);

/// The engine. It owns the door to the execution layer.
#[derive(Debug)]
pub struct EngineActor {
    el: Arc<dyn EngineApi>,
    ctx: Context,
    queue: Queue<EngineRequest>,
    inbox: mpsc::Receiver<EngineRequest>,
    state: watch::Sender<EngineState>,
    status: watch::Sender<EngineStatus>,
    probe: Probe,
    look_again_at: Instant,
}

/// The start-up probe.
#[derive(Debug)]
struct Probe {
    succeeded: bool,
    backoff: Backoff,
    due: Instant,
    refused_since: Option<Instant>,
}

/// One piece of work.
#[derive(Debug)]
enum Work {
    Probe,
    Request(Task<EngineRequest>),
    AskForTarget,
    LookAgain,
    Heartbeat,
    TargetGap,
}

impl EngineActor {
    /// An engine over `el`, and its handle. Nothing happens before [`Self::run`].
    pub fn new(config: EngineConfig, el: Arc<dyn EngineApi>) -> (Self, EngineHandle) {
        let (requests, inbox) = mpsc::channel(INBOX);
        let (state, published) = watch::channel(EngineState::default());
        let (status, reported) = watch::channel(EngineStatus::default());
        let rollup_config = Arc::clone(&config.rollup_config);
        let handle = EngineHandle::new(rollup_config, requests, published, reported);
        let now = Instant::now();
        let actor = Self {
            el,
            ctx: Context::new(config),
            queue: Queue::default(),
            inbox,
            state,
            status,
            probe: Probe {
                succeeded: false,
                backoff: Backoff::new(PROBE_PAUSES.0, PROBE_PAUSES.1),
                due: now,
                refused_since: None,
            },
            look_again_at: now,
        };
        (actor, handle)
    }

    /// Runs until `token` is cancelled or all handles are gone. A call to the EL that is under way is given up then.
    ///
    /// # Errors
    /// [`EngineError`] if, before it ever answered well, the EL turns out to be one that we cannot work with.
    pub async fn run(mut self, token: CancellationToken) -> Result<(), EngineError> {
        loop {
            self.drain_inbox();
            let now = Instant::now();
            if let Some(work) = self.next_work(now) {
                tokio::select! {
                    biased;
                    () = token.cancelled() => return Ok(()),
                    done = self.perform(work) => done?,
                }
                self.publish();
                self.queue_linked_payload();
                continue;
            }
            self.report();
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                request = self.inbox.recv() => match request {
                    Some(request) => self.enqueue(request),
                    None => return Ok(()),
                },
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
    }

    fn drain_inbox(&mut self) {
        while let Ok(request) = self.inbox.try_recv() {
            self.enqueue(request);
        }
    }

    fn enqueue(&mut self, request: EngineRequest) {
        let lane = request.lane();
        let mut task = Task::new(request, Instant::now());
        if let EngineRequest::InsertUnsafe { payload, .. } = &task.item {
            task.number = payload.block.number;
            task.bytes = payload.bytes;
        }
        match self.queue.push(lane, task) {
            Pushed::Queued => {}
            Pushed::Displaced(older) => displaced(older.item),
            Pushed::Stale(older) => stale(older.item),
        }
    }

    /// A buffered payload whose parent has just become our head takes its place behind those that already wait.
    fn queue_linked_payload(&mut self) {
        if self.ctx.is_lost() {
            return;
        }
        if let Some(payload) = self.ctx.buffer.take_child(self.ctx.state.unsafe_head.id()) {
            self.enqueue(EngineRequest::InsertUnsafe {
                payload,
                reply: None,
            });
        }
    }

    fn next_work(&mut self, now: Instant) -> Option<Work> {
        if !self.probe.succeeded {
            return (self.probe.due <= now).then_some(Work::Probe);
        }
        // The timers are few and rare, so they go before all requests but those that hold up a block.
        if !self.queue.commit_waits(now) {
            let timers = self.timers();
            if let Some((_, work)) = timers.into_iter().flatten().find(|(due, _)| *due <= now) {
                return Some(work);
            }
        }
        self.queue.pick(now).map(|(_, task)| Work::Request(task))
    }

    fn timers(&self) -> [Option<(Instant, Work)>; 4] {
        let look_again = self.ctx.is_lost() && self.ctx.target().is_none();
        [
            self.ctx
                .target()
                .map(|target| (target.due(), Work::AskForTarget)),
            look_again.then_some((self.look_again_at, Work::LookAgain)),
            self.ctx.heartbeat_due().map(|due| (due, Work::Heartbeat)),
            self.ctx.gap_due().map(|due| (due, Work::TargetGap)),
        ]
    }

    fn next_wake(&self) -> Option<Instant> {
        if !self.probe.succeeded {
            return Some(self.probe.due);
        }
        let timers = self.timers();
        timers
            .into_iter()
            .flatten()
            .map(|(due, _)| due)
            .chain(self.queue.next_due())
            .min()
    }

    async fn perform(&mut self, work: Work) -> Result<(), EngineError> {
        let el = Arc::clone(&self.el);
        let done = match work {
            Work::Probe => return self.handle_probe(&*el).await,
            Work::Request(task) => {
                self.handle_request(&*el, task).await;
                return Ok(());
            }
            Work::AskForTarget => settle::ask_again(&*el, &mut self.ctx).await.map(|settled| {
                debug!(?settled, "asked for the target again");
            }),
            Work::LookAgain => {
                self.look_again_at = Instant::now() + LOST_PAUSE;
                self.handle_lost(&*el).await
            }
            Work::Heartbeat => forkchoice::heartbeat(&*el, &mut self.ctx).await,
            Work::TargetGap => insert::target_gap(&*el, &mut self.ctx).await,
        };
        self.note(done.err());
        Ok(())
    }

    async fn handle_lost(&mut self, el: &dyn EngineApi) -> Result<(), ElError> {
        lost::recover(el, &mut self.ctx).await?;
        lost::ask_for_source_block(el, &mut self.ctx).await
    }

    async fn handle_probe(&mut self, el: &dyn EngineApi) -> Result<(), EngineError> {
        let failure = match probe::probe(el, &mut self.ctx).await {
            Ok(version) => {
                self.probe.succeeded = true;
                self.status.send_modify(|status| {
                    status.probed = true;
                    status.el_version = version.map(Arc::from);
                    status.last_error = None;
                });
                return Ok(());
            }
            Err(ProbeError::WrongChain { expected, found }) => {
                return Err(EngineError::WrongChain { expected, found });
            }
            Err(ProbeError::WrongGenesis { expected, found }) => {
                return Err(EngineError::WrongGenesis { expected, found });
            }
            Err(failure @ (ProbeError::El(_) | ProbeError::Empty)) => failure,
        };
        let now = Instant::now();
        if let ProbeError::El(ElError::Unauthorized { status }) = failure {
            let period = now - *self.probe.refused_since.get_or_insert(now);
            if period >= JWT_PATIENCE {
                return Err(EngineError::JwtRefused { status, period });
            }
        } else {
            self.probe.refused_since = None;
        }
        self.note_failure(&failure);
        self.probe.due = now + self.probe.backoff.next_delay();
        // Whoever waits is told, rather than left to wait for an EL that may be down for hours.
        for task in self
            .queue
            .drain(Lane::Follow)
            .into_iter()
            .chain(self.queue.drain(Lane::InsertUnsafe))
        {
            unasked(task.item, &failure);
        }
        Ok(())
    }

    async fn handle_request(&mut self, el: &dyn EngineApi, task: Task<EngineRequest>) {
        let Task {
            item,
            queued_at,
            attempts,
            ..
        } = task;
        match item {
            EngineRequest::Follow { update, reply } => self.handle_follow(el, update, reply).await,
            EngineRequest::InsertUnsafe { payload, reply } => {
                let again = self.handle_insert(el, payload, reply, queued_at).await;
                let Some(item) = again else {
                    return;
                };
                let EngineRequest::InsertUnsafe { payload, .. } = &item else {
                    return;
                };
                let (number, bytes) = (payload.block.number, payload.bytes);
                let task = Task {
                    number,
                    bytes,
                    attempts,
                    ..Task::new(item, queued_at)
                };
                let due = Instant::now() + pause(INSERT_PAUSES, attempts);
                self.queue.put_back(Lane::InsertUnsafe, task, due);
            }
            EngineRequest::ResetKeepingHeads => {
                info!(
                    "the L1 origin of the unsafe head has left L1; heads hold until the sequencer's own reorg"
                );
                self.ctx.reset_keeping_heads();
            }
        }
    }

    async fn handle_follow(
        &mut self,
        el: &dyn EngineApi,
        update: FollowUpdate,
        reply: oneshot::Sender<FollowOutcome>,
    ) {
        let outcome = match follow::follow(el, &mut self.ctx, update).await {
            Ok(outcome) => {
                if outcome != FollowOutcome::Unchanged {
                    self.note(None);
                }
                outcome
            }
            Err(error) => {
                self.ctx.last_case = Some(FollowCase::Unanswered);
                self.note(Some(error));
                FollowOutcome::Skipped
            }
        };
        self.publish();
        // Whoever asked may have given up.
        let _ = reply.send(outcome);
    }

    /// Returns the request if it has to be tried again.
    async fn handle_insert(
        &mut self,
        el: &dyn EngineApi,
        payload: Payload,
        reply: Option<oneshot::Sender<InsertOutcome>>,
        queued_at: Instant,
    ) -> Option<EngineRequest> {
        if reply.as_ref().is_some_and(oneshot::Sender::is_closed) {
            return None;
        }
        let inserted = insert::insert(el, &mut self.ctx, payload.clone()).await;
        let patience_ends = reply.is_some() && queued_at.elapsed() >= INSERT_PATIENCE;
        let outcome = match inserted {
            Ok(Insertion::Done(outcome)) => {
                self.note(None);
                outcome
            }
            Ok(Insertion::Busy) if patience_ends => InsertOutcome::Failed {
                reason: "the execution layer is busy".to_owned(),
            },
            Err(error) if patience_ends || error.severity() != Severity::Temporary => {
                let reason = error.to_string();
                self.note(Some(error));
                InsertOutcome::Failed { reason }
            }
            Ok(Insertion::Busy) => return Some(EngineRequest::InsertUnsafe { payload, reply }),
            Err(error) => {
                self.note(Some(error));
                return Some(EngineRequest::InsertUnsafe { payload, reply });
            }
        };
        self.publish();
        match reply {
            // Whoever asked may have given up.
            Some(reply) => drop(reply.send(outcome)),
            None => debug!(number = payload.block.number, ?outcome, "unsafe payload"),
        }
        None
    }

    /// Notes whether the EL could be asked, and says so when that changes.
    fn note(&mut self, error: Option<ElError>) {
        match error {
            Some(error) => self.note_failure(&error),
            None if self.status.borrow().last_error.is_some() => {
                info!("the execution layer answers again");
                self.status.send_modify(|status| status.last_error = None);
            }
            None => {}
        }
    }

    fn note_failure(&mut self, failure: &dyn std::fmt::Display) {
        let words = failure.to_string();
        if self.status.borrow().last_error.as_deref() == Some(words.as_str()) {
            return;
        }
        warn!(cause = words, "the execution layer cannot be asked");
        self.status
            .send_modify(|status| status.last_error = Some(words.into()));
    }

    fn publish(&mut self) {
        let (before, after) = (*self.state.borrow(), self.ctx.state);
        if before != after {
            log_changes(&before, &after, self.ctx.reorg.take());
            self.state.send_replace(after);
            for task in self.queue.advance(after.epoch, 0) {
                stale(task.item);
            }
        }
        self.report();
    }

    fn report(&self) {
        let (ctx, queue_depths) = (&self.ctx, self.queue.depths());
        self.status.send_if_modified(|status| {
            let before = status.clone();
            status.queue_depths = queue_depths;
            status.buffered_payloads = ctx.buffer.len();
            status.buffered_bytes = ctx.buffer.bytes();
            status.target_since = ctx.target().map(|target| target.since);
            status.last_follow_case = ctx.last_case;
            *status != before
        });
    }
}

/// The pause after `attempts` failed ones.
fn pause((first, max): (Duration, Duration), attempts: u32) -> Duration {
    let grown = first.saturating_mul(1 << attempts.min(16)).min(max);
    Backoff::new(grown, max).next_delay()
}

/// Answers a request that fell out of its lane.
fn displaced(request: EngineRequest) {
    match request {
        EngineRequest::Follow { reply, .. } => drop(reply.send(FollowOutcome::Superseded)),
        EngineRequest::InsertUnsafe { payload, reply } => {
            debug!(
                number = payload.block.number,
                "too many unsafe payloads wait; the highest is dropped"
            );
            if let Some(reply) = reply {
                let reason = "too many unsafe payloads wait for the execution layer";
                drop(reply.send(InsertOutcome::Rejected { reason }));
            }
        }
        EngineRequest::ResetKeepingHeads => {}
    }
}

/// Answers a request of an older epoch. Those that there are so far hold in any epoch.
fn stale(request: EngineRequest) {
    displaced(request);
}

/// Answers a request that came while the EL did not answer.
fn unasked(request: EngineRequest, failure: &ProbeError) {
    match request {
        EngineRequest::Follow { reply, .. } => drop(reply.send(FollowOutcome::Skipped)),
        EngineRequest::InsertUnsafe {
            reply: Some(reply), ..
        } => {
            drop(reply.send(InsertOutcome::Failed {
                reason: failure.to_string(),
            }));
        }
        EngineRequest::InsertUnsafe { reply: None, .. } | EngineRequest::ResetKeepingHeads => {}
    }
}

#[cfg(test)]
mod tests;
