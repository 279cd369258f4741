//! Nodes that find each other by themselves.

use crate::helpers::{
    chain::Chain,
    flags::Flags,
    peers::{
        LIMIT, Safe, chain, peer_id, peers, sequencer, unsafe_number, until_peers, until_unsafe,
        verifier,
    },
    process::{NodeProcess, ends_saying},
    wait::until,
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Flags of a node of another chain, at whose endpoints nobody answers: to others it is a router, if anything.
fn stranger_flags(dir: &Path) -> Flags {
    let jwt = dir.join("stranger-jwt.hex");
    fs::write(&jwt, "5c".repeat(32)).unwrap();
    Flags::dead(jwt.display())
        .with("--p2p.listen.ip", "127.0.0.1")
        .with("--p2p.advertise.ip", "127.0.0.1")
        .with("--p2p.listen.tcp", 0)
        .with("--p2p.dir", dir.join("stranger").display())
}

fn stranger(dir: &Path) -> NodeProcess {
    NodeProcess::start(&stranger_flags(dir))
}

/// The fields of the lines of the log with this message.
fn said(node: &NodeProcess, message: &str) -> Vec<Value> {
    let lines = node.printed();
    let parsed = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = parsed.filter(|line| line["fields"]["message"] == message);
    ours.map(|line| json!({ "level": line["level"], "fields": line["fields"] }))
        .collect()
}

async fn record(node: &NodeProcess) -> String {
    let this = node.rpc().call("opp2p_self", json!([])).await.unwrap();
    let record = this["ENR"].as_str().unwrap().to_owned();
    assert!(record.starts_with("enr:"), "{this}");
    record
}

fn finding(flags: Flags, bootnode: &str) -> Flags {
    flags
        .without("--p2p.no-discovery")
        .with("--p2p.bootnodes", bootnode)
        .with("--p2p.discovery.interval", "1s")
}

async fn table(node: &NodeProcess) -> Vec<Value> {
    let table = node.rpc().call("opp2p_discoveryTable", json!([])).await;
    table.unwrap().as_array().unwrap().clone()
}

/// A sequencer and two verifiers that know one bootnode, and are peers of each other alone.
async fn find_each_other(chain: &Chain, bootnode: &str) -> Vec<NodeProcess> {
    let sequencer = NodeProcess::start(&finding(sequencer(chain, "sequencer"), bootnode));
    let mut nodes = vec![sequencer];
    for (name, safe) in [("one", Safe::Derived), ("two", Safe::Followed)] {
        let (flags, _el) = verifier(chain, name, safe);
        nodes.push(NodeProcess::start(&finding(flags, bootnode)));
    }
    for node in &nodes {
        until_peers(node, 2).await;
    }
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_find_each_other_through_a_router_of_another_chain() {
    let chain = chain().await;
    let router = stranger(chain.dir());
    let bootnode = record(&router).await;
    let nodes = find_each_other(&chain, &bootnode).await;
    let stranger = peer_id(&router).await;
    let next = unsafe_number(&nodes[0]).await + 2;
    for node in &nodes {
        until_unsafe(node, next).await;
        assert_eq!(peers(node).await[&stranger], Value::Null);
        assert!(table(node).await.contains(&json!(bootnode)));
    }
    assert_eq!(peers(&router).await, json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_been_found_is_known_after_a_restart_without_the_bootnode() {
    let chain = chain().await;
    let router = stranger(chain.dir());
    let bootnode = record(&router).await;
    let (flags, _el) = verifier(&chain, "one", Safe::Followed);
    let flags = finding(flags, &bootnode);
    let (other, _el) = verifier(&chain, "two", Safe::Followed);
    let other = NodeProcess::start(&finding(other, &bootnode));
    let one = NodeProcess::start(&flags);
    let id = peer_id(&one).await;
    until_peers(&one, 1).await;
    drop(one);
    drop(router);
    // It is who it was, and finds whom it knew.
    let one = NodeProcess::start(&flags.without("--p2p.bootnodes"));
    assert_eq!(peer_id(&one).await, id);
    until_peers(&one, 1).await;
    let there = until("the peer of before", LIMIT, || async {
        let peer = peers(&other).await[&id].clone();
        if peer["connectedness"] == 1 {
            Ok(peer)
        } else {
            Err(peer)
        }
    });
    assert_eq!(
        there.await["chainID"],
        crate::helpers::peers::l2_chain_id(&chain)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_the_same_peer_after_a_restart_with_its_key_file() {
    let chain = chain().await;
    let path = chain.dir().join("keys").join("opnode_p2p_priv.txt");
    let (flags, _el) = verifier(&chain, "one", Safe::Followed);
    let flags = flags.with("--p2p.priv.path", path.display());
    let mut ids = Vec::new();
    for _ in 0..2 {
        let node = NodeProcess::start(&flags);
        ids.push(peer_id(&node).await);
    }
    assert_eq!(ids[0], ids[1]);
    // Another node reads what this one has made.
    let key = fs::read_to_string(&path).unwrap();
    let (flags, _el) = verifier(&chain, "two", Safe::Followed);
    let node = NodeProcess::start(&flags.with("--p2p.priv.raw", key.trim()));
    assert_eq!(peer_id(&node).await, ids[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootnode_without_an_address_and_a_static_peer_that_is_not_there_are_named_once() {
    const STATIC: &str = "A static peer cannot be reached; it is dialled until it can";
    const BOOTNODE: &str = "A bootnode is of no use; mend or remove it in --p2p.bootnodes";
    let dir = tempfile::tempdir().unwrap();
    let key = "ca2774c3c401325850b2477fd7d0f27911efbf79b1e8b335066516e2bd8c4c9e\
               0ba9696a94b1cb030a88eac582305ff55e905e64fb77fe0edcd70a4e5296d3ec";
    let absent = "16Uiu2HAm2y6DXp6THWHCyquczNUh8gVAm4spo6hjP3Ns1dGRiAdE";
    let flags = stranger_flags(dir.path())
        .with(
            "--p2p.bootnodes",
            format!("enode://{key}@nobody.invalid:30305"),
        )
        .with("--p2p.static", format!("/ip4/127.0.0.1/tcp/1/p2p/{absent}"));
    let node = NodeProcess::start(&flags);
    let told = until("both words", LIMIT, || async {
        let told = [said(&node, BOOTNODE), said(&node, STATIC)];
        if told.iter().all(|words| !words.is_empty()) {
            Ok(told)
        } else {
            Err(told)
        }
    })
    .await;
    for words in &told {
        assert!(words.len() == 1 && words[0]["level"] == "WARN", "{words:?}");
    }
    let [bootnode, peer] = told.map(|words| words[0]["fields"].clone());
    assert_eq!(bootnode["host"], "nobody.invalid", "{bootnode}");
    assert!(
        bootnode["cause"].to_string().contains("resolve"),
        "{bootnode}"
    );
    assert_eq!(peer["peer"], absent, "{peer}");
    assert!(!peer["cause"].to_string().is_empty(), "{peer}");
}

#[test]
fn half_a_record_and_a_file_in_place_of_a_directory_are_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let flags = stranger_flags(dir.path());
    ends_saying(
        &flags.clone().with("--p2p.bootnodes", "enr:"),
        &["bootnode enr:", "copy it anew"],
    );
    let file = dir.path().join("jwt.hex");
    fs::write(&file, "").unwrap();
    ends_saying(
        &flags.with("--p2p.dir", file.display()),
        &["--p2p.dir=", "is a file", "give a directory"],
    );
}
