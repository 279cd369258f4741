//! A derivation actor between an L1 in memory, on which the test posts batches, and a real engine beside an execution layer in
//! memory.

use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, Bytes};
use light_node_actor::CancellationToken;
use light_node_derivation::{
    DerivationActor, DerivationConfig, DerivationHandle, DerivationPhase, DerivationStatus,
    DeriverConfig, UpgradeBundles,
};
use light_node_devnet_batches::{
    Channel, Compression, SingularBatch, SpanBatch, SpanBlock, batcher_data, blob_of,
};
use light_node_engine::{EngineActor, EngineConfig, EngineHandle, EngineState, SafeSourceKind};
use light_node_engine_api::memory::{ChainBuilder, MemoryEl};
use light_node_l1::{InboxData, InboxTransaction, L1Heads, L1Source, MemoryL1Source};
use light_node_protocol::{BlockNumHash, L1ChainConfig, L2BlockRef, RollupConfig};
use light_node_safedb::SafeDb;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

pub(crate) const L1_GENESIS: u64 = 1000;
const GENESIS_TIME: u64 = 1_700_000_000;
const BLOCKS_PER_EPOCH: u64 = 6;

/// Where a batch is put.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carrier {
    Calldata,
    Blob,
}

/// A node that derives.
pub(crate) struct Node {
    pub(crate) engine: EngineHandle,
    pub(crate) derivation: DerivationHandle,
    token: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    pub(crate) async fn stop(self) {
        self.token.cancel();
        for task in self.tasks {
            timeout(Duration::from_secs(5), task)
                .await
                .expect("it ends")
                .unwrap();
        }
    }
}

/// Everything around the node.
pub(crate) struct World {
    pub(crate) l1: MemoryL1Source,
    pub(crate) heads: watch::Sender<L1Heads>,
    pub(crate) el: Arc<MemoryEl>,
    pub(crate) builder: ChainBuilder,
    pub(crate) config: RollupConfig,
    pub(crate) confirmations: u64,
    pub(crate) safe_db: Option<SafeDb>,
    /// What nodes take for L1; else it is `l1` itself.
    pub(crate) l1_source: Option<Arc<dyn L1Source>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let l1 = MemoryL1Source::new(L1_GENESIS, GENESIS_TIME);
        let builder = ChainBuilder::on_l1(l1.head().id());
        let heads = watch::Sender::new(L1Heads {
            head: l1.head(),
            ..L1Heads::default()
        });
        Self {
            el: MemoryEl::new(&builder),
            config: (*builder.config()).clone(),
            l1,
            heads,
            builder,
            confirmations: 0,
            safe_db: None,
            l1_source: None,
        }
    }

    /// A node beside the execution layer as it is.
    pub(crate) fn start(&self) -> Node {
        let token = CancellationToken::new();
        let engine_config = EngineConfig::new(self.builder.config(), SafeSourceKind::Derive);
        let (engine, engine_handle) = EngineActor::new(engine_config, self.el.clone());
        let rollup_config = Arc::new(self.config.clone());
        let config = DerivationConfig {
            l1_confirmations: self.confirmations,
            ..DerivationConfig::new(rollup_config.clone())
        };
        let deriver_config = DeriverConfig {
            rollup: rollup_config,
            l1_chain: L1ChainConfig::new(vec![(0, BlobParams::cancun())]),
            upgrades: UpgradeBundles::default(),
        };
        let (actor, derivation) = DerivationActor::new(
            config,
            deriver_config,
            self.l1_source
                .clone()
                .unwrap_or_else(|| Arc::new(self.l1.clone())),
            self.heads.subscribe(),
            self.safe_db.clone(),
        );
        let engine_task = {
            let token = token.clone();
            tokio::spawn(async move { engine.run(token).await.unwrap() })
        };
        let derivation_task = {
            let (token, engine, el) = (token.clone(), engine_handle.clone(), self.el.clone());
            tokio::spawn(async move { actor.run(engine, el, token).await.unwrap() })
        };
        Node {
            engine: engine_handle,
            derivation,
            token,
            tasks: vec![derivation_task, engine_task],
        }
    }

    /// The L1 watcher sees what L1 has now.
    pub(crate) fn announce(&self) {
        let head = self.l1.head();
        self.heads.send_modify(|heads| heads.head = head);
    }

    /// L1 has so many more blocks without a batch.
    pub(crate) fn mine(&self, count: usize) {
        self.l1.push_empty(count);
        self.announce();
    }

    /// L1 finalizes the block at `number`.
    pub(crate) fn finalize(&self, number: u64) {
        let block = self.l1.data(number).unwrap().block_ref();
        self.heads.send_modify(|heads| heads.finalized = block);
    }

    /// The time that the L2 block must have.
    pub(crate) const fn time(number: u64) -> u64 {
        GENESIS_TIME + 2 * number
    }

    /// The L1 block on which the L2 block stands.
    pub(crate) fn origin(&self, number: u64) -> BlockNumHash {
        let origin = L1_GENESIS + number / BLOCKS_PER_EPOCH;
        self.l1.data(origin).expect("L1 is long enough").id()
    }

    /// A span of `count` empty blocks after `parent`.
    pub(crate) fn span(&self, parent: &L2BlockRef, count: u64) -> Bytes {
        let block = |number| SpanBlock {
            epoch: self.origin(number),
            timestamp: Self::time(number),
            transactions: Vec::new(),
        };
        let span = SpanBatch {
            parent_hash: parent.hash,
            parent_epoch_number: parent.l1_origin.number,
            blocks: (parent.number + 1..=parent.number + count)
                .map(block)
                .collect(),
        };
        span.encoded(GENESIS_TIME, self.config.l2_chain_id).unwrap()
    }

    /// One block after `parent` with these transactions.
    pub(crate) fn singular(&self, parent: &L2BlockRef, transactions: Vec<Bytes>) -> Bytes {
        let number = parent.number + 1;
        let epoch = self.origin(number);
        SingularBatch::new(parent.hash, epoch, Self::time(number), transactions).encoded()
    }

    /// Posts batches in one channel, which the next L1 block holds. The watcher does not see it yet.
    pub(crate) fn post(&self, batches: &[Bytes], carrier: Carrier) {
        let channel = Channel::of_batches(batches, Compression::Brotli).unwrap();
        let data = batcher_data(&channel.frames(100_000).unwrap());
        let data = match carrier {
            Carrier::Calldata => InboxData::Calldata(data),
            Carrier::Blob => {
                let hash = self.l1.push_blob(*blob_of(&data).unwrap());
                InboxData::Blobs {
                    hashes: vec![hash],
                    input: Bytes::new(),
                }
            }
        };
        let sender = Address::ZERO;
        self.l1
            .push(vec![InboxTransaction { sender, data }], vec![]);
    }

    /// L1 grows until `count` more L2 blocks have origins, and holds a span of them; returns when they are safe.
    pub(crate) async fn derive_span(&self, node: &Node, count: u64) -> L2BlockRef {
        let started = node.until(|state| state.reset_epoch > 0).await;
        let parent = started.safe_head;
        self.grow_for(parent.number + count);
        self.post(&[self.span(&parent, count)], Carrier::Calldata);
        self.announce();
        node.until_safe(parent.number + count).await
    }

    /// L1 has the origin of the L2 block `number`.
    pub(crate) fn grow_for(&self, number: u64) {
        let origin = L1_GENESIS + number / BLOCKS_PER_EPOCH;
        while self.l1.head().number < origin {
            self.l1.push_empty(1);
        }
    }
}

impl Node {
    /// The safe head; genesis while it is not known.
    pub(crate) fn safe(&self) -> L2BlockRef {
        self.engine.state().safe_head
    }

    /// Waits until the engine's state is as wanted, ten minutes at most.
    pub(crate) async fn until(&self, is_it: impl Fn(&EngineState) -> bool) -> EngineState {
        let mut states = self.engine.watch();
        let wait = states.wait_for(|state| is_it(state));
        match timeout(Duration::from_secs(600), wait).await {
            Ok(state) => *state.unwrap(),
            Err(_) => panic!(
                "it stayed {:?}, {:?}",
                self.engine.state(),
                self.derivation.status()
            ),
        }
    }

    pub(crate) async fn until_safe(&self, number: u64) -> L2BlockRef {
        self.until(|state| state.safe_head.number == number)
            .await
            .safe_head
    }

    /// Waits until derivation's status is as wanted, ten minutes at most.
    pub(crate) async fn until_status(
        &self,
        is_it: impl Fn(&DerivationStatus) -> bool,
    ) -> DerivationStatus {
        let mut derivation = self.derivation.clone();
        let wait = async {
            let mut status = derivation.status();
            while !is_it(&status) {
                status = derivation.changed().await;
            }
            status
        };
        match timeout(Duration::from_secs(600), wait).await {
            Ok(status) => status,
            Err(_) => panic!("it stayed {:?}", self.derivation.status()),
        }
    }

    /// Waits until derivation has nothing left to read.
    pub(crate) async fn until_caught_up(&self, l1: u64) -> DerivationStatus {
        self.until_status(|status| {
            status.phase == DerivationPhase::CaughtUp && status.origin.number == l1
        })
        .await
    }
}
