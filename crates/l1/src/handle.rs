//! What others may ask of L1.

use crate::{
    L1Error, L1Metrics, L1Status,
    endpoints::Endpoints,
    fetcher::{Fetcher, HeadLogs, News},
    status::Snapshot,
    window::Forks,
};
use alloy_primitives::B256;
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Mutex, broadcast, watch};

/// The heads of L1 as one value. The zero object stands for "not known".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Heads {
    /// Latest block.
    pub head: L1BlockRef,
    /// Block of the `safe` tag.
    pub safe: L1BlockRef,
    /// Block of the `finalized` tag.
    pub finalized: L1BlockRef,
}

/// Where a block stands to our L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonicality {
    /// It is the block of its height on our L1.
    Canonical,
    /// Our L1 has another block at its height.
    Mismatch {
        /// Our block's hash.
        ours: B256,
    },
    /// Our L1 has not reached its height.
    Ahead,
}

/// A door to L1. Cheap to clone; it goes on answering after the watcher has stopped.
#[derive(Clone, Debug)]
pub struct L1Handle {
    fetcher: Arc<Mutex<Fetcher>>,
    endpoints: Endpoints,
    news: News,
    heads: watch::Receiver<L1Heads>,
    status: watch::Receiver<Snapshot>,
    metrics: L1Metrics,
    check_deadline: Duration,
}

impl L1Handle {
    pub(crate) const fn new(
        fetcher: Arc<Mutex<Fetcher>>,
        endpoints: Endpoints,
        news: News,
        heads: watch::Receiver<L1Heads>,
        status: watch::Receiver<Snapshot>,
        metrics: L1Metrics,
        check_deadline: Duration,
    ) -> Self {
        Self {
            fetcher,
            endpoints,
            news,
            heads,
            status,
            metrics,
            check_deadline,
        }
    }

    /// The heads as last seen.
    pub fn heads(&self) -> L1Heads {
        *self.heads.borrow()
    }

    /// The heads on every change.
    pub fn watch(&self) -> watch::Receiver<L1Heads> {
        self.heads.clone()
    }

    pub(crate) fn forks(&self) -> watch::Receiver<Forks> {
        self.news.forks.clone()
    }

    /// Each new head from now on, with the bloom of its logs.
    pub(crate) fn head_logs(&self) -> broadcast::Receiver<HeadLogs> {
        self.news.head_logs.subscribe()
    }

    pub(crate) const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Which endpoint serves, and how well.
    pub fn status(&self) -> L1Status {
        self.status.borrow().to_status()
    }

    /// What the client measures, for registration.
    pub const fn metrics(&self) -> &L1Metrics {
        &self.metrics
    }

    /// L1 reorgs seen so far.
    pub fn reorgs(&self) -> u64 {
        self.status.borrow().reorgs
    }

    /// Says for each of a few blocks whether it is canonical, in the order of `blocks`. Answered from memory where our
    /// window knows the height; else by one batch that also brings the newest head.
    ///
    /// # Errors
    /// If L1 had to be asked and no endpoint gave a usable answer. The next call may succeed.
    ///
    /// # Cancel safety
    /// What was learned before the drop stays; the request in flight is lost.
    pub async fn check(&self, blocks: &[BlockNumHash]) -> Result<Vec<Canonicality>, L1Error> {
        self.fetcher
            .lock()
            .await
            .check(blocks, self.check_deadline)
            .await
    }
}
