//! What others ask of the engine, grouped by sender.

mod derive;

pub use derive::{ConsolidateOutcome, DerivedAttributes, ForkchoiceStart, ResetError, ResetReason};

use crate::{
    payload::Payload,
    queue::{Lane, Stamp},
    state::DerivationState,
};
use alloy_primitives::B256;
use alloy_rpc_types_engine::PayloadId;
use light_node_protocol::{BlockNumHash, L1BlockRef};
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::debug;

/// One checked answer of a follow source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUpdate {
    /// The heads and the cursor.
    pub state: DerivationState,
    /// The safe head may move to another branch or down: the source's regression was accepted.
    pub safe_may_move: bool,
}

/// What became of a follow update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowOutcome {
    /// The labels stand in the EL and are published.
    Applied,
    /// Equal to what already stood (case 0).
    Unchanged,
    /// The EL fetches blocks (SYNCING): nothing that is published moved; the next poll goes on.
    Syncing,
    /// The EL could not be asked (case 2b), or the request is in back-off: the next poll supersedes it.
    Skipped,
    /// A newer update took this one's place in the queue.
    Superseded,
    /// The update contradicts what the EL holds.
    Refused(FollowRefusal),
}

/// Why the engine does not apply a follow update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowRefusal {
    /// Our safe head is not on the chain of the update, and `safe_may_move` was not set.
    SafeContradicted,
    /// Our finalized head is not on the chain of the update. Never accepted; an alarm.
    FinalizedContradicted,
    /// A block of the EL carries another L1 origin than the source claimed. The source lies or is broken.
    OriginMismatch {
        /// The block whose origin differs.
        block: B256,
    },
    /// The EL calls the block INVALID.
    InvalidBlock {
        /// The refused head.
        block: B256,
    },
}

/// The engine's verdict on an unsafe payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InsertOutcome {
    /// It is the head now.
    Inserted,
    /// The EL knew it already, or it lies below the head on our chain.
    AlreadyKnown,
    /// It does not link to the unsafe head yet; it waits in the buffer.
    Buffered,
    /// The EL took it as sync target.
    Syncing,
    /// The EL calls it INVALID.
    Invalid {
        /// The EL's words.
        reason: String,
    },
    /// It conflicts with the safe or the finalized chain, or was refused before.
    Rejected {
        /// What it conflicts with.
        reason: &'static str,
    },
    /// The EL could not be asked.
    Failed {
        /// The error in words.
        reason: String,
    },
}

/// The engine's answer to a sequencer that wants a block built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildOutcome {
    /// The EL builds; the payload is fetched by this id.
    Started(PayloadId),
    /// A target is pending: nothing is built on a head that is about to change.
    Syncing,
    /// The unsafe head is another than the parent for which the attributes were made.
    HeadChanged,
    /// The EL refuses the attributes.
    InvalidAttributes {
        /// The EL's words.
        reason: String,
    },
    /// A reset or reorg came between.
    Stale,
    /// A newer request took this one's place.
    Superseded,
    /// The EL could not be asked, or is busy.
    Failed {
        /// The error in words.
        reason: String,
    },
}

/// The engine's answer to a sequencer that wants its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealOutcome {
    /// The block. It is not executed or head yet: that is what a commit is for.
    Sealed(Box<OpExecutionPayloadEnvelope>),
    /// The build was dropped with the head on which it stood, or the EL does not know it (any more).
    Dropped,
    /// A newer request took this one's place.
    Superseded,
    /// The EL could not be asked; the build is still open.
    Failed {
        /// The error in words.
        reason: String,
    },
}

/// The engine's answer to a sequencer that wants its sealed block to be the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is the head now.
    Committed,
    /// Its parent is not the unsafe head.
    HeadChanged,
    /// The EL calls it INVALID.
    Invalid {
        /// The EL's words.
        reason: String,
    },
    /// A newer request took this one's place.
    Superseded,
    /// The EL could not be asked, or is busy. Whether it has the block is not known.
    Failed {
        /// The error in words.
        reason: String,
    },
}

/// A message to the engine actor.
#[derive(Debug)]
pub(crate) enum EngineRequest {
    // From the network and from admin.
    /// Insert an unsafe payload whose block hash has been checked.
    InsertUnsafe {
        payload: Payload,
        reply: Option<oneshot::Sender<InsertOutcome>>,
    },
    // From the safe source, whichever it is.
    /// Apply a checked answer of the follow source.
    Follow {
        update: Box<FollowUpdate>,
        reply: oneshot::Sender<FollowOutcome>,
    },
    /// The L1 origin of the unsafe head has left L1: expect the sequencer's own reorg, keep the heads until it comes.
    ResetKeepingHeads,
    // From the safe source and from the sequencer.
    /// It is on L1 again: no such reorg is expected any more.
    OriginStands,
    // From derivation.
    /// Make a derived block part of the safe chain.
    Consolidate {
        epoch: u64,
        attributes: Box<DerivedAttributes>,
        /// Held until the request is answered.
        #[allow(dead_code)]
        permit: OwnedSemaphorePermit,
        reply: oneshot::Sender<ConsolidateOutcome>,
    },
    /// All that L1 says up to this block has been handed over.
    Cursor {
        current_l1: L1BlockRef,
        /// Held until the request is answered.
        #[allow(dead_code)]
        permit: OwnedSemaphorePermit,
    },
    /// A derived block is final, because the L1 block that it was derived from is.
    Finalize { block: BlockNumHash },
    /// Go on from here.
    Reset {
        start: Box<ForkchoiceStart>,
        reply: oneshot::Sender<Result<u64, ResetError>>,
    },
    // From admin.
    /// Let derivation find its start anew.
    RestartDerivation,
    // From the sequencer.
    /// Blocks begin on our head: a head of gossip that is on its way holds them up no longer.
    BeginHere,
    /// Have the EL fetch this block, the unsafe head of the safe source, and stand on it.
    Fetch {
        head: BlockNumHash,
        reply: oneshot::Sender<bool>,
    },
    /// Start a build on `parent`.
    Build {
        epoch: u64,
        parent: B256,
        attributes: Box<OpPayloadAttributes>,
        reply: oneshot::Sender<BuildOutcome>,
    },
    /// Fetch the block that was built.
    Seal {
        id: PayloadId,
        reply: oneshot::Sender<SealOutcome>,
    },
    /// Make a sealed block the head.
    Commit {
        payload: Payload,
        reply: oneshot::Sender<CommitOutcome>,
    },
}

impl EngineRequest {
    /// The lane in which it waits.
    pub(crate) const fn lane(&self) -> Lane {
        match self {
            Self::InsertUnsafe { .. } => Lane::InsertUnsafe,
            Self::Follow { .. } => Lane::Follow,
            Self::ResetKeepingHeads
            | Self::OriginStands
            | Self::BeginHere
            | Self::Reset { .. }
            | Self::RestartDerivation => Lane::Reset,
            Self::Consolidate { .. } | Self::Cursor { .. } => Lane::Consolidate,
            Self::Finalize { .. } => Lane::Finalize,
            Self::Fetch { .. } | Self::Build { .. } => Lane::Build,
            Self::Seal { .. } | Self::Commit { .. } => Lane::Commit,
        }
    }

    /// What it was made against.
    pub(crate) const fn stamp(&self) -> Stamp {
        match self {
            Self::Build { epoch, .. } => Stamp {
                epoch: Some(*epoch),
                flushes: None,
            },
            // These hold in any epoch: a payload and an update are compared with the heads when their turn comes, a seal or
            // commit with the open build and with the head, a derived block with the one before it. The actor adds the
            // flush count to attributes.
            Self::InsertUnsafe { .. }
            | Self::Follow { .. }
            | Self::ResetKeepingHeads
            | Self::OriginStands
            | Self::BeginHere
            | Self::Fetch { .. }
            | Self::Consolidate { .. }
            | Self::Cursor { .. }
            | Self::Finalize { .. }
            | Self::Reset { .. }
            | Self::RestartDerivation
            | Self::Seal { .. }
            | Self::Commit { .. } => Stamp::ANY,
        }
    }

    /// Answers a request whose place a newer one took, or for which there was no room.
    ///
    /// Here and below a sender that no longer waits for the answer is no error.
    pub(crate) fn answer_displaced(self) {
        match self {
            Self::Follow { reply, .. } => drop(reply.send(FollowOutcome::Superseded)),
            Self::InsertUnsafe { payload, reply } => {
                debug!(
                    number = payload.block.number,
                    "too many unsafe payloads wait; the highest is dropped"
                );
                let reason = "too many unsafe payloads wait for the execution layer";
                reply.map(|reply| reply.send(InsertOutcome::Rejected { reason }));
            }
            Self::Fetch { reply, .. } => drop(reply.send(false)),
            Self::Build { reply, .. } => drop(reply.send(BuildOutcome::Superseded)),
            Self::Seal { reply, .. } => drop(reply.send(SealOutcome::Superseded)),
            Self::Commit { reply, .. } => drop(reply.send(CommitOutcome::Superseded)),
            Self::Consolidate { reply, .. } => drop(reply.send(ConsolidateOutcome::Stale)),
            Self::Reset { reply, .. } => drop(reply.send(Err(ResetError::Superseded))),
            Self::ResetKeepingHeads
            | Self::OriginStands
            | Self::BeginHere
            | Self::RestartDerivation
            | Self::Cursor { .. }
            | Self::Finalize { .. } => {}
        }
    }

    /// Answers a request of an older epoch.
    pub(crate) fn answer_stale(self) {
        match self {
            Self::Build { reply, .. } => drop(reply.send(BuildOutcome::Stale)),
            other => other.answer_displaced(),
        }
    }

    /// Answers a request that came while the EL did not answer.
    pub(crate) fn answer_unasked(self, cause: &str) {
        let reason = cause.to_owned();
        match self {
            Self::Follow { reply, .. } => drop(reply.send(FollowOutcome::Skipped)),
            Self::InsertUnsafe { reply, .. } => {
                reply.map(|reply| reply.send(InsertOutcome::Failed { reason }));
            }
            Self::Fetch { reply, .. } => drop(reply.send(false)),
            Self::Build { reply, .. } => drop(reply.send(BuildOutcome::Failed { reason })),
            Self::Seal { reply, .. } => drop(reply.send(SealOutcome::Failed { reason })),
            Self::Commit { reply, .. } => drop(reply.send(CommitOutcome::Failed { reason })),
            Self::Consolidate { reply, .. } => drop(reply.send(ConsolidateOutcome::Stale)),
            Self::Reset { reply, .. } => {
                drop(reply.send(Err(ResetError::Unavailable { reason })));
            }
            Self::ResetKeepingHeads
            | Self::OriginStands
            | Self::BeginHere
            | Self::RestartDerivation
            | Self::Cursor { .. }
            | Self::Finalize { .. } => {}
        }
    }
}
