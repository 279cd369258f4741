//! The embedded execution layer as one object.
//!
//! Concurrency: the engine stands behind one mutex, the pool behind another, and the chain is published as an immutable
//! [`ChainView`] through a watch channel. Calls of the Engine API are serial by nature and take milliseconds, so a mutex
//! serves them as well as a thread with an inbox would, without a life of its own to end; async callers go through
//! [`InProcessEngine`](crate::InProcessEngine), which keeps execution off the async threads. Readers take the view (O(1))
//! and never wait for a block; a transaction is checked against the view and waits only for the pool.

use crate::{
    behaviour::ElBehaviour,
    chain::ChainView,
    engine::{Engine, EngineError, SealedPayload, lock},
    execution::ExecutedBlock,
    fault::{ElFaultKind, ElFaults},
    genesis::{GenesisError, startable_genesis_block},
    pool::{PoolError, PoolLimits, TransactionPool},
    spec::ElSpec,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_genesis::Genesis;
use alloy_primitives::B256;
use alloy_rpc_types_engine::{
    ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus, PayloadStatusEnum,
};
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
    /// Whose answers it gives.
    pub behaviour: ElBehaviour,
    /// True for the execution layer that all others sync from: no command takes blocks from it.
    pub is_only_copy: bool,
}

impl ElConfig {
    /// The usual limits.
    pub fn new(genesis: Genesis) -> Self {
        Self {
            genesis,
            state_history_blocks: 1024,
            pool_limits: PoolLimits::default(),
            behaviour: ElBehaviour::default(),
            is_only_copy: false,
        }
    }

    /// The chain that consists of its genesis block.
    pub(crate) fn first_view(&self) -> Result<ChainView, GenesisError> {
        let spec = ElSpec::from_chain_config(&self.genesis.config)?;
        let (genesis, state) = startable_genesis_block(&spec, &self.genesis)?;
        Ok(ChainView::new(spec, genesis, state))
    }
}

/// The head that a forkchoice asked for and that is not there yet: what an EL sync has to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncTarget {
    /// Hash of the block.
    pub hash: B256,
    /// Its number, if its payload was given.
    pub number: Option<u64>,
    /// The forkchoice named a finalized block that is there. op-reth closes no long gap then.
    pub is_finalized_known: bool,
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
    pub(crate) config: ElConfig,
    engine: Mutex<Engine>,
    pool: Mutex<TransactionPool>,
    pub(crate) faults: Arc<ElFaults>,
    /// The chain of its own while it runs another.
    pub(crate) own_chain: Mutex<Option<ChainView>>,
    /// Whether it reaches the peer that it syncs from; `None` where there is none.
    pub(crate) peer: watch::Sender<Option<bool>>,
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
        let view = config.first_view()?;
        let engine = Engine::new(view.clone(), config.state_history_blocks, config.behaviour);
        Ok(Arc::new(Self {
            view: watch::Sender::new(Arc::new(view)),
            engine: Mutex::new(engine),
            pool: Mutex::new(TransactionPool::new(config.pool_limits)),
            faults: Arc::default(),
            own_chain: Mutex::default(),
            peer: watch::Sender::new(None),
            sync_target: watch::Sender::new(None),
            sync_progress: watch::Sender::new(None),
            config,
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

    /// The sync target; `None` when nothing is to be fetched.
    pub fn sync_target(&self) -> Option<SyncTarget> {
        *self.sync_target.borrow()
    }

    /// True while so long a gap is filled that other payloads wait, see [`ElBehaviour`].
    pub fn is_backfilling(&self) -> bool {
        lock(&self.engine).is_backfilling()
    }

    /// How far the way to the sync target is; `None` when nothing is to be fetched.
    pub fn sync_progress(&self) -> Option<SyncProgress> {
        let target = self.sync_target()?;
        let head = self.view().head().number();
        let unreported = SyncProgress {
            starting: head,
            current: head,
            highest: target.number.unwrap_or(head),
        };
        Some(self.sync_progress.borrow().unwrap_or(unreported))
    }

    /// What an [`ElSync`](crate::ElSync) reports whenever it changed. Once `highest` is the number of the target, it has chosen how
    /// to get there: block by block, by a backfill, or not at all.
    pub fn subscribe_sync_progress(&self) -> watch::Receiver<Option<SyncProgress>> {
        self.sync_progress.subscribe()
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
        if let Some(met) = self.faults.slot.take_if(ElFaultKind::answers_payloads) {
            return self.prescribed(met.kind);
        }
        self.with_engine(|engine| engine.new_payload(data, &self.pool))
    }

    /// Takes a block that an EL sync has fetched: no backfill keeps it out, and no prescribed answer.
    pub(crate) fn import(&self, data: OpExecutionData) -> PayloadStatus {
        self.with_engine(|engine| engine.import(data, &self.pool))
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
        let is_met = |kind: ElFaultKind| {
            kind.answers_forkchoices() || (attributes.is_some() && kind.answers_builds())
        };
        let met = self.faults.slot.take_if(is_met);
        let apply = |attributes| {
            self.with_engine(|engine| engine.fork_choice_updated(state, attributes, &self.pool))
        };
        match met.map(|met| met.kind) {
            None => apply(attributes),
            Some(ElFaultKind::InvalidForkchoice) => Err(EngineError::Prescribed),
            Some(ElFaultKind::AppliedInvalidForkchoice) => {
                apply(None)?;
                Err(EngineError::Prescribed)
            }
            Some(ElFaultKind::InvalidAttributes) => {
                apply(None)?;
                Err(EngineError::PrescribedAttributes)
            }
            Some(ElFaultKind::ForkchoiceStuck) => {
                let status = PayloadStatusEnum::Valid;
                let head = state.head_block_hash;
                Ok(ForkchoiceUpdated::new(PayloadStatus::new(
                    status,
                    Some(head),
                )))
            }
            Some(kind) => Ok(ForkchoiceUpdated::new(self.prescribed(kind))),
        }
    }

    /// A block by hash, number or tag, as a request finds it.
    pub(crate) fn find_block(&self, view: &ChainView, id: BlockId) -> Option<Arc<ExecutedBlock>> {
        let found = view.block(id).cloned();
        let met = self.faults.slot.take_if(ElFaultKind::answers_reads);
        match met.map(|met| met.kind) {
            None => found,
            Some(ElFaultKind::WrongBlock) => match id {
                BlockId::Number(BlockNumberOrTag::Earliest) | BlockId::Hash(_) => found,
                BlockId::Number(_) => {
                    let parent = found?.header().parent_hash;
                    view.block_by_hash(&parent).cloned()
                }
            },
            Some(_) => None,
        }
    }

    /// The status that a fault prescribes.
    fn prescribed(&self, kind: ElFaultKind) -> PayloadStatus {
        match kind {
            ElFaultKind::Invalid | ElFaultKind::ForkchoiceInvalid | ElFaultKind::PayloadInvalid => {
                let validation_error = "invalid on command".to_owned();
                let latest = self.view().head().hash;
                PayloadStatus::new(
                    PayloadStatusEnum::Invalid { validation_error },
                    Some(latest),
                )
            }
            ElFaultKind::PayloadAccepted => PayloadStatus::from_status(PayloadStatusEnum::Accepted),
            _ => PayloadStatus::from_status(PayloadStatusEnum::Syncing),
        }
    }

    /// `engine_getPayload`. May execute a block: not for async threads.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownPayload`].
    pub fn get_payload(&self, id: PayloadId) -> Result<SealedPayload, EngineError> {
        lock(&self.engine).get_payload(id, &self.pool)
    }

    /// Changes the engine, and publishes what changed.
    pub(crate) fn with_engine<T>(&self, change: impl FnOnce(&mut Engine) -> T) -> T {
        let mut engine = lock(&self.engine);
        let changed = change(&mut engine);
        self.publish(&engine);
        changed
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
            is_finalized_known: engine.is_target_finalized_known(),
        });
        self.sync_target.send_if_modified(|published| {
            let is_changed = *published != target;
            *published = target;
            is_changed
        });
    }
}
