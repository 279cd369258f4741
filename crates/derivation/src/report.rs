//! What the actor has found so far, as it is published, and what is said about it in the log: changes only.

use crate::{
    status::{DerivationCounters, DerivationPhase, Snapshot},
    trouble::DerivationTrouble,
};
use light_node_protocol::{L1BlockRef, L2BlockRef};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};
use tracing::{error, info, warn};

/// A trouble that comes and goes is said once in this time.
const REPEAT_AFTER: Duration = Duration::from_secs(60);

/// The published side of the actor.
#[derive(Debug)]
pub(crate) struct Report {
    snapshot: watch::Sender<Snapshot>,
    /// The trouble that was said last and has not ended, and when each was said.
    said: Option<&'static str>,
    said_at: Vec<(&'static str, Instant)>,
    has_caught_up: bool,
    /// That no batch becomes a block was said, and none has since.
    is_drought_said: bool,
}

impl Report {
    pub(crate) const fn new(snapshot: watch::Sender<Snapshot>) -> Self {
        Self {
            snapshot,
            said: None,
            said_at: Vec::new(),
            has_caught_up: false,
            is_drought_said: false,
        }
    }

    pub(crate) fn phase(&self) -> DerivationPhase {
        self.snapshot.borrow().phase
    }

    pub(crate) fn set_phase(&mut self, phase: DerivationPhase) {
        if phase == self.phase() {
            return;
        }
        if phase == DerivationPhase::CaughtUp && !self.has_caught_up {
            self.has_caught_up = true;
            let snapshot = self.snapshot.borrow();
            let (origin, safe) = (snapshot.origin, snapshot.safe);
            info!(l1_number = origin.number, safe_number = safe.number, safe_hash = %safe.hash, "derivation has caught up with l1");
        }
        self.snapshot.send_modify(|snapshot| snapshot.phase = phase);
    }

    pub(crate) fn set_position(&self, origin: L1BlockRef, safe: L2BlockRef, in_flight: usize) {
        self.snapshot.send_if_modified(|snapshot| {
            let before = (snapshot.origin, snapshot.safe, snapshot.in_flight);
            (snapshot.origin, snapshot.safe, snapshot.in_flight) = (origin, safe, in_flight);
            before != (origin, safe, in_flight)
        });
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut DerivationCounters)) {
        self.snapshot
            .send_modify(|snapshot| count(&mut snapshot.counters));
    }

    /// Derivation starts over for this reason.
    pub(crate) fn note_reset(&self, cause: String) {
        warn!(cause, "derivation starts over");
        self.snapshot.send_modify(|snapshot| {
            snapshot.counters.resets += 1;
            snapshot.last_reset = Some(cause);
        });
    }

    /// So many L1 blocks were read since the last batch that became a block, and that is too many or not.
    pub(crate) fn note_drought(&mut self, l1_blocks: u64, drought: Option<DerivationTrouble>) {
        if let Some(drought) = &drought
            && !std::mem::replace(&mut self.is_drought_said, true)
        {
            warn!(
                reason = drought.name(),
                detail = %drought,
                "nothing that the batcher posts becomes a block"
            );
        }
        self.snapshot.send_if_modified(|snapshot| {
            let is_news = snapshot.drought.is_some() != drought.is_some();
            (snapshot.l1_blocks_without_batch, snapshot.drought) = (l1_blocks, drought);
            is_news
        });
    }

    /// A batch has become a block.
    pub(crate) fn note_batch(&mut self) {
        if std::mem::take(&mut self.is_drought_said) {
            info!("what the batcher posts becomes blocks again");
        }
    }

    /// Something is wrong. Said when it begins.
    pub(crate) fn note_trouble(&mut self, trouble: DerivationTrouble) {
        let reason = trouble.name();
        let now = Instant::now();
        self.said_at
            .retain(|(_, at)| now.duration_since(*at) < REPEAT_AFTER);
        let is_known = self.said_at.iter().any(|(said, _)| *said == reason);
        if self.said != Some(reason) && !is_known {
            self.said = Some(reason);
            self.said_at.push((reason, now));
            if trouble.is_alarm() {
                error!(reason, detail = %trouble, "derivation cannot go on");
            } else {
                warn!(reason, detail = %trouble, "derivation waits");
            }
        }
        self.snapshot.send_modify(|snapshot| {
            snapshot.counters.retries += 1;
            snapshot.troubled_since.get_or_insert(now);
            snapshot.trouble = Some(trouble);
        });
    }

    /// What was wrong is over.
    pub(crate) fn note_well(&mut self) {
        if self.snapshot.borrow().trouble.is_none() {
            return;
        }
        if self.said.take().is_some() {
            info!("derivation goes on");
        }
        self.snapshot.send_modify(|snapshot| {
            snapshot.trouble = None;
            snapshot.troubled_since = None;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn down() -> DerivationTrouble {
        let cause = "down".to_owned();
        DerivationTrouble::BeaconUnreachable { cause }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_trouble_runs_from_its_first_sign_to_its_end() {
        let (sender, snapshot) = watch::channel(Snapshot::default());
        let mut report = Report::new(sender);
        report.note_trouble(down());
        let since = snapshot.borrow().troubled_since;
        advance(Duration::from_secs(5)).await;
        report.note_trouble(down());
        assert_eq!(snapshot.borrow().troubled_since, since);
        assert_eq!(snapshot.borrow().counters.retries, 2);
        report.note_well();
        assert_eq!(snapshot.borrow().trouble, None);
        assert_eq!(snapshot.borrow().troubled_since, None);
    }
}
