//! Control methods: what a test or an operator of a devnet does to the L1. Numbers may be JSON numbers or hex quantities.

use super::{RpcResult, blocks::to_json, error::RpcError, params::Params};
use crate::l1::EmbeddedL1;
use serde_json::{Value, json};

pub(super) fn call(l1: &EmbeddedL1, method: &str, params: &Params) -> RpcResult {
    match method {
        "dev_mine" => {
            let count = params.number(0)?.unwrap_or(1);
            to_json(&l1.mine(count).map_err(refused)?)
        }
        "dev_reorg" => {
            let (depth, length) = (params.required_number(0)?, params.number(1)?);
            let drop_transactions = params.optional(2)?.unwrap_or(false);
            let reorg = l1
                .reorg(depth, length, drop_transactions)
                .map_err(refused)?;
            Ok(json!({
                "commonAncestor": reorg.common_ancestor,
                "oldHead": reorg.old_head,
                "newHead": reorg.new_head,
            }))
        }
        "dev_setLag" => {
            let (safe, finalized) = (params.required_number(0)?, params.required_number(1)?);
            l1.set_lag(safe, finalized).map_err(refused)?;
            Ok(status(l1))
        }
        "dev_setFinalized" => {
            l1.set_finalized(params.number(0)?).map_err(refused)?;
            Ok(status(l1))
        }
        "dev_missSlots" => {
            l1.miss_slots(params.number(0)?.unwrap_or(1));
            Ok(Value::Bool(true))
        }
        "dev_setMining" => {
            l1.set_mining(params.required(0)?);
            Ok(status(l1))
        }
        "dev_fault" => {
            l1.set_fault(params.required(0)?);
            Ok(Value::Bool(true))
        }
        "dev_clearFault" => {
            l1.clear_fault();
            Ok(Value::Bool(true))
        }
        "dev_status" => Ok(status(l1)),
        method => Err(RpcError::method_not_found(method)),
    }
}

/// The heads, and what is going on.
fn status(l1: &EmbeddedL1) -> Value {
    let heads = l1.heads();
    let slot = l1.with_chain(|chain| chain.head().slot());
    json!({
        "latest": heads.latest,
        "safe": heads.safe,
        "finalized": heads.finalized,
        "slot": slot,
        "reorgs": heads.reorgs,
        "mining": l1.is_mining(),
        "fault": l1.fault(),
        "faultsMet": *l1.faults_met().borrow(),
        "pendingTransactions": l1.with_chain(|chain| chain.pending_count()),
    })
}

fn refused(error: impl std::error::Error) -> RpcError {
    RpcError::server(error.to_string())
}
