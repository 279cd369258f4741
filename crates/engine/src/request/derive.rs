//! What derivation asks of the engine, and what it is answered.

use super::FollowRefusal;
use crate::handle::EngineGone;
use alloy_primitives::{B256, Bytes};
use light_node_protocol::{BlockNumHash, L1BlockRef, L2BlockRef};
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use std::fmt;
use thiserror::Error;

/// First byte of a deposit transaction.
const DEPOSIT_TYPE: u8 = 0x7e;

/// One derived block: what it is to be built of, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedAttributes {
    /// What the block is to be built of, no transaction pool.
    pub attributes: OpPayloadAttributes,
    /// The block's parent. `None` if derivation ran ahead: then it is the block of the attributes before these, whose hash
    /// nobody knew yet.
    pub parent: Option<B256>,
    /// Number of the block.
    pub number: u64,
    /// L1 origin of the block.
    pub l1_origin: BlockNumHash,
    /// Distance to the first block of the origin's epoch.
    pub sequence_number: u64,
    /// The L1 block whose data completed the batch.
    pub derived_from: L1BlockRef,
    /// With this block its span of batches ends. Before Holocene that makes all blocks up to it safe; from then on each one
    /// is safe by itself.
    pub is_last_in_span: bool,
}

impl DerivedAttributes {
    /// True if nothing but deposits goes into the block. Such a block cannot be refused by the rules.
    pub(crate) fn is_deposits_only(&self) -> bool {
        self.transactions().iter().all(is_deposit)
    }

    /// The same block without the transactions of its batch (`specs/protocol/holocene/derivation.md#engine-queue`).
    pub(crate) fn deposits_only(&self) -> OpPayloadAttributes {
        let deposits = self.transactions().iter().filter(|it| is_deposit(it));
        OpPayloadAttributes {
            transactions: Some(deposits.cloned().collect()),
            ..self.attributes.clone()
        }
    }

    fn transactions(&self) -> &[Bytes] {
        self.attributes.transactions.as_deref().unwrap_or_default()
    }
}

fn is_deposit(transaction: &Bytes) -> bool {
    transaction.first() == Some(&DEPOSIT_TYPE)
}

/// What became of derived attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsolidateOutcome {
    /// The execution layer has just this block, whether it had it before or built it now. It is the parent of the next
    /// attributes. It is safe, before Holocene with the end of its span.
    Safe(L2BlockRef),
    /// The execution layer refused the block, and has it now without the transactions of its batch (from Holocene on).
    /// Flush the channel; the next attributes stand on this block. All that ran ahead is answered [`Self::Stale`].
    DepositsOnly(L2BlockRef),
    /// The execution layer refused the block (before Holocene): try the next batch. The blocks of the span before it are
    /// dropped, too: the next attributes stand on the safe block that is given. All that ran ahead is answered
    /// [`Self::Stale`].
    Dropped(L2BlockRef),
    /// Derivation has to find its start anew, and tell it by a reset. All that ran ahead is answered [`Self::Stale`].
    Reset(ResetReason),
    /// It stands on a block that is not the last derived one: a reset, or a refusal before it, came between.
    Stale,
}

/// Why derivation has to find its start anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// No reset has said yet where it begins, or one was asked for.
    NoStart,
    /// The execution layer lost blocks that it had confirmed.
    ElLostBlocks,
    /// The execution layer refuses the last derived block, or labels on it.
    ParentRefused {
        /// Its words.
        reason: Box<str>,
    },
    /// It refuses a block of nothing but deposits, which no rule allows: it does not agree with us on the chain.
    DepositsOnlyRefused {
        /// Its words.
        reason: Box<str>,
    },
    /// The derived chain and what is published contradict each other.
    Contradicted(FollowRefusal),
}

impl ResetReason {
    /// The name in logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoStart => "no_start",
            Self::ElLostBlocks => "el_lost_blocks",
            Self::ParentRefused { .. } => "parent_refused",
            Self::DepositsOnlyRefused { .. } => "deposits_only_refused",
            Self::Contradicted(_) => "contradicted",
        }
    }
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStart => f.write_str("no reset has said where derivation begins"),
            Self::ElLostBlocks => f.write_str("the execution layer lost blocks"),
            Self::ParentRefused { reason } => {
                write!(
                    f,
                    "the execution layer refuses the last derived block: {reason}"
                )
            }
            Self::DepositsOnlyRefused { reason } => {
                write!(
                    f,
                    "the execution layer refuses a block of deposits alone: {reason}"
                )
            }
            Self::Contradicted(refusal) => {
                write!(
                    f,
                    "the derived chain contradicts the published one: {refusal:?}"
                )
            }
        }
    }
}

/// From where derivation goes on: what its search for a start has found, all of it on the chain of the execution layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkchoiceStart {
    /// The highest block whose L1 origin is on L1, or not there yet. Blocks above it stay the head until others are built
    /// in their place, because no execution layer goes back to an ancestor of its head.
    pub unsafe_head: L2BlockRef,
    /// The parent of the first block that will be derived.
    pub safe: L2BlockRef,
    /// A block known to be final. Ours is kept where it is higher.
    pub finalized: L2BlockRef,
    /// The L1 block from which derivation reads on; the zero object leaves the published one.
    pub current_l1: L1BlockRef,
}

/// Why a reset was not done. Nothing can be derived until one is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResetError {
    /// The engine has stopped.
    #[error(transparent)]
    Gone(#[from] EngineGone),
    /// A newer reset took its place.
    #[error("a newer reset took the place of this one")]
    Superseded,
    /// The execution layer could not be asked, or is not there yet. Find the start again in a moment.
    #[error("the execution layer cannot take the start of derivation: {reason}")]
    Unavailable {
        /// The error in words.
        reason: String,
    },
    /// The start contradicts what is finalized, or what the execution layer has.
    #[error("the start of derivation is refused: {0:?}")]
    Refused(FollowRefusal),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn attributes(transactions: &[&'static [u8]]) -> DerivedAttributes {
        let transactions = transactions.iter().map(|it| Bytes::from_static(it));
        DerivedAttributes {
            attributes: OpPayloadAttributes {
                transactions: Some(transactions.collect()),
                gas_limit: Some(7),
                ..Default::default()
            },
            parent: None,
            number: 1,
            l1_origin: BlockNumHash::default(),
            sequence_number: 0,
            derived_from: L1BlockRef::default(),
            is_last_in_span: true,
        }
    }

    #[test]
    fn a_deposits_only_block_keeps_its_deposits_in_order_and_all_else() {
        let full = attributes(&[&[0x7e, 1], &[0x7e, 2], &[2, 3], &[4]]);
        assert!(!full.is_deposits_only());
        let stripped = full.deposits_only();
        let kept = stripped.transactions.clone().unwrap();
        assert_eq!(kept, [&[0x7e, 1][..], &[0x7e, 2][..]].map(Bytes::from));
        assert_eq!(stripped.gas_limit, Some(7));
        assert!(attributes(&[&[0x7e, 1]]).is_deposits_only());
    }
}
