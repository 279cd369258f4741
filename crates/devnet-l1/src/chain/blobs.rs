//! Blobs by versioned hash. They survive a reorg that drops and mines again the transaction that brought them.

use crate::pool::PoolTransaction;
use alloy_consensus::Transaction;
use alloy_eips::eip4844::Blob;
use alloy_primitives::B256;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Bytes of blobs that are kept. A batcher on a devnet fills a small part of a blob, and zeros at the end are not kept, so
/// these are the blobs of days: a node can derive the chain from its beginning.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a blob costs beside its content, in bytes.
const OVERHEAD_BYTES: usize = 128;

/// The newest blobs that were mined.
#[derive(Debug, Default)]
pub(super) struct BlobStore {
    /// Without the zeros at the end.
    blobs: HashMap<B256, Box<[u8]>>,
    /// Oldest first.
    queue: VecDeque<B256>,
    bytes: usize,
}

impl BlobStore {
    pub(super) fn get(&self, hash: &B256) -> Option<Arc<Blob>> {
        let content = self.blobs.get(hash)?;
        let mut blob = Blob::ZERO;
        blob.0[..content.len()].copy_from_slice(content);
        Some(Arc::new(blob))
    }

    /// Keeps the blobs of a transaction that went into a block.
    pub(super) fn keep(&mut self, pooled: &PoolTransaction) {
        let Some(sidecar) = &pooled.sidecar else {
            return;
        };
        let hashes = pooled.tx.blob_versioned_hashes().unwrap_or_default();
        for (hash, blob) in hashes.iter().zip(sidecar.blobs()) {
            let length = blob.0.iter().rposition(|byte| *byte != 0);
            let content = &blob.0[..length.map_or(0, |last| last + 1)];
            if self.blobs.insert(*hash, content.into()).is_none() {
                self.queue.push_back(*hash);
                self.bytes += content.len() + OVERHEAD_BYTES;
            }
        }
        while self.bytes > BYTES_MAX {
            let Some(oldest) = self.queue.pop_front() else {
                break;
            };
            if let Some(content) = self.blobs.remove(&oldest) {
                self.bytes -= content.len() + OVERHEAD_BYTES;
            }
        }
    }
}
