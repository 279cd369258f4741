//! References to L1 and L2 blocks, with op-node's exact JSON. An unknown block is the zero object, never `null` and never genesis.

use crate::{
    RollupConfig,
    l1_info::{L1BlockInfo, L1InfoError},
};
use alloy_eips::{
    BlockNumHash,
    eip2718::{Decodable2718, Eip2718Error},
};
use alloy_primitives::{B256, BlockNumber};
use core::fmt;
use op_alloy_consensus::TxDeposit;
use op_alloy_rpc_types_engine::OpExecutionPayload;
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[cfg(test)]
mod tests;

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

/// Why a block has no place in the rollup.
#[derive(Debug, Error)]
pub enum L2BlockRefError {
    /// The block at the number of genesis is another one: the execution layer runs another chain.
    #[error("block {number} is {actual}, but the rollup's genesis is {expected}")]
    WrongGenesis {
        /// Number of genesis.
        number: BlockNumber,
        /// Hash of genesis in the rollup config.
        expected: B256,
        /// Hash of the block.
        actual: B256,
    },
    /// The block is older than the rollup.
    #[error("block {number} is before the rollup's genesis block {genesis}")]
    BeforeGenesis {
        /// Number of the block.
        number: BlockNumber,
        /// Number of genesis.
        genesis: BlockNumber,
    },
    /// The block has no transaction, not even the L1-info deposit.
    #[error("block {number} has no transactions, so no l1-info deposit")]
    NoTransactions {
        /// Number of the block.
        number: BlockNumber,
    },
    /// The first transaction is not a deposit.
    #[error("first transaction of block {number} is no deposit")]
    NotADeposit {
        /// Number of the block.
        number: BlockNumber,
        /// What the decoder says.
        #[source]
        source: Eip2718Error,
    },
    /// The first deposit does not carry L1 information.
    #[error("first deposit of block {number} is no l1-info deposit")]
    NotL1Info {
        /// Number of the block.
        number: BlockNumber,
        /// What is wrong with its calldata.
        #[source]
        source: L1InfoError,
    },
}

impl L2BlockRef {
    /// The reference to a block, given its header's facts and the EIP-2718 bytes of its first transaction.
    ///
    /// Genesis stands on the L1 genesis of the config; every other block names its L1 origin in its first transaction
    /// (`specs/protocol/deposits.md#l1-attributes-deposited-transaction`).
    ///
    /// # Errors
    /// The block is not of this rollup, or does not start with an L1-info deposit.
    pub fn from_parts(
        config: &RollupConfig,
        hash: B256,
        number: BlockNumber,
        parent_hash: B256,
        timestamp: u64,
        first_transaction: Option<&[u8]>,
    ) -> Result<Self, L2BlockRefError> {
        let genesis = &config.genesis;
        let (l1_origin, sequence_number) = if number < genesis.l2.number {
            return Err(L2BlockRefError::BeforeGenesis {
                number,
                genesis: genesis.l2.number,
            });
        } else if number == genesis.l2.number {
            if hash != genesis.l2.hash {
                return Err(L2BlockRefError::WrongGenesis {
                    number,
                    expected: genesis.l2.hash,
                    actual: hash,
                });
            }
            (genesis.l1, 0)
        } else {
            let transaction =
                first_transaction.ok_or(L2BlockRefError::NoTransactions { number })?;
            let deposit = TxDeposit::decode_2718_exact(transaction)
                .map_err(|source| L2BlockRefError::NotADeposit { number, source })?;
            let info = L1BlockInfo::decode(&deposit.input)
                .map_err(|source| L2BlockRefError::NotL1Info { number, source })?;
            (info.l1_origin(), info.sequence_number)
        };
        Ok(Self {
            hash,
            number,
            parent_hash,
            timestamp,
            l1_origin,
            sequence_number,
        })
    }

    /// The reference to the block that `payload` claims to be. The block hash is taken over unchecked.
    ///
    /// # Errors
    /// As [`Self::from_parts`].
    pub fn from_payload(
        config: &RollupConfig,
        payload: &OpExecutionPayload,
    ) -> Result<Self, L2BlockRefError> {
        Self::from_parts(
            config,
            payload.block_hash(),
            payload.block_number(),
            payload.parent_hash(),
            payload.timestamp(),
            payload.transactions().first().map(AsRef::as_ref),
        )
    }

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
