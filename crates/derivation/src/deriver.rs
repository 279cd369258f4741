//! The deriver: L1 data in, attributes of L2 blocks out, one step at a time. It waits for nobody but L1 and, where a batch overlaps
//! the safe chain, for a read of the execution layer. What becomes of the attributes is told to it by the parent of the next step
//! and by [`Deriver::flush`].
//!
//! The same L1 gives the same attributes, whenever and however often it is asked: a step either does one thing for good, or says
//! why not and leaves everything as it was.

// A step is large, and made once.
#![allow(clippy::result_large_err)]

use crate::{
    attributes::{BuildError, Built, Ingredients},
    cause::{Cause, Causes, ResetCause, RetryCause},
    epochs::Epochs,
    kona::{self, PipelineError, PipelineErrorKind},
    refusals::Refusals,
    stages::{
        Context, Cursor,
        batches::{Batches, NextBatch, ParentBlock},
        stack,
    },
    upgrades::UpgradeBundles,
};
use light_node_engine::DerivedAttributes;
use light_node_engine_api::ElReader;
use light_node_l1::L1Source;
use light_node_protocol::{
    BlockNumHash, Hardfork, L1BlockRef, L1ChainConfig, L2BlockRef, RollupConfig, SystemConfig,
};
use std::{collections::VecDeque, sync::Arc};

#[cfg(test)]
mod tests;

/// Blocks that may be derived ahead of the parent whose hash is known. The engine's queue is shorter.
const MAX_AHEAD: usize = 512;

/// Blocks of one span, before Holocene, to whose parent derivation can go back. Half a day of blocks; what is longer is derived
/// anew when one of its blocks is refused.
const MAX_BEHIND: usize = 32_768;

/// What a deriver is made for.
#[derive(Clone, Debug)]
pub struct DeriverConfig {
    /// The chain.
    pub rollup: Arc<RollupConfig>,
    /// The blob schedule of its L1.
    pub l1_chain: L1ChainConfig,
    /// Upgrade transactions that had to be given.
    pub upgrades: UpgradeBundles,
}

/// Where derivation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetPoint {
    /// The block after which the next one is derived.
    pub safe_head: L2BlockRef,
    /// The system config in force at it.
    pub safe_config: SystemConfig,
    /// The L1 block at which reading begins: far enough below the safe head's origin to hold the first frame of every channel
    /// that may be complete after it, and the origin of an L2 block.
    pub origin: L1BlockRef,
    /// The system config in force at that L2 block.
    pub origin_config: SystemConfig,
    /// The L1 block up to which everything is known to be derived: what is complete there is read over. If another block is read
    /// at its height, the safe head says nothing any more. Without it, the safe head must not be in the middle of what an
    /// invalid batch could have decided.
    pub used_up: Option<BlockNumHash>,
}

/// The block on which the next one is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The engine has it.
    Known(L2BlockRef),
    /// The block of the attributes that were given out last, whatever its hash will be. Only within a span batch.
    Expected,
}

/// What came of a step.
#[derive(Debug)]
pub enum Step {
    /// The next block.
    Attributes(Box<DerivedAttributes>),
    /// The L1 block before this one is used up; this one is being read.
    Advanced(L1BlockRef),
    /// Something was read that makes no block. Step again at once, after a yield.
    Again,
    /// The L1 block that is being read is used up, and L1 has no next one.
    CaughtUp,
    /// [`Parent::Expected`] was given, but the next batch must be compared with the real hash. Step again when it is known.
    NeedsParent,
    /// Something cannot be read. Step again after a while.
    Retry(RetryCause),
    /// What was derived does not hold. [`Deriver::reset`] to where it does.
    Reset(ResetCause),
    /// The next block is the first one of a fork whose upgrade bundle was not given. It cannot be derived.
    MissingUpgradeBundle(Hardfork),
}

/// Derives the safe chain from L1.
#[derive(Debug)]
pub struct Deriver {
    config: DeriverConfig,
    l1: Arc<dyn L1Source>,
    el: Arc<dyn ElReader>,
    refusals: Refusals,
    position: Option<Position>,
}

/// The state between a reset and the next.
#[derive(Debug)]
struct Position {
    context: Context,
    batches: Batches,
    /// The last parent whose hash is known, and what was derived after it, each with its system config. Before Holocene also what
    /// was derived before it since the last block that is safe: a refused block takes those of its span along.
    blocks: VecDeque<KnownBlock>,
    /// Where the last known parent stands in it.
    parent: usize,
    /// A batch of which the attributes could not be made yet.
    batch: Option<NextBatch>,
    flush_is_due: bool,
}

#[derive(Clone, Copy, Debug)]
struct KnownBlock {
    block: L2BlockRef,
    system_config: SystemConfig,
    /// It is safe once the engine has it, so that derivation never goes back beyond it.
    is_safe_at_once: bool,
}

impl Deriver {
    /// A deriver without a position.
    pub fn new(config: DeriverConfig, l1: Arc<dyn L1Source>, el: Arc<dyn ElReader>) -> Self {
        Self {
            config,
            l1,
            el,
            refusals: Refusals::default(),
            position: None,
        }
    }

    /// Counts in `refusals` what of the batch inbox makes no block.
    pub(crate) fn counting(mut self, refusals: Refusals) -> Self {
        self.refusals = refusals;
        self
    }

    /// Begins anew at `point`. Nothing of what was read before matters any more.
    pub fn reset(&mut self, point: &ResetPoint) {
        let context = Context {
            kona: Arc::new(kona::rollup_config(&self.config.rollup)),
            config: self.config.rollup.clone(),
            l1: self.l1.clone(),
            el: self.el.clone(),
            causes: Causes::default(),
            epochs: Epochs::default(),
            cursor: Cursor::new(&point.origin),
            refusals: self.refusals.clone(),
        };
        self.position = Some(Position {
            batches: stack(&context, point.origin_config, point.used_up),
            blocks: VecDeque::from([KnownBlock {
                block: point.safe_head,
                system_config: point.safe_config,
                is_safe_at_once: true,
            }]),
            parent: 0,
            batch: None,
            flush_is_due: false,
            context,
        });
    }

    /// Drops what follows in the channel from which the last attributes came: the execution layer refused them, and has a block
    /// without their transactions instead, which is the parent of the next step.
    pub const fn flush(&mut self) {
        if let Some(position) = &mut self.position {
            position.flush_is_due = true;
        }
    }

    /// The L1 block that is being read.
    pub fn origin(&self) -> Option<L1BlockRef> {
        let position = self.position.as_ref()?;
        Some(kona::l1_block_ref(&position.context.cursor.get()))
    }

    /// Does the next thing there is to do.
    ///
    /// # Cancel safety
    /// None: after dropping the future, [`Self::reset`].
    pub async fn step(&mut self, parent: Parent) -> Step {
        let Some(position) = &mut self.position else {
            return Step::Reset(ResetCause::NoPosition);
        };
        position
            .step(parent, &self.config)
            .await
            .unwrap_or_else(|step| step)
    }
}

impl Position {
    async fn step(&mut self, parent: Parent, config: &DeriverConfig) -> Result<Step, Step> {
        self.context.causes.take();
        if self.flush_is_due {
            self.batch = None;
            let flushed = self.batches.flush().await;
            flushed.map_err(|error| self.failed(error))?;
            self.flush_is_due = false;
        }
        let (parent, parent_config) = self.resolve(parent)?;
        if self.batch.is_none() {
            match self.batches.next_batch(&parent).await {
                Ok(batch) => self.batch = Some(batch),
                Err(error) => return self.without_batch(error, &parent).await,
            }
        }
        let Some(next) = &self.batch else {
            return Ok(Step::Again);
        };
        let id = BlockNumHash::new(next.batch.epoch_num, next.batch.epoch_hash);
        let epochs = &self.context.epochs;
        let epoch = epochs
            .get(id, &*self.context.l1, &self.context.causes)
            .await;
        let epoch = epoch.map_err(|error| self.failed(error))?;
        let built = Ingredients {
            config: &config.rollup,
            l1_chain: &config.l1_chain,
            upgrades: &config.upgrades,
            parent: &parent.block,
            parent_config: &parent_config,
            epoch: &epoch,
            batch: &next.batch,
        }
        .build()
        .map_err(|error| match error {
            BuildError::Reset(cause) => Step::Reset(*cause),
            BuildError::MissingBundle(fork) => Step::MissingUpgradeBundle(fork),
        })?;
        let is_last = next.is_last;
        self.batch = None;
        Ok(self.hand_out(built, &parent, id, is_last))
    }

    /// The parent with its system config. What lies beyond it is forgotten.
    fn resolve(&mut self, parent: Parent) -> Result<(ParentBlock, SystemConfig), Step> {
        let Parent::Known(block) = parent else {
            let last = self
                .blocks
                .back()
                .ok_or(Step::Reset(ResetCause::NoPosition))?;
            let parent = ParentBlock {
                block: last.block,
                is_known: !last.block.hash.is_zero(),
            };
            return Ok((parent, last.system_config));
        };
        // Whatever became of the attributes, these parts of the block are as they were derived.
        let is_it = |derived: &L2BlockRef| {
            derived.number == block.number
                && derived.timestamp == block.timestamp
                && derived.l1_origin == block.l1_origin
                && derived.sequence_number == block.sequence_number
        };
        let index = self
            .blocks
            .iter()
            .rposition(|derived| is_it(&derived.block));
        let unknown = || Step::Reset(ResetCause::UnknownParent { parent: block });
        let index = index.ok_or_else(unknown)?;
        if index + 1 < self.blocks.len() {
            // Only a flush or a dropped span leads back; without one, what waits here is for a later block.
            self.batch = None;
        }
        self.blocks.truncate(index + 1);
        self.blocks[index].block = block;
        self.parent = index;
        let system_config = self.blocks[index].system_config;
        self.forget();
        let parent = ParentBlock {
            block,
            is_known: true,
        };
        Ok((parent, system_config))
    }

    /// Forgets the blocks to which derivation does not go back.
    fn forget(&mut self) {
        let mut known = self.blocks.iter().take(self.parent + 1);
        let safe = known.rposition(|derived| derived.is_safe_at_once);
        let forgotten = safe
            .unwrap_or_default()
            .max(self.parent.saturating_sub(MAX_BEHIND));
        self.blocks.drain(..forgotten);
        self.parent -= forgotten;
        let first = self.blocks[0].block.l1_origin.number;
        self.context.epochs.forget_below(first);
    }

    /// There is no batch: what now?
    async fn without_batch(
        &mut self,
        error: PipelineErrorKind,
        parent: &ParentBlock,
    ) -> Result<Step, Step> {
        let is_used_up = error == PipelineError::Eof.temp();
        if let Some(cause) = self.context.causes.take() {
            return Err(cause.into());
        }
        if !is_used_up {
            return Err(self.failed(error));
        }
        if !parent.is_known {
            // What becomes of the parent may still flush what the next L1 block would add to.
            return Ok(Step::NeedsParent);
        }
        match self.batches.advance_origin().await {
            Ok(()) => {
                let block = self.context.cursor.get();
                Ok(Step::Advanced(kona::l1_block_ref(&block)))
            }
            Err(PipelineErrorKind::Temporary(PipelineError::Eof)) => Ok(Step::CaughtUp),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// What a stage's error means for the caller.
    fn failed(&self, error: PipelineErrorKind) -> Step {
        if let Some(cause) = self.context.causes.take() {
            return cause.into();
        }
        match error {
            PipelineErrorKind::Temporary(_) => Step::Again,
            PipelineErrorKind::Reset(_) | PipelineErrorKind::Critical(_) => {
                let words = error.to_string();
                Step::Reset(ResetCause::Pipeline { words })
            }
        }
    }

    fn hand_out(
        &mut self,
        built: Built,
        parent: &ParentBlock,
        l1_origin: BlockNumHash,
        is_last: bool,
    ) -> Step {
        let block = L2BlockRef {
            number: parent.block.number + 1,
            timestamp: built.attributes.payload_attributes.timestamp,
            l1_origin,
            sequence_number: built.sequence_number,
            ..L2BlockRef::default()
        };
        let is_last_in_span = is_last || self.blocks.len() - self.parent > MAX_AHEAD;
        let derived_from = kona::l1_block_ref(&self.context.cursor.get());
        // As in the engine: the L1 block decides by which rules.
        let config = &self.context.config;
        let is_of_holocene = config.is_active(Hardfork::Holocene, derived_from.timestamp);
        self.blocks.push_back(KnownBlock {
            block,
            system_config: built.system_config,
            is_safe_at_once: is_last_in_span || is_of_holocene,
        });
        Step::Attributes(Box::new(DerivedAttributes {
            attributes: built.attributes,
            parent: parent.is_known.then_some(parent.block.hash),
            number: block.number,
            l1_origin,
            sequence_number: built.sequence_number,
            derived_from,
            is_last_in_span,
        }))
    }
}

impl From<Cause> for Step {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Retry(cause) => Self::Retry(cause),
            Cause::Reset(cause) => Self::Reset(cause),
            Cause::NeedsParent => Self::NeedsParent,
        }
    }
}
