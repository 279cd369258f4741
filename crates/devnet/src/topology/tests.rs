//! The whole, in real time on real sockets: it starts quickly, followers follow, it stops quickly.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    ElBehaviour, SourceFault, SourceFaultKind,
    config::{Blocks, EngineKind},
    testing,
};
use light_node_devnet_el::{ElFault, ElFaultKind};
use light_node_protocol::Hardfork;
use std::time::Instant;
use tempfile::TempDir;

/// Far more than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn config(datadir: &TempDir) -> DevnetConfig {
    DevnetConfig {
        block_time: Duration::from_secs(1),
        l1_block_time: Duration::from_secs(1),
        deriver: false,
        blocks: Blocks::ByScript,
        followers: 1,
        ..DevnetConfig::new(datadir.path().to_owned())
    }
}

/// What an event brings that must come.
async fn within<T, E: std::fmt::Debug>(event: impl Future<Output = Result<T, E>>) -> T {
    tokio::time::timeout(LIMIT, event).await.unwrap().unwrap()
}

/// Waits until a follower's safe head has this number at least.
async fn safe_at_least(follower: &Follower, number: u64) {
    let mut state = follower.node.engine.watch();
    let reached = state.wait_for(|state| state.safe_head.number >= number);
    let reached = tokio::time::timeout(LIMIT, reached).await;
    assert!(reached.is_ok(), "{:?}", follower.node.safe_source.status());
}

/// Waits until a node's unsafe head has this number at least.
async fn unsafe_at_least(node: &Follower, number: u64) {
    let mut state = node.node.engine.watch();
    let reached = state.wait_for(|state| state.unsafe_head.number >= number);
    let reached = tokio::time::timeout(LIMIT, reached).await;
    assert!(reached.is_ok(), "{:?}", node.node.engine.status());
}

/// Waits until a node has so many peers at least.
async fn peers_at_least(node: &Follower, number: usize) {
    let mut stats = node.node.network.as_ref().unwrap().watch_stats();
    let reached = stats.wait_for(|stats| stats.connected >= number);
    let reached = tokio::time::timeout(LIMIT, reached).await;
    assert!(reached.is_ok(), "{:?}", node.node.network);
}

/// Everybody finds everybody, hears of blocks before they are safe, and ends up on one chain.
async fn a_sequencer_gossips(blocks: Blocks) {
    let datadir = tempfile::tempdir().unwrap();
    let config = DevnetConfig {
        deriver: true,
        followers: 2,
        blocks,
        ..config(&datadir)
    };
    let devnet = Devnet::start(config, CancellationToken::new())
        .await
        .unwrap();
    let sequencer = devnet.sequencer_node().unwrap();
    let deriver = devnet.deriver().unwrap();
    let nodes: Vec<_> = devnet
        .followers()
        .iter()
        .chain([deriver, sequencer])
        .collect();
    for node in &nodes {
        peers_at_least(node, nodes.len() - 1).await;
    }
    let heard = sequencer.node.engine.state().unsafe_head.number + 5;
    for node in &nodes {
        unsafe_at_least(node, heard).await;
        let state = node.node.engine.state();
        assert!(
            state.unsafe_head.number > state.safe_head.number,
            "{state:?}"
        );
    }
    for node in &nodes {
        safe_at_least(node, heard).await;
        let safe = node.node.engine.state().safe_head;
        let view = devnet.sequencer_el().view();
        let sequenced = view.block_by_number(safe.number).unwrap();
        assert_eq!(sequenced.hash, safe.hash);
    }
    within(devnet.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_light_node_sequences_and_all_hear_of_its_blocks() {
    Box::pin(a_sequencer_gossips(Blocks::BySequencer)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_light_sequencer_follows_the_deriver_of_its_own_blocks() {
    Box::pin(a_sequencer_gossips(Blocks::ByLightSequencer)).await;
}

#[tokio::test]
async fn a_light_sequencer_without_a_deriver_is_refused() {
    let datadir = tempfile::tempdir().unwrap();
    let config = DevnetConfig {
        blocks: Blocks::ByLightSequencer,
        ..config(&datadir)
    };
    let error = Devnet::start(config, CancellationToken::new()).await;
    assert!(matches!(error, Err(DevnetError::NobodyDerives)));
}

/// Sequencer, batcher, L1, a node that derives, a node that follows it: nothing else says what is safe.
#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_derived_from_l1_however_the_batcher_writes_and_followed_from_there() {
    let datadir = tempfile::tempdir().unwrap();
    let config = DevnetConfig {
        deriver: true,
        ..config(&datadir)
    };
    let devnet = Devnet::start(config, CancellationToken::new())
        .await
        .unwrap();
    let deriver = devnet.deriver().unwrap();
    let follower = &devnet.followers()[0];
    for writer in testing::writers() {
        devnet.batcher().set_config(writer);
        // What was written in the way before comes first.
        let next = deriver.node.engine.state().safe_head.number + 5;
        safe_at_least(deriver, next).await;
        let safe = deriver.node.engine.state().safe_head;
        let view = devnet.sequencer_el().view();
        let sequenced = view.block_by_number(safe.number).unwrap();
        assert_eq!(safe.hash, sequenced.hash, "{writer:?}");
        safe_at_least(follower, next).await;
    }
    let mut state = follower.node.engine.watch();
    let finalized = state.wait_for(|state| state.finalized_head.number > 0);
    assert!(tokio::time::timeout(LIMIT, finalized).await.is_ok());
    devnet.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_follow_over_both_doors_and_everything_stops_in_time() {
    for engine in [EngineKind::Http, EngineKind::InProcess] {
        let datadir = tempfile::tempdir().unwrap();
        let config = DevnetConfig {
            engine,
            followers: 2,
            ..config(&datadir)
        };
        let devnet = Devnet::start(config, CancellationToken::new())
            .await
            .unwrap();
        for follower in devnet.followers() {
            safe_at_least(follower, 3).await;
            let safe = follower.node.engine.state().safe_head;
            let sequenced = devnet
                .sequencer_el()
                .view()
                .block_by_number(safe.number)
                .unwrap()
                .hash;
            assert_eq!(safe.hash, sequenced);
            assert!(follower.el.view().is_canonical(&safe.hash));
        }
        let stopping = Instant::now();
        devnet.stop().await.unwrap();
        // Two seconds are promised; a debug build on a busy machine gets more.
        assert!(stopping.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_written_and_answer() {
    let datadir = tempfile::tempdir().unwrap();
    let config = DevnetConfig {
        blocks: Blocks::OnCommand,
        fork: Hardfork::Karst,
        ..config(&datadir)
    };
    let devnet = Devnet::start(config, CancellationToken::new())
        .await
        .unwrap();
    let text = std::fs::read(&devnet.endpoints().files.endpoints).unwrap();
    let endpoints: Endpoints = serde_json::from_slice(&text).unwrap();
    assert_eq!(endpoints, *devnet.endpoints());
    let client = reqwest::Client::new();
    let call = async |url: &str, method: &str| {
        let request =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] });
        let answer = client.post(url).json(&request).send().await.unwrap();
        answer.json::<serde_json::Value>().await.unwrap()["result"].clone()
    };
    assert_eq!(call(&endpoints.l1, "eth_chainId").await, "0x384");
    for el in [
        &endpoints.sequencer,
        &endpoints.followers[0].el,
        &endpoints.spare,
    ] {
        assert_eq!(call(&el.http, "eth_chainId").await, "0x385");
    }
    let rollup = serde_json::to_value(&**devnet.rollup_config()).unwrap();
    assert_eq!(
        call(&endpoints.source, "optimism_rollupConfig").await,
        rollup
    );
    assert_eq!(
        call(&endpoints.followers[0].rpc, "optimism_rollupConfig").await,
        rollup
    );
    let metrics = client.get(&endpoints.followers[0].metrics).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    assert!(metrics.contains("light_node_"), "{metrics}");
    let status = call(&endpoints.source, "optimism_syncStatus").await;
    assert_eq!(
        status,
        serde_json::to_value(devnet.source().status()).unwrap()
    );

    devnet.source().stop_serving().await;
    assert!(client.post(&endpoints.source).send().await.is_err());
    devnet.source().start_serving().await.unwrap();
    assert!(
        call(&endpoints.source, "optimism_version")
            .await
            .is_string()
    );
    devnet.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_batcher_lets_safe_stand_while_unsafe_grows() {
    let datadir = tempfile::tempdir().unwrap();
    let config = DevnetConfig {
        blocks: Blocks::OnCommand,
        followers: 0,
        ..config(&datadir)
    };
    let devnet = Devnet::start(config, CancellationToken::new())
        .await
        .unwrap();
    devnet.batcher().pause();
    let mut status = devnet.source().subscribe();
    let mut advance = async |blocks: u64| {
        for _ in 0..blocks {
            let block = devnet.sequencer().build().await.unwrap();
            within(status.wait_for(|status| status.unsafe_l2 == block)).await;
        }
        let head = devnet.l1().mine(1).unwrap();
        within(status.wait_for(|status| status.current_l1 == head))
            .await
            .safe_l2
            .number
    };
    for _ in 0..3 {
        assert_eq!(advance(2).await, 0);
    }
    devnet.batcher().resume();
    // The batcher works beside the test: its transaction must wait before the block that is to hold it is mined.
    let mut ready = devnet.l1().ready_transactions();
    within(ready.wait_for(|count| *count > 0)).await;
    assert_eq!(advance(0).await, 6);
    devnet.stop().await.unwrap();
}

#[tokio::test]
async fn more_followers_than_ports_are_refused() {
    let datadir = tempfile::tempdir().unwrap();
    let config = DevnetConfig {
        followers: MAX_FOLLOWERS + 1,
        ..config(&datadir)
    };
    let error = Devnet::start(config, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, DevnetError::TooManyFollowers { given: 17 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_lies_to_others_on_command_and_answers_control_while_it_does() {
    let datadir = tempfile::tempdir().unwrap();
    let config = DevnetConfig {
        blocks: Blocks::OnCommand,
        followers: 0,
        ..config(&datadir)
    };
    let devnet = Devnet::start(config, CancellationToken::new())
        .await
        .unwrap();
    let client = reqwest::Client::new();
    let (source, url) = (devnet.source(), &devnet.endpoints().source);
    let post = async |method: &str, params: serde_json::Value| {
        let request =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        client.post(url).json(&request).send().await
    };
    let call = async |method: &str, params: serde_json::Value| {
        let answer = post(method, params).await.unwrap();
        answer.json::<serde_json::Value>().await
    };
    let none = || serde_json::json!([]);
    let fault = async |kind: &str| {
        let set = call(
            "dev_fault",
            serde_json::json!([{ "kind": kind, "count": 1 }]),
        )
        .await;
        assert_eq!(set.unwrap()["result"], true, "{kind}");
    };
    for kind in ["html", "truncated"] {
        fault(kind).await;
        assert!(call("optimism_syncStatus", none()).await.is_err(), "{kind}");
    }
    fault("refuse").await;
    assert!(post("optimism_syncStatus", none()).await.is_err());
    fault("zeroHeads").await;
    let told = call("optimism_syncStatus", none()).await.unwrap();
    assert_eq!(told["result"]["safe_l2"]["hash"], format!("0x{:064x}", 0));
    fault("otherChain").await;
    let told = call("optimism_syncStatus", none()).await.unwrap();
    let truth = serde_json::to_value(source.status()).unwrap();
    assert_eq!(told["result"], truth);
    let told = call("optimism_rollupConfig", none()).await.unwrap();
    assert_eq!(told["result"]["l2_chain_id"], 902);
    fault("noRollupConfig").await;
    let told = call("optimism_rollupConfig", none()).await.unwrap();
    assert_eq!(told["error"]["code"], -32601);

    // A request that hangs holds up neither control nor the end.
    source.set_fault(SourceFault::until_cleared(SourceFaultKind::Hang));
    let hanging = tokio::spawn(client.post(url).body("{}").send());
    let mut met = source.faults_met();
    met.wait_for(|met| *met == 7).await.unwrap();
    let status = call("dev_status", none()).await.unwrap();
    assert_eq!(status["result"]["fault"], "hang");
    source.stop_serving().await;
    assert!(hanging.await.unwrap().is_err());
    devnet.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_recover_from_faults_of_their_execution_layer_under_each_behaviour() {
    // Old op-geth follows nobody without payloads, which nobody sends here.
    for el_behaviour in [ElBehaviour::OpReth, ElBehaviour::OpGeth] {
        let datadir = tempfile::tempdir().unwrap();
        let config = DevnetConfig {
            el_behaviour,
            ..config(&datadir)
        };
        let devnet = Devnet::start(config, CancellationToken::new())
            .await
            .unwrap();
        let follower = &devnet.followers()[0];
        safe_at_least(follower, 2).await;
        follower.el.restart(None);
        let mut state = follower.node.engine.watch();
        let safe = state.borrow_and_update().safe_head.number;
        safe_at_least(follower, safe + 3).await;
        let fault = ElFault::until_cleared(ElFaultKind::Hang).lasting(Duration::from_secs(1));
        follower.el.set_fault(fault);
        let safe = state.borrow_and_update().safe_head.number;
        safe_at_least(follower, safe + 3).await;
        follower.el.wipe().unwrap();
        let safe = state.borrow_and_update().safe_head.number;
        safe_at_least(follower, safe + 3).await;
        devnet.stop().await.unwrap();
    }
}
