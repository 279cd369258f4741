//! An execution layer in memory, with a hand of the test between it and the engine.

use super::*;
use alloy_eips::BlockId;
use alloy_primitives::Address;
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus};
use async_trait::async_trait;
use light_node_engine_api::{ElBlock, ElError, ElReader, ElSyncing};

/// What the hand does. It lets through what is not said.
pub(super) trait Hooks: fmt::Debug + Send + Sync + 'static {
    /// The engine asks for a block on `head`. Returns what the execution layer is asked for.
    fn asked(&self, _head: B256, attributes: OpPayloadAttributes) -> OpPayloadAttributes {
        attributes
    }

    /// The execution layer answers with a block. Returns what the engine hears.
    fn sealed(&self, answer: Sealed) -> Sealed {
        answer
    }
}

/// An answer to `getPayload`.
pub(super) type Sealed = Result<OpExecutionPayloadEnvelope, ElError>;

/// The execution layer behind the hand.
#[derive(Debug)]
pub(super) struct Hooked<H> {
    pub(super) el: Arc<MemoryEl>,
    pub(super) hooks: H,
}

#[async_trait]
impl<H: Hooks> ElReader for Hooked<H> {
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
impl<H: Hooks> EngineApi for Hooked<H> {
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
        let attributes = attributes.map(|asked| self.hooks.asked(state.head_block_hash, asked));
        self.el.fork_choice_updated(state, attributes).await
    }
    async fn get_payload(&self, id: PayloadId, timestamp: u64) -> Sealed {
        self.hooks.sealed(self.el.get_payload(id, timestamp).await)
    }
    fn as_reader(self: Arc<Self>) -> Arc<dyn ElReader> {
        self
    }
}
