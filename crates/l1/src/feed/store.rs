//! What the feed holds: blocks by identity, which of them are canonical, and blobs. Pure rules. A block is canonical if it was
//! answered for its height, or if it is an ancestor of one that was; what contradicts a later answer is canonical no more.

use crate::{Blob, InboxData, L1Data, L1Heads};
use alloy_primitives::B256;
use light_node_protocol::BlockNumHash;
use std::{
    collections::{BTreeMap, HashMap},
    mem::size_of,
    sync::Arc,
};

/// Blocks at and below the cursor that are kept, because attributes ask for the epochs of old batches again: half a day of
/// Ethereum blocks, as long as a sequencing window.
const BEHIND_BLOCKS: usize = 4096;
/// What those may take.
const BEHIND_BYTES: usize = 32 << 20;
/// Bytes of a blob.
pub(super) const BLOB_BYTES: usize = size_of::<Blob>();

#[derive(Debug, Default)]
pub(super) struct Store {
    blocks: BTreeMap<(u64, B256), Kept>,
    canonical: BTreeMap<u64, B256>,
    blobs: HashMap<B256, (u64, Arc<Blob>)>,
    cursor: u64,
    /// At and below this finalized block nothing that is canonical can change.
    finalized: u64,
    ahead_bytes: usize,
    behind: usize,
    behind_bytes: usize,
}

#[derive(Debug)]
struct Kept {
    data: Arc<L1Data>,
    bytes: usize,
}

impl Store {
    /// The canonical block of a height.
    pub(super) fn canonical(&self, number: u64) -> Option<&Arc<L1Data>> {
        self.by_id(BlockNumHash {
            number,
            hash: *self.canonical.get(&number)?,
        })
    }

    /// A block, canonical or not.
    pub(super) fn by_id(&self, id: BlockNumHash) -> Option<&Arc<L1Data>> {
        let kept = self.blocks.get(&(id.number, id.hash));
        kept.map(|kept| &kept.data)
    }

    /// The block does not go with those that are canonical next to it.
    pub(super) fn contradicts(&self, data: &L1Data) -> bool {
        let number = data.header.number;
        let below = number
            .checked_sub(1)
            .and_then(|below| self.canonical.get(&below));
        let above = self.canonical(number.saturating_add(1));
        below.is_some_and(|hash| *hash != data.header.parent_hash)
            || above.is_some_and(|above| above.header.parent_hash != data.hash)
    }

    /// Takes in a block that was answered for its height. True if others are canonical no more.
    pub(super) fn adopt(&mut self, data: Arc<L1Data>) -> bool {
        let BlockNumHash { number, hash } = data.id();
        self.keep(data.clone());
        if self.canonical.insert(number, hash) == Some(hash) {
            return false;
        }
        let above = number.saturating_add(1);
        let next = self.canonical(above);
        let mut is_reorg = next.is_some_and(|next| next.header.parent_hash != hash);
        if is_reorg {
            drop(self.canonical.split_off(&above));
        }
        is_reorg |= self.relink(&data);
        if is_reorg {
            self.drop_stale();
        }
        self.trim();
        is_reorg
    }

    /// Makes the ancestors of `data` canonical as far as they are kept. If one of them is not, nothing is known of the heights
    /// from there down to the finalized block. True if a block is canonical no more.
    fn relink(&mut self, data: &Arc<L1Data>) -> bool {
        let mut child = data.clone();
        let mut is_reorg = false;
        while let Some(number) = child.header.number.checked_sub(1) {
            let hash = child.header.parent_hash;
            match self.canonical.get(&number) {
                Some(ours) if *ours == hash => return is_reorg,
                Some(_) => is_reorg = true,
                None => {}
            }
            match self.by_id(BlockNumHash { number, hash }).cloned() {
                Some(parent) => {
                    self.canonical.insert(number, hash);
                    child = parent;
                }
                None if is_reorg => {
                    // What does not link cannot be final, whatever is known of finality.
                    let is_final = number <= self.finalized;
                    let first = if is_final { 0 } else { self.finalized + 1 };
                    self.forget_from(first, number);
                    return true;
                }
                None => return false,
            }
        }
        is_reorg
    }

    fn forget_from(&mut self, first: u64, last: u64) {
        self.canonical
            .retain(|number, _| *number < first || *number > last);
    }

    /// Keeps a block of which nobody says that it is canonical.
    pub(super) fn remember(&mut self, data: Arc<L1Data>) {
        self.keep(data);
        self.drop_stale();
        self.trim();
    }

    fn keep(&mut self, data: Arc<L1Data>) {
        let BlockNumHash { number, hash } = data.id();
        if self.blocks.contains_key(&(number, hash)) {
            return;
        }
        let bytes = weight(&data);
        self.weigh(number > self.cursor, bytes, true);
        self.blocks.insert((number, hash), Kept { data, bytes });
    }

    fn weigh(&mut self, is_ahead: bool, bytes: usize, added: bool) {
        let (total, count) = if is_ahead {
            (&mut self.ahead_bytes, None)
        } else {
            (&mut self.behind_bytes, Some(&mut self.behind))
        };
        let step = |value: &mut usize, by| {
            *value = if added {
                *value + by
            } else {
                value.saturating_sub(by)
            };
        };
        step(total, bytes);
        if let Some(count) = count {
            step(count, 1);
        }
    }

    /// L1 has new heads. True if blocks are canonical no more.
    pub(super) fn set_heads(&mut self, heads: &L1Heads) -> bool {
        let head = heads.head;
        if head.is_zero() {
            return false;
        }
        let before = self.canonical.len();
        drop(self.canonical.split_off(&head.number.saturating_add(1)));
        for (number, hash) in [
            (Some(head.number), head.hash),
            (head.number.checked_sub(1), head.parent_hash),
        ] {
            if let Some(number) = number
                && self.is_other(number, hash)
            {
                drop(self.canonical.split_off(&number));
            }
        }
        self.set_finalized(heads.finalized.id());
        let is_reorg = self.canonical.len() < before;
        if is_reorg {
            self.drop_stale();
        }
        is_reorg
    }

    /// What was final before stays so; what lies between is final only if it is of one chain with the new finalized block.
    fn set_finalized(&mut self, finalized: BlockNumHash) {
        let BlockNumHash { number, hash } = finalized;
        if hash.is_zero() {
            return;
        }
        if self.is_other(number, hash) {
            drop(self.canonical.split_off(&self.finalized.saturating_add(1)));
        }
        if self.canonical.contains_key(&number) {
            self.finalized = self.finalized.max(number);
        }
    }

    /// Another block than this is canonical at its height.
    fn is_other(&self, number: u64, hash: B256) -> bool {
        let ours = self.canonical.get(&number);
        ours.is_some_and(|ours| *ours != hash)
    }

    /// Nothing is known of heights above the block `kept`, or above the finalized one. True if something was.
    pub(super) fn reorg(&mut self, kept: Option<u64>) -> bool {
        let kept = kept.unwrap_or_default().max(self.finalized);
        let dropped = self.canonical.split_off(&kept.saturating_add(1));
        self.drop_stale();
        !dropped.is_empty()
    }

    /// Derivation stands at `cursor`; it may have gone back.
    pub(super) fn advance(&mut self, cursor: u64) {
        let old = std::mem::replace(&mut self.cursor, cursor);
        let passed = old.min(cursor).saturating_add(1)..=old.max(cursor);
        let mut moved = Vec::new();
        if !passed.is_empty() {
            let (first, last) = passed.into_inner();
            let range = (first, B256::ZERO)..=(last, B256::repeat_byte(0xff));
            moved.extend(self.blocks.range(range).map(|(_, kept)| kept.bytes));
        }
        let is_behind = cursor > old;
        for bytes in moved {
            self.weigh(is_behind, bytes, false);
            self.weigh(!is_behind, bytes, true);
        }
        self.blobs.retain(|_, (number, _)| *number >= cursor);
        self.drop_stale();
        self.trim();
    }

    /// Drops what is ahead and not canonical.
    fn drop_stale(&mut self) {
        let ahead = (self.cursor.saturating_add(1), B256::ZERO)..;
        let stale: Vec<(u64, B256)> = self
            .blocks
            .range(ahead)
            .map(|(key, _)| *key)
            .filter(|(number, hash)| self.canonical.get(number) != Some(hash))
            .collect();
        for key in stale {
            self.drop_block(key);
        }
    }

    /// Drops the oldest of what is behind and too much.
    fn trim(&mut self) {
        while self.behind > BEHIND_BLOCKS || self.behind_bytes > BEHIND_BYTES {
            let Some((key, _)) = self.blocks.first_key_value() else {
                return;
            };
            self.drop_block(*key);
        }
    }

    fn drop_block(&mut self, key: (u64, B256)) {
        if let Some(kept) = self.blocks.remove(&key) {
            self.weigh(key.0 > self.cursor, kept.bytes, false);
        }
        if self.canonical.get(&key.0) == Some(&key.1) {
            self.canonical.remove(&key.0);
        }
    }

    pub(super) fn blob(&self, hash: &B256) -> Option<&Arc<Blob>> {
        self.blobs.get(hash).map(|(_, blob)| blob)
    }

    /// Keeps the blobs of a block until derivation has passed it, at most `limit` of all.
    pub(super) fn put_blobs(
        &mut self,
        number: u64,
        blobs: impl IntoIterator<Item = (B256, Arc<Blob>)>,
        limit: usize,
    ) {
        for (hash, blob) in blobs {
            self.blobs.insert(hash, (number, blob));
        }
        while self.blobs.len() > limit {
            // The farthest is needed last.
            let farthest = self.blobs.iter().max_by_key(|(_, (number, _))| *number);
            let Some(hash) = farthest.map(|(hash, _)| *hash) else {
                return;
            };
            self.blobs.remove(&hash);
        }
    }

    /// What is held of blocks ahead of the cursor, and of blobs.
    pub(super) fn window_bytes(&self) -> usize {
        self.ahead_bytes + self.blobs.len() * BLOB_BYTES
    }

    /// What a block ahead of the cursor takes on average; zero if none is there.
    pub(super) fn mean_bytes(&self) -> usize {
        self.ahead_bytes
            .checked_div(self.window_blocks())
            .unwrap_or_default()
    }

    /// How many canonical blocks ahead of the cursor are held.
    pub(super) fn window_blocks(&self) -> usize {
        let ahead = self.cursor.saturating_add(1)..;
        self.canonical.range(ahead).count()
    }
}

/// About what a block takes in memory.
fn weight(data: &L1Data) -> usize {
    let inbox = data.inbox.iter().map(|one| match &one.data {
        InboxData::Calldata(bytes) => bytes.len(),
        InboxData::Blobs { hashes, input } => size_of_val(hashes.as_slice()) + input.len(),
    });
    let logs = data
        .logs
        .iter()
        .map(|(_, log)| size_of_val(log.topics()) + log.data.data.len());
    let fixed = size_of::<L1Data>()
        + size_of_val(data.inbox.as_slice())
        + size_of_val(data.logs.as_slice());
    fixed + inbox.sum::<usize>() + logs.sum::<usize>()
}

#[cfg(test)]
mod tests;
