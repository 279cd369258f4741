//! An EL in memory, for tests of other crates: blocks without an EVM, the forkchoice semantics of op-reth (or op-geth),
//! scripted answers, a log of all calls. Tests arrange it and look at it through [`MemoryEl`]; the code under test holds
//! it as an [`EngineApi`](crate::EngineApi). Blocks come from a [`ChainBuilder`].

mod api;
mod chain;
mod script;
mod state;

pub use chain::{ChainBuilder, MemoryBlock};
pub use script::{Call, CallKind, Scripted};
pub use state::MemoryElKind;

use crate::{ElBlock, ElDeadlines, ElSyncing};
use alloy_primitives::B256;
use core::fmt;
use light_node_protocol::{L2BlockRef, RollupConfig};
use script::Script;
use state::State;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Notify;

/// An EL in memory. All methods take `&self`; share it by [`Arc`].
///
/// It starts with genesis as head and without safe and finalized labels.
pub struct MemoryEl {
    config: Arc<RollupConfig>,
    chain_id: AtomicU64,
    deadlines: ElDeadlines,
    state: Mutex<State>,
    script: Mutex<Script>,
    called: Notify,
}

impl MemoryEl {
    /// An EL that behaves like op-reth and knows the genesis block of `chain` alone.
    pub fn new(chain: &ChainBuilder) -> Arc<Self> {
        Self::with_kind(chain, MemoryElKind::Reth)
    }

    /// An EL that behaves like `kind` and knows the genesis block of `chain` alone.
    pub fn with_kind(chain: &ChainBuilder, kind: MemoryElKind) -> Arc<Self> {
        Arc::new(Self {
            chain_id: AtomicU64::new(chain.config().l2_chain_id),
            config: chain.config(),
            deadlines: ElDeadlines::default(),
            state: Mutex::new(State::new(kind, chain.genesis())),
            script: Mutex::default(),
            called: Notify::new(),
        })
    }

    // What a test arranges.

    /// Makes `blocks` known as if they had come by `newPayload` or from the EL's peers. The head stays, unless the block
    /// that a forkchoice answered with SYNCING asked for is now complete: then it becomes head, as op-reth does it.
    pub fn add(&self, blocks: &[MemoryBlock]) {
        let mut state = self.state();
        for block in blocks {
            state.insert(block.clone());
        }
    }

    /// Makes `blocks` known and the last of them the head, as after an earlier run of a node.
    pub fn add_canonical(&self, blocks: &[MemoryBlock]) {
        self.add(blocks);
        if let Some(last) = blocks.last() {
            self.set_head(last.hash());
        }
    }

    /// Makes the known block `hash` the head, with no forkchoice: what the EL's own sync does.
    ///
    /// # Panics
    /// If the block is not known.
    pub fn set_head(&self, hash: B256) {
        let mut state = self.state();
        assert!(
            state.block(hash).is_some(),
            "the test sets an unknown head {hash}"
        );
        state.set_head(hash);
    }

    /// Sets the safe and finalized labels directly; zero means "no such label".
    pub fn set_labels(&self, safe: B256, finalized: B256) {
        self.state().set_labels(safe, finalized);
    }

    /// Loses the last `count` canonical blocks (a restart without flushed state): they are not known any more, the head
    /// falls to their parent, labels above it are gone.
    pub fn lose_last(&self, count: usize) {
        self.state().lose_last(count);
    }

    /// Ends as by a kill, and starts again without its last `lost` canonical blocks: what was in memory alone is gone, and
    /// op-geth has no safe block but the finalized one.
    pub fn restart(&self, lost: usize) {
        self.state().restart(lost);
    }

    /// While true a backfill runs: every payload is SYNCING, and on op-reth every forkchoice too. When it ends, the head
    /// that was asked for last becomes the head if its block is known.
    pub fn set_backfilling(&self, backfilling: bool) {
        self.state().set_backfilling(backfilling);
    }

    /// From now on `eth_chainId` answers `chain_id`: somebody has put the EL of another chain in the place of this one.
    pub fn set_chain_id(&self, chain_id: u64) {
        self.chain_id.store(chain_id, Ordering::Relaxed);
    }

    /// From now on `newPayload` of the block `hash`, and of its descendants, and a forkchoice to it, is INVALID.
    pub fn mark_invalid(&self, hash: B256) {
        self.state().mark_invalid(hash);
    }

    /// The next `count` forkchoices whose head is on another branch are answered VALID without a move, as op-reth
    /// sometimes does it.
    pub fn stick_to_branch(&self, count: usize) {
        self.state().stick_to_branch(count);
    }

    /// From now on blocks are built without the transactions of the batch, as op-reth does with those that it cannot
    /// execute.
    pub fn leave_out_transactions(&self, leaves_out: bool) {
        self.state().leave_out(leaves_out);
    }

    /// The next call of `kind` that finds no earlier script is answered by `answer`. Scripts of one kind are FIFO.
    pub fn script(&self, kind: CallKind, answer: Scripted) {
        self.script_lock().push(kind, answer);
    }

    /// Forgets the scripts that no call has used yet.
    pub fn clear_script(&self) {
        self.script_lock().clear();
    }

    /// While true every call fails with `ElError::Transport`.
    pub fn set_down(&self, down: bool) {
        self.script_lock().set_down(down);
    }

    /// What `eth_syncing` answers; `None` (at first) lets the pending sync target decide.
    pub fn set_syncing(&self, syncing: Option<ElSyncing>) {
        self.state().set_syncing(syncing);
    }

    // What a test looks at.

    /// The head.
    pub fn head(&self) -> L2BlockRef {
        self.state().head().block_ref
    }

    /// The safe label, the zero object if there is none.
    pub fn safe(&self) -> L2BlockRef {
        self.state()
            .safe()
            .map(|block| block.block_ref)
            .unwrap_or_default()
    }

    /// The finalized label, the zero object if there is none.
    pub fn finalized(&self) -> L2BlockRef {
        self.state()
            .finalized()
            .map(|block| block.block_ref)
            .unwrap_or_default()
    }

    /// The head that was asked for and is not known yet.
    pub fn target(&self) -> Option<B256> {
        self.state().target()
    }

    /// The block `hash`, if it is known.
    pub fn known(&self, hash: B256) -> Option<ElBlock> {
        self.state().block(hash)
    }

    /// All calls so far, oldest first, those that failed included.
    pub fn calls(&self) -> Vec<Call> {
        self.script_lock().calls().to_vec()
    }

    /// All calls since the last `take_calls`, oldest first.
    pub fn take_calls(&self) -> Vec<Call> {
        self.script_lock().take_calls()
    }

    /// How many calls of `kind` were made since the last `take_calls`.
    pub fn count(&self, kind: CallKind) -> usize {
        self.script_lock()
            .calls()
            .iter()
            .filter(|call| call.kind() == kind)
            .count()
    }

    /// Waits until `condition` holds; it is looked at after every call. Give it a timeout in the test.
    pub async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let called = self.called.notified();
            tokio::pin!(called);
            called.as_mut().enable();
            if condition(self) {
                return;
            }
            called.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script_lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryEl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEl")
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
