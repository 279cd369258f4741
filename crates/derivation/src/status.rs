//! What the derivation actor tells others about itself: what it does, why the node is not ready, and counters.

use crate::confirmations::readable;
use core::fmt;
use light_node_l1::BlobError;
use light_node_protocol::{BlockNumHash, Hardfork, L1BlockRef, L2BlockRef};
use std::time::Duration;
use tokio::time::Instant;

/// What derivation does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DerivationPhase {
    /// The execution layer has not answered yet, or fetches blocks by itself.
    #[default]
    WaitingForEl,
    /// Looks in L1 and L2 for the block from which to derive.
    FindingStart,
    /// Reads L1 that lies behind its head.
    Deriving,
    /// Has used up every L1 block, and waits for the next.
    CaughtUp,
    /// Cannot go on before the operator has done something.
    Stopped,
}

impl DerivationPhase {
    /// All phases.
    pub const ALL: [Self; 5] = [
        Self::WaitingForEl,
        Self::FindingStart,
        Self::Deriving,
        Self::CaughtUp,
        Self::Stopped,
    ];

    /// The phase as one word, for metrics and `/status`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WaitingForEl => "waiting_for_el",
            Self::FindingStart => "finding_start",
            Self::Deriving => "deriving",
            Self::CaughtUp => "caught_up",
            Self::Stopped => "stopped",
        }
    }
}

/// Why the node does not derive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DerivationTrouble {
    /// Derivation has not started yet, and nothing is known to be wrong.
    NotStarted,
    /// L1 could not be asked.
    L1Unreachable {
        /// The error in words.
        cause: String,
    },
    /// Our L1 has not reached the origin of a head that the execution layer calls final.
    L1Behind {
        /// The origin.
        origin: BlockNumHash,
    },
    /// The origin of our finalized head is not on our L1.
    FinalizedNotOnL1 {
        /// The origin.
        origin: BlockNumHash,
    },
    /// No beacon gave the blobs that the batcher posted.
    BeaconUnreachable {
        /// Each beacon's error in words.
        cause: String,
    },
    /// The beacons contradict L1 about a slot.
    BlobsMissing {
        /// What they say.
        cause: String,
    },
    /// Nobody keeps the blobs any more.
    BlobsExpired {
        /// Which.
        cause: String,
    },
    /// The next block activates a fork whose upgrade transactions were not given.
    MissingUpgradeBundle {
        /// The fork.
        fork: Hardfork,
    },
    /// The execution layer could not be asked.
    ElUnavailable {
        /// The error in words.
        cause: String,
    },
    /// The execution layer's blocks do not make a start: one is missing, or is not what it should be.
    ElUnusable {
        /// What is wrong.
        cause: String,
    },
    /// Derivation lies behind L1 and comes nearer.
    Behind {
        /// L1 blocks to read.
        blocks: u64,
    },
}

impl DerivationTrouble {
    /// What [`DerivationTrouble::name`] can say.
    pub const NAMES: [&'static str; 11] = [
        "derivation_not_started",
        "l1_unreachable",
        "l1_behind",
        "finalized_not_on_l1",
        "beacon_unreachable",
        "blobs_missing",
        "blobs_expired",
        "missing_upgrade_bundle",
        "el_unavailable",
        "el_unusable",
        "deriving",
    ];

    /// What it means that blobs are not there.
    pub(crate) fn of_blobs(error: &BlobError) -> Self {
        let cause = error.to_string();
        match error {
            BlobError::Reorged { .. } | BlobError::Missed { .. } => Self::BlobsMissing { cause },
            BlobError::Expired { .. } => Self::BlobsExpired { cause },
            BlobError::Unavailable { .. } => Self::BeaconUnreachable { cause },
        }
    }

    /// The reason as one word, for `/readyz`, metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotStarted => "derivation_not_started",
            Self::L1Unreachable { .. } => "l1_unreachable",
            Self::L1Behind { .. } => "l1_behind",
            Self::FinalizedNotOnL1 { .. } => "finalized_not_on_l1",
            Self::BeaconUnreachable { .. } => "beacon_unreachable",
            Self::BlobsMissing { .. } => "blobs_missing",
            Self::BlobsExpired { .. } => "blobs_expired",
            Self::MissingUpgradeBundle { .. } => "missing_upgrade_bundle",
            Self::ElUnavailable { .. } => "el_unavailable",
            Self::ElUnusable { .. } => "el_unusable",
            Self::Behind { .. } => "deriving",
        }
    }

    /// True if somebody has to look at it: it does not pass by itself.
    pub const fn is_alarm(&self) -> bool {
        matches!(
            self,
            Self::FinalizedNotOnL1 { .. }
                | Self::BlobsExpired { .. }
                | Self::MissingUpgradeBundle { .. }
                | Self::ElUnusable { .. }
        )
    }

    /// True if the reason makes us unready at once; the others may pass by themselves and get their time first.
    pub const fn is_immediate(&self) -> bool {
        self.is_alarm() || matches!(self, Self::NotStarted | Self::Behind { .. })
    }
}

impl fmt::Display for DerivationTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("derivation has not started yet"),
            Self::L1Unreachable { cause } => write!(f, "l1 could not be read: {cause}"),
            Self::L1Behind { origin } => {
                write!(
                    f,
                    "our l1 has not reached block {}, the origin of our finalized head",
                    origin.number
                )
            }
            Self::FinalizedNotOnL1 { origin } => write!(
                f,
                "l1 block {}:{}, the origin of our finalized head, is not on our l1: the l1 endpoint or the execution layer is of \
                 another chain",
                origin.number, origin.hash
            ),
            Self::BeaconUnreachable { cause } | Self::BlobsMissing { cause } => f.write_str(cause),
            Self::BlobsExpired { cause } => write!(
                f,
                "{cause}: give --l1.beacon one that archives blobs, or start the execution layer from a newer snapshot"
            ),
            Self::MissingUpgradeBundle { fork } => write!(
                f,
                "the next block activates {fork}, and its upgrade transactions are not known: give --rollup.upgrade-bundle=FILE"
            ),
            Self::ElUnavailable { cause } => {
                write!(f, "the execution layer could not be asked: {cause}")
            }
            Self::ElUnusable { cause } => {
                write!(
                    f,
                    "the execution layer's blocks cannot be derived from: {cause}"
                )
            }
            Self::Behind { blocks } => write!(f, "{blocks} l1 blocks are still to be read"),
        }
    }
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DerivationCounters {
    /// L2 blocks that were derived and are safe.
    pub blocks: u64,
    /// Those of them that lost their transactions because the execution layer refused them.
    pub deposits_only: u64,
    /// Batches that were given up because the execution layer refused them (before Holocene).
    pub dropped: u64,
    /// L1 blocks used up.
    pub l1_blocks: u64,
    /// Times that derivation started over, the first start not counted.
    pub resets: u64,
    /// Times that something had to be asked again.
    pub retries: u64,
}

/// The derivation actor as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DerivationStatus {
    /// What it does.
    pub phase: DerivationPhase,
    /// Why the node is not ready; `None` when it is.
    pub not_ready: Option<DerivationTrouble>,
    /// What is wrong right now, also where it does not make us unready yet.
    pub trouble: Option<DerivationTrouble>,
    /// The L1 block that is read now; the zero object before the start.
    pub origin: L1BlockRef,
    /// L1 blocks that may be read and are not used up yet; `None` before the start.
    pub behind_l1_blocks: Option<u64>,
    /// The last block that derivation made safe since it started; the zero object before.
    pub safe: L2BlockRef,
    /// Derived blocks of which the engine has not said yet what became of them.
    pub in_flight: usize,
    /// Why derivation last started over.
    pub last_reset: Option<String>,
    /// How often what happened.
    pub counters: DerivationCounters,
}

/// What the actor publishes after every event; what depends on the time is computed when somebody looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) phase: DerivationPhase,
    pub(crate) trouble: Option<DerivationTrouble>,
    /// Since when there has been trouble without an end.
    pub(crate) troubled_since: Option<Instant>,
    pub(crate) origin: L1BlockRef,
    pub(crate) safe: L2BlockRef,
    pub(crate) in_flight: usize,
    pub(crate) last_reset: Option<String>,
    pub(crate) counters: DerivationCounters,
}

/// What a look at the snapshot is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    pub(crate) patience: Duration,
    pub(crate) behind_max_blocks: u64,
    pub(crate) l1_confirmations: u64,
}

impl Snapshot {
    /// L1 blocks that may be read and are not used up.
    fn behind(&self, head: &L1BlockRef, measure: &Measure) -> Option<u64> {
        if self.origin.is_zero() {
            return None;
        }
        let readable = readable(head, measure.l1_confirmations);
        Some(readable.saturating_sub(self.origin.number))
    }

    /// Why the node is not ready.
    pub(crate) fn not_ready(
        &self,
        head: &L1BlockRef,
        measure: &Measure,
    ) -> Option<DerivationTrouble> {
        let has_lasted = self
            .troubled_since
            .is_some_and(|since| since.elapsed() > measure.patience);
        let trouble = self.trouble.clone();
        if let Some(trouble) = trouble.filter(|trouble| has_lasted || trouble.is_immediate()) {
            return Some(trouble);
        }
        match self.behind(head, measure) {
            None => Some(
                self.trouble
                    .clone()
                    .unwrap_or(DerivationTrouble::NotStarted),
            ),
            Some(blocks) if blocks > measure.behind_max_blocks => {
                let behind = DerivationTrouble::Behind { blocks };
                Some(self.trouble.clone().unwrap_or(behind))
            }
            Some(_) => None,
        }
    }

    pub(crate) fn to_status(&self, head: &L1BlockRef, measure: &Measure) -> DerivationStatus {
        DerivationStatus {
            phase: self.phase,
            not_ready: self.not_ready(head, measure),
            trouble: self.trouble.clone(),
            origin: self.origin,
            behind_l1_blocks: self.behind(head, measure),
            safe: self.safe,
            in_flight: self.in_flight,
            last_reset: self.last_reset.clone(),
            counters: self.counters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use tokio::time::advance;

    const MEASURE: Measure = Measure {
        patience: Duration::from_secs(120),
        behind_max_blocks: 10,
        l1_confirmations: 0,
    };

    fn l1(number: u64) -> L1BlockRef {
        L1BlockRef {
            number,
            hash: B256::repeat_byte(1),
            ..L1BlockRef::default()
        }
    }

    fn reason(snapshot: &Snapshot, head: u64) -> Option<&'static str> {
        let not_ready = snapshot.not_ready(&l1(head), &MEASURE);
        not_ready.map(|trouble| trouble.name())
    }

    fn caught_up() -> Snapshot {
        Snapshot {
            phase: DerivationPhase::CaughtUp,
            origin: l1(100),
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_node_that_has_not_started_is_not_ready() {
        assert_eq!(
            reason(&Snapshot::default(), 0),
            Some("derivation_not_started")
        );
    }

    #[test]
    fn a_node_far_behind_l1_is_not_ready() {
        assert_eq!(reason(&caught_up(), 100), None);
        assert_eq!(reason(&caught_up(), 110), None);
        assert_eq!(reason(&caught_up(), 111), Some("deriving"));
        let confirmed = Measure {
            l1_confirmations: 4,
            ..MEASURE
        };
        assert_eq!(caught_up().not_ready(&l1(114), &confirmed), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_may_pass_gets_its_time() {
        let cause = "down".to_owned();
        let snapshot = Snapshot {
            trouble: Some(DerivationTrouble::BeaconUnreachable { cause }),
            troubled_since: Some(Instant::now()),
            ..caught_up()
        };
        advance(Duration::from_secs(119)).await;
        assert_eq!(reason(&snapshot, 100), None);
        assert_eq!(
            reason(&snapshot, 111),
            Some("beacon_unreachable"),
            "the cause"
        );
        advance(Duration::from_secs(2)).await;
        assert_eq!(reason(&snapshot, 100), Some("beacon_unreachable"));
    }

    #[test]
    fn a_trouble_that_does_not_pass_makes_us_unready_at_once() {
        let fork = Hardfork::Karst;
        let snapshot = Snapshot {
            trouble: Some(DerivationTrouble::MissingUpgradeBundle { fork }),
            ..caught_up()
        };
        assert_eq!(reason(&snapshot, 100), Some("missing_upgrade_bundle"));
    }
}
