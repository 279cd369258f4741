#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    kona::{ChannelProvider, ChannelReaderProvider, rollup_config},
    testing::world::{GENESIS_TIME, World},
};
use light_node_protocol::L1BlockRef;
use std::collections::VecDeque;

/// Frames in a row, an end of the L1 block where it says so.
#[derive(Debug)]
struct Frames(VecDeque<Option<Frame>>, Cursor);

#[async_trait]
impl NextFrameProvider for Frames {
    async fn next_frame(&mut self) -> PipelineResult<Frame> {
        self.0
            .pop_front()
            .flatten()
            .ok_or_else(|| PipelineError::Eof.temp())
    }
}

impl OriginProvider for Frames {
    fn origin(&self) -> Option<BlockInfo> {
        self.1.origin()
    }
}

#[async_trait]
impl OriginAdvancer for Frames {
    async fn advance_origin(&mut self) -> PipelineResult<()> {
        Ok(())
    }
}

#[async_trait]
impl SignalReceiver for Frames {
    async fn signal(&mut self, _signal: Signal) -> PipelineResult<()> {
        Ok(())
    }
}

fn l1(number: u64) -> L1BlockRef {
    L1BlockRef {
        number,
        timestamp: GENESIS_TIME + 12 * number,
        ..L1BlockRef::default()
    }
}

fn frame(channel: u8, number: u16, is_last: bool) -> Option<Frame> {
    let data = vec![channel, number as u8];
    Some(Frame::new([channel; 16], number, data, is_last))
}

fn guard(frames: impl IntoIterator<Item = Option<Frame>>) -> (FrameGuard<Frames>, Cursor) {
    let cursor = Cursor::new(&l1(1));
    let frames = Frames(frames.into_iter().collect(), cursor.clone());
    let config = World::new().config;
    (
        FrameGuard::new(frames, config, cursor.clone(), Refusals::default()),
        cursor,
    )
}

/// The data of the channels that come out, until the frames end.
async fn channels(guard: &mut FrameGuard<Frames>) -> Vec<Vec<u8>> {
    let mut channels = Vec::new();
    while let Ok(frame) = guard.next_frame().await {
        assert!(frame.number == 0 && frame.is_last);
        channels.push(frame.data);
    }
    channels
}

#[tokio::test]
async fn frames_in_order_make_one_channel_across_l1_blocks() {
    let (mut guard, cursor) = guard([frame(1, 0, false), None, frame(1, 1, true)]);
    assert_eq!(channels(&mut guard).await, [[0; 0]; 0]);
    cursor.set(crate::kona::block_info(&l1(2)));
    assert_eq!(channels(&mut guard).await, [[1, 0, 1, 1]]);
}

#[tokio::test]
async fn frames_out_of_order_are_left_out_where_the_stock_assembler_takes_them() {
    let frames = [frame(1, 0, false), frame(1, 2, true), frame(1, 1, false)];
    let (mut ours, _) = guard(frames.clone());
    assert_eq!(channels(&mut ours).await, [[0; 0]; 0]);

    let config = World::new().config;
    let cursor = Cursor::new(&l1(1));
    let source = Frames(frames.into_iter().collect(), cursor);
    let mut stock = ChannelProvider::new(rollup_config(&config).into(), source);
    let mut found = None;
    for _ in 0..3 {
        found = found.or(stock.next_data().await.ok().flatten());
    }
    assert_eq!(found.unwrap().as_ref(), [1, 0, 1, 1, 1, 2]);
}

#[tokio::test]
async fn a_first_frame_begins_a_new_channel_and_strangers_are_left_out() {
    let (mut guard, _) = guard([
        frame(7, 3, true),
        frame(1, 0, false),
        frame(2, 1, true),
        frame(3, 0, false),
        frame(1, 1, true),
        frame(3, 1, true),
        frame(3, 2, true),
    ]);
    assert_eq!(channels(&mut guard).await, [[3, 0, 3, 1]]);
}

#[tokio::test]
async fn a_channel_times_out_after_fifty_l1_blocks() {
    for (blocks, expected) in [(50, 1), (51, 0)] {
        let (mut guard, cursor) = guard([frame(1, 0, false), None, frame(1, 1, true)]);
        channels(&mut guard).await;
        cursor.set(crate::kona::block_info(&l1(1 + blocks)));
        assert_eq!(channels(&mut guard).await.len(), expected, "after {blocks}");
    }
}

#[tokio::test]
async fn a_channel_that_is_too_large_is_dropped() {
    let large = |number, is_last| Some(Frame::new([1; 16], number, vec![0; 60_000_000], is_last));
    let (mut guard, _) = guard([large(0, false), large(1, true), frame(2, 0, true)]);
    assert_eq!(channels(&mut guard).await, [[2, 0]]);
}

#[tokio::test]
async fn a_channel_may_have_as_many_frames_as_there_are_numbers() {
    let frames = (0..=u16::MAX).map(|number| frame(1, number, number == u16::MAX));
    let (guard, _) = guard(frames);
    let config = rollup_config(&guard.config);
    let mut channels = ChannelProvider::new(config.into(), guard);
    let channel = channels.next_data().await.unwrap().unwrap();
    assert_eq!(channel.len(), 2 << 16);
}

#[tokio::test]
async fn a_flush_drops_what_was_collected() {
    let (mut guard, _) = guard([
        frame(1, 0, false),
        None,
        frame(1, 1, true),
        frame(2, 0, true),
    ]);
    channels(&mut guard).await;
    guard.signal(Signal::FlushChannel).await.unwrap();
    assert_eq!(channels(&mut guard).await, [[2, 0]]);
}
