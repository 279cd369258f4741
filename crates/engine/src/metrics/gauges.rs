//! What stands in the engine's watches, put into gauges at each scrape.

use super::Label;
use crate::{queue::Lane, state::EngineState, status::EngineStatus};
use light_node_metrics::{Catalogue, Family, FloatGauge, Gauge};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::{sync::watch, time::Instant};

/// The gauges of one engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    head_numbers: Family<Label, Gauge>,
    head_timestamps: Family<Label, Gauge>,
    head_ages: Family<Label, FloatGauge>,
    epoch: Gauge,
    queue_depths: Family<Label, Gauge>,
    queue_ages: Family<Label, FloatGauge>,
    buffered_payloads: Gauge,
    buffered_bytes: Gauge,
    target_number: Gauge,
    target_age: FloatGauge,
    el_head: Gauge,
    el_rate: FloatGauge,
    el_no_progress: Gauge,
    el_wrong_chain: Gauge,
    el_failing: FloatGauge,
}

impl Gauges {
    /// Makes gauges, takes them into the catalogue, and has them set at each scrape.
    pub(super) fn register(
        catalogue: &mut Catalogue,
        state: watch::Receiver<EngineState>,
        status: watch::Receiver<EngineStatus>,
    ) {
        let gauges = Self::default();
        gauges.register_heads(catalogue);
        gauges.register_queue(catalogue);
        gauges.register_el(catalogue);
        catalogue.on_scrape(move || {
            gauges.set_heads(&state.borrow(), SystemTime::now());
            gauges.set_status(&status.borrow(), Instant::now());
        });
    }

    fn register_heads(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "engine_head_number",
            "Number of each L2 head that the execution layer has confirmed; absent while unknown",
            &["head"],
            self.head_numbers.clone(),
        );
        catalogue.register(
            "engine_head_timestamp_seconds",
            "Timestamp of each L2 head",
            &["head"],
            self.head_timestamps.clone(),
        );
        catalogue.register(
            "engine_head_age_seconds",
            "Time since the timestamp of each L2 head",
            &["head"],
            self.head_ages.clone(),
        );
        catalogue.register(
            "engine_epoch",
            "Grows at each reset and each reorg of the unsafe chain",
            &[],
            self.epoch.clone(),
        );
    }

    fn register_queue(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "engine_queue_depth",
            "Requests that wait for the execution layer, by lane",
            &["lane"],
            self.queue_depths.clone(),
        );
        catalogue.register(
            "engine_queue_oldest_age_seconds",
            "How long the oldest request of each lane has waited",
            &["lane"],
            self.queue_ages.clone(),
        );
        catalogue.register(
            "engine_buffered_payloads",
            "Unsafe payloads that wait for their parents",
            &[],
            self.buffered_payloads.clone(),
        );
        catalogue.register(
            "engine_buffered_payload_bytes",
            "Memory that the waiting payloads hold",
            &[],
            self.buffered_bytes.clone(),
        );
    }

    fn register_el(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "engine_target_number",
            "Number of the head that the execution layer was asked for and does not have yet; 0 without one",
            &[],
            self.target_number.clone(),
        );
        catalogue.register(
            "engine_target_age_seconds",
            "How long the execution layer has been asked for heads that it does not have; 0 if it has all",
            &[],
            self.target_age.clone(),
        );
        catalogue.register(
            "engine_el_sync_head_number",
            "The execution layer's own head while it syncs to a target; 0 otherwise",
            &[],
            self.el_head.clone(),
        );
        catalogue.register(
            "engine_el_sync_blocks_per_second",
            "Rate of the execution layer's sync over the last minute",
            &[],
            self.el_rate.clone(),
        );
        catalogue.register(
            "engine_el_no_progress",
            "1 while a target is pending to which the execution layer makes no progress",
            &[],
            self.el_no_progress.clone(),
        );
        catalogue.register(
            "engine_el_wrong_chain",
            "1 while an execution layer of another chain answers in the place of ours",
            &[],
            self.el_wrong_chain.clone(),
        );
        catalogue.register(
            "engine_el_failing_seconds",
            "How long the execution layer could not be asked; 0 while it answers",
            &[],
            self.el_failing.clone(),
        );
    }

    fn set_heads(&self, state: &EngineState, now: SystemTime) {
        let now = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let heads = [
            ("unsafe", state.unsafe_head),
            ("pending_safe", state.pending_safe_head),
            ("local_safe", state.local_safe_head),
            ("safe", state.safe_head),
            ("finalized", state.finalized_head),
        ];
        // An unknown head is no block 0.
        for (name, head) in heads.iter().filter(|(_, head)| !head.is_zero()) {
            let label = [("head", *name)];
            self.head_numbers
                .get_or_create(&label)
                .set(whole(head.number));
            self.head_timestamps
                .get_or_create(&label)
                .set(whole(head.timestamp));
            self.head_ages
                .get_or_create(&label)
                .set(now - head.timestamp as f64);
        }
        self.epoch.set(whole(state.epoch));
    }

    fn set_status(&self, status: &EngineStatus, now: Instant) {
        let age = |since: Option<Instant>| {
            since
                .map_or(Duration::ZERO, |since| now.duration_since(since))
                .as_secs_f64()
        };
        for (index, lane) in Lane::ALL.into_iter().enumerate() {
            let label = [("lane", lane.name())];
            let depth = status.queue_depths[index] as u64;
            self.queue_depths.get_or_create(&label).set(whole(depth));
            self.queue_ages
                .get_or_create(&label)
                .set(age(status.oldest_since[index]));
        }
        self.buffered_payloads
            .set(whole(status.buffered_payloads as u64));
        self.buffered_bytes.set(whole(status.buffered_bytes as u64));
        let sync = status.sync.as_ref();
        self.target_number
            .set(whole(sync.map_or(0, |sync| sync.target.number)));
        self.target_age.set(age(status.target_since));
        self.el_head.set(whole(sync.map_or(0, |sync| sync.el_head)));
        self.el_rate
            .set(sync.map_or(0.0, |sync| sync.blocks_per_second()));
        self.el_no_progress
            .set(i64::from(status.no_progress().is_some()));
        self.el_wrong_chain.set(i64::from(status.el_wrong_chain));
        self.el_failing.set(age(status.failing_since));
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
