//! EL sync: when a forkchoice asks for a head that is not there, its blocks are fetched from a peer EL and executed.
//!
//! It follows the engine's published sync target in steps of one batch: first headers, from the target back to a block
//! that can be executed on (only their hashes are kept), then blocks, forward from there through the ordinary
//! `newPayload`. The engine makes the target the head by itself once it is there. Before each step the target is looked at
//! anew: one that moved on along the same chain lengthens the way that is known, any other starts over. While the peer is
//! cut off on command nothing is fetched. Nothing that the
//! peer says is believed: a header must have the hash that its child names, a block must have the header's hash and is
//! executed. Errors are retried with backoff.

mod peer;
mod way;

pub use peer::PeerError;

use crate::el::{EmbeddedEl, SyncProgress};
use alloy_consensus::Header;
use alloy_primitives::B256;
use alloy_rpc_types_engine::PayloadStatus;
use light_node_actor::Backoff;
use op_alloy_rpc_types_engine::OpExecutionData;
use peer::Peer;
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use url::Url;
use way::{Way, WayError};

/// First and longest delay between attempts after an error.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Largest batch. A server bounds its batches, and the answer must fit into memory when blocks are full.
const BATCH_MAX: usize = 128;

/// From whom an [`ElSync`] fetches, and how fast.
#[derive(Clone, Debug)]
pub struct SyncConfig {
    /// JSON-RPC port of the peer EL that needs no token.
    pub peer: Url,
    /// Artificial wait before each batch, for tests of what happens during a sync.
    pub delay: Duration,
    /// Blocks per batch.
    pub batch: usize,
}

impl SyncConfig {
    /// As fast as the peer answers.
    pub const fn new(peer: Url) -> Self {
        Self {
            peer,
            delay: Duration::ZERO,
            batch: 64,
        }
    }
}

/// Why a step failed. Every one is tried again.
#[derive(Debug, Error)]
enum StepError {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Way(#[from] WayError),
    #[error("the target is there, but its state or an ancestor of it is not kept any more")]
    TargetDropped,
    #[error("the target is {gap} blocks ahead, and the finalized block of its forkchoice is known")]
    TooFar { gap: u64 },
    #[error("the execution of a block ended without an answer")]
    NoAnswer(#[from] tokio::task::JoinError),
    #[error("block {hash} was fetched in order, yet the engine says {status}")]
    NotExecuted { hash: B256, status: String },
}

/// Fetches the blocks that a forkchoice asked for.
#[derive(Debug)]
pub struct ElSync {
    el: Arc<EmbeddedEl>,
    peer: Peer,
    delay: Duration,
    batch: usize,
    way: Way,
    backoff: Backoff,
    progress: Option<SyncProgress>,
}

impl ElSync {
    /// A sync of `el`. Nothing is asked of the peer before there is something to fetch.
    ///
    /// # Errors
    ///
    /// If the HTTP client cannot be set up.
    pub fn new(el: Arc<EmbeddedEl>, config: SyncConfig) -> Result<Self, PeerError> {
        let peer = Peer::new(config.peer)?;
        el.peer.send_replace(Some(true));
        Ok(Self {
            el,
            peer,
            delay: config.delay,
            batch: config.batch.clamp(1, BATCH_MAX),
            way: Way::default(),
            backoff: Backoff::new(RETRY.0, RETRY.1),
            progress: None,
        })
    }

    /// Runs until `token` is cancelled.
    pub async fn run(mut self, token: CancellationToken) {
        token.run_until_cancelled(self.serve()).await;
        self.finish();
    }

    async fn serve(&mut self) {
        let mut targets = self.el.subscribe_sync_target();
        let mut connected = self.el.peer.subscribe();
        loop {
            let target = *targets.borrow_and_update();
            let Some(target) = target else {
                self.finish();
                if targets.changed().await.is_err() {
                    return;
                }
                continue;
            };
            self.begin(target.hash);
            if *connected.borrow_and_update() == Some(false) {
                tokio::select! {
                    _ = targets.changed() => {}
                    _ = connected.changed() => {}
                }
                continue;
            }
            tokio::time::sleep(self.delay).await;
            match self.step(target.hash).await {
                Ok(()) => self.backoff.reset(),
                Err(error @ StepError::TooFar { .. }) => {
                    tracing::warn!(%error, target = %target.hash, "the EL sync stands still");
                    self.way.clear();
                    // Another forkchoice is needed, and none that names the same.
                    let _ = targets.changed().await;
                }
                Err(error) => {
                    tracing::warn!(%error, target = %target.hash, "a step of the EL sync failed");
                    // What is known of the way may be the peer's lie, or a branch that it has left.
                    self.way.clear();
                    tokio::time::sleep(self.backoff.next_delay()).await;
                }
            }
        }
    }

    fn begin(&mut self, target: B256) {
        if self.progress.is_none() {
            let head = self.el.view().head().number();
            tracing::info!(%target, head, "EL sync starts");
            self.report(SyncProgress {
                starting: head,
                current: head,
                highest: head,
            });
        }
    }

    fn finish(&mut self) {
        self.way.clear();
        self.el.with_engine(|engine| engine.set_backfilling(false));
        if self.progress.take().is_some() {
            let view = self.el.view();
            let head = view.head();
            tracing::info!(number = head.number(), hash = %head.hash, "EL sync ends");
        }
        self.el.report_sync(None);
    }

    fn report(&mut self, progress: SyncProgress) {
        self.progress = Some(progress);
        self.el.report_sync(self.progress);
    }

    /// One batch nearer to the target.
    async fn step(&mut self, target: B256) -> Result<(), StepError> {
        if self.is_executed(&target) {
            return Err(StepError::TargetDropped);
        }
        if self.way.top() != Some(target) {
            self.aim_at(target).await?;
        }
        match self.way.lowest_parent() {
            Some(parent) if !self.can_execute_on(&parent) => self.descend().await,
            Some(_) | None => self.execute().await,
        }
    }

    /// Makes `target` the top of the way, and keeps the rest if it is on the same chain.
    async fn aim_at(&mut self, target: B256) -> Result<(), StepError> {
        let header = self.peer.header(target).await?;
        let number = header.number;
        let choice = self.choose_way_of_sync(number);
        // After the choice and whatever it is: who sees the target's number knows that it is made.
        if let Some(progress) = self.progress {
            self.report(SyncProgress {
                highest: number,
                ..progress
            });
        }
        choice?;
        let mut above = Way::start(target, &header);
        if let Some(top) = self.way.top_number()
            && let Some(between) = number.checked_sub(top + 1)
            && between > 0
            && usize::try_from(between).is_ok_and(|between| between <= self.batch)
        {
            for header in self.linked_below(&above, between).await? {
                above.lower(&header)?;
            }
        }
        self.way.put_under(above);
        Ok(())
    }

    /// A long gap is filled by a backfill, or not at all, as the imitated execution layer does it.
    fn choose_way_of_sync(&self, number: u64) -> Result<(), StepError> {
        let (head, behaviour) = (self.el.view().head().number(), self.el.behaviour());
        let gap = number.saturating_sub(head);
        let is_finalized_known = self
            .el
            .sync_target()
            .is_some_and(|target| target.is_finalized_known);
        if behaviour.is_too_far(gap, is_finalized_known) {
            return Err(StepError::TooFar { gap });
        }
        if behaviour.backfills(head, gap) {
            self.el.with_engine(|engine| engine.set_backfilling(true));
        }
        Ok(())
    }

    /// Walks back by one batch of headers, or until a block that can be executed on.
    async fn descend(&mut self) -> Result<(), StepError> {
        let room = self.way.lowest_number() - self.el.view().genesis().number();
        if room <= 1 {
            return Err(WayError::NoCommonAncestor.into());
        }
        let count = (self.batch as u64).min(room - 1);
        for header in self.linked_below(&self.way, count).await? {
            self.way.lower(&header)?;
            if self.can_execute_on(&header.parent_hash) {
                break;
            }
        }
        Ok(())
    }

    /// Up to `count` headers below the way, highest first, each the parent of the one before. At least one: where the peer's
    /// canonical chain is another one, the parent is asked for by hash.
    async fn linked_below(&self, way: &Way, count: u64) -> Result<Vec<Header>, StepError> {
        let highest = way.lowest_number().saturating_sub(1);
        let lowest = highest.saturating_sub(count - 1);
        let Some(mut expected) = way.lowest_parent() else {
            return Ok(Vec::new());
        };
        let mut linked = Vec::new();
        for header in self.peer.canonical_headers(lowest..=highest).await? {
            if header.hash_slow() != expected {
                break;
            }
            expected = header.parent_hash;
            linked.push(header);
        }
        if linked.is_empty() {
            linked.push(self.peer.header(expected).await?);
        }
        Ok(linked)
    }

    /// Fetches and executes the lowest blocks of the way.
    async fn execute(&mut self) -> Result<(), StepError> {
        let hashes = self.way.lowest(self.batch);
        for block in self.peer.blocks(&hashes).await? {
            let (hash, number) = (block.header.hash_slow(), block.header.number);
            let data = OpExecutionData::from_block_unchecked(hash, &block);
            let el = self.el.clone();
            let status: PayloadStatus =
                tokio::task::spawn_blocking(move || el.import(data)).await?;
            // An invalid block is not the peer's fault, whose block has the hash that was asked for. What stands on it is
            // handed in all the same, so that the engine learns that the target is invalid.
            if !status.is_valid() && !status.is_invalid() {
                let status = status.to_string();
                return Err(StepError::NotExecuted { hash, status });
            }
            self.way.pop_lowest();
            if let Some(progress) = self.progress {
                self.report(SyncProgress {
                    current: number,
                    highest: progress.highest.max(number),
                    ..progress
                });
            }
        }
        Ok(())
    }

    fn is_executed(&self, hash: &B256) -> bool {
        self.el.view().block_by_hash(hash).is_some()
    }

    fn can_execute_on(&self, hash: &B256) -> bool {
        self.el.view().state(hash).is_some()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
