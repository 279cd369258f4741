//! Kona's pipeline as it comes, on the same L1 and L2 as ours, for tests that compare the two.

pub(crate) use kona_derive::{
    FrameQueueProvider, PollingTraversal, ResetSignal as StockReset, StepResult,
};
pub(crate) use kona_protocol::BatchReader;

use super::{
    BlockInfo, DataAvailabilityProvider, L1Retrieval, L2BlockInfo, PipelineError,
    PipelineErrorKind, PipelineResult, ResetError, block_info, l2_block_info, rollup_config,
};
use crate::stages::batches::safe_chain::{SafeChain, Unread};
use crate::testing::{driver::Driver, el::FakeEl, world::World};
use alloy_consensus_v1::{Eip658Value, Header, Receipt, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{Decodable, Encodable};
use async_trait::async_trait;
use core::fmt;
use kona_derive::{
    ActivationSignal, ChainProvider, L2ChainProvider, OriginProvider, Pipeline, PipelineBuilder,
    SignalReceiver, StatefulAttributesBuilder,
};
use kona_protocol::{BatchValidationProvider, OpAttributesWithParent};
use light_node_l1::{InboxData, L1Data, MemoryL1Source};
use light_node_protocol::{L2BlockRef, RollupConfig};
use op_alloy_consensus_v018::OpBlock;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

/// The L1 as kona asks for it.
#[derive(Clone, Debug)]
pub(crate) struct StockL1(Arc<Mutex<Vec<Arc<L1Data>>>>);

/// What an L1 or L2 has not got.
#[derive(Debug)]
pub(crate) struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("missing")
    }
}

impl From<Missing> for PipelineErrorKind {
    fn from(_: Missing) -> Self {
        PipelineError::Eof.temp()
    }
}

impl StockL1 {
    fn new(l1: &MemoryL1Source) -> Self {
        let blocks = (1..=l1.head().number).map(|number| l1.data(number).unwrap());
        Self(Arc::new(Mutex::new(blocks.collect())))
    }

    fn find(&self, is_it: impl Fn(&L1Data) -> bool) -> Result<Arc<L1Data>, Missing> {
        let blocks = self.0.lock().unwrap();
        blocks
            .iter()
            .find(|data| is_it(data))
            .cloned()
            .ok_or(Missing)
    }
}

#[async_trait]
impl ChainProvider for StockL1 {
    type Error = Missing;

    async fn header_by_hash(&mut self, hash: B256) -> Result<Header, Missing> {
        let data = self.find(|data| data.hash == hash)?;
        let mut encoded = Vec::new();
        data.header.encode(&mut encoded);
        Header::decode(&mut encoded.as_slice()).map_err(|_| Missing)
    }

    async fn block_info_by_number(&mut self, number: u64) -> Result<BlockInfo, Missing> {
        let data = self.find(|data| data.header.number == number)?;
        Ok(block_info(&data.block_ref()))
    }

    async fn receipts_by_hash(&mut self, hash: B256) -> Result<Vec<Receipt>, Missing> {
        let data = self.find(|data| data.hash == hash)?;
        Ok(vec![Receipt {
            status: Eip658Value::Eip658(true),
            cumulative_gas_used: 0,
            logs: data.logs.iter().map(|(_, log)| log.clone()).collect(),
        }])
    }

    async fn block_info_and_transactions_by_hash(
        &mut self,
        _hash: B256,
    ) -> Result<(BlockInfo, Vec<TxEnvelope>), Missing> {
        Err(Missing)
    }
}

/// The batcher's calldata, kept across blocks as kona's sources keep it.
#[derive(Debug)]
pub(crate) struct StockData {
    l1: StockL1,
    open: Option<VecDeque<Bytes>>,
}

#[async_trait]
impl DataAvailabilityProvider for StockData {
    type Item = Bytes;

    async fn next(&mut self, block: &BlockInfo, batcher: Address) -> PipelineResult<Bytes> {
        if self.open.is_none() {
            let data = self.l1.find(|data| data.hash == block.hash)?;
            let of_batcher = data.inbox.iter().filter(|it| it.sender == batcher);
            let calldata = of_batcher.filter_map(|it| match &it.data {
                InboxData::Calldata(calldata) => Some(calldata.clone()),
                InboxData::Blobs { .. } => None,
            });
            self.open = Some(calldata.collect());
        }
        let open = self.open.as_mut().unwrap();
        open.pop_front().ok_or_else(|| PipelineError::Eof.temp())
    }

    fn clear(&mut self) {
        self.open = None;
    }
}

/// The L2 as kona asks for it.
#[derive(Clone, Debug)]
pub(crate) struct StockL2 {
    el: FakeEl,
    inner: SafeChain,
}

#[async_trait]
impl BatchValidationProvider for StockL2 {
    type Error = Unread;

    async fn l2_block_info_by_number(&mut self, number: u64) -> Result<L2BlockInfo, Unread> {
        self.inner.l2_block_info_by_number(number).await
    }

    async fn block_by_number(&mut self, number: u64) -> Result<OpBlock, Unread> {
        self.inner.block_by_number(number).await
    }
}

#[async_trait]
impl L2ChainProvider for StockL2 {
    type Error = Unread;

    async fn system_config_by_number(
        &mut self,
        number: u64,
        _config: Arc<kona_genesis::RollupConfig>,
    ) -> Result<kona_genesis::SystemConfig, Unread> {
        Ok(super::system_config(&self.el.system_config(number)))
    }
}

/// How kona's pipeline ended, and what it derived.
#[derive(Debug)]
pub(crate) struct StockRun {
    /// Number and transactions of each block, with the rest of its attributes in words.
    pub(crate) derived: Vec<(u64, Vec<Bytes>, String)>,
    /// The error that stopped it, if one did.
    pub(crate) stopped: Option<PipelineErrorKind>,
}

/// Runs kona's pipeline over the L1 of `world`. Blocks are given to an execution layer of its own.
pub(crate) async fn run(world: &World) -> StockRun {
    run_on(world, Driver::new(world).el).await
}

/// The same, on an execution layer at genesis.
pub(crate) async fn run_on(world: &World, el: FakeEl) -> StockRun {
    let config = Arc::new(rollup_config(&world.config));
    let l1 = StockL1::new(&world.l1);
    let l2 = StockL2 {
        el: el.clone(),
        inner: SafeChain::new(
            Arc::new(el.clone()),
            world.config.clone(),
            crate::cause::Causes::default(),
        ),
    };
    let data = StockData {
        l1: l1.clone(),
        open: None,
    };
    let origin = block_info(&world.l1.data(1).unwrap().block_ref());
    let builder = StatefulAttributesBuilder::new(config.clone(), l2.clone(), l1.clone());
    let mut pipeline = PipelineBuilder::new()
        .rollup_config(config)
        .dap_source(data)
        .l2_chain_provider(l2)
        .chain_provider(l1)
        .builder(builder)
        .origin(origin)
        .build_polled();
    let mut head = el.head();
    let reset = StockReset {
        l2_safe_head: l2_block_info(&head),
        l1_origin: origin,
        system_config: None,
    };
    pipeline.signal(reset.signal()).await.unwrap();
    let mut derived = Vec::new();
    for _ in 0..5000 {
        match pipeline.step(l2_block_info(&head)).await {
            StepResult::PreparedAttributes | StepResult::AdvancedOrigin => {}
            StepResult::StepFailed(PipelineErrorKind::Temporary(PipelineError::NotEnoughData)) => {}
            StepResult::OriginAdvanceErr(PipelineErrorKind::Temporary(PipelineError::Eof)) => break,
            StepResult::OriginAdvanceErr(PipelineErrorKind::Reset(
                ResetError::HoloceneActivation,
            )) => {
                let activation = ActivationSignal {
                    l2_safe_head: l2_block_info(&head),
                    l1_origin: pipeline.origin().unwrap(),
                    system_config: None,
                };
                pipeline.signal(activation.signal()).await.unwrap();
            }
            StepResult::StepFailed(error) | StepResult::OriginAdvanceErr(error) => {
                let stopped = Some(error);
                return StockRun { derived, stopped };
            }
        }
        for attributes in pipeline.by_ref() {
            head = insert(&el, &world.config, &head, &attributes);
            let inner = &attributes.inner;
            let transactions = inner.transactions.clone().unwrap();
            derived.push((head.number, transactions, words(&attributes)));
        }
    }
    StockRun {
        derived,
        stopped: None,
    }
}

fn words(attributes: &OpAttributesWithParent) -> String {
    let inner = &attributes.inner;
    let payload = &inner.payload_attributes;
    format!(
        "{} {} {} {:?} {:?} {:?} {:?}",
        payload.timestamp,
        payload.prev_randao,
        payload.suggested_fee_recipient,
        payload.withdrawals.as_ref().map(Vec::len),
        payload.parent_beacon_block_root,
        inner.gas_limit,
        inner.eip_1559_params,
    )
}

/// The execution layer's block for attributes, which need not be ours.
fn insert(
    el: &FakeEl,
    config: &RollupConfig,
    parent: &L2BlockRef,
    attributes: &OpAttributesWithParent,
) -> L2BlockRef {
    let inner = &attributes.inner;
    let payload = &inner.payload_attributes;
    let ours = op_alloy_rpc_types_engine::OpPayloadAttributes {
        payload_attributes: alloy_rpc_types_engine::PayloadAttributes {
            timestamp: payload.timestamp,
            prev_randao: payload.prev_randao,
            suggested_fee_recipient: payload.suggested_fee_recipient,
            withdrawals: payload.withdrawals.as_ref().map(|_| Vec::new()),
            parent_beacon_block_root: payload.parent_beacon_block_root,
            slot_number: None,
            target_gas_limit: None,
        },
        transactions: inner.transactions.clone(),
        no_tx_pool: Some(true),
        gas_limit: inner.gas_limit,
        eip_1559_params: inner.eip_1559_params,
        min_base_fee: None,
    };
    let said = light_node_protocol::SystemConfig {
        eip1559_params: inner.eip_1559_params.unwrap_or_default(),
        ..config.genesis.system_config
    };
    el.build(parent, &ours, &said).unwrap()
}

/// What kona's retrieval stage gives first after a reset to the first block, when it has given one piece of block `number`.
pub(crate) async fn first_data_after_reset(world: &World, number: u64) -> Option<Bytes> {
    let l1 = StockL1::new(&world.l1);
    let config = Arc::new(rollup_config(&world.config));
    let mut traversal = PollingTraversal::new(l1.clone(), config);
    let at = |number| block_info(&world.l1.data(number).unwrap().block_ref());
    traversal.block = Some(at(number));
    let batcher_address = crate::testing::world::BATCHER;
    traversal.system_config.batcher_address = batcher_address;
    let mut retrieval = L1Retrieval::new(traversal, StockData { l1, open: None });
    retrieval.next_data().await.unwrap();
    let reset = StockReset {
        l1_origin: at(1),
        system_config: Some(kona_genesis::SystemConfig {
            batcher_address,
            ..kona_genesis::SystemConfig::default()
        }),
        ..StockReset::default()
    };
    retrieval.signal(reset.signal()).await.unwrap();
    retrieval.next_data().await.ok()
}
