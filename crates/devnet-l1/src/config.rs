//! What an embedded L1 is made of: timing, label lags, funded accounts and the addresses of its emulated contracts.

use alloy_primitives::{Address, B256, U256, address};
use light_node_protocol::SystemConfig;
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use thiserror::Error;

/// Chain id of the devnet's L1; the one that OP Stack devnets use, and not that of any public chain.
pub const DEVNET_L1_CHAIN_ID: u64 = 900;

/// The longest slot. A devnet that mines more rarely helps nobody, and times stay far from what their types hold.
pub const L1_BLOCK_TIME_MAX: Duration = Duration::from_secs(60);

/// Everything that fixes an embedded L1 before its first block.
#[derive(Clone, Debug)]
pub struct L1SimConfig {
    /// Chain id, by default [`DEVNET_L1_CHAIN_ID`].
    pub chain_id: u64,
    /// Length of a slot, up to [`L1_BLOCK_TIME_MAX`]. Whole seconds, because block timestamps are.
    pub block_time: Duration,
    /// Unix time of block 0 in seconds; slot `n` is at `genesis_time + n * block_time`.
    pub genesis_time: u64,
    /// Gas limit of every block.
    pub gas_limit: u64,
    /// How many blocks the `safe` label stays behind the head.
    pub safe_lag: u64,
    /// How many blocks the `finalized` label stays behind the head.
    pub finalized_lag: u64,
    /// Where JSON-RPC listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether blocks are mined by the clock from the start. Without it only `mine` makes blocks.
    pub mining: bool,
    /// Funded accounts and their balances in wei.
    pub accounts: Vec<(Address, U256)>,
    /// The emulated contracts of the rollup.
    pub contracts: L1Contracts,
}

impl L1SimConfig {
    /// A chain with two-second slots that starts at `genesis_time` on a free local port.
    pub fn new(genesis_time: u64) -> Self {
        Self {
            chain_id: DEVNET_L1_CHAIN_ID,
            block_time: Duration::from_secs(2),
            genesis_time,
            gas_limit: 36_000_000,
            safe_lag: 4,
            finalized_lag: 8,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            mining: true,
            accounts: Vec::new(),
            contracts: L1Contracts::default(),
        }
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// The first rule that the configuration breaks.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let contracts = [self.contracts.portal, self.contracts.system_config];
        let is_possible = (Duration::from_secs(1)..=L1_BLOCK_TIME_MAX).contains(&self.block_time);
        if !is_possible || self.block_time.subsec_nanos() != 0 {
            return Err(ConfigError::BlockTime {
                block_time: self.block_time,
            });
        }
        if self.safe_lag > self.finalized_lag {
            return Err(ConfigError::Lag {
                safe: self.safe_lag,
                finalized: self.finalized_lag,
            });
        }
        if contracts[0] == contracts[1] || contracts.contains(&self.contracts.batch_inbox) {
            return Err(ConfigError::SameAddress);
        }
        if let Some((account, _)) = self.accounts.iter().find(|(a, _)| contracts.contains(a)) {
            return Err(ConfigError::FundedContract { account: *account });
        }
        Ok(())
    }
}

/// Why a configuration cannot be a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Timestamps are whole seconds, so slots must be.
    #[error(
        "block time {block_time:?} is not a number of whole seconds from 1 s to {L1_BLOCK_TIME_MAX:?}"
    )]
    BlockTime {
        /// The refused length of a slot.
        block_time: Duration,
    },
    /// A block is safe before it is finalized.
    #[error("safe lag {safe} is larger than finalized lag {finalized}")]
    Lag {
        /// Lag of the safe label in blocks.
        safe: u64,
        /// Lag of the finalized label in blocks.
        finalized: u64,
    },
    /// Portal, system config and batch inbox are told apart by address only.
    #[error("portal, system config and batch inbox must have different addresses")]
    SameAddress,
    /// A contract's account is made by us.
    #[error("{account} is a contract and cannot be a funded account")]
    FundedContract {
        /// The account that is both.
        account: Address,
    },
}

/// Addresses and initial storage of the emulated contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Contracts {
    /// The `OptimismPortal`: deposits enter here.
    pub portal: Address,
    /// The `SystemConfig`: its logs change the rollup's configuration.
    pub system_config: Address,
    /// Where batches are sent. No code; it accepts any calldata.
    pub batch_inbox: Address,
    /// The only account that may call setters of the `SystemConfig`.
    pub owner: Address,
    /// Initial signer of unsafe blocks on the gossip network.
    pub unsafe_block_signer: Address,
    /// The rollup's configuration at L1 genesis; the same object stands in `rollup.json`.
    pub initial: SystemConfig,
}

impl Default for L1Contracts {
    fn default() -> Self {
        Self {
            portal: address!("0x000000000000000000000000000000000000d001"),
            system_config: address!("0x000000000000000000000000000000000000d002"),
            batch_inbox: address!("0x00ff000000000000000000000000000000000901"),
            owner: Address::ZERO,
            unsafe_block_signer: Address::ZERO,
            initial: SystemConfig {
                scalar: ecotone_scalar(1368, 810_949),
                gas_limit: 60_000_000,
                ..SystemConfig::default()
            },
        }
    }
}

/// The packed scalar word of Ecotone (version 1) out of its two parts.
pub fn ecotone_scalar(base_fee_scalar: u32, blob_base_fee_scalar: u32) -> B256 {
    let mut word = B256::ZERO;
    word[0] = 1;
    word[24..28].copy_from_slice(&blob_base_fee_scalar.to_be_bytes());
    word[28..].copy_from_slice(&base_fee_scalar.to_be_bytes());
    word
}
