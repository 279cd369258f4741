//! What is under way to the engine, and on which block the pipeline may build next. Pure.

use crate::deriver::Parent;
use light_node_protocol::{BlockNumHash, L2BlockRef};

/// Derived blocks that may be under way. A span of a busy chain is longer; by then the engine has answered for the first.
pub(crate) const IN_FLIGHT_MAX: usize = 64;

/// The safe head, and the derived blocks after it of which the engine has not said yet what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InFlight {
    safe: L2BlockRef,
    count: usize,
    /// The block sent last is the last one of its span.
    span_ended: bool,
}

/// A block on its way to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its number.
    pub(crate) number: u64,
    /// The L1 block that it was derived from.
    pub(crate) derived_from: BlockNumHash,
    /// Number of the L1 block that it stands on.
    pub(crate) l1_origin: u64,
}

impl InFlight {
    /// Nothing is under way, and this is the safe head.
    pub(crate) const fn at(safe: L2BlockRef) -> Self {
        Self {
            safe,
            count: 0,
            span_ended: false,
        }
    }

    /// The safe head as the engine last said.
    pub(crate) const fn safe(&self) -> &L2BlockRef {
        &self.safe
    }

    /// Blocks under way.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// On what the pipeline may build now. Inside a span the next block needs nothing of the one before that is not known;
    /// after it, the pipeline compares with a hash that only the engine knows.
    pub(crate) const fn parent(&self) -> Option<Parent> {
        match self.count {
            0 => Some(Parent::Known(self.safe)),
            IN_FLIGHT_MAX.. => None,
            _ if self.span_ended => None,
            _ => Some(Parent::Expected),
        }
    }

    /// The number that the next block must have.
    pub(crate) const fn next_number(&self) -> u64 {
        self.safe.number + self.count as u64 + 1
    }

    /// A block goes to the engine.
    pub(crate) const fn note_sent(&mut self, is_last_in_span: bool) {
        self.count += 1;
        self.span_ended = is_last_in_span;
    }

    /// The next block cannot be derived before the hash of its parent is known.
    pub(crate) const fn note_needs_parent(&mut self) {
        self.span_ended = true;
    }

    /// The first of the blocks under way is safe. False if it is not the block that was sent.
    pub(crate) const fn note_safe(&mut self, block: L2BlockRef) -> bool {
        if self.count == 0 || block.number != self.safe.number + 1 {
            return false;
        }
        self.count -= 1;
        self.safe = block;
        true
    }

    /// What is under way behind the answered block is given up.
    pub(crate) const fn give_up(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    fn block(number: u64) -> L2BlockRef {
        L2BlockRef {
            number,
            hash: B256::repeat_byte(number as u8),
            ..L2BlockRef::default()
        }
    }

    #[test]
    fn inside_a_span_the_pipeline_runs_ahead() {
        let mut in_flight = InFlight::at(block(10));
        assert_eq!(in_flight.parent(), Some(Parent::Known(block(10))));
        in_flight.note_sent(false);
        assert_eq!(in_flight.parent(), Some(Parent::Expected));
        assert_eq!(in_flight.next_number(), 12);
    }

    #[test]
    fn after_a_span_it_waits_for_the_engine() {
        let mut in_flight = InFlight::at(block(10));
        in_flight.note_sent(false);
        in_flight.note_sent(true);
        assert_eq!(in_flight.parent(), None);
        assert!(in_flight.note_safe(block(11)));
        assert_eq!(
            in_flight.parent(),
            None,
            "the span's last block is not known yet"
        );
        assert!(in_flight.note_safe(block(12)));
        assert_eq!(in_flight.parent(), Some(Parent::Known(block(12))));
    }

    #[test]
    fn where_the_pipeline_needs_a_hash_it_waits_for_the_engine() {
        let mut in_flight = InFlight::at(block(10));
        in_flight.note_sent(false);
        in_flight.note_needs_parent();
        assert_eq!(in_flight.parent(), None);
        assert!(in_flight.note_safe(block(11)));
        assert_eq!(in_flight.parent(), Some(Parent::Known(block(11))));
    }

    #[test]
    fn it_does_not_run_ahead_without_end() {
        let mut in_flight = InFlight::at(block(10));
        for _ in 0..IN_FLIGHT_MAX {
            assert!(in_flight.parent().is_some());
            in_flight.note_sent(false);
        }
        assert_eq!(in_flight.parent(), None);
        assert!(in_flight.note_safe(block(11)));
        assert_eq!(in_flight.parent(), Some(Parent::Expected));
    }

    #[test]
    fn another_block_than_the_one_sent_is_no_answer() {
        let mut in_flight = InFlight::at(block(10));
        assert!(!in_flight.note_safe(block(11)), "nothing was sent");
        in_flight.note_sent(false);
        assert!(!in_flight.note_safe(block(12)));
        assert_eq!(in_flight.safe(), &block(10));
    }

    #[test]
    fn after_a_refusal_it_builds_on_what_stands() {
        let mut in_flight = InFlight::at(block(10));
        for _ in 0..3 {
            in_flight.note_sent(false);
        }
        assert!(in_flight.note_safe(block(11)));
        in_flight.give_up();
        assert_eq!(in_flight.parent(), Some(Parent::Known(block(11))));
    }
}
