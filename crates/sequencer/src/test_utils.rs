//! A sequencer that does nothing: a test hears what it is asked, and says what it answers and where it stands.

use crate::{
    handle::{SequencerCommandError, SequencerHandle, SequencerStatus},
    request::SequencerRequest,
};
use alloy_primitives::B256;
use tokio::sync::{mpsc, watch};

/// What the sequencer was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequencerCommand {
    /// To build on this head; on any, without it.
    Start(Option<B256>),
    /// To build no more.
    Stop,
    /// To build whoever leads.
    OverrideLeader,
    /// To turn recover mode on or off.
    SetRecoverMode(bool),
}

/// The other side of a [`SequencerHandle`]. Dropped, it is a sequencer that has ended.
#[derive(Debug)]
pub struct ScriptedSequencer {
    requests: mpsc::Receiver<SequencerRequest>,
    status: watch::Sender<SequencerStatus>,
}

impl SequencerHandle {
    /// A handle and who answers it.
    pub fn scripted() -> (Self, ScriptedSequencer) {
        let (requests, inbox) = mpsc::channel(16);
        let (status, watched) = watch::channel(SequencerStatus::default());
        let scripted = ScriptedSequencer {
            requests: inbox,
            status,
        };
        let handle = Self {
            requests,
            status: watched,
        };
        (handle, scripted)
    }
}

impl ScriptedSequencer {
    /// Says where the sequencer stands.
    pub fn set_status(&self, status: SequencerStatus) {
        self.status.send_replace(status);
    }

    /// Waits for the next command and answers it. The hash is told to who stops; others learn only that it went well.
    /// None when all handles are gone.
    pub async fn answer(
        &mut self,
        answer: Result<B256, SequencerCommandError>,
    ) -> Option<SequencerCommand> {
        let done = answer.clone().map(drop);
        // Who no longer waits for the answer is no error.
        let command = match self.requests.recv().await? {
            SequencerRequest::Start { head, reply } => {
                let _ = reply.send(done);
                SequencerCommand::Start(head)
            }
            SequencerRequest::Stop { reply } => {
                let _ = reply.send(answer);
                SequencerCommand::Stop
            }
            SequencerRequest::OverrideLeader { reply } => {
                let _ = reply.send(done);
                SequencerCommand::OverrideLeader
            }
            SequencerRequest::SetRecoverMode {
                is_recovering,
                reply,
            } => {
                let _ = reply.send(done);
                SequencerCommand::SetRecoverMode(is_recovering)
            }
        };
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_is_heard_and_answered_as_the_test_says() {
        let (handle, mut scripted) = SequencerHandle::scripted();
        let last = B256::repeat_byte(7);
        let (stopped, command) = tokio::join!(handle.stop(), scripted.answer(Ok(last)));
        assert_eq!((stopped, command), (Ok(last), Some(SequencerCommand::Stop)));

        let refused = SequencerCommandError::AlreadyActive;
        let (started, command) =
            tokio::join!(handle.start(None), scripted.answer(Err(refused.clone())));
        assert_eq!(started, Err(refused));
        assert_eq!(command, Some(SequencerCommand::Start(None)));

        drop(scripted);
        let gone = handle.set_recover_mode(true).await;
        assert_eq!(gone, Err(SequencerCommandError::Gone));
    }
}
