//! The target: a head that the EL was asked for and that is not ours yet, because the EL fetches its blocks, or because it
//! answered VALID without moving. Pure: it only says when to ask again.

use crate::{payload::Payload, request::FollowUpdate};
use alloy_rpc_types_engine::ForkchoiceState;
use light_node_protocol::BlockNumHash;
use std::time::Duration;
use tokio::time::Instant;

/// First pause before a target that the EL syncs to is looked for; each one doubles. Short, because both ELs fetch a gap of a
/// few blocks in some 100 ms, nothing else tells us that it is done, and without gossip every update is such a gap.
const SYNC_RETRY: Duration = Duration::from_millis(100);
/// A target that was asked for a shorter time ago is only looked for: the EL has not forgotten it.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The pauses stay here: one L1 block. op-reth needs to hear of its target again after any other VALID.
const SYNC_RETRY_MAX: Duration = Duration::from_secs(12);
/// Pause between two looks at an EL that answered VALID and stayed on its branch.
const READ_BACK: Duration = Duration::from_millis(500);
/// Looks before we give up: 10 s. The next update of the safe source begins anew.
const READ_BACK_ATTEMPTS: u32 = 20;
/// A target yields to the block that the safe source names now after the EL's head stood still for this time: its peers do
/// not have that branch, or there is no such block and the source once lied.
const STUCK: Duration = Duration::from_secs(30);
/// A target of gossip that is near yields to derivation, which could build the next block, after this time.
const SLOW: Duration = Duration::from_secs(4);
/// So far above the EL's head is near. Both ELs fetch as many in one request.
const NEAR_BLOCKS: u64 = 64;

/// A step that the EL has not reached after this time is replaced by a later one: it may be a block that does not exist.
const STEP_AGE: Duration = Duration::from_secs(60);

/// Who wants the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetOrigin {
    /// The safe source.
    Source,
    /// An unsafe payload above a gap.
    Payload,
    /// The sequencer: the unsafe head that its safe source names. It yields by itself, whatever becomes of that source.
    Sequencer,
    /// Ourselves: the confirmed head, after the EL had moved to one that was refused.
    Restore,
}

/// What the EL is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Syncing { pause: Duration },
    ReadBack { attempts: u32 },
}

/// A head on its way.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The block.
    pub id: BlockNumHash,
    /// Who wants it.
    pub origin: TargetOrigin,
    /// Its payload, if we hold it.
    pub payload: Option<Payload>,
    /// The update whose labels follow when it is done.
    pub update: Option<FollowUpdate>,
    /// Since when a target is pending.
    pub since: Instant,
    /// The first update of the source that is still on its way, and since when: each new one takes the target over, and an
    /// EL that needs longer than from one to the next would never be found at any of them.
    step: Option<(FollowUpdate, Instant)>,
    /// A forkchoice for another head that the EL put off while it fetches this one. The same one is not sent again: each
    /// takes the EL away from its target. Boxed, because targets lie about in every task's future.
    put_off: Option<Box<ForkchoiceState>>,
    phase: Phase,
    due: Instant,
    latest: (u64, Instant),
}

impl Target {
    /// A target that was just asked for.
    pub(crate) const fn new(id: BlockNumHash, origin: TargetOrigin, now: Instant) -> Self {
        Self {
            id,
            origin,
            payload: None,
            update: None,
            since: now,
            step: None,
            put_off: None,
            phase: Phase::Syncing { pause: SYNC_RETRY },
            due: now,
            latest: (0, now),
        }
    }

    /// Goes on where the target before this one was: with its age, and the step on the way.
    pub(crate) fn continue_from(&mut self, before: &Self, now: Instant) {
        self.since = before.since;
        self.put_off.clone_from(&before.put_off);
        if self.origin != TargetOrigin::Source || before.origin != TargetOrigin::Source {
            return;
        }
        let step = before
            .step
            .filter(|(_, since)| now.duration_since(*since) < STEP_AGE);
        self.step = if self.id == before.id {
            self.step.or(step)
        } else {
            step.or_else(|| before.update.map(|update| (update, now)))
        };
    }

    /// An update below the target whose block the EL may have reached on its way.
    pub(crate) fn step(&self) -> Option<FollowUpdate> {
        self.step.map(|(update, _)| update)
    }

    /// True if the EL was asked for it a moment ago, and its pauses are still short.
    pub(crate) const fn is_young(&self) -> bool {
        match self.phase {
            Phase::Syncing { pause } => pause.as_millis() < ASK_AGAIN.as_millis(),
            Phase::ReadBack { .. } => false,
        }
    }

    /// The EL answered SYNCING to a forkchoice for another head, and may have taken that for its target.
    pub(crate) fn put_off(&mut self, forkchoice: ForkchoiceState, now: Instant) {
        self.put_off = Some(Box::new(forkchoice));
        self.ask_now(now);
    }

    /// True if the EL has put this forkchoice off already.
    pub(crate) fn has_put_off(&self, forkchoice: ForkchoiceState) -> bool {
        self.put_off.as_deref() == Some(&forkchoice)
    }

    /// When to ask again.
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// Ask again as soon as possible: an EL forgets its sync target at any VALID forkchoice.
    pub(crate) const fn ask_now(&mut self, now: Instant) {
        self.due = now;
    }

    /// The EL said that it syncs, or could not be asked.
    pub(crate) fn wait_for_sync(&mut self, now: Instant) {
        let pause = match self.phase {
            Phase::Syncing { pause } => pause,
            Phase::ReadBack { .. } => SYNC_RETRY,
        };
        self.due = now + pause;
        self.phase = Phase::Syncing {
            pause: pause.saturating_mul(2).min(SYNC_RETRY_MAX),
        };
    }

    /// The EL said VALID and is elsewhere. False if it was looked at often enough.
    pub(crate) fn wait_for_move(&mut self, now: Instant) -> bool {
        let attempts = match self.phase {
            Phase::Syncing { .. } => 1,
            Phase::ReadBack { attempts } => attempts + 1,
        };
        self.due = now + READ_BACK;
        self.phase = Phase::ReadBack { attempts };
        attempts < READ_BACK_ATTEMPTS
    }

    /// True while the EL has said VALID and is elsewhere.
    pub(crate) const fn is_read_back(&self) -> bool {
        matches!(self.phase, Phase::ReadBack { .. })
    }

    /// The EL comes nearer to it, whatever its head is.
    pub(crate) const fn progressed(&mut self, now: Instant) {
        self.latest.1 = now;
    }

    /// Notes the EL's own head. True if that head has stood still for too long.
    pub(crate) fn is_stuck(&mut self, latest: u64, now: Instant) -> bool {
        self.has_stood_still(latest, STUCK, now)
    }

    /// The same where the blocks up to it can be had from elsewhere: of a few, an EL that has peers fetches the first within
    /// that time.
    pub(crate) fn is_slow(&mut self, latest: u64, now: Instant) -> bool {
        let is_near = self.id.number.saturating_sub(latest) <= NEAR_BLOCKS;
        self.has_stood_still(latest, if is_near { SLOW } else { STUCK }, now)
    }

    fn has_stood_still(&mut self, latest: u64, patience: Duration, now: Instant) -> bool {
        if latest != self.latest.0 {
            self.latest = (latest, now);
        }
        self.origin != TargetOrigin::Restore && now.duration_since(self.latest.1) >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(origin: TargetOrigin, now: Instant) -> Target {
        Target::new(BlockNumHash::default(), origin, now)
    }

    #[test]
    fn sync_is_asked_about_after_100_ms_doubling_to_12_s() {
        let mut now = Instant::now();
        let mut target = target(TargetOrigin::Source, now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            target.wait_for_sync(now);
            pauses.push((target.due() - now).as_millis());
            now = target.due();
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12000]);
        target.ask_now(now);
        assert_eq!(target.due(), now);
    }

    #[test]
    fn a_move_is_waited_for_20_times() {
        let now = Instant::now();
        let mut target = target(TargetOrigin::Source, now);
        let looks = (1..100).find(|_| !target.wait_for_move(now));
        assert_eq!(looks, Some(20));
        assert_eq!(target.due() - now, Duration::from_millis(500));
        assert!(target.is_read_back());
    }

    #[test]
    fn a_target_yields_when_the_head_stands_still() {
        let start = Instant::now();
        let mut gossip = target(TargetOrigin::Payload, start);
        assert!(!gossip.is_stuck(5, start));
        assert!(!gossip.is_stuck(6, start + STUCK), "it moved");
        assert!(!gossip.is_stuck(6, start + STUCK));
        assert!(gossip.is_stuck(6, start + STUCK * 2));
        let mut own = target(TargetOrigin::Restore, start);
        assert!(!own.is_stuck(0, start + STUCK * 2));
    }

    #[test]
    fn a_near_target_is_slow_long_before_it_is_stuck() {
        let start = Instant::now();
        for (number, patience) in [(70, SLOW), (71, STUCK)] {
            let id = BlockNumHash {
                number,
                ..BlockNumHash::default()
            };
            let mut gossip = Target::new(id, TargetOrigin::Payload, start);
            assert!(!gossip.is_slow(6, start));
            assert!(!gossip.is_slow(6, start + patience / 2));
            assert!(gossip.is_slow(6, start + patience), "{number}");
        }
    }
}
