#![allow(clippy::unwrap_used)]

mod server;
mod shapes;

use super::*;
use crate::{JwtRefusal, JwtSecret, memory::ChainBuilder};
use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_engine::Claims;
use axum::{http::StatusCode, response::IntoResponse};
use server::{Server, answer};
use std::io::Write;

const SECRET: [u8; 32] = [7; 32];

fn engine_with(url: &Url, jwt: JwtSource, config: RollupConfig, read: Duration) -> HttpEngine {
    let deadlines = ElDeadlines {
        read,
        ..Default::default()
    };
    let rollup_config = Arc::new(config);
    HttpEngine::new(HttpEngineConfig {
        url: url.clone(),
        jwt,
        rollup_config,
        deadlines,
    })
    .unwrap()
}

fn engine(url: &Url) -> HttpEngine {
    let jwt = JwtSource::Secret(JwtSecret::from_bytes(SECRET));
    engine_with(
        url,
        jwt,
        (*ChainBuilder::new().config()).clone(),
        Duration::from_secs(10),
    )
}

/// True if an EL with `secret` would accept `token`; its time of issue is within the allowed minute then.
fn is_token_of(secret: [u8; 32], token: &str) -> bool {
    let secret = alloy_primitives::hex::encode(secret);
    let secret = alloy_rpc_types_engine::JwtSecret::from_hex(secret).unwrap();
    secret.validate(token).is_ok()
}

fn issued_at(token: &str) -> u64 {
    // The middle part is base64url without padding of `{"iat":<seconds>}`.
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = 0u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for letter in token.split('.').nth(1).unwrap().chars() {
        bits = (bits << 6) | u32::try_from(digits.find(letter).unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    serde_json::from_slice::<Claims>(&bytes).unwrap().iat
}

#[tokio::test]
async fn every_request_has_a_token_that_was_issued_for_it() {
    let server = Server::results(|_| json!("0x385")).await;
    let engine = engine(&server.url);
    let start = Claims::with_current_timestamp().iat;
    // Tokens have whole seconds: once the next second has begun, a request must have another one.
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while Claims::with_current_timestamp().iat < start + 2 {
        ticks.tick().await;
        assert_eq!(engine.chain_id().await.unwrap(), 901);
    }
    let seen = server.seen();
    let (first, last) = (seen.first().unwrap(), seen.last().unwrap());
    assert!(
        seen.iter()
            .all(|request| is_token_of(SECRET, &request.token))
    );
    assert!(issued_at(&first.token) >= start);
    assert!(issued_at(&last.token) > issued_at(&first.token));
    assert_ne!(first.body["id"], last.body["id"]);
}

#[tokio::test]
async fn a_changed_secret_is_read_again_after_one_refusal() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{}", alloy_primitives::hex::encode([1; 32])).unwrap();
    let server = Server::start(|seen| {
        if is_token_of(SECRET, &seen.token) {
            answer(&json!({ "id": seen.body["id"], "result": "0x1" }))
        } else {
            StatusCode::UNAUTHORIZED.into_response()
        }
    })
    .await;
    let jwt = JwtSource::File(file.path().to_owned());
    let engine = engine_with(
        &server.url,
        jwt,
        Default::default(),
        Duration::from_secs(10),
    );

    // Still the old secret in the file: one retry, then the error.
    let refused = refusal(&engine).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.secret_file.as_deref(), Some(file.path()));
    assert_eq!(refused.secret_error, None);
    assert_eq!(server.seen().len(), 2);

    std::fs::write(file.path(), alloy_primitives::hex::encode_prefixed(SECRET)).unwrap();
    assert_eq!(engine.chain_id().await, Ok(1));
    assert_eq!(server.seen().len(), 4);
    assert_eq!(engine.chain_id().await, Ok(1));
    assert_eq!(server.seen().len(), 5);

    // A file that is gone: no second attempt.
    std::fs::write(file.path(), alloy_primitives::hex::encode([2; 32])).unwrap();
    let other = engine_with(
        &server.url,
        JwtSource::File(file.path().to_owned()),
        Default::default(),
        Duration::from_secs(10),
    );
    drop(file);
    let refused = refusal(&other).await;
    assert!(
        refused
            .secret_error
            .is_some_and(|words| words.contains("there is no JWT secret"))
    );
    assert_eq!(server.seen().len(), 6);
}

async fn refusal(engine: &HttpEngine) -> Box<JwtRefusal> {
    match engine.chain_id().await {
        Err(ElError::Unauthorized(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refusal_says_how_far_the_clock_of_the_execution_layer_is_off() {
    let an_hour_ago = std::time::SystemTime::now() - Duration::from_secs(3_600);
    let date = httpdate::fmt_http_date(an_hour_ago);
    let server = Server::start(move |_| {
        (StatusCode::UNAUTHORIZED, [("date", date.clone())]).into_response()
    })
    .await;
    let offset = refusal(&engine(&server.url)).await.clock_offset_secs;
    assert!(
        offset.is_some_and(|offset| (-3_605..=-3_595).contains(&offset)),
        "{offset:?}"
    );

    let broken =
        Server::start(|_| (StatusCode::UNAUTHORIZED, [("date", "yesterday")]).into_response())
            .await;
    assert_eq!(refusal(&engine(&broken.url)).await.clock_offset_secs, None);
}

#[tokio::test]
async fn http_errors_and_bodies_that_are_no_answer_are_typed() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/forbidden" => StatusCode::FORBIDDEN.into_response(),
        "/unavailable" => (StatusCode::SERVICE_UNAVAILABLE, "later").into_response(),
        "/moved" => (StatusCode::FOUND, [("location", "/ok")]).into_response(),
        "/html" => "<html>welcome</html>".into_response(),
        "/truncated" => r#"{"jsonrpc":"2.0","id":1,"resu"#.into_response(),
        "/other-id" => answer(&json!({ "id": 99, "result": "0x1" })),
        "/null" => answer(&json!({ "id": 1, "result": null })),
        "/large" => "[".repeat(2_000).into_response(),
        path => panic!("no such path: {path}"),
    })
    .await;
    let method = "eth_chainId";
    let ask = async |path: &str| {
        let mut engine = engine(&server.url.join(path).unwrap());
        engine.transport.set_max_body_bytes(1_000);
        engine.chain_id().await.unwrap_err()
    };
    match ask("/forbidden").await {
        ElError::Unauthorized(refusal) => assert_eq!(refusal.status, 403),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        ask("/unavailable").await,
        ElError::Http {
            method,
            status: 503
        }
    );
    assert_eq!(
        ask("/moved").await,
        ElError::Http {
            method,
            status: 302
        }
    );
    for (path, words) in [
        ("/html", "<html>"),
        ("/truncated", "EOF"),
        ("/other-id", "id"),
        ("/null", "null"),
        ("/large", "larger than 1000 bytes"),
    ] {
        match ask(path).await {
            ElError::Malformed { cause, .. } => assert!(cause.contains(words), "{path}: {cause}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_execution_layer_that_hangs_or_is_down_does_not_hold_the_caller() {
    // Bound, never accepted from: the connection stands in the backlog and no byte ever comes.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let deadline = Duration::from_millis(100);
    let jwt = JwtSource::Secret(JwtSecret::from_bytes(SECRET));
    let engine = engine_with(&url, jwt, Default::default(), deadline);
    let error = engine.chain_id().await.unwrap_err();
    assert_eq!(
        error,
        ElError::Timeout {
            method: "eth_chainId",
            deadline
        }
    );

    // Bound without listening: refused, and nobody else can take the port meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url: Url = format!("http://{}/", socket.local_addr().unwrap())
        .parse()
        .unwrap();
    match self::engine(&url).chain_id().await.unwrap_err() {
        ElError::Transport { endpoint, cause } => {
            assert_eq!(endpoint, redact_url(&url));
            assert!(!cause.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn blocks_are_one_batch_and_answers_may_come_in_any_order() {
    let server = Server::start(|seen| {
        let requests = seen.body.as_array().unwrap();
        let answers = requests
            .iter()
            .rev()
            .map(|request| match request["params"][0].as_str() {
                Some("safe") => json!({ "id": request["id"],
                "error": { "code": -32000, "message": "safe block not found" } }),
                _ => json!({ "id": request["id"], "result": null }),
            });
        answer(&answers.collect())
    })
    .await;
    let engine = engine(&server.url);
    let hash = B256::repeat_byte(5);
    let safe = BlockId::Number(BlockNumberOrTag::Safe);
    let found = engine
        .blocks(&[hash.into(), BlockId::number(16), safe])
        .await
        .unwrap();
    assert_eq!(found, [None, None, None]);

    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    let sent: Vec<(&Value, &Value)> = seen[0]
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|request| (&request["method"], &request["params"]))
        .collect();
    assert_eq!(
        sent[0],
        (&json!("eth_getBlockByHash"), &json!([hash, true]))
    );
    assert_eq!(
        sent[1],
        (&json!("eth_getBlockByNumber"), &json!(["0x10", true]))
    );
    assert_eq!(
        sent[2],
        (&json!("eth_getBlockByNumber"), &json!(["safe", true]))
    );
    assert_eq!(engine.blocks(&[]).await.unwrap(), []);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn every_request_is_measured_by_method_and_result() {
    let server = Server::start(|seen| {
        if seen.body.is_array() {
            return "<html>".into_response();
        }
        match seen.body["method"].as_str() {
            Some("eth_chainId") => answer(&json!({ "id": seen.body["id"], "result": "0x1" })),
            Some(BLOCK_BY_NUMBER) => StatusCode::TOO_MANY_REQUESTS.into_response(),
            _ => StatusCode::UNAUTHORIZED.into_response(),
        }
    })
    .await;
    let engine = engine(&server.url);
    engine.chain_id().await.unwrap();
    engine.block(BlockId::latest()).await.unwrap_err();
    let ids = [BlockId::latest(), BlockId::number(1)];
    engine.blocks(&ids).await.unwrap_err();
    let state = ForkchoiceState::default();
    engine.fork_choice_updated(state, None).await.unwrap_err();

    let mut catalogue = light_node_metrics::Catalogue::new();
    RequestMetrics::register_all(&[engine.requests().clone()], &mut catalogue, false);
    let exposition = catalogue.encode();
    for (method, result) in [
        ("eth_chainId", "ok"),
        ("eth_getBlockByNumber", "rate_limited"),
        ("eth_batch", "malformed"),
        ("engine_forkchoiceUpdatedV3", "unauthorized"),
    ] {
        let line = format!(r#"_count{{rpc="engine-api",method="{method}",result="{result}"}} 1"#);
        assert!(exposition.contains(&line), "{line}\n{exposition}");
    }
}

#[tokio::test]
async fn one_block_is_a_plain_request() {
    let server = Server::results(|_| Value::Null).await;
    assert_eq!(
        engine(&server.url).block(BlockId::latest()).await.unwrap(),
        None
    );
    assert!(server.seen()[0].body.is_object());
}

#[tokio::test]
async fn client_version_is_asked_in_three_ways_before_it_is_unknown() {
    let versions =
        json!([{ "code": "RH", "name": "Reth", "version": "v1.8.1", "commit": "fa4ff922" }]);
    let strict = Server::start(move |seen| {
        let known = seen.body["params"][0]["code"] == "RH";
        let body = if known {
            json!({ "id": seen.body["id"], "result": versions })
        } else {
            json!({ "id": seen.body["id"], "error": { "code": -32602, "message": "unknown code" } })
        };
        answer(&body)
    })
    .await;
    let version = engine(&strict.url).client_version().await.unwrap();
    assert_eq!(version.as_deref(), Some("Reth v1.8.1 (fa4ff922)"));

    let mute = Server::start(|seen| {
        let error = json!({ "code": -32601, "message": "method not found" });
        answer(&json!({ "id": seen.body["id"], "error": error }))
    })
    .await;
    assert_eq!(engine(&mute.url).client_version().await.unwrap(), None);
    assert_eq!(mute.seen().len(), 3);
}

#[test]
fn configuration_errors_and_debug_show_no_credentials() {
    let config = |url: &str| HttpEngineConfig {
        url: url.parse().unwrap(),
        jwt: JwtSource::Secret(JwtSecret::from_bytes(SECRET)),
        rollup_config: Arc::default(),
        deadlines: ElDeadlines::default(),
    };
    let new = |url: &str| HttpEngine::new(config(url));
    let debug = format!("{:?}", config("http://user:hunter2@localhost:8551/hunter2"));
    assert!(debug.contains("http://localhost:8551"), "{debug}");
    assert!(!debug.contains("hunter2"), "{debug}");
    let error = new("http://user:hunter2@localhost:8551/?key=hunter2").unwrap_err();
    assert!(matches!(error, HttpEngineError::Credentials { .. }));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(matches!(
        new("ws://localhost:8551").unwrap_err(),
        HttpEngineError::Scheme { .. }
    ));

    let engine = new("http://localhost:8551/hunter2?key=hunter2").unwrap();
    assert_eq!(engine.endpoint(), "http://localhost:8551/...");
    let debug = format!("{engine:?}");
    assert!(!debug.contains("hunter2") && !debug.contains(&alloy_primitives::hex::encode(SECRET)));
}

#[tokio::test]
async fn storage_roots_are_read_with_the_header_in_one_batch() {
    let server = Server::start(|seen| {
        let requests = seen.body.as_array().unwrap();
        let answers = requests
            .iter()
            .map(|request| json!({ "id": request["id"], "result": null }));
        answer(&answers.collect())
    })
    .await;
    let (address, block) = (Address::repeat_byte(0x16), B256::repeat_byte(5));
    let error = engine(&server.url)
        .storage_root(address, block)
        .await
        .unwrap_err();
    assert_eq!(error, ElError::unknown_block("eth_getBlockByHash"));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body[0]["params"], json!([block, false]));
    assert_eq!(seen[0].body[1]["method"], "eth_getProof");
    assert_eq!(seen[0].body[1]["params"], json!([address, [], block]));
}
