//! Two sequencers of which op-conductor says who leads: no block goes out that the cluster has not taken, and there is one chain
//! whoever leads, stops or dies.

use crate::helpers::{
    chain::Chain,
    conductor::Cluster,
    flags::Flags,
    listener::Listener,
    peers::{
        LIMIT, Safe, address, chain, l2_chain_id, sequencer, sequencing, unsafe_number,
        until_peers, until_safe, until_unsafe, verifier,
    },
    process::NodeProcess,
    wait::until,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A cluster of two, of which nobody is started, and somebody who hears what they gossip.
struct Pair {
    chain: Chain,
    cluster: Cluster,
    listener: Listener,
    flags: [Flags; 2],
    nodes: [Option<NodeProcess>; 2],
}

impl Pair {
    async fn start() -> Self {
        let chain = chain().await;
        let cluster = Cluster::default();
        let listener = Listener::start(l2_chain_id(&chain)).await;
        let (second, _el) = verifier(&chain, "second", Safe::Derived);
        let second = sequencing(&chain, second);
        let first = sequencer(&chain, "first");
        let mut flags = [first, second];
        for (number, flags) in flags.iter_mut().enumerate() {
            let conductor = cluster.conductor(number).await;
            *flags = flags
                .clone()
                .with_switch("--conductor.enabled")
                .with("--conductor.rpc", conductor)
                .with("--p2p.static", listener.address());
        }
        let mut pair = Self {
            chain,
            cluster,
            listener,
            flags,
            nodes: [None, None],
        };
        pair.launch(0);
        pair.launch(1);
        pair.meet().await;
        pair
    }

    fn launch(&mut self, number: usize) {
        self.nodes[number] = Some(NodeProcess::start(&self.flags[number]));
    }

    /// The two hear each other and are heard.
    async fn meet(&self) {
        let first = json!([address(self.node(0)).await]);
        let second = self.node(1).rpc();
        second.call("opp2p_connectPeer", first).await.unwrap();
        until_peers(self.node(0), 2).await;
        until_peers(self.node(1), 2).await;
    }

    fn node(&self, number: usize) -> &NodeProcess {
        self.nodes[number].as_ref().unwrap()
    }

    async fn call(&self, number: usize, method: &str) -> Result<Value, Value> {
        self.node(number).rpc().call(method, json!([])).await
    }

    async fn is_active(&self, number: usize) -> bool {
        self.call(number, "admin_sequencerActive").await.unwrap() == json!(true)
    }

    /// Elects a node and starts it.
    async fn lead(&self, number: usize) {
        self.cluster.elect(number);
        self.cluster.start(self.node(number)).await;
    }

    /// Waits until so many more blocks are heard.
    async fn goes_on(&self, blocks: u64) -> u64 {
        let next = self.listener.highest() + blocks;
        self.listener.until_block(next, LIMIT).await;
        next
    }

    /// What was gossiped was taken before, and there is one chain.
    fn holds(&self) {
        let committed = self.cluster.committed();
        for block in self.listener.heard() {
            assert!(committed.contains(&block.hash), "{block:?} was not taken");
        }
        self.listener.assert_one_block_a_height();
    }

    /// What was taken becomes safe on both.
    async fn finish(self) {
        let last = self.goes_on(1).await;
        for node in self.nodes.iter().flatten() {
            let status = until_safe(node, last).await;
            let expected = self.chain.hash_on_sequencer_el(status.safe_l2.number);
            assert_eq!(expected, Some(status.safe_l2.hash));
        }
        self.holds();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_to_and_fro_without_a_block_that_was_not_taken() {
    let pair = Pair::start().await;
    // Who has a conductor waits for it.
    for number in 0..2 {
        assert!(!pair.is_active(number).await);
        let conductor = pair.call(number, "admin_conductorEnabled").await.unwrap();
        assert_eq!(conductor, json!(true));
    }
    let refused = pair.call(1, "admin_startSequencer").await;
    assert!(refused.is_err(), "{refused:?}");

    pair.lead(0).await;
    pair.goes_on(3).await;
    for leader in [1, 0, 1] {
        let before = 1 - leader;
        // Raft has moved before the conductors have told the sequencers.
        pair.cluster.elect(leader);
        pair.call(before, "admin_stopSequencer").await.unwrap();
        assert!(!pair.is_active(before).await);
        pair.lead(leader).await;
        assert!(pair.is_active(leader).await);
        let number = pair.goes_on(3).await;
        until_unsafe(pair.node(before), number).await;
        pair.holds();
    }
    pair.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_dies_is_followed_by_the_other_and_comes_back_stopped() {
    let mut pair = Pair::start().await;
    pair.lead(1).await;
    pair.goes_on(3).await;
    let leader = pair.nodes[1].take().unwrap();
    leader.stop(Signal::SIGKILL);
    pair.lead(0).await;
    pair.goes_on(3).await;
    pair.launch(1);
    assert!(!pair.is_active(1).await);
    pair.meet().await;
    let number = pair.goes_on(3).await;
    // What it has missed, its execution layer gets from the other's.
    until_unsafe(pair.node(1), number).await;
    pair.holds();
    pair.call(0, "admin_stopSequencer").await.unwrap();
    pair.lead(1).await;
    pair.goes_on(3).await;
    pair.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_that_comes_back_before_the_conductor_has_acted_leaves_no_chain_without_sequencer() {
    let pair = Pair::start().await;
    pair.lead(0).await;
    pair.goes_on(2).await;
    pair.cluster.elect(1);
    until("a leader that finds itself outvoted", LIMIT, || async {
        let (_, page) = pair.node(0).rpc().page("/status").await;
        let waiting_for = &page["sequencer"]["waiting_for"];
        if *waiting_for == json!("another sequencer leads") {
            Ok(())
        } else {
            Err(page["sequencer"].clone())
        }
    })
    .await;
    // The conductor takes it for started as long as it has not stopped it.
    assert!(pair.is_active(0).await);
    pair.holds();
    pair.cluster.elect(0);
    pair.goes_on(3).await;
    pair.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conductor_that_is_dead_at_the_start_is_named_once_and_taken_up_when_it_comes() {
    let chain = chain().await;
    let listener = Listener::start(l2_chain_id(&chain)).await;
    // Nobody listens there when this is over, and hardly anybody takes the port within the test.
    let any_port: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let free = TcpListener::bind(any_port).unwrap().local_addr().unwrap();
    let flags = sequencer(&chain, "lonely")
        .with_switch("--conductor.enabled")
        .with("--conductor.rpc", format!("http://user:hush@{free}"))
        .with("--p2p.static", listener.address());
    let node = NodeProcess::start(&flags);
    let lines = |words: &str| {
        let printed = node.printed().into_iter();
        let lines = printed.filter(|line| line.contains(words));
        lines.collect::<Vec<_>>()
    };
    let (dead, back) = ("the conductor cannot be asked", "the conductor answers");
    let said = async |words: &str| {
        until("a word on the conductor", LIMIT, || async {
            lines(words).pop().ok_or(())
        })
        .await
    };
    let line = said(dead).await;
    assert!(
        line.contains("WARN") && line.contains(&free.to_string()),
        "{line}"
    );
    assert!(!line.contains("hush"), "{line}");
    let cluster = Cluster::default();
    cluster.conductor_at(0, free).await;
    let line = said(back).await;
    assert!(line.contains("INFO"), "{line}");
    assert_eq!(lines(dead).len(), 1);
    cluster.elect(0);
    cluster.start(&node).await;
    listener.until_block(2, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_has_lost_the_vote_makes_nothing_until_it_is_overridden() {
    let pair = Pair::start().await;
    pair.lead(0).await;
    pair.goes_on(2).await;
    // Nobody has told it yet; its blocks are not taken any more.
    pair.cluster.elect(1);
    let height = until("a log that stands still", LIMIT, || async {
        let (height, heard) = (pair.cluster.height(), pair.listener.highest());
        let head = unsafe_number(pair.node(0)).await;
        if head == heard && u64::try_from(height).unwrap() == heard {
            Ok(height)
        } else {
            Err((head, heard, height))
        }
    })
    .await;
    pair.holds();
    pair.call(0, "admin_overrideLeader").await.unwrap();
    pair.goes_on(3).await;
    // An operator has said that it goes without the cluster.
    assert_eq!(pair.cluster.height(), height);
    pair.listener.assert_one_block_a_height();
}
