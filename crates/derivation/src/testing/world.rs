//! A small rollup: an L1 in memory, and a sequencer that makes the batches of an honest chain on it.

use super::el::FakeEl;
use crate::{
    attributes::Ingredients,
    cause::Causes,
    epochs::Epochs,
    kona::{Batch, SingleBatch},
    upgrades::UpgradeBundles,
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, TxKind, U256, address};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use light_node_l1::{InboxTransaction, L1Source, MemoryL1Source};
use light_node_protocol::{
    BlockNumHash, ChainGenesis, ChainOpConfig, L1BlockRef, L1ChainConfig, L2BlockRef, RollupConfig,
    SystemConfig,
};
use std::sync::Arc;

pub(crate) const CHAIN_ID: u64 = 901;
pub(crate) const BATCHER: Address = address!("0x00000000000000000000000000000000000000ba");
pub(crate) const PORTAL: Address = address!("0x00000000000000000000000000000000000000aa");
pub(crate) const SYSTEM_CONFIG: Address = address!("0x00000000000000000000000000000000000000bb");

/// Time of genesis, on L1 and L2.
pub(crate) const GENESIS_TIME: u64 = 1_800_000_000;
/// Seconds of an L2 block.
pub(crate) const L2_BLOCK_TIME: u64 = 2;

/// L1, the L2 of the sequencer, and the chain's config.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) config: Arc<RollupConfig>,
    pub(crate) l1: MemoryL1Source,
    /// The sequencer's execution layer.
    pub(crate) el: FakeEl,
    head: L2BlockRef,
    system_config: SystemConfig,
    upgrades: UpgradeBundles,
}

impl World {
    /// A chain with every fork up to Jovian at genesis.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with a word on its config.
    pub(crate) fn with(edit: impl FnOnce(&mut RollupConfig)) -> Self {
        let l1 = MemoryL1Source::new(1, GENESIS_TIME);
        let mut config = config(l1.head().id());
        edit(&mut config);
        let config = Arc::new(config);
        let genesis = L2BlockRef {
            hash: config.genesis.l2.hash,
            number: 0,
            parent_hash: B256::ZERO,
            timestamp: GENESIS_TIME,
            l1_origin: config.genesis.l1,
            sequence_number: 0,
        };
        Self {
            el: FakeEl::new(config.clone()),
            l1,
            head: genesis,
            system_config: config.genesis.system_config,
            config,
            upgrades: UpgradeBundles::default(),
        }
    }

    /// Gives the sequencer upgrade bundles.
    pub(crate) fn set_upgrades(&mut self, upgrades: UpgradeBundles) {
        self.upgrades = upgrades;
    }

    /// The sequencer's next block, on the L1 block that is as old as it or older, with these transactions.
    pub(crate) async fn sequence(&mut self, transactions: Vec<Bytes>) -> Sequenced {
        let timestamp = self.head.timestamp + self.config.block_time;
        let current = self.head.l1_origin.number;
        let next = self.l1.data(current + 1);
        let next = next.filter(|next| next.header.timestamp <= timestamp);
        let epoch = next.map_or(current, |next| next.header.number);
        self.sequence_on(epoch, transactions).await
    }

    /// The sequencer's next block on this L1 block.
    pub(crate) async fn sequence_on(&mut self, epoch: u64, transactions: Vec<Bytes>) -> Sequenced {
        let origin = self.l1.data(epoch).unwrap().block_ref();
        let batch = SingleBatch {
            parent_hash: self.head.hash,
            epoch_num: epoch,
            epoch_hash: origin.hash,
            timestamp: self.head.timestamp + self.config.block_time,
            transactions,
        };
        let l1: &dyn L1Source = &self.l1;
        let epoch = Epochs::default()
            .get(origin.id(), l1, &Causes::default())
            .await
            .unwrap();
        let built = Ingredients {
            config: &self.config,
            l1_chain: &l1_chain(),
            upgrades: &self.upgrades,
            parent: &self.head,
            parent_config: &self.system_config,
            epoch: &epoch,
            batch: &batch,
        }
        .build()
        .unwrap();
        let block = self
            .el
            .build(&self.head, &built.attributes, &built.system_config);
        let block = block.expect("the sequencer makes valid blocks");
        self.head = block;
        self.system_config = built.system_config;
        Sequenced { batch, block }
    }

    /// So many blocks with a transaction each.
    pub(crate) async fn sequence_many(&mut self, count: u64) -> Vec<Sequenced> {
        let mut blocks = Vec::new();
        for _ in 0..count {
            let number = self.head.number + 1;
            blocks.push(self.sequence(transactions(number, 1)).await);
        }
        blocks
    }

    /// The next L1 block, with these transactions to the inbox.
    pub(crate) fn post(&self, inbox: Vec<InboxTransaction>) -> L1BlockRef {
        self.l1.push(inbox, Vec::new());
        self.l1.head()
    }

    /// The sequencer's head.
    pub(crate) const fn head(&self) -> L2BlockRef {
        self.head
    }
}

/// A block of the sequencer.
#[derive(Clone, Debug)]
pub(crate) struct Sequenced {
    pub(crate) batch: SingleBatch,
    pub(crate) block: L2BlockRef,
}

/// A span batch of these blocks.
pub(crate) fn span(blocks: &[Sequenced]) -> Batch {
    let blocks = blocks
        .iter()
        .map(|it| (it.batch.clone(), it.block.sequence_number));
    Batch::Span(super::batcher::span(GENESIS_TIME, CHAIN_ID, blocks))
}

/// Batches of one block each.
pub(crate) fn singles(blocks: &[Sequenced]) -> Vec<Batch> {
    let batches = blocks.iter().map(|it| Batch::Single(it.batch.clone()));
    batches.collect()
}

/// The blob schedule of the L1.
pub(crate) fn l1_chain() -> L1ChainConfig {
    L1ChainConfig::by_chain_id(1).unwrap()
}

fn config(l1_genesis: BlockNumHash) -> RollupConfig {
    let at_genesis = Some(0);
    let mut scalar = B256::ZERO;
    scalar[0] = 1;
    scalar[31] = 9;
    RollupConfig {
        genesis: ChainGenesis {
            l1: l1_genesis,
            l2: BlockNumHash::new(0, B256::repeat_byte(0x22)),
            l2_time: GENESIS_TIME,
            system_config: SystemConfig {
                batcher_address: BATCHER,
                scalar,
                gas_limit: 30_000_000,
                eip1559_params: FixedBytes([0, 0, 0, 50, 0, 0, 0, 6]),
                ..SystemConfig::default()
            },
        },
        block_time: L2_BLOCK_TIME,
        max_sequencer_drift: 600,
        seq_window_size: 30,
        channel_timeout: 300,
        l1_chain_id: 1,
        l2_chain_id: CHAIN_ID,
        regolith_time: at_genesis,
        canyon_time: at_genesis,
        delta_time: at_genesis,
        ecotone_time: at_genesis,
        fjord_time: at_genesis,
        granite_time: at_genesis,
        holocene_time: at_genesis,
        isthmus_time: at_genesis,
        jovian_time: at_genesis,
        batch_inbox_address: Address::repeat_byte(0xff),
        deposit_contract_address: PORTAL,
        l1_system_config_address: SYSTEM_CONFIG,
        chain_op_config: Some(ChainOpConfig {
            eip1559_elasticity: 6,
            eip1559_denominator: 50,
            eip1559_denominator_canyon: Some(250),
        }),
        ..RollupConfig::default()
    }
}

/// Signed transactions of several types.
pub(crate) fn transactions(seed: u64, count: usize) -> Vec<Bytes> {
    let range = 0..count as u64;
    range.map(|index| transaction(seed * 100 + index)).collect()
}

/// A signed transaction that the execution layer refuses.
pub(crate) fn refused_transaction() -> Bytes {
    let marked = |nonce| {
        signed(TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            ..TxEip1559::default()
        })
    };
    marked(super::el::REFUSED_NONCE).encoded_2718().into()
}

/// A signed transaction on L1 with blobs and input, and the account that signed it.
pub(crate) fn blob_transaction(hashes: &[B256], input: Bytes) -> (Bytes, Address) {
    let envelope = signed(TxEip4844 {
        chain_id: 1,
        to: Address::repeat_byte(0xff),
        blob_versioned_hashes: hashes.to_vec(),
        input,
        ..TxEip4844::default()
    });
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    (envelope.encoded_2718().into(), signer.address())
}

fn transaction(nonce: u64) -> Bytes {
    let to = if nonce % 5 == 4 {
        TxKind::Create
    } else {
        TxKind::Call(Address::repeat_byte(nonce as u8))
    };
    let input = Bytes::from(vec![nonce as u8; (nonce % 70) as usize]);
    let value = U256::from(nonce) << (nonce % 200);
    let envelope: TxEnvelope = match nonce % 4 {
        0 => signed(TxLegacy {
            chain_id: (nonce % 8 < 4).then_some(CHAIN_ID),
            nonce,
            gas_price: 7,
            gas_limit: 21_000,
            to,
            value,
            input,
        }),
        1 => signed(TxEip2930 {
            chain_id: CHAIN_ID,
            nonce,
            gas_price: 7,
            gas_limit: 21_000,
            to,
            value,
            input,
            ..TxEip2930::default()
        }),
        _ => signed(TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 90_000,
            max_fee_per_gas: 1_000,
            max_priority_fee_per_gas: 3,
            to,
            value,
            input,
            ..TxEip1559::default()
        }),
    };
    envelope.encoded_2718().into()
}

fn signed<T>(transaction: T) -> TxEnvelope
where
    T: SignableTransaction<alloy_primitives::Signature>,
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    let signature = signer
        .sign_hash_sync(&transaction.signature_hash())
        .unwrap();
    transaction.into_signed(signature).into()
}
