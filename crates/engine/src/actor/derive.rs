//! What derivation asks for: derived blocks in their order, the cursor between them, finalized blocks, a new start.

use super::{EngineActor, requests::pause};
use crate::{
    queue::{Lane, Task},
    request::{EngineRequest, ForkchoiceStart, ResetError},
    tasks::{
        consolidate::{self, Consolidation},
        reset,
    },
};
use light_node_engine_api::EngineApi;
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::time::Duration;
use tokio::{sync::oneshot, time::Instant};

/// Pauses before a derived block is tried again: the EL could not be asked, or is on its way. Short, for all of derivation
/// waits behind it.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

impl EngineActor {
    /// Carries out a request of derivation for one block. What has to be tried again goes back to the front of its lane,
    /// so that the order holds.
    pub(super) async fn handle_consolidate(
        &mut self,
        el: &dyn EngineApi,
        task: Task<EngineRequest>,
    ) {
        let EngineRequest::Consolidate {
            attributes, reply, ..
        } = &task.item
        else {
            return;
        };
        if reply.is_closed() {
            return;
        }
        let asked_at = self.ctx.last_forkchoice_at;
        let done = Box::pin(consolidate::consolidate(el, &mut self.ctx, attributes)).await;
        let was_asked = self.ctx.last_forkchoice_at != asked_at;
        match done {
            Ok(Consolidation::Done(outcome)) => {
                if was_asked {
                    self.note(None);
                }
                // What ran ahead in vain is answered afterwards, in its order.
                self.publish_state();
                if let EngineRequest::Consolidate { reply, .. } = task.item {
                    // Whoever asked may have given up.
                    drop(reply.send(outcome));
                }
                return;
            }
            Ok(Consolidation::Again) => {}
            Err(error) => self.note(Some(error)),
        }
        let due = Instant::now() + pause(PAUSES, task.attempts);
        self.queue.put_back(Lane::Consolidate, task, due);
    }

    /// Takes note of the L1 block up to which all has been derived.
    pub(super) fn handle_cursor(&mut self, current_l1: L1BlockRef) {
        if let Some(derived) = &mut self.ctx.derived {
            derived.move_cursor(current_l1, Instant::now());
        }
    }

    /// Takes note of a block that is final.
    pub(super) fn handle_finalize(&mut self, block: BlockNumHash) {
        if let Some(derived) = &mut self.ctx.derived {
            derived.want_finalized(block, Instant::now());
        }
    }

    /// Sets the heads from which derivation goes on.
    pub(super) async fn handle_reset(
        &mut self,
        el: &dyn EngineApi,
        start: ForkchoiceStart,
        reply: oneshot::Sender<Result<u64, ResetError>>,
    ) {
        // All of it came before the reset.
        for task in self.queue.drain(Lane::Consolidate) {
            task.item.answer_stale();
        }
        for task in self.queue.drain(Lane::Finalize) {
            task.item.answer_stale();
        }
        if reply.is_closed() {
            return;
        }
        let done = Box::pin(reset::reset(el, &mut self.ctx, &start)).await;
        self.answer(reply, done, |reason| {
            Err(ResetError::Unavailable { reason })
        });
    }
}
