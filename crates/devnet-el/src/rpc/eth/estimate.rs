//! `eth_estimateGas`: the least gas limit with which a request succeeds, found as geth finds it. A contract may need more
//! gas than it uses (63/64 of it go into a call, a refund comes afterwards), so the limit is searched for, not computed.

use super::call::{Simulation, fee_cap, halt_error, revert_error};
use crate::rpc::{
    Lane, Registered, RpcContext,
    error::{RpcResult, server_error},
    execute,
};
use alloy_primitives::{TxKind, U64, U256};
use jsonrpsee::{RpcModule, types::ErrorObjectOwned};
use op_revm::OpHaltReason;
use revm::context::result::ExecutionResult;

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;

/// What a call with value gives to the callee for free, and must have before.
const CALL_STIPEND: u64 = 2_300;

/// The search stops when the bounds are this close, in thousandths. geth's value: an estimate is no measurement.
const TOLERANCE_THOUSANDTHS: u64 = 15;

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    execute(module, Lane::Evm, "eth_estimateGas", |context, params| {
        estimate(&Simulation::new(context, params)?).map(U64::from)
    })
}

fn estimate(simulation: &Simulation) -> RpcResult<u64> {
    let mut highest = most_gas(simulation)?;
    if highest < TRANSFER_GAS {
        return Err(exceeds_allowance(highest));
    }
    if is_plain_transfer(simulation) && is_enough(&simulation.run(TRANSFER_GAS)) {
        return Ok(TRANSFER_GAS);
    }
    let (used, refunded) = match simulation.run(highest)? {
        ExecutionResult::Success { gas, .. } => (gas.tx_gas_used(), gas.inner_refunded()),
        ExecutionResult::Revert { output, .. } => return Err(revert_error(&output)),
        ExecutionResult::Halt {
            reason: OpHaltReason::Base(reason),
            ..
        } if is_out_of_gas(&reason) => {
            return Err(exceeds_allowance(highest));
        }
        ExecutionResult::Halt { reason, .. } => return Err(halt_error(&reason)),
    };
    // One less than what was used cannot be enough.
    let mut lowest = used.saturating_sub(1);
    let optimistic = (used + refunded + CALL_STIPEND).saturating_mul(64) / 63;
    if optimistic < highest {
        if is_enough(&simulation.run(optimistic)) {
            highest = optimistic;
        } else {
            lowest = optimistic;
        }
    }
    while lowest + 1 < highest && (highest - lowest) * 1000 > highest * TOLERANCE_THOUSANDTHS {
        // Most requests need little more than they use: the lower half is searched in smaller steps.
        let middle = (lowest + (highest - lowest) / 2).min(lowest.saturating_mul(2).max(1));
        if is_enough(&simulation.run(middle)) {
            highest = middle;
        } else {
            lowest = middle;
        }
    }
    Ok(highest)
}

/// The highest limit that is tried: the request's, the block's, and what the sender can pay.
fn most_gas(simulation: &Simulation) -> RpcResult<u64> {
    let request = &simulation.request;
    let given = request
        .gas
        .filter(|gas| *gas >= TRANSFER_GAS)
        .unwrap_or(u64::MAX);
    let most = given.min(simulation.gas_limit_max);
    let Some(price) = fee_cap(request) else {
        return Ok(most);
    };
    let balance = simulation.state.balance(&request.from.unwrap_or_default());
    let left = balance
        .checked_sub(request.value.unwrap_or_default())
        .ok_or_else(|| server_error("insufficient funds for transfer"))?;
    Ok(most.min((left / U256::from(price)).saturating_to()))
}

/// geth's words.
fn exceeds_allowance(allowance: u64) -> ErrorObjectOwned {
    server_error(format_args!("gas required exceeds allowance ({allowance})"))
}

fn is_plain_transfer(simulation: &Simulation) -> bool {
    let request = &simulation.request;
    let has_input = request.input.input().is_some_and(|input| !input.is_empty());
    match request.to {
        Some(TxKind::Call(to)) => !has_input && simulation.state.code(&to).is_empty(),
        Some(TxKind::Create) | None => false,
    }
}

fn is_enough(result: &RpcResult<ExecutionResult<OpHaltReason>>) -> bool {
    // Too little for the intrinsic gas is an error of the transaction, not an outcome of the execution.
    result.as_ref().is_ok_and(ExecutionResult::is_success)
}

const fn is_out_of_gas(reason: &revm::context::result::HaltReason) -> bool {
    matches!(reason, revm::context::result::HaltReason::OutOfGas(_))
}
