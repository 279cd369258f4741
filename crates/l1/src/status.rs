//! What operators are told about L1: which endpoint serves, what is wrong with the others.

use std::time::Duration;
use tokio::time::Instant;

/// What is known about one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EndpointVerdict {
    /// Not asked yet, or to be checked again after a failure.
    #[default]
    Unchecked,
    /// Chain id and genesis block are ours.
    Verified,
    /// Of another chain; asked again only now and then.
    WrongChain {
        /// Which fact differs.
        detail: String,
    },
}

/// One endpoint as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// URL without credentials.
    pub endpoint: String,
    /// What is known about its chain.
    pub verdict: EndpointVerdict,
    /// Its last error in words; `None` after a success.
    pub last_error: Option<String>,
}

/// The state of the L1 client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct L1Status {
    /// The endpoint that answered last, without credentials.
    pub active: Option<String>,
    /// Time since the last good answer; `None` before the first.
    pub last_success_age: Option<Duration>,
    /// The last error in words; `None` after a success.
    pub last_error: Option<String>,
    /// The last question was answered.
    pub reachable: bool,
    /// Every endpoint in the configured order.
    pub endpoints: Vec<EndpointStatus>,
    /// HTTP requests sent so far; a batch is one.
    pub requests: u64,
    /// L1 reorgs seen so far.
    pub reorgs: u64,
}

/// What the fetcher publishes; ages are computed when somebody looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) active: Option<String>,
    pub(crate) last_success: Option<Instant>,
    pub(crate) last_error: Option<String>,
    pub(crate) reachable: bool,
    pub(crate) endpoints: Vec<EndpointStatus>,
    pub(crate) requests: u64,
    pub(crate) reorgs: u64,
}

impl Snapshot {
    pub(crate) fn to_status(&self) -> L1Status {
        L1Status {
            active: self.active.clone(),
            last_success_age: self.last_success.map(|instant| instant.elapsed()),
            last_error: self.last_error.clone(),
            reachable: self.reachable,
            endpoints: self.endpoints.clone(),
            requests: self.requests,
            reorgs: self.reorgs,
        }
    }
}
