//! Batches, channels and frames as they stand in L1 calldata, so that any derivation pipeline can read the devnet's L1.
//! One channel carries the blocks of one submission as singular batches, zlib compressed.

use alloy_consensus::Header;
use alloy_eips::{BlockNumHash, Encodable2718, Typed2718};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::{Encodable, RlpEncodable};
use flate2::{Compression, write::ZlibEncoder};
use op_alloy_consensus::OpTxEnvelope;
use std::io::Write;

/// Type byte of a singular batch (`specs/protocol/derivation.md#batch-format`).
const SINGULAR_BATCH_TYPE: u8 = 0;

/// Version byte before the frames in a batcher transaction (`specs/protocol/derivation.md#batcher-transaction-format`).
const DERIVATION_VERSION: u8 = 0;

/// Frame data that goes into one batcher transaction, in bytes: L1 nodes refuse transactions over 128 KiB.
pub(super) const FRAME_DATA_BYTES_MAX: usize = 100_000;

/// One L2 block as derivation needs it: everything else follows from L1.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub(crate) struct SingularBatch {
    parent_hash: B256,
    epoch_number: u64,
    epoch_hash: B256,
    timestamp: u64,
    transactions: Vec<Bytes>,
}

impl SingularBatch {
    /// The batch of a block with the L1 origin `epoch`. Deposits are left out: they come from L1.
    pub(crate) fn new(header: &Header, epoch: BlockNumHash, transactions: &[OpTxEnvelope]) -> Self {
        Self {
            parent_hash: header.parent_hash,
            epoch_number: epoch.number,
            epoch_hash: epoch.hash,
            timestamp: header.timestamp,
            transactions: transactions
                .iter()
                .filter(|transaction| !transaction.is_type(op_alloy_consensus::DEPOSIT_TX_TYPE_ID))
                .map(|transaction| transaction.encoded_2718().into())
                .collect(),
        }
    }
}

/// The calldata of the batcher transactions that carry `batches` as one channel, in the order in which they must be mined.
pub(crate) fn batcher_transactions(batches: &[SingularBatch]) -> std::io::Result<Vec<Bytes>> {
    let channel = compress(batches)?;
    // Any 16 bytes that no other open channel has; the content's hash also makes resubmissions identical.
    let id = keccak256(&channel);
    let frames = channel.chunks(FRAME_DATA_BYTES_MAX);
    let last = frames.len().saturating_sub(1);
    Ok(frames
        .enumerate()
        .map(|(number, data)| frame(&id[..16], number, data, number == last))
        .collect())
}

fn compress(batches: &[SingularBatch]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    for batch in batches {
        let mut typed = vec![SINGULAR_BATCH_TYPE];
        batch.encode(&mut typed);
        encoder.write_all(&alloy_rlp::encode(typed.as_slice()))?;
    }
    encoder.finish()
}

/// `specs/protocol/derivation.md#frame-format`
fn frame(channel_id: &[u8], number: usize, data: &[u8], is_last: bool) -> Bytes {
    let mut calldata = Vec::with_capacity(data.len() + 24);
    calldata.push(DERIVATION_VERSION);
    calldata.extend_from_slice(channel_id);
    calldata.extend_from_slice(&(number as u16).to_be_bytes());
    calldata.extend_from_slice(&(data.len() as u32).to_be_bytes());
    calldata.extend_from_slice(data);
    calldata.push(u8::from(is_last));
    calldata.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_rlp::{Decodable, Header as RlpHeader};
    use std::io::Read;

    fn batch(timestamp: u64, transaction_bytes: usize) -> SingularBatch {
        // Hashes do not compress, so that the channel is as long as its transactions.
        let transaction = (0..transaction_bytes.div_ceil(32))
            .flat_map(|n| keccak256((n as u64 ^ (timestamp << 32)).to_be_bytes()))
            .collect::<Vec<u8>>();
        SingularBatch {
            parent_hash: B256::repeat_byte(1),
            epoch_number: 7,
            epoch_hash: B256::repeat_byte(2),
            timestamp,
            transactions: vec![transaction.into()],
        }
    }

    /// Splits calldata into (frame number, data, is last).
    fn parse(calldata: &Bytes) -> (u16, Vec<u8>, bool) {
        assert_eq!(calldata[0], DERIVATION_VERSION);
        let number = u16::from_be_bytes(calldata[17..19].try_into().unwrap());
        let len = u32::from_be_bytes(calldata[19..23].try_into().unwrap()) as usize;
        assert_eq!(calldata.len(), 23 + len + 1);
        (
            number,
            calldata[23..23 + len].to_vec(),
            calldata[23 + len] == 1,
        )
    }

    #[test]
    fn a_small_channel_is_one_frame_that_inflates_to_typed_batches() {
        let calldata = batcher_transactions(&[batch(10, 32), batch(12, 32)]).unwrap();
        assert_eq!(calldata.len(), 1);
        let (number, data, is_last) = parse(&calldata[0]);
        assert!(number == 0 && is_last);
        let mut inflated = Vec::new();
        flate2::read::ZlibDecoder::new(&data[..])
            .read_to_end(&mut inflated)
            .unwrap();
        let mut rest = inflated.as_slice();
        for timestamp in [10, 12] {
            let typed = Bytes::decode(&mut rest).unwrap();
            assert_eq!(typed[0], SINGULAR_BATCH_TYPE);
            let mut fields = &typed[1..];
            assert!(RlpHeader::decode(&mut fields).unwrap().list);
            assert_eq!(B256::decode(&mut fields).unwrap(), B256::repeat_byte(1));
            assert_eq!(u64::decode(&mut fields).unwrap(), 7);
            assert_eq!(B256::decode(&mut fields).unwrap(), B256::repeat_byte(2));
            assert_eq!(u64::decode(&mut fields).unwrap(), timestamp);
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_long_channel_is_cut_into_frames_in_order_with_one_last() {
        let calldata = batcher_transactions(&[batch(10, 250_000)]).unwrap();
        let frames: Vec<_> = calldata.iter().map(parse).collect();
        assert_eq!(
            frames.iter().map(|frame| frame.0).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(
            frames.iter().map(|frame| frame.2).collect::<Vec<_>>(),
            [false, false, true]
        );
    }
}
