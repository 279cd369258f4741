//! What several beacons without the wanted blobs say together. Pure rules.

use crate::BlobError;
use core::fmt;
use light_node_protocol::BlockNumHash;

/// What one beacon that answers says of a slot whose blobs it has not got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has another block there.
    Reorged { slot: u64 },
    /// It is past the slot, and has no block there.
    Missed { slot: u64 },
    /// The slot is older than beacons must keep blobs.
    Pruned { slot: u64 },
    /// It has the block, and should have the blobs.
    Withheld { slot: u64 },
    /// It has not reached the slot.
    Behind { slot: u64, head: u64 },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reorged { slot } => write!(f, "it has another block in slot {slot}"),
            Self::Missed { slot } => write!(f, "it has no block in slot {slot}"),
            Self::Pruned { slot } => write!(f, "it keeps the blobs of slot {slot} no longer"),
            Self::Withheld { slot } => {
                write!(f, "it has the block of slot {slot}, but not its blobs")
            }
            Self::Behind { slot, head } => {
                write!(f, "its head is slot {head}, and slot {slot} was asked for")
            }
        }
    }
}

/// The error that all of them make. One that has the right block is believed rather than those that have not; and blobs have
/// expired only if nobody is left who might have them.
pub(super) fn conclusion(
    block: BlockNumHash,
    verdicts: &[(&str, Verdict)],
    failures: &[String],
) -> BlobError {
    let find =
        |is: fn(&Verdict) -> Option<u64>| verdicts.iter().find_map(|(_, verdict)| is(verdict));
    let pruned = find(|verdict| match verdict {
        Verdict::Pruned { slot } => Some(*slot),
        _ => None,
    });
    let reorged = find(|verdict| match verdict {
        Verdict::Reorged { slot } => Some(*slot),
        _ => None,
    });
    let missed = find(|verdict| match verdict {
        Verdict::Missed { slot } => Some(*slot),
        _ => None,
    });
    let withheld = find(|verdict| match verdict {
        Verdict::Withheld { slot } => Some(*slot),
        _ => None,
    });
    let behind = find(|verdict| match verdict {
        Verdict::Behind { slot, .. } => Some(*slot),
        _ => None,
    });
    let is_hopeless = failures.is_empty() && withheld.or(behind).is_none();
    match (pruned, withheld, reorged, missed) {
        (Some(slot), ..) if is_hopeless => BlobError::Expired { block, slot },
        (None, None, Some(slot), _) => BlobError::Reorged { block, slot },
        (None, None, None, Some(slot)) => BlobError::Missed { block, slot },
        _ if withheld.or(behind).is_some() => BlobError::Absent {
            block,
            cause: cause(verdicts, failures),
        },
        _ => BlobError::Unavailable {
            cause: cause(verdicts, failures),
        },
    }
}

fn cause(verdicts: &[(&str, Verdict)], failures: &[String]) -> String {
    let said = verdicts
        .iter()
        .map(|(name, verdict)| format!("beacon {name} has no blobs: {verdict}"));
    let causes: Vec<String> = said.chain(failures.iter().cloned()).collect();
    if causes.is_empty() {
        return "no beacon is configured".to_owned();
    }
    causes.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REORGED: Verdict = Verdict::Reorged { slot: 7 };
    const MISSED: Verdict = Verdict::Missed { slot: 7 };
    const PRUNED: Verdict = Verdict::Pruned { slot: 7 };
    const WITHHELD: Verdict = Verdict::Withheld { slot: 7 };
    const BEHIND: Verdict = Verdict::Behind { slot: 7, head: 6 };

    fn kind(verdicts: &[Verdict], failures: usize) -> &'static str {
        let verdicts: Vec<_> = verdicts.iter().map(|verdict| ("one", *verdict)).collect();
        let failures = vec!["two failed".to_owned(); failures];
        match conclusion(BlockNumHash::default(), &verdicts, &failures) {
            BlobError::Reorged { .. } => "reorged",
            BlobError::Missed { .. } => "missed",
            BlobError::Expired { .. } => "expired",
            BlobError::Absent { .. } => "absent",
            BlobError::Unavailable { .. } => "unavailable",
        }
    }

    #[test]
    fn what_is_missing_is_named_for_what_it_is() {
        for (verdicts, failures, expected) in [
            (&[][..], 0, "unavailable"),
            (&[REORGED], 1, "reorged"),
            (&[MISSED], 1, "missed"),
            (&[MISSED, REORGED], 0, "reorged"),
            (&[BEHIND, MISSED], 0, "missed"),
            (&[PRUNED], 0, "expired"),
            (&[PRUNED, PRUNED], 0, "expired"),
            (&[PRUNED], 1, "unavailable"),
            (&[PRUNED, WITHHELD], 0, "absent"),
            (&[WITHHELD, REORGED], 0, "absent"),
            (&[WITHHELD], 1, "absent"),
            (&[BEHIND], 0, "absent"),
            (&[PRUNED, BEHIND], 1, "absent"),
        ] {
            assert_eq!(
                kind(verdicts, failures),
                expected,
                "{verdicts:?} {failures}"
            );
        }
    }
}
