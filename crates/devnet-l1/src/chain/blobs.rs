//! Blobs by versioned hash. They survive a reorg that drops and mines again the transaction that brought them.

use crate::pool::PoolTransaction;
use alloy_consensus::Transaction;
use alloy_eips::eip4844::Blob;
use alloy_primitives::B256;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// How many blobs are kept, 128 KiB each; a batcher's data of many hours at devnet rates.
const MAX_BLOBS: usize = 512;

/// The newest blobs that were mined.
#[derive(Debug, Default)]
pub(super) struct BlobStore {
    blobs: HashMap<B256, Arc<Blob>>,
    /// Oldest first.
    queue: VecDeque<B256>,
}

impl BlobStore {
    pub(super) fn get(&self, hash: &B256) -> Option<Arc<Blob>> {
        self.blobs.get(hash).cloned()
    }

    /// Keeps the blobs of a transaction that went into a block.
    pub(super) fn keep(&mut self, pooled: &PoolTransaction) {
        let Some(sidecar) = &pooled.sidecar else {
            return;
        };
        let hashes = pooled.tx.blob_versioned_hashes().unwrap_or_default();
        for (hash, blob) in hashes.iter().zip(sidecar.blobs()) {
            if self.blobs.insert(*hash, Arc::new(*blob)).is_none() {
                self.queue.push_back(*hash);
            }
        }
        while self.queue.len() > MAX_BLOBS {
            if let Some(oldest) = self.queue.pop_front() {
                self.blobs.remove(&oldest);
            }
        }
    }
}
