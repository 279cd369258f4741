//! The safe-head history as derivation writes and reads it. Writes wait for a disk, so they are made beside the actor, several
//! samples at a time; a disk that fails or is slow costs samples and never holds derivation up.

use light_node_protocol::{BlockNumHash, L1BlockRef};
use light_node_safedb::{Observation, Observed, SafeDb, StoreError};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::warn;

/// Samples that wait for the disk. More than an L1 epoch of them; beyond that the disk is what has to be looked at.
const WAITING_MAX: usize = 1024;

/// Pairs that a search for a start may look at.
const KNOWN_MAX: usize = 16;

/// The way to the history, if it is kept.
#[derive(Debug)]
pub(crate) struct History {
    db: Option<SafeDb>,
    /// The L1 block from which derivation started: what the history says about L1 up to it is not touched by what comes.
    start: BlockNumHash,
    waiting: Vec<Observation>,
    writing: Option<JoinHandle<Result<(), StoreError>>>,
    is_failing: bool,
}

impl History {
    pub(crate) const fn new(db: Option<SafeDb>) -> Self {
        Self {
            db,
            start: BlockNumHash::new(0, alloy_primitives::B256::ZERO),
            waiting: Vec::new(),
            writing: None,
            is_failing: false,
        }
    }

    /// The store itself, to be read beside the actor.
    pub(crate) fn store(&self) -> Option<SafeDb> {
        self.db.clone()
    }

    /// Derivation starts at this L1 block. What waits is of before.
    pub(crate) fn restart(&mut self, origin: BlockNumHash) {
        self.waiting.clear();
        self.start = origin;
    }

    /// All of L1 up to `used_up` is derived, and this is the safe head.
    pub(crate) fn note(&mut self, used_up: L1BlockRef, safe: BlockNumHash) {
        if self.db.is_some() && self.waiting.len() < WAITING_MAX {
            self.waiting.push(Observation {
                cursor: used_up,
                safe,
                is_complete: true,
            });
        }
    }

    /// Begins to write what waits, if nothing is being written.
    pub(crate) fn write(&mut self) {
        let Some(db) = self.db.clone() else { return };
        if self.writing.is_some() || self.waiting.is_empty() {
            return;
        }
        let samples = std::mem::take(&mut self.waiting);
        let start = self.start;
        self.writing = Some(spawn_blocking(move || observe(&db, &samples, start)));
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
            Ok(Ok(())) => {
                self.is_failing = false;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        if !std::mem::replace(&mut self.is_failing, true) {
            warn!(
                error,
                "the history of safe heads cannot be written and will have a gap"
            );
        }
    }
}

/// L1 blocks with the safe head that was derived up to them, newest first; empty if nothing is known.
pub(crate) async fn newest(db: Option<SafeDb>) -> Vec<(BlockNumHash, BlockNumHash)> {
    let Some(db) = db else { return Vec::new() };
    let spans = spawn_blocking(move || db.newest(KNOWN_MAX)).await;
    let spans = spans.ok().and_then(Result::ok).unwrap_or_default();
    let pair = |span: light_node_safedb::Span| (span.from, span.safe);
    spans.into_iter().map(pair).collect()
}

/// Samples that contradict the history are those of a new L1 branch: what was known above the start is forgotten.
fn observe(db: &SafeDb, samples: &[Observation], start: BlockNumHash) -> Result<(), StoreError> {
    if let Observed::Contradicts(_) = db.observe(samples)? {
        db.rewind_to_l1(start)?;
        db.observe(samples)?;
    }
    Ok(())
}
