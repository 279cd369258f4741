//! The devnet's batcher: with every new L1 block that the source has looked through, it sends the unsafe blocks after the
//! last ones it sent, as calldata to the batch inbox.
//!
//! It goes back to the safe head and sends again from there when an L1 reorg may have swallowed transactions, when what it
//! sent last is no longer on the L2 chain, and when the safe head has stood still for too long.

mod channel;
mod ledger;

pub(crate) use ledger::Ledger;

use crate::{accounts::BATCHER, l2_chain::L2Chain};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, keccak256};
use channel::{FRAME_DATA_BYTES_MAX, SingularBatch, batcher_transactions};
use light_node_actor::CancellationToken;
use light_node_devnet_el::{ChainView, ExecutedBlock};
use light_node_devnet_l1::{EmbeddedL1, PoolError};
use light_node_protocol::{L2BlockRef, L2BlockRefError, SyncStatus};
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::watch;
use tracing::{debug, info, warn};

/// L1 blocks without progress after which everything above the safe head is sent again.
const RESUBMIT_AFTER_L1_BLOCKS: u64 = 10;

/// Channels per L1 block; more would not fit into its gas limit. What remains goes with the next one.
const CHANNELS_MAX: usize = 6;

/// Bytes of an encoded batch beside its transactions, at most.
const BATCH_OVERHEAD_BYTES: usize = 128;

/// Fees that are high enough for an L1 on which hardly anything happens, in wei.
const MAX_FEE_PER_GAS: u128 = 100_000_000_000;
const MAX_PRIORITY_FEE_PER_GAS: u128 = 1_000_000_000;

/// Why nothing was sent. The next L1 block brings another attempt.
#[derive(Debug, Error)]
pub(crate) enum BatcherError {
    #[error("a block of the L2 chain cannot be read")]
    Block(#[from] L2BlockRefError),
    #[error("a channel cannot be compressed")]
    Compress(#[from] std::io::Error),
    #[error("the L1 refused a batcher transaction")]
    Refused(#[from] PoolError),
}

/// Commands the batcher. Clones command the same one.
#[derive(Clone, Debug)]
pub struct BatcherHandle {
    paused: Arc<watch::Sender<bool>>,
}

impl BatcherHandle {
    /// Stops sending: unsafe grows on, safe stands still. What has been sent may still be mined.
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Sends again, at once.
    pub fn resume(&self) {
        self.paused.send_replace(false);
    }

    /// True while nothing is sent.
    pub fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }
}

/// Sends the L2 chain to L1.
#[derive(Debug)]
pub(crate) struct Batcher {
    l1: EmbeddedL1,
    l2: L2Chain,
    ledger: Ledger,
    status: watch::Receiver<SyncStatus>,
    paused: watch::Receiver<bool>,
    inbox: Address,
    /// The last block that was sent, or the safe head to go on from.
    sent: L2BlockRef,
    /// L1 head when it was sent.
    sent_at_l1: u64,
    /// L1 reorgs that have been taken into account.
    reorgs: u64,
}

impl Batcher {
    pub(crate) fn new(
        l1: EmbeddedL1,
        l2: L2Chain,
        ledger: Ledger,
        status: watch::Receiver<SyncStatus>,
    ) -> (Self, BatcherHandle) {
        let paused = Arc::new(watch::Sender::new(false));
        let sent = status.borrow().safe_l2;
        let batcher = Self {
            inbox: l2.config().batch_inbox_address,
            sent,
            sent_at_l1: 0,
            reorgs: l1.heads().reorgs,
            paused: paused.subscribe(),
            l1,
            l2,
            ledger,
            status,
        };
        (batcher, BatcherHandle { paused })
    }

    /// Sends blocks until `token` is cancelled.
    pub(crate) async fn run(
        mut self,
        token: CancellationToken,
    ) -> Result<(), std::convert::Infallible> {
        let mut seen_l1 = None;
        loop {
            let status = *self.status.borrow_and_update();
            let is_paused = *self.paused.borrow_and_update();
            if !is_paused && seen_l1 != Some(status.current_l1.hash) {
                seen_l1 = Some(status.current_l1.hash);
                if let Err(error) = self.submit(&status) {
                    warn!(sent = %self.sent, %error, "no batches sent");
                }
            }
            if is_paused {
                // Whatever was pending is due at once after the pause.
                seen_l1 = None;
            }
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                changed = self.status.changed() => if changed.is_err() { return Ok(()) },
                changed = self.paused.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Sends what is unsafe in `status` and was not sent yet. Returns the number of blocks.
    pub(crate) fn submit(&mut self, status: &SyncStatus) -> Result<usize, BatcherError> {
        let view = self.l2.view();
        self.find_start(&view, status);
        let mut blocks = 0;
        for _ in 0..CHANNELS_MAX {
            let (last, batches, references) = self.next_channel(&view, status)?;
            let Some(last) = last else { break };
            self.send(&batches, references.clone())?;
            blocks += references.len();
            self.sent = last;
            self.sent_at_l1 = status.current_l1.number;
        }
        if blocks > 0 {
            debug!(blocks, up_to = %self.sent, "batches sent");
        }
        Ok(blocks)
    }

    /// Decides after which block to go on.
    fn find_start(&mut self, view: &ChainView, status: &SyncStatus) {
        let safe = status.safe_l2;
        let reorgs = self.l1.heads().reorgs;
        let is_reorg = std::mem::replace(&mut self.reorgs, reorgs) != reorgs;
        let is_lost = view
            .block_by_number(self.sent.number)
            .is_none_or(|block| block.hash != self.sent.hash);
        let is_stuck = self.sent.number > safe.number
            && status.current_l1.number >= self.sent_at_l1 + RESUBMIT_AFTER_L1_BLOCKS;
        let is_behind = self.sent.number < safe.number;
        if is_reorg || is_lost || is_stuck || is_behind {
            if self.sent.number > safe.number {
                info!(sent = %self.sent, safe = %safe, is_reorg, is_lost, is_stuck, "batches are sent again");
            }
            self.sent = safe;
        }
    }

    /// The blocks of the next channel: as many as fit into one frame, at least one. None if everything was sent, or if the
    /// L2 chain is about to leave the branch that `status` speaks of.
    #[allow(clippy::type_complexity)] // private, and three lists of the same blocks
    fn next_channel(
        &self,
        view: &ChainView,
        status: &SyncStatus,
    ) -> Result<(Option<L2BlockRef>, Vec<SingularBatch>, Vec<L2BlockRef>), BatcherError> {
        let (mut batches, mut references, mut size) = (Vec::new(), Vec::new(), 0);
        let unsafe_head = status.unsafe_l2;
        let is_current = view
            .block_by_number(unsafe_head.number)
            .is_some_and(|block| block.hash == unsafe_head.hash);
        let up_to = if is_current {
            unsafe_head.number
        } else {
            self.sent.number
        };
        for block in (self.sent.number + 1..=up_to).map_while(|number| view.block_by_number(number))
        {
            size += encoded_size(block);
            if size > FRAME_DATA_BYTES_MAX && !batches.is_empty() {
                break;
            }
            let reference = self.l2.reference(block)?;
            let transactions = &block.block.body.transactions;
            batches.push(SingularBatch::new(
                block.header(),
                reference.l1_origin,
                transactions,
            ));
            references.push(reference);
        }
        Ok((references.last().copied(), batches, references))
    }

    fn send(
        &self,
        batches: &[SingularBatch],
        references: Vec<L2BlockRef>,
    ) -> Result<(), BatcherError> {
        let nonce = self
            .l1
            .with_chain(|chain| chain.pending_nonce(&BATCHER.address));
        let frames = batcher_transactions(batches)?;
        let transactions: Vec<Bytes> = (nonce..)
            .zip(frames)
            .map(|(nonce, calldata)| self.transaction(nonce, calldata))
            .collect();
        let hashes = transactions.iter().map(keccak256).collect();
        // Before sending: the L1 may mine a transaction at once.
        self.ledger.enter(hashes, references);
        for transaction in transactions {
            self.l1.submit(&transaction)?;
        }
        Ok(())
    }

    fn transaction(&self, nonce: u64, calldata: Bytes) -> Bytes {
        BATCHER.sign(TxEip1559 {
            chain_id: self.l2.config().l1_chain_id,
            nonce,
            // The most that calldata can cost (EIP-7623), so that no estimate is needed.
            gas_limit: 21_000 + 40 * calldata.len() as u64,
            max_fee_per_gas: MAX_FEE_PER_GAS,
            max_priority_fee_per_gas: MAX_PRIORITY_FEE_PER_GAS,
            to: TxKind::Call(self.inbox),
            input: calldata,
            ..TxEip1559::default()
        })
    }
}

/// Upper bound of a batch's size before compression.
fn encoded_size(block: &ExecutedBlock) -> usize {
    use alloy_eips::Encodable2718;
    let transactions = block.block.body.transactions.iter();
    let transactions = transactions.filter(|transaction| !transaction.is_deposit());
    BATCH_OVERHEAD_BYTES
        + transactions
            .map(|one| one.encode_2718_len() + 9)
            .sum::<usize>()
}
