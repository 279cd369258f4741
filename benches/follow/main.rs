//! What following costs: the real program in a process of its own between a devnet's L1, source and execution layer, with a tap on
//! each wire. One run gives every figure beside its limit; the exit code says whether all hold.
//!
//! `BENCH_L1_BLOCKS` (100) says how long the steady part runs, in L1 blocks of one second.

#![allow(clippy::unwrap_used)] // a benchmark that cannot run ends here

mod flood;
mod node;
mod report;
mod tap;

use flood::Flood;
use light_node_actor::CancellationToken;
use light_node_devnet::{Blocks, Devnet, DevnetConfig};
use node::Node;
use report::{Report, percentile};
use serde_json::Value;
use std::{
    collections::HashSet,
    process::ExitCode,
    time::{Duration, Instant},
};
use tap::{Exchange, Tap};

const BLOCK_TIME: Duration = Duration::from_secs(1);

/// Starts measured; the median counts.
const STARTS: usize = 10;

/// How long the node may take for its first forkchoice before the bench gives up.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// Calls a second of a busy crowd of clients: wallets, explorers and probes behind one node. The flood is ten times that.
const CALLS_PER_SECOND: u32 = 100;

/// The median from news to forkchoice, in milliseconds.
const REACTION_MAX: f64 = 5.0;

/// How long nothing new is said in the idle part.
const IDLE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Bench {
    devnet: Devnet,
    source: Tap,
    engine: Tap,
    l1: Tap,
    report: Report,
}

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test --benches` passes flags of its own; a bench has nothing to test.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let datadir = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(datadir.path().to_owned()).await;
    bench.starts().await;
    bench.steady().await;
    let broken = bench.report.finish();
    bench.devnet.stop().await.unwrap();
    match broken {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("{broken}");
            ExitCode::FAILURE
        }
    }
}

impl Bench {
    async fn start(datadir: std::path::PathBuf) -> Self {
        let config = DevnetConfig {
            block_time: BLOCK_TIME,
            l1_block_time: BLOCK_TIME,
            l1_safe_lag: 2,
            l1_finalized_lag: 4,
            deriver: false,
            followers: 0,
            blocks: Blocks::ByScript,
            traffic: true,
            ..DevnetConfig::new(datadir)
        };
        let devnet = Devnet::start(config, CancellationToken::new())
            .await
            .unwrap();
        let endpoints = devnet.endpoints();
        let source = Tap::on(&endpoints.source).await;
        let engine = Tap::on(&endpoints.spare.authrpc).await;
        let l1 = Tap::on(&endpoints.l1).await;
        Self {
            devnet,
            source,
            engine,
            l1,
            report: Report::default(),
        }
    }

    fn node(&self, more: &[&str]) -> Node {
        let files = &self.devnet.endpoints().files;
        let seconds = format!("{}s", BLOCK_TIME.as_secs());
        let flags = [
            format!("--l2.follow.source={}", self.source.url()),
            format!("--l2={}", self.engine.url()),
            format!("--l2.jwt-secret={}", files.jwt.display()),
            format!("--l1={}", self.l1.url()),
            format!("--l1.slot-duration={seconds}"),
            // An epoch, as on mainnet: 32 slots.
            format!("--l1.epoch-poll-interval={}s", 32 * BLOCK_TIME.as_secs()),
            format!("--rollup.config={}", files.rollup.display()),
        ];
        let more = more.iter().map(|flag| (*flag).to_owned());
        Node::start(&flags.into_iter().chain(more).collect::<Vec<_>>())
    }

    fn clear(&self) {
        for tap in [&self.source, &self.engine, &self.l1] {
            tap.clear();
        }
    }

    /// Start to first forkchoice, on an execution layer that has the chain.
    async fn starts(&mut self) {
        let warm = self.node(&[]);
        self.first_forkchoice(&warm).await;
        // Until it holds a few blocks.
        tokio::time::sleep(10 * BLOCK_TIME).await;
        drop(warm);
        let mut sample = Vec::new();
        for _ in 0..STARTS {
            self.clear();
            let node = self.node(&[]);
            sample.push(millis(self.first_forkchoice(&node).await));
        }
        self.report.at_most(
            "start -> first forkchoice, warm EL, p50",
            percentile(&mut sample, 50),
            300.0,
            "ms",
        );
    }

    async fn first_forkchoice(&self, node: &Node) -> Duration {
        loop {
            let notes = self.engine.notes();
            if let Some(first) = notes.iter().find(|exchange| is_forkchoice(exchange)) {
                return first.asked - node.started();
            }
            assert!(
                node.started().elapsed() < START_PATIENCE,
                "no forkchoice within {START_PATIENCE:?}"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A hundred L1 blocks of following, then nothing new.
    async fn steady(&mut self) {
        let blocks: u32 = std::env::var("BENCH_L1_BLOCKS").map_or(100, |typed| {
            typed.parse().expect("BENCH_L1_BLOCKS is a number")
        });
        let node = self.node(&[]);
        self.first_forkchoice(&node).await;
        tokio::time::sleep(5 * BLOCK_TIME).await;
        self.clear();
        let (began, cpu) = (Instant::now(), node.cpu_time());
        let l1_head = self.devnet.l1().heads().latest.number;
        tokio::time::sleep(blocks * BLOCK_TIME).await;
        let l1_blocks = (self.devnet.l1().heads().latest.number - l1_head) as f64;
        let busy = (node.cpu_time() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
        let calm = self.reaction();
        self.requests(l1_blocks);
        self.report
            .at_most("CPU, following 1 s blocks", busy * 100.0, 1.0, "% core");
        self.report
            .at_most("resident memory, peak", node.peak_rss_mib(), 40.0, "MiB");
        self.flooded(&node, blocks, calm).await;
        self.idle(&node).await;
        drop(node);
        self.idle_polls().await;
    }

    /// As much following again, with clients that call ten times as often as a busy crowd does. `calm` is the p99 without them.
    async fn flooded(&mut self, node: &Node, blocks: u32, calm: f64) {
        let flood = Flood::start(node.rpc_url(), 10 * CALLS_PER_SECOND);
        tokio::time::sleep(2 * BLOCK_TIME).await;
        self.clear();
        let (began, asked) = (Instant::now(), flood.answered());
        tokio::time::sleep(blocks * BLOCK_TIME).await;
        let rate = f64::from(flood.answered() - asked) / began.elapsed().as_secs_f64();
        drop(flood);
        Report::note("calls answered per second in the flood", rate, "");
        let mut updates = self.updates();
        self.report.at_most(
            "news -> forkchoice in the flood, p99",
            percentile(&mut updates.reactions, 99),
            // What is within the limit of the median is not moved; else the noise of the machine is in both.
            (2.0 * calm).max(REACTION_MAX),
            "ms",
        );
    }

    /// What the updates since the last [`Self::clear`] took.
    fn updates(&self) -> Updates {
        let (source, engine, l1) = (self.source.notes(), self.engine.notes(), self.l1.notes());
        let news = news(&source);
        let ends = news.iter().skip(1).map(|next| next.answered);
        let ends = ends.chain(std::iter::once(Instant::now()));
        let mut updates = Updates::default();
        for (told, end) in news.iter().zip(ends) {
            let span = told.answered..end;
            let within: Vec<&Exchange> = engine
                .iter()
                .filter(|exchange| span.contains(&exchange.asked))
                .collect();
            let Some(first) = within.iter().find(|exchange| is_forkchoice(exchange)) else {
                continue;
            };
            let before = within.iter().copied().chain(&l1).filter(|exchange| {
                exchange.asked >= told.answered && exchange.answered <= first.asked
            });
            let others: Duration = before.map(Exchange::duration).sum();
            let reaction = (first.asked - told.answered).saturating_sub(others);
            updates.reactions.push(millis(reaction));
            updates.forkchoices.push(count(&within, is_forkchoice));
            let reads = count(&within, |exchange| exchange.calls("eth_getBlock"));
            updates.reads.push(reads);
        }
        updates
    }

    /// How soon and at what cost news becomes a forkchoice. Returns the p99.
    fn reaction(&mut self) -> f64 {
        let mut updates = self.updates();
        Report::note(
            "updates with a forkchoice",
            updates.reactions.len() as f64,
            "",
        );
        let p99 = percentile(&mut updates.reactions, 99);
        self.report.at_most(
            "news -> forkchoice, without EL and L1 time, p50",
            percentile(&mut updates.reactions, 50),
            REACTION_MAX,
            "ms",
        );
        Report::note("news -> forkchoice, without EL and L1 time, p99", p99, "ms");
        // A target that completes adds one, and each moment in which one waits: without gossip that is every update.
        self.report.at_most(
            "forkchoices per update, p99",
            percentile(&mut updates.forkchoices, 99),
            2.0,
            "",
        );
        // Where the EL needs longer to fetch its block, it is looked for once more.
        let batches = percentile(&mut updates.reads, 99);
        Report::note("batches of EL reads per update, p99", batches, "");
        self.report.at_most(
            "batches of EL reads per update, p90",
            percentile(&mut updates.reads, 90),
            1.0,
            "",
        );
        p99
    }

    fn requests(&mut self, l1_blocks: f64) {
        self.report.at_most(
            "L1 HTTP requests per L1 block, tags included",
            self.l1.notes().len() as f64 / l1_blocks,
            1.1,
            "",
        );
        Report::note(
            "source requests per second",
            self.source.notes().len() as f64 / l1_blocks,
            "",
        );
    }

    /// L1 stands still, so nothing becomes safe: what a poll without news costs.
    async fn idle(&mut self, node: &Node) {
        self.devnet.l1().set_mining(false);
        tokio::time::sleep(10 * BLOCK_TIME).await;
        self.clear();
        let cpu = node.cpu_time();
        tokio::time::sleep(IDLE).await;
        assert!(
            news(&self.source.notes()).is_empty(),
            "the source still had news"
        );
        let busy = (node.cpu_time() - cpu).as_secs_f64() / IDLE.as_secs_f64();
        self.report
            .at_most("CPU, idle", busy * 100.0, 1.0, "% core");
    }

    /// What a poll without news asks of anybody. The node polls twenty times as often as by default, so that what it does by its
    /// own clock (a heartbeat, a look at L1 whose next block is overdue) hardly counts.
    async fn idle_polls(&mut self) {
        let node = self.node(&["--l2.follow.poll-interval=50ms"]);
        self.clear();
        self.first_forkchoice(&node).await;
        tokio::time::sleep(5 * BLOCK_TIME).await;
        self.clear();
        tokio::time::sleep(IDLE).await;
        let source = self.source.notes();
        let polls: Vec<&Exchange> = source
            .iter()
            .filter(|exchange| exchange.calls("optimism_syncStatus"))
            .collect();
        for (what, requests, limit) in [
            ("source HTTP requests per idle poll", source.len(), 1.02),
            ("L1 requests per idle poll", self.l1.notes().len(), 0.1),
            ("EL calls per idle poll", self.engine.notes().len(), 0.02),
        ] {
            let per_poll = requests as f64 / polls.len() as f64;
            self.report.at_most(what, per_poll, limit, "");
        }
    }
}

/// One figure per update of the source.
#[derive(Debug, Default)]
struct Updates {
    /// From the source's answer with news to the forkchoice, without the time of EL and L1 in between, in milliseconds.
    reactions: Vec<f64>,
    forkchoices: Vec<f64>,
    /// Batches of reads asked of the execution layer.
    reads: Vec<f64>,
}

fn is_forkchoice(exchange: &Exchange) -> bool {
    exchange.calls("engine_forkchoiceUpdated")
}

fn count(exchanges: &[&Exchange], is_counted: impl Fn(&Exchange) -> bool) -> f64 {
    exchanges
        .iter()
        .filter(|exchange| is_counted(exchange))
        .count() as f64
}

/// The answers that name heads which none before did.
fn news(answers: &[Exchange]) -> Vec<Exchange> {
    let mut heard: HashSet<Vec<Value>> = HashSet::new();
    let statuses = answers
        .iter()
        .filter(|exchange| exchange.calls("optimism_syncStatus"));
    let mut news: Vec<Exchange> = statuses
        .filter(|exchange| {
            let heads = ["local_safe_l2", "safe_l2", "finalized_l2"]
                .map(|head| exchange.answer["result"][head]["hash"].clone());
            heard.insert(heads.to_vec())
        })
        .cloned()
        .collect();
    if !news.is_empty() {
        // The first is news to the bench only.
        news.remove(0);
    }
    news
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
