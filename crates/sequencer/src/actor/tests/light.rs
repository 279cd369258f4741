//! A light sequencer, whose source may know of more blocks than its execution layer has when it begins.

use super::*;
use crate::source_head::SourceWord;
use std::sync::Mutex;

/// The source's word on its unsafe head, said again each moment.
#[derive(Clone, Default)]
struct Word(Arc<Mutex<Option<L2BlockRef>>>);

impl Word {
    fn say(&self, head: L2BlockRef) {
        *self.0.lock().unwrap() = Some(head);
    }

    /// Four blocks are there, and the clock is far beyond them.
    fn settings(&self) -> Settings {
        let word = self.0.clone();
        let source_head = SourceHead::new(move || {
            let unsafe_head = (*word.lock().unwrap())?;
            let age = Duration::ZERO;
            Some(SourceWord { unsafe_head, age })
        });
        Settings::with(|settings| {
            settings.l2_blocks = 4;
            settings.now = Duration::from_secs(GENESIS_TIME + 100);
            settings.source_head = Some(source_head);
        })
    }
}

/// Four more blocks of the chain, which others have.
fn more(world: &World) -> Vec<MemoryBlock> {
    let origin = world.chain[3].block_ref().l1_origin;
    let mut more = vec![world.builder.child(&world.chain[3], origin, 5)];
    for _ in 0..3 {
        more.push(world.builder.child(more.last().unwrap(), origin, 5));
    }
    more
}

#[tokio::test(start_paused = true)]
async fn a_light_sequencer_fetches_what_its_source_has_and_builds_on_that() {
    let word = Word::default();
    let world = World::start(word.settings()).await;
    world.waits_for(Wait::SourceHead).await;
    let more = more(&world);
    word.say(more[3].block_ref());
    world.waits_for(Wait::Syncing).await;
    assert_eq!(world.el.target(), Some(more[3].hash()));
    world.pass(Duration::from_secs(20)).await;
    assert!(world.so_far().is_empty());
    world.el.add(&more);
    let published = world.published(3).await;
    assert_eq!(published[0].block.parent_hash, more[3].hash());
    assert_eq!(world.engine.state().epoch, 0);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_that_nobody_has_is_waited_for_no_longer_than_patience_lasts() {
    let word = Word::default();
    let world = World::start(word.settings()).await;
    word.say(more(&world)[3].block_ref());
    let first = world.published(1).await.remove(0);
    assert_eq!(first.block.parent_hash, world.chain[3].hash());
    let patience = SequencerConfig::SOURCE_PATIENCE;
    let longest = patience * 2;
    assert!(
        patience <= first.after && first.after < longest,
        "{first:?}"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hears_us_makes_nobody_wait() {
    let word = Word::default();
    let mut settings = word.settings();
    settings.config.starts_active = false;
    let world = World::start(settings).await;
    word.say(world.chain[3].block_ref());
    world.sequencer.start(None).await.unwrap();
    let started_at = Instant::now();
    let last = world.published(3).await.pop().unwrap();
    assert!(started_at.elapsed() < Duration::from_secs(2));
    // What the source says from now on, it says of us, or it is no reason to stop.
    word.say(L2BlockRef {
        number: last.block.number + 10,
        ..last.block
    });
    world.published(20).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn started_on_a_head_that_is_named_it_builds_there() {
    let word = Word::default();
    let mut settings = word.settings();
    settings.config.starts_active = false;
    let world = World::start(settings).await;
    word.say(more(&world)[3].block_ref());
    let head = world.chain[3].hash();
    world.sequencer.start(Some(head)).await.unwrap();
    let first = world.published(1).await.remove(0);
    assert_eq!(first.block.parent_hash, head);
    world.stop().await;
}
