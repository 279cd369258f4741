//! The embedded execution layer as one object.
//!
//! Concurrency: the engine stands behind one mutex, the pool behind another, and the chain is published as an immutable
//! [`ChainView`] through a watch channel. Calls of the Engine API are serial by nature and take milliseconds, so a mutex
//! serves them as well as a thread with an inbox would, without a life of its own to end; async callers go through
//! [`InProcessEngine`](crate::InProcessEngine), which keeps execution off the async threads. Readers take the view (O(1))
//! and never wait for a block; a transaction is checked against the view and waits only for the pool.

use crate::{
    chain::ChainView,
    engine::{Engine, EngineError, SealedPayload, lock},
    genesis::{GenesisError, startable_genesis_block},
    pool::{PoolError, PoolLimits, TransactionPool},
    spec::ElSpec,
};
use alloy_genesis::Genesis;
use alloy_primitives::B256;
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus};
use op_alloy_rpc_types_engine::{OpExecutionData, OpPayloadAttributes};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// What the execution layer calls itself (`web3_clientVersion`).
pub const CLIENT_VERSION: &str = concat!("light-node-devnet-el/v", env!("CARGO_PKG_VERSION"));

/// What an embedded execution layer is made from.
#[derive(Clone, Debug)]
pub struct ElConfig {
    /// The genesis file, with the chain's rules in its `config` section.
    pub genesis: Genesis,
    /// How many blocks below the finalized one keep their state, for `eth_call` and `eth_getProof`.
    pub state_history_blocks: u64,
    /// How much the pool holds.
    pub pool_limits: PoolLimits,
}

impl ElConfig {
    /// The usual limits.
    pub fn new(genesis: Genesis) -> Self {
        Self {
            genesis,
            state_history_blocks: 1024,
            pool_limits: PoolLimits::default(),
        }
    }
}

/// The head that a forkchoice asked for and that is not there yet: what an EL sync has to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncTarget {
    /// Hash of the block.
    pub hash: B256,
    /// Its number, if its payload was given.
    pub number: Option<u64>,
}

/// How far an EL sync is, as `eth_syncing` tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// Number of the head when the sync began.
    pub starting: u64,
    /// Number of the highest block on the way to the target that is executed.
    pub current: u64,
    /// Number of the target, as far as it is known.
    pub highest: u64,
}

/// An execution layer in this process.
#[derive(Debug)]
pub struct EmbeddedEl {
    engine: Mutex<Engine>,
    pool: Mutex<TransactionPool>,
    view: watch::Sender<Arc<ChainView>>,
    sync_target: watch::Sender<Option<SyncTarget>>,
    /// What an [`ElSync`](crate::ElSync) reports.
    sync_progress: watch::Sender<Option<SyncProgress>>,
}

impl EmbeddedEl {
    /// Starts a chain at its genesis block.
    ///
    /// # Errors
    ///
    /// If no chain can start from the genesis file.
    pub fn new(config: ElConfig) -> Result<Arc<Self>, GenesisError> {
        let spec = ElSpec::from_chain_config(&config.genesis.config)?;
        let (genesis, state) = startable_genesis_block(&spec, &config.genesis)?;
        let view = ChainView::new(spec, genesis, state);
        Ok(Arc::new(Self {
            view: watch::Sender::new(Arc::new(view.clone())),
            engine: Mutex::new(Engine::new(view, config.state_history_blocks)),
            pool: Mutex::new(TransactionPool::new(config.pool_limits)),
            sync_target: watch::Sender::new(None),
            sync_progress: watch::Sender::new(None),
        }))
    }

    /// The chain as it is now. Does not wait for execution.
    pub fn view(&self) -> Arc<ChainView> {
        self.view.borrow().clone()
    }

    /// The chain whenever it changed. A change may leave the head where it was (a new side block, a moved label): compare
    /// hashes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<ChainView>> {
        self.view.subscribe()
    }

    /// The sync target whenever it changed; `None` when nothing is to be fetched.
    pub fn subscribe_sync_target(&self) -> watch::Receiver<Option<SyncTarget>> {
        self.sync_target.subscribe()
    }

    /// How far the way to the sync target is; `None` when nothing is to be fetched.
    pub fn sync_progress(&self) -> Option<SyncProgress> {
        let target = (*self.sync_target.borrow())?;
        let head = self.view().head().number();
        let unreported = SyncProgress {
            starting: head,
            current: head,
            highest: target.number.unwrap_or(head),
        };
        Some(self.sync_progress.borrow().unwrap_or(unreported))
    }

    /// Reports how far an EL sync is.
    pub(crate) fn report_sync(&self, progress: Option<SyncProgress>) {
        self.sync_progress.send_replace(progress);
    }

    /// The pool, locked: hold it for a moment only.
    pub fn pool(&self) -> MutexGuard<'_, TransactionPool> {
        lock(&self.pool)
    }

    /// Adds a signed transaction (EIP-2718 bytes) to the pool and returns its hash.
    ///
    /// # Errors
    ///
    /// Why the pool refuses it.
    pub fn submit_transaction(&self, raw: &[u8]) -> Result<B256, PoolError> {
        let view = self.view();
        self.pool().add(raw, &view)
    }

    /// `engine_newPayload`. Executes blocks: not for async threads.
    pub fn new_payload(&self, data: OpExecutionData) -> PayloadStatus {
        let mut engine = lock(&self.engine);
        let status = engine.new_payload(data, &self.pool);
        self.publish(&engine);
        status
    }

    /// `engine_forkchoiceUpdated`. Executes a block if there are attributes: not for async threads.
    ///
    /// # Errors
    ///
    /// See [`EngineError`]. The head may have moved all the same.
    pub fn fork_choice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, EngineError> {
        let mut engine = lock(&self.engine);
        let updated = engine.fork_choice_updated(state, attributes, &self.pool);
        self.publish(&engine);
        updated
    }

    /// `engine_getPayload`. May execute a block: not for async threads.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownPayload`].
    pub fn get_payload(&self, id: PayloadId) -> Result<SealedPayload, EngineError> {
        lock(&self.engine).get_payload(id, &self.pool)
    }

    /// Publishes what a call changed, still under the engine's lock so that versions come in order.
    fn publish(&self, engine: &Engine) {
        let view = engine.view();
        self.view.send_if_modified(|published| {
            let is_changed = !published.is_same(view);
            if is_changed {
                *published = Arc::new(view.clone());
            }
            is_changed
        });
        let target = engine.target().map(|hash| SyncTarget {
            hash,
            number: engine.target_number(),
        });
        self.sync_target.send_if_modified(|published| {
            let is_changed = *published != target;
            *published = target;
            is_changed
        });
    }
}
