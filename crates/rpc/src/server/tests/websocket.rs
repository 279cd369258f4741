//! Over WebSocket.

use super::*;
use crate::config::{ANSWER_BYTES_MAX, CALLS_MAX};

/// An upgraded connection.
pub(super) async fn websocket(server: &TestServer) -> TcpStream {
    let mut stream = server.connect().await;
    let upgrade = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

/// A text frame as clients send it: masked, here with zeros.
pub(super) fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend((long as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// The text of the next frame that is one.
async fn next_text(stream: &mut TcpStream) -> String {
    loop {
        let mut head = [0; 2];
        timeout(LIMIT, stream.read_exact(&mut head))
            .await
            .unwrap()
            .unwrap();
        let length = match head[1] & 0x7f {
            126 => u64::from(stream.read_u16().await.unwrap()),
            127 => stream.read_u64().await.unwrap(),
            short => u64::from(short),
        };
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if head[0] & 0xf == 1 {
            return String::from_utf8(payload).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_client_that_floods_and_never_reads_is_held_back_and_dropped() {
    let server = TestServer::start(LIMITS).await;
    let mut stream = websocket(&server).await;
    let flood = frame(&call("blob")).repeat(10_000);
    let written = timeout(LIMIT, async {
        let mut written = 0;
        while let Ok(count) = stream.write(&flood).await {
            written += count;
        }
        written
    });
    // It ends because the server closes the connection.
    let written = written.await.expect("the flood goes on for ever");
    let answered = server.metric(
        r#"light_node_rpc_server_request_duration_seconds_count{method="blob",result="ok"}"#,
    );
    // What the system buffers on both sides, and what we hold: nothing of it grows with the flood. Few answers are large.
    let held = (ANSWER_BYTES_MAX / BLOB_BYTES + CALLS_MAX) as u64;
    let buffered_by_system = 10_000_000 / BLOB_BYTES as u64;
    assert!(
        answered <= held + buffered_by_system,
        "{answered} calls were answered for a client that reads nothing ({written} bytes came)"
    );
    server
        .until("its place is free", |server| server.open() == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_garbage_over_websocket_is_held_back_too() {
    let server = TestServer::start(LIMITS).await;
    let mut stream = websocket(&server).await;
    let flood = frame("x").repeat(100_000);
    let ended = timeout(LIMIT, async {
        let mut written = 0_usize;
        while let Ok(count) = stream.write(&flood).await {
            written += count;
        }
        written
    });
    let written = ended.await.expect("the flood goes on for ever");
    assert!(written < 40 << 20, "{written} bytes were taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_client_that_reads_gets_every_answer_of_a_flood() {
    const CALLS: usize = 20_000;
    let server = TestServer::start(LIMITS).await;
    let stream = websocket(&server).await;
    let (mut reading, mut writing) = stream.into_split();
    let sender = tokio::spawn(async move {
        let flood = frame(&call("echo")).repeat(CALLS);
        writing.write_all(&flood).await.unwrap();
        writing
    });
    let mut bytes = vec![0; 1 << 16];
    let mut came = 0;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":[]}"#.len() + 2;
    while came < CALLS * answer {
        came += timeout(LIMIT, reading.read(&mut bytes))
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(server.calls.load(Ordering::Relaxed), CALLS as u64);
    sender.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_websocket_are_answered_while_others_hang() {
    let server = TestServer::start(LIMITS).await;
    let mut stream = websocket(&server).await;
    for _ in 1..CALLS_MAX {
        stream.write_all(&frame(&call("sleep"))).await.unwrap();
    }
    stream.write_all(&frame(&call("echo"))).await.unwrap();
    let answer: Value = serde_json::from_str(&next_text(&mut stream).await).unwrap();
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 1, "result": [] }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_reads_is_dropped() {
    let server = TestServer::start(LIMITS).await;
    let mut stream = websocket(&server).await;
    stream.write_all(&frame(&call("numbers"))).await.unwrap();
    server
        .until("it is dropped", |server| server.open() == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_client_that_answers_no_ping_is_dropped() {
    let server = TestServer::start(LIMITS).await;
    let mut stream = websocket(&server).await;
    // It reads, so that only the missing answers can be the reason.
    rest(&mut stream).await;
    server
        .until("its place is free", |server| server.open() == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_message_above_the_limit_ends_the_connection() {
    let server = TestServer::start(LIMITS).await;
    let mut stream = websocket(&server).await;
    let mut head = vec![0x81, 0x80 | 127];
    head.extend((64 * 1024 + 1_u64).to_be_bytes());
    stream.write_all(&head).await.unwrap();
    rest(&mut stream).await;
}
