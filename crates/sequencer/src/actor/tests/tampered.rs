//! An execution layer that answers with another block than it was asked for: nobody ever gets it.

use super::*;
use alloy_eips::BlockId;
use alloy_primitives::{Address, Bytes};
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus};
use async_trait::async_trait;
use light_node_engine_api::{ElBlock, ElError, ElReader, ElSyncing};
use op_alloy_rpc_types_engine::OpExecutionPayload;
use std::sync::atomic::{AtomicBool, Ordering};

/// It adds a deposit that nobody made on L1, while it is told to.
#[derive(Debug)]
struct Tampered {
    el: Arc<MemoryEl>,
    lies: Arc<AtomicBool>,
}

#[async_trait]
impl ElReader for Tampered {
    async fn chain_id(&self) -> Result<u64, ElError> {
        self.el.chain_id().await
    }
    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError> {
        self.el.blocks(ids).await
    }
    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError> {
        self.el.payload(id).await
    }
    async fn storage_root(&self, address: Address, block: B256) -> Result<B256, ElError> {
        self.el.storage_root(address, block).await
    }
    async fn syncing(&self) -> Result<ElSyncing, ElError> {
        self.el.syncing().await
    }
    async fn client_version(&self) -> Result<Option<String>, ElError> {
        self.el.client_version().await
    }
}

#[async_trait]
impl EngineApi for Tampered {
    async fn new_payload(
        &self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<PayloadStatus, ElError> {
        self.el.new_payload(envelope).await
    }
    async fn fork_choice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, ElError> {
        self.el.fork_choice_updated(state, attributes).await
    }
    async fn get_payload(
        &self,
        id: PayloadId,
        timestamp: u64,
    ) -> Result<OpExecutionPayloadEnvelope, ElError> {
        let mut envelope = self.el.get_payload(id, timestamp).await?;
        if self.lies.load(Ordering::Relaxed)
            && let OpExecutionPayload::V4(payload) = &mut envelope.execution_payload
        {
            let inner = &mut payload.payload_inner.payload_inner.payload_inner;
            inner.transactions.push(Bytes::from_static(&[0x7e, 1]));
        }
        Ok(envelope)
    }
    fn as_reader(self: Arc<Self>) -> Arc<dyn ElReader> {
        self
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_that_was_not_asked_for_reaches_neither_conductor_nor_execution_layer_nor_peers() {
    let (mut settings, conductor) = Settings::conducted();
    let lies = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&lies);
    settings.wrap = Box::new(|el| Arc::new(Tampered { el, lies: told }));
    let world = World::start(settings).await;
    world.sequencer.start(None).await.unwrap();
    world.waits_for(Wait::Attributes).await;
    world.pass(Duration::from_secs(20)).await;
    assert!(conductor.lock().offered.is_empty());
    assert!(world.so_far().is_empty());
    assert_eq!(world.engine.state().unsafe_head.number, 0);
    lies.store(false, Ordering::Relaxed);
    world.published(3).await;
    world.stop().await;
}
