//! One run of the block executor over a list of transactions.

use super::Parent;
use crate::{spec::ElSpec, state::StateSnapshot};
use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    EvmEnv, EvmFactory,
    block::{BlockExecutionError, BlockExecutor, BlockExecutorFactory, BlockValidationError},
};
use alloy_op_evm::{
    OpBlockExecutionCtx, OpBlockExecutorFactory, OpEvmFactory, OpTx, block::OpAlloyReceiptBuilder,
};
use alloy_op_hardforks::OpChainHardforks;
use alloy_primitives::{Address, B256, Bytes};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use op_revm::OpSpecId;
use revm::database::{State, states::bundle_state::BundleRetention};
use std::collections::HashSet;

type ExecutorFactory =
    OpBlockExecutorFactory<OpAlloyReceiptBuilder, OpChainHardforks, OpEvmFactory<OpTx>>;

/// What to do with a transaction that cannot be part of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnInvalid {
    /// The block is invalid: it was given whole.
    Fail,
    /// The block does without it. A deposit is never left out: it cannot be invalid, only revert.
    Skip,
}

/// Transactions of a block in their order.
#[derive(Debug)]
pub(super) struct TransactionList {
    /// These come first.
    pub(super) forced: Vec<Recovered<OpTxEnvelope>>,
    /// For the forced ones.
    pub(super) on_invalid: OnInvalid,
    /// Then these, as long as they fit; invalid ones are left out.
    pub(super) pool: Vec<Recovered<OpTxEnvelope>>,
}

/// What the execution of a block's transactions made.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) transactions: Vec<OpTxEnvelope>,
    pub(super) senders: Vec<Address>,
    pub(super) receipts: Vec<OpReceiptEnvelope>,
    pub(super) gas_used: u64,
    /// The DA footprint (Jovian); zero before.
    pub(super) da_footprint: u64,
    pub(super) state: StateSnapshot,
    /// Hashes of pool transactions that are invalid on this state and were left out.
    pub(super) rejected: Vec<B256>,
}

/// Executes `list` on `parent` in the environment `env`.
///
/// # Errors
///
/// If a system call fails or a transaction that must be included cannot be.
pub(super) fn run(
    spec: &ElSpec,
    parent: &Parent,
    env: EvmEnv<OpSpecId>,
    parent_beacon_block_root: Option<B256>,
    extra_data: Bytes,
    list: TransactionList,
) -> Result<Outcome, BlockExecutionError> {
    let factory = ExecutorFactory::new(
        OpAlloyReceiptBuilder::default(),
        spec.forks().clone(),
        OpEvmFactory::default(),
    );
    let mut database = State::builder()
        .with_database_ref(&*parent.state)
        .with_bundle_update()
        .build();
    let evm = factory.evm_factory().create_evm(&mut database, env);
    let context = OpBlockExecutionCtx {
        parent_hash: parent.block.hash,
        parent_beacon_block_root,
        extra_data,
    };
    let mut executor = factory.create_executor(evm, context);
    executor.apply_pre_execution_changes()?;

    let mut included = Vec::with_capacity(list.forced.len() + list.pool.len());
    for transaction in list.forced {
        match executor.execute_transaction(&transaction) {
            Ok(_) => included.push(transaction),
            Err(error)
                if list.on_invalid == OnInvalid::Skip
                    && !transaction.is_deposit()
                    && error.as_validation().is_some() => {}
            Err(error) => return Err(error),
        }
    }
    let mut rejected = Vec::new();
    let mut skipped_senders = HashSet::new();
    for transaction in list.pool {
        // After a gap in a sender's nonces nothing of that sender can follow.
        if skipped_senders.contains(&transaction.signer()) {
            continue;
        }
        match executor.execute_transaction(&transaction) {
            Ok(_) => included.push(transaction),
            Err(BlockExecutionError::Validation(error)) => {
                skipped_senders.insert(transaction.signer());
                // Anything else is a lack of room in this block.
                if let BlockValidationError::InvalidTx { hash, .. } = error {
                    rejected.push(hash);
                }
            }
            Err(error) => return Err(error),
        }
    }

    let (_, result) = executor.finish()?;
    database.merge_transitions(BundleRetention::PlainState);
    let state = parent.state.with_changes(&database.take_bundle());
    let (transactions, senders) = included.into_iter().map(Recovered::into_parts).unzip();
    Ok(Outcome {
        transactions,
        senders,
        receipts: result.receipts,
        gas_used: result.gas_used,
        da_footprint: result.blob_gas_used,
        state,
        rejected,
    })
}
