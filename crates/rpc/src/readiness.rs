//! `/readyz`: whether the safe head is up to date, and if not, why, by name. Engine, L1 and the safe source judge themselves; here
//! their verdicts are put together.

use crate::{context::RpcPeers, safe_source::SafeSourceStatus};
use light_node_derivation::{DerivationPhase, DerivationStatus};
use light_node_engine::{ElSyncState, EngineStatus, SyncReport};
use light_node_follow::FollowStatus;
use light_node_l1::L1Status;
use serde::Serialize;
use std::{fmt::Display, time::Duration};

/// An execution layer that fails for this long is down; what is shorter may be one lost call.
const EL_PATIENCE: Duration = Duration::from_secs(3);

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
    reasons(
        &peers.engine.status(),
        peers.engine.state().el_sync,
        &peers.l1.status(),
        &peers.safe_source.status(),
    )
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
