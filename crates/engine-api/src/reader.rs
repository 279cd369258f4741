//! The two traits of the EL. They are object safe because there really are several implementations: HTTP with JWT, and
//! the embedded EL in process. Which version of an Engine API method is called is chosen inside, by timestamp.

use crate::{ElBlock, ElError, ElSyncing};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus};
use async_trait::async_trait;
use core::fmt::Debug;
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};

/// Reads of the EL. Every call ends within its deadline.
#[async_trait]
pub trait ElReader: Debug + Send + Sync + 'static {
    /// `eth_chainId`.
    async fn chain_id(&self) -> Result<u64, ElError>;

    /// Blocks by hash, number or tag, in the order of `ids`, as one batch; `None` where the EL has no such block.
    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError>;

    /// One block by hash, number or tag; `None` if the EL has no such block.
    async fn block(&self, id: BlockId) -> Result<Option<ElBlock>, ElError> {
        Ok(self.blocks(&[id]).await?.into_iter().next().flatten())
    }

    /// The payload of one block, as it would be sent to an EL that lacks it; `None` if the EL has no such block. Its content
    /// hashes to the block's hash.
    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError>;

    /// The storage root of `address` in the state of block `block`, proven against that block's state root.
    async fn storage_root(&self, address: Address, block: B256) -> Result<B256, ElError>;

    /// `eth_syncing`.
    async fn syncing(&self) -> Result<ElSyncing, ElError>;

    /// `web3_clientVersion` or `engine_getClientVersionV1`, for logs; `None` if the EL serves neither.
    async fn client_version(&self) -> Result<Option<String>, ElError>;
}

/// The Engine API. Only the engine actor holds it: it is the one writer of the EL.
#[async_trait]
pub trait EngineApi: ElReader {
    /// `engine_newPayload`, in the version of the payload's timestamp.
    async fn new_payload(
        &self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<PayloadStatus, ElError>;

    /// `engine_forkchoiceUpdated`. Without attributes always V3; with attributes the version of their timestamp. A zero
    /// hash for safe or finalized means "unchanged".
    async fn fork_choice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, ElError>;

    /// `engine_getPayload` for a build started by [`EngineApi::fork_choice_updated`] with attributes of `timestamp`.
    async fn get_payload(
        &self,
        id: PayloadId,
        timestamp: u64,
    ) -> Result<OpExecutionPayloadEnvelope, ElError>;

    /// This door as a reader.
    fn as_reader(self: std::sync::Arc<Self>) -> std::sync::Arc<dyn ElReader>;
}
