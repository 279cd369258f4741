//! What the derivation actor measures. All of it stands in the snapshot that the actor publishes, and is read when somebody
//! scrapes.

use crate::{
    status::{DerivationPhase, Measure, Snapshot},
    trouble::DerivationTrouble,
};
use light_node_l1::L1Heads;
use light_node_metrics::{Catalogue, Counter, Family, Gauge};
use std::sync::atomic::Ordering;
use tokio::sync::watch;

type Labels = [(&'static str, &'static str); 2];
type Label = [(&'static str, &'static str); 1];

/// The derivation actor's metrics. Clones share their values.
#[derive(Clone, Debug)]
pub struct DerivationMetrics {
    snapshot: watch::Receiver<Snapshot>,
    l1_heads: watch::Receiver<L1Heads>,
    measure: Measure,
}

impl DerivationMetrics {
    /// Metrics of the actor that writes this watch.
    pub(crate) const fn of(
        snapshot: watch::Receiver<Snapshot>,
        l1_heads: watch::Receiver<L1Heads>,
        measure: Measure,
    ) -> Self {
        Self {
            snapshot,
            l1_heads,
            measure,
        }
    }

    /// Takes them into the catalogue.
    pub fn register(&self, catalogue: &mut Catalogue) {
        let values = Values::default();
        values.register(catalogue);
        let own = self.clone();
        catalogue.on_scrape(move || values.refresh(&own));
    }
}

/// What is read from the snapshot.
#[derive(Clone, Debug, Default)]
struct Values {
    blocks: Family<Label, Counter>,
    l1_blocks: Counter,
    resets: Counter,
    retries: Counter,
    origin_number: Gauge,
    origin_time: Gauge,
    behind: Gauge,
    in_flight: Gauge,
    refused: Family<Labels, Counter>,
    without_batch: Gauge,
    phase: Family<Label, Gauge>,
    not_ready: Family<Label, Gauge>,
}

impl Values {
    fn register(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "derivation_blocks",
            "L2 blocks derived from L1, by what the execution layer made of them",
            &["outcome"],
            self.blocks.clone(),
        );
        catalogue.register(
            "derivation_l1_blocks",
            "L1 blocks that were used up",
            &[],
            self.l1_blocks.clone(),
        );
        catalogue.register(
            "derivation_resets",
            "Times that derivation started over, the first start not counted",
            &[],
            self.resets.clone(),
        );
        catalogue.register(
            "derivation_retries",
            "Times that something had to be asked again of L1, a beacon or the execution layer",
            &[],
            self.retries.clone(),
        );
        catalogue.register(
            "derivation_origin_number",
            "Number of the L1 block that is read now",
            &[],
            self.origin_number.clone(),
        );
        catalogue.register(
            "derivation_origin_timestamp_seconds",
            "Time of the L1 block that is read now",
            &[],
            self.origin_time.clone(),
        );
        catalogue.register(
            "derivation_behind_l1_blocks",
            "L1 blocks that may be read and are not used up yet",
            &[],
            self.behind.clone(),
        );
        catalogue.register(
            "derivation_in_flight_blocks",
            "Derived blocks of which the engine has not said yet what became of them",
            &[],
            self.in_flight.clone(),
        );
        self.register_batches(catalogue);
        catalogue.register(
            "derivation_phase",
            "1 for what derivation does, 0 for the rest",
            &["phase"],
            self.phase.clone(),
        );
        catalogue.register(
            "derivation_not_ready",
            "1 for the reason for which derivation is not ready, 0 for the rest",
            &["reason"],
            self.not_ready.clone(),
        );
    }

    /// What becomes of the batcher's data.
    fn register_batches(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "derivation_refused",
            "What stands in the batch inbox and makes no block: data, frames, channels or batches, and why. Anybody may send data of \
             foreign_sender; what is read again after a start counts again; of batches before Holocene only malformed ones count",
            &["what", "reason"],
            self.refused.clone(),
        );
        catalogue.register(
            "derivation_l1_blocks_without_batch",
            "L1 blocks read since the last batch that became a block, or since derivation started",
            &[],
            self.without_batch.clone(),
        );
    }

    fn refresh(&self, own: &DerivationMetrics) {
        let head = own.l1_heads.borrow().head;
        let snapshot = own.snapshot.borrow();
        let status = snapshot.to_status(&head, &own.measure);
        drop(snapshot);
        let counters = status.counters;
        let outcomes = [
            ("safe", counters.blocks - counters.deposits_only),
            ("deposits_only", counters.deposits_only),
            ("dropped", counters.dropped),
        ];
        for (outcome, count) in outcomes {
            let blocks = self.blocks.get_or_create(&[("outcome", outcome)]);
            blocks.inner().store(count, Ordering::Relaxed);
        }
        for (counter, count) in [
            (&self.l1_blocks, counters.l1_blocks),
            (&self.resets, counters.resets),
            (&self.retries, counters.retries),
        ] {
            counter.inner().store(count, Ordering::Relaxed);
        }
        for (what, reason, count) in status.refused.iter() {
            let labels = [("what", what), ("reason", reason)];
            let refused = self.refused.get_or_create(&labels);
            refused.inner().store(count, Ordering::Relaxed);
        }
        let without_batch = status.l1_blocks_without_batch.unwrap_or(0);
        self.without_batch.set(whole(without_batch));
        self.origin_number.set(whole(status.origin.number));
        self.origin_time.set(whole(status.origin.timestamp));
        self.behind.set(whole(status.behind_l1_blocks.unwrap_or(0)));
        self.in_flight.set(whole(status.in_flight as u64));
        for phase in DerivationPhase::ALL {
            let is_it = i64::from(status.phase == phase);
            self.phase
                .get_or_create(&[("phase", phase.name())])
                .set(is_it);
        }
        let reason = status.not_ready.as_ref().map(DerivationTrouble::name);
        for name in DerivationTrouble::NAMES {
            let is_it = i64::from(reason == Some(name));
            self.not_ready.get_or_create(&[("reason", name)]).set(is_it);
        }
    }
}

/// Remote numbers may be too large for a gauge, which is signed.
fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use light_node_protocol::L1BlockRef;
    use std::time::Duration;

    #[test]
    fn what_the_actor_publishes_is_scraped_as_it_is_at_that_moment() {
        let (sender, snapshot) = watch::channel(Snapshot::default());
        let (_heads, l1_heads) = watch::channel(L1Heads::default());
        let measure = Measure {
            patience: Duration::from_secs(120),
            behind_max_blocks: 10,
            l1_confirmations: 0,
        };
        let mut catalogue = Catalogue::new();
        DerivationMetrics::of(snapshot, l1_heads, measure).register(&mut catalogue);
        let scraped = catalogue.encode();
        for line in [
            r#"light_node_derivation_blocks_total{outcome="safe"} 0"#,
            r#"light_node_derivation_phase{phase="waiting_for_el"} 1"#,
            r#"light_node_derivation_not_ready{reason="derivation_not_started"} 1"#,
        ] {
            assert!(scraped.contains(line), "{line}\n{scraped}");
        }
        sender.send_modify(|snapshot| {
            snapshot.phase = DerivationPhase::Deriving;
            snapshot.counters.blocks = 7;
            snapshot.counters.deposits_only = 2;
            snapshot.counters.resets = 1;
            snapshot.origin = L1BlockRef {
                number: u64::MAX,
                hash: alloy_primitives::B256::repeat_byte(1),
                timestamp: 12,
                ..L1BlockRef::default()
            };
        });
        let scraped = catalogue.encode();
        for line in [
            r#"light_node_derivation_blocks_total{outcome="safe"} 5"#,
            r#"light_node_derivation_blocks_total{outcome="deposits_only"} 2"#,
            "light_node_derivation_resets_total 1",
            "light_node_derivation_origin_number 9223372036854775807",
            "light_node_derivation_origin_timestamp_seconds 12",
            r#"light_node_derivation_phase{phase="deriving"} 1"#,
            r#"light_node_derivation_not_ready{reason="derivation_not_started"} 0"#,
        ] {
            assert!(scraped.contains(line), "{line}\n{scraped}");
        }
    }
}
