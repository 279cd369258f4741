//! What an admin or the conductor commands: start, stop, override, recover.

use super::Sequencing;
use crate::{
    admin_state,
    conductor::CallError,
    handle::SequencerCommandError,
    request::SequencerRequest,
    work::{Taken, Work},
};
use alloy_primitives::B256;
use light_node_actor::in_words;
use std::time::Duration;
use tokio::{
    sync::oneshot,
    task::spawn_blocking,
    time::{Instant, timeout},
};
use tracing::{info, warn};

/// A disk that takes longer is broken; blocks do not wait for it.
const DISK: Duration = Duration::from_secs(2);

type StartReply = oneshot::Sender<Result<(), SequencerCommandError>>;

/// The conductor's word on who leads, and for whom it was asked.
#[derive(Debug)]
pub(super) struct Checked {
    leads: Result<bool, CallError>,
    is_at_work: bool,
    head: Option<B256>,
    reply: StartReply,
}

impl Sequencing {
    /// Who asked may have given up; what was asked is done all the same.
    pub(super) async fn handle(&mut self, request: SequencerRequest) {
        match request {
            SequencerRequest::Start { head, reply } => self.handle_start(head, reply).await,
            SequencerRequest::Stop { reply } if self.is_active => {
                self.stops.get_or_insert_default().push(reply);
            }
            SequencerRequest::Stop { reply } => {
                self.is_check_void = true;
                let _ = reply.send(Err(SequencerCommandError::NotActive));
            }
            SequencerRequest::OverrideLeader { reply } => {
                let answer = if self.conductor.is_some() {
                    warn!("from now on blocks are built whoever leads");
                    self.is_overridden = true;
                    self.not_before = Instant::now();
                    Ok(())
                } else {
                    Err(SequencerCommandError::NoConductor)
                };
                let _ = reply.send(answer);
            }
            SequencerRequest::SetRecoverMode {
                is_recovering,
                reply,
            } => {
                if self.is_recovering != is_recovering {
                    info!(is_recovering, "recover mode");
                }
                self.is_recovering = is_recovering;
                let _ = reply.send(Ok(()));
            }
        }
    }

    async fn handle_start(&mut self, head: Option<B256>, reply: StartReply) {
        let Some(conductor) = self.asked_conductor() else {
            return self.start(head, reply).await;
        };
        if self.checking.is_taken() {
            let reason = "it is being asked for another command to start".to_owned();
            let _ = reply.send(Err(SequencerCommandError::NotLeader { reason }));
            return;
        }
        self.is_check_void = false;
        self.checking.put(async move {
            let leads = conductor.leader().await;
            let is_at_work = leads == Ok(true) && conductor.active().await.unwrap_or(true);
            Checked {
                leads,
                is_at_work,
                head,
                reply,
            }
        });
    }

    pub(super) async fn note_checked(&mut self, checked: Checked) {
        let reason = match checked.leads {
            Ok(true) if self.is_check_void => {
                "a command to stop came while it was asked".to_owned()
            }
            Ok(true) => {
                if !checked.is_at_work {
                    warn!(
                        "the conductor is paused or stopped; it will not stop this sequencer when another one leads"
                    );
                }
                return self.start(checked.head, checked.reply).await;
            }
            Ok(false) => "the conductor says that another one leads".to_owned(),
            Err(cause) => in_words(&cause),
        };
        let not_leader = SequencerCommandError::NotLeader { reason };
        let _ = checked.reply.send(Err(not_leader));
    }

    async fn start(&mut self, given: Option<B256>, reply: StartReply) {
        let state = *self.states.borrow();
        let head = state.unsafe_head.id();
        let refusal = match given {
            _ if self.is_active => Some(SequencerCommandError::AlreadyActive),
            Some(given) if given != head.hash => {
                Some(SequencerCommandError::WrongHead { head, given })
            }
            Some(_) | None => None,
        };
        if let Some(refusal) = refusal {
            let _ = reply.send(Err(refusal));
            return;
        }
        self.is_active = true;
        self.is_outvoted = false;
        self.catch_up.begin(given.is_some());
        if given.is_some() {
            // The engine that has ended is noticed by all that follows.
            let _ = self.engine.begin_here().await;
        }
        self.attempt = None;
        self.not_before = Instant::now();
        info!(number = head.number, hash = %head.hash, "the sequencer is started");
        self.publish();
        let kept = self.keep_state(true).await;
        let _ = reply.send(kept);
    }

    /// Ends the stop that was asked for, if no block is under way that somebody else may have.
    pub(super) async fn finish_stop(&mut self) {
        if self.stops.is_none() || self.step.is_taken() {
            return;
        }
        match &self.work {
            Work::Nothing => {}
            Work::Open { .. } => self.work = Work::Nothing,
            Work::Kept(kept) if self.asked_conductor().is_some() => match kept.taken {
                Taken::NotAsked => self.work = Work::Nothing,
                // It stays, and is settled when the sequencer is started on the same head.
                Taken::Unknown => {}
                Taken::Yes => return,
            },
            Work::Kept(_) => return,
        }
        let stops = self.stops.take().unwrap_or_default();
        self.is_active = false;
        self.is_outvoted = false;
        self.attempt = None;
        let head = self.state.unsafe_head.id();
        info!(number = head.number, hash = %head.hash, "the sequencer is stopped");
        self.publish();
        let kept = self.keep_state(false).await;
        for reply in stops {
            let _ = reply.send(kept.clone().map(|()| head.hash));
        }
    }

    /// Keeps over restarts whether it is started. With a conductor nothing is kept: it says so anew.
    async fn keep_state(&mut self, is_started: bool) -> Result<(), SequencerCommandError> {
        let Some(path) = self.config.state_path.clone() else {
            return Ok(());
        };
        if self.conductor.is_some() {
            return Ok(());
        }
        let write = spawn_blocking(move || admin_state::write(&path, is_started));
        let reason = match timeout(DISK, write).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) => in_words(&error),
            Ok(Err(error)) => in_words(&error),
            Err(_) => format!("the disk has not answered within {DISK:?}"),
        };
        warn!(reason, "the state of the sequencer cannot be kept");
        Err(SequencerCommandError::NotKept { reason })
    }
}
