//! What the batcher of a devnet has put on L1, read as anybody can read it.

use super::rpc::Rpc;
use alloy_primitives::Address;
use light_node_devnet::Endpoints;
use serde_json::{Value, json};
use std::fs;

/// A number in JSON-RPC's hexadecimal form.
fn number(value: &Value) -> u64 {
    let digits = value.as_str().unwrap().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).unwrap()
}

/// Every transaction to the batch inbox so far, oldest first, each with the time of its block as `blockTime`.
pub(crate) async fn inbox(endpoints: &Endpoints) -> Result<Vec<Value>, Value> {
    let rollup: Value =
        serde_json::from_slice(&fs::read(&endpoints.files.rollup).unwrap()).unwrap();
    let inbox: Address = rollup["batch_inbox_address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let l1 = Rpc::url(&endpoints.l1);
    let head = l1.call("eth_blockNumber", json!([])).await?;
    let mut found = Vec::new();
    for height in 1..=number(&head) {
        let params = json!([format!("{height:#x}"), true]);
        let block = l1.call("eth_getBlockByNumber", params).await?;
        for transaction in block["transactions"].as_array().unwrap() {
            let to = transaction["to"].as_str().and_then(|to| to.parse().ok());
            if to == Some(inbox) {
                let mut transaction = transaction.clone();
                transaction["blockTime"] = json!(number(&block["timestamp"]));
                found.push(transaction);
            }
        }
    }
    Ok(found)
}

/// The blobs of a transaction from the beacon API, in hexadecimal.
pub(crate) async fn blobs(endpoints: &Endpoints, transaction: &Value) -> Vec<String> {
    let get = async |path: &str| -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}", endpoints.beacon);
        let answer: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        answer["data"].clone()
    };
    let decimal = |value: &Value| -> u64 { value.as_str().unwrap().parse().unwrap() };
    let genesis = get("/eth/v1/beacon/genesis").await;
    let spec = get("/eth/v1/config/spec").await;
    let age = transaction["blockTime"].as_u64().unwrap() - decimal(&genesis["genesis_time"]);
    let slot = age / decimal(&spec["SECONDS_PER_SLOT"]);
    let hashes = transaction["blobVersionedHashes"].as_array().unwrap();
    let hashes: Vec<_> = hashes.iter().map(|hash| hash.as_str().unwrap()).collect();
    let path = format!(
        "/eth/v1/beacon/blobs/{slot}?versioned_hashes={}",
        hashes.join(",")
    );
    let blobs = get(&path).await;
    let blobs: Vec<String> = serde_json::from_value(blobs).unwrap();
    assert_eq!(blobs.len(), hashes.len());
    blobs
}
