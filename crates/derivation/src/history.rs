//! The safe-head history as derivation writes and reads it. Writes wait for a disk, so they are made beside the actor, several
//! samples at a time; a disk that fails or is slow costs samples and never holds derivation up.
//!
//! At each start the history is taken back to what L1 still bears out and derivation will not say anew. From there on there is
//! a sample for every L1 block of which the safe head is known, so that there are no holes.

use light_node_actor::in_words;
use light_node_l1::{L1DataError, L1Source};
use light_node_protocol::{BlockNumHash, L1BlockRef};
use light_node_safedb::{Observation, Observed, SafeDb, Span, StoreError};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{info, warn};

/// Samples that wait for the disk. More than an L1 epoch of them; beyond that the disk is what has to be looked at.
const WAITING_MAX: usize = 1024;

/// Pairs that a search for a start may look at: an L1 reorg that finality allows is not deeper.
const KNOWN_MAX: usize = 96;

/// Of which L1 blocks the safe head is known to be the one of all of L1 up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Exact {
    /// Of none: the safe head is above what was derived up to the L1 block.
    #[default]
    None,
    /// Of those above this one.
    Above(u64),
    /// Of every one that is used up from now on.
    All,
}

/// Samples on their way to the disk.
#[derive(Debug, Default)]
struct Batch {
    /// What comes first: all above this L1 block is forgotten, or everything.
    rewind: Option<Option<BlockNumHash>>,
    samples: Vec<Observation>,
}

/// The way to the history, if it is kept.
#[derive(Debug, Default)]
pub(crate) struct History {
    db: Option<SafeDb>,
    exact: Exact,
    waiting: Batch,
    writing: Option<JoinHandle<(Batch, Result<(), StoreError>)>>,
    /// The last write failed. The next sample is waited for before it is tried again.
    is_failing: bool,
    is_retry_due: bool,
}

impl History {
    pub(crate) fn new(db: Option<SafeDb>) -> Self {
        Self {
            db,
            ..Self::default()
        }
    }

    /// The store itself, to be read beside the actor.
    pub(crate) fn store(&self) -> Option<SafeDb> {
        self.db.clone()
    }

    /// Derivation starts. Of the history stays what is said up to the L1 block `base`, or nothing; `exact` says of what is read now.
    /// What waits is of before.
    pub(crate) fn restart(&mut self, base: Option<BlockNumHash>, exact: Exact) {
        self.exact = exact;
        if self.db.is_some() {
            self.waiting.samples.clear();
            self.waiting.rewind = Some(base);
            self.is_retry_due = true;
        }
    }

    /// A block was derived since the start: from now on the safe head is what was derived.
    pub(crate) const fn note_derived(&mut self) {
        self.exact = Exact::All;
    }

    /// All of L1 up to `used_up` is derived, and this is the safe head.
    pub(crate) fn note(&mut self, used_up: L1BlockRef, safe: BlockNumHash) {
        let is_exact = match self.exact {
            Exact::None => false,
            Exact::Above(number) => used_up.number > number,
            Exact::All => true,
        };
        if self.db.is_none() || !is_exact {
            return;
        }
        self.is_retry_due = true;
        if self.waiting.samples.len() < WAITING_MAX {
            self.waiting.samples.push(Observation {
                cursor: used_up,
                safe,
                is_complete: true,
            });
        }
    }

    /// Begins to write what waits, if nothing is being written.
    pub(crate) fn write(&mut self) {
        let Some(db) = self.db.clone() else { return };
        let is_empty = self.waiting.rewind.is_none() && self.waiting.samples.is_empty();
        if self.writing.is_some() || is_empty || !self.is_retry_due {
            return;
        }
        self.is_retry_due = false;
        let batch = std::mem::take(&mut self.waiting);
        self.writing = Some(spawn_blocking(move || {
            let outcome = batch.write(&db);
            (batch, outcome)
        }));
    }

    /// Waits for the end of a write; for ever if there is none.
    ///
    /// # Cancel safety
    /// When dropped, the write goes on.
    pub(crate) async fn written(&mut self) {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let outcome = writing.await;
        self.writing = None;
        let error = match outcome {
            Ok((_, Ok(()))) => {
                self.is_retry_due = true;
                if std::mem::take(&mut self.is_failing) {
                    info!("the history of safe heads is written again");
                }
                return;
            }
            Ok((batch, Err(error))) => {
                self.take_back(batch);
                in_words(&error)
            }
            Err(error) => in_words(&error),
        };
        if !std::mem::replace(&mut self.is_failing, true) {
            warn!(
                error,
                "the history of safe heads cannot be written; it is tried again"
            );
        }
    }

    /// What could not be written comes before what waits, unless a new start has made it void.
    fn take_back(&mut self, mut batch: Batch) {
        if self.waiting.rewind.is_some() {
            return;
        }
        batch.samples.append(&mut self.waiting.samples);
        batch.samples.truncate(WAITING_MAX);
        self.waiting = batch;
    }
}

impl Batch {
    /// All of it can be written again without harm.
    fn write(&self, db: &SafeDb) -> Result<(), StoreError> {
        if let Some(base) = self.rewind {
            match base {
                Some(l1_block) => db.rewind_to_l1(l1_block)?,
                None => db.clear()?,
            }
        }
        if let Observed::Contradicts(contradiction) = db.observe(&self.samples)? {
            // Each start takes the history back to where it goes on, so this is a fault of ours: better no history than a wrong one.
            warn!(
                ?contradiction,
                "the history of safe heads contradicts derivation and begins anew"
            );
            db.clear()?;
            db.observe(&self.samples)?;
        }
        Ok(())
    }
}

/// An L1 block, and the safe head that was derived up to it.
pub(crate) type Pair = (BlockNumHash, BlockNumHash);

/// What is known, newest first; empty if nothing is.
pub(crate) async fn newest(db: Option<SafeDb>) -> Vec<Pair> {
    newest_up_to(db, u64::MAX).await
}

/// What holds of the history when derivation goes on after the L2 block `safe`, newest first: nothing above `safe`, and the first
/// L1 block is canonical.
///
/// # Errors
/// If L1 could not be asked.
pub(crate) async fn bearing(
    db: Option<SafeDb>,
    l1: &dyn L1Source,
    safe: u64,
) -> Result<Vec<Pair>, L1DataError> {
    let mut pairs = newest_up_to(db, safe).await;
    for (index, (block, _)) in pairs.iter().enumerate() {
        let canonical = l1.block_ref(block.number).await?;
        if canonical.is_some_and(|canonical| canonical.hash == block.hash) {
            return Ok(pairs.split_off(index));
        }
    }
    Ok(Vec::new())
}

async fn newest_up_to(db: Option<SafeDb>, safe: u64) -> Vec<Pair> {
    let Some(db) = db else { return Vec::new() };
    let spans = spawn_blocking(move || db.newest_up_to(safe, KNOWN_MAX)).await;
    let spans = spans.ok().and_then(Result::ok).unwrap_or_default();
    let pair = |span: Span| (span.from, span.safe);
    spans.into_iter().map(pair).collect()
}
