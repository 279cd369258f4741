//! Changes of the system config: from the `ConfigUpdate` logs on L1 to the configuration of the epoch that the logs' block
//! starts (`specs/protocol/system-config.md#system-config-updates`).

use crate::{
    Hardfork, RollupConfig, SystemConfig,
    log_data::{LogDataError, abi_bytes, be_u64},
};
use alloy_consensus::TxReceipt;
use alloy_primitives::{Address, B256, FixedBytes, Log, LogData, b256};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// First topic of an update: hash of `ConfigUpdate(uint256,uint8,bytes)`.
pub const CONFIG_UPDATE_TOPIC: B256 =
    b256!("0x1d2b0bda21d56b8bd12d4f94ebacffdfb35f5e226f84b461103bb8beab6353be");

/// One change of the system config. The number in the log is given in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigUpdate {
    /// The batcher's address (0).
    Batcher(Address),
    /// The L1 fee scalars (1).
    FeeScalars {
        /// Fixed overhead; without effect from Ecotone on.
        overhead: B256,
        /// Scalar, packed from Ecotone on.
        scalar: B256,
    },
    /// Gas limit of L2 blocks (2).
    GasLimit(u64),
    /// The signer of unsafe blocks (3). It is no part of the system config.
    UnsafeBlockSigner(Address),
    /// EIP-1559 denominator and elasticity, both zero or none (4).
    Eip1559Params(FixedBytes<8>),
    /// Operator fee scalar and constant, packed (5).
    OperatorFeeParams(B256),
    /// Minimum base fee in wei (6).
    MinBaseFee(u64),
    /// DA footprint gas scalar (7).
    DaFootprintGasScalar(u16),
}

/// Why a log is no config update. Derivation skips such a log and takes the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigUpdateError {
    /// An update has three topics: event, version, kind.
    #[error("{actual} topics instead of 3")]
    Topics {
        /// How many the log has.
        actual: usize,
    },
    /// The log is of another event.
    #[error("{topic} is another event")]
    Event {
        /// The first topic.
        topic: B256,
    },
    /// Only version 0 exists.
    #[error("unknown version {version}")]
    Version {
        /// The version topic.
        version: B256,
    },
    /// No such kind of update.
    #[error("unknown kind {kind}")]
    Kind {
        /// The kind topic.
        kind: B256,
    },
    /// The data is not one ABI-encoded `bytes`.
    #[error("malformed data")]
    Data(#[from] LogDataError),
    /// Another number of words than the kind has.
    #[error("content has {actual} bytes instead of {expected}")]
    Length {
        /// Length of the content.
        actual: usize,
        /// Length that the kind has.
        expected: usize,
    },
    /// The value does not fit into its type.
    #[error("value {value} is out of range")]
    Value {
        /// The word.
        value: B256,
    },
    /// One of the two EIP-1559 parameters is zero, the other is not.
    #[error("eip-1559 parameters {params} must both be zero or both be set")]
    Eip1559Params {
        /// Denominator and elasticity.
        params: FixedBytes<8>,
    },
}

impl ConfigUpdate {
    /// The update that a `ConfigUpdate` log stands for.
    ///
    /// # Errors
    /// What is wrong with the log.
    pub fn decode(log: &LogData) -> Result<Self, ConfigUpdateError> {
        let [event, version, kind] = log.topics() else {
            let actual = log.topics().len();
            return Err(ConfigUpdateError::Topics { actual });
        };
        if *event != CONFIG_UPDATE_TOPIC {
            return Err(ConfigUpdateError::Event { topic: *event });
        }
        if !version.is_zero() {
            return Err(ConfigUpdateError::Version { version: *version });
        }
        let kind_error = ConfigUpdateError::Kind { kind: *kind };
        match be_u64(kind.as_slice()).ok_or(kind_error)? {
            0 => one_word(log).and_then(address).map(Self::Batcher),
            1 => {
                let [overhead, scalar] = words(log)?;
                Ok(Self::FeeScalars { overhead, scalar })
            }
            2 => one_word(log).and_then(number).map(Self::GasLimit),
            3 => one_word(log).and_then(address).map(Self::UnsafeBlockSigner),
            4 => one_word(log).and_then(eip1559_params),
            5 => one_word(log).map(operator_fee_params),
            6 => one_word(log).and_then(number).map(Self::MinBaseFee),
            7 => one_word(log)
                .and_then(number)
                .map(Self::DaFootprintGasScalar),
            _ => Err(kind_error),
        }
    }
}

impl SystemConfig {
    /// Applies one update that stands in an L1 block with or without Ecotone on L2. An invalid fee scalar is ignored, as in
    /// op-node (`specs/protocol/system-config.md#ecotone-scalar-overhead-uint256uint256-change`).
    pub fn apply(&mut self, update: ConfigUpdate, is_ecotone: bool) {
        match update {
            ConfigUpdate::Batcher(batcher) => self.batcher_address = batcher,
            ConfigUpdate::FeeScalars { overhead, scalar } if !is_ecotone => {
                (self.overhead, self.scalar) = (overhead, scalar);
            }
            ConfigUpdate::FeeScalars { scalar, .. } => {
                if is_clean_ecotone_scalar(scalar) {
                    (self.overhead, self.scalar) = (B256::ZERO, scalar);
                }
            }
            ConfigUpdate::GasLimit(gas_limit) => self.gas_limit = gas_limit,
            ConfigUpdate::UnsafeBlockSigner(_) => {}
            ConfigUpdate::Eip1559Params(params) => self.eip1559_params = params,
            ConfigUpdate::OperatorFeeParams(params) => self.operator_fee_params = params,
            ConfigUpdate::MinBaseFee(min_base_fee) => self.min_base_fee = min_base_fee,
            ConfigUpdate::DaFootprintGasScalar(scalar) => self.da_footprint_gas_scalar = scalar,
        }
    }

    /// Applies the updates in the receipts of an L1 block of time `l1_time` (seconds), in order. Logs of failed transactions
    /// do not count. Returns the malformed logs, which are skipped one by one.
    pub fn apply_receipts<'a, R>(
        &mut self,
        config: &RollupConfig,
        receipts: impl IntoIterator<Item = &'a R>,
        l1_time: u64,
    ) -> Vec<ConfigUpdateError>
    where
        R: TxReceipt<Log = Log> + 'a,
    {
        let mut skipped = Vec::new();
        let succeeded = receipts.into_iter().filter(|receipt| receipt.status());
        for log in succeeded.flat_map(|receipt| receipt.logs()) {
            if let Err(error) = self.apply_log(config, log, l1_time) {
                skipped.push(error);
            }
        }
        skipped
    }

    /// Applies the update in one log of a successful transaction in an L1 block of time `l1_time` (seconds). A log of another
    /// contract or of another event changes nothing.
    ///
    /// # Errors
    /// What is wrong with an update, which changes nothing.
    pub fn apply_log(
        &mut self,
        config: &RollupConfig,
        log: &Log,
        l1_time: u64,
    ) -> Result<(), ConfigUpdateError> {
        let is_update = log.address == config.l1_system_config_address
            && log.topics().first() == Some(&CONFIG_UPDATE_TOPIC);
        if is_update {
            let update = ConfigUpdate::decode(log)?;
            self.apply(update, config.is_active(Hardfork::Ecotone, l1_time));
        }
        Ok(())
    }
}

/// Stricter than reading one: the padding of version 0, too, must be empty.
fn is_clean_ecotone_scalar(scalar: B256) -> bool {
    let padding = match scalar[0] {
        0 => &scalar[1..28],
        1 => &scalar[1..24],
        _ => return false,
    };
    padding.iter().all(|byte| *byte == 0)
}

fn words<const N: usize>(log: &LogData) -> Result<[B256; N], ConfigUpdateError> {
    let content = abi_bytes(&log.data)?;
    let (words, rest) = content.as_chunks::<32>();
    let length_error = ConfigUpdateError::Length {
        actual: content.len(),
        expected: N * 32,
    };
    if !rest.is_empty() {
        return Err(length_error);
    }
    let words: [[u8; 32]; N] = words.try_into().map_err(|_| length_error)?;
    Ok(words.map(B256::new))
}

fn one_word(log: &LogData) -> Result<B256, ConfigUpdateError> {
    let [word] = words(log)?;
    Ok(word)
}

fn address(value: B256) -> Result<Address, ConfigUpdateError> {
    let address = Address::from_word(value);
    let fits = address.into_word() == value;
    fits.then_some(address)
        .ok_or(ConfigUpdateError::Value { value })
}

fn number<T: TryFrom<u64>>(value: B256) -> Result<T, ConfigUpdateError> {
    be_u64(value.as_slice())
        .and_then(|number| number.try_into().ok())
        .ok_or(ConfigUpdateError::Value { value })
}

/// The last eight bytes; what stands above them does not matter. Zero stands for the chain's own constants, so only both may be
/// zero (`specs/protocol/holocene/system-config.md`).
fn eip1559_params(value: B256) -> Result<ConfigUpdate, ConfigUpdateError> {
    let params = FixedBytes::<8>::from_slice(&value[24..]);
    if (params[..4] == [0; 4]) != (params[4..] == [0; 4]) {
        return Err(ConfigUpdateError::Eip1559Params { params });
    }
    Ok(ConfigUpdate::Eip1559Params(params))
}

/// The last twelve bytes; what stands above them does not matter.
fn operator_fee_params(value: B256) -> ConfigUpdate {
    let mut params = B256::ZERO;
    params[20..].copy_from_slice(&value[20..]);
    ConfigUpdate::OperatorFeeParams(params)
}
