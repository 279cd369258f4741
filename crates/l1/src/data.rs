//! What derivation reads of L1, and the door through which it reads. The [`crate::L1Feed`] stands behind the door in a node,
//! and an L1 in memory in tests; whoever derives knows neither.

use crate::L1Error;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Log};
use async_trait::async_trait;
use core::fmt::Debug;
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::sync::Arc;
use thiserror::Error;

/// The 4096 field elements of a blob as they are in the sidecar: 131,072 bytes.
pub type Blob = alloy_eips::eip4844::Blob;

/// What derivation reads of one L1 block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Data {
    /// The header; it hashes to `hash` unless the endpoint is trusted.
    pub header: Header,
    /// The block's hash.
    pub hash: B256,
    /// Transactions of types 0 to 3 to the batch inbox, in block order, from whomever they are.
    pub inbox: Vec<InboxTransaction>,
    /// Logs of the portal and the SystemConfig in block order, each with its index within the block. Failed transactions emit
    /// none.
    pub logs: Vec<(u64, Log)>,
}

impl L1Data {
    /// Number and hash.
    pub const fn id(&self) -> BlockNumHash {
        BlockNumHash {
            number: self.header.number,
            hash: self.hash,
        }
    }

    /// The block as the node's own words name it.
    pub const fn block_ref(&self) -> L1BlockRef {
        L1BlockRef {
            hash: self.hash,
            number: self.header.number,
            parent_hash: self.header.parent_hash,
            timestamp: self.header.timestamp,
        }
    }
}

/// A transaction to the batch inbox. Whether its sender is the batcher is for derivation to say, because that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxTransaction {
    /// Recovered from the signature.
    pub sender: Address,
    /// What it brings.
    pub data: InboxData,
}

/// Where the data of an inbox transaction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboxData {
    /// In the transaction's input (types 0 to 2).
    Calldata(Bytes),
    /// In blobs (type 3).
    Blobs {
        /// Their versioned hashes, in order.
        hashes: Vec<B256>,
        /// The transaction's input, which counts as long as the rollup does not look at blobs.
        input: Bytes,
    },
}

/// L1 could not be read. The same question may succeed later: this is never fatal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum L1DataError {
    /// No endpoint gave a usable answer.
    #[error("l1 data cannot be read")]
    Failed {
        /// What the endpoints did.
        #[source]
        source: L1Error,
    },
    /// The feed has ended, because the node ends.
    #[error("the l1 feed has ended")]
    Stopped,
}

impl From<L1Error> for L1DataError {
    fn from(source: L1Error) -> Self {
        Self::Failed { source }
    }
}

/// Why blobs are not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlobError {
    /// The beacon chain has another block in the slot: the L1 block is no longer canonical.
    #[error("l1 block {} ({}) left the chain: the beacon chain has another block in slot {slot}", .block.number, .block.hash)]
    Reorged {
        /// The block whose blobs were asked for.
        block: BlockNumHash,
        /// Its slot.
        slot: u64,
    },
    /// Every beacon that is past the slot says that it is empty. An L1 block that is canonical has no empty slot.
    #[error("the beacon chain has no block in slot {slot}, in which l1 block {} ({}) should be", .block.number, .block.hash)]
    Missed {
        /// The block whose blobs were asked for.
        block: BlockNumHash,
        /// Its slot.
        slot: u64,
    },
    /// The slot is so old that beacons no longer keep its blobs, and none of those configured has them.
    #[error("the blobs of slot {slot} (l1 block {}) have expired, and no beacon archives them", .block.number)]
    Expired {
        /// The block whose blobs were asked for.
        block: BlockNumHash,
        /// Its slot.
        slot: u64,
    },
    /// Beacons answer, and none of them gives the blobs: one that has the block has not got them, or none has reached the slot. The
    /// same question may succeed later.
    #[error("the blobs of l1 block {} are not there: {cause}", .block.number)]
    Absent {
        /// The block whose blobs were asked for.
        block: BlockNumHash,
        /// What each beacon says, without credentials.
        cause: String,
    },
    /// No beacon gave a usable answer. The same question may succeed later.
    #[error("blobs cannot be read: {cause}")]
    Unavailable {
        /// Each beacon's last error in words, without credentials.
        cause: String,
    },
}

/// L1 as derivation sees it.
///
/// Answers are facts about blocks, named by their hash; which of them are canonical is only said by [`Self::block`], at the
/// moment of the answer. Two successive answers may be of different branches: compare parent hashes.
#[async_trait]
pub trait L1Source: Debug + Send + Sync {
    /// The canonical block of a height; `None` if L1 has not got it yet.
    ///
    /// # Errors
    /// If L1 did not answer well. Ask again after a moment.
    ///
    /// # Cancel safety
    /// What is being fetched goes on being fetched.
    async fn block(&self, number: u64) -> Result<Option<Arc<L1Data>>, L1DataError>;

    /// The reference of the canonical block of a height, without its data; `None` if L1 has not got it yet.
    ///
    /// # Errors
    /// As [`Self::block`].
    ///
    /// # Cancel safety
    /// As [`Self::block`].
    async fn block_ref(&self, number: u64) -> Result<Option<L1BlockRef>, L1DataError> {
        let block = self.block(number).await?;
        Ok(block.map(|block| block.block_ref()))
    }

    /// A block by its identity, canonical or not; `None` if L1 has it no longer (or not yet).
    ///
    /// # Errors
    /// As [`Self::block`].
    ///
    /// # Cancel safety
    /// As [`Self::block`].
    async fn block_by_hash(&self, id: BlockNumHash) -> Result<Option<Arc<L1Data>>, L1DataError>;

    /// The blobs with the versioned `hashes`, in that order, verified against them. `block` carries them: `slot_time` is the
    /// time of its header in seconds and `parent_beacon_root` its header field of that name.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] and [`BlobError::Absent`] may pass by themselves; [`BlobError::Reorged`] and [`BlobError::Missed`] say that `block` left L1,
    /// or that beacon and L1 endpoint disagree; [`BlobError::Expired`] needs an operator with an archive.
    ///
    /// # Cancel safety
    /// What is being fetched goes on being fetched.
    async fn blobs(
        &self,
        block: BlockNumHash,
        slot_time: u64,
        parent_beacon_root: Option<B256>,
        hashes: &[B256],
    ) -> Result<Vec<Arc<Blob>>, BlobError>;

    /// Says where derivation stands: what is below `cursor` may be dropped and what is above be fetched ahead; of the blobs
    /// above, those of transactions by `batcher`.
    fn advance(&self, cursor: BlockNumHash, batcher: Address);
}
