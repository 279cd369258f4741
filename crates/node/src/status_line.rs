//! One line in a fixed interval that says where the node is: what it does or waits for, its heads, and how fast it comes
//! nearer to its source or to L1. Reads what the actors publish, and is the only thing that they say without a change. A pure
//! function makes the line of two looks; the rest looks and writes.

use crate::CoreHandle;
use light_node_actor::CancellationToken;
use light_node_derivation::{DerivationStatus, DerivationTrouble};
use light_node_engine::{ElSyncState, EngineState, EngineStatus};
use light_node_follow::{FollowStatus, NotReady};
use light_node_l1::L1Trouble;
use light_node_protocol::{L1BlockRef, L2BlockRef, SyncStatus};
use light_node_rpc::SafeSourceStatus;
use std::{
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::info;

/// A trouble that is part of a normal day, or a sync of a block or two, is not worth a phase of its own before this time.
const PATIENCE: Duration = Duration::from_secs(15);

/// As /readyz has it: an EL that fails for this long is down.
const EL_PATIENCE: Duration = Duration::from_secs(3);

/// A source that has said nothing for longer may stand anywhere.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(15);

/// A time to go that is longer than this says nothing.
const ETA_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Everything that a line is made of, as it was at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) at: Instant,
    /// Unix time in seconds.
    pub(crate) wall_clock: u64,
    pub(crate) engine: EngineState,
    pub(crate) el: EngineStatus,
    /// The EL does not come nearer to the head that it was asked for.
    pub(crate) is_stuck: bool,
    pub(crate) l1_head: L1BlockRef,
    pub(crate) l1_trouble: Option<L1Trouble>,
    pub(crate) source: SafeSourceStatus,
    /// Peers that are connected, where there is a network.
    pub(crate) peers: Option<u64>,
}

/// What the node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    WaitingForEl,
    WaitingForL1,
    WaitingForSource,
    Syncing,
    /// The EL was asked for a head and does not come nearer to it.
    Stuck,
    Following,
    /// Looks for the block from which to derive.
    FindingStart,
    /// Derives from L1 that lies behind its head.
    CatchingUp,
    Deriving,
    Holding,
}

/// The line. What is not known is not said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) phase: Phase,
    /// Why it waits or holds: the words of `/readyz`.
    pub(crate) reason: Option<&'static str>,
    pub(crate) unsafe_number: Option<u64>,
    pub(crate) safe_number: Option<u64>,
    pub(crate) finalized_number: Option<u64>,
    /// Age of the unsafe head.
    pub(crate) lag_seconds: Option<u64>,
    /// Blocks between our safe head and the source's, while the source speaks.
    pub(crate) behind_source: Option<u64>,
    /// L1 blocks that are to be read, where the node derives.
    pub(crate) behind_l1: Option<u64>,
    /// The head that the EL was asked for.
    pub(crate) target: Option<u64>,
    pub(crate) blocks_per_second: Option<f64>,
    pub(crate) eta: Option<Duration>,
    /// Peers that are connected.
    pub(crate) peers: Option<u64>,
}

impl Line {
    /// The line of two looks; the first line has one.
    pub(crate) fn new(before: Option<&Look>, now: &Look) -> Self {
        let (phase, reason) = phase(now);
        let heads = &now.engine;
        let known = |block: &L2BlockRef| (!block.is_zero()).then_some(block.number);
        let behind_source = now
            .source
            .follow()
            .and_then(fresh_answer)
            .map(|said| said.safe_l2.number)
            .zip(known(&heads.safe_head))
            .map(|(theirs, ours)| theirs.saturating_sub(ours));
        let rate = rate(before, now);
        let eta = match (phase, &now.el.sync) {
            (Phase::Syncing, Some(sync)) => sync.eta(),
            (Phase::Syncing, None) => rate
                .zip(behind_source)
                .and_then(|(rate, behind)| time_to_go(behind, rate)),
            _ => None,
        };
        Self {
            phase,
            reason,
            unsafe_number: known(&heads.unsafe_head),
            safe_number: known(&heads.safe_head),
            finalized_number: known(&heads.finalized_head),
            lag_seconds: known(&heads.unsafe_head)
                .filter(|_| heads.unsafe_head.timestamp > 0)
                .map(|_| now.wall_clock.saturating_sub(heads.unsafe_head.timestamp)),
            behind_source,
            behind_l1: now.source.derivation().and_then(|it| it.behind_l1_blocks),
            target: heads.target.map(|target| target.number),
            blocks_per_second: rate,
            eta: eta.filter(|eta| *eta <= ETA_MAX),
            peers: now.peers,
        }
    }

    fn write(&self) {
        let Self {
            reason,
            unsafe_number,
            safe_number,
            finalized_number,
            lag_seconds,
            behind_source,
            behind_l1,
            target,
            peers,
            ..
        } = self;
        let lag = lag_seconds.map(|seconds| format!("{seconds}s"));
        let rate = self.blocks_per_second.map(|rate| format!("{rate:.1}"));
        let eta = self.eta.map(|eta| format!("{}s", eta.as_secs()));
        macro_rules! say {
            ($words:literal) => {
                info!(
                    reason,
                    r#unsafe = unsafe_number,
                    safe = safe_number,
                    finalized = finalized_number,
                    lag,
                    behind_source,
                    behind_l1,
                    target_block = target,
                    blocks_per_second = rate,
                    eta,
                    peers,
                    $words
                )
            };
        }
        match self.phase {
            Phase::WaitingForEl => say!("waiting for the execution layer"),
            Phase::WaitingForL1 => say!("waiting for l1"),
            Phase::WaitingForSource => say!("waiting for the follow source"),
            Phase::Syncing => say!("the execution layer syncs"),
            Phase::Stuck => say!("the execution layer makes no progress"),
            Phase::Following => say!("following"),
            Phase::FindingStart => say!("looking for the start of derivation"),
            Phase::CatchingUp => say!("catching up with l1"),
            Phase::Deriving => say!("deriving"),
            Phase::Holding => say!("heads hold"),
        }
    }
}

/// What the source said last, if that is not long ago.
fn fresh_answer(follow: &FollowStatus) -> Option<SyncStatus> {
    let is_fresh = follow.answer_age.is_some_and(|age| age <= ANSWER_AGE_MAX);
    follow.reported.filter(|_| is_fresh)
}

fn phase(now: &Look) -> (Phase, Option<&'static str>) {
    let is_down = now.el.failing_age().is_some_and(|age| age >= EL_PATIENCE);
    if now.el.el_wrong_chain {
        return (Phase::WaitingForEl, Some("el_wrong_chain"));
    }
    if !now.el.probed || is_down {
        return (Phase::WaitingForEl, Some("el_unreachable"));
    }
    if now.l1_head.is_zero() {
        let trouble = now.l1_trouble.as_ref();
        let name = trouble.map_or("l1_unreachable", L1Trouble::name);
        return (Phase::WaitingForL1, Some(name));
    }
    match &now.source {
        SafeSourceStatus::Follow(follow) => follow_phase(now, follow),
        SafeSourceStatus::Derive(derivation) => derive_phase(now, derivation),
    }
}

fn follow_phase(now: &Look, follow: &FollowStatus) -> (Phase, Option<&'static str>) {
    let trouble = follow.trouble.as_ref().map(NotReady::name);
    if follow.reported.is_none() {
        return (Phase::WaitingForSource, trouble);
    }
    let has_lasted = follow.in_step_age.is_none_or(|age| age > PATIENCE);
    let has_lost = now.engine.el_sync == ElSyncState::LostBlocks;
    let lost = has_lost.then_some("el_lost_blocks");
    let syncs = now.engine.target.is_some() || trouble == Some("el_syncing");
    if syncs && has_lasted {
        return if now.is_stuck {
            (Phase::Stuck, Some("el_no_progress"))
        } else {
            (Phase::Syncing, lost)
        };
    }
    if lost.is_some() {
        return (Phase::Holding, lost);
    }
    // Without L1 the source's origins are not to be found: the cause is said, not the consequence.
    if let Some(cause) = &now.l1_trouble {
        return (Phase::Holding, Some(cause.name()));
    }
    match trouble {
        Some(reason) if has_lasted || follow.not_ready.is_some() => (Phase::Holding, Some(reason)),
        _ if follow.applied.is_none() => (Phase::WaitingForSource, trouble),
        _ => (Phase::Following, None),
    }
}

fn derive_phase(now: &Look, derivation: &DerivationStatus) -> (Phase, Option<&'static str>) {
    let has_lost = now.engine.el_sync == ElSyncState::LostBlocks;
    if now.engine.el_sync == ElSyncState::Syncing {
        return if now.is_stuck {
            (Phase::Stuck, Some("el_no_progress"))
        } else {
            (Phase::Syncing, None)
        };
    }
    if has_lost {
        return (Phase::Holding, Some("el_lost_blocks"));
    }
    if let Some(cause) = &now.l1_trouble {
        return (Phase::Holding, Some(cause.name()));
    }
    match &derivation.not_ready {
        None => (Phase::Deriving, None),
        Some(DerivationTrouble::Behind { .. }) => (Phase::CatchingUp, None),
        Some(DerivationTrouble::NotStarted) => (Phase::FindingStart, None),
        Some(reason) => (Phase::Holding, Some(reason.name())),
    }
}

/// Blocks per second of the unsafe head, or of the EL's own head while it syncs. `None` if there is nothing to compare, or
/// the head went back.
fn rate(before: Option<&Look>, now: &Look) -> Option<f64> {
    if let Some(sync) = &now.el.sync {
        return Some(sync.blocks_per_second());
    }
    let before = before?;
    let (from, to) = (&before.engine.unsafe_head, &now.engine.unsafe_head);
    let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
    if from.is_zero() || to.is_zero() || seconds <= 0.0 {
        return None;
    }
    to.number
        .checked_sub(from.number)
        .map(|blocks| blocks as f64 / seconds)
}

fn time_to_go(blocks: u64, rate: f64) -> Option<Duration> {
    (blocks > 0 && rate > 0.0)
        .then(|| Duration::try_from_secs_f64(blocks as f64 / rate).ok())
        .flatten()
}

/// Writes a line each `interval` until `token` is cancelled.
pub(crate) async fn run(
    handle: CoreHandle,
    interval: Duration,
    token: CancellationToken,
) -> Result<(), Infallible> {
    let interval = interval.max(Duration::from_secs(1));
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        tokio::select! {
            biased;
            () = token.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let now = look(&handle);
        Line::new(before.as_ref(), &now).write();
        before = Some(now);
    }
}

fn look(handle: &CoreHandle) -> Look {
    let el = handle.engine.status();
    let wall_clock = SystemTime::now().duration_since(UNIX_EPOCH);
    Look {
        at: Instant::now(),
        wall_clock: wall_clock.unwrap_or_default().as_secs(),
        engine: handle.engine.state(),
        is_stuck: el.no_progress().is_some(),
        el,
        l1_head: handle.l1.heads().head,
        l1_trouble: handle.l1.status().trouble,
        source: handle.safe_source.status(),
        peers: handle
            .network
            .as_ref()
            .map(|network| network.stats().connected as u64),
    }
}

#[cfg(test)]
mod tests;
