//! Peers that break the rules: what they send is dropped, and who is to blame is cut off.

use super::{
    raw::{RawConfig, RawPeer, Seen, raw_peer, raw_peer_of},
    world::{Host, block, block_with, host, soon, two_hosts, until},
};
use crate::{metrics::Unjudged, test_chain, topics::BlockVersion};
use alloy_primitives::Bytes;
use libp2p::{gossipsub::MessageAuthenticity, identity::Keypair};
use light_node_l1::SignerState;

const V4: BlockVersion = BlockVersion::V4;

/// The frame of a block with this number, by the right signer.
fn frame(number: u64) -> Bytes {
    test_chain::data(V4, &block(V4, number), &test_chain::key())
}

/// A node, an honest neighbour of it, and a peer that keeps no rules.
async fn besieged() -> (Host, Host, RawPeer) {
    let (a, b) = two_hosts().await;
    let raw = raw_peer_of(&a, RawConfig::default()).await;
    (a, b, raw)
}

/// The neighbour's block still comes through.
async fn assert_gossip_lives(a: &mut Host, b: &Host, number: u64) {
    let sent = block(V4, number);
    b.handle.publish(sent.clone()).unwrap();
    assert_eq!(*a.inserted().await, sent);
}

#[tokio::test]
async fn frames_that_do_not_decompress_count_against_their_sender_and_reach_nobody() {
    let (mut a, b, raw) = besieged().await;
    let oversize = snap::raw::Encoder::new()
        .compress_vec(&vec![0; 10 * 1024 * 1024 + 1])
        .unwrap();
    // A bomb that declares four gibibytes, one byte too much, and no snappy at all.
    raw.send(V4, vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x41]);
    raw.send(V4, oversize);
    raw.send(V4, vec![200; 300]);
    until("the blame", async || a.score_of(raw.peer_id).await <= -90.0).await;
    until("the count", async || {
        a.metrics.dropped(Unjudged::Malformed) == 3
    })
    .await;
    // It is not heard any more, not even with a good block.
    raw.send_frame(V4, &frame(1));
    assert_gossip_lives(&mut a, &b, 2).await;
}

#[tokio::test]
async fn a_wrong_signer_is_cut_off_after_three_blocks() {
    let (mut a, b, raw) = besieged().await;
    for number in 1..=3 {
        let by_stranger = test_chain::data(V4, &block(V4, number), &test_chain::key_of(0x66));
        raw.send_frame(V4, &by_stranger);
    }
    until("three verdicts", async || {
        a.metrics.count("reject", "signer") == 3
    })
    .await;
    assert!(a.score_of(raw.peer_id).await < -40.0);
    raw.send_frame(V4, &frame(4));
    assert_gossip_lives(&mut a, &b, 5).await;
    assert_eq!(a.metrics.count("accept", ""), 1);
}

#[tokio::test]
async fn a_wrong_signer_is_not_blamed_while_l1_is_being_asked() {
    let (mut a, b, raw) = besieged().await;
    a.signer.send_replace(SignerState {
        address: Some(test_chain::key().address()),
        reads: 1,
        is_pending: true,
    });
    // The change is seen before the next message: a request goes through the same task.
    a.handle.this().await.unwrap();
    for number in 1..=3 {
        let by_stranger = test_chain::data(V4, &block(V4, number), &test_chain::key_of(0x66));
        raw.send_frame(V4, &by_stranger);
    }
    let seen = async || {
        a.metrics.count("ignore", "signer_undecided") + a.metrics.count("reject", "signer") == 3
    };
    until("three verdicts", seen).await;
    assert_eq!(a.metrics.count("reject", "signer"), 0);
    assert!(a.score_of(raw.peer_id).await >= 0.0);
    assert_gossip_lives(&mut a, &b, 5).await;
}

#[tokio::test]
async fn a_recovery_id_that_is_none_is_rejected() {
    let (mut a, b, raw) = besieged().await;
    let mut bad = frame(1).to_vec();
    bad[64] += 27;
    raw.send_frame(V4, &bad);
    until("a verdict", async || {
        a.metrics.count("reject", "recovery_id") == 1
    })
    .await;
    assert_gossip_lives(&mut a, &b, 2).await;
}

#[tokio::test]
async fn a_block_on_a_wrong_topic_is_rejected_and_does_not_hide_it_on_its_own() {
    let (mut a, _b, raw) = besieged().await;
    let sent = block(V4, 1);
    raw.send_frame(BlockVersion::V3, &frame(1));
    until("a verdict", async || {
        a.metrics.count("reject", "encoding") == 1
    })
    .await;
    raw.send_frame(V4, &frame(1));
    assert_eq!(*a.inserted().await, sent);
}

#[tokio::test]
async fn of_seven_blocks_at_one_height_six_are_taken() {
    let (mut a, b, raw) = besieged().await;
    for copy in 0..7_u8 {
        let sent = block_with(V4, 1, vec![Bytes::from(vec![copy; 8])]);
        raw.send_frame(V4, &test_chain::data(V4, &sent, &test_chain::key()));
    }
    until("seven verdicts", async || {
        a.metrics.count("accept", "") == 6 && a.metrics.count("ignore", "too_many_at_height") == 1
    })
    .await;
    for _ in 0..6 {
        assert_eq!(a.inserted().await.execution_payload.block_number(), 1);
    }
    assert_gossip_lives(&mut a, &b, 2).await;
    assert!(a.score_of(raw.peer_id).await >= 0.0);
}

#[tokio::test]
async fn a_block_that_is_sent_again_in_another_dress_reaches_the_engine_once() {
    let (mut a, b, raw) = besieged().await;
    raw.send_frame(V4, &frame(1));
    assert_eq!(a.inserted().await.execution_payload.block_number(), 1);
    // The same block under another valid signature is another message.
    raw.send_frame(V4, &malleated(&frame(1)));
    until("a verdict", async || a.metrics.count("ignore", "seen") == 1).await;
    assert_gossip_lives(&mut a, &b, 2).await;
}

/// The signature with s on the other side of the curve's order.
fn malleated(frame: &[u8]) -> Vec<u8> {
    use alloy_primitives::{U256, b256};
    let order = b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let order = U256::from_be_bytes(order.0);
    let mut frame = frame.to_vec();
    let s = order - U256::from_be_slice(&frame[32..64]);
    frame[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    frame[64] ^= 1;
    frame
}

#[tokio::test]
async fn messages_that_name_an_author_are_refused() {
    let (mut a, b) = two_hosts().await;
    let key = Keypair::generate_secp256k1();
    let vain = RawConfig {
        authenticity: MessageAuthenticity::Signed(key.clone()),
        key,
        ..RawConfig::default()
    };
    let vain = raw_peer_of(&a, vain).await;
    vain.send_frame(V4, &frame(1));
    until("the blame", async || {
        a.score_of(vain.peer_id).await <= -10.0
    })
    .await;
    assert_gossip_lives(&mut a, &b, 2).await;
    assert_eq!(a.metrics.count("accept", ""), 1);
}

#[tokio::test]
async fn a_peer_has_one_connection_however_often_it_dials() {
    let (mut a, b, mut raw) = besieged().await;
    for _ in 0..3 {
        raw.dial(a.address());
        let pick = |seen| matches!(seen, Seen::Connected | Seen::DialFailed).then_some(());
        raw.sees("the end of a dial", pick).await;
    }
    a.has_gossip_with(2).await;
    assert_eq!(a.handle.peers(true).await.unwrap().total_connected, 2);
    assert_gossip_lives(&mut a, &b, 1).await;
}

#[tokio::test]
async fn subscriptions_and_grafts_to_foreign_topics_leave_no_trace() {
    let (mut a, b, raw) = besieged().await;
    for number in 0..500 {
        let topic = format!("/spam/{number}");
        raw.subscribe(&topic);
        if number % 2 == 0 {
            raw.unsubscribe(&topic);
        }
    }
    for round in 0..20 {
        let topic = V4.topic(test_chain::CHAIN_ID).to_string();
        raw.unsubscribe(&topic);
        raw.subscribe(&topic);
        assert_gossip_lives(&mut a, &b, 1 + round).await;
    }
    assert!(
        a.handle
            .stats()
            .block_topics
            .iter()
            .all(|count| (1..=2).contains(count))
    );
}

#[tokio::test]
async fn connections_that_come_and_go_do_not_stop_gossip() {
    let (mut a, b) = two_hosts().await;
    for round in 0..20 {
        let raw = raw_peer(RawConfig::default()).await;
        raw.dial(a.address());
        a.has_peers(2).await;
        drop(raw);
        a.has_peers(1).await;
        if round % 5 == 0 {
            assert_gossip_lives(&mut a, &b, 1 + round).await;
        }
    }
}

#[tokio::test]
async fn a_blocked_peer_that_keeps_no_rules_is_kept_out() {
    let a = host(|_| {});
    let mut raw = raw_peer(RawConfig::default()).await;
    a.handle.block_peer(raw.peer_id).await.unwrap();
    raw.dial(a.address());
    raw.closed().await;
    soon("a refusal", a.handle.connect(raw.address.clone()))
        .await
        .unwrap_err();
    assert_eq!(a.handle.stats().connected, 0);
}

#[tokio::test]
async fn a_peer_that_sends_more_than_its_budget_is_not_judged_and_then_not_heard() {
    let (mut a, b, raw) = besieged().await;
    // Valid blocks, so that nothing else is held against it.
    for number in 0..260 {
        raw.send_frame(V4, &frame(1000 + number));
    }
    // The engine's inbox is of no interest here.
    until("the end of its budget", async || {
        a.metrics.dropped(Unjudged::Budget) >= 3
    })
    .await;
    until("the blame", async || a.score_of(raw.peer_id).await < -40.0).await;
    assert!(a.metrics.count("accept", "") <= 200);
    let sent = block(V4, 5);
    let drained = async { while a.inserted().await.execution_payload.block_number() != 5 {} };
    b.handle.publish(sent).unwrap();
    soon("the honest block", drained).await;
}
