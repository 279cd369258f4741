//! Accounts of the L1 and the Merkle-Patricia trie over them. The state is tiny, so roots and proofs are built afresh;
//! snapshots share their accounts, so every block keeps its own.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_serde::JsonStorageKey;
use alloy_trie::{
    HashBuilder, KECCAK_EMPTY, Nibbles, TrieAccount,
    proof::{ProofNodes, ProofRetainer},
};
use imbl::OrdMap;
use std::{collections::BTreeMap, sync::Arc};

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Number of transactions sent.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Code; empty for accounts with a key.
    pub code: Bytes,
    /// Storage; zero values are absent.
    pub storage: BTreeMap<B256, U256>,
}

impl Account {
    /// An account that EIP-161 keeps out of the trie.
    fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code.is_empty()
    }

    fn code_hash(&self) -> B256 {
        if self.code.is_empty() {
            KECCAK_EMPTY
        } else {
            keccak256(&self.code)
        }
    }

    fn storage_leaves(&self) -> Leaves {
        let leaf = |(slot, value): (&B256, &U256)| {
            (
                keccak256(slot),
                alloy_rlp::encode_fixed_size(value).to_vec(),
            )
        };
        Leaves::new(self.storage.iter().map(leaf).collect())
    }

    fn trie_account(&self) -> TrieAccount {
        TrieAccount {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: self.storage_leaves().root(),
            code_hash: self.code_hash(),
        }
    }
}

/// All accounts at one block. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct State {
    accounts: OrdMap<Address, Arc<Account>>,
}

impl State {
    /// The account, if it exists.
    pub fn account(&self, address: &Address) -> Option<&Account> {
        self.accounts.get(address).map(AsRef::as_ref)
    }

    /// All accounts in order of their address.
    pub fn accounts(&self) -> impl Iterator<Item = (&Address, &Account)> {
        self.accounts
            .iter()
            .map(|(address, account)| (address, account.as_ref()))
    }

    /// Number of transactions sent by `address`.
    pub fn nonce(&self, address: &Address) -> u64 {
        self.account(address).map_or(0, |account| account.nonce)
    }

    /// Balance of `address` in wei.
    pub fn balance(&self, address: &Address) -> U256 {
        self.account(address)
            .map_or(U256::ZERO, |account| account.balance)
    }

    /// A storage word of `address`.
    pub fn storage(&self, address: &Address, slot: &B256) -> U256 {
        self.account(address)
            .and_then(|account| account.storage.get(slot))
            .copied()
            .unwrap_or_default()
    }

    /// Changes one account, creating it if need be and dropping it when nothing is left of it.
    pub(crate) fn update(&mut self, address: Address, change: impl FnOnce(&mut Account)) {
        let mut account = self.account(&address).cloned().unwrap_or_default();
        change(&mut account);
        account.storage.retain(|_, value| !value.is_zero());
        if account.is_empty() {
            self.accounts.remove(&address);
        } else {
            self.accounts.insert(address, Arc::new(account));
        }
    }

    /// Writes one storage word.
    pub(crate) fn set_storage(&mut self, address: Address, slot: B256, value: U256) {
        self.update(address, |account| {
            account.storage.insert(slot, value);
        });
    }

    /// The state root.
    pub fn root(&self) -> B256 {
        self.leaves().root()
    }

    /// Proof of an account, present or absent, and of some of its storage words, as `eth_getProof` answers it.
    pub fn proof(&self, address: Address, keys: &[JsonStorageKey]) -> EIP1186AccountProofResponse {
        let account = self.account(&address).cloned().unwrap_or_default();
        let (_, account_nodes) = self.leaves().prove(vec![keccak256(address)]);
        let hashed = keys
            .iter()
            .map(|key| keccak256(key.as_b256()))
            .collect::<Vec<_>>();
        let (storage_hash, storage_nodes) = account.storage_leaves().prove(hashed.clone());
        let storage_proof = keys.iter().zip(hashed).map(|(key, hash)| {
            let value = account
                .storage
                .get(&key.as_b256())
                .copied()
                .unwrap_or_default();
            EIP1186StorageProof::new(*key, value, path(&storage_nodes, hash))
        });
        EIP1186AccountProofResponse {
            address,
            balance: account.balance,
            code_hash: account.code_hash(),
            nonce: account.nonce,
            storage_hash,
            account_proof: path(&account_nodes, keccak256(address)),
            storage_proof: storage_proof.collect(),
        }
    }

    fn leaves(&self) -> Leaves {
        let leaf = |(address, account): (&Address, &Account)| {
            (
                keccak256(address),
                alloy_rlp::encode(account.trie_account()),
            )
        };
        Leaves::new(self.accounts().map(leaf).collect())
    }
}

/// The nodes on the way to `key`, root first. An empty trie has no nodes.
fn path(nodes: &ProofNodes, key: B256) -> Vec<Bytes> {
    let nodes = nodes.matching_nodes_sorted(&Nibbles::unpack(key));
    nodes.into_iter().map(|(_, node)| node).collect()
}

/// Hashed keys with their encoded values, in the order that a trie is built in.
struct Leaves(Vec<(B256, Vec<u8>)>);

impl Leaves {
    fn new(mut leaves: Vec<(B256, Vec<u8>)>) -> Self {
        leaves.sort_unstable_by_key(|(key, _)| *key);
        Self(leaves)
    }

    fn root(self) -> B256 {
        self.prove(Vec::new()).0
    }

    fn prove(self, targets: Vec<B256>) -> (B256, ProofNodes) {
        if self.0.is_empty() {
            return (alloy_trie::EMPTY_ROOT_HASH, ProofNodes::default());
        }
        let targets = targets.into_iter().map(Nibbles::unpack).collect();
        let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets));
        for (key, value) in self.0 {
            builder.add_leaf(Nibbles::unpack(key), &value);
        }
        (builder.root(), builder.take_proof_nodes())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_trie::proof::verify_proof;

    fn state() -> State {
        let mut state = State::default();
        for i in 1..=20u8 {
            state.update(Address::repeat_byte(i), |account| {
                account.balance = U256::from(i)
            });
        }
        for i in 1..=5u8 {
            state.set_storage(
                Address::repeat_byte(7),
                B256::repeat_byte(i),
                U256::from(i) << 200,
            );
        }
        state
    }

    #[test]
    fn roots_equal_those_of_the_reference_functions() {
        let state = state();
        let accounts = state.accounts().map(|(address, account)| {
            let storage = account.storage.iter().map(|(slot, value)| (*slot, *value));
            let storage_root = alloy_trie::root::storage_root_unhashed(storage);
            (
                *address,
                TrieAccount {
                    storage_root,
                    ..account.trie_account()
                },
            )
        });
        assert_eq!(
            state.root(),
            alloy_trie::root::state_root_unhashed(accounts)
        );
        assert_eq!(State::default().root(), alloy_trie::EMPTY_ROOT_HASH);
    }

    #[test]
    fn proofs_verify_for_present_and_absent_accounts_and_slots() {
        let state = state();
        for address in [
            Address::repeat_byte(7),
            Address::repeat_byte(9),
            Address::repeat_byte(99),
        ] {
            let keys = [1, 4, 77].map(|byte| JsonStorageKey::Hash(B256::repeat_byte(byte)));
            let proof = state.proof(address, &keys);
            let account = state
                .account(&address)
                .map(|a| alloy_rlp::encode(a.trie_account()));
            let key = Nibbles::unpack(keccak256(address));
            verify_proof(state.root(), key, account, &proof.account_proof).unwrap();
            for word in proof.storage_proof {
                let key = Nibbles::unpack(keccak256(word.key.as_b256()));
                let value = (!word.value.is_zero()).then(|| alloy_rlp::encode(word.value));
                verify_proof(proof.storage_hash, key, value, &word.proof).unwrap();
            }
        }
    }

    #[test]
    fn an_account_that_becomes_empty_leaves_the_trie() {
        let mut state = state();
        let root = state.root();
        state.update(Address::repeat_byte(50), |account| {
            account.balance = U256::from(1)
        });
        assert_ne!(state.root(), root);
        state.update(Address::repeat_byte(50), |account| {
            account.balance = U256::ZERO
        });
        assert_eq!(state.root(), root);
    }
}
