//! Over real sockets with real time, because this is where they are.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{L1Config, L1Watcher};
use light_node_protocol::BlockNumHash;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Serves one connection with `answer`, and returns what the client sent.
async fn exchange(
    answer: &'static [u8],
    path: &str,
    limit_bytes: usize,
) -> (Result<Vec<u8>, HttpError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://user:secret@{}{path}",
        listener.local_addr().unwrap()
    );
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"[1]") {
            socket.read_buf(&mut request).await.unwrap();
        }
        socket.write_all(answer).await.unwrap();
        socket.shutdown().await.unwrap();
        String::from_utf8(request).unwrap()
    });
    let transport = HttpTransport::new(url.parse().unwrap()).unwrap();
    let outcome = transport.post(b"[1]".to_vec(), limit_bytes).await;
    (outcome, server.await.unwrap())
}

#[tokio::test]
async fn a_body_goes_out_with_credentials_and_path_and_an_answer_comes_back() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue";
    let (outcome, request) = exchange(answer, "/901", 4).await;
    assert_eq!(outcome.unwrap(), b"true");
    assert!(request.starts_with("POST /901 HTTP/1.1"), "{request}");
    assert!(request.contains("authorization: Basic "), "{request}");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_cut_off() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue";
    let (outcome, _) = exchange(answer, "/", 3).await;
    assert_eq!(outcome, Err(HttpError::TooLarge { limit_bytes: 3 }));
}

#[tokio::test]
async fn a_status_keeps_its_retry_after_and_a_redirect_is_not_followed() {
    let answer = b"HTTP/1.1 429 Too Many\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
    let (outcome, _) = exchange(answer, "/", 9).await;
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(
        outcome,
        Err(HttpError::Status {
            status: 429,
            retry_after
        })
    );
    let answer =
        b"HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (outcome, _) = exchange(answer, "/", 9).await;
    assert_eq!(
        outcome,
        Err(HttpError::Status {
            status: 307,
            retry_after: None
        })
    );
}

#[tokio::test]
async fn a_connection_that_breaks_within_the_body_is_told_from_one_that_is_refused() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\ntrue";
    let (outcome, _) = exchange(answer, "/", 99).await;
    assert!(
        matches!(outcome, Err(HttpError::Broken { .. })),
        "{outcome:?}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/key", listener.local_addr().unwrap());
    drop(listener);
    let transport = HttpTransport::new(url.parse().unwrap()).unwrap();
    let Err(HttpError::Connect { cause }) = transport.post(b"[1]".to_vec(), 9).await else {
        panic!("not refused");
    };
    assert!(cause.to_lowercase().contains("refused"), "{cause}");
}

#[test]
fn a_beacon_s_path_goes_below_its_url_and_its_key_stays() {
    for (base, path, expected) in [
        ("http://b", "/eth/v1/x", "http://b/eth/v1/x"),
        (
            "http://b/",
            "/eth/v1/x?a=1&a=2",
            "http://b/eth/v1/x?a=1&a=2",
        ),
        ("http://b/key/", "/eth/v1/x", "http://b/key/eth/v1/x"),
        (
            "http://b/?k=9",
            "/eth/v1/x?a=1",
            "http://b/eth/v1/x?k=9&a=1",
        ),
    ] {
        let base = base.parse().unwrap();
        assert_eq!(below(&base, path).as_str(), expected);
    }
}

#[tokio::test]
async fn a_beacon_is_asked_by_get_with_credentials() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://user:secret@{}/key", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            socket.read_buf(&mut request).await.unwrap();
        }
        let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(answer).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    let transport = HttpTransport::new(url.parse().unwrap()).unwrap();
    let outcome = transport.get("/eth/v1/beacon/genesis", 9).await;
    let status = HttpError::Status {
        status: 404,
        retry_after: None,
    };
    assert_eq!(outcome, Err(status));
    let request = server.await.unwrap();
    assert!(
        request.starts_with("GET /key/eth/v1/beacon/genesis HTTP/1.1"),
        "{request}"
    );
    assert!(request.contains("authorization: Basic "), "{request}");
}

#[test]
fn nobody_s_debug_output_shows_credentials() {
    let url: Url = "https://user:hunter2@host/v3/hunter2?key=hunter2"
        .parse()
        .unwrap();
    let transport = HttpTransport::new(url.clone()).unwrap();
    let config = L1Config::new(vec![url], 1, BlockNumHash::default());
    let debug = format!("{transport:#?} {config:#?}");
    assert!(debug.contains("https://host/..."), "{debug}");
    assert!(!debug.contains("hunter2"), "{debug}");
    let debug = format!("{:#?}", L1Watcher::new(config).unwrap());
    assert!(!debug.contains("hunter2"), "{debug}");
}
