//! The highest stage: decides which batch makes the next L2 block, and makes empty ones where the sequencing window passed without
//! one (`specs/protocol/derivation.md#batch-queue`, `specs/protocol/holocene/derivation.md#batch-queue`).
//!
//! From Holocene on a span batch is opened once it is found valid, and its blocks wait here. They do not depend on what the engine
//! makes of the blocks before them, but for the parent's time and origin, so they may be taken ahead of it. Everything else waits
//! until the parent's hash is known. Before Holocene kona's queue decides.

// Kona's errors are as large as they are.
#![allow(clippy::result_large_err)]

mod origins;
mod queue;
mod rules;
pub(crate) mod safe_chain;

use super::Context;
use crate::{
    cause::{ResetCause, RetryCause},
    kona::{
        Batch, BlockInfo, PipelineError, PipelineErrorKind, PipelineResult, SingleBatch, SpanBatch,
    },
    refusals::Refusal,
    safe_block::SafeBlock,
};
use async_trait::async_trait;
use core::fmt::Debug;
use futures::future::try_join_all;
use light_node_protocol::{BlockNumHash, Hardfork, L2BlockRef};
use origins::Origins;
use queue::{LegacyQueue, SharedSource};
use rules::{Place, Verdict, overlaps};
use safe_chain::SafeChain;
use std::collections::VecDeque;
use tracing::debug;

/// Blocks of the safe chain that are read at a time, to be compared with a span batch that overlaps them.
const OVERLAP_READS: u64 = 16;

/// The block on which the next one is to stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParentBlock {
    /// Its hash is zero if it is not known.
    pub(crate) block: L2BlockRef,
    /// False if the block has only been derived, and the engine has not said yet what became of it.
    pub(crate) is_known: bool,
}

/// The batch for the next block.
#[derive(Debug)]
pub(crate) struct NextBatch {
    pub(crate) batch: SingleBatch,
    /// No more blocks wait: the next batch needs the hash of this one's block.
    pub(crate) is_last: bool,
}

/// Where batches come from.
#[async_trait]
pub(crate) trait BatchSource: Debug + Send {
    /// The next batch of a channel. Not cancel safe.
    async fn next_batch(&mut self) -> PipelineResult<Batch>;

    /// Drops the channel that is being read, and the one that is being collected.
    async fn flush(&mut self) -> PipelineResult<()>;

    /// Moves on to the next L1 block.
    async fn advance_origin(&mut self) -> PipelineResult<()>;
}

/// Decides on batches.
#[derive(Debug)]
pub(crate) struct Batches {
    source: SharedSource,
    context: Context,
    l2: SafeChain,
    origins: Origins,
    /// Blocks of a valid span batch.
    span: VecDeque<SingleBatch>,
    /// A span batch on which the verdict needs a block that could not be read.
    pending: Option<SpanBatch>,
    /// Kona's queue, before Holocene.
    queue: Option<LegacyQueue>,
    /// What is complete up to this L1 block is known to be derived.
    used_up: Option<BlockNumHash>,
}

impl Batches {
    pub(crate) fn new(
        source: Box<dyn BatchSource>,
        context: Context,
        l2: SafeChain,
        used_up: Option<BlockNumHash>,
    ) -> Self {
        Self {
            source: SharedSource::new(
                source,
                context.cursor.clone(),
                context.config.genesis.l2_time,
            ),
            origins: Origins::beginning_at(context.cursor.get()),
            l2,
            span: VecDeque::new(),
            pending: None,
            queue: None,
            used_up,
            context,
        }
    }

    /// Moves on to the next L1 block.
    pub(crate) async fn advance_origin(&mut self) -> PipelineResult<()> {
        self.source.lock().await.advance_origin().await
    }

    /// Drops the span, the channel that it came from, and the one that is being collected: a block that the execution layer
    /// refused invalidates what follows it there.
    pub(crate) async fn flush(&mut self) -> PipelineResult<()> {
        self.span.clear();
        self.pending = None;
        self.source.lock().await.flush().await
    }

    /// The batch for the block after `parent`.
    ///
    /// # Cancel safety
    /// None: what was read is lost with the future.
    pub(crate) async fn next_batch(&mut self, parent: &ParentBlock) -> PipelineResult<NextBatch> {
        let origin = self.context.cursor.get();
        self.origins.update(origin, &parent.block, parent.is_known);
        self.check_used_up(&origin)?;
        let config = &self.context.config;
        if !config.is_active(Hardfork::Holocene, origin.timestamp) {
            return self.next_from_queue(parent).await;
        }
        self.queue = None;
        let is_used_up = self.used_up.is_some_and(|l1| origin.number <= l1.number);
        if is_used_up || origin.number <= parent.block.l1_origin.number {
            // What is complete here can only be of the past.
            self.require_known(parent)?;
            let _past = self.source.lock().await.next_batch().await?;
            return Err(PipelineError::NotEnoughData.temp());
        }
        self.check_origins(parent)?;
        let candidate = match self.candidate(parent, &origin).await {
            Err(PipelineErrorKind::Temporary(PipelineError::Eof)) => {
                return self.empty_batch(parent, &origin);
            }
            candidate => candidate?,
        };
        self.judge(candidate, parent, &origin).await
    }

    async fn next_from_queue(&mut self, parent: &ParentBlock) -> PipelineResult<NextBatch> {
        self.require_known(parent)?;
        let queue = match &mut self.queue {
            Some(queue) => queue,
            None => {
                let at = self.context.cursor.get();
                let new = LegacyQueue::new(&self.context, &self.source, &self.l2, at).await?;
                self.queue.insert(new)
            }
        };
        queue.next_batch(&parent.block).await
    }

    /// Only blocks of a span may be taken without knowing the parent's hash.
    fn require_known(&self, parent: &ParentBlock) -> PipelineResult<()> {
        if parent.is_known {
            return Ok(());
        }
        Err(self.context.causes.needs_parent())
    }

    /// What is known to be derived is known of one branch of L1, which may have left since the start was looked for.
    fn check_used_up(&self, origin: &BlockInfo) -> PipelineResult<()> {
        let left = self
            .used_up
            .filter(|l1| l1.number == origin.number && l1.hash != origin.hash);
        left.map_or(Ok(()), |BlockNumHash { number, hash }| {
            let cause = ResetCause::L1BlockGone { number, hash };
            Err(self.context.causes.reset(cause))
        })
    }

    /// The window must hold the parent's origin and the L1 block at hand.
    fn check_origins(&mut self, parent: &ParentBlock) -> PipelineResult<()> {
        let at = parent.block.l1_origin;
        let fits = |first: &BlockInfo| (first.number, first.hash) == (at.number, at.hash);
        if matches!(self.origins.of(&parent.block), [first, _, ..] if fits(first)) {
            return Ok(());
        }
        let parent = parent.block;
        Err(self
            .context
            .causes
            .reset(ResetCause::OriginMismatch { parent }))
    }

    /// The next batch that may make the next block: of the span at hand, or from the channel.
    async fn candidate(
        &mut self,
        parent: &ParentBlock,
        origin: &BlockInfo,
    ) -> PipelineResult<SingleBatch> {
        let next = parent.block.timestamp + self.context.config.block_time;
        match self.span.front() {
            Some(front) if front.timestamp == next => {
                return Ok(self.take_from_span(parent).expect("the span has a front"));
            }
            Some(_) => self.span.clear(),
            None => {}
        }
        self.require_known(parent)?;
        let span = match self.pending.take() {
            Some(span) => span,
            None => match self.source.lock().await.next_batch().await? {
                Batch::Single(batch) => return Ok(batch),
                Batch::Span(span) => span,
            },
        };
        let verdict = match self.check_span(&span, parent, origin).await {
            Ok(verdict) => verdict,
            Err(cause) => {
                // Nothing about the span was decided: it must not be lost.
                self.pending = Some(span);
                return Err(self.context.causes.retry(cause));
            }
        };
        self.open_span(verdict, span, parent, origin).await?;
        self.take_from_span(parent)
            .ok_or_else(|| PipelineError::NotEnoughData.temp())
    }

    /// A block of the span names no parent of its own: that of the first one was checked.
    fn take_from_span(&mut self, parent: &ParentBlock) -> Option<SingleBatch> {
        let mut batch = self.span.pop_front()?;
        batch.parent_hash = parent.block.hash;
        Some(batch)
    }

    async fn open_span(
        &mut self,
        verdict: Verdict,
        span: SpanBatch,
        parent: &ParentBlock,
        origin: &BlockInfo,
    ) -> PipelineResult<()> {
        let verdict = match verdict {
            Verdict::Accept => {
                let place = place(&self.context, &mut self.origins, parent, origin);
                match place.singles(span) {
                    Ok(singles) => {
                        self.span = singles.into();
                        return Ok(());
                    }
                    Err(verdict) => verdict,
                }
            }
            verdict => verdict,
        };
        self.leave_out(verdict, parent, origin).await?;
        Err(PipelineError::NotEnoughData.temp())
    }

    /// A batch that is not taken is counted, and one that is invalid takes its channel along.
    async fn leave_out(
        &mut self,
        verdict: Verdict,
        parent: &ParentBlock,
        origin: &BlockInfo,
    ) -> PipelineResult<()> {
        let refusals = &self.context.refusals;
        match verdict {
            Verdict::Drop(refusal, reason) => {
                refusals.note(refusal);
                debug!(
                    l1_block = origin.number,
                    parent = parent.block.number,
                    reason,
                    "invalid batch is dropped with its channel"
                );
                self.flush().await?;
            }
            Verdict::Undecided => refusals.note(Refusal::BatchAheadOfL1),
            Verdict::Accept | Verdict::Past => {}
        }
        Ok(())
    }

    async fn check_span(
        &mut self,
        span: &SpanBatch,
        parent: &ParentBlock,
        origin: &BlockInfo,
    ) -> Result<Verdict, RetryCause> {
        let (number, genesis) = {
            let place = place(&self.context, &mut self.origins, parent, origin);
            let verdict = place.check_span_time(span);
            if verdict != Verdict::Accept {
                return Ok(verdict);
            }
            match place.span_parent(span) {
                Ok(number) => (number, place.config.genesis.l2.number),
                Err(verdict) => return Ok(verdict),
            }
        };
        let safe = parent.block.number;
        if number == safe {
            let place = place(&self.context, &mut self.origins, parent, origin);
            return Ok(place.check_span_origins(span, &parent.block));
        }
        if !(genesis..safe).contains(&number) {
            // No block has the number, so what the batch stands on will never be known.
            return Ok(Verdict::Undecided);
        }
        let stands_on = self.safe_block(number).await?.block_ref;
        let place = place(&self.context, &mut self.origins, parent, origin);
        let verdict = place.check_span_origins(span, &stands_on);
        if verdict != Verdict::Accept {
            return Ok(verdict);
        }
        self.check_overlap(span, number + 1, safe).await
    }

    /// Compares the blocks of the span up to the safe head with the safe chain.
    async fn check_overlap(
        &self,
        span: &SpanBatch,
        first: u64,
        safe: u64,
    ) -> Result<Verdict, RetryCause> {
        let mut elements = span.batches.iter();
        let mut number = first;
        while number <= safe {
            let end = safe.min(number + OVERLAP_READS);
            let blocks = try_join_all((number..=end).map(|number| self.safe_block(number))).await?;
            for block in &blocks {
                if !elements
                    .next()
                    .is_some_and(|element| overlaps(element, block))
                {
                    let words = "contradicts the safe chain";
                    return Ok(Verdict::Drop(Refusal::BatchSafeChain, words));
                }
            }
            number = end + 1;
        }
        Ok(Verdict::Accept)
    }

    async fn safe_block(&self, number: u64) -> Result<SafeBlock, RetryCause> {
        SafeBlock::read(&*self.context.el, &self.context.config, number).await
    }

    async fn judge(
        &mut self,
        batch: SingleBatch,
        parent: &ParentBlock,
        origin: &BlockInfo,
    ) -> PipelineResult<NextBatch> {
        let place = place(&self.context, &mut self.origins, parent, origin);
        let next = place.next_timestamp();
        let verdict = if batch.timestamp > next {
            Verdict::Drop(Refusal::BatchTime, "later than the next block")
        } else if batch.timestamp < next {
            Verdict::Past
        } else if batch.parent_hash != parent.block.hash {
            Verdict::Drop(Refusal::BatchParent, "stands on another block")
        } else {
            place.check_single(&batch)
        };
        if verdict == Verdict::Accept {
            let is_last = self.span.is_empty();
            return Ok(NextBatch { batch, is_last });
        }
        self.leave_out(verdict, parent, origin).await?;
        Err(PipelineError::NotEnoughData.temp())
    }

    /// The block that is made without a batch once the sequencing window is over.
    ///
    /// Where all blocks on the parent's origin are there, it is the first one on the next origin. That this one's turn has come
    /// is not remembered: it shows in the parent, so that a restart in between changes nothing.
    fn empty_batch(
        &mut self,
        parent: &ParentBlock,
        origin: &BlockInfo,
    ) -> PipelineResult<NextBatch> {
        let config = &self.context.config;
        let timestamp = parent.block.timestamp + config.block_time;
        let epoch = match *self.origins.of(&parent.block) {
            [current, next, ..] if timestamp < next.timestamp => current,
            [_, next, _, ..] => next,
            _ => return Err(PipelineError::Eof.temp()),
        };
        if epoch.number + config.seq_window_size > origin.number {
            return Err(PipelineError::Eof.temp());
        }
        let batch = SingleBatch {
            parent_hash: parent.block.hash,
            epoch_num: epoch.number,
            epoch_hash: epoch.hash,
            timestamp,
            transactions: Vec::new(),
        };
        Ok(NextBatch {
            batch,
            is_last: true,
        })
    }
}

fn place<'a>(
    context: &'a Context,
    origins: &'a mut Origins,
    parent: &'a ParentBlock,
    inclusion: &'a BlockInfo,
) -> Place<'a> {
    Place {
        config: &context.config,
        origins: origins.of(&parent.block),
        safe: &parent.block,
        inclusion,
    }
}
