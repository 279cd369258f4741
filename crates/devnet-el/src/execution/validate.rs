//! Executing a block of somebody else and comparing every claim of its header with what came out.

use super::{
    BaseFeeRules, ExecutedBlock, ExtraDataError, Parent, TransactionError, decode_transaction,
    header::{first_difference, seal},
    next_base_fee,
    run::{OnInvalid, TransactionList, run},
};
use crate::{spec::ElSpec, state::StateSnapshot};
use alloy_consensus::{Block, Header, Transaction, transaction::Recovered};
use alloy_evm::block::BlockExecutionError;
use alloy_op_evm::env::evm_env_for_op_block;
use alloy_primitives::{B256, Bytes};
use light_node_protocol::L1BlockInfo;
use op_alloy_consensus::OpTxEnvelope;
use op_alloy_rpc_types_engine::{OpExecutionData, OpPayloadError};
use thiserror::Error;

/// A payload that is not a block at all. Nothing follows for the block whose hash it claims.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// Its fields do not make a header.
    #[error("malformed payload: {0}")]
    Malformed(#[from] OpPayloadError),
    /// Its fields make a block of another hash.
    #[error("block hash mismatch: claimed {claimed}, computed {computed}")]
    HashMismatch {
        /// `blockHash` of the payload.
        claimed: B256,
        /// Hash of the header that the payload makes.
        computed: B256,
    },
}

/// Why a block is invalid. This is a fact about the block's hash.
#[derive(Debug, Error)]
pub enum InvalidBlock {
    /// Not later than its parent.
    #[error("timestamp {timestamp} is not after the parent's {parent}")]
    TimestampNotAfterParent {
        /// Of the block, in seconds.
        timestamp: u64,
        /// Of the parent, in seconds.
        parent: u64,
    },
    /// Its `extraData`, or its parent's, does not name usable EIP-1559 parameters.
    #[error(transparent)]
    ExtraData(#[from] ExtraDataError),
    /// The base fee does not follow from the parent.
    #[error("base fee is {claimed:?}, must be {computed}")]
    BaseFee {
        /// Of the header, in wei.
        claimed: Option<u64>,
        /// From the parent, in wei.
        computed: u64,
    },
    /// A transaction cannot be read.
    #[error("transaction {index}: {source}")]
    Transaction {
        /// Its place in the block.
        index: usize,
        /// Why.
        #[source]
        source: TransactionError,
    },
    /// From Jovian on the L1-info deposit prices the block's data, so no block is without it
    /// (`specs/protocol/jovian/exec-engine.md#da-footprint-block-limit`).
    #[error("the first transaction is not an L1-info deposit")]
    MissingL1Info,
    /// A transaction cannot be executed, or a system call failed.
    #[error(transparent)]
    Execution(#[from] BlockExecutionError),
    /// The header claims something else than what execution gives.
    #[error("{field} mismatch: claimed {claimed}, computed {computed}")]
    Mismatch {
        /// Name of the header field.
        field: &'static str,
        /// What the header says.
        claimed: String,
        /// What came out.
        computed: String,
    },
}

/// A payload whose fields make a block of the hash that it claims.
#[derive(Clone, Debug)]
pub(crate) struct DecodedPayload {
    pub(crate) hash: B256,
    pub(crate) header: Header,
    transactions: Vec<Bytes>,
}

impl DecodedPayload {
    /// Checks that the payload's fields make a block of the claimed hash.
    ///
    /// # Errors
    ///
    /// If they do not.
    pub(crate) fn new(data: OpExecutionData) -> Result<Self, PayloadError> {
        let claimed = data.block_hash();
        let Block { header, body } = data.payload.into_block_with_sidecar_raw(&data.sidecar)?;
        let computed = header.hash_slow();
        if computed != claimed {
            return Err(PayloadError::HashMismatch { claimed, computed });
        }
        Ok(Self {
            hash: claimed,
            header,
            transactions: body.transactions,
        })
    }

    /// Approximate size in memory.
    pub(crate) fn size_bytes(&self) -> usize {
        let transactions: usize = self.transactions.iter().map(|raw| raw.len()).sum();
        size_of::<Self>() + transactions + self.transactions.len() * size_of::<Bytes>()
    }
}

fn is_l1_info(transaction: &Recovered<OpTxEnvelope>) -> bool {
    transaction.is_deposit() && L1BlockInfo::decode(transaction.input()).is_ok()
}

/// Executes `payload` on its parent.
///
/// # Errors
///
/// The reason for which the block is invalid.
pub(crate) fn validate(
    spec: &ElSpec,
    parent: &Parent,
    payload: &DecodedPayload,
) -> Result<(ExecutedBlock, StateSnapshot), InvalidBlock> {
    let claimed = &payload.header;
    if claimed.timestamp <= parent.header().timestamp {
        return Err(InvalidBlock::TimestampNotAfterParent {
            timestamp: claimed.timestamp,
            parent: parent.header().timestamp,
        });
    }
    BaseFeeRules::of_header(spec, claimed.timestamp, &claimed.extra_data)?;
    let base_fee = next_base_fee(spec, parent.header())?;
    if claimed.base_fee_per_gas != Some(base_fee) {
        return Err(InvalidBlock::BaseFee {
            claimed: claimed.base_fee_per_gas,
            computed: base_fee,
        });
    }
    let forced = payload
        .transactions
        .iter()
        .enumerate()
        .map(|(index, raw)| {
            decode_transaction(raw).map_err(|source| InvalidBlock::Transaction { index, source })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if spec.is_jovian(claimed.timestamp) && !forced.first().is_some_and(is_l1_info) {
        return Err(InvalidBlock::MissingL1Info);
    }
    let outcome = run(
        spec,
        parent,
        evm_env_for_op_block(claimed, spec.forks(), spec.chain_id()),
        claimed.parent_beacon_block_root,
        claimed.extra_data.clone(),
        TransactionList {
            forced,
            on_invalid: OnInvalid::Fail,
            pool: Vec::new(),
        },
    )?;
    let template = Header {
        parent_hash: parent.block.hash,
        number: parent.block.number() + 1,
        ..claimed.clone()
    };
    let (block, state) = seal(spec, template, outcome);
    if block.hash == payload.hash {
        return Ok((block, state));
    }
    let (field, claimed, computed) = first_difference(claimed, block.header()).unwrap_or((
        "header",
        payload.hash.to_string(),
        block.hash.to_string(),
    ));
    Err(InvalidBlock::Mismatch {
        field,
        claimed,
        computed,
    })
}
