//! The feed's handle: how derivation reads L1.

use super::{BlobRequest, BlockReply, Cursor, Request};
use crate::{Blob, BlobError, L1Data, L1DataError, L1Source, beacon::Wanted};
use alloy_primitives::{Address, B256};
use async_trait::async_trait;
use light_node_protocol::BlockNumHash;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// A door to the feed. Cheap to clone.
///
/// # Backpressure
/// Requests wait for the actor in a bounded queue.
#[derive(Clone, Debug)]
pub struct L1FeedHandle {
    requests: mpsc::Sender<Request>,
    cursor: Arc<watch::Sender<Cursor>>,
}

impl L1FeedHandle {
    pub(super) fn new(requests: mpsc::Sender<Request>, cursor: watch::Sender<Cursor>) -> Self {
        Self {
            requests,
            cursor: Arc::new(cursor),
        }
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request + Send,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    }

    async fn ask_block(
        &self,
        request: impl FnOnce(oneshot::Sender<BlockReply>) -> Request + Send,
    ) -> BlockReply {
        self.ask(request).await.unwrap_or(Err(L1DataError::Stopped))
    }
}

#[async_trait]
impl L1Source for L1FeedHandle {
    async fn block(&self, number: u64) -> Result<Option<Arc<L1Data>>, L1DataError> {
        self.ask_block(|reply| Request::Block { number, reply })
            .await
    }

    async fn block_by_hash(&self, id: BlockNumHash) -> Result<Option<Arc<L1Data>>, L1DataError> {
        self.ask_block(|reply| Request::BlockByHash { id, reply })
            .await
    }

    async fn blobs(
        &self,
        block: BlockNumHash,
        slot_time: u64,
        parent_beacon_root: Option<B256>,
        hashes: &[B256],
    ) -> Result<Vec<Arc<Blob>>, BlobError> {
        let hashes = hashes.to_vec();
        let wanted = Wanted {
            block,
            slot_time,
            parent_beacon_root,
            hashes: hashes.clone(),
        };
        let request = |reply| {
            Request::Blobs(BlobRequest {
                hashes,
                wanted,
                reply,
            })
        };
        self.ask(request).await.unwrap_or_else(|| {
            Err(BlobError::Unavailable {
                cause: L1DataError::Stopped.to_string(),
            })
        })
    }

    fn advance(&self, cursor: BlockNumHash, batcher: Address) {
        self.cursor.send_replace(Some((cursor, batcher)));
    }
}
