//! Which L1 block the next L2 block stands on: the same rule as op-node's sequencer without confirmation depth
//! (`specs/protocol/derivation.md#batch-queue` is what its blocks must pass).

use light_node_protocol::{Hardfork, RollupConfig};

/// Seconds by which L2 may run ahead of its L1 origin from Fjord on
/// (`specs/protocol/fjord/derivation.md#constant-maximum-sequencer-drift`).
const FJORD_MAX_SEQUENCER_DRIFT: u64 = 1_800;

/// The choice of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The next L1 block: a new epoch begins.
    Advance,
    /// The origin of the parent.
    Stay,
    /// None: the drift is used up, and whether the next L1 block must be taken is not known before it is there.
    Wait,
}

/// Chooses the origin of the L2 block at `l2_time`. All times in seconds.
pub(crate) const fn choose(
    l2_time: u64,
    origin_time: u64,
    next_origin_time: Option<u64>,
    max_drift: u64,
) -> Choice {
    match next_origin_time {
        Some(next) if next <= l2_time => Choice::Advance,
        Some(_) => Choice::Stay,
        None if exceeds_drift(l2_time, origin_time, max_drift) => Choice::Wait,
        None => Choice::Stay,
    }
}

/// True if the block may hold nothing but deposits, because it is too far ahead of its origin.
pub(crate) const fn exceeds_drift(l2_time: u64, origin_time: u64, max_drift: u64) -> bool {
    l2_time > origin_time.saturating_add(max_drift)
}

/// The drift allowed to blocks of an origin of `origin_time`.
pub(crate) fn max_drift(config: &RollupConfig, origin_time: u64) -> u64 {
    if config.is_active(Hardfork::Fjord, origin_time) {
        FJORD_MAX_SEQUENCER_DRIFT
    } else {
        config.max_sequencer_drift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_origin_is_taken_as_soon_as_it_is_not_later_than_the_block() {
        assert_eq!(choose(100, 90, Some(101), 600), Choice::Stay);
        assert_eq!(choose(100, 90, Some(100), 600), Choice::Advance);
        assert_eq!(choose(100, 90, None, 600), Choice::Stay);
    }

    #[test]
    fn beyond_the_drift_the_next_origin_must_be_known() {
        assert_eq!(choose(690, 90, None, 600), Choice::Stay);
        assert_eq!(choose(692, 90, None, 600), Choice::Wait);
        assert_eq!(choose(692, 90, Some(700), 600), Choice::Stay);
        assert!(exceeds_drift(692, 90, 600));
        assert!(!exceeds_drift(690, 90, 600));
    }

    #[test]
    fn the_drift_is_constant_from_fjord_on() {
        let mut config = RollupConfig {
            max_sequencer_drift: 600,
            ..RollupConfig::default()
        };
        assert_eq!(max_drift(&config, 10), 600);
        config.fjord_time = Some(10);
        assert_eq!(max_drift(&config, 10), 1_800);
        assert_eq!(max_drift(&config, 9), 600);
    }
}
