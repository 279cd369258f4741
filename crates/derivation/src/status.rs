//! What the derivation actor tells others about itself: what it does, whether the node is ready, and counters.

use crate::{
    confirmations::readable,
    refusals::{Refusals, RefusedCounts},
    trouble::DerivationTrouble,
};
use light_node_protocol::{L1BlockRef, L2BlockRef};
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
    /// L1 blocks read since the last batch that became a block, or since the start; `None` before it.
    pub l1_blocks_without_batch: Option<u64>,
    /// How often what happened.
    pub counters: DerivationCounters,
    /// What of the batch inbox made no block.
    pub refused: RefusedCounts,
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
    pub(crate) l1_blocks_without_batch: u64,
    /// That no batch becomes a block, if it is so. It neither stops derivation nor passes with the next step.
    pub(crate) drought: Option<DerivationTrouble>,
    pub(crate) counters: DerivationCounters,
    pub(crate) refusals: Refusals,
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
        if self.drought.is_some() {
            return self.drought.clone();
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
            trouble: self.trouble.clone().or_else(|| self.drought.clone()),
            origin: self.origin,
            behind_l1_blocks: self.behind(head, measure),
            safe: self.safe,
            in_flight: self.in_flight,
            last_reset: self.last_reset.clone(),
            l1_blocks_without_batch: (!self.origin.is_zero())
                .then_some(self.l1_blocks_without_batch),
            counters: self.counters,
            refused: self.refusals.counts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use light_node_protocol::Hardfork;
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
