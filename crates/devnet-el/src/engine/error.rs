//! The errors of the Engine API with their JSON-RPC codes. `INVALID` and `SYNCING` are answers, not errors.

use crate::execution::{AttributesError, BuildError};
use alloy_primitives::B256;
use thiserror::Error;

/// A call that the Engine API answers with an error.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The payload id was never given, or is too old.
    #[error("unknown payload")]
    UnknownPayload,
    /// The head is the zero hash.
    #[error("invalid forkchoice state: the head is the zero hash")]
    ZeroHead,
    /// The safe label names a block that is not there.
    #[error("invalid forkchoice state: unknown safe block {0}")]
    UnknownSafe(B256),
    /// The finalized label names a block that is not there.
    #[error("invalid forkchoice state: unknown finalized block {0}")]
    UnknownFinalized(B256),
    /// A fault on command.
    #[error("invalid forkchoice state: on command")]
    Prescribed,
    /// A fault on command.
    #[error("invalid payload attributes: on command")]
    PrescribedAttributes,
    /// A block is to be built on one whose state is not kept any more.
    #[error("the state of block {0} was dropped")]
    StateDropped(B256),
    /// No block can be built from the attributes.
    #[error(transparent)]
    Attributes(#[from] AttributesError),
    /// Building failed.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl EngineError {
    /// The code of the JSON-RPC error.
    pub const fn code(&self) -> i32 {
        match self {
            Self::UnknownPayload => -38001,
            Self::ZeroHead
            | Self::UnknownSafe(_)
            | Self::UnknownFinalized(_)
            | Self::Prescribed => -38002,
            Self::Attributes(
                AttributesError::MissingGasLimit | AttributesError::BaseFeeParams(_),
            ) => -32602,
            Self::Attributes(
                AttributesError::TimestampNotAfterParent { .. }
                | AttributesError::ParentBeaconBlockRoot
                | AttributesError::Withdrawals
                | AttributesError::Transaction { .. },
            )
            | Self::PrescribedAttributes
            | Self::Build(_) => -38003,
            Self::StateDropped(_) => -32000,
        }
    }
}
