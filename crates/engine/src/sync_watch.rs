//! Whether an execution layer that was asked for a head comes nearer to it. Pure: it is told what the EL says of itself,
//! and turns that into a rate, and into the verdict that nobody serves the head.

use light_node_engine_api::ElSyncing;
use light_node_protocol::BlockNumHash;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// Between two looks at the EL while a target is pending.
const LOOK: Duration = Duration::from_secs(5);

/// Looks over which the rate is taken: one minute.
const SAMPLES: usize = 13;

/// An EL that says that it does not sync, and whose head stands still for this time, has found nobody who serves the head:
/// to find a peer and fetch a block takes both ELs some seconds.
const STILL: Duration = Duration::from_secs(60);

/// An EL that says that it syncs, and in whose words nothing changes for this time, is stuck, too. op-reth writes down the
/// progress of a stage every ten minutes at the latest.
const STILL_WHILE_SYNCING: Duration = Duration::from_secs(900);

/// How far the execution layer is on its way to the head that it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncReport {
    /// The head that it was asked for.
    pub target: BlockNumHash,
    /// Number of its own head when it was last looked at.
    pub el_head: u64,
    /// Since when nothing about it has moved.
    pub still_since: Instant,
    /// It says of itself that it syncs.
    pub el_is_syncing: bool,
    /// It stands still for so long that no peer of it can serve the target.
    pub no_progress: bool,
    /// The oldest look of the last minute, and the newest: when, and the number of its head.
    window: [(Instant, u64); 2],
}

impl SyncReport {
    /// Why an EL makes no progress, and what helps, for the operator.
    pub const NO_PROGRESS_HINT: &'static str = "it needs a peer that has this block: see to its own peers (bootnodes, \
        trusted peers, p2p port); an op-geth that fetches no head by its hash alone needs the payloads of gossip, or an upgrade";

    /// Blocks between its head and the target.
    pub const fn blocks_left(&self) -> u64 {
        self.target.number.saturating_sub(self.el_head)
    }

    /// Blocks per second over the last minute; zero while its head stands still, as that of op-reth does during a far sync.
    pub fn blocks_per_second(&self) -> f64 {
        let [(start, from), (end, to)] = self.window;
        let seconds = end.duration_since(start).as_secs_f64();
        if seconds > 0.0 {
            to.saturating_sub(from) as f64 / seconds
        } else {
            0.0
        }
    }

    /// The time to the target at this rate; `None` while its head stands still.
    pub fn eta(&self) -> Option<Duration> {
        let rate = self.blocks_per_second();
        let seconds = (rate > 0.0).then(|| self.blocks_left() as f64 / rate)?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// For how long nothing about it has moved.
    pub fn still_age(&self) -> Duration {
        self.still_since.elapsed()
    }
}

/// What is seen of an EL while a target is pending.
#[derive(Debug)]
pub(crate) struct SyncWatch {
    due: Instant,
    samples: VecDeque<(Instant, u64)>,
    syncing: ElSyncing,
    still_since: Instant,
    no_progress: bool,
}

impl SyncWatch {
    /// A target has become pending.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            due: now + LOOK,
            samples: VecDeque::with_capacity(SAMPLES),
            syncing: ElSyncing::Idle,
            still_since: now,
            no_progress: false,
        }
    }

    /// When to look.
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// The EL is about to be looked at.
    pub(crate) fn looking(&mut self, now: Instant) {
        self.due = now + LOOK;
    }

    /// True if nobody has looked for so long that what was seen says nothing of a target that becomes pending now.
    pub(crate) fn is_outdated(&self, now: Instant) -> bool {
        now > self.due + LOOK
    }

    /// True if the EL said of itself that it syncs.
    pub(crate) fn is_syncing(&self) -> bool {
        self.syncing != ElSyncing::Idle
    }

    /// Notes what the EL says of itself. True if something has moved since the last look.
    pub(crate) fn saw(&mut self, head: u64, syncing: ElSyncing, now: Instant) -> bool {
        let before = self.samples.back().map(|(_, head)| *head);
        let moved = before.is_some_and(|before| before != head) || syncing != self.syncing;
        if moved {
            self.still_since = now;
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((now, head));
        self.syncing = syncing;
        moved
    }

    /// Judges anew. True if the verdict has changed.
    pub(crate) fn judge(&mut self, now: Instant) -> bool {
        let patience = match self.syncing {
            ElSyncing::Idle => STILL,
            ElSyncing::Syncing { .. } => STILL_WHILE_SYNCING,
        };
        let no_progress = now.duration_since(self.still_since) >= patience;
        std::mem::replace(&mut self.no_progress, no_progress) != no_progress
    }

    /// The report, once the EL has been looked at.
    pub(crate) fn report(&self, target: BlockNumHash) -> Option<SyncReport> {
        let (oldest, newest) = (*self.samples.front()?, *self.samples.back()?);
        Some(SyncReport {
            target,
            el_head: newest.1,
            still_since: self.still_since,
            el_is_syncing: self.syncing != ElSyncing::Idle,
            no_progress: self.no_progress,
            window: [oldest, newest],
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TARGET: BlockNumHash = BlockNumHash {
        number: 1_000,
        hash: alloy_primitives::B256::ZERO,
    };

    fn syncing(marks: u64) -> ElSyncing {
        ElSyncing::Syncing {
            current: 0,
            highest: 0,
            marks,
        }
    }

    /// The times at which the verdict became "no progress", over `looks` looks.
    fn watch(looks: u32, says: impl Fn(u32) -> (u64, ElSyncing)) -> (Vec<Duration>, SyncReport) {
        let start = Instant::now();
        let mut watch = SyncWatch::new(start);
        let mut verdicts = Vec::new();
        for look in 0..looks {
            let now = watch.due();
            watch.looking(now);
            let (head, syncing) = says(look);
            watch.saw(head, syncing, now);
            if watch.judge(now) && watch.no_progress {
                verdicts.push(now - start);
            }
        }
        (verdicts, watch.report(TARGET).unwrap())
    }

    #[test]
    fn an_idle_el_whose_head_stands_still_makes_no_progress_after_a_minute() {
        let (verdicts, report) = watch(20, |_| (7, ElSyncing::Idle));
        assert_eq!(verdicts, [STILL]);
        assert!(report.no_progress);
        assert_eq!((report.blocks_left(), report.eta()), (993, None));
    }

    #[test]
    fn a_head_that_moves_is_progress_with_a_rate_and_an_eta() {
        let (verdicts, report) = watch(50, |look| (u64::from(look) * 10, ElSyncing::Idle));
        assert!(verdicts.is_empty(), "{verdicts:?}");
        assert!((report.blocks_per_second() - 2.0).abs() < 1e-9);
        assert_eq!(report.el_head, 490);
        assert_eq!(report.eta(), Some(Duration::from_secs(255)));
    }

    #[test]
    fn a_far_sync_whose_stages_move_is_progress_and_one_that_stands_still_is_none() {
        let (verdicts, report) = watch(400, |look| (0, syncing(u64::from(look / 60))));
        assert!(verdicts.is_empty(), "{verdicts:?}");
        assert!(report.el_is_syncing && !report.no_progress);
        let (verdicts, _) = watch(400, |_| (0, syncing(1)));
        // The first look finds that it syncs, which counts as a move.
        assert_eq!(verdicts, [STILL_WHILE_SYNCING + LOOK]);
    }

    #[test]
    fn progress_ends_the_verdict() {
        let (verdicts, report) = watch(20, |look| (u64::from(look / 15), ElSyncing::Idle));
        assert_eq!(verdicts.len(), 1);
        assert!(!report.no_progress);
    }
}
