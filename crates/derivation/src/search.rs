//! A search over block numbers for the last block of which something holds. Sync start knows the answer to be near the upper
//! end, so it strides down from there and then halves: a dozen questions where a walk would need hundreds. Pure.

/// A search between a block of which the property holds and a block of which it does not. It must hold of every block below one
/// of which it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Search {
    holds: u64,
    fails: u64,
    /// How far below `fails` the next question is; `None` once an answer bounds the search from below.
    stride: Option<u64>,
}

impl Search {
    /// A search whose answer lies in `holds..fails`, probably some `stride` blocks below `fails`.
    pub(crate) const fn new(holds: u64, fails: u64, stride: u64) -> Self {
        Self {
            holds,
            fails,
            stride: Some(if stride == 0 { 1 } else { stride }),
        }
    }

    /// The block to be looked at next; `None` when the answer is known.
    pub(crate) fn next(&self) -> Option<u64> {
        let gap = self.fails.saturating_sub(self.holds);
        if gap <= 1 {
            return None;
        }
        let middle = self.holds + gap / 2;
        Some(match self.stride {
            Some(stride) if stride < gap => self.fails - stride,
            Some(_) | None => middle,
        })
    }

    /// What was seen at `number`.
    pub(crate) const fn note(&mut self, number: u64, holds: bool) {
        if holds {
            self.holds = number;
            self.stride = None;
        } else {
            self.fails = number;
            if let Some(stride) = self.stride {
                self.stride = Some(stride.saturating_mul(2));
            }
        }
    }

    /// The last block of which the property is known to hold.
    #[cfg(test)]
    const fn last(&self) -> u64 {
        self.holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(low: u64, high: u64, stride: u64, answer: u64) -> (u64, u32) {
        let mut search = Search::new(low, high, stride);
        let mut questions = 0;
        while let Some(number) = search.next() {
            assert!(low < number && number < high, "{number} is known already");
            search.note(number, number <= answer);
            questions += 1;
        }
        (search.last(), questions)
    }

    proptest! {
        #[test]
        fn the_last_block_is_found_with_few_questions(low in 0_u64..1 << 40, gap in 1_u64..1 << 40, at in any::<u64>(), stride in any::<u64>()) {
            let high = low + gap;
            let answer = low + at % gap;
            let (found, questions) = run(low, high, stride, answer);
            prop_assert_eq!(found, answer);
            prop_assert!(questions <= 2 * 41, "{questions}");
        }
    }

    #[test]
    fn an_answer_near_the_upper_end_of_a_long_chain_costs_a_dozen_questions() {
        let (found, questions) = run(0, 140_000_000, 400, 140_000_000 - 350);
        assert_eq!(found, 140_000_000 - 350);
        assert!(questions <= 12, "{questions}");
    }
}
