//! What is wrong with spans. They are put together by hand here: the encoder makes no bad ones.

use super::{FAR_SECONDS, Honest, Malformed};
use crate::{SPAN_BATCH_TYPE, SingularBatch, span::put_varint};
use alloy_primitives::Bytes;

/// Varints of 2^60, of the largest number of 64 bits, and of one with more bits.
const HUGE: [u8; 9] = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
const MAX: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
const TOO_LONG: [u8; 11] = [0xff; 11];

/// Most blocks of a span.
const BLOCKS_MAX: u64 = 10_000_000;

/// The payload of a span of one empty block on the parent's origin: count, origin bits, transactions.
const EMPTY_BLOCK: [u8; 3] = [1, 0, 0];

impl Malformed {
    /// The span of the kind; `None` for what is no matter of spans.
    pub(super) fn bad_span(self, honest: &Honest) -> Option<Bytes> {
        let Honest {
            batch,
            genesis_time,
        } = honest;
        let bad = |change: &dyn Fn(&mut SingularBatch)| {
            let mut batch = batch.clone();
            change(&mut batch);
            [&prefix(&batch, *genesis_time)[..], &EMPTY_BLOCK].concat()
        };
        let with =
            |payload: &[&[u8]]| [&prefix(batch, *genesis_time), &payload.concat()[..]].concat();
        let span = match self {
            Self::SpanOnWrongParent => bad(&|batch| batch.parent_hash = !batch.parent_hash),
            Self::SpanOnWrongEpoch => bad(&|batch| batch.epoch_hash = !batch.epoch_hash),
            Self::SpanOnFutureEpoch => {
                bad(&|batch| batch.epoch_number = batch.epoch_number.saturating_add(FAR_SECONDS))
            }
            Self::SpanBetweenBlocks => {
                // A second after the parent at the most: blocks are a second apart or more.
                bad(&|batch| batch.timestamp = batch.timestamp.saturating_add(1))
            }
            Self::FutureSpan => {
                bad(&|batch| batch.timestamp = batch.timestamp.saturating_add(FAR_SECONDS))
            }
            // One transaction to somebody: no creation, y parity 0, a signature, a recipient, and its typed data.
            Self::SpanWithDeposit => with(&[&one_transaction(0x7e)]),
            Self::SpanWithPostExecTransaction => with(&[&one_transaction(0x7d)]),
            Self::SpanWithoutPayload => with(&[])[..20].to_vec(),
            Self::SpanWithoutBlocks => with(&[&[0, 0]]),
            Self::SpanOfTooManyBlocks => with(&[&HUGE, &[0; 64]]),
            Self::SpanOfMissingBlocks => with(&[&varint(BLOCKS_MAX), &[0; 64]]),
            Self::CrowdedSpan => crowded(honest),
            // One block, bit 1 set, no transaction.
            Self::SpanWithStrayBits => with(&[&[1, 0b10, 0]]),
            Self::SpanOfTooManyTransactions => with(&[&[1, 0], &HUGE, &[0; 64]]),
            Self::SpanWithLongNumber => with(&[&TOO_LONG, &[0; 64]]),
            // One block with two transactions of which half a signature is there.
            Self::SpanWithoutSignatures => with(&[&[1, 0, 2, 0, 0], &[7; 32]]),
            // Three blocks, each with an origin below the one after it, the last of which is block 0.
            Self::SpanBelowL1Genesis => {
                [&raw_prefix(batch, &[0], &[0])[..], &[3, 0b111, 0, 0, 0]].concat()
            }
            Self::SpanBeyondTime => [&raw_prefix(batch, &MAX, &MAX)[..], &[2, 0, 0, 0]].concat(),
            _ => return None,
        };
        Some(span.into())
    }
}

fn varint(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, number);
    out
}

fn prefix(batch: &SingularBatch, genesis_time: u64) -> Vec<u8> {
    let time = varint(batch.timestamp.saturating_sub(genesis_time));
    raw_prefix(batch, &time, &varint(batch.epoch_number))
}

fn raw_prefix(batch: &SingularBatch, time: &[u8], origin: &[u8]) -> Vec<u8> {
    let checks = [&batch.parent_hash[..20], &batch.epoch_hash[..20]].concat();
    [&[SPAN_BATCH_TYPE], time, origin, &checks].concat()
}

/// The payload of a span of one block with one transaction of type `tx_type`, whose data is an empty list.
fn one_transaction(tx_type: u8) -> Vec<u8> {
    let (block, bits) = ([1, 0, 1], [0, 0]);
    let (signature, recipient) = ([7; 64], [9; 20]);
    let (data, nonce_and_gas) = ([tx_type, 0xc0], [0, 1]);
    [
        &block[..],
        &bits,
        &signature,
        &recipient,
        &data,
        &nonce_and_gas,
    ]
    .concat()
}

fn crowded(honest: &Honest) -> Vec<u8> {
    let foreign = SingularBatch {
        parent_hash: !honest.batch.parent_hash,
        ..honest.batch.clone()
    };
    let mut span = prefix(&foreign, honest.genesis_time);
    let blocks = BLOCKS_MAX / 2;
    put_varint(&mut span, blocks);
    let (origin_bits, counts) = (blocks.div_ceil(8), blocks);
    span.resize(span.len() + (origin_bits + counts) as usize, 0);
    span
}
