//! What the sequencer measures.

use crate::{handle::SequencerStatus, schedule::Wait};
use light_node_metrics::{
    Catalogue, Counter, Family, Gauge, Histogram, HistogramFamily, latency_histogram,
};
use std::time::Duration;
use tokio::sync::watch;

/// Upper bounds of the jitter of block intervals, in seconds: dense around the 20 ms that a block of one second may be off.
const JITTER_BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0,
];

type Label = [(&'static str, &'static str); 1];

/// What became of the calls to the conductor. Clones share their values.
#[derive(Clone, Debug, Default)]
pub struct ConductorMetrics {
    commits: Family<Label, Counter>,
}

impl ConductorMetrics {
    pub(crate) fn commit(&self, answer: &'static str) {
        self.commits.get_or_create(&[("answer", answer)]).inc();
    }
}

/// The sequencer's metrics. Clones share their values.
#[derive(Clone, Debug)]
pub struct SequencerMetrics {
    conductor: ConductorMetrics,
    blocks: Counter,
    late_blocks: Counter,
    dropped: Family<Label, Counter>,
    waits: Family<Label, Counter>,
    steps: HistogramFamily<Label>,
    jitter: Histogram,
    status: watch::Receiver<SequencerStatus>,
}

impl SequencerMetrics {
    pub(crate) fn of(
        status: watch::Receiver<SequencerStatus>,
        conductor: ConductorMetrics,
    ) -> Self {
        Self {
            conductor,
            blocks: Counter::default(),
            late_blocks: Counter::default(),
            dropped: Family::default(),
            waits: Family::default(),
            steps: Family::new_with_constructor(latency_histogram as fn() -> Histogram),
            jitter: Histogram::new(JITTER_BUCKETS),
            status,
        }
    }

    pub(crate) fn block(&self, is_late: bool) {
        self.blocks.inc();
        if is_late {
            self.late_blocks.inc();
        }
    }

    pub(crate) fn interval(&self, off: Duration) {
        self.jitter.observe(off.as_secs_f64());
    }

    pub(crate) fn dropped(&self, step: &'static str) {
        self.dropped.get_or_create(&[("step", step)]).inc();
    }

    pub(crate) fn wait(&self, wait: Wait) {
        self.waits.get_or_create(&[("reason", wait.name())]).inc();
    }

    pub(crate) fn step(&self, step: &'static str, took: Duration) {
        let step = self.steps.get_or_create(&[("step", step)]).clone();
        step.observe(took.as_secs_f64());
    }

    /// Takes them into the catalogue.
    pub fn register(&self, catalogue: &mut Catalogue) {
        for wait in Wait::ALL {
            let _ = self.waits.get_or_create(&[("reason", wait.name())]);
        }
        catalogue.register(
            "sequencer_blocks",
            "Blocks made by this sequencer that became the unsafe head",
            &[],
            self.blocks.clone(),
        );
        catalogue.register(
            "sequencer_late_blocks",
            "Of these, those that became the head half a block time after their own time, or later",
            &[],
            self.late_blocks.clone(),
        );
        catalogue.register(
            "sequencer_dropped_builds",
            "Blocks begun that came to nothing, by the last step they reached",
            &["step"],
            self.dropped.clone(),
        );
        catalogue.register(
            "sequencer_waits",
            "Times that an active sequencer came to wait, by reason",
            &["reason"],
            self.waits.clone(),
        );
        catalogue.register(
            "sequencer_step_duration_seconds",
            "Duration of the steps of a block: build, seal, conductor, commit",
            &["step"],
            self.steps.clone(),
        );
        catalogue.register(
            "sequencer_interval_jitter_seconds",
            "By how much the time between two of its blocks in a row differs from the block time",
            &[],
            self.jitter.clone(),
        );
        catalogue.register(
            "sequencer_conductor_commits",
            "Answers of the conductor to blocks given to it",
            &["answer"],
            self.conductor.commits.clone(),
        );
        let active = Gauge::<i64>::default();
        catalogue.register(
            "sequencer_active",
            "1 while blocks are built here",
            &[],
            active.clone(),
        );
        let status = self.status.clone();
        catalogue.on_scrape(move || {
            active.set(i64::from(status.borrow().is_active));
        });
    }
}
