//! `/readyz`: whether the safe head is followed, and if not, why, by name.

use crate::context::RpcPeers;
use light_node_engine::ElSyncState;
use serde::Serialize;

/// One reason for not being ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reason {
    /// One stable word for alerts.
    reason: &'static str,
    /// The same for people.
    detail: String,
}

/// Why the node is not ready; empty when it is.
pub(crate) fn not_ready(peers: &RpcPeers) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some((reason, detail)) = execution_layer(peers.engine.state().el_sync) {
        reasons.push(Reason {
            reason,
            detail: detail.to_owned(),
        });
    }
    if peers.l1.heads().head.is_zero() {
        let cause = peers
            .l1
            .status()
            .last_error
            .unwrap_or_else(|| "not asked yet".to_owned());
        reasons.push(Reason {
            reason: "l1_unreachable",
            detail: format!("L1 has not answered: {cause}"),
        });
    }
    if let Some(not_ready) = peers.follow.status().not_ready {
        reasons.push(Reason {
            reason: not_ready.name(),
            detail: not_ready.to_string(),
        });
    }
    reasons
}

const fn execution_layer(state: ElSyncState) -> Option<(&'static str, &'static str)> {
    match state {
        ElSyncState::Synced => None,
        // How long a sync may take is the follow actor's to judge: it knows how far behind the source we are.
        ElSyncState::Syncing => None,
        ElSyncState::Unknown => {
            Some(("el_unreachable", "the execution layer has not answered yet"))
        }
        ElSyncState::LostBlocks => Some((
            "el_lost_blocks",
            "the execution layer lost blocks and gets them again",
        )),
    }
}
