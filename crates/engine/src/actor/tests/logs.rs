//! What a long trouble costs in lines: an operator must find its beginning and its end, and not a million in between.

use super::*;
use light_node_engine_api::{ElSyncing, memory::Scripted};
use std::sync::atomic::{AtomicUsize, Ordering};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Counts the lines of this crate that an operator sees.
#[derive(Clone, Default)]
struct Lines {
    warnings: Arc<AtomicUsize>,
    infos: Arc<AtomicUsize>,
}

impl Lines {
    fn warnings(&self) -> usize {
        self.warnings.swap(0, Ordering::Relaxed)
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("light_node_engine")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        if level <= Level::WARN {
            self.warnings.fetch_add(1, Ordering::Relaxed);
        } else if level == Level::INFO {
            self.infos.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

const HOUR: usize = 3_600;

async fn following() -> (Harness, Vec<MemoryBlock>) {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(10);
    harness.el.add_canonical(&chain);
    let update = Harness::update(&chain[4], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    (harness, chain)
}

#[tokio::test(start_paused = true)]
async fn an_el_that_is_dead_for_an_hour_costs_one_warning_and_one_line_when_it_is_back() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let (mut harness, chain) = following().await;
    harness.el.set_down(true);
    lines.warnings();
    lines.infos.store(0, Ordering::Relaxed);
    let update = Harness::update(&chain[6], None);
    for second in 0..HOUR {
        harness.follow(update).await;
        if second % 2 == 0 {
            let payload = chain[9].envelope.clone();
            assert_eq!(harness.engine.try_insert_unsafe(payload), Ok(()));
        }
        harness.pass(seconds(1)).await;
    }
    assert_eq!(
        (lines.warnings(), lines.infos.load(Ordering::Relaxed)),
        (1, 0)
    );
    harness.el.set_down(false);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    // It answers again, and there is a new safe head.
    assert_eq!(
        (lines.warnings(), lines.infos.load(Ordering::Relaxed)),
        (0, 2)
    );
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_el_that_stays_on_its_branch_for_an_hour_costs_few_warnings() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let (mut harness, chain) = following().await;
    let other = harness.branch(&chain[6], 4, 1);
    harness.el.add(&other);
    harness.el.stick_to_branch(usize::MAX);
    lines.warnings();
    for second in 0..HOUR {
        let block = &other[3 - usize::from(second % 40 > 20)];
        harness.follow(Harness::update(block, None)).await;
        harness.pass(seconds(1)).await;
    }
    let warnings = lines.warnings();
    assert!((1..=3).contains(&warnings), "{warnings} warnings");
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_far_sync_beside_gossip_costs_one_warning_in_an_hour() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(HOUR / 10 + 20);
    lines.warnings();
    for second in 0..HOUR {
        if second % 10 == 0 {
            let payload = chain[second / 10 + 19].envelope.clone();
            assert_eq!(harness.engine.try_insert_unsafe(payload), Ok(()));
        }
        // Its head stands still while its stages move.
        harness.el.set_syncing(Some(ElSyncing::Syncing {
            current: 0,
            highest: 20,
            marks: second as u64 / 60,
        }));
        let update = Harness::update(&chain[second / 10], None);
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        harness.pass(seconds(1)).await;
    }
    let warnings = lines.warnings();
    assert!(warnings <= 1, "{warnings} warnings");
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_blocks_are_all_invalid_for_an_hour_costs_one_warning() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let (mut harness, chain) = following().await;
    lines.warnings();
    let invalid = alloy_rpc_types_engine::PayloadStatusEnum::Invalid {
        validation_error: "links to previously rejected block".to_owned(),
    };
    let far = harness.branch(&chain[9], HOUR / 12, 0);
    for block in &far {
        let status = Scripted::Status(invalid.clone());
        harness.el.script(CallKind::ForkchoiceUpdated, status);
        let refused = harness.follow(Harness::update(block, None)).await;
        assert!(matches!(refused, FollowOutcome::Refused(_)), "{refused:?}");
        harness.pass(seconds(12)).await;
        harness.el.clear_script();
    }
    assert_eq!(lines.warnings(), 1);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_catch_up_by_derivation_costs_a_line_a_second_and_the_last_head_is_said() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut harness = Harness::deriving(MemoryElKind::Reth).await;
    let chain = harness.chain(150);
    harness.pass(seconds(2)).await;
    lines.infos.store(0, Ordering::Relaxed);
    for block in &chain {
        let outcome = harness.consolidate(super::deriving::derived(block)).await;
        assert_eq!(outcome, super::deriving::safe(block));
        harness.pass(Duration::from_millis(20)).await;
    }
    let said = lines.infos.load(Ordering::Relaxed);
    assert!((3..=4).contains(&said), "{said} lines in three seconds");
    harness.pass(seconds(2)).await;
    assert_eq!(lines.infos.load(Ordering::Relaxed), said + 1);
    assert_eq!(lines.warnings(), 0);
    harness.stop().await;
}
