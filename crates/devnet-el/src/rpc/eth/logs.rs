//! `eth_getLogs`, by block hash or over a bounded range of the canonical chain.

use crate::{
    chain::ChainView,
    execution::ExecutedBlock,
    rpc::{
        Lane, Registered, RpcContext,
        convert::rpc_logs,
        error::{RpcResult, invalid_params, limit_exceeded, unknown_block},
        execute,
    },
};
use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use jsonrpsee::{RpcModule, types::ParamsSequence};

/// Most blocks of a range.
const RANGE_BLOCKS_MAX: u64 = 10_000;

/// Most logs of an answer.
const LOGS_MAX: usize = 20_000;

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    execute(module, Lane::Evm, "eth_getLogs", logs)
}

fn logs(context: &RpcContext, params: &mut ParamsSequence<'_>) -> RpcResult<Vec<Log>> {
    let filter: Filter = params.next()?;
    let view = context.view();
    let mut found = Vec::new();
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = view
                .block_by_hash(&hash)
                .ok_or_else(|| unknown_block(hash.into()))?;
            collect(block, &filter, &mut found)?;
        }
        FilterBlockOption::Range {
            from_block,
            to_block,
        } => {
            let from = number(&view, from_block.unwrap_or_default())?;
            let to = number(&view, to_block.unwrap_or_default())?;
            if from > to {
                return Err(invalid_params(format_args!(
                    "invalid block range {from} to {to}"
                )));
            }
            let to = to.min(view.head().number());
            if to.saturating_sub(from) >= RANGE_BLOCKS_MAX {
                return Err(limit_exceeded(format_args!(
                    "the range has more than {RANGE_BLOCKS_MAX} blocks"
                )));
            }
            for block in (from..=to).filter_map(|number| view.block_by_number(number)) {
                collect(block, &filter, &mut found)?;
            }
        }
    }
    Ok(found)
}

/// Of a tag, the number of its block.
fn number(view: &ChainView, tag: BlockNumberOrTag) -> RpcResult<u64> {
    if let BlockNumberOrTag::Number(number) = tag {
        return Ok(number);
    }
    let block = view
        .block(tag.into())
        .ok_or_else(|| unknown_block(tag.into()))?;
    Ok(block.number())
}

fn collect(block: &ExecutedBlock, filter: &Filter, found: &mut Vec<Log>) -> RpcResult<()> {
    if !filter.matches_bloom(block.header().logs_bloom) {
        return Ok(());
    }
    let mut first_log = 0;
    for (index, receipt) in block.receipts.iter().enumerate() {
        if receipt.logs().iter().any(|log| filter.matches(log)) {
            let matching = rpc_logs(block, index, first_log);
            found.extend(
                matching
                    .into_iter()
                    .filter(|log| filter.matches(&log.inner)),
            );
        }
        first_log += receipt.logs().len() as u64;
    }
    if found.len() > LOGS_MAX {
        return Err(limit_exceeded(format_args!(
            "more than {LOGS_MAX} logs match"
        )));
    }
    Ok(())
}
