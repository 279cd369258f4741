//! The actor that brings L1 to derivation. It fetches blocks and blobs ahead of the cursor that [`L1Source::advance`] tells, as
//! far as window, memory and rate allow, so that [`L1Source::block`] usually answers at once; what is asked for and not there
//! is fetched at once. Of every key one request is under way at the most, and all who ask for it wait for that one.
//!
//! It awaits nobody but L1's endpoints and beacons. Ways in: requests of [`L1FeedHandle`], the cursor, the heads that the
//! watcher publishes. What a reorg makes doubtful is dropped when the heads or a fetched block contradict it.

mod config;
mod decode;
mod fetch;
mod handle;
mod limiter;
mod plan;
mod store;
#[cfg(test)]
pub(crate) mod testing;

use crate::{
    BeaconClient, Blob, BlobError, L1Data, L1DataError, L1Error, L1Handle, L1Heads, L1Metrics,
    beacon::{Blobs, Wanted},
    window::Forks,
};
use alloy_primitives::{Address, B256};
pub use config::L1FeedConfig;
use fetch::{Fetch, Want};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
pub use handle::L1FeedHandle;
use light_node_actor::{Backoff, CancellationToken};
use light_node_protocol::BlockNumHash;
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use store::{BLOB_BYTES, Store};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tracing::debug;

#[cfg(doc)]
use crate::L1Source;

/// Requests that may wait for the actor; derivation has one or two at a time.
const REQUESTS: usize = 64;
/// After a failure nothing is fetched ahead for so long at least, longer with each until something is got; who asks is served
/// all the same.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// Blobs beyond those of a full window that may be held for who asked.
const SPARE_BLOBS: usize = 256;

type BlockReply = Result<Option<Arc<L1Data>>, L1DataError>;
type BlobReply = Result<Vec<Arc<Blob>>, BlobError>;

/// Where derivation stands, and whose blobs it wants.
type Cursor = Option<(BlockNumHash, Address)>;

#[derive(Debug)]
enum Request {
    Block {
        number: u64,
        reply: oneshot::Sender<BlockReply>,
    },
    BlockByHash {
        id: BlockNumHash,
        reply: oneshot::Sender<BlockReply>,
    },
    Blobs(BlobRequest),
}

#[derive(Debug)]
struct BlobRequest {
    /// With repetitions, in the order of the answer.
    hashes: Vec<B256>,
    wanted: Wanted,
    reply: oneshot::Sender<BlobReply>,
}

/// What came of a fetch.
enum Done {
    Blocks(Want, Result<Option<Vec<L1Data>>, L1Error>),
    Blobs(Wanted, Result<Blobs, BlobError>),
}

/// Fetches what derivation reads of L1.
#[derive(Debug)]
pub struct L1Feed {
    config: L1FeedConfig,
    fetch: Arc<Fetch>,
    beacons: Arc<BeaconClient>,
    heads: watch::Receiver<L1Heads>,
    forks: watch::Receiver<Forks>,
    /// Reorgs that the store has seen.
    forks_seen: u64,
    cursor: watch::Receiver<Cursor>,
    requests: mpsc::Receiver<Request>,
    metrics: L1Metrics,
    store: Store,
    tasks: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Heights under way, and who waits for each.
    numbers: HashMap<u64, Vec<oneshot::Sender<BlockReply>>>,
    /// Blocks under way by their hashes, and who waits for each.
    hashes: HashMap<B256, Vec<oneshot::Sender<BlockReply>>>,
    /// Blocks whose blobs are under way, how many, and who waits for them.
    blobs: HashMap<B256, (usize, Vec<BlobRequest>)>,
    /// Blocks whose blobs are not fetched ahead any more, because that failed.
    given_up: HashSet<B256>,
    /// Nothing is fetched ahead before.
    paused_until: Instant,
    pauses: Backoff,
}

impl L1Feed {
    /// A feed over the endpoints of `l1` and over `beacons`. Nothing is fetched before [`L1Feed::run`].
    pub fn new(
        config: L1FeedConfig,
        l1: &L1Handle,
        mut beacons: BeaconClient,
    ) -> (Self, L1FeedHandle) {
        let metrics = l1.metrics().clone();
        beacons.set_metrics(metrics.beacon_requests().clone());
        let fetch = Fetch::new(
            l1.endpoints().clone(),
            config.addresses,
            config.calls_per_second,
            config.request_deadline,
        );
        let forks = l1.forks();
        let forks_seen = forks.borrow().count;
        let (sender, requests) = mpsc::channel(REQUESTS);
        let (cursor_sender, cursor) = watch::channel(None);
        let feed = Self {
            config,
            fetch: Arc::new(fetch),
            beacons: Arc::new(beacons),
            heads: l1.watch(),
            forks_seen,
            forks,
            cursor,
            requests,
            metrics,
            store: Store::default(),
            tasks: FuturesUnordered::new(),
            numbers: HashMap::new(),
            hashes: HashMap::new(),
            blobs: HashMap::new(),
            given_up: HashSet::new(),
            paused_until: Instant::now(),
            pauses: Backoff::new(PAUSES.0, PAUSES.1),
        };
        (feed, L1FeedHandle::new(sender, cursor_sender))
    }

    /// The same, without showing what it holds: there is one gauge of that, and it is of the feed that derivation reads.
    #[must_use]
    pub fn unmeasured(mut self) -> Self {
        self.metrics = L1Metrics::default();
        self
    }

    /// Feeds until `token` is cancelled, or until every handle is dropped.
    ///
    /// # Errors
    /// Never: what L1 does is told to who asks.
    pub async fn run(mut self, token: CancellationToken) -> Result<(), Infallible> {
        self.note_heads();
        self.beacons.prepare();
        loop {
            let is_paused = self.paused_until > Instant::now();
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                Some(done) = self.tasks.next() => self.note(done),
                Ok(()) = self.heads.changed() => self.note_heads(),
                Ok(()) = self.cursor.changed() => self.note_cursor(),
                request = self.requests.recv() => match request {
                    Some(request) => self.serve(request),
                    None => return Ok(()),
                },
                () = sleep_until(self.paused_until), if is_paused => {}
            }
            self.fetch_ahead();
            let (blocks, bytes) = (self.store.window_blocks(), self.store.window_bytes());
            self.metrics.show_feed(blocks, bytes);
        }
    }

    fn note_heads(&mut self) {
        let heads = *self.heads.borrow_and_update();
        let forks = *self.forks.borrow_and_update();
        let mut is_reorg = self.store.set_heads(&heads);
        if forks.count != self.forks_seen {
            // Of several reorgs only the last one's depth is known.
            let kept = forks.kept.filter(|_| forks.count == self.forks_seen + 1);
            is_reorg |= self.store.reorg(kept);
            self.forks_seen = forks.count;
        }
        if is_reorg {
            debug!(head = %heads.head, "l1 data dropped by a reorg");
        }
    }

    fn note_cursor(&mut self) {
        let cursor = *self.cursor.borrow_and_update();
        if let Some((cursor, _)) = cursor {
            self.store.advance(cursor.number);
            self.given_up.clear();
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Block { number, reply } => self.serve_block(number, reply),
            Request::BlockByHash { id, reply } => {
                if let Some(data) = self.store.by_id(id) {
                    answer(reply, Ok(Some(data.clone())));
                    return;
                }
                let waiting = self.hashes.entry(id.hash).or_default();
                waiting.push(reply);
                if waiting.len() == 1 {
                    self.start(Want::Hash(id));
                }
            }
            Request::Blobs(request) => self.serve_blobs(request),
        }
    }

    fn serve_block(&mut self, number: u64, reply: oneshot::Sender<BlockReply>) {
        let head = self.heads.borrow().head;
        if !head.is_zero() && number > head.number {
            answer(reply, Ok(None));
        } else if let Some(data) = self.store.canonical(number) {
            answer(reply, Ok(Some(data.clone())));
        } else if let Some(waiting) = self.numbers.get_mut(&number) {
            waiting.push(reply);
        } else {
            self.numbers.insert(number, vec![reply]);
            self.start(Want::Number {
                number,
                at_head: number == head.number,
            });
        }
    }

    fn serve_blobs(&mut self, request: BlobRequest) {
        let blobs = request.hashes.iter().map(|hash| self.store.blob(hash));
        if let Some(blobs) = blobs.map(|blob| blob.cloned()).collect::<Option<Vec<_>>>() {
            answer(request.reply, Ok(blobs));
            return;
        }
        let block = request.wanted.block.hash;
        if let Some((_, waiting)) = self.blobs.get_mut(&block) {
            waiting.push(request);
            return;
        }
        let mut wanted = request.wanted.clone();
        // One question for all that the block will be asked for.
        if let Some(data) = self.store.by_id(wanted.block) {
            let also = self.batcher_blobs(data);
            wanted.hashes.extend(also);
        }
        let mut seen = HashSet::new();
        let hashes = std::mem::take(&mut wanted.hashes).into_iter();
        wanted.hashes = hashes
            .filter(|hash| self.store.blob(hash).is_none() && seen.insert(*hash))
            .collect();
        self.start_blobs(wanted, vec![request]);
    }

    /// The heights must be noted as under way.
    fn start(&mut self, want: Want) {
        let fetch = self.fetch.clone();
        let task = async move { Done::Blocks(want, fetch.blocks(want).await) };
        self.tasks.push(Box::pin(task));
    }

    fn start_blobs(&mut self, wanted: Wanted, waiting: Vec<BlobRequest>) {
        self.blobs
            .insert(wanted.block.hash, (wanted.hashes.len(), waiting));
        let beacons = self.beacons.clone();
        let task = async move {
            let outcome = beacons.blobs(&wanted).await;
            Done::Blobs(wanted, outcome)
        };
        self.tasks.push(Box::pin(task));
    }

    fn note(&mut self, done: Done) {
        match done {
            Done::Blocks(want, outcome) => self.note_blocks(want, outcome),
            Done::Blobs(wanted, outcome) => self.note_blobs(wanted, outcome),
        }
    }

    fn note_blocks(&mut self, want: Want, outcome: Result<Option<Vec<L1Data>>, L1Error>) {
        let mut found: HashMap<u64, Arc<L1Data>> = HashMap::new();
        let failure = match outcome {
            Ok(blocks) => {
                for data in blocks.unwrap_or_default() {
                    found.insert(data.header.number, Arc::new(data));
                }
                None
            }
            Err(error) => Some(L1DataError::from(error)),
        };
        if failure.is_some() || found.is_empty() && !matches!(want, Want::Hash(_)) {
            // None answers well, or none has what it was known to have.
            self.pause();
        }
        for number in want.numbers() {
            let data = found.remove(&number);
            if data
                .as_ref()
                .is_some_and(|data| self.is_doubtful(want, data))
            {
                // Who waits for it goes on waiting.
                self.start(Want::Confirmed { number });
                continue;
            }
            let waiting = match want {
                Want::Hash(id) => self.hashes.remove(&id.hash),
                Want::Number { .. } | Want::Confirmed { .. } | Want::Range { .. } => {
                    self.numbers.remove(&number)
                }
            };
            if let Some(data) = data.clone() {
                self.keep(want, data);
            }
            for reply in waiting.unwrap_or_default() {
                let failed = failure.clone().map_or_else(|| Ok(data.clone()), Err);
                answer(reply, failed);
            }
        }
    }

    /// Of several failures at the same time the first counts.
    fn pause(&mut self) {
        let now = Instant::now();
        if self.paused_until <= now {
            self.paused_until = now + self.pauses.next_delay();
        }
        self.paused_until = self.paused_until.max(self.fetch.available_at());
    }

    /// The block contradicts others. L1 was reorganised, or the endpoint has a block of another branch in its chain.
    fn is_doubtful(&self, want: Want, data: &L1Data) -> bool {
        let is_first_answer = matches!(want, Want::Number { .. } | Want::Range { .. });
        is_first_answer && self.store.contradicts(data)
    }

    fn keep(&mut self, want: Want, data: Arc<L1Data>) {
        self.pauses.reset();
        self.paused_until = self.paused_until.min(Instant::now());
        let block = data.id();
        match want {
            Want::Hash(_) => self.store.remember(data),
            Want::Number { .. } | Want::Confirmed { .. } | Want::Range { .. } => {
                if self.store.adopt(data) {
                    debug!(number = block.number, hash = %block.hash, "l1 data dropped by a reorg");
                }
            }
        }
    }

    fn note_blobs(&mut self, wanted: Wanted, outcome: Result<Blobs, BlobError>) {
        let entry = self.blobs.remove(&wanted.block.hash);
        let waiting = entry.map(|(_, waiting)| waiting).unwrap_or_default();
        match outcome {
            Ok(blobs) => {
                let limit = self.config.window_bytes / BLOB_BYTES + SPARE_BLOBS;
                self.store.put_blobs(wanted.block.number, blobs, limit);
                for request in waiting {
                    self.serve_blobs(request);
                }
            }
            Err(error) => {
                self.given_up.insert(wanted.block.hash);
                for request in waiting {
                    answer(request.reply, Err(error.clone()));
                }
            }
        }
    }
}

/// Who asked may be gone, and then nobody wants to know.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    drop(reply.send(value));
}

#[cfg(test)]
mod tests;
