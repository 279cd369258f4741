//! Before Holocene: kona's batch queue, which keeps batches of the future and takes a span batch as a whole. It has the faults that
//! its authors have found since; they concern history only.

use super::{BatchSource, NextBatch, rules::POST_EXEC, safe_chain::SafeChain};
use crate::{
    kona::{
        AttributesProvider, Batch, BatchQueue, BlockInfo, L2BlockInfo, NextBatchProvider,
        OriginAdvancer, OriginProvider, PipelineError, PipelineResult, ResetSignal, Signal,
        SignalReceiver, l2_block_info,
    },
    stages::{Context, Cursor},
};
use alloy_primitives::Bytes;
use async_trait::async_trait;
use light_node_protocol::L2BlockRef;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// No batch of a chain names anything later: sums with it do not overflow.
const LATEST: u64 = u64::MAX / 4;

/// The source of batches, for the stage and the queue in it. Never two at a time ask.
#[derive(Clone, Debug)]
pub(super) struct SharedSource {
    source: Arc<Mutex<Box<dyn BatchSource>>>,
    cursor: Cursor,
    genesis_time: u64,
}

impl SharedSource {
    pub(super) fn new(source: Box<dyn BatchSource>, cursor: Cursor, genesis_time: u64) -> Self {
        Self {
            source: Arc::new(Mutex::new(source)),
            cursor,
            genesis_time,
        }
    }

    pub(super) async fn lock(&self) -> MutexGuard<'_, Box<dyn BatchSource>> {
        self.source.lock().await
    }

    /// True unless a batch names numbers that no chain has, begins with genesis, which no batch makes, or brings transactions of a
    /// later fork than Holocene. Kona's queue computes with the numbers unchecked and does not know the transactions.
    fn is_sane(&self, batch: &Batch) -> bool {
        let is_sane = |epoch: u64, timestamp: u64, transactions: &[Bytes]| {
            epoch < LATEST
                && timestamp > self.genesis_time
                && timestamp < LATEST
                && transactions
                    .iter()
                    .all(|transaction| transaction.first() != Some(&POST_EXEC))
        };
        match batch {
            Batch::Single(batch) => is_sane(batch.epoch_num, batch.timestamp, &batch.transactions),
            Batch::Span(span) => span
                .batches
                .iter()
                .all(|block| is_sane(block.epoch_num, block.timestamp, &block.transactions)),
        }
    }
}

/// Kona's queue on our source.
#[derive(Debug)]
pub(super) struct LegacyQueue {
    queue: BatchQueue<SharedSource, SafeChain>,
}

impl LegacyQueue {
    /// A queue that begins at the L1 block `origin`.
    pub(super) async fn new(
        context: &Context,
        source: &SharedSource,
        l2: &SafeChain,
        origin: BlockInfo,
    ) -> PipelineResult<Self> {
        let mut queue = BatchQueue::new(context.kona.clone(), source.clone(), l2.clone());
        let reset = ResetSignal {
            l1_origin: origin,
            ..ResetSignal::default()
        };
        queue.signal(reset.signal()).await?;
        Ok(Self { queue })
    }

    pub(super) async fn next_batch(&mut self, parent: &L2BlockRef) -> PipelineResult<NextBatch> {
        let batch = self.queue.next_batch(l2_block_info(parent)).await?;
        let is_last = self.queue.is_last_in_span();
        Ok(NextBatch { batch, is_last })
    }
}

#[async_trait]
impl NextBatchProvider for SharedSource {
    async fn next_batch(
        &mut self,
        _parent: L2BlockInfo,
        _origins: &[BlockInfo],
    ) -> PipelineResult<Batch> {
        let batch = self.lock().await.next_batch().await?;
        if self.is_sane(&batch) {
            Ok(batch)
        } else {
            Err(PipelineError::NotEnoughData.temp())
        }
    }

    fn span_buffer_size(&self) -> usize {
        0
    }

    /// Before Holocene an invalid batch does not invalidate its channel.
    fn flush(&mut self) {}
}

impl OriginProvider for SharedSource {
    fn origin(&self) -> Option<BlockInfo> {
        self.cursor.origin()
    }
}

#[async_trait]
impl OriginAdvancer for SharedSource {
    async fn advance_origin(&mut self) -> PipelineResult<()> {
        self.lock().await.advance_origin().await
    }
}

#[async_trait]
impl SignalReceiver for SharedSource {
    async fn signal(&mut self, _signal: Signal) -> PipelineResult<()> {
        Ok(())
    }
}
