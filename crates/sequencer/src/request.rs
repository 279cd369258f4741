//! What admin asks of the sequencer.

use crate::handle::SequencerCommandError;
use alloy_primitives::B256;
use tokio::sync::oneshot;

/// A message to the sequencer actor.
#[derive(Debug)]
pub(crate) enum SequencerRequest {
    /// Build from here on, if `head` is the unsafe head (any, without it).
    Start {
        head: Option<B256>,
        reply: oneshot::Sender<Result<(), SequencerCommandError>>,
    },
    /// Build no more, and say which block was the last.
    Stop {
        reply: oneshot::Sender<Result<B256, SequencerCommandError>>,
    },
    /// Build whatever the conductor says of who leads.
    OverrideLeader {
        reply: oneshot::Sender<Result<(), SequencerCommandError>>,
    },
    /// Turn recover mode on or off.
    SetRecoverMode {
        is_recovering: bool,
        reply: oneshot::Sender<Result<(), SequencerCommandError>>,
    },
}
