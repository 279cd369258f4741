//! How evenly blocks come: the real program sequences blocks of one second, and beside it, in the same process, derivation catches up
//! with an L1 of hundreds of blocks. Both share the machine with the execution layer and with L1, which live in this process. Blocks
//! are timed at the execution layer, when they become its head. One run gives every figure beside its limit; the exit code says
//! whether all hold.
//!
//! Whatever else runs on the machine makes blocks late, too. So a timer that has nothing to do is held to the same seconds, on the
//! thread that times the blocks; what it is off is the machine's part.
//!
//! `BENCH_BLOCKS` (120) says how many intervals are timed while derivation catches up, and about as many are beside none;
//! `BENCH_L1_BLOCKS` (300) how far derivation is behind, `BENCH_BLOBS` (3) how many blobs that are no batch each of these L1 blocks
//! has, `BENCH_L2_CALLS` (8) how many transactions of users an L2 block has.

#![allow(clippy::unwrap_used)] // a benchmark that cannot run ends here

#[path = "../derive/chain.rs"]
#[allow(dead_code)] // the other bench does more with it
mod chain;
mod machine;
#[path = "../follow/node.rs"]
#[allow(dead_code)] // the other bench reads more
mod node;
#[path = "../follow/report.rs"]
#[allow(dead_code)] // the other bench has more
mod report;
mod steps;
mod watcher;

use alloy_rpc_types_engine::ForkchoiceState;
use chain::{Chain, L1_BLOCK_TIME};
use light_node_protocol::SyncStatus;
use machine::Machine;
use node::Node;
use report::{Report, percentile};
use serde_json::{Value, json};
use std::{
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use steps::Steps;
use watcher::Watcher;

const BLOCK_TIME: Duration = Duration::from_secs(1);

/// 99 of 100 intervals between blocks are less than this off, in milliseconds.
const JITTER_MAX: f64 = 20.0;

/// Between two looks at the program's status, each of which takes processor time from what is measured.
const GLANCE: Duration = Duration::from_millis(200);

/// How long the node may take to begin and to catch up.
const PATIENCE: Duration = Duration::from_secs(300);

/// What still happens right after derivation has caught up belongs to neither part.
const AFTER: Duration = Duration::from_secs(2);

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn number(name: &str, default: &str) -> u64 {
    let given = setting(name, default).parse();
    given.unwrap_or_else(|_| panic!("{name} is a number"))
}

/// What was seen of blocks and of the timer, in one of both circumstances.
#[derive(Debug, Default)]
struct Part {
    /// By how many milliseconds each interval was off.
    blocks: Vec<f64>,
    timer: Vec<f64>,
    /// From a block's own time until it was there, in milliseconds. Below zero it was there before.
    offsets: Vec<f64>,
    late: usize,
    steps: Steps,
    machine: Machine,
    seconds: f64,
}

// More threads than the machine has cores: what the execution layer is asked must not wait behind an answer of L1.
#[tokio::main(worker_threads = 8)]
async fn main() -> ExitCode {
    // `cargo test --benches` passes flags of its own; a bench has nothing to test.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let wanted = usize::try_from(number("BENCH_BLOCKS", "120")).unwrap();
    let mut report = Report::default();
    let mut chain = grown().await;
    let watcher = Watcher::on(chain.devnet.sequencer_el());
    let (mut busy, mut idle) = (Part::default(), Part::default());
    let mut starts = 0.0;
    while busy.blocks.len() < wanted {
        let missing = wanted - busy.blocks.len();
        let (more_busy, more_idle) = catch_up(&mut chain, &watcher, missing).await;
        assert!(
            !more_busy.blocks.is_empty(),
            "derivation was there before a block: give it more L1 blocks"
        );
        busy.add(more_busy);
        idle.add(more_idle);
        starts += 1.0;
    }
    Report::note("starts", starts, "");
    Report::note(
        "L1 blocks to catch up with",
        chain.devnet.l1().heads().latest.number as f64,
        "",
    );
    Report::note("L2 blocks at last", chain.head() as f64, "");
    idle.print("idle", &mut report);
    busy.print("catching up", &mut report);
    let broken = report.finish();
    chain.devnet.stop().await.unwrap();
    match broken {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("{broken}");
            ExitCode::FAILURE
        }
    }
}

/// A chain that ends now.
async fn grown() -> Chain {
    let l1_blocks = number("BENCH_L1_BLOCKS", "300");
    let blobs = usize::try_from(number("BENCH_BLOBS", "3")).unwrap();
    let calls = usize::try_from(number("BENCH_L2_CALLS", "8")).unwrap();
    let age = L1_BLOCK_TIME * u32::try_from(l1_blocks).unwrap();
    let mut chain = Chain::of(BLOCK_TIME, calls, age).await;
    let junk = chain.junk(blobs);
    let mut index = 0;
    while is_l1_due(&chain) {
        if !junk.is_empty() {
            chain.post_junk(&junk).await;
        }
        index += 1;
        chain.grow_by_one(index).await;
    }
    chain
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// The time of the next L1 block has come.
fn is_l1_due(chain: &Chain) -> bool {
    let head = Duration::from_secs(chain.devnet.l1().heads().latest.timestamp);
    head + L1_BLOCK_TIME <= unix_now()
}

/// Starts the node on an execution layer that says that nothing is safe. Times blocks while derivation catches up, up to `wanted`
/// intervals, and then as many beside none.
async fn catch_up(chain: &mut Chain, watcher: &Watcher, wanted: usize) -> (Part, Part) {
    forget_safe(chain);
    let goal = chain.devnet.l1().heads().latest.number;
    let node = start(chain);
    let began = Instant::now();
    // From a block on that is made at its own time.
    watcher.on_time(chain, began + PATIENCE).await;
    let busy = measure(chain, watcher, &node, |status, seen| {
        status.is_some_and(|status| status.current_l1.number >= goal) || seen >= wanted
    });
    let busy = busy.await;
    reaches_l1(&node, goal, began + PATIENCE).await;
    tokio::time::sleep(AFTER).await;
    let as_many = busy.blocks.len();
    let idle = measure(chain, watcher, &node, |_, seen| seen >= as_many).await;
    (busy, idle)
}

/// As if derivation had never come beyond genesis.
fn forget_safe(chain: &Chain) {
    let el = chain.devnet.sequencer_el();
    let genesis = chain.rollup().genesis.l2.hash;
    let forkchoice = ForkchoiceState {
        head_block_hash: el.view().head().hash,
        safe_block_hash: genesis,
        finalized_block_hash: genesis,
    };
    let updated = el.fork_choice_updated(forkchoice, None).unwrap();
    assert!(updated.is_valid(), "{updated:?}");
    let safe = el.view().safe().map(|block| block.number());
    assert_eq!(safe, Some(0));
}

fn start(chain: &Chain) -> Node {
    let endpoints = chain.devnet.endpoints();
    let files = &endpoints.files;
    Node::start(&[
        format!("--l2={}", endpoints.sequencer.authrpc),
        format!("--l2.jwt-secret={}", files.jwt.display()),
        format!("--l1={}", endpoints.l1),
        format!("--l1.beacon={}", endpoints.beacon),
        format!("--l1.chain-config={}", files.l1_genesis.display()),
        format!("--l1.slot-duration={}s", L1_BLOCK_TIME.as_secs()),
        format!("--rollup.config={}", files.rollup.display()),
        "--safedb.disable".to_owned(),
        "--p2p.disable".to_owned(),
        "--sequencer.enabled".to_owned(),
    ])
}

async fn status(node: &Node) -> Option<SyncStatus> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "optimism_syncStatus", "params": []});
    let answer = node.client().post(node.rpc_url()).json(&call);
    let mut answer: Value = answer.send().await.ok()?.json().await.ok()?;
    serde_json::from_value(answer["result"].take()).ok()
}

async fn reaches_l1(node: &Node, goal: u64, until: Instant) {
    while status(node)
        .await
        .is_none_or(|status| status.current_l1.number < goal)
    {
        assert!(Instant::now() < until, "derivation has not caught up");
        tokio::time::sleep(GLANCE).await;
    }
}

/// Keeps the chain supplied with L1 blocks and transactions until `is_over`, which is told the node's status and how many intervals
/// there were.
async fn measure(
    chain: &mut Chain,
    watcher: &Watcher,
    node: &Node,
    is_over: impl Fn(Option<&SyncStatus>, usize) -> bool,
) -> Part {
    let (steps, machine) = (Steps::of(node).await, Machine::now());
    let began = Instant::now();
    let mut given = chain.head();
    loop {
        tokio::time::sleep(GLANCE).await;
        given = supply(chain, given);
        let status = status(node).await;
        let seen = watcher.blocks_since(began).len();
        if is_over(status.as_ref(), seen.saturating_sub(1)) {
            break;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "this takes too long: {status:?}"
        );
    }
    let blocks = watcher.blocks_since(began);
    let timer = watcher.ticks_since(began);
    let off = |pair: &[Instant]| millis((pair[1] - pair[0]).abs_diff(BLOCK_TIME));
    let offset = |block: &watcher::Seen| block.after_due * 1e3;
    let at: Vec<Instant> = blocks.iter().map(|block| block.at).collect();
    Part {
        blocks: at.windows(2).map(off).collect(),
        timer: timer.windows(2).map(off).collect(),
        offsets: blocks.iter().map(offset).collect(),
        late: blocks.iter().filter(|block| block.after_due > 0.0).count(),
        steps: Steps::of(node).await.since(&steps),
        machine: Machine::now().since(&machine),
        seconds: began.elapsed().as_secs_f64(),
    }
}

/// Transactions for the blocks after `given`, one block ahead, and an L1 block if its time has come.
fn supply(chain: &mut Chain, given: u64) -> u64 {
    let head = chain.head();
    if head > given {
        chain.submit();
    }
    if is_l1_due(chain) {
        chain.mine();
    }
    head
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl Part {
    fn add(&mut self, more: Self) {
        self.blocks.extend(more.blocks);
        self.timer.extend(more.timer);
        self.offsets.extend(more.offsets);
        self.late += more.late;
        self.steps.add(&more.steps);
        self.machine.add(&more.machine);
        self.seconds += more.seconds;
    }

    fn print(mut self, what: &str, report: &mut Report) {
        let named = |figure: &str| format!("{what}: {figure}");
        Report::note(&named("intervals"), self.blocks.len() as f64, "");
        Report::note(&named("processors busy"), self.machine.busy() * 100.0, "%");
        Report::note(
            &named("of it stolen by other machines"),
            self.machine.stolen() * 100.0,
            "%",
        );
        Report::note(
            &named("processes that want one, mean"),
            self.machine.runnable(),
            "",
        );
        for (who, off) in [
            ("timer off", &mut self.timer),
            ("block interval off", &mut self.blocks),
        ] {
            for (name, percent) in [("p50", 50), ("p99", 99), ("max", 100)] {
                let figure = percentile(off, percent);
                let figure_name = named(&format!("{who}, {name}"));
                if who.starts_with("block") && percent == 99 {
                    report.at_most(&figure_name, figure, JITTER_MAX, "ms");
                } else {
                    Report::note(&figure_name, figure, "ms");
                }
            }
        }
        for (name, percent) in [("p50", 50), ("max", 100)] {
            let figure = percentile(&mut self.offsets, percent);
            Report::note(
                &named(&format!("block there after its own time, {name}")),
                figure,
                "ms",
            );
        }
        Report::note(
            &named("blocks there after their own time"),
            self.late as f64,
            "",
        );
        for (step, seconds) in self.steps.means() {
            Report::note(&named(&format!("{step}, mean")), seconds * 1e3, "ms");
        }
    }
}
