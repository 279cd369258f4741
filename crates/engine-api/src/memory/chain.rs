//! Chains of blocks for tests: real headers, real block hashes, a real L1-info deposit first in every block. Only the
//! state behind them is imaginary.

use crate::{ElBlock, payload_block_hash, payload_ref};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, U256, keccak256};
use alloy_rpc_types_engine::{
    ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3, PayloadAttributes,
};
use light_node_protocol::{
    BlockNumHash, ChainGenesis, L1BlockRef, L2BlockRef, RollupConfig, SystemConfig,
    l1_info::L1BlockFacts, l1_info_deposit,
};
use op_alloy_rpc_types_engine::{
    OpExecutionPayload, OpExecutionPayloadEnvelope, OpExecutionPayloadV4, OpPayloadAttributes,
};
use std::sync::Arc;

/// Seconds between two blocks of the built L1 chain.
const L1_BLOCK_TIME: u64 = 12;
/// L2 blocks that `extend` puts on one L1 block.
const BLOCKS_PER_EPOCH: u64 = 6;
const GAS_LIMIT: u64 = 30_000_000;
const L1_GENESIS_NUMBER: u64 = 100;
const L2_GENESIS_TIME: u64 = 1_700_000_000;

/// A block with everything that a test may need of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryBlock {
    /// What a reader of the EL sees.
    pub el: ElBlock,
    /// The payload that carries it.
    pub envelope: OpExecutionPayloadEnvelope,
}

impl MemoryBlock {
    /// Block hash.
    pub const fn hash(&self) -> B256 {
        self.el.block_ref.hash
    }

    /// Block number.
    pub const fn number(&self) -> u64 {
        self.el.block_ref.number
    }

    /// Reference with L1 origin.
    pub const fn block_ref(&self) -> L2BlockRef {
        self.el.block_ref
    }

    /// The block that `envelope` carries; the words of a refusal if it does not hash to what it announces, or if its
    /// first transaction is no L1-info deposit.
    pub(super) fn from_envelope(
        config: &RollupConfig,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<Self, String> {
        let block_ref = payload_ref(config, envelope).map_err(|error| error.to_string())?;
        let payload = &envelope.execution_payload;
        let state_root = payload.as_v1().state_root;
        let withdrawals_root = payload.as_v4().map(|payload| payload.withdrawals_root);
        Ok(Self {
            el: ElBlock {
                block_ref,
                state_root,
                withdrawals_root,
            },
            envelope: envelope.clone(),
        })
    }

    fn seal(
        config: &RollupConfig,
        payload: OpExecutionPayloadV4,
        parent_beacon_block_root: B256,
    ) -> Result<Self, String> {
        let envelope = with_hash(payload, parent_beacon_block_root)?;
        Self::from_envelope(config, &envelope)
    }
}

/// Builds chains of blocks. All forks up to Jovian are active from genesis, the block time is 2 s.
#[derive(Clone, Debug)]
pub struct ChainBuilder {
    config: Arc<RollupConfig>,
    genesis: MemoryBlock,
}

impl Default for ChainBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChainBuilder {
    /// A builder of the one test chain: two builders build the same blocks.
    pub fn new() -> Self {
        Self::on_l1(Self::l1_block(L1_GENESIS_NUMBER, 0).id())
    }

    /// A builder of a chain that starts after the L1 block `l1`: for tests that have an L1 of their own.
    pub fn on_l1(l1: BlockNumHash) -> Self {
        let payload = payload(B256::ZERO, 0, &attributes_at(L2_GENESIS_TIME), B256::ZERO);
        let envelope = with_hash(payload, B256::ZERO).expect("our own genesis makes a header");
        let config = RollupConfig {
            genesis: ChainGenesis {
                l1,
                l2: BlockNumHash::new(0, envelope.execution_payload.block_hash()),
                l2_time: L2_GENESIS_TIME,
                system_config: SystemConfig {
                    gas_limit: GAS_LIMIT,
                    ..Default::default()
                },
            },
            block_time: 2,
            max_sequencer_drift: 600,
            seq_window_size: 3600,
            channel_timeout: 300,
            l1_chain_id: 900,
            l2_chain_id: 901,
            regolith_time: Some(0),
            canyon_time: Some(0),
            delta_time: Some(0),
            ecotone_time: Some(0),
            fjord_time: Some(0),
            granite_time: Some(0),
            holocene_time: Some(0),
            isthmus_time: Some(0),
            jovian_time: Some(0),
            ..Default::default()
        };
        let genesis = MemoryBlock::from_envelope(&config, &envelope)
            .expect("the configuration names this genesis");
        Self {
            config: Arc::new(config),
            genesis,
        }
    }

    /// The chain's configuration.
    pub fn config(&self) -> Arc<RollupConfig> {
        Arc::clone(&self.config)
    }

    /// The genesis block.
    pub fn genesis(&self) -> MemoryBlock {
        self.genesis.clone()
    }

    /// The L1 block `number` of the L1 branch `branch`. Branches share nothing above the L1 genesis, number 100.
    pub fn l1_block(number: u64, branch: u64) -> L1BlockRef {
        let hash = |number: u64| {
            let branch = if number > L1_GENESIS_NUMBER {
                branch
            } else {
                0
            };
            keccak256([number.to_be_bytes(), branch.to_be_bytes()].concat())
        };
        L1BlockRef {
            hash: hash(number),
            number,
            parent_hash: hash(number.saturating_sub(1)),
            timestamp: L2_GENESIS_TIME + number.saturating_sub(L1_GENESIS_NUMBER) * L1_BLOCK_TIME,
        }
    }

    /// The child of `parent` with the L1 origin `l1_origin`. Another `salt` makes another block.
    pub fn child(&self, parent: &MemoryBlock, l1_origin: BlockNumHash, salt: u64) -> MemoryBlock {
        let attributes = self.attributes(parent, l1_origin, salt);
        Self::build(&self.config, parent, &attributes).expect("our own attributes can be built")
    }

    /// The `count` blocks that follow `parent`, oldest first. Their L1 origins go on from `parent`'s along L1 branch 0,
    /// six blocks each. Another `salt` makes another branch.
    pub fn extend(&self, parent: &MemoryBlock, count: usize, salt: u64) -> Vec<MemoryBlock> {
        self.extend_on_l1(parent, count, salt, 0)
    }

    /// As [`ChainBuilder::extend`], with new L1 origins from the L1 branch `l1_branch`.
    pub fn extend_on_l1(
        &self,
        parent: &MemoryBlock,
        count: usize,
        salt: u64,
        l1_branch: u64,
    ) -> Vec<MemoryBlock> {
        let mut blocks: Vec<MemoryBlock> = Vec::with_capacity(count);
        for _ in 0..count {
            let parent = blocks.last().unwrap_or(parent);
            let this = parent.el.block_ref;
            let l1_origin = if this.sequence_number + 1 < BLOCKS_PER_EPOCH {
                this.l1_origin
            } else {
                Self::l1_block(this.l1_origin.number + 1, l1_branch).id()
            };
            blocks.push(self.child(parent, l1_origin, salt));
        }
        blocks
    }

    /// Attributes that build the child of `parent` with the L1 origin `l1_origin`, no transaction pool.
    pub fn attributes(
        &self,
        parent: &MemoryBlock,
        l1_origin: BlockNumHash,
        salt: u64,
    ) -> OpPayloadAttributes {
        let parent = parent.el.block_ref;
        let sequence_number = if parent.l1_origin == l1_origin {
            parent.sequence_number + 1
        } else {
            0
        };
        let mut attributes = attributes_at(parent.timestamp + self.config.block_time);
        attributes.payload_attributes.prev_randao = B256::from(U256::from(salt));
        let l1 = L1BlockFacts {
            number: l1_origin.number,
            hash: l1_origin.hash,
            timestamp: Self::l1_block(l1_origin.number, 0).timestamp,
            base_fee: 7,
            blob_base_fee: 1,
        };
        let system_config = &self.config.genesis.system_config;
        let timestamp = attributes.payload_attributes.timestamp;
        let deposit = l1_info_deposit(&self.config, system_config, sequence_number, &l1, timestamp)
            .expect("a zero scalar can be encoded");
        attributes.transactions = Some(vec![deposit.encoded_2718().into()]);
        attributes
    }

    /// Builds `attributes` on `parent`.
    pub(super) fn build(
        config: &RollupConfig,
        parent: &MemoryBlock,
        attributes: &OpPayloadAttributes,
    ) -> Result<MemoryBlock, String> {
        let parent = parent.el.block_ref;
        let state_root = keccak256(
            [
                parent.hash.as_slice(),
                attributes.payload_attributes.prev_randao.as_slice(),
            ]
            .concat(),
        );
        let payload = payload(parent.hash, parent.number + 1, attributes, state_root);
        let beacon_root = attributes
            .payload_attributes
            .parent_beacon_block_root
            .unwrap_or_default();
        MemoryBlock::seal(config, payload, beacon_root)
    }
}

fn attributes_at(timestamp: u64) -> OpPayloadAttributes {
    OpPayloadAttributes {
        payload_attributes: PayloadAttributes {
            timestamp,
            withdrawals: Some(Vec::new()),
            parent_beacon_block_root: Some(B256::ZERO),
            ..Default::default()
        },
        transactions: Some(Vec::new()),
        no_tx_pool: Some(true),
        gas_limit: Some(GAS_LIMIT),
        eip_1559_params: Some(Default::default()),
        min_base_fee: Some(0),
    }
}

fn payload(
    parent_hash: B256,
    block_number: u64,
    attributes: &OpPayloadAttributes,
    state_root: B256,
) -> OpExecutionPayloadV4 {
    let common = &attributes.payload_attributes;
    // Jovian: version 1, denominator 250, elasticity 6, minimum base fee 0.
    let mut extra_data = [0u8; 17];
    extra_data[0] = 1;
    extra_data[4] = 250;
    extra_data[8] = 6;
    let v1 = ExecutionPayloadV1 {
        parent_hash,
        fee_recipient: common.suggested_fee_recipient,
        state_root,
        receipts_root: keccak256(state_root),
        logs_bloom: Default::default(),
        prev_randao: common.prev_randao,
        block_number,
        gas_limit: attributes.gas_limit.unwrap_or(GAS_LIMIT),
        gas_used: 0,
        timestamp: common.timestamp,
        extra_data: extra_data.into(),
        base_fee_per_gas: U256::from(1_000_000_000u64),
        block_hash: B256::ZERO,
        transactions: attributes.transactions.clone().unwrap_or_default(),
    };
    let v2 = ExecutionPayloadV2 {
        payload_inner: v1,
        withdrawals: Vec::new(),
    };
    let v3 = ExecutionPayloadV3 {
        payload_inner: v2,
        blob_gas_used: 0,
        excess_blob_gas: 0,
    };
    OpExecutionPayloadV4 {
        payload_inner: v3,
        withdrawals_root: keccak256(state_root),
    }
}

fn with_hash(
    payload: OpExecutionPayloadV4,
    parent_beacon_block_root: B256,
) -> Result<OpExecutionPayloadEnvelope, String> {
    let mut envelope = OpExecutionPayloadEnvelope {
        parent_beacon_block_root: Some(parent_beacon_block_root),
        execution_payload: OpExecutionPayload::V4(payload),
    };
    let hash = payload_block_hash(&envelope).map_err(|error| error.to_string())?;
    envelope.execution_payload.as_v1_mut().block_hash = hash;
    Ok(envelope)
}
