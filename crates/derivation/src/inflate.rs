//! Decompression of a channel, as far as somebody reads and never beyond what a channel may hold. A stream that stops early or
//! breaks gives what came before: batchers have posted unfinished zlib streams, and their batches count.

use alloy_primitives::Bytes;
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use core::fmt;
use flate2::{Decompress, FlushDecompress, Status};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Version byte of a channel in Brotli. Its high nibble would make it no zlib stream.
const BROTLI: u8 = 1;
/// Compression method of zlib, in the low nibble of its first byte: deflate, and a reserved one, which no stream has.
const ZLIB_METHODS: [u8; 2] = [8, 15];
/// Output is made in pieces of this many bytes at the least.
const PIECE: usize = 64 << 10;
/// Memory for output that is kept for what comes, once a batch that was larger has been consumed.
const KEPT: usize = 16 * PIECE;

/// Why a channel cannot be decompressed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum CompressionError {
    /// The channel is empty.
    #[error("channel is empty")]
    Empty,
    /// Brotli is for channels from Fjord on.
    #[error("brotli before fjord")]
    TooEarly,
    /// Neither zlib nor Brotli.
    #[error("unknown compression {first:#04x}")]
    Unknown { first: u8 },
}

/// A channel on its way through the decompressor.
pub(crate) struct Inflater {
    compressed: Bytes,
    /// Bytes of `compressed` that the decompressor has taken.
    taken: usize,
    decoder: Decoder,
    /// What came out and was not consumed yet begins at `start`.
    out: Vec<u8>,
    start: usize,
    /// Bytes that may still come out.
    remaining: u64,
    ended: bool,
}

enum Decoder {
    Zlib(Decompress),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
}

impl Inflater {
    /// A decompressor for `compressed` that gives `limit` bytes at the most.
    ///
    /// # Errors
    /// The first byte says that the channel is compressed in no way that is allowed.
    pub(crate) fn new(
        compressed: Bytes,
        limit: u64,
        is_fjord: bool,
    ) -> Result<Self, CompressionError> {
        let first = *compressed.first().ok_or(CompressionError::Empty)?;
        let (decoder, taken) = if ZLIB_METHODS.contains(&(first & 0x0f)) {
            (Decoder::Zlib(Decompress::new(true)), 0)
        } else if first != BROTLI {
            return Err(CompressionError::Unknown { first });
        } else if is_fjord {
            // Without the extension for large windows, which could claim a gigabyte.
            let state = BrotliState::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            );
            (Decoder::Brotli(Box::new(state)), 1)
        } else {
            return Err(CompressionError::TooEarly);
        };
        Ok(Self {
            compressed,
            taken,
            decoder,
            out: Vec::new(),
            start: 0,
            remaining: limit,
            ended: false,
        })
    }

    /// The next bytes of the channel, at least `wanted` unless the channel ends before.
    pub(crate) fn peek(&mut self, wanted: usize) -> &[u8] {
        while self.available() < wanted && !self.ended {
            self.grow(wanted);
        }
        &self.out[self.start..]
    }

    /// Moves on by `count` bytes that were peeked at.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.out.len());
        // What was consumed is given back before more is made.
        if self.start > PIECE {
            self.out.drain(..self.start);
            self.start = 0;
            self.out.shrink_to(KEPT);
        }
    }

    /// Bytes of the channel as it came.
    pub(crate) fn compressed_len(&self) -> usize {
        self.compressed.len()
    }

    const fn available(&self) -> usize {
        self.out.len() - self.start
    }

    fn grow(&mut self, wanted: usize) {
        let missing = wanted.saturating_sub(self.available()).max(PIECE);
        let room = usize::try_from(self.remaining).map_or(missing, |rest| missing.min(rest));
        if room == 0 {
            self.ended = true;
            return;
        }
        let filled = self.out.len();
        // Not all at once: that a batch is as long as it says is not known before it came out. Memory is taken, and made zero,
        // for no more than what is there already.
        let step = filled.clamp(PIECE, KEPT);
        self.out.resize(filled + room.min(step), 0);
        let input = &self.compressed[self.taken..];
        let (taken, made, ended) = self.decoder.run(input, &mut self.out[filled..]);
        self.out.truncate(filled + made);
        self.taken += taken;
        self.remaining -= made as u64;
        self.ended = ended || (made == 0 && taken == 0);
    }
}

impl Decoder {
    /// Takes of `input`, writes to `output`: how much of both, and whether nothing more can come.
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> (usize, usize, bool) {
        match self {
            Self::Zlib(zlib) => {
                let before = (zlib.total_in(), zlib.total_out());
                let status = zlib.decompress(input, output, FlushDecompress::None);
                let taken = (zlib.total_in() - before.0) as usize;
                let made = (zlib.total_out() - before.1) as usize;
                // A wrong checksum at the end shows as an error, too: what came out before stays.
                let ended = matches!(status, Err(_) | Ok(Status::StreamEnd));
                (taken, made, ended)
            }
            Self::Brotli(state) => {
                let (mut available_in, mut taken) = (input.len(), 0);
                let (mut available_out, mut made) = (output.len(), 0);
                let result = BrotliDecompressStream(
                    &mut available_in,
                    &mut taken,
                    input,
                    &mut available_out,
                    &mut made,
                    output,
                    &mut 0,
                    state,
                );
                let ended = match result {
                    BrotliResult::NeedsMoreOutput => false,
                    // All of the input is there from the start.
                    BrotliResult::NeedsMoreInput
                    | BrotliResult::ResultSuccess
                    | BrotliResult::ResultFailure => true,
                };
                (taken, made, ended)
            }
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("compressed", &self.compressed.len())
            .field("taken", &self.taken)
            .field("available", &self.available())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
