use super::*;
use alloy_primitives::B256;
use proptest::prelude::*;

fn l1(number: u64) -> L1BlockRef {
    L1BlockRef {
        hash: l1_hash(number),
        number,
        parent_hash: l1_hash(number.wrapping_sub(1)),
        timestamp: number.wrapping_mul(12),
    }
}

fn l1_hash(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

fn l1_id(number: u64) -> BlockNumHash {
    l1(number).id()
}

fn l2(number: u64) -> BlockNumHash {
    BlockNumHash::new(number, B256::repeat_byte(number as u8))
}

fn seen(cursor: u64, safe: u64) -> Observation {
    Observation {
        cursor: l1(cursor),
        safe: l2(safe),
        is_complete: false,
    }
}

fn done(cursor: u64, safe: u64) -> Observation {
    Observation {
        is_complete: true,
        ..seen(cursor, safe)
    }
}

/// What a history says after samples.
#[derive(Default)]
struct History {
    last: Option<Last>,
    spans: Vec<Span>,
}

impl History {
    fn of(samples: &[Observation]) -> Self {
        let mut history = Self::default();
        for sample in samples {
            history.give(sample);
        }
        history
    }

    fn give(&mut self, sample: &Observation) -> Step {
        let step = step(self.last.as_ref(), self.spans.last(), sample);
        if let Step::Take { proves } = step {
            self.last = Some(Last {
                cursor: sample.cursor.id(),
                safe: sample.safe,
                is_complete: sample.is_complete,
            });
            if let Some(span) = proves {
                self.spans.retain(|known| known.from != span.from);
                self.spans.push(span);
            }
        }
        step
    }

    fn at(&self, number: u64) -> Option<u64> {
        let covers = |span: &&Span| (span.from.number..=span.through.number).contains(&number);
        self.spans.iter().find(covers).map(|span| span.safe.number)
    }
}

#[test]
fn one_sample_proves_nothing() {
    let history = History::of(&[seen(10, 5)]);
    assert_eq!(history.at(10), None);
}

#[test]
fn a_block_that_was_left_with_the_safe_head_it_was_seen_with_is_known() {
    let history = History::of(&[seen(10, 5), seen(10, 6), seen(11, 6)]);
    assert_eq!(history.at(10), Some(6));
    assert_eq!(history.at(11), None, "it may bring more");
    assert_eq!(history.at(9), None);
}

#[test]
fn a_block_that_was_left_with_another_safe_head_is_not_known() {
    // Block 7 may have come out of L1 block 10 after the first sample, or out of 11.
    let history = History::of(&[seen(10, 6), seen(11, 7), seen(12, 7)]);
    assert_eq!(history.at(10), None);
    assert_eq!(history.at(11), Some(7));
}

#[test]
fn all_blocks_between_two_samples_with_one_safe_head_are_known() {
    let history = History::of(&[seen(10, 6), seen(25, 6)]);
    for number in 10..25 {
        assert_eq!(history.at(number), Some(6), "{number}");
    }
    assert_eq!(history.spans.len(), 1);
    assert_eq!(history.spans[0].through, l1_id(24));
}

#[test]
fn a_complete_block_is_known_at_once_and_grows_into_one_span() {
    let history = History::of(&[
        seen(10, 5),
        done(10, 6),
        seen(11, 6),
        done(11, 6),
        done(12, 6),
    ]);
    assert_eq!((history.at(10), history.at(12)), (Some(6), Some(6)));
    assert_eq!(history.spans.len(), 1);
    assert_eq!(history.spans[0].from, l1_id(10));
}

#[test]
fn what_was_seen_before_is_nothing_new() {
    let mut history = History::of(&[done(10, 5)]);
    assert_eq!(history.give(&seen(10, 5)), Step::Known);
    assert_eq!(history.give(&done(10, 5)), Step::Known);
    assert_eq!(history.give(&done(9, 5)), Step::Behind);
}

#[test]
fn another_block_in_the_cursors_place_is_an_l1_reorg() {
    let mut history = History::of(&[seen(10, 5)]);
    let mut other = seen(10, 5);
    other.cursor.hash = B256::ZERO;
    assert_eq!(history.give(&other), Step::Contradicts(Contradiction::L1));
    let mut child = seen(11, 5);
    child.cursor.parent_hash = B256::ZERO;
    assert_eq!(history.give(&child), Step::Contradicts(Contradiction::L1));
}

#[test]
fn a_safe_head_that_fell_or_changed_is_an_l2_reorg() {
    let mut history = History::of(&[seen(10, 5)]);
    assert_eq!(
        history.give(&seen(11, 4)),
        Step::Contradicts(Contradiction::L2)
    );
    let mut sibling = seen(11, 5);
    sibling.safe.hash = B256::ZERO;
    assert_eq!(history.give(&sibling), Step::Contradicts(Contradiction::L2));
}

#[test]
fn the_highest_numbers_do_not_overflow() {
    let mut history = History::of(&[seen(u64::MAX, u64::MAX)]);
    assert_eq!(
        history.give(&done(u64::MAX, u64::MAX)),
        Step::Take {
            proves: Some(Span {
                from: l1_id(u64::MAX),
                through: l1_id(u64::MAX),
                safe: l2(u64::MAX),
            }),
        }
    );
}

proptest! {
    /// `brings[n]` L2 blocks come out of L1 block n. A source is sampled at any moments; whatever the history then says is so.
    #[test]
    fn whatever_is_answered_is_true(
        brings in prop::collection::vec(0_u64..4, 1..40),
        moments in prop::collection::vec((any::<prop::sample::Index>(), 0_u64..4, any::<bool>()), 0..60),
    ) {
        let safe_at = |number: usize| brings[..=number].iter().sum::<u64>();
        let mut samples: Vec<_> = moments
            .iter()
            .map(|(cursor, part, claims)| {
                let cursor = cursor.index(brings.len());
                let all = safe_at(cursor);
                let safe = (all - brings[cursor] + part).min(all);
                Observation { is_complete: *claims && safe == all, ..seen(cursor as u64, safe) }
            })
            .collect();
        samples.sort_by_key(|sample| (sample.cursor.number, sample.safe.number, sample.is_complete));
        let history = History::of(&samples);
        for number in 0..brings.len() {
            if let Some(safe) = history.at(number as u64) {
                prop_assert_eq!(safe, safe_at(number), "at {}", number);
            }
        }
        // And where a block was seen complete, or seen and left with the same safe head, there is an answer.
        for pair in samples.windows(2) {
            if pair[0].safe == pair[1].safe && pair[0].cursor.number < pair[1].cursor.number {
                prop_assert_eq!(history.at(pair[0].cursor.number), Some(pair[0].safe.number));
            }
        }
        for sample in samples.iter().filter(|sample| sample.is_complete) {
            prop_assert!(history.at(sample.cursor.number).is_some());
        }
    }
}
