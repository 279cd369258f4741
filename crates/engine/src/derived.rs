//! Where derivation stands in the engine: which derived blocks the execution layer has, and which labels are to follow them.
//! Labels are moved apart from blocks, because a burst of blocks needs one forkchoice, not one each. Pure: it is told the time.

use crate::{
    request::{FollowUpdate, ForkchoiceStart},
    state::{DerivationState, EngineState},
};
use light_node_protocol::{BlockNumHash, L1BlockRef, L2BlockRef};
use std::time::Duration;
use tokio::time::Instant;

/// Between two forkchoices that only move labels: nobody reads labels faster, and at most this much of them is lost with
/// the process.
const LABEL_PAUSE: Duration = Duration::from_millis(100);

/// So many blocks move the labels before the pause is over: an execution layer that is far behind shall not fall back far.
const LABEL_BLOCKS: u32 = 32;

/// The pauses before labels that the execution layer did not take are tried again double up to this.
const LABEL_RETRY_MAX: Duration = Duration::from_secs(2);

/// The derived chain, from a reset on.
#[derive(Debug)]
pub(crate) struct Derived {
    /// The last derived block that the EL has: the parent of the next one.
    pub tip: L2BlockRef,
    /// The last one that is safe: before Holocene the last of its span, from then on the tip. The published safe head follows it.
    pub safe: L2BlockRef,
    /// The highest block that is known to be final.
    pub finalized: L2BlockRef,
    /// One that shall be, and has not been looked for yet.
    pub finalize: Option<BlockNumHash>,
    /// The EL has lost what is safe, and gets it anew from L1. What is published [holds](Self::holds) until then.
    pub is_replay: bool,
    current_l1: L1BlockRef,
    pace: Pace,
}

/// When labels move.
#[derive(Debug, Default)]
struct Pace {
    /// Since when there is something to move.
    waits_since: Option<Instant>,
    /// Blocks since they were last moved.
    blocks: u32,
    moved_at: Option<Instant>,
    /// They were not taken, and are tried again then.
    retry: Option<(Instant, Duration)>,
}

impl Derived {
    /// Derivation goes on from `start`, whose labels stand.
    pub(crate) fn new(start: &ForkchoiceStart, finalized: L2BlockRef) -> Self {
        Self {
            tip: start.safe,
            safe: start.safe,
            finalized,
            finalize: None,
            is_replay: false,
            current_l1: start.current_l1,
            pace: Pace::default(),
        }
    }

    /// The same in an EL that has lost more than what is safe.
    pub(crate) fn replay(start: &ForkchoiceStart) -> Self {
        Self {
            is_replay: true,
            ..Self::new(start, L2BlockRef::default())
        }
    }

    /// The EL has the next derived block.
    pub(crate) fn advance(&mut self, block: L2BlockRef, is_safe: bool, now: Instant) {
        self.tip = block;
        self.pace.blocks += 1;
        if is_safe {
            self.safe = block;
            self.pace.wait(now);
        }
    }

    /// The blocks of the span that has not ended are not derived any more.
    pub(crate) const fn drop_span(&mut self) {
        self.tip = self.safe;
    }

    /// All that L1 says up to `current_l1` has been handed over.
    pub(crate) fn move_cursor(&mut self, current_l1: L1BlockRef, now: Instant) {
        self.current_l1 = current_l1;
        self.pace.wait(now);
    }

    /// `block` is final. A lower one than is known changes nothing.
    pub(crate) fn want_finalized(&mut self, block: BlockNumHash, now: Instant) {
        let known = self.finalize.map_or(0, |wanted| wanted.number);
        if block.number > known.max(self.finalized.number) {
            self.finalize = Some(block);
            self.pace.wait(now);
        }
    }

    /// The block that shall be final, if it is safe already. One above what is safe waits.
    pub(crate) fn ripe_finalize(&self) -> Option<BlockNumHash> {
        self.finalize.filter(|it| it.number <= self.safe.number)
    }

    /// True if what is `published` stands above what was derived again, and may still come. It does not once all of L1 has been
    /// read again that it can be from, the block after its cursor included: then L1 has taken it back. What is final holds
    /// whatever L1 says.
    pub(crate) fn holds(&self, published: &EngineState) -> bool {
        let is_there = self.safe.number >= published.safe_head.number;
        let cursor = &published.current_l1;
        let is_read = !cursor.is_zero() && self.current_l1.number > cursor.number;
        let is_above_final = self.safe.number >= published.finalized_head.number;
        !(is_there || is_read && is_above_final)
    }

    /// When the labels are to be moved, if anything is to be.
    pub(crate) fn labels_due(&self) -> Option<Instant> {
        self.pace.due()
    }

    /// Labels are about to be moved. Said before anything can fail, so that a failure is followed by a pause.
    pub(crate) fn moving_labels(&mut self, now: Instant) {
        self.pace.attempt(now);
    }

    /// The labels stand as [`Self::update`] said.
    pub(crate) fn labels_moved(&mut self, now: Instant) {
        self.pace = Pace {
            moved_at: Some(now),
            ..Pace::default()
        };
    }

    /// The labels as a safe source says them. After a loss the chain that was derived again may be another than was published.
    pub(crate) const fn update(&self) -> FollowUpdate {
        FollowUpdate {
            state: DerivationState {
                safe: self.safe,
                local_safe: self.safe,
                finalized: self.finalized,
                current_l1: self.current_l1,
            },
            safe_may_move: self.is_replay,
        }
    }
}

impl Pace {
    fn wait(&mut self, now: Instant) {
        self.waits_since.get_or_insert(now);
    }

    fn due(&self) -> Option<Instant> {
        let since = self.waits_since?;
        let rest = self.moved_at.filter(|_| self.blocks < LABEL_BLOCKS);
        let due = rest.map_or(since, |moved_at| since.max(moved_at + LABEL_PAUSE));
        Some(self.retry.map_or(due, |(retry_at, _)| due.max(retry_at)))
    }

    fn attempt(&mut self, now: Instant) {
        let pause = self.retry.map_or(LABEL_PAUSE, |(_, pause)| {
            pause.saturating_mul(2).min(LABEL_RETRY_MAX)
        });
        self.retry = Some((now + pause, pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    fn block(number: u64) -> L2BlockRef {
        L2BlockRef {
            number,
            hash: B256::with_last_byte(number as u8 + 1),
            ..Default::default()
        }
    }

    fn derived() -> Derived {
        let start = ForkchoiceStart {
            unsafe_head: block(9),
            safe: block(5),
            finalized: block(2),
            current_l1: L1BlockRef::default(),
        };
        Derived::new(&start, start.finalized)
    }

    #[test]
    fn the_first_move_goes_at_once_and_a_burst_has_one_per_100_ms() {
        let start = Instant::now();
        let mut derived = derived();
        assert_eq!(derived.labels_due(), None);
        derived.advance(block(6), true, start);
        assert_eq!(derived.labels_due(), Some(start));
        derived.moving_labels(start);
        derived.labels_moved(start);
        assert_eq!(derived.labels_due(), None);
        let later = start + Duration::from_millis(7);
        derived.advance(block(7), true, later);
        derived.advance(block(8), true, later);
        assert_eq!(derived.labels_due(), Some(start + LABEL_PAUSE));
        assert_eq!(derived.update().state.safe, block(8));
    }

    #[test]
    fn thirty_two_blocks_do_not_wait() {
        let start = Instant::now();
        let mut derived = derived();
        derived.labels_moved(start);
        for number in 0..32 {
            assert_ne!(derived.labels_due(), Some(start), "before block {number}");
            derived.advance(block(6 + number), true, start);
        }
        assert_eq!(derived.labels_due(), Some(start));
    }

    #[test]
    fn what_is_not_safe_yet_may_be_dropped() {
        let now = Instant::now();
        let mut derived = derived();
        derived.advance(block(6), false, now);
        assert_eq!((derived.tip, derived.safe), (block(6), block(5)));
        assert_eq!(derived.labels_due(), None);
        derived.drop_span();
        assert_eq!(derived.tip, block(5));
    }

    #[test]
    fn labels_that_were_not_taken_are_tried_again_with_growing_pauses() {
        let mut now = Instant::now();
        let mut derived = derived();
        derived.advance(block(6), true, now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            derived.moving_labels(now);
            let due = derived.labels_due().unwrap_or(now);
            pauses.push((due - now).as_millis());
            now = due;
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000]);
    }

    #[test]
    fn finalized_is_asked_for_upwards_and_waits_until_it_is_safe() {
        let now = Instant::now();
        let mut derived = derived();
        derived.want_finalized(block(2).id(), now);
        assert_eq!(derived.finalize, None, "known");
        derived.want_finalized(block(6).id(), now);
        assert_eq!(derived.ripe_finalize(), None);
        derived.want_finalized(block(4).id(), now);
        assert_eq!(derived.finalize, Some(block(6).id()));
        derived.advance(block(6), true, now);
        assert_eq!(derived.ripe_finalize(), Some(block(6).id()));
    }
}
