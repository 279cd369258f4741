//! Transactions that wait for a block. Checks and messages follow geth's pool, because batchers and wallets branch on
//! them; everything is bounded, and nothing here is verified by KZG.

mod error;

use crate::{
    chain::{L1Transaction, max_cost, minimum_gas},
    state::State,
};
use alloy_consensus::{
    EthereumTxEnvelope, Transaction, TxEip4844WithSidecar, TxType,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{
    eip2718::Decodable2718, eip7594::BlobTransactionSidecarVariant, eip7840::BlobParams,
};
use alloy_primitives::{Address, B256};
use std::collections::{BTreeMap, HashMap, HashSet};

pub use error::PoolError;

/// Most transactions that wait at a time; ten full blocks of transfers would be more than a devnet ever holds.
const MAX_TRANSACTIONS: usize = 4_096;
/// Most bytes that wait at a time, blobs included.
const MAX_BYTES: usize = 64 << 20;
/// How far a nonce may lie ahead of the account's.
const MAX_NONCE_GAP: u64 = 256;
/// Longest transaction without its blobs; geth's bound.
const MAX_TRANSACTION_BYTES: usize = 128 << 10;
/// A replacement must offer this much more of each fee, in percent.
const PRICE_BUMP_PERCENT: u128 = 10;

/// A transaction as it comes over the network: blob transactions with their blobs.
pub(crate) type NetworkTransaction =
    EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarVariant>>;

/// A waiting transaction.
#[derive(Clone, Debug)]
pub(crate) struct PoolTransaction {
    pub(crate) tx: Recovered<L1Transaction>,
    /// Its blobs; absent when it comes back from a block that a reorg dropped.
    pub(crate) sidecar: Option<BlobTransactionSidecarVariant>,
    size: usize,
    arrival: u64,
}

impl PoolTransaction {
    /// Decodes the network form and checks what needs no state.
    pub(crate) fn decode(bytes: &[u8], chain_id: u64) -> Result<Self, PoolError> {
        let network =
            NetworkTransaction::decode_2718_exact(bytes).map_err(|error| PoolError::Malformed {
                cause: error.to_string(),
            })?;
        let (tx, sidecar) = split_sidecar(network)?;
        let blob_bytes = sidecar
            .as_ref()
            .map_or(0, BlobTransactionSidecarVariant::size);
        let size = tx.eip2718_encoded_length();
        if size > MAX_TRANSACTION_BYTES {
            return Err(PoolError::Oversized { size });
        }
        if tx.chain_id() != Some(chain_id) {
            return Err(PoolError::ChainId {
                have: tx.chain_id(),
                want: chain_id,
            });
        }
        if tx
            .max_priority_fee_per_gas()
            .is_some_and(|tip| tip > tx.max_fee_per_gas())
        {
            return Err(PoolError::TipAboveFee);
        }
        let sender = tx.recover_signer().map_err(|_| PoolError::InvalidSender)?;
        let tx = Recovered::new_unchecked(tx, sender);
        Ok(Self {
            tx,
            sidecar,
            size: size + blob_bytes,
            arrival: 0,
        })
    }

    /// A transaction of a dropped block.
    pub(crate) fn returned(tx: Recovered<L1Transaction>) -> Self {
        let size = tx.eip2718_encoded_length();
        Self {
            tx,
            sidecar: None,
            size,
            arrival: 0,
        }
    }

    /// True if it pays enough more than the one that it would replace.
    fn outbids(&self, other: &Self) -> bool {
        let enough = |new: u128, old: u128| {
            new.saturating_mul(100) >= old.saturating_mul(100 + PRICE_BUMP_PERCENT)
        };
        enough(self.tx.max_fee_per_gas(), other.tx.max_fee_per_gas())
            && enough(
                self.tx.priority_fee_or_price(),
                other.tx.priority_fee_or_price(),
            )
    }
}

fn split_sidecar(
    network: NetworkTransaction,
) -> Result<(L1Transaction, Option<BlobTransactionSidecarVariant>), PoolError> {
    let sidecar = match &network {
        EthereumTxEnvelope::Eip4844(signed) => {
            let (tx, sidecar) = (&signed.tx().tx, &signed.tx().sidecar);
            let (count, max) = (
                tx.blob_versioned_hashes.len() as u64,
                BlobParams::prague().max_blob_count,
            );
            if count == 0 || count > max {
                return Err(PoolError::BlobCount { count, max });
            }
            let complete = sidecar.blobs().len() as u64 == count;
            if !complete
                || !sidecar
                    .versioned_hashes()
                    .eq(tx.blob_versioned_hashes.iter().copied())
            {
                return Err(PoolError::Sidecar);
            }
            Some(sidecar.clone())
        }
        _ => None,
    };
    if network.tx_type() == TxType::Eip7702 {
        return Err(PoolError::UnsupportedType);
    }
    Ok((network.into(), sidecar))
}

/// The waiting transactions by sender and nonce.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    senders: BTreeMap<Address, BTreeMap<u64, PoolTransaction>>,
    hashes: HashMap<B256, (Address, u64)>,
    bytes: usize,
    arrivals: u64,
}

impl Pool {
    /// Takes a transaction in, against the state of the head.
    pub(crate) fn add(
        &mut self,
        mut pooled: PoolTransaction,
        state: &State,
        block_gas_limit: u64,
    ) -> Result<B256, PoolError> {
        let (sender, hash) = (pooled.tx.signer(), *pooled.tx.tx_hash());
        if self.hashes.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown);
        }
        check_against_state(&pooled.tx, state, block_gas_limit)?;
        let nonce = pooled.tx.nonce();
        let replaced = self
            .senders
            .get(&sender)
            .and_then(|waiting| waiting.get(&nonce));
        if replaced.is_some_and(|old| !pooled.outbids(old)) {
            return Err(PoolError::Underpriced);
        }
        let freed = replaced.map_or(0, |old| old.size);
        let count = self.hashes.len() - usize::from(replaced.is_some());
        if count >= MAX_TRANSACTIONS || self.bytes - freed + pooled.size > MAX_BYTES {
            return Err(PoolError::Full);
        }
        self.remove(sender, nonce);
        self.arrivals += 1;
        pooled.arrival = self.arrivals;
        self.bytes += pooled.size;
        self.hashes.insert(hash, (sender, nonce));
        self.senders
            .entry(sender)
            .or_default()
            .insert(nonce, pooled);
        Ok(hash)
    }

    /// The transaction that pays best among the next ones of all senders but `skipped`; the older one when equal.
    pub(crate) fn best(
        &self,
        state: &State,
        base_fee: u64,
        skipped: &HashSet<Address>,
    ) -> Option<&PoolTransaction> {
        self.senders
            .iter()
            .filter(|(sender, _)| !skipped.contains(*sender))
            .filter_map(|(sender, waiting)| waiting.get(&state.nonce(sender)))
            .max_by_key(|pooled| {
                let tip = pooled.tx.effective_tip_per_gas(base_fee);
                (tip, std::cmp::Reverse(pooled.arrival))
            })
    }

    /// Takes a transaction out.
    pub(crate) fn remove(&mut self, sender: Address, nonce: u64) -> Option<PoolTransaction> {
        let waiting = self.senders.get_mut(&sender)?;
        let removed = waiting.remove(&nonce)?;
        if waiting.is_empty() {
            self.senders.remove(&sender);
        }
        self.hashes.remove(removed.tx.tx_hash());
        self.bytes -= removed.size;
        Some(removed)
    }

    /// Drops what can never be mined any more.
    pub(crate) fn prune(&mut self, state: &State) {
        let stale = self
            .senders
            .iter()
            .flat_map(|(sender, waiting)| {
                waiting
                    .range(..state.nonce(sender))
                    .map(|(nonce, _)| (*sender, *nonce))
            })
            .collect::<Vec<_>>();
        for (sender, nonce) in stale {
            self.remove(sender, nonce);
        }
    }

    /// The nonce after all waiting transactions of `sender` that follow each other without a gap.
    pub(crate) fn next_nonce(&self, state: &State, sender: &Address) -> u64 {
        let next = state.nonce(sender);
        let Some(waiting) = self.senders.get(sender) else {
            return next;
        };
        waiting
            .range(next..)
            .zip(next..)
            .take_while(|((nonce, _), want)| **nonce == *want)
            .count() as u64
            + next
    }

    /// How many transactions wait for a block and nothing else: none with a lower nonce is missing.
    pub(crate) fn ready(&self, state: &State) -> u64 {
        self.senders
            .keys()
            .map(|sender| self.next_nonce(state, sender) - state.nonce(sender))
            .sum()
    }

    /// A waiting transaction.
    pub(crate) fn get(&self, hash: &B256) -> Option<&PoolTransaction> {
        let (sender, nonce) = self.hashes.get(hash)?;
        self.senders.get(sender)?.get(nonce)
    }

    /// How many transactions wait.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }
}

fn check_against_state(
    tx: &Recovered<L1Transaction>,
    state: &State,
    block_gas_limit: u64,
) -> Result<(), PoolError> {
    if tx.gas_limit() > block_gas_limit {
        return Err(PoolError::GasLimit);
    }
    let minimum = minimum_gas(tx.inner());
    if tx.gas_limit() < minimum {
        return Err(PoolError::IntrinsicGas {
            gas: tx.gas_limit(),
            minimum,
        });
    }
    let (next, nonce) = (state.nonce(&tx.signer()), tx.nonce());
    if nonce < next {
        return Err(PoolError::NonceTooLow { next, nonce });
    }
    if nonce - next > MAX_NONCE_GAP {
        return Err(PoolError::NonceTooHigh { next, nonce });
    }
    let (balance, cost) = (state.balance(&tx.signer()), max_cost(tx.inner()));
    if cost > balance {
        return Err(PoolError::Funds { balance, cost });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
