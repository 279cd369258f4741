//! What others may read of the follow actor. It takes no requests.

use crate::metrics::FollowMetrics;
use crate::status::{FollowStatus, Snapshot};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// A door to the follow actor. Cheap to clone; after the actor's end it goes on with the last state.
#[derive(Clone, Debug)]
pub struct FollowHandle {
    own_id: Arc<str>,
    source: Arc<str>,
    max_age: Duration,
    snapshot: watch::Receiver<Snapshot>,
    metrics: FollowMetrics,
}

impl FollowHandle {
    pub(crate) const fn new(
        own_id: Arc<str>,
        source: Arc<str>,
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
        self.snapshot.borrow().to_status(&self.source, self.max_age)
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
