//! What is fetched ahead: the blocks after the cursor up to window and head, then the blobs of those that are there.

use super::{L1Feed, Want, store::BLOB_BYTES};
use crate::{InboxData, L1Data, beacon::Wanted};
use alloy_primitives::B256;
use std::collections::HashSet;
use tokio::time::Instant;

/// Questions for blobs that may be under way; each is verified on all cores.
const BLOB_REQUESTS: usize = 4;
/// What a block under way counts as at the least: most are smaller.
const EXPECTED_BLOCK_BYTES: usize = 64 << 10;
/// Under way a block or blob takes more than when it is there: its JSON is twice as long, and is decoded and checked beside it.
const TIMES_ON_ITS_WAY: usize = 4;

impl L1Feed {
    /// Starts what may be started now.
    pub(super) fn fetch_ahead(&mut self) {
        let head = self.heads.borrow().head;
        let Some((cursor, _)) = *self.cursor.borrow() else {
            return;
        };
        if head.is_zero() || Instant::now() < self.paused_until {
            return;
        }
        let first = cursor.number.saturating_add(1);
        let last = cursor
            .number
            .saturating_add(self.config.window_blocks)
            .min(head.number);
        self.fetch_blocks_ahead(first, last, head.number);
        self.fetch_blobs_ahead(first.saturating_sub(1), last);
    }

    fn fetch_blocks_ahead(&mut self, first: u64, last: u64, head: u64) {
        let mut next = first;
        while let Some(start) = (next..=last).find(|number| self.is_wanting(*number)) {
            if self.under_way() >= self.config.max_concurrency || self.is_full() {
                return;
            }
            let longest = start.saturating_add(self.fetch.max_range() - 1).min(last);
            let end = (start..=longest)
                .take_while(|number| self.is_wanting(*number))
                .last()
                .unwrap_or(start);
            next = end.saturating_add(1);
            let length = next - start;
            // A short range at the end of the window grows as the cursor goes on, and one question for logs serves it all.
            let is_growing = end == last && last < head && length < self.fetch.max_range();
            let is_early = start.saturating_sub(first) >= self.config.window_blocks / 2;
            if is_growing && is_early {
                return;
            }
            for number in start..=end {
                self.numbers.insert(number, Vec::new());
            }
            self.start(if length > 1 {
                Want::Range {
                    first: start,
                    last: end,
                }
            } else {
                Want::Number {
                    number: start,
                    at_head: start == head,
                }
            });
        }
    }

    fn is_wanting(&self, number: u64) -> bool {
        self.store.canonical(number).is_none() && !self.numbers.contains_key(&number)
    }

    /// Heights that are under way, in requests.
    fn under_way(&self) -> usize {
        let longest = usize::try_from(self.fetch.max_range()).unwrap_or(1);
        self.numbers.len().div_ceil(longest.max(1))
    }

    /// The bytes of the window are taken, or will be by what is under way.
    fn is_full(&self) -> bool {
        let blobs: usize = self.blobs.values().map(|(count, _)| *count).sum();
        // Where blocks are full of inbox data, the next ones will be, too.
        let block = (TIMES_ON_ITS_WAY * self.store.mean_bytes()).max(EXPECTED_BLOCK_BYTES);
        let coming = self.numbers.len() * block + blobs * TIMES_ON_ITS_WAY * BLOB_BYTES;
        self.store.window_bytes() + coming >= self.config.window_bytes
    }

    fn fetch_blobs_ahead(&mut self, first: u64, last: u64) {
        for number in first..=last {
            if self.blobs.len() >= BLOB_REQUESTS || self.is_full() {
                return;
            }
            let Some(data) = self.store.canonical(number) else {
                continue;
            };
            if self.blobs.contains_key(&data.hash) || self.given_up.contains(&data.hash) {
                continue;
            }
            let hashes = self.batcher_blobs(data);
            if hashes.is_empty() {
                continue;
            }
            let wanted = Wanted {
                block: data.id(),
                slot_time: data.header.timestamp,
                parent_beacon_root: data.header.parent_beacon_block_root,
                hashes,
            };
            self.start_blobs(wanted, Vec::new());
        }
    }

    /// The blobs of the batcher's transactions in a block that are not there, without repetitions.
    pub(super) fn batcher_blobs(&self, data: &L1Data) -> Vec<B256> {
        let Some((_, batcher)) = *self.cursor.borrow() else {
            return Vec::new();
        };
        let mut seen = HashSet::new();
        let transactions = data.inbox.iter().filter(|one| one.sender == batcher);
        transactions
            .filter_map(|one| match &one.data {
                InboxData::Blobs { hashes, .. } => Some(hashes),
                InboxData::Calldata(_) => None,
            })
            .flatten()
            .filter(|hash| self.store.blob(hash).is_none() && seen.insert(**hash))
            .copied()
            .collect()
    }
}
