//! Genesis: the first block and state of a chain from a geth style genesis file, and our own small genesis for devnets.

mod chain_config;
mod devnet;

pub use devnet::DevnetGenesis;

use crate::{
    execution::{BaseFeeRules, ExecutedBlock, ExtraDataError, requests_hash, withdrawals_root},
    spec::{ChainConfigError, ElSpec},
    state::{AccountError, StateSnapshot},
};
use alloy_consensus::{Block, BlockBody, Header};
use alloy_genesis::Genesis;
use alloy_op_hardforks::{ForkCondition, OpHardfork, OpHardforks};
use alloy_primitives::B256;
use thiserror::Error;

/// A genesis file that no chain can start from.
#[derive(Debug, Error)]
pub enum GenesisError {
    /// The chain configuration holds no rules that we know.
    #[error(transparent)]
    ChainConfig(#[from] ChainConfigError),
    /// The base fee does not fit into 64 bits.
    #[error("the base fee {0} is too large")]
    BaseFee(u128),
    /// An account cannot be.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The block's `extraData` is not what its fork asks for.
    #[error("the genesis block is malformed")]
    ExtraData(#[from] ExtraDataError),
    /// The chain starts before the first fork that we execute.
    #[error("the chain does not start at Ecotone or later")]
    BeforeEcotone,
    /// The chain schedules a fork after the last one that we execute.
    #[error("the chain schedules a fork after Karst, which is not supported")]
    AfterKarst,
}

/// The genesis block and its state.
///
/// # Errors
///
/// If an account's code or the base fee is malformed.
pub(crate) fn genesis_block(
    spec: &ElSpec,
    genesis: &Genesis,
) -> Result<(ExecutedBlock, StateSnapshot), GenesisError> {
    let mut state = StateSnapshot::from_genesis(genesis)?;
    let timestamp = genesis.timestamp;
    let is_ecotone = spec.is_ecotone(timestamp);
    let base_fee = genesis
        .base_fee_per_gas
        .map(|fee| u64::try_from(fee).map_err(|_| GenesisError::BaseFee(fee)))
        .transpose()?;
    // The other fields are those of an empty block, which is the default.
    let header = Header {
        beneficiary: genesis.coinbase,
        state_root: state.root(),
        difficulty: genesis.difficulty,
        gas_limit: genesis.gas_limit,
        timestamp,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: genesis.nonce.to_be_bytes().into(),
        base_fee_per_gas: base_fee,
        withdrawals_root: withdrawals_root(spec, timestamp, &state),
        blob_gas_used: is_ecotone.then_some(0),
        excess_blob_gas: is_ecotone.then_some(0),
        parent_beacon_block_root: is_ecotone.then_some(B256::ZERO),
        requests_hash: requests_hash(spec, timestamp),
        ..Header::default()
    };
    let hash = header.hash_slow();
    state.remember_block_hash(header.number, hash);
    let body = BlockBody {
        withdrawals: spec.is_canyon(timestamp).then(Default::default),
        ..BlockBody::default()
    };
    let block = ExecutedBlock {
        hash,
        block: Block::new(header, body),
        senders: Vec::new(),
        receipts: Vec::new(),
    };
    Ok((block, state))
}

/// [`genesis_block`], refused unless blocks can be built on it.
pub(crate) fn startable_genesis_block(
    spec: &ElSpec,
    genesis: &Genesis,
) -> Result<(ExecutedBlock, StateSnapshot), GenesisError> {
    if !spec.is_ecotone(genesis.timestamp) {
        return Err(GenesisError::BeforeEcotone);
    }
    if spec.forks().op_fork_activation(OpHardfork::Interop) != ForkCondition::Never {
        return Err(GenesisError::AfterKarst);
    }
    BaseFeeRules::of_header(spec, genesis.timestamp, &genesis.extra_data)?;
    genesis_block(spec, genesis)
}

#[cfg(test)]
mod tests;
