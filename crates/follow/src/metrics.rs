//! What the follow actor measures. Most of it stands in the snapshot that the actor publishes and is read when somebody
//! scrapes; counted where they happen are only the verdicts of L1 and of check 5.

use crate::status::{IdentityVerdict, NotReady, Snapshot};
use light_node_l1::{Canonicality, L1Error};
use light_node_metrics::{Catalogue, Counter, Family, FloatGauge, Gauge};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::{sync::watch, time::Instant};

type Label = [(&'static str, &'static str); 1];

/// What L1 can say of one block.
const ORIGIN_RESULTS: [&str; 4] = ["canonical", "mismatch", "ahead", "error"];

/// What check 5 can say of an answer that goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoesBack {
    /// It is believed.
    Accepted,
    /// The source derives again.
    Replaying,
    /// It is believed if the source stays with it.
    Waiting,
    /// Only its finalized head is lower; ours stays.
    FinalizedKept,
    /// Its chain does not contain our finalized head.
    FinalizedContradicted,
    /// Its safe head is below our finalized head.
    BelowFinalized,
}

impl GoesBack {
    const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Replaying,
        Self::Waiting,
        Self::FinalizedKept,
        Self::FinalizedContradicted,
        Self::BelowFinalized,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Replaying => "replaying",
            Self::Waiting => "waiting",
            Self::FinalizedKept => "finalized_kept",
            Self::FinalizedContradicted => "finalized_contradicted",
            Self::BelowFinalized => "below_finalized",
        }
    }
}

/// The follow actor's metrics. Clones share their values.
#[derive(Clone, Debug)]
pub struct FollowMetrics {
    origin_checks: Family<Label, Counter>,
    regressions: Family<Label, Counter>,
    snapshot: Option<(watch::Receiver<Snapshot>, Duration)>,
}

impl Default for FollowMetrics {
    /// Metrics of no actor: nothing but counters.
    fn default() -> Self {
        let metrics = Self {
            origin_checks: Family::default(),
            regressions: Family::default(),
            snapshot: None,
        };
        // Known from the first scrape on, also while nothing has happened.
        for result in ORIGIN_RESULTS {
            drop(metrics.origin_checks.get_or_create(&[("result", result)]));
        }
        for verdict in GoesBack::ALL {
            drop(
                metrics
                    .regressions
                    .get_or_create(&[("verdict", verdict.name())]),
            );
        }
        metrics
    }
}

impl FollowMetrics {
    /// Metrics of the actor that writes this watch.
    pub(crate) fn of(snapshot: watch::Receiver<Snapshot>, max_age: Duration) -> Self {
        Self {
            snapshot: Some((snapshot, max_age)),
            ..Self::default()
        }
    }

    /// Takes them into the catalogue.
    pub fn register(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "follow_l1_origin_checks",
            "Blocks named by the source that were looked for on our L1, by what was found",
            &["result"],
            self.origin_checks.clone(),
        );
        catalogue.register(
            "follow_regressions",
            "Answers of the source that went back behind what is applied, by what was made of them",
            &["verdict"],
            self.regressions.clone(),
        );
        if let Some((snapshot, max_age)) = self.snapshot.clone() {
            let gauges = Gauges::default();
            gauges.register(catalogue);
            let started = Instant::now();
            catalogue.on_scrape(move || gauges.refresh(&snapshot.borrow(), max_age, started));
        }
    }

    pub(crate) fn origin_checks(&self, verdicts: &Result<Vec<Canonicality>, L1Error>) {
        let count = |result| {
            self.origin_checks
                .get_or_create(&[("result", result)])
                .inc()
        };
        match verdicts {
            Err(_) => drop(count("error")),
            Ok(verdicts) => {
                for verdict in verdicts {
                    count(match verdict {
                        Canonicality::Canonical => "canonical",
                        Canonicality::Mismatch { .. } => "mismatch",
                        Canonicality::Ahead => "ahead",
                    });
                }
            }
        }
    }

    pub(crate) fn goes_back(&self, verdict: GoesBack) {
        self.regressions
            .get_or_create(&[("verdict", verdict.name())])
            .inc();
    }
}

/// What is read from the snapshot.
#[derive(Clone, Debug, Default)]
struct Gauges {
    polls: Family<Label, Counter>,
    answer_age: FloatGauge,
    in_step_age: FloatGauge,
    source_lag: FloatGauge,
    head_numbers: Family<Label, Gauge>,
    head_times: Family<Label, Gauge>,
    identity: Family<Label, Gauge>,
    not_ready: Family<Label, Gauge>,
    quarantine: FloatGauge,
}

impl Gauges {
    fn register(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "follow_polls",
            "Polls of the source by what became of them",
            &["outcome"],
            self.polls.clone(),
        );
        catalogue.register(
            "follow_source_answer_age_seconds",
            "Time since the source last answered, or since the start",
            &[],
            self.answer_age.clone(),
        );
        catalogue.register(
            "follow_in_step_age_seconds",
            "Time since a poll last found the node in step with the source, or since the start",
            &[],
            self.in_step_age.clone(),
        );
        catalogue.register(
            "follow_source_l1_lag_seconds",
            "How far the source's L1 head lies behind ours",
            &[],
            self.source_lag.clone(),
        );
        catalogue.register(
            "follow_source_head_number",
            "Number of each head in the source's last answer",
            &["head"],
            self.head_numbers.clone(),
        );
        catalogue.register(
            "follow_source_head_timestamp_seconds",
            "Time of each head in the source's last answer",
            &["head"],
            self.head_times.clone(),
        );
        catalogue.register(
            "follow_source_identity",
            "1 for what is known of the source's chain, 0 for the rest",
            &["verdict"],
            self.identity.clone(),
        );
        catalogue.register(
            "follow_not_ready",
            "1 for the reason for which the node does not follow, 0 for the rest",
            &["reason"],
            self.not_ready.clone(),
        );
        catalogue.register(
            "follow_quarantine_remaining_seconds",
            "For how long the source's answers are still ignored, because it lied",
            &[],
            self.quarantine.clone(),
        );
    }

    fn refresh(&self, snapshot: &Snapshot, max_age: Duration, started: Instant) {
        for (outcome, count) in snapshot.counters.iter() {
            let polls = self.polls.get_or_create(&[("outcome", outcome.name())]);
            polls.inner().store(count, Ordering::Relaxed);
        }
        let age = |since: Option<Instant>| since.unwrap_or(started).elapsed().as_secs_f64();
        self.answer_age.set(age(snapshot.answered));
        self.in_step_age.set(age(snapshot.in_step));
        let lag = snapshot.source_lag.unwrap_or_default();
        self.source_lag.set(lag.as_secs_f64());
        let said = snapshot.reported.unwrap_or_default();
        let heads = [
            (
                "current_l1",
                said.current_l1.number,
                said.current_l1.timestamp,
            ),
            ("head_l1", said.head_l1.number, said.head_l1.timestamp),
            ("unsafe", said.unsafe_l2.number, said.unsafe_l2.timestamp),
            (
                "local_safe",
                said.local_safe_l2.number,
                said.local_safe_l2.timestamp,
            ),
            ("safe", said.safe_l2.number, said.safe_l2.timestamp),
            (
                "finalized",
                said.finalized_l2.number,
                said.finalized_l2.timestamp,
            ),
        ];
        for (head, number, timestamp) in heads {
            set(&self.head_numbers, [("head", head)], number);
            set(&self.head_times, [("head", head)], timestamp);
        }
        for verdict in IdentityVerdict::ALL {
            let is_it = u64::from(snapshot.identity == verdict);
            set(&self.identity, [("verdict", verdict.name())], is_it);
        }
        let not_ready = snapshot.not_ready(max_age);
        let reason = not_ready.as_ref().map(NotReady::name);
        for name in NotReady::NAMES {
            let is_it = u64::from(reason == Some(name));
            set(&self.not_ready, [("reason", name)], is_it);
        }
        let until = snapshot.quarantined_until.unwrap_or(started);
        let remaining = until.saturating_duration_since(Instant::now());
        self.quarantine.set(remaining.as_secs_f64());
    }
}

/// Remote numbers may be too large for a gauge, which is signed.
fn set(gauges: &Family<Label, Gauge>, label: Label, value: u64) {
    gauges
        .get_or_create(&label)
        .set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::PollOutcome;

    #[tokio::test(start_paused = true)]
    async fn what_the_actor_publishes_is_scraped_as_it_is_at_that_moment() {
        let (sender, receiver) = watch::channel(Snapshot::default());
        let metrics = FollowMetrics::of(receiver, Duration::from_secs(120));
        let mut catalogue = Catalogue::new();
        metrics.register(&mut catalogue);
        let scraped = catalogue.encode();
        for line in [
            r#"light_node_follow_polls_total{outcome="applied"} 0"#,
            r#"light_node_follow_not_ready{reason="no_update_yet"} 1"#,
            r#"light_node_follow_source_identity{verdict="unchecked"} 1"#,
            r#"light_node_follow_l1_origin_checks_total{result="mismatch"} 0"#,
            r#"light_node_follow_regressions_total{verdict="replaying"} 0"#,
        ] {
            assert!(scraped.contains(line), "{line}\n{scraped}");
        }
        sender.send_modify(|snapshot| {
            snapshot.counters.count(PollOutcome::Applied);
            snapshot.identity = IdentityVerdict::Verified;
            snapshot.in_step = Some(Instant::now());
            snapshot.answered = Some(Instant::now());
            snapshot.quarantined_until = Some(Instant::now() + Duration::from_secs(12));
            let mut said = light_node_protocol::SyncStatus::default();
            said.safe_l2.number = 7;
            said.safe_l2.timestamp = u64::MAX;
            snapshot.reported = Some(said);
        });
        metrics.goes_back(GoesBack::Replaying);
        tokio::time::advance(Duration::from_secs(2)).await;
        let scraped = catalogue.encode();
        for line in [
            r#"light_node_follow_polls_total{outcome="applied"} 1"#,
            r#"light_node_follow_not_ready{reason="no_update_yet"} 0"#,
            r#"light_node_follow_source_identity{verdict="verified"} 1"#,
            r#"light_node_follow_source_head_number{head="safe"} 7"#,
            r#"light_node_follow_source_head_timestamp_seconds{head="safe"} 9223372036854775807"#,
            "light_node_follow_source_answer_age_seconds 2.0",
            "light_node_follow_quarantine_remaining_seconds 10.0",
            r#"light_node_follow_regressions_total{verdict="replaying"} 1"#,
        ] {
            assert!(scraped.contains(line), "{line}\n{scraped}");
        }
    }
}
