//! The base fee of a block from its parent, and the parameters for it that a header carries in `extraData`.

use super::ExtraDataError;
use crate::spec::ElSpec;
use alloy_consensus::Header;
use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::Bytes;
use op_alloy_consensus::{decode_holocene_extra_data, decode_jovian_extra_data};
use op_alloy_rpc_types_engine::OpPayloadAttributes;

/// Longest `extraData` before Holocene.
const MAX_EXTRA_DATA_BYTES: usize = 32;

/// What a header says about the base fee of its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BaseFeeRules {
    /// Denominator and elasticity.
    pub(crate) params: BaseFeeParams,
    /// Lowest base fee in wei; zero before Jovian.
    pub(crate) floor: u64,
}

impl BaseFeeRules {
    /// Reads the rules that hold for the child of a block with this time and `extraData`
    /// (`specs/protocol/holocene/exec-engine.md#dynamic-eip-1559-parameters`, `specs/protocol/jovian/exec-engine.md#minimum-base-fee`).
    ///
    /// # Errors
    ///
    /// If `extra_data` is not what a header of that time must carry. No valid header has such data.
    pub(crate) fn of_header(
        spec: &ElSpec,
        timestamp: u64,
        extra_data: &Bytes,
    ) -> Result<Self, ExtraDataError> {
        let (elasticity, denominator, floor) = if spec.is_jovian(timestamp) {
            decode_jovian_extra_data(extra_data)?
        } else if spec.is_holocene(timestamp) {
            let (elasticity, denominator) = decode_holocene_extra_data(extra_data)?;
            (elasticity, denominator, 0)
        } else {
            if extra_data.len() > MAX_EXTRA_DATA_BYTES {
                return Err(ExtraDataError::TooLong {
                    bytes: extra_data.len(),
                });
            }
            return Ok(Self {
                params: spec.base_fee_params_at(timestamp),
                floor: 0,
            });
        };
        if denominator == 0 {
            return Err(ExtraDataError::ZeroDenominator);
        }
        Ok(Self {
            params: BaseFeeParams::new(u128::from(denominator), u128::from(elasticity)),
            floor,
        })
    }

    /// `extraData` of a block built from `attributes`.
    pub(crate) fn extra_data_for(
        spec: &ElSpec,
        attributes: &OpPayloadAttributes,
    ) -> Result<Bytes, ExtraDataError> {
        let timestamp = attributes.payload_attributes.timestamp;
        let defaults = spec.base_fee_params_at(timestamp);
        let extra_data = if spec.is_jovian(timestamp) {
            attributes.get_jovian_extra_data(defaults)?
        } else if spec.is_holocene(timestamp) {
            attributes.get_holocene_extra_data(defaults)?
        } else {
            Bytes::new()
        };
        Self::of_header(spec, timestamp, &extra_data)?;
        Ok(extra_data)
    }

    /// The base fee after a block that used `gas_used` of `gas_limit` at `base_fee`. Saturates instead of overflowing,
    /// because a header may name an elasticity that multiplies the fee by millions.
    pub(crate) fn next(&self, gas_used: u64, gas_limit: u64, base_fee: u64) -> u64 {
        // A header may name elasticity zero; then, as for a target of zero, the fee stays.
        let target = u128::from(gas_limit)
            .checked_div(self.params.elasticity_multiplier)
            .unwrap_or_default();
        let (used, fee) = (u128::from(gas_used), u128::from(base_fee));
        let next = if target == 0 || used == target {
            fee
        } else {
            // At most 64 + 64 bits, and at most 64 + 32.
            let change =
                fee * used.abs_diff(target) / (target * self.params.max_change_denominator);
            if used > target {
                fee.saturating_add(change.max(1))
            } else {
                fee.saturating_sub(change)
            }
        };
        u64::try_from(next).unwrap_or(u64::MAX).max(self.floor)
    }
}

/// The base fee that the child of `parent` must have
/// (`specs/protocol/jovian/exec-engine.md#base-fee`: from Jovian on the DA footprint counts as gas used).
///
/// # Errors
///
/// If the parent's `extraData` is malformed, which only a genesis block can be that nobody checked.
pub(crate) fn next_base_fee(spec: &ElSpec, parent: &Header) -> Result<u64, ExtraDataError> {
    let rules = BaseFeeRules::of_header(spec, parent.timestamp, &parent.extra_data)?;
    let mut gas_used = parent.gas_used;
    if spec.is_jovian(parent.timestamp) {
        gas_used = gas_used.max(parent.blob_gas_used.unwrap_or_default());
    }
    let base_fee = parent.base_fee_per_gas.unwrap_or_default();
    Ok(rules.next(gas_used, parent.gas_limit, base_fee))
}

#[cfg(test)]
mod tests;
