//! `/readyz`: whether the safe head is followed, and if not, why, by name.

use crate::context::RpcPeers;
use light_node_engine::{ElSyncState, EngineStatus};
use serde::Serialize;
use std::time::Duration;

/// An execution layer that fails for this long is down; what is shorter may be one lost call.
const EL_PATIENCE: Duration = Duration::from_secs(3);

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
    if let Some((reason, detail)) =
        execution_layer(&peers.engine.status(), peers.engine.state().el_sync)
    {
        reasons.push(Reason { reason, detail });
    }
    let l1 = peers.l1.status();
    if peers.l1.heads().head.is_zero() {
        let cause = l1.last_error.unwrap_or_else(|| "not asked yet".to_owned());
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

/// What keeps the execution layer from being followed with.
fn execution_layer(status: &EngineStatus, sync: ElSyncState) -> Option<(&'static str, String)> {
    let cause = status.last_error.as_deref().unwrap_or("not asked yet");
    if !status.probed {
        return Some((
            "el_unreachable",
            format!("the execution layer has not answered well yet: {cause}"),
        ));
    }
    if let Some(age) = status.failing_age().filter(|age| *age >= EL_PATIENCE) {
        let seconds = age.as_secs();
        return Some((
            "el_unreachable",
            format!("the execution layer cannot be asked since {seconds} s: {cause}"),
        ));
    }
    match sync {
        // How long a sync may take is the follow actor's to judge: it knows how far behind the source we are.
        ElSyncState::Synced | ElSyncState::Syncing => None,
        ElSyncState::Unknown => Some((
            "el_unreachable",
            "the execution layer has no head yet".to_owned(),
        )),
        ElSyncState::LostBlocks => Some((
            "el_lost_blocks",
            "the execution layer lost blocks and gets them again".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn reason(status: &EngineStatus, sync: ElSyncState) -> Option<&'static str> {
        execution_layer(status, sync).map(|(reason, _)| reason)
    }

    #[tokio::test(start_paused = true)]
    async fn an_execution_layer_that_fails_for_a_while_is_unreachable() {
        let fresh = EngineStatus::default();
        assert_eq!(reason(&fresh, ElSyncState::Unknown), Some("el_unreachable"));
        let probed = EngineStatus {
            probed: true,
            ..EngineStatus::default()
        };
        assert_eq!(reason(&probed, ElSyncState::Synced), None);
        assert_eq!(
            reason(&probed, ElSyncState::LostBlocks),
            Some("el_lost_blocks")
        );
        let failing = EngineStatus {
            failing_since: Some(Instant::now()),
            ..probed
        };
        assert_eq!(
            reason(&failing, ElSyncState::Synced),
            None,
            "one lost call is no outage"
        );
        tokio::time::advance(EL_PATIENCE).await;
        assert_eq!(
            reason(&failing, ElSyncState::Synced),
            Some("el_unreachable")
        );
    }
}
