//! A small chain for the tests of this crate: our devnet genesis with ten funded accounts, and blocks as a sequencer would
//! ask for them. Everything is fixed, so block hashes are, too.
#![allow(clippy::unwrap_used)]

use crate::{
    DevnetGenesis, ElBehaviour, ElConfig, EmbeddedEl, ExecutedBlock, MESSAGE_PASSER, PoolLimits,
    SEQUENCER_FEE_VAULT, SealedPayload, predeploys::selector,
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy};
use alloy_eips::{BlockNumHash, Encodable2718};
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadAttributes};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use light_node_protocol::{
    ChainGenesis, Hardfork, RollupConfig, SystemConfig, l1_info::L1BlockFacts, l1_info_deposit,
};
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};
use op_alloy_rpc_types_engine::{OpExecutionData, OpPayloadAttributes};
use std::sync::Arc;

pub(crate) const CHAIN_ID: u64 = 901;
pub(crate) const GENESIS_TIME: u64 = 1_700_000_000;
pub(crate) const GAS_LIMIT: u64 = 60_000_000;

/// The forks that a devnet can have as its latest.
pub(crate) const FORKS: [Hardfork; 7] = [
    Hardfork::Ecotone,
    Hardfork::Fjord,
    Hardfork::Granite,
    Hardfork::Holocene,
    Hardfork::Isthmus,
    Hardfork::Jovian,
    Hardfork::Karst,
];

/// Where [`TestChain::transfer`] sends money.
pub(crate) const RECIPIENT: Address = Address::repeat_byte(0xaa);

#[derive(Debug)]
pub(crate) struct TestChain {
    pub(crate) el: Arc<EmbeddedEl>,
    pub(crate) config: RollupConfig,
    pub(crate) fork: Hardfork,
}

pub(crate) fn wallet(index: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(index + 1)).unwrap()
}

pub(crate) fn genesis(fork: Hardfork) -> Genesis {
    DevnetGenesis::new(CHAIN_ID, fork, GENESIS_TIME)
        .with_funded(
            (0..10).map(|index| wallet(index).address()),
            U256::from(10).pow(U256::from(22)),
        )
        .build()
}

pub(crate) fn forkchoice(head: B256) -> ForkchoiceState {
    ForkchoiceState {
        head_block_hash: head,
        ..ForkchoiceState::default()
    }
}

pub(crate) fn data(block: &ExecutedBlock) -> OpExecutionData {
    OpExecutionData::from_block_unchecked(block.hash, &block.block)
}

impl TestChain {
    pub(crate) fn new(fork: Hardfork) -> Self {
        Self::with_pool_limits(fork, PoolLimits::default())
    }

    pub(crate) fn with_pool_limits(fork: Hardfork, pool_limits: PoolLimits) -> Self {
        let config = ElConfig {
            pool_limits,
            ..ElConfig::new(genesis(fork))
        };
        Self::with_config(fork, config)
    }

    pub(crate) fn with_behaviour(fork: Hardfork, behaviour: ElBehaviour) -> Self {
        let config = ElConfig {
            behaviour,
            ..ElConfig::new(genesis(fork))
        };
        Self::with_config(fork, config)
    }

    fn with_config(fork: Hardfork, config: ElConfig) -> Self {
        let el = EmbeddedEl::new(ElConfig {
            state_history_blocks: 2,
            ..config
        })
        .unwrap();
        let mut scalar = B256::with_last_byte(0);
        scalar[0] = 1;
        scalar[24..28].copy_from_slice(&810_949u32.to_be_bytes());
        scalar[28..32].copy_from_slice(&1_368u32.to_be_bytes());
        let active = |since: Hardfork| (fork >= since).then_some(0);
        let config = RollupConfig {
            genesis: ChainGenesis {
                l1: BlockNumHash::new(100, B256::repeat_byte(0x11)),
                l2: BlockNumHash::new(0, el.view().genesis().hash),
                l2_time: GENESIS_TIME,
                system_config: SystemConfig {
                    batcher_address: Address::repeat_byte(7),
                    scalar,
                    ..SystemConfig::default()
                },
            },
            block_time: 2,
            l2_chain_id: CHAIN_ID,
            regolith_time: Some(0),
            canyon_time: Some(0),
            delta_time: Some(0),
            ecotone_time: Some(0),
            fjord_time: active(Hardfork::Fjord),
            granite_time: active(Hardfork::Granite),
            holocene_time: active(Hardfork::Holocene),
            isthmus_time: active(Hardfork::Isthmus),
            jovian_time: active(Hardfork::Jovian),
            karst_time: active(Hardfork::Karst),
            ..RollupConfig::default()
        };
        Self { el, config, fork }
    }

    pub(crate) fn head(&self) -> Arc<ExecutedBlock> {
        self.el.view().head().clone()
    }

    /// What a sequencer asks for on `parent`: the L1-info deposit, and the pool.
    pub(crate) fn attributes_on(&self, parent: &ExecutedBlock) -> OpPayloadAttributes {
        let timestamp = parent.header().timestamp + 2;
        let number = parent.number() + 1;
        let l1 = L1BlockFacts {
            number: 100 + number / 6,
            hash: B256::repeat_byte(5),
            timestamp: GENESIS_TIME - 100 + number,
            base_fee: 1_000_000_000,
            blob_base_fee: 1,
        };
        let system_config = &self.config.genesis.system_config;
        let deposit =
            l1_info_deposit(&self.config, system_config, number % 6, &l1, timestamp).unwrap();
        OpPayloadAttributes {
            payload_attributes: PayloadAttributes {
                timestamp,
                prev_randao: B256::repeat_byte(9),
                suggested_fee_recipient: SEQUENCER_FEE_VAULT,
                withdrawals: Some(Vec::new()),
                parent_beacon_block_root: Some(B256::repeat_byte(3)),
                ..PayloadAttributes::default()
            },
            transactions: Some(vec![deposit.encoded_2718().into()]),
            no_tx_pool: None,
            gas_limit: Some(GAS_LIMIT),
            eip_1559_params: (self.fork >= Hardfork::Holocene)
                .then(|| "0x000000fa00000006".parse().unwrap()),
            min_base_fee: (self.fork >= Hardfork::Jovian).then_some(1_000),
        }
    }

    /// Builds and seals a block on `parent`, which is or becomes the head unless it is an ancestor of the head.
    pub(crate) fn build(&self, parent: B256, attributes: OpPayloadAttributes) -> SealedPayload {
        let updated = self
            .el
            .fork_choice_updated(forkchoice(parent), Some(attributes))
            .unwrap();
        assert!(updated.is_valid(), "{updated:?}");
        self.el.get_payload(updated.payload_id.unwrap()).unwrap()
    }

    /// Builds a block on `parent` that differs from others by its randomness, without making it known.
    pub(crate) fn block_on(&self, parent: &ExecutedBlock, randomness: u8) -> Arc<ExecutedBlock> {
        let mut attributes = self.attributes_on(parent);
        attributes.payload_attributes.prev_randao = B256::repeat_byte(randomness);
        self.build(parent.hash, attributes).block().clone()
    }

    /// Makes a block known.
    pub(crate) fn insert(&self, block: &ExecutedBlock) {
        let status = self.el.new_payload(data(block));
        assert!(status.is_valid(), "{status:?}");
    }

    /// Makes a known block the head. A sibling may need to be asked for twice.
    pub(crate) fn choose(&self, head: B256) -> ForkchoiceUpdated {
        let ask = || self.el.fork_choice_updated(forkchoice(head), None).unwrap();
        let updated = ask();
        if self.el.view().is_sibling(&head) {
            return ask();
        }
        updated
    }

    /// The next block with what waits in the pool, as head.
    pub(crate) fn extend(&self) -> Arc<ExecutedBlock> {
        let head = self.head();
        let block = self
            .build(head.hash, self.attributes_on(&head))
            .block()
            .clone();
        self.insert(&block);
        assert!(self.choose(block.hash).is_valid());
        assert_eq!(self.head().hash, block.hash);
        block
    }

    pub(crate) fn submit(&self, raw: &Bytes) -> B256 {
        self.el.submit_transaction(raw).unwrap()
    }
}

/// A chain of `length` blocks, built elsewhere, none of which `chain` knows.
pub(crate) fn foreign_blocks(fork: Hardfork, length: usize) -> Vec<Arc<ExecutedBlock>> {
    let elsewhere = TestChain::new(fork);
    (0..length).map(|_| elsewhere.extend()).collect()
}

pub(crate) fn sign_1559(wallet: &PrivateKeySigner, transaction: TxEip1559) -> Bytes {
    let signature = wallet
        .sign_hash_sync(&transaction.signature_hash())
        .unwrap();
    OpTxEnvelope::from(transaction.into_signed(signature))
        .encoded_2718()
        .into()
}

/// Fields of a transfer of 12345 wei; the priority fee is `tip` wei.
pub(crate) fn transfer_fields(nonce: u64, tip: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(RECIPIENT),
        value: U256::from(12_345),
        ..TxEip1559::default()
    }
}

pub(crate) fn transfer(from: u8, nonce: u64) -> Bytes {
    sign_1559(&wallet(from), transfer_fields(nonce, 1_000_000))
}

pub(crate) fn legacy_transfer(from: u8, nonce: u64) -> Bytes {
    let transaction = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 3_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(RECIPIENT),
        value: U256::from(1),
        input: Bytes::new(),
    };
    let signature = wallet(from)
        .sign_hash_sync(&transaction.signature_hash())
        .unwrap();
    OpTxEnvelope::from(transaction.into_signed(signature))
        .encoded_2718()
        .into()
}

/// Calldata of `initiateWithdrawal(target, 100000, data)`.
pub(crate) fn withdrawal_calldata(target: Address, message: &[u8]) -> Bytes {
    let mut calldata = selector("initiateWithdrawal(address,uint256,bytes)").to_vec();
    calldata.extend(target.into_word());
    for word in [100_000, 0x60, message.len()] {
        calldata.extend(U256::from(word).to_be_bytes::<32>());
    }
    calldata.extend(message);
    calldata.resize(calldata.len().next_multiple_of(32) + 4, 0);
    calldata.into()
}

pub(crate) fn withdrawal(from: u8, nonce: u64) -> Bytes {
    let transaction = TxEip1559 {
        to: TxKind::Call(MESSAGE_PASSER),
        gas_limit: 300_000,
        input: withdrawal_calldata(RECIPIENT, &[1, 2, 3, 4, 5]),
        ..transfer_fields(nonce, 1_000_000)
    };
    sign_1559(&wallet(from), transaction)
}

/// A user deposit from L1 that mints 1 ether to `to`.
pub(crate) fn user_deposit(to: Address) -> Bytes {
    TxDeposit {
        source_hash: B256::repeat_byte(0x77),
        from: Address::repeat_byte(0x66),
        to: TxKind::Call(to),
        mint: 1_000_000_000_000_000_000,
        value: U256::from(1_000_000_000_000_000_000u64),
        gas_limit: 100_000,
        is_system_transaction: false,
        input: Bytes::new(),
    }
    .encoded_2718()
    .into()
}
