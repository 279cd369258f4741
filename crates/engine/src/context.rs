//! All that the engine knows between two tasks. Tasks change `state` only to what the EL has confirmed; the actor publishes
//! it as one value when the task is done.

mod derive;
mod sync;

pub(crate) use derive::FirstSync;

use crate::{
    config::{BufferLimits, EngineConfig, SyncMode},
    derived::Derived,
    follow_case::{FollowCase, FollowView},
    forkchoice::{Forkchoices, of_heads},
    memory::{BlockMemory, Refusal},
    metrics::EngineMetrics,
    payload::Payload,
    payload_buffer::PayloadBuffer,
    request::{FollowRefusal, FollowUpdate},
    state::{DerivationState, EngineState},
    sync_watch::SyncWatch,
    target::{Target, TargetOrigin},
};
use alloy_primitives::B256;
use alloy_rpc_types_engine::{ForkchoiceState, PayloadId};
use light_node_protocol::L2BlockRef;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// After a reorg to the source's chain, a safe reorg or a loss, no payload above a gap becomes target for this time:
/// gossip of the old branch is still under way, and would lead the EL back to it.
const CALM: Duration = Duration::from_secs(10);

/// A gap becomes the EL's to fill when it is older than this many block times: by then gossip would have filled it.
const GAP_BLOCKS: u32 = 2;

/// A gap of more blocks than this is derivation's to fill, if that builds the chain: what gossip loses now and then is less,
/// and more the buffer does not hold.
const GAP_MAX: u64 = BufferLimits::BLOCKS as u64;

/// Past heads that are kept: two minutes of them without gossip.
const TRAIL: usize = 64;

/// Between two forkchoices when nothing moves: both ELs warn their operator after 2 minutes without one.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// The same while the EL cannot be asked: the node is not ready then, and should be again soon after the EL is back.
const HEARTBEAT_WHILE_FAILING: Duration = Duration::from_secs(5);

/// Why the unsafe chain was reorganised, for the log and for status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reorg {
    /// In a word.
    pub cause: &'static str,
    /// Number of the highest block that both branches share, as far as we remember.
    pub fork: u64,
}

/// A build under way in the EL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenBuild {
    /// By which it is fetched.
    pub id: PayloadId,
    /// Timestamp of the block, which decides how it is fetched.
    pub timestamp: u64,
}

/// Lines that were written already. A source names a new head each second; the trouble with it stays the same until the EL
/// takes a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// That it answers VALID and stays on another branch.
    pub stays: bool,
    /// That it calls a block invalid.
    pub invalid: bool,
    /// That a head yielded to that of the safe source.
    pub yielded: bool,
}

/// Labels that the EL has been found to hold on the new head's chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    /// From the EL's own blocks.
    pub local_safe: L2BlockRef,
    /// From the EL's own blocks.
    pub safe: L2BlockRef,
    /// From the EL's own blocks, or ours if it stays.
    pub finalized: L2BlockRef,
    /// The update that they come from.
    pub update: FollowUpdate,
}

/// The memory of the engine actor.
#[derive(Debug)]
pub(crate) struct Context {
    /// Configuration.
    pub config: EngineConfig,
    /// What is counted where it happens.
    pub metrics: EngineMetrics,
    /// What the EL confirmed, and nothing else.
    pub state: EngineState,
    /// What was asked of the EL.
    pub forkchoices: Forkchoices,
    /// Blocks that need not be asked for, and those that are not wanted.
    pub memory: BlockMemory,
    /// Unsafe payloads that wait for their parents.
    pub buffer: PayloadBuffer,
    /// The update whose labels stand.
    pub last_applied: Option<DerivationState>,
    /// The update that was last tried: what the safe source wants.
    pub last_update: Option<FollowUpdate>,
    /// The row of the table that the last update took.
    pub last_case: Option<FollowCase>,
    /// When a forkchoice last went out.
    pub last_forkchoice_at: Option<Instant>,
    /// The build that the EL has open for the sequencer.
    pub build: Option<OpenBuild>,
    /// What the next publication says about a reorg.
    pub reorg: Option<Reorg>,
    /// The EL did not have the source's last new head before it was asked for it: so it is without gossip, and the next one is
    /// asked for without a look.
    pub asks_first: bool,
    /// Where derivation stands, from its first reset on.
    pub derived: Option<Derived>,
    /// Grows whenever what derivation has handed over ahead is void.
    pub flushes: u64,
    /// The EL fetches its first blocks from its peers; when they are there, labels are set behind them.
    pub first_sync: Option<FirstSync>,
    /// What is seen of the EL's way to the target.
    pub sync: Option<SyncWatch>,
    /// What was said of heads that the EL will not have, until it takes one.
    pub said: Said,
    /// The heads that ours has been, the last one last: where a reorg forked off is looked for among them.
    trail: VecDeque<L2BlockRef>,
    /// The flush count of the attributes that came last: those that ran ahead belong to the same.
    stream: u64,
    target: Option<Target>,
    lost: bool,
    calm_until: Option<Instant>,
}

impl Context {
    /// Nothing known yet.
    pub(crate) fn new(config: EngineConfig, metrics: EngineMetrics) -> Self {
        Self {
            memory: BlockMemory::new(config.remembered_blocks),
            buffer: PayloadBuffer::new(config.buffer),
            config,
            metrics,
            state: EngineState::default(),
            forkchoices: Forkchoices::default(),
            last_applied: None,
            last_update: None,
            last_case: None,
            last_forkchoice_at: None,
            build: None,
            reorg: None,
            asks_first: false,
            derived: None,
            flushes: 0,
            first_sync: None,
            stream: 0,
            sync: None,
            said: Said::default(),
            trail: VecDeque::with_capacity(TRAIL),
            target: None,
            lost: false,
            calm_until: None,
        }
    }

    /// The pending target.
    pub(crate) const fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// The pending target, to be changed.
    pub(crate) const fn target_mut(&mut self) -> Option<&mut Target> {
        self.target.as_mut()
    }

    /// Sets or drops the target. A new one goes on where the one before it was.
    pub(crate) fn set_target(&mut self, target: Option<Target>) {
        let before = std::mem::replace(&mut self.target, target);
        let now = Instant::now();
        if let (Some(target), Some(before)) = (&mut self.target, before) {
            target.continue_from(&before, now);
        }
        // One that was given up and is asked for again stands where it stood.
        let watched = self
            .sync
            .as_ref()
            .is_some_and(|watch| !watch.is_outdated(now));
        if self.target.is_some() && !watched {
            self.sync = Some(SyncWatch::new(now));
        }
        self.note_sync();
    }

    /// True while the EL has lost the chain that we published.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// The EL has lost what it had. Published heads hold; all that was asked has to be asked again.
    pub(crate) fn lose(&mut self, lost: bool, now: Instant) {
        if lost && !self.lost && self.derives() {
            self.restart_derivation();
        }
        self.lost = lost;
        self.target = None;
        self.build = None;
        self.forkchoices.forget();
        self.memory.forget_blocks();
        self.last_applied = None;
        self.keep_calm(now);
        self.note_sync();
    }

    /// No payload above a gap becomes target for a while.
    pub(crate) fn keep_calm(&mut self, now: Instant) {
        self.calm_for(CALM, now);
    }

    /// As [`Self::keep_calm`], for `pause`.
    pub(crate) fn calm_for(&mut self, pause: Duration, now: Instant) {
        self.calm_until = self.calm_until.max(Some(now + pause));
    }

    /// Makes `head` the unsafe head, which the EL has confirmed, with new labels if there are any.
    pub(crate) fn adopt(
        &mut self,
        head: L2BlockRef,
        labels: Option<Labels>,
        reorg: Option<Reorg>,
        now: Instant,
    ) {
        if let Some(reorg) = reorg {
            self.state.epoch += 1;
            self.reorg = Some(reorg);
            self.state.origin_left_l1 = false;
            self.build = None;
            self.memory.remember(head);
            let memory = &self.memory;
            self.buffer.drop_linked_to(|parent| {
                memory.get(parent).is_some_and(|parent| {
                    parent.number > reorg.fork
                        && memory.ancestor(head.hash, parent.number) != Some(parent)
                })
            });
        }
        if let Some(labels) = labels {
            self.label(&labels);
        }
        self.lost = false;
        if reorg.is_some_and(|reorg| reorg.fork < self.state.pending_safe_head.number) {
            self.lower_pending_safe();
        }
        self.state.unsafe_head = head;
        self.follow_trail(head, reorg);
        self.memory.remember(head);
        self.memory.forgive(head.hash);
        self.buffer.remove(head.id());
        self.prune_buffer(now);
        match &mut self.target {
            Some(target) if target.id == head.id() => self.target = None,
            // A branch that gossip named once, and that ours has outgrown.
            Some(Target {
                id,
                origin: TargetOrigin::Payload,
                ..
            }) if id.number <= head.number && !self.state.origin_left_l1 => self.target = None,
            Some(target) => target.ask_now(now),
            None => {}
        }
        if self.target.is_none() {
            self.sync = None;
        }
        self.said = Said::default();
        self.note_sync();
    }

    fn follow_trail(&mut self, head: L2BlockRef, reorg: Option<Reorg>) {
        let floor = reorg.map_or(head.number, |reorg| reorg.fork.min(head.number));
        self.trail.retain(|block| block.number <= floor);
        if self.trail.len() == TRAIL {
            self.trail.pop_front();
        }
        if self.trail.back().is_none_or(|last| last.hash != head.hash) {
            self.trail.push_back(head);
        }
    }

    /// Blocks of our chain, from our head down: heads that ours has been, with gaps between them where it jumped, and labels.
    pub(crate) fn trail(&self) -> impl Iterator<Item = L2BlockRef> + '_ {
        let labels = [self.state.safe_head, self.state.finalized_head];
        let labels = labels.into_iter().filter(|label| !label.is_zero());
        self.trail.iter().rev().copied().chain(labels)
    }

    /// Drops payloads that wait at or below what is safe, but for those of another branch than ours: the safe source may
    /// be about to go back to where that one forks. It never goes below finalized.
    fn prune_buffer(&mut self, now: Instant) {
        let (state, memory) = (&self.state, &self.memory);
        let is_wanted = |block: &L2BlockRef| {
            let is_above = |label: &L2BlockRef| label.is_zero() || block.number > label.number;
            let is_elsewhere = || {
                let ours = memory.ancestor(state.unsafe_head.hash, block.number);
                ours.is_some_and(|ours| ours.hash != block.hash)
            };
            is_above(&state.local_safe_head) || is_above(&state.finalized_head) && is_elsewhere()
        };
        self.buffer.prune(is_wanted, now);
    }

    /// Publishes labels that stand in the EL already, with the cursor that belongs to them.
    pub(crate) fn label(&mut self, labels: &Labels) {
        let update = labels.update.state;
        for block in [labels.finalized, labels.safe, labels.local_safe] {
            self.memory.remember(block);
            self.memory.forgive(block.hash);
        }
        self.state.local_safe_head = labels.local_safe;
        if !self.has_pending_safe() {
            self.lower_pending_safe();
        }
        self.state.safe_head = labels.safe;
        self.state.finalized_head = labels.finalized;
        if !update.current_l1.is_zero() {
            self.state.current_l1 = update.current_l1;
        }
        self.last_applied = Some(update);
        self.last_update = Some(labels.update);
    }

    /// The safe source says that the L1 origin of our unsafe head has left L1. Heads stay until the sequencer's own reorg
    /// comes.
    pub(crate) const fn reset_keeping_heads(&mut self) {
        self.state.epoch += 1;
        self.state.origin_left_l1 = true;
        self.build = None;
    }

    /// The forkchoice of the published heads.
    pub(crate) const fn published_forkchoice(&self) -> ForkchoiceState {
        of_heads(
            &self.state.unsafe_head,
            &self.state.safe_head,
            &self.state.finalized_head,
        )
    }

    /// The forkchoice that moves the head alone.
    pub(crate) const fn forkchoice_to(&self, head: B256) -> ForkchoiceState {
        ForkchoiceState {
            head_block_hash: head,
            ..self.published_forkchoice()
        }
    }

    /// What the table decides on.
    pub(crate) fn follow_view(&self, update: &FollowUpdate) -> FollowView {
        FollowView {
            unchanged: self.last_applied == Some(update.state),
            local_safe: update.state.local_safe.id(),
            unsafe_number: self.state.unsafe_head.number,
            target: self.target.as_ref().map(|target| target.id),
            lost: self.lost,
        }
    }

    /// The block of our own chain at `number`, if it is remembered and the EL surely still has it there.
    pub(crate) fn own_block(&self, number: u64) -> Option<L2BlockRef> {
        if self.target.is_some() || self.lost {
            return None;
        }
        self.memory.ancestor(self.state.unsafe_head.hash, number)
    }

    /// A refusal of the update's head that is still remembered.
    pub(crate) fn remembered_refusal(
        &self,
        update: &FollowUpdate,
        now: Instant,
    ) -> Option<FollowRefusal> {
        let block = update.state.local_safe.hash;
        match self.memory.refusal(block, now)? {
            Refusal::Invalid => Some(FollowRefusal::InvalidBlock { block }),
            Refusal::FinalizedContradicted => Some(FollowRefusal::FinalizedContradicted),
            Refusal::SafeContradicted if update.safe_may_move => None,
            Refusal::SourceLied => None,
            Refusal::SafeContradicted => Some(FollowRefusal::SafeContradicted),
        }
    }

    /// The EL's own head, if it may become ours because the EL stands there.
    pub(crate) fn adoptable(&self, latest: Option<L2BlockRef>, now: Instant) -> Option<L2BlockRef> {
        latest.filter(|latest| self.memory.refusal(latest.hash, now).is_none())
    }

    /// True if `hash` is a remembered block that an unsafe chain may stand on: not below what is safe, and above it.
    pub(crate) fn is_anchor(&self, hash: B256) -> bool {
        if hash == self.state.unsafe_head.hash {
            return true;
        }
        let Some(block) = self.memory.get(hash) else {
            return false;
        };
        self.anchor_floor().is_some_and(|floor| {
            self.memory
                .ancestor(hash, floor.number)
                .is_some_and(|block| block.hash == floor.hash)
                && block.number >= floor.number
        })
    }

    /// The block above which the unsafe chain may be led elsewhere, if one is known.
    pub(crate) fn anchor_floor(&self) -> Option<L2BlockRef> {
        let known = |head: &L2BlockRef| !head.is_zero();
        let derived = self.derived.as_ref().map(|derived| derived.tip);
        let floors = [
            derived.unwrap_or_default(),
            self.state.local_safe_head,
            self.state.finalized_head,
        ];
        floors.into_iter().find(known)
    }

    /// When the payload above the gap becomes target, if there is one.
    pub(crate) fn gap_due(&self) -> Option<Instant> {
        let (_, since) = self.gap()?;
        if self.first_sync.is_some() && self.target.is_none() {
            // It is what the EL waits for.
            return Some(self.calm_until.map_or(since, |calm| since.max(calm)));
        }
        let due = since + self.config.block_time() * GAP_BLOCKS;
        Some(self.calm_until.map_or(due, |calm| due.max(calm)))
    }

    /// The payload above a gap that is the EL's to fill, and when it came. Where derivation is to build the chain
    /// (`--syncmode=consensus-layer`), a wide gap is not: the EL would be busy with it for hours, and derivation wait.
    pub(crate) fn gap(&self) -> Option<(&Payload, Instant)> {
        let narrow = self.state.unsafe_head.number + GAP_MAX;
        let any = !self.derives() || self.config.sync_mode == SyncMode::ExecutionLayer;
        // While a target is pending, what leads up over it stands on it.
        let is_missing = |parent| self.target.is_none() && self.memory.get(parent).is_none();
        let gap = self.buffer.gap_above(self.gap_floor(), is_missing);
        gap.filter(|(payload, _)| any || payload.block.number <= narrow)
    }

    /// A payload becomes target only above this number.
    fn gap_floor(&self) -> u64 {
        let target = self.target.as_ref().map_or(0, |target| target.id.number);
        self.state.unsafe_head.number.max(target)
    }

    /// When the next heartbeat is due: not before the first confirmed forkchoice, and not while a target is asked for.
    pub(crate) fn heartbeat_due(&self, is_failing: bool) -> Option<Instant> {
        let confirmed = self.forkchoices.is_confirmed() && self.target.is_none();
        let pause = if is_failing {
            HEARTBEAT_WHILE_FAILING
        } else {
            HEARTBEAT
        };
        self.last_forkchoice_at
            .filter(|_| confirmed)
            .map(|last| last + pause)
    }
}
