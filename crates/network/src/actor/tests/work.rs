//! What a peer has us work is charged to it, also what reaches no judge.

use super::{
    wire::{WirePeer, idontwant, publish, recompressed, wire_peer, wire_peer_of},
    world::{Host, block, block_with, host, two_hosts, until},
};
use crate::{metrics::Unjudged, test_chain, topics::BlockVersion};
use alloy_primitives::Bytes;
use libp2p::{PeerId, identity::Keypair};

const V4: BlockVersion = BlockVersion::V4;

fn topic() -> String {
    V4.topic(test_chain::CHAIN_ID).to_string()
}

async fn connected(a: &Host) -> WirePeer {
    wire_peer(a.address()).await.unwrap()
}

async fn is_cut_off(a: &Host, peer: PeerId) {
    until("the end of the talk", async || {
        a.score_of(peer).await < -40.0
    })
    .await;
}

async fn assert_gossip_lives(a: &mut Host, b: &Host, number: u64) {
    let sent = block(V4, number);
    b.handle.publish(sent.clone()).unwrap();
    while *a.inserted().await != sent {}
}

#[tokio::test]
async fn messages_on_foreign_topics_are_charged_to_their_sender() {
    let (mut a, b) = two_hosts().await;
    let mut wire = connected(&a).await;
    let foreign: Vec<_> = (0..100_u8).map(|copy| vec![copy; 1000]).collect();
    for _ in 0..6 {
        wire.send(&publish("/foreign", &foreign)).await;
    }
    is_cut_off(&a, wire.peer_id).await;
    assert_gossip_lives(&mut a, &b, 1).await;
}

#[tokio::test]
async fn copies_of_a_known_block_are_charged_to_their_sender() {
    let (mut a, b) = two_hosts().await;
    let mut wire = connected(&a).await;
    let large = block_with(V4, 1, vec![Bytes::from(vec![7; 4_000_000])]);
    let data = test_chain::data(V4, &large, &test_chain::key());
    // One id, and each time other bytes.
    for literal in 0..12 {
        let copy = recompressed(&data, 60_000 - literal);
        wire.send(&publish(&topic(), &[copy])).await;
    }
    is_cut_off(&a, wire.peer_id).await;
    // None, if the budget was spent before the first was looked at.
    assert!(a.metrics.count("accept", "") <= 1);
    assert_gossip_lives(&mut a, &b, 2).await;
}

#[tokio::test]
async fn a_peer_that_comes_back_owes_what_it_owed() {
    let (a, _b) = two_hosts().await;
    let key = Keypair::generate_secp256k1();
    let mut wire = wire_peer_of(key.clone(), a.address()).await.unwrap();
    let foreign: Vec<_> = (0..100_u8).map(|copy| vec![copy; 1000]).collect();
    for _ in 0..6 {
        wire.send(&publish("/foreign", &foreign)).await;
    }
    is_cut_off(&a, wire.peer_id).await;
    drop(wire);
    a.has_peers(1).await;
    let again = wire_peer_of(key, a.address()).await.unwrap();
    a.has_peers(2).await;
    assert!(a.score_of(again.peer_id).await < -40.0);
}

#[tokio::test]
async fn rpcs_without_messages_are_charged_to_their_sender() {
    let (mut a, b) = two_hosts().await;
    let mut wire = connected(&a).await;
    let unwanted = idontwant(&[vec![7; 10_000]]);
    for _ in 0..2010 {
        wire.send(&unwanted).await;
    }
    is_cut_off(&a, wire.peer_id).await;
    assert_gossip_lives(&mut a, &b, 1).await;
}

#[tokio::test]
async fn an_rpc_of_more_messages_than_a_budget_has_is_not_taken_in() {
    let (mut a, b) = two_hosts().await;
    let mut wire = connected(&a).await;
    let tiny = vec![vec![100; 80]; 100_000];
    wire.send(&publish(&topic(), &tiny)).await;
    assert_gossip_lives(&mut a, &b, 1).await;
    assert_eq!(a.metrics.count("accept", ""), 1);
    assert!(a.score_of(wire.peer_id).await > -1.0);
}

#[tokio::test]
async fn without_scores_who_has_spent_its_budget_is_not_decompressed_for() {
    let mut a = host(|config| config.is_scoring = false);
    let b = host(|_| {});
    a.handle.connect(b.address()).await.unwrap();
    a.has_gossip_with(1).await;
    b.has_gossip_with(1).await;
    let mut wire = connected(&a).await;
    let frames: Vec<_> = (0..150)
        .map(|number| {
            let data = test_chain::data(V4, &block(V4, 1000 + number), &test_chain::key());
            recompressed(&data, 60_000)
        })
        .collect();
    for _ in 0..2 {
        wire.send(&publish(&topic(), &frames)).await;
    }
    // An engine that nobody reads has room for few of these.
    until("an end of each", async || {
        a.metrics.count("accept", "") + a.metrics.dropped(Unjudged::QueueFull) == 150
    })
    .await;
    let last = test_chain::data(V4, &block(V4, 5000), &test_chain::key());
    wire.send(&publish(&topic(), &[recompressed(&last, 60_000)]))
        .await;
    assert_gossip_lives(&mut a, &b, 1).await;
    assert!(a.metrics.count("accept", "") <= 151);
}
