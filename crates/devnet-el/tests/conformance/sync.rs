//! The embedded EL syncs from the EL under test, and then answers as that one does: blocks, receipts and proofs as JSON.

use crate::chain::Chain;
use alloy_primitives::B256;
use alloy_rpc_types_engine::{ForkchoiceState, JwtSecret};
use light_node_devnet_el::{ElServer, ElServerConfig, ElSync, MESSAGE_PASSER, SyncConfig};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio_util::sync::CancellationToken;
use url::Url;

/// op-geth leaves it out of deposits, which have no signature; op-reth does as we do.
const NOT_COMPARED: &str = "yParity";

async fn call(url: &Url, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = reqwest::Client::new().post(url.clone()).json(&body);
    let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer.get("error"), None, "{method}");
    answer["result"].take()
}

/// `url` is the plain port of the EL under test.
pub(crate) async fn check_all(chain: &Chain, url: &Url) {
    let el = chain.embedded();
    let token = CancellationToken::new();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = ElServerConfig {
        authrpc: any,
        http: any,
        jwt: JwtSecret::random(),
    };
    let server = ElServer::start(el.clone(), config, token.clone()).unwrap();
    let sync = ElSync::new(el.clone(), SyncConfig::new(url.clone())).unwrap();
    let syncing = tokio::spawn(sync.run(token.clone()));

    let latest = call(url, "eth_getBlockByNumber", json!(["latest", false])).await;
    let head: B256 = serde_json::from_value(latest["hash"].clone()).unwrap();
    let state = ForkchoiceState {
        head_block_hash: head,
        ..ForkchoiceState::default()
    };
    el.fork_choice_updated(state, None).unwrap();
    let mut views = el.subscribe();
    let is_there = views.wait_for(|view| view.head().hash == head);
    tokio::time::timeout(Duration::from_secs(60), is_there)
        .await
        .unwrap()
        .unwrap();

    let ours = format!("http://{}", server.http_addr()).parse().unwrap();
    for number in 0..=el.view().head().number() {
        let number = format!("{number:#x}");
        for (method, params) in [
            ("eth_getBlockByNumber", json!([number, true])),
            ("eth_getBlockReceipts", json!([number])),
            (
                "eth_getProof",
                json!([MESSAGE_PASSER, ["0x1", B256::with_last_byte(2)], number]),
            ),
        ] {
            let theirs = call(url, method, params.clone()).await;
            let own = call(&ours, method, params).await;
            compare(&format!("{method} {number}"), &own, &theirs);
        }
    }
    token.cancel();
    syncing.await.unwrap();
    server.stopped().await;
}

/// Equal but for [`NOT_COMPARED`]. The path to what differs is named.
fn compare(at: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(own), Value::Object(their)) => {
            for field in own.keys().chain(their.keys()) {
                if field != NOT_COMPARED {
                    compare(&format!("{at}.{field}"), &ours[field], &theirs[field]);
                }
            }
        }
        (Value::Array(own), Value::Array(their)) if own.len() == their.len() => {
            for (index, (own, their)) in own.iter().zip(their).enumerate() {
                compare(&format!("{at}[{index}]"), own, their);
            }
        }
        (ours, theirs) => assert_eq!(ours, theirs, "{at}"),
    }
}
