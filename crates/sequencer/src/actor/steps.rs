//! The steps of a block, each one call to somebody who may not answer, and what follows from the answers.

use super::Sequencing;
use crate::{
    conductor::{CallError, CommitError, Conductor},
    schedule::Wait,
    sealed,
    work::{Attempt, Base, Kept, LastMade, Taken, Work},
};
use alloy_rpc_types_engine::PayloadId;
use light_node_actor::in_words;
use light_node_derivation::system_config_of;
use light_node_engine::{BuildOutcome, CommitOutcome, EngineGone, SealOutcome};
use light_node_protocol::{BlockNumHash, L2BlockRef};
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// Pause after a call that failed, as op-node makes it.
const RETRY: Duration = Duration::from_secs(1);

/// Pause after the execution layer said that it syncs, unless the engine says sooner that it has done so.
const SYNCING_RETRY: Duration = Duration::from_secs(30);

/// A step is done.
#[derive(Debug)]
pub(super) struct Done {
    took: Duration,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Built(Box<Attempt>, Result<BuildOutcome, EngineGone>),
    Sealed(Result<SealOutcome, EngineGone>),
    Taken(Result<(), CommitError>),
    Committed(Result<CommitOutcome, EngineGone>),
    OriginLeft(Result<(), EngineGone>),
    OriginStands(Result<(), EngineGone>),
    Fetched(Result<bool, EngineGone>),
    Leads(Result<bool, CallError>),
}

impl Sequencing {
    fn begin(&mut self, step: impl Future<Output = Answer> + Send + 'static) {
        self.step.put(async move {
            let begun_at = Instant::now();
            let answer = step.await;
            Done {
                took: begun_at.elapsed(),
                answer,
            }
        });
    }

    pub(super) fn begin_build(&mut self, attempt: Attempt) {
        let engine = self.engine.clone();
        debug!(parent = %attempt.base.parent, "a block is begun");
        self.begin(async move {
            let Base { parent, epoch, .. } = attempt.base;
            let built = engine.build(epoch, parent.hash, attempt.attributes.clone());
            let built = built.await;
            Answer::Built(Box::new(attempt), built)
        });
    }

    pub(super) fn begin_seal(&mut self, id: PayloadId) {
        let engine = self.engine.clone();
        self.begin(async move { Answer::Sealed(engine.seal(id).await) });
    }

    /// The next step of a sealed block: to the conductor, then to the engine.
    pub(super) fn go_on_with(&mut self, kept: &Kept) {
        let envelope = kept.envelope.clone();
        match self.asked_conductor() {
            Some(conductor) if kept.taken != Taken::Yes => {
                self.begin(async move { Answer::Taken(conductor.commit(&envelope).await) });
            }
            _ => {
                let engine = self.engine.clone();
                self.begin(async move { Answer::Committed(engine.commit(envelope).await) });
            }
        }
    }

    pub(super) fn begin_lead_back(&mut self) {
        let engine = self.engine.clone();
        self.begin(async move { Answer::OriginLeft(engine.reset_keeping_heads().await) });
    }

    pub(super) fn begin_stand(&mut self) {
        let engine = self.engine.clone();
        self.begin(async move { Answer::OriginStands(engine.origin_stands().await) });
    }

    pub(super) fn begin_fetch(&mut self, head: BlockNumHash) {
        let engine = self.engine.clone();
        self.begin(async move { Answer::Fetched(engine.fetch(head).await) });
    }

    pub(super) fn begin_leader(&mut self, conductor: Arc<Conductor>) {
        self.begin(async move { Answer::Leads(conductor.leader().await) });
    }

    /// The conductor, if its word counts.
    pub(super) fn asked_conductor(&self) -> Option<Arc<Conductor>> {
        self.conductor.clone().filter(|_| !self.is_overridden)
    }

    pub(super) fn block_time(&self) -> Duration {
        Duration::from_secs(self.config.rollup_config.block_time)
    }

    /// Begins no step for a while.
    pub(super) fn pause(&mut self, pause: Duration, trouble: Wait) {
        self.not_before = Instant::now() + pause;
        self.trouble = trouble;
    }

    /// Takes up the answer to a step.
    ///
    /// # Errors
    /// The engine has ended.
    pub(super) fn note_step(&mut self, done: Done) -> Result<(), EngineGone> {
        let Done { took, answer } = done;
        let name = match &answer {
            Answer::Built(..) => "build",
            Answer::Sealed(_) => "seal",
            Answer::Taken(_) => "conductor",
            Answer::Committed(_) => "commit",
            Answer::OriginLeft(_) | Answer::OriginStands(_) => "reset",
            Answer::Fetched(_) => "fetch",
            Answer::Leads(_) => "leader",
        };
        self.metrics.step(name, took);
        match answer {
            Answer::Built(attempt, outcome) => self.note_built(*attempt, outcome?),
            Answer::Sealed(outcome) => self.note_sealed(outcome?),
            Answer::Taken(outcome) => self.note_taken(outcome),
            Answer::Committed(outcome) => self.note_committed(outcome?),
            Answer::OriginLeft(outcome) | Answer::OriginStands(outcome) => {
                outcome?;
                self.state = *self.states.borrow();
            }
            Answer::Fetched(is_asked) => {
                if !is_asked? {
                    self.catch_up.not_asked();
                    self.pause(RETRY, Wait::SourceHead);
                }
            }
            Answer::Leads(answer) => self.note_leads(answer),
        }
        Ok(())
    }

    fn note_built(&mut self, attempt: Attempt, outcome: BuildOutcome) {
        // What was published before the answer counts.
        self.state = *self.states.borrow();
        let base = attempt.base;
        match outcome {
            BuildOutcome::Started(id) => {
                let seal = self.clock.instant_of(self.moments(&base.parent).seal);
                self.work = Work::Open {
                    base,
                    id,
                    attributes: Box::new(attempt.attributes),
                    give_up: seal + self.block_time().max(RETRY * 2),
                };
            }
            BuildOutcome::Syncing if base.holds(&self.state) => {
                self.pause(SYNCING_RETRY, Wait::Syncing);
            }
            BuildOutcome::HeadChanged | BuildOutcome::Stale | BuildOutcome::Superseded
                if base.holds(&self.state) =>
            {
                // The engine does not agree that this may be built on: it is told anew why.
                if self.ground.is_led_back() {
                    self.ground.forget();
                }
                self.pause(RETRY, Wait::Engine);
            }
            BuildOutcome::Syncing
            | BuildOutcome::HeadChanged
            | BuildOutcome::Stale
            | BuildOutcome::Superseded => {}
            BuildOutcome::InvalidAttributes { reason } => {
                error!(parent = %base.parent, reason, "the execution layer refuses the attributes of the next block");
                self.metrics.dropped("build");
                self.pause(self.block_time(), Wait::Attributes);
            }
            BuildOutcome::Failed { reason } => {
                debug!(parent = %base.parent, reason, "no block is begun");
                self.attempt = Some(attempt);
                self.pause(RETRY, Wait::Engine);
            }
        }
    }

    fn note_sealed(&mut self, outcome: SealOutcome) {
        let Work::Open {
            base,
            attributes,
            give_up,
            ..
        } = &self.work
        else {
            return;
        };
        let (base, give_up) = (*base, *give_up);
        match outcome {
            SealOutcome::Sealed(envelope) => {
                let difference = sealed::difference(&base.parent, attributes, &envelope);
                self.keep(&base, *envelope, difference);
            }
            SealOutcome::Dropped => {
                self.state = *self.states.borrow();
                self.metrics.dropped("build");
                self.work = Work::Nothing;
                if base.holds(&self.state) {
                    warn!(parent = %base.parent, "the execution layer has dropped the block that it built");
                    self.pause(RETRY, Wait::Engine);
                }
            }
            SealOutcome::Superseded => {}
            SealOutcome::Failed { reason } => {
                debug!(parent = %base.parent, reason, "the block is not sealed");
                self.pause(RETRY, Wait::Engine);
                if give_up <= Instant::now() {
                    // It may never be. Nobody has seen it, so another one may take its place.
                    warn!(parent = %base.parent, reason, "the block that is built cannot be fetched; another one is begun");
                    self.metrics.dropped("build");
                    self.work = Work::Nothing;
                }
            }
        }
    }

    /// Keeps a sealed block, unless what it was built on is over: then nobody else has seen it.
    fn keep(
        &mut self,
        base: &Base,
        envelope: OpExecutionPayloadEnvelope,
        difference: Option<&'static str>,
    ) {
        let config = &self.config.rollup_config;
        let payload = &envelope.execution_payload;
        let block = L2BlockRef::from_payload(config, payload);
        let system_config = system_config_of(config, &envelope);
        let (Ok(block), Ok(system_config), None) = (block, system_config, difference) else {
            error!(parent = %base.parent, difference, "what the execution layer built is not the block that it was asked for");
            self.metrics.dropped("seal");
            self.work = Work::Nothing;
            self.pause(self.block_time(), Wait::Attributes);
            return;
        };
        self.work = Work::Kept(Kept {
            envelope,
            block,
            config: system_config,
            head: base.head,
            taken: Taken::NotAsked,
        });
        self.state = *self.states.borrow();
        if !base.holds(&self.state) {
            self.metrics.dropped("seal");
            self.work = Work::Nothing;
        }
    }

    fn note_taken(&mut self, outcome: Result<(), CommitError>) {
        let Work::Kept(kept) = &mut self.work else {
            return;
        };
        match outcome {
            Ok(()) => {
                kept.taken = Taken::Yes;
                self.note_leads(Ok(true));
            }
            Err(CommitError::NotLeader { may_be_taken }) => {
                let block = kept.block;
                if may_be_taken {
                    kept.taken = Taken::Unknown;
                }
                if kept.taken == Taken::NotAsked {
                    // Nobody has it.
                    self.metrics.dropped("conductor");
                    self.work = Work::Nothing;
                }
                if !self.is_outvoted {
                    warn!(%block, "another sequencer leads; nothing is built here until this one leads again, or is started");
                }
                self.attempt = None;
                self.note_leads(Ok(false));
            }
            Err(CommitError::Unknown(cause)) => {
                kept.taken = Taken::Unknown;
                let cause = in_words(&cause);
                debug!(block = %kept.block, cause, "the conductor has not taken the block, or has not said so");
                self.pause(RETRY, Wait::Conductor);
            }
        }
    }

    /// Who does not lead stays started: it is for the conductor to stop it, which takes it for started until it has done so and
    /// would not start it again if it came to lead before.
    fn note_leads(&mut self, answer: Result<bool, CallError>) {
        match answer {
            Ok(true) => {
                if std::mem::replace(&mut self.is_outvoted, false) {
                    info!("this sequencer leads again");
                }
            }
            Ok(false) => {
                self.is_outvoted = true;
                self.pause(RETRY, Wait::Leader);
            }
            Err(_) => self.pause(RETRY, Wait::Conductor),
        }
    }

    fn note_committed(&mut self, outcome: CommitOutcome) {
        self.state = *self.states.borrow();
        match outcome {
            CommitOutcome::Committed => self.finish_block(),
            CommitOutcome::HeadChanged => {
                self.pause(RETRY, Wait::Engine);
                let head = self.state.unsafe_head.hash;
                let Work::Kept(kept) = &self.work else { return };
                // Where its parent is the head, the execution layer has lost that for the moment.
                if kept.block.parent_hash != head && kept.block.hash != head {
                    warn!(block = %kept.block, "the block can become the head no more");
                    self.metrics.dropped("commit");
                    self.put_aside();
                    self.ground.forget();
                }
            }
            CommitOutcome::Invalid { reason } => {
                let Work::Kept(kept) = std::mem::take(&mut self.work) else {
                    return;
                };
                error!(block = %kept.block, reason, "the execution layer refuses the block that it built");
                self.metrics.dropped("commit");
                self.pause(self.block_time(), Wait::Engine);
            }
            CommitOutcome::Superseded | CommitOutcome::Failed { .. } => {
                debug!(
                    ?outcome,
                    "the block is not the head, or the execution layer has not said so"
                );
                self.pause(RETRY, Wait::Engine);
            }
        }
    }

    /// The block is the head: it goes out.
    fn finish_block(&mut self) {
        let Work::Kept(kept) = std::mem::take(&mut self.work) else {
            return;
        };
        let Kept {
            envelope,
            block,
            config,
            ..
        } = kept;
        self.waiting.over();
        if let Some(network) = &self.network
            && let Err(cause) = network.publish(envelope)
        {
            warn!(%block, %cause, "a block does not go out to peers");
            self.metrics.dropped("publish");
        }
        self.attempt = None;
        if self.state.unsafe_head == block {
            self.ground.note_own(block, config);
        }
        let now = Instant::now();
        let due = Duration::from_secs(block.timestamp);
        let is_late = self.clock.now() > due + self.block_time() / 2;
        self.metrics.block(is_late);
        if let Some(last) = self.last_made.filter(|last| last.hash == block.parent_hash)
            && !is_late
        {
            self.metrics
                .interval((now - last.at).abs_diff(self.block_time()));
        }
        self.last_made = Some(LastMade {
            hash: block.hash,
            at: now,
        });
        if self.last_block.is_zero() {
            info!(%block, "the first block of this sequencer is the unsafe head");
        }
        debug!(%block, l1_number = block.l1_origin.number, is_late, "a block is made");
        self.last_block = block;
    }
}
