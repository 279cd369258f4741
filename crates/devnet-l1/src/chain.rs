//! The chain itself, without clock or network: blocks are mined into slots on request, a reorg replaces the last ones,
//! and blocks that were once part of the chain stay known by hash.

mod blobs;
mod block;
mod execution;
mod labels;
mod mining;
mod reorg;

use crate::{
    config::L1SimConfig,
    genesis,
    pool::{Pool, PoolError, PoolTransaction},
};
use alloy_consensus::{Header, Transaction, transaction::Recovered};
use alloy_eips::{
    BlockId, BlockNumberOrTag, eip1559::BaseFeeParams, eip4844::Blob, eip7840::BlobParams,
};
use alloy_primitives::{Address, B256};
use light_node_protocol::L1BlockRef;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

pub(crate) use execution::{estimate, max_cost, minimum_gas};
pub use {
    block::{L1Block, L1Transaction},
    labels::LabelError,
    reorg::{Reorg, ReorgError},
};

use {blobs::BlobStore, labels::Labels};

/// Most blocks that one command may mine.
pub const MAX_BLOCKS_PER_COMMAND: u64 = 1_000;

/// The heads of the L1, published on every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Heads {
    /// The head.
    pub latest: L1BlockRef,
    /// The safe block, once the chain is longer than its lag.
    pub safe: Option<L1BlockRef>,
    /// The finalized block, once the chain is longer than its lag.
    pub finalized: Option<L1BlockRef>,
    /// How many reorgs there have been; whoever sees it grow must check what it knows by number.
    pub reorgs: u64,
}

/// Blocks, labels, and the transactions that wait.
#[derive(Debug)]
pub struct Chain {
    config: L1SimConfig,
    /// By number.
    canonical: Vec<Arc<L1Block>>,
    by_hash: HashMap<B256, Arc<L1Block>>,
    /// Dropped blocks, oldest first.
    orphans: VecDeque<B256>,
    /// Block number and index of every transaction in the chain.
    transactions: HashMap<B256, (u64, usize)>,
    blobs: BlobStore,
    labels: Labels,
    pool: Pool,
    /// Counts reorgs and makes the hashes of branches differ.
    branch: u64,
}

impl Chain {
    /// A chain with nothing but block 0.
    pub fn new(config: L1SimConfig) -> Self {
        let state = genesis::state(&config);
        let header = genesis::header(&config, &state);
        let genesis = Arc::new(L1Block {
            hash: header.hash_slow(),
            slot: 0,
            header,
            transactions: Vec::new(),
            receipts: Vec::new(),
            state,
        });
        let mut labels = Labels::new(config.safe_lag, config.finalized_lag);
        labels.advance(0);
        Self {
            config,
            by_hash: HashMap::from([(genesis.hash, genesis.clone())]),
            canonical: vec![genesis],
            orphans: VecDeque::new(),
            transactions: HashMap::new(),
            blobs: BlobStore::default(),
            labels,
            pool: Pool::default(),
            branch: 0,
        }
    }

    /// What the chain was made of.
    pub const fn config(&self) -> &L1SimConfig {
        &self.config
    }

    /// The head.
    pub fn head(&self) -> &Arc<L1Block> {
        self.canonical.last().expect("block 0 is never removed")
    }

    /// The heads as others see them.
    pub fn heads(&self) -> L1Heads {
        let block = |number| self.block_by_number(number).map(|block| block.reference());
        L1Heads {
            latest: self.head().reference(),
            safe: self.labels.safe.and_then(block),
            finalized: self.labels.finalized.and_then(block),
            reorgs: self.branch,
        }
    }

    /// A block of the chain.
    pub fn block_by_number(&self, number: u64) -> Option<&Arc<L1Block>> {
        self.canonical.get(usize::try_from(number).ok()?)
    }

    /// A block of the chain, or one that a reorg dropped.
    pub fn block_by_hash(&self, hash: B256) -> Option<&Arc<L1Block>> {
        self.by_hash.get(&hash)
    }

    /// The block that a tag, number or hash means. `pending` is the head. With `requireCanonical`, dropped blocks are
    /// unknown.
    pub fn block(&self, id: BlockId) -> Option<&Arc<L1Block>> {
        let number = match id {
            BlockId::Hash(hash) => {
                let block = self.block_by_hash(hash.block_hash)?;
                let required = hash.require_canonical == Some(true);
                return (!required || self.is_canonical(block)).then_some(block);
            }
            BlockId::Number(BlockNumberOrTag::Number(number)) => number,
            BlockId::Number(BlockNumberOrTag::Earliest) => 0,
            BlockId::Number(BlockNumberOrTag::Safe) => self.labels.safe?,
            BlockId::Number(BlockNumberOrTag::Finalized) => self.labels.finalized?,
            BlockId::Number(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => {
                self.head().number()
            }
        };
        self.block_by_number(number)
    }

    /// True unless a reorg dropped the block.
    pub fn is_canonical(&self, block: &L1Block) -> bool {
        self.block_by_number(block.number())
            .is_some_and(|known| known.hash == block.hash)
    }

    /// The block of the chain that holds a transaction, and the transaction's index there.
    pub fn transaction(&self, hash: &B256) -> Option<(&Arc<L1Block>, usize)> {
        let (number, index) = self.transactions.get(hash)?;
        Some((self.block_by_number(*number)?, *index))
    }

    /// A transaction that waits for a block.
    pub fn pending_transaction(&self, hash: &B256) -> Option<&Recovered<L1Transaction>> {
        self.pool.get(hash).map(|pooled| &pooled.tx)
    }

    /// How many transactions wait for a block.
    pub fn pending_count(&self) -> usize {
        self.pool.len()
    }

    /// How many of them wait for nothing but a block: no lower nonce of their sender is missing.
    pub fn ready_count(&self) -> u64 {
        self.pool.ready(&self.head().state)
    }

    /// The account's next nonce, waiting transactions included.
    pub fn pending_nonce(&self, address: &Address) -> u64 {
        self.pool.next_nonce(&self.head().state, address)
    }

    /// The block of a slot; `None` when the slot was missed or is not there yet.
    pub fn block_at_slot(&self, slot: u64) -> Option<&Arc<L1Block>> {
        let index = self
            .canonical
            .binary_search_by_key(&slot, |block| block.slot)
            .ok()?;
        self.canonical.get(index)
    }

    /// Versioned hash and content of the blobs in a slot's block, in block order; `None` when the slot was missed or is
    /// not there yet. A blob that has been pruned is left out.
    pub fn blobs_at_slot(&self, slot: u64) -> Option<Vec<(B256, Arc<Blob>)>> {
        let hashes = self
            .block_at_slot(slot)?
            .transactions
            .iter()
            .flat_map(|tx| tx.blob_versioned_hashes().unwrap_or_default());
        let known = hashes.filter_map(|hash| Some((*hash, self.blobs.get(hash)?)));
        Some(known.collect())
    }

    /// Base fee of the block after the head in wei per gas.
    pub fn next_base_fee(&self) -> u64 {
        next_base_fee(&self.head().header)
    }

    /// Blob base fee of the block after the head in wei per blob gas.
    pub fn next_blob_base_fee(&self) -> u128 {
        self.head()
            .header
            .next_block_blob_fee(BlobParams::prague())
            .unwrap_or(1)
    }

    /// Takes a transaction, in its network form, into the pool.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn submit(&mut self, bytes: &[u8]) -> Result<B256, PoolError> {
        self.add(PoolTransaction::decode(bytes, self.config.chain_id)?)
    }

    /// The second half of [`Self::submit`]: decoding recovers a signature and needs no access to the chain.
    pub(crate) fn add(&mut self, pooled: PoolTransaction) -> Result<B256, PoolError> {
        let head = self.head().clone();
        if self.transactions.contains_key(pooled.tx.tx_hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        self.pool.add(pooled, &head.state, self.config.gas_limit)
    }

    /// Changes how far the labels stay behind, and releases pinned finality.
    ///
    /// # Errors
    /// The safe label would stay behind the finalized one.
    pub fn set_lag(&mut self, safe: u64, finalized: u64) -> Result<(), LabelError> {
        let head = self.head().number();
        self.labels.set_lag(safe, finalized, head)
    }

    /// Pins finality at a block, up or down; `None` lets it follow the lag again.
    ///
    /// # Errors
    /// The block does not exist yet.
    pub fn set_finalized(&mut self, number: Option<u64>) -> Result<(), LabelError> {
        let head = self.head().number();
        self.labels.set_finalized(number, head)
    }
}

fn next_base_fee(parent: &Header) -> u64 {
    parent
        .next_block_base_fee(BaseFeeParams::ethereum())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
