//! `eth_getLogs`, by block hash or by range, bounded in blocks and in logs.

use super::{
    RpcResult,
    blocks::{find, to_json},
    error::RpcError,
    params::Params,
    view,
};
use crate::{chain::L1Block, l1::EmbeddedL1};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};

/// Most blocks of a range.
const MAX_RANGE: u64 = 10_000;
/// Most logs of an answer.
const MAX_LOGS: usize = 10_000;

pub(super) fn get_logs(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let filter: Filter = params.required(0)?;
    let mut logs = Vec::new();
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = find(l1, hash.into())?;
            let block = block.ok_or_else(|| RpcError::server("unknown block"))?;
            append(&mut logs, &filter, &block)?;
        }
        FilterBlockOption::Range {
            from_block,
            to_block,
        } => {
            let (from, to) = (number(l1, from_block)?, number(l1, to_block)?);
            if from > to {
                return Err(RpcError::invalid_params("invalid block range params"));
            }
            if to - from >= MAX_RANGE {
                let message = format!("block range is too wide, limit {MAX_RANGE}");
                return Err(RpcError::limit_exceeded(message));
            }
            for number in from..=to {
                let Some(block) = l1.block_by_number(number) else {
                    break;
                };
                append(&mut logs, &filter, &block)?;
            }
        }
    }
    to_json(&logs)
}

fn append(logs: &mut Vec<Log>, filter: &Filter, block: &L1Block) -> Result<(), RpcError> {
    if !filter.matches_bloom(block.header().logs_bloom) {
        return Ok(());
    }
    logs.extend(view::logs(block).filter(|log| filter.matches(&log.inner)));
    if logs.len() > MAX_LOGS {
        let message = format!("query returns more than {MAX_LOGS} logs");
        return Err(RpcError::limit_exceeded(message));
    }
    Ok(())
}

/// The number that one end of a range means; the head when it is left out.
fn number(l1: &EmbeddedL1, end: Option<BlockNumberOrTag>) -> Result<u64, RpcError> {
    match end.unwrap_or(BlockNumberOrTag::Latest) {
        BlockNumberOrTag::Number(number) => Ok(number),
        tag => {
            let block = find(l1, BlockId::Number(tag))?;
            block
                .map(|block| block.number())
                .ok_or_else(|| RpcError::server("unknown block"))
        }
    }
}
