//! Check 5: what the source says now against what was applied last. A source goes back for three reasons, and only their
//! order tells them apart: L1 was reorganised (believed at once), it derives again or a lagging backend answers (ignored),
//! or something that we cannot see (believed when it stays). Finalized never goes back.

use light_node_engine::{DerivationState, FollowUpdate};
use light_node_protocol::BlockNumHash;
use std::time::Duration;

/// An unexplained regression is believed after this many polls in a row ...
const PATIENCE_POLLS: u32 = 3;
/// ... that span at least this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What L1 says about the last applied update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Facts {
    /// The origin of its safe head has left our L1.
    pub safe_origin_left: bool,
    /// Its L1 cursor has left our L1.
    pub cursor_left: bool,
    /// Our L1 once had its cursor and is too short for it now. A rollback, or an endpoint that lags: no proof of a reorg.
    pub cursor_out_of_reach: bool,
}

/// An answer of the source that has passed checks 1 to 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedAnswer {
    /// What the source says, its cursor included.
    pub said: DerivationState,
    /// The cursor is on our L1. Otherwise the old one stays.
    pub cursor_is_canonical: bool,
    /// What L1 says about the last applied update; only needed where [`Regression::needs_l1`] says so.
    pub facts: L1Facts,
}

impl CheckedAnswer {
    fn has_usable_cursor(&self) -> bool {
        self.cursor_is_canonical && !self.said.current_l1.is_zero()
    }
}

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time, moved once
pub enum Verdict {
    /// Send this update.
    Send {
        /// The update.
        update: FollowUpdate,
        /// The source's finalized head was lower than ours; ours is in the update.
        finalized_kept: bool,
    },
    /// The source derives again, or a lagging backend answers: heads and cursor hold.
    Replaying,
    /// The source went back without a visible reason: heads hold until it has stayed with it.
    Waiting,
    /// The source's chain does not contain our finalized head.
    FinalizedContradicted,
    /// The source's safe head is below our finalized head without being a replay.
    BelowFinalized,
}

/// The memory of check 5.
#[derive(Clone, Copy, Debug, Default)]
pub struct Regression {
    applied: Option<DerivationState>,
    contradicted: bool,
    pending: Option<Pending>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    since: Duration,
    polls: u32,
}

impl Regression {
    /// The last applied update.
    pub const fn applied(&self) -> Option<DerivationState> {
        self.applied
    }

    /// The engine has applied `state`.
    pub const fn note_applied(&mut self, state: DerivationState) {
        self.applied = Some(state);
        self.contradicted = false;
    }

    /// The engine has answered that the applied safe head is not on the source's chain.
    pub const fn note_contradicted(&mut self) {
        self.contradicted = true;
    }

    /// The source has said again what is applied: whatever went back before, it has not stayed with that.
    pub const fn note_repeated(&mut self) {
        self.pending = None;
    }

    /// The blocks of the last applied update that L1 must be asked about to judge `said`: the safe head's origin and the
    /// cursor (the origin again if the cursor is unknown). `None` if nothing has gone back.
    pub fn needs_l1(&self, said: &DerivationState) -> Option<[BlockNumHash; 2]> {
        let applied = self.applied.as_ref()?;
        let cursor_back = said.current_l1.number < applied.current_l1.number
            || said.current_l1.number == applied.current_l1.number
                && said.current_l1.hash != applied.current_l1.hash;
        let origin = applied.safe.l1_origin;
        let cursor = if applied.current_l1.is_zero() {
            origin
        } else {
            applied.current_l1.id()
        };
        (cursor_back || self.is_regressed(applied, said)).then_some([origin, cursor])
    }

    /// Judges an answer at `now` (any clock that only goes forward).
    pub fn judge(&mut self, answer: &CheckedAnswer, now: Duration) -> Verdict {
        let CheckedAnswer { said, facts, .. } = answer;
        let Some(applied) = self.applied else {
            return send(first_update(answer), false, false);
        };
        let is_replay =
            said.current_l1.is_zero() || said.current_l1.number < applied.current_l1.number;
        if contradicts_finalized(&applied, said) {
            return Verdict::FinalizedContradicted;
        }
        if said.safe.number < applied.finalized.number {
            self.pending = None;
            return if is_replay {
                Verdict::Replaying
            } else {
                Verdict::BelowFinalized
            };
        }
        let lower = said.finalized.is_zero() || said.finalized.number < applied.finalized.number;
        let finalized_kept = !applied.finalized.is_zero() && lower;
        let state = next_state(&applied, answer, finalized_kept);
        if !self.is_regressed(&applied, said) {
            self.pending = None;
            return send(state, false, finalized_kept);
        }
        if facts.safe_origin_left || facts.cursor_left {
            // A source that resets names no cursor for a moment, and its finalized head as safe. Most of what we have it is
            // about to derive again; only if it stays so for long is that all that is left.
            if said.current_l1.is_zero() && !self.patience_ends(now) {
                return Verdict::Replaying;
            }
            return send(state, true, finalized_kept);
        }
        // An L1 that became too short may explain the lower cursor; whether it does, shows when the source stays with it.
        let may_be_rollback = facts.cursor_out_of_reach && answer.has_usable_cursor();
        if is_replay && !may_be_rollback {
            self.pending = None;
            return Verdict::Replaying;
        }
        if self.patience_ends(now) {
            return send(state, true, finalized_kept);
        }
        Verdict::Waiting
    }

    /// Counts one more answer that went back. True once there were enough over enough time.
    fn patience_ends(&mut self, now: Duration) -> bool {
        let pending = self.pending.get_or_insert(Pending {
            since: now,
            polls: 0,
        });
        pending.polls = pending.polls.saturating_add(1);
        pending.polls >= PATIENCE_POLLS && now.saturating_sub(pending.since) >= PATIENCE
    }

    /// True if the applied safe head is above the source's, or visibly not on the source's chain, or the engine said so.
    fn is_regressed(&self, applied: &DerivationState, said: &DerivationState) -> bool {
        let (ours, theirs) = (&applied.safe, &said.safe);
        if theirs.number <= ours.number {
            return theirs.hash != ours.hash;
        }
        let other_parent = theirs.number - 1 == ours.number && theirs.parent_hash != ours.hash;
        other_parent || self.contradicted
    }
}

const fn send(state: DerivationState, safe_may_move: bool, finalized_kept: bool) -> Verdict {
    Verdict::Send {
        update: FollowUpdate {
            state,
            safe_may_move,
        },
        finalized_kept,
    }
}

fn first_update(answer: &CheckedAnswer) -> DerivationState {
    let mut state = answer.said;
    if !answer.has_usable_cursor() {
        state.current_l1 = Default::default();
    }
    state
}

/// What the source says, but with our finalized head where its own is lower, and with the old cursor where the new one
/// cannot be used, or is lower although the old one still stands.
fn next_state(
    applied: &DerivationState,
    answer: &CheckedAnswer,
    finalized_kept: bool,
) -> DerivationState {
    let mut state = answer.said;
    if finalized_kept {
        state.finalized = applied.finalized;
    }
    let forward = state.current_l1.number >= applied.current_l1.number;
    let stands = !answer.facts.cursor_left && !answer.facts.cursor_out_of_reach;
    if !answer.has_usable_cursor() || !forward && stands {
        state.current_l1 = applied.current_l1;
    }
    state
}

/// True if a head of the source at the height of our finalized one is another block.
fn contradicts_finalized(applied: &DerivationState, said: &DerivationState) -> bool {
    let ours = &applied.finalized;
    !ours.is_zero()
        && [&said.finalized, &said.safe, &said.local_safe]
            .iter()
            .any(|head| !head.is_zero() && head.number == ours.number && head.hash != ours.hash)
}

#[cfg(test)]
mod tests;
