//! Reorgs: the last blocks leave the chain, others take their slots.

use super::{Chain, L1Block, MAX_BLOCKS_PER_COMMAND};
use crate::pool::PoolTransaction;
use light_node_protocol::L1BlockRef;
use std::sync::Arc;
use thiserror::Error;

/// How many dropped blocks stay known by hash; far more than any reorg test needs.
const MAX_ORPHANS: usize = 1_024;

/// What a reorg did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reorg {
    /// The last block that both branches share.
    pub common_ancestor: L1BlockRef,
    /// The head before.
    pub old_head: L1BlockRef,
    /// The head after.
    pub new_head: L1BlockRef,
}

/// Why a reorg was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReorgError {
    /// A reorg drops at least one block.
    #[error("a reorg needs a depth of at least one block")]
    NoDepth,
    /// Block 0 and finalized blocks never leave the chain.
    #[error("depth {depth} reaches below the last block that must stay, {floor}, from head {head}")]
    BelowFinalized {
        /// Depth asked for.
        depth: u64,
        /// Number of the finalized block, or 0.
        floor: u64,
        /// Number of the head.
        head: u64,
    },
    /// More than one command may mine.
    #[error("a branch of {length} blocks is longer than {MAX_BLOCKS_PER_COMMAND}")]
    TooLong {
        /// Length asked for.
        length: u64,
    },
}

impl Chain {
    /// Replaces the last `depth` blocks by `length` others in the same slots. Transactions of dropped blocks wait again
    /// and go into the new branch, unless `drop_transactions`.
    ///
    /// # Errors
    /// A block that must stay would go, or the branch is too long.
    pub fn reorg(
        &mut self,
        depth: u64,
        length: u64,
        drop_transactions: bool,
    ) -> Result<Reorg, ReorgError> {
        let (old_head, floor) = (self.head().reference(), self.labels.finalized.unwrap_or(0));
        if depth == 0 {
            return Err(ReorgError::NoDepth);
        }
        if depth > old_head.number - floor {
            return Err(ReorgError::BelowFinalized {
                depth,
                floor,
                head: old_head.number,
            });
        }
        if length > MAX_BLOCKS_PER_COMMAND {
            return Err(ReorgError::TooLong { length });
        }
        let ancestor = old_head.number - depth;
        let keep = usize::try_from(ancestor + 1).expect("the chain is in memory");
        let dropped = self.canonical.split_off(keep);
        self.branch += 1;
        for block in &dropped {
            self.forget(block);
        }
        if !drop_transactions {
            self.return_transactions(&dropped);
        }
        self.labels.rewind(ancestor);
        let common_ancestor = self.head().reference();
        for index in 0..length {
            let old = usize::try_from(index)
                .ok()
                .and_then(|index| dropped.get(index));
            let slot = old.map_or(self.head().slot + 1, |old| old.slot);
            self.mine(slot);
        }
        Ok(Reorg {
            common_ancestor,
            old_head,
            new_head: self.head().reference(),
        })
    }

    /// A block left the chain; it stays known by hash for a long while.
    fn forget(&mut self, block: &L1Block) {
        for tx in &block.transactions {
            self.transactions.remove(tx.tx_hash());
        }
        self.orphans.push_back(block.hash);
        if self.orphans.len() > MAX_ORPHANS
            && let Some(oldest) = self.orphans.pop_front()
        {
            self.by_hash.remove(&oldest);
        }
    }

    fn return_transactions(&mut self, dropped: &[Arc<L1Block>]) {
        let head = self.head().clone();
        for tx in dropped.iter().flat_map(|block| &block.transactions) {
            // A waiting transaction with the same nonce may pay more, and a full pool stays full: both are fine.
            let pooled = PoolTransaction::returned(tx.clone());
            let _ = self.pool.add(pooled, &head.state, self.config.gas_limit);
        }
    }
}
