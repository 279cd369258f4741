//! Ten times what the chain makes, from a peer that is not to blame for anything else, and by keys of strangers from peers that come
//! back as others: an honest block still gets through in time.

use super::{
    raw::{RawConfig, raw_peer_of},
    wire::{publish, wire_peer},
    world::{block, block_with, two_hosts, until},
};
use crate::{metrics::Unjudged, test_chain, topics::BlockVersion};
use alloy_primitives::Bytes;
use std::time::{Duration, Instant};

const V4: BlockVersion = BlockVersion::V4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_block_gets_through_a_flood_of_ten_times_the_chains_rate() {
    let (mut a, b) = two_hosts().await;
    let raw = raw_peer_of(&a, RawConfig::default()).await;
    // Ten of 100 KB a second on a chain of one block a second, for three seconds, all of them good.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_block_gets_through_a_flood_by_strangers_keys_from_ever_new_peers() {
    let (mut a, b) = two_hosts().await;
    let topic = V4.topic(test_chain::CHAIN_ID).to_string();
    let stranger = test_chain::key_of(0x66);
    let filler = |byte: u8| vec![Bytes::from(vec![byte; 8_000_000])];
    let mut slowest = Duration::ZERO;
    for round in 0..6_u64 {
        // Each is banned for its fourth; their largest frames are what a task can be kept busy with.
        for identity in 0..8_u8 {
            let mut peer = wire_peer(a.address()).await.unwrap();
            let bad = block_with(V4, 10_000 + round, filler(identity));
            let frame = test_chain::data(V4, &bad, &stranger);
            let rpc = publish(
                &topic,
                &[snap::raw::Encoder::new().compress_vec(&frame).unwrap()],
            );
            for _ in 0..3 {
                peer.send(&rpc).await;
            }
        }
        let honest = block(V4, 1 + round);
        let sent_at = Instant::now();
        b.handle.publish(honest.clone()).unwrap();
        assert_eq!(*a.inserted().await, honest);
        slowest = slowest.max(sent_at.elapsed());
    }
    // Most of it was not even decompressed.
    until("what was shed", async || {
        a.metrics.dropped(Unjudged::Budget) > 0
    })
    .await;
    println!("slowest honest block: {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}
