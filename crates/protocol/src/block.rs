//! References to L1 and L2 blocks, with op-node's exact JSON. An unknown block is the zero object, never `null` and never genesis.

use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, BlockNumber};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A reference to an L1 block: `{hash, number, parentHash, timestamp}`, numbers as JSON numbers, timestamp in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L1BlockRef {
    /// Block hash.
    pub hash: B256,
    /// Block number.
    pub number: BlockNumber,
    /// Hash of the parent block.
    pub parent_hash: B256,
    /// Unix time of the block in seconds.
    pub timestamp: u64,
}

impl L1BlockRef {
    /// The block's number and hash.
    pub const fn id(&self) -> BlockNumHash {
        BlockNumHash::new(self.number, self.hash)
    }

    /// True for the zero object, which stands for "not known".
    pub fn is_zero(&self) -> bool {
        self.hash.is_zero()
    }
}

/// A reference to an L2 block with the L1 origin that its first deposit names:
/// `{hash, number, parentHash, timestamp, l1origin, sequenceNumber}` (`l1origin` all lower case).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L2BlockRef {
    /// Block hash.
    pub hash: B256,
    /// Block number.
    pub number: BlockNumber,
    /// Hash of the parent block.
    pub parent_hash: B256,
    /// Unix time of the block in seconds.
    pub timestamp: u64,
    /// The L1 block that this block is derived from (its epoch).
    #[serde(rename = "l1origin")]
    pub l1_origin: BlockNumHash,
    /// Distance to the first block of the epoch.
    pub sequence_number: u64,
}

impl L2BlockRef {
    /// The block's number and hash.
    pub const fn id(&self) -> BlockNumHash {
        BlockNumHash::new(self.number, self.hash)
    }

    /// True for the zero object, which stands for "not known".
    pub fn is_zero(&self) -> bool {
        self.hash.is_zero()
    }
}

impl fmt::Display for L1BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

impl fmt::Display for L2BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}
