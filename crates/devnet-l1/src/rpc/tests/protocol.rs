//! The protocol around the methods: batches, malformed requests, faults, and control.

use super::*;
use crate::fault::Fault;
use alloy_primitives::Bytes;
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

#[tokio::test]
async fn lies_are_whole_answers_that_are_not_true() {
    let rig = Rig::start().await;
    rig.l1.mine(5).unwrap();
    let honest: Value = rig
        .result("eth_getBlockByNumber", json!(["0x2", false]))
        .await;
    let lie = |kind, amount: Option<u64>| {
        rig.l1.set_fault(crate::Fault {
            amount,
            ..crate::Fault::until_cleared(kind)
        });
    };
    lie(FaultKind::OtherChain, Some(7));
    assert_eq!(rig.result::<String>("eth_chainId", json!([])).await, "0x7");
    lie(FaultKind::OtherChain, None);
    assert_eq!(
        rig.result::<String>("eth_chainId", json!([])).await,
        "0x385"
    );

    lie(FaultKind::WrongHash, Some(2));
    let wrong: Value = rig
        .result("eth_getBlockByNumber", json!(["0x2", false]))
        .await;
    assert_ne!(wrong["hash"], honest["hash"]);
    assert_eq!(wrong["stateRoot"], honest["stateRoot"]);
    let other: Value = rig
        .result("eth_getBlockByNumber", json!(["0x3", false]))
        .await;
    assert_eq!(
        other["hash"],
        json!(rig.l1.block_by_number(3).unwrap().hash())
    );

    lie(FaultKind::LowerHead, Some(3));
    assert_eq!(
        rig.result::<String>("eth_blockNumber", json!([])).await,
        "0x2"
    );
    let latest: Value = rig
        .result("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    assert_eq!(latest, honest);
    let above: Value = rig
        .result("eth_getBlockByNumber", json!(["0x3", false]))
        .await;
    assert!(above.is_null());

    lie(FaultKind::RpcError, None);
    assert_eq!(rig.error("eth_chainId", json!([])).await.0, -32005);
    rig.l1.clear_fault();
    assert_eq!(
        rig.result::<String>("eth_blockNumber", json!([])).await,
        "0x5"
    );
}

#[tokio::test]
async fn a_stale_l1_stays_on_the_branch_that_a_reorg_has_left() {
    let rig = Rig::start().await;
    rig.l1.mine(5).unwrap();
    let before = rig.l1.heads().latest;
    rig.l1
        .set_fault(crate::Fault::until_cleared(FaultKind::Stale));
    rig.l1.reorg(3, Some(4), true).unwrap();
    let latest: Value = rig
        .result("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    assert_eq!(latest["hash"], json!(before.hash));
    for number in 0..=5u64 {
        let block: Value = rig
            .result(
                "eth_getBlockByNumber",
                json!([format!("{number:#x}"), false]),
            )
            .await;
        assert_eq!(block["number"], format!("{number:#x}"));
    }
    rig.l1.clear_fault();
    assert_eq!(
        rig.result::<String>("eth_blockNumber", json!([])).await,
        "0x6"
    );
}

#[tokio::test]
async fn a_stale_l1_does_not_finalize_blocks_that_a_reorg_has_dropped() {
    let rig = Rig::start().await;
    rig.l1.mine(20).unwrap();
    let before = rig.l1.heads();
    rig.l1
        .set_fault(crate::Fault::until_cleared(FaultKind::Stale));
    rig.l1.reorg(3, Some(3), true).unwrap();
    rig.l1.mine(20).unwrap();
    for (label, block) in [("safe", before.safe), ("finalized", before.finalized)] {
        let stale: Value = rig
            .result("eth_getBlockByNumber", json!([label, false]))
            .await;
        assert_eq!(stale["hash"], json!(block.unwrap().hash), "{label}");
    }
}

#[tokio::test]
async fn a_second_endpoint_of_the_same_chain_meets_faults_of_its_own() {
    let first = Rig::start().await;
    let token = tokio_util::sync::CancellationToken::new();
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let second = first.l1.serve_also(listen, token.clone()).await.unwrap();
    let second = Rig {
        l1: second,
        client: reqwest::Client::new(),
        _stop: token.drop_guard(),
    };
    let failing = crate::Fault::until_cleared(FaultKind::RpcError);
    second.l1.set_fault(failing);
    second.l1.mine(2).unwrap();
    let number: String = first.result("eth_blockNumber", json!([])).await;
    assert_eq!(number, "0x2");
    assert_eq!(second.error("eth_blockNumber", json!([])).await.0, -32005);
    second.l1.clear_fault();
    first.l1.set_fault(failing);
    let number: String = second.result("eth_blockNumber", json!([])).await;
    assert_eq!(number, "0x2");
}

#[tokio::test]
async fn a_reset_connection_and_a_late_answer() {
    let rig = Rig::start().await;
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }).to_string();
    rig.l1
        .set_fault(crate::Fault::until_cleared(FaultKind::Reset).times(1));
    assert!(rig.post(request.clone()).await.unwrap_err().is_request());
    let slow = crate::Fault::until_cleared(FaultKind::Slow).by(50).times(1);
    rig.l1.set_fault(slow);
    let started = std::time::Instant::now();
    assert_eq!(rig.post(request.clone()).await.unwrap().status(), 200);
    assert!(started.elapsed() >= Duration::from_millis(50));
    let limited = crate::Fault::until_cleared(FaultKind::Http429)
        .by(9)
        .times(1);
    rig.l1.set_fault(limited);
    let answer = rig.post(request.clone()).await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "9");
    let huge = crate::Fault::until_cleared(FaultKind::Huge)
        .by(100_000)
        .times(1);
    rig.l1.set_fault(huge);
    let body = rig.post(request).await.unwrap().bytes().await.unwrap();
    assert!(body.len() >= 100_000);
}

#[tokio::test]
async fn logs_and_blocks_can_be_hidden() {
    let rig = Rig::start().await;
    let portal = rig.l1.with_chain(|chain| chain.config().contracts.portal);
    let deposit = testing::call(1, 0, portal, testing::ether(1), Bytes::new());
    rig.l1.submit(&deposit).unwrap();
    rig.l1.mine(2).unwrap();
    let logs = || async {
        let receipts: Value = rig.result("eth_getBlockReceipts", json!(["0x1"])).await;
        let filter = json!([{ "fromBlock": "0x1", "toBlock": "0x1", "address": portal }]);
        let logs: Value = rig.result("eth_getLogs", filter).await;
        let of_receipt = receipts[0]["logs"].as_array().unwrap().len();
        (of_receipt, logs.as_array().unwrap().len())
    };
    let lie = |kind, amount| {
        rig.l1.set_fault(Fault {
            amount: Some(amount),
            ..Fault::until_cleared(kind)
        });
    };
    assert_eq!(logs().await, (1, 1));
    lie(FaultKind::WrongReceipts, 1);
    assert_eq!(logs().await, (0, 0));
    lie(FaultKind::WrongReceipts, 2);
    assert_eq!(logs().await, (1, 1));
    lie(FaultKind::MissingBlock, 1);
    for (number, is_there) in [("0x1", false), ("0x2", true)] {
        let block: Value = rig
            .result("eth_getBlockByNumber", json!([number, false]))
            .await;
        assert_eq!(!block.is_null(), is_there, "{number}");
    }
}
