//! What goes wrong with the reference source on command: requests that are not answered, and statuses that are not true. The
//! source itself goes on as ever, and [`SourceHandle::status`](crate::SourceHandle::status) says what is true.

use futures::future::{BoxFuture, FutureExt};
use light_node_actor::CancellationToken;
use light_node_devnet_fault::{FaultSlot, HttpEffect, HttpFaults, Met};
use light_node_protocol::{BlockNumHash, L1BlockRef, L2BlockRef, SyncStatus};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How long a slow source takes, and how much a huge answer is, unless the command says otherwise.
const SLOW: Duration = Duration::from_secs(1);
const HUGE_BYTES: u64 = 100 << 20;
/// Largest huge answer.
const HUGE_BYTES_MAX: u64 = 1 << 30;

/// Statuses that are remembered for a source that is to fall behind. More than the L1 blocks of a long test.
const STATUSES_MAX: usize = 8192;

/// What goes wrong with a request, or with the status that it is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceFaultKind {
    /// The connection is closed without an answer.
    Refuse,
    /// No answer until the fault is over; then the connection is closed.
    Hang,
    /// The right answer, `amount` milliseconds later (1000).
    Slow,
    /// HTTP status 429.
    Http429,
    /// HTTP status 500.
    Http500,
    /// A web page with status 200, as a misconfigured proxy serves.
    Html,
    /// The first half of the right answer.
    Truncated,
    /// `amount` bytes (100 MiB) of JSON that are no answer.
    Huge,
    /// `optimism_syncStatus` fails with -32000.
    RpcError,
    /// The status is null.
    Null,
    /// All L2 heads and `current_l1` are zero objects, as while an op-node resets.
    ZeroHeads,
    /// Finalized is one block above safe.
    FinalizedAboveSafe,
    /// Safe and local safe have the largest number that there is.
    AbsurdNumbers,
    /// Safe and local safe claim an L1 origin that is on no chain.
    ForeignOrigin,
    /// Safe and local safe claim an L1 origin that is canonical, but not theirs.
    WrongOrigin,
    /// Safe and local safe are blocks that nobody has, with an origin that is canonical.
    ForeignBlock,
    /// The status of the moment in which the fault was set: with an L1 reorg afterwards, a source one reorg behind.
    Frozen,
    /// Safe and local safe are `amount` blocks (1) lower, and all else is as it is. Never below finalized.
    SafeBack,
    /// Finalized is `amount` blocks (1) lower.
    FinalizedBack,
    /// The status of `amount` L1 blocks (1) ago, as of a backend that lags or of a source that replays.
    Behind,
    /// The same with every second request: two backends, of which one lags.
    Alternating,
    /// `current_l1` is the zero object, and all else is as it is.
    ZeroCursor,
    /// `optimism_rollupConfig` has the L2 chain id `amount`, or the right one and 1.
    OtherChain,
    /// `optimism_rollupConfig` has another L2 genesis hash.
    OtherGenesis,
    /// `optimism_rollupConfig` is not served.
    NoRollupConfig,
}

/// A fault of the source.
pub type SourceFault = light_node_devnet_fault::Fault<SourceFaultKind>;

impl SourceFaultKind {
    /// True if every request meets it.
    pub(super) const fn is_of_transport(self) -> bool {
        matches!(
            self,
            Self::Refuse
                | Self::Hang
                | Self::Slow
                | Self::Http429
                | Self::Http500
                | Self::Html
                | Self::Truncated
                | Self::Huge
        )
    }

    pub(super) const fn is_of_config(self) -> bool {
        matches!(
            self,
            Self::OtherChain | Self::OtherGenesis | Self::NoRollupConfig
        )
    }

    pub(super) const fn is_of_status(self) -> bool {
        !self.is_of_transport() && !self.is_of_config()
    }
}

/// The statuses so far, one for each change.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(Arc<Mutex<VecDeque<SyncStatus>>>);

impl History {
    /// Adds the status of this moment.
    pub(super) fn push(&self, status: SyncStatus) {
        let mut statuses = self.lock();
        if statuses.len() == STATUSES_MAX {
            statuses.pop_front();
        }
        statuses.push_back(status);
    }

    /// The last status that fits, else the first of all.
    fn last(&self, fits: impl Fn(&SyncStatus) -> bool) -> Option<SyncStatus> {
        let statuses = self.lock();
        let last = statuses.iter().rev().find(|status| fits(status));
        last.or(statuses.front()).copied()
    }

    /// Whole statuses are pushed, so a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, VecDeque<SyncStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fault in force, and what is needed to lie.
#[derive(Debug, Default)]
pub(super) struct SourceFaults {
    pub(super) slot: FaultSlot<SourceFaultKind>,
    pub(super) history: History,
    frozen: Mutex<SyncStatus>,
    /// Counts statuses, to alternate.
    turn: AtomicU64,
}

impl SourceFaults {
    pub(super) fn new(history: History) -> Self {
        Self {
            history,
            ..Self::default()
        }
    }

    /// Puts a fault in force; `now` is the true status.
    pub(super) fn set(&self, fault: SourceFault, now: SyncStatus) {
        *self.frozen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.slot.set(fault);
    }

    /// The status that is told in place of the true one, `now`.
    pub(super) fn told(&self, met: Met<SourceFaultKind>, now: SyncStatus) -> SyncStatus {
        let amount = met.amount.unwrap_or(1);
        match met.kind {
            SourceFaultKind::Frozen => *self.frozen.lock().unwrap_or_else(PoisonError::into_inner),
            SourceFaultKind::Behind => self.behind(now, amount),
            SourceFaultKind::Alternating => {
                if self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                    self.behind(now, amount)
                } else {
                    now
                }
            }
            SourceFaultKind::SafeBack => {
                let wanted = now.safe_l2.number.saturating_sub(amount);
                let wanted = wanted.max(now.finalized_l2.number);
                let earlier = self.history.last(|past| past.safe_l2.number <= wanted);
                with_safe(now, earlier.map_or(now.finalized_l2, |past| past.safe_l2))
            }
            SourceFaultKind::FinalizedBack => {
                let wanted = now.finalized_l2.number.saturating_sub(amount);
                let earlier = self.history.last(|past| past.finalized_l2.number <= wanted);
                SyncStatus {
                    finalized_l2: earlier.unwrap_or(now).finalized_l2,
                    ..now
                }
            }
            kind => distorted(kind, now),
        }
    }

    fn behind(&self, now: SyncStatus, l1_blocks: u64) -> SyncStatus {
        let wanted = now.head_l1.number.saturating_sub(l1_blocks);
        let earlier = self.history.last(|past| past.head_l1.number <= wanted);
        earlier.unwrap_or(now)
    }
}

fn with_safe(status: SyncStatus, safe: L2BlockRef) -> SyncStatus {
    SyncStatus {
        safe_l2: safe,
        local_safe_l2: safe,
        pending_safe_l2: safe,
        ..status
    }
}

/// Lies that need nothing but the truth.
fn distorted(kind: SourceFaultKind, now: SyncStatus) -> SyncStatus {
    let safe = now.safe_l2;
    let safe_on = |l1_origin| with_safe(now, L2BlockRef { l1_origin, ..safe });
    match kind {
        SourceFaultKind::ZeroHeads => SyncStatus {
            current_l1: L1BlockRef::default(),
            unsafe_l2: L2BlockRef::default(),
            finalized_l2: L2BlockRef::default(),
            cross_unsafe_l2: L2BlockRef::default(),
            ..with_safe(now, L2BlockRef::default())
        },
        SourceFaultKind::FinalizedAboveSafe => SyncStatus {
            finalized_l2: L2BlockRef {
                number: safe.number + 1,
                ..safe
            },
            ..now
        },
        SourceFaultKind::AbsurdNumbers => {
            let number = u64::MAX;
            with_safe(now, L2BlockRef { number, ..safe })
        }
        SourceFaultKind::ForeignOrigin => {
            let mut origin = safe.l1_origin;
            origin.hash = !origin.hash;
            safe_on(origin)
        }
        SourceFaultKind::WrongOrigin => {
            let cursor = now.current_l1;
            let other = if cursor.number == safe.l1_origin.number {
                BlockNumHash::new(cursor.number.saturating_sub(1), cursor.parent_hash)
            } else {
                cursor.id()
            };
            safe_on(other)
        }
        SourceFaultKind::ForeignBlock => {
            let hash = !safe.hash;
            with_safe(now, L2BlockRef { hash, ..safe })
        }
        SourceFaultKind::ZeroCursor => SyncStatus {
            current_l1: L1BlockRef::default(),
            ..now
        },
        _ => now,
    }
}

/// The faults as the HTTP server asks for them.
#[derive(Clone, Debug)]
pub(super) struct ServedFaults {
    pub(super) faults: Arc<SourceFaults>,
    /// Ends the server, which would otherwise wait for requests that hang.
    pub(super) stop: CancellationToken,
}

impl HttpFaults for ServedFaults {
    fn is_in_force(&self) -> bool {
        let current = self.faults.slot.current();
        current.is_some_and(|met| met.kind.is_of_transport())
    }

    fn take(&self) -> Option<HttpEffect> {
        let met = self.faults.slot.take_if(SourceFaultKind::is_of_transport)?;
        Some(match met.kind {
            SourceFaultKind::Hang => HttpEffect::Hang,
            SourceFaultKind::Slow => HttpEffect::Slow(met.milliseconds_or(SLOW)),
            SourceFaultKind::Http429 => HttpEffect::Status(http::StatusCode::TOO_MANY_REQUESTS),
            SourceFaultKind::Http500 => HttpEffect::Status(http::StatusCode::INTERNAL_SERVER_ERROR),
            SourceFaultKind::Html => HttpEffect::Html,
            SourceFaultKind::Truncated => HttpEffect::Truncated,
            SourceFaultKind::Huge => {
                let bytes = met.amount.unwrap_or(HUGE_BYTES).min(HUGE_BYTES_MAX);
                HttpEffect::Huge(usize::try_from(bytes).unwrap_or(0))
            }
            _ => HttpEffect::Refuse,
        })
    }

    fn over(&self) -> BoxFuture<'static, ()> {
        let Self { faults, stop } = self.clone();
        async move {
            // Either is the end of waiting.
            let _ = stop.run_until_cancelled(faults.slot.over()).await;
        }
        .boxed()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
