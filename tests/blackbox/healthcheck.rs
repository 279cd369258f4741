//! `light-node healthcheck`: what a container runtime asks, on the same configuration as the node.

use crate::helpers::{
    chain::{Chain, Settings},
    flags::Flags,
    process::{NodeProcess, plain_command},
};
use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(30);

/// Exit code and everything printed.
fn check(args: &[String]) -> (Option<i32>, String) {
    let output = plain_command(&["healthcheck"]).args(args).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

fn word(word: impl Into<String>) -> String {
    word.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_follows_is_healthy_and_found_by_its_own_configuration() {
    let chain = Chain::start(Settings::on_command()).await;
    chain.step_until(|status| status.safe_l2.number >= 2).await;
    let node = NodeProcess::start(&chain.flags().with("--rpc.addr", "0.0.0.0"));
    node.rpc().until_ready(LIMIT).await;
    let port = node.addr().port();
    for args in [
        vec![format!("--url=http://127.0.0.1:{port}")],
        vec![word("--rpc.addr=0.0.0.0"), format!("--rpc.port={port}")],
        vec![format!("--rpc.port={port}"), word("--live")],
    ] {
        let (code, printed) = check(&args);
        assert_eq!(code, Some(0), "{args:?}: {printed}");
        assert!(printed.contains("ok"), "{printed}");
    }
    let by_environment = plain_command(&["healthcheck"])
        .env("LIGHT_NODE_RPC_ADDR", "0.0.0.0")
        .env("LIGHT_NODE_RPC_PORT", port.to_string())
        .env("LIGHT_NODE_L1", "http://user:hunter2@l1")
        .output()
        .unwrap();
    assert_eq!(by_environment.status.code(), Some(0));
    let file = chain.dir().join("light-node.toml");
    fs::write(&file, format!("[rpc]\nport = {port}\n")).unwrap();
    let (code, printed) = check(&[format!("--config={}", file.display())]);
    assert_eq!(code, Some(0), "{printed}");
}

#[test]
fn a_node_that_does_not_follow_lives_and_says_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let jwt = dir.path().join("jwt.hex");
    fs::write(&jwt, "5c".repeat(32)).unwrap();
    let node = NodeProcess::start(&Flags::dead(jwt.display()));
    let url = format!("--url=http://{}", node.addr());
    let (code, printed) = check(&[url.clone(), word("--live")]);
    assert_eq!(code, Some(0), "{printed}");
    let (code, printed) = check(&[url]);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("readyz: el_unreachable: "), "{printed}");
}

#[test]
fn who_does_not_answer_is_unhealthy_within_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = silent.local_addr().unwrap();
    let started = Instant::now();
    let (code, printed) = check(&[format!("--url=http://{addr}"), word("--timeout=300ms")]);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("no answer within 300ms"), "{printed}");
    assert!(started.elapsed() < Duration::from_secs(3));
    drop(silent);
    let (code, printed) = check(&[format!("--url=http://{addr}")]);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("no node answers"), "{printed}");
}

#[test]
fn without_a_port_it_says_what_to_give() {
    let (code, printed) = check(&[word("--rpc.port=0")]);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("--url"), "{printed}");
}
