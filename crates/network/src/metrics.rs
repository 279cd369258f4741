//! What the network measures. Events and durations are recorded where they happen; numbers of peers stand in a watch and are read
//! when somebody scrapes. No label grows with the network: none names a peer or an address.

use crate::{
    peer_info::PeerStats,
    topics::BlockVersion,
    verdict::{IgnoreReason, RejectReason, Verdict},
};
use light_node_engine::PayloadDropped;
use light_node_metrics::{
    Catalogue, Counter, Family, Gauge, Histogram, HistogramFamily, latency_histogram,
};
use std::time::Duration;
use tokio::sync::watch;

type Label = [(&'static str, &'static str); 1];
type Labels = [(&'static str, &'static str); 2];

/// Upper bounds of scores: the thresholds of ban, graylist and gossip, and what is around them.
const SCORE_BUCKETS: [f64; 9] = [-100.0, -40.0, -20.0, -10.0, -1.0, 0.0, 1.0, 10.0, 100.0];

/// What became of an own block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// Peers were sent it.
    Sent,
    /// There is no peer for it.
    NoPeers,
    /// It waited too long before it was signed.
    Expired,
    /// There is no signature.
    NotSigned,
    /// Signing and sending took too long.
    TimedOut,
    /// Gossip refused it.
    Failed,
}

/// What became of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dial {
    /// The peer is connected.
    Connected,
    /// We, or a limit of ours, did not want it after all.
    Denied,
    /// Nobody answered, or nothing was agreed.
    Failed,
    /// Another peer was there.
    WrongPeer,
}

/// Why a message was dropped before it was judged, or without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unjudged {
    /// The peer's budget is spent, or what all together have beyond their own.
    Budget,
    /// It does not decompress, or to no block's length; the sender is blamed.
    Malformed,
    /// Too many wait to be judged.
    QueueFull,
    /// The judge panicked.
    Panic,
    /// The verdict came after gossip had forgotten the message.
    Forgotten,
}

impl Published {
    const ALL: [Self; 6] = [
        Self::Sent,
        Self::NoPeers,
        Self::Expired,
        Self::NotSigned,
        Self::TimedOut,
        Self::Failed,
    ];

    /// Its name in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::NoPeers => "no_peers",
            Self::Expired => "expired",
            Self::NotSigned => "not_signed",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
        }
    }
}

impl Dial {
    const ALL: [Self; 4] = [Self::Connected, Self::Denied, Self::Failed, Self::WrongPeer];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::WrongPeer => "wrong_peer",
        }
    }
}

impl Unjudged {
    const ALL: [Self; 5] = [
        Self::Budget,
        Self::Malformed,
        Self::QueueFull,
        Self::Panic,
        Self::Forgotten,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Malformed => "malformed",
            Self::QueueFull => "queue_full",
            Self::Panic => "panic",
            Self::Forgotten => "forgotten",
        }
    }
}

/// The network's metrics. Clones share their values.
#[derive(Clone, Debug)]
pub struct NetworkMetrics {
    verdicts: Family<Labels, Counter>,
    unjudged: Family<Label, Counter>,
    to_verdict: HistogramFamily<Label>,
    to_engine: Histogram,
    handed_over: Family<Label, Counter>,
    published: Family<Label, Counter>,
    dials: Family<Label, Counter>,
    refused_inbound: Family<Label, Counter>,
    bans: Counter,
    restarts: Counter,
    scores: Histogram,
    mesh: Family<Label, Gauge>,
    stats: Option<watch::Receiver<PeerStats>>,
}

impl Default for NetworkMetrics {
    /// Metrics of no network: without peers.
    fn default() -> Self {
        let metrics = Self {
            verdicts: Family::default(),
            unjudged: Family::default(),
            to_verdict: Family::new_with_constructor(latency_histogram),
            to_engine: latency_histogram(),
            handed_over: Family::default(),
            published: Family::default(),
            dials: Family::default(),
            refused_inbound: Family::default(),
            bans: Counter::default(),
            restarts: Counter::default(),
            scores: Histogram::new(SCORE_BUCKETS),
            mesh: Family::default(),
            stats: None,
        };
        metrics.prepare();
        metrics
    }
}

impl NetworkMetrics {
    /// Metrics of the network that writes these numbers.
    pub(crate) fn of(stats: watch::Receiver<PeerStats>) -> Self {
        Self {
            stats: Some(stats),
            ..Self::default()
        }
    }

    /// Known from the first scrape on, also while nothing has happened.
    fn prepare(&self) {
        let ignored = IgnoreReason::ALL.map(|reason| ("ignore", reason.as_str()));
        let rejected = RejectReason::ALL.map(|reason| ("reject", reason.as_str()));
        let accepted = [("accept", "")];
        for (verdict, reason) in ignored.into_iter().chain(rejected).chain(accepted) {
            drop(
                self.verdicts
                    .get_or_create(&[("verdict", verdict), ("reason", reason)]),
            );
        }
        for verdict in ["accept", "ignore", "reject"] {
            drop(self.to_verdict.get_or_create(&[("verdict", verdict)]));
        }
        for reason in Unjudged::ALL {
            drop(self.unjudged.get_or_create(&[("reason", reason.as_str())]));
        }
        for result in Published::ALL {
            drop(self.published.get_or_create(&[("result", result.as_str())]));
        }
        for result in Dial::ALL {
            drop(self.dials.get_or_create(&[("result", result.as_str())]));
        }
        for result in [
            Ok(()),
            Err(PayloadDropped::Full),
            Err(PayloadDropped::NoPlace),
        ] {
            drop(
                self.handed_over
                    .get_or_create(&[("result", name_of(result))]),
            );
        }
        for version in BlockVersion::ALL {
            drop(self.mesh.get_or_create(&[("topic", version.as_str())]));
        }
    }

    pub(crate) fn judged(&self, verdict: &Verdict, after: Duration) {
        let (verdict, reason) = verdict.as_strs();
        let labels = [("verdict", verdict), ("reason", reason)];
        self.verdicts.get_or_create(&labels).inc();
        let durations = self.to_verdict.get_or_create(&[("verdict", verdict)]);
        durations.observe(after.as_secs_f64());
    }

    pub(crate) fn unjudged(&self, reason: Unjudged) {
        self.unjudged_count(reason, 1);
    }

    pub(crate) fn unjudged_count(&self, reason: Unjudged, count: usize) {
        self.unjudged
            .get_or_create(&[("reason", reason.as_str())])
            .inc_by(count as u64);
    }

    pub(crate) fn handed_over(&self, result: Result<(), PayloadDropped>, after: Duration) {
        self.to_engine.observe(after.as_secs_f64());
        self.handed_over
            .get_or_create(&[("result", name_of(result))])
            .inc();
    }

    pub(crate) fn published(&self, result: Published) {
        self.published
            .get_or_create(&[("result", result.as_str())])
            .inc();
    }

    pub(crate) fn dialled(&self, result: Dial) {
        self.dials
            .get_or_create(&[("result", result.as_str())])
            .inc();
    }

    pub(crate) fn refused_inbound(&self, reason: &'static str) {
        self.refused_inbound
            .get_or_create(&[("reason", reason)])
            .inc();
    }

    pub(crate) fn banned(&self) {
        self.bans.inc();
    }

    pub(crate) fn restarted(&self) {
        self.restarts.inc();
    }

    pub(crate) fn scored(&self, score: f64) {
        self.scores.observe(score);
    }

    pub(crate) fn mesh(&self, version: BlockVersion, peers: usize) {
        let gauge = self.mesh.get_or_create(&[("topic", version.as_str())]);
        gauge.set(i64::try_from(peers).unwrap_or(i64::MAX));
    }

    /// Takes them into the catalogue.
    pub fn register(&self, catalogue: &mut Catalogue) {
        self.register_blocks(catalogue);
        self.register_peers(catalogue);
    }

    fn register_blocks(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "network_verdicts",
            "Gossiped blocks by verdict and by why they were dropped",
            &["verdict", "reason"],
            self.verdicts.clone(),
        );
        catalogue.register(
            "network_unjudged",
            "Gossiped blocks that were dropped without a verdict, by reason",
            &["reason"],
            self.unjudged.clone(),
        );
        catalogue.register(
            "network_receive_to_verdict_seconds",
            "Time from the receipt of a block to its verdict",
            &["verdict"],
            self.to_verdict.clone(),
        );
        catalogue.register(
            "network_receive_to_engine_seconds",
            "Time from the receipt of a block until the engine had it",
            &[],
            self.to_engine.clone(),
        );
        catalogue.register(
            "network_handed_over",
            "Accepted blocks by whether the engine took them",
            &["result"],
            self.handed_over.clone(),
        );
        catalogue.register(
            "network_published",
            "Own blocks by what became of them",
            &["result"],
            self.published.clone(),
        );
    }

    fn register_peers(&self, catalogue: &mut Catalogue) {
        catalogue.register(
            "network_dials",
            "Dials by result",
            &["result"],
            self.dials.clone(),
        );
        catalogue.register(
            "network_refused_inbound",
            "Inbound connections that were refused or came to nothing, by reason",
            &["reason"],
            self.refused_inbound.clone(),
        );
        catalogue.register(
            "network_bans",
            "Peers banned for their score",
            &[],
            self.bans.clone(),
        );
        catalogue.register(
            "network_swarm_restarts",
            "Restarts of the swarm after a failure",
            &[],
            self.restarts.clone(),
        );
        catalogue.register(
            "network_peer_score",
            "Scores of the connected peers, each every 15 seconds",
            &[],
            self.scores.clone(),
        );
        catalogue.register(
            "network_mesh_peers",
            "Peers in the mesh of a block topic",
            &["topic"],
            self.mesh.clone(),
        );
        let Some(stats) = self.stats.clone() else {
            return;
        };
        let peers: Family<Label, Gauge> = Family::default();
        catalogue.register(
            "network_peers",
            "Peers: connected, known, banned, in the table of discovery, and subscribed to each topic",
            &["kind"],
            peers.clone(),
        );
        catalogue.on_scrape(move || {
            let stats = *stats.borrow();
            let set = |kind, count: usize| {
                let gauge = peers.get_or_create(&[("kind", kind)]);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            };
            set("connected", stats.connected);
            set("known", stats.known);
            set("banned", stats.banned);
            set("table", stats.table);
            for (version, count) in BlockVersion::ALL.into_iter().zip(stats.block_topics) {
                set(version.as_str(), count);
            }
        });
    }
}

#[cfg(test)]
impl NetworkMetrics {
    /// How many blocks had this verdict.
    pub(crate) fn count(&self, verdict: &'static str, reason: &'static str) -> u64 {
        let labels = [("verdict", verdict), ("reason", reason)];
        self.verdicts.get_or_create(&labels).get()
    }

    /// How many own blocks became this.
    pub(crate) fn count_published(&self, result: Published) -> u64 {
        self.published
            .get_or_create(&[("result", result.as_str())])
            .get()
    }

    /// How many dials became this.
    pub(crate) fn count_dials(&self, result: &'static str) -> u64 {
        self.dials.get_or_create(&[("result", result)]).get()
    }

    /// How often the swarm was made again.
    pub(crate) fn count_restarts(&self) -> u64 {
        self.restarts.get()
    }

    /// How many blocks had none.
    pub(crate) fn dropped(&self, reason: Unjudged) -> u64 {
        self.unjudged
            .get_or_create(&[("reason", reason.as_str())])
            .get()
    }
}

const fn name_of(result: Result<(), PayloadDropped>) -> &'static str {
    match result {
        Ok(()) => "taken",
        Err(PayloadDropped::Full) => "full",
        Err(PayloadDropped::NoPlace) => "no_place",
        Err(PayloadDropped::Gone) => "gone",
    }
}
