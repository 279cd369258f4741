//! The running L1: the chain behind a lock, and the handle by which miner, server and tests command it.

use crate::{
    chain::{Chain, L1Block, L1Heads, LabelError, MAX_BLOCKS_PER_COMMAND, Reorg, ReorgError},
    config::L1SimConfig,
    fault::{Fault, FaultKind, Faults, Snapshot},
    pool::{PoolError, PoolTransaction},
};
use alloy_primitives::B256;
use light_node_protocol::L1BlockRef;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

/// More was asked for than one command may mine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{count} blocks are more than the {MAX_BLOCKS_PER_COMMAND} of one command")]
pub struct TooManyBlocks {
    /// The number asked for.
    pub count: u64,
}

/// Handle of a running embedded L1. Clones command the same one. It stops when its token is cancelled. Faults are those of
/// one endpoint; all else is the chain's, which may have several.
#[derive(Clone, Debug)]
pub struct EmbeddedL1 {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    heads: watch::Sender<L1Heads>,
    /// Waiting transactions that the next block may take.
    ready: watch::Sender<u64>,
    faults: Faults,
    address: SocketAddr,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Inner {
    chain: Chain,
    mining: bool,
    /// Slots that will pass without a block.
    slots_to_miss: u64,
}

impl EmbeddedL1 {
    /// The chain at block 0, with nothing running around it.
    pub(crate) fn new(config: L1SimConfig, address: SocketAddr) -> Self {
        let mining = config.mining;
        let chain = Chain::new(config);
        let heads = watch::Sender::new(chain.heads());
        let inner = Inner {
            chain,
            mining,
            slots_to_miss: 0,
        };
        let ready = watch::Sender::new(0);
        Self::endpoint(Arc::new(Mutex::new(inner)), heads, ready, address)
    }

    /// The same chain at another address, with faults and tasks of its own.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        let Shared {
            inner,
            heads,
            ready,
            ..
        } = &*self.shared;
        Self::endpoint(inner.clone(), heads.clone(), ready.clone(), address)
    }

    fn endpoint(
        inner: Arc<Mutex<Inner>>,
        heads: watch::Sender<L1Heads>,
        ready: watch::Sender<u64>,
        address: SocketAddr,
    ) -> Self {
        let (faults, tasks) = (Faults::default(), TaskTracker::new());
        Self {
            shared: Arc::new(Shared {
                inner,
                heads,
                ready,
                faults,
                address,
                tasks,
            }),
        }
    }

    /// Waits until miner and server have ended, after the token was cancelled.
    pub async fn stopped(&self) {
        self.shared.tasks.wait().await;
    }

    /// Where JSON-RPC listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// URL of the JSON-RPC endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// URL of the beacon API, which shares the port.
    pub fn beacon_url(&self) -> String {
        self.url()
    }

    /// Reads the chain. The lock is held meanwhile: take what is needed and return.
    pub fn with_chain<T>(&self, read: impl FnOnce(&Chain) -> T) -> T {
        read(&self.lock().chain)
    }

    /// The heads now.
    pub fn heads(&self) -> L1Heads {
        *self.shared.heads.borrow()
    }

    /// The heads on every change: new blocks, labels, reorgs.
    pub fn subscribe(&self) -> watch::Receiver<L1Heads> {
        self.shared.heads.subscribe()
    }

    /// A block of the chain.
    pub fn block_by_number(&self, number: u64) -> Option<Arc<L1Block>> {
        self.lock().chain.block_by_number(number).cloned()
    }

    /// A block of the chain, or one that a reorg dropped.
    pub fn block_by_hash(&self, hash: B256) -> Option<Arc<L1Block>> {
        self.lock().chain.block_by_hash(hash).cloned()
    }

    /// Takes a signed transaction, in its network form, into the pool.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn submit(&self, bytes: &[u8]) -> Result<B256, PoolError> {
        let chain_id = self.with_chain(|chain| chain.config().chain_id);
        // Recovering the signature takes longest and needs no lock.
        let pooled = PoolTransaction::decode(bytes, chain_id)?;
        let mut inner = self.lock();
        let hash = inner.chain.add(pooled)?;
        self.publish_ready(&inner);
        Ok(hash)
    }

    /// How many waiting transactions the next block may take, on every change: those that wait for nothing else. One behind a
    /// nonce that is missing is none of them.
    pub fn ready_transactions(&self) -> watch::Receiver<u64> {
        self.shared.ready.subscribe()
    }

    /// Mines blocks at once, into the slots after the head, whatever the clock says. Slots to be missed come first.
    ///
    /// # Errors
    /// More than [`MAX_BLOCKS_PER_COMMAND`] are asked for.
    pub fn mine(&self, count: u64) -> Result<L1BlockRef, TooManyBlocks> {
        if count > MAX_BLOCKS_PER_COMMAND {
            return Err(TooManyBlocks { count });
        }
        let mut inner = self.lock();
        for _ in 0..count {
            let missed = std::mem::take(&mut inner.slots_to_miss);
            let slot = inner
                .chain
                .head()
                .slot()
                .saturating_add(1)
                .saturating_add(missed);
            inner.chain.mine(slot);
        }
        self.publish(&inner);
        Ok(inner.chain.head().reference())
    }

    /// Replaces the last `depth` blocks by `length` others, by default as many. Transactions of dropped blocks are mined
    /// again unless `drop_transactions`.
    ///
    /// # Errors
    /// A finalized block would go, or the branch is too long.
    pub fn reorg(
        &self,
        depth: u64,
        length: Option<u64>,
        drop_transactions: bool,
    ) -> Result<Reorg, ReorgError> {
        let mut inner = self.lock();
        let reorg = inner
            .chain
            .reorg(depth, length.unwrap_or(depth), drop_transactions)?;
        self.publish(&inner);
        let Reorg {
            common_ancestor,
            old_head,
            new_head,
        } = reorg;
        info!(%common_ancestor, %old_head, %new_head, "L1 reorged on command");
        Ok(reorg)
    }

    /// Changes how far the labels stay behind the head, in blocks, and releases pinned finality.
    ///
    /// # Errors
    /// The safe label would stay behind the finalized one.
    pub fn set_lag(&self, safe: u64, finalized: u64) -> Result<(), LabelError> {
        let mut inner = self.lock();
        inner.chain.set_lag(safe, finalized)?;
        self.publish(&inner);
        Ok(())
    }

    /// Pins finality at a block, up or down; `None` lets it follow the lag again.
    ///
    /// # Errors
    /// The block does not exist yet.
    pub fn set_finalized(&self, number: Option<u64>) -> Result<(), LabelError> {
        let mut inner = self.lock();
        inner.chain.set_finalized(number)?;
        self.publish(&inner);
        Ok(())
    }

    /// Lets the next `count` slots pass without a block.
    pub fn miss_slots(&self, count: u64) {
        let mut inner = self.lock();
        inner.slots_to_miss = count.min(MAX_BLOCKS_PER_COMMAND);
    }

    /// Switches mining by the clock on or off. Slots that pass meanwhile are missed.
    pub fn set_mining(&self, mining: bool) {
        self.lock().mining = mining;
    }

    /// True while blocks are mined by the clock.
    pub fn is_mining(&self) -> bool {
        self.lock().mining
    }

    /// Lets JSON-RPC requests meet a fault. Control methods never do.
    pub fn set_fault(&self, fault: Fault) {
        info!(?fault, "L1 fault set on command");
        self.shared.faults.set(fault, self.snapshot());
    }

    /// Ends the fault in force.
    pub fn clear_fault(&self) {
        info!("L1 fault cleared on command");
        self.shared.faults.slot.clear();
    }

    /// The fault that the next request would meet.
    pub fn fault(&self) -> Option<FaultKind> {
        self.shared.faults.slot.current().map(|met| met.kind)
    }

    /// How many requests have met a fault since the start, so that a test can wait for one instead of sleeping.
    pub fn faults_met(&self) -> watch::Receiver<u64> {
        self.shared.faults.slot.met()
    }

    /// The canonical chain as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.with_chain(|chain| {
            let heads = chain.heads();
            Snapshot {
                hashes: (0..)
                    .map_while(|number| chain.block_by_number(number))
                    .map(|block| block.hash())
                    .collect(),
                safe: heads.safe.map(|block| block.number),
                finalized: heads.finalized.map(|block| block.number),
            }
        })
    }

    /// What runs around the chain.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.shared.tasks
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// A slot begins: mine its block unless it is to be missed.
    pub(crate) fn begin_slot(&self, slot: u64) {
        let mut inner = self.lock();
        if !inner.mining || inner.chain.head().slot() >= slot {
            return;
        }
        if inner.slots_to_miss > 0 {
            inner.slots_to_miss -= 1;
            debug!(slot, "L1 slot missed on command");
            return;
        }
        let block = inner.chain.mine(slot);
        self.publish(&inner);
        let transactions = block.transactions().len();
        debug!(number = block.number(), hash = %block.hash(), transactions, "L1 block mined");
    }

    /// Publishes under the lock, so that heads never go out in the wrong order.
    fn publish(&self, inner: &Inner) {
        // Whoever has seen a head must not find what it took still waiting.
        self.publish_ready(inner);
        let heads = inner.chain.heads();
        self.shared
            .heads
            .send_if_modified(|known| std::mem::replace(known, heads) != heads);
    }

    fn publish_ready(&self, inner: &Inner) {
        let ready = inner.chain.ready_count();
        self.shared
            .ready
            .send_if_modified(|known| std::mem::replace(known, ready) != ready);
    }

    /// A panic while the lock was held has failed its request or test already; the chain itself only grows by whole
    /// blocks.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
