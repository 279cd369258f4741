//! The whole, in real time on real sockets: it starts quickly, followers follow, it stops quickly.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::{Blocks, EngineKind};
use light_node_protocol::Hardfork;
use std::time::Instant;
use tempfile::TempDir;

/// Far more than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn config(datadir: &TempDir) -> DevnetConfig {
    DevnetConfig {
        block_time: Duration::from_secs(1),
        l1_block_time: Duration::from_secs(1),
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
    assert!(reached.is_ok(), "{:?}", follower.node.follow.status());
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
    let is_sent = async {
        while devnet.l1().with_chain(|chain| chain.pending_count()) == 0 {
            tokio::task::yield_now().await;
        }
        Ok::<_, std::convert::Infallible>(())
    };
    within(is_sent).await;
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
