//! Blocks between nodes: they come before they are safe, go on to peers of peers, and come again after a cut; and what operators ask
//! of a node about its peers.

use crate::helpers::{
    chain::Chain,
    door::Door,
    flags::Flags,
    listener::Listener,
    peers::{
        LIMIT, Safe, address, assert_one_chain, chain, l2_chain_id, networked, peer_id, peers,
        sequencer, unsafe_number, until_by_gossip_alone, until_peers, until_safe, until_status,
        until_unsafe, verifier,
    },
    process::NodeProcess,
    scrape::{metric, metrics_url_of, scrape},
    wait::until,
};
use light_node_devnet_el::EmbeddedEl;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// A chain whose sequencer has made its first blocks; none of them gets to L1.
async fn sequenced() -> (Chain, NodeProcess) {
    let chain = chain().await;
    chain.batcher().pause();
    let node = NodeProcess::start(&sequencer(&chain, "sequencer"));
    until_unsafe(&node, 1).await;
    (chain, node)
}

/// The port in an address of a peer, and its id.
fn parts(address: &str) -> (SocketAddr, String) {
    let words: Vec<&str> = address.split('/').collect();
    let addr = format!("{}:{}", words[2], words[4]);
    (addr.parse().unwrap(), words[6].to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_reach_those_who_derive_and_those_who_follow_before_they_are_safe() {
    let (chain, sequencer) = sequenced().await;
    let (flags, near_el) = verifier(&chain, "near", Safe::Derived);
    let near = NodeProcess::start(&flags.with("--p2p.static", address(&sequencer).await));
    // It knows nobody but the other verifier.
    let (flags, far_el) = verifier(&chain, "far", Safe::Followed);
    let far = NodeProcess::start(&flags.with("--p2p.static", address(&near).await));
    until_peers(&near, 2).await;
    until_peers(&far, 1).await;
    until_peers(&sequencer, 1).await;

    until_by_gossip_alone(&near, &near_el, &sequencer).await;
    until_by_gossip_alone(&far, &far_el, &sequencer).await;
    let next = unsafe_number(&sequencer).await + 3;
    for node in [&near, &far] {
        let status = until_unsafe(node, next).await;
        assert_eq!(status.safe_l2.number, 0, "{status:?}");
    }
    for el in [&near_el, &far_el] {
        assert_one_chain(el, chain.sequencer_el(), next);
    }

    chain.batcher().resume();
    for node in [&sequencer, &near, &far] {
        let status = until_safe(node, next).await;
        assert_eq!(
            chain.hash_on_sequencer_el(status.safe_l2.number),
            Some(status.safe_l2.hash)
        );
    }
}

/// A verifier behind a door through which alone it reaches the sequencer. Its execution layer has no peer.
struct Behind {
    chain: Chain,
    sequencer: NodeProcess,
    verifier: NodeProcess,
    el: Arc<EmbeddedEl>,
    door: Door,
    target: SocketAddr,
}

impl Behind {
    async fn start(safe: Safe, change: impl FnOnce(Flags) -> Flags) -> Self {
        let (chain, sequencer) = sequenced().await;
        let (target, id) = parts(&address(&sequencer).await);
        let mut door = Door::new();
        door.lead_to(target);
        let (flags, el) = verifier(&chain, "verifier", safe);
        let through = format!("/ip4/127.0.0.1/tcp/{}/p2p/{id}", door.addr().port());
        let verifier = NodeProcess::start(&change(flags.with("--p2p.static", through)));
        until_peers(&verifier, 1).await;
        until_by_gossip_alone(&verifier, &el, &sequencer).await;
        Self {
            chain,
            sequencer,
            verifier,
            el,
            door,
            target,
        }
    }

    /// Cuts the connection, and returns the number of the verifier's head.
    async fn cut(&self) -> u64 {
        self.door.close();
        until("no peer", LIMIT, || async {
            let peers = peers(&self.verifier).await;
            if peers == json!({}) {
                Ok(())
            } else {
                Err(peers)
            }
        })
        .await;
        unsafe_number(&self.verifier).await
    }

    async fn heal(&mut self) {
        self.door.lead_to(self.target);
        until_peers(&self.verifier, 1).await;
    }

    /// The verifier gets to what the sequencer has, and goes on with it.
    async fn catches_up(&self) {
        let next = unsafe_number(&self.sequencer).await + 2;
        until_unsafe(&self.verifier, next).await;
        assert_one_chain(&self.el, self.chain.sequencer_el(), next);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_cut_off_gets_the_blocks_in_between_from_its_execution_layers_peers() {
    // Blocks of the time of the cut are too old to be taken after it.
    let young = |flags: Flags| flags.with("--p2p.gossip.timestamp.threshold", "3s");
    let mut it = Behind::start(Safe::Followed, young).await;
    let before = it.cut().await;
    it.el.set_peer_connected(true);
    until_unsafe(&it.sequencer, before + 8).await;
    assert_eq!(unsafe_number(&it.verifier).await, before);
    it.heal().await;
    it.catches_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deriver_that_was_cut_off_gets_the_blocks_in_between_from_l1() {
    let young = |flags: Flags| flags.with("--p2p.gossip.timestamp.threshold", "3s");
    let mut it = Behind::start(Safe::Derived, young).await;
    let before = it.cut().await;
    until_unsafe(&it.sequencer, before + 6).await;
    it.heal().await;
    it.chain.batcher().resume();
    until_safe(&it.verifier, before + 6).await;
    it.catches_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes four minutes"]
async fn a_follower_that_was_cut_off_for_three_and_a_half_minutes_catches_up() {
    let mut it = Behind::start(Safe::Followed, |flags| flags).await;
    let before = it.cut().await;
    it.el.set_peer_connected(true);
    let cut = 210;
    let limit = Duration::from_secs(240);
    let rpc = it.sequencer.rpc();
    until("blocks of the time of the cut", limit, || async {
        let head = rpc.sync_status().await?.unsafe_l2;
        if head.number >= before + cut {
            Ok(())
        } else {
            Err(json!(head))
        }
    })
    .await;
    assert_eq!(unsafe_number(&it.verifier).await, before);
    it.heal().await;
    it.catches_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_is_connected_cut_and_kept_apart_by_command() {
    let (chain, sequencer) = sequenced().await;
    let (flags, _el) = verifier(&chain, "verifier", Safe::Followed);
    let node = NodeProcess::start(&flags);
    let (theirs, our_rpc, their_rpc) = (address(&sequencer).await, node.rpc(), sequencer.rpc());
    let (id, our_id) = (peer_id(&sequencer).await, peer_id(&node).await);
    let ours = async |method: &str, params: Value| our_rpc.call(method, params).await;
    assert_eq!(peers(&node).await, json!({}));

    // Who is answered is connected, and is there at once.
    for _ in 0..2 {
        ours("opp2p_connectPeer", json!([theirs])).await.unwrap();
        let peer = peers(&node).await[&id].clone();
        assert_eq!(peer["connectedness"], 1, "{peer}");
        let protocols = peer["protocols"].to_string();
        for protocol in [
            "/meshsub/1.0.0",
            "/meshsub/1.1.0",
            "/meshsub/1.2.0",
            "/floodsub/1.0.0",
            "/ipfs/id/1.0.0",
            "/ipfs/id/push/1.0.0",
        ] {
            assert!(
                protocols.contains(protocol),
                "{protocol} is missing: {peer}"
            );
        }
        assert_eq!(peer["userAgent"], "light-node", "{peer}");
    }
    until_peers(&node, 1).await;
    let next = unsafe_number(&sequencer).await + 2;
    until_unsafe(&node, next).await;
    let stats = ours("opp2p_peerStats", json!([])).await.unwrap();
    for topic in [
        "blocksTopic",
        "blocksTopicV2",
        "blocksTopicV3",
        "blocksTopicV4",
    ] {
        assert_eq!(stats[topic], 1, "{stats}");
    }
    assert_eq!(stats["connected"], 1, "{stats}");

    // A peer that is blocked stays, and does not come back once it is gone.
    ours("opp2p_blockPeer", json!([id])).await.unwrap();
    assert_eq!(
        ours("opp2p_listBlockedPeers", json!([])).await.unwrap(),
        json!([id])
    );
    let dump = ours("opp2p_peers", json!([true])).await.unwrap();
    assert_eq!(dump["bannedPeers"], json!([id]), "{dump}");
    let next = unsafe_number(&sequencer).await + 2;
    until_unsafe(&node, next).await;
    ours("opp2p_disconnectPeer", json!([id])).await.unwrap();
    assert_eq!(peers(&node).await, json!({}));
    ours("opp2p_disconnectPeer", json!([id])).await.unwrap();
    let refused = ours("opp2p_connectPeer", json!([theirs])).await;
    assert!(refused.is_err(), "{refused:?}");
    let inbound = json!([address(&node).await]);
    let refused = their_rpc.call("opp2p_connectPeer", inbound.clone()).await;
    assert!(refused.is_err(), "{refused:?}");

    ours("opp2p_unblockPeer", json!([id])).await.unwrap();
    their_rpc.call("opp2p_connectPeer", inbound).await.unwrap();
    assert!(peers(&sequencer).await[&our_id].is_object());
    until_peers(&node, 1).await;
    let next = unsafe_number(&sequencer).await + 2;
    until_unsafe(&node, next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_addresses_and_networks_and_protected_peers_are_kept_over_a_restart() {
    let (chain, sequencer) = sequenced().await;
    let (flags, _el) = verifier(&chain, "verifier", Safe::Followed);
    let node = NodeProcess::start(&flags);
    let theirs = json!([address(&sequencer).await]);
    let call = async |node: &NodeProcess, method: &str, params: Value| {
        let answer = node.rpc().call(method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    };
    call(&node, "opp2p_blockAddr", json!(["127.0.0.1"])).await;
    call(&node, "opp2p_blockSubnet", json!(["10.0.0.0/8"])).await;
    drop(node);
    let node = NodeProcess::start(&flags);
    let blocked = call(&node, "opp2p_listBlockedAddrs", json!([])).await;
    assert_eq!(blocked, json!(["127.0.0.1"]));
    let blocked = call(&node, "opp2p_listBlockedSubnets", json!([])).await;
    // As Go writes a network: the mask in base64.
    assert_eq!(blocked, json!([{ "IP": "10.0.0.0", "Mask": "/wAAAA==" }]));
    let refused = node.rpc().call("opp2p_connectPeer", theirs.clone()).await;
    assert!(refused.is_err(), "{refused:?}");
    call(&node, "opp2p_unblockAddr", json!(["127.0.0.1"])).await;
    call(&node, "opp2p_unblockSubnet", json!([blocked[0].clone()])).await;
    call(&node, "opp2p_connectPeer", theirs).await;
    let id = peer_id(&sequencer).await;
    call(&node, "opp2p_protectPeer", json!([id])).await;
    assert_eq!(peers(&node).await[&id]["protected"], true);
    call(&node, "opp2p_unprotectPeer", json!([id])).await;
    assert_eq!(peers(&node).await[&id]["protected"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_that_starts_again_comes_back_to_its_static_peer() {
    let (chain, sequencer) = sequenced().await;
    let (flags, _el) = verifier(&chain, "verifier", Safe::Followed);
    let flags = flags.with("--p2p.static", address(&sequencer).await);
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let node = NodeProcess::start(&flags);
        let id = peer_id(&node).await;
        until_peers(&node, 1).await;
        let next = unsafe_number(&sequencer).await + 2;
        until_unsafe(&node, next).await;
        assert!(peers(&sequencer).await[&id].is_object());
        node.stop(signal);
        until_status("a sequencer that goes on", &sequencer, |status| {
            status.unsafe_l2.number > next
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_peers_has_neither_their_ports_nor_their_methods() {
    let chain = chain().await;
    let flags = chain.flags().with_switch("--rpc.enable-admin");
    let node = NodeProcess::start(&flags.with_switch("--p2p.disable"));
    let refused = node.rpc().call("opp2p_self", json!([])).await.unwrap_err();
    let message = refused["message"].to_string();
    assert!(message.contains("p2p is disabled"), "{refused}");
    drop(node);

    // Only addresses in these networks are dialled and let in.
    let listener = Listener::start(l2_chain_id(&chain)).await;
    let far = networked(&chain, chain.flags(), "far").with("--p2p.netrestrict", "10.0.0.0/8");
    let far = NodeProcess::start(&far);
    let near = networked(&chain, chain.flags(), "near").with("--p2p.netrestrict", "127.0.0.0/8");
    let near = near.with("--l2", {
        let (_, authrpc) = chain.another_el();
        format!("http://{authrpc}")
    });
    let near = NodeProcess::start(&near);
    let other = json!([listener.address()]);
    let refused = far.rpc().call("opp2p_connectPeer", other.clone()).await;
    assert!(refused.is_err(), "{refused:?}");
    let refused = near
        .rpc()
        .call("opp2p_connectPeer", json!([address(&far).await]))
        .await;
    assert!(refused.is_err(), "{refused:?}");
    near.rpc().call("opp2p_connectPeer", other).await.unwrap();
    // Without discovery there is no table.
    let table = near.rpc().call("opp2p_discoveryTable", json!([])).await;
    assert!(
        table.as_ref().map_or(true, |table| *table == json!([])),
        "{table:?}"
    );
}

/// Bytes that nobody can compress, and no two of them alike.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(bytes).collect()
}

/// Blocks of the node that had this verdict, for whatever reason.
async fn verdicts(node: &NodeProcess, verdict: &str) -> f64 {
    let series = format!("light_node_network_verdicts_total{{verdict=\"{verdict}\"");
    let exposition = scrape(&metrics_url_of(node)).await;
    let ours = exposition.lines().filter(|line| line.starts_with(&series));
    let values = ours.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_by_strangers_costs_neither_memory_nor_the_chains_blocks() {
    const ROUNDS: u64 = 12;
    let (chain, sequencer) = sequenced().await;
    let (flags, el) = verifier(&chain, "verifier", Safe::Followed);
    let node = NodeProcess::start(&flags.with("--p2p.static", address(&sequencer).await));
    until_peers(&node, 1).await;
    until_by_gossip_alone(&node, &el, &sequencer).await;
    let resident = "process_resident_memory_bytes";
    let before = metric(&node, resident).await;
    // Ten a second on a chain of one a second, of a megabyte each, from a new peer each time.
    for round in 0..ROUNDS {
        let stranger = Listener::start(l2_chain_id(&chain)).await;
        let address = json!([stranger.address()]);
        let connected = node.rpc().call("opp2p_connectPeer", address).await;
        connected.unwrap();
        for copy in 1..=10 {
            stranger.say(&noise(round << 32 | copy << 16, 1_000_000));
        }
        let next = unsafe_number(&sequencer).await + 1;
        until_unsafe(&node, next).await;
    }
    let next = unsafe_number(&sequencer).await + 1;
    until_unsafe(&node, next).await;
    assert_one_chain(&el, chain.sequencer_el(), next);
    let rejected = verdicts(&node, "reject").await;
    assert!(rejected >= 2.0 * ROUNDS as f64, "{rejected} rejected");
    let grown = metric(&node, resident).await - before;
    println!("{rejected} rejected, {grown} bytes more memory");
    assert!(grown < 128.0 * 1024.0 * 1024.0, "{grown} bytes more");
}
