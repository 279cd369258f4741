//! The reference source: says what is safe and finalized on the devnet, as an op-node that derives would, and serves it as
//! `optimism_syncStatus` for light-nodes to follow.
//!
//! It does not decode batches. It knows from the batcher which blocks a transaction carries and looks for these on the
//! canonical L1 chain. Every status is computed from one look at the L1, so it is coherent by construction: origins of all
//! its L2 heads are on the L1 chain that its L1 heads name.

mod commands;
mod fault;
mod record;
mod rpc;

pub use fault::{SourceFault, SourceFaultKind};
pub use rpc::{SourceHandle, SourceRpcError};

pub(crate) use {commands::Commands, rpc::SourceRpc};

use crate::{
    batcher::{Carried, Ledger},
    l2_chain::L2Chain,
    sequencer::genesis_ref,
    system_configs::{SystemConfigs, is_canonical},
};
use alloy_consensus::Transaction;
use fault::History;
use light_node_actor::CancellationToken;
use light_node_devnet_l1::{Chain, EmbeddedL1, L1Block, L1Heads};
use light_node_protocol::{L1BlockRef, L2BlockRef, L2BlockRefError, SyncStatus};
use record::Record;
use std::sync::Arc;
use tokio::sync::watch;
use tracing::{info, warn};

/// Follows the canonical L1 chain.
#[derive(Debug)]
pub(crate) struct Source {
    l1: EmbeddedL1,
    l2: L2Chain,
    ledger: Ledger,
    system_configs: SystemConfigs,
    record: Record,
    finalized: L2BlockRef,
    published: watch::Sender<SyncStatus>,
    history: History,
}

impl Source {
    /// A source that knows the genesis of both layers.
    pub(crate) fn new(l1: EmbeddedL1, l2: L2Chain, ledger: Ledger) -> Self {
        let config = l2.config().clone();
        let l2_genesis = genesis_ref(&config);
        let l1_genesis = L1BlockRef {
            hash: config.genesis.l1.hash,
            number: config.genesis.l1.number,
            timestamp: config.genesis.l2_time,
            ..L1BlockRef::default()
        };
        let genesis = SyncStatus {
            current_l1: l1_genesis,
            head_l1: l1_genesis,
            unsafe_l2: l2_genesis,
            safe_l2: l2_genesis,
            finalized_l2: l2_genesis,
            pending_safe_l2: l2_genesis,
            cross_unsafe_l2: l2_genesis,
            local_safe_l2: l2_genesis,
            ..SyncStatus::default()
        };
        Self {
            system_configs: SystemConfigs::new(config),
            record: Record::new(l1_genesis, l2_genesis),
            finalized: l2_genesis,
            published: watch::Sender::new(genesis),
            history: History::default(),
            l1,
            l2,
            ledger,
        }
    }

    /// The status after the last change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<SyncStatus> {
        self.published.subscribe()
    }

    /// The statuses so far, for a source that is to fall behind.
    pub(crate) fn history(&self) -> History {
        self.history.clone()
    }

    /// Follows both layers until `token` is cancelled.
    pub(crate) async fn run(
        mut self,
        token: CancellationToken,
    ) -> Result<(), std::convert::Infallible> {
        let mut l1_heads = self.l1.subscribe();
        let mut l2_views = self.l2.subscribe();
        loop {
            // Marked as seen before looking, so that no change is missed.
            l1_heads.mark_unchanged();
            l2_views.mark_unchanged();
            self.update();
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                changed = l1_heads.changed() => if changed.is_err() { return Ok(()) },
                changed = l2_views.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Looks at both layers and publishes what has changed.
    pub(crate) fn update(&mut self) {
        match self.look() {
            Ok(status) => {
                self.ledger.forget_up_to(status.finalized_l2.number);
                let is_change = self
                    .published
                    .send_if_modified(|known| std::mem::replace(known, status) != status);
                if is_change {
                    self.history.push(status);
                }
            }
            Err(error) => warn!(%error, "the L2 chain cannot be read, the status stands still"),
        }
    }

    /// The status of this moment.
    fn look(&mut self) -> Result<SyncStatus, L2BlockRefError> {
        // L2 first: what it stands on is then on the L1 that is looked at next, unless a reorg came in between.
        let view = self.l2.view();
        let l1 = self.l1.clone();
        let (heads, unsafe_head) = l1.with_chain(|chain| {
            self.follow(chain);
            (chain.heads(), self.l2.highest_on(&view, chain))
        });
        let safe = self.record.safe();
        // Blocks are sent to L1 from this very chain, so it is never behind; but heads must be in order whatever happens.
        let unsafe_head = unsafe_head?
            .filter(|head| head.number >= safe.number)
            .unwrap_or(safe);
        self.finalize(&heads);
        let finalized_l1 = heads.finalized.unwrap_or_default();
        Ok(SyncStatus {
            current_l1: self.record.current_l1(),
            current_l1_finalized: finalized_l1,
            head_l1: heads.latest,
            safe_l1: heads.safe.unwrap_or_default(),
            finalized_l1,
            unsafe_l2: unsafe_head,
            safe_l2: safe,
            finalized_l2: self.finalized,
            pending_safe_l2: safe,
            cross_unsafe_l2: unsafe_head,
            local_safe_l2: safe,
        })
    }

    /// Brings the record to the head of `chain`.
    fn follow(&mut self, chain: &Chain) {
        let before = self.record.safe();
        if self.record.rewind(|l1| is_canonical(chain, &l1.id())) {
            let (safe, current_l1) = (self.record.safe(), self.record.current_l1());
            info!(from = %before, to = %safe, %current_l1, "L1 reorg took the safe head back");
        }
        let next = self.record.current_l1().number + 1;
        for block in (next..).map_while(|number| chain.block_by_number(number)) {
            let carried = self.carried_by(chain, block);
            let is_origin = |l2: &L2BlockRef| is_canonical(chain, &l2.l1_origin);
            self.record.extend(block.reference(), &carried, is_origin);
        }
    }

    /// The channels that the batcher's transactions in `block` complete, in order.
    fn carried_by(&mut self, chain: &Chain, block: &Arc<L1Block>) -> Vec<Carried> {
        let Some(system_config) = self.system_configs.at(chain, block.number()) else {
            return Vec::new();
        };
        let inbox = self.l2.config().batch_inbox_address;
        let timeout = self.l2.config().channel_timeout(block.header().timestamp);
        let batches = block.transactions().iter().filter(|transaction| {
            transaction.to() == Some(inbox) && transaction.signer() == system_config.batcher_address
        });
        batches
            .filter_map(|transaction| {
                let hash = transaction.tx_hash();
                self.ledger.completed_by(hash, chain, timeout)
            })
            .collect()
    }

    /// Finalized is the safe head at the finalized L1 block, and never goes down. (It would have to if a command lowered
    /// the L1's finality and a reorg then took finalized blocks away: safe is the bound then.)
    fn finalize(&mut self, heads: &L1Heads) {
        let candidate = heads
            .finalized
            .and_then(|l1| self.record.safe_at(l1.number));
        if let Some(candidate) = candidate.filter(|block| block.number > self.finalized.number) {
            self.finalized = candidate;
        }
        let safe = self.record.safe();
        if self.finalized.number > safe.number {
            warn!(finalized = %self.finalized, %safe, "the L1 dropped finalized blocks");
            self.finalized = safe;
        }
    }
}

#[cfg(test)]
mod tests;
