//! Where blocks are judged: beside the swarm's task, because hashing a large block takes longer than a connection should wait. At
//! most four at a time, and few wait: what is not judged soon is of no use to anybody. If too many wait, the peer that has most of
//! them waiting loses one, so that nobody who fills the room keeps the block of another out.

use crate::{
    topics::BlockVersion,
    verdict::{Judge, Judgement, Moment},
};
use alloy_primitives::Bytes;
use libp2p::{PeerId, gossipsub::MessageId};
use rand::seq::IteratorRandom;
use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};
use tokio::task::JoinSet;

/// Blocks that are judged at a time.
const WORKERS: usize = 4;
/// Blocks that wait.
const WAITING_MAX: usize = 64;
/// Bytes that wait: with all places taken by the largest messages it would be ten times as much.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A message to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Its id in gossip.
    pub(crate) id: MessageId,
    /// The peer that brought it.
    pub(crate) source: PeerId,
    /// The version of its topic.
    pub(crate) version: BlockVersion,
    /// Its decompressed data.
    pub(crate) data: Bytes,
    /// When it came.
    pub(crate) received_at: Instant,
}

/// A message that was judged.
#[derive(Debug)]
pub(crate) struct Judged {
    /// Its id in gossip.
    pub(crate) id: MessageId,
    /// The peer that brought it.
    pub(crate) source: PeerId,
    /// When it came.
    pub(crate) received_at: Instant,
    /// What the judge said; `None` if the judge panicked, which is our fault and not the peer's.
    pub(crate) judgement: Option<Judgement>,
}

type JudgeFn = dyn Fn(BlockVersion, Bytes, Moment) -> Judgement + Send + Sync;

/// Judges messages as they come.
pub(crate) struct ValidationPool {
    judge: Arc<JudgeFn>,
    running: JoinSet<Judged>,
    waiting: VecDeque<Job>,
    waiting_bytes: usize,
}

impl ValidationPool {
    /// A pool in which `judge` judges.
    pub(crate) fn new(judge: Arc<Judge>) -> Self {
        Self::with(move |version, data, now| judge.judge(version, data, now))
    }

    fn with(
        judge: impl Fn(BlockVersion, Bytes, Moment) -> Judgement + Send + Sync + 'static,
    ) -> Self {
        Self {
            judge: Arc::new(judge),
            running: JoinSet::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// Takes a message in, and gives back those that have no room: it, or others.
    pub(crate) fn offer(&mut self, job: Job) -> Vec<Job> {
        if self.running.len() < WORKERS {
            self.start(job);
            return Vec::new();
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(job.data.len());
        self.waiting.push_back(job);
        let mut dropped = Vec::new();
        while self.waiting_bytes > WAITING_BYTES_MAX || self.waiting.len() > WAITING_MAX {
            let Some(job) = self.evict() else { break };
            self.waiting_bytes -= job.data.len();
            dropped.push(job);
        }
        dropped
    }

    /// Takes out the newest message of the peer that takes most of what is short. Of equal ones any: an order that can be known
    /// could be used.
    fn evict(&mut self) -> Option<Job> {
        let is_short_of_bytes = self.waiting_bytes > WAITING_BYTES_MAX;
        let mut shares: HashMap<PeerId, usize> = HashMap::new();
        for job in &self.waiting {
            *shares.entry(job.source).or_default() += match is_short_of_bytes {
                true => job.data.len(),
                false => 1,
            };
        }
        let most = shares.values().copied().max()?;
        let greediest = shares.into_iter().filter(|(_, share)| *share == most);
        let (greediest, _) = greediest.choose(&mut rand::rng())?;
        let newest = self
            .waiting
            .iter()
            .rposition(|job| job.source == greediest)?;
        self.waiting.remove(newest)
    }

    /// The next message that was judged. Waits for ever while there is none under way.
    ///
    /// # Cancel safety
    /// None is lost.
    pub(crate) async fn judged(&mut self) -> Judged {
        loop {
            match self.running.join_next().await {
                Some(Ok(judged)) => {
                    self.start_next();
                    return judged;
                }
                // A job catches its panics, and nobody aborts it but the end of the runtime.
                Some(Err(_)) => self.start_next(),
                None => std::future::pending().await,
            }
        }
    }

    /// How many wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn start_next(&mut self) {
        if let Some(job) = self.waiting.pop_front() {
            self.waiting_bytes -= job.data.len();
            self.start(job);
        }
    }

    fn start(&mut self, job: Job) {
        let judge = Arc::clone(&self.judge);
        self.running.spawn_blocking(move || {
            let judge = || judge(job.version, job.data, Moment::now());
            Judged {
                id: job.id,
                source: job.source,
                received_at: job.received_at,
                judgement: catch_unwind(AssertUnwindSafe(judge)).ok(),
            }
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::verdict::{IgnoreReason, Verdict};
    use std::sync::{Condvar, Mutex};

    fn job(id: u8) -> Job {
        Job {
            id: MessageId::from(vec![id]),
            source: PeerId::random(),
            version: BlockVersion::V4,
            data: Bytes::from(vec![id]),
            received_at: Instant::now(),
        }
    }

    fn ignored() -> Judgement {
        Judgement {
            verdict: Verdict::Ignore(IgnoreReason::Seen),
            signer_mismatch: false,
        }
    }

    #[tokio::test]
    async fn a_judge_that_panics_blames_nobody_and_judges_on() {
        let mut pool = ValidationPool::with(|_, data, _| {
            assert!(data[0] != 1, "a bug");
            ignored()
        });
        assert!(pool.offer(job(1)).is_empty());
        assert_eq!(pool.judged().await.judgement, None);
        assert!(pool.offer(job(2)).is_empty());
        assert_eq!(pool.judged().await.judgement, Some(ignored()));
    }

    #[tokio::test]
    async fn a_full_pool_takes_no_more_until_one_is_judged() {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let closed = Arc::clone(&gate);
        let mut pool = ValidationPool::with(move |_, _, _| {
            let (open, opened) = &*closed;
            let open = opened.wait_while(open.lock().unwrap(), |open| !*open);
            drop(open.unwrap());
            ignored()
        });
        for id in 0..WORKERS + WAITING_MAX {
            assert!(pool.offer(job(id as u8)).is_empty());
        }
        assert_eq!(pool.waiting(), WAITING_MAX);
        assert_eq!(pool.offer(job(255)).len(), 1);
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        pool.judged().await;
        assert!(pool.offer(job(255)).is_empty());
        for _ in 0..WORKERS + WAITING_MAX {
            pool.judged().await;
        }
        assert_eq!(pool.waiting(), 0);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_bytes() {
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let closed = Arc::clone(&gate);
        let mut pool = ValidationPool::with(move |_, _, _| {
            drop(closed.lock());
            ignored()
        });
        let large = Job {
            data: Bytes::from(vec![0; 10 * 1024 * 1024]),
            ..job(0)
        };
        let taken = (0..20)
            .take_while(|_| pool.offer(large.clone()).is_empty())
            .count();
        assert_eq!(taken, WORKERS + WAITING_BYTES_MAX / large.data.len());
        drop(held);
    }

    #[tokio::test]
    async fn who_fills_the_room_loses_it_to_those_who_send_little() {
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let closed = Arc::clone(&gate);
        let mut pool = ValidationPool::with(move |_, _, _| {
            drop(closed.lock());
            ignored()
        });
        let flooder = PeerId::random();
        let flood = |bytes| Job {
            source: flooder,
            data: Bytes::from(vec![0; bytes]),
            ..job(0)
        };
        for _ in 0..WORKERS + WAITING_MAX {
            assert!(pool.offer(flood(66)).is_empty());
        }
        let honest = job(1);
        let dropped = pool.offer(honest.clone());
        assert!(dropped.len() == 1 && dropped[0].source == flooder);
        // Neither by number nor by size is it pushed out.
        for _ in 0..20 {
            let dropped = pool.offer(flood(10 * 1024 * 1024));
            assert!(dropped.iter().all(|job| job.source == flooder));
        }
        assert!(pool.waiting.contains(&honest));
        assert!(pool.waiting.len() <= WAITING_MAX && pool.waiting_bytes <= WAITING_BYTES_MAX);
        drop(held);
    }
}
