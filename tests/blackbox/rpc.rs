//! What others may ask the node: op-node's JSON exactly, limits for whoever reaches the port, and pages for probes.

use crate::helpers::{
    chain::{Chain, Settings},
    flags::Flags,
    process::{NodeProcess, bound_address},
    rpc::Rpc,
    wait::until,
};
use jsonrpsee::{
    core::client::{ClientT, Subscription, SubscriptionClientT, SubscriptionKind},
    rpc_params,
    types::SubscriptionId,
    ws_client::WsClientBuilder,
};
use light_node_protocol::{L2BlockRef, output_root};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, time::Duration};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

/// A node at whose endpoints nothing listens.
fn lonely_node(change: impl FnOnce(Flags) -> Flags) -> (TempDir, NodeProcess) {
    let dir = tempfile::tempdir().unwrap();
    let jwt = dir.path().join("jwt.hex");
    fs::write(&jwt, "0x".to_owned() + &"5c".repeat(32)).unwrap();
    let node = NodeProcess::start(&change(Flags::dead(jwt.display())));
    (dir, node)
}

/// A node that has caught up with a chain of which some blocks are safe.
async fn following_node(change: impl FnOnce(Flags) -> Flags) -> (NodeProcess, Chain) {
    let chain = Chain::start(Settings::on_command()).await;
    chain
        .step_until(|status| status.finalized_l2.number >= 1)
        .await;
    let theirs = chain.settle().await;
    let node = NodeProcess::start(&change(chain.flags()));
    until("the source's heads", LIMIT, || async {
        let ours = node.rpc().sync_status().await?;
        let is_equal =
            (ours.unsafe_l2, ours.finalized_l2) == (theirs.unsafe_l2, theirs.finalized_l2);
        if is_equal { Ok(()) } else { Err(json!(ours)) }
    })
    .await;
    node.rpc().until_ready(LIMIT).await;
    (node, chain)
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

const L1_FIELDS: [&str; 5] = [
    "current_l1",
    "current_l1_finalized",
    "head_l1",
    "safe_l1",
    "finalized_l1",
];

const L2_FIELDS: [&str; 6] = [
    "unsafe_l2",
    "safe_l2",
    "finalized_l2",
    "pending_safe_l2",
    "cross_unsafe_l2",
    "local_safe_l2",
];

/// Asserts that `status` has op-node's fields, no more and no fewer, in their exact spelling.
fn has_op_nodes_fields(status: &Value) {
    let fields = L1_FIELDS.into_iter().chain(L2_FIELDS).collect();
    assert_eq!(keys(status), fields);
    for field in L1_FIELDS {
        assert_eq!(
            keys(&status[field]),
            BTreeSet::from(["hash", "number", "parentHash", "timestamp"])
        );
    }
    for field in L2_FIELDS {
        let block = &status[field];
        let expected = [
            "hash",
            "number",
            "parentHash",
            "timestamp",
            "l1origin",
            "sequenceNumber",
        ];
        assert_eq!(keys(block), BTreeSet::from(expected));
        assert_eq!(keys(&block["l1origin"]), BTreeSet::from(["hash", "number"]));
        assert!(
            block["number"].is_u64() && block["sequenceNumber"].is_u64(),
            "{block}"
        );
    }
}

#[tokio::test]
async fn while_nothing_is_known_every_head_is_the_zero_object() {
    let (_dir, node) = lonely_node(|flags| flags);
    let status = node
        .rpc()
        .call("optimism_syncStatus", json!([]))
        .await
        .unwrap();
    has_op_nodes_fields(&status);
    let zero = json!("0x".to_owned() + &"00".repeat(32));
    for field in L1_FIELDS.into_iter().chain(L2_FIELDS) {
        assert_eq!(
            (&status[field]["hash"], &status[field]["number"]),
            (&zero, &json!(0)),
            "{field}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_methods_answer_as_op_node() {
    let (node, chain) = following_node(|flags| flags).await;
    let rpc = node.rpc();
    let status = rpc.call("optimism_syncStatus", json!([])).await.unwrap();
    has_op_nodes_fields(&status);
    assert_eq!(status["local_safe_l2"], status["pending_safe_l2"]);

    let file: Value = serde_json::from_slice(&fs::read(chain.rollup_config()).unwrap()).unwrap();
    assert_eq!(
        rpc.call("optimism_rollupConfig", json!([])).await.unwrap(),
        file
    );
    let version = rpc.call("optimism_version", json!([])).await.unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));

    for params in ["", r#","params":null"#, r#","params":[]"#] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"optimism_version"{params}}}"#);
        let (code, answer) = rpc.post(body).await;
        assert_eq!(
            (code, &answer["result"], &answer["id"]),
            (200, &version, &json!(7)),
            "{params}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_output_root_is_that_of_the_execution_layers_header() {
    let (node, chain) = following_node(|flags| flags).await;
    let number = node.rpc().sync_status().await.unwrap().safe_l2.number - 1;
    let header = chain
        .spare_el_rpc()
        .call(
            "eth_getBlockByNumber",
            json!([format!("{number:#x}"), false]),
        )
        .await
        .unwrap();
    // From Isthmus on the header commits to the withdrawals.
    let fact = |name: &str| serde_json::from_value(header[name].clone()).unwrap();
    let root = output_root(fact("stateRoot"), fact("withdrawalsRoot"), fact("hash"));
    let output = node
        .rpc()
        .call("optimism_outputAtBlock", json!([format!("{number:#x}")]))
        .await
        .unwrap();
    assert_eq!(output["outputRoot"], json!(root));
    assert_eq!(output["blockRef"]["hash"], header["hash"]);
    assert_eq!(output["withdrawalStorageRoot"], header["withdrawalsRoot"]);
    assert_eq!(output["stateRoot"], header["stateRoot"]);
    has_op_nodes_fields(&output["syncStatus"]);

    let error = node
        .rpc()
        .call("optimism_outputAtBlock", json!(["0xffff"]))
        .await
        .unwrap_err();
    assert!(
        error["message"].as_str().unwrap().contains("not found"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_exists_only_where_it_was_enabled() {
    let (_dir, node) = lonely_node(|flags| flags);
    let error = node
        .rpc()
        .call("admin_postUnsafePayload", json!([{}]))
        .await
        .unwrap_err();
    assert_eq!(error["code"], -32601, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_follows_has_no_derivation_to_reset() {
    let (_dir, node) = lonely_node(|flags| flags.with_switch("--rpc.enable-admin"));
    let rpc = node.rpc();
    let answer = rpc.call("admin_resetDerivationPipeline", json!([])).await;
    let error = answer.unwrap_err();
    assert_eq!(error["code"], -32000, "{error}");
    let words = error["message"].as_str().unwrap();
    assert!(words.contains("follows another one"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsafe_payload_with_another_hash_is_refused_before_anybody_sees_it() {
    let (node, chain) = following_node(|flags| flags.with_switch("--rpc.enable-admin")).await;
    let before = node.rpc().sync_status().await.unwrap();
    chain.build_up_to(before.unsafe_l2.number + 1).await;
    let mut envelope = chain.envelope(before.unsafe_l2.number + 1);
    envelope["executionPayload"]["gasUsed"] = json!("0x1");
    let error = node
        .rpc()
        .call("admin_postUnsafePayload", json!([envelope]))
        .await
        .unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("payload has bad block hash"),
        "{error}"
    );
    assert_eq!(
        node.rpc().sync_status().await.unwrap().unsafe_l2,
        before.unsafe_l2
    );
    let error = node
        .rpc()
        .call("admin_postUnsafePayload", json!(["0x00"]))
        .await
        .unwrap_err();
    assert_eq!(error["code"], -32602, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_pushed_over_websocket_to_subscribers_with_numeric_ids() {
    let (node, chain) = following_node(|flags| flags).await;
    let client = WsClientBuilder::default()
        .build(format!("ws://{}", node.addr()))
        .await
        .unwrap();
    let status: Value = client
        .request("optimism_syncStatus", rpc_params![])
        .await
        .unwrap();
    has_op_nodes_fields(&status);
    let mut subscriptions = Vec::new();
    for head in ["unsafe", "safe", "finalized"] {
        let (on, off) = (
            format!("ws_subscribe_{head}_head"),
            format!("ws_unsubscribe_{head}_head"),
        );
        let pushed: Subscription<L2BlockRef> =
            client.subscribe(&on, rpc_params![], &off).await.unwrap();
        let id = pushed.kind().clone();
        assert!(
            matches!(id, SubscriptionKind::Subscription(SubscriptionId::Num(_))),
            "{id:?}"
        );
        subscriptions.push(pushed);
    }
    let before = node.rpc().sync_status().await.unwrap();
    let is_news = |ours: L2BlockRef, theirs: L2BlockRef| theirs.number > ours.number;
    chain
        .step_until(|status| {
            is_news(before.safe_l2, status.safe_l2)
                && is_news(before.finalized_l2, status.finalized_l2)
        })
        .await;
    let known = [before.unsafe_l2, before.safe_l2, before.finalized_l2];
    for (mut pushed, known) in subscriptions.into_iter().zip(known) {
        let head = tokio::time::timeout(LIMIT, pushed.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert!(is_news(known, head), "{head} is not news after {known}");
        assert_eq!(Some(head.hash), chain.hash_on_sequencer_el(head.number));
    }
}

#[tokio::test]
async fn large_bodies_and_large_batches_are_refused() {
    let (_dir, node) = lonely_node(|flags| flags);
    let (code, _) = node.rpc().post("[".repeat(64 * 1024 + 1)).await;
    assert_eq!(code, 413);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"optimism_version"}"#;
    let batch = |calls: usize| format!("[{}]", vec![call; calls].join(","));
    let (_, answer) = node.rpc().post(batch(32)).await;
    assert_eq!(answer.as_array().map(Vec::len), Some(32));
    let (_, answer) = node.rpc().post(batch(33)).await;
    assert!(answer["error"]["code"].is_i64(), "{answer}");
}

/// Names of the reasons on `/readyz` and in `/status`.
fn reasons(page: &Value) -> Vec<&str> {
    let reasons = page["reasons"].as_array().unwrap();
    reasons
        .iter()
        .filter_map(|reason| reason["reason"].as_str())
        .collect()
}

#[tokio::test]
async fn a_node_without_endpoints_is_healthy_and_unready_with_reasons() {
    let (_dir, node) = lonely_node(|flags| flags);
    let rpc: Rpc = node.rpc();
    let (code, page) = rpc.page("/healthz").await;
    assert_eq!(
        (code, &page["version"]),
        (200, &json!(env!("CARGO_PKG_VERSION")))
    );
    until("the reasons", LIMIT, || async {
        let (code, page) = rpc.page("/readyz").await;
        assert_eq!((code, &page["ready"]), (503, &json!(false)));
        let expected = ["el_unreachable", "l1_unreachable", "source_unreachable"];
        if reasons(&page) == expected {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_follows_is_ready_and_says_where_it_stands() {
    let (node, chain) = following_node(|flags| flags).await;
    let rpc = node.rpc();
    let (code, page) = rpc.page("/readyz").await;
    assert_eq!((code, page), (200, json!({ "ready": true, "reasons": [] })));
    let (code, page) = rpc.page("/status").await;
    assert_eq!((code, &page["ready"]), (200, &json!(true)));
    let parts = [
        "version",
        "ready",
        "reasons",
        "chain",
        "heads",
        "lags",
        "execution_layer",
        "source",
        "derivation",
        "network",
        "sequencer",
        "l1",
    ];
    assert_eq!(keys(&page), BTreeSet::from(parts));
    assert_eq!(
        (&page["network"], &page["sequencer"]),
        (&Value::Null, &Value::Null)
    );
    has_op_nodes_fields(&page["heads"]);
    assert_eq!(
        page["chain"],
        json!({ "l1_chain_id": 900, "l2_chain_id": 901 })
    );
    assert_eq!(page["execution_layer"]["state"], "synced");
    assert_eq!(page["source"]["identity"], "verified");
    assert_eq!(page["lags"]["safe_behind_source_blocks"], 0);
    assert!(
        page["source"]["endpoint"]
            .as_str()
            .unwrap()
            .starts_with(&chain.source().url())
    );
    assert_eq!(page["l1"]["reachable"], true);
    let (code, _) = rpc.page("/nowhere").await;
    assert!((400..500).contains(&code), "{code}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_address_is_logged_exactly_once() {
    let (node, _chain) = following_node(|flags| flags).await;
    let printed = node.printed();
    let bound: Vec<_> = printed
        .iter()
        .filter_map(|line| bound_address(line))
        .collect();
    assert_eq!(bound, [node.addr()]);
    assert_ne!(node.addr().port(), 0);
    let is_json = |line: &String| {
        serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"].is_string())
    };
    assert!(printed.iter().all(is_json), "{printed:#?}");
}
