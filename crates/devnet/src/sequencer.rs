//! The devnet's sequencer: builds the L2 chain on the first execution layer, one block each block time, on L1 origins that
//! are canonical. It stands in for an op-node in sequencer mode and shares nothing with light-node but the Engine API.
//!
//! An L1 reorg that takes the origin of its head sends it back to the last block whose origin is still there; the next
//! block is then built on that older one, by attributes, because no forkchoice rewinds an execution layer.

mod attributes;
mod origin;

pub use attributes::AttributesError;

use crate::{
    clock::WallClock,
    system_configs::{SystemConfigs, is_canonical},
};
use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadStatus};
use attributes::{Epoch, attributes};
use light_node_actor::{Backoff, CancellationToken};
use light_node_devnet_l1::EmbeddedL1;
use light_node_engine_api::{ElError, EngineApi};
use light_node_protocol::{L2BlockRef, L2BlockRefError, RollupConfig, SyncStatus};
use origin::{Choice, choose, exceeds_drift, max_drift};
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

/// Pause before the next attempt at a block that failed.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// How often a new block is asked for as head.
const HEAD_ATTEMPTS: usize = 3;

/// Commands that wait. Whoever commands awaits the answer, so more than one at a time is rare.
const COMMANDS_MAX: usize = 16;

/// Why a block was not built. The next attempt may succeed.
#[derive(Debug, Error)]
pub enum SequencerError {
    /// The execution layer failed.
    #[error(transparent)]
    El(#[from] ElError),
    /// The execution layer did not accept what it had built or what it had accepted before.
    #[error("{call} was answered with {status}")]
    NotValid {
        /// Which call.
        call: &'static str,
        /// The answer.
        status: PayloadStatus,
    },
    /// The forkchoice was accepted but no build started.
    #[error("the execution layer started no build")]
    NoBuild,
    /// The execution layer calls a block valid and does not make it its head.
    #[error("the execution layer does not make block {hash} its head")]
    HeadStays {
        /// Its hash.
        hash: B256,
    },
    /// A block of our own chain is not there.
    #[error("the execution layer has no block {hash}")]
    MissingBlock {
        /// Its hash.
        hash: B256,
    },
    /// No attributes can be made from the L1 origin.
    #[error(transparent)]
    Attributes(#[from] AttributesError),
    /// The block that was built has no place in the rollup.
    #[error(transparent)]
    Block(#[from] L2BlockRefError),
    /// The L1 moved between two looks at it, or has no block within the sequencer drift.
    #[error("no L1 origin for the block at {timestamp}")]
    NoOrigin {
        /// Time of the block that was to be built, in seconds.
        timestamp: u64,
    },
    /// The sequencer has ended.
    #[error("the sequencer has ended")]
    Ended,
}

/// Asks for a block, and says where the answer goes.
type Build = oneshot::Sender<Result<L2BlockRef, SequencerError>>;

/// Commands the sequencer. Clones command the same one.
#[derive(Clone, Debug)]
pub struct SequencerHandle {
    commands: mpsc::Sender<Build>,
}

impl SequencerHandle {
    /// Builds one block now, whatever the clock says, and returns it.
    ///
    /// # Errors
    /// Why there is no block.
    pub async fn build(&self) -> Result<L2BlockRef, SequencerError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(answer).await;
        sent.map_err(|_| SequencerError::Ended)?;
        answered.await.map_err(|_| SequencerError::Ended)?
    }
}

/// Builds the chain.
#[derive(Debug)]
pub(crate) struct Sequencer {
    config: Arc<RollupConfig>,
    engine: Arc<dyn EngineApi>,
    l1: EmbeddedL1,
    system_configs: SystemConfigs,
    /// The source's view, for the labels that the execution layer is told.
    status: watch::Receiver<SyncStatus>,
    head: L2BlockRef,
    /// Whether blocks are built by the clock, too.
    by_clock: bool,
    commands: mpsc::Receiver<Build>,
}

impl Sequencer {
    /// A sequencer that starts at L2 genesis, with blocks by the clock if `by_clock`.
    pub(crate) fn new(
        config: Arc<RollupConfig>,
        engine: Arc<dyn EngineApi>,
        l1: EmbeddedL1,
        status: watch::Receiver<SyncStatus>,
        by_clock: bool,
    ) -> (Self, SequencerHandle) {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let sequencer = Self {
            system_configs: SystemConfigs::new(config.clone()),
            head: genesis_ref(&config),
            config,
            engine,
            l1,
            status,
            by_clock,
            commands,
        };
        (sequencer, SequencerHandle { commands: sender })
    }

    /// Builds blocks until `token` is cancelled.
    pub(crate) async fn run(mut self, token: CancellationToken) -> Result<(), SequencerError> {
        let clock = WallClock::new();
        let mut retry = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let mut not_before = clock.instant_of(0);
        loop {
            let due = clock.instant_of(self.head.timestamp + self.config.block_time);
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                command = self.commands.recv() => match command {
                    Some(answer) => {
                        // Whoever asked may have gone.
                        let _ = answer.send(self.build_next().await);
                    }
                    None => return Ok(()),
                },
                () = tokio::time::sleep_until(due.max(not_before)), if self.by_clock => {
                    match self.build_next().await {
                        Ok(_) => retry.reset(),
                        Err(error) => {
                            warn!(parent = %self.head, %error, "no L2 block");
                            not_before = tokio::time::Instant::now() + retry.next_delay();
                        }
                    }
                }
            }
        }
    }

    /// Builds one block on the head, or on an older block if the head's origin has left L1.
    pub(crate) async fn build_next(&mut self) -> Result<L2BlockRef, SequencerError> {
        self.leave_lost_origins().await?;
        let timestamp = self.head.timestamp + self.config.block_time;
        let epoch = self
            .next_epoch(timestamp)
            .ok_or(SequencerError::NoOrigin { timestamp })?;
        let is_new_epoch = epoch.block.hash() != self.head.l1_origin.hash;
        let sequence_number = if is_new_epoch {
            0
        } else {
            self.head.sequence_number + 1
        };
        let origin_time = epoch.block.header().timestamp;
        let drift = max_drift(&self.config, origin_time);
        let no_tx_pool = exceeds_drift(timestamp, origin_time, drift);
        let attributes = attributes(&self.config, &epoch, sequence_number, timestamp, no_tx_pool)?;

        let started = self
            .engine
            .fork_choice_updated(self.forkchoice(self.head.hash), Some(attributes))
            .await?;
        expect_valid("forkchoice", &started.payload_status)?;
        let id = started.payload_id.ok_or(SequencerError::NoBuild)?;
        let envelope = self.engine.get_payload(id, timestamp).await?;
        let status = self.engine.new_payload(&envelope).await?;
        expect_valid("the new payload", &status)?;
        let block = L2BlockRef::from_payload(&self.config, &envelope.execution_payload)?;
        self.make_head(&block).await?;
        self.head = block;
        Ok(block)
    }

    /// Asks for `block` as head until it is: op-reth may call a sibling `VALID` and move only when asked again.
    async fn make_head(&self, block: &L2BlockRef) -> Result<(), SequencerError> {
        for _ in 0..HEAD_ATTEMPTS {
            let state = self.forkchoice(block.hash);
            let moved: ForkchoiceUpdated = self.engine.fork_choice_updated(state, None).await?;
            expect_valid("the forkchoice to the new block", &moved.payload_status)?;
            let latest = self.engine.block(BlockId::latest()).await?;
            if latest.is_some_and(|latest| latest.block_ref.hash == block.hash) {
                return Ok(());
            }
        }
        Err(SequencerError::HeadStays { hash: block.hash })
    }

    /// Goes back until the head's origin is on the L1 chain. Genesis always is.
    async fn leave_lost_origins(&mut self) -> Result<(), SequencerError> {
        let before = self.head;
        while !self
            .l1
            .with_chain(|chain| is_canonical(chain, &self.head.l1_origin))
        {
            let hash = self.head.parent_hash;
            let parent = self.engine.block(BlockId::hash(hash)).await?;
            self.head = parent
                .ok_or(SequencerError::MissingBlock { hash })?
                .block_ref;
        }
        if self.head != before {
            info!(from = %before, to = %self.head, "L1 origin left the chain, sequencing from an older block");
        }
        Ok(())
    }

    /// The epoch of the block at `timestamp`, out of one look at the L1.
    fn next_epoch(&mut self, timestamp: u64) -> Option<Epoch> {
        let (head, system_configs) = (&self.head, &mut self.system_configs);
        let config = &self.config;
        self.l1.with_chain(|chain| {
            let origin = chain.block_by_number(head.l1_origin.number)?;
            let origin_time = origin.header().timestamp;
            let next = chain.block_by_number(head.l1_origin.number + 1);
            let next_time = next.map(|next| next.header().timestamp);
            let drift = max_drift(config, origin_time);
            let block = match choose(timestamp, origin_time, next_time, drift) {
                Choice::Advance => next?,
                Choice::Stay => origin,
                Choice::Wait => return None,
            };
            Some(Epoch {
                block: block.clone(),
                system_config: system_configs.at(chain, block.number())?,
            })
        })
    }

    /// The head with the labels of the source. Both are on our chain: what is safe was sequenced here.
    fn forkchoice(&self, head: B256) -> ForkchoiceState {
        let status = self.status.borrow();
        ForkchoiceState {
            head_block_hash: head,
            safe_block_hash: status.safe_l2.hash,
            finalized_block_hash: status.finalized_l2.hash,
        }
    }
}

/// The reference to L2 genesis.
pub(crate) fn genesis_ref(config: &RollupConfig) -> L2BlockRef {
    let genesis = &config.genesis;
    L2BlockRef {
        hash: genesis.l2.hash,
        number: genesis.l2.number,
        timestamp: genesis.l2_time,
        l1_origin: genesis.l1,
        ..L2BlockRef::default()
    }
}

fn expect_valid(call: &'static str, status: &PayloadStatus) -> Result<(), SequencerError> {
    if status.is_valid() {
        return Ok(());
    }
    let status = status.clone();
    Err(SequencerError::NotValid { call, status })
}

#[cfg(test)]
mod tests;
