//! Blocks that are known to be invalid, so that neither they nor what stands on them is tried again.

use super::invalid_status;
use alloy_primitives::B256;
use alloy_rpc_types_engine::PayloadStatus;
use schnellru::{ByLength, LruMap};

/// How many are remembered. Forgetting one costs an execution.
const MAX_REMEMBERED: u32 = 512;

/// The least recently asked for are forgotten first.
#[derive(Debug)]
pub(super) struct InvalidBlocks {
    blocks: LruMap<B256, InvalidAncestry>,
}

/// Why a block is invalid.
#[derive(Debug)]
pub(super) struct InvalidAncestry {
    latest_valid: Option<B256>,
    reason: String,
}

impl InvalidAncestry {
    /// The answer for the block, and for every block on it.
    pub(super) fn status(&self) -> PayloadStatus {
        invalid_status(self.reason.clone(), self.latest_valid)
    }
}

impl Default for InvalidBlocks {
    fn default() -> Self {
        Self {
            blocks: LruMap::new(ByLength::new(MAX_REMEMBERED)),
        }
    }
}

impl InvalidBlocks {
    /// Remembers the answer for a block.
    pub(super) fn insert(&mut self, hash: B256, status: &PayloadStatus) {
        let ancestry = InvalidAncestry {
            latest_valid: status.latest_valid_hash,
            reason: status
                .status
                .validation_error()
                .unwrap_or_default()
                .to_owned(),
        };
        self.blocks.insert(hash, ancestry);
    }

    /// What is remembered of a block.
    pub(super) fn get(&mut self, hash: &B256) -> Option<&InvalidAncestry> {
        self.blocks.get(hash).map(|ancestry| &*ancestry)
    }
}
