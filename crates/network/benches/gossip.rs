//! How long a gossiped block takes from its compressed bytes to its verdict, beside the sum of the primitives that this cannot do
//! without, timed on the same blocks in the same run; how long the largest frame holds the swarm's task; how many blocks a second one
//! core judges. Prints each figure beside its limit; the exit code says whether all hold.

use light_node_network::bench_door::GossipBench;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

/// Blocks of the common size, and their bytes.
const BLOCKS: u64 = 400;
const BLOCK_BYTES: usize = 100_000;

/// Blocks near the limit of a frame, and their bytes.
const LARGE_BLOCKS: u64 = 10;
const LARGE_BLOCK_BYTES: usize = 10_000_000;

/// What must hold.
const VERDICT_MAX: Duration = Duration::from_millis(1);
const RATIO_MAX: f64 = 1.5;
const BLOCKS_PER_SECOND_MIN: f64 = 200.0;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let bench = GossipBench::default();
    let all_hold = [common_blocks(&bench), large_blocks(&bench)];
    if all_hold.iter().all(|holds| *holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// From bytes to verdict, alternating with the primitives, so that both see the same machine.
fn common_blocks(bench: &GossipBench) -> bool {
    let messages: Vec<_> = (0..BLOCKS)
        .map(|number| bench.message(number, BLOCK_BYTES))
        .collect();
    let (mut verdicts, mut sums) = (Vec::new(), Vec::new());
    for message in &messages {
        let began = Instant::now();
        let is_accepted = bench.receive(message).is_some_and(|data| bench.judge(data));
        verdicts.push(began.elapsed());
        assert!(is_accepted, "a good block was not accepted");
        sums.push(bench.primitives(message).sum());
    }
    let rate = f64::from(u32::try_from(verdicts.len()).unwrap_or(u32::MAX))
        / verdicts.iter().sum::<Duration>().as_secs_f64();
    println!(
        "primitives of the last block: {:?}",
        messages.last().map(|message| bench.primitives(message))
    );
    let (verdict, sum) = (median(verdicts), median(sums));
    println!("receive to verdict, p50: {verdict:?} (at most {VERDICT_MAX:?})");
    println!("blocks a second on one core: {rate:.0} (at least {BLOCKS_PER_SECOND_MIN})");
    let is_near = ratio("receive to verdict to its primitives", verdict, sum);
    is_near && verdict <= VERDICT_MAX && rate >= BLOCKS_PER_SECOND_MIN
}

/// What the largest frames cost the swarm's task.
fn large_blocks(bench: &GossipBench) -> bool {
    let (mut receives, mut sums) = (Vec::new(), Vec::new());
    for number in BLOCKS..BLOCKS + LARGE_BLOCKS {
        let message = bench.message(number, LARGE_BLOCK_BYTES);
        let began = Instant::now();
        let data = bench.receive(&message);
        receives.push(began.elapsed());
        assert!(data.is_some(), "a large block was refused");
        let primitives = bench.primitives(&message);
        sums.push(primitives.snappy + primitives.sha256);
    }
    ratio(
        "a large frame on the swarm's task to its primitives",
        median(receives),
        median(sums),
    )
}

fn ratio(what: &str, time: Duration, sum: Duration) -> bool {
    let ratio = time.as_secs_f64() / sum.as_secs_f64();
    println!("{what}: {time:?} / {sum:?} = {ratio:.2} (at most {RATIO_MAX})");
    ratio <= RATIO_MAX
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
