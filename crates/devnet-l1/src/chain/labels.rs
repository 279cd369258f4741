//! The labels `safe` and `finalized`: each stays a number of blocks behind the head and does not fall by itself.

use thiserror::Error;

/// Why a label could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LabelError {
    /// Only a block that exists can carry a label.
    #[error("block {number} is beyond the head {head}")]
    BeyondHead {
        /// The number asked for.
        number: u64,
        /// Number of the head.
        head: u64,
    },
    /// A block is safe before it is finalized.
    #[error("safe lag {safe} is larger than finalized lag {finalized}")]
    Lag {
        /// Lag of the safe label in blocks.
        safe: u64,
        /// Lag of the finalized label in blocks.
        finalized: u64,
    },
}

/// Numbers of the labelled blocks; `None` until the chain is longer than the lag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labels {
    safe_lag: u64,
    finalized_lag: u64,
    /// Finality was set by hand and stands still until it is released or a new lag is set.
    finalized_pinned: bool,
    pub(super) safe: Option<u64>,
    pub(super) finalized: Option<u64>,
}

impl Labels {
    pub(super) const fn new(safe_lag: u64, finalized_lag: u64) -> Self {
        Self {
            safe_lag,
            finalized_lag,
            finalized_pinned: false,
            safe: None,
            finalized: None,
        }
    }

    /// The head is now at this number: labels follow, and never go down by that.
    pub(super) fn advance(&mut self, head: u64) {
        if !self.finalized_pinned {
            self.finalized = self.finalized.max(head.checked_sub(self.finalized_lag));
        }
        self.safe = self
            .safe
            .max(head.checked_sub(self.safe_lag))
            .max(self.finalized);
    }

    /// Blocks above `ancestor` are gone. Finalized ones are never among them.
    pub(super) fn rewind(&mut self, ancestor: u64) {
        self.safe = self.safe.map(|safe| safe.min(ancestor));
    }

    pub(super) fn set_lag(
        &mut self,
        safe: u64,
        finalized: u64,
        head: u64,
    ) -> Result<(), LabelError> {
        if safe > finalized {
            return Err(LabelError::Lag { safe, finalized });
        }
        (self.safe_lag, self.finalized_lag, self.finalized_pinned) = (safe, finalized, false);
        self.advance(head);
        Ok(())
    }

    /// Pins finality at a block, up or down, or lets it follow the lag again.
    pub(super) fn set_finalized(
        &mut self,
        number: Option<u64>,
        head: u64,
    ) -> Result<(), LabelError> {
        if let Some(number) = number.filter(|number| *number > head) {
            return Err(LabelError::BeyondHead { number, head });
        }
        self.finalized_pinned = number.is_some();
        if number.is_some() {
            self.finalized = number;
        }
        self.advance(head);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn labels_appear_when_the_chain_is_longer_than_the_lag_and_never_fall_by_themselves() {
        let mut labels = Labels::new(2, 4);
        labels.advance(1);
        assert_eq!((labels.safe, labels.finalized), (None, None));
        labels.advance(2);
        assert_eq!((labels.safe, labels.finalized), (Some(0), None));
        labels.advance(10);
        assert_eq!((labels.safe, labels.finalized), (Some(8), Some(6)));
        labels.advance(9);
        assert_eq!((labels.safe, labels.finalized), (Some(8), Some(6)));
        labels.rewind(7);
        assert_eq!((labels.safe, labels.finalized), (Some(7), Some(6)));
    }

    #[test]
    fn a_larger_lag_holds_the_labels_and_a_smaller_one_moves_them_at_once() {
        let mut labels = Labels::new(2, 4);
        labels.advance(10);
        labels.set_lag(5, 9, 10).unwrap();
        assert_eq!((labels.safe, labels.finalized), (Some(8), Some(6)));
        labels.set_lag(0, 1, 10).unwrap();
        assert_eq!((labels.safe, labels.finalized), (Some(10), Some(9)));
        assert_eq!(
            labels.set_lag(2, 1, 10),
            Err(LabelError::Lag {
                safe: 2,
                finalized: 1
            })
        );
    }

    #[test]
    fn pinned_finality_stands_still_until_released() {
        let mut labels = Labels::new(2, 4);
        labels.advance(10);
        labels.set_finalized(Some(3), 10).unwrap();
        labels.advance(20);
        assert_eq!((labels.safe, labels.finalized), (Some(18), Some(3)));
        labels.set_finalized(None, 20).unwrap();
        assert_eq!(labels.finalized, Some(16));
        let beyond = LabelError::BeyondHead {
            number: 21,
            head: 20,
        };
        assert_eq!(labels.set_finalized(Some(21), 20), Err(beyond));
    }
}
