//! What became of the channels that were sent: they wait, they are read and their blocks are safe, or they were in vain. An L1
//! reorg may drop their transactions, or mine them again where they no longer mean anything; they may time out; and whoever
//! reads them may drop them for a reason that a batcher cannot know. All of it shows in one way: the source has read them,
//! and the safe head is still below.

use alloy_primitives::B256;

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Waiting for a block.
    Pool,
    /// In the L1 block of this number.
    Block(u64),
    /// Neither.
    Nowhere,
}

/// A channel on its way.
#[derive(Debug)]
struct Channel {
    transactions: Vec<B256>,
    /// Number of the last L2 block in it.
    last: u64,
}

/// The channels whose blocks are not finalized yet.
#[derive(Debug, Default)]
pub(super) struct Posted {
    channels: Vec<Channel>,
}

impl Posted {
    /// A channel was sent in `transactions`, with the L2 blocks up to the number `last`.
    pub(super) fn push(&mut self, transactions: Vec<B256>, last: u64) {
        self.channels.push(Channel { transactions, last });
    }

    /// What is above the L2 block `number` is sent anew.
    pub(super) fn forget_above(&mut self, number: u64) {
        self.channels.retain(|channel| channel.last <= number);
    }

    /// Forgets what is finalized up to the L2 block `number`. What is only safe may have to be sent again after an L1 reorg.
    pub(super) fn forget_up_to(&mut self, number: u64) {
        self.channels.retain(|channel| channel.last > number);
    }

    /// Says whether any of what is above the L2 block `safe` was in vain: L1 has lost a transaction of it, or the source, which
    /// has read L1 up to the block `read`, found nothing in it that made it safe.
    pub(super) fn is_in_vain(
        &self,
        safe: u64,
        read: u64,
        place_of: impl Fn(&B256) -> Place,
    ) -> bool {
        let mut unsafe_channels = self.channels.iter().filter(|channel| channel.last > safe);
        unsafe_channels.any(|channel| {
            let mut places = channel.transactions.iter().map(&place_of);
            let is_lost = places.clone().any(|place| place == Place::Nowhere);
            let is_read = places.all(|place| matches!(place, Place::Block(at) if at <= read));
            is_lost || is_read
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: B256 = B256::repeat_byte(1);
    const SECOND: B256 = B256::repeat_byte(2);

    /// Whether a channel with block 5 in two transactions at these places was in vain, with safe at 4 and L1 read up to 10.
    fn is_in_vain(first: Place, second: Place) -> bool {
        let mut posted = Posted::default();
        posted.push(vec![FIRST, SECOND], 5);
        posted.is_in_vain(4, 10, |hash| if *hash == FIRST { first } else { second })
    }

    #[test]
    fn a_channel_that_was_read_and_is_not_safe_was_in_vain() {
        assert!(is_in_vain(Place::Block(9), Place::Block(10)));
        assert!(!is_in_vain(Place::Block(10), Place::Block(11)), "not read");
        assert!(!is_in_vain(Place::Block(9), Place::Pool), "not mined");
    }

    #[test]
    fn a_channel_that_lost_a_transaction_was_in_vain() {
        assert!(is_in_vain(Place::Nowhere, Place::Block(11)));
        assert!(is_in_vain(Place::Pool, Place::Nowhere));
    }

    #[test]
    fn what_was_safe_and_is_lost_by_l1_was_in_vain() {
        let mut posted = Posted::default();
        posted.push(vec![FIRST], 5);
        assert!(!posted.is_in_vain(5, 10, |_| Place::Block(9)));
        assert!(posted.is_in_vain(4, 8, |_| Place::Nowhere));
    }

    #[test]
    fn what_is_sent_anew_is_forgotten() {
        let mut posted = Posted::default();
        posted.push(vec![FIRST], 5);
        posted.push(vec![SECOND], 6);
        posted.forget_above(5);
        let is_lost = |safe| posted.is_in_vain(safe, 10, |_| Place::Nowhere);
        assert!(!is_lost(5));
        assert!(is_lost(4), "what was safe then is still known");
    }

    #[test]
    fn what_is_finalized_is_forgotten() {
        let mut posted = Posted::default();
        posted.push(vec![FIRST], 5);
        posted.forget_up_to(5);
        assert!(!posted.is_in_vain(0, 10, |_| Place::Nowhere));
    }
}
