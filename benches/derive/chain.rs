//! The chain that is derived: a devnet on command, whose L2 blocks hold calls such as tokens see, whose L1 blocks hold transfers,
//! deposits and, each few blocks, a channel of span batches in blobs.

use crate::setting;
use alloy_consensus::TxEip1559;
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B64, Bytes, TxKind, U256};
use alloy_rpc_types_engine::PayloadAttributes;
use light_node_actor::CancellationToken;
use light_node_devnet::{
    Blocks, DEV_ACCOUNTS, DEVNET_L2_CHAIN_ID, DataAvailability, Deposit, DevAccount, Devnet,
    DevnetConfig, TRAFFIC,
};
use light_node_devnet_el::ExecutedBlock;
use light_node_devnet_l1::DEVNET_L1_CHAIN_ID;
use light_node_protocol::{Hardfork, L1BlockRef, L2BlockRef, RollupConfig, SystemConfig};
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

/// Seconds between two blocks, as on OP mainnet.
const L2_BLOCK_TIME: Duration = Duration::from_secs(2);
pub(crate) const L1_BLOCK_TIME: Duration = Duration::from_secs(12);
/// Transactions of users in an L2 block, unless it is said otherwise.
const CALLS: usize = 16;
/// Transfers that are none of the rollup's, in each L1 block.
const TRANSFERS: u64 = 40;
/// L1 blocks from one deposit to the next.
const DEPOSIT_PERIOD: u64 = 3;
/// L1 blocks from one channel to the next.
const CHANNEL_PERIOD: u64 = 4;
/// Accounts whom the calls are about.
const CAST: usize = 200;

/// A devnet that stands still between commands.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) devnet: Box<Devnet>,
    dir: TempDir,
    random: StdRng,
    cast: Vec<Address>,
    l2_nonce: u64,
    /// Transactions of an L2 block.
    calls: usize,
    /// L2 blocks on each L1 block.
    l2_per_l1: u64,
}

/// One L2 block, for those who read it or build it again.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) reference: L2BlockRef,
    pub(crate) system_config: SystemConfig,
    pub(crate) transactions: Vec<Bytes>,
    pub(crate) attributes: OpPayloadAttributes,
}

impl Chain {
    pub(crate) async fn start() -> Self {
        let calls = setting("BENCH_L2_CALLS", &CALLS.to_string());
        let calls = calls.parse().expect("BENCH_L2_CALLS is a number");
        Self::of(L2_BLOCK_TIME, calls, Duration::ZERO).await
    }

    /// One with `calls` in each L2 block, that began `age` ago.
    pub(crate) async fn of(block_time: Duration, calls: usize, age: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = DevnetConfig {
            // The last fork that the stock pipeline knows.
            fork: Hardfork::Isthmus,
            block_time,
            age,
            l1_block_time: L1_BLOCK_TIME,
            l1_safe_lag: 1,
            l1_finalized_lag: 2,
            deriver: false,
            followers: 0,
            blocks: Blocks::OnCommand,
            traffic: false,
            ..DevnetConfig::new(dir.path().to_owned())
        };
        if setting("BENCH_DA", "blobs") == "calldata" {
            config.batcher.da = DataAvailability::Calldata;
        }
        let devnet = Box::pin(Devnet::start(config, CancellationToken::new())).await;
        let devnet = Box::new(devnet.unwrap());
        devnet.batcher().pause();
        let mut random = StdRng::seed_from_u64(1);
        let cast = (0..CAST).map(|_| Address::new(random.random()));
        Self {
            cast: cast.collect(),
            devnet,
            dir,
            random,
            l2_nonce: 0,
            calls,
            l2_per_l1: L1_BLOCK_TIME.as_secs() / block_time.as_secs(),
        }
    }

    /// Its channels end with the blocks that they are made of: what larger blocks leave over waits for the next channel.
    pub(crate) const fn is_posted_whole(&self) -> bool {
        self.calls <= CALLS
    }

    /// A new directory that lives as long as the chain.
    pub(crate) fn new_dir(&self) -> PathBuf {
        tempfile::tempdir_in(self.dir.path()).unwrap().keep()
    }

    pub(crate) fn rollup(&self) -> &Arc<RollupConfig> {
        self.devnet.rollup_config()
    }

    /// Grows by `l1_blocks` L1 blocks and what stands on them.
    pub(crate) async fn grow(&mut self, l1_blocks: u64) {
        for index in 1..=l1_blocks {
            self.grow_by_one(index).await;
        }
        self.devnet.l1().mine(2).unwrap();
    }

    /// The same by one, the `index`th.
    pub(crate) async fn grow_by_one(&mut self, index: u64) {
        self.mine();
        self.build(self.l2_per_l1).await;
        if index.is_multiple_of(CHANNEL_PERIOD) {
            self.post().await;
        }
    }

    /// One L1 block with transactions of others.
    pub(crate) fn mine(&self) {
        let l1 = self.devnet.l1();
        let account = &DEV_ACCOUNTS[2];
        let nonce = l1.with_chain(|chain| chain.pending_nonce(&account.address));
        for index in 0..TRANSFERS {
            let to = self.cast[index as usize % CAST];
            let transfer = call(DEVNET_L1_CHAIN_ID, nonce + index, to, Bytes::new());
            l1.submit(&account.sign(transfer)).unwrap();
        }
        if l1.heads().latest.number.is_multiple_of(DEPOSIT_PERIOD) {
            let deposit = Deposit::default();
            self.devnet.l1_commands().deposit(deposit).unwrap();
        }
        l1.mine(1).unwrap();
    }

    /// The transactions of one L2 block come into the pool.
    pub(crate) fn submit(&mut self) {
        for _ in 0..self.calls {
            let transaction = self.next_call();
            let el = self.devnet.sequencer_el();
            el.submit_transaction(&transaction).unwrap();
        }
    }

    /// Builds L2 blocks on the L1 that there is.
    pub(crate) async fn build(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.submit();
            self.devnet.sequencer().build().await.unwrap();
        }
    }

    /// The batcher sends what it has not sent yet, which the next L1 block takes.
    pub(crate) async fn post(&self) {
        let (l1, head) = (self.devnet.l1(), self.head());
        let source = self.devnet.source();
        while source.status().unsafe_l2.number < head
            || source.status().current_l1 != l1.heads().latest
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.devnet.batcher().resume();
        while l1.with_chain(|chain| chain.pending_count()) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.devnet.batcher().pause();
    }

    /// The number of the last L2 block.
    pub(crate) fn head(&self) -> u64 {
        self.devnet.sequencer_el().view().head().number()
    }

    fn next_call(&mut self) -> Bytes {
        let mut data = vec![0xa9, 0x05, 0x9c, self.random.random_range(0..8)];
        for _ in 0..self.random.random_range(1..=3) {
            let one = self.cast[self.random.random_range(0..CAST)];
            data.extend_from_slice(one.into_word().as_slice());
            let amount: u64 = self.random.random();
            data.extend_from_slice(&U256::from(amount).to_be_bytes::<32>());
        }
        let to = self.cast[self.random.random_range(0..16)];
        let nonce = self.l2_nonce;
        self.l2_nonce += 1;
        TRAFFIC.sign(call(DEVNET_L2_CHAIN_ID, nonce, to, data.into()))
    }

    /// All L2 blocks, genesis first.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let view = self.devnet.sequencer_el().view();
        let blocks = (0..=self.head()).map(|number| view.block_by_number(number).unwrap());
        blocks
            .map(|block| Block::of(block, self.rollup()))
            .collect()
    }

    /// The L1 block on which the rollup begins.
    pub(crate) fn l1_genesis(&self) -> L1BlockRef {
        let number = self.rollup().genesis.l1.number;
        let block = self.devnet.l1().block_by_number(number).unwrap();
        block.reference()
    }

    /// Mines an L1 block full of data for the inbox that is nobody's batch: calldata as much as gas allows, and `blobs` by the
    /// batcher, which hold nothing.
    pub(crate) async fn mine_full(&self, account: &DevAccount, blobs: &[Bytes]) {
        const BYTES: usize = 120_000;
        /// Of a zero byte in calldata (EIP-7623).
        const BYTE_GAS: u64 = 10;
        let l1 = self.devnet.l1();
        if !blobs.is_empty() {
            self.post_junk(blobs).await;
        }
        let gas_limit = 21_000 + BYTES as u64 * BYTE_GAS;
        let nonce = l1.with_chain(|chain| chain.pending_nonce(&account.address));
        let input = Bytes::from(vec![0; BYTES]);
        let inbox = self.rollup().batch_inbox_address;
        for index in 0..l1.with_chain(|chain| chain.config().gas_limit) / gas_limit {
            let transaction = TxEip1559 {
                gas_limit,
                // Each full block makes the next one dearer.
                max_fee_per_gas: 10_000_000_000_000,
                ..call(DEVNET_L1_CHAIN_ID, nonce + index, inbox, input.clone())
            };
            l1.submit(&account.sign(transaction)).unwrap();
        }
        l1.mine(1).unwrap();
    }

    /// The batcher sends blobs that hold nothing, which the next L1 block takes.
    pub(crate) async fn post_junk(&self, blobs: &[Bytes]) {
        let batcher = self.devnet.batcher();
        let posted = batcher.post(blobs.to_vec(), DataAvailability::Blobs);
        posted.await.unwrap();
    }

    /// So many pieces of data that is no batch, each of which fills a blob.
    pub(crate) fn junk(&mut self, pieces: usize) -> Vec<Bytes> {
        let mut piece = || {
            let mut data = vec![0xff; 120_000];
            self.random.fill(&mut data[1..]);
            data.into()
        };
        (0..pieces).map(|_| piece()).collect()
    }
}

impl Block {
    fn of(block: &ExecutedBlock, config: &RollupConfig) -> Self {
        let header = block.header();
        let transactions = block.block.body.transactions.iter();
        let transactions: Vec<Bytes> = transactions.map(|one| one.encoded_2718().into()).collect();
        let first = transactions.first().map(AsRef::as_ref);
        let reference = L2BlockRef::from_parts(
            config,
            block.hash,
            header.number,
            header.parent_hash,
            header.timestamp,
            first,
        );
        let system_config = SystemConfig::of_l2_block(
            config,
            header.number,
            first,
            header.gas_limit,
            &header.extra_data,
            header.timestamp,
        );
        let attributes = OpPayloadAttributes {
            payload_attributes: PayloadAttributes {
                timestamp: header.timestamp,
                prev_randao: header.mix_hash,
                suggested_fee_recipient: header.beneficiary,
                withdrawals: Some(Vec::new()),
                parent_beacon_block_root: header.parent_beacon_block_root,
                slot_number: None,
                target_gas_limit: None,
            },
            transactions: Some(transactions.clone()),
            no_tx_pool: Some(true),
            gas_limit: Some(header.gas_limit),
            eip_1559_params: header.extra_data.get(1..9).map(B64::from_slice),
            min_base_fee: None,
        };
        Self {
            reference: reference.unwrap(),
            system_config: system_config.unwrap(),
            transactions,
            attributes,
        }
    }
}

const fn call(chain_id: u64, nonce: u64, to: Address, input: Bytes) -> TxEip1559 {
    TxEip1559 {
        chain_id,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::ONE,
        access_list: alloy_eips::eip2930::AccessList(Vec::new()),
        input,
    }
}
