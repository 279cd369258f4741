//! Turns complete channels into batches, one at a time (`specs/protocol/derivation.md#channel-reader-batch-decoding`).

use super::{Cursor, batches::BatchSource};
use crate::{
    channel::{ChannelBatches, ChannelEnd, ChannelItem},
    kona::{
        Batch, BlockInfo, ChannelReaderProvider, OriginAdvancer, PipelineError, PipelineResult,
        Signal, SignalReceiver,
    },
    refusals::{Refusal, Refusals},
    span::SpanChain,
};
use alloy_primitives::Bytes;
use async_trait::async_trait;
use core::fmt::Debug;
use light_node_protocol::{Hardfork, RollupConfig};
use std::sync::Arc;
use tracing::debug;

/// Reads channels.
#[derive(Debug)]
pub(crate) struct ChannelReader<P> {
    prev: P,
    config: Arc<RollupConfig>,
    cursor: Cursor,
    refusals: Refusals,
    channel: Option<ChannelBatches>,
}

impl<P> ChannelReader<P> {
    pub(crate) const fn new(
        prev: P,
        config: Arc<RollupConfig>,
        cursor: Cursor,
        refusals: Refusals,
    ) -> Self {
        Self {
            prev,
            config,
            cursor,
            refusals,
            channel: None,
        }
    }

    /// From Holocene on, blocks are taken or dropped one by one, and before the next L1 block. None can be further ahead of the L1
    /// block that is being read than of its own origin.
    fn horizon(&self, origin: &BlockInfo) -> Option<u64> {
        let is_holocene = self.config.is_active(Hardfork::Holocene, origin.timestamp);
        let drift = self.config.max_sequencer_drift(origin.timestamp);
        let drift = drift.max(self.config.max_sequencer_drift);
        is_holocene.then(|| origin.timestamp.saturating_add(drift))
    }

    /// The rules for a channel go by the L1 block that completes it.
    fn open(&self, compressed: Bytes) -> Option<ChannelBatches> {
        let origin = self.cursor.get();
        let chain = SpanChain {
            chain_id: self.config.l2_chain_id,
            block_time: self.config.block_time,
            genesis_time: self.config.genesis.l2_time,
            horizon: self.horizon(&origin),
        };
        let limit = self.config.max_rlp_bytes_per_channel(origin.timestamp);
        let is_fjord = self.config.is_active(Hardfork::Fjord, origin.timestamp);
        ChannelBatches::new(compressed, limit, is_fjord, chain)
            .inspect_err(|error| {
                debug!(l1_block = origin.number, %error, "channel that cannot be read is dropped");
                self.refusals.note(Refusal::ChannelCompression);
            })
            .ok()
    }
}

#[async_trait]
impl<P> BatchSource for ChannelReader<P>
where
    P: ChannelReaderProvider + OriginAdvancer + SignalReceiver + Send + Debug,
{
    async fn next_batch(&mut self) -> PipelineResult<Batch> {
        let again = || PipelineError::NotEnoughData.temp();
        let channel = match self.channel.take() {
            Some(channel) => channel,
            None => {
                let compressed = self.prev.next_data().await?.ok_or_else(again)?;
                self.open(compressed).ok_or_else(again)?
            }
        };
        let origin = self.cursor.get();
        let Some((channel, item)) = next_item(channel).await else {
            // Whatever made the decoder panic would do so again.
            debug!(
                l1_block = origin.number,
                "channel that breaks the decoder is dropped"
            );
            self.refusals.note(Refusal::ChannelContent);
            return Err(again());
        };
        match item {
            ChannelItem::Batch(batch) => {
                self.channel = Some(channel);
                let is_early = matches!(*batch, Batch::Span(_))
                    && !self.config.is_active(Hardfork::Delta, origin.timestamp);
                if is_early {
                    debug!(
                        l1_block = origin.number,
                        "span batch before delta is dropped"
                    );
                    self.refusals.note(Refusal::BatchBeforeFork);
                    return Err(again());
                }
                Ok(*batch)
            }
            ChannelItem::Malformed(what) => {
                debug!(
                    l1_block = origin.number,
                    what, "malformed span batch is dropped"
                );
                self.refusals.note(Refusal::BatchMalformed);
                self.channel = Some(channel);
                Err(again())
            }
            ChannelItem::End(end) => {
                debug!(l1_block = origin.number, %end, "channel ends");
                if let Some(refusal) = refusal_of(end) {
                    self.refusals.note(refusal);
                }
                Err(again())
            }
        }
    }

    async fn flush(&mut self) -> PipelineResult<()> {
        self.channel = None;
        self.prev.signal(Signal::FlushChannel).await
    }

    async fn advance_origin(&mut self) -> PipelineResult<()> {
        self.prev.advance_origin().await
    }
}

/// What is lost where a channel ends before its last byte.
const fn refusal_of(end: ChannelEnd) -> Option<Refusal> {
    match end {
        ChannelEnd::Read => None,
        ChannelEnd::Cut => Some(Refusal::ChannelCut),
        ChannelEnd::TooLong { .. } => Some(Refusal::ChannelTooLong),
        ChannelEnd::NotAString | ChannelEnd::UnknownType { .. } => Some(Refusal::ChannelContent),
        ChannelEnd::Malformed { .. } => Some(Refusal::BatchMalformed),
    }
}

/// The next item, read on a thread of its own if it is much work. `None` if a decoder panicked.
async fn next_item(mut channel: ChannelBatches) -> Option<(ChannelBatches, ChannelItem)> {
    let (mut channel, is_large) = caught(move || {
        let is_large = channel.is_large();
        (channel, is_large)
    })?;
    let read = move || {
        let item = channel.next_item();
        (channel, item)
    };
    if is_large {
        tokio::task::spawn_blocking(read).await.ok()
    } else {
        caught(read)
    }
}

fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}
