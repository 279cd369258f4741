//! The L1-info deposit: the first transaction of every L2 block but genesis. Its calldata says which L1 block the L2 block is
//! derived from and what L1 data costs. Decoding goes by the selector, so it needs no configuration; building (`deposit.rs`)
//! goes by the fork schedule. Formats: `specs/protocol/l1-attributes.md` and, per fork, `specs/protocol/<fork>/l1-attributes.md`.

mod deposit;
#[cfg(test)]
mod tests;

pub use deposit::{L1_BLOCK_ADDRESS, L1_INFO_DEPOSITOR, L1BlockFacts, l1_info_deposit};

use crate::{EcotoneScalars, Hardfork, OperatorFee, RollupConfig};
use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256};
use core::fmt;
use thiserror::Error;

/// The layouts that the calldata has had, in order of introduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum L1InfoFormat {
    /// `setL1BlockValues`, ABI encoded (`specs/protocol/l1-attributes.md`).
    Bedrock,
    /// `setL1BlockValuesEcotone`, packed (`specs/protocol/ecotone/l1-attributes.md`).
    Ecotone,
    /// `setL1BlockValuesIsthmus`: Ecotone's and the operator fee (`specs/protocol/isthmus/l1-attributes.md`).
    Isthmus,
    /// `setL1BlockValuesJovian`: Isthmus' and the DA footprint gas scalar (`specs/protocol/jovian/l1-attributes.md`).
    Jovian,
}

impl L1InfoFormat {
    const ALL: [Self; 4] = [Self::Bedrock, Self::Ecotone, Self::Isthmus, Self::Jovian];

    /// The function selector that the calldata begins with.
    pub const fn selector(self) -> [u8; 4] {
        match self {
            Self::Bedrock => [0x01, 0x5d, 0x8e, 0xb9],
            Self::Ecotone => [0x44, 0x0a, 0x5e, 0x20],
            Self::Isthmus => [0x09, 0x89, 0x99, 0xbe],
            Self::Jovian => [0x3d, 0xb6, 0xbe, 0x2b],
        }
    }

    /// The exact length of the calldata in bytes, selector included.
    pub const fn calldata_len(self) -> usize {
        match self {
            Self::Bedrock => 4 + 8 * 32,
            Self::Ecotone => 4 + 2 * 4 + 3 * 8 + 4 * 32,
            Self::Isthmus => Self::Ecotone.calldata_len() + 4 + 8,
            Self::Jovian => Self::Isthmus.calldata_len() + 2,
        }
    }

    /// The format that the L2 block at `timestamp` (seconds) must use.
    ///
    /// The first block of a fork still uses the format before it, because the `L1Block` contract learns the new setter only by
    /// that block's upgrade transactions (`specs/protocol/ecotone/l1-attributes.md`, the same for the later forks). That is:
    /// the format follows the fork of the block one block time earlier. On a chain that has the fork from genesis, that block
    /// has it too.
    pub fn at(config: &RollupConfig, timestamp: u64) -> Self {
        let previous = timestamp
            .checked_sub(config.block_time)
            .unwrap_or(timestamp);
        if config.is_active(Hardfork::Jovian, previous) {
            Self::Jovian
        } else if config.is_active(Hardfork::Isthmus, previous) {
            Self::Isthmus
        } else if config.is_active(Hardfork::Ecotone, previous) {
            Self::Ecotone
        } else {
            Self::Bedrock
        }
    }
}

impl fmt::Display for L1InfoFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bedrock => "bedrock",
            Self::Ecotone => "ecotone",
            Self::Isthmus => "isthmus",
            Self::Jovian => "jovian",
        })
    }
}

/// What an L1-info deposit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct L1BlockInfo {
    /// Number of the L1 origin.
    pub number: u64,
    /// Unix time of the L1 origin in seconds.
    pub timestamp: u64,
    /// Base fee of the L1 origin in wei.
    pub base_fee: U256,
    /// Hash of the L1 origin.
    pub hash: B256,
    /// Distance of the L2 block to the first one of its epoch.
    pub sequence_number: u64,
    /// The batcher of the system config at this block.
    pub batcher_address: Address,
    /// The fee parameters, and by that the format.
    pub fees: L1FeeParams,
}

/// The fee parameters in an L1-info deposit, by format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum L1FeeParams {
    /// Until Ecotone.
    Bedrock {
        /// Fixed overhead in gas.
        overhead: B256,
        /// Scalar in millionths.
        scalar: B256,
    },
    /// From Ecotone on.
    Ecotone(EcotoneFees),
    /// From Isthmus on.
    Isthmus(EcotoneFees, OperatorFee),
    /// From Jovian on; the number is the DA footprint gas scalar.
    Jovian(EcotoneFees, OperatorFee, u16),
}

/// The fee parameters that Ecotone brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EcotoneFees {
    /// The scalars of the system config.
    pub scalars: EcotoneScalars,
    /// Blob base fee of the L1 origin in wei.
    pub blob_base_fee: U256,
}

/// Why calldata is no L1-info deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum L1InfoError {
    /// Fewer than four bytes.
    #[error("l1-info calldata of {length} bytes has no selector")]
    MissingSelector {
        /// Bytes there are.
        length: usize,
    },
    /// No format has this selector.
    #[error("unknown l1-info selector {selector}")]
    UnknownSelector {
        /// The selector.
        selector: FixedBytes<4>,
    },
    /// The format's length is fixed.
    #[error("l1-info calldata of format {format} has {actual} bytes instead of {expected}")]
    Length {
        /// Format that the selector names.
        format: L1InfoFormat,
        /// Bytes that the format has.
        expected: usize,
        /// Bytes there are.
        actual: usize,
    },
    /// A word holds more than its type allows.
    #[error("field {field} of the l1-info calldata is out of range")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
    },
}

impl L1BlockInfo {
    /// Decodes the calldata of an L1-info deposit.
    ///
    /// # Errors
    /// Calldata of another function, of another length, or with dirty padding, which op-node refuses, too.
    pub fn decode(calldata: &[u8]) -> Result<Self, L1InfoError> {
        let Some((selector, body)) = calldata.split_first_chunk::<4>() else {
            return Err(L1InfoError::MissingSelector {
                length: calldata.len(),
            });
        };
        let format = L1InfoFormat::ALL
            .into_iter()
            .find(|format| format.selector() == *selector)
            .ok_or(L1InfoError::UnknownSelector {
                selector: (*selector).into(),
            })?;
        let length_error = L1InfoError::Length {
            format,
            expected: format.calldata_len(),
            actual: calldata.len(),
        };
        if calldata.len() != format.calldata_len() {
            return Err(length_error);
        }
        let mut fields = Fields {
            rest: body,
            length_error,
        };
        match format {
            L1InfoFormat::Bedrock => Self::decode_bedrock(&mut fields),
            _ => Self::decode_packed(format, &mut fields),
        }
    }

    fn decode_bedrock(fields: &mut Fields<'_>) -> Result<Self, L1InfoError> {
        Ok(Self {
            number: fields.padded_u64("number")?,
            timestamp: fields.padded_u64("timestamp")?,
            base_fee: U256::from_be_bytes(fields.take::<32>()?),
            hash: fields.take::<32>()?.into(),
            sequence_number: fields.padded_u64("sequence_number")?,
            batcher_address: fields.padded_address("batcher_address")?,
            fees: L1FeeParams::Bedrock {
                overhead: fields.take::<32>()?.into(),
                scalar: fields.take::<32>()?.into(),
            },
        })
    }

    fn decode_packed(format: L1InfoFormat, fields: &mut Fields<'_>) -> Result<Self, L1InfoError> {
        let scalars = EcotoneScalars {
            base_fee_scalar: u32::from_be_bytes(fields.take()?),
            blob_base_fee_scalar: u32::from_be_bytes(fields.take()?),
        };
        let sequence_number = u64::from_be_bytes(fields.take()?);
        let timestamp = u64::from_be_bytes(fields.take()?);
        let number = u64::from_be_bytes(fields.take()?);
        let base_fee = U256::from_be_bytes(fields.take::<32>()?);
        let blob_base_fee = U256::from_be_bytes(fields.take::<32>()?);
        let hash = fields.take::<32>()?.into();
        // The word is the system config's batcher hash, whose version 0 is a padded address.
        let batcher_address = fields.padded_address("batcher_address")?;
        let ecotone = EcotoneFees {
            scalars,
            blob_base_fee,
        };
        let fees = if format == L1InfoFormat::Ecotone {
            L1FeeParams::Ecotone(ecotone)
        } else {
            let operator_fee = OperatorFee {
                scalar: u32::from_be_bytes(fields.take()?),
                constant: u64::from_be_bytes(fields.take()?),
            };
            if format == L1InfoFormat::Isthmus {
                L1FeeParams::Isthmus(ecotone, operator_fee)
            } else {
                L1FeeParams::Jovian(ecotone, operator_fee, u16::from_be_bytes(fields.take()?))
            }
        };
        Ok(Self {
            number,
            timestamp,
            base_fee,
            hash,
            sequence_number,
            batcher_address,
            fees,
        })
    }

    /// The calldata that [`Self::decode`] reads.
    pub fn encode(&self) -> Bytes {
        let format = self.format();
        let mut out = Vec::with_capacity(format.calldata_len());
        out.extend_from_slice(&format.selector());
        match self.fees {
            L1FeeParams::Bedrock { overhead, scalar } => {
                self.encode_bedrock(&mut out, overhead, scalar)
            }
            L1FeeParams::Ecotone(fees) => self.encode_packed(&mut out, fees),
            L1FeeParams::Isthmus(fees, operator_fee) => {
                self.encode_packed(&mut out, fees);
                operator_fee.encode_packed(&mut out);
            }
            L1FeeParams::Jovian(fees, operator_fee, da_footprint_gas_scalar) => {
                self.encode_packed(&mut out, fees);
                operator_fee.encode_packed(&mut out);
                out.extend_from_slice(&da_footprint_gas_scalar.to_be_bytes());
            }
        }
        out.into()
    }

    fn encode_bedrock(&self, out: &mut Vec<u8>, overhead: B256, scalar: B256) {
        for word in [
            U256::from(self.number).into(),
            U256::from(self.timestamp).into(),
            self.base_fee.into(),
            self.hash,
            U256::from(self.sequence_number).into(),
            self.batcher_address.into_word(),
            overhead,
            scalar,
        ] {
            out.extend_from_slice(B256::as_slice(&word));
        }
    }

    fn encode_packed(&self, out: &mut Vec<u8>, fees: EcotoneFees) {
        out.extend_from_slice(&fees.scalars.base_fee_scalar.to_be_bytes());
        out.extend_from_slice(&fees.scalars.blob_base_fee_scalar.to_be_bytes());
        for number in [self.sequence_number, self.timestamp, self.number] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        for word in [
            self.base_fee.into(),
            fees.blob_base_fee.into(),
            self.hash,
            self.batcher_address.into_word(),
        ] {
            out.extend_from_slice(B256::as_slice(&word));
        }
    }

    /// The format that this information is written in.
    pub const fn format(&self) -> L1InfoFormat {
        match self.fees {
            L1FeeParams::Bedrock { .. } => L1InfoFormat::Bedrock,
            L1FeeParams::Ecotone(..) => L1InfoFormat::Ecotone,
            L1FeeParams::Isthmus(..) => L1InfoFormat::Isthmus,
            L1FeeParams::Jovian(..) => L1InfoFormat::Jovian,
        }
    }

    /// The L1 block that the L2 block is derived from.
    pub const fn l1_origin(&self) -> BlockNumHash {
        BlockNumHash::new(self.number, self.hash)
    }
}

/// Reads the fields of calldata one after the other.
struct Fields<'a> {
    rest: &'a [u8],
    /// The answer to running out of bytes, which the check of the whole length rules out.
    length_error: L1InfoError,
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], L1InfoError> {
        let (field, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(self.length_error)?;
        self.rest = rest;
        Ok(*field)
    }

    fn padded_u64(&mut self, field: &'static str) -> Result<u64, L1InfoError> {
        let word = U256::from_be_bytes(self.take::<32>()?);
        word.try_into()
            .map_err(|_| L1InfoError::OutOfRange { field })
    }

    fn padded_address(&mut self, field: &'static str) -> Result<Address, L1InfoError> {
        let padding = self.take::<12>()?;
        let address = Address::from(self.take::<20>()?);
        if padding == [0; 12] {
            Ok(address)
        } else {
            Err(L1InfoError::OutOfRange { field })
        }
    }
}
