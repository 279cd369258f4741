//! How long a gossiped block takes from its compressed bytes to its verdict, beside the sum of the primitives that this cannot do
//! without, timed on the same blocks in the same run; how many blocks a second the judges take; how long the largest frame holds the
//! swarm's task; and how long after its verdict a block is at the execution layer. Prints each figure beside its limit; the exit
//! code says whether all hold.

mod hand_over;

use light_node_network::bench_door::{BenchPool, GossipBench};
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

/// Blocks of the common size, and their bytes.
const BLOCKS: u64 = 400;
const BLOCK_BYTES: usize = 100_000;

/// Blocks that are under way at a time in a flood, and the blocks of a flood.
const FLOOD_WIDTH: usize = 8;
const FLOOD_BLOCKS: u64 = 600;

/// Blocks near the limit of a frame, and their bytes.
const LARGE_BLOCKS: u64 = 10;
const LARGE_BLOCK_BYTES: usize = 10_000_000;

/// What must hold.
const VERDICT_MAX: Duration = Duration::from_millis(1);
const RATIO_MAX: f64 = 1.5;
const BLOCKS_PER_SECOND_MIN: f64 = 200.0;

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let bench = GossipBench::default();
    // As in the node, on a thread of the runtime.
    let judging = tokio::spawn(async move {
        let mut pool = bench.pool();
        [
            common_blocks(&bench, &mut pool).await,
            flood(&bench, &mut pool).await,
            large_blocks(&bench),
        ]
    });
    let judged = judging.await.expect("the bench does not panic");
    let handed_over = hand_over::measure(BLOCK_BYTES).await;
    if handed_over && judged.iter().all(|holds| *holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// From bytes to verdict, by way of the pool, alternating with the primitives, so that both see the same machine.
async fn common_blocks(bench: &GossipBench, pool: &mut BenchPool) -> bool {
    let (mut verdicts, mut sums) = (Vec::new(), Vec::new());
    for number in 0..BLOCKS {
        let message = bench.message(number, BLOCK_BYTES);
        let began = Instant::now();
        pool.offer(bench.receive(&message).expect("a good frame"));
        let is_accepted = pool.is_accepted().await;
        verdicts.push(began.elapsed());
        assert!(is_accepted, "a good block was not accepted");
        let primitives = bench.primitives(&message);
        if number == BLOCKS / 2 {
            println!("primitives of one block: {primitives:?}");
        }
        sums.push(primitives.sum());
    }
    let (verdict, sum) = (median(verdicts), median(sums));
    println!("receive to verdict, p50: {verdict:?} (at most {VERDICT_MAX:?})");
    ratio("receive to verdict to its primitives", verdict, sum) && verdict <= VERDICT_MAX
}

/// As many blocks a second as this machine can.
async fn flood(bench: &GossipBench, pool: &mut BenchPool) -> bool {
    let numbers = BLOCKS..BLOCKS + FLOOD_BLOCKS;
    let messages: Vec<_> = numbers
        .map(|number| bench.message(number, BLOCK_BYTES))
        .collect();
    let began = Instant::now();
    let mut under_way = 0;
    for message in &messages {
        if under_way == FLOOD_WIDTH {
            assert!(pool.is_accepted().await, "a good block was not accepted");
            under_way -= 1;
        }
        pool.offer(bench.receive(message).expect("a good frame"));
        under_way += 1;
    }
    for _ in 0..under_way {
        assert!(pool.is_accepted().await, "a good block was not accepted");
    }
    let rate = messages.len() as f64 / began.elapsed().as_secs_f64();
    println!("blocks a second through the judges: {rate:.0} (at least {BLOCKS_PER_SECOND_MIN})");
    rate >= BLOCKS_PER_SECOND_MIN
}

/// What the largest frames cost the swarm's task.
fn large_blocks(bench: &GossipBench) -> bool {
    let (mut receives, mut sums) = (Vec::new(), Vec::new());
    for number in 0..LARGE_BLOCKS {
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
