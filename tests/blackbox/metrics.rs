//! The metrics server: where it serves, under whose names, and that pages, dashboard and alerts name nothing else.

mod pages;

use crate::helpers::{
    chain::{Chain, Settings},
    flags::{DEAD, Flags},
    peers,
    process::{NodeProcess, bound_address, ends_saying},
    scrape::{metrics_url, metrics_url_of, scrape, value},
    wait::until,
};
use libp2p::identity::secp256k1::Keypair;
use light_node_engine_api::{ElDeadlines, HttpEngineConfig, JwtSecret, JwtSource};
use light_node_l1::{L1Config, L1FeedConfig};
use light_node_metrics::Entry;
use light_node_network::{Listen, NetworkConfig};
use light_node_node::{
    ConductorConfig, DeriveSettings, EngineDoor, FollowSettings, MetricsCompat, MetricsConfig,
    Node, NodeConfig, NodeHandle, SafeDbConfig, SafeSource, SequencerConfig, SyncMode,
    UpgradeBundles,
};
use light_node_protocol::{L1ChainConfig, RollupConfig};
use light_node_rpc::RpcConfig;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(30);

/// A node that follows, and what it shows.
async fn following() -> (Chain, NodeProcess, String) {
    let chain = Chain::start(Settings::on_command()).await;
    chain
        .step_until(|status| status.finalized_l2.number >= 1)
        .await;
    chain.settle().await;
    let node = NodeProcess::start(&chain.flags());
    node.rpc().until_ready(LIMIT).await;
    let url = metrics_url_of(&node);
    (chain, node, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_say_what_the_node_says() {
    let (_chain, node, url) = following().await;
    let status = node.rpc().sync_status().await.unwrap();
    let exposition = scrape(&url).await;
    for (series, expected) in [
        ("light_node_up", 1),
        ("light_node_ready", 1),
        (
            r#"light_node_engine_head_number{head="unsafe"}"#,
            status.unsafe_l2.number,
        ),
        (
            r#"light_node_engine_head_number{head="safe"}"#,
            status.safe_l2.number,
        ),
        (
            r#"op_node_default_refs_number{layer="l2",type="l2_finalized"}"#,
            status.finalized_l2.number,
        ),
        (
            r#"op_node_default_refs_number{layer="l1",type="l1_head"}"#,
            status.head_l1.number,
        ),
        (
            r#"op_node_default_refs_number{layer="l1",type="l1_derived"}"#,
            status.current_l1.number,
        ),
        (
            r#"op_node_default_refs_number{layer="l1_origin",type="l2_safe"}"#,
            status.safe_l2.l1_origin.number,
        ),
        (
            r#"op_node_default_refs_time{layer="l2",type="l2_unsafe"}"#,
            status.unsafe_l2.timestamp,
        ),
        (
            r#"op_node_default_refs_time{layer="l1",type="l1_finalized"}"#,
            status.finalized_l1.timestamp,
        ),
        ("op_node_default_up", 1),
        ("op_node_default_p2p_peer_count", 0),
        ("op_node_default_peer_count", 0),
        ("op_node_default_unsafe_payloads_buffer_len", 0),
        (r#"op_node_default_info{version="0.1.0"}"#, 1),
    ] {
        assert_eq!(
            value(&exposition, series),
            Some(expected as f64),
            "{series}"
        );
    }
    let latency = value(
        &exposition,
        r#"op_node_default_refs_latency{layer="l2",type="l2_unsafe"}"#,
    );
    assert!(latency.is_some());
    for series in [
        r#"op_node_default_follow_source_requests_total{result="success"}"#,
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(value(&exposition, series) > Some(0.0), "{series}");
    }
    for part in [
        r#"op_node_default_rpc_client_request_duration_seconds_count{rpc="engine-api""#,
        r#"op_node_default_rpc_client_request_duration_seconds_count{rpc="follow-source-api""#,
        r#"light_node_rpc_server_request_duration_seconds_count{method="optimism_syncStatus",result="ok"}"#,
    ] {
        assert!(exposition.contains(part), "{part}");
    }
}

#[tokio::test]
async fn the_metrics_port_has_a_hint_a_type_and_nothing_else() {
    let (_dir, flags) = Flags::lonely();
    let node = NodeProcess::start(&flags);
    let url = metrics_url_of(&node);
    let answer = reqwest::get(format!("{url}/metrics")).await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let exposition = answer.text().await.unwrap();
    assert!(exposition.ends_with("# EOF\n"));
    assert_eq!(value(&exposition, "light_node_ready"), Some(0.0));
    let reason = r#"light_node_not_ready{reason="el_unreachable"}"#;
    assert_eq!(value(&exposition, reason), Some(1.0));
    let hint = reqwest::get(&url).await.unwrap();
    assert_eq!(hint.status(), 200);
    assert!(hint.text().await.unwrap().contains("/metrics"));
    let nowhere = reqwest::get(format!("{url}/optimism")).await.unwrap();
    assert_eq!(nowhere.status(), 404);
    let posted = reqwest::Client::new().post(format!("{url}/metrics")).send();
    assert_eq!(posted.await.unwrap().status(), 405);
}

#[test]
fn metrics_are_announced_once_and_before_the_rpc_server() {
    let (_dir, flags) = Flags::lonely();
    let node = NodeProcess::start(&flags);
    let printed = node.printed();
    let lines_with = |what: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let lines = printed.iter().enumerate();
        lines
            .filter(|(_, line)| what(line))
            .map(|(at, _)| at)
            .collect()
    };
    let metrics = lines_with(&|line| metrics_url(line).is_some());
    let rpc = lines_with(&|line| bound_address(line).is_some());
    assert_eq!((metrics.len(), rpc.len()), (1, 1), "{printed:#?}");
    assert!(metrics[0] < rpc[0], "{printed:#?}");
    let url = metrics_url_of(&node);
    let addr: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    assert_ne!(addr.port(), 0);
}

#[test]
fn without_metrics_there_is_no_port_and_no_line() {
    let (_dir, flags) = Flags::lonely();
    let flags = flags.with("--metrics.enabled", "false");
    let node = NodeProcess::start(&flags);
    let printed = node.printed();
    assert!(
        !printed.iter().any(|line| metrics_url(line).is_some()),
        "{printed:#?}"
    );
}

#[tokio::test]
async fn without_compatibility_only_our_own_names_are_served() {
    let (_dir, flags) = Flags::lonely();
    let flags = flags.with("--metrics.compat", "none");
    let node = NodeProcess::start(&flags);
    let exposition = scrape(&metrics_url_of(&node)).await;
    assert!(exposition.contains("light_node_up 1"));
    assert!(!exposition.contains("op_node"), "{exposition}");
}

#[tokio::test]
async fn metrics_are_served_on_the_address_and_port_asked_for() {
    let port = TcpListener::bind("127.0.0.2:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (_dir, flags) = Flags::lonely();
    let flags = flags
        .with("--metrics.addr", "127.0.0.2")
        .with("--metrics.port", port);
    let node = NodeProcess::start(&flags);
    assert_eq!(metrics_url_of(&node), format!("http://127.0.0.2:{port}"));
    scrape(&metrics_url_of(&node)).await;
}

#[test]
fn a_taken_metrics_port_is_named_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (_dir, flags) = Flags::lonely();
    let flags = flags.with("--metrics.port", port);
    ends_saying(&flags, &["--metrics.port", &port.to_string(), "in use"]);
}
