//! What others may call. The handle hides channels and replies; a method's documentation says what a dead sequencer answers.

use crate::request::SequencerRequest;
use alloy_primitives::B256;
use light_node_protocol::{BlockNumHash, L2BlockRef};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SequencerCommandError {
    /// It builds already.
    #[error("sequencer already running")]
    AlreadyActive,
    /// It does not build.
    #[error("sequencer not running")]
    NotActive,
    /// The block to start on is not the unsafe head.
    #[error("block hash does not match: head {}, received {given}", .head.hash)]
    WrongHead {
        /// The unsafe head.
        head: BlockNumHash,
        /// What was given.
        given: B256,
    },
    /// The conductor says that another one leads, or says nothing.
    #[error("sequencer is not the leader, aborting: {reason}")]
    NotLeader {
        /// The conductor's words.
        reason: String,
    },
    /// There is no conductor whose word could be overridden.
    #[error("no conductor is configured")]
    NoConductor,
    /// It could not be kept on disk. What was asked for is done all the same.
    #[error("the state of the sequencer cannot be kept: {reason}")]
    NotKept {
        /// The system's words.
        reason: String,
    },
    /// It has ended.
    #[error("the sequencer has stopped")]
    Gone,
}

/// Where the sequencer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequencerStatus {
    /// It builds.
    pub is_active: bool,
    /// In recover mode.
    pub is_recovering: bool,
    /// A conductor is configured.
    pub has_conductor: bool,
    /// The conductor's word on who leads is overridden.
    pub is_leader_overridden: bool,
    /// The last block that it made the head; the zero object before.
    pub last_block: L2BlockRef,
    /// Why it builds nothing although it is active, in words; empty while it builds.
    pub waiting_for: &'static str,
}

/// A door to the sequencer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SequencerHandle {
    pub(crate) requests: mpsc::Sender<SequencerRequest>,
    pub(crate) status: watch::Receiver<SequencerStatus>,
}

impl SequencerHandle {
    /// Where it stands; the last word if it has ended.
    pub fn status(&self) -> SequencerStatus {
        *self.status.borrow()
    }

    /// A watch over where it stands.
    pub fn watch(&self) -> watch::Receiver<SequencerStatus> {
        self.status.clone()
    }

    /// Has it build from here on, if `head` is the unsafe head (whatever that is, without `head`).
    ///
    /// # Errors
    /// [`SequencerCommandError`].
    pub async fn start(&self, head: Option<B256>) -> Result<(), SequencerCommandError> {
        self.ask(|reply| SequencerRequest::Start { head, reply })
            .await
    }

    /// Has it build no more. Returns the hash of the last block, which is the unsafe head then.
    ///
    /// # Errors
    /// [`SequencerCommandError`].
    pub async fn stop(&self) -> Result<B256, SequencerCommandError> {
        self.ask(|reply| SequencerRequest::Stop { reply }).await
    }

    /// Has it build whatever the conductor says of who leads, until the process ends.
    ///
    /// # Errors
    /// [`SequencerCommandError`].
    pub async fn override_leader(&self) -> Result<(), SequencerCommandError> {
        self.ask(|reply| SequencerRequest::OverrideLeader { reply })
            .await
    }

    /// Turns recover mode on or off.
    ///
    /// # Errors
    /// [`SequencerCommandError`].
    pub async fn set_recover_mode(&self, is_recovering: bool) -> Result<(), SequencerCommandError> {
        self.ask(|reply| SequencerRequest::SetRecoverMode {
            is_recovering,
            reply,
        })
        .await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, SequencerCommandError>>) -> SequencerRequest,
    ) -> Result<T, SequencerCommandError> {
        let gone = SequencerCommandError::Gone;
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(request(reply)).await;
        sent.map_err(|_| gone.clone())?;
        answer.await.map_err(|_| gone)?
    }
}
