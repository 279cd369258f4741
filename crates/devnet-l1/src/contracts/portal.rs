//! `OptimismPortal`: turns calls into `TransactionDeposited` logs, version 0 (specs: protocol/deposits.md#deposit-contract).

use super::{
    Call, Reverted,
    abi::IOptimismPortal::{self, IOptimismPortalCalls, depositTransactionCall},
};
use crate::config::L1Contracts;
use alloy_primitives::{Address, Bytes, Log, LogData, U256};
use alloy_sol_types::{SolCall, SolInterface, SolValue};

/// L2 gas that all deposits of one L1 block may buy together (`maxResourceLimit`); more could not fit into an L2 block.
pub const MAX_DEPOSIT_GAS_PER_BLOCK: u64 = 20_000_000;

/// Longest calldata of a deposit in bytes; the real portal's bound, so that a deposit can be gossiped.
const MAX_DEPOSIT_DATA: usize = 120_000;

/// L2 gas of a deposit made by sending plain ether.
const RECEIVE_GAS_LIMIT: u64 = 100_000;

/// The least L2 gas limit that the portal accepts for a deposit with this much calldata.
pub const fn minimum_deposit_gas(data_length: u64) -> u64 {
    data_length.saturating_mul(40).saturating_add(21_000)
}

/// Calldata of a deposit that calls `to` on L2 with `value` wei. The ether sent along to the portal is minted on L2.
pub fn deposit_calldata(to: Address, value: U256, gas_limit: u64, data: Bytes) -> Bytes {
    let call = depositTransactionCall {
        to,
        value,
        gasLimit: gas_limit,
        isCreation: false,
        data,
    };
    call.abi_encode().into()
}

pub(super) fn execute(
    contracts: &L1Contracts,
    deposit_gas: &mut u64,
    call: &Call<'_>,
) -> Result<Vec<Log>, Reverted> {
    if call.input.is_empty() {
        let deposit = depositTransactionCall {
            to: call.from,
            value: call.value,
            gasLimit: RECEIVE_GAS_LIMIT,
            isCreation: false,
            data: Bytes::new(),
        };
        return deposit_transaction(contracts, deposit_gas, call, &deposit);
    }
    match IOptimismPortalCalls::abi_decode(call.input) {
        Ok(IOptimismPortalCalls::depositTransaction(deposit)) => {
            deposit_transaction(contracts, deposit_gas, call, &deposit)
        }
        Ok(IOptimismPortalCalls::donateETH(_)) => Ok(Vec::new()),
        Ok(_) if call.value.is_zero() => Ok(Vec::new()),
        Ok(_) => Err(Reverted::new("function is not payable")),
        Err(_) => Err(Reverted::new("unknown function or malformed arguments")),
    }
}

fn deposit_transaction(
    contracts: &L1Contracts,
    deposit_gas: &mut u64,
    call: &Call<'_>,
    deposit: &depositTransactionCall,
) -> Result<Vec<Log>, Reverted> {
    if deposit.isCreation && !deposit.to.is_zero() {
        return Err(Reverted::new("OptimismPortal: bad target"));
    }
    if deposit.gasLimit < minimum_deposit_gas(deposit.data.len() as u64) {
        return Err(Reverted::new("OptimismPortal: gas limit too small"));
    }
    if deposit.data.len() > MAX_DEPOSIT_DATA {
        return Err(Reverted::new("OptimismPortal: data too large"));
    }
    let bought = deposit_gas.saturating_add(deposit.gasLimit);
    if bought > MAX_DEPOSIT_GAS_PER_BLOCK {
        return Err(Reverted::new(
            "ResourceMetering: cannot buy more gas than available gas limit",
        ));
    }
    *deposit_gas = bought;

    // Packed without padding: mint, value, gas limit, creation flag, calldata.
    let opaque_data = (
        call.value,
        deposit.value,
        deposit.gasLimit,
        deposit.isCreation,
        deposit.data.clone(),
    )
        .abi_encode_packed();
    let event = IOptimismPortal::TransactionDeposited {
        // The sender has a key, so its address is not aliased.
        from: call.from,
        to: deposit.to,
        version: U256::ZERO,
        opaqueData: opaque_data.into(),
    };
    Ok(vec![Log {
        address: contracts.portal,
        data: LogData::from(&event),
    }])
}

pub(super) fn view(contracts: &L1Contracts, input: &[u8]) -> Option<Bytes> {
    let answer = match IOptimismPortalCalls::abi_decode(input).ok()? {
        IOptimismPortalCalls::minimumGasLimit(call) => {
            minimum_deposit_gas(call.byteCount).abi_encode()
        }
        IOptimismPortalCalls::systemConfig(_) => contracts.system_config.abi_encode(),
        IOptimismPortalCalls::paused(_) => false.abi_encode(),
        IOptimismPortalCalls::version(_) => "emulated".abi_encode(),
        IOptimismPortalCalls::depositTransaction(_) | IOptimismPortalCalls::donateETH(_) => {
            return None;
        }
    };
    Some(answer.into())
}
