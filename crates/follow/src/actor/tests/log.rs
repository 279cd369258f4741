//! What the actor says in the log, and how often.

use super::*;
use std::{cell::RefCell, fmt, sync::Once};
use tracing::{
    Event, Level, Metadata, Subscriber, callsite,
    field::{Field, Visit},
    span,
};

thread_local! {
    /// A test runs on a thread of its own, its actors included.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the messages and reasons of this crate's events, by thread.
struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.push(format!("{} {}", line.message, line.reason)));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    reason: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "reason" => self.reason = format!("{value:?}").replace('"', ""),
            _ => {}
        }
    }
}

/// Starts to record; forgets what an earlier test on this thread has left.
fn record() {
    static START: Once = Once::new();
    START.call_once(|| {
        tracing::subscriber::set_global_default(Recorder).unwrap();
        // Other tests may have met an event before, and found nobody to hear it.
        callsite::rebuild_interest_cache();
    });
    LINES.with_borrow_mut(Vec::clear);
}

fn lines_with(words: &str) -> usize {
    LINES.with_borrow(|lines| lines.iter().filter(|line| line.contains(words)).count())
}

const ANSWERS: &str = "follow source answers";
const TROUBLE: &str = "not in step with the follow source";

#[tokio::test(start_paused = true)]
async fn a_source_answers_in_the_log_only_when_its_heads_are_good_and_only_once() {
    record();
    let mut world = World::start_with(|source| source.fail_status()).await;
    sleep(seconds(45)).await;
    assert_eq!((lines_with(ANSWERS), lines_with(TROUBLE)), (0, 1));

    world.source.release();
    world.source.fail(None);
    world.next_applied().await;
    assert_eq!(lines_with(ANSWERS), 1);
    for _ in 0..5 {
        world.source.fail_status();
        world.until(|status| status.trouble.is_some()).await;
        world.source.fail(None);
        world.until(|status| status.trouble.is_none()).await;
    }
    assert_eq!(lines_with(ANSWERS), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_comes_up_or_resets_is_waited_for_in_silence_and_named_when_that_lasts() {
    record();
    let mut world = World::start_with(|source| source.set_status(Default::default())).await;
    sleep(seconds(60)).await;
    let status = world.follow.status();
    assert_eq!(not_ready(&status), Some("source_not_ready"));
    assert_eq!(lines_with(TROUBLE), 0, "it starts");
    world.source.release();
    world.next_applied().await;
    for (seconds_without, said) in [(60, 0), (150, 1)] {
        world.source.set_status(Default::default());
        sleep(seconds(seconds_without)).await;
        assert_eq!(lines_with(TROUBLE), said, "{seconds_without} s");
        world.source.release();
        world.until(|status| status.trouble.is_none()).await;
    }
    assert_eq!(lines_with("source_not_ready"), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_comes_up_is_named_in_the_log() {
    record();
    let world = World::start_with(|source| source.set_status(Default::default())).await;
    sleep(seconds(300)).await;
    assert_eq!(lines_with("source_not_ready"), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn troubles_that_take_turns_are_said_once_a_minute_and_all_counted() {
    record();
    let mut world = World::start().await;
    world.next_applied().await;
    let good = world.source.status_now();
    let mut bad = good;
    bad.safe_l2.l1_origin.hash = bad.safe_l2.hash;
    let mut disordered = good;
    disordered.safe_l2.timestamp += 1;
    let mut finalized = good;
    finalized.finalized_l2.hash = finalized.safe_l2.hash;
    let turns = [
        (disordered, PollOutcome::Invalid),
        (bad, PollOutcome::L1Mismatch),
        (finalized, PollOutcome::FinalizedConflict),
        (good, PollOutcome::Unchanged),
    ];
    for turn in 1..=8 {
        for (status, outcome) in turns {
            world.source.set_status(status);
            let counted = world
                .until(|status| status.last_outcome == Some(outcome))
                .await;
            assert!(counted.counters.get(outcome) >= turn, "{outcome:?}");
        }
    }
    let troubles = lines_with(TROUBLE) + lines_with("follow source is refused");
    assert_eq!(troubles, 3, "{:?}", LINES.take());
    sleep(seconds(60)).await;
    world.source.set_status(bad);
    world.until(|status| status.trouble.is_some()).await;
    assert_eq!(lines_with("l1_mismatch"), 2);
    world.stop().await;
}
