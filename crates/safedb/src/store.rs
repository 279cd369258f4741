//! The file: spans by their first L1 block, the last sample, and which chain all this is of. Every change is one transaction
//! of the store, on disk when the call returns: a crash leaves the state before or after it.

mod door;
mod open;

use crate::{
    codec::{
        CHAIN_BYTES, LAST_BYTES, SPAN_BYTES, decode_last, decode_span, encode_last, encode_span,
    },
    error::StoreError,
    metrics::SafeDbMetrics,
    rules::{Contradiction, Last, Observation, Span, Step, step},
};
use door::Door;
use light_node_protocol::BlockNumHash;
pub use open::{FILE_NAME, SafeDbConfig};
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableDefinition};
use serde::{Deserialize, Serialize};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Spans by the number of their first L1 block. A new format gets a new name.
const SPANS: TableDefinition<'_, u64, &[u8; SPAN_BYTES]> = TableDefinition::new("spans_v1");
const LAST: TableDefinition<'_, (), &[u8; LAST_BYTES]> = TableDefinition::new("last_v1");
const CHAIN: TableDefinition<'_, (), &[u8; CHAIN_BYTES]> = TableDefinition::new("chain_v1");

/// Oldest spans that one change drops at most, so that a lowered bound does not stop a writer for long.
const DROPPED_AT_ONCE: u64 = 1_000;

/// The answer of `optimism_safeHeadAtL1Block`, in op-node's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SafeHeadAtL1 {
    /// The first L1 block at which the L2 block is known to be the safe head. Not above the one asked for.
    pub l1_block: BlockNumHash,
    /// The safe head.
    pub safe_head: BlockNumHash,
}

/// What became of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// They are in the history.
    Taken,
    /// One contradicts the history; it and those after it are not in. Rewind, then give them again.
    Contradicts(Contradiction),
}

/// The history. Clones share it.
#[derive(Clone, Debug)]
pub struct SafeDb {
    door: Arc<Door>,
    /// Spans that are kept.
    spans_max: u64,
    metrics: SafeDbMetrics,
}

impl SafeDb {
    /// What the history measures, to be registered once.
    pub const fn metrics(&self) -> &SafeDbMetrics {
        &self.metrics
    }

    /// Takes samples, oldest first, in one transaction. Those that say nothing new cost no write.
    ///
    /// # Errors
    /// The disk or the store fails. Nothing was taken.
    pub fn observe(&self, samples: &[Observation]) -> Result<Observed, StoreError> {
        let taken = self.door.enter_to_write(|database| {
            let write = database.begin_write()?;
            let mut contradiction = None;
            let mut is_changed = false;
            {
                let mut spans = write.open_table(SPANS)?;
                let mut lasts = write.open_table(LAST)?;
                let mut last = lasts.get(())?.map(|row| decode_last(row.value()));
                for sample in samples {
                    let newest = newest_of(&spans)?;
                    match step(last.as_ref(), newest.as_ref(), sample) {
                        Step::Known | Step::Behind => {}
                        Step::Contradicts(what) => {
                            contradiction = Some(what);
                            break;
                        }
                        Step::Take { proves } => {
                            is_changed = true;
                            last = Some(Last {
                                cursor: sample.cursor.id(),
                                safe: sample.safe,
                                is_complete: sample.is_complete,
                            });
                            if let Some(span) = proves {
                                spans.insert(span.from.number, &encode_span(&span))?;
                            }
                        }
                    }
                }
                if let Some(last) = last.filter(|_| is_changed) {
                    lasts.insert((), &encode_last(&last))?;
                    self.drop_oldest(&mut spans)?;
                }
            }
            if is_changed {
                write.commit()?;
            } else {
                write.abort()?;
            }
            Ok(contradiction.map_or(Observed::Taken, Observed::Contradicts))
        });
        self.written(taken)
    }

    /// Forgets everything about L1 blocks above `l1_block`, which is canonical: after an L1 reorg, or before a source derives
    /// them anew.
    ///
    /// # Errors
    /// The disk or the store fails. Nothing was forgotten.
    pub fn rewind_to_l1(&self, l1_block: BlockNumHash) -> Result<(), StoreError> {
        self.rewind(|spans, last| {
            spans.retain_in(l1_block.number.saturating_add(1).., |_, _| false)?;
            if let Some(newest) = newest_of(spans)?
                && newest.through.number >= l1_block.number
            {
                let through = l1_block;
                let trimmed = Span { through, ..newest };
                spans.insert(trimmed.from.number, &encode_span(&trimmed))?;
                return Ok(Some(Last {
                    cursor: l1_block,
                    safe: newest.safe,
                    is_complete: true,
                }));
            }
            Ok(last.filter(|last| last.cursor.number <= l1_block.number))
        })
    }

    /// Forgets everything about L2 blocks above the number `l2_number`: the source has led the safe chain elsewhere.
    ///
    /// # Errors
    /// The disk or the store fails. Nothing was forgotten.
    pub fn rewind_to_l2(&self, l2_number: u64) -> Result<(), StoreError> {
        self.rewind(|spans, last| {
            // Safe heads grow with the key, so those to be dropped stand at the end.
            while let Some(newest) = newest_of(spans)?
                && newest.safe.number > l2_number
            {
                spans.remove(newest.from.number)?;
            }
            Ok(last.filter(|last| last.safe.number <= l2_number))
        })
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// The disk or the store fails. Nothing was forgotten.
    pub fn clear(&self) -> Result<(), StoreError> {
        self.rewind(|spans, _| {
            spans.retain(|_, _| false)?;
            Ok(None)
        })
    }

    /// The safe head at an L1 block; `None` if the history does not prove it.
    ///
    /// # Errors
    /// The disk or the store fails.
    pub fn at(&self, l1_number: u64) -> Result<Option<SafeHeadAtL1>, StoreError> {
        self.door.enter(|database| {
            let spans = database.begin_read()?.open_table(SPANS)?;
            let row = spans.range(..=l1_number)?.next_back().transpose()?;
            let span = row.map(|(number, row)| decode_span(number.value(), row.value()));
            Ok(span
                .filter(|span| span.through.number >= l1_number)
                .map(|span| SafeHeadAtL1 {
                    l1_block: span.from,
                    safe_head: span.safe,
                }))
        })
    }

    /// As [`Self::at`], but at and above the last cursor it is the last safe head, as a node that derives answers: it is the
    /// safe head of all L1 that has been derived so far.
    ///
    /// # Errors
    /// The disk or the store fails.
    pub fn at_or_last(&self, l1_number: u64) -> Result<Option<SafeHeadAtL1>, StoreError> {
        if let Some(answer) = self.at(l1_number)? {
            return Ok(Some(answer));
        }
        let Some(last) = self.last()?.filter(|last| last.cursor.number <= l1_number) else {
            return Ok(None);
        };
        let known = self.newest(1)?.pop();
        let l1_block = known
            .filter(|span| span.safe == last.safe)
            .map_or(last.cursor, |span| span.from);
        Ok(Some(SafeHeadAtL1 {
            l1_block,
            safe_head: last.safe,
        }))
    }

    /// The last sample; `None` if there was none since the history began or was rewound.
    ///
    /// # Errors
    /// The disk or the store fails.
    pub fn last(&self) -> Result<Option<Last>, StoreError> {
        self.door.enter(|database| {
            let lasts = database.begin_read()?.open_table(LAST)?;
            Ok(lasts.get(())?.map(|row| decode_last(row.value())))
        })
    }

    /// The newest spans, at most `limit`, newest first.
    ///
    /// # Errors
    /// The disk or the store fails.
    pub fn newest(&self, limit: usize) -> Result<Vec<Span>, StoreError> {
        self.newest_below(u64::MAX, limit)
    }

    /// The newest spans that start below L1 block `l1_number`, at most `limit`, newest first.
    ///
    /// # Errors
    /// The disk or the store fails.
    pub fn newest_below(&self, l1_number: u64, limit: usize) -> Result<Vec<Span>, StoreError> {
        self.door.enter(|database| {
            let spans = database.begin_read()?.open_table(SPANS)?;
            let rows = spans.range(..l1_number)?.rev().take(limit);
            rows.map(|row| {
                let (number, row) = row?;
                Ok(decode_span(number.value(), row.value()))
            })
            .collect()
        })
    }

    /// The newest spans whose L2 block is not above the number `l2_number`, at most `limit`, newest first.
    ///
    /// # Errors
    /// The disk or the store fails.
    pub fn newest_up_to(&self, l2_number: u64, limit: usize) -> Result<Vec<Span>, StoreError> {
        self.door.enter(|database| {
            let spans = database.begin_read()?.open_table(SPANS)?;
            let rows = spans.iter()?.rev().map(|row| {
                let (number, row) = row?;
                Ok(decode_span(number.value(), row.value()))
            });
            // Safe heads grow with the key.
            let is_above = |row: &Result<Span, StoreError>| {
                row.as_ref().is_ok_and(|span| span.safe.number > l2_number)
            };
            rows.skip_while(is_above).take(limit).collect()
        })
    }

    fn rewind(
        &self,
        change: impl FnOnce(&mut SpanTable<'_>, Option<Last>) -> Result<Option<Last>, StoreError>,
    ) -> Result<(), StoreError> {
        let rewound = self.door.enter_to_write(|database| {
            let write = database.begin_write()?;
            {
                let mut spans = write.open_table(SPANS)?;
                let mut lasts = write.open_table(LAST)?;
                let last = lasts.get(())?.map(|row| decode_last(row.value()));
                match change(&mut spans, last)? {
                    Some(last) => lasts.insert((), &encode_last(&last))?,
                    None => lasts.remove(())?,
                };
            }
            write.commit()?;
            Ok(())
        });
        if rewound.is_ok() {
            self.metrics.truncated();
        }
        self.written(rewound)
    }

    /// Counts a change that failed, and measures what one that did not has left.
    fn written<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if self.metrics.written(&outcome) {
            // The change is on disk; whoever reads next finds out if the file is broken since.
            let _ = self.measure();
        }
        outcome
    }

    fn measure(&self) -> Result<(), StoreError> {
        let entries = self
            .door
            .enter(|database| Ok(database.begin_read()?.open_table(SPANS)?.len()?))?;
        self.metrics.hold(entries, self.last()?.as_ref());
        Ok(())
    }

    fn drop_oldest(&self, spans: &mut SpanTable<'_>) -> Result<(), StoreError> {
        let surplus = spans.len()?.saturating_sub(self.spans_max);
        for _ in 0..surplus.min(DROPPED_AT_ONCE) {
            spans.pop_first()?;
        }
        Ok(())
    }
}

type SpanTable<'a> = Table<'a, u64, &'static [u8; SPAN_BYTES]>;

fn newest_of(spans: &SpanTable<'_>) -> Result<Option<Span>, StoreError> {
    let row = spans.last()?;
    Ok(row.map(|(number, row)| decode_span(number.value(), row.value())))
}

/// A damaged file must not end the process, and the store may panic on one.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let cause = text.unwrap_or("it panicked").to_owned();
        Err(StoreError::Corrupt { cause })
    })
}

#[cfg(test)]
mod tests;
