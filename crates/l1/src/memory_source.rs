//! An [`L1Source`] in memory, for the tests of those who derive: blocks are pushed and reorged on command, answers may be
//! late or fail. Headers are real (they hash to their hashes and link), blobs are not checked against their hashes.

use crate::{Blob, BlobError, HttpError, InboxTransaction, L1Data, L1DataError, L1Error, L1Source};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bloom, BloomInput, Log, keccak256};
use async_trait::async_trait;
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Seconds between two blocks, unless a test says otherwise.
const BLOCK_TIME: u64 = 12;

/// An L1 whose blocks are pushed by a test. Clones are the same one.
#[derive(Clone, Debug)]
pub struct MemoryL1Source {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    canonical: Vec<Arc<L1Data>>,
    by_hash: HashMap<B256, Arc<L1Data>>,
    blobs: HashMap<B256, Arc<Blob>>,
    blob_error: Option<BlobError>,
    branch: u64,
    delay: Duration,
    failures: usize,
    answers: u64,
    cursor: Option<(BlockNumHash, Address)>,
}

impl MemoryL1Source {
    /// An L1 that begins with an empty block of this number and time.
    pub fn new(number: u64, timestamp: u64) -> Self {
        let source = Self {
            state: Arc::default(),
        };
        source.push_data(L1Data::with_header(
            Header {
                number,
                timestamp,
                base_fee_per_gas: Some(7),
                ..Header::default()
            },
            Vec::new(),
            Vec::new(),
        ));
        source
    }

    /// Adds the next block, 12 s after the last one, with these transactions to the inbox and these logs of portal and
    /// SystemConfig.
    pub fn push(&self, inbox: Vec<InboxTransaction>, logs: Vec<Log>) -> BlockNumHash {
        self.push_with(inbox, logs, |_| {})
    }

    /// As [`Self::push`], with a last word on the header before it is hashed.
    pub fn push_with(
        &self,
        inbox: Vec<InboxTransaction>,
        logs: Vec<Log>,
        edit: impl FnOnce(&mut Header),
    ) -> BlockNumHash {
        let (parent, branch) = {
            let state = self.lock();
            (state.head().clone(), state.branch)
        };
        let mut logs_bloom = Bloom::default();
        for log in &logs {
            logs_bloom.accrue(BloomInput::Raw(log.address.as_slice()));
            for topic in log.topics() {
                logs_bloom.accrue(BloomInput::Raw(topic.as_slice()));
            }
        }
        let mut header = Header {
            number: parent.header.number + 1,
            parent_hash: parent.hash,
            timestamp: parent.header.timestamp + BLOCK_TIME,
            mix_hash: keccak256(branch.to_be_bytes()),
            logs_bloom,
            base_fee_per_gas: Some(7),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(keccak256(parent.hash)),
            ..Header::default()
        };
        edit(&mut header);
        let logs = (0..).zip(logs).collect();
        let data = L1Data::with_header(header, inbox, logs);
        let id = data.id();
        self.push_data(data);
        id
    }

    /// Adds a block as it is; whether it links is the test's affair.
    pub fn push_data(&self, data: L1Data) {
        let data = Arc::new(data);
        let mut state = self.lock();
        state.by_hash.insert(data.hash, data.clone());
        state.canonical.push(data);
    }

    /// Adds so many empty blocks.
    pub fn push_empty(&self, count: usize) {
        for _ in 0..count {
            self.push(Vec::new(), Vec::new());
        }
    }

    /// Takes the `depth` highest blocks off the chain; what is pushed from now on is of another branch. They are still found
    /// by their hashes, until [`Self::forget`].
    pub fn reorg(&self, depth: usize) {
        let mut state = self.lock();
        let kept = state.canonical.len().saturating_sub(depth).max(1);
        state.canonical.truncate(kept);
        state.branch += 1;
    }

    /// Forgets every block that is not canonical.
    pub fn forget(&self) {
        let mut state = self.lock();
        let canonical = state.canonical.clone();
        state.by_hash = canonical
            .into_iter()
            .map(|data| (data.hash, data))
            .collect();
    }

    /// Adds a blob, and says under which versioned hash. The hash is not the blob's real one.
    pub fn push_blob(&self, blob: Blob) -> B256 {
        let mut hash = keccak256(blob);
        hash.0[0] = 1;
        self.lock().blobs.insert(hash, Arc::new(blob));
        hash
    }

    /// Adds a blob under a hash of the test's choice.
    pub fn insert_blob(&self, hash: B256, blob: Blob) {
        self.lock().blobs.insert(hash, Arc::new(blob));
    }

    /// Loses a blob: who asks for it is told that its slot was missed.
    pub fn remove_blob(&self, hash: B256) {
        self.lock().blobs.remove(&hash);
    }

    /// From now on every question for blobs fails like this, or no longer.
    pub fn set_blob_error(&self, error: Option<BlobError>) {
        self.lock().blob_error = error;
    }

    /// From now on every answer takes so long.
    pub fn set_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// The next `count` questions, for blobs too, fail as if no endpoint answered.
    pub fn fail_next(&self, count: usize) {
        self.lock().failures = count;
    }

    /// The highest block.
    pub fn head(&self) -> L1BlockRef {
        self.lock().head().block_ref()
    }

    /// The canonical block of a height.
    pub fn data(&self, number: u64) -> Option<Arc<L1Data>> {
        self.lock().at(number)
    }

    /// Questions answered so far, failures included.
    pub fn answers(&self) -> u64 {
        self.lock().answers
    }

    /// What [`L1Source::advance`] was told last.
    pub fn cursor(&self) -> Option<(BlockNumHash, Address)> {
        self.lock().cursor
    }

    /// Waits as long as an answer takes, and says whether it is one.
    async fn answered(&self) -> Result<(), L1Error> {
        let delay = self.lock().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut state = self.lock();
        state.answers += 1;
        if state.failures == 0 {
            return Ok(());
        }
        state.failures -= 1;
        Err(L1Error::Http {
            endpoint: "memory".to_owned(),
            source: HttpError::Connect {
                cause: "connection refused".to_owned(),
            },
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// There is always a first block.
    fn head(&self) -> &Arc<L1Data> {
        &self.canonical[self.canonical.len() - 1]
    }

    fn at(&self, number: u64) -> Option<Arc<L1Data>> {
        let first = self.canonical[0].header.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.canonical.get(index).cloned()
    }
}

impl L1Data {
    /// A block with this header and its true hash.
    pub fn with_header(
        header: Header,
        inbox: Vec<InboxTransaction>,
        logs: Vec<(u64, Log)>,
    ) -> Self {
        let hash = header.hash_slow();
        Self {
            header,
            hash,
            inbox,
            logs,
        }
    }
}

#[async_trait]
impl L1Source for MemoryL1Source {
    async fn block(&self, number: u64) -> Result<Option<Arc<L1Data>>, L1DataError> {
        self.answered().await?;
        Ok(self.data(number))
    }

    async fn block_by_hash(&self, id: BlockNumHash) -> Result<Option<Arc<L1Data>>, L1DataError> {
        self.answered().await?;
        Ok(self.lock().by_hash.get(&id.hash).cloned())
    }

    async fn blobs(
        &self,
        block: BlockNumHash,
        slot_time: u64,
        _parent_beacon_root: Option<B256>,
        hashes: &[B256],
    ) -> Result<Vec<Arc<Blob>>, BlobError> {
        let answered = self.answered().await;
        answered.map_err(|error| BlobError::Unavailable {
            cause: error.to_string(),
        })?;
        let state = self.lock();
        if let Some(error) = state.blob_error.clone() {
            return Err(error);
        }
        let slot = slot_time / BLOCK_TIME;
        if state
            .at(block.number)
            .is_some_and(|data| data.hash != block.hash)
        {
            return Err(BlobError::Reorged { block, slot });
        }
        hashes
            .iter()
            .map(|hash| state.blobs.get(hash).cloned())
            .collect::<Option<_>>()
            .ok_or(BlobError::Missed { block, slot })
    }

    fn advance(&self, cursor: BlockNumHash, batcher: Address) {
        self.lock().cursor = Some((cursor, batcher));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reorg_replaces_blocks_that_are_still_found_by_hash_until_they_are_forgotten() {
        let l1 = MemoryL1Source::new(7, 1000);
        l1.push_empty(3);
        let old = l1.head();
        l1.reorg(2);
        l1.push_empty(2);
        let new = l1.block(10).await.unwrap().unwrap();
        assert_ne!(new.hash, old.hash);
        assert_eq!(new.header.hash_slow(), new.hash);
        assert!(l1.block(11).await.unwrap().is_none());
        assert!(l1.block_by_hash(old.id()).await.unwrap().is_some());
        l1.forget();
        assert!(l1.block_by_hash(old.id()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn blobs_are_given_in_the_order_asked_for_and_a_lost_one_is_missed() {
        let l1 = MemoryL1Source::new(0, 0);
        let hashes = [1, 2].map(|byte| l1.push_blob(Blob::repeat_byte(byte)));
        let head = l1.head();
        let asked = [hashes[1], hashes[0]];
        let blobs = l1.blobs(head.id(), 0, None, &asked).await.unwrap();
        assert_eq!([blobs[0][0], blobs[1][0]], [2, 1]);
        l1.remove_blob(hashes[0]);
        let missed = l1.blobs(head.id(), 0, None, &asked).await;
        assert!(matches!(missed, Err(BlobError::Missed { .. })));
    }
}
