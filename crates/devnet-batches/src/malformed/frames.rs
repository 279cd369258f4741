//! What is wrong with the data of transactions and with frames.

use super::{Malformed, honest_data};
use crate::{
    Channel, ChannelError, Compression, FRAME_OVERHEAD_BYTES, Frame, SingularBatch, batcher_data,
};
use alloy_primitives::Bytes;

impl Malformed {
    pub(super) fn bad_frames(
        self,
        honest: &SingularBatch,
    ) -> Result<Option<Vec<Bytes>>, ChannelError> {
        let good = honest_data(honest)?;
        let bytes = |change: fn(&mut Vec<u8>)| {
            let mut data = good.to_vec();
            change(&mut data);
            vec![Bytes::from(data)]
        };
        Ok(Some(match self {
            Self::Nothing => vec![Bytes::new()],
            Self::UnknownVersion => bytes(|data| data[0] = 0xee),
            Self::NoFrame => bytes(|data| data.truncate(1)),
            Self::TruncatedFrame => bytes(|data| data.truncate(data.len() - 1)),
            Self::OverlongFrame => bytes(|data| data[19..23].fill(0xff)),
            Self::BadEndMark => bytes(|data| spoil_end_mark(data)),
            Self::BytesBehindFrame => bytes(|data| data.extend([0; FRAME_OVERHEAD_BYTES - 1])),
            Self::BadBehindGoodFrame => bytes(|data| {
                data.extend_from_within(1..);
                spoil_end_mark(data);
            }),
            _ => return self.bad_order(honest),
        }))
    }

    fn bad_order(self, honest: &SingularBatch) -> Result<Option<Vec<Bytes>>, ChannelError> {
        let [zero, one, two] = self.thirds(honest)?;
        let [idle_zero, idle_one, idle_two] = self.thirds(&SingularBatch {
            parent_hash: !honest.parent_hash,
            ..honest.clone()
        })?;
        let other_one = Frame {
            data: idle_one.data.clone(),
            ..one.clone()
        };
        let early_end = Frame {
            is_last: true,
            ..zero.clone()
        };
        let frames: &[&Frame] = match self {
            Self::ReversedFrames => &[&one, &zero],
            Self::MissingFrame => &[&zero, &two],
            Self::MissingFirstFrame => &[&one, &two],
            Self::DuplicateFrames => &[
                &idle_zero, &idle_zero, &idle_one, &idle_one, &idle_two, &idle_two,
            ],
            Self::ContradictingFrames => &[&zero, &other_one, &one, &two],
            Self::MixedChannels => &[&zero, &idle_zero, &one, &idle_one, &two, &idle_two],
            Self::UnfinishedChannel => &[&zero],
            Self::FrameAfterEnd => &[&early_end, &one, &two],
            _ => return Ok(None),
        };
        let each = frames.iter().map(|frame| batcher_data([*frame]));
        Ok(Some(each.collect()))
    }

    /// A channel of the batch in three frames. Each kind has one of its own: pieces of two kinds must not make something good.
    fn thirds(self, batch: &SingularBatch) -> Result<[Frame; 3], ChannelError> {
        let mut channel = Channel::of_batches(&[batch.encoded()], Compression::Zlib)?;
        channel.id[0] ^= self as u8;
        let frames = channel.frames(channel.data.len().div_ceil(3))?;
        Ok(frames
            .try_into()
            .expect("a channel with a hash in it has three bytes and more"))
    }
}

fn spoil_end_mark(data: &mut [u8]) {
    if let Some(end) = data.last_mut() {
        *end = 2;
    }
}
