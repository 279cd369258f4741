//! Transactions that wait for a block. They are kept by sender and nonce, offered in order of what they pay, and leave when
//! they are mined or can never be. Nothing else removes a transaction, so the pool is bounded by count, by bytes and per
//! sender, and a full pool refuses.

mod da_limits;
mod error;

pub use da_limits::DaLimits;
pub use error::PoolError;

use crate::{
    chain::ChainView,
    execution::{ExecutedBlock, decode_transaction},
    state::StateSnapshot,
};
use alloy_consensus::{Transaction, transaction::Recovered};
use alloy_eips::{Encodable2718, eip7825::MAX_TX_GAS_LIMIT_OSAKA};
use alloy_primitives::{Address, B256, TxKind, U256};
use op_alloy_consensus::OpTxEnvelope;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

/// How much a pool holds.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Most transactions.
    pub max_transactions: usize,
    /// Most transactions of one sender.
    pub max_transactions_per_sender: usize,
    /// Most bytes of all encoded transactions.
    pub max_bytes: usize,
    /// Most bytes of one encoded transaction.
    pub max_transaction_bytes: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            max_transactions: 4096,
            max_transactions_per_sender: 1024,
            max_bytes: 32 * 1024 * 1024,
            max_transaction_bytes: 128 * 1024,
        }
    }
}

/// By how many percent a replacement must pay more, as in geth.
const REPLACEMENT_BUMP_PERCENT: u128 = 10;

#[derive(Debug)]
struct PoolTransaction {
    transaction: Recovered<OpTxEnvelope>,
    size_bytes: usize,
}

/// The waiting transactions.
#[derive(Debug)]
pub struct TransactionPool {
    limits: PoolLimits,
    by_sender: HashMap<Address, BTreeMap<u64, PoolTransaction>>,
    by_hash: HashMap<B256, (Address, u64)>,
    bytes: usize,
    generation: u64,
    da_limits: DaLimits,
}

impl TransactionPool {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            by_sender: HashMap::new(),
            by_hash: HashMap::new(),
            bytes: 0,
            generation: 0,
            da_limits: DaLimits::default(),
        }
    }

    /// Grows with every transaction that is added, and with every change of what a block may hold.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Forgets every transaction.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            generation: self.generation + 1,
            da_limits: self.da_limits,
            ..Self::new(self.limits)
        };
    }

    /// Limits what the next blocks bring to L1.
    pub fn set_da_limits(&mut self, limits: DaLimits) {
        if self.da_limits != limits {
            self.da_limits = limits;
            self.generation += 1;
        }
    }

    /// Number of waiting transactions.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// A waiting transaction.
    pub fn get(&self, hash: &B256) -> Option<&Recovered<OpTxEnvelope>> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        Some(&self.by_sender.get(sender)?.get(nonce)?.transaction)
    }

    /// The waiting transactions of every sender in nonce order.
    pub fn transactions(&self) -> impl Iterator<Item = &Recovered<OpTxEnvelope>> {
        self.by_sender
            .values()
            .flat_map(BTreeMap::values)
            .map(|waiting| &waiting.transaction)
    }

    /// The nonce of the next transaction of `sender` after those that wait without a gap (`eth_getTransactionCount` at
    /// `pending`).
    pub fn next_nonce(&self, sender: &Address, state: &StateSnapshot) -> u64 {
        let mut next = state.nonce(sender);
        if let Some(waiting) = self.by_sender.get(sender) {
            while waiting.contains_key(&next) {
                next += 1;
            }
        }
        next
    }

    /// Adds an encoded transaction if it could be executed on the head of `view`, now or after others of its sender.
    ///
    /// # Errors
    ///
    /// Why the transaction is refused.
    pub(crate) fn add(&mut self, raw: &[u8], view: &ChainView) -> Result<B256, PoolError> {
        if raw.len() > self.limits.max_transaction_bytes {
            return Err(PoolError::TooLarge {
                bytes: raw.len(),
                limit: self.limits.max_transaction_bytes,
            });
        }
        self.insert(decode_transaction(raw)?, raw.len(), view)
    }

    /// Takes the transactions of a block that is canonical no more back in, as far as they still fit.
    pub(crate) fn restore(&mut self, block: &ExecutedBlock, view: &ChainView) {
        let transactions = block.block.body.transactions.iter().zip(&block.senders);
        for (transaction, sender) in transactions.filter(|(one, _)| !one.is_deposit()) {
            let size_bytes = transaction.encode_2718_len();
            let transaction = Recovered::new_unchecked(transaction.clone(), *sender);
            // Refused: it was mined on the new chain, too, or its sender has no money there.
            let _ = self.insert(transaction, size_bytes, view);
        }
    }

    /// Drops what the state after the new head has made impossible.
    pub(crate) fn head_changed(&mut self, state: &StateSnapshot) {
        let mut gone = Vec::new();
        for (sender, waiting) in &self.by_sender {
            let (nonce, balance) = (state.nonce(sender), state.balance(sender));
            gone.extend(
                waiting
                    .iter()
                    .filter(|(at, one)| **at < nonce || highest_cost(&one.transaction) > balance)
                    .map(|(at, _)| (*sender, *at)),
            );
        }
        for (sender, nonce) in gone {
            self.remove(sender, nonce);
        }
    }

    /// Drops transactions that turned out invalid when a block was built.
    pub(crate) fn drop_rejected(&mut self, hashes: &[B256]) {
        for hash in hashes {
            if let Some((sender, nonce)) = self.by_hash.get(hash).copied() {
                self.remove(sender, nonce);
            }
        }
    }

    /// What a block of `base_fee` on `state` should hold: always the transaction that tips most among the next ones of all
    /// senders. One that the DA limits keep out holds back those that follow it.
    pub(crate) fn best(
        &self,
        base_fee: u64,
        state: &StateSnapshot,
    ) -> Vec<Recovered<OpTxEnvelope>> {
        let mut next = BTreeSet::new();
        let candidate = |sender: Address, nonce: u64| {
            let waiting = self.by_sender.get(&sender)?.get(&nonce)?;
            let tip = waiting.transaction.effective_tip_per_gas(base_fee)?;
            Some((Reverse(tip), sender, nonce))
        };
        for sender in self.by_sender.keys() {
            next.extend(candidate(*sender, state.nonce(sender)));
        }
        let (mut best, mut da_bytes) = (Vec::with_capacity(self.len()), 0);
        while let Some((_, sender, nonce)) = next.pop_first() {
            let waiting = self.by_sender.get(&sender).and_then(|own| own.get(&nonce));
            let fitting = waiting
                .map(|waiting| &waiting.transaction)
                .filter(|transaction| self.da_limits.admit(transaction, &mut da_bytes));
            if let Some(transaction) = fitting {
                best.push(transaction.clone());
                next.extend(candidate(sender, nonce + 1));
            }
        }
        best
    }

    fn insert(
        &mut self,
        transaction: Recovered<OpTxEnvelope>,
        size_bytes: usize,
        view: &ChainView,
    ) -> Result<B256, PoolError> {
        let hash = transaction.tx_hash();
        if self.by_hash.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown);
        }
        check_against_head(&transaction, view)?;
        let (sender, nonce) = (transaction.signer(), transaction.nonce());
        if let Some(present) = self.by_sender.get(&sender).and_then(|own| own.get(&nonce)) {
            check_replacement(&present.transaction, &transaction)?;
            self.remove(sender, nonce);
        } else {
            let own = self.by_sender.get(&sender).map_or(0, BTreeMap::len);
            if own >= self.limits.max_transactions_per_sender {
                return Err(PoolError::TooManyOfSender);
            }
            if self.len() >= self.limits.max_transactions
                || self.bytes + size_bytes > self.limits.max_bytes
            {
                return Err(PoolError::Full);
            }
        }
        self.bytes += size_bytes;
        self.generation += 1;
        self.by_hash.insert(hash, (sender, nonce));
        let waiting = PoolTransaction {
            transaction,
            size_bytes,
        };
        self.by_sender
            .entry(sender)
            .or_default()
            .insert(nonce, waiting);
        Ok(hash)
    }

    fn remove(&mut self, sender: Address, nonce: u64) {
        let Some(own) = self.by_sender.get_mut(&sender) else {
            return;
        };
        if let Some(removed) = own.remove(&nonce) {
            self.bytes -= removed.size_bytes;
            self.by_hash.remove(&removed.transaction.tx_hash());
        }
        if own.is_empty() {
            self.by_sender.remove(&sender);
        }
    }
}

/// What the transaction takes from its sender at most, without the L1 data fee, which is known only in a block.
fn highest_cost(transaction: &OpTxEnvelope) -> U256 {
    let gas = U256::from(transaction.gas_limit()) * U256::from(transaction.max_fee_per_gas());
    gas.saturating_add(transaction.value())
}

fn check_against_head(
    transaction: &Recovered<OpTxEnvelope>,
    view: &ChainView,
) -> Result<(), PoolError> {
    if transaction.is_deposit() {
        return Err(PoolError::Deposit);
    }
    let chain_id = view.spec().chain_id();
    if let Some(given) = transaction.chain_id()
        && given != chain_id
    {
        return Err(PoolError::WrongChainId {
            given,
            expected: chain_id,
        });
    }
    let head = view.head().header();
    let limit = if view.spec().is_karst(head.timestamp) {
        head.gas_limit.min(MAX_TX_GAS_LIMIT_OSAKA)
    } else {
        head.gas_limit
    };
    let gas_limit = transaction.gas_limit();
    if gas_limit > limit {
        return Err(PoolError::GasLimitTooHigh { gas_limit, limit });
    }
    let least = least_gas(transaction);
    if gas_limit < least {
        return Err(PoolError::IntrinsicGas { gas_limit, least });
    }
    if transaction.max_priority_fee_per_gas() > Some(transaction.max_fee_per_gas()) {
        return Err(PoolError::TipAboveFeeCap);
    }
    let state = view.head_state();
    let sender = transaction.signer_ref();
    let next = state.nonce(sender);
    if transaction.nonce() < next {
        return Err(PoolError::NonceTooLow {
            nonce: transaction.nonce(),
            next,
        });
    }
    let (cost, balance) = (highest_cost(transaction), state.balance(sender));
    if cost > balance {
        return Err(PoolError::InsufficientFunds { cost, balance });
    }
    Ok(())
}

/// A lower bound of what execution charges before the first opcode; the block builder finds the rest.
fn least_gas(transaction: &OpTxEnvelope) -> u64 {
    let base: u64 = if transaction.kind() == TxKind::Create {
        53_000
    } else {
        21_000
    };
    let input_bytes = u64::try_from(transaction.input().len()).unwrap_or(u64::MAX);
    base.saturating_add(input_bytes.saturating_mul(4))
}

fn check_replacement(present: &OpTxEnvelope, new: &OpTxEnvelope) -> Result<(), PoolError> {
    let is_bumped = |before: u128, after: u128| {
        after.saturating_mul(100) >= before.saturating_mul(100 + REPLACEMENT_BUMP_PERCENT)
    };
    let tip = |one: &OpTxEnvelope| {
        one.max_priority_fee_per_gas()
            .unwrap_or_else(|| one.max_fee_per_gas())
    };
    if is_bumped(present.max_fee_per_gas(), new.max_fee_per_gas())
        && is_bumped(tip(present), tip(new))
    {
        Ok(())
    } else {
        Err(PoolError::ReplacementUnderpriced)
    }
}

#[cfg(test)]
mod tests;
