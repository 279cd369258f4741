//! The batches in a channel, one after the other (`specs/protocol/derivation.md#batch-format`): each is an RLP string that begins
//! with its type. What is malformed on the outside ends the channel, what is malformed within a span batch costs that batch alone.

use crate::{
    inflate::{CompressionError, Inflater},
    kona::Batch,
    single::decode_single,
    span::{SpanChain, SpanError, decode_span},
};
use alloy_primitives::Bytes;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Type byte of a batch of one block.
const SINGULAR: u8 = 0;
/// Type byte of a batch of many blocks.
const SPAN: u8 = 1;
/// A channel of more bytes, and a batch of more bytes in whatever channel, is decoded off the async threads: about a millisecond of
/// work.
const LARGE: usize = 32 << 10;

/// What the next place in a channel holds.
#[derive(Debug)]
pub(crate) enum ChannelItem {
    /// A batch. It may still be invalid.
    Batch(Box<Batch>),
    /// A span batch whose transactions are malformed; the channel goes on behind it.
    Malformed(&'static str),
    /// Nothing more.
    End(ChannelEnd),
}

/// Why a channel gives no more batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ChannelEnd {
    /// All of it was read.
    #[error("channel is read")]
    Read,
    /// It stops within a batch.
    #[error("channel stops within a batch")]
    Cut,
    /// The next batch would exceed what is read of a channel.
    #[error("channel is longer than {limit} bytes")]
    TooLong { limit: u64 },
    /// What follows is no RLP string.
    #[error("channel holds something else than batches")]
    NotAString,
    /// No such type of batch.
    #[error("unknown batch type {batch_type}")]
    UnknownType { batch_type: u8 },
    /// A batch is malformed.
    #[error("malformed batch: {what}")]
    Malformed { what: &'static str },
}

/// A complete channel that is being read.
#[derive(Debug)]
pub(crate) struct ChannelBatches {
    inflater: Inflater,
    limit: u64,
    /// Bytes that may still be read.
    remaining: u64,
    chain: SpanChain,
}

impl ChannelBatches {
    /// Begins to read a channel of which `limit` bytes count.
    ///
    /// # Errors
    /// The channel is compressed in no way that is allowed.
    pub(crate) fn new(
        compressed: Bytes,
        limit: u64,
        is_fjord: bool,
        chain: SpanChain,
    ) -> Result<Self, CompressionError> {
        Ok(Self {
            inflater: Inflater::new(compressed, limit, is_fjord)?,
            limit,
            remaining: limit,
            chain,
        })
    }

    /// True if reading on may take long enough to be done elsewhere. What a channel says in a few bytes may be a million of them.
    pub(crate) fn is_large(&mut self) -> bool {
        self.inflater.compressed_len() > LARGE
            || matches!(self.next_head(), Ok((_, length)) if length > LARGE)
    }

    /// What comes next. After [`ChannelItem::End`] the channel is of no more use.
    pub(crate) fn next_item(&mut self) -> ChannelItem {
        let (head, length) = match self.next_string() {
            Ok(string) => string,
            Err(end) => return ChannelItem::End(end),
        };
        let payload = &self.inflater.peek(head + length)[head..head + length];
        let item = decode_batch(payload, &self.chain);
        self.inflater.consume(head + length);
        self.remaining -= (head + length) as u64;
        item
    }

    /// Length of the RLP head and of the string behind it, which is there and within the limit.
    fn next_string(&mut self) -> Result<(usize, usize), ChannelEnd> {
        let (head, length) = self.next_head()?;
        let bytes = self.inflater.peek(head + length);
        if bytes.len() < head + length {
            return Err(ChannelEnd::Cut);
        }
        if head == 1 && length == 1 && bytes[1] < 0x80 {
            return Err(ChannelEnd::NotAString);
        }
        Ok((head, length))
    }

    /// Length of the RLP head and of the string that it announces, within the limit.
    fn next_head(&mut self) -> Result<(usize, usize), ChannelEnd> {
        let too_long = ChannelEnd::TooLong { limit: self.limit };
        let Some(first) = self.inflater.peek(1).first().copied() else {
            // At the limit nothing comes any more, whether or not there is more.
            let is_full = self.remaining == 0;
            return Err(if is_full { too_long } else { ChannelEnd::Read });
        };
        let (head, length) = match first {
            0..0x80 => (0, 1),
            0x80..0xb8 => (1, usize::from(first - 0x80)),
            0xb8..0xc0 => self.long_length(usize::from(first - 0xb7))?,
            _ => return Err(ChannelEnd::NotAString),
        };
        if head as u64 + length as u64 > self.remaining {
            return Err(too_long);
        }
        Ok((head, length))
    }

    /// The head of a string of 56 bytes or more: its length stands in `bytes` bytes, and in no fewer.
    fn long_length(&mut self, bytes: usize) -> Result<(usize, usize), ChannelEnd> {
        let head = self.inflater.peek(1 + bytes);
        let digits = head.get(1..=bytes).ok_or(ChannelEnd::Cut)?;
        let length = digits
            .iter()
            .fold(0_u64, |length, digit| (length << 8) | u64::from(*digit));
        if digits[0] == 0 || length < 56 {
            return Err(ChannelEnd::NotAString);
        }
        // What has no place in memory has none in a channel either.
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length as u64 <= self.limit)
            .ok_or(ChannelEnd::TooLong { limit: self.limit })?;
        Ok((1 + bytes, length))
    }
}

fn decode_batch(payload: &[u8], chain: &SpanChain) -> ChannelItem {
    let Some((batch_type, content)) = payload.split_first() else {
        return ChannelItem::End(ChannelEnd::Malformed { what: "no type" });
    };
    match *batch_type {
        SINGULAR => match decode_single(content) {
            Ok(batch) => ChannelItem::Batch(Box::new(Batch::Single(batch))),
            Err(_) => ChannelItem::End(ChannelEnd::Malformed {
                what: "singular batch",
            }),
        },
        SPAN => match decode_span(content, chain) {
            Ok(span) => ChannelItem::Batch(Box::new(Batch::Span(span))),
            Err(SpanError::Structure(what)) => ChannelItem::End(ChannelEnd::Malformed { what }),
            Err(SpanError::Transactions(what)) => ChannelItem::Malformed(what),
        },
        batch_type => ChannelItem::End(ChannelEnd::UnknownType { batch_type }),
    }
}
