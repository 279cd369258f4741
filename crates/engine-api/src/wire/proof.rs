//! The account part of `eth_getProof`, verified against a state root.

use super::malformed;
use crate::ElError;
use alloy_consensus::constants::{EMPTY_ROOT_HASH, KECCAK_EMPTY};
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use serde::Deserialize;

/// An account as the EL claims it to be, with its proof.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountProof {
    balance: U256,
    nonce: U64,
    code_hash: B256,
    storage_hash: B256,
    account_proof: Vec<Bytes>,
}

impl AccountProof {
    /// The storage root of `address`, if the proof holds under `state_root`. An account that provably does not exist has
    /// the empty root.
    pub(crate) fn storage_root(
        self,
        method: &'static str,
        address: Address,
        state_root: B256,
    ) -> Result<B256, ElError> {
        let account = TrieAccount {
            nonce: self.nonce.to(),
            balance: self.balance,
            storage_root: self.storage_hash,
            code_hash: self.code_hash,
        };
        // An absent account is answered with zeros by some ELs and with the hashes of nothing by others.
        let is_absent = account.nonce == 0
            && account.balance.is_zero()
            && [B256::ZERO, KECCAK_EMPTY].contains(&account.code_hash)
            && [B256::ZERO, EMPTY_ROOT_HASH].contains(&account.storage_root);
        let (expected, root) = if is_absent {
            (None, EMPTY_ROOT_HASH)
        } else {
            (Some(alloy_rlp::encode(account)), account.storage_root)
        };
        let key = Nibbles::unpack(keccak256(address));
        verify_proof(state_root, key, expected, &self.account_proof).map_err(|error| {
            malformed(method, &format!("the account proof does not hold: {error}"))
        })?;
        Ok(root)
    }
}
