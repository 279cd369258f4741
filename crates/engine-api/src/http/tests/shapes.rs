//! Method versions and parameter shapes per fork, as they stand on the wire.

use super::{server::Server, *};
use crate::versions::tests::config_at;
use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2};
use light_node_protocol::Hardfork;

fn valid(_: &str) -> Value {
    json!({ "status": "VALID", "latestValidHash": null, "validationError": null })
}

fn envelopes() -> [OpExecutionPayloadEnvelope; 3] {
    let chain = ChainBuilder::new();
    let v4 = chain.genesis().envelope;
    let v3 = v4.execution_payload.as_v3().unwrap().clone();
    let v2: ExecutionPayloadV2 = v3.payload_inner.clone();
    let v2 = OpExecutionPayload::V2(v2);
    [
        OpExecutionPayloadEnvelope {
            parent_beacon_block_root: None,
            execution_payload: v2,
        },
        OpExecutionPayloadEnvelope {
            parent_beacon_block_root: Some(B256::ZERO),
            execution_payload: OpExecutionPayload::V3(v3),
        },
        v4,
    ]
}

#[tokio::test]
async fn new_payload_goes_out_in_the_version_and_shape_of_its_fork() {
    let server = Server::results(valid).await;
    let jwt = JwtSource::Secret(JwtSecret::from_bytes(SECRET));
    let [v2, v3, v4] = envelopes();
    let v1: ExecutionPayloadV1 = v2.execution_payload.as_v1().clone();
    let v1 = OpExecutionPayloadEnvelope {
        parent_beacon_block_root: None,
        execution_payload: OpExecutionPayload::V1(v1),
    };
    for (fork, envelope, method, params) in [
        (Hardfork::Bedrock, &v1, "engine_newPayloadV2", 1),
        (Hardfork::Canyon, &v2, "engine_newPayloadV2", 1),
        (Hardfork::Ecotone, &v3, "engine_newPayloadV3", 3),
        (Hardfork::Holocene, &v3, "engine_newPayloadV3", 3),
        (Hardfork::Isthmus, &v4, "engine_newPayloadV4", 4),
        (Hardfork::Karst, &v4, "engine_newPayloadV4", 4),
    ] {
        let config = config_at(fork, 0);
        let engine = engine_with(&server.url, jwt.clone(), config, Duration::from_secs(10));
        assert!(engine.new_payload(envelope).await.unwrap().is_valid());
        let sent = server.seen().pop().unwrap().body;
        assert_eq!(sent["method"], method);
        assert_eq!(sent["params"].as_array().unwrap().len(), params);
        assert_eq!(sent["params"][0], json!(envelope.execution_payload));
    }
    let sent = server.seen().pop().unwrap().body["params"].clone();
    assert_eq!(
        [&sent[1], &sent[2], &sent[3]],
        [&json!([]), &json!(B256::ZERO), &json!([])]
    );
    // The first was V1: no withdrawals, not even an empty list.
    assert!(
        server.seen()[0].body["params"][0]
            .get("withdrawals")
            .is_none()
    );
    assert!(
        server.seen()[1].body["params"][0]
            .get("withdrawals")
            .is_some()
    );

    // A payload of another fork than its timestamp says is not sent at all.
    let config = config_at(Hardfork::Isthmus, 0);
    let engine = engine_with(&server.url, jwt, config, Duration::from_secs(10));
    let error = engine.new_payload(&v3).await.unwrap_err();
    assert!(matches!(error, ElError::UnsupportedFork { .. }));
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn forkchoice_goes_out_in_the_version_of_its_attributes() {
    let server = Server::results(
        |method| json!({ "payloadStatus": valid(method), "payloadId": "0x0300000000000001" }),
    )
    .await;
    let jwt = JwtSource::Secret(JwtSecret::from_bytes(SECRET));
    let state = ForkchoiceState {
        head_block_hash: B256::repeat_byte(1),
        ..Default::default()
    };
    for (fork, method) in [
        (Hardfork::Regolith, "engine_forkchoiceUpdatedV1"),
        (Hardfork::Canyon, "engine_forkchoiceUpdatedV2"),
        (Hardfork::Ecotone, "engine_forkchoiceUpdatedV3"),
        (Hardfork::Jovian, "engine_forkchoiceUpdatedV3"),
    ] {
        let config = config_at(fork, 0);
        let engine = engine_with(&server.url, jwt.clone(), config, Duration::from_secs(10));
        let attributes = OpPayloadAttributes {
            min_base_fee: Some(5),
            ..Default::default()
        };
        let updated = engine
            .fork_choice_updated(state, Some(attributes))
            .await
            .unwrap();
        assert_eq!(
            updated.payload_id,
            Some(PayloadId::new([3, 0, 0, 0, 0, 0, 0, 1]))
        );
        let sent = server.seen().pop().unwrap().body;
        assert_eq!(sent["method"], method);
        assert_eq!(sent["params"][1]["minBaseFee"], 5);

        engine.fork_choice_updated(state, None).await.unwrap();
        let sent = server.seen().pop().unwrap().body;
        assert_eq!(sent["method"], "engine_forkchoiceUpdatedV3");
        assert_eq!(sent["params"], json!([state, null]));
    }
}

#[tokio::test]
async fn get_payload_asks_in_the_version_of_its_fork_and_checks_the_shape() {
    let [v2, v3, v4] = envelopes();
    let all = [v2.clone(), v3.clone(), v4.clone()];
    let server = Server::results(move |method| {
        let index = match method {
            "engine_getPayloadV2" => 0,
            "engine_getPayloadV3" => 1,
            _ => 2,
        };
        let mut answer = serde_json::to_value(&all[index]).unwrap();
        answer["blockValue"] = json!("0x0");
        answer["blobsBundle"] = json!({ "commitments": [], "proofs": [], "blobs": [] });
        answer["executionRequests"] = json!([]);
        answer
    })
    .await;
    let jwt = JwtSource::Secret(JwtSecret::from_bytes(SECRET));
    let id = PayloadId::new([3; 8]);
    for (fork, expected, method) in [
        (Hardfork::Canyon, v2, "engine_getPayloadV2"),
        (Hardfork::Granite, v3, "engine_getPayloadV3"),
        (Hardfork::Jovian, v4.clone(), "engine_getPayloadV4"),
        (Hardfork::Karst, v4, "engine_getPayloadV5"),
    ] {
        let config = config_at(fork, 0);
        let engine = engine_with(&server.url, jwt.clone(), config, Duration::from_secs(10));
        assert_eq!(engine.get_payload(id, 5).await.unwrap(), expected);
        let sent = server.seen().pop().unwrap().body;
        assert_eq!(
            (&sent["method"], &sent["params"]),
            (&json!(method), &json!([id]))
        );
    }
    let bad =
        Server::results(|_| json!({ "executionPayload": envelopes()[1].execution_payload })).await;
    let config = config_at(Hardfork::Isthmus, 0);
    let engine = engine_with(&bad.url, jwt, config, Duration::from_secs(10));
    assert!(matches!(
        engine.get_payload(id, 5).await.unwrap_err(),
        ElError::Malformed { .. }
    ));
}

#[tokio::test]
async fn peers_are_counted_where_the_port_serves_it() {
    let server = Server::results(|_| json!("0x11")).await;
    assert_eq!(engine(&server.url).peer_count().await.unwrap(), 17);
    assert_eq!(server.seen()[0].body["method"], "net_peerCount");
    let silent = Server::start(|seen| {
        let error = json!({ "code": ElError::METHOD_NOT_FOUND, "message": "not found" });
        answer(&json!({ "id": seen.body["id"], "error": error }))
    })
    .await;
    let refused = engine(&silent.url).peer_count().await.unwrap_err();
    assert!(refused.to_string().contains("net_peerCount"), "{refused}");
}

#[tokio::test]
async fn a_payload_is_read_as_header_and_body_in_one_batch() {
    let chain = ChainBuilder::new();
    let block = chain.extend(&chain.genesis(), 1, 0).remove(0);
    let mut header = json!(crate::payload::payload_header(&block.envelope).unwrap());
    header["hash"] = json!(block.hash());
    header["transactions"] = json!([]);
    let body = json!({
        "transactions": block.envelope.execution_payload.transactions(),
        "withdrawals": [],
    });
    let server = Server::start(move |seen| {
        let answers = seen.body.as_array().unwrap().iter().map(|request| {
            let asked = request["method"].as_str().unwrap();
            let result = if asked.starts_with("eth_") {
                header.clone()
            } else {
                json!([body])
            };
            json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })
        });
        answer(&answers.collect::<Value>())
    })
    .await;
    for (id, method, params) in [
        (
            BlockId::number(1),
            "engine_getPayloadBodiesByRangeV1",
            json!(["0x1", "0x1"]),
        ),
        (
            BlockId::from(block.hash()),
            "engine_getPayloadBodiesByHashV1",
            json!([[block.hash()]]),
        ),
    ] {
        let read = engine(&server.url).payload(id).await;
        assert_eq!(read, Ok(Some(block.envelope.clone())));
        let sent = server.seen().pop().unwrap().body;
        assert_eq!(sent[0]["params"][1], false, "no transaction objects");
        assert_eq!(
            (&sent[1]["method"], &sent[1]["params"]),
            (&json!(method), &params)
        );
    }
}
