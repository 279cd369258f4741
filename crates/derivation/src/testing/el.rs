//! An execution layer that executes nothing: a block is what its attributes and its parent say, and its hash stands for both.
//! Transactions with a certain nonce are refused, as invalid ones would be.

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bloom, Bytes, U256, keccak256};
use alloy_rpc_types_engine::ExecutionPayloadV1;
use async_trait::async_trait;
use light_node_engine_api::{ElBlock, ElError, ElReader, ElSyncing};
use light_node_protocol::{L2BlockRef, RollupConfig, SystemConfig};
use op_alloy_rpc_types_engine::{
    OpExecutionPayload, OpExecutionPayloadEnvelope, OpPayloadAttributes,
};
use std::sync::{Arc, Mutex};

/// Nonce of the transaction that the execution layer refuses.
pub(crate) const REFUSED_NONCE: u64 = 0x0bad_0bad_0bad_0bad;

/// The execution layer. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct FakeEl {
    config: Arc<RollupConfig>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// From genesis on.
    chain: Vec<ExecutionPayloadV1>,
    /// Reads that still fail.
    failures: usize,
    reads: usize,
}

impl FakeEl {
    /// An execution layer at genesis.
    pub(crate) fn new(config: Arc<RollupConfig>) -> Self {
        let genesis = ExecutionPayloadV1 {
            block_hash: config.genesis.l2.hash,
            block_number: config.genesis.l2.number,
            timestamp: config.genesis.l2_time,
            ..empty_payload()
        };
        let state = State {
            chain: vec![genesis],
            failures: 0,
            reads: 0,
        };
        Self {
            config,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Builds a block on `parent` and makes it the head. `None` if a transaction is refused.
    pub(crate) fn build(
        &self,
        parent: &L2BlockRef,
        attributes: &OpPayloadAttributes,
        system_config: &SystemConfig,
    ) -> Option<L2BlockRef> {
        let transactions = attributes.transactions.clone().unwrap_or_default();
        let mark = REFUSED_NONCE.to_be_bytes();
        let is_refused = |it: &Bytes| it.windows(8).any(|window| window == mark);
        if transactions.iter().any(is_refused) {
            return None;
        }
        let inner = &attributes.payload_attributes;
        let identity = format!("{} {attributes:?}", parent.hash);
        let payload = ExecutionPayloadV1 {
            parent_hash: parent.hash,
            block_number: parent.number + 1,
            timestamp: inner.timestamp,
            gas_limit: attributes.gas_limit.unwrap_or_default(),
            extra_data: system_config.extra_data(&self.config, inner.timestamp),
            block_hash: keccak256(identity),
            transactions,
            ..empty_payload()
        };
        let block = self.block_ref(&payload);
        let mut state = self.state.lock().unwrap();
        let index = (payload.block_number - self.config.genesis.l2.number) as usize;
        state.chain.truncate(index);
        assert_eq!(state.chain[index - 1].block_hash, parent.hash);
        state.chain.push(payload);
        Some(block)
    }

    /// The highest block.
    pub(crate) fn head(&self) -> L2BlockRef {
        let state = self.state.lock().unwrap();
        self.block_ref(state.chain.last().unwrap())
    }

    /// The block of a height.
    pub(crate) fn at(&self, number: u64) -> Option<L2BlockRef> {
        let payload = self.payload_at(number)?;
        Some(self.block_ref(&payload))
    }

    /// The system config in force at the block of a height.
    pub(crate) fn system_config(&self, number: u64) -> SystemConfig {
        let payload = self.payload_at(number).unwrap();
        crate::attributes::system_config_of(&self.config, &envelope(payload)).unwrap()
    }

    /// Hashes of all blocks.
    pub(crate) fn hashes(&self) -> Vec<B256> {
        let state = self.state.lock().unwrap();
        state.chain.iter().map(|block| block.block_hash).collect()
    }

    /// The transactions of the block of a height.
    pub(crate) fn transactions(&self, number: u64) -> Vec<Bytes> {
        self.payload_at(number).unwrap().transactions
    }

    /// Takes off every block above `number`.
    pub(crate) fn rewind(&self, number: u64) {
        let index = (number - self.config.genesis.l2.number) as usize;
        self.state.lock().unwrap().chain.truncate(index + 1);
    }

    /// The next `count` reads fail.
    pub(crate) fn fail_next(&self, count: usize) {
        self.state.lock().unwrap().failures = count;
    }

    /// Reads so far.
    pub(crate) fn reads(&self) -> usize {
        self.state.lock().unwrap().reads
    }

    fn payload_at(&self, number: u64) -> Option<ExecutionPayloadV1> {
        let index = number.checked_sub(self.config.genesis.l2.number)?;
        let state = self.state.lock().unwrap();
        state.chain.get(index as usize).cloned()
    }

    fn block_ref(&self, payload: &ExecutionPayloadV1) -> L2BlockRef {
        let payload = OpExecutionPayload::V1(payload.clone());
        L2BlockRef::from_payload(&self.config, &payload).unwrap()
    }
}

fn empty_payload() -> ExecutionPayloadV1 {
    ExecutionPayloadV1 {
        parent_hash: B256::ZERO,
        fee_recipient: Address::ZERO,
        state_root: B256::ZERO,
        receipts_root: B256::ZERO,
        logs_bloom: Bloom::ZERO,
        prev_randao: B256::ZERO,
        block_number: 0,
        gas_limit: 0,
        gas_used: 0,
        timestamp: 0,
        extra_data: Bytes::new(),
        base_fee_per_gas: U256::ZERO,
        block_hash: B256::ZERO,
        transactions: Vec::new(),
    }
}

const fn envelope(payload: ExecutionPayloadV1) -> OpExecutionPayloadEnvelope {
    OpExecutionPayloadEnvelope {
        parent_beacon_block_root: None,
        execution_payload: OpExecutionPayload::V1(payload),
    }
}

#[async_trait]
impl ElReader for FakeEl {
    async fn chain_id(&self) -> Result<u64, ElError> {
        Ok(self.config.l2_chain_id)
    }

    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError> {
        Ok(vec![None; ids.len()])
    }

    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError> {
        {
            let mut state = self.state.lock().unwrap();
            state.reads += 1;
            if state.failures > 0 {
                state.failures -= 1;
                return Err(ElError::Transport {
                    endpoint: "fake".to_owned(),
                    cause: "connection refused".to_owned(),
                });
            }
        }
        tokio::task::yield_now().await;
        let BlockId::Number(number) = id else {
            return Ok(None);
        };
        let number = number.as_number();
        Ok(number
            .and_then(|number| self.payload_at(number))
            .map(envelope))
    }

    async fn storage_root(&self, _address: Address, _block: B256) -> Result<B256, ElError> {
        Ok(B256::ZERO)
    }

    async fn syncing(&self) -> Result<ElSyncing, ElError> {
        Ok(ElSyncing::Idle)
    }

    async fn client_version(&self) -> Result<Option<String>, ElError> {
        Ok(None)
    }
}
