//! Changes of a [`ChainView`]. Only the engine makes them, on the copy that it owns.

use super::ChainView;
use crate::{execution::ExecutedBlock, state::StateSnapshot};
use alloy_primitives::B256;
use std::sync::Arc;

/// What moving the head changed on the canonical chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reorg {
    /// Blocks that are canonical no more, highest first.
    pub(crate) dropped: Vec<Arc<ExecutedBlock>>,
    /// Blocks that became canonical, lowest first.
    pub(crate) adopted: Vec<Arc<ExecutedBlock>>,
}

impl ChainView {
    /// Adds an executed block. It is not canonical until a forkchoice says so.
    pub(crate) fn insert(&mut self, block: ExecutedBlock, state: StateSnapshot) {
        let (number, hash) = (block.number(), block.hash);
        if self.blocks.insert(hash, Arc::new(block)).is_none() {
            let mut siblings = self.hashes_at.get(&number).cloned().unwrap_or_default();
            siblings.push(hash);
            self.hashes_at.insert(number, siblings);
        }
        self.states.insert(hash, Arc::new(state));
    }

    /// Makes a known block the head of the canonical chain. `None`, and no change, if the block or the way from it to the
    /// canonical chain, or its state, is not there (any more).
    pub(crate) fn set_head(&mut self, hash: &B256) -> Option<Reorg> {
        let head = self.blocks.get(hash)?.clone();
        self.states.get(hash)?;
        let mut reorg = Reorg::default();
        let mut ancestor = head.clone();
        while self.canonical.get(&ancestor.number()) != Some(&ancestor.hash) {
            reorg.adopted.push(ancestor.clone());
            ancestor = self.blocks.get(&ancestor.header().parent_hash)?.clone();
        }
        reorg.adopted.reverse();
        for number in (ancestor.number() + 1..=self.head.number()).rev() {
            if let Some(dropped) = self.block_by_number(number).cloned() {
                self.canonical.remove(&number);
                for transaction in &dropped.block.body.transactions {
                    self.transactions.remove(&transaction.tx_hash());
                }
                reorg.dropped.push(dropped);
            }
        }
        for block in &reorg.adopted {
            self.canonical.insert(block.number(), block.hash);
            for (index, transaction) in block.block.body.transactions.iter().enumerate() {
                self.transactions
                    .insert(transaction.tx_hash(), (block.hash, index));
            }
        }
        self.head = head;
        Some(reorg)
    }

    /// True if the block is known and does not stand on the head.
    pub(crate) fn is_sibling(&self, hash: &B256) -> bool {
        let mut block = self.blocks.get(hash);
        while let Some(ancestor) = block {
            if ancestor.number() <= self.head.number() {
                return ancestor.hash != self.head.hash;
            }
            block = self.blocks.get(&ancestor.header().parent_hash);
        }
        false
    }

    /// Forgets the last `count` canonical blocks and all that stands on them; side branches, too, if `all_sides`. Genesis
    /// stays, and so do blocks whose states are gone. A label that is lost is no more.
    pub(crate) fn lose_last(&mut self, count: u64, all_sides: bool) {
        let number = self.head.number().saturating_sub(count).max(self.kept_from);
        let Some(head) = self.block_by_number(number).cloned() else {
            return;
        };
        for number in number + 1..=self.head.number() {
            let Some(lost) = self.canonical.remove(&number) else {
                continue;
            };
            if let Some(lost) = self.blocks.get(&lost) {
                for transaction in &lost.block.body.transactions {
                    self.transactions.remove(&transaction.tx_hash());
                }
            }
        }
        self.head = head;
        let numbers: Vec<u64> = self.hashes_at.keys().copied().collect();
        for number in numbers {
            let (kept, lost): (Vec<B256>, Vec<B256>) = self
                .hashes_at
                .remove(&number)
                .unwrap_or_default()
                .into_iter()
                .partition(|hash| self.survives(number, hash, all_sides));
            for hash in lost {
                self.blocks.remove(&hash);
                self.states.remove(&hash);
            }
            if !kept.is_empty() {
                self.hashes_at.insert(number, kept);
            }
        }
        for label in [&mut self.safe, &mut self.finalized] {
            *label = label
                .take()
                .filter(|block| self.blocks.contains_key(&block.hash));
        }
    }

    /// Blocks go by rising numbers, so that what stands on a lost one finds its parent gone.
    fn survives(&self, number: u64, hash: &B256, all_sides: bool) -> bool {
        match self.canonical.get(&number) {
            Some(canonical) if canonical == hash => true,
            _ if all_sides => false,
            Some(_) | None => self.blocks.get(hash).is_some_and(|block| {
                number <= self.head.number()
                    && self.blocks.contains_key(&block.header().parent_hash)
            }),
        }
    }

    /// What op-geth has as safe block after a start.
    pub(crate) fn set_safe_to_finalized(&mut self) {
        self.safe = self.finalized.clone();
    }

    /// Labels a known block safe. False if it is unknown.
    pub(crate) fn set_safe(&mut self, hash: &B256) -> bool {
        let block = self.blocks.get(hash).cloned();
        let is_known = block.is_some();
        self.safe = block.or_else(|| self.safe.take());
        is_known
    }

    /// Labels a known block finalized. False if it is unknown.
    pub(crate) fn set_finalized(&mut self, hash: &B256) -> bool {
        let block = self.blocks.get(hash).cloned();
        let is_known = block.is_some();
        self.finalized = block.or_else(|| self.finalized.take());
        is_known
    }

    /// Drops states and side branches more than `history` blocks below the finalized block, or `max_unfinalized` blocks
    /// below the head if that is higher: a chain that is never finalized must not fill the memory. The head stays.
    pub(crate) fn prune(&mut self, history: u64, max_unfinalized: u64) {
        let finalized = self.finalized.as_ref().map_or(0, |block| block.number());
        let keep_from = finalized
            .saturating_sub(history)
            .max(self.head.number().saturating_sub(max_unfinalized))
            .min(self.head.number());
        for number in self.kept_from..keep_from {
            let canonical = self.canonical.get(&number).copied();
            for hash in self.hashes_at.remove(&number).unwrap_or_default() {
                self.states.remove(&hash);
                if Some(hash) != canonical {
                    self.blocks.remove(&hash);
                }
            }
            self.hashes_at
                .extend(canonical.map(|hash| (number, vec![hash])));
        }
        self.kept_from = self.kept_from.max(keep_from);
    }
}
