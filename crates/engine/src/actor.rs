//! The actor: it takes in everything that waits in its inbox, picks the next piece of work (a request by lane, or a timer of
//! its own), carries it out, publishes, and begins anew. It waits for nobody but the EL.

mod derive;
mod requests;
mod start;
#[cfg(test)]
mod tests;

use crate::{
    changes::ChangeLog,
    config::{EngineConfig, SafeSourceKind},
    context::Context,
    derived::Derived,
    door::Door,
    handle::{DerivationDoor, EngineHandle},
    metrics::EngineMetrics,
    outage::Outage,
    queue::{Pushed, Queue, Task},
    request::EngineRequest,
    state::EngineState,
    status::{EngineError, EngineStatus},
    tasks::{first_sync, forkchoice, insert, labels, lost, settle, sync},
};
use light_node_actor::CancellationToken;
use light_node_engine_api::{ElError, ElErrorClass, EngineApi};
use start::Probe;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tracing::{debug, info, warn};

/// Requests that may wait before the actor takes them in, which it does before every pick. Full: awaiting senders wait,
/// gossip is dropped and counted by its sender.
const INBOX: usize = 256;

/// Pause between two looks at an EL that has lost the safe chain and cannot be asked for a target.
const LOST_PAUSE: Duration = Duration::from_secs(5);

/// The engine. It owns the door to the execution layer.
#[derive(Debug)]
pub struct EngineActor {
    door: Arc<Door>,
    ctx: Context,
    queue: Queue<EngineRequest>,
    inbox: mpsc::Receiver<EngineRequest>,
    derivation: mpsc::Receiver<EngineRequest>,
    state: watch::Sender<EngineState>,
    status: watch::Sender<EngineStatus>,
    probe: Probe,
    outage: Outage,
    changes: ChangeLog,
    look_again_at: Instant,
}

/// One piece of work.
#[derive(Debug)]
enum Work {
    Probe,
    Request(Box<Task<EngineRequest>>),
    Timer(Timer),
}

/// What the engine does of its own accord.
#[derive(Clone, Copy, Debug)]
enum Timer {
    LookAtSync,
    AskForTarget,
    LookAgain,
    Heartbeat,
    TargetGap,
    FirstSync,
    MoveLabels,
    SayRest,
}

impl EngineActor {
    /// An engine over `el`, and its handle. Nothing happens before [`Self::run`].
    pub fn new(config: EngineConfig, el: Arc<dyn EngineApi>) -> (Self, EngineHandle) {
        let (requests, inbox) = mpsc::channel(INBOX);
        let (derivation_door, derivation) = DerivationDoor::new();
        let (state, published) = watch::channel(EngineState::default());
        let (status, reported) = watch::channel(EngineStatus::default());
        let rollup_config = Arc::clone(&config.rollup_config);
        let metrics = EngineMetrics::of(published.clone(), reported.clone());
        let door = Door::new(el, Arc::clone(&rollup_config), metrics.clone());
        let handle = EngineHandle::new(
            rollup_config,
            requests,
            published,
            reported,
            metrics.clone(),
            derivation_door,
        );
        let now = Instant::now();
        let changes = ChangeLog::new(config.safe_source == SafeSourceKind::Derive);
        let actor = Self {
            door: Arc::new(door),
            ctx: Context::new(config, metrics),
            queue: Queue::default(),
            inbox,
            derivation,
            state,
            status,
            probe: Probe::new(now),
            outage: Outage::default(),
            changes,
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
                    done = Box::pin(self.perform(work)) => done?,
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
                Some(request) = self.derivation.recv() => self.enqueue(request),
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
    }

    fn drain_inbox(&mut self) {
        while let Ok(request) = self.inbox.try_recv() {
            self.enqueue(request);
        }
        while let Ok(request) = self.derivation.try_recv() {
            self.enqueue(request);
        }
    }

    fn enqueue(&mut self, request: EngineRequest) {
        let lane = request.lane();
        let mut stamp = request.stamp();
        if let EngineRequest::Consolidate {
            epoch, attributes, ..
        } = &request
        {
            if *epoch < self.ctx.state.reset_epoch {
                return request.answer_stale();
            }
            stamp.flushes = Some(self.ctx.stream_of(attributes.parent.is_some()));
        }
        let mut task = Task {
            stamp,
            ..Task::new(request, Instant::now())
        };
        if let EngineRequest::InsertUnsafe { payload, .. } = &task.item {
            task.number = payload.block.number;
            task.bytes = payload.bytes;
        }
        match self.queue.push(lane, task) {
            Pushed::Queued => {}
            Pushed::Displaced(older) => older.item.answer_displaced(),
            Pushed::Stale(older) => older.item.answer_stale(),
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
            if let Some((_, timer)) = timers.into_iter().flatten().find(|(due, _)| *due <= now) {
                return Some(Work::Timer(timer));
            }
        }
        self.queue
            .pick(now)
            .map(|(_, task)| Work::Request(Box::new(task)))
    }

    fn timers(&self) -> [Option<(Instant, Timer)>; 8] {
        let look_again = self.ctx.is_lost() && self.ctx.target().is_none() && !self.ctx.replays();
        let labels_due = self.ctx.derived.as_ref().and_then(Derived::labels_due);
        let is_failing = self.status.borrow().failing_since.is_some();
        [
            self.ctx
                .target()
                .map(|target| (target.due(), Timer::AskForTarget)),
            self.ctx.sync_look_due().map(|due| (due, Timer::LookAtSync)),
            look_again.then_some((self.look_again_at, Timer::LookAgain)),
            self.ctx
                .heartbeat_due(is_failing)
                .map(|due| (due, Timer::Heartbeat)),
            self.ctx.gap_due().map(|due| (due, Timer::TargetGap)),
            self.ctx.first_sync_due().map(|due| (due, Timer::FirstSync)),
            labels_due.map(|due| (due, Timer::MoveLabels)),
            self.changes.rest_due().map(|due| (due, Timer::SayRest)),
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
        let door = Arc::clone(&self.door);
        match work {
            // The probe itself finds out who answers.
            Work::Probe => self.handle_probe(door.el()).await?,
            Work::Request(task) => self.handle_request(&*door, *task).await,
            Work::Timer(timer) => {
                let asked_at = self.ctx.last_forkchoice_at;
                let done = self.handle_timer(&*door, timer).await;
                // Labels may move without a word to the EL, which says nothing of it then.
                let is_silent =
                    matches!(timer, Timer::MoveLabels | Timer::FirstSync | Timer::SayRest)
                        && self.ctx.last_forkchoice_at == asked_at;
                if done.is_err() || !is_silent {
                    self.note(done.err());
                }
            }
        }
        Ok(())
    }

    async fn handle_timer(&mut self, el: &dyn EngineApi, timer: Timer) -> Result<(), ElError> {
        match timer {
            Timer::LookAtSync => sync::look(el, &mut self.ctx).await,
            Timer::AskForTarget => {
                let settled = settle::ask_again(el, &mut self.ctx).await?;
                debug!(?settled, "asked for the target again");
                Ok(())
            }
            Timer::LookAgain => {
                self.look_again_at = Instant::now() + LOST_PAUSE;
                lost::recover(el, &mut self.ctx).await?;
                lost::ask_for_source_block(el, &mut self.ctx).await
            }
            Timer::Heartbeat => forkchoice::heartbeat(el, &mut self.ctx).await,
            Timer::TargetGap => insert::target_gap(el, &mut self.ctx).await,
            Timer::FirstSync => first_sync::set_labels(el, &mut self.ctx).await,
            Timer::MoveLabels => labels::move_labels(el, &mut self.ctx).await,
            Timer::SayRest => {
                self.changes.say_rest(&self.ctx.state, Instant::now());
                Ok(())
            }
        }
    }

    /// Notes whether the EL could be asked, and says so when that changes.
    fn note(&mut self, error: Option<ElError>) {
        match error {
            Some(error) => self.note_failure(&error, error.class()),
            None if self.status.borrow().last_error.is_some() => {
                if self.outage.ended() {
                    info!("the execution layer answers again");
                }
                self.status.send_modify(|status| {
                    status.last_error = None;
                    status.failing_since = None;
                    status.el_wrong_chain = false;
                });
            }
            None => {}
        }
    }

    fn note_failure(&mut self, failure: &dyn std::fmt::Display, class: ElErrorClass) {
        let now = Instant::now();
        let words = failure.to_string();
        if class.is_outage() && self.probe.succeeded {
            self.door.suspect();
        }
        if self.outage.failed(class, now) {
            warn!(cause = words, "the execution layer cannot be asked");
        }
        self.status.send_if_modified(|status| {
            status.el_wrong_chain = class == ElErrorClass::WrongChain;
            status.failing_since.get_or_insert(now);
            let is_news = status.last_error.as_deref() != Some(words.as_str());
            if is_news {
                status.last_error = Some(words.into());
            }
            is_news
        });
    }

    fn publish(&mut self) {
        self.publish_state();
        for task in self.queue.advance(self.ctx.state.epoch, self.ctx.flushes) {
            task.item.answer_stale();
        }
        self.report();
    }

    fn publish_state(&mut self) {
        let (before, after) = (*self.state.borrow(), self.ctx.state);
        if before != after {
            let reorg = self.ctx.reorg.take();
            if let Some(reorg) = reorg {
                let depth = before.unsafe_head.number.saturating_sub(reorg.fork);
                self.ctx.metrics.reorg(reorg.cause, depth);
            }
            self.changes.note(&before, &after, reorg, Instant::now());
            self.state.send_replace(after);
        }
    }

    fn report(&self) {
        let (ctx, queue_depths) = (&self.ctx, self.queue.depths());
        let oldest_since = self.queue.oldest();
        self.status.send_if_modified(|status| {
            let before = status.clone();
            status.queue_depths = queue_depths;
            status.oldest_since = oldest_since;
            status.buffered_payloads = ctx.buffer.len();
            status.buffered_bytes = ctx.buffer.bytes();
            status.target_since = ctx.target().map(|target| target.since);
            status.sync = ctx.sync_report();
            status.last_follow_case = ctx.last_case;
            *status != before
        });
    }
}
