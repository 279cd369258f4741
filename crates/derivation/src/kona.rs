//! The border to kona: the only module that names its crates, and with them alloy 1.x. Everything else takes kona's stages and
//! types from here. What crosses are block references, frames, batches and bytes, which stand on alloy-primitives alone and are
//! therefore the same types on both sides.

pub(crate) use kona_derive::{
    AttributesProvider, BatchQueue, ChannelProvider, ChannelReaderProvider,
    DataAvailabilityProvider, FrameQueue, L1Retrieval, L1RetrievalProvider, L2ChainProvider,
    NextBatchProvider, NextFrameProvider, OriginAdvancer, OriginProvider, PipelineError,
    PipelineErrorKind, PipelineResult, ResetError, ResetSignal, Signal, SignalReceiver,
};
pub(crate) use kona_genesis::{RollupConfig as KonaRollupConfig, SystemConfig as KonaSystemConfig};
pub(crate) use kona_protocol::{
    Batch, BatchValidationProvider, BlockInfo, Frame, L2BlockInfo, SingleBatch, SpanBatch,
    SpanBatchElement,
};

pub(crate) use op_alloy_consensus_v018::OpBlock;

use alloy_eips_v1::eip2718::Decodable2718;
use alloy_primitives::Bytes;
use kona_hardforks::{Hardfork as _, Hardforks};
use light_node_protocol::{BlockNumHash, Hardfork, L1BlockRef, L2BlockRef, RollupConfig};
use op_alloy_consensus_v018::OpTxEnvelope;

#[cfg(feature = "test-utils")]
pub(crate) mod online;
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

/// The system config as kona's stages read it.
#[cfg(any(test, feature = "test-utils"))]
pub(crate) fn system_config(config: &light_node_protocol::SystemConfig) -> KonaSystemConfig {
    let [denominator, elasticity] = [0, 4].map(|at| {
        let params = config.eip1559_params.0;
        u32::from_be_bytes([params[at], params[at + 1], params[at + 2], params[at + 3]])
    });
    let fee = config.operator_fee();
    KonaSystemConfig {
        batcher_address: config.batcher_address,
        overhead: config.overhead.into(),
        scalar: config.scalar.into(),
        gas_limit: config.gas_limit,
        eip1559_denominator: Some(denominator),
        eip1559_elasticity: Some(elasticity),
        operator_fee_scalar: Some(fee.scalar),
        operator_fee_constant: Some(fee.constant),
        ..KonaSystemConfig::default()
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

/// A block of the safe chain as kona's batch queue compares it: by its transactions and the L1 origin in the first of them. The
/// header it names in logs only. `None` if a transaction is of no type that it knows.
pub(crate) fn block(block: &L2BlockRef, transactions: &[Bytes]) -> Option<OpBlock> {
    let transactions = transactions
        .iter()
        .map(|transaction| OpTxEnvelope::decode_2718_exact(transaction).ok());
    let header = alloy_consensus_v1::Header {
        number: block.number,
        timestamp: block.timestamp,
        parent_hash: block.parent_hash,
        ..alloy_consensus_v1::Header::default()
    };
    let body = alloy_consensus_v1::BlockBody {
        transactions: transactions.collect::<Option<_>>()?,
        ommers: Vec::new(),
        withdrawals: None,
    };
    Some(OpBlock::new(header, body))
}
