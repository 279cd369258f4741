//! What the history measures. The numbers are set by who changes the file, with what the change has read anyway, so that a
//! scrape never waits for the disk.

use crate::rules::Last;
use light_node_metrics::{Catalogue, Counter, Gauge};

/// The history's metrics. Clones share their values.
#[derive(Clone, Debug, Default)]
pub struct SafeDbMetrics {
    entries: Gauge,
    last_l1: Gauge,
    write_errors: Counter,
    truncations: Counter,
}

impl SafeDbMetrics {
    /// Takes them into the catalogue.
    pub fn register(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "safedb_entries",
            "Safe heads in the history for optimism_safeHeadAtL1Block",
            &[],
            self.entries.clone(),
        );
        catalogue.register(
            "safedb_last_l1_number",
            "Number of the L1 block up to which the history goes; 0 while it is empty",
            &[],
            self.last_l1.clone(),
        );
        catalogue.register(
            "safedb_write_errors",
            "Changes of the history that the disk or the store refused",
            &[],
            self.write_errors.clone(),
        );
        catalogue.register(
            "safedb_truncations",
            "Times that the newest part of the history was forgotten: after a reorg, or before it is derived anew",
            &[],
            self.truncations.clone(),
        );
    }

    /// So much the file holds.
    pub(crate) fn hold(&self, entries: u64, last: Option<&Last>) {
        self.entries.set(whole(entries));
        self.last_l1
            .set(whole(last.map_or(0, |last| last.cursor.number)));
    }

    /// The newest part was forgotten.
    pub(crate) fn truncated(&self) {
        self.truncations.inc();
    }

    /// Counts a change that failed. True if it did not.
    pub(crate) fn written<T, E>(&self, outcome: &Result<T, E>) -> bool {
        if outcome.is_err() {
            self.write_errors.inc();
        }
        outcome.is_ok()
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{Observation, SafeDb, SafeDbConfig};
    use alloy_primitives::B256;
    use light_node_metrics::Catalogue;
    use light_node_protocol::{BlockNumHash, L1BlockRef, RollupConfig};

    fn sample(number: u64) -> Observation {
        let hash = |number: u64| B256::repeat_byte(number as u8);
        Observation {
            cursor: L1BlockRef {
                number,
                hash: hash(number),
                parent_hash: hash(number - 1),
                timestamp: number,
            },
            safe: BlockNumHash::new(number * 2, hash(number)),
            is_complete: true,
        }
    }

    fn scraped(catalogue: &Catalogue, expected: [&str; 4]) {
        let page = catalogue.encode();
        for line in expected {
            assert!(
                page.contains(&format!("light_node_{line}\n")),
                "{line}\n{page}"
            );
        }
    }

    #[test]
    fn what_the_history_holds_is_measured_also_after_it_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let config = SafeDbConfig::new(Some(directory.path().to_path_buf()));
        let open = || SafeDb::open(&config, &RollupConfig::default()).unwrap();
        let catalogue_of = |history: &SafeDb| {
            let mut catalogue = Catalogue::new();
            history.metrics().register(&mut catalogue);
            catalogue
        };
        let history = open();
        let catalogue = catalogue_of(&history);
        let errors = "safedb_write_errors_total 0";
        let empty = ["safedb_entries 0", "safedb_last_l1_number 0", errors];
        scraped(
            &catalogue,
            [empty[0], empty[1], errors, "safedb_truncations_total 0"],
        );
        history
            .observe(&[sample(10), sample(11), sample(12)])
            .unwrap();
        let held = history.newest(9).unwrap().len();
        let entries = format!("safedb_entries {held}");
        let none = "safedb_truncations_total 0";
        scraped(
            &catalogue,
            [&entries, "safedb_last_l1_number 12", errors, none],
        );
        history.rewind_to_l1(sample(11).cursor.id()).unwrap();
        let one = "safedb_truncations_total 1";
        let held = history.newest(9).unwrap().len();
        let entries = format!("safedb_entries {held}");
        scraped(
            &catalogue,
            [&entries, "safedb_last_l1_number 11", errors, one],
        );
        drop((catalogue, history));
        let again = catalogue_of(&open());
        scraped(&again, [&entries, "safedb_last_l1_number 11", errors, none]);
    }
}
