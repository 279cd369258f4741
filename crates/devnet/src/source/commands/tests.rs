//! Commands over the source's port, on a devnet in which every block is made by the test.

#![allow(clippy::unwrap_used)]

use crate::{Blocks, Devnet, DevnetConfig, Malformed, accounts::DEV_ACCOUNTS, testing};
use alloy_consensus::Transaction;
use alloy_primitives::B256;
use light_node_actor::CancellationToken;
use light_node_protocol::Hardfork;
use serde_json::{Value, json};

struct Commanded {
    devnet: Devnet,
    client: reqwest::Client,
    _datadir: tempfile::TempDir,
}

impl Commanded {
    async fn start() -> Self {
        let datadir = tempfile::tempdir().unwrap();
        let config = DevnetConfig {
            datadir: datadir.path().to_owned(),
            followers: 0,
            blocks: Blocks::OnCommand,
            ..testing::config(Hardfork::Jovian)
        };
        Self {
            devnet: Devnet::start(config, CancellationToken::new())
                .await
                .unwrap(),
            client: reqwest::Client::new(),
            _datadir: datadir,
        }
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let url = &self.devnet.endpoints().source;
        let answer = self.client.post(url).json(&call).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn sent(&self, method: &str, params: Value) -> Vec<B256> {
        let mut answer = self.call(method, params).await;
        let sent = answer["result"].take();
        serde_json::from_value(sent.clone())
            .or_else(|_| serde_json::from_value(json!([sent])))
            .unwrap_or_else(|_| panic!("{method}: {answer}"))
    }

    /// Mines a block, in which all of these must be.
    fn mine(&self, hashes: &[B256]) {
        let l1 = self.devnet.l1();
        l1.mine(1).unwrap();
        l1.with_chain(|chain| {
            for hash in hashes {
                assert!(chain.transaction(hash).is_some(), "{hash} was not mined");
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_batcher_obeys() {
    let rig = Commanded::start().await;
    let status = rig.call("dev_batcher", json!([])).await;
    let config =
        json!({ "batches": "span", "compression": "brotli", "da": "blobs", "frameBytes": null });
    assert_eq!(
        status["result"],
        json!({ "paused": false, "config": config })
    );
    let changes = json!([{ "da": "calldata", "frameBytes": 2_000 }]);
    let changed = rig.call("dev_setBatcher", changes).await;
    assert_eq!(changed["result"]["config"]["da"], "calldata");
    assert_eq!(changed["result"]["config"]["batches"], "span");
    let refused = rig.call("dev_setBatcher", json!([{ "blobs": true }])).await;
    assert_eq!(refused["error"]["code"], -32602);
    rig.call("dev_pauseBatcher", json!([])).await;
    assert!(rig.devnet.batcher().is_paused());
    let resumed = rig.call("dev_resumeBatcher", json!([])).await;
    assert_eq!(resumed["result"]["paused"], false);
    rig.devnet.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_malformed_gets_onto_l1_by_calldata_and_by_blobs() {
    let rig = Commanded::start().await;
    for kind in Malformed::ALL {
        let hashes = rig.sent("dev_postMalformed", json!([kind, "blobs"])).await;
        rig.mine(&hashes);
    }
    let kind = json!([Malformed::WrongParent, "calldata"]);
    let hashes = rig.sent("dev_postMalformed", kind).await;
    rig.mine(&hashes);
    let data = json!([["0x00", "0x0102"], "calldata"]);
    let hashes = rig.sent("dev_postBatcherData", data).await;
    rig.mine(&hashes);
    rig.devnet.l1().with_chain(|chain| {
        let (block, index) = chain.transaction(&hashes[1]).unwrap();
        assert_eq!(block.transactions()[index].input()[..], [1, 2]);
    });
    rig.devnet.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_and_changes_of_the_system_config_are_sent() {
    let rig = Commanded::start().await;
    let change = json!([{ "gasLimit": 40_000_000 }]);
    let mut hashes = rig.sent("dev_setSystemConfig", change).await;
    let deposit = json!([{ "to": DEV_ACCOUNTS[1].address, "value": "0x5" }]);
    hashes.extend(rig.sent("dev_deposit", deposit).await);
    rig.mine(&hashes);
    let stranger = json!([{ "from": B256::repeat_byte(1)[..20].to_vec() }]);
    assert!(rig.call("dev_deposit", stranger).await["error"].is_object());
    rig.devnet.stop().await.unwrap();
}
