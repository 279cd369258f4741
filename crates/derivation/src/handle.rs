//! What others may read of the derivation actor. It takes no requests: a reset that an operator wants goes to the engine.

use crate::{
    metrics::DerivationMetrics,
    status::{DerivationStatus, Measure, Snapshot},
};
use light_node_l1::L1Heads;
use tokio::sync::watch;

/// A door to the derivation actor. Cheap to clone; after the actor's end it goes on with the last state.
#[derive(Clone, Debug)]
pub struct DerivationHandle {
    snapshot: watch::Receiver<Snapshot>,
    l1_heads: watch::Receiver<L1Heads>,
    measure: Measure,
    metrics: DerivationMetrics,
}

impl DerivationHandle {
    pub(crate) const fn new(
        snapshot: watch::Receiver<Snapshot>,
        l1_heads: watch::Receiver<L1Heads>,
        measure: Measure,
        metrics: DerivationMetrics,
    ) -> Self {
        Self {
            snapshot,
            l1_heads,
            measure,
            metrics,
        }
    }

    /// Where derivation stands.
    pub fn status(&self) -> DerivationStatus {
        let head = self.l1_heads.borrow().head;
        self.snapshot.borrow().to_status(&head, &self.measure)
    }

    /// What the actor measures, to be registered.
    pub fn metrics(&self) -> DerivationMetrics {
        self.metrics.clone()
    }

    /// Waits for the next event, and returns the state after it; for ever if the actor has ended.
    ///
    /// # Cancel safety
    /// Safe: no event is lost.
    pub async fn changed(&mut self) -> DerivationStatus {
        if self.snapshot.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.status()
    }
}
