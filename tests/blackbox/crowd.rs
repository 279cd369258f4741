//! Many clients, and clients that mean no good, at the real binary: its memory, its end, its probes and its forkchoice updates
//! do not depend on them.

use crate::helpers::{
    chain::{Chain, Settings},
    flags::Flags,
    process::{NodeProcess, command},
    scrape::{metric, metrics_url_of, scrape},
    wait::until,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::{
    process::Command,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(30);

/// Lines of the log with this message.
fn said(node: &NodeProcess, message: &str) -> usize {
    let is_it = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["fields"]["message"] == message
    };
    node.printed().iter().filter(|line| is_it(line)).count()
}

/// Upgrades to WebSocket and sends calls until `until`, without ever reading; says how many bytes went out.
async fn flood_by_websocket(node: &NodeProcess, until: Instant) -> usize {
    let mut stream = TcpStream::connect(node.addr()).await.unwrap();
    let upgrade = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"optimism_rollupConfig"}"#;
    let mut frame = vec![0x81, 0x80 | call.len() as u8, 0, 0, 0, 0];
    frame.extend(call.as_bytes());
    let frames = frame.repeat(1000);
    let mut written = 0;
    while Instant::now() < until {
        match timeout(Duration::from_millis(200), stream.write(&frames)).await {
            Ok(Ok(count)) => written += count,
            Ok(Err(_)) => return written,
            Err(_) => {}
        }
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_over_websocket_cost_no_memory_and_delay_no_end() {
    let (_dir, flags) = Flags::lonely();
    let node = NodeProcess::start(&flags);
    node.rpc()
        .call("optimism_rollupConfig", json!([]))
        .await
        .unwrap();
    let resident = "process_resident_memory_bytes";
    let before = metric(&node, resident).await;
    let end = Instant::now() + Duration::from_secs(3);
    let floods = [
        flood_by_websocket(&node, end),
        flood_by_websocket(&node, end),
        flood_by_websocket(&node, end),
    ];
    let written = futures::future::join_all(floods).await;
    let grown = metric(&node, resident).await - before;
    println!("{written:?} bytes of calls, {grown} bytes more memory");
    assert!(grown < 24.0 * 1024.0 * 1024.0, "{grown} bytes more");
    let last = tokio::spawn(async move {
        let flood = flood_by_websocket(&node, Instant::now() + Duration::from_millis(500)).await;
        (node, flood)
    });
    let (node, _) = last.await.unwrap();
    let (status, after) = tokio::task::spawn_blocking(|| node.stop(Signal::SIGTERM))
        .await
        .unwrap();
    assert!(status.success(), "{status}");
    // The promise is one second; the other is for a machine that runs all tests at once.
    assert!(after < Duration::from_secs(2), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_out_of_file_descriptors_says_so_once_and_goes_on_when_it_has_some() {
    let (_dir, flags) = Flags::lonely();
    let limited = {
        let node = command(&flags.args());
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]);
        limited.arg(node.get_program()).args(node.get_args());
        limited
    };
    let node = NodeProcess::spawn(limited);
    let refusal = "cannot accept connections: raise the limit of open files (ulimit -n)";
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(TcpStream::connect(node.addr()).await.unwrap());
    }
    until("the refusal", LIMIT, || async {
        if said(&node, refusal) == 1 {
            Ok(())
        } else {
            Err(said(&node, refusal))
        }
    })
    .await;
    drop(crowd);
    until("a place", LIMIT, || async {
        let answer = reqwest::get(format!("http://{}/healthz", node.addr())).await;
        match answer {
            Ok(answer) if answer.status() == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    // It is sure of that only after a while.
    until("the word that all is well", LIMIT, || async {
        drop(TcpStream::connect(node.addr()).await);
        match said(&node, "connections are accepted again") {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(said(&node, refusal), 1);
    let cpu = metric(&node, "process_cpu_seconds_total").await;
    assert!(cpu < 2.0, "{cpu} s: it spins");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_crowd_does_not_keep_probes_out() {
    let (_dir, flags) = Flags::lonely();
    let node = NodeProcess::start(&flags);
    let mut crowd = Vec::new();
    for _ in 0..800 {
        crowd.push(TcpStream::connect(node.addr()).await.unwrap());
    }
    let open = r#"light_node_rpc_server_connections{server="rpc"}"#;
    until("the cap", LIMIT, || async {
        let open = metric(&node, open).await;
        if (512.0..=544.0).contains(&open) {
            Ok(())
        } else {
            Err(open)
        }
    })
    .await;
    until("a probe's answer", LIMIT, || async {
        let answer = reqwest::get(format!("http://{}/healthz", node.addr())).await;
        match answer {
            Ok(answer) if answer.status() == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let rejected = r#"light_node_rpc_server_rejected_connections_total{server="rpc"}"#;
    assert!(metric(&node, rejected).await >= 200.0);
    // The crowd has not been let go for the probe's sake.
    assert!(metric(&node, open).await >= 500.0);
}

/// How many forkchoice updates were answered, and how many of them within a second.
async fn forkchoices(node: &NodeProcess) -> (f64, f64) {
    let page = scrape(&metrics_url_of(node)).await;
    let sum = |part: &str| -> f64 {
        let name = "light_node_engine_forkchoice_updated_duration_seconds_";
        let lines = page
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{part}")));
        let lines = lines.filter(|line| part != "bucket" || line.contains(r#"le="1.0""#));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    (sum("count"), sum("bucket"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_calls_does_not_hold_up_forkchoice_updates() {
    let chain = Chain::start(Settings::on_command()).await;
    chain.step_until(|status| status.safe_l2.number >= 2).await;
    let node = NodeProcess::start(&chain.flags());
    node.rpc().until_ready(LIMIT).await;
    let (before, quick_before) = forkchoices(&node).await;
    let mut flood = JoinSet::new();
    for method in [
        "optimism_syncStatus",
        "optimism_outputAtBlock",
        "optimism_rollupConfig",
    ] {
        for _ in 0..16 {
            let rpc = node.rpc();
            flood.spawn(async move {
                loop {
                    let _ = rpc.call(method, json!(["0x1"])).await;
                }
            });
        }
    }
    let first = node.rpc().sync_status().await.unwrap().safe_l2.number;
    for step in 1..=10 {
        let theirs = chain
            .step_until(|status| status.safe_l2.number >= first + step)
            .await;
        until("the source's safe head", LIMIT, || async {
            let ours = node.rpc().sync_status().await?.safe_l2.number;
            if ours >= theirs.safe_l2.number {
                Ok(())
            } else {
                Err(json!(ours))
            }
        })
        .await;
    }
    flood.shutdown().await;
    let calls = metric(
        &node,
        r#"light_node_rpc_server_request_duration_seconds_count{method="optimism_syncStatus",result="ok"}"#,
    )
    .await;
    let (after, quick_after) = forkchoices(&node).await;
    println!(
        "{calls} calls of one method, {} forkchoice updates",
        after - before
    );
    assert!(calls > 500.0, "{calls}: that is no flood");
    assert!(after - before >= 10.0);
    assert_eq!(
        after - before,
        quick_after - quick_before,
        "some took longer than a second"
    );
}
