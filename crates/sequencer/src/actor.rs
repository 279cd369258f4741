//! The actor: one block is under way at a time, and one step of it. The steps are awaited beside everything that may make them
//! void: a new head, a reorg, a command, an L1 that moves.
//!
//! Order of a block: build, seal, conductor, commit, gossip. Without a conductor it is the same order: a block goes out when it is
//! our head, and not right after it is sealed. That costs its followers the time in which the execution layer takes back what it
//! has just built; it saves them a block that our own execution layer refuses, and a second one at the same height if the
//! process ends between the two.

mod commands;
mod next;
mod steps;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use crate::{
    admin_state::{self, AdminStateError},
    clock::Clock,
    conductor::Conductor,
    config::SequencerConfig,
    ground::Ground,
    handle::{SequencerCommandError, SequencerHandle, SequencerStatus},
    metrics::SequencerMetrics,
    origins::Origins,
    request::SequencerRequest,
    schedule::Wait,
    shelf::Shelf,
    slot::Slot,
    source_head::{CatchUp, SourceHead},
    waiting::Waiting,
    work::{Attempt, LastMade, Work},
};
use alloy_primitives::B256;
use commands::Checked;
use light_node_actor::CancellationToken;
use light_node_engine::{EngineHandle, EngineState};
use light_node_engine_api::ElReader;
use light_node_l1::{L1Heads, L1Source};
use light_node_metrics::RequestMetrics;
use light_node_network::NetworkHandle;
use light_node_protocol::L2BlockRef;
use std::{convert::Infallible, sync::Arc};
use steps::Done;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tracing::{debug, info};

/// Commands that may wait: those of one admin.
const INBOX: usize = 16;

/// Why there is no sequencer.
#[derive(Debug, Error)]
pub enum SequencerConfigError {
    /// What was kept of an admin's last word is not understood.
    #[error(transparent)]
    State(#[from] AdminStateError),
    /// No client can be made for the conductor.
    #[error("there is no way to the conductor: {cause}")]
    Conductor {
        /// The cause in words.
        cause: String,
    },
}

/// Whom the sequencer talks to.
#[derive(Debug)]
pub struct SequencerPeers {
    /// The engine.
    pub engine: EngineHandle,
    /// The execution layer, to be read.
    pub el: Arc<dyn ElReader>,
    /// L1 blocks as origins. A source of the sequencer's own, with no beacon behind it: derivation's reads far below.
    pub l1: Arc<dyn L1Source>,
    /// The heads of L1.
    pub l1_heads: watch::Receiver<L1Heads>,
    /// Where blocks go out, if the node speaks to peers.
    pub network: Option<NetworkHandle>,
    /// What the follow source calls its unsafe head; none where safe blocks are derived here.
    pub source_head: Option<SourceHead>,
}

/// The sequencer.
#[derive(Debug)]
pub struct SequencerActor {
    config: SequencerConfig,
    clock: Clock,
    is_active: bool,
    conductor: Option<Arc<Conductor>>,
    inbox: mpsc::Receiver<SequencerRequest>,
    status: watch::Sender<SequencerStatus>,
    metrics: SequencerMetrics,
}

impl SequencerActor {
    /// A sequencer and its handle. Nothing happens before [`Self::run`].
    ///
    /// With a conductor it is not active until it is started by command, and nothing of that is kept.
    ///
    /// # Errors
    /// [`SequencerConfigError`].
    pub fn new(config: SequencerConfig) -> Result<(Self, SequencerHandle), SequencerConfigError> {
        let conductor = config.conductor.as_ref().map(Conductor::new).transpose();
        let conductor = conductor.map_err(|cause| SequencerConfigError::Conductor { cause })?;
        Ok(Self::with_conductor(config, conductor)?)
    }

    /// The same with a way to the conductor of one's own.
    fn with_conductor(
        config: SequencerConfig,
        conductor: Option<Conductor>,
    ) -> Result<(Self, SequencerHandle), AdminStateError> {
        let (status, watched) = watch::channel(SequencerStatus::default());
        let of_conductor = conductor.as_ref().map(Conductor::metrics);
        let metrics = SequencerMetrics::of(watched.clone(), of_conductor.unwrap_or_default());
        let is_active = match (&conductor, &config.state_path) {
            (Some(_), _) => false,
            (None, Some(path)) => admin_state::read(path)?.unwrap_or(config.starts_active),
            (None, None) => config.starts_active,
        };
        status.send_modify(|status| {
            status.is_active = is_active;
            status.is_recovering = config.is_recovering;
            status.has_conductor = conductor.is_some();
        });
        let (requests, inbox) = mpsc::channel(INBOX);
        let actor = Self {
            config,
            clock: Clock::default(),
            is_active,
            conductor: conductor.map(Arc::new),
            inbox,
            status,
            metrics,
        };
        let handle = SequencerHandle {
            requests,
            status: watched,
        };
        Ok((actor, handle))
    }

    /// What it measures, to be registered once.
    pub const fn metrics(&self) -> &SequencerMetrics {
        &self.metrics
    }

    /// How long requests to the conductor take, if there is one.
    pub fn conductor_requests(&self) -> Option<RequestMetrics> {
        let conductor = self.conductor.as_ref();
        conductor.map(|conductor| conductor.request_metrics())
    }

    /// Builds blocks until `token` is cancelled, or until the engine has ended. A step that is under way is given up then.
    ///
    /// # Errors
    /// Never: what others do is waited out.
    pub async fn run(
        self,
        peers: SequencerPeers,
        token: CancellationToken,
    ) -> Result<(), Infallible> {
        let mut inbox = self.inbox;
        let config = self.config;
        let ground = Ground::new(
            Arc::clone(&config.rollup_config),
            peers.el,
            Arc::clone(&peers.l1),
        );
        let now = Instant::now();
        let sequencing = Sequencing {
            clock: self.clock,
            conductor: self.conductor,
            states: peers.engine.watch(),
            state: EngineState::default(),
            engine: peers.engine,
            network: peers.network,
            origins: Origins::new(peers.l1, peers.l1_heads, config.l1_confirmations),
            ground,
            work: Work::Nothing,
            shelf: Shelf::default(),
            attempt: None,
            step: Slot::empty(),
            checking: Slot::empty(),
            is_check_void: false,
            trouble: Wait::Engine,
            not_before: now,
            started_at: now,
            catch_up: CatchUp::new(peers.source_head, config.source_patience),
            greeting: Slot::empty(),
            is_active: self.is_active,
            is_recovering: config.is_recovering,
            is_overridden: false,
            is_outvoted: false,
            stops: None,
            waiting: Waiting::default(),
            last_made: None,
            last_block: L2BlockRef::default(),
            status: self.status,
            metrics: self.metrics,
            config,
        };
        sequencing.run(&mut inbox, token).await;
        Ok(())
    }
}

type StopReply = oneshot::Sender<Result<B256, SequencerCommandError>>;

/// The sequencer at work.
#[derive(Debug)]
struct Sequencing {
    config: SequencerConfig,
    clock: Clock,
    conductor: Option<Arc<Conductor>>,
    engine: EngineHandle,
    states: watch::Receiver<EngineState>,
    /// As it was looked at last.
    state: EngineState,
    network: Option<NetworkHandle>,
    origins: Origins,
    ground: Ground,
    work: Work,
    shelf: Shelf,
    attempt: Option<Attempt>,
    step: Slot<Done>,
    checking: Slot<Checked>,
    /// A stop was asked for after the start that is being checked.
    is_check_void: bool,
    /// No step is begun before, because of this.
    not_before: Instant,
    trouble: Wait,
    started_at: Instant,
    /// The way to where the chain is when the sequencer begins.
    catch_up: CatchUp,
    /// The conductor is asked whether it is there, until it is.
    greeting: Slot<()>,
    is_active: bool,
    is_recovering: bool,
    is_overridden: bool,
    /// The conductor has said that another sequencer leads; it is asked before anything is built again.
    is_outvoted: bool,
    /// Who waits for the end of the last block, while that is waited for.
    stops: Option<Vec<StopReply>>,
    waiting: Waiting,
    last_made: Option<LastMade>,
    last_block: L2BlockRef,
    status: watch::Sender<SequencerStatus>,
    metrics: SequencerMetrics,
}

/// What comes next.
enum Plan {
    /// Nothing, until something changes.
    Idle,
    /// A step is under way.
    Busy,
    /// A step, then.
    At(Instant),
    /// Something is in the way; it is looked at again then, or when it changes.
    Wait(Wait, Option<Instant>),
}

impl Sequencing {
    async fn run(mut self, inbox: &mut mpsc::Receiver<SequencerRequest>, token: CancellationToken) {
        let mut is_asked = true;
        if let Some(conductor) = self.conductor.clone() {
            self.greeting
                .put(async move { conductor.until_it_answers().await });
        }
        loop {
            self.note_state();
            self.finish_stop().await;
            let wake = self.advance();
            let later = wake.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                done = self.step.done() => {
                    if self.note_step(done).is_err() {
                        return;
                    }
                }
                request = inbox.recv(), if is_asked => match request {
                    Some(request) => self.handle(request).await,
                    // Nobody can ask any more; blocks are built all the same.
                    None => is_asked = false,
                },
                checked = self.checking.done() => self.note_checked(checked).await,
                changed = self.states.changed() => if changed.is_err() {
                    return;
                },
                () = self.greeting.done() => {}
                () = self.origins.progress() => {}
                () = self.ground.progress() => {}
                () = sleep_until(later), if wake.is_some() => {}
            }
        }
    }

    /// Takes up what the engine has published, and drops what that makes void.
    fn note_state(&mut self) {
        let state = *self.states.borrow_and_update();
        let facts = |state: &EngineState| {
            let head = state.unsafe_head.hash;
            (state.epoch, head, state.target.is_some(), state.el_sync)
        };
        if facts(&state) != facts(&self.state) {
            self.not_before = Instant::now();
        }
        let is_safe_moved = state.local_safe_head != self.state.local_safe_head;
        if is_safe_moved && self.ground.is_led_back() && self.ground.ready().is_none() {
            // There may be a block to build on now.
            self.ground.forget();
        }
        self.state = state;
        if self.origins.take_reorg() && self.ground.is_led_back() {
            // What the head stands on may be back: it is found out anew.
            self.ground.forget();
        }
        self.shelf.forget_to(state.finalized_head.number);
        if !self.step.is_taken() {
            self.drop_void();
        }
        match &self.work {
            Work::Kept(kept) if kept.block == state.unsafe_head => {
                self.ground.note_own(kept.block, kept.config);
            }
            Work::Nothing | Work::Open { .. } | Work::Kept(_) => {
                self.ground.stand_on(state.unsafe_head);
            }
        }
        if let Some(block) = self.ground.block().filter(|block| !block.is_zero()) {
            self.origins.stand_on(block.l1_origin);
        }
    }

    fn drop_void(&mut self) {
        let step = match &self.work {
            Work::Nothing => return,
            Work::Open { base, .. } if base.holds(&self.state) => return,
            Work::Kept(kept) if kept.stands(&self.state) => return,
            Work::Open { .. } => "build",
            Work::Kept(_) => "seal",
        };
        info!(head = %self.state.unsafe_head, step, "the chain has moved on without the block under way");
        self.metrics.dropped(step);
        self.put_aside();
        self.attempt = None;
    }

    /// Ends the work on a block that cannot become the head as things are.
    fn put_aside(&mut self) {
        if let Work::Kept(kept) = std::mem::take(&mut self.work) {
            self.shelf.put(kept);
        }
    }

    /// Begins what can be begun, and says when to look again.
    fn advance(&mut self) -> Option<Instant> {
        let plan = self.plan();
        let wake = match plan {
            Plan::Idle => {
                self.waiting = Waiting::default();
                None
            }
            Plan::Busy => None,
            Plan::At(at) => {
                self.waiting.over();
                Some(at)
            }
            Plan::Wait(wait, at) => {
                let said_at = self.waiting.for_(wait, &self.metrics);
                at.into_iter().chain(said_at).min()
            }
        };
        self.publish();
        wake
    }

    fn plan(&mut self) -> Plan {
        if self.step.is_taken() {
            return Plan::Busy;
        }
        let is_stopping = self.stops.is_some();
        match &self.work {
            Work::Nothing if !self.is_active || is_stopping => return Plan::Idle,
            Work::Kept(_) if !self.is_active && !is_stopping => return Plan::Idle,
            Work::Nothing | Work::Open { .. } | Work::Kept(_) => {}
        }
        if Instant::now() < self.not_before {
            return Plan::Wait(self.trouble, Some(self.not_before));
        }
        match &self.work {
            Work::Nothing => self.next_build(),
            Work::Open { base, .. }
                if self.origins.is_lost() || self.ground.block() != Some(base.parent) =>
            {
                // It would stand on an L1 block that is no more, or in the place of one whose L1 block is back.
                debug!(parent = %base.parent, "l1 was reorganised; the block under way is dropped");
                self.metrics.dropped("build");
                self.work = Work::Nothing;
                self.next_build()
            }
            Work::Open { base, id, .. } => {
                let seal = self.moments(&base.parent).seal;
                let id = *id;
                if self.clock.now() < seal {
                    return Plan::At(self.clock.instant_of(seal));
                }
                self.begin_seal(id);
                Plan::Busy
            }
            Work::Kept(kept) => {
                let kept = kept.clone();
                self.go_on_with(&kept);
                Plan::Busy
            }
        }
    }

    fn publish(&self) {
        let status = SequencerStatus {
            is_active: self.is_active,
            is_recovering: self.is_recovering,
            has_conductor: self.conductor.is_some(),
            is_leader_overridden: self.is_overridden,
            last_block: self.last_block,
            waiting_for: self.waiting.words(),
        };
        self.status.send_if_modified(|published| {
            let is_news = *published != status;
            *published = status;
            is_news
        });
    }
}
