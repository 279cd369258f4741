//! Who may sign unsafe blocks: read from the storage of the SystemConfig contract on L1, and published in a `watch`.
//!
//! It is read at the start, every few minutes, after an L1 reorg, when a new head may hold a change of our SystemConfig (its
//! bloom says so, which costs no request), and when a block of another signer was seen. A bloom of Ethereum mainnet is so full
//! that it says so of every few blocks; so blooms are heeded once between two regular reads, unless they were right.

mod read;

use crate::{L1Handle, L1Heads, fetcher::HeadLogs, window::Forks};
use alloy_primitives::{Address, B256, Bloom, BloomInput, b256};
use light_node_actor::{Backoff, CancellationToken, in_words};
use light_node_protocol::CONFIG_UPDATE_TOPIC;
use std::time::Duration;
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

/// Slot of the signer's address in the SystemConfig contract: keccak256("systemconfig.unsafeblocksigner"), without the minus
/// one that other slots named by a hash have.
pub const UNSAFE_BLOCK_SIGNER_SLOT: B256 =
    b256!("0x65a7ed542fb37fe237fdfbdd70b31598523fe5b32879e307bae27a0bd9581c08");

/// Third topic of the `ConfigUpdate` that changes the signer.
const SIGNER_UPDATE_KIND: B256 = B256::with_last_byte(3);

/// Blocks of a wrong signer, which anybody can send, do not make us ask more often.
const RECHECK_INTERVAL: Duration = Duration::from_secs(12);

/// First and longest time between two attempts, jittered.
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Settings of the watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerConfig {
    /// The SystemConfig contract of the chain.
    pub system_config: Address,
    /// So many blocks below the L1 head the signer is read.
    pub confirmations: u64,
    /// Time between two regular reads.
    pub reload_interval: Duration,
    /// Deadline of one request.
    pub request_deadline: Duration,
}

impl SignerConfig {
    /// Reads at the L1 head, every five minutes.
    pub const fn new(system_config: Address) -> Self {
        Self {
            system_config,
            confirmations: 0,
            reload_interval: Duration::from_secs(5 * 60),
            request_deadline: Duration::from_secs(10),
        }
    }
}

/// What is known of the signer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignerState {
    /// Who may sign; `None` before the first read, and the zero address if nobody is configured.
    pub address: Option<Address>,
    /// How often it was read with success.
    pub reads: u64,
    /// It is being read, or could not be read and will be again: a block of another signer may be one of the next signer.
    pub is_pending: bool,
}

/// A door to the watcher. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SignerHandle {
    state: watch::Receiver<SignerState>,
    rechecks: mpsc::Sender<()>,
    /// Keeps the state of a handle without a watcher.
    #[cfg(any(test, feature = "test-utils"))]
    _fixed: Option<std::sync::Arc<watch::Sender<SignerState>>>,
}

impl SignerHandle {
    /// The signer, on every change; the last word if the watcher has ended.
    pub fn watch(&self) -> watch::Receiver<SignerState> {
        self.state.clone()
    }

    /// Has the signer read again, because a block of another one was seen. Returns at once; within 12 s of the last read
    /// nothing happens.
    pub fn recheck(&self) {
        // One that waits already is as good.
        let _ = self.rechecks.try_send(());
    }

    /// A handle whose signer never changes.
    #[cfg(any(test, feature = "test-utils"))]
    pub fn fixed(address: Address) -> Self {
        let (sender, state) = watch::channel(SignerState {
            address: Some(address),
            reads: 1,
            is_pending: false,
        });
        Self {
            state,
            rechecks: mpsc::channel(1).0,
            _fixed: Some(std::sync::Arc::new(sender)),
        }
    }
}

/// Why the signer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// It is time.
    Regular,
    /// A bloom says that there may be a change.
    Bloom,
    /// L1 was reorged, or a block of another signer was seen.
    Doubt,
}

/// Reads the signer and publishes it.
#[derive(Debug)]
pub struct SignerWatcher {
    config: SignerConfig,
    l1: L1Handle,
    state: watch::Sender<SignerState>,
    rechecks: mpsc::Receiver<()>,
    heads: watch::Receiver<L1Heads>,
    head_logs: broadcast::Receiver<HeadLogs>,
    forks: watch::Receiver<Forks>,
    /// When, and why, it is read next.
    due: Instant,
    cause: Cause,
    retries: Backoff,
    /// The last attempt failed, and the next one comes after a pause, whatever happens meanwhile.
    is_failing: bool,
    asked_at: Option<Instant>,
    /// Height at which it was last read.
    read_at: Option<u64>,
    /// A reorg took the block at which it was last read; the head that follows from the reorg comes next.
    is_forked: bool,
    /// Height of a block that may hold a change, until it has its confirmations.
    suspect: Option<u64>,
    heeds_blooms: bool,
}

impl SignerWatcher {
    /// A watcher over the endpoints of `l1`. Nothing is sent before [`SignerWatcher::run`].
    pub fn new(config: SignerConfig, l1: &L1Handle) -> (Self, SignerHandle) {
        let (state, receiver) = watch::channel(SignerState {
            is_pending: true,
            ..SignerState::default()
        });
        let (recheck_sender, rechecks) = mpsc::channel(1);
        let watcher = Self {
            config,
            l1: l1.clone(),
            state,
            rechecks,
            heads: l1.watch(),
            head_logs: l1.head_logs(),
            forks: l1.forks(),
            due: Instant::now(),
            cause: Cause::Regular,
            retries: Backoff::new(RETRIES.0, RETRIES.1),
            is_failing: false,
            asked_at: None,
            read_at: None,
            is_forked: false,
            suspect: None,
            heeds_blooms: true,
        };
        let handle = SignerHandle {
            state: receiver,
            rechecks: recheck_sender,
            #[cfg(any(test, feature = "test-utils"))]
            _fixed: None,
        };
        (watcher, handle)
    }

    /// Watches until `token` is cancelled.
    pub async fn run(self, token: CancellationToken) {
        tokio::select! {
            biased;
            () = token.cancelled() => {}
            () = self.watch() => {}
        }
    }

    async fn watch(mut self) {
        // `self.l1` keeps the senders of all these alive, so none of the channels ends.
        let is_known = |heads: &L1Heads| !heads.head.is_zero();
        let _ = self.heads.wait_for(is_known).await;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.due) => self.read().await,
                Ok(()) = self.forks.changed() => self.note_fork(),
                head = self.head_logs.recv() => {
                    // What was missed of the heads, the next regular read makes up for.
                    if let Ok(head) = head {
                        self.note_head(&head);
                    }
                }
                Some(()) = self.rechecks.recv() => self.note_mismatch(),
            }
        }
    }

    async fn read(&mut self) {
        self.state.send_modify(|state| state.is_pending = true);
        self.asked_at = Some(Instant::now());
        let outcome = read::signer(&self.l1, &self.config).await;
        match outcome {
            Ok((block, address)) => {
                let has_changed = self.publish(address);
                if self.is_failing {
                    info!(%address, "unsafe block signer is read again");
                }
                match self.cause {
                    Cause::Regular => self.heeds_blooms = true,
                    Cause::Bloom => self.heeds_blooms = has_changed,
                    Cause::Doubt => {}
                }
                self.is_failing = false;
                self.retries.reset();
                self.cause = Cause::Regular;
                self.suspect = self.suspect.filter(|suspect| *suspect > block.number);
                self.read_at = Some(block.number);
                self.due = Instant::now() + self.config.reload_interval;
            }
            Err(error) => {
                if !self.is_failing {
                    warn!(failure = %in_words(&error), "unsafe block signer cannot be read");
                }
                self.is_failing = true;
                self.due = Instant::now() + self.retries.next_delay();
            }
        }
    }

    /// Whether it is another one than before.
    fn publish(&self, address: Address) -> bool {
        let old = self.state.borrow().address;
        self.state.send_modify(|state| {
            state.address = Some(address);
            state.reads += 1;
            state.is_pending = false;
        });
        if old == Some(address) {
            return false;
        }
        match old {
            _ if address.is_zero() => {
                warn!("no unsafe block signer is configured on l1, gossiped blocks are ignored");
            }
            None => info!(%address, "unsafe block signer known"),
            Some(from) => info!(%from, to = %address, "unsafe block signer changed"),
        }
        old.is_some()
    }

    fn note_fork(&mut self) {
        let kept = self.forks.borrow_and_update().kept;
        self.is_forked |= self
            .read_at
            .is_some_and(|at| kept.is_none_or(|kept| kept < at));
    }

    fn note_head(&mut self, HeadLogs { head, logs_bloom }: &HeadLogs) {
        let is_new = self.read_at.is_none_or(|at| head.number > at);
        if self.heeds_blooms && is_new && may_hold_update(logs_bloom, self.config.system_config) {
            self.suspect = Some(head.number);
        }
        let is_confirmed = |suspect: u64| head.number - suspect >= self.config.confirmations;
        if std::mem::take(&mut self.is_forked) {
            self.suspect = self.suspect.filter(|suspect| *suspect <= head.number);
            self.read_soon(Cause::Doubt);
        } else if self
            .suspect
            .is_some_and(|it| it <= head.number && is_confirmed(it))
        {
            self.read_soon(Cause::Bloom);
        }
    }

    fn note_mismatch(&mut self) {
        let has_rested = self
            .asked_at
            .is_none_or(|at| at.elapsed() >= RECHECK_INTERVAL);
        if has_rested {
            self.read_soon(Cause::Doubt);
        }
    }

    fn read_soon(&mut self, cause: Cause) {
        if !self.is_failing {
            self.cause = cause;
            self.due = Instant::now();
        }
    }
}

/// Whether a block with this bloom may have a log that changes the signer of this contract.
fn may_hold_update(bloom: &Bloom, system_config: Address) -> bool {
    let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
    has(system_config.as_slice())
        && has(CONFIG_UPDATE_TOPIC.as_slice())
        && has(SIGNER_UPDATE_KIND.as_slice())
}

#[cfg(test)]
mod tests;
