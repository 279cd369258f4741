//! The world state after one block. Accounts, code and tries are persistent structures, so a block's state is a clone of
//! its parent's (O(1)) plus the accounts that the block touched: keeping every recent state is cheap, a reorg needs no
//! undo, and `eth_call` or `eth_getProof` at an old block read that block's own state.

use crate::trie::Trie;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::TrieAccount;
use revm::{
    DatabaseRef,
    bytecode::Bytecode,
    database::{BundleAccount, BundleState},
    state::AccountInfo,
};
use std::convert::Infallible;
use thiserror::Error;

/// How many ancestors `BLOCKHASH` can see.
const VISIBLE_BLOCK_HASHES: u64 = 256;

/// An account with its storage.
#[derive(Clone, Debug)]
pub struct Account {
    nonce: u64,
    balance: U256,
    code_hash: B256,
    storage: imbl::HashMap<U256, U256>,
    storage_trie: Trie,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: KECCAK256_EMPTY,
            storage: imbl::HashMap::new(),
            storage_trie: Trie::default(),
        }
    }
}

impl Account {
    /// Number of transactions sent, or of contracts created.
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Balance in wei.
    pub const fn balance(&self) -> U256 {
        self.balance
    }

    /// Hash of the code; the hash of nothing for an account without code.
    pub const fn code_hash(&self) -> B256 {
        self.code_hash
    }

    /// The value of a storage slot; zero where nothing is stored.
    pub fn storage(&self, slot: U256) -> U256 {
        self.storage.get(&slot).copied().unwrap_or_default()
    }

    /// Root of the storage trie.
    pub fn storage_root(&self) -> B256 {
        self.storage_trie.root()
    }

    fn set_storage(&mut self, slot: U256, value: U256) {
        let key = keccak256(B256::from(slot));
        if value.is_zero() {
            self.storage.remove(&slot);
            self.storage_trie.remove(key);
        } else {
            self.storage.insert(slot, value);
            self.storage_trie.insert(key, alloy_rlp::encode(value));
        }
    }

    fn trie_account(&self) -> TrieAccount {
        TrieAccount {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: self.storage_root(),
            code_hash: self.code_hash,
        }
    }
}

/// The state after one block. Cloning is O(1).
#[derive(Clone, Debug, Default)]
pub struct StateSnapshot {
    accounts: imbl::HashMap<Address, Account>,
    codes: imbl::HashMap<B256, Bytecode>,
    block_hashes: imbl::OrdMap<u64, B256>,
    trie: Trie,
}

/// An account's code is no EVM code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the code of account {address} is malformed")]
pub struct AccountError {
    /// Whose code.
    pub address: Address,
}

impl StateSnapshot {
    /// The state that a genesis file describes.
    pub(crate) fn from_genesis(genesis: &Genesis) -> Result<Self, AccountError> {
        let mut state = Self::default();
        for (address, entry) in &genesis.alloc {
            let mut account = Account {
                nonce: entry.nonce.unwrap_or_default(),
                balance: entry.balance,
                ..Account::default()
            };
            if let Some(code) = entry.code.as_ref().filter(|code| !code.is_empty()) {
                account.code_hash = keccak256(code);
                let code = Bytecode::new_raw_checked(code.clone())
                    .map_err(|_| AccountError { address: *address })?;
                state.codes.insert(account.code_hash, code);
            }
            for (slot, value) in entry.storage.iter().flatten() {
                account.set_storage((*slot).into(), (*value).into());
            }
            state.put(*address, account);
        }
        Ok(state)
    }

    /// This state after the changes of a block.
    pub(crate) fn with_changes(&self, changes: &BundleState) -> Self {
        let mut next = self.clone();
        for (hash, code) in &changes.contracts {
            next.codes.insert(*hash, code.clone());
        }
        for (address, change) in &changes.state {
            next.change_account(*address, change);
        }
        next
    }

    /// Makes the hash of a block visible to its descendants.
    pub(crate) fn remember_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
        if let Some(invisible) = number.checked_sub(VISIBLE_BLOCK_HASHES) {
            self.block_hashes.remove(&invisible);
        }
    }

    /// The state root.
    pub fn root(&self) -> B256 {
        self.trie.root()
    }

    /// The account at `address`; `None` if there is none.
    pub fn account(&self, address: &Address) -> Option<&Account> {
        self.accounts.get(address)
    }

    /// Nonce of the account; zero if there is none.
    pub fn nonce(&self, address: &Address) -> u64 {
        self.account(address).map_or(0, Account::nonce)
    }

    /// Balance of the account in wei; zero if there is none.
    pub fn balance(&self, address: &Address) -> U256 {
        self.account(address).map_or(U256::ZERO, Account::balance)
    }

    /// Code of the account; empty if there is none.
    pub fn code(&self, address: &Address) -> Bytes {
        self.account(address)
            .and_then(|account| self.codes.get(&account.code_hash))
            .map(Bytecode::original_bytes)
            .unwrap_or_default()
    }

    /// Value of a storage slot; zero if there is none.
    pub fn storage(&self, address: &Address, slot: U256) -> U256 {
        self.account(address)
            .map_or(U256::ZERO, |account| account.storage(slot))
    }

    /// Storage root of the account; the empty root if there is none.
    pub fn storage_root(&self, address: &Address) -> B256 {
        self.account(address)
            .map_or(alloy_trie::EMPTY_ROOT_HASH, Account::storage_root)
    }

    /// Trie nodes that prove the account, or its absence, against [`Self::root`].
    pub fn account_proof(&self, address: &Address) -> Vec<Bytes> {
        self.trie.prove(keccak256(address))
    }

    /// Trie nodes that prove a slot, or its absence, against the account's storage root.
    pub fn storage_proof(&self, address: &Address, slot: U256) -> Vec<Bytes> {
        self.account(address).map_or_else(Vec::new, |account| {
            account.storage_trie.prove(keccak256(B256::from(slot)))
        })
    }

    fn change_account(&mut self, address: Address, change: &BundleAccount) {
        let Some(info) = &change.info else {
            self.drop_account(&address);
            return;
        };
        let mut account = self.accounts.get(&address).cloned().unwrap_or_default();
        if change.status.was_destroyed() {
            account.storage.clear();
            account.storage_trie = Trie::default();
        }
        for (slot, value) in &change.storage {
            account.set_storage(*slot, value.present_value);
        }
        // An account that was touched and left empty does not exist (EIP-161).
        if info.is_empty() && account.storage.is_empty() {
            self.drop_account(&address);
            return;
        }
        account.nonce = info.nonce;
        account.balance = info.balance;
        account.code_hash = info.code_hash;
        self.put(address, account);
    }

    fn put(&mut self, address: Address, account: Account) {
        self.trie.insert(
            keccak256(address),
            alloy_rlp::encode(account.trie_account()),
        );
        self.accounts.insert(address, account);
    }

    fn drop_account(&mut self, address: &Address) {
        self.accounts.remove(address);
        self.trie.remove(keccak256(address));
    }
}

impl DatabaseRef for StateSnapshot {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.account(&address).map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            // Loaded by hash when the EVM needs it; the default would be "no code", not "not loaded".
            code: None,
            account_id: None,
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.codes.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.storage(&address, slot))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(self.block_hashes.get(&number).copied().unwrap_or_default())
    }
}
