//! The traits of the EL, implemented by the EL in memory: log, prescribed answer, else the ordinary one.

use super::{Call, MemoryBlock, MemoryEl, Scripted};
use crate::{ElBlock, ElError, ElReader, ElSyncing, EngineApi};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_engine::{
    ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus, PayloadStatusEnum,
};
use async_trait::async_trait;
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

impl MemoryEl {
    /// Logs `call` and answers as prescribed, else by `apply`; `status` makes an answer of a prescribed status.
    async fn serve<T>(
        &self,
        call: Call,
        method: &'static str,
        deadline: Duration,
        status: impl FnOnce(PayloadStatusEnum) -> Option<T> + Send,
        apply: impl FnOnce(&Self) -> Result<T, ElError> + Send,
    ) -> Result<T, ElError> {
        let prescribed = self.script_lock().enter(call);
        let answer = match prescribed {
            None => apply(self),
            Some(Scripted::Error(error)) => Err(error),
            Some(Scripted::Status(wanted)) => match status(wanted) {
                Some(answer) => Ok(answer),
                None => panic!("the test prescribes a payload status for {method}"),
            },
            Some(Scripted::ApplyThenError(error)) => apply(self).and(Err(error)),
            Some(Scripted::Hang) => {
                self.called.notify_waiters();
                tokio::time::sleep(deadline).await;
                Err(ElError::Timeout { method, deadline })
            }
            Some(Scripted::Delay(time)) => {
                self.called.notify_waiters();
                tokio::time::sleep(time).await;
                apply(self)
            }
        };
        self.called.notify_waiters();
        answer
    }
}

#[async_trait]
impl ElReader for MemoryEl {
    async fn chain_id(&self) -> Result<u64, ElError> {
        let apply = |el: &Self| Ok(el.chain_id.load(Ordering::Relaxed));
        self.serve(
            Call::ChainId,
            "eth_chainId",
            self.deadlines.read,
            |_| None,
            apply,
        )
        .await
    }

    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError> {
        let apply = |el: &Self| {
            let state = el.state();
            Ok(ids.iter().map(|id| state.find(*id)).collect())
        };
        let call = Call::Blocks(ids.to_vec());
        self.serve(
            call,
            "eth_getBlockByNumber",
            self.deadlines.read,
            |_| None,
            apply,
        )
        .await
    }

    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError> {
        let apply = |el: &Self| {
            let state = el.state();
            let found = state.find(id);
            Ok(found.and_then(|block| state.envelope(block.block_ref.hash)))
        };
        let method = "engine_getPayloadBodiesByHashV1";
        self.serve(
            Call::Payload(id),
            method,
            self.deadlines.read,
            |_| None,
            apply,
        )
        .await
    }

    async fn storage_root(&self, address: Address, block: B256) -> Result<B256, ElError> {
        // The one account that anybody asks for is the message passer, whose storage root the header has.
        let apply = |el: &Self| {
            let found = el.state().block(block);
            found
                .map(|block| block.withdrawals_root.unwrap_or_default())
                .ok_or_else(|| ElError::unknown_block("eth_getBlockByHash"))
        };
        let call = Call::StorageRoot { address, block };
        self.serve(call, "eth_getProof", self.deadlines.read, |_| None, apply)
            .await
    }

    async fn syncing(&self) -> Result<ElSyncing, ElError> {
        let apply = |el: &Self| Ok(el.state().syncing());
        self.serve(
            Call::Syncing,
            "eth_syncing",
            self.deadlines.read,
            |_| None,
            apply,
        )
        .await
    }

    async fn client_version(&self) -> Result<Option<String>, ElError> {
        let apply = |_: &Self| Ok(Some("memory".to_owned()));
        let method = "engine_getClientVersionV1";
        self.serve(
            Call::ClientVersion,
            method,
            self.deadlines.read,
            |_| None,
            apply,
        )
        .await
    }
}

#[async_trait]
impl EngineApi for MemoryEl {
    async fn new_payload(
        &self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<PayloadStatus, ElError> {
        let payload = &envelope.execution_payload;
        let call = Call::NewPayload {
            hash: payload.block_hash(),
            number: payload.block_number(),
        };
        let status = |status| Some(PayloadStatus::from_status(status));
        let apply = |el: &Self| {
            let block = match MemoryBlock::from_envelope(&el.config, envelope) {
                Ok(block) => block,
                Err(validation_error) => {
                    let invalid = PayloadStatusEnum::Invalid { validation_error };
                    return Ok(PayloadStatus::from_status(invalid));
                }
            };
            Ok(el.state().new_payload(block))
        };
        self.serve(
            call,
            "engine_newPayloadV4",
            self.deadlines.new_payload,
            status,
            apply,
        )
        .await
    }

    async fn fork_choice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, ElError> {
        let call = Call::ForkchoiceUpdated {
            state,
            attributes: attributes.clone().map(Box::new),
        };
        let status = |status| Some(ForkchoiceUpdated::from_status(status));
        let apply = |el: &Self| el.state().forkchoice(state, attributes, &el.config);
        let method = "engine_forkchoiceUpdatedV3";
        self.serve(call, method, self.deadlines.forkchoice, status, apply)
            .await
    }

    async fn get_payload(
        &self,
        id: PayloadId,
        _timestamp: u64,
    ) -> Result<OpExecutionPayloadEnvelope, ElError> {
        let apply = |el: &Self| el.state().built(id).map(|block| block.envelope);
        let method = "engine_getPayloadV4";
        let deadline = self.deadlines.get_payload;
        self.serve(Call::GetPayload(id), method, deadline, |_| None, apply)
            .await
    }

    fn as_reader(self: Arc<Self>) -> Arc<dyn ElReader> {
        self
    }
}
