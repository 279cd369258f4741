//! `/readyz`: whether the safe head is followed, and if not, why, by name.

use crate::context::RpcPeers;
use light_node_engine::{ElSyncState, EngineStatus};
use light_node_l1::L1Status;
use serde::Serialize;
use std::time::Duration;

/// An execution layer that fails for this long is down; what is shorter may be one lost call.
const EL_PATIENCE: Duration = Duration::from_secs(3);

/// L1 makes a block each 12 s; an endpoint that fails for two of them and a retry is down.
const L1_PATIENCE: Duration = Duration::from_secs(30);

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
    if let Some(detail) = l1_unreachable(&peers.l1.status()) {
        reasons.push(Reason {
            reason: "l1_unreachable",
            detail,
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

/// Why L1 counts as unreachable, if it does.
fn l1_unreachable(status: &L1Status) -> Option<String> {
    let cause = status.last_error.as_deref().unwrap_or("not asked yet");
    let Some(age) = status.last_success_age else {
        return Some(format!("L1 has not answered well yet: {cause}"));
    };
    (!status.reachable && age >= L1_PATIENCE)
        .then(|| format!("L1 has not answered well for {} s: {cause}", age.as_secs()))
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

    #[test]
    fn l1_is_unreachable_before_its_first_answer_and_after_a_longer_silence() {
        let silent = |seconds| L1Status {
            last_success_age: Some(Duration::from_secs(seconds)),
            ..L1Status::default()
        };
        assert!(l1_unreachable(&L1Status::default()).is_some());
        assert_eq!(l1_unreachable(&silent(29)), None);
        assert!(l1_unreachable(&silent(30)).is_some());
        let reachable = L1Status {
            reachable: true,
            ..silent(60)
        };
        assert_eq!(
            l1_unreachable(&reachable),
            None,
            "nothing was asked for since"
        );
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
