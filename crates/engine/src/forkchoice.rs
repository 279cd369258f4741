//! Forkchoices: what was asked of the EL and what it confirmed, what its answers mean, and which labels may stand on which
//! head. Pure: tasks carry out what is decided here.

use alloy_primitives::B256;
use alloy_rpc_types_engine::{ForkchoiceState, PayloadStatus, PayloadStatusEnum};
use light_node_engine_api::ElError;
use light_node_protocol::{BlockNumHash, L2BlockRef};

/// What an answer of the EL means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// `VALID`: the EL has the block, and executed it. Whether it is the head now is another question: an EL may answer
    /// VALID to a head on another branch and stay where it is, so that one is read back (`tasks/settle.rs`).
    Applied,
    /// `SYNCING` or `ACCEPTED`: the EL knows of the block. Nothing has moved.
    Accepted,
    /// The EL will not have it.
    Rejected(Rejection),
}

/// Why the EL will not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// `INVALID`: the block breaks a rule of the chain, or descends from one that does.
    Invalid {
        /// The EL's words.
        reason: String,
    },
    /// -38002. Both ELs move the head before they look at safe and finalized: read all three again.
    Inconsistent {
        /// The EL's words.
        message: String,
    },
}

/// Reads an answer to `newPayload` or `forkchoiceUpdated`.
///
/// # Errors
/// Every failure that is no verdict on the block: the EL could not be asked, or did not understand.
pub(crate) fn outcome(answer: Result<PayloadStatus, ElError>) -> Result<Outcome, ElError> {
    match answer.map(|status| status.status) {
        Ok(PayloadStatusEnum::Valid) => Ok(Outcome::Applied),
        Ok(PayloadStatusEnum::Syncing | PayloadStatusEnum::Accepted) => Ok(Outcome::Accepted),
        Ok(PayloadStatusEnum::Invalid {
            validation_error: reason,
        }) => Ok(Outcome::Rejected(Rejection::Invalid { reason })),
        Err(ElError::InvalidForkchoiceState { message }) => {
            Ok(Outcome::Rejected(Rejection::Inconsistent { message }))
        }
        Err(error) => Err(error),
    }
}

/// The forkchoice last sent and the one last confirmed.
#[derive(Debug, Default)]
pub(crate) struct Forkchoices {
    requested: Option<ForkchoiceState>,
    confirmed: Option<ForkchoiceState>,
    refused: Option<RefusedLabels>,
}

/// A refusal that was said already. It is the state of things until the EL takes these labels, or moves others.
#[derive(Debug)]
struct RefusedLabels {
    labels: [B256; 2],
    reason: String,
}

impl Forkchoices {
    /// To be called before a forkchoice goes out: an answer that gets lost leaves it requested and not confirmed.
    pub(crate) const fn request(&mut self, state: ForkchoiceState) {
        self.requested = Some(state);
    }

    /// The requested one was answered `VALID`. Zero labels left the EL's as they were.
    pub(crate) fn confirm(&mut self) {
        let Some(requested) = self.requested else {
            return;
        };
        let before = self.confirmed.unwrap_or_default();
        let kept = |new: B256, old: B256| if new.is_zero() { old } else { new };
        let confirmed = ForkchoiceState {
            head_block_hash: requested.head_block_hash,
            safe_block_hash: kept(requested.safe_block_hash, before.safe_block_hash),
            finalized_block_hash: kept(requested.finalized_block_hash, before.finalized_block_hash),
        };
        if self.refused.as_ref().is_some_and(|refused| {
            labels(&requested) == refused.labels || labels(&confirmed) != labels(&before)
        }) {
            self.refused = None;
        }
        self.requested = Some(confirmed);
        self.confirmed = Some(confirmed);
    }

    /// The requested one was refused for `reason`. True if that is news, and not what the EL says to each poll.
    pub(crate) fn refuse(&mut self, reason: &str) -> bool {
        let before = self.refused.take();
        self.refused = Some(RefusedLabels {
            labels: labels(&self.requested.unwrap_or_default()),
            reason: reason.to_owned(),
        });
        before.is_none_or(|before| before.reason != reason)
    }

    /// The EL's own words about its three labels, read after a refusal: what we asked for last does not stand.
    pub(crate) const fn reread(&mut self, state: ForkchoiceState) {
        self.requested = Some(state);
        self.confirmed = Some(state);
    }

    /// The EL has lost what it confirmed: everything has to be asked for again.
    pub(crate) const fn forget(&mut self) {
        self.requested = None;
        self.confirmed = None;
    }

    /// True if `wanted` has to be sent: it was not the last one sent, or that one was not confirmed.
    pub(crate) fn must_send(&self, wanted: ForkchoiceState) -> bool {
        self.requested != Some(wanted) || self.confirmed != Some(wanted)
    }

    /// True if `wanted` stands in the EL, whatever was asked of it since.
    pub(crate) fn stands(&self, wanted: ForkchoiceState) -> bool {
        self.confirmed == Some(wanted)
    }

    /// True once any forkchoice was confirmed.
    pub(crate) const fn is_confirmed(&self) -> bool {
        self.confirmed.is_some()
    }
}

const fn labels(state: &ForkchoiceState) -> [B256; 2] {
    [state.safe_block_hash, state.finalized_block_hash]
}

/// The forkchoice with `head` for a block that the EL may not have: its labels are left as they are.
pub(crate) const fn without_labels(head: B256) -> ForkchoiceState {
    ForkchoiceState {
        head_block_hash: head,
        safe_block_hash: B256::ZERO,
        finalized_block_hash: B256::ZERO,
    }
}

/// The forkchoice of three heads that the EL has; an unknown label is the zero hash.
pub(crate) const fn of_heads(
    head: &L2BlockRef,
    safe: &L2BlockRef,
    finalized: &L2BlockRef,
) -> ForkchoiceState {
    ForkchoiceState {
        head_block_hash: head.hash,
        safe_block_hash: safe.hash,
        finalized_block_hash: finalized.hash,
    }
}

/// How the labels that we published lie to the chain of a new head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ancestry {
    /// Both are on it.
    Holds,
    /// Finalized is, safe is not.
    SafeMissing,
    /// Finalized is not on it.
    FinalizedMissing,
}

/// Compares published labels (zero: unknown, on every chain) with the chain that ends in block number `head`, of which
/// `at` knows the blocks.
pub(crate) fn ancestry(
    head: u64,
    safe: BlockNumHash,
    finalized: BlockNumHash,
    at: impl Fn(u64) -> Option<B256>,
) -> Ancestry {
    let holds = |label: BlockNumHash| {
        label.hash.is_zero() || (label.number <= head && at(label.number) == Some(label.hash))
    };
    match (holds(finalized), holds(safe)) {
        (false, _) => Ancestry::FinalizedMissing,
        (true, false) => Ancestry::SafeMissing,
        (true, true) => Ancestry::Holds,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_rpc_types_engine::PayloadStatusEnum as Status;

    fn hash(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn state(head: u8, safe: u8, finalized: u8) -> ForkchoiceState {
        ForkchoiceState {
            head_block_hash: hash(head),
            safe_block_hash: hash(safe),
            finalized_block_hash: hash(finalized),
        }
    }

    #[test]
    fn an_answer_is_applied_or_accepted_or_rejected_or_no_verdict() {
        let read = |status| outcome(Ok(PayloadStatus::from_status(status))).unwrap();
        assert_eq!(read(Status::Valid), Outcome::Applied);
        assert_eq!(read(Status::Syncing), Outcome::Accepted);
        assert_eq!(read(Status::Accepted), Outcome::Accepted);
        let reason = "bad".to_owned();
        assert_eq!(
            read(Status::Invalid {
                validation_error: reason.clone()
            }),
            Outcome::Rejected(Rejection::Invalid { reason })
        );
        let message = "unknown safe".to_owned();
        assert_eq!(
            outcome(Err(ElError::InvalidForkchoiceState {
                message: message.clone()
            }))
            .unwrap(),
            Outcome::Rejected(Rejection::Inconsistent { message })
        );
        assert_eq!(
            outcome(Err(ElError::UnknownPayload)),
            Err(ElError::UnknownPayload)
        );
    }

    #[test]
    fn a_forkchoice_is_sent_until_it_is_confirmed() {
        let mut forkchoices = Forkchoices::default();
        assert!(forkchoices.must_send(state(3, 2, 1)));
        forkchoices.request(state(3, 2, 1));
        assert!(
            forkchoices.must_send(state(3, 2, 1)),
            "the answer may have been lost"
        );
        forkchoices.confirm();
        assert!(!forkchoices.must_send(state(3, 2, 1)));
        assert!(forkchoices.must_send(state(4, 2, 1)));
        forkchoices.forget();
        assert!(forkchoices.must_send(state(3, 2, 1)));
    }

    #[test]
    fn zero_labels_leave_the_confirmed_ones() {
        let mut forkchoices = Forkchoices::default();
        forkchoices.request(state(3, 2, 1));
        forkchoices.confirm();
        forkchoices.request(without_labels(hash(4)));
        forkchoices.confirm();
        assert!(!forkchoices.must_send(state(4, 2, 1)));
    }

    #[test]
    fn a_refusal_is_news_once_and_again_when_its_reason_changes_or_labels_went_through() {
        let mut forkchoices = Forkchoices::default();
        let ask = |forkchoices: &mut Forkchoices, asked, refusal: Option<&str>| {
            forkchoices.request(asked);
            match refusal {
                Some(reason) => forkchoices.refuse(reason),
                None => {
                    forkchoices.confirm();
                    false
                }
            }
        };
        ask(&mut forkchoices, state(3, 2, 1), None);
        assert!(ask(&mut forkchoices, state(4, 3, 1), Some("unknown safe")));
        assert!(!ask(&mut forkchoices, state(5, 4, 1), Some("unknown safe")));
        // Heads and heartbeats that the EL takes without these labels change nothing about them.
        ask(&mut forkchoices, without_labels(hash(5)), None);
        ask(&mut forkchoices, state(5, 2, 1), None);
        assert!(!ask(&mut forkchoices, state(5, 4, 1), Some("unknown safe")));
        assert!(ask(&mut forkchoices, state(5, 4, 1), Some("unknown final")));
        // The same labels, then others.
        ask(&mut forkchoices, state(5, 4, 1), None);
        assert!(ask(&mut forkchoices, state(6, 5, 1), Some("unknown final")));
        ask(&mut forkchoices, state(7, 6, 1), None);
        assert!(ask(&mut forkchoices, state(8, 7, 1), Some("unknown final")));
    }

    #[test]
    fn labels_must_be_ancestors_and_unknown_ones_are() {
        let chain = |number: u64| (number <= 9).then(|| hash(number as u8));
        let at = |number: u64, this: u8| BlockNumHash::new(number, hash(this));
        let none = BlockNumHash::default();
        assert_eq!(ancestry(9, none, none, chain), Ancestry::Holds);
        assert_eq!(ancestry(9, at(7, 7), at(5, 5), chain), Ancestry::Holds);
        assert_eq!(
            ancestry(9, at(7, 77), at(5, 5), chain),
            Ancestry::SafeMissing
        );
        assert_eq!(
            ancestry(9, at(7, 7), at(5, 55), chain),
            Ancestry::FinalizedMissing
        );
        assert_eq!(
            ancestry(6, at(7, 7), at(5, 5), chain),
            Ancestry::SafeMissing,
            "above the head"
        );
    }
}
