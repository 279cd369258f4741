//! The L1 blocks that the next blocks stand on, read ahead so that no question to L1 stands on the way of a block: the origin of
//! the block that is built on, and those after it that are deep enough.
//!
//! They come through an [`L1Source`] of the sequencer's own: where derivation reads L1 too, it reads far below.

use crate::{
    origin::{Next, is_confirmed},
    slot::Slot,
};
use alloy_primitives::Address;
use light_node_actor::in_words;
use light_node_l1::{L1Data, L1DataError, L1Heads, L1Source};
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

/// Origins that are held ahead. Behind the source is a window of its own.
const AHEAD: u64 = 8;

/// Pause after L1 could not be read.
const RETRY: Duration = Duration::from_secs(1);

/// What was asked of L1.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// The origin that is stood on, by its hash.
    Current(BlockNumHash),
    /// Whether that origin is canonical.
    Check(BlockNumHash),
    /// The canonical block of a height.
    Number(u64),
}

#[derive(Debug)]
enum Answer {
    Data(Option<Arc<L1Data>>),
    Ref(Option<L1BlockRef>),
}

type Read = (Want, Result<Answer, L1DataError>);

/// The origins at hand.
#[derive(Debug)]
pub(crate) struct Origins {
    l1: Arc<dyn L1Source>,
    heads: watch::Receiver<L1Heads>,
    /// The head when it was looked at last.
    head: L1BlockRef,
    confirmations: u64,
    /// The origin of the block that is built on.
    base: Option<BlockNumHash>,
    known: BTreeMap<u64, Arc<L1Data>>,
    /// Whether `base` is canonical has to be found out.
    is_doubtful: bool,
    is_lost: bool,
    /// L1 was reorganised since that was asked.
    is_reorganised: bool,
    reading: Slot<Read>,
    not_before: Instant,
    is_failing: bool,
}

impl Origins {
    pub(crate) fn new(
        l1: Arc<dyn L1Source>,
        mut heads: watch::Receiver<L1Heads>,
        confirmations: u64,
    ) -> Self {
        let head = heads.borrow_and_update().head;
        Self {
            l1,
            heads,
            head,
            confirmations,
            base: None,
            known: BTreeMap::new(),
            is_doubtful: false,
            is_lost: false,
            is_reorganised: false,
            reading: Slot::empty(),
            not_before: Instant::now(),
            is_failing: false,
        }
    }

    /// The next block is built on one with this origin.
    pub(crate) fn stand_on(&mut self, origin: BlockNumHash) {
        if self.base == Some(origin) {
            return;
        }
        self.base = Some(origin);
        self.known = self.known.split_off(&origin.number);
        let first = self.known.get(&origin.number);
        // What is known above it belongs to it if it was read as a part of the same chain.
        let is_same = first.is_some_and(|data| data.hash == origin.hash);
        if !is_same {
            self.known.clear();
        }
        self.is_doubtful = !is_same;
        self.is_lost = false;
        self.reading.clear();
        self.l1.advance(origin, Address::ZERO);
    }

    /// The origin of the block that is built on, if it has been read.
    pub(crate) fn current(&self) -> Option<&Arc<L1Data>> {
        self.base.and_then(|base| self.known.get(&base.number))
    }

    /// The L1 block after that, if it has been read and is deep enough.
    pub(crate) fn next(&self) -> Option<&Arc<L1Data>> {
        let number = self.base?.number.checked_add(1)?;
        self.known
            .get(&number)
            .filter(|_| is_confirmed(number, self.head.number, self.confirmations))
    }

    /// What is known of the L1 block after the origin of the block that is built on.
    pub(crate) fn next_state(&self) -> Next {
        let number = self.base.map_or(0, |base| base.number.saturating_add(1));
        match self.next() {
            Some(next) => Next::Known(next.block_ref()),
            None if is_confirmed(number, self.head.number, self.confirmations) => Next::Unread,
            None => Next::NotYet,
        }
    }

    /// The origin of the block that is built on has left L1.
    pub(crate) const fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// The origin of the block that is built on was found on L1, and nothing has been said against it since.
    pub(crate) fn stands(&self, origin: BlockNumHash) -> bool {
        self.base == Some(origin) && !self.is_lost && !self.is_doubtful
    }

    /// True once after L1 was reorganised.
    pub(crate) const fn take_reorg(&mut self) -> bool {
        std::mem::replace(&mut self.is_reorganised, false)
    }

    /// L1 contradicts what was read: all but the current origin is read again, and whether that is canonical.
    pub(crate) fn doubt(&mut self) {
        if let Some(base) = self.base {
            self.known.retain(|number, _| *number <= base.number);
        }
        self.is_doubtful = true;
        self.reading.clear();
    }

    /// Goes on reading. Returns when something has changed.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn progress(&mut self) {
        if !self.reading.is_taken()
            && let Some(want) = self.wanted()
            && self.not_before <= Instant::now()
        {
            self.begin(want);
        }
        let waits = !self.reading.is_taken() && self.wanted().is_some();
        tokio::select! {
            biased;
            read = self.reading.done() => self.note(read),
            Ok(()) = self.heads.changed() => self.note_head(),
            () = sleep_until(self.not_before), if waits => {}
        }
    }

    fn wanted(&self) -> Option<Want> {
        let base = self.base?;
        if self.is_lost {
            return None;
        }
        if self.is_doubtful {
            return Some(Want::Check(base));
        }
        if !self.known.contains_key(&base.number) {
            return Some(Want::Current(base));
        }
        let next = *self.known.last_key_value()?.0 + 1;
        let is_due = next <= base.number.saturating_add(AHEAD)
            && is_confirmed(next, self.head.number, self.confirmations);
        is_due.then_some(Want::Number(next))
    }

    fn begin(&mut self, want: Want) {
        let l1 = Arc::clone(&self.l1);
        self.reading.put(async move {
            let answer = match want {
                Want::Current(id) => l1.block_by_hash(id).await.map(Answer::Data),
                Want::Check(id) => l1.block_ref(id.number).await.map(Answer::Ref),
                Want::Number(number) => l1.block(number).await.map(Answer::Data),
            };
            (want, answer)
        });
    }

    fn note(&mut self, (want, answer): Read) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.not_before = Instant::now() + RETRY;
                if !std::mem::replace(&mut self.is_failing, true) {
                    let error = in_words(&error);
                    warn!(
                        error,
                        "l1 cannot be read for the next blocks; it is tried again"
                    );
                }
                return;
            }
        };
        if std::mem::take(&mut self.is_failing) {
            info!("l1 is read again for the next blocks");
        }
        match (want, answer) {
            (Want::Check(id), Answer::Ref(block)) => {
                self.is_doubtful = false;
                // Where L1 has not got so far it says nothing against the block.
                self.is_lost = block.is_some_and(|block| block.hash != id.hash);
            }
            (Want::Current(id), Answer::Data(Some(data))) => {
                self.known.insert(id.number, data);
            }
            (Want::Number(number), Answer::Data(Some(data))) => self.note_next(number, data),
            // L1 has it no longer, or not yet. The next head says more.
            (Want::Current(_), _) => {
                self.is_doubtful = true;
                self.not_before = Instant::now() + RETRY;
            }
            (Want::Number(_) | Want::Check(_), _) => self.not_before = Instant::now() + RETRY,
        }
    }

    fn note_next(&mut self, number: u64, data: Arc<L1Data>) {
        let parent = number.checked_sub(1).and_then(|it| self.known.get(&it));
        if parent.is_some_and(|parent| parent.hash == data.header.parent_hash) {
            self.known.insert(number, data);
            return;
        }
        self.doubt();
        self.not_before = Instant::now() + RETRY / 10;
    }

    fn note_head(&mut self) {
        let head = self.heads.borrow_and_update().head;
        let before = std::mem::replace(&mut self.head, head);
        let is_extended = head.number > before.number.saturating_add(1)
            || (head.number == before.number.saturating_add(1) && head.parent_hash == before.hash);
        if !before.is_zero() && !is_extended && head.hash != before.hash {
            self.doubt();
            self.is_lost = false;
            self.is_reorganised = true;
            self.not_before = Instant::now();
        } else if self.is_lost {
            // It may have come back.
            self.is_doubtful = true;
            self.is_lost = false;
        }
    }
}
