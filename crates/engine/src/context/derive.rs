//! The part of the engine's memory that only derivation needs.

use super::Context;
use crate::{
    config::{SafeSourceKind, SyncMode},
    content::Content,
    payload::Payload,
    target::TargetOrigin,
};
use light_node_protocol::L2BlockRef;
use tokio::time::Instant;

/// The EL's own first sync.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstSync {
    /// Number of the block on which it stood.
    from: u64,
    /// When the labels behind it are to be set, if it is over.
    pub due: Instant,
}

impl Context {
    /// True if our own derivation says what is safe.
    pub(crate) fn derives(&self) -> bool {
        self.config.safe_source == SafeSourceKind::Derive
    }

    /// True while an EL that lost what is safe gets it anew from L1.
    pub(crate) fn replays(&self) -> bool {
        self.derived
            .as_ref()
            .is_some_and(|derived| derived.is_replay)
    }

    /// Derivation has to find its start anew; what it has handed over is void.
    pub(crate) fn restart_derivation(&mut self) {
        self.state.epoch += 1;
        self.state.reset_epoch = self.state.epoch;
        self.derived = None;
        if self
            .target
            .as_ref()
            .is_some_and(|target| target.origin != TargetOrigin::Payload)
        {
            // Derivation names its own head next, and looks for a start when the EL is on its way to none of ours.
            self.set_target(None);
        }
        self.lower_pending_safe();
        self.flush();
    }

    /// The EL has a derived block on our chain that is not safe before its span ends.
    pub(crate) fn note_pending_safe(&mut self, block: L2BlockRef) {
        // Without these the block is on the chain that we published.
        if !self.lost && self.target.is_none() && !self.replays() {
            self.state.pending_safe_head = block;
        }
    }

    /// True if the last derived block lies above what is safe.
    pub(super) fn has_pending_safe(&self) -> bool {
        let pending = self.state.pending_safe_head;
        let tip = self.derived.as_ref().map(|derived| derived.tip);
        pending.number > self.state.local_safe_head.number && tip == Some(pending)
    }

    /// What was derived beyond what is safe counts no more.
    pub(crate) const fn lower_pending_safe(&mut self) {
        self.state.pending_safe_head = self.state.local_safe_head;
    }

    /// What derivation has handed over ahead is void.
    pub(crate) const fn flush(&mut self) {
        self.flushes += 1;
    }

    /// The flush count to which attributes belong that have just come. Those that name their parent stand on an answer of
    /// ours; the others follow the ones before them.
    pub(crate) const fn stream_of(&mut self, names_parent: bool) -> u64 {
        if names_parent {
            self.stream = self.flushes;
        }
        self.stream
    }

    /// An EL without final blocks fetches its chain from its peers, up to a block that comes by gossip. One that has begun
    /// with it before we did, or before it was restarted, has some blocks already.
    pub(crate) fn begin_first_sync(&mut self, latest: u64, now: Instant) {
        let genesis = self.config.rollup_config.genesis.l2.number;
        let is_fresh = self.state.finalized_head.number <= genesis;
        let by_itself = self.config.sync_mode == SyncMode::ExecutionLayer;
        if is_fresh && by_itself && self.derives() {
            self.first_sync = Some(FirstSync {
                from: latest,
                due: now,
            });
        }
    }

    /// When the labels behind the first sync are to be set, once the EL is there.
    pub(crate) fn first_sync_due(&self) -> Option<Instant> {
        let sync = self.first_sync.as_ref()?;
        let is_there = self.state.unsafe_head.number > sync.from;
        (is_there && self.target.is_none() && !self.lost).then_some(sync.due)
    }

    /// The labels behind the first sync stand.
    pub(crate) fn end_first_sync(&mut self) {
        self.first_sync = None;
        self.note_sync();
    }

    /// Remembers a block whose payload we hold, if we derive with what attributes are compared with.
    pub(crate) fn remember_payload(&mut self, payload: &Payload) {
        if self.derives() {
            let content = Content::of(&payload.envelope);
            self.memory.remember_content(payload.block, content);
        } else {
            self.memory.remember(payload.block);
        }
    }
}
