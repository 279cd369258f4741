//! What payload attributes must hold before a block is built from them.

use super::{
    BaseFeeRules, ExtraDataError, Parent, TransactionError, decode_transaction, next_base_fee,
};
use crate::spec::ElSpec;
use alloy_consensus::transaction::Recovered;
use alloy_primitives::Bytes;
use op_alloy_consensus::OpTxEnvelope;
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use thiserror::Error;

/// Payload attributes that no block can be built from.
#[derive(Debug, Error)]
pub enum AttributesError {
    /// `gasLimit` is missing; an OP Stack block has no other source for it.
    #[error("missing gas limit")]
    MissingGasLimit,
    /// `eip1559Params` or `minBaseFee` is missing, unwanted or unusable at this time.
    #[error(transparent)]
    BaseFeeParams(#[from] ExtraDataError),
    /// The block would not be later than its parent.
    #[error("timestamp {timestamp} is not after the parent's {parent}")]
    TimestampNotAfterParent {
        /// Of the attributes, in seconds.
        timestamp: u64,
        /// Of the parent, in seconds.
        parent: u64,
    },
    /// The beacon block root must be there from Ecotone on, and not before.
    #[error("parent beacon block root must be set from Ecotone on, and only then")]
    ParentBeaconBlockRoot,
    /// The withdrawals must be an empty list from Canyon on, and absent before.
    #[error("withdrawals must be an empty list from Canyon on, and absent before")]
    Withdrawals,
    /// A forced transaction cannot be read.
    #[error("transaction {index}: {source}")]
    Transaction {
        /// Its place in the list.
        index: usize,
        /// Why.
        #[source]
        source: TransactionError,
    },
}

/// Attributes that passed every check, in the form that building needs.
#[derive(Clone, Debug)]
pub(crate) struct CheckedAttributes {
    pub(crate) attributes: OpPayloadAttributes,
    pub(crate) forced: Vec<Recovered<OpTxEnvelope>>,
    pub(crate) gas_limit: u64,
    pub(crate) base_fee: u64,
    pub(crate) extra_data: Bytes,
}

impl CheckedAttributes {
    /// Checks `attributes` for a block on `parent`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub(crate) fn new(
        spec: &ElSpec,
        parent: &Parent,
        attributes: OpPayloadAttributes,
    ) -> Result<Self, AttributesError> {
        let payload = &attributes.payload_attributes;
        let timestamp = payload.timestamp;
        let gas_limit = attributes
            .gas_limit
            .ok_or(AttributesError::MissingGasLimit)?;
        let extra_data = BaseFeeRules::extra_data_for(spec, &attributes)?;
        if timestamp <= parent.header().timestamp {
            return Err(AttributesError::TimestampNotAfterParent {
                timestamp,
                parent: parent.header().timestamp,
            });
        }
        if payload.parent_beacon_block_root.is_some() != spec.is_ecotone(timestamp) {
            return Err(AttributesError::ParentBeaconBlockRoot);
        }
        match &payload.withdrawals {
            Some(withdrawals) if withdrawals.is_empty() && spec.is_canyon(timestamp) => {}
            None if !spec.is_canyon(timestamp) => {}
            Some(_) | None => return Err(AttributesError::Withdrawals),
        }
        let forced = attributes
            .transactions
            .iter()
            .flatten()
            .enumerate()
            .map(|(index, raw)| {
                decode_transaction(raw)
                    .map_err(|source| AttributesError::Transaction { index, source })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            base_fee: next_base_fee(spec, parent.header())?,
            attributes,
            forced,
            gas_limit,
            extra_data,
        })
    }

    /// False if the block consists of the forced transactions alone.
    pub(crate) fn uses_pool(&self) -> bool {
        self.attributes.no_tx_pool != Some(true)
    }
}
