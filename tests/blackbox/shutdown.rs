//! Ctrl-C and SIGTERM end the node with 0 within two seconds, whatever it is doing.

use crate::helpers::{
    chain::{Chain, Settings},
    flags::Flags,
    process::NodeProcess,
    wait::until,
};
use nix::sys::signal::Signal;
use std::{fs, time::Duration};

const LIMIT: Duration = Duration::from_secs(30);

/// The promise, and one second for a machine that runs all tests at once.
const PROMISED: Duration = Duration::from_secs(3);

const SIGNALS: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];

fn ends_in_time(node: NodeProcess, signal: Signal) {
    let (status, after) = node.stop(signal);
    assert!(status.success(), "{signal}: {status}");
    assert!(after < PROMISED, "{signal} took {after:?}");
    println!("{signal}: ended after {after:?}");
}

#[test]
fn a_node_whose_endpoints_are_dead_ends_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let jwt = dir.path().join("jwt.hex");
    fs::write(&jwt, "0x".to_owned() + &"5c".repeat(32)).unwrap();
    for signal in SIGNALS {
        ends_in_time(NodeProcess::start(&Flags::dead(jwt.display())), signal);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_follows_ends_in_time() {
    let chain = Chain::start(Settings::on_command()).await;
    chain.step_until(|status| status.safe_l2.number >= 2).await;
    for signal in SIGNALS {
        let node = NodeProcess::start(&chain.flags());
        node.rpc().until_ready(LIMIT).await;
        ends_in_time(node, signal);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_execution_layer_syncs_ends_in_time() {
    let el_sync_delay = Duration::from_secs(600);
    let chain = Chain::start(Settings {
        el_sync_delay,
        ..Settings::on_command()
    })
    .await;
    chain.step_until(|status| status.safe_l2.number >= 2).await;
    for signal in SIGNALS {
        let node = NodeProcess::start(&chain.flags());
        until("the sync", LIMIT, || async {
            let (_, page) = node.rpc().page("/status").await;
            if page["execution_layer"]["state"] == "syncing" {
                Ok(())
            } else {
                Err(page)
            }
        })
        .await;
        ends_in_time(node, signal);
    }
}
