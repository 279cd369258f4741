//! One log line for each change of the published state.

use crate::{
    context::Reorg,
    state::{ElSyncState, EngineState},
};
use light_node_protocol::{BlockNumHash, L2BlockRef};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// A gap of this many blocks is fetched in a moment, and without gossip there is one at every update: not worth a line.
const ROUTINE_GAP_BLOCKS: u64 = 64;

/// Derivation that catches up moves heads many times a second; what has changed is said together after this time.
const GATHERED: Duration = Duration::from_secs(1);

/// What has been said of the published states.
#[derive(Debug)]
pub(crate) struct ChangeLog {
    /// Changes that follow one another fast are gathered.
    gathers: bool,
    said_at: Option<Instant>,
    /// The last state that was said, while later ones are gathered.
    rest_since: Option<EngineState>,
}

impl ChangeLog {
    /// A log to which nothing was written.
    pub(crate) const fn new(gathers: bool) -> Self {
        Self {
            gathers,
            said_at: None,
            rest_since: None,
        }
    }

    /// A state was published.
    pub(crate) fn note(
        &mut self,
        before: &EngineState,
        after: &EngineState,
        reorg: Option<Reorg>,
        now: Instant,
    ) {
        let is_more = reorg.is_some() || before.el_sync != after.el_sync;
        let is_soon = |said_at: Instant| now.duration_since(said_at) < GATHERED;
        if self.gathers && !is_more && self.said_at.is_some_and(is_soon) {
            self.rest_since.get_or_insert(*before);
            return;
        }
        if is_more {
            self.say_rest(before, now);
        }
        let since = self.rest_since.take();
        log_changes(since.as_ref().unwrap_or(before), after, reorg);
        self.said_at = Some(now);
    }

    /// When the rest is to be said.
    pub(crate) fn rest_due(&self) -> Option<Instant> {
        self.rest_since?;
        self.said_at.map(|said_at| said_at + GATHERED)
    }

    /// Says what was gathered up to `state`.
    pub(crate) fn say_rest(&mut self, state: &EngineState, now: Instant) {
        if let Some(since) = self.rest_since.take() {
            log_changes(&since, state, None);
            self.said_at = Some(now);
        }
    }
}

/// Says what has changed between two published states.
fn log_changes(before: &EngineState, after: &EngineState, reorg: Option<Reorg>) {
    let moved = |old: &L2BlockRef, new: &L2BlockRef| old.hash != new.hash && !new.is_zero();
    if let Some(reorg) = reorg {
        let old = before.unsafe_head;
        warn!(
            cause = reorg.cause,
            depth = old.number.saturating_sub(reorg.fork),
            old_number = old.number,
            old_hash = %old.hash,
            new_number = after.unsafe_head.number,
            new_hash = %after.unsafe_head.hash,
            "the unsafe chain was reorganised"
        );
    } else if moved(&before.unsafe_head, &after.unsafe_head) && !is_safe_at_once(before, after) {
        let head = after.unsafe_head;
        info!(number = head.number, hash = %head.hash, "new unsafe head");
    }
    if moved(&before.safe_head, &after.safe_head) {
        let (old, head) = (before.safe_head, after.safe_head);
        if head.number < old.number {
            warn!(number = head.number, hash = %head.hash, depth = old.number - head.number,
                "the safe head went back");
        } else {
            info!(number = head.number, hash = %head.hash, "new safe head");
        }
    }
    if moved(&before.finalized_head, &after.finalized_head) {
        let head = after.finalized_head;
        info!(number = head.number, hash = %head.hash, "new finalized head");
    }
    if before.el_sync != after.el_sync {
        log_sync(before, after);
    }
}

/// Without gossip every head is: then the safe head's line says it all.
fn is_safe_at_once(before: &EngineState, after: &EngineState) -> bool {
    let is_higher = after.safe_head.number > before.safe_head.number;
    is_higher && after.safe_head.hash == after.unsafe_head.hash
}

fn log_sync(before: &EngineState, after: &EngineState) {
    let gap = |state: &EngineState| {
        let target = state.target.map_or(0, |target| target.number);
        target.saturating_sub(state.unsafe_head.number)
    };
    let reached = |target: BlockNumHash| target.number <= after.unsafe_head.number;
    let has_come = before.target.is_some_and(reached);
    match (after.el_sync, after.target) {
        (ElSyncState::Syncing, Some(target)) if gap(after) > ROUTINE_GAP_BLOCKS => {
            info!(number = target.number, hash = %target.hash, blocks = gap(after),
                "the execution layer fetches blocks up to a head that it was asked for");
        }
        // One that was given up has not come.
        (ElSyncState::Synced, _) if gap(before) > ROUTINE_GAP_BLOCKS && has_come => {
            info!("the execution layer has all blocks that it was asked for");
        }
        (state, target) => {
            debug!(
                ?state,
                number = target.map(|target| target.number),
                "sync of the execution layer"
            );
        }
    }
}
