//! What the next block is built on: the unsafe head, or, once the L1 origin of that has left L1, the last block below it whose
//! origin is still there. With it goes the system config in force there, which is read from the block itself.

use crate::slot::Slot;
use alloy_eips::BlockId;
use light_node_actor::in_words;
use light_node_derivation::system_config_of;
use light_node_engine_api::{ElError, ElReader};
use light_node_l1::{L1DataError, L1Source};
use light_node_protocol::{BlockConfigError, L2BlockRef, RollupConfig, SystemConfig};
use std::{collections::HashMap, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

/// Pause after a block could not be read, or no block was found.
const RETRY: Duration = Duration::from_secs(1);

/// Why the ground is not known. All of them may pass.
#[derive(Debug, Error)]
enum GroundError {
    #[error(transparent)]
    El(#[from] ElError),
    #[error(transparent)]
    L1(#[from] L1DataError),
    #[error("the execution layer has no block {number}")]
    MissingBlock { number: u64 },
    #[error("block {number} says no system config")]
    SystemConfig {
        number: u64,
        #[source]
        source: BlockConfigError,
    },
    #[error("the l1 origins of all blocks above {number}, which is safe, have left l1")]
    NoneLeft { number: u64 },
}

/// What was found.
#[derive(Debug)]
struct Found {
    block: L2BlockRef,
    config: SystemConfig,
}

/// The ground of the next block.
#[derive(Debug)]
pub(crate) struct Ground {
    rollup_config: Arc<RollupConfig>,
    el: Arc<dyn ElReader>,
    l1: Arc<dyn L1Source>,
    /// The unsafe head for which all else here holds.
    head: L2BlockRef,
    /// Above this block the chain may be led elsewhere; `None` while the head is built on.
    floor: Option<u64>,
    found: Option<Found>,
    reading: Slot<Result<Found, GroundError>>,
    not_before: Instant,
    is_failing: bool,
}

impl Ground {
    pub(crate) fn new(
        rollup_config: Arc<RollupConfig>,
        el: Arc<dyn ElReader>,
        l1: Arc<dyn L1Source>,
    ) -> Self {
        Self {
            rollup_config,
            el,
            l1,
            head: L2BlockRef::default(),
            floor: None,
            found: None,
            reading: Slot::empty(),
            not_before: Instant::now(),
            is_failing: false,
        }
    }

    /// `head` is the unsafe head.
    pub(crate) fn stand_on(&mut self, head: L2BlockRef) {
        if self.head == head {
            return;
        }
        let found = self.found.take().filter(|found| found.block == head);
        self.head = head;
        self.floor = None;
        self.found = found;
        self.reading.clear();
        self.not_before = Instant::now();
    }

    /// `block`, made here, is or will be the head. Saves reading it.
    pub(crate) fn note_own(&mut self, block: L2BlockRef, config: SystemConfig) {
        self.head = block;
        self.floor = None;
        self.found = Some(Found { block, config });
        self.reading.clear();
    }

    /// The L1 origin of the ground has left L1: an older block is sought, down to the safe one of number `floor`.
    pub(crate) fn lead_back(&mut self, floor: u64) {
        info!(head = %self.head, floor, "the l1 origin of the unsafe head has left l1; an older block is built on");
        self.floor = Some(floor);
        self.found = None;
        self.reading.clear();
    }

    /// All is found anew.
    pub(crate) fn forget(&mut self) {
        self.floor = None;
        self.found = None;
        self.reading.clear();
    }

    /// An older block than the head is built on, or sought.
    pub(crate) const fn is_led_back(&self) -> bool {
        self.floor.is_some()
    }

    /// The block to build on, if it is known: even when its system config is not.
    pub(crate) fn block(&self) -> Option<L2BlockRef> {
        match (&self.found, self.floor) {
            (Some(found), _) => Some(found.block),
            (None, None) => Some(self.head),
            (None, Some(_)) => None,
        }
    }

    /// The block to build on with the system config in force there.
    pub(crate) fn ready(&self) -> Option<(L2BlockRef, SystemConfig)> {
        let found = self.found.as_ref()?;
        Some((found.block, found.config))
    }

    /// Goes on reading. Returns when something has changed.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn progress(&mut self) {
        let is_wanting = self.found.is_none() && !self.head.is_zero();
        if is_wanting && !self.reading.is_taken() && self.not_before <= Instant::now() {
            let read = Reader {
                rollup_config: Arc::clone(&self.rollup_config),
                el: Arc::clone(&self.el),
                l1: Arc::clone(&self.l1),
            };
            let (head, floor) = (self.head, self.floor);
            self.reading
                .put(async move { read.ground(head, floor).await });
        }
        let waits = is_wanting && !self.reading.is_taken();
        tokio::select! {
            biased;
            found = self.reading.done() => self.note(found),
            () = sleep_until(self.not_before), if waits => {}
        }
    }

    fn note(&mut self, found: Result<Found, GroundError>) {
        match found {
            Ok(found) => {
                if std::mem::take(&mut self.is_failing) {
                    info!(block = %found.block, "the block to build on is found");
                }
                self.found = Some(found);
            }
            Err(error) => {
                self.not_before = Instant::now() + RETRY;
                if !std::mem::replace(&mut self.is_failing, true) {
                    let error = in_words(&error);
                    warn!(
                        error,
                        "the block to build on cannot be read; it is tried again"
                    );
                }
            }
        }
    }
}

/// Reads the ground.
struct Reader {
    rollup_config: Arc<RollupConfig>,
    el: Arc<dyn ElReader>,
    l1: Arc<dyn L1Source>,
}

impl Reader {
    async fn ground(self, head: L2BlockRef, floor: Option<u64>) -> Result<Found, GroundError> {
        let block = match floor {
            None => head,
            Some(floor) => self.standing(head, floor).await?,
        };
        let number = block.number;
        let payload = self.el.payload(BlockId::hash(block.hash)).await?;
        let payload = payload.ok_or(GroundError::MissingBlock { number })?;
        let config = system_config_of(&self.rollup_config, &payload)
            .map_err(|source| GroundError::SystemConfig { number, source })?;
        Ok(Found { block, config })
    }

    /// The highest block below `head` whose L1 origin is canonical.
    async fn standing(&self, head: L2BlockRef, floor: u64) -> Result<L2BlockRef, GroundError> {
        let mut origins = HashMap::new();
        let mut block = head;
        loop {
            let origin = block.l1_origin;
            let canonical = match origins.get(&origin.number) {
                Some(known) => *known,
                None => {
                    let canonical = self.l1.block_ref(origin.number).await?;
                    let hash = canonical.map(|canonical| canonical.hash);
                    origins.insert(origin.number, hash);
                    hash
                }
            };
            if canonical == Some(origin.hash) {
                return Ok(block);
            }
            if block.number <= floor {
                return Err(GroundError::NoneLeft { number: floor });
            }
            let number = block.number - 1;
            let parent = self.el.block(BlockId::hash(block.parent_hash)).await?;
            block = parent
                .ok_or(GroundError::MissingBlock { number })?
                .block_ref;
        }
    }
}
