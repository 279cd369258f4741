//! Payloads whose parent is not there yet.

use crate::execution::DecodedPayload;
use alloy_primitives::B256;
use std::collections::{BTreeMap, HashMap};

/// Most payloads kept. A consensus layer that fills a gap sends it in order, so what waits is the unsafe tip.
const MAX_PAYLOADS: usize = 1024;

/// Most memory kept.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Waiting payloads; when full, the one that has waited longest makes room.
#[derive(Debug, Default)]
pub(super) struct PayloadBuffer {
    payloads: HashMap<B256, (u64, DecodedPayload)>,
    children: HashMap<B256, Vec<B256>>,
    arrivals: BTreeMap<u64, B256>,
    next_arrival: u64,
    bytes: usize,
}

impl PayloadBuffer {
    /// Keeps a payload until its parent is there.
    pub(super) fn insert(&mut self, payload: DecodedPayload) {
        let (hash, size) = (payload.hash, payload.size_bytes());
        if size > MAX_BYTES || self.payloads.contains_key(&hash) {
            return;
        }
        while self.payloads.len() >= MAX_PAYLOADS || self.bytes + size > MAX_BYTES {
            let Some((_, oldest)) = self.arrivals.pop_first() else {
                break;
            };
            self.remove(&oldest);
        }
        self.bytes += size;
        self.arrivals.insert(self.next_arrival, hash);
        self.children
            .entry(payload.header.parent_hash)
            .or_default()
            .push(hash);
        self.payloads.insert(hash, (self.next_arrival, payload));
        self.next_arrival += 1;
    }

    /// Takes out what waits for `parent`.
    pub(super) fn take_children(&mut self, parent: &B256) -> Vec<DecodedPayload> {
        let hashes = self.children.get(parent).cloned().unwrap_or_default();
        hashes.iter().filter_map(|hash| self.remove(hash)).collect()
    }

    /// Number of a waiting payload.
    pub(super) fn number(&self, hash: &B256) -> Option<u64> {
        self.payloads
            .get(hash)
            .map(|(_, payload)| payload.header.number)
    }

    fn remove(&mut self, hash: &B256) -> Option<DecodedPayload> {
        let (arrival, payload) = self.payloads.remove(hash)?;
        self.arrivals.remove(&arrival);
        self.bytes -= payload.size_bytes();
        let parent = payload.header.parent_hash;
        if let Some(siblings) = self.children.get_mut(&parent) {
            siblings.retain(|sibling| sibling != hash);
            if siblings.is_empty() {
                self.children.remove(&parent);
            }
        }
        Some(payload)
    }
}
