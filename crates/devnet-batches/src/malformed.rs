//! Everything malformed that a batcher can put on L1, made out of the next honest batch, so that each piece is wrong in one
//! way only. Derivation has to survive all of it, and to go on with the honest batch that comes after it.

use crate::{
    Channel, ChannelError, Compression, FRAME_OVERHEAD_BYTES, Frame, SPAN_BATCH_TYPE,
    SingularBatch, SpanBatch, SpanBlock, batcher_data,
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::{Address, Bytes, Signature, TxKind};
use serde::{Deserialize, Serialize};

/// What a bomb inflates to: more than any limit of a channel (10 MB, 100 MB from Fjord on), in bytes.
const BOMB_BYTES: usize = 104 * 1024 * 1024;

/// Further away than any sequencer may drift and any window reaches, in seconds.
const FAR_SECONDS: u64 = 10_000_000;

/// A chain that no rollup of ours has.
const FOREIGN_CHAIN_ID: u64 = 1;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Malformed {
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
    /// Frame 1 before frame 0.
    ReversedFrames,
    /// Frame 0 and frame 2.
    MissingFrame,
    /// A channel whose last frame never comes.
    UnfinishedChannel,
    /// A frame of a channel that has been closed.
    FrameAfterEnd,
    /// A channel without a byte.
    EmptyChannel,
    /// A channel that nothing can inflate.
    NotCompressed,
    /// A compressed stream that ends early, within the batch.
    TruncatedStream,
    /// A small zlib stream that inflates to 104 MiB.
    ZlibBomb,
    /// The same for brotli.
    BrotliBomb,
    /// A batch of a type that does not exist.
    UnknownBatchType,
    /// A batch without a byte.
    EmptyBatch,
    /// A batch whose RLP says that it is longer than it is.
    TruncatedBatch,
    /// A batch that is no RLP list.
    BatchOfNoise,
    /// A span that ends within its prefix.
    SpanWithoutPayload,
    /// A span of no block.
    SpanWithoutBlocks,
    /// A span that says it has 2^60 blocks.
    SpanOfTooManyBlocks,
    /// A span with an origin bit beyond its blocks.
    SpanWithStrayBits,
    /// A span whose last block says that it has 2^60 transactions.
    SpanOfTooManyTransactions,
    /// A span whose signatures end early.
    SpanWithoutSignatures,
    /// A span that starts before the first L1 block there is: numbers of origins below zero.
    SpanBelowL1Genesis,
    /// A span whose time does not fit into 64 bits.
    SpanBeyondTime,
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
    /// With a transaction for another chain. The batch itself is good, the execution layer refuses the block: from Holocene on
    /// it comes out without user transactions.
    ForeignChainId,
    /// With bytes that are no transaction. As [`Self::ForeignChainId`].
    NoiseTransaction,
}

impl Malformed {
    /// All kinds.
    pub const ALL: [Self; 39] = [
        Self::Nothing,
        Self::UnknownVersion,
        Self::NoFrame,
        Self::TruncatedFrame,
        Self::OverlongFrame,
        Self::BadEndMark,
        Self::BytesBehindFrame,
        Self::ReversedFrames,
        Self::MissingFrame,
        Self::UnfinishedChannel,
        Self::FrameAfterEnd,
        Self::EmptyChannel,
        Self::NotCompressed,
        Self::TruncatedStream,
        Self::ZlibBomb,
        Self::BrotliBomb,
        Self::UnknownBatchType,
        Self::EmptyBatch,
        Self::TruncatedBatch,
        Self::BatchOfNoise,
        Self::SpanWithoutPayload,
        Self::SpanWithoutBlocks,
        Self::SpanOfTooManyBlocks,
        Self::SpanWithStrayBits,
        Self::SpanOfTooManyTransactions,
        Self::SpanWithoutSignatures,
        Self::SpanBelowL1Genesis,
        Self::SpanBeyondTime,
        Self::WrongParent,
        Self::WrongEpochHash,
        Self::FutureEpoch,
        Self::PastEpoch,
        Self::FutureBatch,
        Self::PastBatch,
        Self::DepositTransaction,
        Self::PostExecTransaction,
        Self::EmptyTransaction,
        Self::ForeignChainId,
        Self::NoiseTransaction,
    ];

    /// True if derivation makes a block of it, but another one than the sequencer has: whoever derives leaves the sequencer's
    /// chain there.
    pub const fn replaces_block(self) -> bool {
        matches!(self, Self::ForeignChainId | Self::NoiseTransaction)
    }

    /// The data of the batcher transactions that carry it, in order. `honest` is the batch of the next L2 block.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn transactions(self, honest: &SingularBatch) -> Result<Vec<Bytes>, ChannelError> {
        if let Some(data) = self.bad_frames(honest)? {
            return Ok(data);
        }
        let channel = match self {
            Self::EmptyChannel => Channel::of_data(Bytes::new()),
            Self::NotCompressed => Channel::of_data(vec![0xff; 300]),
            Self::TruncatedStream => {
                let whole = Channel::of_batches(&[honest.encoded()], Compression::Zlib)?;
                Channel::of_data(whole.data.slice(..whole.data.len() / 2))
            }
            Self::ZlibBomb => Channel::of_bytes(&vec![0; BOMB_BYTES], Compression::Zlib)?,
            Self::BrotliBomb => Channel::of_bytes(&vec![0; BOMB_BYTES], Compression::Brotli)?,
            Self::TruncatedBatch => {
                // An RLP string of 60,000 bytes of which a few are there.
                let plain = [&[0xb9, 0xea, 0x60], &honest.encoded()[..]].concat();
                Channel::of_bytes(&plain, Compression::Zlib)?
            }
            _ => Channel::of_batches(&[self.bad_batch(honest)], Compression::Zlib)?,
        };
        let frames = channel.frames(usize::MAX)?;
        Ok(vec![batcher_data(&frames)])
    }

    fn bad_frames(self, honest: &SingularBatch) -> Result<Option<Vec<Bytes>>, ChannelError> {
        let channel = Channel::of_batches(&[honest.encoded()], Compression::Zlib)?;
        let whole = channel.frames(usize::MAX)?;
        let third = channel.data.len().div_ceil(3);
        let thirds = channel.frames(third)?;
        let good = batcher_data(&whole);
        let bytes = |change: fn(&mut Vec<u8>)| {
            let mut data = good.to_vec();
            change(&mut data);
            vec![Bytes::from(data)]
        };
        let each = |frames: &[Frame]| frames.iter().map(|frame| batcher_data([frame])).collect();
        Ok(Some(match self {
            Self::Nothing => vec![Bytes::new()],
            Self::UnknownVersion => bytes(|data| data[0] = 0xee),
            Self::NoFrame => bytes(|data| data.truncate(1)),
            Self::TruncatedFrame => bytes(|data| data.truncate(data.len() - 1)),
            Self::OverlongFrame => bytes(|data| data[19..23].fill(0xff)),
            Self::BadEndMark => bytes(|data| {
                if let Some(end) = data.last_mut() {
                    *end = 2;
                }
            }),
            Self::BytesBehindFrame => bytes(|data| data.extend([0; FRAME_OVERHEAD_BYTES - 1])),
            Self::ReversedFrames => each(&[thirds[1].clone(), thirds[0].clone()]),
            Self::MissingFrame => each(&[thirds[0].clone(), thirds[2].clone()]),
            Self::UnfinishedChannel => each(&thirds[..1]),
            Self::FrameAfterEnd => {
                let mut first = thirds[0].clone();
                first.is_last = true;
                each(&[first, thirds[1].clone(), thirds[2].clone()])
            }
            _ => return Ok(None),
        }))
    }

    fn bad_batch(self, honest: &SingularBatch) -> Bytes {
        let mut batch = honest.clone();
        match self {
            Self::UnknownBatchType => {
                let mut bytes = batch.encoded().to_vec();
                bytes[0] = 7;
                return bytes.into();
            }
            Self::EmptyBatch => return Bytes::new(),
            Self::BatchOfNoise => return vec![0, 0x83, 1, 2, 3].into(),
            Self::WrongParent => batch.parent_hash = !batch.parent_hash,
            Self::WrongEpochHash => batch.epoch_hash = !batch.epoch_hash,
            Self::FutureEpoch => {
                batch.epoch_number = batch.epoch_number.saturating_add(FAR_SECONDS)
            }
            Self::PastEpoch => batch.epoch_number = batch.epoch_number.saturating_sub(2),
            Self::FutureBatch => batch.timestamp = batch.timestamp.saturating_add(FAR_SECONDS),
            Self::PastBatch => batch.timestamp = batch.timestamp.saturating_sub(FAR_SECONDS),
            Self::DepositTransaction => batch.transactions.push(vec![0x7e, 0xc0].into()),
            Self::PostExecTransaction => batch.transactions.push(vec![0x7d, 0xc0].into()),
            Self::EmptyTransaction => batch.transactions.push(Bytes::new()),
            Self::ForeignChainId => batch.transactions.push(foreign_transaction()),
            Self::NoiseTransaction => batch.transactions.push(vec![0x02, 0x01, 0x02].into()),
            _ => return self.bad_span(honest),
        }
        batch.encoded()
    }

    /// Spans are put together by hand here: the encoder makes no bad ones.
    fn bad_span(self, honest: &SingularBatch) -> Bytes {
        const HUGE: [u8; 9] = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        const MAX: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let prefix = |time: &[u8], origin: &[u8]| {
            let checks = [&honest.parent_hash[..20], &honest.epoch_hash[..20]].concat();
            [&[SPAN_BATCH_TYPE], time, origin, &checks].concat()
        };
        let plain = prefix(&[0], &[0]);
        let bytes = match self {
            Self::SpanWithoutPayload => plain[..plain.len() - 30].to_vec(),
            Self::SpanWithoutBlocks => [&plain[..], &[0, 0]].concat(),
            Self::SpanOfTooManyBlocks => [&plain[..], &HUGE, &[0; 64]].concat(),
            // One block, bit 1 set, no transaction.
            Self::SpanWithStrayBits => [&plain[..], &[1, 0b10, 0]].concat(),
            Self::SpanOfTooManyTransactions => [&plain[..], &[1, 0], &HUGE, &[0; 64]].concat(),
            // One block with two transactions of which half a signature is there.
            Self::SpanWithoutSignatures => [&plain[..], &[1, 0, 2, 0, 0], &[7; 32]].concat(),
            // Three blocks, each with an origin below the one after it, the last of which is block 0.
            Self::SpanBelowL1Genesis => [&plain[..], &[3, 0b111, 0, 0, 0]].concat(),
            Self::SpanBeyondTime => [&prefix(&MAX, &MAX)[..], &[2, 0, 0, 0]].concat(),
            // No other kind comes here.
            _ => plain,
        };
        bytes.into()
    }
}

/// An honest span of one block, which says the same as `batch`.
pub fn span_of(batch: &SingularBatch, parent_epoch_number: u64) -> SpanBatch {
    SpanBatch {
        parent_hash: batch.parent_hash,
        parent_epoch_number,
        blocks: vec![SpanBlock {
            epoch: BlockNumHash::new(batch.epoch_number, batch.epoch_hash),
            timestamp: batch.timestamp,
            transactions: batch.transactions.clone(),
        }],
    }
}

/// A transaction with some signature; nobody has an account for it.
fn foreign_transaction() -> Bytes {
    let tx = TxEip1559 {
        chain_id: FOREIGN_CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::repeat_byte(1)),
        ..TxEip1559::default()
    };
    TxEnvelope::from(tx.into_signed(Signature::test_signature()))
        .encoded_2718()
        .into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::DERIVATION_VERSION;
    use alloy_primitives::B256;
    use std::collections::HashSet;

    fn honest() -> SingularBatch {
        SingularBatch {
            parent_hash: B256::repeat_byte(1),
            epoch_number: 9,
            epoch_hash: B256::repeat_byte(2),
            timestamp: 20_000_000,
            transactions: vec![vec![0x02, 0xc0].into()],
        }
    }

    #[test]
    fn no_kind_is_like_another_and_none_is_honest() {
        let honest = honest();
        let channel = Channel::of_batches(&[honest.encoded()], Compression::Zlib).unwrap();
        let good = vec![batcher_data(&channel.frames(usize::MAX).unwrap())];
        let mut seen = HashSet::from([good]);
        for kind in Malformed::ALL {
            let data = kind.transactions(&honest).unwrap();
            assert!(!data.is_empty(), "{kind:?}");
            assert!(seen.insert(data), "{kind:?}");
        }
    }

    #[test]
    fn what_is_wrong_deeper_down_stands_in_good_frames() {
        let data = Malformed::WrongParent.transactions(&honest()).unwrap();
        assert_eq!(data.len(), 1);
        assert_eq!(data[0][0], DERIVATION_VERSION);
        let length = u32::from_be_bytes(data[0][19..23].try_into().unwrap()) as usize;
        assert_eq!(data[0].len(), 1 + FRAME_OVERHEAD_BYTES + length);
    }

    #[test]
    fn bombs_are_small() {
        for bomb in [Malformed::ZlibBomb, Malformed::BrotliBomb] {
            let data = bomb.transactions(&honest()).unwrap();
            assert!(data[0].len() < crate::BLOB_DATA_BYTES_MAX, "{bomb:?}");
        }
    }

    #[test]
    fn kinds_have_names_for_commands() {
        let name = serde_plain(Malformed::SpanOfTooManyBlocks);
        assert_eq!(name, "spanOfTooManyBlocks");
    }

    fn serde_plain(kind: Malformed) -> String {
        use serde::de::{IntoDeserializer, value::Error};
        let name = "spanOfTooManyBlocks";
        let read = Malformed::deserialize(IntoDeserializer::<Error>::into_deserializer(name));
        assert_eq!(read.unwrap(), kind);
        name.to_owned()
    }
}
