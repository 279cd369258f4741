//! The log of calls to the EL in memory, and the answers that a test prescribes.

use crate::ElError;
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_engine::{ForkchoiceState, PayloadId, PayloadStatusEnum};
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use std::{collections::VecDeque, time::Duration};

/// One call as the EL got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `eth_chainId`.
    ChainId,
    /// One batch of block reads.
    Blocks(Vec<BlockId>),
    /// The payload of a block.
    Payload(BlockId),
    /// `eth_getProof`.
    StorageRoot {
        /// Account.
        address: Address,
        /// Block hash.
        block: B256,
    },
    /// `eth_syncing`.
    Syncing,
    /// Client version.
    ClientVersion,
    /// `engine_newPayload`.
    NewPayload {
        /// Announced block hash.
        hash: B256,
        /// Block number.
        number: u64,
    },
    /// `engine_forkchoiceUpdated`.
    ForkchoiceUpdated {
        /// Head, safe and finalized.
        state: ForkchoiceState,
        /// The attributes, if a build is asked for.
        attributes: Option<Box<OpPayloadAttributes>>,
    },
    /// `engine_getPayload`.
    GetPayload(PayloadId),
}

impl Call {
    /// The kind of the call.
    pub const fn kind(&self) -> CallKind {
        match self {
            Self::ChainId => CallKind::ChainId,
            Self::Blocks(_) => CallKind::Blocks,
            Self::Payload(_) => CallKind::Payload,
            Self::StorageRoot { .. } => CallKind::StorageRoot,
            Self::Syncing => CallKind::Syncing,
            Self::ClientVersion => CallKind::ClientVersion,
            Self::NewPayload { .. } => CallKind::NewPayload,
            Self::ForkchoiceUpdated { .. } => CallKind::ForkchoiceUpdated,
            Self::GetPayload(_) => CallKind::GetPayload,
        }
    }

    /// Head, safe and finalized, if this is a forkchoice update.
    pub const fn forkchoice(&self) -> Option<ForkchoiceState> {
        match self {
            Self::ForkchoiceUpdated { state, .. } => Some(*state),
            _ => None,
        }
    }
}

/// The kind of a call, for scripts and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// `eth_chainId`.
    ChainId,
    /// A batch of block reads.
    Blocks,
    /// The payload of a block.
    Payload,
    /// `eth_getProof`.
    StorageRoot,
    /// `eth_syncing`.
    Syncing,
    /// Client version.
    ClientVersion,
    /// `engine_newPayload`.
    NewPayload,
    /// `engine_forkchoiceUpdated`.
    ForkchoiceUpdated,
    /// `engine_getPayload`.
    GetPayload,
}

/// A prescribed answer, used once.
#[derive(Clone, Debug)]
pub enum Scripted {
    /// Only for `newPayload` and `forkchoiceUpdated`: this status, and nothing happens in the EL.
    Status(PayloadStatusEnum),
    /// This error, and nothing happens in the EL.
    Error(ElError),
    /// The call is carried out, but its answer is lost: this error instead.
    ApplyThenError(ElError),
    /// No answer: `ElError::Timeout` after the call's default deadline (paused time jumps over it), nothing happens.
    Hang,
    /// The ordinary answer, after this time.
    Delay(Duration),
}

/// The log and the prescribed answers.
#[derive(Debug, Default)]
pub(super) struct Script {
    calls: Vec<Call>,
    answers: VecDeque<(CallKind, Scripted)>,
    down: bool,
}

impl Script {
    pub(super) fn push(&mut self, kind: CallKind, answer: Scripted) {
        self.answers.push_back((kind, answer));
    }

    pub(super) fn clear(&mut self) {
        self.answers.clear();
    }

    pub(super) const fn set_down(&mut self, down: bool) {
        self.down = down;
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(super) fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }

    /// Logs `call` and says what is prescribed for it.
    pub(super) fn enter(&mut self, call: Call) -> Option<Scripted> {
        let kind = call.kind();
        self.calls.push(call);
        if self.down {
            return Some(Scripted::Error(ElError::Transport {
                endpoint: "memory".to_owned(),
                cause: "the test took the execution layer down".to_owned(),
            }));
        }
        let index = self
            .answers
            .iter()
            .position(|(scripted, _)| *scripted == kind)?;
        self.answers.remove(index).map(|(_, answer)| answer)
    }
}
