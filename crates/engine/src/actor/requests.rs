//! One `handle_*` per request: carry it out, publish, answer. What has to be tried again goes back to its lane.

use super::EngineActor;
use crate::{
    follow_case::{FollowCase, answered},
    payload::Payload,
    queue::{Lane, Task},
    request::{
        BuildOutcome, CommitOutcome, EngineRequest, FollowOutcome, FollowUpdate, InsertOutcome,
        SealOutcome,
    },
    tasks::{
        build, fetch, follow,
        insert::{self, Insertion},
    },
};
use light_node_actor::Backoff;
use light_node_engine_api::{ElError, EngineApi};
use light_node_protocol::Severity;
use std::time::Duration;
use tokio::{sync::oneshot, time::Instant};
use tracing::{debug, info};

/// Pauses before a payload that the EL could not be asked about is tried again.
const INSERT_PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Somebody waits for the verdict on a payload at most this long while the EL cannot be asked.
const INSERT_PATIENCE: Duration = Duration::from_secs(10);

impl EngineActor {
    /// Carries out one request, and answers it when its effect is published.
    pub(super) async fn handle_request(&mut self, el: &dyn EngineApi, task: Task<EngineRequest>) {
        let Task {
            item,
            stamp,
            queued_at,
            attempts,
            ..
        } = task;
        match item {
            EngineRequest::Consolidate { .. } => {
                let task = Task {
                    stamp,
                    attempts,
                    ..Task::new(item, queued_at)
                };
                self.handle_consolidate(el, task).await;
            }
            EngineRequest::Cursor { current_l1, .. } => self.handle_cursor(current_l1),
            EngineRequest::Finalize { block } => self.handle_finalize(block),
            EngineRequest::Reset { start, reply } => self.handle_reset(el, *start, reply).await,
            EngineRequest::RestartDerivation => self.handle_restart_derivation(),
            EngineRequest::Follow { update, reply } => self.handle_follow(el, *update, reply).await,
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
                self.answer_impatient();
            }
            EngineRequest::ResetKeepingHeads => self.handle_reset_keeping_heads(),
            EngineRequest::OriginStands => self.handle_origin_stands(),
            EngineRequest::BeginHere => build::begin_here(&mut self.ctx),
            EngineRequest::Fetch { head, reply } => {
                let fetched = fetch::fetch(el, &mut self.ctx, head).await;
                self.answer(reply, fetched, |_| false);
            }
            EngineRequest::Build {
                parent,
                attributes,
                reply,
                ..
            } => {
                let built = build::build(el, &mut self.ctx, parent, *attributes).await;
                let failed = |reason| BuildOutcome::Failed { reason };
                self.answer(reply, built, failed);
            }
            EngineRequest::Seal { id, reply } => {
                let sealed = build::seal(el, &mut self.ctx, id).await;
                self.answer(reply, sealed, |reason| SealOutcome::Failed { reason });
            }
            EngineRequest::Commit { payload, reply } => {
                let committed = build::commit(el, &mut self.ctx, payload).await;
                let failed = |reason| CommitOutcome::Failed { reason };
                self.answer(reply, committed, failed);
            }
        }
    }

    fn handle_restart_derivation(&mut self) {
        // Without a start there is one to come: asking again changes nothing.
        if self.ctx.derived.is_some() {
            info!("derivation is asked to begin anew");
        }
        self.ctx.restart_derivation();
    }

    fn handle_reset_keeping_heads(&mut self) {
        info!(
            "the L1 origin of the unsafe head has left L1; heads hold until the sequencer reorganises"
        );
        self.ctx.reset_keeping_heads();
    }

    fn handle_origin_stands(&mut self) {
        if std::mem::take(&mut self.ctx.state.origin_left_l1) {
            info!("the L1 origin of the unsafe head is on L1 again");
        }
    }

    async fn handle_follow(
        &mut self,
        el: &dyn EngineApi,
        update: FollowUpdate,
        reply: oneshot::Sender<FollowOutcome>,
    ) {
        let answer = Box::pin(follow::follow(el, &mut self.ctx, update)).await;
        let (row, outcome) = answered(self.ctx.last_case, &answer);
        self.ctx.last_case = row;
        self.ctx.metrics.follow_case(row);
        match (answer, row) {
            (Err(error), _) => self.note(Some(error)),
            // What a pending target says of the EL is noted when that is asked for.
            (Ok(FollowOutcome::Syncing), Some(FollowCase::TargetPending)) => {}
            (Ok(FollowOutcome::Applied | FollowOutcome::Syncing), _) => self.note(None),
            // These may stand without the EL having been asked.
            (Ok(_), _) => {}
        }
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
                if matches!(outcome, InsertOutcome::Inserted | InsertOutcome::Syncing) {
                    self.note(None);
                }
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

    /// Answers those who wait behind a payload that the EL could not be asked about, when they have waited long enough.
    fn answer_impatient(&mut self) {
        let impatient = self.queue.take_where(Lane::InsertUnsafe, |task| {
            let waited = task.queued_at.elapsed() >= INSERT_PATIENCE;
            waited
                && matches!(
                    &task.item,
                    EngineRequest::InsertUnsafe { reply: Some(_), .. }
                )
        });
        for task in impatient {
            task.item
                .answer_unasked("the execution layer cannot be asked");
        }
    }

    /// Answers the sequencer, which decides itself whether and when it tries again.
    pub(super) fn answer<T>(
        &mut self,
        reply: oneshot::Sender<T>,
        outcome: Result<T, ElError>,
        failed: impl FnOnce(String) -> T,
    ) {
        let outcome = outcome.unwrap_or_else(|error| {
            let reason = error.to_string();
            self.note(Some(error));
            failed(reason)
        });
        self.publish();
        // Whoever asked may have given up.
        drop(reply.send(outcome));
    }
}

/// The pause after `attempts` failed ones.
pub(super) fn pause((first, max): (Duration, Duration), attempts: u32) -> Duration {
    let grown = first.saturating_mul(1 << attempts.min(16)).min(max);
    Backoff::new(grown, max).next_delay()
}
