//! EL sync: when a forkchoice asks for a head that is not there, its blocks are fetched from a peer EL and executed.
//!
//! It works against the engine's published sync target and in steps of one batch each: first headers, from the target back
//! to a block that we can execute on (only their hashes are kept), then blocks, forward from there through the ordinary
//! `newPayload`. The engine makes the target head by itself once it is there. Before each step the target is looked at
//! anew; one that moved on along the same chain extends the way that is known, any other starts over. Nothing the peer says
//! is believed: headers hash to what their child names, blocks are executed. Its errors are retried with backoff.

mod peer;
mod way;

pub use peer::PeerError;

use crate::{chain::ChainView, el::{EmbeddedEl, SyncTarget}};
use alloy_primitives::B256;
use light_node_actor::Backoff;
use peer::Peer;
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use url::Url;
use way::{Way, WayError};

/// Delays between attempts after an error of the peer.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// Largest batch; more would not fit into one answer when blocks are full.
const BATCH_MAX: usize = 256;

/// From whom, and how fast.
#[derive(Clone, Debug)]
pub struct SyncConfig {
    /// Plain JSON-RPC port of the peer EL.
    pub peer: Url,
    /// Artificial wait before each batch, for tests of what happens during a sync.
    pub delay: Duration,
    /// Blocks per batch.
    pub batch: usize,
}

impl SyncConfig {
    /// As fast as the peer answers.
    pub const fn new(peer: Url) -> Self {
        Self { peer, delay: Duration::ZERO, batch: 64 }
    }
}

/// What `eth_syncing` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// Head when the sync began.
    pub starting: u64,
    /// Highest block on the way to the target that is executed.
    pub current: u64,
    /// Number of the target, as far as it is known.
    pub highest: u64,
}

/// Why a step failed. Every one is tried again.
#[derive(Debug, Error)]
enum StepError {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Way(#[from] WayError),
    #[error("block {hash} is not executed: {status}")]
    NotExecuted { hash: B256, status: String },
    #[error("the execution of a block ended without an answer")]
    Lost,
}

/// Fetches what a forkchoice asked for.
#[derive(Debug)]
pub struct ElSync {
    el: Arc<EmbeddedEl>,
    peer: Peer,
    delay: Duration,
    batch: usize,
    way: Way,
    backoff: Backoff,
    /// Number of the target, once its header was seen.
    highest: u64,
}

impl ElSync {
    /// A sync of `el`. Nothing is asked of the peer before there is something to fetch.
    ///
    /// # Errors
    ///
    /// If no HTTP client can be set up.
    pub fn new(el: Arc<EmbeddedEl>, config: SyncConfig) -> Result<Self, PeerError> {
        Ok(Self {
            el,
            peer: Peer::new(config.peer)?,
            delay: config.delay,
            batch: config.batch.clamp(1, BATCH_MAX),
            way: Way::default(),
            backoff: Backoff::new(FIRST_RETRY, MAX_RETRY),
            highest: 0,
        })
    }

    /// Runs until `token` is cancelled.
    pub async fn run(mut self, token: CancellationToken) {
        token.run_until_cancelled(self.serve()).await;
        self.el.report_sync(None);
    }

    async fn serve(&mut self) {
        let mut targets = self.el.subscribe_sync_target();
        loop {
            let target = *targets.borrow_and_update();
            let Some(target) = target else {
                self.finish();
                if targets.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::time::sleep(self.delay).await;
            match self.step(target).await {
                Ok(()) => self.backoff.reset(),
                Err(error) => {
                    tracing::warn!(%error, target = %target.hash, "a step of the EL sync failed");
                    // What was learned may be the peer's lie, or a branch that it has left.
                    self.way.clear();
                    tokio::time::sleep(self.backoff.next_delay()).await;
                }
            }
        }
    }
}
