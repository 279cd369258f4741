//! What becomes of polls, and how often: the words for counters and for the status.

/// What became of one poll, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum PollOutcome {
    /// The engine applied the update.
    Applied,
    /// Nothing new.
    Unchanged,
    /// The source failed.
    SourceError,
    /// The source names no safe head.
    SourceNotReady,
    /// Check 1 failed.
    Invalid,
    /// Check 2 failed.
    WrongSource,
    /// Check 3: an origin is not on our L1.
    L1Mismatch,
    /// Check 3: an origin is not on our L1 yet.
    L1Behind,
    /// Check 3: L1 could not be asked.
    L1Error,
    /// Check 4 failed.
    Stale,
    /// Check 5: the source replays.
    Replaying,
    /// Check 5: waiting for the source to stay with a lower safe head.
    Regressed,
    /// Check 5: the source's finalized head contradicts ours, or its safe head lies below it.
    FinalizedConflict,
    /// Check 5: a lower finalized head was ignored; the rest of the answer went on.
    FinalizedLower,
    /// The EL is syncing towards the update.
    Syncing,
    /// The EL could not be asked or did not take the update, or a newer one took its place.
    Skipped,
    /// The engine refused the update.
    Refused,
}

impl PollOutcome {
    /// All outcomes, in the order of declaration.
    pub const ALL: [Self; 17] = [
        Self::Applied,
        Self::Unchanged,
        Self::SourceError,
        Self::SourceNotReady,
        Self::Invalid,
        Self::WrongSource,
        Self::L1Mismatch,
        Self::L1Behind,
        Self::L1Error,
        Self::Stale,
        Self::Replaying,
        Self::Regressed,
        Self::FinalizedConflict,
        Self::FinalizedLower,
        Self::Syncing,
        Self::Skipped,
        Self::Refused,
    ];

    /// The outcome as one word, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::SourceError => "source_error",
            Self::SourceNotReady => "source_not_ready",
            Self::Invalid => "invalid",
            Self::WrongSource => "wrong_source",
            Self::L1Mismatch => "l1_mismatch",
            Self::L1Behind => "l1_behind",
            Self::L1Error => "l1_error",
            Self::Stale => "stale",
            Self::Replaying => "replaying",
            Self::Regressed => "regressed",
            Self::FinalizedConflict => "finalized_conflict",
            Self::FinalizedLower => "finalized_lower",
            Self::Syncing => "syncing",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
        }
    }
}

/// How often each outcome came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowCounters([u64; PollOutcome::ALL.len()]);

impl FollowCounters {
    /// How often `outcome` came about.
    pub const fn get(&self, outcome: PollOutcome) -> u64 {
        self.0[outcome as usize]
    }

    /// All outcomes with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (PollOutcome, u64)> + '_ {
        PollOutcome::ALL
            .into_iter()
            .map(|outcome| (outcome, self.get(outcome)))
    }

    pub(crate) const fn count(&mut self, outcome: PollOutcome) {
        self.0[outcome as usize] += 1;
    }
}
