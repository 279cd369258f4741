//! Why a step came to nothing. kona's errors have room for words only, so a stage that fails leaves its cause here and the deriver
//! takes it from here: what can be waited for is told apart from what needs a reset, and by what it is.

use crate::kona::{PipelineError, PipelineErrorKind, ResetError};
use alloy_primitives::B256;
use light_node_engine_api::ElError;
use light_node_l1::{BlobError, L1DataError};
use light_node_protocol::{DepositError, L1BlockRef, L2BlockRef, ScalarError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// Something that derivation needs cannot be read now. Nothing is lost: the same step may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RetryCause {
    /// L1 does not answer.
    #[error(transparent)]
    L1(#[from] L1DataError),
    /// Blobs are not there, on an L1 block that is canonical.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The execution layer does not answer.
    #[error(transparent)]
    L2(#[from] ElError),
    /// The execution layer lacks a block of the safe chain, or has one there that is no block of the rollup.
    #[error("the execution layer has no usable block {number}, which is safe")]
    L2BlockMissing {
        /// The block's number.
        number: u64,
    },
}

/// What was derived so far, or the position from which, does not hold (any more): derivation must begin again from a safe head
/// that is still on L1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResetCause {
    /// The deriver was never told where to begin.
    #[error("derivation has no position yet")]
    NoPosition,
    /// L1 replaced the block that is being read.
    #[error("l1 block {} was replaced: the next one is on {parent_hash}", .block)]
    L1Reorg {
        /// The block that was being read.
        block: L1BlockRef,
        /// The parent that the next block names.
        parent_hash: B256,
    },
    /// L1 no longer has a block that is being read or is the origin of the next L2 block.
    #[error("l1 block {number}:{hash} is gone")]
    L1BlockGone {
        /// Its number.
        number: u64,
        /// Its hash.
        hash: B256,
    },
    /// The L1 blocks at hand do not go with the safe head's origin.
    #[error("the l1 blocks at hand do not continue the origin of l2 block {parent}")]
    OriginMismatch {
        /// The safe head.
        parent: L2BlockRef,
    },
    /// The deriver was given a parent other than those it handed out, or was told to begin on.
    #[error("l2 block {parent} is not what was derived")]
    UnknownParent {
        /// The parent.
        parent: L2BlockRef,
    },
    /// The next block would be older than its L1 origin.
    #[error("the block after {parent} would be older than its l1 origin {origin}")]
    BeforeOrigin {
        /// The parent.
        parent: L2BlockRef,
        /// The origin.
        origin: L1BlockRef,
    },
    /// A deposit on L1 is malformed. The portal cannot make one, so the L1 endpoint is wrong.
    #[error("a deposit in l1 block {block} is malformed")]
    Deposit {
        /// The block.
        block: L1BlockRef,
        /// What is wrong.
        #[source]
        source: DepositError,
    },
    /// The fee scalar of the system config has no meaning.
    #[error("the system config has no usable fee scalar")]
    Scalar(#[from] ScalarError),
    /// A stage of the pipeline is in a state that it cannot be in.
    #[error("the pipeline failed: {words}")]
    Pipeline {
        /// The stage's words.
        words: String,
    },
}

/// What a stage left behind.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    Retry(RetryCause),
    Reset(ResetCause),
    /// The next batch must be compared with the hash of its parent, which is not known yet.
    NeedsParent,
}

/// Where stages leave causes. Clones are the same place. The first cause of a step stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Causes(Arc<Mutex<Option<Cause>>>);

impl Causes {
    /// Leaves the cause of a failure that may pass, and gives the error that says to look here.
    pub(crate) fn retry(&self, cause: impl Into<RetryCause>) -> PipelineErrorKind {
        self.leave(Cause::Retry(cause.into()));
        PipelineError::Provider(String::new()).temp()
    }

    /// Leaves the cause of a reset.
    pub(crate) fn reset(&self, cause: ResetCause) -> PipelineErrorKind {
        self.leave(Cause::Reset(cause));
        PipelineErrorKind::Reset(ResetError::HoloceneActivation)
    }

    /// Says that the hash of the parent is needed.
    pub(crate) fn needs_parent(&self) -> PipelineErrorKind {
        self.leave(Cause::NeedsParent);
        PipelineError::Provider(String::new()).temp()
    }

    /// Takes what was left.
    pub(crate) fn take(&self) -> Option<Cause> {
        self.lock().take()
    }

    fn leave(&self, cause: Cause) {
        self.lock().get_or_insert(cause);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Cause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
