//! What an operator wants to know of the engine beside its heads, and why it ends.

use crate::{follow_case::FollowCase, queue::Lane, sync_watch::SyncReport};
use alloy_primitives::B256;
use light_node_engine_api::JwtRefusal;
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio::time::Instant;

/// A snapshot of the engine's insides. Its methods say the same in the words of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineStatus {
    /// The execution layer has answered and is the one that we want.
    pub probed: bool,
    /// What the execution layer calls itself.
    pub el_version: Option<Arc<str>>,
    /// Why it could not be asked, while it cannot.
    pub last_error: Option<Arc<str>>,
    /// Since when it could not be asked, while it cannot. An engine with nothing to do asks once a minute.
    pub failing_since: Option<Instant>,
    /// What answers is the EL of another chain: heads hold until ours is back.
    pub el_wrong_chain: bool,
    /// Requests that wait, in the order of [`Lane::ALL`].
    pub queue_depths: [usize; Lane::ALL.len()],
    /// When the request that has waited longest in each lane came, in the order of [`Lane::ALL`].
    pub oldest_since: [Option<Instant>; Lane::ALL.len()],
    /// Unsafe payloads that wait for their parents.
    pub buffered_payloads: usize,
    /// Bytes that they hold.
    pub buffered_bytes: usize,
    /// Since when the execution layer has been asked for a head that it does not have.
    pub target_since: Option<Instant>,
    /// How far the execution layer is on its way to that head, once it has been looked at.
    pub sync: Option<SyncReport>,
    /// The row of the table that the last update of the follow source took.
    pub last_follow_case: Option<FollowCase>,
}

impl EngineStatus {
    /// True if the execution layer has been found to be ours, and the last call to it did not fail.
    pub const fn is_answering(&self) -> bool {
        self.probed && self.failing_since.is_none()
    }

    /// For how long the execution layer could not be asked, while it cannot.
    pub fn failing_age(&self) -> Option<Duration> {
        self.failing_since.map(|since| since.elapsed())
    }

    /// For how long the execution layer has been asked for a head that it does not have.
    pub fn target_age(&self) -> Option<Duration> {
        self.target_since.map(|since| since.elapsed())
    }

    /// The report of a sync that gets nowhere.
    pub fn no_progress(&self) -> Option<&SyncReport> {
        self.sync.as_ref().filter(|report| report.no_progress)
    }

    /// The name of each lane, highest first, and how many requests wait in it.
    pub fn queue(&self) -> impl Iterator<Item = (&'static str, usize)> {
        Lane::ALL.map(Lane::name).into_iter().zip(self.queue_depths)
    }
}

/// Why the engine cannot work with this execution layer. Found only before the first successful probe; later the same
/// findings make the node unready, and never end it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// Another chain id.
    #[error(
        "the execution layer runs chain {found}, but this node is configured for chain {expected}: \
         point --l2 at an execution layer of that chain, or choose the other with --network or --rollup.config"
    )]
    WrongChain {
        /// Chain id of the rollup config.
        expected: u64,
        /// Chain id of the execution layer.
        found: u64,
    },
    /// Another genesis block.
    #[error(
        "the genesis block of the execution layer is {found}, but the rollup config names {expected}: \
         initialise the execution layer with the genesis file of this chain, or choose the right --rollup.config"
    )]
    WrongGenesis {
        /// Genesis hash of the rollup config.
        expected: B256,
        /// Genesis hash of the execution layer.
        found: B256,
    },
    /// The JWT is refused.
    #[error("{refusal} (refused for {} s)", .period.as_secs())]
    JwtRefused {
        /// The last refusal, with its remedy.
        refusal: Box<JwtRefusal>,
        /// How long every attempt has been refused.
        period: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_reported_by_the_names_of_its_lanes() {
        let status = EngineStatus {
            queue_depths: [0, 0, 0, 7, 1, 0, 0],
            ..Default::default()
        };
        let waiting: Vec<_> = status.queue().filter(|(_, depth)| *depth > 0).collect();
        assert_eq!(waiting, [("insert_unsafe", 7), ("follow", 1)]);
    }

    #[test]
    fn an_el_that_was_never_probed_does_not_answer() {
        assert!(!EngineStatus::default().is_answering());
    }
}
