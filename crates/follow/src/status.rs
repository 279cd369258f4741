//! What the follow actor tells others about itself: readiness with a reason, the source's heads, counters.

use crate::{
    checks::{IdentityError, ShapeError},
    outcome::{FollowCounters, PollOutcome},
    source::SourceError,
};
use core::fmt;
use light_node_engine::{DerivationState, FollowRefusal};
use light_node_protocol::{BlockNumHash, SyncStatus};
use std::time::Duration;
use tokio::time::Instant;

/// Why the node does not follow. It is ready when there is no such reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// No update has been applied yet, and nothing is known to be wrong.
    NoUpdateYet,
    /// The source does not answer as it should.
    SourceUnreachable {
        /// The failed call.
        error: SourceError,
    },
    /// The source answers and names no safe head: it starts, or has reset itself.
    SourceNotReady {
        /// The head that it does not name.
        error: ShapeError,
    },
    /// The source's answer contradicts itself.
    SourceInvalid {
        /// What is wrong with it.
        error: ShapeError,
    },
    /// The source's view of L1 is older than the maximal age.
    SourceStale {
        /// Our L1 head's time minus the source's.
        age: Duration,
    },
    /// The source derives again what we have already applied, or a lagging backend answers in its place.
    SourceReplaying,
    /// The source went back without a reason that we can see; it is believed if it stays with that.
    SourceRegressed,
    /// The source is of another chain, or follows us.
    WrongSource {
        /// What is wrong with it.
        error: IdentityError,
    },
    /// An L1 origin of the source's heads is not on our L1.
    L1Mismatch {
        /// The origin as claimed.
        origin: BlockNumHash,
    },
    /// Our L1 has not reached an origin of the source's heads.
    L1Behind {
        /// The origin as claimed.
        origin: BlockNumHash,
    },
    /// L1 could not be asked.
    L1Unreachable {
        /// The error in words.
        cause: String,
    },
    /// L1 answers, and what it says cannot be.
    L1Invalid {
        /// What it says, in words.
        cause: String,
    },
    /// The EL fetches the blocks of the last update.
    ElSyncing,
    /// The EL could not be asked.
    ElUnavailable {
        /// The error in words.
        cause: String,
    },
    /// The EL answers, but the update does not stand there: a label was refused, or the head does not move.
    ElDeclined,
    /// The source's finalized head contradicts ours.
    FinalizedContradicted,
    /// The source's safe head lies below our finalized head.
    BelowFinalized,
    /// The engine refused the update; the source is in quarantine where the refusal says that it lies.
    Refused {
        /// Why.
        refusal: FollowRefusal,
    },
    /// The source is followed, but does not serve its rollup config: nobody knows of which chain it is.
    IdentityUnverified,
}

impl NotReady {
    /// What it means that L1 could not be asked, or that its answer cannot be.
    pub(crate) const fn of_l1(is_contradiction: bool, cause: String) -> Self {
        if is_contradiction {
            Self::L1Invalid { cause }
        } else {
            Self::L1Unreachable { cause }
        }
    }

    /// What [`NotReady::name`] can say.
    pub const NAMES: [&'static str; 20] = [
        "no_update_yet",
        "source_unreachable",
        "source_not_ready",
        "source_invalid",
        "source_stale",
        "source_replaying",
        "source_regressed",
        "wrong_chain",
        "cycle",
        "l1_mismatch",
        "l1_behind",
        "l1_unreachable",
        "l1_invalid",
        "el_syncing",
        "el_unavailable",
        "el_declined",
        "finalized_contradicted",
        "below_finalized",
        "refused",
        "identity_unverified",
    ];

    /// The reason as one word, for `/readyz`, metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoUpdateYet => "no_update_yet",
            Self::SourceUnreachable { .. } => "source_unreachable",
            Self::SourceNotReady { .. } => "source_not_ready",
            Self::SourceInvalid { .. } => "source_invalid",
            Self::SourceStale { .. } => "source_stale",
            Self::SourceReplaying => "source_replaying",
            Self::SourceRegressed => "source_regressed",
            Self::WrongSource { error } => error.name(),
            Self::L1Mismatch { .. } => "l1_mismatch",
            Self::L1Behind { .. } => "l1_behind",
            Self::L1Unreachable { .. } => "l1_unreachable",
            Self::L1Invalid { .. } => "l1_invalid",
            Self::ElSyncing => "el_syncing",
            Self::ElUnavailable { .. } => "el_unavailable",
            Self::ElDeclined => "el_declined",
            Self::FinalizedContradicted => "finalized_contradicted",
            Self::BelowFinalized => "below_finalized",
            Self::Refused { .. } => "refused",
            Self::IdentityUnverified => "identity_unverified",
        }
    }

    /// True if somebody has to look at it: it does not pass by itself, or it should never happen.
    pub const fn is_alarm(&self) -> bool {
        match self {
            Self::WrongSource { .. }
            | Self::FinalizedContradicted
            | Self::BelowFinalized
            | Self::Refused { .. } => true,
            Self::NoUpdateYet
            | Self::SourceUnreachable { .. }
            | Self::SourceNotReady { .. }
            | Self::SourceInvalid { .. }
            | Self::SourceStale { .. }
            | Self::SourceReplaying
            | Self::SourceRegressed
            | Self::L1Mismatch { .. }
            | Self::L1Behind { .. }
            | Self::L1Unreachable { .. }
            | Self::L1Invalid { .. }
            | Self::ElSyncing
            | Self::ElUnavailable { .. }
            | Self::ElDeclined
            | Self::IdentityUnverified => false,
        }
    }

    /// True if the follow source is to be looked at, and not our own L1 or EL.
    pub const fn is_of_source(&self) -> bool {
        matches!(
            self,
            Self::SourceUnreachable { .. }
                | Self::SourceNotReady { .. }
                | Self::SourceInvalid { .. }
                | Self::SourceStale { .. }
                | Self::SourceReplaying
                | Self::SourceRegressed
                | Self::WrongSource { .. }
        )
    }

    /// True if it is part of a normal day and worth a word only when it lasts.
    pub const fn is_usual(&self) -> bool {
        matches!(
            self,
            Self::NoUpdateYet
                | Self::SourceNotReady { .. }
                | Self::L1Behind { .. }
                | Self::ElSyncing
        )
    }

    /// True if the reason makes us unready at once; the others may pass by themselves and get the maximal age first.
    pub const fn is_immediate(&self) -> bool {
        match self {
            Self::NoUpdateYet
            | Self::SourceStale { .. }
            | Self::WrongSource { .. }
            | Self::FinalizedContradicted
            | Self::BelowFinalized
            | Self::Refused { .. }
            | Self::IdentityUnverified => true,
            Self::SourceUnreachable { .. }
            | Self::SourceNotReady { .. }
            | Self::SourceInvalid { .. }
            | Self::SourceReplaying
            | Self::SourceRegressed
            | Self::L1Mismatch { .. }
            | Self::L1Behind { .. }
            | Self::L1Unreachable { .. }
            | Self::L1Invalid { .. }
            | Self::ElSyncing
            | Self::ElUnavailable { .. }
            | Self::ElDeclined => false,
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUpdateYet => f.write_str("no update has been applied yet"),
            Self::SourceUnreachable { error } => {
                write!(f, "the source fails: {}", with_cause(error))
            }
            Self::SourceNotReady { error } => {
                write!(f, "the source starts or resets: its {error}")
            }
            Self::SourceInvalid { error } => write!(f, "the source's answer is refused: {error}"),
            Self::SourceStale { age } => {
                write!(
                    f,
                    "the source's view of l1 is {} s behind ours",
                    age.as_secs()
                )
            }
            Self::SourceReplaying => {
                f.write_str("the source derives again what is already applied")
            }
            Self::SourceRegressed => f.write_str("the source went back without a visible reason"),
            Self::WrongSource { error } => write!(f, "the source is refused: {error}"),
            Self::L1Mismatch { origin } => {
                write!(
                    f,
                    "l1 origin {}:{} is not on our l1",
                    origin.number, origin.hash
                )
            }
            Self::L1Behind { origin } => {
                write!(f, "our l1 has not reached origin {}", origin.number)
            }
            Self::L1Unreachable { cause } => write!(f, "l1 could not be asked: {cause}"),
            Self::L1Invalid { cause } => {
                write!(f, "l1 answers, and what it says cannot be: {cause}")
            }
            Self::ElSyncing => f.write_str("the execution layer is syncing"),
            Self::ElUnavailable { cause } => {
                write!(f, "the execution layer could not be asked: {cause}")
            }
            Self::ElDeclined => f.write_str("the execution layer did not take the update"),
            Self::FinalizedContradicted => {
                f.write_str("the source's finalized head contradicts ours")
            }
            Self::BelowFinalized => {
                f.write_str("the source's safe head lies below our finalized head")
            }
            Self::IdentityUnverified => f.write_str(
                "the source does not serve optimism_rollupConfig, so its chain cannot be verified",
            ),
            Self::Refused { refusal } => {
                f.write_str("the engine refused the update: ")
                    .and_then(|()| match refusal {
                        FollowRefusal::SafeContradicted => {
                            f.write_str("our safe head is not on its chain")
                        }
                        FollowRefusal::FinalizedContradicted => {
                            f.write_str("our finalized head is not on its chain")
                        }
                        FollowRefusal::OriginMismatch { block } => {
                            write!(
                                f,
                                "block {block} has another l1 origin than the source claims"
                            )
                        }
                        FollowRefusal::InvalidBlock { block } => {
                            write!(f, "the execution layer calls block {block} invalid")
                        }
                    })
            }
        }
    }
}

/// An error with its cause in one line.
pub(crate) fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What is known about the source's chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentityVerdict {
    /// Not asked yet, or to be asked again after a failure.
    #[default]
    Unchecked,
    /// The source's rollup config is ours.
    Verified,
    /// The source does not serve its rollup config; followed all the same.
    Unverified,
    /// The source is of another chain or follows us.
    Refused,
}

impl IdentityVerdict {
    /// All verdicts.
    pub const ALL: [Self; 4] = [
        Self::Unchecked,
        Self::Verified,
        Self::Unverified,
        Self::Refused,
    ];

    /// The verdict as one word, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Refused => "refused",
        }
    }
}

/// The follow actor as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FollowStatus {
    /// The source without credentials.
    pub source: String,
    /// Why we are not ready; `None` when ready.
    pub not_ready: Option<NotReady>,
    /// What is wrong right now, also where it does not make us unready yet.
    pub trouble: Option<NotReady>,
    /// What is known about the source's chain.
    pub identity: IdentityVerdict,
    /// The source's last answer of good shape.
    pub reported: Option<SyncStatus>,
    /// The last update that the engine applied.
    pub applied: Option<DerivationState>,
    /// What became of the last poll.
    pub last_outcome: Option<PollOutcome>,
    /// Time since the source's last answer of good shape.
    pub answer_age: Option<Duration>,
    /// Time since a poll last found us in step with the source.
    pub in_step_age: Option<Duration>,
    /// How far the source's L1 head lags behind ours.
    pub source_lag: Option<Duration>,
    /// Polls by outcome.
    pub counters: FollowCounters,
}

/// What the actor publishes after every event; ages and readiness are computed when somebody looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) trouble: Option<NotReady>,
    pub(crate) identity: IdentityVerdict,
    pub(crate) path: Vec<String>,
    pub(crate) reported: Option<SyncStatus>,
    pub(crate) applied: Option<DerivationState>,
    pub(crate) last_outcome: Option<PollOutcome>,
    pub(crate) answered: Option<Instant>,
    pub(crate) in_step: Option<Instant>,
    pub(crate) source_lag: Option<Duration>,
    pub(crate) counters: FollowCounters,
    /// Until then the source's answers are ignored.
    pub(crate) quarantined_until: Option<Instant>,
}

impl Snapshot {
    /// Why the node is not ready.
    pub(crate) fn not_ready(&self, max_age: Duration) -> Option<NotReady> {
        let in_step_age = self.in_step.map(|instant| instant.elapsed());
        let has_lasted = in_step_age.is_none_or(|age| age > max_age);
        match &self.trouble {
            Some(trouble) if has_lasted || trouble.is_immediate() => Some(trouble.clone()),
            None if in_step_age.is_none() => Some(NotReady::NoUpdateYet),
            Some(_) | None => (self.identity == IdentityVerdict::Unverified)
                .then_some(NotReady::IdentityUnverified),
        }
    }

    pub(crate) fn to_status(&self, source: &str, max_age: Duration) -> FollowStatus {
        FollowStatus {
            source: source.to_owned(),
            not_ready: self.not_ready(max_age),
            trouble: self.trouble.clone(),
            identity: self.identity,
            reported: self.reported,
            applied: self.applied,
            last_outcome: self.last_outcome,
            answer_age: self.answered.map(|instant| instant.elapsed()),
            in_step_age: self.in_step.map(|instant| instant.elapsed()),
            source_lag: self.source_lag,
            counters: self.counters,
        }
    }
}
