//! L1 as derivation may see it: not above the confirmations that the operator wants. Between [`L1Source`] and the pipeline.

use alloy_primitives::{Address, B256};
use async_trait::async_trait;
use light_node_l1::{Blob, BlobError, L1Data, L1DataError, L1Heads, L1Source};
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::sync::Arc;
use tokio::sync::watch;

/// An L1 of which the blocks above `head - depth` are not there yet.
#[derive(Debug)]
pub(crate) struct ConfirmedL1 {
    source: Arc<dyn L1Source>,
    heads: watch::Receiver<L1Heads>,
    depth: u64,
}

impl ConfirmedL1 {
    pub(crate) fn new(
        source: Arc<dyn L1Source>,
        heads: watch::Receiver<L1Heads>,
        depth: u64,
    ) -> Self {
        Self {
            source,
            heads,
            depth,
        }
    }
}

/// The highest L1 block that derivation may read.
pub(crate) const fn readable(head: &L1BlockRef, depth: u64) -> u64 {
    head.number.saturating_sub(depth)
}

#[async_trait]
impl L1Source for ConfirmedL1 {
    async fn block(&self, number: u64) -> Result<Option<Arc<L1Data>>, L1DataError> {
        let head = self.heads.borrow().head;
        // Without confirmations a source that is ahead of the watch is as good as the watch.
        if self.depth > 0 && number > readable(&head, self.depth) {
            return Ok(None);
        }
        self.source.block(number).await
    }

    async fn block_by_hash(&self, id: BlockNumHash) -> Result<Option<Arc<L1Data>>, L1DataError> {
        self.source.block_by_hash(id).await
    }

    async fn block_ref(&self, number: u64) -> Result<Option<L1BlockRef>, L1DataError> {
        self.source.block_ref(number).await
    }

    async fn blobs(
        &self,
        block: BlockNumHash,
        slot_time: u64,
        parent_beacon_root: Option<B256>,
        hashes: &[B256],
    ) -> Result<Vec<Arc<Blob>>, BlobError> {
        self.source
            .blobs(block, slot_time, parent_beacon_root, hashes)
            .await
    }

    fn advance(&self, cursor: BlockNumHash, batcher: Address) {
        self.source.advance(cursor, batcher);
    }
}
