//! Accounts in the state of a block, with proofs.

use crate::rpc::{
    Lane, Registered, RpcContext,
    error::{RpcResult, invalid_params},
    execute, read,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_serde::JsonStorageKey;
use jsonrpsee::{RpcModule, types::ParamsSequence};

/// Most slots of one `eth_getProof`, as in geth.
const PROVEN_SLOTS_MAX: usize = 1024;

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    read(module, "eth_getBalance", balance)?;
    read(module, "eth_getCode", code)?;
    read(module, "eth_getStorageAt", storage_at)?;
    read(module, "eth_getTransactionCount", transaction_count)?;
    execute(module, Lane::Evm, "eth_getProof", proof)
}

fn balance(context: &RpcContext, params: &mut ParamsSequence<'_>) -> RpcResult<U256> {
    let address: Address = params.next()?;
    let (_, _, state) = context.state_at(params.optional_next()?)?;
    Ok(state.balance(&address))
}

fn code(context: &RpcContext, params: &mut ParamsSequence<'_>) -> RpcResult<Bytes> {
    let address: Address = params.next()?;
    let (_, _, state) = context.state_at(params.optional_next()?)?;
    Ok(state.code(&address))
}

fn storage_at(context: &RpcContext, params: &mut ParamsSequence<'_>) -> RpcResult<B256> {
    let address: Address = params.next()?;
    let key: JsonStorageKey = params.next()?;
    let (_, _, state) = context.state_at(params.optional_next()?)?;
    Ok(state.storage(&address, key.as_b256().into()).into())
}

/// The nonce in the state of a block; at `pending` that after the transactions that wait.
fn transaction_count(context: &RpcContext, params: &mut ParamsSequence<'_>) -> RpcResult<U64> {
    let address: Address = params.next()?;
    let id: Option<BlockId> = params.optional_next()?;
    let (_, _, state) = context.state_at(id)?;
    let is_pending = id == Some(BlockId::Number(BlockNumberOrTag::Pending));
    let nonce = if is_pending {
        context.el.pool().next_nonce(&address, &state)
    } else {
        state.nonce(&address)
    };
    Ok(U64::from(nonce))
}

fn proof(
    context: &RpcContext,
    params: &mut ParamsSequence<'_>,
) -> RpcResult<EIP1186AccountProofResponse> {
    let address: Address = params.next()?;
    let keys: Vec<JsonStorageKey> = params.next()?;
    if keys.len() > PROVEN_SLOTS_MAX {
        return Err(invalid_params(format_args!(
            "at most {PROVEN_SLOTS_MAX} slots"
        )));
    }
    let (_, _, state) = context.state_at(params.optional_next()?)?;
    let account = state.account(&address);
    let storage_proof = keys
        .into_iter()
        .map(|key| {
            let slot: U256 = key.as_b256().into();
            let value = state.storage(&address, slot);
            EIP1186StorageProof::new(key, value, state.storage_proof(&address, slot))
        })
        .collect();
    Ok(EIP1186AccountProofResponse {
        address,
        balance: state.balance(&address),
        code_hash: account.map_or(KECCAK256_EMPTY, |account| account.code_hash()),
        nonce: state.nonce(&address),
        storage_hash: state.storage_root(&address),
        account_proof: state.account_proof(&address),
        storage_proof,
    })
}
