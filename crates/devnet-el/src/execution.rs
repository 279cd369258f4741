//! Executing blocks. [`build`] makes a block from payload attributes and pool transactions, [`validate`] executes a payload
//! of somebody else; both run the same code and assemble the header in the same way, so a block that we build is a block
//! that we accept. The EVM work itself (deposits, fees, system calls, receipts) is alloy-op-evm's block executor.

mod attributes;
mod base_fee;
mod build;
mod header;
mod run;
mod transaction;
mod validate;

pub use attributes::AttributesError;
pub use build::BuildError;
pub use transaction::TransactionError;
pub use validate::{InvalidBlock, PayloadError};

pub(crate) use attributes::CheckedAttributes;
pub(crate) use base_fee::{BaseFeeRules, next_base_fee};
pub(crate) use build::build;
pub(crate) use header::{requests_hash, withdrawals_root};
pub(crate) use transaction::decode_transaction;
pub(crate) use validate::{DecodedPayload, validate};

use crate::state::StateSnapshot;
use alloy_consensus::{Block, Header, Transaction};
use alloy_primitives::{Address, B256, U256, address};
use op_alloy_consensus::{EIP1559ParamError, OpReceiptEnvelope, OpTxEnvelope};
use std::sync::Arc;
use thiserror::Error;

/// The `L2ToL1MessagePasser`, whose storage root is the withdrawals root of a header from Isthmus on.
pub const MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");

/// A block with what its execution said, without the state (which has a shorter life, see
/// [`ChainView::state`](crate::ChainView::state)).
#[derive(Clone, Debug)]
pub struct ExecutedBlock {
    /// Block hash.
    pub hash: B256,
    /// Header and body.
    pub block: Block<OpTxEnvelope>,
    /// The sender of each transaction.
    pub senders: Vec<Address>,
    /// The receipt of each transaction, gas counted cumulatively.
    pub receipts: Vec<OpReceiptEnvelope>,
}

impl ExecutedBlock {
    /// The header.
    pub const fn header(&self) -> &Header {
        &self.block.header
    }

    /// Block number.
    pub const fn number(&self) -> u64 {
        self.block.header.number
    }

    /// What the fee recipient earned from priority fees, in wei (`blockValue` of `engine_getPayload`).
    pub fn value(&self) -> U256 {
        let base_fee = self.header().base_fee_per_gas.unwrap_or_default();
        let mut cumulative_before = 0;
        let mut value = U256::ZERO;
        for (transaction, receipt) in self.block.body.transactions.iter().zip(&self.receipts) {
            let cumulative = receipt.cumulative_gas_used();
            let gas_used = cumulative.saturating_sub(cumulative_before);
            cumulative_before = cumulative;
            let tip = transaction.effective_tip_per_gas(base_fee).unwrap_or(0);
            if !transaction.is_deposit() {
                value += U256::from(gas_used) * U256::from(tip);
            }
        }
        value
    }
}

/// The block on which another is executed, with the state after it.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    pub(crate) block: Arc<ExecutedBlock>,
    pub(crate) state: Arc<StateSnapshot>,
}

impl Parent {
    pub(crate) fn header(&self) -> &Header {
        self.block.header()
    }
}

/// A malformed `extraData`, or attributes that make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExtraDataError {
    /// Wrong length or version, or a missing parameter.
    #[error("extra data: {0}")]
    Params(#[from] EIP1559ParamError),
    /// The denominator is zero.
    #[error("extra data names an EIP-1559 denominator of zero")]
    ZeroDenominator,
    /// Longer than a header before Holocene may carry.
    #[error("extra data has {bytes} bytes")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests;
