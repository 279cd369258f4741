//! Effects of the flags of peers, seen from outside.

use crate::helpers::{
    chain::{Chain, Settings},
    flags::Flags,
    listener::Listener,
    peers::{LIMIT, address, peer_id, peers},
    process::{NodeProcess, command, run_to_end},
    recorder::{Recorder, asks},
    wait::until,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The chain of [`lonely`] nodes.
pub(super) const L2_CHAIN_ID: u64 = 11_155_420;

/// Who gives up after the time that is said by default takes at least so long.
const BEFORE_DEFAULT: Duration = Duration::from_secs(9);

/// Flags of a node with a network of its own, at whose endpoints nobody answers, and the directory with its files.
fn lonely() -> (TempDir, Flags) {
    let (dir, flags) = Flags::lonely();
    let flags = with_peers(flags, &dir);
    (dir, flags)
}

/// The same that finds nobody by itself and is commanded.
pub(super) fn commanded() -> (TempDir, Flags) {
    let (dir, flags) = lonely();
    let flags = flags
        .with_switch("--p2p.no-discovery")
        .with_switch("--rpc.enable-admin");
    (dir, flags)
}

fn with_peers(flags: Flags, dir: &TempDir) -> Flags {
    flags
        .with("--p2p.listen.ip", "127.0.0.1")
        .with("--p2p.listen.tcp", 0)
        .with("--p2p.dir", dir.path().join("p2p").display())
}

#[test]
fn a_port_for_peers_that_is_taken_is_named() {
    let (_dir, flags) = lonely();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let flags = flags.with("--p2p.listen.tcp", address.port());
    let (code, printed) = run_to_end(&flags.args());
    assert_eq!(code, Some(1), "{printed}");
    for words in ["--p2p.listen.tcp", "--p2p.disable", &address.to_string()] {
        assert!(
            printed.contains(words),
            "`{words}` is missing in: {printed}"
        );
    }
}

#[test]
fn a_port_for_discovery_that_is_taken_is_named_and_not_needed_without_it() {
    let (_dir, flags) = lonely();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let flags = flags.with("--p2p.listen.udp", address.port());
    let (code, printed) = run_to_end(&flags.args());
    assert_eq!(code, Some(1), "{printed}");
    for words in [
        "--p2p.listen.udp",
        "--p2p.no-discovery",
        &address.to_string(),
    ] {
        assert!(
            printed.contains(words),
            "`{words}` is missing in: {printed}"
        );
    }
    NodeProcess::start(&flags.with_switch("--p2p.no-discovery"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_tells_peers_who_it_is_by_the_key_given() {
    let (_dir, flags) = lonely();
    let flags = flags.with_switch("--p2p.no-discovery");
    let node = NodeProcess::start(&flags.clone().with("--p2p.priv.raw", "5c".repeat(32)));
    let this = node.rpc().call("opp2p_self", json!([])).await.unwrap();
    let id = this["peerID"].as_str().unwrap().to_owned();
    let address = this["addresses"][0].as_str().unwrap();
    assert!(address.starts_with("/ip4/127.0.0.1/tcp/"), "{this}");
    assert!(address.ends_with(&format!("/p2p/{id}")), "{this}");
    drop(node);
    // Without it the node makes a key, and is the same node after the next start.
    let mut ids = Vec::new();
    for _ in 0..2 {
        let node = NodeProcess::start(&flags);
        let this = node.rpc().call("opp2p_self", json!([])).await.unwrap();
        ids.push(this["peerID"].as_str().unwrap().to_owned());
    }
    assert!(ids[0] == ids[1] && ids[0] != id, "{ids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_signer_is_read_from_l1_as_often_as_said() {
    let chain = Chain::start(Settings::on_command()).await;
    let l1 = Recorder::new(&chain.endpoints().l1, |_, answer| answer).await;
    let dir = tempfile::tempdir().unwrap();
    let flags = with_peers(chain.flags().with("--l1", l1.url()), &dir);
    let flags = flags
        .with_switch("--p2p.no-discovery")
        .with("--l1.runtime-config-reload-interval", "1s");
    let node = NodeProcess::start(&flags);
    // By default it would take five minutes for each.
    let is_read = |request: &Value| asks(request, "eth_getStorageAt", "");
    l1.until_asked(3, LIMIT, is_read).await;
    drop(node);

    let l1 = Recorder::new(&chain.endpoints().l1, |_, answer| answer).await;
    let _node = NodeProcess::start(&chain.flags().with("--l1", l1.url()));
    let is_head = |request: &Value| asks(request, "eth_getBlockByNumber", "latest");
    l1.until_asked(2, LIMIT, is_head).await;
    // Without peers nobody asks who signs.
    assert_eq!(l1.count(is_read), 0);
}

/// The image and the systemd unit say by a variable where things may be kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_keeps_its_key_where_it_may_write_and_elsewhere_in_memory() {
    let (dir, flags) = lonely();
    let flags = flags.without("--p2p.dir").with_switch("--p2p.no-discovery");
    let start = |state: &Path| {
        let mut command = command(&flags.args());
        command.env("STATE_DIRECTORY", state);
        NodeProcess::spawn(command)
    };
    let state = dir.path().join("state");
    drop(start(&state));
    let key = state.join("p2p/11155420/node.key");
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    // As on a file system that is read-only.
    let node = start(&key.join("below"));
    let is_said = |line: &String| line.contains("are kept in memory");
    assert!(node.printed().iter().any(is_said), "{:?}", node.printed());
    let this = node.rpc().call("opp2p_self", json!([])).await.unwrap();
    assert!(this["peerID"].is_string(), "{this}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_see_a_node_as_its_flags_say() {
    let (_dir, flags) = commanded();
    let flags = flags
        .with("--p2p.listen.ip", "127.0.0.2")
        .with("--p2p.useragent", "one")
        .with("--p2p.ping", "false")
        .with("--p2p.advertise.ip", "203.0.113.7")
        .with("--p2p.advertise.tcp", 9005);
    let one = NodeProcess::start(&flags);
    let this = one.rpc().call("opp2p_self", json!([])).await.unwrap();
    let (id, told) = (this["peerID"].as_str().unwrap(), &this["addresses"]);
    assert_eq!(told[0], format!("/ip4/203.0.113.7/tcp/9005/p2p/{id}"));
    let listened = told[1].as_str().unwrap();
    assert!(listened.starts_with("/ip4/127.0.0.2/tcp/"), "{told}");

    let (_dir, flags) = commanded();
    let two = NodeProcess::start(&flags.with("--p2p.static", listened));
    let own = peer_id(&two).await;
    for (node, other, name, pings) in [(&two, id, "one", false), (&one, &own, "light-node", true)] {
        let seen = until("who the other one is", LIMIT, || async {
            let peer = peers(node).await[other].clone();
            if peer["userAgent"] == name {
                Ok(peer)
            } else {
                Err(peer)
            }
        })
        .await;
        let protocols = seen["protocols"].to_string();
        assert!(protocols.contains("/meshsub/1.1.0"), "{seen}");
        assert_eq!(protocols.contains("/ipfs/ping/"), pings, "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_outside_of_the_networks_said_is_not_dealt_with() {
    let [far, near, any] = ["10.0.0.0/8", "127.0.0.0/8", ""].map(|network| {
        let (dir, mut flags) = commanded();
        if !network.is_empty() {
            flags = flags.with("--p2p.netrestrict", network);
        }
        (NodeProcess::start(&flags), dir)
    });
    let connect = async |from: &NodeProcess, to: &NodeProcess| {
        let to = json!([address(to).await]);
        from.rpc().call("opp2p_connectPeer", to).await
    };
    for (from, to) in [(&far, &any), (&any, &far), (&near, &far)] {
        let refused = connect(&from.0, &to.0).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    connect(&near.0, &any.0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_most_peers_said_one_is_let_go() {
    let (_dir, flags) = commanded();
    let flags = flags
        .with("--p2p.peers.lo", 0)
        .with("--p2p.peers.hi", 1)
        .with("--p2p.peers.grace", "0s");
    let node = NodeProcess::start(&flags);
    let rpc = node.rpc();
    let [one, two] = [
        Listener::start(L2_CHAIN_ID).await,
        Listener::start(L2_CHAIN_ID).await,
    ];
    for other in [&one, &two] {
        // The second may be gone before it has said who it is.
        let connected = rpc
            .call("opp2p_connectPeer", json!([other.address()]))
            .await;
        assert!(connected.is_ok() || other.address() == two.address());
    }
    until("one peer of the two that were there", LIMIT, || async {
        let dump = rpc.call("opp2p_peers", json!([false])).await.unwrap();
        let there = |peer: &&Value| peer["connectedness"] == 1;
        let known = dump["peers"].as_object().unwrap();
        match (known.len(), known.values().filter(there).count()) {
            (2, 1) => Ok(()),
            _ => Err(dump),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_and_says_nothing_is_cut_off_after_the_time_said() {
    for flag in ["--p2p.timeout.accept", "--p2p.timeout.negotiation"] {
        let (_dir, flags) = commanded();
        let node = NodeProcess::start(&flags.with(flag, "500ms"));
        let address = address(&node).await;
        let port = address.split('/').nth(4).unwrap().parse().unwrap();
        let begun = Instant::now();
        let silent = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)));
        let mut silent = silent.unwrap();
        silent.set_read_timeout(Some(LIMIT)).unwrap();
        let ended = tokio::task::block_in_place(|| silent.read_to_end(&mut Vec::new()));
        // It may be closed or reset.
        let is_overdue = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!ended.is_err_and(is_overdue), "{flag}");
        assert!(begun.elapsed() < BEFORE_DEFAULT, "{flag}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_answer_is_given_up_after_the_time_said() {
    let (_dir, flags) = commanded();
    let node = NodeProcess::start(&flags.with("--p2p.timeout.dial", "500ms"));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let id = "16Uiu2HAmE1WrFWUZqGBvvjKvDf8FFLWdSbVYNPyRrPkjNnRzzxYM";
    let address = json!([format!("/ip4/127.0.0.1/tcp/{port}/p2p/{id}")]);
    let begun = Instant::now();
    let refused = node.rpc().call("opp2p_connectPeer", address).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(begun.elapsed() < BEFORE_DEFAULT);
}
