//! From L2 blocks to signed L1 transactions: batches, a channel, frames, and calldata or blobs around them.

use super::{
    BatcherError,
    config::{BatchKind, BatcherConfig, DataAvailability},
};
use crate::accounts::{DevAccount, L1_MAX_FEE_PER_GAS, L1_MAX_PRIORITY_FEE_PER_GAS};
use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip4844, TxEip4844WithSidecar, TxEnvelope,
};
use alloy_eips::{
    Encodable2718, eip4844::BlobTransactionSidecar, eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, B256, Bytes, TxKind};
use light_node_devnet_batches::{
    Blobs, Channel, Frame, SingularBatch, SpanBatch, SpanBlock, batcher_data, malformed::Content,
};
use light_node_protocol::{L2BlockRef, RollupConfig};

/// High enough for an L1 on which hardly anybody posts blobs, in wei.
const MAX_FEE_PER_BLOB_GAS: u128 = 100_000_000_000;

/// Blobs of one transaction; some L1 nodes take no more (Osaka).
const BLOBS_PER_TRANSACTION: usize = 6;

/// An L2 block that is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) reference: L2BlockRef,
    /// Without deposits.
    pub(super) transactions: Vec<Bytes>,
}

impl Block {
    pub(super) fn singular(&self) -> SingularBatch {
        let L2BlockRef {
            parent_hash,
            l1_origin,
            timestamp,
            ..
        } = self.reference;
        SingularBatch::new(parent_hash, l1_origin, timestamp, self.transactions.clone())
    }
}

/// A transaction as the L1 takes it.
pub(super) struct Signed {
    pub(super) hash: B256,
    pub(super) network_bytes: Bytes,
}

/// The pieces of batcher data that carry `blocks` as one channel, in order: one for each transaction or blob. `parent` is the
/// block before them.
pub(super) fn data_of_blocks(
    config: &BatcherConfig,
    rollup: &RollupConfig,
    parent: &L2BlockRef,
    blocks: &[Block],
) -> Result<Vec<Bytes>, BatcherError> {
    let Some(first) = blocks.first() else {
        return Ok(Vec::new());
    };
    let batches = match config.batches {
        BatchKind::Singular => blocks
            .iter()
            .map(|block| block.singular().encoded())
            .collect(),
        BatchKind::Span => {
            vec![span(parent, blocks).encoded(rollup.genesis.l2_time, rollup.l2_chain_id)?]
        }
    };
    let compression = config.compression_at(rollup, first.reference.timestamp);
    let channel = Channel::of_batches(&batches, compression)?;
    let frames = channel.frames(config.frame_data_bytes())?;
    Ok(pieces(config, &frames))
}

fn span(parent: &L2BlockRef, blocks: &[Block]) -> SpanBatch {
    let blocks = blocks.iter().map(|block| SpanBlock {
        epoch: block.reference.l1_origin,
        timestamp: block.reference.timestamp,
        transactions: block.transactions.clone(),
    });
    SpanBatch {
        parent_hash: parent.hash,
        parent_epoch_number: parent.l1_origin.number,
        blocks: blocks.collect(),
    }
}

/// One frame for each transaction in calldata; as many as fit into each blob.
fn pieces(config: &BatcherConfig, frames: &[Frame]) -> Vec<Bytes> {
    if config.da == DataAvailability::Calldata {
        return frames.iter().map(|frame| batcher_data([frame])).collect();
    }
    let mut pieces: Vec<Vec<&Frame>> = Vec::new();
    let mut room = 0;
    for frame in frames {
        if frame.encoded_len() > room {
            pieces.push(Vec::new());
            room = config.piece_bytes() - 1;
        }
        room -= frame.encoded_len();
        if let Some(piece) = pieces.last_mut() {
            piece.push(frame);
        }
    }
    pieces.into_iter().map(batcher_data).collect()
}

/// Signs the transactions that carry `content` to the inbox, with consecutive nonces. Takes tens of milliseconds for each blob.
pub(super) fn sign(
    account: &DevAccount,
    first_nonce: u64,
    l1_chain_id: u64,
    inbox: Address,
    da: DataAvailability,
    content: &Content,
) -> Result<Vec<Signed>, BatcherError> {
    let in_blobs =
        |nonce, blobs: Blobs| in_blobs(account, nonce, l1_chain_id, inbox, blobs.into_sidecar());
    let pieces = match content {
        Content::Data(pieces) => pieces,
        // It is wrong as a blob, so it goes as one.
        Content::Blob(blob) => {
            let mut blobs = Blobs::default();
            blobs.push(**blob)?;
            return Ok(vec![in_blobs(first_nonce, blobs)]);
        }
    };
    match da {
        DataAvailability::Calldata => Ok((first_nonce..)
            .zip(pieces)
            .map(|(nonce, data)| calldata(account, nonce, l1_chain_id, inbox, data.clone()))
            .collect()),
        DataAvailability::Blobs => (first_nonce..)
            .zip(pieces.chunks(BLOBS_PER_TRANSACTION))
            .map(|(nonce, pieces)| Ok(in_blobs(nonce, Blobs::of_data(pieces)?)))
            .collect(),
    }
}

fn calldata(
    account: &DevAccount,
    nonce: u64,
    chain_id: u64,
    inbox: Address,
    input: Bytes,
) -> Signed {
    let tx = TxEip1559 {
        chain_id,
        nonce,
        // The most that calldata can cost (EIP-7623), so that no estimate is needed.
        gas_limit: 21_000 + 40 * input.len() as u64,
        max_fee_per_gas: L1_MAX_FEE_PER_GAS,
        max_priority_fee_per_gas: L1_MAX_PRIORITY_FEE_PER_GAS,
        to: TxKind::Call(inbox),
        input,
        ..TxEip1559::default()
    };
    let signature = account.sign_hash(&tx.signature_hash());
    let signed = TxEnvelope::from(tx.into_signed(signature));
    Signed {
        hash: *signed.tx_hash(),
        network_bytes: signed.encoded_2718().into(),
    }
}

fn in_blobs(
    account: &DevAccount,
    nonce: u64,
    chain_id: u64,
    inbox: Address,
    sidecar: BlobTransactionSidecar,
) -> Signed {
    let tx = TxEip4844 {
        chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: L1_MAX_FEE_PER_GAS,
        max_priority_fee_per_gas: L1_MAX_PRIORITY_FEE_PER_GAS,
        max_fee_per_blob_gas: MAX_FEE_PER_BLOB_GAS,
        to: inbox,
        blob_versioned_hashes: sidecar.versioned_hashes().collect(),
        ..TxEip4844::default()
    };
    let signature = account.sign_hash(&tx.signature_hash());
    let variant = BlobTransactionSidecarVariant::Eip4844(sidecar);
    let tx = TxEip4844WithSidecar::from_tx_and_sidecar(tx, variant);
    let signed: EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarVariant>> =
        tx.into_signed(signature).into();
    Signed {
        hash: *signed.tx_hash(),
        network_bytes: signed.encoded_2718().into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use light_node_devnet_batches::Compression;

    fn blocks(count: u64, transaction_bytes: usize) -> Vec<Block> {
        (1..=count)
            .map(|number| Block {
                reference: L2BlockRef {
                    number,
                    timestamp: 2 * number,
                    ..L2BlockRef::default()
                },
                transactions: vec![vec![number as u8; transaction_bytes].into()],
            })
            .collect()
    }

    fn pieces_of(config: &BatcherConfig, blocks: &[Block]) -> Vec<Bytes> {
        let rollup = RollupConfig::default();
        data_of_blocks(config, &rollup, &L2BlockRef::default(), blocks).unwrap()
    }

    #[test]
    fn small_frames_go_one_by_one_into_calldata_and_together_into_blobs() {
        let mut config = BatcherConfig {
            batches: BatchKind::Singular,
            compression: Compression::Zlib,
            da: DataAvailability::Calldata,
            frame_bytes: Some(1_000),
        };
        // Noise, so that nothing is compressed away.
        let mut noise = blocks(1, 0);
        let bytes = (0..100_u64).flat_map(|n| alloy_primitives::keccak256(n.to_be_bytes()));
        noise[0].transactions = vec![bytes.collect::<Vec<u8>>().into()];
        let calldata = pieces_of(&config, &noise);
        assert_eq!(calldata.len(), 4);
        assert!(calldata.iter().all(|data| data.len() <= 1_001));
        config.da = DataAvailability::Blobs;
        let blobs = pieces_of(&config, &noise);
        assert_eq!(blobs.len(), 1);
        let joined: Vec<u8> = calldata
            .iter()
            .flat_map(|data| data[1..].to_vec())
            .collect();
        assert_eq!(blobs[0][1..], joined);
    }

    #[test]
    fn what_cannot_stand_in_a_span_is_an_error_and_not_a_panic() {
        let config = BatcherConfig::default();
        let rollup = RollupConfig::default();
        let refused = data_of_blocks(&config, &rollup, &L2BlockRef::default(), &blocks(1, 5));
        assert!(matches!(refused, Err(BatcherError::Span(_))));
        assert!(pieces_of(&config, &[]).is_empty());
    }
}
