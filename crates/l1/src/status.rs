//! What operators are told about L1: which endpoint serves, what is wrong with the others, and the one reason, if there is
//! one, for which a node with this L1 is not ready.

use crate::schedule::WallClock;
use core::fmt;
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
    /// Answers that did not decode or contradicted what was known.
    pub bad_answers: u64,
}

/// Why L1 keeps the node from being ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum L1Trouble {
    /// Every endpoint is of another chain.
    WrongChain {
        /// Each endpoint and what differs.
        detail: String,
    },
    /// No endpoint serves the chain of our finalized L1 block. Heads hold.
    FinalizedLost {
        /// What the endpoint says.
        detail: String,
    },
    /// No endpoint has answered well for a while.
    Unreachable {
        /// Time since the last good answer; `None` before the first.
        silence: Option<Duration>,
        /// The last error in words.
        cause: String,
    },
    /// L1 answers, and for a while nothing that it says can be: see [`L1Error::is_contradiction`](crate::L1Error::is_contradiction).
    Invalid {
        /// Time since the last good answer; `None` before the first.
        silence: Option<Duration>,
        /// The last error in words.
        cause: String,
    },
    /// No endpoint has a head that is younger than a few blocks.
    Stale {
        /// Time since the head's own time, by this machine's clock.
        head_age: Duration,
        /// What fails, if something does: then it is that.
        cause: Option<String>,
    },
}

impl L1Trouble {
    /// One stable word for alerts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WrongChain { .. } => "l1_wrong_chain",
            Self::FinalizedLost { .. } => "l1_finalized_lost",
            Self::Unreachable { .. } => "l1_unreachable",
            Self::Invalid { .. } => "l1_invalid",
            Self::Stale { .. } => "l1_stale",
        }
    }
}

impl fmt::Display for L1Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongChain { detail } => {
                write!(f, "every L1 endpoint is of another chain: {detail}")
            }
            Self::FinalizedLost { detail } => write!(f, "heads hold, because {detail}"),
            Self::Unreachable {
                silence: None,
                cause,
            } => {
                write!(f, "L1 has not answered well yet: {cause}")
            }
            Self::Unreachable {
                silence: Some(age),
                cause,
            } => {
                write!(
                    f,
                    "L1 has not answered well for {} s: {cause}",
                    age.as_secs()
                )
            }
            Self::Invalid {
                silence: None,
                cause,
            } => {
                write!(f, "L1 has said nothing yet that can be: {cause}")
            }
            Self::Invalid {
                silence: Some(age),
                cause,
            } => {
                write!(
                    f,
                    "L1 has said nothing for {} s that can be: {cause}",
                    age.as_secs()
                )
            }
            Self::Stale { head_age, cause } => {
                let unknown =
                    "L1 stands still, its endpoints lag, or the clock of this machine is ahead";
                let cause = cause.as_deref().unwrap_or(unknown);
                write!(f, "the L1 head is {} s old: {cause}", head_age.as_secs())
            }
        }
    }
}

/// The state of the L1 client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct L1Status {
    /// The endpoint in use, without credentials.
    pub active: Option<String>,
    /// Its place in the configured order.
    pub active_index: Option<usize>,
    /// Time since the last good answer; `None` before the first.
    pub last_success_age: Option<Duration>,
    /// The last error in words; `None` after a success.
    pub last_error: Option<String>,
    /// The last question was answered.
    pub reachable: bool,
    /// Time since the head's own time, by this machine's clock; `None` before the first head.
    pub head_age: Option<Duration>,
    /// Why the node is not ready, if L1 is the reason.
    pub trouble: Option<L1Trouble>,
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
    pub(crate) active_index: Option<usize>,
    pub(crate) last_success: Option<Instant>,
    pub(crate) last_error: Option<String>,
    /// That error is an answer which cannot be.
    pub(crate) contradicts: bool,
    pub(crate) reachable: bool,
    /// Time of the head since the Unix epoch, and the clock to compare it with.
    pub(crate) head_time: Option<(WallClock, Duration)>,
    /// An L1 that has failed for so long is down; what is shorter may be one lost request.
    pub(crate) down_after: Duration,
    /// At this age a head is stale.
    pub(crate) old_after: Duration,
    pub(crate) wrong_chain: Option<String>,
    pub(crate) contradiction: Option<String>,
    pub(crate) endpoints: Vec<EndpointStatus>,
    pub(crate) requests: u64,
    pub(crate) reorgs: u64,
}

impl Snapshot {
    pub(crate) fn to_status(&self) -> L1Status {
        let head_age = self
            .head_time
            .map(|(clock, time)| clock.now().saturating_sub(time));
        let last_success_age = self.last_success.map(|instant| instant.elapsed());
        L1Status {
            active: self.active.clone(),
            active_index: self.active_index,
            last_success_age,
            last_error: self.last_error.clone(),
            reachable: self.reachable,
            head_age,
            trouble: self.trouble(last_success_age, head_age),
            endpoints: self.endpoints.clone(),
            requests: self.requests,
            reorgs: self.reorgs,
        }
    }

    fn trouble(&self, silence: Option<Duration>, head_age: Option<Duration>) -> Option<L1Trouble> {
        if let Some(detail) = self.wrong_chain.clone() {
            return Some(L1Trouble::WrongChain { detail });
        }
        if let Some(detail) = self.contradiction.clone() {
            return Some(L1Trouble::FinalizedLost { detail });
        }
        let is_silent = silence.is_none_or(|silence| silence >= self.down_after);
        if !self.reachable && is_silent {
            let cause = self.last_error.clone();
            let cause = cause.unwrap_or_else(|| "not asked yet".to_owned());
            return Some(if self.contradicts {
                L1Trouble::Invalid { silence, cause }
            } else {
                L1Trouble::Unreachable { silence, cause }
            });
        }
        let head_age = head_age.filter(|age| *age > self.old_after)?;
        let cause = self.last_error.clone().filter(|_| !self.reachable);
        Some(L1Trouble::Stale { head_age, cause })
    }
}
