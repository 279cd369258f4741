//! Between the frame queue and the channels. From Holocene on it lets only the next frame of one channel pass
//! (`specs/protocol/holocene/derivation.md#channel-bank`): it collects them itself, and hands a complete channel on as a single
//! frame. So the stage above never sees a frame out of order, nor more of them than it can count.

use super::Cursor;
use crate::{
    kona::{
        BlockInfo, Frame, NextFrameProvider, OriginAdvancer, OriginProvider, PipelineError,
        PipelineResult, Signal, SignalReceiver,
    },
    refusals::{Refusal, Refusals},
};
use async_trait::async_trait;
use light_node_protocol::{Hardfork, RollupConfig};
use std::sync::Arc;
use tracing::debug;

#[cfg(test)]
mod tests;

/// What a frame counts beside its data (`specs/protocol/derivation.md#pruning`).
const FRAME_OVERHEAD: u64 = 200;

/// Lets frames pass in order.
#[derive(Debug)]
pub(crate) struct FrameGuard<P> {
    prev: P,
    config: Arc<RollupConfig>,
    cursor: Cursor,
    refusals: Refusals,
    open: Option<OpenChannel>,
}

/// A channel whose frames are being collected.
#[derive(Debug)]
struct OpenChannel {
    id: [u8; 16],
    /// L1 block of its first frame.
    opened_at: u64,
    frames: usize,
    /// Data and overhead of its frames.
    size: u64,
    data: Vec<u8>,
}

impl<P> FrameGuard<P> {
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
            open: None,
        }
    }

    /// Adds a frame; gives the channel if it is complete.
    fn add(&mut self, frame: Frame, origin: &BlockInfo) -> Option<Frame> {
        if frame.number == 0 {
            // A first frame always begins anew, also within a channel.
            self.open = Some(OpenChannel {
                id: frame.id,
                opened_at: origin.number,
                frames: 0,
                size: 0,
                data: Vec::new(),
            });
        }
        let Some(open) = &mut self.open else {
            self.refusals.note(Refusal::FrameOutOfOrder);
            return None;
        };
        if frame.id != open.id || usize::from(frame.number) != open.frames {
            debug!(
                l1_block = origin.number,
                frame = frame.number,
                "frame out of order is left out"
            );
            self.refusals.note(Refusal::FrameOutOfOrder);
            return None;
        }
        open.frames += 1;
        open.size += frame.data.len() as u64 + FRAME_OVERHEAD;
        if open.size > self.config.max_rlp_bytes_per_channel(origin.timestamp) {
            debug!(l1_block = origin.number, "oversized channel is dropped");
            self.refusals.note(Refusal::ChannelTooLong);
            self.open = None;
            return None;
        }
        if open.data.is_empty() {
            open.data = frame.data;
        } else {
            open.data.extend_from_slice(&frame.data);
        }
        if !frame.is_last {
            return None;
        }
        let complete = self.open.take()?;
        Some(Frame::new(complete.id, 0, complete.data, true))
    }

    fn drop_if_timed_out(&mut self, origin: &BlockInfo) {
        let timeout = self.config.channel_timeout(origin.timestamp);
        let timed_out = |open: &OpenChannel| open.opened_at + timeout < origin.number;
        if self.open.as_ref().is_some_and(timed_out) {
            debug!(l1_block = origin.number, "channel timed out");
            self.refusals.note(Refusal::ChannelTimedOut);
            self.open = None;
        }
    }
}

#[async_trait]
impl<P: NextFrameProvider + Send> NextFrameProvider for FrameGuard<P> {
    async fn next_frame(&mut self) -> PipelineResult<Frame> {
        let origin = self.cursor.get();
        if !self.config.is_active(Hardfork::Holocene, origin.timestamp) {
            self.open = None;
            let frame = self.prev.next_frame().await?;
            // The bank counts frames in 16 bits, in which this one does not fit.
            if frame.number == u16::MAX && frame.is_last {
                return Err(PipelineError::NotEnoughData.temp());
            }
            return Ok(frame);
        }
        self.drop_if_timed_out(&origin);
        loop {
            let frame = self.prev.next_frame().await?;
            if let Some(channel) = self.add(frame, &origin) {
                return Ok(channel);
            }
        }
    }
}

impl<P> OriginProvider for FrameGuard<P> {
    fn origin(&self) -> Option<BlockInfo> {
        self.cursor.origin()
    }
}

#[async_trait]
impl<P: OriginAdvancer + Send> OriginAdvancer for FrameGuard<P> {
    async fn advance_origin(&mut self) -> PipelineResult<()> {
        self.prev.advance_origin().await
    }
}

#[async_trait]
impl<P: SignalReceiver + Send> SignalReceiver for FrameGuard<P> {
    /// A flush drops the channel that is being collected.
    async fn signal(&mut self, signal: Signal) -> PipelineResult<()> {
        self.open = None;
        self.prev.signal(signal).await
    }
}
