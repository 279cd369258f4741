//! RPCs that begin and do not end. What a node holds of them is bounded by who may begin a large one.

use super::{
    wire::{WirePeer, publish, wire_peer},
    world::{Host, block, block_with, soon, two_hosts},
};
use crate::{test_chain, topics::BlockVersion};
use alloy_primitives::Bytes;
use rand::RngCore;

const V4: BlockVersion = BlockVersion::V4;
/// Connections that may have begun a large RPC.
const PLACES: usize = 16;

async fn connected(a: &Host) -> WirePeer {
    wire_peer(a.address()).await.unwrap()
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    rand::rng().fill_bytes(&mut noise);
    noise
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_begin_large_rpcs_and_do_not_end_them_only_a_few_stay() {
    let (mut a, b) = two_hosts().await;
    let mut besiegers = Vec::new();
    for _ in 0..PLACES + 14 {
        let mut peer = connected(&a).await;
        assert!(peer.begin(10 * 1024 * 1024, &noise(64 * 1024)).await);
        besiegers.push(peer);
    }
    a.has_peers(PLACES + 1).await;
    // Those that stay send on, and nobody else is bothered.
    for peer in &mut besiegers {
        peer.write(&noise(256 * 1024)).await;
    }
    let sent = block(V4, 1);
    b.handle.publish(sent.clone()).unwrap();
    assert_eq!(*a.inserted().await, sent);
    assert_eq!(a.handle.stats().connected, PLACES + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_begin_small_rpcs_all_stay() {
    let (a, _b) = two_hosts().await;
    let mut peers = Vec::new();
    for _ in 0..PLACES + 4 {
        let mut peer = connected(&a).await;
        assert!(peer.begin(1_000_000, &noise(900_000)).await);
        peers.push(peer);
    }
    a.has_peers(PLACES + 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_rpc_that_was_ended_leaves_its_room_taken_too() {
    let (a, _b) = two_hosts().await;
    let mut peers = Vec::new();
    // No message in it, so there is nothing to blame them for.
    let padding = [
        vec![15 << 3 | 2, 0x80, 0x80, 0x80, 0x01],
        noise(2 * 1024 * 1024),
    ]
    .concat();
    for _ in 0..PLACES + 6 {
        let mut peer = connected(&a).await;
        assert!(peer.send(&padding).await);
        peers.push(peer);
    }
    a.has_peers(PLACES + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_has_brought_good_blocks_sends_a_huge_one_among_those_who_want_the_room() {
    let (mut a, _b) = two_hosts().await;
    let mut honest = connected(&a).await;
    let topic = V4.topic(test_chain::CHAIN_ID).to_string();
    let compressed = |data: &[u8]| snap::raw::Encoder::new().compress_vec(data).unwrap();
    let first = test_chain::data(V4, &block(V4, 1), &test_chain::key());
    assert!(honest.send(&publish(&topic, &[compressed(&first)])).await);
    assert_eq!(a.inserted().await.execution_payload.block_number(), 1);

    let filler = vec![Bytes::from(noise(4_000_000))];
    let huge = block_with(V4, 2, filler);
    let rpc = publish(
        &topic,
        &[compressed(&test_chain::data(V4, &huge, &test_chain::key()))],
    );
    let (begun, rest) = rpc.split_at(1_000_000);
    assert!(honest.begin(rpc.len(), begun).await);
    let mut besiegers = Vec::new();
    for _ in 0..PLACES + 6 {
        let mut peer = connected(&a).await;
        assert!(peer.begin(10 * 1024 * 1024, &noise(64 * 1024)).await);
        besiegers.push(peer);
    }
    // With it and the neighbour.
    a.has_peers(PLACES + 1).await;
    assert!(honest.write(rest).await);
    let taken = soon("the huge block", a.inserted()).await;
    assert_eq!(*taken, huge);
}
