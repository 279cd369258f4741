//! Against a server of a few lines that answers as each test says.

mod tls;

use super::*;
use crate::test_chain;
use alloy_signer_local::PrivateKeySigner;
use std::time::Instant;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

/// What the server answers to each request.
#[derive(Clone)]
enum Script {
    /// This body, with this status.
    Body(u16, String),
    /// A body without an end.
    Endless,
    /// Nothing at all.
    Silence,
}

struct Server {
    endpoint: url::Url,
    asked: mpsc::UnboundedReceiver<Value>,
}

async fn server(script: Script) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = serve(stream, &script, &tell).await;
        }
    });
    Server {
        endpoint: endpoint.parse().unwrap(),
        asked,
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &Script,
    tell: &mpsc::UnboundedSender<Value>,
) -> io::Result<()> {
    let mut request = Vec::new();
    let body = loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await?;
        request.extend_from_slice(&part[..read]);
        let end = request.windows(4).position(|four| four == b"\r\n\r\n");
        let body = end.map(|end| &request[end + 4..]);
        if let Some(Ok(body)) = body.map(serde_json::from_slice::<Value>) {
            break body;
        }
    };
    tell.send(body).unwrap();
    match script {
        Script::Body(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await
        }
        Script::Endless => {
            stream.write_all(b"HTTP/1.1 200 x\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 4096]).await?;
            }
        }
        // Until the client gives up.
        Script::Silence => stream.read(&mut [0]).await.map(drop),
    }
}

fn result(result: Value) -> Script {
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    Script::Body(200, answer.to_string())
}

fn client_of(server: &Server) -> RemoteSignerClient {
    let config = RemoteSigner {
        endpoint: server.endpoint.clone(),
        address: test_chain::key().address(),
        ca_path: None,
        identity: None,
    };
    RemoteSignerClient::new(config, test_chain::CHAIN_ID).unwrap()
}

const HASH: B256 = B256::repeat_byte(0xab);
const DEADLINE: Duration = Duration::from_secs(10);

fn signature_by(key: &PrivateKeySigner) -> [u8; SIGNATURE_LEN] {
    signature::sign(key, signature::digest(test_chain::CHAIN_ID, HASH)).unwrap()
}

#[tokio::test]
async fn a_signer_is_told_hash_chain_and_account_and_its_signature_is_taken() {
    let signature = signature_by(&test_chain::key());
    let mut server = server(result(json!(hex::encode_prefixed(signature)))).await;
    let signed = client_of(&server).sign(HASH, DEADLINE).await.unwrap();
    assert_eq!(signed, signature);
    let asked = server.asked.recv().await.unwrap();
    assert_eq!(asked["method"], "opsigner_signBlockPayload");
    let arguments = &asked["params"][0];
    assert_eq!(arguments["domain"], json!(vec![0; 32]));
    assert_eq!(arguments["chainId"], test_chain::CHAIN_ID);
    assert_eq!(arguments["payloadHash"], BASE64_STANDARD.encode(HASH));
    let sender: Address = arguments["senderAddress"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(sender, test_chain::key().address());
}

#[tokio::test]
async fn other_shapes_of_the_same_signature_are_taken() {
    let signature = signature_by(&test_chain::key());
    let mut as_in_transactions = signature;
    as_in_transactions[64] += 27;
    for answer in [
        json!({ "signature": hex::encode_prefixed(signature) }),
        json!(hex::encode(signature)),
        json!(hex::encode_prefixed(as_in_transactions)),
    ] {
        let server = server(result(answer)).await;
        let signed = client_of(&server).sign(HASH, DEADLINE).await.unwrap();
        assert_eq!(signed, signature);
    }
}

#[tokio::test]
async fn a_signature_by_another_account_is_refused_by_name() {
    let stranger = test_chain::key_of(0x66);
    let answer = json!(hex::encode_prefixed(signature_by(&stranger)));
    let server = server(result(answer)).await;
    let error = client_of(&server).sign(HASH, DEADLINE).await.unwrap_err();
    assert!(
        error.to_string().contains(&stranger.address().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_signature_is_refused() {
    for answer in [
        json!("0x"),
        json!("0x1234"),
        json!(7),
        json!({}),
        json!(hex::encode([0_u8; 65])),
    ] {
        let server = server(result(answer)).await;
        client_of(&server).sign(HASH, DEADLINE).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_signers_words_also_under_an_http_error() {
    let refusal = json!({ "error": { "code": -32000, "message": "unknown account" } });
    for status in [200, 500] {
        let server = server(Script::Body(status, refusal.to_string())).await;
        let error = client_of(&server).sign(HASH, DEADLINE).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the block signer refuses: unknown account (code -32000)"
        );
    }
}

#[tokio::test]
async fn an_http_error_and_a_body_that_is_no_json_are_told_apart() {
    let forbidden = server(Script::Body(403, "no".to_owned())).await;
    let error = client_of(&forbidden)
        .sign(HASH, DEADLINE)
        .await
        .unwrap_err();
    assert!(matches!(error, RemoteSignerError::Status { status: 403 }));
    let chatty = server(Script::Body(200, "hello".to_owned())).await;
    let error = client_of(&chatty).sign(HASH, DEADLINE).await.unwrap_err();
    assert!(matches!(error, RemoteSignerError::NoAnswer));
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_to_its_end() {
    let server = server(Script::Endless).await;
    let error = client_of(&server).sign(HASH, DEADLINE).await.unwrap_err();
    assert!(matches!(error, RemoteSignerError::NoAnswer));
}

#[tokio::test]
async fn a_signer_that_is_silent_is_given_up_in_time() {
    let server = server(Script::Silence).await;
    let start = Instant::now();
    let error = client_of(&server)
        .sign(HASH, Duration::from_millis(300))
        .await;
    assert!(matches!(error, Err(RemoteSignerError::Unreachable(_))));
    assert!(start.elapsed() < DEADLINE);
}

#[tokio::test]
async fn a_signer_that_is_away_is_named_without_its_address() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server {
        endpoint: format!("http://user:secret@{gone}").parse().unwrap(),
        asked: mpsc::unbounded_channel().1,
    };
    let error = client_of(&server).sign(HASH, DEADLINE).await.unwrap_err();
    let words = light_node_actor::in_words(&error);
    assert!(
        words.contains("does not answer") && !words.contains("secret"),
        "{words}"
    );
}

#[tokio::test]
async fn the_status_of_a_signer_is_its_version_in_few_words() {
    let mut server = server(result(json!(format!("1.2.3{}", "x".repeat(1000))))).await;
    let version = client_of(&server).status().await.unwrap();
    assert!(version.starts_with("1.2.3x") && version.len() == WORDS_MAX);
    assert_eq!(
        server.asked.recv().await.unwrap()["method"],
        "health_status"
    );
}

#[test]
fn certificates_that_are_not_there_or_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let broken = folder.path().join("broken.pem");
    fs::write(
        &broken,
        "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let with = |ca_path: Option<PathBuf>, identity| {
        let config = RemoteSigner {
            endpoint: "https://127.0.0.1:1".parse().unwrap(),
            address: Address::ZERO,
            ca_path,
            identity,
        };
        RemoteSignerClient::new(config, 1).map(drop)
    };
    let read = with(Some(missing.clone()), None);
    assert!(matches!(read, Err(RemoteSignerConfigError::Read { path, .. }) if path == missing));
    let pem = with(Some(broken.clone()), None);
    assert!(matches!(
        pem,
        Err(RemoteSignerConfigError::Pem { .. } | RemoteSignerConfigError::Tls(_))
    ));
    let pem = with(None, Some((broken.clone(), broken)));
    assert!(matches!(pem, Err(RemoteSignerConfigError::Pem { .. })));
}
