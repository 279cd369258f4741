//! What op-node, too, demands of a rollup config before it starts on it.

use super::RollupConfig;
use crate::Hardfork;
use alloy_primitives::{Address, B256};
use thiserror::Error;

/// Why no node can run on a rollup config. Fields have the names of `rollup.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A field that must be set is zero.
    #[error("{field} of the rollup config is zero or missing")]
    Zero {
        /// Path of the field.
        field: &'static str,
    },
    /// The sequencing window is too short to include anything.
    #[error("seq_window_size of the rollup config is {actual}, but must be at least 2")]
    SequencingWindowTooShort {
        /// L1 blocks in the window.
        actual: u64,
    },
    /// L1 and L2 have the same genesis block.
    #[error("genesis.l1.hash and genesis.l2.hash of the rollup config are both {hash}")]
    SameGenesis {
        /// The hash of both.
        hash: B256,
    },
    /// L1 and L2 have the same chain id.
    #[error("l1_chain_id and l2_chain_id of the rollup config are both {chain_id}")]
    SameChainId {
        /// The id of both.
        chain_id: u64,
    },
    /// A fork is scheduled, the one before it is not.
    #[error("the rollup config has {fork}_time, but no {missing}_time")]
    ForkGap {
        /// The fork that is scheduled.
        fork: Hardfork,
        /// The fork before it.
        missing: Hardfork,
    },
    /// A fork is scheduled before the one that it builds on.
    #[error("{fork}_time {time} of the rollup config is before {previous}_time {previous_time}")]
    ForkOrder {
        /// The fork that comes too early.
        fork: Hardfork,
        /// Its time in seconds.
        time: u64,
        /// The fork before it.
        previous: Hardfork,
        /// That fork's time in seconds.
        previous_time: u64,
    },
}

impl RollupConfig {
    /// Checks that a node can run on this config. The first fault found is the answer.
    ///
    /// # Errors
    /// A value that must be set is zero, two that must differ are equal, or the forks are out of order.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_values()?;
        self.check_forks()
    }

    fn check_values(&self) -> Result<(), ConfigError> {
        let genesis = &self.genesis;
        let system_config = &genesis.system_config;
        // After Fjord the drift is a constant of the protocol (specs/protocol/fjord/derivation.md#constant-maximum-sequencer-drift).
        let drift_matters = !self.is_active(Hardfork::Fjord, genesis.l2_time);
        for (field, is_zero) in [
            ("block_time", self.block_time == 0),
            ("channel_timeout", self.channel_timeout == 0),
            (
                "max_sequencer_drift",
                drift_matters && self.max_sequencer_drift == 0,
            ),
            ("genesis.l1.hash", genesis.l1.hash == B256::ZERO),
            ("genesis.l2.hash", genesis.l2.hash == B256::ZERO),
            ("genesis.l2_time", genesis.l2_time == 0),
            (
                "genesis.system_config.batcherAddr",
                system_config.batcher_address == Address::ZERO,
            ),
            (
                "genesis.system_config.scalar",
                system_config.scalar == B256::ZERO,
            ),
            (
                "genesis.system_config.gasLimit",
                system_config.gas_limit == 0,
            ),
            (
                "batch_inbox_address",
                self.batch_inbox_address == Address::ZERO,
            ),
            (
                "deposit_contract_address",
                self.deposit_contract_address == Address::ZERO,
            ),
            (
                "l1_system_config_address",
                self.l1_system_config_address == Address::ZERO,
            ),
            ("l1_chain_id", self.l1_chain_id == 0),
            ("l2_chain_id", self.l2_chain_id == 0),
        ] {
            if is_zero {
                return Err(ConfigError::Zero { field });
            }
        }
        if self.seq_window_size < 2 {
            return Err(ConfigError::SequencingWindowTooShort {
                actual: self.seq_window_size,
            });
        }
        if genesis.l1.hash == genesis.l2.hash {
            return Err(ConfigError::SameGenesis {
                hash: genesis.l1.hash,
            });
        }
        if self.l1_chain_id == self.l2_chain_id {
            return Err(ConfigError::SameChainId {
                chain_id: self.l1_chain_id,
            });
        }
        Ok(())
    }

    fn check_forks(&self) -> Result<(), ConfigError> {
        for pair in Hardfork::ALL.windows(2) {
            let (previous, fork) = (pair[0], pair[1]);
            let Some(time) = self.activation_time(fork) else {
                continue;
            };
            let Some(previous_time) = self.activation_time(previous) else {
                return Err(ConfigError::ForkGap {
                    fork,
                    missing: previous,
                });
            };
            if time < previous_time {
                return Err(ConfigError::ForkOrder {
                    fork,
                    time,
                    previous,
                    previous_time,
                });
            }
        }
        Ok(())
    }
}
