use super::*;
use light_node_follow::{FollowCounters, IdentityVerdict};
use light_node_protocol::BlockNumHash;

const NOW: u64 = 1_700_000_000;

fn block(number: u64, timestamp: u64) -> L2BlockRef {
    L2BlockRef {
        hash: alloy_primitives::B256::repeat_byte(1),
        number,
        timestamp,
        ..L2BlockRef::default()
    }
}

fn follow() -> FollowStatus {
    FollowStatus {
        source: "http://source".to_owned(),
        not_ready: None,
        trouble: None,
        identity: IdentityVerdict::Verified,
        reported: None,
        applied: None,
        last_outcome: None,
        answer_age: None,
        in_step_age: None,
        source_lag: None,
        counters: FollowCounters::default(),
    }
}

impl Look {
    fn follow_mut(&mut self) -> &mut FollowStatus {
        match &mut self.source {
            SafeSourceStatus::Follow(status) => status,
            SafeSourceStatus::Derive(_) => panic!("it derives"),
        }
    }
}

/// A node that has just started.
fn nothing() -> Look {
    Look {
        at: Instant::now(),
        wall_clock: NOW,
        engine: EngineState::default(),
        el: EngineStatus::default(),
        is_stuck: false,
        l1_head: L1BlockRef::default(),
        l1_trouble: None,
        source: SafeSourceStatus::Follow(follow()),
        peers: None,
    }
}

/// In step with the source.
fn following() -> Look {
    let mut look = nothing();
    look.el.probed = true;
    look.l1_head.hash = alloy_primitives::B256::repeat_byte(2);
    look.engine = EngineState {
        unsafe_head: block(110, NOW - 3),
        local_safe_head: block(100, NOW - 23),
        safe_head: block(100, NOW - 23),
        finalized_head: block(50, NOW - 123),
        ..EngineState::default()
    };
    look.follow_mut().reported = Some(SyncStatus {
        safe_l2: block(100, NOW - 23),
        ..SyncStatus::default()
    });
    look.follow_mut().applied = Some(Default::default());
    look.follow_mut().in_step_age = Some(Duration::from_secs(1));
    look.follow_mut().answer_age = Some(Duration::from_secs(1));
    look
}

fn with(change: impl FnOnce(&mut Look)) -> Look {
    let mut look = following();
    change(&mut look);
    look
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// A node whose source has had this trouble since it was last in step.
fn trouble(trouble: NotReady, age: Option<Duration>) -> Look {
    with(|look| {
        look.follow_mut().trouble = Some(trouble);
        look.follow_mut().in_step_age = age;
    })
}

fn assert_phases(expected: impl IntoIterator<Item = (Look, Phase, Option<&'static str>)>) {
    for (look, phase, reason) in expected {
        let line = Line::new(None, &look);
        assert_eq!((line.phase, line.reason), (phase, reason), "{look:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_state_has_its_phase_and_its_reason() {
    let origin = BlockNumHash::default();
    assert_phases([
        (nothing(), Phase::WaitingForEl, Some("el_unreachable")),
        (
            with(|look| look.l1_head = L1BlockRef::default()),
            Phase::WaitingForL1,
            Some("l1_unreachable"),
        ),
        (
            with(|look| look.follow_mut().reported = None),
            Phase::WaitingForSource,
            None,
        ),
        (
            with(|look| look.follow_mut().applied = None),
            Phase::WaitingForSource,
            None,
        ),
        (following(), Phase::Following, None),
        (
            trouble(NotReady::ElSyncing, seconds(2)),
            Phase::Following,
            None,
        ),
        (
            trouble(NotReady::ElSyncing, seconds(60)),
            Phase::Syncing,
            None,
        ),
        (trouble(NotReady::ElSyncing, None), Phase::Syncing, None),
        (
            trouble(NotReady::L1Behind { origin }, seconds(2)),
            Phase::Following,
            None,
        ),
        (
            trouble(NotReady::SourceReplaying, seconds(60)),
            Phase::Holding,
            Some("source_replaying"),
        ),
        (
            with(|look| look.engine.el_sync = ElSyncState::LostBlocks),
            Phase::Holding,
            Some("el_lost_blocks"),
        ),
        (
            with(|look| {
                let trouble = Some(NotReady::BelowFinalized);
                look.follow_mut().trouble = trouble.clone();
                look.follow_mut().not_ready = trouble;
            }),
            Phase::Holding,
            Some("below_finalized"),
        ),
    ]);
}

#[tokio::test(start_paused = true)]
async fn the_cause_is_said_and_not_what_follows_from_it() {
    let origin = BlockNumHash::default();
    let syncing = || trouble(NotReady::ElSyncing, seconds(90));
    let behind = || trouble(NotReady::L1Behind { origin }, seconds(60));
    assert_phases([
        (
            Look {
                is_stuck: true,
                ..syncing()
            },
            Phase::Stuck,
            Some("el_no_progress"),
        ),
        (
            {
                let mut look = syncing();
                look.engine.el_sync = ElSyncState::LostBlocks;
                look
            },
            Phase::Syncing,
            Some("el_lost_blocks"),
        ),
        (
            Look {
                l1_trouble: Some(L1Trouble::Unreachable {
                    silence: seconds(60),
                    cause: String::new(),
                }),
                ..behind()
            },
            Phase::Holding,
            Some("l1_unreachable"),
        ),
        (
            with(|look| look.el.failing_since = Some(look.at)),
            Phase::Following,
            None,
        ),
        (
            with(|look| look.el.failing_since = look.at.checked_sub(EL_PATIENCE)),
            Phase::WaitingForEl,
            Some("el_unreachable"),
        ),
        (
            with(|look| look.el.el_wrong_chain = true),
            Phase::WaitingForEl,
            Some("el_wrong_chain"),
        ),
    ]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_not_said() {
    let line = Line::new(None, &nothing());
    let silent = Line {
        phase: Phase::WaitingForEl,
        reason: Some("el_unreachable"),
        unsafe_number: None,
        safe_number: None,
        finalized_number: None,
        lag_seconds: None,
        behind_source: None,
        behind_l1: None,
        target: None,
        blocks_per_second: None,
        eta: None,
        peers: None,
    };
    assert_eq!(line, silent);
    let alone = with(|look| look.peers = Some(0));
    assert_eq!(Line::new(None, &alone).peers, Some(0));
    let no_time = with(|look| look.engine.unsafe_head.timestamp = 0);
    assert_eq!(Line::new(None, &no_time).lag_seconds, None);
    let fast_clock = with(|look| look.engine.unsafe_head.timestamp = NOW + 60);
    assert_eq!(Line::new(None, &fast_clock).lag_seconds, Some(0));
}

#[tokio::test(start_paused = true)]
async fn lag_and_rate_are_of_the_last_interval() {
    let before = following();
    tokio::time::advance(Duration::from_secs(10)).await;
    let mut now = with(|look| look.engine.unsafe_head.number += 5);
    now.follow_mut().reported = Some(SyncStatus {
        safe_l2: block(106, NOW),
        ..SyncStatus::default()
    });
    let line = Line::new(Some(&before), &now);
    assert_eq!(line.blocks_per_second, Some(0.5));
    assert_eq!((line.lag_seconds, line.behind_source), (Some(3), Some(6)));
    assert_eq!(line.eta, None, "nothing is caught up with");
    // A reorg is no speed.
    assert_eq!(Line::new(Some(&now), &before).blocks_per_second, None);
}

#[tokio::test(start_paused = true)]
async fn a_time_to_go_is_said_while_the_node_catches_up_and_only_if_it_means_something() {
    let catching_up = |behind: u64| {
        with(|look| {
            look.follow_mut().trouble = Some(NotReady::ElSyncing);
            look.follow_mut().in_step_age = None;
            look.follow_mut().reported = Some(SyncStatus {
                safe_l2: block(100 + behind, NOW),
                ..SyncStatus::default()
            });
        })
    };
    let before = catching_up(2_000);
    tokio::time::advance(Duration::from_secs(10)).await;
    let mut now = catching_up(1_900);
    now.engine.unsafe_head.number += 100;
    assert_eq!(Line::new(Some(&before), &now).eta, seconds(190));
    assert_eq!(Line::new(None, &now).eta, None);
    let mut still = catching_up(1_900);
    still.at = now.at;
    assert_eq!(Line::new(Some(&before), &still).eta, None, "rate 0");
    let mut far = catching_up(u64::MAX / 2);
    far.engine.unsafe_head.number += 1;
    assert_eq!(Line::new(Some(&before), &far).eta, None, "years");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_silent_is_not_compared_with() {
    let heard = |seconds| {
        let look = with(|look| look.follow_mut().answer_age = Some(Duration::from_secs(seconds)));
        Line::new(None, &look).behind_source
    };
    assert_eq!(heard(15), Some(0));
    assert_eq!(heard(16), None);
}

/// A node that derives, and says this of it.
fn deriving(not_ready: Option<DerivationTrouble>, behind: Option<u64>) -> Look {
    with(|look| {
        look.source = SafeSourceStatus::Derive(DerivationStatus {
            not_ready,
            behind_l1_blocks: behind,
            ..DerivationStatus::default()
        });
    })
}

#[tokio::test(start_paused = true)]
async fn a_deriving_node_has_phases_of_its_own() {
    let cause = String::new();
    let expired = DerivationTrouble::BlobsExpired { cause };
    let behind = DerivationTrouble::Behind { blocks: 700 };
    let mut syncing = deriving(Some(DerivationTrouble::NotStarted), None);
    syncing.engine.el_sync = ElSyncState::Syncing;
    assert_phases([
        (deriving(None, Some(0)), Phase::Deriving, None),
        (
            deriving(Some(DerivationTrouble::NotStarted), None),
            Phase::FindingStart,
            None,
        ),
        (syncing, Phase::Syncing, None),
        (
            deriving(Some(behind.clone()), Some(700)),
            Phase::CatchingUp,
            None,
        ),
        (
            deriving(Some(expired), Some(5)),
            Phase::Holding,
            Some("blobs_expired"),
        ),
    ]);
    let line = Line::new(None, &deriving(Some(behind), Some(700)));
    assert_eq!((line.behind_l1, line.behind_source), (Some(700), None));
}
