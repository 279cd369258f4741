//! The border to kona: the only module that names its crates, and with them alloy 1.x. Everything else takes kona's stages and
//! types from here. What crosses are block references, frames, batches and bytes, which stand on alloy-primitives alone and are
//! therefore the same types on both sides.

pub(crate) use kona_derive::{
    AttributesProvider, BatchQueue, ChannelProvider, ChannelReaderProvider,
    DataAvailabilityProvider, FrameQueue, L1Retrieval, L1RetrievalProvider, NextBatchProvider,
    NextFrameProvider, OriginAdvancer, OriginProvider, PipelineError, PipelineErrorKind,
    PipelineResult, ResetError, ResetSignal, Signal, SignalReceiver,
};
pub(crate) use kona_genesis::RollupConfig as KonaRollupConfig;
pub(crate) use kona_protocol::{
    Batch, BlockInfo, Frame, L2BlockInfo, SingleBatch, SpanBatch, SpanBatchElement,
};

use crate::{cause::Causes, safe_block::SafeBlock};
use alloy_eips_v1::eip2718::Decodable2718;
use alloy_primitives::Bytes;
use async_trait::async_trait;
use kona_derive::L2ChainProvider;
use kona_hardforks::{Hardfork as _, Hardforks};
use kona_protocol::BatchValidationProvider;
use light_node_engine_api::ElReader;
use light_node_protocol::{BlockNumHash, Hardfork, L1BlockRef, L2BlockRef, RollupConfig};
use op_alloy_consensus_v018::{OpBlock, OpTxEnvelope};
use std::sync::Arc;
use thiserror::Error;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod stock;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod stock_parts;

/// The config as kona's stages read it. Karst and Lagoon have no place in it: no stage here asks for them.
pub(crate) fn rollup_config(config: &RollupConfig) -> KonaRollupConfig {
    KonaRollupConfig {
        genesis: kona_genesis::ChainGenesis {
            l1: num_hash(config.genesis.l1),
            l2: num_hash(config.genesis.l2),
            l2_time: config.genesis.l2_time,
            system_config: None,
        },
        block_time: config.block_time,
        max_sequencer_drift: config.max_sequencer_drift,
        seq_window_size: config.seq_window_size,
        channel_timeout: config.channel_timeout,
        granite_channel_timeout: config.channel_timeout(u64::MAX),
        l1_chain_id: config.l1_chain_id,
        l2_chain_id: config.l2_chain_id.into(),
        hardforks: kona_genesis::HardForkConfig {
            regolith_time: config.regolith_time,
            canyon_time: config.canyon_time,
            delta_time: config.delta_time,
            ecotone_time: config.ecotone_time,
            fjord_time: config.fjord_time,
            granite_time: config.granite_time,
            holocene_time: config.holocene_time,
            pectra_blob_schedule_time: config.pectra_blob_schedule_time,
            isthmus_time: config.isthmus_time,
            jovian_time: config.jovian_time,
            // kona's rules for it are of an older design.
            interop_time: None,
        },
        batch_inbox_address: config.batch_inbox_address,
        deposit_contract_address: config.deposit_contract_address,
        l1_system_config_address: config.l1_system_config_address,
        ..KonaRollupConfig::default()
    }
}

const fn num_hash(id: BlockNumHash) -> alloy_eips_v1::BlockNumHash {
    alloy_eips_v1::BlockNumHash {
        number: id.number,
        hash: id.hash,
    }
}

/// An L1 block as kona names it.
pub(crate) const fn block_info(block: &L1BlockRef) -> BlockInfo {
    BlockInfo::new(block.hash, block.number, block.parent_hash, block.timestamp)
}

/// An L1 block as this project names it.
pub(crate) const fn l1_block_ref(block: &BlockInfo) -> L1BlockRef {
    L1BlockRef {
        hash: block.hash,
        number: block.number,
        parent_hash: block.parent_hash,
        timestamp: block.timestamp,
    }
}

/// An L2 block as kona names it.
pub(crate) const fn l2_block_info(block: &L2BlockRef) -> L2BlockInfo {
    L2BlockInfo::new(
        BlockInfo::new(block.hash, block.number, block.parent_hash, block.timestamp),
        num_hash(block.l1_origin),
        block.sequence_number,
    )
}

/// The upgrade transactions that kona brings, in order; `None` for a fork whose transactions it does not know.
pub(crate) fn upgrade_transactions(fork: Hardfork) -> Option<Vec<Bytes>> {
    match fork {
        Hardfork::Ecotone => Some(Hardforks::ECOTONE.txs().collect()),
        Hardfork::Fjord => Some(Hardforks::FJORD.txs().collect()),
        Hardfork::Isthmus => Some(Hardforks::ISTHMUS.txs().collect()),
        _ => None,
    }
}

/// The safe L2 chain as kona's batch queue reads it. Only the rules before Holocene ask.
#[derive(Clone, Debug)]
pub(crate) struct KonaL2 {
    el: Arc<dyn ElReader>,
    config: Arc<RollupConfig>,
    causes: Causes,
}

/// A block could not be read. Why is in [`Causes`], where the deriver looks for it.
#[derive(Debug, Error)]
#[error("the safe chain cannot be read")]
pub(crate) struct L2Unread;

impl From<L2Unread> for PipelineErrorKind {
    fn from(error: L2Unread) -> Self {
        PipelineError::Provider(error.to_string()).temp()
    }
}

impl KonaL2 {
    pub(crate) const fn new(
        el: Arc<dyn ElReader>,
        config: Arc<RollupConfig>,
        causes: Causes,
    ) -> Self {
        Self { el, config, causes }
    }

    async fn read(&self, number: u64) -> Result<SafeBlock, L2Unread> {
        if number < self.config.genesis.l2.number {
            return Err(L2Unread);
        }
        let block = SafeBlock::read(&*self.el, &self.config, number).await;
        block.map_err(|cause| {
            self.causes.retry(cause);
            L2Unread
        })
    }
}

#[async_trait]
impl BatchValidationProvider for KonaL2 {
    type Error = L2Unread;

    async fn l2_block_info_by_number(&mut self, number: u64) -> Result<L2BlockInfo, L2Unread> {
        let block = self.read(number).await?;
        Ok(l2_block_info(&block.block_ref))
    }

    async fn block_by_number(&mut self, number: u64) -> Result<OpBlock, L2Unread> {
        let block = self.read(number).await?;
        let mut transactions = Vec::with_capacity(block.transactions.len());
        for transaction in &block.transactions {
            let decoded = OpTxEnvelope::decode_2718_exact(transaction).map_err(|_| L2Unread)?;
            transactions.push(decoded);
        }
        // The queue compares transactions and the L1 origin in the first of them; the header it names in logs only.
        let header = alloy_consensus_v1::Header {
            number,
            timestamp: block.block_ref.timestamp,
            parent_hash: block.block_ref.parent_hash,
            ..alloy_consensus_v1::Header::default()
        };
        let body = alloy_consensus_v1::BlockBody {
            transactions,
            ommers: Vec::new(),
            withdrawals: None,
        };
        Ok(OpBlock::new(header, body))
    }
}

#[async_trait]
impl L2ChainProvider for KonaL2 {
    type Error = L2Unread;

    /// The stages that ask for it are ours.
    async fn system_config_by_number(
        &mut self,
        _number: u64,
        _config: Arc<KonaRollupConfig>,
    ) -> Result<kona_genesis::SystemConfig, L2Unread> {
        Err(L2Unread)
    }
}
