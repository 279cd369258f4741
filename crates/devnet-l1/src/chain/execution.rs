//! What one transaction does to the state: fees, value, and the rule of the contract that it calls. Gas is Prague's
//! intrinsic gas with the calldata floor, plus a fixed price for an emulated contract's work.

use super::L1Transaction;
use crate::{
    config::L1Contracts,
    contracts::{self, Call, Reverted},
    state::State,
};
use alloy_consensus::{Transaction, transaction::Recovered};
use alloy_primitives::{Address, Log, TxKind, U256};
use thiserror::Error;

/// Gas of every transaction.
const BASE_GAS: u64 = 21_000;
/// Gas of a calldata token: a zero byte is one, any other byte four (EIP-7623).
const TOKEN_GAS: u64 = 4;
/// Gas of a calldata token under the floor (EIP-7623).
const FLOOR_TOKEN_GAS: u64 = 10;
/// Gas of an access list entry and of each of its keys (EIP-2930).
const ACCESS_LIST_GAS: (u64, u64) = (2_400, 1_900);
/// Gas of a contract creation, beside two for each word of its code.
const CREATE_GAS: u64 = 32_000;
/// What an emulated contract's work costs, beside its logs; the order of magnitude of the real ones.
const CONTRACT_GAS: u64 = 30_000;
/// Gas of a log, of each of its topics, and of each byte of its data.
const LOG_GAS: (u64, u64, u64) = (375, 375, 8);

/// What all transactions of a block share.
#[derive(Debug)]
pub(crate) struct BlockEnv<'a> {
    /// The emulated contracts.
    pub(crate) contracts: &'a L1Contracts,
    /// Who gets the tips.
    pub(crate) beneficiary: Address,
    /// Base fee in wei per gas.
    pub(crate) base_fee: u64,
    /// Blob base fee in wei per blob gas.
    pub(crate) blob_base_fee: u128,
    /// L2 gas bought by deposits so far.
    pub(crate) deposit_gas: u64,
}

/// The outcome of a transaction that went into a block.
#[derive(Debug)]
pub(crate) struct Execution {
    /// Why it failed, if it did.
    pub(crate) reverted: Option<Reverted>,
    /// Gas paid for.
    pub(crate) gas_used: u64,
    /// Its logs.
    pub(crate) logs: Vec<Log>,
}

/// Why a transaction cannot go into this block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotExecutable {
    #[error("nonce is not the account's next")]
    Nonce,
    #[error("fee is below the block's base fee")]
    Fee,
    #[error("balance does not cover the cost")]
    Balance,
}

/// Runs a transaction. The state changes only when it goes into the block, by success or by failure.
pub(crate) fn execute(
    state: &mut State,
    env: &mut BlockEnv<'_>,
    tx: &Recovered<L1Transaction>,
) -> Result<Execution, NotExecutable> {
    let sender = tx.signer();
    if tx.nonce() != state.nonce(&sender) {
        return Err(NotExecutable::Nonce);
    }
    let blob_fee = tx.max_fee_per_blob_gas();
    if tx.max_fee_per_gas() < u128::from(env.base_fee)
        || blob_fee.is_some_and(|fee| fee < env.blob_base_fee)
    {
        return Err(NotExecutable::Fee);
    }
    if max_cost(tx.inner()) > state.balance(&sender) {
        return Err(NotExecutable::Balance);
    }

    let (execution, mut after) = call(state, env, sender, tx.inner());
    let price = tx.effective_gas_price(Some(env.base_fee));
    let tip = price.saturating_sub(u128::from(env.base_fee));
    let gas_used = U256::from(execution.gas_used);
    let blobs = U256::from(tx.blob_gas_used().unwrap_or(0)) * U256::from(env.blob_base_fee);
    after.update(sender, |account| {
        account.nonce += 1;
        account.balance -= gas_used * U256::from(price) + blobs;
    });
    after.update(env.beneficiary, |account| {
        account.balance += gas_used * U256::from(tip)
    });
    *state = after;
    Ok(execution)
}

/// The call inside a transaction, and the state after it.
fn call(
    state: &State,
    env: &mut BlockEnv<'_>,
    from: Address,
    tx: &L1Transaction,
) -> (Execution, State) {
    let floor = floor_gas(tx.input());
    let intrinsic = intrinsic_gas(tx);
    let failed = |reason, gas: u64| {
        let execution = Execution {
            reverted: Some(Reverted::new(reason)),
            gas_used: gas,
            logs: Vec::new(),
        };
        (execution, state.clone())
    };
    let TxKind::Call(to) = tx.kind() else {
        return failed(
            "this L1 runs no code and creates no contracts",
            tx.gas_limit(),
        );
    };

    let mut after = state.clone();
    after.update(from, |account| account.balance -= tx.value());
    after.update(to, |account| account.balance += tx.value());
    let call = Call {
        from,
        to,
        value: tx.value(),
        input: tx.input(),
    };
    let work = if is_contract(env.contracts, to) {
        CONTRACT_GAS
    } else {
        0
    };
    let mut deposit_gas = env.deposit_gas;
    match contracts::execute(env.contracts, &mut after, &mut deposit_gas, &call) {
        Ok(logs) => {
            let gas = (intrinsic + work + logs.iter().map(log_gas).sum::<u64>()).max(floor);
            if gas > tx.gas_limit() {
                return failed("out of gas", tx.gas_limit());
            }
            env.deposit_gas = deposit_gas;
            (
                Execution {
                    reverted: None,
                    gas_used: gas,
                    logs,
                },
                after,
            )
        }
        Err(reverted) => failed(
            reverted.reason,
            (intrinsic + work).max(floor).min(tx.gas_limit()),
        ),
    }
}

/// Gas that a call with enough of it would use.
///
/// # Errors
/// The call would revert.
pub(crate) fn estimate(
    state: &State,
    contracts: &L1Contracts,
    call: &Call<'_>,
) -> Result<u64, Reverted> {
    let mut after = state.clone();
    let logs = contracts::execute(contracts, &mut after, &mut 0, call)?;
    let work = if is_contract(contracts, call.to) {
        CONTRACT_GAS
    } else {
        0
    };
    let gas = BASE_GAS + tokens(call.input) * TOKEN_GAS + work;
    Ok((gas + logs.iter().map(log_gas).sum::<u64>()).max(floor_gas(call.input)))
}

fn is_contract(contracts: &L1Contracts, address: Address) -> bool {
    address == contracts.portal || address == contracts.system_config
}

/// The least gas limit with which a transaction is valid.
pub(crate) fn minimum_gas(tx: &L1Transaction) -> u64 {
    intrinsic_gas(tx).max(floor_gas(tx.input()))
}

/// The most that a transaction may cost its sender.
pub(crate) fn max_cost(tx: &L1Transaction) -> U256 {
    let gas = U256::from(tx.gas_limit()).saturating_mul(U256::from(tx.max_fee_per_gas()));
    let blob_gas = U256::from(tx.blob_gas_used().unwrap_or(0));
    let blobs = blob_gas.saturating_mul(U256::from(tx.max_fee_per_blob_gas().unwrap_or(0)));
    gas.saturating_add(blobs).saturating_add(tx.value())
}

fn intrinsic_gas(tx: &L1Transaction) -> u64 {
    let list = tx
        .access_list()
        .map(|list| list.0.as_slice())
        .unwrap_or_default();
    let keys = list
        .iter()
        .map(|item| item.storage_keys.len() as u64)
        .sum::<u64>();
    let (entry, key) = ACCESS_LIST_GAS;
    let create = if tx.is_create() {
        CREATE_GAS + 2 * (tx.input().len() as u64).div_ceil(32)
    } else {
        0
    };
    BASE_GAS + tokens(tx.input()) * TOKEN_GAS + list.len() as u64 * entry + keys * key + create
}

fn floor_gas(input: &[u8]) -> u64 {
    BASE_GAS + tokens(input) * FLOOR_TOKEN_GAS
}

fn tokens(input: &[u8]) -> u64 {
    input
        .iter()
        .map(|byte| if *byte == 0 { 1 } else { 4 })
        .sum()
}

fn log_gas(log: &Log) -> u64 {
    let (log_gas, topic, byte) = LOG_GAS;
    log_gas + topic * log.data.topics().len() as u64 + byte * log.data.data.len() as u64
}
