//! The protocol around the methods: batches, malformed requests, faults, and control.

use super::*;
use tokio::sync::oneshot;

#[tokio::test]
async fn batches_are_answered_in_order_and_bounded() {
    let rig = Rig::start().await;
    let request = |id: usize| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_chainId" });
    let answers = rig.raw((0..MAX_BATCH).map(request).collect()).await;
    let ids = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| answer["id"].as_u64().unwrap());
    assert!(ids.eq(0..MAX_BATCH as u64));
    let too_many = rig.raw((0..=MAX_BATCH).map(request).collect()).await;
    assert_eq!(too_many["error"]["code"], -32600);
    assert_eq!(rig.raw(json!([])).await["error"]["code"], -32600);
    let mixed = rig
        .raw(json!([1, request(5), { "method": "eth_chainId" }]))
        .await;
    assert_eq!(mixed.as_array().unwrap().len(), 2);
    assert_eq!(mixed[0]["error"]["code"], -32600);
    assert_eq!(mixed[1]["result"], "0x384");
}

#[tokio::test]
async fn malformed_requests_get_the_codes_of_json_rpc() {
    let rig = Rig::start().await;
    let parse: Value = rig
        .post("{".to_owned())
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(parse["error"]["code"], -32700);
    assert_eq!(rig.raw(json!("text")).await["error"]["code"], -32600);
    assert_eq!(rig.error("eth_mining", json!([])).await.0, -32601);
    assert_eq!(rig.error("dev_unknown", json!([])).await.0, -32601);
    assert_eq!(
        rig.error("eth_getBlockByHash", json!(["0x1"])).await.0,
        -32602
    );
    let missing = rig.error("eth_getBalance", json!([])).await;
    assert_eq!(missing.1, "missing value for required argument 0");
    let long = rig.post(" ".repeat(MAX_BODY_BYTES + 1)).await;
    // The server may reset the connection while the rest of the body is still on its way.
    assert!(long.is_err() || long.unwrap().status() == StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn faults_spoil_requests_and_never_control() {
    let rig = Rig::start().await;
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }).to_string();
    let fault = async |kind: &str| {
        assert!(
            rig.result::<bool>("dev_fault", json!([{ "kind": kind, "count": 1 }]))
                .await
        );
        rig.post(request.clone()).await
    };
    assert!(fault("refuse").await.unwrap_err().is_request());
    assert_eq!(fault("http429").await.unwrap().status(), 429);
    assert_eq!(fault("http500").await.unwrap().status(), 500);
    let page = fault("html").await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.json::<Value>().await.is_err());
    assert!(
        fault("truncated")
            .await
            .unwrap()
            .json::<Value>()
            .await
            .is_err()
    );
    // The fault is used up.
    assert_eq!(
        rig.result::<String>("eth_chainId", json!([])).await,
        "0x384"
    );
    assert_eq!(
        rig.error("dev_fault", json!([{ "kind": "flood" }])).await.0,
        -32602
    );
}

#[tokio::test]
async fn a_hanging_request_ends_without_an_answer_when_the_fault_is_cleared() {
    let rig = std::sync::Arc::new(Rig::start().await);
    rig.result::<bool>("dev_fault", json!({ "kind": "hang" }))
        .await;
    let (sender, mut hanging) = oneshot::channel();
    let client = rig.clone();
    tokio::spawn(async move {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" });
        let _ = sender.send(client.post(request.to_string()).await);
    });
    rig.l1.faults_met().wait_for(|met| *met == 1).await.unwrap();
    assert!(hanging.try_recv().is_err());
    rig.result::<bool>("dev_clearFault", json!([])).await;
    assert!(hanging.await.unwrap().is_err());
    assert_eq!(
        rig.result::<String>("eth_chainId", json!([])).await,
        "0x384"
    );
}

#[tokio::test]
async fn missed_slots_on_command_delay_the_next_block() {
    let rig = Rig::start().await;
    rig.result::<bool>("dev_missSlots", json!([3])).await;
    let head: Value = rig.result("dev_mine", json!(["0x1"])).await;
    assert_eq!(head["number"], 1);
    assert_eq!(head["timestamp"], testing::GENESIS_TIME + 8);
    let status: Value = rig.result("dev_setMining", json!([true])).await;
    assert_eq!(status["mining"], true);
}

#[tokio::test]
async fn a_hanging_request_does_not_hold_up_the_stop() {
    let token = CancellationToken::new();
    let config = L1SimConfig {
        mining: false,
        ..testing::config()
    };
    let l1 = EmbeddedL1::start(config, token.clone()).await.unwrap();
    l1.set_fault(crate::Fault::until_cleared(FaultKind::Hang));
    let request = reqwest::Client::new().post(l1.url()).body("{}").send();
    let hanging = tokio::spawn(request);
    l1.faults_met().wait_for(|met| *met == 1).await.unwrap();
    token.cancel();
    tokio::time::timeout(Duration::from_secs(5), l1.stopped())
        .await
        .unwrap();
    assert!(hanging.await.unwrap().is_err());
}
