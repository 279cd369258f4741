//! Accounts, storage, proofs, and calls to the emulated contracts.

use super::{
    RpcResult,
    blocks::{find_state, to_json},
    error::RpcError,
    params::Params,
    quantity,
};
use crate::{
    chain::estimate,
    config::L1Contracts,
    contracts::{self, Call},
    l1::EmbeddedL1,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, TxKind};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_serde::JsonStorageKey;
use serde_json::json;

/// Most storage keys of one proof request; geth's bound.
const MAX_PROOF_KEYS: usize = 1_024;

pub(super) fn balance(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let address = params.required(0)?;
    Ok(quantity(
        find_state(l1, params.block(1)?)?.state().balance(&address),
    ))
}

pub(super) fn transaction_count(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let (address, id) = (params.required(0)?, params.block(1)?);
    if id == BlockId::Number(BlockNumberOrTag::Pending) {
        return Ok(quantity(
            l1.with_chain(|chain| chain.pending_nonce(&address)),
        ));
    }
    Ok(quantity(find_state(l1, id)?.state().nonce(&address)))
}

pub(super) fn code(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let address: Address = params.required(0)?;
    let block = find_state(l1, params.block(1)?)?;
    Ok(json!(
        block
            .state()
            .account(&address)
            .map(|account| account.code.clone())
            .unwrap_or_default()
    ))
}

pub(super) fn storage_at(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let (address, key): (_, JsonStorageKey) = (params.required(0)?, params.required(1)?);
    let block = find_state(l1, params.block(2)?)?;
    Ok(json!(B256::from(
        block.state().storage(&address, &key.as_b256())
    )))
}

pub(super) fn proof(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let (address, keys): (_, Vec<JsonStorageKey>) = (params.required(0)?, params.required(1)?);
    if keys.len() > MAX_PROOF_KEYS {
        let message = format!("too many keys: {}, limit {MAX_PROOF_KEYS}", keys.len());
        return Err(RpcError::invalid_params(message));
    }
    to_json(
        &find_state(l1, params.block(2)?)?
            .state()
            .proof(address, &keys),
    )
}

pub(super) fn call(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let request: TransactionRequest = params.required(0)?;
    let block = find_state(l1, params.block(1)?)?;
    let contracts = contracts_of(l1);
    let Some(TxKind::Call(to)) = request.to else {
        return Err(no_code());
    };
    let input = request.input.input().cloned().unwrap_or_default();
    if let Some(answer) = contracts::view(&contracts, block.state(), to, &input) {
        return Ok(json!(answer));
    }
    // No getter: what remains of a transaction's call is whether it would revert.
    let call = as_call(&request, to, &input);
    contracts::execute(&contracts, &mut block.state().clone(), &mut 0, &call)?;
    Ok(json!(Bytes::new()))
}

pub(super) fn estimate_gas(l1: &EmbeddedL1, params: &Params) -> RpcResult {
    let request: TransactionRequest = params.required(0)?;
    let block = find_state(l1, params.block(1)?)?;
    let Some(TxKind::Call(to)) = request.to else {
        return Err(no_code());
    };
    let input = request.input.input().cloned().unwrap_or_default();
    let call = as_call(&request, to, &input);
    Ok(quantity(estimate(block.state(), &contracts_of(l1), &call)?))
}

fn contracts_of(l1: &EmbeddedL1) -> L1Contracts {
    l1.with_chain(|chain| chain.config().contracts)
}

fn as_call<'a>(request: &TransactionRequest, to: Address, input: &'a Bytes) -> Call<'a> {
    Call {
        from: request.from.unwrap_or_default(),
        to,
        value: request.value.unwrap_or_default(),
        input,
    }
}

fn no_code() -> RpcError {
    RpcError::server("this L1 runs no code and creates no contracts")
}
