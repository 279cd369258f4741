//! Commands to the batcher: pause, write in another way, and send things that no batcher should send.

use super::{
    BatcherError,
    config::{BatcherConfig, DataAvailability},
};
use alloy_primitives::{B256, Bytes};
use light_node_devnet_batches::malformed::Malformed;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Commands that wait. Whoever gives more waits.
const COMMANDS_MAX: usize = 16;

/// Something to be sent beside the blocks.
#[derive(Clone, Debug)]
pub(super) enum Extra {
    /// Batcher data as it is: one piece for each transaction or blob.
    Data(Vec<Bytes>),
    /// Something malformed, on top of what has been sent.
    Malformed(Malformed),
}

pub(super) type Reply = oneshot::Sender<Result<Vec<B256>, BatcherError>>;

#[derive(Debug)]
pub(super) struct Command {
    pub(super) extra: Extra,
    pub(super) da: DataAvailability,
    pub(super) reply: Reply,
}

/// Commands the batcher. Clones command the same one.
#[derive(Clone, Debug)]
pub struct BatcherHandle {
    paused: Arc<watch::Sender<bool>>,
    config: Arc<watch::Sender<BatcherConfig>>,
    commands: mpsc::Sender<Command>,
}

/// The batcher's ends of it.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) paused: watch::Receiver<bool>,
    pub(super) config: watch::Receiver<BatcherConfig>,
    pub(super) commands: mpsc::Receiver<Command>,
}

impl BatcherHandle {
    pub(super) fn new(config: BatcherConfig) -> (Self, Inbox) {
        let paused = Arc::new(watch::Sender::new(false));
        let config = Arc::new(watch::Sender::new(config));
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let inbox = Inbox {
            paused: paused.subscribe(),
            config: config.subscribe(),
            commands: receiver,
        };
        let handle = Self {
            paused,
            config,
            commands,
        };
        (handle, inbox)
    }

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

    /// How it writes.
    pub fn config(&self) -> BatcherConfig {
        *self.config.borrow()
    }

    /// Writes so from the next channel on.
    pub fn set_config(&self, config: BatcherConfig) {
        self.config.send_replace(config);
    }

    /// Sends batcher data as it is, also while paused: one piece for each transaction or blob. Returns the hashes of the L1
    /// transactions.
    ///
    /// # Errors
    /// The L1 refuses a transaction, or the batcher has stopped.
    pub async fn post(
        &self,
        data: Vec<Bytes>,
        da: DataAvailability,
    ) -> Result<Vec<B256>, BatcherError> {
        self.command(Extra::Data(data), da).await
    }

    /// Sends something malformed in place of the block after the last one that was sent, also while paused. Returns the hashes
    /// of the L1 transactions. (After [`Malformed::replaces_block`], nodes that derive leave the sequencer's chain for good.)
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn post_malformed(
        &self,
        kind: Malformed,
        da: DataAvailability,
    ) -> Result<Vec<B256>, BatcherError> {
        self.command(Extra::Malformed(kind), da).await
    }

    async fn command(&self, extra: Extra, da: DataAvailability) -> Result<Vec<B256>, BatcherError> {
        let (reply, answer) = oneshot::channel();
        let command = Command { extra, da, reply };
        let sent = self.commands.send(command).await;
        sent.map_err(|_| BatcherError::Stopped)?;
        answer.await.map_err(|_| BatcherError::Stopped)?
    }
}
