//! What the batcher has sent: by transaction, which L2 blocks it completes. The source reads it, because it knows the L2
//! chain by what was sent instead of by decoding what L1 carries.

use alloy_primitives::B256;
use light_node_devnet_l1::Chain;
use light_node_protocol::L2BlockRef;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What a channel says.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    /// The L2 blocks in it, in order.
    pub(crate) blocks: Arc<[L2BlockRef]>,
    /// All of them in one batch, which counts whole or not at all.
    pub(crate) is_span: bool,
}

/// One channel.
#[derive(Clone, Debug)]
struct Channel {
    /// Transactions of all its frames, in order.
    transactions: Vec<B256>,
    carried: Carried,
}

/// The channels that have been sent, by the transaction with their last frame. Clones share one ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    channels: Arc<Mutex<HashMap<B256, Channel>>>,
}

impl Ledger {
    /// Enters a channel. To be called before its transactions are sent.
    pub(super) fn enter(&self, transactions: Vec<B256>, carried: Carried) {
        if let Some(last) = transactions.last().copied() {
            let channel = Channel {
                transactions,
                carried,
            };
            self.lock().insert(last, channel);
        }
    }

    /// The channel that the L1 transaction `hash` completes on `l1`: it carries the last frame, and the others are on the
    /// chain too, none of them more than `timeout` L1 blocks earlier than the last. They stand before it, because one account
    /// sends them in order of its nonces.
    pub(crate) fn completed_by(&self, hash: &B256, l1: &Chain, timeout: u64) -> Option<Carried> {
        let channels = self.lock();
        let channel = channels.get(hash)?;
        let number_of = |hash: &B256| l1.transaction(hash).map(|(block, _)| block.number());
        let last = number_of(hash)?;
        let is_in_time = |first: u64| last.saturating_sub(first) <= timeout;
        let is_complete = channel
            .transactions
            .iter()
            .all(|hash| number_of(hash).is_some_and(is_in_time));
        is_complete.then(|| channel.carried.clone())
    }

    /// Forgets channels whose blocks are all at or below the finalized block `number`.
    pub(crate) fn forget_up_to(&self, number: u64) {
        let is_needed = |channel: &Channel| {
            let last = channel.carried.blocks.last();
            last.is_some_and(|last| last.number > number)
        };
        self.lock().retain(|_, channel| is_needed(channel));
    }

    /// Nothing that holds the lock can panic half way through a change.
    fn lock(&self) -> MutexGuard<'_, HashMap<B256, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
