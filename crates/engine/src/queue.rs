//! The queue between the inbox and the EL: one bounded FIFO per lane, the highest lane first. It is pure: it is told the
//! time and the epoch, and knows nothing of what its items mean.

use crate::handle::MAX_DERIVED;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// A task that has waited this long goes next (but never before a seal or commit): a flood in a high lane must not hold
/// back the safe head for ever. Two seconds are one block of most chains.
pub(crate) const AGED: Duration = Duration::from_secs(2);

/// Payloads that may wait for the EL, in number and in bytes: as many as the payload buffer holds by default.
const MAX_INSERTS: usize = 512;
const MAX_INSERT_BYTES: usize = 64 << 20;

/// Attributes and cursors that may wait; the sender holds a permit for each, so the bound is only a second fence.
const MAX_CONSOLIDATIONS: usize = 2 * MAX_DERIVED;

/// The lanes, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Forget what was planned and start from given heads.
    Reset,
    /// Seal a build, or make a sealed block the head: a block's deadline hangs on it.
    Commit,
    /// Start a build.
    Build,
    /// Unsafe payloads.
    InsertUnsafe,
    /// Updates of the follow source.
    Follow,
    /// Derived attributes and the derivation cursor.
    Consolidate,
    /// Finalized heads.
    Finalize,
}

impl Lane {
    /// All lanes, highest first.
    pub const ALL: [Self; 7] = [
        Self::Reset,
        Self::Commit,
        Self::Build,
        Self::InsertUnsafe,
        Self::Follow,
        Self::Consolidate,
        Self::Finalize,
    ];

    /// The name in status reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Commit => "commit",
            Self::Build => "build",
            Self::InsertUnsafe => "insert_unsafe",
            Self::Follow => "follow",
            Self::Consolidate => "consolidate",
            Self::Finalize => "finalize",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// What a request was made against. An older one is answered `Stale` and never reaches the EL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The epoch that the sender saw; `None` if the request holds in any epoch.
    pub epoch: Option<u64>,
    /// The flush count that the sender saw (attributes only).
    pub flushes: Option<u64>,
}

impl Stamp {
    /// Holds in any epoch.
    pub(crate) const ANY: Self = Self {
        epoch: None,
        flushes: None,
    };

    fn is_older_than(self, epoch: u64, flushes: u64) -> bool {
        self.epoch.is_some_and(|stamped| stamped < epoch)
            || self.flushes.is_some_and(|stamped| stamped < flushes)
    }
}

/// One request in the queue.
#[derive(Debug)]
pub(crate) struct Task<T> {
    /// The request.
    pub item: T,
    /// What it was made against.
    pub stamp: Stamp,
    /// The block number of a payload: of a full lane the highest is dropped. Zero elsewhere.
    pub number: u64,
    /// Memory that the request holds. Zero where it does not count.
    pub bytes: usize,
    /// When it came; kept when it goes back.
    pub queued_at: Instant,
    /// It is in back-off until then.
    pub not_before: Option<Instant>,
    /// How often it went back.
    pub attempts: u32,
}

impl<T> Task<T> {
    /// A request that came at `now` and holds in any epoch.
    pub(crate) const fn new(item: T, now: Instant) -> Self {
        Self {
            item,
            stamp: Stamp::ANY,
            number: 0,
            bytes: 0,
            queued_at: now,
            not_before: None,
            attempts: 0,
        }
    }
}

/// What became of a push. A request that did not stay must be answered.
#[derive(Debug)]
pub(crate) enum Pushed<T> {
    /// It waits.
    Queued,
    /// It waits, or not: this one fell out. In a lane of one slot the older; of a full lane of payloads the highest.
    Displaced(Task<T>),
    /// It was made against an older epoch.
    Stale(Task<T>),
}

/// Prioritized lanes.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    lanes: [VecDeque<Task<T>>; Lane::ALL.len()],
    insert_bytes: usize,
    epoch: u64,
    flushes: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            lanes: std::array::from_fn(|_| VecDeque::new()),
            insert_bytes: 0,
            epoch: 0,
            flushes: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Puts a request at the end of its lane, within the bounds of the lane.
    pub(crate) fn push(&mut self, lane: Lane, mut task: Task<T>) -> Pushed<T> {
        if task.stamp.is_older_than(self.epoch, self.flushes) {
            return Pushed::Stale(task);
        }
        let waiting = &mut self.lanes[lane.index()];
        match lane {
            Lane::InsertUnsafe => {
                self.insert_bytes += task.bytes;
                waiting.push_back(task);
                self.shrink_inserts()
                    .map_or(Pushed::Queued, Pushed::Displaced)
            }
            Lane::Consolidate if waiting.len() >= MAX_CONSOLIDATIONS => Pushed::Displaced(task),
            Lane::Consolidate => {
                waiting.push_back(task);
                Pushed::Queued
            }
            // The newer takes the place of the older, with its age and its back-off: a stream of newer requests must
            // neither keep a lane young nor let it knock at a failing EL without pause.
            Lane::Reset | Lane::Commit | Lane::Build | Lane::Follow | Lane::Finalize => {
                let older = waiting.pop_front();
                if let Some(older) = &older {
                    task.queued_at = older.queued_at;
                    task.not_before = older.not_before;
                    task.attempts = older.attempts;
                }
                waiting.push_back(task);
                older.map_or(Pushed::Queued, Pushed::Displaced)
            }
        }
    }

    /// Puts a request that must be tried again back to the front of its lane. A newer one that has come to a lane of one
    /// slot meanwhile wins; then the older is returned.
    pub(crate) fn put_back(
        &mut self,
        lane: Lane,
        mut task: Task<T>,
        not_before: Instant,
    ) -> Option<Task<T>> {
        task.not_before = Some(not_before);
        task.attempts = task.attempts.saturating_add(1);
        let waiting = &mut self.lanes[lane.index()];
        let one_slot = !matches!(lane, Lane::InsertUnsafe | Lane::Consolidate);
        match waiting.front_mut() {
            Some(newer) if one_slot => {
                newer.not_before = task.not_before;
                newer.attempts = task.attempts;
                Some(task)
            }
            _ => {
                if lane == Lane::InsertUnsafe {
                    self.insert_bytes += task.bytes;
                }
                waiting.push_front(task);
                None
            }
        }
    }

    /// Moves to a later epoch and flush count, and returns what has become stale.
    pub(crate) fn advance(&mut self, epoch: u64, flushes: u64) -> Vec<Task<T>> {
        if (epoch, flushes) == (self.epoch, self.flushes) {
            return Vec::new();
        }
        self.epoch = epoch;
        self.flushes = flushes;
        let is_stale = |task: &Task<T>| task.stamp.is_older_than(epoch, flushes);
        let lanes = Lane::ALL.into_iter();
        lanes
            .flat_map(|lane| self.take_where(lane, is_stale))
            .collect()
    }

    /// Takes the request that goes next, if any may go at `now`.
    pub(crate) fn pick(&mut self, now: Instant) -> Option<(Lane, Task<T>)> {
        let lane = self.next_lane(now)?;
        let task = self.lanes[lane.index()].pop_front()?;
        if lane == Lane::InsertUnsafe {
            self.insert_bytes -= task.bytes;
        }
        Some((lane, task))
    }

    /// True if a seal or commit may go at `now`.
    pub(crate) fn commit_waits(&self, now: Instant) -> bool {
        self.ready(Lane::Commit, now).is_some()
    }

    /// When the first request leaves its back-off, if one is in back-off.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let due = |lane: Lane| {
            self.lanes[lane.index()]
                .front()
                .and_then(|task| task.not_before)
        };
        due(Lane::Reset).or_else(|| Lane::ALL.into_iter().filter_map(due).min())
    }

    /// How many requests wait in each lane, in the order of [`Lane::ALL`].
    pub(crate) fn depths(&self) -> [usize; Lane::ALL.len()] {
        std::array::from_fn(|index| self.lanes[index].len())
    }

    /// When the request that has waited longest in each lane came, in the order of [`Lane::ALL`].
    pub(crate) fn oldest(&self) -> [Option<Instant>; Lane::ALL.len()] {
        std::array::from_fn(|index| self.lanes[index].front().map(|task| task.queued_at))
    }

    /// Takes everything out of one lane, back-off or not.
    pub(crate) fn drain(&mut self, lane: Lane) -> Vec<Task<T>> {
        self.take_where(lane, |_| true)
    }

    /// Takes out of one lane what `taken` names, back-off or not.
    pub(crate) fn take_where(
        &mut self,
        lane: Lane,
        taken: impl Fn(&Task<T>) -> bool,
    ) -> Vec<Task<T>> {
        let waiting = std::mem::take(&mut self.lanes[lane.index()]);
        let (out, kept): (Vec<_>, Vec<_>) = waiting.into_iter().partition(taken);
        self.lanes[lane.index()] = kept.into();
        if lane == Lane::InsertUnsafe {
            self.insert_bytes -= out.iter().map(|task| task.bytes).sum::<usize>();
        }
        out
    }

    fn next_lane(&self, now: Instant) -> Option<Lane> {
        if let Some(reset) = self.lanes[Lane::Reset.index()].front()
            && !may_go(reset, now)
        {
            return None;
        }
        let mut ready = Lane::ALL
            .into_iter()
            .filter(|lane| self.ready(*lane, now).is_some());
        let first = ready.next()?;
        if first == Lane::Commit || self.commit_waits(now) {
            return Some(first);
        }
        let aged = std::iter::once(first)
            .chain(ready)
            .filter_map(|lane| Some((self.ready(lane, now)?.queued_at, lane)))
            .filter(|(queued_at, _)| now.duration_since(*queued_at) >= AGED)
            .min();
        Some(aged.map_or(first, |(_, lane)| lane))
    }

    /// The front of a lane, if it is not in back-off.
    fn ready(&self, lane: Lane, now: Instant) -> Option<&Task<T>> {
        self.lanes[lane.index()]
            .front()
            .filter(|task| may_go(task, now))
    }

    /// Drops the highest payload (of equals the newest) of an overfull lane: the low ones link first, and a high one
    /// comes again by the EL's own sync.
    fn shrink_inserts(&mut self) -> Option<Task<T>> {
        let waiting = &mut self.lanes[Lane::InsertUnsafe.index()];
        if waiting.len() <= MAX_INSERTS && self.insert_bytes <= MAX_INSERT_BYTES {
            return None;
        }
        let highest = (0..waiting.len()).max_by_key(|index| waiting[*index].number)?;
        let dropped = waiting.remove(highest)?;
        self.insert_bytes -= dropped.bytes;
        Some(dropped)
    }
}

fn may_go<T>(task: &Task<T>, now: Instant) -> bool {
    task.not_before.is_none_or(|not_before| not_before <= now)
}

#[cfg(test)]
mod tests;
