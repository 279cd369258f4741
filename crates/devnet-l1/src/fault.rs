//! Faults on command: what a request meets instead of an answer or instead of the truth, for a time, for a number of requests,
//! or until cleared.

use alloy_primitives::B256;
use light_node_devnet_fault::{FaultSlot, Met};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// What goes wrong with a request. The beacon API meets all but the lies, which have answers of JSON-RPC; what goes wrong with
/// blobs is met by requests for blobs alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultKind {
    /// The connection is closed without an answer.
    Refuse,
    /// The connection is reset without an answer (TCP RST).
    Reset,
    /// No answer until the fault is over; then the connection is closed.
    #[serde(alias = "blackhole")]
    Hang,
    /// The right answer, `amount` milliseconds later (1000).
    Slow,
    /// HTTP status 429 with a `Retry-After` of `amount` seconds (1).
    Http429,
    /// HTTP status 500.
    Http500,
    /// HTTP status 503.
    Http503,
    /// A web page with status 200, as a misconfigured proxy serves.
    Html,
    /// The first half of the right answer.
    Truncated,
    /// `amount` bytes (100 MiB) of JSON that are no answer.
    Huge,
    /// Each request fails with the JSON-RPC error -32005.
    RpcError,
    /// A lie: blocks carry another hash than theirs, or just block `amount`. With `amount` 0 it is another genesis.
    WrongHash,
    /// A lie: the chain id is `amount`, or the right one and 1.
    OtherChain,
    /// A lie: the chain is what it was when the fault was set, also while it grows or reorganizes.
    Stale,
    /// A lie: the head is `amount` blocks (1) lower than it is.
    LowerHead,
    /// A lie: receipts and logs of all blocks, or just of block `amount`, hide what happened: there are no logs in them.
    WrongReceipts,
    /// A lie: block `amount` is not there, or no block at all.
    MissingBlock,
    /// The first `amount` of the blobs asked for are not in the answer; without it none is.
    WithheldBlobs,
    /// Each blob is another one.
    WrongBlobs,
    /// Status 404 for blobs and for the header of their slot, as of a slot that passed without a block.
    MissedSlot,
}

impl FaultKind {
    pub(crate) const fn is_lie(self) -> bool {
        matches!(
            self,
            Self::WrongHash
                | Self::OtherChain
                | Self::Stale
                | Self::LowerHead
                | Self::RpcError
                | Self::WrongReceipts
                | Self::MissingBlock
        )
    }

    pub(crate) const fn is_of_blobs(self) -> bool {
        matches!(
            self,
            Self::WithheldBlobs | Self::WrongBlobs | Self::MissedSlot
        )
    }
}

/// What the beacon API is asked for, as far as faults tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BeaconQuestion {
    /// The blobs of a slot.
    Blobs,
    /// The header of a slot.
    Header,
    /// All else.
    Other,
}

/// A fault of the L1.
pub type Fault = light_node_devnet_fault::Fault<FaultKind>;

/// The canonical chain at some moment. Its labels belong to it: an endpoint that stays behind calls nothing final that it had not
/// called final then, while later labels may lie on another branch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Hashes of all blocks, from block 0 on.
    pub(crate) hashes: Vec<B256>,
    /// Number of the safe block.
    pub(crate) safe: Option<u64>,
    /// Number of the finalized block.
    pub(crate) finalized: Option<u64>,
}

/// The fault in force, and what the chain was when it was set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) slot: FaultSlot<FaultKind>,
    frozen: Mutex<Arc<Snapshot>>,
}

impl Faults {
    /// Puts a fault in force on the chain that is `canonical` now.
    pub(crate) fn set(&self, fault: Fault, canonical: Snapshot) {
        *self.frozen.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(canonical);
        self.slot.set(fault);
    }

    /// The canonical chain of the moment in which the fault was set.
    pub(crate) fn frozen(&self) -> Arc<Snapshot> {
        self.frozen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the next request of JSON-RPC meets.
    pub(crate) fn take_for_rpc(&self) -> Option<Met<FaultKind>> {
        self.slot.take_if(|kind| !kind.is_of_blobs())
    }

    /// What the next request of the beacon API meets.
    pub(crate) fn take_for_beacon(&self, question: BeaconQuestion) -> Option<Met<FaultKind>> {
        self.slot.take_if(|kind| match question {
            BeaconQuestion::Blobs => !kind.is_lie(),
            BeaconQuestion::Header if kind == FaultKind::MissedSlot => true,
            BeaconQuestion::Header | BeaconQuestion::Other => !kind.is_lie() && !kind.is_of_blobs(),
        })
    }
}
