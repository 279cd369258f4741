//! What the engine measures. Events and durations are recorded where they happen; heads, queue and sync are read from the
//! engine's watches when somebody scrapes.

mod gauges;
#[cfg(test)]
mod tests;

use crate::{follow_case::FollowCase, state::EngineState, status::EngineStatus};
use alloy_rpc_types_engine::PayloadStatusEnum;
use gauges::Gauges;
use light_node_engine_api::ElError;
use light_node_metrics::{
    Catalogue, Counter, Family, HistogramFamily, depth_histogram, latency_histogram,
};
use tokio::{sync::watch, time::Instant};

/// One label; the value comes from an enum.
type Label = [(&'static str, &'static str); 1];

/// What the engine could not get done, and went on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    /// The EL made no progress to its target.
    NoProgress,
    /// The EL answered VALID and never moved.
    StaysOnBranch,
    /// A target yielded, because the EL stood still or the source had left it.
    TargetYielded,
}

impl Stall {
    const ALL: [Self; 3] = [Self::NoProgress, Self::StaysOnBranch, Self::TargetYielded];

    const fn name(self) -> &'static str {
        match self {
            Self::NoProgress => "no_progress",
            Self::StaysOnBranch => "stays_on_branch",
            Self::TargetYielded => "target_yielded",
        }
    }
}

/// How a derived block came to be part of the chain, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DerivedBlock {
    /// The EL had it.
    Consolidated,
    /// The EL built it.
    Built,
    /// The EL built it without the transactions of its batch.
    DepositsOnly,
    /// It was refused, and dropped.
    Dropped,
}

impl DerivedBlock {
    const ALL: [Self; 4] = [
        Self::Consolidated,
        Self::Built,
        Self::DepositsOnly,
        Self::Dropped,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Consolidated => "consolidated",
            Self::Built => "built",
            Self::DepositsOnly => "deposits_only",
            Self::Dropped => "dropped",
        }
    }
}

/// The engine's metrics. Clones share their values.
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    forkchoices: HistogramFamily<Label>,
    new_payloads: HistogramFamily<Label>,
    follow_cases: Family<Label, Counter>,
    reorg_depths: HistogramFamily<Label>,
    derived_blocks: Family<Label, Counter>,
    payload_reads: Counter,
    el_lost: Counter,
    stalls: Family<Label, Counter>,
    heartbeats: Counter,
    read_backs: Counter,
    watches: Option<Watches>,
}

type Watches = (watch::Receiver<EngineState>, watch::Receiver<EngineStatus>);

impl Default for EngineMetrics {
    /// Metrics of no engine: without heads, queue and sync.
    fn default() -> Self {
        let metrics = Self {
            forkchoices: Family::new_with_constructor(latency_histogram),
            new_payloads: Family::new_with_constructor(latency_histogram),
            follow_cases: Family::default(),
            reorg_depths: Family::new_with_constructor(depth_histogram),
            derived_blocks: Family::default(),
            payload_reads: Counter::default(),
            el_lost: Counter::default(),
            stalls: Family::default(),
            heartbeats: Counter::default(),
            read_backs: Counter::default(),
            watches: None,
        };
        // Known from the first scrape on, also while nothing has happened.
        for durations in [&metrics.forkchoices, &metrics.new_payloads] {
            drop(durations.get_or_create(&[("status", "valid")]));
        }
        for cause in ["safe_source", "derivation", "sequencer", "el_lost"] {
            drop(metrics.reorg_depths.get_or_create(&[("cause", cause)]));
        }
        for stall in Stall::ALL {
            drop(metrics.stalls.get_or_create(&[("kind", stall.name())]));
        }
        for case in FollowCase::ALL {
            drop(metrics.follow_cases.get_or_create(&[("case", case.name())]));
        }
        for block in DerivedBlock::ALL {
            let result = [("result", block.name())];
            drop(metrics.derived_blocks.get_or_create(&result));
        }
        metrics
    }
}

impl EngineMetrics {
    /// Metrics of the engine that writes these watches.
    pub(crate) fn of(
        state: watch::Receiver<EngineState>,
        status: watch::Receiver<EngineStatus>,
    ) -> Self {
        Self {
            watches: Some((state, status)),
            ..Self::default()
        }
    }

    /// Takes them into the catalogue.
    pub fn register(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "engine_forkchoice_updated_duration_seconds",
            "Duration of engine_forkchoiceUpdated calls by the status or kind of error that was answered",
            &["status"],
            self.forkchoices.clone(),
        );
        catalogue.register(
            "engine_new_payload_duration_seconds",
            "Duration of engine_newPayload calls by the status or kind of error that was answered",
            &["status"],
            self.new_payloads.clone(),
        );
        catalogue.register(
            "engine_follow_cases",
            "Updates of the follow source by the row of the table that they took",
            &["case"],
            self.follow_cases.clone(),
        );
        catalogue.register(
            "engine_unsafe_reorg_depth_blocks",
            "Blocks that left the unsafe chain in a reorg, by its cause",
            &["cause"],
            self.reorg_depths.clone(),
        );
        catalogue.register(
            "engine_derived_blocks",
            "Derived blocks by how they came to be part of the chain, or not",
            &["result"],
            self.derived_blocks.clone(),
        );
        catalogue.register(
            "engine_payload_reads",
            "Blocks that were read from the execution layer to be compared with derived ones",
            &[],
            self.payload_reads.clone(),
        );
        catalogue.register(
            "engine_el_lost",
            "How often the execution layer was found without blocks that it had confirmed",
            &[],
            self.el_lost.clone(),
        );
        catalogue.register(
            "engine_stalls",
            "How often the execution layer did not get to a head that it was asked for",
            &["kind"],
            self.stalls.clone(),
        );
        catalogue.register(
            "engine_heartbeats",
            "Forkchoices that were sent again because nothing had moved for a minute",
            &[],
            self.heartbeats.clone(),
        );
        catalogue.register(
            "engine_read_back_retries",
            "Looks at an execution layer that answered VALID and had not moved",
            &[],
            self.read_backs.clone(),
        );
        if let Some((state, status)) = self.watches.clone() {
            Gauges::register(catalogue, state, status);
        }
    }

    pub(crate) fn forkchoice(
        &self,
        answer: Result<&PayloadStatusEnum, &ElError>,
        sent_at: Instant,
    ) {
        observe(&self.forkchoices, answer, sent_at);
    }

    pub(crate) fn new_payload(
        &self,
        answer: Result<&PayloadStatusEnum, &ElError>,
        sent_at: Instant,
    ) {
        observe(&self.new_payloads, answer, sent_at);
    }

    pub(crate) fn follow_case(&self, case: Option<FollowCase>) {
        let name = case.map_or("refused", FollowCase::name);
        self.follow_cases.get_or_create(&[("case", name)]).inc();
    }

    pub(crate) fn reorg(&self, cause: &'static str, depth: u64) {
        let depths = self.reorg_depths.get_or_create(&[("cause", cause)]);
        depths.observe(depth as f64);
    }

    pub(crate) fn derived(&self, block: DerivedBlock) {
        let result = [("result", block.name())];
        self.derived_blocks.get_or_create(&result).inc();
    }

    pub(crate) fn payload_read(&self) {
        self.payload_reads.inc();
    }

    pub(crate) fn el_lost(&self) {
        self.el_lost.inc();
    }

    pub(crate) fn stall(&self, stall: Stall) {
        self.stalls.get_or_create(&[("kind", stall.name())]).inc();
    }

    pub(crate) fn heartbeat(&self) {
        self.heartbeats.inc();
    }

    pub(crate) fn read_back(&self) {
        self.read_backs.inc();
    }
}

fn observe(
    durations: &HistogramFamily<Label>,
    answer: Result<&PayloadStatusEnum, &ElError>,
    sent_at: Instant,
) {
    let status = match answer {
        Ok(PayloadStatusEnum::Valid) => "valid",
        Ok(PayloadStatusEnum::Invalid { .. }) => "invalid",
        Ok(PayloadStatusEnum::Syncing) => "syncing",
        Ok(PayloadStatusEnum::Accepted) => "accepted",
        Err(error) => error.class().name(),
    };
    let duration = durations.get_or_create(&[("status", status)]);
    duration.observe(sent_at.elapsed().as_secs_f64());
}
