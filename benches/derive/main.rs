//! What deriving costs: pipelines, channels, requests, memory, and blocks beside an execution layer. One run gives every figure beside
//! its limit; the exit code says whether all hold.
//!
//! `BENCH_PARTS` names the parts that run (`replay,channels,engine,memory`, by default all), `BENCH_L1_BLOCKS` (240) how long the
//! chain is that is replayed, `BENCH_L2_CALLS` (16) how many transactions of users an L2 block has, `BENCH_DA` (blobs, calldata) where
//! its batches are.

#![allow(clippy::unwrap_used)] // a benchmark that cannot run ends here

mod chain;
mod channels;
mod els;
mod engine;
mod memory;
#[path = "../follow/node.rs"]
#[allow(dead_code)] // the other bench reads more
mod node;
mod pipelines;
mod replay;
#[path = "../follow/report.rs"]
mod report;
#[path = "../follow/tap.rs"]
#[allow(dead_code)] // the other bench reads more
mod tap;

use chain::Chain;
use pipelines::{Course, Run};
use replay::Replay;
use report::{Report, percentile};
use std::process::ExitCode;

/// Runs of each pipeline at each round trip; the median counts.
const RUNS: usize = 3;

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test --benches` passes flags of its own; a bench has nothing to test.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let parts = setting("BENCH_PARTS", "replay,channels,engine,memory");
    let runs = |part| parts.split(',').any(|named| named == part);
    let l1_blocks = setting("BENCH_L1_BLOCKS", "240").parse();
    let mut report = Report::default();
    let mut chain = Chain::start().await;
    chain
        .grow(l1_blocks.expect("BENCH_L1_BLOCKS is a number"))
        .await;
    let replay = Replay::of(chain.devnet.l1().url().as_str()).await;
    if runs("channels") {
        channels::channels(&chain.blocks(), &mut report);
    }
    if runs("replay") {
        pipelines(&Course::new(&chain, &replay), &replay, &mut report).await;
    }
    if runs("engine") {
        engine::engine(&mut chain, &replay, &mut report).await;
    }
    if runs("memory") {
        memory::memory(&mut report).await;
    }
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

/// The same L1 through kona's pipeline and ours, near and far.
async fn pipelines(course: &Course, replay: &Replay, report: &mut Report) {
    // The first runs ask the devnet; all others are answered from memory.
    course.stock().await;
    course.ours(false).await;
    course.ours(true).await;
    let (l1_blocks, l2_blocks) = (course.l1_blocks() as f64, course.l2_blocks() as f64);
    Report::note("L1 blocks replayed", l1_blocks, "");
    for (round_trip, at_least) in [(0, 1.0), (5, 1.0), (20, 10.0)] {
        replay.set_round_trip_ms(round_trip);
        let (mut ratios, mut ours, mut stock) = (Vec::new(), Vec::new(), Vec::new());
        let mut last: Option<(Run, Run)> = None;
        for _ in 0..RUNS {
            let (theirs, own) = (course.stock().await, course.ours(false).await);
            ratios.push(theirs.seconds / own.seconds);
            ours.push(l2_blocks / own.seconds);
            stock.push(l2_blocks / theirs.seconds);
            last = Some((theirs, own));
        }
        let at = |what: &str| format!("{what}, L1 at {round_trip} ms");
        Report::note(
            &at("stock pipeline"),
            percentile(&mut stock, 50),
            "blocks/s",
        );
        Report::note(&at("light-node"), percentile(&mut ours, 50), "blocks/s");
        report.at_least(
            &at("times as fast"),
            percentile(&mut ratios, 50),
            at_least,
            "x",
        );
        if let (Some((stock, ours)), 20) = (last, round_trip) {
            requests(&stock, &ours, &course.ours(true).await, course, report);
        }
    }
    replay.set_round_trip_ms(0);
}

/// What each way asked of L1.
fn requests(stock: &Run, ours: &Run, logs: &Run, course: &Course, report: &mut Report) {
    let per_block = |count: u64| count as f64 / course.l1_blocks() as f64;
    let rate = course.l2_blocks() as f64 / logs.seconds;
    Report::note("light-node with logs, L1 at 20 ms", rate, "blocks/s");
    for (way, run, at_most) in [("verified", ours, 3.0), ("logs", logs, 1.1)] {
        for (what, count) in [
            ("L1 requests", run.counts.l1_requests),
            ("JSON-RPC calls", run.counts.l1_calls),
        ] {
            let what = format!("{what} per L1 block, {way}");
            report.at_most(&what, per_block(count), at_most, "");
        }
    }
    for (what, count) in [
        ("L1 requests per L1 block, stock", stock.counts.l1_requests),
        ("beacon requests per L1 block", ours.counts.beacon_requests),
        (
            "beacon requests per L1 block, stock",
            stock.counts.beacon_requests,
        ),
    ] {
        Report::note(what, per_block(count), "");
    }
}
