//! Over HTTP.

use super::{
    websocket::{frame, websocket},
    *,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_stops_at_once_although_clients_do_not_read() {
    let server = TestServer::start(LIMITS).await;
    let mut stream = websocket(&server).await;
    let flood = frame(&call("blob")).repeat(1000);
    let _ = timeout(Duration::from_millis(300), stream.write_all(&flood)).await;
    let mut asking = server.connect().await;
    asking
        .write_all(post(&call("sleep")).as_bytes())
        .await
        .unwrap();
    let took = server.stop().await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_cap_get_pages_and_beyond_the_reserve_nothing() {
    let server = TestServer::start(LIMITS).await;
    let mut crowd = Vec::new();
    for _ in 0..LIMITS.connections {
        crowd.push(server.connect().await);
    }
    server
        .until("the crowd is in", |server| server.open() == 8)
        .await;
    let mut probe = server.connect().await;
    let line = status_line(&mut probe, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(line, "HTTP/1.1 200 OK");
    assert!(rest(&mut probe).await.contains("connection: close"));
    let mut asking = server.connect().await;
    let line = status_line(&mut asking, &post(&call("echo"))).await;
    assert_eq!(line, "HTTP/1.1 429 Too Many Requests");
    rest(&mut asking).await;

    let _reserve = [server.connect().await, server.connect().await];
    server
        .until("the reserve is full", |server| server.open() == 10)
        .await;
    let mut late = server.connect().await;
    assert_eq!(rest(&mut late).await, "");
    assert_eq!(server.rejected(), 1);
    // Nobody of them says a word, so all places are free again soon.
    server
        .until("the silent are gone", |server| server.open() == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_byte_by_byte_is_cut_off() {
    let server = TestServer::start(LIMITS).await;
    let mut slow = server.connect().await;
    let began = Instant::now();
    let request = "GET /healthz HTTP/1.1\r\nx-slow: "
        .chars()
        .chain("y".repeat(1000).chars())
        .collect::<String>();
    for byte in request.bytes() {
        if slow.write_u8(byte).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(began.elapsed() < LIMIT, "still taken");
    }
    let mut body = server.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    let line = status_line(&mut body, head).await;
    assert_eq!(line, "HTTP/1.1 408 Request Timeout");
    rest(&mut body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_lives_as_long_as_it_may() {
    let limits = Limits {
        idle: Duration::from_secs(3),
        head: Duration::from_secs(1),
        ..LIMITS
    };
    let server = TestServer::start(limits).await;
    let mut stream = server.connect().await;
    let page = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(status_line(&mut stream, page).await, "HTTP/1.1 200 OK");
    let answered = Instant::now();
    rest(&mut stream).await;
    let lived = answered.elapsed();
    // Longer than the head of a request may take.
    assert!(lived > Duration::from_millis(2500), "{lived:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_client_that_does_not_read_is_dropped() {
    let server = TestServer::start(LIMITS).await;
    let mut stream = server.connect().await;
    let flood = post(&call("blob")).repeat(2000);
    let _ = timeout(LIMIT, stream.write_all(flood.as_bytes()))
        .await
        .unwrap();
    server
        .until("it is dropped", |server| server.open() == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_by_its_status() {
    let server = TestServer::start(LIMITS).await;
    let large = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n";
    let chunked = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n11000\r\n{}\r\n",
        "[".repeat(0x11000)
    );
    let header = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(20_000)
    );
    let headers = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(100)
    );
    for (request, status) in [
        (large, "413 Payload Too Large"),
        (&chunked, "413 Payload Too Large"),
        (&header, "431 Request Header Fields Too Large"),
        (&headers, "431 Request Header Fields Too Large"),
    ] {
        let mut stream = server.connect().await;
        let line = status_line(&mut stream, request).await;
        assert_eq!(line, format!("HTTP/1.1 {status}"));
        rest(&mut stream).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_large_bodies_only_two_are_read_at_a_time() {
    let server = TestServer::start_with(LIMITS, true).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n\r\n";
    let mut first = [server.connect().await, server.connect().await];
    for stream in &mut first {
        stream.write_all(head.as_bytes()).await.unwrap();
    }
    let mut third = server.connect().await;
    let line = status_line(&mut third, head).await;
    // Either the others' time for their bodies is over by then, and so is its own, or it has waited too long for its turn.
    assert!(line.contains("429") || line.contains("408"), "{line}");
    let mut small = server.connect().await;
    let line = status_line(&mut small, &post(&call("echo"))).await;
    assert_eq!(line, "HTTP/1.1 200 OK");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_paths_and_types_are_refused() {
    let server = TestServer::start(LIMITS).await;
    for (request, status) in [
        ("GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n", "404 Not Found"),
        (
            "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
            "405 Method Not Allowed",
        ),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}",
            "415 Unsupported Media Type",
        ),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            "400 Bad Request",
        ),
    ] {
        let mut stream = server.connect().await;
        let line = status_line(&mut stream, request).await;
        assert_eq!(line, format!("HTTP/1.1 {status}"));
    }
}
