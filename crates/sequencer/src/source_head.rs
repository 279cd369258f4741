//! A light sequencer begins where its chain has got to, and not where its execution layer happens to stand: what its follow
//! source calls its unsafe head is fetched first. Else its first blocks would take the place of blocks that others have.
//!
//! That is asked once, when it begins. Later the chain goes where the sequencer goes, and the source hears of it.

use alloy_primitives::B256;
use light_node_protocol::{BlockNumHash, L2BlockRef};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::Instant;

/// What the follow source has said last of its unsafe head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceWord {
    /// As the source names it; nobody has checked it.
    pub unsafe_head: L2BlockRef,
    /// Time since it was said.
    pub age: Duration,
}

/// Tells the last word of the follow source. Clones ask the same one.
#[derive(Clone)]
pub struct SourceHead(Arc<dyn Fn() -> Option<SourceWord> + Send + Sync>);

impl SourceHead {
    /// `word` must not wait; it is asked some times a second.
    pub fn new(word: impl Fn() -> Option<SourceWord> + Send + Sync + 'static) -> Self {
        Self(Arc::new(word))
    }
}

impl fmt::Debug for SourceHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceHead").finish_non_exhaustive()
    }
}

/// Whether blocks may be built on our head, as far as the source's is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They may.
    There,
    /// The source has said nothing yet since this began.
    Silent,
    /// This block is missing, and has been asked for or is not to be.
    Behind,
    /// This block is missing, and is to be fetched.
    Fetch(BlockNumHash),
    /// They may now, although the block did not come, or the source said nothing.
    GivenUp,
}

/// The way to the source's unsafe head.
#[derive(Debug)]
pub(crate) struct CatchUp {
    source: Option<SourceHead>,
    /// How long our head may stand still before it is built on all the same.
    patience: Duration,
    is_over: bool,
    /// What was said before is of no use: another sequencer may have made blocks since.
    begun_at: Instant,
    /// Our head when it was looked at last, and since when it is that one.
    ours: Option<(B256, Instant)>,
    asked: B256,
}

impl CatchUp {
    /// Without a source there is nothing to wait for.
    pub(crate) fn new(source: Option<SourceHead>, patience: Duration) -> Self {
        Self {
            is_over: source.is_none(),
            source,
            patience,
            begun_at: Instant::now(),
            ours: None,
            asked: B256::ZERO,
        }
    }

    /// The sequencer is started, on the head that its admin names if that `is_named`: the admin knows better than the source.
    pub(crate) fn begin(&mut self, is_named: bool) {
        let source = self.source.take();
        *self = Self::new(source, self.patience);
        self.is_over |= is_named;
    }

    /// Where `head`, which is ours, stands at the Unix time `now`.
    pub(crate) fn look(&mut self, head: &L2BlockRef, now: Duration, block_time: u64) -> Standing {
        let Some(source) = self.source.as_ref().filter(|_| !self.is_over) else {
            return Standing::There;
        };
        let instant = Instant::now();
        let word = (source.0)();
        let word = word.filter(|word| word.age <= instant - self.begun_at);
        let missing = word.map(|word| missing(head, &word.unsafe_head, now, block_time));
        let (_, since) = *self.ours.insert(match self.ours {
            Some((hash, since)) if hash == head.hash => (hash, since),
            _ => (head.hash, instant),
        });
        match missing {
            Some(None) => {
                self.is_over = true;
                Standing::There
            }
            _ if since + self.patience <= instant => {
                self.is_over = true;
                Standing::GivenUp
            }
            // Our head may have moved meanwhile; a silent source is not waited for any longer for that.
            None if self.begun_at + self.patience <= instant => {
                self.is_over = true;
                Standing::GivenUp
            }
            None => Standing::Silent,
            Some(Some(id)) if id.hash == self.asked => Standing::Behind,
            Some(Some(id)) => {
                self.asked = id.hash;
                Standing::Fetch(id)
            }
        }
    }

    /// The block could not be asked for: it is asked for again.
    pub(crate) const fn not_asked(&mut self) {
        self.asked = B256::ZERO;
    }
}

/// What of the source's chain is missing above `ours`. A head of the future is no head of this chain, whoever names it.
fn missing(
    ours: &L2BlockRef,
    theirs: &L2BlockRef,
    now: Duration,
    block_time: u64,
) -> Option<BlockNumHash> {
    let is_possible = theirs.timestamp <= now.as_secs().saturating_add(block_time);
    (is_possible && theirs.number > ours.number).then(|| theirs.id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const PATIENCE: Duration = Duration::from_secs(60);
    const NOW: Duration = Duration::from_secs(1_000);

    fn block(number: u64) -> L2BlockRef {
        L2BlockRef {
            number,
            hash: B256::left_padding_from(&number.to_be_bytes()),
            timestamp: 900 + number,
            ..L2BlockRef::default()
        }
    }

    /// A source that says what is written there, just now.
    fn source() -> (Arc<Mutex<Option<L2BlockRef>>>, CatchUp) {
        let said = Arc::new(Mutex::new(None));
        let read = Arc::clone(&said);
        let word = move || {
            let unsafe_head = (*read.lock().ok()?)?;
            let age = Duration::ZERO;
            Some(SourceWord { unsafe_head, age })
        };
        let catch_up = CatchUp::new(Some(SourceHead::new(word)), PATIENCE);
        (said, catch_up)
    }

    fn say(said: &Mutex<Option<L2BlockRef>>, block: L2BlockRef) {
        if let Ok(mut said) = said.lock() {
            *said = Some(block);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_source_has_above_our_head_is_fetched_once_and_waited_for() {
        let (said, mut catch_up) = source();
        let mut look = |number| catch_up.look(&block(number), NOW, 2);
        assert_eq!(look(3), Standing::Silent);
        say(&said, block(9));
        assert_eq!(look(3), Standing::Fetch(block(9).id()));
        assert_eq!(look(3), Standing::Behind);
        say(&said, block(10));
        assert_eq!(look(9), Standing::Fetch(block(10).id()));
        assert_eq!(look(10), Standing::There);
        // From now on it is we who lead.
        say(&said, block(20));
        assert_eq!(look(10), Standing::There);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_hears_us_is_not_waited_for() {
        let (said, mut catch_up) = source();
        say(&said, block(9));
        assert_eq!(catch_up.look(&block(9), NOW, 2), Standing::There);
        let (said, mut catch_up) = source();
        say(&said, block(8));
        assert_eq!(catch_up.look(&block(9), NOW, 2), Standing::There);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_of_the_future_is_none() {
        let (said, mut catch_up) = source();
        say(&said, block(103));
        assert_eq!(catch_up.look(&block(9), NOW, 2), Standing::There);
        let (said, mut catch_up) = source();
        say(&said, block(102));
        let fetch = Standing::Fetch(block(102).id());
        assert_eq!(catch_up.look(&block(9), NOW, 2), fetch);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_says_nothing_is_waited_for_since_the_beginning() {
        let (_, mut catch_up) = source();
        tokio::time::advance(PATIENCE / 2).await;
        assert_eq!(catch_up.look(&block(3), NOW, 2), Standing::Silent);
        tokio::time::advance(PATIENCE / 2).await;
        assert_eq!(catch_up.look(&block(4), NOW, 2), Standing::GivenUp);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_when_our_head_has_stood_still_for_so_long() {
        let (said, mut catch_up) = source();
        say(&said, block(9));
        assert_eq!(
            catch_up.look(&block(3), NOW, 2),
            Standing::Fetch(block(9).id())
        );
        tokio::time::advance(PATIENCE / 2).await;
        assert_eq!(catch_up.look(&block(4), NOW, 2), Standing::Behind);
        tokio::time::advance(PATIENCE / 2).await;
        assert_eq!(catch_up.look(&block(4), NOW, 2), Standing::Behind);
        tokio::time::advance(PATIENCE / 2).await;
        assert_eq!(catch_up.look(&block(4), NOW, 2), Standing::GivenUp);
        assert_eq!(catch_up.look(&block(4), NOW, 2), Standing::There);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_start_only_what_was_said_since_counts_and_a_named_head_more_than_that() {
        let word = SourceWord {
            unsafe_head: block(9),
            age: Duration::from_secs(1),
        };
        let source = SourceHead::new(move || Some(word));
        let mut catch_up = CatchUp::new(Some(source), PATIENCE);
        assert_eq!(catch_up.look(&block(9), NOW, 2), Standing::Silent);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(catch_up.look(&block(9), NOW, 2), Standing::There);
        catch_up.begin(false);
        assert_eq!(catch_up.look(&block(9), NOW, 2), Standing::Silent);
        catch_up.begin(true);
        assert_eq!(catch_up.look(&block(3), NOW, 2), Standing::There);
        // Where nobody is followed there is nobody to wait for.
        let mut catch_up = CatchUp::new(None, PATIENCE);
        assert_eq!(catch_up.look(&block(3), NOW, 2), Standing::There);
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_that_could_not_be_asked_for_is_asked_for_again() {
        let (said, mut catch_up) = source();
        say(&said, block(9));
        let fetch = Standing::Fetch(block(9).id());
        assert_eq!(catch_up.look(&block(3), NOW, 2), fetch);
        catch_up.not_asked();
        assert_eq!(catch_up.look(&block(3), NOW, 2), fetch);
    }
}
