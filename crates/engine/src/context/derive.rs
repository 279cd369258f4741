//! The part of the engine's memory that only derivation needs.

use super::Context;
use crate::{
    config::{SafeSourceKind, SyncMode},
    content::Content,
    payload::Payload,
};
use tokio::time::Instant;

impl Context {
    /// True if our own derivation says what is safe.
    pub(crate) fn derives(&self) -> bool {
        self.config.safe_source == SafeSourceKind::Derive
    }

    /// True while an EL that lost even what is final gets it anew from L1.
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
        self.flush();
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

    /// A fresh EL fetches its first blocks from its peers.
    pub(crate) fn begin_first_sync(&mut self, latest: u64, now: Instant) {
        let is_fresh = latest <= self.config.rollup_config.genesis.l2.number;
        let by_itself = self.config.sync_mode == SyncMode::ExecutionLayer;
        if is_fresh && by_itself && self.derives() {
            self.first_sync = Some(now);
        }
    }

    /// When the labels behind the first sync are to be set, once the EL is there.
    pub(crate) fn first_sync_due(&self) -> Option<Instant> {
        let has_blocks =
            self.state.unsafe_head.number > self.config.rollup_config.genesis.l2.number;
        self.first_sync
            .filter(|_| has_blocks && self.target.is_none() && !self.lost)
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
