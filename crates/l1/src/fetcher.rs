//! The one place that asks L1. The watcher and every check share it behind a mutex: one request at a time, and whatever one
//! of them learns goes into the window, into the published heads and into the timer.

use crate::{
    BoxTransport, Canonicality, L1Config, L1Error, L1Fatal, L1Heads,
    endpoints::{Endpoints, words},
    rpc::{Answer, Question},
    schedule::Schedule,
    status::Snapshot,
    window::{Relation, Window},
};
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};
use tracing::{debug, error, info, warn};

/// An endpoint that names an ancestor of our head this often in a row does not lag: L1 was rolled back.
const LAGGING_ANSWERS: u32 = 3;
/// Between two regular heads this often a check may ask whether a block ahead of us has come.
const QUESTIONS_AHEAD: u32 = 2;
/// With head, tags and the proof of identity this stays below the 20 calls that careful providers allow in a batch.
const BLOCKS_PER_BATCH: usize = 12;
/// A reorg of more than this many blocks deserves a warning.
const USUAL_REORG_DEPTH: u64 = 2;

#[derive(Debug)]
pub(crate) struct Fetcher {
    endpoints: Endpoints,
    window: Window,
    schedule: Schedule,
    heads: watch::Sender<L1Heads>,
    status: watch::Sender<Snapshot>,
    epoch_poll_interval: Duration,
    retry_interval: Duration,
    tags_due: Instant,
    last_asked: Option<Instant>,
    last_success: Option<Instant>,
    last_error: Option<L1Error>,
    lagging_answers: u32,
    questions_ahead: u32,
    mismatch_confirmed: bool,
    reorgs: u64,
}

impl Fetcher {
    pub(crate) fn new(
        config: &L1Config,
        transports: Vec<BoxTransport>,
        heads: watch::Sender<L1Heads>,
        status: watch::Sender<Snapshot>,
    ) -> Self {
        let fetcher = Self {
            endpoints: Endpoints::new(config, transports),
            window: Window::default(),
            schedule: Schedule::new(config.block_time, config.retry_interval),
            heads,
            status,
            epoch_poll_interval: config.epoch_poll_interval,
            retry_interval: config.retry_interval,
            tags_due: Instant::now(),
            last_asked: None,
            last_success: None,
            last_error: None,
            lagging_answers: 0,
            questions_ahead: 0,
            mismatch_confirmed: false,
            reorgs: 0,
        };
        fetcher.publish_status();
        fetcher
    }

    /// When the watcher shall ask.
    pub(crate) const fn due(&self) -> Instant {
        self.schedule.due()
    }

    /// The reason to end the process, if there is one.
    pub(crate) fn fatal(&self) -> Option<L1Fatal> {
        self.endpoints.fatal()
    }

    /// Says where each block stands. Memory first; L1 is asked where the window does not know the height, and also before a
    /// block is called foreign or ahead for the first time since the head is what it is, because then L1 may have moved.
    pub(crate) async fn check(
        &mut self,
        blocks: &[BlockNumHash],
        deadline: Duration,
    ) -> Result<Vec<Canonicality>, L1Error> {
        let mut missing = Vec::new();
        let mut doubtful = false;
        for block in blocks {
            match self.window.judge(*block) {
                Some(Canonicality::Canonical) => {}
                Some(Canonicality::Mismatch { .. }) => {
                    if !self.mismatch_confirmed && !self.window.is_final(block.number) {
                        doubtful = true;
                        missing.push(block.number);
                    }
                }
                Some(Canonicality::Ahead) => {}
                None => missing.push(block.number),
            }
        }
        let ahead = self.may_ask_ahead()
            && blocks
                .iter()
                .any(|block| self.window.judge(*block) == Some(Canonicality::Ahead));
        if missing.is_empty() && !ahead {
            return self.verdicts(blocks);
        }
        if ahead {
            self.questions_ahead += 1;
        }
        if !missing.is_empty() {
            self.window.look_ahead(&mut missing, BLOCKS_PER_BATCH);
        }
        match self.refresh(&missing, deadline).await {
            Ok(()) => self.mismatch_confirmed |= doubtful,
            // What memory could say for itself does not become doubtful by an L1 that is silent.
            Err(_) if missing.is_empty() => {}
            Err(error) => return Err(error),
        }
        self.verdicts(blocks)
    }

    fn verdicts(&self, blocks: &[BlockNumHash]) -> Result<Vec<Canonicality>, L1Error> {
        let verdict = |block: &BlockNumHash| {
            self.window
                .judge(*block)
                .ok_or_else(|| self.inconsistent(block.number))
        };
        blocks.iter().map(verdict).collect()
    }

    fn may_ask_ahead(&self) -> bool {
        let rested = self
            .last_asked
            .is_none_or(|asked| asked.elapsed() >= self.retry_interval);
        rested && self.questions_ahead < QUESTIONS_AHEAD
    }

    /// One batch: the newest head, the tags if they are due, and the blocks at the heights `missing`. A second batch only
    /// if the new head does not link to what we know.
    pub(crate) async fn refresh(
        &mut self,
        missing: &[u64],
        deadline: Duration,
    ) -> Result<(), L1Error> {
        let outcome = self.fetch(missing, deadline).await;
        match &outcome {
            Ok(()) => {
                self.last_success = Some(Instant::now());
                self.last_error = None;
            }
            Err(error) => {
                self.schedule.failed(self.endpoints.available_at());
                self.last_error = Some(error.clone());
            }
        }
        self.publish_status();
        outcome
    }

    async fn fetch(&mut self, missing: &[u64], deadline: Duration) -> Result<(), L1Error> {
        self.last_asked = Some(Instant::now());
        let heads = *self.heads.borrow();
        let tags_due = Instant::now() >= self.tags_due || heads.finalized.is_zero();
        let mut questions = vec![Question::Latest];
        if tags_due {
            questions.extend([Question::Safe, Question::Finalized]);
        }
        questions.extend(missing.iter().map(|number| Question::Block(*number)));
        let mut answers = self.endpoints.ask(&questions, deadline).await?.into_iter();
        let Some(Answer::Block(head)) = answers.next() else {
            return Err(self.distrust(self.window.head().number));
        };
        self.take_head(head, deadline).await?;
        if tags_due {
            self.tags_due = Instant::now() + self.epoch_poll_interval;
            self.take_tags(answers.next(), answers.next());
        }
        for (number, answer) in missing.iter().zip(answers) {
            match answer {
                Answer::Block(block) => self.take_block(&block)?,
                _ if *number > self.window.head().number => {}
                _ => return Err(self.distrust(*number)),
            }
        }
        Ok(())
    }

    /// Makes `head` the head, after finding out what it keeps of the window.
    async fn take_head(&mut self, head: L1BlockRef, deadline: Duration) -> Result<(), L1Error> {
        let kept = match self.window.relation(&head) {
            Relation::Same => {
                self.lagging_answers = 0;
                self.schedule.nothing_new();
                return Ok(());
            }
            Relation::Behind => {
                self.lagging_answers += 1;
                if self.lagging_answers < LAGGING_ANSWERS {
                    self.schedule.nothing_new();
                    return Ok(());
                }
                Some(head.number)
            }
            Relation::Linked => head.number.checked_sub(1),
            Relation::Unlinked => self.find_fork(&head, deadline).await?,
        };
        self.lagging_answers = 0;
        self.questions_ahead = 0;
        self.mismatch_confirmed = false;
        let first = self.window.head().is_zero();
        if let Some(reorg) = self.window.advance(head, kept) {
            self.note_reorg(reorg.old_head, reorg.kept, head);
        } else if first {
            info!(number = head.number, hash = %head.hash, "l1 head known");
        } else {
            debug!(number = head.number, hash = %head.hash, "new l1 head");
        }
        self.schedule.new_head(head.timestamp);
        self.heads.send_modify(|heads| heads.head = head);
        Ok(())
    }

    /// The highest block of the window on the branch of `head`.
    async fn find_fork(
        &mut self,
        head: &L1BlockRef,
        deadline: Duration,
    ) -> Result<Option<u64>, L1Error> {
        let anchors = self.window.anchors(head);
        if anchors.is_empty() {
            return Ok(None);
        }
        let questions: Vec<_> = anchors
            .iter()
            .map(|number| Question::Block(*number))
            .collect();
        let answers = self.endpoints.ask(&questions, deadline).await?;
        let stayed = anchors.iter().zip(answers).find(|(number, answer)| {
            matches!(answer, Answer::Block(block) if self.window.hash_at(**number) == Some(block.hash))
        });
        Ok(stayed.map(|(number, _)| *number))
    }

    fn note_reorg(&mut self, old: L1BlockRef, kept: Option<u64>, new: L1BlockRef) {
        self.reorgs += 1;
        // The tags may have moved with the head.
        self.tags_due = Instant::now();
        let depth = kept.map(|kept| old.number.saturating_sub(kept));
        let finalized = self.heads.borrow().finalized;
        if !finalized.is_zero() && kept.is_none_or(|kept| kept < finalized.number) {
            error!(%old, %new, ?depth, finalized = finalized.number, "l1 reorg below its finalized block");
        } else if depth.is_none_or(|depth| depth > USUAL_REORG_DEPTH) {
            warn!(%old, %new, ?depth, "deep l1 reorg");
        } else {
            info!(%old, %new, ?depth, "l1 reorg");
        }
    }

    /// A young L1 answers with errors here, and that means "not known". A known finalized block does not go down.
    fn take_tags(&mut self, safe: Option<Answer>, finalized: Option<Answer>) {
        let mut heads = *self.heads.borrow();
        if let Some(Answer::Block(block)) = safe
            && self.window.insert(&block).is_ok()
        {
            heads.safe = block;
        }
        if let Some(Answer::Block(block)) = finalized
            && block.number >= heads.finalized.number
            && self.window.insert(&block).is_ok()
        {
            heads.finalized = block;
            self.window.finalize(block.number);
        }
        self.heads.send_if_modified(|published| {
            let changed = *published != heads;
            *published = heads;
            changed
        });
    }

    fn take_block(&mut self, block: &L1BlockRef) -> Result<(), L1Error> {
        self.window
            .insert(block)
            .map_err(|conflict| self.distrust(conflict.number))
    }

    /// The endpoint contradicts what it said before: it moved while we asked, or several nodes answer in turn. Only the
    /// head stays known, and the endpoint rests.
    fn distrust(&mut self, number: u64) -> L1Error {
        let head = self.window.head();
        let _ = self.window.advance(head, None);
        let failure = self.inconsistent(number);
        self.endpoints.distrust_active(&failure);
        failure
    }

    fn inconsistent(&self, number: u64) -> L1Error {
        L1Error::Inconsistent {
            endpoint: self.active_name(),
            number,
        }
    }

    fn active_name(&self) -> String {
        self.endpoints.active_name().unwrap_or_default().to_owned()
    }

    fn publish_status(&self) {
        let snapshot = Snapshot {
            active: self.endpoints.active_name().map(str::to_owned),
            last_success: self.last_success,
            last_error: self.last_error.as_ref().map(words),
            reachable: self.last_success.is_some() && self.last_error.is_none(),
            endpoints: self.endpoints.statuses(),
            requests: self.endpoints.requests(),
            reorgs: self.reorgs,
        };
        self.status.send_replace(snapshot);
    }
}
