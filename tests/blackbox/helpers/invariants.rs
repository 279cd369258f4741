//! What must hold in every single read of a node's status, whatever happens around it.

use super::rpc::Rpc;
use light_node_protocol::{L2BlockRef, SyncStatus};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

/// Time between two reads.
const READ_EVERY: Duration = Duration::from_millis(20);

/// A rule of one test, beside those of all.
pub(crate) type Rule = fn(&SyncStatus) -> Result<(), &'static str>;

/// With no unsafe payloads, unsafe and local safe move as one.
pub(crate) fn unsafe_is_local_safe(status: &SyncStatus) -> Result<(), &'static str> {
    let is_known = !status.local_safe_l2.is_zero();
    expect(
        !is_known || status.unsafe_l2 == status.local_safe_l2,
        "unsafe differs from local safe",
    )
}

/// Reads the status again and again until it is finished.
#[derive(Debug)]
#[must_use = "finish it, or nothing is asserted"]
pub(crate) struct Invariants {
    flags: Arc<SharedFlags>,
    reader: JoinHandle<Result<usize, String>>,
}

#[derive(Debug, Default)]
struct SharedFlags {
    finished: AtomicBool,
    safe_may_go_back: AtomicBool,
}

impl Invariants {
    /// Reads from the node at `rpc` until [`Self::finish`].
    pub(crate) fn watch(rpc: Rpc) -> Self {
        Self::watch_with(rpc, |_| Ok(()))
    }

    /// The same, with a rule that holds in this test.
    pub(crate) fn watch_with(rpc: Rpc, rule: Rule) -> Self {
        let flags = Arc::new(SharedFlags::default());
        let reader = tokio::spawn(read(rpc, rule, flags.clone()));
        Self { flags, reader }
    }

    /// From now on safe may go back, because L1 does.
    pub(crate) fn expect_reorg(&self) {
        self.flags.safe_may_go_back.store(true, Ordering::SeqCst);
    }

    /// Stops reading and asserts that every read kept the rules.
    pub(crate) async fn finish(self) {
        self.flags.finished.store(true, Ordering::SeqCst);
        let reads = self
            .reader
            .await
            .unwrap()
            .unwrap_or_else(|broken| panic!("{broken}"));
        assert!(reads > 1, "{reads} reads prove nothing");
    }
}

async fn read(rpc: Rpc, rule: Rule, flags: Arc<SharedFlags>) -> Result<usize, String> {
    let mut ticks = interval(READ_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = SyncStatus::default();
    let mut reads = 0;
    while !flags.finished.load(Ordering::SeqCst) {
        ticks.tick().await;
        let safe_may_go_back = flags.safe_may_go_back.load(Ordering::SeqCst);
        let now = rpc.sync_status().await.map_err(|cause| cause.to_string())?;
        alone(&now)
            .and_then(|()| after(&before, &now, safe_may_go_back))
            .and_then(|()| rule(&now))
            .map_err(|broken| format!("{broken}: {now:#?} after {before:#?}"))?;
        before = now;
        reads += 1;
    }
    Ok(reads)
}

/// Rules of one read.
fn alone(status: &SyncStatus) -> Result<(), &'static str> {
    let ascending = [
        status.finalized_l2,
        status.safe_l2,
        status.local_safe_l2,
        status.unsafe_l2,
    ];
    for pair in ascending.windows(2) {
        let [lower, upper] = [pair[0], pair[1]];
        if lower.is_zero() {
            continue;
        }
        // Finalized may be known from the execution layer before the source has said what is safe.
        expect(
            upper.is_zero() || lower.number <= upper.number,
            "heads are not in order",
        )?;
        expect(
            lower.number != upper.number || lower == upper || upper.is_zero(),
            "heads are on two branches",
        )?;
    }
    expect(
        status.pending_safe_l2 == status.local_safe_l2,
        "pending safe is not local safe",
    )?;
    expect(
        status.cross_unsafe_l2 == status.unsafe_l2,
        "cross unsafe is not unsafe",
    )?;
    expect(
        status.current_l1_finalized == status.finalized_l1,
        "the old name of finalized_l1 differs",
    )
}

/// Rules of a read and the one before it.
fn after(
    before: &SyncStatus,
    now: &SyncStatus,
    safe_may_go_back: bool,
) -> Result<(), &'static str> {
    let heads = |status: &SyncStatus| {
        [
            status.unsafe_l2,
            status.local_safe_l2,
            status.safe_l2,
            status.finalized_l2,
        ]
    };
    for (before, now) in heads(before).iter().zip(heads(now)) {
        expect(
            before.is_zero() || !now.is_zero(),
            "a known L2 head became unknown",
        )?;
    }
    for (before, now) in [
        (before.current_l1, now.current_l1),
        (before.head_l1, now.head_l1),
    ] {
        expect(
            before.is_zero() || !now.is_zero(),
            "a known L1 block became unknown",
        )?;
    }
    expect(
        is_not_back(&before.finalized_l2, &now.finalized_l2),
        "finalized went back",
    )?;
    expect(
        safe_may_go_back || is_not_back(&before.safe_l2, &now.safe_l2),
        "safe went back without a cause",
    )
}

fn is_not_back(before: &L2BlockRef, now: &L2BlockRef) -> bool {
    before == now || before.is_zero() || before.number < now.number
}

const fn expect(holds: bool, broken: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(broken) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    fn block(number: u64, branch: u8) -> L2BlockRef {
        L2BlockRef {
            hash: B256::repeat_byte(branch),
            number,
            ..L2BlockRef::default()
        }
    }

    fn status(finalized: L2BlockRef, safe: L2BlockRef, head: L2BlockRef) -> SyncStatus {
        SyncStatus {
            unsafe_l2: head,
            cross_unsafe_l2: head,
            safe_l2: safe,
            local_safe_l2: safe,
            pending_safe_l2: safe,
            finalized_l2: finalized,
            ..SyncStatus::default()
        }
    }

    #[test]
    fn a_single_read_is_refused_for_each_rule_that_it_breaks() {
        let good = status(block(1, 1), block(2, 2), block(3, 3));
        assert_eq!(alone(&good), Ok(()));
        assert_eq!(alone(&SyncStatus::default()), Ok(()));
        assert!(alone(&status(block(3, 3), block(2, 2), block(3, 3))).is_err());
        assert!(alone(&status(block(1, 1), block(4, 4), block(3, 3))).is_err());
        assert!(alone(&status(block(1, 1), block(3, 4), block(3, 3))).is_err());
        let pending_safe_l2 = block(1, 1);
        assert!(
            alone(&SyncStatus {
                pending_safe_l2,
                ..good
            })
            .is_err()
        );
        assert!(unsafe_is_local_safe(&good).is_err());
    }

    #[test]
    fn a_read_is_compared_with_the_one_before() {
        let before = status(block(2, 2), block(3, 3), block(4, 4));
        assert_eq!(after(&SyncStatus::default(), &before, false), Ok(()));
        assert_eq!(after(&before, &before, false), Ok(()));
        assert!(after(&before, &SyncStatus::default(), true).is_err());
        for finalized in [block(1, 1), block(2, 9)] {
            let back = status(finalized, block(3, 3), block(4, 4));
            assert!(after(&before, &back, true).is_err());
        }
        for safe in [block(2, 2), block(3, 9)] {
            let back = status(block(2, 2), safe, block(4, 4));
            assert!(after(&before, &back, false).is_err());
            assert_eq!(after(&before, &back, true), Ok(()));
        }
    }
}
