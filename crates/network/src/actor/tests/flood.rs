//! Ten times what the chain makes, from a peer that is not to blame for anything else: memory stays flat, and an honest block
//! still gets through in time.

use super::{
    raw::{RawConfig, raw_peer_of},
    world::{block, block_with, two_hosts},
};
use crate::{test_chain, topics::BlockVersion};
use alloy_primitives::Bytes;
use std::time::{Duration, Instant};

const V4: BlockVersion = BlockVersion::V4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_block_gets_through_a_flood_of_ten_times_the_chains_rate() {
    let (mut a, b) = two_hosts().await;
    let raw = raw_peer_of(&a, RawConfig::default()).await;
    // Ten of 100 KB a second on a chain of one block a second, for three seconds, all by strangers' keys or replayed.
    let filler = Bytes::from(vec![7; 100_000]);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut slowest = Duration::ZERO;
    for round in 0..30_u64 {
        tick.tick().await;
        let flood = block_with(V4, 10_000 + round, vec![filler.clone()]);
        raw.send_frame(V4, &test_chain::data(V4, &flood, &test_chain::key()));
        if round % 10 == 5 {
            let honest = block(V4, 1 + round);
            let sent_at = Instant::now();
            b.handle.publish(honest.clone()).unwrap();
            while a.inserted().await.execution_payload.block_number() != 1 + round {}
            slowest = slowest.max(sent_at.elapsed());
        }
    }
    // The budget of a block is the time of one: a second.
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
