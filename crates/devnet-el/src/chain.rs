//! The chain as it stands at one moment: every block that was executed, which of them are canonical, the three labels, and
//! the states that are still kept. All of it is persistent, so a [`ChainView`] is cloned in O(1): the engine changes its own
//! copy and publishes it, and a reader that holds a view never waits for execution and never sees half a reorg.

mod update;

pub(crate) use update::Reorg;

use crate::{
    execution::{ExecutedBlock, Parent},
    spec::ElSpec,
    state::StateSnapshot,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use std::sync::Arc;

/// The chain at one moment.
#[derive(Clone, Debug)]
pub struct ChainView {
    spec: Arc<ElSpec>,
    genesis: Arc<ExecutedBlock>,
    /// Every executed block, canonical or not.
    blocks: imbl::HashMap<B256, Arc<ExecutedBlock>>,
    /// The same by number.
    hashes_at: imbl::OrdMap<u64, Vec<B256>>,
    /// Hash of the canonical block of each number.
    canonical: imbl::OrdMap<u64, B256>,
    /// Block and index of each transaction of the canonical chain.
    transactions: imbl::HashMap<B256, (B256, usize)>,
    states: imbl::HashMap<B256, Arc<StateSnapshot>>,
    /// Below this number states and side branches are gone.
    kept_from: u64,
    head: Arc<ExecutedBlock>,
    safe: Option<Arc<ExecutedBlock>>,
    finalized: Option<Arc<ExecutedBlock>>,
}

impl ChainView {
    /// The chain that consists of its genesis block.
    pub(crate) fn new(spec: ElSpec, genesis: ExecutedBlock, state: StateSnapshot) -> Self {
        let genesis = Arc::new(genesis);
        let (number, hash) = (genesis.number(), genesis.hash);
        Self {
            spec: Arc::new(spec),
            blocks: imbl::HashMap::unit(hash, genesis.clone()),
            hashes_at: imbl::OrdMap::unit(number, vec![hash]),
            canonical: imbl::OrdMap::unit(number, hash),
            transactions: imbl::HashMap::new(),
            states: imbl::HashMap::unit(hash, Arc::new(state)),
            kept_from: number,
            head: genesis.clone(),
            safe: None,
            finalized: None,
            genesis,
        }
    }

    /// The rules of the chain.
    pub fn spec(&self) -> &ElSpec {
        &self.spec
    }

    /// The first block.
    pub const fn genesis(&self) -> &Arc<ExecutedBlock> {
        &self.genesis
    }

    /// The head of the canonical chain (`latest`).
    pub const fn head(&self) -> &Arc<ExecutedBlock> {
        &self.head
    }

    /// The block labelled safe; `None` until a forkchoice has named one.
    pub const fn safe(&self) -> Option<&Arc<ExecutedBlock>> {
        self.safe.as_ref()
    }

    /// The block labelled finalized; `None` until a forkchoice has named one.
    pub const fn finalized(&self) -> Option<&Arc<ExecutedBlock>> {
        self.finalized.as_ref()
    }

    /// A block by hash, canonical or not.
    pub fn block_by_hash(&self, hash: &B256) -> Option<&Arc<ExecutedBlock>> {
        self.blocks.get(hash)
    }

    /// The canonical block of a number.
    pub fn block_by_number(&self, number: u64) -> Option<&Arc<ExecutedBlock>> {
        self.canonical
            .get(&number)
            .and_then(|hash| self.blocks.get(hash))
    }

    /// A block by hash, number or tag. `pending` is `latest`: nothing is pending on a chain whose blocks are made on
    /// request. With `require_canonical` a hash finds only canonical blocks.
    pub fn block(&self, id: BlockId) -> Option<&Arc<ExecutedBlock>> {
        match id {
            BlockId::Hash(hash) => self.block_by_hash(&hash.block_hash).filter(|block| {
                hash.require_canonical != Some(true) || self.is_canonical(&block.hash)
            }),
            BlockId::Number(tag) => match tag {
                BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => Some(&self.head),
                BlockNumberOrTag::Safe => self.safe(),
                BlockNumberOrTag::Finalized => self.finalized(),
                BlockNumberOrTag::Earliest => Some(&self.genesis),
                BlockNumberOrTag::Number(number) => self.block_by_number(number),
            },
        }
    }

    /// True if the block is on the canonical chain.
    pub fn is_canonical(&self, hash: &B256) -> bool {
        self.block_by_hash(hash)
            .is_some_and(|block| self.canonical.get(&block.number()) == Some(hash))
    }

    /// The state after a block; `None` if the block is unknown or so old that its state was dropped.
    pub fn state(&self, hash: &B256) -> Option<&Arc<StateSnapshot>> {
        self.states.get(hash)
    }

    /// The state after the head.
    pub fn head_state(&self) -> &Arc<StateSnapshot> {
        self.states
            .get(&self.head.hash)
            .expect("states are dropped only below the head")
    }

    /// The canonical block with a transaction, and the transaction's index in it.
    pub fn transaction(&self, hash: &B256) -> Option<(&Arc<ExecutedBlock>, usize)> {
        let (block, index) = self.transactions.get(hash)?;
        Some((self.blocks.get(block)?, *index))
    }

    /// True if `other` is this very version: blocks are only added, and pruning follows the labels.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let hash = |block: Option<&Arc<ExecutedBlock>>| block.map(|block| block.hash);
        // Another start of the same chain has rules of its own, and so has another chain.
        Arc::ptr_eq(&self.spec, &other.spec)
            && self.head.hash == other.head.hash
            && self.blocks.len() == other.blocks.len()
            && hash(self.safe()) == hash(other.safe())
            && hash(self.finalized()) == hash(other.finalized())
    }

    /// A block to execute another on; `None` if it is unknown or its state was dropped.
    pub(crate) fn parent(&self, hash: &B256) -> Option<Parent> {
        Some(Parent {
            block: self.blocks.get(hash)?.clone(),
            state: self.states.get(hash)?.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
