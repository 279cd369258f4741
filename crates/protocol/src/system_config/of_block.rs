//! The system config in force at an L2 block, as read back from that block: its L1-info deposit, its gas limit, its extra data.
//!
//! Derivation does not add up the updates on L1 from genesis on. It reads the config of the parent block and applies the updates
//! of one epoch to it. What the block does not say is so forgotten, what the execution layer made of a value stays: extra data
//! holds the chain's EIP-1559 parameters where the system config has zeros, and the gas limit may hold the gas of Karst's
//! upgrade. Two nodes agree only if both read it the same way.

use crate::{
    ChainOpConfig, EcotoneScalars, Hardfork, L1BlockInfo, OperatorFee, RollupConfig, SystemConfig,
    l1_info::{L1FeeParams, L1InfoError},
};
use alloy_eips::eip2718::{Decodable2718, Eip2718Error};
use alloy_primitives::{B256, Bytes, FixedBytes};
use op_alloy_consensus::TxDeposit;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Gas that Karst's activation block has on top of the system config's gas limit: the sum over its upgrade transactions.
pub const KARST_UPGRADE_GAS: u64 = 55_370_657;

/// EIP-1559 parameters of a chain whose rollup config does not name them: those of OP Mainnet.
const DEFAULT_OP_CONFIG: ChainOpConfig = ChainOpConfig {
    eip1559_elasticity: 6,
    eip1559_denominator: 50,
    eip1559_denominator_canyon: Some(250),
};

/// Why a block does not tell its system config.
#[derive(Debug, Error)]
pub enum BlockConfigError {
    /// A block has at least its L1-info deposit.
    #[error("block has no transactions, so no l1-info deposit")]
    NoTransactions,
    /// The first transaction is not a deposit.
    #[error("first transaction of the block is no deposit")]
    NotADeposit(#[source] Eip2718Error),
    /// The first deposit does not carry L1 information.
    #[error("first deposit of the block is no l1-info deposit")]
    NotL1Info(#[from] L1InfoError),
    /// From Holocene on the extra data has a fixed form.
    #[error("extra data is malformed")]
    ExtraData(#[from] ExtraDataError),
}

/// Why extra data does not hold the parameters of the next block's base fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExtraDataError {
    /// The form of the fork has another length.
    #[error("{actual} bytes instead of {expected}")]
    Length {
        /// Bytes that the fork's form has.
        expected: usize,
        /// Bytes there are.
        actual: usize,
    },
    /// The first byte is not the version of the fork.
    #[error("version {actual} instead of {expected}")]
    Version {
        /// The fork's version.
        expected: u8,
        /// The first byte.
        actual: u8,
    },
    /// Nobody can divide by it.
    #[error("denominator is zero")]
    ZeroDenominator,
}

/// The parameters in a header's extra data from Holocene on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FeeExtraData {
    /// Denominator and elasticity, four bytes each.
    eip1559_params: FixedBytes<8>,
    /// Minimum base fee in wei, from Jovian on.
    min_base_fee: u64,
}

impl FeeExtraData {
    /// Reads the extra data of a block at `timestamp`. Before Holocene nothing is in it that counts.
    fn decode(
        config: &RollupConfig,
        timestamp: u64,
        extra_data: &[u8],
    ) -> Result<Self, ExtraDataError> {
        if !config.is_active(Hardfork::Holocene, timestamp) {
            return Ok(Self::default());
        }
        let jovian = config.is_active(Hardfork::Jovian, timestamp);
        let (version, expected) = if jovian { (1, 17) } else { (0, 9) };
        let actual = extra_data.len();
        if actual != expected {
            return Err(ExtraDataError::Length { expected, actual });
        }
        if extra_data[0] != version {
            return Err(ExtraDataError::Version {
                expected: version,
                actual: extra_data[0],
            });
        }
        let eip1559_params = FixedBytes::from_slice(&extra_data[1..9]);
        if eip1559_params[..4] == [0; 4] {
            return Err(ExtraDataError::ZeroDenominator);
        }
        let min_base_fee = extra_data[9..]
            .iter()
            .fold(0, |value, byte| (value << 8) | u64::from(*byte));
        Ok(Self {
            eip1559_params,
            min_base_fee,
        })
    }
}

impl SystemConfig {
    /// The system config in force at the block at `timestamp` (seconds) that is not genesis: `info` is what its first deposit
    /// says, `gas_limit` and `extra_data` are of its header.
    ///
    /// # Errors
    /// Extra data of another form than the block's fork has.
    pub fn of_block(
        config: &RollupConfig,
        info: &L1BlockInfo,
        gas_limit: u64,
        extra_data: &[u8],
        timestamp: u64,
    ) -> Result<Self, ExtraDataError> {
        let extra = FeeExtraData::decode(config, timestamp, extra_data)?;
        let mut result = Self {
            batcher_address: info.batcher_address,
            gas_limit: gas_limit.saturating_sub(karst_gas_to_strip(config, timestamp)),
            eip1559_params: extra.eip1559_params,
            min_base_fee: extra.min_base_fee,
            ..Self::default()
        };
        match info.fees {
            L1FeeParams::Bedrock { overhead, scalar } => {
                (result.overhead, result.scalar) = (overhead, scalar);
            }
            L1FeeParams::Ecotone(fees) => result.scalar = packed(fees.scalars),
            L1FeeParams::Isthmus(fees, operator_fee) => {
                result.scalar = packed(fees.scalars);
                result.operator_fee_params = packed_operator_fee(operator_fee);
            }
            L1FeeParams::Jovian(fees, operator_fee, da_footprint_gas_scalar) => {
                result.scalar = packed(fees.scalars);
                result.operator_fee_params = packed_operator_fee(operator_fee);
                result.da_footprint_gas_scalar = da_footprint_gas_scalar;
            }
        }
        Ok(result)
    }

    /// The system config in force at any block, genesis included, given its header's facts and the EIP-2718 bytes of its first
    /// transaction.
    ///
    /// # Errors
    /// The block does not start with an L1-info deposit, or its extra data is malformed.
    pub fn of_l2_block(
        config: &RollupConfig,
        number: u64,
        first_transaction: Option<&[u8]>,
        gas_limit: u64,
        extra_data: &[u8],
        timestamp: u64,
    ) -> Result<Self, BlockConfigError> {
        if number == config.genesis.l2.number {
            return Ok(config.genesis.system_config);
        }
        let transaction = first_transaction.ok_or(BlockConfigError::NoTransactions)?;
        let deposit =
            TxDeposit::decode_2718_exact(transaction).map_err(BlockConfigError::NotADeposit)?;
        let info = L1BlockInfo::decode(&deposit.input)?;
        Ok(Self::of_block(
            config, &info, gas_limit, extra_data, timestamp,
        )?)
    }

    /// The extra data that the execution layer gives the block at `timestamp` (seconds) under this config: empty before
    /// Holocene; later the EIP-1559 parameters, the chain's own for zeros; from Jovian on the minimum base fee behind them.
    pub fn extra_data(&self, config: &RollupConfig, timestamp: u64) -> Bytes {
        if !config.is_active(Hardfork::Holocene, timestamp) {
            return Bytes::new();
        }
        let jovian = config.is_active(Hardfork::Jovian, timestamp);
        let mut extra_data = vec![u8::from(jovian)];
        if self.eip1559_params.is_zero() {
            let chain = config.chain_op_config.unwrap_or(DEFAULT_OP_CONFIG);
            let denominator = chain
                .eip1559_denominator_canyon
                .unwrap_or(chain.eip1559_denominator);
            for parameter in [denominator, chain.eip1559_elasticity] {
                // The header has 32 bits for each; the execution layer cuts, too.
                extra_data.extend_from_slice(&(parameter as u32).to_be_bytes());
            }
        } else {
            extra_data.extend_from_slice(self.eip1559_params.as_slice());
        }
        if jovian {
            extra_data.extend_from_slice(&self.min_base_fee.to_be_bytes());
        }
        extra_data.into()
    }
}

/// The gas of Karst's upgrade transactions belongs to its activation block alone, unless the chain's history has it otherwise.
fn karst_gas_to_strip(config: &RollupConfig, timestamp: u64) -> u64 {
    if config.keep_karst_upgrade_gas || !config.is_first_block_of(Hardfork::Karst, timestamp) {
        0
    } else {
        KARST_UPGRADE_GAS
    }
}

/// A scalar of version 1. Which version stood on L1 cannot be seen in the block, and means the same.
fn packed(scalars: EcotoneScalars) -> B256 {
    let mut word = B256::ZERO;
    word[0] = 1;
    word[24..28].copy_from_slice(&scalars.blob_base_fee_scalar.to_be_bytes());
    word[28..].copy_from_slice(&scalars.base_fee_scalar.to_be_bytes());
    word
}

fn packed_operator_fee(fee: OperatorFee) -> B256 {
    let mut word = B256::ZERO;
    word[20..24].copy_from_slice(&fee.scalar.to_be_bytes());
    word[24..].copy_from_slice(&fee.constant.to_be_bytes());
    word
}
