//! What a transaction should pay: prices for the next block, and the history that wallets and batchers derive theirs from.

use super::{
    RpcResult,
    blocks::{find_state, to_json},
    error::RpcError,
    params::Params,
    quantity,
};
use crate::{chain::L1Block, l1::EmbeddedL1};
use alloy_consensus::Transaction;
use alloy_eips::{eip1559::BaseFeeParams, eip7840::BlobParams};
use alloy_rpc_types_eth::FeeHistory;
use serde_json::Value;

/// The tip that we suggest, in wei per gas; blocks are rarely full, so any tip gets in.
pub(super) const SUGGESTED_TIP: u64 = 1_000_000;
/// Most blocks of a fee history; geth's bound.
const MAX_HISTORY: u64 = 1_024;
/// Most reward percentiles; geth's bound.
const MAX_PERCENTILES: usize = 100;

pub(super) fn gas_price(l1: &EmbeddedL1) -> Value {
    quantity(
        l1.with_chain(|chain| chain.next_base_fee())
            .saturating_add(SUGGESTED_TIP),
    )
}

pub(super) fn fee_history(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let count = params.required_number(0)?.min(MAX_HISTORY);
    let newest = find_state(l1, params.block(1)?)?;
    let percentiles = params.optional::<Vec<f64>>(2)?;
    let unordered = |percentiles: &[f64]| {
        let outside = percentiles
            .iter()
            .any(|percentile| !(0.0..=100.0).contains(percentile));
        outside || !percentiles.is_sorted()
    };
    if percentiles
        .as_ref()
        .is_some_and(|p| p.len() > MAX_PERCENTILES || unordered(p))
    {
        return Err(RpcError::invalid_params("invalid reward percentile"));
    }
    if count == 0 {
        return to_json(&FeeHistory::default());
    }

    let params = BlobParams::prague();
    let oldest = (newest.number() + 1).saturating_sub(count);
    let mut history = FeeHistory {
        oldest_block: oldest,
        ..FeeHistory::default()
    };
    let mut reward = percentiles.as_ref().map(|_| Vec::new());
    for block in (oldest..=newest.number()).filter_map(|number| l1.block_by_number(number)) {
        let header = block.header();
        history.base_fee_per_gas.push(block.base_fee().into());
        history
            .gas_used_ratio
            .push(ratio(header.gas_used, header.gas_limit));
        history
            .base_fee_per_blob_gas
            .push(header.blob_fee(params).unwrap_or_default());
        let blob_gas = header.blob_gas_used.unwrap_or_default();
        history
            .blob_gas_used_ratio
            .push(ratio(blob_gas, params.max_blob_gas_per_block()));
        if let (Some(reward), Some(percentiles)) = (&mut reward, &percentiles) {
            reward.push(tips(&block, percentiles));
        }
    }
    let next = newest
        .header()
        .next_block_base_fee(BaseFeeParams::ethereum());
    history
        .base_fee_per_gas
        .push(next.unwrap_or_default().into());
    let next = newest.header().next_block_blob_fee(params);
    history.base_fee_per_blob_gas.push(next.unwrap_or_default());
    history.reward = reward;
    to_json(&history)
}

/// The tips at some percentiles of a block's gas, in wei per gas.
fn tips(block: &L1Block, percentiles: &[f64]) -> Vec<u128> {
    let mut before = 0;
    let mut tips = Vec::with_capacity(block.transactions().len());
    for (tx, receipt) in block.transactions().iter().zip(block.receipts()) {
        let gas = receipt.cumulative_gas_used() - before;
        before = receipt.cumulative_gas_used();
        tips.push((
            tx.effective_tip_per_gas(block.base_fee())
                .unwrap_or_default(),
            gas,
        ));
    }
    tips.sort_unstable();
    let at = |percentile: f64| {
        let threshold = block.header().gas_used as f64 * percentile / 100.0;
        let mut gas_so_far = 0;
        let reached = |(_, gas): &&(u128, u64)| {
            gas_so_far += gas;
            gas_so_far as f64 >= threshold
        };
        tips.iter()
            .find(reached)
            .or(tips.last())
            .map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().copied().map(at).collect()
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
