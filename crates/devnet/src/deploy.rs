//! The chain before it runs: genesis of both layers and the rollup config that ties them together. They must agree in every
//! number (gas limit, EIP-1559 parameters, fee scalars, times): other execution layers compute the L2 genesis hash from
//! the file, and other rollup nodes derive the first block from the system config.

mod files;

pub use files::{DeployedFiles, FileError};

pub(crate) use files::write_json;

use crate::{
    accounts::{
        BALANCE_ETHER, BATCHER, DEV_ACCOUNTS, SYSTEM_CONFIG_OWNER, UNSAFE_BLOCK_SIGNER, ether,
    },
    config::{BLOCK_TIME_MAX, Blocks, DevnetConfig, EL_SYNC_DELAY_MAX},
};
use alloy_genesis::Genesis;
use alloy_primitives::{B256, FixedBytes};
use light_node_devnet_el::{DevnetGenesis, ElConfig, EmbeddedEl, GenesisError};
use light_node_devnet_l1::{
    ConfigError as L1ConfigError, L1Contracts, L1SimConfig, ecotone_scalar, l1_genesis_hash,
};
use light_node_protocol::{
    BlockNumHash, ChainGenesis, ChainOpConfig, ConfigError, Hardfork, RollupConfig, SystemConfig,
};
use std::{sync::Arc, time::Duration};
use thiserror::Error;

/// Chain id of the devnet's L2; the one that OP Stack devnets use.
pub const DEVNET_L2_CHAIN_ID: u64 = 901;

/// Gas limit of L2 blocks at genesis, as on OP Mainnet.
const GAS_LIMIT: u64 = 60_000_000;

/// EIP-1559 parameters at genesis, as on OP Mainnet; from Holocene on the system config names them, too.
const ELASTICITY: u32 = 6;
const DENOMINATOR: u32 = 250;

/// Shares of L1 base fee and blob base fee in the fee of a transaction, in millionths.
const BASE_FEE_SCALAR: u32 = 1_368;
const BLOB_BASE_FEE_SCALAR: u32 = 810_949;

/// How many seconds the sequencer may run ahead of L1, before Fjord. Nodes refuse a config without it, whatever the fork.
const MAX_SEQUENCER_DRIFT: u64 = 600;

/// L1 blocks in which a batch must be included, as on OP Mainnet: the batcher can be paused for hours before derivation
/// fills in empty blocks.
const SEQUENCING_WINDOW: u64 = 3_600;

/// L1 blocks for a channel, before Granite.
const CHANNEL_TIMEOUT: u64 = 300;

/// Why no chain can be made of a devnet's configuration.
#[derive(Debug, Error)]
pub enum DeployError {
    /// Forks before Ecotone are not executed, and those after Karst not known.
    #[error("the devnet runs forks from ecotone to karst, not {fork}")]
    Fork {
        /// The fork asked for.
        fork: Hardfork,
    },
    /// Timestamps are whole seconds.
    #[error(
        "the L2 block time {given:?} is not a number of whole seconds from 1 s to {BLOCK_TIME_MAX:?}"
    )]
    BlockTime {
        /// The time asked for.
        given: Duration,
    },
    /// Nobody waits that long.
    #[error("the delay {given:?} of an execution layer sync is longer than {EL_SYNC_DELAY_MAX:?}")]
    ElSyncDelay {
        /// The delay asked for.
        given: Duration,
    },
    /// The L1 cannot be configured so.
    #[error("the L1 cannot start")]
    L1(#[from] L1ConfigError),
    /// The L2 genesis is refused by our execution layer.
    #[error("the L2 genesis is not usable")]
    Genesis(#[from] GenesisError),
    /// The rollup config breaks a rule of its own.
    #[error("the rollup config is not usable")]
    Rollup(#[from] ConfigError),
}

/// A chain that has been described and not yet been started.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The L1, with the rollup's contracts.
    pub l1: L1SimConfig,
    /// The L2's genesis.
    pub l2_genesis: Genesis,
    /// What ties them together.
    pub rollup_config: Arc<RollupConfig>,
}

impl Deployment {
    /// Describes a devnet whose both layers start at `genesis_time` (Unix time in seconds).
    ///
    /// # Errors
    /// The configuration is no chain.
    pub fn new(config: &DevnetConfig, genesis_time: u64) -> Result<Self, DeployError> {
        if !(Hardfork::Ecotone..=Hardfork::Karst).contains(&config.fork) {
            return Err(DeployError::Fork { fork: config.fork });
        }
        check_times(config)?;
        let l1 = l1_config(config, genesis_time);
        l1.validate()?;
        let l2_genesis = DevnetGenesis {
            gas_limit: GAS_LIMIT,
            elasticity: ELASTICITY,
            denominator: DENOMINATOR,
            ..DevnetGenesis::new(DEVNET_L2_CHAIN_ID, config.fork, genesis_time)
        }
        .with_funded(
            DEV_ACCOUNTS.map(|account| account.address),
            ether(BALANCE_ETHER),
        )
        .build();
        let el = EmbeddedEl::new(ElConfig::new(l2_genesis.clone()))?;
        let l2_hash = el.view().genesis().hash;
        let rollup_config = rollup_config(config, &l1, l2_hash);
        rollup_config.check()?;
        Ok(Self {
            l1,
            l2_genesis,
            rollup_config: Arc::new(rollup_config),
        })
    }
}

/// The L1's own time is checked with the rest of its configuration.
fn check_times(config: &DevnetConfig) -> Result<(), DeployError> {
    let given = config.block_time;
    let is_possible = (Duration::from_secs(1)..=BLOCK_TIME_MAX).contains(&given);
    if !is_possible || given.subsec_nanos() != 0 {
        return Err(DeployError::BlockTime { given });
    }
    let given = config.el_sync_delay;
    if given > EL_SYNC_DELAY_MAX {
        return Err(DeployError::ElSyncDelay { given });
    }
    Ok(())
}

fn l1_config(config: &DevnetConfig, genesis_time: u64) -> L1SimConfig {
    L1SimConfig {
        block_time: config.l1_block_time,
        safe_lag: config.l1_safe_lag,
        finalized_lag: config.l1_finalized_lag,
        mining: config.blocks != Blocks::OnCommand,
        accounts: DEV_ACCOUNTS
            .map(|account| (account.address, ether(BALANCE_ETHER)))
            .to_vec(),
        contracts: L1Contracts {
            owner: SYSTEM_CONFIG_OWNER.address,
            unsafe_block_signer: UNSAFE_BLOCK_SIGNER.address,
            initial: system_config(config.fork),
            ..L1Contracts::default()
        },
        ..L1SimConfig::new(genesis_time)
    }
}

/// The system config at genesis. What a fork brings is zero before it, as op-node has it.
fn system_config(fork: Hardfork) -> SystemConfig {
    let mut eip1559_params = FixedBytes::ZERO;
    if fork >= Hardfork::Holocene {
        eip1559_params[..4].copy_from_slice(&DENOMINATOR.to_be_bytes());
        eip1559_params[4..].copy_from_slice(&ELASTICITY.to_be_bytes());
    }
    SystemConfig {
        batcher_address: BATCHER.address,
        scalar: ecotone_scalar(BASE_FEE_SCALAR, BLOB_BASE_FEE_SCALAR),
        gas_limit: GAS_LIMIT,
        eip1559_params,
        ..SystemConfig::default()
    }
}

fn rollup_config(config: &DevnetConfig, l1: &L1SimConfig, l2_hash: B256) -> RollupConfig {
    let active_from = |fork: Hardfork| (fork <= config.fork).then_some(0);
    RollupConfig {
        genesis: ChainGenesis {
            l1: BlockNumHash::new(0, l1_genesis_hash(l1)),
            l2: BlockNumHash::new(0, l2_hash),
            l2_time: l1.genesis_time,
            system_config: l1.contracts.initial,
        },
        block_time: config.block_time.as_secs(),
        max_sequencer_drift: MAX_SEQUENCER_DRIFT,
        seq_window_size: SEQUENCING_WINDOW,
        channel_timeout: CHANNEL_TIMEOUT,
        l1_chain_id: l1.chain_id,
        l2_chain_id: DEVNET_L2_CHAIN_ID,
        regolith_time: active_from(Hardfork::Regolith),
        canyon_time: active_from(Hardfork::Canyon),
        delta_time: active_from(Hardfork::Delta),
        ecotone_time: active_from(Hardfork::Ecotone),
        fjord_time: active_from(Hardfork::Fjord),
        granite_time: active_from(Hardfork::Granite),
        holocene_time: active_from(Hardfork::Holocene),
        isthmus_time: active_from(Hardfork::Isthmus),
        jovian_time: active_from(Hardfork::Jovian),
        karst_time: active_from(Hardfork::Karst),
        batch_inbox_address: l1.contracts.batch_inbox,
        deposit_contract_address: l1.contracts.portal,
        l1_system_config_address: l1.contracts.system_config,
        chain_op_config: Some(ChainOpConfig {
            eip1559_elasticity: ELASTICITY.into(),
            eip1559_denominator: DENOMINATOR.into(),
            eip1559_denominator_canyon: Some(DENOMINATOR.into()),
        }),
        ..RollupConfig::default()
    }
}

#[cfg(test)]
mod tests;
