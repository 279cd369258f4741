//! The rollup's contracts, emulated: there is no EVM, so a transaction to one of them runs the rule written here and
//! leaves the logs and the storage that the real contract would leave.

pub mod abi;
mod portal;
mod system_config;

use crate::{config::L1Contracts, state::State};
use alloy_primitives::{Address, Bytes, Log, U256};
use alloy_sol_types::{Revert, SolError};
use thiserror::Error;

pub(crate) use system_config::initial_storage;
pub use {
    portal::{MAX_DEPOSIT_GAS_PER_BLOCK, deposit_calldata, minimum_deposit_gas},
    system_config::UNSAFE_BLOCK_SIGNER_SLOT,
};

/// Code of an emulated contract: one invalid instruction, so that callers see a contract and a real EVM would refuse it.
pub(crate) const EMULATED_CODE: [u8; 1] = [0xfe];

/// A message to an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// Who calls; always an account with a key, because no code runs here.
    pub(crate) from: Address,
    /// Who is called.
    pub(crate) to: Address,
    /// Wei sent along.
    pub(crate) value: U256,
    /// Calldata.
    pub(crate) input: &'a [u8],
}

/// A contract refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("execution reverted: {reason}")]
pub struct Reverted {
    /// The rule that the call broke.
    pub reason: &'static str,
}

impl Reverted {
    pub(crate) const fn new(reason: &'static str) -> Self {
        Self { reason }
    }

    /// The revert data that Solidity's `require` would return.
    pub fn data(&self) -> Bytes {
        Revert::from(self.reason).abi_encode().into()
    }
}

/// Runs a call whose value has been transferred, and returns the logs. Accounts without code accept everything.
/// `deposit_gas` counts the L2 gas bought by deposits in this block.
pub(crate) fn execute(
    contracts: &L1Contracts,
    state: &mut State,
    deposit_gas: &mut u64,
    call: &Call<'_>,
) -> Result<Vec<Log>, Reverted> {
    if call.to == contracts.portal {
        portal::execute(contracts, deposit_gas, call)
    } else if call.to == contracts.system_config {
        system_config::execute(contracts, state, call)
    } else {
        Ok(Vec::new())
    }
}

/// Answers a read-only call: getters from storage, empty data from accounts without code. `None` when the contract has
/// no such getter.
pub(crate) fn view(
    contracts: &L1Contracts,
    state: &State,
    to: Address,
    input: &[u8],
) -> Option<Bytes> {
    if to == contracts.portal {
        portal::view(contracts, input)
    } else if to == contracts.system_config {
        system_config::view(contracts, state, input)
    } else {
        Some(Bytes::new())
    }
}

#[cfg(test)]
mod tests;
