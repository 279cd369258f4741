//! Which rules a chain follows: its id, when each fork activates, and the EIP-1559 parameters that hold before Holocene
//! lets every block name its own. Read from the `config` section of a geth style genesis file.

use alloy_eips::eip1559::BaseFeeParams;
use alloy_genesis::ChainConfig;
use alloy_op_hardforks::{ForkCondition, OpChainHardforks, OpHardfork, OpHardforks};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The rules of a chain.
#[derive(Clone, Debug)]
pub struct ElSpec {
    chain_id: u64,
    forks: OpChainHardforks,
    base_fee_params: BaseFeeParams,
    base_fee_params_before_canyon: BaseFeeParams,
}

/// A chain configuration that holds no rules.
#[derive(Debug, Error)]
pub enum ChainConfigError {
    /// The chain configuration is not that of an OP Stack chain.
    #[error("the chain configuration has no `optimism` section")]
    NoOptimismSection,
    /// A field of the chain configuration has another type.
    #[error("the chain configuration's `{field}` is malformed")]
    InvalidField {
        /// Name of the field.
        field: &'static str,
        /// What did not decode.
        #[source]
        source: serde_json::Error,
    },
    /// Elasticity or denominator is zero.
    #[error("the chain configuration names an EIP-1559 parameter of zero")]
    ZeroBaseFeeParams,
}

/// The `optimism` section of a chain configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OptimismSection {
    /// Elasticity multiplier.
    pub(crate) eip1559_elasticity: u64,
    /// Base fee change denominator.
    pub(crate) eip1559_denominator: u64,
    /// Base fee change denominator from Canyon on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) eip1559_denominator_canyon: Option<u64>,
}

/// Forks that activate by timestamp, with the name of their field in a chain configuration. Delta changes nothing in the
/// execution layer and has no name here.
pub(crate) const FORK_FIELDS: [(OpHardfork, &str); 10] = [
    (OpHardfork::Regolith, "regolithTime"),
    (OpHardfork::Canyon, "canyonTime"),
    (OpHardfork::Ecotone, "ecotoneTime"),
    (OpHardfork::Fjord, "fjordTime"),
    (OpHardfork::Granite, "graniteTime"),
    (OpHardfork::Holocene, "holoceneTime"),
    (OpHardfork::Isthmus, "isthmusTime"),
    (OpHardfork::Jovian, "jovianTime"),
    (OpHardfork::Karst, "karstTime"),
    (OpHardfork::Interop, "interopTime"),
];

impl ElSpec {
    /// Rules with explicit fork activations. Every fork that `activations` does not name never activates, except
    /// Bedrock, which is active from the start.
    pub fn new(
        chain_id: u64,
        activations: impl IntoIterator<Item = (OpHardfork, u64)>,
        base_fee_params: BaseFeeParams,
    ) -> Self {
        let activations: Vec<_> = activations.into_iter().collect();
        let forks = OpHardfork::VARIANTS.iter().map(|fork| {
            let time = activations.iter().find(|(named, _)| named == fork);
            let condition = match (fork, time) {
                (OpHardfork::Bedrock, _) => ForkCondition::Block(0),
                (_, Some((_, time))) => ForkCondition::Timestamp(*time),
                (_, None) => ForkCondition::Never,
            };
            (*fork, condition)
        });
        Self {
            chain_id,
            forks: OpChainHardforks::new(forks),
            base_fee_params,
            base_fee_params_before_canyon: base_fee_params,
        }
    }

    /// Reads the rules from the `config` section of a genesis file.
    ///
    /// # Errors
    ///
    /// If the `optimism` section is missing or does not hold usable EIP-1559 parameters, or a fork time is not a number.
    pub fn from_chain_config(config: &ChainConfig) -> Result<Self, ChainConfigError> {
        let section: OptimismSection = config
            .extra_fields
            .get_deserialized("optimism")
            .ok_or(ChainConfigError::NoOptimismSection)?
            .map_err(|source| ChainConfigError::InvalidField {
                field: "optimism",
                source,
            })?;
        if section.eip1559_elasticity == 0
            || section.eip1559_denominator == 0
            || section.eip1559_denominator_canyon == Some(0)
        {
            return Err(ChainConfigError::ZeroBaseFeeParams);
        }
        let mut activations = Vec::new();
        for (fork, field) in FORK_FIELDS {
            let time = config.extra_fields.get_deserialized::<Option<u64>>(field);
            match time.transpose() {
                Ok(time) => activations.extend(time.flatten().map(|time| (fork, time))),
                Err(source) => return Err(ChainConfigError::InvalidField { field, source }),
            }
        }
        let elasticity = u128::from(section.eip1559_elasticity);
        let denominator = section.eip1559_denominator;
        let canyon_denominator = section.eip1559_denominator_canyon.unwrap_or(denominator);
        let mut spec = Self::new(
            config.chain_id,
            activations,
            BaseFeeParams::new(u128::from(canyon_denominator), elasticity),
        );
        spec.base_fee_params_before_canyon =
            BaseFeeParams::new(u128::from(denominator), elasticity);
        Ok(spec)
    }

    /// The chain id.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The fork schedule.
    pub const fn forks(&self) -> &OpChainHardforks {
        &self.forks
    }

    /// The EIP-1559 parameters of a block of `timestamp` that does not name its own.
    pub fn base_fee_params_at(&self, timestamp: u64) -> BaseFeeParams {
        if self.forks.is_canyon_active_at_timestamp(timestamp) {
            self.base_fee_params
        } else {
            self.base_fee_params_before_canyon
        }
    }

    pub(crate) fn is_canyon(&self, timestamp: u64) -> bool {
        self.forks.is_canyon_active_at_timestamp(timestamp)
    }

    pub(crate) fn is_ecotone(&self, timestamp: u64) -> bool {
        self.forks.is_ecotone_active_at_timestamp(timestamp)
    }

    pub(crate) fn is_holocene(&self, timestamp: u64) -> bool {
        self.forks.is_holocene_active_at_timestamp(timestamp)
    }

    pub(crate) fn is_isthmus(&self, timestamp: u64) -> bool {
        self.forks.is_isthmus_active_at_timestamp(timestamp)
    }

    pub(crate) fn is_jovian(&self, timestamp: u64) -> bool {
        self.forks.is_jovian_active_at_timestamp(timestamp)
    }

    pub(crate) fn is_karst(&self, timestamp: u64) -> bool {
        self.forks.is_karst_active_at_timestamp(timestamp)
    }
}
