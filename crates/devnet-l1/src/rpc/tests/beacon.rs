//! The beacon API, over HTTP as op-node and kona-node ask it.

use super::*;
use crate::{fault::Fault, pool::NetworkTransaction, testing::blob_transaction};
use alloy_consensus::Transaction;
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::Bytes;

impl Rig {
    async fn get(&self, path: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.l1.beacon_url());
        let response = self.client.get(url).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    async fn blobs(&self, path_and_query: &str) -> Vec<Bytes> {
        let (status, answer) = self
            .get(&format!("/eth/v1/beacon/blobs/{path_and_query}"))
            .await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_value(answer["data"].clone()).unwrap()
    }
}

/// Versioned hash and content of each blob of a transaction.
fn contents(raw: &[u8]) -> Vec<(B256, Bytes)> {
    let tx = NetworkTransaction::decode_2718_exact(raw).unwrap();
    let hashes = tx.blob_versioned_hashes().unwrap().to_vec();
    let sidecar = tx.as_eip4844().unwrap().tx().sidecar();
    let blobs = sidecar.blobs().iter();
    hashes
        .into_iter()
        .zip(blobs.map(|blob| Bytes::copy_from_slice(blob.as_slice())))
        .collect()
}

#[tokio::test]
async fn a_node_learns_version_genesis_and_slot_length() {
    let rig = Rig::start().await;
    let (status, version) = rig.get("/eth/v1/node/version").await;
    assert_eq!(status, 200);
    let version = version["data"]["version"].as_str().unwrap();
    assert!(version.starts_with("light-node-devnet-l1/v"), "{version}");
    // Decimal strings, as everywhere in this API.
    let (_, genesis) = rig.get("/eth/v1/beacon/genesis").await;
    let time = testing::GENESIS_TIME.to_string();
    assert_eq!(genesis["data"]["genesis_time"], json!(time));
    let (_, spec) = rig.get("/eth/v1/config/spec").await;
    assert_eq!(spec["data"]["SECONDS_PER_SLOT"], "2");
}

#[tokio::test]
async fn blobs_of_a_sent_transaction_come_back_byte_by_byte_at_their_slot() {
    let rig = Rig::start().await;
    let (first, second) = (
        blob_transaction(1, 0, 3, false),
        blob_transaction(2, 0, 2, false),
    );
    for raw in [&first, &second] {
        let _: B256 = rig.result("eth_sendRawTransaction", json!([raw])).await;
    }
    // A missed slot before it: the block's number is not its slot.
    rig.l1.miss_slots(1);
    rig.l1.mine(1).unwrap();
    let slot = rig.l1.with_chain(|chain| chain.head().slot());
    assert_eq!(slot, 2);

    let (first, second) = (contents(&first), contents(&second));
    let wanted = [&second[1], &first[0], &first[2]];
    let mut expected: Vec<_> = wanted.iter().map(|(_, blob)| blob.clone()).collect();
    expected.sort();
    let hashes = wanted.map(|(hash, _)| hash.to_string());
    // Repeated as op-node sends it, and joined by commas, bare or escaped, as kona-node does.
    let queries = [
        format!("versioned_hashes={}", hashes.join("&versioned_hashes=")),
        format!("versioned_hashes={}", hashes.join(",")),
        format!("versioned_hashes={}", hashes.join("%2C")),
    ];
    for query in queries {
        let mut blobs = rig.blobs(&format!("{slot}?{query}")).await;
        blobs.sort();
        assert_eq!(blobs, expected, "{query}");
    }
    assert_eq!(rig.blobs("2").await.len(), 5);
    assert_eq!(rig.blobs("head").await.len(), 5);
    assert!(rig.blobs("genesis").await.is_empty());
    let foreign = format!("2?versioned_hashes={}", B256::repeat_byte(1));
    assert!(rig.blobs(&foreign).await.is_empty());
}

#[tokio::test]
async fn a_blob_that_stands_in_a_block_twice_comes_as_often_as_it_is_asked_for() {
    let rig = Rig::start().await;
    // The same blob by two transactions of one sender.
    for nonce in [0, 1] {
        rig.l1
            .submit(&blob_transaction(1, nonce, 1, false))
            .unwrap();
    }
    rig.l1.mine(1).unwrap();
    let (hash, blob) = contents(&blob_transaction(1, 0, 1, false)).remove(0);
    let one = format!("versioned_hashes={hash}");
    let once = rig.blobs(&format!("1?{one}")).await;
    assert_eq!(once, std::slice::from_ref(&blob));
    let twice = rig.blobs(&format!("1?{one}&{one}")).await;
    assert_eq!(twice, [blob.clone(), blob]);
}

#[tokio::test]
async fn what_is_not_there_answers_in_the_form_of_the_api() {
    let rig = Rig::with_blocks(1).await;
    for path in [
        "/eth/v1/beacon/blobs/7",
        "/eth/v1/beacon/blobs/latest",
        "/eth/v1/beacon/headers/7",
        "/eth/v1/beacon/headers/latest",
        "/eth/v1/beacon/blob_sidecars/1",
    ] {
        let (status, answer) = rig.get(path).await;
        assert_eq!((status, &answer["code"]), (404, &json!(404)), "{path}");
    }
    let (status, answer) = rig
        .get("/eth/v1/beacon/blobs/1?versioned_hashes=0x12")
        .await;
    assert_eq!((status, &answer["code"]), (400, &json!(400)));
}

#[tokio::test]
async fn a_header_tells_which_block_stands_in_its_slot() {
    let rig = Rig::start().await;
    rig.l1.mine(1).unwrap();
    rig.l1.miss_slots(1);
    rig.l1.mine(1).unwrap();
    let (_, head) = rig.get("/eth/v1/beacon/headers/head").await;
    let (_, first) = rig.get("/eth/v1/beacon/headers/1").await;
    let message = &head["data"]["header"]["message"];
    assert_eq!(message["slot"], "3");
    let block = rig.l1.with_chain(|chain| chain.head().clone());
    let root = block.header().parent_beacon_block_root.unwrap();
    assert_eq!(message["parent_root"], json!(root));
    assert_eq!(message["parent_root"], first["data"]["root"]);
    let (status, _) = rig.get("/eth/v1/beacon/headers/2").await;
    assert_eq!(status, 404, "nothing stands in a slot that was missed");
}

#[tokio::test]
async fn faults_reach_the_beacon_api_too() {
    let rig = Rig::start().await;
    rig.l1
        .set_fault(Fault::until_cleared(FaultKind::Http500).times(1));
    let url = format!("{}/eth/v1/node/version", rig.l1.beacon_url());
    let status = async || rig.client.get(&url).send().await.unwrap().status().as_u16();
    assert_eq!(status().await, 500);
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn blobs_can_be_withheld_changed_or_missed_while_all_else_is_true() {
    let rig = Rig::start().await;
    let raw = blob_transaction(1, 0, 3, false);
    rig.l1.submit(&raw).unwrap();
    rig.l1.mine(1).unwrap();
    let slot = rig.l1.with_chain(|chain| chain.head().slot()).to_string();
    let whole = rig.blobs(&slot).await;
    let fault = |kind, amount| Fault {
        amount,
        ..Fault::until_cleared(kind)
    };
    rig.l1.set_fault(fault(FaultKind::WithheldBlobs, Some(1)));
    assert_eq!(rig.blobs(&slot).await, whole[1..]);
    rig.l1.set_fault(fault(FaultKind::WithheldBlobs, None));
    assert!(rig.blobs(&slot).await.is_empty());
    let (status, _) = rig.get("/eth/v1/node/version").await;
    assert_eq!(status, 200);
    rig.l1.set_fault(fault(FaultKind::WrongBlobs, None));
    let others = rig.blobs(&slot).await;
    assert_eq!(others.len(), 3);
    assert!(others.iter().zip(&whole).all(|(other, blob)| other != blob));
    rig.l1.set_fault(fault(FaultKind::MissedSlot, None));
    let (status, _) = rig.get(&format!("/eth/v1/beacon/blobs/{slot}")).await;
    assert_eq!(status, 404);
    let header = |id: &str| format!("/eth/v1/beacon/headers/{id}");
    assert_eq!(rig.get(&header(&slot)).await.0, 404);
    assert_eq!(rig.get(&header("head")).await.0, 200);
    let head: String = rig.result("eth_blockNumber", json!([])).await;
    assert_eq!(head, "0x1", "JSON-RPC knows nothing of it");
    rig.l1.clear_fault();
    assert_eq!(rig.blobs(&slot).await, whole);
}
