//! A cut of the network: whatever the node asks, nobody answers, and the chain goes on meanwhile.

use super::{Failure, World};
use crate::fault::{CALLS, ElEvent, L1Event, SourceEvent};
use std::time::Duration;
use tokio::time::Instant;

/// Time from an L1 block to the next.
const L1_BLOCK_TIME: Duration = Duration::from_secs(12);

/// A node that stands where its source does, a cut for `time`, and how long the node needs afterwards to stand there again.
///
/// # Errors
/// The first violation of an invariant.
pub async fn network_cut(seed: u64, time: Duration) -> Result<Duration, Failure> {
    let mut world = World::new(seed);
    let outcome = world.cut_off(time).await;
    let trace = world.trace;
    outcome.map_err(|cause| Failure { cause, trace })
}

impl World {
    async fn cut_off(&mut self, time: Duration) -> Result<Duration, String> {
        self.converge().await?;
        self.log("the network is cut");
        let before = self.node.handle.engine.state();
        for index in 0..self.l1.len() {
            self.l1_event(index, L1Event::Silent);
        }
        self.source_event(SourceEvent::Hanging);
        let end = Instant::now() + time;
        while Instant::now() < end {
            for call in CALLS {
                self.el_event(ElEvent::Hang(call));
            }
            self.model().advance(1);
            self.see();
            self.pass(L1_BLOCK_TIME).await?;
        }
        let now = self.node.handle.engine.state();
        if now.safe_head != before.safe_head || now.finalized_head != before.finalized_head {
            return Err("heads moved although nobody answered".to_owned());
        }
        self.heal();
        self.converge().await
    }
}
