//! Blocks beside an execution layer: the real program derives the chain, and the same blocks are built by the bare calls, one
//! after the other. And what the program asks of the execution layer while it builds and while it finds the blocks there.

use crate::{
    chain::{Block, Chain, L1_BLOCK_TIME},
    els::ElKind,
    node::Node,
    replay::Replay,
    report::{Report, percentile},
    tap::{Exchange, Tap},
};
use alloy_primitives::B256;
use alloy_rpc_types_engine::ForkchoiceState;
use light_node_engine_api::EngineApi;
use light_node_protocol::SyncStatus;
use op_alloy_rpc_types_engine::{OpExecutionPayload, OpExecutionPayloadEnvelope};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Runs of both; the best of each counts.
const RUNS: usize = 5;
/// Blocks at both ends that are not timed: starting is another matter.
const WARM: u64 = 60;
/// How long nothing may become of the node.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at the program's status, each of which takes processor time from what is measured.
const GLANCE: Duration = Duration::from_millis(20);
/// L1 blocks that come while the node is told unsafe blocks.
const LIVE_L1_BLOCKS: u64 = 8;

/// All of it.
pub(crate) async fn engine(chain: &mut Chain, replay: &Replay, report: &mut Report) {
    let blocks = chain.blocks();
    for kind in ElKind::all() {
        let (mut bare, mut derived) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            derived.push(derives(chain, replay, &kind).await);
            bare.push(builds(chain, &blocks, &kind).await);
        }
        let beside = |what: &str| format!("{what}, {}", kind.name());
        // The best of each: a busy machine only ever makes both slower, and not by the same.
        let best = |one: &Pace, other: &Pace| one.block_ms.total_cmp(&other.block_ms);
        let derived = derived.into_iter().min_by(best).unwrap();
        let bare = percentile(&mut bare, 0);
        Report::note(&beside("bare calls"), 1e3 / bare, "blocks/s");
        Report::note(&beside("derived"), 1e3 / derived.block_ms, "blocks/s");
        let what = beside("of a derived block, between the calls");
        Report::note(&what, derived.block_ms - derived.calls_ms, "ms");
        let what = beside("processor time of the program, a block");
        Report::note(&what, derived.program_ms, "ms");
        let what = beside("time a derived block takes, of a bare one");
        report.at_most(&what, derived.block_ms / bare, kind.times_at_most(), "x");
    }
    if chain.is_posted_whole() {
        requests(chain, replay, report).await;
    }
}

/// Flags with which the program derives the chain.
pub(crate) fn node(chain: &Chain, replay: &Replay, el_url: &str) -> Node {
    let files = &chain.devnet.endpoints().files;
    Node::start(&[
        format!("--l2={el_url}"),
        format!("--l2.jwt-secret={}", files.jwt.display()),
        format!("--l1={}", replay.url()),
        format!("--l1.beacon={}", replay.url()),
        format!("--l1.chain-config={}", files.l1_genesis.display()),
        format!("--l1.slot-duration={}s", L1_BLOCK_TIME.as_secs()),
        format!("--rollup.config={}", files.rollup.display()),
        "--safedb.disable".to_owned(),
        "--rpc.enable-admin".to_owned(),
    ])
}

/// What one derived block takes.
#[derive(Clone, Copy, Debug)]
struct Pace {
    block_ms: f64,
    /// In the calls of the execution layer, from the question until its answer is decoded.
    calls_ms: f64,
    /// Of the processor, for the program.
    program_ms: f64,
}

/// What a node has come to.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    number: u64,
    calls: f64,
    program: Duration,
}

impl Mark {
    async fn at(node: &Node, goal: u64) -> Self {
        let (at, number) = reaches(node, |status| status.unsafe_l2.number, goal).await;
        Self {
            at,
            number,
            calls: seconds_in_calls(node).await,
            program: node.cpu_time(),
        }
    }

    fn pace_until(&self, later: &Self) -> Pace {
        let a_block = |seconds: f64| seconds * 1e3 / (later.number - self.number) as f64;
        Pace {
            block_ms: a_block((later.at - self.at).as_secs_f64()),
            calls_ms: a_block(later.calls - self.calls),
            program_ms: a_block((later.program - self.program).as_secs_f64()),
        }
    }
}

/// How fast the program derives blocks, where nothing but building holds it up.
async fn derives(chain: &Chain, replay: &Replay, kind: &ElKind) -> Pace {
    let el = kind.start(chain).await;
    let node = node(chain, replay, &el.url);
    let first = Mark::at(&node, WARM).await;
    first.pace_until(&Mark::at(&node, chain.head() - WARM).await)
}

/// Seconds that the program has waited for the execution layer so far, by its metrics.
async fn seconds_in_calls(node: &Node) -> f64 {
    let metrics = node.metrics().await;
    let sums = metrics.lines().filter(|line| {
        line.starts_with("light_node_client_request_duration_seconds_sum")
            && line.contains(r#"rpc="engine-api""#)
    });
    sums.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Waits until a number of the status is at least `goal`. Says when it was seen, and the number.
pub(crate) async fn reaches(
    node: &Node,
    number: impl Fn(&SyncStatus) -> u64,
    goal: u64,
) -> (Instant, u64) {
    let began = Instant::now();
    loop {
        let status = call(node, "optimism_syncStatus", json!([])).await;
        let status = status.and_then(|status| serde_json::from_value(status).ok());
        if let Some(number) = status
            .as_ref()
            .map(&number)
            .filter(|number| *number >= goal)
        {
            return (Instant::now(), number);
        }
        assert!(began.elapsed() < PATIENCE, "not at {goal}: {status:?}");
        tokio::time::sleep(GLANCE).await;
    }
}

async fn call(node: &Node, method: &str, params: Value) -> Option<Value> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = node.client().post(node.rpc_url()).json(&call);
    let answer = answer.send().await.ok()?;
    let mut answer: Value = answer.json().await.ok()?;
    Some(answer["result"].take())
}

/// Milliseconds that the bare calls take for a block. They are made from a runtime of their own, as the program has one: within that
/// of the bench, the embedded execution layer would be woken for less.
async fn builds(chain: &Chain, blocks: &[Block], kind: &ElKind) -> f64 {
    let el = kind.start(chain).await;
    let runtime = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        let engine = el.engine(chain);
        runtime.unwrap().block_on(build_all(&engine, blocks))
    };
    std::thread::scope(|scope| scope.spawn(runtime).join().unwrap())
}

async fn build_all(engine: &impl EngineApi, blocks: &[Block]) -> f64 {
    let (warm, last) = (WARM as usize, blocks.len() - WARM as usize);
    let mut began = Instant::now();
    for (index, pair) in blocks[..last].windows(2).enumerate() {
        if index == warm {
            began = Instant::now();
        }
        let [parent, block] = [&pair[0], &pair[1]];
        build(engine, parent.reference.hash, block).await;
    }
    began.elapsed().as_secs_f64() * 1e3 / (last - 1 - warm) as f64
}

async fn build(engine: &impl EngineApi, parent: B256, block: &Block) {
    let attributes = Some(block.attributes.clone());
    let started = engine.fork_choice_updated(head(parent), attributes).await;
    let id = started.unwrap().payload_id.unwrap();
    let payload = engine.get_payload(id, block.reference.timestamp).await;
    let payload = payload.unwrap();
    assert_eq!(payload.execution_payload.block_hash(), block.reference.hash);
    let status = engine.new_payload(&payload).await.unwrap();
    assert!(status.is_valid(), "{status}");
    let forkchoice = head(block.reference.hash);
    let moved = engine.fork_choice_updated(forkchoice, None).await.unwrap();
    assert!(moved.is_valid(), "{moved:?}");
}

const fn head(hash: B256) -> ForkchoiceState {
    ForkchoiceState {
        head_block_hash: hash,
        safe_block_hash: B256::ZERO,
        finalized_block_hash: B256::ZERO,
    }
}

/// What the program asks of the execution layer for each block.
async fn requests(chain: &mut Chain, replay: &Replay, report: &mut Report) {
    let el = ElKind::Embedded.start(chain).await;
    let tap = Tap::on(&el.url).await;
    let node = node(chain, replay, &tap.url());
    reaches(&node, |status| status.unsafe_l2.number, WARM).await;
    tap.clear();
    let count = chain.head() - WARM;
    reaches(&node, |status| status.safe_l2.number, chain.head()).await;
    note("building", &tap, count, report);
    // The chain goes on. The blocks come as by gossip, and later on L1.
    let known = chain.head();
    chain.devnet.l1().mine(LIVE_L1_BLOCKS).unwrap();
    chain.build(LIVE_L1_BLOCKS * 6).await;
    for number in known + 1..=chain.head() {
        let payload = envelope(chain, number);
        call(&node, "admin_postUnsafePayload", json!([payload])).await;
    }
    reaches(&node, |status| status.unsafe_l2.number, chain.head()).await;
    chain.post().await;
    chain.devnet.l1().mine(2).unwrap();
    tap.clear();
    replay.forget();
    reaches(&node, |status| status.safe_l2.number, chain.head()).await;
    note(
        "finding gossip's blocks",
        &tap,
        chain.head() - known,
        report,
    );
}

fn envelope(chain: &Chain, number: u64) -> OpExecutionPayloadEnvelope {
    let view = chain.devnet.sequencer_el().view();
    let block = view.block_by_number(number).unwrap();
    let (execution_payload, _) = OpExecutionPayload::from_block_unchecked(block.hash, &block.block);
    OpExecutionPayloadEnvelope {
        parent_beacon_block_root: block.header().parent_beacon_block_root,
        execution_payload,
    }
}

fn note(doing: &str, tap: &Tap, blocks: u64, report: &mut Report) {
    let (all, reads) = per_block(tap, blocks);
    Report::note(&format!("EL requests per block, {doing}"), all, "");
    report.at_most(&format!("EL reads per block, {doing}"), reads, 0.05, "");
}

fn per_block(tap: &Tap, blocks: u64) -> (f64, f64) {
    let notes = tap.notes();
    let is_read =
        |exchange: &&Exchange| exchange.calls("eth_") || exchange.calls("engine_getPayloadBodies");
    let reads = notes.iter().filter(is_read).count();
    (
        notes.len() as f64 / blocks as f64,
        reads as f64 / blocks as f64,
    )
}
