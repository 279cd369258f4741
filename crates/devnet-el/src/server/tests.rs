use super::*;
use crate::testing::{TestChain, data, foreign_blocks};
use alloy_primitives::{B256, U64};
use jsonrpsee::{
    core::client::{ClientT, Subscription, SubscriptionClientT},
    rpc_params,
    ws_client::{HeaderMap, HeaderValue, WsClientBuilder},
};
use light_node_engine_api::{
    ElDeadlines, ElError, EngineApi, HttpEngine, HttpEngineConfig, JwtSource,
};
use light_node_protocol::Hardfork;
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

struct Running {
    chain: TestChain,
    jwt: JwtSecret,
    handle: ElServerHandle,
    token: CancellationToken,
}

impl Running {
    fn start() -> Self {
        let chain = TestChain::new(Hardfork::Jovian);
        let (jwt, token) = (JwtSecret::random(), CancellationToken::new());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ElServerConfig {
            authrpc: any,
            http: any,
            jwt,
        };
        let handle = ElServer::start(chain.el.clone(), config, token.clone()).unwrap();
        Self {
            chain,
            jwt,
            handle,
            token,
        }
    }

    fn engine(&self, jwt: &JwtSecret) -> HttpEngine {
        let secret = jwt.as_bytes().try_into().unwrap();
        HttpEngine::new(HttpEngineConfig {
            url: format!("http://{}", self.handle.authrpc_addr())
                .parse()
                .unwrap(),
            jwt: JwtSource::Secret(light_node_engine_api::JwtSecret::from_bytes(secret)),
            rollup_config: Arc::new(self.chain.config.clone()),
            deadlines: ElDeadlines::default(),
        })
        .unwrap()
    }

    async fn stop(self) {
        self.token.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.handle.stopped())
            .await
            .unwrap();
    }
}

async fn post(addr: SocketAddr, body: &Value) -> reqwest::Response {
    let client = Client::new();
    client
        .post(format!("http://{addr}"))
        .json(body)
        .send()
        .await
        .unwrap()
}

fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

#[tokio::test]
async fn a_rollup_node_drives_the_authenticated_port() {
    let running = Running::start();
    let engine = running.engine(&running.jwt);
    let block = foreign_blocks(Hardfork::Jovian, 1).remove(0);
    let data = data(&block);
    let envelope = OpExecutionPayloadEnvelope {
        parent_beacon_block_root: data.parent_beacon_block_root(),
        execution_payload: data.payload,
    };
    assert!(engine.new_payload(&envelope).await.unwrap().is_valid());
    let state = crate::testing::forkchoice(block.hash);
    assert!(
        engine
            .fork_choice_updated(state, None)
            .await
            .unwrap()
            .is_valid()
    );
    assert_eq!(running.chain.head().hash, block.hash);
    running.stop().await;
}

#[tokio::test]
async fn no_request_without_the_right_token_gets_through() {
    let running = Running::start();
    let body = request("eth_chainId", &json!([]));
    let answer = post(running.handle.authrpc_addr(), &body).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let foreign = running.engine(&JwtSecret::random());
    let refusal = foreign
        .fork_choice_updated(crate::testing::forkchoice(B256::ZERO), None)
        .await;
    assert!(matches!(refusal, Err(ElError::Unauthorized(_))));
    let url = format!("ws://{}", running.handle.authrpc_addr());
    assert!(WsClientBuilder::default().build(&url).await.is_err());
    running.stop().await;
}

#[tokio::test]
async fn a_websocket_with_a_token_is_let_in() {
    let running = Running::start();
    let token = running
        .jwt
        .encode(&alloy_rpc_types_engine::Claims::default())
        .unwrap();
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer)]);
    let url = format!("ws://{}", running.handle.authrpc_addr());
    let client = WsClientBuilder::default()
        .set_headers(headers)
        .build(&url)
        .await
        .unwrap();
    let methods: Vec<String> = client
        .request("engine_exchangeCapabilities", rpc_params![[""; 0]])
        .await
        .unwrap();
    assert!(methods.contains(&"engine_newPayloadV4".to_owned()));
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn the_plain_port_has_no_engine_methods() {
    let running = Running::start();
    let addr = running.handle.http_addr();
    let chain_id: Value = post(addr, &request("eth_chainId", &json!([])))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(chain_id["result"], json!("0x385"));
    let refused: Value = post(addr, &request("engine_exchangeCapabilities", &json!([[]])))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(refused["error"]["code"], json!(-32601));
    running.stop().await;
}

#[tokio::test]
async fn a_batch_beyond_the_limit_is_refused_as_a_whole() {
    let running = Running::start();
    let batch = |count: usize| Value::Array(vec![request("eth_blockNumber", &json!([])); count]);
    let addr = running.handle.http_addr();
    let fits: Value = post(addr, &batch(20)).await.json().await.unwrap();
    assert_eq!(fits.as_array().unwrap().len(), 20);
    let refused: Value = post(addr, &batch(BATCH_MAX as usize + 1))
        .await
        .json()
        .await
        .unwrap();
    assert!(refused["error"]["code"].is_i64(), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn new_heads_are_pushed_in_order() {
    let running = Running::start();
    let url = format!("ws://{}", running.handle.http_addr());
    let client = WsClientBuilder::default().build(&url).await.unwrap();
    let mut heads: Subscription<Value> = client
        .subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe")
        .await
        .unwrap();
    for number in 1..=3u64 {
        let block = running.chain.extend();
        let head = heads.next().await.unwrap().unwrap();
        assert_eq!(head["hash"], json!(block.hash));
        assert_eq!(head["number"], json!(U64::from(number)));
    }
    let refused = client
        .subscribe::<Value, _>("eth_subscribe", rpc_params!["logs"], "eth_unsubscribe")
        .await;
    assert!(refused.is_err());
    // A subscription does not hold up the end.
    running.stop().await;
}

#[tokio::test]
async fn control_answers_on_the_plain_port_alone_also_while_the_process_is_dead() {
    let running = Running::start();
    running.chain.extend();
    let http = running.handle.http_addr();
    let call = async |method: &str, params: Value| {
        let answer = post(http, &request(method, &params)).await;
        answer.json::<Value>().await.unwrap()["result"].clone()
    };
    let status = call("dev_kill", json!([])).await;
    assert_eq!(status["alive"], json!(false));
    let body = request("eth_chainId", &json!([]));
    assert!(
        Client::new()
            .post(format!("http://{http}"))
            .json(&body)
            .send()
            .await
            .is_err()
    );
    let mut served = running.handle.watch_authrpc();
    served.wait_for(Option::is_none).await.unwrap();
    let authrpc = running.handle.authrpc_addr();
    let refused = tokio::net::TcpStream::connect(authrpc).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    let status = call("dev_restart", json!([1])).await;
    assert_eq!(status["latest"]["number"], json!(0));
    let life = running.chain.el.life();
    served.wait_for(|it| *it == Some(life)).await.unwrap();
    let unauthorized = post(authrpc, &request("dev_status", &json!([]))).await;
    assert_eq!(unauthorized.status(), StatusCode::UNAUTHORIZED);
    let status = call("dev_swapChain", json!(["0x386"])).await;
    assert_eq!(status["chainId"], json!(902));
    assert_eq!(call("eth_chainId", json!([])).await, json!("0x386"));
    call("dev_ownChain", json!([])).await;
    assert_eq!(call("eth_chainId", json!([])).await, json!("0x385"));
    assert_eq!(call("dev_wipe", json!([])).await["alive"], json!(true));

    assert_eq!(
        call("dev_fault", json!([{ "kind": "http503", "count": 1 }])).await,
        json!(true)
    );
    let spoilt = post(http, &body).await;
    assert_eq!(spoilt.status(), StatusCode::SERVICE_UNAVAILABLE);
    call("dev_fault", json!([{ "kind": "hang" }])).await;
    assert_eq!(call("dev_status", json!([])).await["fault"], json!("hang"));
    // Neither a request that hangs nor a fault holds up the end.
    let hanging = tokio::spawn(async move { post(http, &body).await.status() });
    let mut met = running.chain.el.faults_met();
    met.wait_for(|met| *met == 2).await.unwrap();
    running.stop().await;
    assert!(hanging.await.is_err());
}
