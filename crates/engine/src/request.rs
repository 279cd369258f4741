//! What others ask of the engine, grouped by sender.

use crate::{payload::Payload, queue::Lane, state::DerivationState};
use alloy_primitives::B256;
use tokio::sync::oneshot;

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
    /// It conflicts with the safe chain, or was refused before.
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
        update: FollowUpdate,
        reply: oneshot::Sender<FollowOutcome>,
    },
    /// The L1 origin of the unsafe head has left L1: expect the sequencer's own reorg, keep the heads until it comes.
    ResetKeepingHeads,
}

impl EngineRequest {
    /// The lane in which it waits.
    pub(crate) const fn lane(&self) -> Lane {
        match self {
            Self::InsertUnsafe { .. } => Lane::InsertUnsafe,
            Self::Follow { .. } => Lane::Follow,
            Self::ResetKeepingHeads => Lane::Reset,
        }
    }
}
