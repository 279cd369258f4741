//! `/readyz`: whether the safe head is followed, and if not, why, by name. Engine, L1 and follow actor judge themselves; here
//! their verdicts are put together.

use crate::context::RpcPeers;
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
        &peers.follow.status(),
    )
}

/// Each reason once: two actors may see the same trouble.
fn reasons(
    engine: &EngineStatus,
    sync: ElSyncState,
    l1: &L1Status,
    follow: &FollowStatus,
) -> Vec<Reason> {
    let mut reasons: Vec<_> = execution_layer(engine, sync).into_iter().collect();
    let l1 = l1.trouble.as_ref();
    let others = l1.map(|trouble| Reason::new(trouble.name(), trouble));
    let follow = follow.not_ready.as_ref().map(|it| {
        let source = &follow.source;
        if it.is_of_source() {
            Reason::new(it.name(), format!("{source}: {it}"))
        } else {
            Reason::new(it.name(), it)
        }
    });
    let others = others.into_iter().chain(follow);
    for reason in others {
        if reasons.iter().all(|known| known.reason != reason.reason) {
            reasons.push(reason);
        }
    }
    reasons
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
        // How long a sync may take is the follow actor's to judge: it knows how far behind the source we are.
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
