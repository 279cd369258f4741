use super::*;
use alloy_primitives::B256;
use light_node_follow::NotReady;
use light_node_l1::L1Trouble;
use light_node_protocol::BlockNumHash;
use tokio::time::Instant;

/// An engine, an L1 and a follow actor with which all is well.
#[derive(Clone)]
struct Peers {
    engine: EngineStatus,
    sync: ElSyncState,
    l1: L1Status,
    follow: FollowStatus,
}

impl Peers {
    fn well() -> Self {
        Self {
            engine: EngineStatus {
                probed: true,
                ..EngineStatus::default()
            },
            sync: ElSyncState::Synced,
            l1: L1Status::default(),
            follow: FollowStatus::default(),
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut peers = Self::well();
        change(&mut peers);
        peers
    }

    fn l1(trouble: L1Trouble) -> Self {
        Self::with(|peers| peers.l1.trouble = Some(trouble))
    }

    fn follow(not_ready: NotReady) -> Self {
        Self::with(|peers| peers.follow.not_ready = Some(not_ready))
    }

    fn reasons(&self) -> Vec<&'static str> {
        let reasons = reasons(&self.engine, self.sync, &self.l1, &self.follow);
        assert!(reasons.iter().all(|reason| !reason.detail.is_empty()));
        reasons.into_iter().map(|reason| reason.reason).collect()
    }
}

#[test]
fn with_nothing_wrong_the_node_is_ready() {
    assert_eq!(Peers::well().reasons(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn every_trouble_has_its_own_reason() {
    let origin = BlockNumHash::new(7, B256::repeat_byte(7));
    let long_ago = Instant::now();
    tokio::time::advance(EL_PATIENCE).await;
    let detail = || "what differs".to_owned();
    let cases = [
        (
            Peers::with(|peers| peers.engine.probed = false),
            "el_unreachable",
        ),
        (
            Peers::with(|peers| peers.engine.failing_since = Some(long_ago)),
            "el_unreachable",
        ),
        (
            Peers::with(|peers| peers.sync = ElSyncState::Unknown),
            "el_unreachable",
        ),
        (
            Peers::with(|peers| peers.sync = ElSyncState::LostBlocks),
            "el_lost_blocks",
        ),
        (
            Peers::with(|peers| peers.engine.el_wrong_chain = true),
            "el_wrong_chain",
        ),
        (
            Peers::l1(L1Trouble::WrongChain { detail: detail() }),
            "l1_wrong_chain",
        ),
        (
            Peers::l1(L1Trouble::FinalizedLost { detail: detail() }),
            "l1_finalized_lost",
        ),
        (
            Peers::l1(L1Trouble::Unreachable {
                silence: None,
                cause: detail(),
            }),
            "l1_unreachable",
        ),
        (
            Peers::l1(L1Trouble::Stale {
                head_age: Duration::from_secs(99),
            }),
            "l1_stale",
        ),
        (Peers::follow(NotReady::NoUpdateYet), "no_update_yet"),
        (
            Peers::follow(NotReady::SourceStale {
                age: Duration::from_secs(200),
            }),
            "source_stale",
        ),
        (Peers::follow(NotReady::SourceReplaying), "source_replaying"),
        (Peers::follow(NotReady::SourceRegressed), "source_regressed"),
        (
            Peers::follow(NotReady::L1Mismatch { origin }),
            "l1_mismatch",
        ),
        (Peers::follow(NotReady::L1Behind { origin }), "l1_behind"),
        (
            Peers::follow(NotReady::L1Unreachable { cause: detail() }),
            "l1_unreachable",
        ),
        (Peers::follow(NotReady::ElSyncing), "el_syncing"),
        (
            Peers::follow(NotReady::ElUnavailable { cause: detail() }),
            "el_unavailable",
        ),
        (Peers::follow(NotReady::ElDeclined), "el_declined"),
        (
            Peers::follow(NotReady::FinalizedContradicted),
            "finalized_contradicted",
        ),
        (Peers::follow(NotReady::BelowFinalized), "below_finalized"),
        (
            Peers::follow(NotReady::IdentityUnverified),
            "identity_unverified",
        ),
    ];
    for (peers, reason) in cases {
        assert_eq!(peers.reasons(), [reason]);
    }
}

#[tokio::test(start_paused = true)]
async fn one_lost_call_is_no_outage() {
    let failing = Peers::with(|peers| peers.engine.failing_since = Some(Instant::now()));
    assert_eq!(failing.reasons(), [""; 0]);
    tokio::time::advance(EL_PATIENCE).await;
    assert_eq!(failing.reasons(), ["el_unreachable"]);
}

#[test]
fn what_two_actors_see_is_one_reason_and_different_troubles_are_all_named() {
    let mut peers = Peers::l1(L1Trouble::Unreachable {
        silence: None,
        cause: "refused".to_owned(),
    });
    peers.sync = ElSyncState::LostBlocks;
    peers.follow.not_ready = Some(NotReady::L1Unreachable {
        cause: "refused".to_owned(),
    });
    assert_eq!(peers.reasons(), ["el_lost_blocks", "l1_unreachable"]);
    peers.follow.not_ready = Some(NotReady::SourceReplaying);
    assert_eq!(
        peers.reasons(),
        ["el_lost_blocks", "l1_unreachable", "source_replaying"]
    );
}
