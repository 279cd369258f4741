//! The devnet's batcher: with every new L1 block that the source has looked through, it sends the unsafe blocks after the
//! last ones it sent, as singular or span batches in calldata or blobs, with the key that L1 asks for.
//!
//! It goes back to the safe head and sends again from there when something that it sent was in vain: lost by L1, or read by
//! the source without becoming safe. So it does when L1 asks for another key, and when the L2 chain has left what it sent.

mod config;
mod handle;
mod ledger;
mod posted;
mod transactions;

pub use config::{BatchKind, BatcherConfig, DataAvailability};
pub use handle::BatcherHandle;
pub(crate) use ledger::{Carried, Ledger};

use crate::{
    accounts::{DEV_ACCOUNTS, DevAccount},
    l2_chain::L2Chain,
    system_configs::{SystemConfigs, is_canonical},
};
use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256, Bytes};
use handle::{Command, Extra, Inbox};
use light_node_actor::CancellationToken;
use light_node_devnet_batches::{
    BlobError, ChannelError, SingularBatch, SpanError, batch_transactions,
    malformed::{Content, Honest},
};
use light_node_devnet_el::{ChainView, ExecutedBlock};
use light_node_devnet_l1::{Chain, EmbeddedL1, PoolError};
use light_node_protocol::{L2BlockRef, L2BlockRefError, SyncStatus};
use posted::{Place, Posted};
use thiserror::Error;
use tokio::{
    sync::watch,
    task::{JoinError, spawn_blocking},
};
use tracing::{debug, info, warn};
use transactions::{Block, Signed, data_of_blocks, sign};

/// Channels per L1 block; more would not fit into its gas limit. What remains goes with the next one.
const CHANNELS_MAX: usize = 2;

/// Pieces of a channel before compression; one block may need more.
const PIECES_MAX: usize = 3;

/// Frames of a channel before compression.
const FRAMES_MAX: usize = 60;

/// Bytes of an encoded batch beside its transactions, at most.
const BATCH_OVERHEAD_BYTES: usize = 128;

/// Who sends what must not come from the batcher: somebody with ether on L1.
const STRANGER: DevAccount = DEV_ACCOUNTS[4];

/// Why nothing was sent. The next L1 block brings another attempt.
#[derive(Debug, Error)]
pub enum BatcherError {
    /// A block does not start with an L1-info deposit.
    #[error("a block of the L2 chain cannot be read")]
    Block(#[from] L2BlockRefError),
    /// Blocks do not make a span.
    #[error("blocks do not fit into a span batch")]
    Span(#[from] SpanError),
    /// Batches do not make a channel.
    #[error("batches do not fit into a channel")]
    Channel(#[from] ChannelError),
    /// Frames do not make blobs.
    #[error("frames do not fit into blobs")]
    Blob(#[from] BlobError),
    /// The L1 refused a transaction.
    #[error("the L1 refused a batcher transaction")]
    Refused(#[from] PoolError),
    /// The system config names a batcher whose key nobody here has.
    #[error(
        "the system config on L1 asks for batcher {batcher}, which is no account of the devnet"
    )]
    ForeignBatcher {
        /// The address on L1.
        batcher: Address,
    },
    /// The devnet is stopping.
    #[error("the batcher has stopped")]
    Stopped,
}

/// Sends the L2 chain to L1.
#[derive(Debug)]
pub(crate) struct Batcher {
    l1: EmbeddedL1,
    l2: L2Chain,
    ledger: Ledger,
    status: watch::Receiver<SyncStatus>,
    inbox: Inbox,
    system_configs: SystemConfigs,
    /// Who sent last.
    batcher: Address,
    /// The last block that was sent, or the safe head to go on from.
    sent: L2BlockRef,
    /// What was sent and is not finalized yet.
    posted: Posted,
}

impl Batcher {
    pub(crate) fn new(
        l1: EmbeddedL1,
        l2: L2Chain,
        ledger: Ledger,
        status: watch::Receiver<SyncStatus>,
        config: BatcherConfig,
    ) -> (Self, BatcherHandle) {
        let (handle, inbox) = BatcherHandle::new(config);
        let sent = status.borrow().safe_l2;
        let batcher = Self {
            system_configs: SystemConfigs::new(l2.config().clone()),
            batcher: l2.config().genesis.system_config.batcher_address,
            sent,
            posted: Posted::default(),
            l1,
            l2,
            ledger,
            status,
            inbox,
        };
        (batcher, handle)
    }

    /// Sends blocks until `token` is cancelled.
    ///
    /// # Errors
    /// It panicked while it made transactions.
    pub(crate) async fn run(mut self, token: CancellationToken) -> Result<(), JoinError> {
        let mut seen_l1 = None;
        loop {
            let status = *self.status.borrow_and_update();
            let is_paused = *self.inbox.paused.borrow_and_update();
            if !is_paused && seen_l1 != Some(status.current_l1.hash) {
                seen_l1 = Some(status.current_l1.hash);
                let submitted = self.off_thread(move |batcher| batcher.submit(&status));
                let Some(submitted) = token.run_until_cancelled(submitted).await else {
                    return Ok(());
                };
                let (batcher, sent) = submitted?;
                self = batcher;
                if let Err(error) = sent {
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
                Some(command) = self.inbox.commands.recv() => {
                    let Command { extra, da, reply } = command;
                    let posted = self.off_thread(move |batcher| batcher.post(&extra, da));
                    let Some(posted) = token.run_until_cancelled(posted).await else {
                        return Ok(());
                    };
                    let (batcher, sent) = posted?;
                    self = batcher;
                    // Whoever asked may have gone.
                    let _ = reply.send(sent);
                }
                changed = self.status.changed() => if changed.is_err() { return Ok(()) },
                changed = self.inbox.paused.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Compression and commitments take too long for a thread that others wait for, and for an end that others wait for: at the
    /// first blob of a process they take seconds in a build without optimisation.
    async fn off_thread<T: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut Self) -> T + Send + 'static,
    ) -> Result<(Self, T), JoinError> {
        spawn_blocking(move || {
            let done = work(&mut self);
            (self, done)
        })
        .await
    }

    /// Sends what is unsafe in `status` and was not sent yet. Returns the number of blocks: none if an L1 reorg has overtaken
    /// the status.
    pub(crate) fn submit(&mut self, status: &SyncStatus) -> Result<usize, BatcherError> {
        let current_l1 = status.current_l1.id();
        if !self.l1.with_chain(|chain| is_canonical(chain, &current_l1)) {
            return Ok(0);
        }
        let view = self.l2.view();
        let account = self.account()?;
        self.find_start(&view, status, account);
        let mut count = 0;
        for _ in 0..CHANNELS_MAX {
            let blocks = self.next_channel(&view, status)?;
            let Some(last) = blocks.last().map(|block| block.reference) else {
                break;
            };
            let config = *self.inbox.config.borrow();
            let pieces = data_of_blocks(&config, self.l2.config(), &self.sent, &blocks)?;
            let content = Content::Data(pieces);
            count += blocks.len();
            let carried = Carried {
                blocks: blocks.into_iter().map(|block| block.reference).collect(),
                is_span: config.batches == BatchKind::Span,
            };
            let transactions = self.send(account, config.da, &content, Some(carried))?;
            self.posted.push(transactions, last.number);
            self.sent = last;
        }
        if count > 0 {
            debug!(blocks = count, up_to = %self.sent, "batches sent");
        }
        Ok(count)
    }

    /// Sends something beside the blocks.
    fn post(&mut self, extra: &Extra, da: DataAvailability) -> Result<Vec<B256>, BatcherError> {
        let mut account = self.account()?;
        let content = match extra {
            Extra::Data(pieces) => Content::Data(pieces.clone()),
            Extra::Malformed(kind) => {
                if kind.is_from_stranger() {
                    account = &STRANGER;
                }
                kind.content(&self.honest())?
            }
        };
        info!(?extra, ?da, after = %self.sent, "batcher data sent on command");
        self.send(account, da, &content, None)
    }

    /// The batch of an empty block after the last one that was sent.
    fn honest(&self) -> Honest {
        let L2BlockRef {
            hash,
            l1_origin,
            timestamp,
            ..
        } = self.sent;
        let timestamp = timestamp.saturating_add(self.l2.config().block_time);
        Honest {
            batch: SingularBatch::new(hash, l1_origin, timestamp, Vec::new()),
            genesis_time: self.l2.config().genesis.l2_time,
        }
    }

    /// The account that L1 asks for.
    fn account(&mut self) -> Result<&'static DevAccount, BatcherError> {
        let configs = &mut self.system_configs;
        let now = self
            .l1
            .with_chain(|chain| configs.at(chain, chain.head().number()));
        let batcher = now.map_or(self.batcher, |config| config.batcher_address);
        DEV_ACCOUNTS
            .iter()
            .find(|account| account.address == batcher)
            .ok_or(BatcherError::ForeignBatcher { batcher })
    }

    /// Decides after which block to go on.
    fn find_start(&mut self, view: &ChainView, status: &SyncStatus, account: &DevAccount) {
        let (safe, read) = (status.safe_l2, status.current_l1.number);
        self.posted.forget_up_to(status.finalized_l2.number);
        let is_in_vain = self.l1.with_chain(|chain| {
            let place_of = |hash: &B256| place_of(chain, hash);
            self.posted.is_in_vain(safe.number, read, place_of)
        });
        let is_new_key = std::mem::replace(&mut self.batcher, account.address) != account.address;
        let is_lost = view
            .block_by_number(self.sent.number)
            .is_none_or(|block| block.hash != self.sent.hash);
        let is_behind = self.sent.number < safe.number;
        if is_in_vain || is_new_key || is_lost || is_behind {
            if self.sent.number > safe.number {
                info!(
                    sent = %self.sent, safe = %safe, is_in_vain, is_new_key, is_lost,
                    "batches are sent again"
                );
            }
            self.sent = safe;
            self.posted.forget_above(safe.number);
        }
    }

    /// The blocks of the next channel, at least one. None if everything was sent, or if the L2 chain is about to leave the
    /// branch that `status` speaks of.
    fn next_channel(
        &self,
        view: &ChainView,
        status: &SyncStatus,
    ) -> Result<Vec<Block>, BatcherError> {
        let config = *self.inbox.config.borrow();
        let size_max =
            (config.piece_bytes() * PIECES_MAX).min(config.frame_data_bytes() * FRAMES_MAX);
        let unsafe_head = status.unsafe_l2;
        let is_current = view
            .block_by_number(unsafe_head.number)
            .is_some_and(|block| block.hash == unsafe_head.hash);
        let up_to = if is_current {
            unsafe_head.number
        } else {
            self.sent.number
        };
        let (mut blocks, mut size) = (Vec::new(), 0);
        for block in (self.sent.number + 1..=up_to).map_while(|number| view.block_by_number(number))
        {
            let transactions = transactions_of(block);
            size += encoded_size(&transactions);
            if size > size_max && !blocks.is_empty() {
                break;
            }
            let reference = self.l2.reference(block)?;
            blocks.push(Block {
                reference,
                transactions,
            });
        }
        Ok(blocks)
    }

    fn send(
        &self,
        account: &DevAccount,
        da: DataAvailability,
        content: &Content,
        carried: Option<Carried>,
    ) -> Result<Vec<B256>, BatcherError> {
        let nonce = self
            .l1
            .with_chain(|chain| chain.pending_nonce(&account.address));
        let config = self.l2.config();
        let (chain_id, inbox) = (config.l1_chain_id, config.batch_inbox_address);
        let signed = sign(account, nonce, chain_id, inbox, da, content)?;
        let hashes: Vec<B256> = signed.iter().map(|one| one.hash).collect();
        // Before sending: the L1 may mine a transaction at once.
        if let Some(carried) = carried {
            self.ledger.enter(hashes.clone(), carried);
        }
        for Signed { network_bytes, .. } in signed {
            self.l1.submit(&network_bytes)?;
        }
        Ok(hashes)
    }
}

/// One that waits behind a nonce which an L1 reorg has taken away waits for ever, unless it is filled.
fn place_of(chain: &Chain, transaction: &B256) -> Place {
    if let Some((block, _)) = chain.transaction(transaction) {
        return Place::Block(block.number());
    }
    let will_be_mined = chain
        .pending_transaction(transaction)
        .is_some_and(|waiting| waiting.nonce() < chain.pending_nonce(&waiting.signer()));
    if will_be_mined {
        Place::Pool
    } else {
        Place::Nowhere
    }
}

fn transactions_of(block: &ExecutedBlock) -> Vec<Bytes> {
    batch_transactions(&block.block.body.transactions)
}

/// Upper bound of a batch's size before compression.
fn encoded_size(transactions: &[Bytes]) -> usize {
    BATCH_OVERHEAD_BYTES + transactions.iter().map(|one| one.len() + 9).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, l1_transaction};
    use alloy_primitives::U256;
    use light_node_protocol::Hardfork;

    #[tokio::test]
    async fn a_transaction_behind_a_missing_nonce_is_lost_until_that_is_filled() {
        let rig = Rig::new(Hardfork::Jovian).await;
        let sender = &DEV_ACCOUNTS[2];
        let send = |nonce| {
            let to = sender.address;
            let signed = sender.sign(l1_transaction(nonce, to, U256::ZERO, Bytes::new()));
            rig.l1.submit(&signed).expect("it may wait")
        };
        let second = send(1);
        let place = || rig.l1.with_chain(|chain| place_of(chain, &second));
        assert_eq!(place(), Place::Nowhere);
        send(0);
        assert_eq!(place(), Place::Pool);
        rig.l1.mine(1).expect("one block");
        assert_eq!(place(), Place::Block(1));
    }
}
