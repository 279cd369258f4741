use super::*;
use alloy_primitives::B256;
use light_node_derivation::DerivationTrouble;
use light_node_follow::NotReady;
use light_node_l1::L1Trouble;
use light_node_protocol::BlockNumHash;
use tokio::time::Instant;

/// An engine, an L1 and a safe source with which all is well.
#[derive(Clone)]
struct Peers {
    engine: EngineStatus,
    sync: ElSyncState,
    l1: L1Status,
    source: SafeSourceStatus,
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
            source: SafeSourceStatus::Follow(FollowStatus::default()),
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
        let status = FollowStatus {
            not_ready: Some(not_ready),
            ..FollowStatus::default()
        };
        Self::with(|peers| peers.source = SafeSourceStatus::Follow(status))
    }

    fn deriving(not_ready: DerivationTrouble) -> Self {
        let status = DerivationStatus {
            phase: DerivationPhase::Deriving,
            not_ready: Some(not_ready),
            ..DerivationStatus::default()
        };
        Self::with(|peers| peers.source = SafeSourceStatus::Derive(status))
    }

    fn follow_mut(&mut self) -> &mut FollowStatus {
        match &mut self.source {
            SafeSourceStatus::Follow(status) => status,
            SafeSourceStatus::Derive(_) => panic!("it derives"),
        }
    }

    fn reasons(&self) -> Vec<&'static str> {
        let reasons = reasons(&self.engine, self.sync, &self.l1, &self.source);
        assert!(reasons.iter().all(|reason| !reason.detail.is_empty()));
        reasons.into_iter().map(|reason| reason.reason).collect()
    }
}

#[test]
fn with_nothing_wrong_the_node_is_ready() {
    assert_eq!(Peers::well().reasons(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn every_trouble_of_the_execution_layer_has_its_reason() {
    let long_ago = Instant::now();
    tokio::time::advance(EL_PATIENCE).await;
    let failing = Peers::with(|peers| peers.engine.failing_since = Some(long_ago));
    for (peers, reason) in [
        (
            Peers::with(|peers| peers.engine.probed = false),
            "el_unreachable",
        ),
        (failing, "el_unreachable"),
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
    ] {
        assert_eq!(peers.reasons(), [reason]);
    }
}

#[test]
fn every_trouble_of_l1_has_its_reason() {
    let detail = || "what differs".to_owned();
    let (silence, cause) = (None, detail());
    let head_age = Duration::from_secs(99);
    for (trouble, reason) in [
        (L1Trouble::WrongChain { detail: detail() }, "l1_wrong_chain"),
        (
            L1Trouble::FinalizedLost { detail: detail() },
            "l1_finalized_lost",
        ),
        (L1Trouble::Unreachable { silence, cause }, "l1_unreachable"),
        (
            L1Trouble::Invalid {
                silence,
                cause: detail(),
            },
            "l1_invalid",
        ),
        (
            L1Trouble::Stale {
                head_age,
                cause: None,
            },
            "l1_stale",
        ),
    ] {
        assert_eq!(Peers::l1(trouble).reasons(), [reason]);
    }
}

#[test]
fn every_trouble_of_following_has_its_reason() {
    let origin = BlockNumHash::new(7, B256::repeat_byte(7));
    let age = Duration::from_secs(200);
    let cause = || "refused".to_owned();
    for (trouble, reason) in [
        (NotReady::NoUpdateYet, "no_update_yet"),
        (NotReady::SourceStale { age }, "source_stale"),
        (NotReady::SourceReplaying, "source_replaying"),
        (NotReady::SourceRegressed, "source_regressed"),
        (NotReady::L1Mismatch { origin }, "l1_mismatch"),
        (NotReady::L1Behind { origin }, "l1_behind"),
        (NotReady::L1Unreachable { cause: cause() }, "l1_unreachable"),
        (NotReady::L1Invalid { cause: cause() }, "l1_invalid"),
        (NotReady::ElSyncing, "el_syncing"),
        (NotReady::ElUnavailable { cause: cause() }, "el_unavailable"),
        (NotReady::ElDeclined, "el_declined"),
        (NotReady::FinalizedContradicted, "finalized_contradicted"),
        (NotReady::BelowFinalized, "below_finalized"),
        (NotReady::IdentityUnverified, "identity_unverified"),
    ] {
        assert_eq!(Peers::follow(trouble).reasons(), [reason]);
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
    peers.follow_mut().not_ready = Some(NotReady::L1Unreachable {
        cause: "refused".to_owned(),
    });
    assert_eq!(peers.reasons(), ["el_lost_blocks", "l1_unreachable"]);
    peers.follow_mut().not_ready = Some(NotReady::SourceReplaying);
    assert_eq!(
        peers.reasons(),
        ["el_lost_blocks", "l1_unreachable", "source_replaying"]
    );
}

#[test]
fn a_trouble_of_the_source_says_which_source() {
    let detail = |trouble| {
        let mut peers = Peers::follow(trouble);
        peers.follow_mut().source = "https://source.example".to_owned();
        let reasons = reasons(&peers.engine, peers.sync, &peers.l1, &peers.source);
        reasons[0].detail.clone()
    };
    assert!(detail(NotReady::SourceReplaying).starts_with("https://source.example: "));
    assert!(!detail(NotReady::ElDeclined).contains("source.example"));
}

#[test]
fn every_trouble_of_deriving_has_its_reason() {
    let cause = || "down".to_owned();
    for (trouble, reason) in [
        (DerivationTrouble::NotStarted, "derivation_not_started"),
        (
            DerivationTrouble::BeaconUnreachable { cause: cause() },
            "beacon_unreachable",
        ),
        (
            DerivationTrouble::BlobsExpired { cause: cause() },
            "blobs_expired",
        ),
        (
            DerivationTrouble::MissingUpgradeBundle {
                fork: light_node_protocol::Hardfork::Karst,
            },
            "missing_upgrade_bundle",
        ),
        (DerivationTrouble::Behind { blocks: 11 }, "deriving"),
    ] {
        assert_eq!(Peers::deriving(trouble).reasons(), [reason]);
    }
}

#[test]
fn derivation_that_waits_for_the_execution_layers_own_sync_says_so() {
    let mut peers = Peers::deriving(DerivationTrouble::NotStarted);
    peers.sync = ElSyncState::Syncing;
    assert_eq!(peers.reasons(), ["derivation_not_started"]);
    let status = DerivationStatus {
        phase: DerivationPhase::WaitingForEl,
        not_ready: Some(DerivationTrouble::NotStarted),
        ..DerivationStatus::default()
    };
    peers.source = SafeSourceStatus::Derive(status);
    assert_eq!(peers.reasons(), ["el_syncing"]);
}

#[test]
fn an_active_sequencer_that_is_late_and_knows_why_is_a_reason() {
    let waiting = SequencerStatus {
        is_active: true,
        waiting_for: "the conductor",
        ..SequencerStatus::default()
    };
    let late = SEQUENCER_PATIENCE;
    let reason = sequencing(&waiting, late).map(|reason| (reason.reason, reason.detail));
    let detail = "the sequencer is active and builds no block: the conductor".to_owned();
    assert_eq!(reason, Some(("sequencer_waiting", detail)));

    let stopped = SequencerStatus {
        is_active: false,
        ..waiting
    };
    let building = SequencerStatus {
        waiting_for: "",
        ..waiting
    };
    assert_eq!(sequencing(&stopped, late), None);
    assert_eq!(sequencing(&building, late), None);
    assert_eq!(sequencing(&waiting, late - Duration::from_millis(1)), None);
}
