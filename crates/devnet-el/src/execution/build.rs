//! Building a block from payload attributes.

use super::{
    CheckedAttributes, ExecutedBlock, Parent,
    header::seal,
    run::{OnInvalid, TransactionList, run},
};
use crate::spec::ElSpec;
use alloy_consensus::{Header, transaction::Recovered};
use alloy_evm::{block::BlockExecutionError, eth::NextEvmEnvAttributes};
use alloy_op_evm::env::evm_env_for_op_next_block;
use alloy_primitives::B256;
use op_alloy_consensus::OpTxEnvelope;
use thiserror::Error;

/// A block could not be built from attributes that are well formed.
#[derive(Debug, Error)]
#[error("cannot build the block: {0}")]
pub struct BuildError(#[from] BlockExecutionError);

/// A block built here, not yet part of the chain.
#[derive(Debug)]
pub(crate) struct BuiltBlock {
    pub(crate) block: ExecutedBlock,
    /// Pool transactions that turned out invalid on this state.
    pub(crate) rejected: Vec<B256>,
}

/// Builds the block that `attributes` ask for on `parent`: the forced transactions, then those of `pool` that fit. A forced transaction that is invalid is left out, as op-reth does; a deposit never is.
///
/// # Errors
///
/// If a deposit does not fit into the block's gas limit, or a system call fails.
pub(crate) fn build(
    spec: &ElSpec,
    parent: &Parent,
    attributes: &CheckedAttributes,
    pool: Vec<Recovered<OpTxEnvelope>>,
) -> Result<BuiltBlock, BuildError> {
    let payload = &attributes.attributes.payload_attributes;
    let env = evm_env_for_op_next_block(
        parent.header(),
        NextEvmEnvAttributes {
            timestamp: payload.timestamp,
            suggested_fee_recipient: payload.suggested_fee_recipient,
            prev_randao: payload.prev_randao,
            gas_limit: attributes.gas_limit,
            slot_number: None,
        },
        attributes.base_fee,
        spec.forks(),
        spec.chain_id(),
    );
    let list = TransactionList {
        forced: attributes.forced.clone(),
        on_invalid: OnInvalid::Skip,
        pool,
    };
    let mut outcome = run(
        spec,
        parent,
        env,
        payload.parent_beacon_block_root,
        attributes.extra_data.clone(),
        list,
    )?;
    let rejected = std::mem::take(&mut outcome.rejected);
    let template = Header {
        parent_hash: parent.block.hash,
        beneficiary: payload.suggested_fee_recipient,
        number: parent.block.number() + 1,
        gas_limit: attributes.gas_limit,
        timestamp: payload.timestamp,
        extra_data: attributes.extra_data.clone(),
        mix_hash: payload.prev_randao,
        base_fee_per_gas: Some(attributes.base_fee),
        parent_beacon_block_root: payload.parent_beacon_block_root,
        ..Header::default()
    };
    // The state is not kept: the block comes back by newPayload and is executed like anybody's.
    let (block, _) = seal(spec, template, outcome);
    Ok(BuiltBlock { block, rejected })
}
