use super::*;
use crate::{
    ExecutedBlock,
    testing::{data, foreign_blocks, forkchoice},
};
use alloy_primitives::B256;
use op_alloy_rpc_types_engine::OpExecutionPayload;

/// The parameters of `engine_newPayload` for a block, in the version of its fork.
fn new_payload_params(block: &ExecutedBlock) -> Vec<Value> {
    let data = data(block);
    let root = json!(data.parent_beacon_block_root());
    match data.payload {
        OpExecutionPayload::V3(payload) => vec![json!(payload), json!([]), root],
        OpExecutionPayload::V4(payload) => vec![json!(payload), json!([]), root, json!([])],
        payload => panic!("{payload:?}"),
    }
}

/// Starts a build on the head and returns its id.
async fn start(served: &Served) -> Value {
    let head = served.chain.head();
    let attributes = served.chain.attributes_on(&head);
    let params = json!([forkchoice(head.hash), attributes]);
    served.call("engine_forkchoiceUpdatedV3", params).await["payloadId"].clone()
}

#[tokio::test]
async fn built_payloads_have_the_envelope_of_their_fork() {
    let rows = [
        (
            Hardfork::Ecotone,
            "engine_getPayloadV3",
            "engine_newPayloadV3",
        ),
        (
            Hardfork::Isthmus,
            "engine_getPayloadV4",
            "engine_newPayloadV4",
        ),
        (
            Hardfork::Jovian,
            "engine_getPayloadV4",
            "engine_newPayloadV4",
        ),
        (
            Hardfork::Karst,
            "engine_getPayloadV5",
            "engine_newPayloadV4",
        ),
    ];
    for (fork, get_payload, new_payload) in rows {
        let served = Served::new(fork);
        let id = start(&served).await;
        assert!(id.as_str().unwrap().starts_with("0x03"));
        let envelope = served.call(get_payload, json!([id])).await;
        assert_eq!(
            envelope["blobsBundle"],
            json!({ "commitments": [], "proofs": [], "blobs": [] })
        );
        assert_eq!(envelope["shouldOverrideBuilder"], json!(false));
        assert_eq!(envelope["blockValue"], json!("0x0"));
        assert_eq!(
            envelope["parentBeaconBlockRoot"],
            json!(B256::repeat_byte(3))
        );
        let payload = &envelope["executionPayload"];
        assert_eq!(payload["withdrawals"], json!([]));
        let mut params = vec![
            payload.clone(),
            json!([]),
            envelope["parentBeaconBlockRoot"].clone(),
        ];
        if new_payload == "engine_newPayloadV4" {
            assert_eq!(envelope["executionRequests"], json!([]));
            assert!(payload["withdrawalsRoot"].is_string());
            params.push(envelope["executionRequests"].clone());
        } else {
            assert_eq!(envelope.get("executionRequests"), None);
        }
        let status = served.call(new_payload, json!(params)).await;
        assert_eq!(status["status"], json!("VALID"));
        assert_eq!(status["latestValidHash"], payload["blockHash"]);
        let params = json!([forkchoice(served.chain.head().hash), null]);
        let updated = served.call("engine_forkchoiceUpdatedV3", params).await;
        assert_eq!(updated["payloadStatus"]["status"], json!("VALID"));
        assert_eq!(updated["payloadId"], Value::Null);
    }
}

#[tokio::test]
async fn a_version_of_another_fork_is_refused_with_38005() {
    let served = Served::new(Hardfork::Karst);
    let id = start(&served).await;
    for method in [
        "engine_getPayloadV2",
        "engine_getPayloadV3",
        "engine_getPayloadV4",
    ] {
        assert_eq!(
            served.failure(method, json!([id])).await.0,
            -38005,
            "{method}"
        );
    }
    let head = served.chain.head();
    let attributes = served.chain.attributes_on(&head);
    for method in ["engine_forkchoiceUpdatedV1", "engine_forkchoiceUpdatedV2"] {
        let params = json!([forkchoice(head.hash), attributes]);
        assert_eq!(served.failure(method, params).await.0, -38005, "{method}");
        let params = json!([forkchoice(head.hash)]);
        let updated = served.call(method, params).await;
        assert_eq!(updated["payloadStatus"]["status"], json!("VALID"));
    }
    let block = foreign_blocks(Hardfork::Karst, 1).remove(0);
    let mut params = new_payload_params(&block);
    params.pop();
    assert_eq!(
        served.failure("engine_newPayloadV3", json!(params)).await.0,
        -38005
    );

    let ecotone = Served::new(Hardfork::Ecotone);
    let id = start(&ecotone).await;
    assert_eq!(
        ecotone.failure("engine_getPayloadV4", json!([id])).await.0,
        -38005
    );
}

#[tokio::test]
async fn missing_and_superfluous_parameters_are_32602() {
    let served = Served::new(Hardfork::Jovian);
    let block = foreign_blocks(Hardfork::Jovian, 1).remove(0);
    let full = new_payload_params(&block);
    for count in 0..full.len() {
        let params = json!(full[..count]);
        assert_eq!(
            served.failure("engine_newPayloadV4", params).await.0,
            -32602,
            "{count}"
        );
    }
    for (index, value) in [(1, json!([B256::ZERO])), (3, json!(["0x01"]))] {
        let mut params = full.clone();
        params[index] = value;
        assert_eq!(
            served.failure("engine_newPayloadV4", json!(params)).await.0,
            -32602
        );
    }
    let mut params = full.clone();
    params[0].as_object_mut().unwrap().remove("withdrawalsRoot");
    assert_eq!(
        served.failure("engine_newPayloadV4", json!(params)).await.0,
        -32602
    );
    assert_eq!(
        served.call("engine_newPayloadV4", json!(full)).await["status"],
        json!("VALID")
    );
    let mut attributes = served.chain.attributes_on(&served.chain.head());
    attributes.gas_limit = None;
    let params = json!([forkchoice(served.chain.head().hash), attributes]);
    assert_eq!(
        served.failure("engine_forkchoiceUpdatedV3", params).await.0,
        -32602
    );
}

#[tokio::test]
async fn engine_errors_keep_their_codes() {
    let served = Served::new(Hardfork::Jovian);
    let unknown = json!(["0x03eeeeeeeeeeeeee"]);
    assert_eq!(
        served.failure("engine_getPayloadV4", unknown).await.0,
        -38001
    );
    let params = json!([forkchoice(B256::ZERO), null]);
    assert_eq!(
        served.failure("engine_forkchoiceUpdatedV3", params).await.0,
        -38002
    );
    let head = served.chain.head();
    let mut attributes = served.chain.attributes_on(&head);
    attributes.payload_attributes.timestamp = head.header().timestamp;
    let params = json!([forkchoice(head.hash), attributes]);
    assert_eq!(
        served.failure("engine_forkchoiceUpdatedV3", params).await.0,
        -38003
    );
    let params = json!([forkchoice(B256::repeat_byte(1)), null]);
    let updated = served.call("engine_forkchoiceUpdatedV3", params).await;
    assert_eq!(updated["payloadStatus"]["status"], json!("SYNCING"));
    assert_eq!(updated["payloadStatus"]["latestValidHash"], Value::Null);
}

#[tokio::test]
async fn bodies_are_served_by_hash_and_by_range() {
    let served = Served::new(Hardfork::Jovian);
    let blocks: Vec<_> = (0..3).map(|_| served.chain.extend()).collect();
    let params = json!([[blocks[1].hash, B256::ZERO]]);
    let bodies = served.call("engine_getPayloadBodiesByHashV1", params).await;
    assert_eq!(bodies[0]["transactions"].as_array().unwrap().len(), 1);
    assert_eq!(bodies[0]["withdrawals"], json!([]));
    assert_eq!(bodies[1], Value::Null);
    let by_range = "engine_getPayloadBodiesByRangeV1";
    let bodies = served.call(by_range, json!(["0x2", "0x20"])).await;
    assert_eq!(bodies.as_array().unwrap().len(), 2);
    assert_eq!(
        served.call(by_range, json!(["0x9", "0x1"])).await,
        json!([])
    );
    assert_eq!(
        served.failure(by_range, json!(["0x0", "0x1"])).await.0,
        -32602
    );
    assert_eq!(
        served.failure(by_range, json!(["0x1", "0x401"])).await.0,
        -38004
    );
}

#[tokio::test]
async fn capabilities_name_only_what_is_served() {
    let served = Served::new(Hardfork::Jovian);
    let methods = served
        .call(
            "engine_exchangeCapabilities",
            json!([["engine_newPayloadV4"]]),
        )
        .await;
    let methods: Vec<String> = serde_json::from_value(methods).unwrap();
    let served_methods: Vec<&str> = served.module.method_names().collect();
    assert!(
        methods
            .iter()
            .all(|method| served_methods.contains(&method.as_str()))
    );
    let version = served
        .call("engine_getClientVersionV1", json!([{ "code": "OP" }]))
        .await;
    assert_eq!(version[0]["code"], json!("LN"));
    let signal =
        json!([{ "recommended": B256::with_last_byte(2), "required": B256::with_last_byte(1) }]);
    let answer = served.call("engine_signalSuperchainV1", signal).await;
    assert_eq!(answer, json!(B256::with_last_byte(1)));
}
