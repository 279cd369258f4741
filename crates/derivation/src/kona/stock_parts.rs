//! Single sources and decoders of kona's as they come, for tests that show what becomes of the same input in ours.

use super::{
    BlockInfo, DataAvailabilityProvider, L2BlockInfo, PipelineResult, rollup_config, stock::Missing,
};
use crate::{cause::Causes, stages::batches::safe_chain::SafeChain, testing::world::World};
use alloy_consensus_v1::{Header, Receipt, TxEnvelope};
use alloy_eips_v1::{
    eip2718::Decodable2718,
    eip4844::{Blob, IndexedBlobHash},
};
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{Decodable, Encodable};
use async_trait::async_trait;
use kona_derive::{BlobProvider, BlobSource, CalldataSource, ChainProvider};
use kona_protocol::{BatchValidationProvider, to_system_config};
use std::sync::Arc;

/// An L1 of one block, with a beacon node that answers everything alike.
#[derive(Clone, Debug)]
struct OneBlock {
    transactions: Vec<TxEnvelope>,
    blobs: Option<Vec<Blob>>,
}

#[async_trait]
impl ChainProvider for OneBlock {
    type Error = Missing;

    async fn header_by_hash(&mut self, _hash: B256) -> Result<Header, Missing> {
        Err(Missing)
    }

    async fn block_info_by_number(&mut self, _number: u64) -> Result<BlockInfo, Missing> {
        Err(Missing)
    }

    async fn receipts_by_hash(&mut self, _hash: B256) -> Result<Vec<Receipt>, Missing> {
        Err(Missing)
    }

    async fn block_info_and_transactions_by_hash(
        &mut self,
        _hash: B256,
    ) -> Result<(BlockInfo, Vec<TxEnvelope>), Missing> {
        Ok((BlockInfo::default(), self.transactions.clone()))
    }
}

#[async_trait]
impl BlobProvider for OneBlock {
    type Error = Missing;

    async fn get_blobs(
        &mut self,
        _block: &BlockInfo,
        _hashes: &[IndexedBlobHash],
    ) -> Result<Vec<Box<Blob>>, Missing> {
        let blobs = self.blobs.clone().ok_or(Missing)?;
        Ok(blobs.into_iter().map(Box::new).collect())
    }
}

/// What kona's blob source gives first of an L1 transaction with blobs, if the beacon node answers so; `None`: it has none.
pub(crate) async fn blob_data(
    (transaction, sender): (Bytes, Address),
    inbox: Address,
    answer: Option<Vec<Blob>>,
) -> PipelineResult<Bytes> {
    let block = OneBlock {
        transactions: vec![TxEnvelope::decode_2718(&mut transaction.as_ref()).unwrap()],
        blobs: answer,
    };
    let mut source = BlobSource::new(block.clone(), block, inbox);
    source.next(&BlockInfo::default(), sender).await
}

/// What kona's calldata source gives first of an L1 transaction to the inbox.
pub(crate) async fn calldata(
    (transaction, sender): (Bytes, Address),
    inbox: Address,
) -> PipelineResult<Bytes> {
    let block = OneBlock {
        transactions: vec![TxEnvelope::decode_2718(&mut transaction.as_ref()).unwrap()],
        blobs: None,
    };
    let mut source = CalldataSource::new(block, inbox);
    source.next(&BlockInfo::default(), sender).await
}

/// True if kona's generation of alloy reads this header.
pub(crate) fn reads_header(header: &alloy_consensus::Header) -> bool {
    let mut encoded = Vec::new();
    header.encode(&mut encoded);
    Header::decode(&mut encoded.as_slice()).is_ok()
}

/// Whether kona reads a reference, and whether it reads a system config, out of a block of the sequencer's with this extra data.
pub(crate) async fn reads_block(world: &World, number: u64, extra_data: Bytes) -> (bool, bool) {
    let causes = Causes::default();
    let mut l2 = SafeChain::new(Arc::new(world.el.clone()), world.config.clone(), causes);
    let mut block = l2.block_by_number(number).await.unwrap();
    block.header.extra_data = extra_data;
    let config = rollup_config(&world.config);
    let reference = L2BlockInfo::from_block_and_genesis(&block, &config.genesis);
    let system_config = to_system_config(&block, &config);
    (reference.is_ok(), system_config.is_ok())
}
