//! Numbers of the protocol that depend on the hardforks of a moment: how long channels live, how far the sequencer may run
//! ahead, what a channel may hold, and which block is the first of a fork.

use super::RollupConfig;
use crate::Hardfork;

/// Channel timeout from Granite on, in L1 blocks (`specs/protocol/granite/derivation.md`).
const GRANITE_CHANNEL_TIMEOUT: u64 = 50;

/// Largest drift from Fjord on, in seconds (`specs/protocol/fjord/derivation.md#constant-maximum-sequencer-drift`).
const FJORD_MAX_SEQUENCER_DRIFT: u64 = 1800;

/// Bytes of RLP that are read of a channel, before Fjord and from Fjord on
/// (`specs/protocol/fjord/derivation.md#increasing-max_rlp_bytes_per_channel-and-max_channel_bank_size`).
const BEDROCK_MAX_RLP_BYTES_PER_CHANNEL: u64 = 10_000_000;
const FJORD_MAX_RLP_BYTES_PER_CHANNEL: u64 = 100_000_000;

impl RollupConfig {
    /// How many L1 blocks after its first frame a channel must be complete, for channels read at an L1 block of `l1_time`
    /// (seconds).
    pub fn channel_timeout(&self, l1_time: u64) -> u64 {
        if self.is_active(Hardfork::Granite, l1_time) {
            GRANITE_CHANNEL_TIMEOUT
        } else {
            self.channel_timeout
        }
    }

    /// How many seconds an L2 block with transactions may be ahead of its L1 origin, whose time is `l1_time` (seconds).
    pub fn max_sequencer_drift(&self, l1_time: u64) -> u64 {
        if self.is_active(Hardfork::Fjord, l1_time) {
            FJORD_MAX_SEQUENCER_DRIFT
        } else {
            self.max_sequencer_drift
        }
    }

    /// How many bytes of a decompressed channel are read that is complete at an L1 block of `l1_time` (seconds).
    pub fn max_rlp_bytes_per_channel(&self, l1_time: u64) -> u64 {
        if self.is_active(Hardfork::Fjord, l1_time) {
            FJORD_MAX_RLP_BYTES_PER_CHANNEL
        } else {
            BEDROCK_MAX_RLP_BYTES_PER_CHANNEL
        }
    }

    /// True if the L2 block at `timestamp` (seconds) is the first one of `fork`. A fork that is active at genesis has no such
    /// block: its contracts are in the genesis state.
    pub fn is_first_block_of(&self, fork: Hardfork, timestamp: u64) -> bool {
        timestamp
            .checked_sub(self.block_time)
            .is_some_and(|previous| {
                self.is_active(fork, timestamp) && !self.is_active(fork, previous)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RollupConfig {
        RollupConfig {
            block_time: 2,
            channel_timeout: 300,
            max_sequencer_drift: 600,
            regolith_time: Some(0),
            canyon_time: Some(0),
            delta_time: Some(0),
            ecotone_time: Some(0),
            fjord_time: Some(100),
            granite_time: Some(200),
            ..RollupConfig::default()
        }
    }

    #[test]
    fn the_channel_timeout_is_the_protocols_from_granite_on() {
        assert_eq!(config().channel_timeout(199), 300);
        assert_eq!(config().channel_timeout(200), 50);
    }

    #[test]
    fn drift_and_channel_size_are_the_protocols_from_fjord_on() {
        assert_eq!(config().max_sequencer_drift(99), 600);
        assert_eq!(config().max_sequencer_drift(100), 1800);
        assert_eq!(config().max_rlp_bytes_per_channel(99), 10_000_000);
        assert_eq!(config().max_rlp_bytes_per_channel(100), 100_000_000);
    }

    #[test]
    fn only_the_block_that_crosses_the_time_is_the_first_of_a_fork() {
        let config = config();
        let first: Vec<u64> = (0..300)
            .filter(|time| config.is_first_block_of(Hardfork::Fjord, *time))
            .collect();
        assert_eq!(first, [100, 101]);
        assert!(!(0..300).any(|time| config.is_first_block_of(Hardfork::Ecotone, time)));
        assert!(!(0..300).any(|time| config.is_first_block_of(Hardfork::Karst, time)));
    }

    #[test]
    fn a_later_fork_brings_its_predecessors_along_at_the_same_block() {
        let config = RollupConfig {
            karst_time: Some(400),
            ..config()
        };
        assert!(config.is_first_block_of(Hardfork::Jovian, 400));
        assert!(config.is_first_block_of(Hardfork::Karst, 400));
        assert!(!config.is_first_block_of(Hardfork::Fjord, 400));
    }
}
