#![allow(clippy::unwrap_used)]

use super::*;
use light_node_l1::Transport;

/// A transport with one answer.
#[derive(Debug)]
struct Canned(Result<Vec<u8>, HttpError>);

#[async_trait]
impl Transport for Canned {
    async fn post(&self, _body: Vec<u8>, limit_bytes: usize) -> Result<Vec<u8>, HttpError> {
        match &self.0 {
            Ok(body) if body.len() > limit_bytes => Err(HttpError::TooLarge { limit_bytes }),
            other => other.clone(),
        }
    }

    fn name(&self) -> &str {
        "canned"
    }
}

/// A transport that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Transport for Silent {
    async fn post(&self, _body: Vec<u8>, _limit_bytes: usize) -> Result<Vec<u8>, HttpError> {
        std::future::pending().await
    }

    fn name(&self) -> &str {
        "silent"
    }
}

fn source(answer: Result<&str, HttpError>) -> HttpSource {
    let answer = answer.map(|body| body.as_bytes().to_vec());
    HttpSource::with_transport(Box::new(Canned(answer)), Duration::from_secs(10))
}

async fn failure(answer: Result<&str, HttpError>) -> SourceError {
    source(answer).status().await.unwrap_err()
}

fn http(source: HttpError) -> SourceError {
    let method = "optimism_syncStatus";
    SourceError::Http { method, source }
}

const HEAD: &str = r#"{"hash":"0x88e96d4537bea4d9c05d12549907b32561d3bf31f45aae734cdc119f13406cb6","number":7,
    "parentHash":"0x0000000000000000000000000000000000000000000000000000000000000000","timestamp":14,
    "l1origin":{"hash":"0x0000000000000000000000000000000000000000000000000000000000000000","number":3},
    "sequenceNumber":1}"#;

#[tokio::test]
async fn heads_are_read_whatever_else_the_answer_holds() {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"safe_l2":{HEAD},"finalized_l2":{HEAD},"novelty":[1]}}}}"#
    );
    let status = source(Ok(&body)).status().await.unwrap();
    assert_eq!(status.safe_l2.number, 7);
    assert_eq!(status.local_safe_l2, status.safe_l2);
}

#[tokio::test]
async fn every_way_to_fail_has_its_own_variant() {
    let cause = "connection refused".to_owned();
    let refused = HttpError::Connect { cause };
    assert_eq!(failure(Err(refused.clone())).await, http(refused));
    let limit_bytes = LIMIT_BYTES;
    let huge = "x".repeat(limit_bytes + 1);
    let too_large = http(HttpError::TooLarge { limit_bytes });
    assert_eq!(failure(Ok(&huge)).await, too_large);

    let html = failure(Ok("\n<!DOCTYPE html><html>")).await;
    assert!(matches!(html, SourceError::Html { .. }), "{html:?}");
    for broken in [r#"{"jsonrpc":"2.0","id":1,"result":{"safe_l2":{"ha"#, ""] {
        let broken = failure(Ok(broken)).await;
        assert!(matches!(broken, SourceError::Json { .. }), "{broken:?}");
    }
    let no_heads = format!(r#"{{"id":1,"result":{{"safe_l2":{HEAD}}}}}"#);
    for malformed in [
        r#"{"id":1,"result":null}"#,
        r#"{"id":1,"result":{"current_l1":{}}}"#,
        &no_heads,
    ] {
        let malformed = failure(Ok(malformed)).await;
        let is_malformed = matches!(malformed, SourceError::Malformed { .. });
        assert!(is_malformed, "{malformed:?}");
    }
    let rpc = failure(Ok(
        r#"{"id":1,"error":{"code":-32000,"message":"not\nready"}}"#,
    ));
    let rpc = rpc.await;
    assert!(rpc.to_string().ends_with(r"not\nready"), "{rpc}");
    assert!(
        matches!(rpc, SourceError::Rpc { code: -32000, .. }),
        "{rpc:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_ends_by_the_deadline() {
    let deadline = Duration::from_secs(10);
    let silent = HttpSource::with_transport(Box::new(Silent), deadline);
    let error = silent.status().await.unwrap_err();
    assert_eq!(error, http(HttpError::Timeout { deadline }));
}

#[tokio::test]
async fn a_method_that_is_not_served_is_no_error() {
    let unknown = r#"{"id":1,"error":{"code":-32601,"message":"the method does not exist"}}"#;
    assert_eq!(source(Ok(unknown)).follow_path().await, Ok(None));
    assert_eq!(source(Ok(unknown)).chain_identity().await, Ok(None));
    let odd = r#"{"id":1,"error":{"code":-32000,"message":"what is that?"}}"#;
    assert_eq!(source(Ok(odd)).follow_path().await, Ok(None));
    assert!(source(Ok(odd)).chain_identity().await.is_err());
    let forbidden = HttpError::Status {
        status: 403,
        retry_after: None,
    };
    assert_eq!(source(Err(forbidden)).follow_path().await, Ok(None));
    let broken = HttpError::Status {
        status: 500,
        retry_after: None,
    };
    assert!(source(Err(broken)).follow_path().await.is_err());
}

#[tokio::test]
async fn the_chain_is_read_from_a_config_of_any_other_form() {
    let body = format!(
        r#"{{"id":1,"result":{{"l1_chain_id":900,"l2_chain_id":901,"block_time":"odd",
        "genesis":{{"l1":{{"hash":"{0}","number":0}},"l2":{{"hash":"{0}","number":0}}}}}}}}"#,
        B256::repeat_byte(7)
    );
    let identity = source(Ok(&body)).chain_identity().await.unwrap().unwrap();
    assert_eq!((identity.l1_chain_id, identity.l2_chain_id), (900, 901));
    assert_eq!(identity.genesis_l2, B256::repeat_byte(7));
}

#[tokio::test]
async fn a_safe_head_of_the_past_is_read_and_one_of_a_later_l1_block_is_not_believed() {
    let body = format!(
        r#"{{"id":1,"result":{{"l1Block":{{"hash":"{0}","number":5}},"safeHead":{{"hash":"{0}","number":60}}}}}}"#,
        B256::repeat_byte(7)
    );
    let source = source(Ok(&body));
    let answer = source.safe_head_at_l1_block(6).await.unwrap();
    assert_eq!((answer.l1_block.number, answer.safe_head.number), (5, 60));
    let refused = source.safe_head_at_l1_block(4).await;
    assert!(matches!(refused, Err(SourceError::Malformed { .. })));
}

#[test]
fn credentials_do_not_get_into_the_name() {
    let name = |url: &str| {
        let url = Url::parse(url).unwrap();
        HttpSource::new(url, Duration::from_secs(1))
            .unwrap()
            .name()
            .to_owned()
    };
    assert_eq!(
        name("http://user:secret@host:9545/901?key=x"),
        "http://host:9545/901"
    );
    assert_eq!(name("https://host/v3/secret"), "https://host/...");
    let url = Url::parse("https://user:hunter2@host/hunter2?key=hunter2").unwrap();
    let source = HttpSource::new(url, Duration::from_secs(1)).unwrap();
    assert!(!format!("{source:#?}").contains("hunter2"));
    let refused = HttpSource::new(Url::parse("ws://host").unwrap(), Duration::from_secs(1));
    assert!(refused.unwrap_err().to_string().contains("not an http"));
}
