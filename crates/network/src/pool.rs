//! Where blocks are judged: beside the swarm's task, because hashing a large block takes longer than a connection should wait. At
//! most four at a time, and few wait: what is not judged soon is of no use to anybody.

use crate::{
    topics::BlockVersion,
    verdict::{Judge, Judgement, Moment},
};
use alloy_primitives::Bytes;
use libp2p::{PeerId, gossipsub::MessageId};
use std::{
    collections::VecDeque,
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

    /// Takes a message in; false if too many wait.
    pub(crate) fn offer(&mut self, job: Job) -> bool {
        if self.running.len() < WORKERS {
            self.start(job);
            return true;
        }
        let bytes = self.waiting_bytes.saturating_add(job.data.len());
        if self.waiting.len() >= WAITING_MAX || bytes > WAITING_BYTES_MAX {
            return false;
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back(job);
        true
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
        assert!(pool.offer(job(1)));
        assert_eq!(pool.judged().await.judgement, None);
        assert!(pool.offer(job(2)));
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
            assert!(pool.offer(job(id as u8)));
        }
        assert_eq!(pool.waiting(), WAITING_MAX);
        assert!(!pool.offer(job(255)));
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        pool.judged().await;
        assert!(pool.offer(job(255)));
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
        let taken = (0..20).take_while(|_| pool.offer(large.clone())).count();
        assert_eq!(taken, WORKERS + WAITING_BYTES_MAX / large.data.len());
        drop(held);
    }
}
