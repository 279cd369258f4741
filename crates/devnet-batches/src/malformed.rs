//! Everything malformed that a batcher can put on L1, made out of the next honest batch, so that whoever takes one for good
//! leaves the sequencer's chain, and is seen to. Derivation has to survive all of it, and to go on with the honest batch that
//! comes after it.

mod batches;
mod blobs;
mod channels;
mod frames;
mod spans;
#[cfg(test)]
mod tests;

use crate::{Channel, ChannelError, Compression, SingularBatch, batcher_data};
use alloy_eips::eip4844::Blob;
use alloy_primitives::Bytes;
use serde::{Deserialize, Serialize};

/// Further away than any sequencer may drift and any window reaches, in seconds.
const FAR_SECONDS: u64 = 10_000_000;

/// Declares the kinds, and the list of all of them.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident,)+) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub enum Malformed {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Malformed {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];
        }
    };
}

kinds! {
    /// No data at all.
    Nothing,
    /// A version byte that stands for nothing.
    UnknownVersion,
    /// The version and no frame.
    NoFrame,
    /// A frame that ends early.
    TruncatedFrame,
    /// A frame that says that it is longer than it is.
    OverlongFrame,
    /// An end mark that is neither 0 nor 1.
    BadEndMark,
    /// A good frame, and bytes behind it.
    BytesBehindFrame,
    /// A good frame, and a bad one behind it.
    BadBehindGoodFrame,
    /// Frame 1 before frame 0.
    ReversedFrames,
    /// Frame 0 and frame 2.
    MissingFrame,
    /// A channel without its frame 0.
    MissingFirstFrame,
    /// Each frame twice, of a channel that says nothing.
    DuplicateFrames,
    /// Frame 1 twice, the first time with other data.
    ContradictingFrames,
    /// The frames of two channels by turns: what the second one says counts, which is nothing.
    MixedChannels,
    /// A channel whose last frame never comes.
    UnfinishedChannel,
    /// A frame of a channel that has been closed.
    FrameAfterEnd,
    /// A channel without a byte.
    EmptyChannel,
    /// A channel that nothing can inflate.
    NotCompressed,
    /// A channel in a compression that does not exist.
    UnknownCompression,
    /// A zlib stream for which a dictionary must be known.
    UnknownDictionary,
    /// A compressed stream that ends early, within the batch.
    TruncatedStream,
    /// The same for brotli.
    TruncatedBrotli,
    /// Noise that says that it is brotli.
    BrotliOfNoise,
    /// A small zlib stream that inflates to 104 MiB.
    ZlibBomb,
    /// The same for brotli.
    BrotliBomb,
    /// One batch of nearly 100 MB of zeros.
    LongBatch,
    /// One batch that says that it is longer than a channel may be.
    OverlongBatch,
    /// A batch of ten million transactions without a byte.
    CrowdedBatch,
    /// A batch of a type that does not exist.
    UnknownBatchType,
    /// A batch without a byte.
    EmptyBatch,
    /// A batch whose RLP says that it is longer than it is.
    TruncatedBatch,
    /// A batch that is no RLP list.
    BatchOfNoise,
    /// An RLP list where a batch, which is an RLP string, should stand.
    BatchAsList,
    /// A batch with one field too many.
    BatchWithSurplusField,
    /// A batch with one field too few.
    BatchWithMissingField,
    /// A number with a zero before it.
    PaddedNumber,
    /// A hash that is one byte short.
    ShortHash,
    /// A transaction that is an RLP list.
    TransactionAsList,
    /// A span that ends within its prefix.
    SpanWithoutPayload,
    /// A span of no block.
    SpanWithoutBlocks,
    /// A span that says it has 2^60 blocks.
    SpanOfTooManyBlocks,
    /// A span that says it has as many blocks as it may, of which none is there.
    SpanOfMissingBlocks,
    /// A span that has half as many blocks as it may, on another parent.
    CrowdedSpan,
    /// A span with an origin bit beyond its blocks.
    SpanWithStrayBits,
    /// A span whose last block says that it has 2^60 transactions.
    SpanOfTooManyTransactions,
    /// A span with a number of more than 64 bits.
    SpanWithLongNumber,
    /// A span whose signatures end early.
    SpanWithoutSignatures,
    /// A span that starts before the first L1 block there is: numbers of origins below zero.
    SpanBelowL1Genesis,
    /// A span whose time does not fit into 64 bits.
    SpanBeyondTime,
    /// A span of the next block on another parent.
    SpanOnWrongParent,
    /// The same with another L1 origin's hash.
    SpanOnWrongEpoch,
    /// The same with an L1 origin that lies far ahead.
    SpanOnFutureEpoch,
    /// The same with a time between two blocks.
    SpanBetweenBlocks,
    /// The same with a time that lies far ahead.
    FutureSpan,
    /// The same with a deposit (type 0x7E).
    SpanWithDeposit,
    /// The same with a post-exec transaction (type 0x7D).
    SpanWithPostExecTransaction,
    /// The batch of the next block on another parent.
    WrongParent,
    /// The same with another L1 origin's hash.
    WrongEpochHash,
    /// An L1 origin that lies far ahead.
    FutureEpoch,
    /// An L1 origin before the parent's.
    PastEpoch,
    /// A time that lies far ahead.
    FutureBatch,
    /// A time that is over.
    PastBatch,
    /// With a deposit (type 0x7E).
    DepositTransaction,
    /// With a post-exec transaction (type 0x7D).
    PostExecTransaction,
    /// With a transaction without a byte.
    EmptyTransaction,
    /// An honest batch from somebody who is not the batcher.
    Stranger,
    /// An honest batch in a blob of a version that does not exist.
    BlobOfUnknownVersion,
    /// A blob that says that more is in it than can be.
    OverlongBlob,
    /// An honest batch in a blob with a bit where none may be.
    BlobWithStrayBit,
    /// An honest batch in a blob with more behind it.
    BytesBehindBlob,
    /// A blob of nothing but zeros.
    ZeroBlob,
    /// With a transaction for another chain. The batch itself is good, the execution layer refuses the block: from Holocene on
    /// it comes out without user transactions.
    ForeignChainId,
    /// With bytes that are no transaction. As [`Self::ForeignChainId`].
    NoiseTransaction,
}

/// What stands on L1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Data of batcher transactions or blobs, one for each, in order.
    Data(Vec<Bytes>),
    /// A blob that is no encoding of data.
    Blob(Box<Blob>),
}

/// What an honest batcher would say next.
#[derive(Clone, Debug)]
pub struct Honest {
    /// The batch of the next L2 block.
    pub batch: SingularBatch,
    /// Time of the L2 genesis block, Unix seconds.
    pub genesis_time: u64,
}

impl Malformed {
    /// True if derivation makes a block of it, but another one than the sequencer has: whoever derives leaves the sequencer's
    /// chain there.
    pub const fn replaces_block(self) -> bool {
        matches!(self, Self::ForeignChainId | Self::NoiseTransaction)
    }

    /// True if nothing is wrong but who sends it.
    pub const fn is_from_stranger(self) -> bool {
        matches!(self, Self::Stranger)
    }

    /// True if it is small on L1 and large in memory.
    pub const fn is_bomb(self) -> bool {
        matches!(
            self,
            Self::ZlibBomb
                | Self::BrotliBomb
                | Self::LongBatch
                | Self::CrowdedBatch
                | Self::CrowdedSpan
        )
    }

    /// What stands on L1 instead of `honest`.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn content(self, honest: &Honest) -> Result<Content, ChannelError> {
        let batch = &honest.batch;
        if let Some(blob) = self.bad_blob(batch)? {
            return Ok(Content::Blob(blob));
        }
        if let Some(data) = self.bad_frames(batch)? {
            return Ok(Content::Data(data));
        }
        let channel = match self.bad_channel(batch)? {
            Some(channel) => channel,
            None => {
                let span = self.bad_span(honest);
                let encoded = span.unwrap_or_else(|| self.bad_batch(batch));
                Channel::of_batches(&[encoded], Compression::Zlib)?
            }
        };
        let frames = channel.frames(usize::MAX)?;
        Ok(Content::Data(vec![batcher_data(&frames)]))
    }
}

/// The honest batch as the data of one batcher transaction.
fn honest_data(batch: &SingularBatch) -> Result<Bytes, ChannelError> {
    let channel = Channel::of_batches(&[batch.encoded()], Compression::Zlib)?;
    Ok(batcher_data(&channel.frames(usize::MAX)?))
}
