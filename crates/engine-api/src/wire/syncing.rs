//! The answer of `eth_syncing`: false, or an object in which each EL says something else about its progress.

use super::decode;
use crate::{ElError, ElSyncing};
use alloy_primitives::{U64, keccak256};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(untagged)]
enum Wire {
    Flag(bool),
    #[serde(rename_all = "camelCase")]
    Progress {
        #[serde(default)]
        current_block: U64,
        #[serde(default)]
        highest_block: U64,
        /// op-reth's, which names no highest block of its own: both numbers are its head.
        stages: Option<IgnoredAny>,
    },
}

/// Reads the two numbers that all ELs have, and digests the rest.
///
/// op-geth answers with an object also while nothing but its index of transactions is unfinished, which without a peer it is for
/// ever on a fresh database: one that knows of no higher block fetches none.
pub(crate) fn decode_syncing(
    method: &'static str,
    answer: &RawValue,
) -> Result<ElSyncing, ElError> {
    let (current, highest) = match decode(method, answer)? {
        Wire::Flag(false) => return Ok(ElSyncing::Idle),
        Wire::Flag(true) => (0, 0),
        Wire::Progress {
            current_block,
            highest_block,
            stages,
        } => {
            if stages.is_none() && highest_block <= current_block {
                return Ok(ElSyncing::Idle);
            }
            (current_block.to(), highest_block.to())
        }
    };
    let digest = keccak256(answer.get()).0;
    let marks = digest
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    Ok(ElSyncing::Syncing {
        current,
        highest,
        marks,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{json, value::to_raw_value};

    fn read(answer: serde_json::Value) -> ElSyncing {
        decode_syncing("eth_syncing", &to_raw_value(&answer).unwrap()).unwrap()
    }

    #[test]
    fn syncing_is_false_or_progress() {
        assert_eq!(read(json!(false)), ElSyncing::Idle);
        assert!(matches!(
            read(json!(true)),
            ElSyncing::Syncing {
                current: 0,
                highest: 0,
                ..
            }
        ));
        let busy = read(json!({ "currentBlock": "0x5", "highestBlock": "0x9", "x": 1 }));
        assert!(matches!(
            busy,
            ElSyncing::Syncing {
                current: 5,
                highest: 9,
                ..
            }
        ));
    }

    #[test]
    fn an_index_that_is_not_finished_is_no_syncing() {
        let fresh = json!({ "currentBlock": "0x0", "highestBlock": "0x0", "healedTrienodes": "0x0",
            "syncedAccounts": "0x0", "txIndexFinishedBlocks": "0x0", "txIndexRemainingBlocks": "0x1" });
        assert_eq!(read(fresh), ElSyncing::Idle);
        let restarted = json!({ "currentBlock": "0x64", "highestBlock": "0x0", "txIndexRemainingBlocks": "0x9" });
        assert_eq!(read(restarted), ElSyncing::Idle);
        let staged = json!({ "currentBlock": "0x5", "highestBlock": "0x5", "stages": [{ "name": "Headers", "block": "0x1" }] });
        assert!(matches!(read(staged), ElSyncing::Syncing { .. }));
    }

    #[test]
    fn a_stage_that_moves_shows_although_the_numbers_stand_still() {
        let at = |block: &str| {
            read(json!({ "currentBlock": "0x0", "highestBlock": "0x9",
                "stages": [{ "name": "Headers", "block": block }] }))
        };
        assert_eq!(at("0x1"), at("0x1"));
        assert_ne!(at("0x1"), at("0x2"));
    }
}
