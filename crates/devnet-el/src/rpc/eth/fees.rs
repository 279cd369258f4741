//! What wallets ask before they name a price.

use crate::{
    execution::{ExecutedBlock, next_base_fee},
    rpc::{
        Lane, Registered, RpcContext,
        error::{RpcResult, internal, invalid_params, unknown_block},
        execute, read,
    },
};
use alloy_consensus::Transaction;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{U64, U256};
use alloy_rpc_types_eth::FeeHistory;
use jsonrpsee::{RpcModule, types::ParamsSequence};

/// The priority fee that is suggested, in wei: op-geth's minimum. The pool is never full of better offers here.
const SUGGESTED_TIP: u128 = 1_000_000;

/// Most blocks of one `eth_feeHistory`, as in geth.
const HISTORY_BLOCKS_MAX: u64 = 1024;

/// Most percentiles of one `eth_feeHistory`, as in geth.
const PERCENTILES_MAX: usize = 100;

/// L2 blocks carry no blobs: their price stays at the least.
const BLOB_BASE_FEE: u128 = 1;

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    read(module, "eth_maxPriorityFeePerGas", |_, _| {
        Ok(U256::from(SUGGESTED_TIP))
    })?;
    read(module, "eth_blobBaseFee", |_, _| {
        Ok(U256::from(BLOB_BASE_FEE))
    })?;
    read(module, "eth_gasPrice", |context, _| {
        let view = context.view();
        let base_fee = next_base_fee(view.spec(), view.head().header()).map_err(internal)?;
        Ok(U256::from(u128::from(base_fee) + SUGGESTED_TIP))
    })?;
    execute(module, Lane::Evm, "eth_feeHistory", fee_history)
}

fn fee_history(context: &RpcContext, params: &mut ParamsSequence<'_>) -> RpcResult<FeeHistory> {
    let count: U64 = params.next()?;
    let newest: BlockNumberOrTag = params.next()?;
    let percentiles: Option<Vec<f64>> = params.optional_next()?;
    check_percentiles(percentiles.as_deref().unwrap_or_default())?;
    let view = context.view();
    let newest = view
        .block(newest.into())
        .ok_or_else(|| unknown_block(newest.into()))?;
    let count = count
        .to::<u64>()
        .min(HISTORY_BLOCKS_MAX)
        .min(newest.number() + 1);
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let oldest_block = newest.number() - (count - 1);
    let mut history = FeeHistory {
        oldest_block,
        base_fee_per_blob_gas: vec![BLOB_BASE_FEE; usize::try_from(count).unwrap_or_default() + 1],
        reward: percentiles.as_ref().map(|_| Vec::new()),
        ..FeeHistory::default()
    };
    for block in (oldest_block..=newest.number()).filter_map(|number| view.block_by_number(number))
    {
        let header = block.header();
        history
            .base_fee_per_gas
            .push(header.base_fee_per_gas.unwrap_or_default().into());
        history
            .gas_used_ratio
            .push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
        history.blob_gas_used_ratio.push(0.0);
        if let (Some(percentiles), Some(rewards)) = (&percentiles, &mut history.reward) {
            rewards.push(tips_at(block, percentiles));
        }
    }
    let next = next_base_fee(view.spec(), newest.header()).map_err(internal)?;
    history.base_fee_per_gas.push(next.into());
    Ok(history)
}

fn check_percentiles(percentiles: &[f64]) -> RpcResult<()> {
    let is_rising = percentiles.is_sorted_by(|one, next| one <= next);
    let is_in_range = percentiles.iter().all(|one| (0.0..=100.0).contains(one));
    if is_rising && is_in_range && percentiles.len() <= PERCENTILES_MAX {
        return Ok(());
    }
    Err(invalid_params(format_args!(
        "reward percentiles must rise from 0 to 100, and be {PERCENTILES_MAX} at most"
    )))
}

/// The priority fee that a share of the block's gas paid at most, for each share in percent. Deposits pay none and do not
/// count.
fn tips_at(block: &ExecutedBlock, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header().base_fee_per_gas.unwrap_or_default();
    let mut gas_before = 0;
    let mut paid: Vec<(u128, u64)> = Vec::new();
    for (transaction, receipt) in block.block.body.transactions.iter().zip(&block.receipts) {
        let gas_used = receipt.cumulative_gas_used().saturating_sub(gas_before);
        gas_before = receipt.cumulative_gas_used();
        if !transaction.is_deposit() {
            paid.push((
                transaction
                    .effective_tip_per_gas(base_fee)
                    .unwrap_or_default(),
                gas_used,
            ));
        }
    }
    paid.sort_unstable();
    let total: u64 = paid.iter().map(|(_, gas)| gas).sum();
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = total as f64 * percentile / 100.0;
            let mut gas_so_far = 0;
            let mut tips = paid.iter();
            let at = tips.find(|(_, gas)| {
                gas_so_far += gas;
                gas_so_far as f64 >= threshold
            });
            at.map_or(0, |(tip, _)| *tip)
        })
        .collect()
}
