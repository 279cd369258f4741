//! Whether batches still become blocks. A batcher whose data is never valid for us (another inbox, another key, another branch,
//! other rules) would else go unnoticed: L1 is read, nothing fails, and the safe head stands, or gains the empty blocks of a
//! sequencing window that has passed. Pure; measured in L1 blocks, so that it is the same while catching up.
//!
//! Two things are not normal:
//!
//! - A whole sequencing window without a batch. A batcher whose channels are neither full nor limited in time closes them when the
//!   window of their first block ends, so on an idle chain nothing shorter is a sign. From then on, empty blocks are forced.
//! - A batch, or a channel of them, that was refused, and nothing valid for two channel timeouts behind it. A batcher sees within
//!   one that its channel did not make the blocks safe, and posts them anew within the other.

use light_node_protocol::{L1BlockRef, RollupConfig};

/// So many channel timeouts a batcher gets to repair a batch that was refused.
const REPAIR_CHANNEL_TIMEOUTS: u64 = 2;

/// L1 since the last batch that became a block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drought {
    /// The L1 block with that batch; at a start the one from which on the next batch may come.
    since: u64,
    /// The first L1 block since then that completed something refused.
    refused_at: Option<u64>,
}

impl Drought {
    /// Derivation starts, and the next batch is in `since` or above.
    pub(crate) const fn since(since: u64) -> Self {
        Self {
            since,
            refused_at: None,
        }
    }

    /// A block became safe that was derived from the L1 block `derived_from` and stands on `l1_origin`. One that was forced, because
    /// its window passed without a batch, says nothing of the batcher. True if it was none of these.
    pub(crate) fn note_safe(
        &mut self,
        config: &RollupConfig,
        derived_from: u64,
        l1_origin: u64,
    ) -> bool {
        let is_of_batch = l1_origin.saturating_add(config.seq_window_size) > derived_from;
        if is_of_batch {
            self.since = self.since.max(derived_from);
            self.refused_at = self.refused_at.filter(|at| *at > derived_from);
        }
        is_of_batch
    }

    /// Something that should have been blocks was refused.
    pub(crate) fn note_refused(&mut self, l1_block: u64) {
        self.refused_at.get_or_insert(l1_block);
    }

    /// L1 blocks read since the last batch that became a block.
    pub(crate) const fn l1_blocks(&self, origin: &L1BlockRef) -> u64 {
        origin.number.saturating_sub(self.since)
    }

    /// True if that is more than any honest batcher lets pass.
    pub(crate) fn is_one(&self, config: &RollupConfig, origin: &L1BlockRef) -> bool {
        let repair = REPAIR_CHANNEL_TIMEOUTS * config.channel_timeout(origin.timestamp);
        let is_refused = self
            .refused_at
            .is_some_and(|at| at.saturating_add(repair) <= origin.number);
        is_refused || self.l1_blocks(origin) >= config.seq_window_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RollupConfig {
        RollupConfig {
            seq_window_size: 3600,
            channel_timeout: 300,
            granite_time: Some(0),
            ..RollupConfig::default()
        }
    }

    fn is_one(drought: &Drought, number: u64) -> bool {
        let origin = L1BlockRef {
            number,
            ..L1BlockRef::default()
        };
        drought.is_one(&config(), &origin)
    }

    #[test]
    fn an_idle_batcher_may_be_silent_until_its_window_ends() {
        let mut drought = Drought::since(100);
        assert!(!is_one(&drought, 100 + 3599));
        assert!(is_one(&drought, 100 + 3600));
        drought.note_safe(&config(), 3690, 101);
        assert!(!is_one(&drought, 3700), "the batch came in time");
    }

    #[test]
    fn forced_blocks_do_not_end_it() {
        let mut drought = Drought::since(100);
        for derived_from in 3700..3710 {
            drought.note_safe(&config(), derived_from, derived_from - 3600);
        }
        assert!(is_one(&drought, 3710));
        drought.note_safe(&config(), 3711, 112);
        assert!(!is_one(&drought, 3711));
    }

    #[test]
    fn a_refused_batch_gets_time_to_be_repaired() {
        let mut drought = Drought::since(100);
        drought.note_refused(200);
        drought.note_refused(250);
        assert!(!is_one(&drought, 299));
        assert!(is_one(&drought, 300), "counted from the first");
        drought.note_safe(&config(), 240, 200);
        assert!(!is_one(&drought, 300));
        assert!(
            !is_one(&drought, 3000),
            "what came before a valid one is repaired"
        );
    }

    #[test]
    fn what_is_refused_behind_a_valid_batch_counts() {
        let mut drought = Drought::since(100);
        drought.note_refused(250);
        drought.note_safe(&config(), 240, 200);
        assert!(is_one(&drought, 350));
    }
}
