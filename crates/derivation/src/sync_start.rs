//! From where to derive: the heads that L1 still bears out, and the L1 block at which the pipeline has to begin so that it
//! sees every channel that may hold the block after the safe head. Asked at start and after each reset.
//!
//! The unsafe head goes back to the last block whose origin is canonical, never below finalized. The safe head goes back to what
//! is certain: a canonical origin does not say that the *batch* is still on L1, so only the finalized head, a block older than
//! the sequencing window, or a pair of the safe-head history whose L1 block is canonical counts
//! (`specs/protocol/derivation.md#finding-the-sync-starting-point`).

use crate::{attributes::system_config_of, deriver::ResetPoint, history::Pair, search::Search};
use alloy_eips::{BlockId, BlockNumberOrTag};
use light_node_engine::{ForkchoiceStart, ResetError};
use light_node_engine_api::{ElError, ElReader};
use light_node_l1::{L1DataError, L1Source};
use light_node_protocol::{
    BlockConfigError, BlockNumHash, L1BlockRef, L2BlockRef, RollupConfig, SystemConfig,
};
use std::collections::HashMap;
use thiserror::Error;

/// Blocks per L1 block, as a guess by which a search strides; a wrong guess costs a few questions.
const L1_BLOCK_TIME_GUESS: u64 = 12;

/// Where derivation begins.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// The heads, for the engine.
    pub(crate) forkchoice: ForkchoiceStart,
    /// The position, for the pipeline.
    pub(crate) point: ResetPoint,
}

/// Why no start is found. All of them may pass.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// The execution layer could not be asked.
    #[error(transparent)]
    El(#[from] ElError),
    /// L1 could not be asked.
    #[error(transparent)]
    L1(#[from] L1DataError),
    /// The execution layer has no block at a height below its head.
    #[error("the execution layer has no block {number}")]
    MissingBlock { number: u64 },
    /// A block of the execution layer does not say what its system config is.
    #[error("block {number} has no usable system config")]
    SystemConfig {
        number: u64,
        #[source]
        source: BlockConfigError,
    },
    /// The rollup config gives a block of the execution layer another time than it has.
    #[error("block {number} has the time {actual}, and the rollup config gives it {expected}")]
    BlockTime {
        number: u64,
        /// Seconds.
        actual: u64,
        /// Seconds.
        expected: u64,
    },
    /// Our L1 has not reached the origin of the finalized head.
    #[error("l1 has not reached block {}", .origin.number)]
    L1Behind { origin: BlockNumHash },
    /// Our L1 has another block in the place of the finalized head's origin.
    #[error("l1 block {}:{} is not canonical", .origin.number, .origin.hash)]
    FinalizedNotOnL1 { origin: BlockNumHash },
    /// The engine does not take the start.
    #[error(transparent)]
    Engine(#[from] ResetError),
    /// L1 changed while it was asked.
    #[error("l1 changed while it was asked")]
    L1Moved,
}

/// Where a block's origin stands to L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Canonical,
    Mismatch,
    /// L1 has not got so far.
    Ahead,
}

/// The chain of which a start is sought, with what was learned of it so far.
#[derive(Debug)]
pub(crate) struct SyncStart<'a> {
    config: &'a RollupConfig,
    el: &'a dyn ElReader,
    l1: &'a dyn L1Source,
    origins: HashMap<u64, Option<L1BlockRef>>,
}

impl<'a> SyncStart<'a> {
    pub(crate) fn new(
        config: &'a RollupConfig,
        el: &'a dyn ElReader,
        l1: &'a dyn L1Source,
    ) -> Self {
        Self {
            config,
            el,
            l1,
            origins: HashMap::new(),
        }
    }

    /// Finds it. `history` are pairs of an L1 block and the safe head derived up to it, newest first.
    pub(crate) async fn find(mut self, history: &[Pair]) -> Result<Start, StartError> {
        let (latest, safe, finalized) = self.labels().await?;
        self.check_time(&latest)?;
        let origin = finalized.l1_origin;
        match self.origin(&finalized).await? {
            Origin::Canonical => {}
            Origin::Ahead => return Err(StartError::L1Behind { origin }),
            Origin::Mismatch => return Err(StartError::FinalizedNotOnL1 { origin }),
        }
        let (unsafe_head, last_canonical) = self.unsafe_head(&finalized, &latest).await?;
        let highest = safe.number.min(last_canonical.number);
        let beyond = self.beyond_window(&finalized, &last_canonical, highest);
        let (mut certain, mut used_up) = (beyond.await?, None);
        // The history proves what it says; the execution layer may have lost its labels.
        let highest = last_canonical.number;
        if let Some((l1, known)) = self.known_safe(history, &certain, highest).await? {
            (certain, used_up) = (known, Some(l1));
        }
        let origin_block = self.pipeline_origin(&certain).await?;
        let point = ResetPoint {
            safe_head: certain,
            safe_config: self.system_config(&certain).await?,
            origin: self.canonical(origin_block.l1_origin).await?,
            origin_config: self.system_config(&origin_block).await?,
            used_up,
        };
        let forkchoice = ForkchoiceStart {
            unsafe_head,
            safe: certain,
            finalized,
            current_l1: point.origin,
        };
        Ok(Start { forkchoice, point })
    }

    /// The execution layer's labels. One that it does not have is the next lower one, in the end genesis.
    async fn labels(&self) -> Result<(L2BlockRef, L2BlockRef, L2BlockRef), StartError> {
        let genesis = self.config.genesis.l2.number;
        let ids = [
            BlockId::number(genesis),
            BlockId::Number(BlockNumberOrTag::Finalized),
            BlockId::Number(BlockNumberOrTag::Safe),
            BlockId::latest(),
        ];
        let blocks = self.el.blocks(&ids).await?;
        let at = |index: usize| {
            let block = blocks.get(index).copied().flatten();
            block.map(|block| block.block_ref)
        };
        let missing = StartError::MissingBlock { number: genesis };
        let (Some(genesis), Some(latest)) = (at(0), at(3)) else {
            return Err(missing);
        };
        let label = |label: Option<L2BlockRef>, floor: L2BlockRef| {
            let is_between =
                |block: &L2BlockRef| (floor.number..=latest.number).contains(&block.number);
            label.filter(is_between).unwrap_or(floor)
        };
        let finalized = label(at(1), genesis);
        let safe = label(at(2), finalized);
        Ok((latest, safe, finalized))
    }

    /// The time of every block follows from its number.
    const fn check_time(&self, block: &L2BlockRef) -> Result<(), StartError> {
        let genesis = &self.config.genesis;
        let (number, actual) = (block.number, block.timestamp);
        let since_genesis = number.saturating_sub(genesis.l2.number);
        let expected = genesis
            .l2_time
            .saturating_add(since_genesis.saturating_mul(self.config.block_time));
        if actual == expected {
            return Ok(());
        }
        Err(StartError::BlockTime {
            number,
            actual,
            expected,
        })
    }

    /// The unsafe head, and the last block of which L1 says that its origin is canonical.
    async fn unsafe_head(
        &mut self,
        finalized: &L2BlockRef,
        latest: &L2BlockRef,
    ) -> Result<(L2BlockRef, L2BlockRef), StartError> {
        if self.origin(latest).await? == Origin::Canonical {
            return Ok((*latest, *latest));
        }
        let stride = self.blocks_in(2);
        let mut search = Search::new(finalized.number, latest.number, stride);
        let mut above = *latest;
        let mut canonical = *finalized;
        while let Some(number) = search.next() {
            let block = self.block(number).await?;
            let holds = self.origin(&block).await? == Origin::Canonical;
            search.note(number, holds);
            if holds {
                canonical = block;
            } else {
                above = block;
            }
        }
        // What stands on an origin that L1 has not reached yet may be right, unless something below it is wrong.
        let is_left = self.origin(&above).await? == Origin::Mismatch;
        Ok((if is_left { canonical } else { *latest }, canonical))
    }

    /// The last block up to `highest` whose batch cannot have been taken from L1 without its origin: the sequencing window is
    /// over. At least the finalized head.
    async fn beyond_window(
        &self,
        finalized: &L2BlockRef,
        last_canonical: &L2BlockRef,
        highest: u64,
    ) -> Result<L2BlockRef, StartError> {
        let window = self.config.seq_window_size + 1;
        let is_beyond =
            |block: &L2BlockRef| block.l1_origin.number + window < last_canonical.l1_origin.number;
        if !is_beyond(finalized) || highest <= finalized.number {
            return Ok(*finalized);
        }
        self.last_of(*finalized, highest + 1, self.blocks_in(window), is_beyond)
            .await
    }

    /// The newest safe head of the history whose L1 block is still canonical, with that block, if it is not below
    /// `certain` and the execution layer has it.
    async fn known_safe(
        &mut self,
        history: &[Pair],
        certain: &L2BlockRef,
        highest: u64,
    ) -> Result<Option<(BlockNumHash, L2BlockRef)>, StartError> {
        for (l1, safe) in history {
            if safe.number < certain.number {
                return Ok(None);
            }
            let is_canonical =
                self.l1_block(l1.number).await?.map(|block| block.hash) == Some(l1.hash);
            if !is_canonical || safe.number > highest {
                continue;
            }
            let block = self.block(safe.number).await?;
            return Ok((block.hash == safe.hash).then_some((*l1, block)));
        }
        Ok(None)
    }

    /// The last block whose origin lies a channel timeout below that of the safe head: a channel that holds the next block
    /// cannot have been opened before it.
    async fn pipeline_origin(&mut self, safe: &L2BlockRef) -> Result<L2BlockRef, StartError> {
        let first = self.block(self.config.genesis.l2.number).await?;
        let safe_time = self.canonical(safe.l1_origin).await?.timestamp;
        let mut timeout = self.config.channel_timeout(safe_time);
        loop {
            let highest = safe.l1_origin.number.saturating_sub(timeout);
            let is_below = |block: &L2BlockRef| block.l1_origin.number <= highest;
            if !is_below(&first) || safe.number <= first.number {
                return Ok(first);
            }
            let stride = self.blocks_in(timeout + 1);
            let found = self
                .last_of(first, safe.number + 1, stride, is_below)
                .await?;
            // The timeout is that of the time at which the channel was opened: it was longer before Granite.
            let time = self.canonical(found.l1_origin).await?.timestamp;
            let then = self.config.channel_timeout(time);
            if then <= timeout {
                return Ok(found);
            }
            timeout = then;
        }
    }

    /// The last block below `fails` of which `holds` is true, as it is of `low`.
    async fn last_of(
        &self,
        low: L2BlockRef,
        fails: u64,
        stride: u64,
        holds: impl Fn(&L2BlockRef) -> bool,
    ) -> Result<L2BlockRef, StartError> {
        let mut search = Search::new(low.number, fails, stride);
        let mut last = low;
        while let Some(number) = search.next() {
            let block = self.block(number).await?;
            let is_it = holds(&block);
            search.note(number, is_it);
            if is_it {
                last = block;
            }
        }
        Ok(last)
    }

    async fn block(&self, number: u64) -> Result<L2BlockRef, StartError> {
        let block = self.el.block(BlockId::number(number)).await?;
        let block = block.ok_or(StartError::MissingBlock { number })?;
        Ok(block.block_ref)
    }

    async fn system_config(&self, block: &L2BlockRef) -> Result<SystemConfig, StartError> {
        let number = block.number;
        let genesis = &self.config.genesis;
        if number == genesis.l2.number {
            return Ok(genesis.system_config);
        }
        let payload = self.el.payload(BlockId::hash(block.hash)).await?;
        let payload = payload.ok_or(StartError::MissingBlock { number })?;
        system_config_of(self.config, &payload)
            .map_err(|source| StartError::SystemConfig { number, source })
    }

    async fn l1_block(&mut self, number: u64) -> Result<Option<L1BlockRef>, StartError> {
        if let Some(known) = self.origins.get(&number) {
            return Ok(*known);
        }
        let block = self.l1.block_ref(number).await?;
        self.origins.insert(number, block);
        Ok(block)
    }

    async fn origin(&mut self, block: &L2BlockRef) -> Result<Origin, StartError> {
        let origin = block.l1_origin;
        Ok(match self.l1_block(origin.number).await? {
            None => Origin::Ahead,
            Some(ours) if ours.hash == origin.hash => Origin::Canonical,
            Some(_) => Origin::Mismatch,
        })
    }

    /// The canonical L1 block that is known to be `id`.
    async fn canonical(&mut self, id: BlockNumHash) -> Result<L1BlockRef, StartError> {
        let block = self.l1_block(id.number).await?;
        block
            .filter(|block| block.hash == id.hash)
            .ok_or(StartError::L1Moved)
    }

    /// About so many L2 blocks stand on `l1_blocks` of L1.
    const fn blocks_in(&self, l1_blocks: u64) -> u64 {
        let block_time = if self.config.block_time == 0 {
            1
        } else {
            self.config.block_time
        };
        l1_blocks.saturating_mul(L1_BLOCK_TIME_GUESS) / block_time + 1
    }
}

#[cfg(test)]
mod tests;
