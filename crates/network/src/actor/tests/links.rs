//! Connections that are of no use: to a peer that is gone without a word, that has no topic of ours, or whose gossip did not come
//! up. Times are short here, and the same rules hold with those of the node.

use super::{
    deaf::deaf_peer,
    raw::{RawConfig, raw_peer},
    world::{Host, block, host, soon, two_hosts, until},
};
use crate::topics::BlockVersion;
use libp2p::{Multiaddr, multiaddr::Protocol};
use std::{net::Ipv4Addr, time::Duration};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What a cable does to the connections over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cable {
    Whole,
    /// Both ends stay as they are, and nothing passes.
    Dead,
    /// Both ends learn of it.
    Cut,
}

/// A way to a node, over a cable that a test can break.
async fn cable_to(target: &Host) -> (Multiaddr, watch::Sender<Cable>) {
    let port_of = |address: &Multiaddr| {
        address.iter().find_map(|part| match part {
            Protocol::Tcp(port) => Some(port),
            _ => None,
        })
    };
    let target_port = port_of(&target.address()).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (state, seen) = watch::channel(Cable::Whole);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            if *seen.borrow() != Cable::Cut {
                tokio::spawn(carry(near, target_port, seen.clone()));
            }
        }
    });
    let address = Multiaddr::from(Ipv4Addr::LOCALHOST)
        .with(Protocol::Tcp(port))
        .with(Protocol::P2p(target.peer_id()));
    (address, state)
}

async fn carry(mut near: TcpStream, port: u16, mut state: watch::Receiver<Cable>) {
    let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        _ = state.wait_for(|state| *state != Cable::Whole) => {}
    }
    // What is dead stays so: whoever mends a cable has new connections over it.
    let _ = state.wait_for(|state| *state == Cable::Cut).await;
}

#[tokio::test]
async fn a_connection_whose_other_side_went_without_a_word_is_closed_and_a_static_peer_redialled() {
    let b = host(|_| {});
    let (address, cable) = cable_to(&b).await;
    let a = host(|config| {
        config.static_peers = vec![address];
        config.pace.ping_interval = Duration::from_millis(100);
        config.pace.ping_timeout = Duration::from_secs(4);
        config.pace.static_redial = Duration::from_millis(300);
        config.pace.silent_max = Duration::from_secs(4);
    });
    a.has_gossip_with(1).await;
    cable.send_replace(Cable::Dead);
    a.has_peers(0).await;
    // The other side pings as seldom as a node does, and has yet to find out: for it the next one is a second connection.
    cable.send_replace(Cable::Whole);
    a.has_gossip_with(1).await;
    b.has_gossip_with(1).await;
    let mut b = b;
    let sent = block(BlockVersion::V4, 1);
    a.handle.publish(sent.clone()).unwrap();
    assert_eq!(*b.inserted().await, sent);
}

#[tokio::test]
async fn a_static_peer_that_was_cut_off_is_dialled_until_it_is_there() {
    let b = host(|_| {});
    let (address, cable) = cable_to(&b).await;
    let a = host(|config| {
        config.static_peers = vec![address];
        config.pace.static_redial = Duration::from_millis(200);
    });
    a.has_gossip_with(1).await;
    for _ in 0..2 {
        cable.send_replace(Cable::Cut);
        a.has_peers(0).await;
        let before = a.metrics.count_dials("failed");
        until("dials that fail", async || {
            a.metrics.count_dials("failed") >= before + 2
        })
        .await;
        cable.send_replace(Cable::Whole);
        a.has_gossip_with(1).await;
        b.has_gossip_with(1).await;
    }
    let mut a = a;
    let sent = block(BlockVersion::V4, 1);
    b.handle.publish(sent.clone()).unwrap();
    assert_eq!(*a.inserted().await, sent);
}

#[tokio::test]
async fn a_peer_that_speaks_no_ping_is_kept() {
    let (a, _b) = two_hosts().await;
    let c = host(|config| {
        config.pace.ping_interval = Duration::from_millis(50);
        config.pace.ping_timeout = Duration::from_secs(20);
    });
    let raw = raw_peer(RawConfig::default()).await;
    raw.dial(c.address());
    soon("a connection", c.handle.connect(a.address()))
        .await
        .unwrap();
    c.has_gossip_with(2).await;
    let latency = async || {
        let dump = c.handle.peers(true).await.unwrap();
        dump.peers[&a.peer_id()].latency
    };
    // By then the other one has been pinged, too, several times over.
    for _ in 0..3 {
        let before = latency().await;
        until("another pong", async || latency().await != before).await;
    }
    assert_eq!(c.handle.stats().connected, 2);
}

#[tokio::test]
async fn a_peer_with_no_topic_of_ours_is_let_go_and_one_with_a_topic_stays() {
    let a = host(|config| config.pace.unshared_max = Duration::from_secs(2));
    let b = host(|_| {});
    a.handle.connect(b.address()).await.unwrap();
    a.has_gossip_with(1).await;
    let mut foreign = raw_peer(RawConfig {
        chain_id: 10,
        ..RawConfig::default()
    })
    .await;
    foreign.dial(a.address());
    a.has_peers(2).await;
    foreign.closed().await;
    a.has_peers(1).await;
    a.has_gossip_with(1).await;
}

#[tokio::test]
async fn a_peer_whose_gossip_does_not_come_up_is_dialled_anew_three_times_and_then_let_be() {
    let mut deaf = deaf_peer().await;
    let a = host(|config| config.pace.unshared_max = Duration::from_secs(3));
    // The command may be answered by any of the connections.
    let _ = soon("an answer", a.handle.connect(deaf.address.clone())).await;
    for _ in 0..3 {
        deaf.is_connected().await;
        deaf.is_closed().await;
    }
    deaf.is_connected().await;
    a.has_peers(1).await;
    // It is not for its deafness that the last connection ends, but because nothing is shared.
    deaf.is_closed().await;
    a.has_peers(0).await;
    assert_eq!(a.metrics.count_dials("connected"), 4);
}

#[tokio::test]
async fn a_deaf_peer_that_only_came_in_is_sent_away_to_come_again_three_times() {
    let a = host(|_| {});
    let mut deaf = deaf_peer().await;
    for _ in 0..3 {
        deaf.dial(a.address());
        deaf.is_connected().await;
        deaf.is_closed().await;
        a.has_peers(0).await;
    }
    deaf.dial(a.address());
    deaf.is_connected().await;
    a.has_peers(1).await;
    let dump = a.handle.peers(true).await.unwrap();
    assert!(!dump.peers[&deaf.peer_id].gossips_blocks);
}
