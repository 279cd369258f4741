//! Frames: the pieces of channels that a batcher's transaction or blob brings. Data with one bad frame counts for nothing
//! (`specs/protocol/derivation.md#frame-format`), and from Holocene on frames out of order are left out
//! (`specs/protocol/holocene/derivation.md#frame-queue`).

use alloy_primitives::Bytes;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// The first byte of a batcher's data.
pub(crate) const DERIVATION_VERSION: u8 = 0;
/// Most bytes of data in a frame.
const MAX_FRAME_BYTES: usize = 1_000_000;
/// Bytes of a frame before its data: channel id, frame number, length.
const HEAD: usize = 16 + 2 + 4;

/// A frame whose data lies in what it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawFrame {
    pub(crate) channel: [u8; 16],
    pub(crate) number: u16,
    pub(crate) data: Bytes,
    pub(crate) is_last: bool,
}

/// Why data holds no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum FrameError {
    /// Nothing, or nothing after the version.
    #[error("no frame")]
    Empty,
    /// Another version: other data, or none of a batcher's.
    #[error("unknown version {version}")]
    Version { version: u8 },
    /// The data ends within a frame.
    #[error("cut within frame {index}")]
    Cut { index: usize },
    /// More data than a frame may have.
    #[error("frame {index} has {length} bytes")]
    TooLong { index: usize, length: usize },
    /// Neither 0 nor 1.
    #[error("is-last byte of frame {index} is {byte}")]
    IsLast { index: usize, byte: u8 },
}

/// All frames in a batcher's data.
pub(crate) fn parse_frames(data: &Bytes) -> Result<Vec<RawFrame>, FrameError> {
    let (version, _) = data.split_first().ok_or(FrameError::Empty)?;
    if *version != DERIVATION_VERSION {
        return Err(FrameError::Version { version: *version });
    }
    let mut frames = Vec::new();
    let mut offset = 1;
    while offset < data.len() {
        let index = frames.len();
        let cut = FrameError::Cut { index };
        let (head, rest) = data[offset..].split_at_checked(HEAD).ok_or(cut)?;
        let (channel, numbers) = head.split_first_chunk::<16>().ok_or(cut)?;
        let number = u16::from_be_bytes([numbers[0], numbers[1]]);
        let length = u32::from_be_bytes([numbers[2], numbers[3], numbers[4], numbers[5]]) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong { index, length });
        }
        let byte = *rest.get(length).ok_or(cut)?;
        if byte > 1 {
            return Err(FrameError::IsLast { index, byte });
        }
        let start = offset + HEAD;
        frames.push(RawFrame {
            channel: *channel,
            number,
            data: data.slice(start..start + length),
            is_last: byte == 1,
        });
        offset = start + length + 1;
    }
    if frames.is_empty() {
        return Err(FrameError::Empty);
    }
    Ok(frames)
}

/// Leaves out frames that cannot continue the one before them, and frames of a channel that another one displaces before it is
/// complete. Only neighbours are compared, again and again where one was left out.
pub(crate) fn prune_frames(frames: Vec<RawFrame>) -> Vec<RawFrame> {
    let mut kept: Vec<RawFrame> = Vec::with_capacity(frames.len());
    for next in frames {
        loop {
            let Some(current) = kept.last() else {
                kept.push(next);
                break;
            };
            if current.channel == next.channel {
                let continues = !current.is_last && next.number == current.number.wrapping_add(1);
                if continues {
                    kept.push(next);
                }
                break;
            }
            if next.number != 0 {
                break;
            }
            if current.is_last {
                kept.push(next);
                break;
            }
            // A new channel begins although the old one has not ended: the old one's frames go, the last one first.
            kept.pop();
        }
    }
    kept
}

impl RawFrame {
    /// A batcher's data with this frame alone.
    pub(crate) fn encode_alone(&self) -> Bytes {
        let mut out = Vec::with_capacity(1 + HEAD + self.data.len() + 1);
        out.push(DERIVATION_VERSION);
        out.extend_from_slice(&self.channel);
        out.extend_from_slice(&self.number.to_be_bytes());
        // A frame that was parsed is short enough for 32 bits.
        out.extend_from_slice(&(self.data.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.data);
        out.push(u8::from(self.is_last));
        out.into()
    }
}
