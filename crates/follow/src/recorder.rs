//! Writes what the source was seen with, its L1 cursor beside its safe head, into the history of safe heads. Beside the
//! actor: a slow or full disk costs samples, and never an update.
//!
//! Two samples say something together only if they are of one L1 chain. So both cursors are looked up on L1 before a sample
//! is written, and after an L1 reorg the history is taken back to the newest block that is still there.
//!
//! A source that has just started, or has reset itself, derives again what it had derived before: its cursor is then below
//! the block that made its safe head safe, and nothing tells. So a safe head counts only once it was *seen to be reached*: it
//! grew from one poll to the next, while no poll failed and the cursor did not go back.

use crate::poll::{Failure, Finding};
use alloy_primitives::B256;
use light_node_actor::in_words;
use light_node_engine::DerivationState;
use light_node_l1::{Canonicality, L1Error, L1Handle};
use light_node_protocol::{BlockNumHash, L1BlockRef};
use light_node_safedb::{Contradiction, Observation, Observed, SafeDb, Span, StoreError};
use std::{future::Future, pin::Pin, time::Duration};
use thiserror::Error;
use tokio::{
    task::{JoinError, spawn_blocking},
    time::Instant,
};
use tracing::{info, warn};

/// Spans that are looked up on L1 at a time, with two blocks each: one batch of requests.
const SPANS_AT_A_TIME: usize = 5;

/// Such questions after which the history is given up: no reorg is that deep, L1 is another chain.
const QUESTIONS_MAX: usize = 40;

/// Two polls further apart do not show whether the source was there all the time.
const CONTINUITY_MAX: Duration = Duration::from_secs(5);

/// Why a sample was not written. The next one may be.
#[derive(Debug, Error)]
enum RecordError {
    #[error("the store fails")]
    Store(#[from] StoreError),
    #[error("l1 cannot be asked")]
    L1(#[from] L1Error),
    #[error("the writer ended")]
    Join(#[from] JoinError),
}

/// A pairing that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    cursor: L1BlockRef,
    safe: BlockNumHash,
    finalized: BlockNumHash,
    /// The safe head was seen to be reached.
    is_reached: bool,
    /// The safe head had gone back.
    moved_back: bool,
}

/// What the source said at the last poll.
#[derive(Clone, Copy, Debug)]
struct Seen {
    cursor: u64,
    safe: u64,
    at: Instant,
}

type Writing = Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send>>;

/// One write in flight, one sample that waits.
#[derive(Default)]
pub(crate) struct Recorder {
    history: Option<SafeDb>,
    writing: Option<Writing>,
    waiting: Option<Sample>,
    is_failing: bool,
    seen: Option<Seen>,
    /// The hash of the last safe head that was seen to be reached.
    reached: Option<B256>,
    l1_reorgs: u64,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("history", &self.history)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Writes into `history`, or nowhere.
    pub(crate) fn new(history: Option<SafeDb>) -> Self {
        Self {
            history,
            ..Self::default()
        }
    }

    /// A poll has ended, whatever becomes of it. `l1_reorgs` are those that our L1 has seen so far: what was reached on a branch
    /// that is gone has to be reached again.
    pub(crate) fn note_poll(&mut self, finding: &Result<Finding, Failure>, l1_reorgs: u64) {
        match finding {
            Ok(Finding::New(answer)) => self.note_said(&answer.said, l1_reorgs),
            Ok(Finding::Settled) => self.note_repeated(),
            // Nobody knows what the source did meanwhile.
            Err(_) => self.seen = None,
        }
    }

    /// The source has said the same again.
    fn note_repeated(&mut self) {
        let now = Instant::now();
        let before = self.seen.take();
        self.seen = before
            .filter(|seen| now.duration_since(seen.at) <= CONTINUITY_MAX)
            .map(|seen| Seen { at: now, ..seen });
    }

    fn note_said(&mut self, said: &DerivationState, l1_reorgs: u64) {
        if std::mem::replace(&mut self.l1_reorgs, l1_reorgs) != l1_reorgs {
            self.seen = None;
            self.reached = None;
        }
        let now = Instant::now();
        let (cursor, safe) = (said.current_l1.number, said.local_safe.number);
        let before = self
            .seen
            .filter(|seen| now.duration_since(seen.at) <= CONTINUITY_MAX);
        if before.is_some_and(|seen| seen.safe < safe && seen.cursor <= cursor) {
            self.reached = Some(said.local_safe.hash);
        }
        // A source without a cursor is resetting itself.
        self.seen = (!said.current_l1.is_zero()).then_some(Seen {
            cursor,
            safe,
            at: now,
        });
    }

    /// The engine has applied what the source `said`, with a cursor that is on our L1. The newest sample that waits is kept.
    pub(crate) fn offer(&mut self, said: &DerivationState, moved_back: bool) {
        if self.history.is_none() || said.current_l1.is_zero() || said.local_safe.is_zero() {
            return;
        }
        let dropped = self.waiting.take();
        self.waiting = Some(Sample {
            cursor: said.current_l1,
            safe: BlockNumHash::new(said.local_safe.number, said.local_safe.hash),
            finalized: BlockNumHash::new(said.finalized.number, said.finalized.hash),
            is_reached: self.reached == Some(said.local_safe.hash),
            moved_back: moved_back || dropped.is_some_and(|sample| sample.moved_back),
        });
    }

    /// Writes the sample that waits; for ever, if there is none.
    ///
    /// # Cancel safety
    /// The write goes on with the next call.
    pub(crate) async fn write(&mut self, l1: &L1Handle) {
        if self.writing.is_none() {
            let (Some(history), Some(sample)) = (&self.history, self.waiting.take()) else {
                return std::future::pending().await;
            };
            self.writing = Some(Box::pin(record(history.clone(), l1.clone(), sample)));
        }
        let Some(writing) = &mut self.writing else {
            return;
        };
        let outcome = writing.await;
        self.writing = None;
        match outcome {
            Ok(()) if self.is_failing => {
                self.is_failing = false;
                info!("history of safe heads is written again");
            }
            // L1 says itself when it is down.
            Ok(()) | Err(RecordError::L1(_)) => {}
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                warn!(
                    error = in_words(&error),
                    "history of safe heads is not written"
                );
            }
            Err(_) => {}
        }
    }
}

async fn record(history: SafeDb, l1: L1Handle, sample: Sample) -> Result<(), RecordError> {
    let last = blocking(&history, SafeDb::last).await?;
    let mut blocks = vec![sample.cursor.id()];
    blocks.extend(last.map(|last| last.cursor));
    let verdicts = l1.check(&blocks).await?;
    if verdicts.contains(&Canonicality::Ahead) || verdicts[0] != Canonicality::Canonical {
        // L1 has moved meanwhile, or is too short to tell.
        return Ok(());
    }
    let last = match last {
        Some(_) if verdicts[1..] != [Canonicality::Canonical] => {
            rewind(&history, &l1).await?;
            blocking(&history, SafeDb::last).await?
        }
        last => last,
    };
    if sample.moved_back {
        let finalized = sample.finalized.number;
        blocking(&history, move |history| history.rewind_to_l2(finalized)).await?;
    }
    let was_reached = last.is_some_and(|last| last.safe == sample.safe);
    if !sample.is_reached && !was_reached {
        return Ok(());
    }
    blocking(&history, move |history| observe(history, &sample)).await
}

fn observe(history: &SafeDb, sample: &Sample) -> Result<(), StoreError> {
    let observation = [Observation {
        cursor: sample.cursor,
        safe: sample.safe,
        // The source may be in the middle of the block.
        is_complete: false,
    }];
    match history.observe(&observation)? {
        Observed::Taken => return Ok(()),
        // The source tells another story than before. Either may be wrong.
        Observed::Contradicts(Contradiction::L2) => {
            history.rewind_to_l2(sample.finalized.number)?
        }
        // L1 has moved while it was asked. The next sample finds out how.
        Observed::Contradicts(Contradiction::L1) => return Ok(()),
    }
    history.observe(&observation).map(|_| ())
}

/// Takes the history back to the newest L1 block in it that is canonical.
async fn rewind(history: &SafeDb, l1: &L1Handle) -> Result<(), RecordError> {
    let mut below = u64::MAX;
    for _ in 0..QUESTIONS_MAX {
        let spans = blocking(history, move |history| {
            history.newest_below(below, SPANS_AT_A_TIME)
        })
        .await?;
        let Some(oldest) = spans.last() else { break };
        below = oldest.from.number;
        if let Some(canonical) = newest_canonical(&spans, l1).await? {
            info!(l1_block = canonical.number, hash = %canonical.hash, "history of safe heads taken back after an l1 reorg");
            return blocking(history, move |history| history.rewind_to_l1(canonical)).await;
        }
    }
    info!("history of safe heads begins anew: l1 has left all of it");
    blocking(history, SafeDb::clear).await
}

/// The newest block at either end of `spans`, newest first, that is on L1.
async fn newest_canonical(spans: &[Span], l1: &L1Handle) -> Result<Option<BlockNumHash>, L1Error> {
    let ends: Vec<_> = spans
        .iter()
        .flat_map(|span| [span.through, span.from])
        .collect();
    let verdicts = l1.check(&ends).await?;
    let mut judged = ends.into_iter().zip(verdicts);
    let canonical = judged.find(|(_, verdict)| *verdict == Canonicality::Canonical);
    Ok(canonical.map(|(end, _)| end))
}

async fn blocking<T: Send + 'static>(
    history: &SafeDb,
    work: impl FnOnce(&SafeDb) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, RecordError> {
    let history = history.clone();
    Ok(spawn_blocking(move || work(&history)).await??)
}

#[cfg(test)]
mod tests;
