//! The part of the L1 `SystemConfig` contract that derivation reads, and what its packed words mean.

mod of_block;

pub use of_block::{BlockConfigError, ExtraDataError, KARST_UPGRADE_GAS};

use alloy_primitives::{Address, B256, FixedBytes};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The DA footprint gas scalar that a zero in the system config stands for (`specs/protocol/jovian/l1-attributes.md`).
const DEFAULT_DA_FOOTPRINT_GAS_SCALAR: u16 = 400;

/// The system configuration in force at some L2 block. Files of before a fork lack its fields; they read as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemConfig {
    /// The account whose transactions to the batch inbox count.
    #[serde(rename = "batcherAddr", alias = "batcherAddress")]
    pub batcher_address: Address,
    /// Fixed L1 fee overhead (Bedrock), zero later.
    pub overhead: B256,
    /// L1 fee scalar; from Ecotone on it packs the base fee and blob base fee scalars.
    pub scalar: B256,
    /// Gas limit of L2 blocks.
    pub gas_limit: u64,
    /// EIP-1559 denominator and elasticity, 4 bytes each (Holocene).
    pub eip1559_params: FixedBytes<8>,
    /// Operator fee scalar (4 bytes) and constant (8 bytes), right aligned (Isthmus).
    pub operator_fee_params: B256,
    /// Minimum base fee in wei (Jovian).
    pub min_base_fee: u64,
    /// DA footprint gas scalar (Jovian); zero stands for the default.
    pub da_footprint_gas_scalar: u16,
}

/// The L1 fee scalars from Ecotone on, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EcotoneScalars {
    /// Scalar of the L1 base fee.
    pub base_fee_scalar: u32,
    /// Scalar of the L1 blob base fee.
    pub blob_base_fee_scalar: u32,
}

/// The operator fee (Isthmus).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OperatorFee {
    /// Scalar of the gas used.
    pub scalar: u32,
    /// Constant in wei.
    pub constant: u64,
}

impl OperatorFee {
    /// Appends scalar and constant, big endian and without padding.
    pub(crate) fn encode_packed(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.scalar.to_be_bytes());
        out.extend_from_slice(&self.constant.to_be_bytes());
    }
}

/// Why a system config's scalar has no Ecotone meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScalarError {
    /// The first byte names an unknown version.
    #[error("unknown version {version} of the fee scalar {scalar}")]
    UnknownVersion {
        /// The version byte.
        version: u8,
        /// The whole word.
        scalar: B256,
    },
    /// Version 1 with bytes set that must be zero.
    #[error("padding of the version 1 fee scalar {scalar} is not empty")]
    Padding {
        /// The whole word.
        scalar: B256,
    },
}

impl SystemConfig {
    /// The scalars packed into `scalar` (`specs/protocol/system-config.md#ecotone-scalar-overhead-uint256uint256-change`).
    ///
    /// # Errors
    /// A version above 1, or version 1 with dirty padding. Dirty padding in version 0 is valid and means the highest base fee scalar.
    pub fn ecotone_scalars(&self) -> Result<EcotoneScalars, ScalarError> {
        let scalar = self.scalar;
        let word = |at: usize| {
            u32::from_be_bytes([scalar[at], scalar[at + 1], scalar[at + 2], scalar[at + 3]])
        };
        let empty = |range: core::ops::Range<usize>| scalar[range].iter().all(|byte| *byte == 0);
        match scalar[0] {
            0 if empty(1..28) => Ok(EcotoneScalars {
                base_fee_scalar: word(28),
                blob_base_fee_scalar: 0,
            }),
            0 => Ok(EcotoneScalars {
                base_fee_scalar: u32::MAX,
                blob_base_fee_scalar: 0,
            }),
            1 if empty(1..24) => Ok(EcotoneScalars {
                base_fee_scalar: word(28),
                blob_base_fee_scalar: word(24),
            }),
            1 => Err(ScalarError::Padding { scalar }),
            version => Err(ScalarError::UnknownVersion { version, scalar }),
        }
    }

    /// The operator fee packed into `operator_fee_params` (`specs/protocol/isthmus/system-config.md`).
    pub fn operator_fee(&self) -> OperatorFee {
        let params = self.operator_fee_params;
        let mut scalar = [0; 4];
        let mut constant = [0; 8];
        scalar.copy_from_slice(&params[20..24]);
        constant.copy_from_slice(&params[24..]);
        OperatorFee {
            scalar: u32::from_be_bytes(scalar),
            constant: u64::from_be_bytes(constant),
        }
    }

    /// The DA footprint gas scalar with the default put in for zero (`specs/protocol/jovian/l1-attributes.md`).
    pub const fn effective_da_footprint_gas_scalar(&self) -> u16 {
        if self.da_footprint_gas_scalar == 0 {
            DEFAULT_DA_FOOTPRINT_GAS_SCALAR
        } else {
            self.da_footprint_gas_scalar
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use alloy_primitives::b256;

    fn with_scalar(scalar: B256) -> SystemConfig {
        SystemConfig {
            scalar,
            ..SystemConfig::default()
        }
    }

    #[test]
    fn bedrock_scalar_becomes_the_base_fee_scalar() {
        let config = with_scalar(b256!(
            "0x00000000000000000000000000000000000000000000000000000000000a6fe0"
        ));
        let expected = EcotoneScalars {
            base_fee_scalar: 684_000,
            blob_base_fee_scalar: 0,
        };
        assert_eq!(config.ecotone_scalars(), Ok(expected));
    }

    #[test]
    fn bedrock_scalar_beyond_32_bits_means_the_highest_base_fee_scalar() {
        let config = with_scalar(b256!(
            "0x00000000000000000000000000000000000000000000000000000001000a6fe0"
        ));
        let expected = EcotoneScalars {
            base_fee_scalar: u32::MAX,
            blob_base_fee_scalar: 0,
        };
        assert_eq!(config.ecotone_scalars(), Ok(expected));
    }

    #[test]
    fn version_1_scalar_packs_both() {
        let config = with_scalar(b256!(
            "0x010000000000000000000000000000000000000000000000000dbba0000007d0"
        ));
        let expected = EcotoneScalars {
            base_fee_scalar: 2_000,
            blob_base_fee_scalar: 900_000,
        };
        assert_eq!(config.ecotone_scalars(), Ok(expected));
    }

    #[test]
    fn version_1_scalar_with_dirty_padding_is_refused() {
        let scalar = b256!("0x010000000000000000000000000000000000000000000001000dbba0000007d0");
        assert_eq!(
            with_scalar(scalar).ecotone_scalars(),
            Err(ScalarError::Padding { scalar })
        );
    }

    #[test]
    fn scalar_of_an_unknown_version_is_refused() {
        let scalar = b256!("0x020000000000000000000000000000000000000000000000000dbba0000007d0");
        assert_eq!(
            with_scalar(scalar).ecotone_scalars(),
            Err(ScalarError::UnknownVersion { version: 2, scalar })
        );
    }

    #[test]
    fn operator_fee_is_right_aligned() {
        let operator_fee_params =
            b256!("0x00000000000000000000000000000000000000000db812d7000110d9316ec000");
        let config = SystemConfig {
            operator_fee_params,
            ..SystemConfig::default()
        };
        assert_eq!(
            config.operator_fee(),
            OperatorFee {
                scalar: 0x0db8_12d7,
                constant: 0x0001_10d9_316e_c000
            }
        );
    }

    #[test]
    fn zero_da_footprint_gas_scalar_means_400() {
        assert_eq!(
            SystemConfig::default().effective_da_footprint_gas_scalar(),
            400
        );
        let config = SystemConfig {
            da_footprint_gas_scalar: 7,
            ..SystemConfig::default()
        };
        assert_eq!(config.effective_da_footprint_gas_scalar(), 7);
    }
}
