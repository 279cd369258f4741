//! The Engine API without a wire: the door to an embedded execution layer in the same process.

use crate::{
    el::{CLIENT_VERSION, EmbeddedEl},
    engine::EngineError,
    execution::ExecutedBlock,
    fault::Refused,
};
use alloy_eips::{BlockId, Encodable2718, eip7685::Requests};
use alloy_primitives::{Address, B256};
use alloy_rpc_types_engine::{
    CancunPayloadFields, ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus,
    PraguePayloadFields,
};
use async_trait::async_trait;
use light_node_engine_api::{ElBlock, ElDeadlines, ElError, ElReader, ElSyncing, EngineApi};
use light_node_protocol::{L2BlockRef, RollupConfig};
use op_alloy_rpc_types_engine::{
    OpExecutionData, OpExecutionPayload, OpExecutionPayloadEnvelope, OpExecutionPayloadSidecar,
    OpPayloadAttributes,
};
use std::{sync::Arc, time::Duration};

/// JSON-RPC code of a failure without a code of its own.
const SERVER_ERROR: i64 = -32000;

/// JSON-RPC code of parameters that do not fit together.
const INVALID_PARAMS: i64 = -32602;

/// An embedded execution layer as [`EngineApi`].
#[derive(Clone, Debug)]
pub struct InProcessEngine {
    el: Arc<EmbeddedEl>,
    config: Arc<RollupConfig>,
}

impl InProcessEngine {
    /// The door to `el`, whose chain is the L2 of `config`.
    pub const fn new(el: Arc<EmbeddedEl>, config: Arc<RollupConfig>) -> Self {
        Self { el, config }
    }

    /// Runs a call that may execute blocks away from the async threads.
    async fn execute<T: Send + 'static>(
        &self,
        method: &'static str,
        deadline: Duration,
        call: impl FnOnce(&EmbeddedEl) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, ElError> {
        let faults = &self.el.faults;
        let refused = |refused| refusal(method, deadline, refused);
        let life = faults.admit(deadline).await.map_err(refused)?;
        let el = self.el.clone();
        let called = tokio::task::spawn_blocking(move || call(&el)).await;
        faults.let_out(life).map_err(refused)?;
        match called {
            Ok(result) => result.map_err(|error| el_error(method, &error)),
            Err(panic) => Err(ElError::Rpc {
                method,
                code: SERVER_ERROR,
                message: panic.to_string(),
            }),
        }
    }

    /// Lets a read in, unless the execution layer is dead or a fault is in force.
    async fn admit(&self, method: &'static str) -> Result<(), ElError> {
        let deadline = ElDeadlines::READ;
        let admitted = self.el.faults.admit(deadline).await;
        admitted
            .map(drop)
            .map_err(|refused| refusal(method, deadline, refused))
    }

    fn el_block(&self, block: &ExecutedBlock) -> Result<ElBlock, ElError> {
        let header = block.header();
        let first_transaction = block
            .block
            .body
            .transactions
            .first()
            .map(Encodable2718::encoded_2718);
        let block_ref = L2BlockRef::from_parts(
            &self.config,
            block.hash,
            header.number,
            header.parent_hash,
            header.timestamp,
            first_transaction.as_deref(),
        )
        .map_err(|error| ElError::Malformed {
            method: "eth_getBlock",
            cause: error.to_string(),
        })?;
        Ok(ElBlock {
            block_ref,
            state_root: header.state_root,
            withdrawals_root: header.withdrawals_root,
        })
    }
}

#[async_trait]
impl ElReader for InProcessEngine {
    async fn chain_id(&self) -> Result<u64, ElError> {
        self.admit("eth_chainId").await?;
        Ok(self.el.view().spec().chain_id())
    }

    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError> {
        self.admit("eth_getBlock").await?;
        let view = self.el.view();
        ids.iter()
            .map(|id| {
                self.el
                    .find_block(&view, *id)
                    .map(|block| self.el_block(&block))
                    .transpose()
            })
            .collect()
    }

    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError> {
        self.admit("engine_getPayloadBodiesByHash").await?;
        let view = self.el.view();
        Ok(self.el.find_block(&view, id).map(|block| {
            let data = OpExecutionData::from_block_unchecked(block.hash, &block.block);
            OpExecutionPayloadEnvelope {
                parent_beacon_block_root: data.parent_beacon_block_root(),
                execution_payload: data.payload,
            }
        }))
    }

    async fn storage_root(&self, address: Address, block: B256) -> Result<B256, ElError> {
        self.admit("eth_getProof").await?;
        let view = self.el.view();
        let state = view.state(&block).ok_or_else(|| ElError::Rpc {
            method: "eth_getProof",
            code: SERVER_ERROR,
            message: format!("no state of block {block}"),
        })?;
        Ok(state.storage_root(&address))
    }

    async fn syncing(&self) -> Result<ElSyncing, ElError> {
        self.admit("eth_syncing").await?;
        let progress = self.el.sync_progress();
        Ok(
            progress.map_or(ElSyncing::Idle, |progress| ElSyncing::Syncing {
                current: progress.current,
                highest: progress.highest,
                marks: 0,
            }),
        )
    }

    async fn client_version(&self) -> Result<Option<String>, ElError> {
        self.admit("web3_clientVersion").await?;
        Ok(Some(CLIENT_VERSION.to_owned()))
    }
}

#[async_trait]
impl EngineApi for InProcessEngine {
    async fn new_payload(
        &self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<PayloadStatus, ElError> {
        let data = execution_data(envelope.clone())?;
        let deadline = ElDeadlines::NEW_PAYLOAD;
        self.execute("engine_newPayload", deadline, move |el| {
            Ok(el.new_payload(data))
        })
        .await
    }

    async fn fork_choice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, ElError> {
        self.execute(
            "engine_forkchoiceUpdated",
            ElDeadlines::FORKCHOICE,
            move |el| el.fork_choice_updated(state, attributes),
        )
        .await
    }

    async fn get_payload(
        &self,
        id: PayloadId,
        _timestamp: u64,
    ) -> Result<OpExecutionPayloadEnvelope, ElError> {
        self.execute("engine_getPayload", ElDeadlines::GET_PAYLOAD, move |el| {
            Ok(el.get_payload(id)?.envelope())
        })
        .await
    }

    fn as_reader(self: Arc<Self>) -> Arc<dyn ElReader> {
        self
    }
}

/// The parameters of `engine_newPayload` in the version that fits the payload.
fn execution_data(envelope: OpExecutionPayloadEnvelope) -> Result<OpExecutionData, ElError> {
    let payload = envelope.execution_payload;
    let cancun = |root| CancunPayloadFields::new(root, Vec::new());
    let sidecar = match (&payload, envelope.parent_beacon_block_root) {
        (OpExecutionPayload::V1(_) | OpExecutionPayload::V2(_), None) => {
            OpExecutionPayloadSidecar::default()
        }
        (OpExecutionPayload::V3(_), Some(root)) => OpExecutionPayloadSidecar::v3(cancun(root)),
        (OpExecutionPayload::V4(_), Some(root)) => OpExecutionPayloadSidecar::v4(
            cancun(root),
            PraguePayloadFields::new(Requests::default()),
        ),
        (_, _) => {
            return Err(ElError::Rpc {
                method: "engine_newPayload",
                code: INVALID_PARAMS,
                message:
                    "the parent beacon block root must be given from Ecotone on, and only then"
                        .to_owned(),
            });
        }
    };
    Ok(OpExecutionData::new(payload, sidecar))
}

/// What a client over HTTP would report of a refused request.
fn refusal(method: &'static str, deadline: Duration, refused: Refused) -> ElError {
    match refused {
        Refused::Connection => ElError::Transport {
            endpoint: "this process".to_owned(),
            cause: "connection refused".to_owned(),
        },
        Refused::Deadline => ElError::Timeout { method, deadline },
        Refused::Malformed => ElError::Malformed {
            method,
            cause: "a web page".to_owned(),
        },
        Refused::Status(status) => ElError::Http { method, status },
    }
}

/// The same error as its JSON-RPC form would be read by the HTTP client.
fn el_error(method: &'static str, error: &EngineError) -> ElError {
    let message = error.to_string();
    match error.code() {
        -38001 => ElError::UnknownPayload,
        -38002 => ElError::InvalidForkchoiceState { message },
        -38003 => ElError::InvalidPayloadAttributes { message },
        code => ElError::Rpc {
            method,
            code: code.into(),
            message,
        },
    }
}

#[cfg(test)]
mod tests;
