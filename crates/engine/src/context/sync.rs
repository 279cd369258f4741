//! The target of the execution layer: how far it is, what is published of it, and when it is given up.

use super::Context;
use crate::{
    state::ElSyncState,
    sync_watch::{SyncReport, SyncWatch},
    target::{Target, TargetOrigin},
};
use tokio::time::Instant;

impl Context {
    /// Gives up the target, and what waits above it.
    pub(crate) fn give_up_target(&mut self) {
        if let Some(target) = self.target.as_ref().map(|target| target.id) {
            self.buffer.remove(target);
            self.buffer.drop_linked_to(|parent| parent == target.hash);
        }
        self.set_target(None);
    }

    /// How far the EL is on its way to the target.
    pub(crate) fn sync_report(&self) -> Option<SyncReport> {
        self.sync.as_ref()?.report(self.target.as_ref()?.id)
    }

    /// When to look how far it is.
    pub(crate) fn sync_look_due(&self) -> Option<Instant> {
        self.target.as_ref()?;
        self.sync.as_ref().map(SyncWatch::due)
    }

    /// True if a head of gossip is asked for, to which the EL makes no progress. Nobody has to wait for it: it yields to the first
    /// who wants to build.
    pub(crate) fn target_yields(&self) -> bool {
        let stands_still = || self.sync_report().is_some_and(|report| report.no_progress);
        self.target_is_of_gossip() && self.first_sync.is_none() && stands_still()
    }

    /// True if gossip named the target.
    pub(crate) fn target_is_of_gossip(&self) -> bool {
        let is_of_gossip = |target: &Target| target.origin == TargetOrigin::Payload;
        self.target.as_ref().is_some_and(is_of_gossip)
    }

    /// Publishes what the EL is on its way to.
    pub(crate) fn note_sync(&mut self) {
        let target = self.target.as_ref().filter(|_| !self.target_yields());
        self.state.target = target.map(|target| target.id);
        self.state.el_sync = match (self.lost, target) {
            (true, _) => ElSyncState::LostBlocks,
            (false, Some(_)) => ElSyncState::Syncing,
            (false, None) if self.first_sync.is_some() => ElSyncState::Syncing,
            (false, None) => ElSyncState::Synced,
        };
    }
}
