//! Honest nodes among themselves.

use super::{
    raw::{RawConfig, raw_peer, raw_peer_of},
    world::{block, host, host_of, host_with_key, soon, two_hosts, until},
};
use crate::{
    Connectedness, NetworkConfigError, NetworkRequestError, PublishError, behaviour, test_chain,
    topics::BlockVersion,
};
use alloy_primitives::Address;
use libp2p::identity::{Keypair, secp256k1};
use light_node_l1::SignerState;
use light_node_metrics::Catalogue;

#[tokio::test]
async fn blocks_of_every_version_go_both_ways() {
    let (mut a, mut b) = two_hosts().await;
    for (number, version) in (1..).zip(BlockVersion::ALL) {
        let there = block(version, number);
        a.handle.publish(there.clone()).unwrap();
        assert_eq!(*b.inserted().await, there);
        let back = block(version, 100 + number);
        b.handle.publish(back.clone()).unwrap();
        assert_eq!(*a.inserted().await, back);
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_block_passes_through_a_node_in_the_middle() {
    let (mut a, mut b) = two_hosts().await;
    let mut c = host(|_| {});
    soon("a connection", c.handle.connect(b.address()))
        .await
        .unwrap();
    c.has_gossip_with(1).await;
    b.has_gossip_with(2).await;
    let sent = block(BlockVersion::V4, 7);
    a.handle.publish(sent.clone()).unwrap();
    assert_eq!(*b.inserted().await, sent);
    assert_eq!(*c.inserted().await, sent);
    // And it does not come back to the one who made it.
    let next = block(BlockVersion::V4, 8);
    b.handle.publish(next.clone()).unwrap();
    assert_eq!(*a.inserted().await, next);
}

#[tokio::test]
async fn connect_answers_when_the_peer_is_there_and_has_said_what_it_speaks() {
    let (a, b) = (host(|_| {}), host(|_| {}));
    soon("a connection", a.handle.connect(b.address()))
        .await
        .unwrap();
    let dump = a.handle.peers(true).await.unwrap();
    assert_eq!((dump.total_connected, dump.peers.len()), (1, 1));
    let info = &dump.peers[&b.peer_id()];
    assert_eq!(info.connectedness, Connectedness::Connected);
    assert_eq!(info.user_agent, "light-node");
    let spoken = info.protocols.clone().unwrap();
    for protocol in a.handle.this().await.unwrap().protocols.unwrap() {
        assert!(
            spoken.contains(&protocol),
            "{protocol} is not in {spoken:?}"
        );
    }
    for protocol in [
        "/meshsub/1.0.0",
        "/floodsub/1.0.0",
        "/ipfs/id/1.0.0",
        "/ipfs/id/push/1.0.0",
    ] {
        assert!(spoken.iter().any(|spoken| spoken == protocol), "{protocol}");
    }
    soon("the same again", a.handle.connect(b.address()))
        .await
        .unwrap();
    // From the other side, too, which did not dial.
    b.has_peers(1).await;
    soon("the other way", b.handle.connect(a.address()))
        .await
        .unwrap();
    assert_eq!(a.handle.stats().connected, 1);
}

#[tokio::test]
async fn two_that_dial_each_other_at_once_are_connected_once() {
    for _ in 0..5 {
        let (a, b) = (host(|_| {}), host(|_| {}));
        let (to_b, to_a) =
            tokio::join!(a.handle.connect(b.address()), b.handle.connect(a.address()));
        to_b.unwrap();
        to_a.unwrap();
        a.has_gossip_with(1).await;
        b.has_gossip_with(1).await;
        assert_eq!(
            (a.handle.stats().connected, b.handle.stats().connected),
            (1, 1)
        );
    }
}

#[tokio::test]
async fn a_peer_that_had_two_connections_is_told_our_topics_on_a_new_one() {
    for is_smaller in [true, false] {
        let a = host(|_| {});
        let ours = a.handle.local_node().peer_id.to_bytes();
        // Whose connection stays goes by the ids.
        let key = std::iter::repeat_with(Keypair::generate_secp256k1)
            .find(|key| (key.public().to_peer_id().to_bytes() < ours) == is_smaller);
        let mut raw = raw_peer(RawConfig {
            key: key.unwrap(),
            ..RawConfig::default()
        })
        .await;
        let connected = a.handle.connect(raw.address.clone());
        soon("a connection", connected).await.unwrap();
        for _ in 0..4 {
            raw.subscribed().await;
        }
        raw.dial(a.address());
        raw.closed().await;
        for _ in 0..4 {
            raw.subscribed().await;
        }
        a.has_gossip_with(1).await;
    }
}

#[tokio::test]
async fn disconnect_is_final_until_connected_by_command() {
    let (a, b) = two_hosts().await;
    let peer = b.peer_id();
    soon("the end", a.handle.disconnect(peer)).await.unwrap();
    assert_eq!(a.handle.peers(true).await.unwrap().total_connected, 0);
    soon("nothing to do", a.handle.disconnect(peer))
        .await
        .unwrap();
    b.has_peers(0).await;
    soon("a connection", a.handle.connect(b.address()))
        .await
        .unwrap();
    assert_eq!(a.handle.stats().connected, 1);
}

#[tokio::test]
async fn a_static_peer_is_dialled_at_start_and_protected() {
    let b = host(|_| {});
    let a = host(|config| config.static_peers = vec![b.address()]);
    a.has_gossip_with(1).await;
    let dump = a.handle.peers(true).await.unwrap();
    assert!(dump.peers[&b.peer_id()].is_protected);
}

#[tokio::test]
async fn a_blocked_peer_keeps_its_connection_and_gets_no_new_one_in_either_direction() {
    let (a, b) = two_hosts().await;
    a.handle.block_peer(b.peer_id()).await.unwrap();
    let dump = a.handle.peers(true).await.unwrap();
    assert_eq!(
        (dump.total_connected, dump.banned_peers),
        (1, vec![b.peer_id()])
    );
    assert_eq!(a.handle.stats().banned, 1);
    soon("the end", a.handle.disconnect(b.peer_id()))
        .await
        .unwrap();
    let refused = soon("a refusal", a.handle.connect(b.address())).await;
    let reason = "the peer is blocked".to_owned();
    assert_eq!(refused, Err(NetworkRequestError::Failed { reason }));
    b.has_peers(0).await;
    soon("a refusal", b.handle.connect(a.address()))
        .await
        .unwrap_err();
    assert_eq!(a.handle.stats().connected, 0);
    a.handle.unblock_peer(b.peer_id()).await.unwrap();
    assert_eq!(a.handle.stats().banned, 0);
    soon("a connection", b.handle.connect(a.address()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_blocked_address_or_subnet_is_neither_dialled_nor_let_in() {
    let (a, b) = (host(|_| {}), host(|_| {}));
    let loopback = "127.0.0.1".parse().unwrap();
    a.handle.block_addr(loopback).await.unwrap();
    soon("a refusal", a.handle.connect(b.address()))
        .await
        .unwrap_err();
    soon("a refusal", b.handle.connect(a.address()))
        .await
        .unwrap_err();
    a.handle.unblock_addr(loopback).await.unwrap();
    let subnet = "127.0.0.0/8".parse().unwrap();
    a.handle.block_subnet(subnet).await.unwrap();
    assert_eq!(
        a.handle.peers(false).await.unwrap().banned_subnets,
        vec![subnet]
    );
    soon("a refusal", a.handle.connect(b.address()))
        .await
        .unwrap_err();
    soon("a refusal", b.handle.connect(a.address()))
        .await
        .unwrap_err();
    a.handle.unblock_subnet(subnet).await.unwrap();
    soon("a connection", a.handle.connect(b.address()))
        .await
        .unwrap();
}

#[tokio::test]
async fn connect_says_why_it_failed() {
    let a = host(|_| {});
    let gone = {
        let b = host(|_| {});
        let address = b.address();
        b.stop().await;
        address
    };
    for address in [gone, a.address(), "/ip4/127.0.0.1/tcp/1".parse().unwrap()] {
        let failed = soon("an error", a.handle.connect(address)).await;
        assert!(
            matches!(failed, Err(NetworkRequestError::Failed { .. })),
            "{failed:?}"
        );
    }
}

#[tokio::test]
async fn a_node_knows_its_ids_and_its_address_before_it_runs() {
    let a = host(|_| {});
    let node = a.handle.local_node();
    assert!(!node.node_id.is_zero());
    let address = node.addresses[0].to_string();
    assert!(address.starts_with("/ip4/127.0.0.1/tcp/"), "{address}");
    assert!(!address.contains("/tcp/0/"), "{address}");
    assert!(
        address.ends_with(&format!("/p2p/{}", node.peer_id)),
        "{address}"
    );
    let this = a.handle.this().await.unwrap();
    assert_eq!((this.peer_id, this.node_id), (node.peer_id, node.node_id));
    assert_eq!(this.chain_id, test_chain::CHAIN_ID);
}

#[tokio::test]
async fn a_port_that_another_has_is_refused_by_name() {
    let a = host(|_| {});
    let port = a.address().iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let mut config =
        crate::NetworkConfig::new(test_chain::config(), secp256k1::Keypair::generate());
    config.listen.ip = "127.0.0.1".parse().unwrap();
    config.listen.tcp_port = port.unwrap();
    let (_, engine) = light_node_engine::test_utils::ScriptedEngine::new(test_chain::config());
    let signer = light_node_l1::SignerHandle::fixed(Address::ZERO);
    let heads = tokio::sync::watch::channel(Default::default()).1;
    let refused = crate::NetworkActor::new(config, engine, signer, heads).map(|_| ());
    assert!(
        matches!(refused, Err(NetworkConfigError::Bind { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_node_comes_back_as_the_same_peer() {
    let key = secp256k1::Keypair::generate();
    let first = host_with_key(key.clone(), |_| {});
    let peer_id = first.peer_id();
    first.stop().await;
    assert_eq!(host_with_key(key, |_| {}).peer_id(), peer_id);
}

#[tokio::test]
async fn a_swarm_that_dies_is_made_again_with_the_same_identity_on_the_same_port() {
    let a = host_of(
        secp256k1::Keypair::generate(),
        |_| {},
        |actor| {
            let mut dying = behaviour::swarm(&actor.network.config, &actor.network.gater).unwrap();
            let listener = dying.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap());
            assert!(dying.remove_listener(listener.unwrap()));
            actor.swarm = dying;
        },
    );
    until("a restart", async || a.metrics.count_restarts() == 1).await;
    let mut b = host(|_| {});
    until("the new swarm", async || {
        b.handle.connect(a.address()).await.is_ok()
    })
    .await;
    a.has_gossip_with(1).await;
    b.has_gossip_with(1).await;
    let sent = block(BlockVersion::V4, 1);
    a.handle.publish(sent.clone()).unwrap();
    assert_eq!(*b.inserted().await, sent);
}

#[tokio::test]
async fn a_new_signer_is_taken_over_and_the_former_one_for_a_while() {
    let (mut a, b) = two_hosts().await;
    let next = test_chain::key_of(0x43);
    a.signer.send_replace(SignerState {
        address: Some(next.address()),
        reads: 2,
        is_pending: false,
    });
    // Its blocks are still on their way when L1 already names the next.
    let by_former = block(BlockVersion::V4, 1);
    b.handle.publish(by_former.clone()).unwrap();
    assert_eq!(*a.inserted().await, by_former);
    let raw = raw_peer_of(&a, RawConfig::default()).await;
    let by_next = block(BlockVersion::V4, 2);
    raw.send_frame(
        BlockVersion::V4,
        &test_chain::data(BlockVersion::V4, &by_next, &next),
    );
    assert_eq!(*a.inserted().await, by_next);
    // The new one has signed: the former one's grace is over.
    b.handle.publish(block(BlockVersion::V4, 3)).unwrap();
    until("a verdict", async || {
        a.metrics.count("reject", "signer") == 1
    })
    .await;
}

#[tokio::test]
async fn a_block_is_fetched_from_a_peer_that_only_tells_of_it() {
    let (mut a, b) = two_hosts().await;
    // It takes part in no mesh, so it neither gets nor gives blocks unasked.
    let shy = RawConfig {
        has_mesh: false,
        ..RawConfig::default()
    };
    let mut shy = raw_peer_of(&a, shy).await;
    let sent = block(BlockVersion::V4, 1);
    b.handle.publish(sent.clone()).unwrap();
    assert_eq!(*a.inserted().await, sent);
    let got = shy.message().await;
    let frame = crate::snappy::decompress(&got).unwrap();
    let expected = test_chain::data(BlockVersion::V4, &sent, &test_chain::key());
    assert_eq!(frame, expected.to_vec());
    // And the other way: a node that comes late asks the shy one for what it has missed, and for what comes then.
    let mut late = host(|_| {});
    soon("a connection", late.handle.connect(shy.address.clone()))
        .await
        .unwrap();
    assert_eq!(*late.inserted().await, sent);
    let next = block(BlockVersion::V4, 2);
    b.handle.publish(next.clone()).unwrap();
    assert_eq!(*late.inserted().await, next);
}

#[tokio::test]
async fn a_peer_of_another_chain_gets_and_gives_nothing() {
    let (mut a, b) = two_hosts().await;
    let foreign = raw_peer(RawConfig {
        chain_id: 10,
        ..RawConfig::default()
    });
    let foreign = foreign.await;
    foreign.dial(a.address());
    a.has_peers(2).await;
    foreign.send_frame(BlockVersion::V4, &[1; 100]);
    let sent = block(BlockVersion::V4, 1);
    b.handle.publish(sent.clone()).unwrap();
    assert_eq!(*a.inserted().await, sent);
    assert_eq!(a.handle.stats().block_topics, [1; 4]);
    let dump = a.handle.peers(true).await.unwrap();
    assert!(!dump.peers[&foreign.peer_id].gossips_blocks);
}

#[tokio::test]
async fn a_stopped_network_says_so() {
    let a = host(|_| {});
    let handle = a.handle.clone();
    a.stop().await;
    assert_eq!(
        handle.publish(block(BlockVersion::V4, 1)),
        Err(PublishError::Gone)
    );
    assert_eq!(handle.this().await, Err(NetworkRequestError::Gone));
}

#[tokio::test]
async fn what_is_measured_names_no_peer() {
    let (a, mut b) = two_hosts().await;
    a.handle.publish(block(BlockVersion::V4, 1)).unwrap();
    b.inserted().await;
    let mut catalogue = Catalogue::new();
    b.metrics.register(&mut catalogue);
    let text = catalogue.encode();
    assert!(
        text.contains("light_node_network_peers{kind=\"connected\"} 1"),
        "{text}"
    );
    assert!(text.contains("light_node_network_verdicts_total{verdict=\"accept\",reason=\"\"} 1"));
    assert!(!text.contains(&a.peer_id().to_string()) && !text.contains("127.0.0.1"));
}
