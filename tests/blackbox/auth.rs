//! The secret shared with the execution layer.

use crate::helpers::{
    chain::{Chain, Settings},
    door::Door,
    process::{NodeProcess, ends_saying},
    wait::until,
};
use light_node_protocol::Hardfork;
use std::{fs, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const LIMIT: Duration = Duration::from_secs(60);

/// An execution layer whose secret is another one.
async fn refusing() -> SocketAddr {
    const REFUSAL: &[u8] =
        b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    async fn refuse(mut client: TcpStream) {
        let _ = client.read(&mut [0; 4096]).await;
        let _ = client.write_all(REFUSAL).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(refuse(client));
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_jwt_ends_the_node_after_half_a_minute() {
    let chain = Chain::start(Settings::on_command()).await;
    let secret = chain.dir().join("foreign.hex");
    fs::write(&secret, "0x".to_owned() + &"ab".repeat(32)).unwrap();
    let flags = chain.flags().with("--l2.jwt-secret", secret.display());
    ends_saying(
        &flags,
        &[
            "refused our JWT",
            "401",
            "--l2.jwt-secret",
            "--authrpc.jwtsecret",
            "clock",
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwt_that_is_refused_after_the_first_success_is_waited_for() {
    let chain = Chain::start(Settings::by_clock(Hardfork::Jovian)).await;
    let mut door = Door::new();
    door.lead_to(chain.spare_el_authrpc());
    let node = NodeProcess::start(&chain.flags().with("--l2", door.url()));
    let rpc = node.rpc();
    rpc.until_ready(LIMIT).await;
    door.lead_to(refusing().await);
    // At the start half a minute of this ends the node.
    until("half a minute of refusals", LIMIT, || async {
        let (_, page) = rpc.page("/status").await;
        let failing = page["execution_layer"]["failing_seconds"].as_f64();
        if failing.is_some_and(|seconds| seconds > 35.0) {
            Ok(())
        } else {
            Err(page["execution_layer"].clone())
        }
    })
    .await;
    let (status, page) = rpc.page("/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(page["reasons"][0]["reason"], "el_unreachable", "{page}");
    let detail = page["reasons"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("refused our JWT"), "{detail}");
    door.lead_to(chain.spare_el_authrpc());
    rpc.until_ready(LIMIT).await;
}
