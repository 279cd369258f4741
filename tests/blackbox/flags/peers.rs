//! Effects of the flags of peers, seen from outside.

use crate::helpers::{
    chain::{Chain, Settings},
    flags::Flags,
    process::{NodeProcess, command, run_to_end},
    recorder::{Recorder, asks},
};
use serde_json::{Value, json};
use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

/// Flags of a node with a network of its own, at whose endpoints nobody answers, and the directory with its files.
fn lonely() -> (TempDir, Flags) {
    let dir = tempfile::tempdir().unwrap();
    let jwt = dir.path().join("jwt.hex");
    fs::write(&jwt, "5c".repeat(32)).unwrap();
    let flags = Flags::dead(jwt.display());
    let flags = with_peers(flags, &dir);
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
fn a_port_for_discovery_that_is_taken_is_named() {
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
    // By default it would take ten minutes.
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
