//! What others may read of the follow actor. What it takes goes on to the source, not to the actor.

use crate::{
    metrics::FollowMetrics,
    source::{FollowSource, SourceError},
    status::{FollowStatus, Snapshot},
};
use light_node_safedb::SafeHeadAtL1;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// A door to the follow actor. Cheap to clone; after the actor's end it goes on with the last state.
#[derive(Clone, Debug)]
pub struct FollowHandle {
    own_id: Arc<str>,
    source: Arc<dyn FollowSource>,
    max_age: Duration,
    snapshot: watch::Receiver<Snapshot>,
    metrics: FollowMetrics,
}

impl FollowHandle {
    pub(crate) const fn new(
        own_id: Arc<str>,
        source: Arc<dyn FollowSource>,
        max_age: Duration,
        snapshot: watch::Receiver<Snapshot>,
        metrics: FollowMetrics,
    ) -> Self {
        Self {
            own_id,
            source,
            max_age,
            snapshot,
            metrics,
        }
    }

    /// The state after the last poll.
    pub fn status(&self) -> FollowStatus {
        self.snapshot
            .borrow()
            .to_status(self.source.name(), self.max_age)
    }

    /// Asks the source for the safe head once L1 up to `l1_number` is derived. Ends within the deadline of the source's calls.
    ///
    /// # Errors
    /// The source does not answer, or does not know.
    ///
    /// # Cancel safety
    /// Nothing is lost but the call.
    pub async fn safe_head_at_l1_block(&self, l1_number: u64) -> Result<SafeHeadAtL1, SourceError> {
        self.source.safe_head_at_l1_block(l1_number).await
    }

    /// What the actor measures, to be registered.
    pub fn metrics(&self) -> FollowMetrics {
        self.metrics.clone()
    }

    /// Waits for the next poll or engine answer, and returns the state after it.
    #[cfg(test)]
    pub(crate) async fn changed(&mut self) -> FollowStatus {
        if self.snapshot.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.status()
    }

    /// Whom we follow, ourselves first: the answer of `lightnode_followPath`.
    pub fn path(&self) -> Vec<String> {
        let snapshot = self.snapshot.borrow();
        std::iter::once(self.own_id.to_string())
            .chain(snapshot.path.iter().cloned())
            .collect()
    }
}
