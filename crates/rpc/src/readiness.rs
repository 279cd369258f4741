//! `/readyz`: whether the safe head is up to date, and if not, why, by name. Engine, L1 and the safe source judge themselves; here
//! their verdicts are put together. An active sequencer that makes no blocks is one more reason. Peers are none: without them
//! the safe head comes all the same, and whoever needs some asks for their number.

use crate::{context::RpcPeers, safe_source::SafeSourceStatus};
use light_node_derivation::{DerivationPhase, DerivationStatus};
use light_node_engine::{ElSyncState, EngineStatus, SyncReport};
use light_node_follow::FollowStatus;
use light_node_l1::L1Status;
use light_node_sequencer::SequencerStatus;
use serde::Serialize;
use std::{
    fmt::Display,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// An execution layer that fails for this long is down; what is shorter may be one lost call.
const EL_PATIENCE: Duration = Duration::from_secs(3);

/// A sequencer that is late by this much is stuck; what is shorter may be one slow block.
const SEQUENCER_PATIENCE: Duration = Duration::from_secs(10);

/// One reason for not being ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reason {
    /// One stable word for alerts.
    pub(crate) reason: &'static str,
    /// The same for people.
    pub(crate) detail: String,
}

impl Reason {
    fn new(reason: &'static str, detail: impl Display) -> Self {
        Self {
            reason,
            detail: detail.to_string(),
        }
    }
}

/// Why the node is not ready; empty when it is.
pub(crate) fn not_ready(peers: &RpcPeers) -> Vec<Reason> {
    let state = peers.engine.state();
    let mut reasons = reasons(
        &peers.engine.status(),
        state.el_sync,
        &peers.l1.status(),
        &peers.safe_source.status(),
    );
    if let Some(sequencer) = &peers.sequencer {
        let next = state
            .unsafe_head
            .timestamp
            .saturating_add(peers.rollup_config.block_time);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let late = now
            .unwrap_or_default()
            .saturating_sub(Duration::from_secs(next));
        reasons.extend(sequencing(&sequencer.status(), late));
    }
    reasons
}

/// What keeps the sequencer from building, if the next block is as late as that.
fn sequencing(sequencer: &SequencerStatus, late: Duration) -> Option<Reason> {
    let SequencerStatus {
        is_active,
        waiting_for,
        ..
    } = *sequencer;
    (is_active && !waiting_for.is_empty() && late >= SEQUENCER_PATIENCE).then(|| {
        let detail = format!("the sequencer is active and builds no block: {waiting_for}");
        Reason::new("sequencer_waiting", detail)
    })
}

/// Each reason once: two actors may see the same trouble.
fn reasons(
    engine: &EngineStatus,
    sync: ElSyncState,
    l1: &L1Status,
    source: &SafeSourceStatus,
) -> Vec<Reason> {
    let mut reasons: Vec<_> = execution_layer(engine, sync).into_iter().collect();
    let l1 = l1.trouble.as_ref();
    let others = l1.map(|trouble| Reason::new(trouble.name(), trouble));
    let source = match source {
        SafeSourceStatus::Follow(follow) => following(follow),
        SafeSourceStatus::Derive(derivation) => deriving(derivation, sync),
    };
    let others = others.into_iter().chain(source);
    for reason in others {
        if reasons.iter().all(|known| known.reason != reason.reason) {
            reasons.push(reason);
        }
    }
    reasons
}

/// What keeps the node from following.
fn following(follow: &FollowStatus) -> Option<Reason> {
    let reason = follow.not_ready.as_ref()?;
    let source = &follow.source;
    Some(if reason.is_of_source() {
        Reason::new(reason.name(), format!("{source}: {reason}"))
    } else {
        Reason::new(reason.name(), reason)
    })
}

/// What keeps the node from deriving.
fn deriving(derivation: &DerivationStatus, sync: ElSyncState) -> Option<Reason> {
    if sync == ElSyncState::Syncing && derivation.phase == DerivationPhase::WaitingForEl {
        let detail =
            "derivation waits for the execution layer, which fetches blocks from its peers";
        return Some(Reason::new("el_syncing", detail));
    }
    let reason = derivation.not_ready.as_ref()?;
    Some(Reason::new(reason.name(), reason))
}

/// What keeps the execution layer from being followed with.
fn execution_layer(status: &EngineStatus, sync: ElSyncState) -> Option<Reason> {
    let cause = status.last_error.as_deref().unwrap_or("not asked yet");
    if status.el_wrong_chain {
        return Some(Reason::new(
            "el_wrong_chain",
            format!("another execution layer answers in the place of ours: {cause}"),
        ));
    }
    if !status.probed {
        let detail = format!("the execution layer has not answered well yet: {cause}");
        return Some(Reason::new("el_unreachable", detail));
    }
    if let Some(age) = status.failing_age().filter(|age| *age >= EL_PATIENCE) {
        let seconds = age.as_secs();
        let detail = format!("the execution layer has not answered for {seconds} s: {cause}");
        return Some(Reason::new("el_unreachable", detail));
    }
    if let Some(report) = status.no_progress() {
        return Some(Reason::new("el_no_progress", no_progress(report)));
    }
    match sync {
        // How long a sync may take is the safe source's to judge: it knows how far behind we are.
        ElSyncState::Synced | ElSyncState::Syncing => None,
        ElSyncState::Unknown => Some(Reason::new(
            "el_unreachable",
            "the execution layer has no head yet",
        )),
        ElSyncState::LostBlocks => Some(Reason::new(
            "el_lost_blocks",
            "the execution layer lost blocks and gets them again",
        )),
    }
}

fn no_progress(report: &SyncReport) -> String {
    format!(
        "the execution layer has stood at block {} for {} s and does not get to block {}: {}",
        report.el_head,
        report.still_since.elapsed().as_secs(),
        report.target.number,
        SyncReport::NO_PROGRESS_HINT
    )
}

#[cfg(test)]
mod tests;
