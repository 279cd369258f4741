//! `light-node devnet` as somebody meets it who has just built the program: it writes its files, a chain lives, its
//! follower keeps up, a second one can be started by hand, and Ctrl-C ends it.

use crate::helpers::{
    flags::Flags,
    inbox::{blobs, inbox},
    process::{NodeProcess, Process, command},
    rpc::Rpc,
    wait::until,
};
use light_node_devnet::Endpoints;
use light_node_protocol::SyncStatus;
use nix::sys::signal::Signal;
use serde_json::json;
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What is promised for a release build on a machine of its own is 2 s and 15 s. The tests run unoptimised and at once.
const FIRST_BLOCK_LIMIT: Duration = Duration::from_secs(20);
const SAFE_LIMIT: Duration = Duration::from_secs(60);

/// A devnet of the binary.
struct DevnetProcess {
    process: Process,
    endpoints: Endpoints,
    started: Instant,
    dir: TempDir,
}

/// Waits until the node's heads are so.
async fn until_status(what: &str, rpc: &Rpc, is_so: impl Fn(&SyncStatus) -> bool) -> SyncStatus {
    until(what, SAFE_LIMIT, || async {
        let status = rpc.sync_status().await?;
        if is_so(&status) {
            Ok(status)
        } else {
            Err(json!(status))
        }
    })
    .await
}

impl DevnetProcess {
    /// Starts it with the times of the README, and waits until it has printed where everything is.
    fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let mut command = command(&["devnet"]);
        command.arg("--datadir").arg(dir.path()).args(args);
        let process = Process::spawn(command);
        let name = dir.path().canonicalize().unwrap().display().to_string();
        let is_printed = |line: &str| line.contains(&name).then_some(());
        process.wait_for("the directory of the files", FIRST_BLOCK_LIMIT, is_printed);
        let endpoints = fs::read(dir.path().join("endpoints.json")).unwrap();
        let endpoints = serde_json::from_slice(&endpoints).unwrap();
        Self {
            process,
            endpoints,
            started,
            dir,
        }
    }

    /// Waits for the first L2 block and says after what time it was there.
    async fn first_block(&self) -> Duration {
        let el = Rpc::url(&self.endpoints.sequencer.http);
        until("the first L2 block", FIRST_BLOCK_LIMIT, || async {
            let number = el.call("eth_blockNumber", json!([])).await?;
            if number == "0x0" { Err(number) } else { Ok(()) }
        })
        .await;
        self.started.elapsed()
    }

    /// Waits until the node at `rpc` has a safe head above genesis.
    async fn safe_advances(&self, rpc: &Rpc) -> Duration {
        until_status("an advancing safe head", rpc, |status| {
            status.safe_l2.number > 0
        })
        .await;
        self.started.elapsed()
    }

    /// Waits until the node at `rpc` has a finalized head above genesis, and has read and moved on since then.
    async fn finalized_advances(&self, rpc: &Rpc) -> Duration {
        let first = until_status("an advancing finalized head", rpc, |status| {
            status.finalized_l2.number > 0
        })
        .await;
        let after = self.started.elapsed();
        until_status("heads that move on", rpc, |status| {
            status.current_l1.number > first.current_l1.number
                && status.unsafe_l2.number > first.unsafe_l2.number
                && status.safe_l2.number > first.safe_l2.number
        })
        .await;
        after
    }

    /// All that the batcher has sent is in blobs, and these are there to be read.
    async fn sends_blobs(&self) {
        let sent = inbox(&self.endpoints).await.unwrap();
        assert!(!sent.is_empty());
        for transaction in &sent {
            assert_eq!(transaction["type"], "0x3", "{transaction}");
        }
        for blob in blobs(&self.endpoints, &sent[0]).await {
            // Two digits for each byte, and 0x.
            assert_eq!(blob.len(), 2 * 131_072 + 2);
        }
    }

    fn stop(self) {
        let (status, after) = self.process.stop(Signal::SIGINT);
        assert!(status.success(), "{status}");
        assert!(after < Duration::from_secs(3), "Ctrl-C took {after:?}");
        println!("devnet: ended after {after:?}");
    }
}

#[tokio::test]
async fn the_readmes_two_commands_work() {
    let devnet = DevnetProcess::start(&[]);
    let first_block = devnet.first_block().await;
    println!("devnet: first L2 block after {first_block:?}");
    for file in [
        "genesis.json",
        "rollup.json",
        "l1-genesis.json",
        "jwt.hex",
        "endpoints.json",
    ] {
        assert!(devnet.dir.path().join(file).is_file(), "{file} is missing");
    }
    let endpoints = &devnet.endpoints;
    let deriver = endpoints.deriver.as_ref().unwrap();
    let printed = devnet.process.printed().join("\n");
    shows_where_everybody_is(endpoints, &printed);
    let way = "sequencer -> batcher (span batches in blobs) -> L1 -> deriver -> 2 light-nodes";
    assert!(printed.contains(way), "{printed}");
    let sequencer = endpoints.sequencer_node.as_ref().unwrap();
    let nodes = endpoints.followers.iter().chain([deriver, sequencer]);
    for node in nodes.clone() {
        let address = &node.p2p.as_ref().unwrap().address;
        assert!(
            printed.contains(address),
            "{address} is not shown: {printed}"
        );
    }

    let by_hand = NodeProcess::start(&by_hand(endpoints));
    // Everybody finds everybody through the one whom all know, and hears of blocks before they are safe.
    let mut rpcs: Vec<Rpc> = nodes.map(|node| Rpc::url(&node.rpc)).collect();
    rpcs.push(by_hand.rpc());
    for rpc in &rpcs {
        all_are_peers(rpc, rpcs.len() - 1).await;
        until_status("an unsafe head above the safe one", rpc, |status| {
            status.unsafe_l2.number > status.safe_l2.number
        })
        .await;
    }
    let follower = Rpc::url(&endpoints.followers[0].rpc);
    println!(
        "devnet: follower's safe head after {:?}",
        devnet.safe_advances(&follower).await
    );
    println!(
        "devnet: safe head of the node by hand after {:?}",
        devnet.safe_advances(&by_hand.rpc()).await
    );
    devnet.sends_blobs().await;
    // The deriver's execution layer has no peer: what it has came from those blobs.
    let (deriver, source) = (Rpc::url(&deriver.rpc), Rpc::url(&endpoints.source));
    for (name, rpc) in [
        ("deriver", &deriver),
        ("follower", &follower),
        ("node by hand", &by_hand.rpc()),
        ("source", &source),
    ] {
        let after = devnet.finalized_advances(rpc).await;
        println!("devnet: {name}'s finalized head after {after:?}");
    }
    drop(by_hand);
    devnet.stop();
}

/// Everything by which a user reaches the devnet is printed.
fn shows_where_everybody_is(endpoints: &Endpoints, printed: &str) {
    let shown = [
        &endpoints.l1,
        &endpoints.source,
        &endpoints.sequencer.http,
        &endpoints.deriver.as_ref().unwrap().rpc,
        &endpoints.followers[0].rpc,
        &endpoints.spare.authrpc,
    ];
    for url in shown {
        assert!(printed.contains(url), "{url} is not shown: {printed}");
    }
    assert!(
        printed.contains("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
        "no funded account is shown: {printed}"
    );
}

/// Waits until a node is connected to so many peers.
async fn all_are_peers(rpc: &Rpc, count: usize) {
    until("all as peers", SAFE_LIMIT, || async {
        let stats = rpc.call("opp2p_peerStats", json!([])).await?;
        if stats["connected"] == json!(count) {
            Ok(())
        } else {
            Err(stats)
        }
    })
    .await;
}

/// The README's second command: the flags that the devnet prints.
fn by_hand(endpoints: &Endpoints) -> Flags {
    let deriver = endpoints.deriver.as_ref().unwrap();
    Flags::default()
        .with("--p2p.bootnodes", &deriver.p2p.as_ref().unwrap().enr)
        .with("--p2p.listen.ip", "127.0.0.1")
        .with("--p2p.advertise.ip", "127.0.0.1")
        .with("--p2p.listen.tcp", 0)
        .with("--l2.follow.source", endpoints.followed())
        .with("--l2", &endpoints.spare.authrpc)
        .with("--l2.jwt-secret", endpoints.files.jwt.display())
        .with("--l1", &endpoints.l1)
        .with("--l1.slot-duration", "3s")
        .with("--l1.epoch-poll-interval", "3s")
        .with("--rollup.config", endpoints.files.rollup.display())
        .with("--rpc.port", 0)
}

#[tokio::test]
async fn a_devnet_needs_no_followers() {
    let devnet = DevnetProcess::start(&["--followers=0", "--fork=isthmus"]);
    assert_eq!(devnet.endpoints.followers, []);
    devnet.first_block().await;
    devnet.stop();
}

#[tokio::test]
async fn a_light_sequencer_and_a_script_can_make_the_blocks_as_well() {
    let args = ["--block-time=1s", "--l1-block-time=1s"];
    let light = DevnetProcess::start(&[&["--sequencer=light"], &args[..]].concat());
    let sequencer = light.endpoints.sequencer_node.as_ref().unwrap();
    let rpc = Rpc::url(&sequencer.rpc);
    all_are_peers(&rpc, 3).await;
    light.finalized_advances(&rpc).await;
    light.stop();

    let script = DevnetProcess::start(&[&["--sequencer=script"], &args[..]].concat());
    assert_eq!(script.endpoints.sequencer_node, None);
    assert_eq!(script.endpoints.followers[0].p2p, None);
    let follower = Rpc::url(&script.endpoints.followers[0].rpc);
    script.safe_advances(&follower).await;
    script.stop();
}

#[tokio::test]
async fn followers_can_be_wired_to_their_execution_layers_without_a_port() {
    let args = [
        "--engine=in-process",
        "--followers=2",
        "--block-time=1s",
        "--l1-block-time=1s",
        "--fork=karst",
    ];
    let devnet = DevnetProcess::start(&args);
    for follower in &devnet.endpoints.followers {
        devnet.safe_advances(&Rpc::url(&follower.rpc)).await;
    }
    devnet.stop();
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let path = Path::new("/dev/null/devnet");
    let mut command = command(&["devnet"]);
    command.arg("--datadir").arg(path);
    let mut process = Process::spawn(command);
    let status = process.wait_for_end(FIRST_BLOCK_LIMIT);
    assert_eq!(status.code(), Some(1));
    let printed = process.printed().join("\n");
    assert!(printed.contains("--datadir=/dev/null/devnet"), "{printed}");
}
