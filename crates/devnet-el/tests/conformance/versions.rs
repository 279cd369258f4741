//! The wire: method versions, parameters and envelopes as JSON, where op-geth and op-reth differ both answers pass.

use alloy_primitives::B256;
use alloy_rpc_types_engine::{Claims, ForkchoiceState, JwtSecret};
use light_node_engine_api::conformance::Fixture;
use light_node_protocol::Hardfork;
use serde_json::{Value, json};
use url::Url;

const UNSUPPORTED_FORK: i64 = -38005;
const INVALID_ATTRIBUTES: i64 = -38003;
const INVALID_PARAMS: i64 = -32602;

/// A client that sends what it is told to.
struct Raw<'a> {
    url: &'a Url,
    jwt: &'a JwtSecret,
}

impl Raw<'_> {
    async fn call(&self, method: &str, params: Value) -> Result<Value, i64> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = reqwest::Client::new()
            .post(self.url.clone())
            .bearer_auth(self.jwt.encode(&Claims::default()).unwrap())
            .json(&body);
        let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
        match answer.get("error") {
            Some(error) => Err(error["code"].as_i64().unwrap()),
            None => Ok(answer["result"].take()),
        }
    }

    async fn refused(&self, method: &str, params: Value, codes: &[i64]) {
        let code = self.call(method, params).await.unwrap_err();
        assert!(codes.contains(&code), "{method}: {code}");
    }
}

pub(crate) async fn check_all(fixture: &Fixture, url: &Url, jwt: &JwtSecret) {
    no_request_without_a_token(url).await;
    let raw = Raw { url, jwt };
    capabilities_name_the_methods(&raw).await;
    a_forkchoice_without_attributes_has_every_version(fixture, &raw).await;
    a_build_is_fetched_by_its_version(fixture, &raw).await;
    a_payload_is_taken_by_its_version(fixture, &raw).await;
}

async fn no_request_without_a_token(url: &Url) {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] });
    let answer = reqwest::Client::new()
        .post(url.clone())
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), reqwest::StatusCode::UNAUTHORIZED);
}

async fn capabilities_name_the_methods(raw: &Raw<'_>) {
    let methods = raw
        .call("engine_exchangeCapabilities", json!([[]]))
        .await
        .unwrap();
    for method in [
        "engine_newPayloadV4",
        "engine_forkchoiceUpdatedV3",
        "engine_getPayloadV4",
    ] {
        assert!(
            methods.as_array().unwrap().contains(&json!(method)),
            "{method}"
        );
    }
}

async fn a_forkchoice_without_attributes_has_every_version(fixture: &Fixture, raw: &Raw<'_>) {
    let state = forkchoice(fixture.genesis().hash);
    for version in 1..=3 {
        let method = format!("engine_forkchoiceUpdatedV{version}");
        let updated = raw.call(&method, json!([state, null])).await.unwrap();
        assert_eq!(
            updated["payloadStatus"]["status"],
            json!("VALID"),
            "{method}"
        );
        assert_eq!(updated["payloadId"], Value::Null, "{method}");
    }
}

async fn a_build_is_fetched_by_its_version(fixture: &Fixture, raw: &Raw<'_>) {
    let genesis = fixture.genesis();
    let attributes = fixture.attributes(&genesis, fixture.salt());
    let params = json!([forkchoice(genesis.hash), attributes]);
    for method in ["engine_forkchoiceUpdatedV1", "engine_forkchoiceUpdatedV2"] {
        raw.refused(
            method,
            params.clone(),
            &[UNSUPPORTED_FORK, INVALID_ATTRIBUTES, INVALID_PARAMS],
        )
        .await;
    }
    let updated = raw
        .call("engine_forkchoiceUpdatedV3", params)
        .await
        .unwrap();
    let id = updated["payloadId"].clone();
    assert!(id.as_str().unwrap().starts_with("0x03"), "{id}");

    let is_karst = fixture.config.is_active(Hardfork::Karst, genesis.timestamp);
    let (right, wrong) = if is_karst {
        ("V5", ["V2", "V4"])
    } else {
        ("V4", ["V2", "V3"])
    };
    for version in wrong {
        let method = format!("engine_getPayload{version}");
        raw.refused(&method, json!([id]), &[UNSUPPORTED_FORK]).await;
    }
    let envelope = raw
        .call(&format!("engine_getPayload{right}"), json!([id]))
        .await
        .unwrap();
    let blobs = json!({ "commitments": [], "proofs": [], "blobs": [] });
    assert_eq!(envelope["blobsBundle"], blobs);
    assert_eq!(envelope["shouldOverrideBuilder"], json!(false));
    assert_eq!(envelope["blockValue"], json!("0x0"));
    assert_eq!(envelope["executionRequests"], json!([]));
    assert_eq!(envelope["parentBeaconBlockRoot"], json!(B256::ZERO));
    let payload = &envelope["executionPayload"];
    for field in [
        "withdrawalsRoot",
        "blobGasUsed",
        "excessBlobGas",
        "extraData",
        "blockHash",
    ] {
        assert!(payload[field].is_string(), "{field} of {payload}");
    }
    assert_eq!(payload["withdrawals"], json!([]));
}

async fn a_payload_is_taken_by_its_version(fixture: &Fixture, raw: &Raw<'_>) {
    let block = fixture.build(fixture.genesis(), 1).await.remove(0);
    let payload = json!(block.envelope.execution_payload);
    let root = json!(block.envelope.parent_beacon_block_root);
    let codes = [UNSUPPORTED_FORK, INVALID_PARAMS];
    raw.refused("engine_newPayloadV2", json!([payload]), &codes)
        .await;
    raw.refused("engine_newPayloadV3", json!([payload, [], root]), &codes)
        .await;
    raw.refused("engine_newPayloadV4", json!([payload, [], root]), &codes)
        .await;
    raw.refused(
        "engine_newPayloadV4",
        json!([payload, [], null, []]),
        &codes,
    )
    .await;
    // No L2 block has blobs: op-geth calls the block invalid, we refuse the parameters.
    let blobs = raw
        .call(
            "engine_newPayloadV4",
            json!([payload, [B256::ZERO], root, []]),
        )
        .await;
    match blobs {
        Ok(status) => assert_eq!(status["status"], json!("INVALID")),
        Err(code) => assert_eq!(code, INVALID_PARAMS),
    }
    let status = raw
        .call("engine_newPayloadV4", json!([payload, [], root, []]))
        .await
        .unwrap();
    assert_eq!(status["status"], json!("VALID"));
    assert_eq!(status["latestValidHash"], payload["blockHash"]);
    assert_eq!(status["validationError"], Value::Null);
}

fn forkchoice(head: B256) -> ForkchoiceState {
    ForkchoiceState {
        head_block_hash: head,
        ..ForkchoiceState::default()
    }
}
