//! What an operator wants to know of the engine beside its heads, and why it ends.

use crate::{follow_case::FollowCase, queue::Lane};
use alloy_primitives::B256;
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio::time::Instant;

/// A snapshot of the engine's insides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineStatus {
    /// The execution layer has answered and is the one that we want.
    pub probed: bool,
    /// What the execution layer calls itself.
    pub el_version: Option<Arc<str>>,
    /// Why it could not be asked, while it cannot.
    pub last_error: Option<Arc<str>>,
    /// Requests that wait, in the order of [`Lane::ALL`].
    pub queue_depths: [usize; Lane::ALL.len()],
    /// Unsafe payloads that wait for their parents.
    pub buffered_payloads: usize,
    /// Bytes that they hold.
    pub buffered_bytes: usize,
    /// Since when the execution layer has been asked for a head that it does not have.
    pub target_since: Option<Instant>,
    /// The row of the table that the last update of the follow source took.
    pub last_follow_case: Option<FollowCase>,
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
    #[error(
        "the execution layer has refused our JWT for {period:?} (HTTP {status}): --l2.jwt-secret must name the same \
         secret as the execution layer's --authrpc.jwtsecret, and the two clocks must agree within 60 s"
    )]
    JwtRefused {
        /// HTTP status of the last refusal.
        status: u16,
        /// How long every attempt has been refused.
        period: Duration,
    },
}
