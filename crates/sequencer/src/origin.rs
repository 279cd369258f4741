//! Which L1 block the next L2 block stands on, and whether transactions of users may go into it. Pure rules: what derivation
//! will demand of the batch (`specs/protocol/derivation.md#batch-queue`), and what op-node's sequencer prefers among it.

use crate::schedule::Wait;
use light_node_protocol::{Hardfork, L1BlockRef, L2BlockRef, RollupConfig};

/// Seconds by which L2 may run ahead of its L1 origin from Fjord on
/// (`specs/protocol/fjord/derivation.md#constant-maximum-sequencer-drift`).
const FJORD_MAX_SEQUENCER_DRIFT: u64 = 1_800;

/// What is known of the L1 block after the parent's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is this one, and it is deep enough.
    Known(L1BlockRef),
    /// It is deep enough, and has not been read yet.
    Unread,
    /// L1 has not got so far.
    NotYet,
}

/// The choice of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The parent's origin.
    Stay {
        /// Nothing but what the protocol demands goes into the block.
        no_tx_pool: bool,
    },
    /// The L1 block after it: a new epoch begins.
    Advance {
        /// As above.
        no_tx_pool: bool,
    },
    /// None yet.
    Wait(Wait),
    /// The L1 block after the parent's origin is not its child: one of the two has left L1.
    Broken,
}

/// True if an L1 block is so deep below the head that it may be an origin.
pub(crate) const fn is_confirmed(number: u64, l1_head: u64, confirmations: u64) -> bool {
    number.saturating_add(confirmations) <= l1_head
}

/// Chooses the origin of the block after `parent`, whose own origin is `current`. While `is_recovering` the next origin is
/// waited for until it is read, so that L2 catches up with L1 as fast as it can, in blocks without users' transactions.
pub(crate) fn choose(
    config: &RollupConfig,
    parent: &L2BlockRef,
    current: &L1BlockRef,
    next: Next,
    is_recovering: bool,
) -> Choice {
    let time = parent.timestamp.saturating_add(config.block_time);
    let is_empty = |origin: &L1BlockRef| {
        is_recovering || exceeds_drift(config, time, origin) || is_first_of_a_fork(config, time)
    };
    let stay = Choice::Stay {
        no_tx_pool: is_empty(current),
    };
    match next {
        Next::Known(next) if next.parent_hash != current.hash => Choice::Broken,
        Next::Known(next) if next.timestamp <= time => Choice::Advance {
            no_tx_pool: is_empty(&next),
        },
        // Beyond the drift a block may stay only where the next origin is known to be later than it.
        Next::Known(_) => stay,
        Next::Unread if is_recovering => Choice::Wait(Wait::L1),
        Next::Unread if exceeds_drift(config, time, current) => Choice::Wait(Wait::L1),
        Next::NotYet if exceeds_drift(config, time, current) => Choice::Wait(Wait::Drift),
        Next::Unread | Next::NotYet => stay,
    }
}

/// True if a block at `time` (seconds) is too far ahead of its origin for users' transactions.
fn exceeds_drift(config: &RollupConfig, time: u64, origin: &L1BlockRef) -> bool {
    let drift = if config.is_active(Hardfork::Fjord, origin.timestamp) {
        FJORD_MAX_SEQUENCER_DRIFT
    } else {
        config.max_sequencer_drift
    };
    time > origin.timestamp.saturating_add(drift)
}

/// The first block of a fork carries its upgrade, and nothing of users that might depend on it.
fn is_first_of_a_fork(config: &RollupConfig, time: u64) -> bool {
    time > config.genesis.l2_time
        && Hardfork::ALL
            .into_iter()
            .any(|fork| config.is_first_block_of(fork, time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    const STAY: Choice = Choice::Stay { no_tx_pool: false };
    const STAY_EMPTY: Choice = Choice::Stay { no_tx_pool: true };
    const ADVANCE: Choice = Choice::Advance { no_tx_pool: false };
    const ADVANCE_EMPTY: Choice = Choice::Advance { no_tx_pool: true };

    fn config() -> RollupConfig {
        RollupConfig {
            block_time: 2,
            max_sequencer_drift: 600,
            fjord_time: Some(1_000_000),
            ..RollupConfig::default()
        }
    }

    fn l1(number: u64, timestamp: u64) -> L1BlockRef {
        L1BlockRef {
            hash: B256::repeat_byte(u8::try_from(number).unwrap_or(0)),
            number,
            parent_hash: B256::repeat_byte(u8::try_from(number - 1).unwrap_or(0)),
            timestamp,
        }
    }

    fn parent(timestamp: u64) -> L2BlockRef {
        L2BlockRef {
            timestamp,
            ..L2BlockRef::default()
        }
    }

    fn choice(parent_time: u64, origin_time: u64, next: Next) -> Choice {
        let current = l1(7, origin_time);
        choose(&config(), &parent(parent_time), &current, next, false)
    }

    #[test]
    fn the_next_origin_is_taken_as_soon_as_it_is_not_later_than_the_block() {
        assert_eq!(choice(98, 90, Next::Known(l1(8, 101))), STAY);
        assert_eq!(choice(98, 90, Next::Known(l1(8, 100))), ADVANCE);
        assert_eq!(choice(98, 90, Next::NotYet), STAY);
    }

    #[test]
    fn a_block_within_the_drift_does_not_wait_for_l1_to_be_read() {
        assert_eq!(choice(98, 90, Next::Unread), STAY);
        assert_eq!(choice(690, 90, Next::Unread), Choice::Wait(Wait::L1));
    }

    #[test]
    fn beyond_the_drift_blocks_are_empty_and_need_to_know_the_next_origin() {
        assert_eq!(choice(688, 90, Next::NotYet), STAY);
        assert_eq!(choice(690, 90, Next::NotYet), Choice::Wait(Wait::Drift));
        assert_eq!(choice(690, 90, Next::Known(l1(8, 700))), STAY_EMPTY);
        assert_eq!(choice(690, 90, Next::Known(l1(8, 91))), ADVANCE_EMPTY);
        assert_eq!(choice(690, 90, Next::Known(l1(8, 92))), ADVANCE);
    }

    #[test]
    fn the_drift_is_constant_once_the_origin_is_past_fjord() {
        let time = 1_000_000;
        assert_eq!(choice(time + 1_798, time, Next::NotYet), STAY);
        let waits = Choice::Wait(Wait::Drift);
        assert_eq!(choice(time + 1_799, time, Next::NotYet), waits);
        assert_eq!(choice(time + 600, time - 1, Next::NotYet), waits);
    }

    #[test]
    fn a_next_origin_that_does_not_link_to_the_current_one_is_never_taken() {
        let foreign = L1BlockRef {
            parent_hash: B256::ZERO,
            ..l1(8, 100)
        };
        assert_eq!(choice(98, 90, Next::Known(foreign)), Choice::Broken);
        assert_eq!(choice(2_000, 90, Next::Known(foreign)), Choice::Broken);
    }

    #[test]
    fn recovering_blocks_are_empty_and_take_each_next_origin() {
        let recover = |next| choose(&config(), &parent(98), &l1(7, 90), next, true);
        assert_eq!(recover(Next::Known(l1(8, 100))), ADVANCE_EMPTY);
        assert_eq!(recover(Next::Unread), Choice::Wait(Wait::L1));
        assert_eq!(recover(Next::Known(l1(8, 101))), STAY_EMPTY);
        assert_eq!(recover(Next::NotYet), STAY_EMPTY);
    }

    #[test]
    fn the_first_block_of_a_fork_is_empty_and_that_of_the_chain_is_none() {
        let at = |time: u64| choice(time - 2, time - 4, Next::NotYet);
        assert_eq!(at(1_000_000), STAY_EMPTY);
        assert_eq!(at(1_000_002), STAY);
        assert_eq!(at(999_998), STAY);
    }

    #[test]
    fn the_first_block_of_each_fork_with_an_upgrade_is_empty() {
        let forks: [fn(&mut RollupConfig, u64); 8] = [
            |config, time| config.ecotone_time = Some(time),
            |config, time| config.fjord_time = Some(time),
            |config, time| config.granite_time = Some(time),
            |config, time| config.holocene_time = Some(time),
            |config, time| config.isthmus_time = Some(time),
            |config, time| config.jovian_time = Some(time),
            |config, time| config.karst_time = Some(time),
            |config, time| config.lagoon_time = Some(time),
        ];
        for (place, activate) in forks.into_iter().enumerate() {
            // Not a multiple of the block time: the first block is the one after.
            for (fork, first) in [(5_000, 5_000), (5_001, 5_002)] {
                let mut config = RollupConfig {
                    block_time: 2,
                    max_sequencer_drift: 600,
                    ..RollupConfig::default()
                };
                activate(&mut config, fork);
                let at = |time: u64| {
                    let current = l1(7, time - 4);
                    choose(&config, &parent(time - 2), &current, Next::NotYet, false)
                };
                assert_eq!(at(first - 2), STAY, "fork {place}");
                assert_eq!(at(first), STAY_EMPTY, "fork {place}");
                assert_eq!(at(first + 2), STAY, "fork {place}");
            }
        }
    }

    #[test]
    fn an_origin_is_confirmed_by_the_blocks_above_it() {
        assert!(is_confirmed(10, 14, 4));
        assert!(!is_confirmed(11, 14, 4));
        assert!(is_confirmed(14, 14, 0));
        assert!(!is_confirmed(u64::MAX, 14, 4));
    }
}
