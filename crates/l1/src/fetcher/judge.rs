//! One endpoint's answer, from the questions to what it changes. Everything is judged on a draft of the window; only when the
//! whole answer is accepted does the draft become our view, so an answer that is refused leaves no trace.

use super::{Fetcher, HeadLogs};
use crate::{
    L1Error, L1Heads,
    rpc::{Answer, Question},
    window::{Relation, Reorg, Window},
};
use light_node_protocol::L1BlockRef;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// A head that stays below ours this often in a row, and for a block time, does not lag: L1 was rolled back.
const LOW_ANSWERS: u32 = 3;
/// After so many such answers other endpoints are asked.
const DOUBTFUL_ANSWERS: u32 = 2;
/// A reorg of more than this many blocks deserves a warning.
const USUAL_REORG_DEPTH: u64 = 2;

/// A head that is an ancestor of ours, announced again and again.
#[derive(Debug)]
pub(super) struct LowHead {
    head: L1BlockRef,
    answers: u32,
    since: Instant,
    /// Other endpoints were asked for theirs.
    pub(super) is_surveyed: bool,
}

impl LowHead {
    /// The endpoint may lag; whether another is further is not known yet.
    pub(super) const fn is_doubtful(&self) -> bool {
        self.answers >= DOUBTFUL_ANSWERS && !self.is_surveyed
    }

    pub(super) const fn number(&self) -> u64 {
        self.head.number
    }

    fn is_believed(&self, block_time: Duration) -> bool {
        self.answers >= LOW_ANSWERS && self.since.elapsed() >= block_time
    }
}

/// What an endpoint's head means to us.
#[derive(Debug)]
enum HeadChange {
    /// It is our head.
    None,
    /// It is an ancestor of our head.
    Low,
    /// It becomes our head. The highest block that stays is `kept`.
    New { kept: Option<u64> },
}

impl Fetcher {
    /// Asks the endpoint at `index` and takes its answer in, if all of it can be accepted and its head is at least at the
    /// height `least_head`.
    pub(super) async fn fetch_from(
        &mut self,
        index: usize,
        least_head: u64,
        missing: &[u64],
        deadline: Duration,
    ) -> Result<(), L1Error> {
        let mut heads = *self.heads.borrow();
        let tags_due = Instant::now() >= self.tags_due || heads.finalized.is_zero();
        let mut questions = vec![Question::Latest];
        if tags_due {
            questions.extend([Question::Safe, Question::Finalized]);
        }
        questions.extend(missing.iter().map(|number| Question::Block(*number)));
        self.asked_at = Instant::now();
        let answers = self
            .endpoints
            .exchange(index, &questions, deadline, false)
            .await?;
        let mut answers = answers.into_iter();
        let Some(Answer::Head(head, logs_bloom)) = answers.next() else {
            return Err(self.contradicts(index, self.window.head().number));
        };
        if head.number < least_head {
            return Err(L1Error::Lagging {
                endpoint: self.endpoints.name(index),
                number: head.number,
                known: least_head,
            });
        }
        let change = self.judge_head(index, &head, deadline).await?;
        let mut window = self.window.clone();
        let mut reorg = None;
        if let HeadChange::New { kept } = change {
            reorg = window.advance(head, kept);
            heads.head = head;
        }
        if tags_due {
            take_tags(&mut window, &mut heads, answers.next(), answers.next());
        }
        for (number, answer) in missing.iter().zip(answers) {
            match answer {
                Answer::Block(block) => window
                    .insert(&block)
                    .map_err(|conflict| self.contradicts(index, conflict.number))?,
                _ if *number > head.number => {}
                _ => {
                    return Err(L1Error::Missing {
                        endpoint: self.endpoints.name(index),
                        number: *number,
                        head: head.number,
                    });
                }
            }
        }
        self.window = window;
        if tags_due {
            self.tags_due = Instant::now() + self.epoch_poll_interval;
        }
        self.note_head(head, &change, reorg);
        self.heads.send_if_modified(|published| {
            let changed = *published != heads;
            *published = heads;
            changed
        });
        if let HeadChange::New { .. } = change {
            // Nobody may be interested.
            let _ = self.head_logs.send(HeadLogs { head, logs_bloom });
        }
        Ok(())
    }

    /// What `head` keeps of the window, if it may become our head at all: a branch without our finalized block may not.
    async fn judge_head(
        &mut self,
        index: usize,
        head: &L1BlockRef,
        deadline: Duration,
    ) -> Result<HeadChange, L1Error> {
        let kept = match self.window.relation(head) {
            Relation::Same => return Ok(HeadChange::None),
            Relation::Behind => Some(head.number),
            Relation::Linked => head.number.checked_sub(1),
            Relation::Unlinked => self.find_fork(index, head, deadline).await?,
        };
        // Nothing that is known says that a lower head at an unknown height is of another branch.
        let may_be_ancestor = head.number < self.window.head().number
            && self
                .window
                .hash_at(head.number)
                .is_none_or(|ours| ours == head.hash);
        let change = if may_be_ancestor && !self.is_rollback(head) {
            HeadChange::Low
        } else {
            HeadChange::New { kept }
        };
        match self.window.finalized() {
            Some(finalized) if kept.is_none_or(|kept| kept < finalized.number) => {
                Err(L1Error::BelowFinalized {
                    endpoint: self.endpoints.name(index),
                    head: head.id(),
                    finalized,
                })
            }
            _ => Ok(change),
        }
    }

    /// Counts the answers with the same low head.
    fn is_rollback(&mut self, head: &L1BlockRef) -> bool {
        match &mut self.low_head {
            Some(low) if low.head == *head => low.answers += 1,
            low_head => {
                *low_head = Some(LowHead {
                    head: *head,
                    answers: 1,
                    since: Instant::now(),
                    is_surveyed: false,
                });
            }
        }
        let low_head = self.low_head.as_ref();
        low_head.is_some_and(|low_head| low_head.is_believed(self.block_time))
    }

    /// The highest block of the window on the branch of `head`. An endpoint whose head does not link may have become one of
    /// another chain, so it shows its identity again.
    async fn find_fork(
        &mut self,
        index: usize,
        head: &L1BlockRef,
        deadline: Duration,
    ) -> Result<Option<u64>, L1Error> {
        let anchors = self.window.anchors(head);
        let questions: Vec<_> = anchors
            .iter()
            .map(|number| Question::Block(*number))
            .collect();
        self.asked_at = Instant::now();
        let answers = self
            .endpoints
            .exchange(index, &questions, deadline, true)
            .await?;
        let stayed = anchors.iter().zip(answers).find(|(number, answer)| {
            matches!(answer, Answer::Block(block) if self.window.hash_at(**number) == Some(block.hash))
        });
        Ok(stayed.map(|(number, _)| *number))
    }

    /// Says what the accepted head changed, and sets the timer.
    fn note_head(&mut self, head: L1BlockRef, change: &HeadChange, reorg: Option<Reorg>) {
        match change {
            HeadChange::None => {
                self.low_head = None;
                self.schedule.nothing_new();
                return;
            }
            HeadChange::Low => {
                self.schedule.nothing_new();
                return;
            }
            HeadChange::New { .. } => {}
        }
        self.low_head = None;
        self.questions_ahead = 0;
        self.mismatch_confirmed = false;
        self.schedule.new_head(head.timestamp);
        if let Some(reorg) = reorg {
            self.note_reorg(&reorg, head);
        } else if self.heads.borrow().head.is_zero() {
            info!(number = head.number, hash = %head.hash, "l1 head known");
        } else {
            debug!(number = head.number, hash = %head.hash, "new l1 head");
        }
    }

    fn note_reorg(&mut self, reorg: &Reorg, new: L1BlockRef) {
        self.forks.send_modify(|forks| {
            forks.count += 1;
            forks.kept = reorg.kept;
        });
        // The tags may have moved with the head.
        self.tags_due = Instant::now();
        let Reorg {
            old_head: old,
            kept,
        } = *reorg;
        // What lies between two known blocks counts as lost.
        let depth = kept.map(|kept| old.number.saturating_sub(kept));
        self.metrics.note_reorg(depth);
        if depth.is_none_or(|depth| depth > USUAL_REORG_DEPTH) {
            warn!(%old, %new, depth, "deep l1 reorg");
        } else {
            info!(%old, %new, depth, "l1 reorg");
        }
    }

    fn contradicts(&self, index: usize, number: u64) -> L1Error {
        L1Error::Inconsistent {
            endpoint: self.endpoints.name(index),
            number,
        }
    }
}

/// A young L1 answers with errors here, and that means "not known". A known finalized block does not go down, and neither
/// tag is believed above the head that came with it.
fn take_tags(
    window: &mut Window,
    heads: &mut L1Heads,
    safe: Option<Answer>,
    finalized: Option<Answer>,
) {
    let highest = window.head().number;
    if let Some(Answer::Block(block)) = safe
        && block.number <= highest
        && window.insert(&block).is_ok()
    {
        heads.safe = block;
    }
    if let Some(Answer::Block(block)) = finalized
        && (heads.finalized.number..=highest).contains(&block.number)
        && window.insert(&block).is_ok()
    {
        heads.finalized = block;
        window.finalize(block.id());
    }
}
