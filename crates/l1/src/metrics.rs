//! What the L1 client measures. Requests and reorgs are recorded where they happen; heads, endpoints and ages stand in the
//! watches and are read when somebody scrapes.

use crate::{EndpointVerdict, HttpError, L1Error, L1Heads, beacon, status::Snapshot};
use light_node_metrics::{
    Catalogue, Counter, Family, FloatGauge, Gauge, Histogram, RequestMetrics, RequestResult,
    depth_histogram,
};
use light_node_protocol::L1BlockRef;
use tokio::{sync::watch, time::Instant};

/// The client's name among those that send requests.
const RPC: &str = "l1";

type Label = [(&'static str, &'static str); 1];
type Watches = (watch::Receiver<L1Heads>, watch::Receiver<Snapshot>);

/// The L1 client's metrics. Clones share their values.
#[derive(Clone, Debug)]
pub struct L1Metrics {
    requests: RequestMetrics,
    beacon_requests: RequestMetrics,
    reorgs: Counter,
    reorg_depths: Histogram,
    feed_blocks: Gauge,
    feed_bytes: Gauge,
    watches: Option<Watches>,
}

impl Default for L1Metrics {
    /// Metrics of no client: without heads and endpoints.
    fn default() -> Self {
        Self {
            requests: RequestMetrics::new(RPC),
            beacon_requests: RequestMetrics::new(beacon::RPC),
            feed_blocks: Gauge::default(),
            feed_bytes: Gauge::default(),
            reorgs: Counter::default(),
            reorg_depths: depth_histogram(),
            watches: None,
        }
    }
}

impl L1Metrics {
    /// Metrics of the client that writes these watches.
    pub(crate) fn of(heads: watch::Receiver<L1Heads>, status: watch::Receiver<Snapshot>) -> Self {
        Self {
            watches: Some((heads, status)),
            ..Self::default()
        }
    }

    /// Durations of the HTTP requests. A batch is one request, of the method `batch`, whatever it asks for: how many there
    /// are is what an operator pays for.
    pub const fn requests(&self) -> &RequestMetrics {
        &self.requests
    }

    /// Durations of the requests to beacons.
    pub const fn beacon_requests(&self) -> &RequestMetrics {
        &self.beacon_requests
    }

    /// How many blocks each L1 reorg took, for those who show it under another name.
    pub const fn reorg_depths(&self) -> &Histogram {
        &self.reorg_depths
    }

    /// Takes all but [`Self::requests`] and [`Self::beacon_requests`] into the catalogue: those of all clients are registered
    /// together.
    pub fn register(&self, catalogue: &mut Catalogue) {
        catalogue.register("l1_reorgs", "L1 reorgs seen", &[], self.reorgs.clone());
        catalogue.register(
            "l1_reorg_depth_blocks",
            "Blocks that an L1 reorg took from the chain, counted down to the highest known one that stayed",
            &[],
            self.reorg_depths.clone(),
        );
        catalogue.register(
            "l1_feed_blocks",
            "L1 blocks held ahead of derivation",
            &[],
            self.feed_blocks.clone(),
        );
        catalogue.register(
            "l1_feed_bytes",
            "L1 data held ahead of derivation, blobs included, in bytes",
            &[],
            self.feed_bytes.clone(),
        );
        let gauges = Gauges::default();
        gauges.register(catalogue);
        if let Some((heads, status)) = self.watches.clone() {
            let started = Instant::now();
            catalogue.on_scrape(move || {
                gauges.show_heads(&heads.borrow());
                gauges.show_status(&status.borrow(), started);
            });
        }
    }

    /// Records a request that was sent at `sent_at`, by what came back.
    pub(crate) fn note_request<T>(
        &self,
        method: &'static str,
        outcome: &Result<T, L1Error>,
        sent_at: Instant,
    ) {
        self.requests.observe(method, result(outcome), sent_at);
    }

    /// What the feed holds ahead of derivation.
    pub(crate) fn show_feed(&self, blocks: usize, bytes: usize) {
        self.feed_blocks.set(clamped(blocks as u64));
        self.feed_bytes.set(clamped(bytes as u64));
    }

    /// Counts a reorg of so many blocks; `None` if it is not known how many.
    pub(crate) fn note_reorg(&self, depth: Option<u64>) {
        self.reorgs.inc();
        if let Some(depth) = depth {
            self.reorg_depths.observe(depth as f64);
        }
    }
}

/// What the answer was to the one who sent the request; that an answer is of another chain or contradicts others is the
/// endpoint's fault and not the request's.
pub(crate) const fn result<T>(outcome: &Result<T, L1Error>) -> RequestResult {
    let Err(error) = outcome else {
        return RequestResult::Ok;
    };
    match error {
        L1Error::Http { source, .. } => match source {
            HttpError::Timeout { .. } => RequestResult::Timeout,
            HttpError::Connect { .. } | HttpError::Broken { .. } => RequestResult::Transport,
            HttpError::Status {
                status: 401 | 403, ..
            } => RequestResult::Unauthorized,
            HttpError::Status { status: 429, .. } => RequestResult::RateLimited,
            HttpError::Status { .. } => RequestResult::HttpStatus,
            HttpError::TooLarge { .. } => RequestResult::Malformed,
        },
        L1Error::Malformed { .. } => RequestResult::Malformed,
        L1Error::Rpc { .. } => RequestResult::RpcError,
        L1Error::Inconsistent { .. }
        | L1Error::Missing { .. }
        | L1Error::Lagging { .. }
        | L1Error::BelowFinalized { .. }
        | L1Error::WrongChain { .. }
        | L1Error::Unavailable { .. } => RequestResult::Ok,
    }
}

/// What stands in the watches.
#[derive(Debug, Default)]
struct Gauges {
    numbers: Family<Label, Gauge>,
    times: Family<Label, Gauge>,
    endpoints: Family<Label, Gauge>,
    bad_answers: Counter,
    active: Gauge,
    silence: FloatGauge,
}

impl Gauges {
    fn register(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "l1_block_number",
            "Number of the L1 block of each tag, 0 while it is not known",
            &["tag"],
            self.numbers.clone(),
        );
        catalogue.register(
            "l1_block_timestamp_seconds",
            "Header time of the L1 block of each tag, in seconds since 1970, 0 while it is not known",
            &["tag"],
            self.times.clone(),
        );
        catalogue.register(
            "l1_endpoints",
            "Configured L1 endpoints, by what is known about their chain",
            &["verdict"],
            self.endpoints.clone(),
        );
        catalogue.register(
            "l1_bad_answers",
            "Answers of L1 endpoints that did not decode or contradicted what was known",
            &[],
            self.bad_answers.clone(),
        );
        catalogue.register(
            "l1_active_endpoint",
            "Place of the L1 endpoint in use in the configured order, from 0, or -1 before the first good answer",
            &[],
            self.active.clone(),
        );
        catalogue.register(
            "l1_last_success_age_seconds",
            "Time since the last good answer of L1, or since the start if there was none",
            &[],
            self.silence.clone(),
        );
    }

    fn show_heads(&self, heads: &L1Heads) {
        let tags: [(&'static str, &L1BlockRef); 3] = [
            ("latest", &heads.head),
            ("safe", &heads.safe),
            ("finalized", &heads.finalized),
        ];
        for (tag, block) in tags {
            let label = [("tag", tag)];
            self.numbers
                .get_or_create(&label)
                .set(clamped(block.number));
            self.times
                .get_or_create(&label)
                .set(clamped(block.timestamp));
        }
    }

    fn show_status(&self, status: &Snapshot, started: Instant) {
        let active = status.active_index.and_then(|index| index.try_into().ok());
        self.active.set(active.unwrap_or(-1));
        let last_success = status.last_success.unwrap_or(started);
        self.silence.set(last_success.elapsed().as_secs_f64());
        let [mut unchecked, mut verified, mut wrong_chain] = [0, 0, 0];
        let mut bad_answers = 0;
        for endpoint in &status.endpoints {
            bad_answers += endpoint.bad_answers;
            match endpoint.verdict {
                EndpointVerdict::Unchecked => unchecked += 1,
                EndpointVerdict::Verified => verified += 1,
                EndpointVerdict::WrongChain { .. } => wrong_chain += 1,
            }
        }
        for (verdict, count) in [
            ("unchecked", unchecked),
            ("verified", verified),
            ("wrong_chain", wrong_chain),
        ] {
            self.endpoints
                .get_or_create(&[("verdict", verdict)])
                .set(count);
        }
        let shown = self.bad_answers.get();
        self.bad_answers.inc_by(bad_answers.saturating_sub(shown));
    }
}

fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        test_utils::{Fault, MemoryL1},
        testing::{CHAIN_ID, Running},
    };
    use std::time::Duration;
    use tokio::time::sleep;

    fn has(exposition: &str, line: &str) {
        let found = exposition.lines().any(|found| found == line);
        assert!(found, "{line}\n{exposition}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_scrape_shows_heads_endpoints_requests_and_reorgs_as_they_are() {
        let first = MemoryL1::new(CHAIN_ID, 100);
        first.set_tags(Some(90), Some(80));
        let second = first.another_endpoint("second");
        first.set_fault(Fault::Status(429, None));
        let running = Running::start(&first, &[&first, &second]);
        let metrics = running.l1.metrics();
        let mut catalogue = Catalogue::new();
        metrics.register(&mut catalogue);
        RequestMetrics::register_all(&[metrics.requests().clone()], &mut catalogue, false);
        has(&catalogue.encode(), "light_node_l1_active_endpoint -1");
        running.head_is(99).await;
        // The depth is exact where every block was seen.
        for number in 100..104 {
            first.mine(1);
            running.head_is(number).await;
        }
        first.reorg(3, 1);
        running.head_is(104).await;
        second.set_fault(Fault::Html);
        let _ = running.l1.check(&[first.id(5)]).await;
        sleep(Duration::from_millis(10)).await;

        let exposition = catalogue.encode();
        for line in [
            "light_node_l1_block_number{tag=\"latest\"} 104",
            "light_node_l1_block_number{tag=\"safe\"} 90",
            "light_node_l1_block_number{tag=\"finalized\"} 80",
            "light_node_l1_active_endpoint 1",
            "light_node_l1_endpoints{verdict=\"unchecked\"} 2",
            "light_node_l1_endpoints{verdict=\"wrong_chain\"} 0",
            "light_node_l1_bad_answers_total 1",
            "light_node_l1_reorgs_total 1",
            "light_node_l1_reorg_depth_blocks_sum 3.0",
        ] {
            has(&exposition, line);
        }
        let time = first.block(104).timestamp;
        let line = format!("light_node_l1_block_timestamp_seconds{{tag=\"latest\"}} {time}");
        has(&exposition, &line);
        assert!(exposition.contains("light_node_l1_last_success_age_seconds 0."));
        for labels in [
            "rpc=\"l1\",method=\"batch\",result=\"ok\"",
            "rpc=\"l1\",method=\"batch\",result=\"rate_limited\"",
            "rpc=\"l1\",method=\"batch\",result=\"malformed\"",
            "rpc=\"l1\",method=\"eth_getBlockByNumber\",result=\"ok\"",
        ] {
            let line = format!("light_node_client_request_duration_seconds_count{{{labels}}}");
            assert!(exposition.contains(&line), "{line}\n{exposition}");
        }
        let counted: u64 = exposition
            .lines()
            .filter(|line| line.contains("duration_seconds_count"))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(counted, first.requests() + second.requests());
        running.stop().await;
    }
}
