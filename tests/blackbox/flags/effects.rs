//! Effects of flags that no behaviour's own test shows.

use crate::helpers::{
    chain::{Chain, Settings},
    flags::Flags,
    process::{NodeProcess, Process, plain_command},
    recorder::{Recorder, asks},
    rpc::Rpc,
    wait::until,
};
use serde_json::{Value, json};
use std::{fs, sync::Mutex, time::Duration};

/// A test that is slow because the machine is busy must not fail; one whose flag is ignored must.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn the_log_has_the_form_asked_for() {
    for (format, is_so) in [
        ("json", (|line| line.starts_with('{')) as fn(&str) -> bool),
        ("logfmt", |line| line.contains("level=info")),
        ("pretty", |line| line.contains(" INFO ")),
        ("text", |line| line.contains(" INFO ")),
    ] {
        let (_dir, flags) = Flags::lonely();
        let flags = flags.with("--log.format", format);
        let node = Process::spawn(plain_command(&flags.args()));
        let line = node.wait_for("the RPC address", LIMIT, |line| {
            line.contains("RPC server bound").then(|| line.to_owned())
        });
        assert!(is_so(&line), "{format}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_serves_the_network_asked_for() {
    for (network, chain_id) in [("op-sepolia", 11_155_420), ("8453", 8453)] {
        let (_dir, flags) = Flags::lonely();
        let node = NodeProcess::start(&flags.with("--network", network));
        let config = node.rpc().call("optimism_rollupConfig", json!([])).await;
        assert_eq!(config.unwrap()["l2_chain_id"], chain_id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_is_asked_as_often_as_said() {
    let chain = Chain::start(Settings::on_command()).await;
    let source = Recorder::new(&chain.endpoints().source, |_, answer| answer).await;
    let flags = chain.flags().with("--l2.follow.source", source.url());
    let _node = NodeProcess::start(&flags.with("--l2.follow.poll-interval", "50ms"));
    let is_poll = |request: &Value| asks(request, "optimism_syncStatus", "");
    let polls = source.until_asked(30, LIMIT, is_poll).await;
    // By default it would take the most of 30 s.
    assert!(polls[29] - polls[0] < Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_of_l1_are_asked_for_as_often_as_said() {
    let chain = Chain::start(Settings::on_command()).await;
    let l1 = Recorder::new(&chain.endpoints().l1, |_, answer| answer).await;
    let flags = chain.flags().with("--l1", l1.url());
    let _node = NodeProcess::start(&flags.with("--l1.epoch-poll-interval", "200ms"));
    // By default they are asked for each 384 s.
    let is_label = |request: &Value| asks(request, "eth_getBlockByNumber", "finalized");
    l1.until_asked(5, LIMIT, is_label).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_head_of_l1_is_asked_for_when_the_next_block_is_due() {
    let chain = Chain::start(Settings::on_command()).await;
    let l1 = Recorder::new(&chain.endpoints().l1, |_, answer| answer).await;
    let flags = chain.flags().with("--l1", l1.url());
    let _node = NodeProcess::start(&flags.with("--l1.slot-duration", "200ms"));
    let is_head = |request: &Value| asks(request, "eth_getBlockByNumber", "latest");
    let heads = l1.until_asked(20, LIMIT, is_head).await;
    // By default a late block is asked for each 2 s.
    assert!(heads[19] - heads[0] < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_hangs_is_given_up_after_the_time_said() {
    let chain = Chain::start(Settings::on_command()).await;
    for (endpoint, deadline) in [
        ("--l1", "--l1.request-timeout"),
        ("--l2.follow.source", "--l2.follow.request-timeout"),
    ] {
        let hanging = Recorder::hanging().await;
        let flags = chain.flags().with(endpoint, hanging.url());
        let _node = NodeProcess::start(&flags.with(deadline, "200ms"));
        let asked = hanging.until_asked(2, LIMIT, |_| true).await;
        // By default the first request alone may take 10 s and 5 s.
        let after = asked[1] - asked[0];
        assert!(after < Duration::from_secs(4), "{deadline}: {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_older_than_said_is_stale() {
    let chain = Chain::start(Settings::on_command()).await;
    let first = Mutex::new(None);
    let source = Recorder::new(&chain.endpoints().source, move |request, answer| {
        if asks(request, "optimism_syncStatus", "") {
            let mut first = first.lock().unwrap();
            let first: &Value = first.get_or_insert_with(|| answer["result"].clone());
            return json!({ "jsonrpc": "2.0", "id": request["id"], "result": first });
        }
        answer
    })
    .await;
    chain.step_until(|status| status.safe_l2.number >= 2).await;
    let flags = chain.flags().with("--l2.follow.source", source.url());
    let node = NodeProcess::start(&flags.with("--l2.follow.max-age", "5s"));
    node.rpc().until_ready(LIMIT).await;
    // Ten seconds of L1 time. By default a source may be two minutes old.
    chain.l1().mine(10).unwrap();
    until("the stale source", LIMIT, || async {
        let (_, page) = node.rpc().page("/readyz").await;
        if page.to_string().contains("stale") {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_with_unknown_fields_is_believed_where_l1_is_trusted() {
    let chain = Chain::start(Settings::on_command()).await;
    chain.step_until(|status| status.safe_l2.number >= 2).await;
    // What a coming fork adds to a header changes its hash; here a field that is there is changed instead.
    fn with_another_field(answer: &mut Value) {
        match answer {
            Value::Array(answers) => answers.iter_mut().for_each(with_another_field),
            answer => {
                if let Some(field) = answer.pointer_mut("/result/extraData") {
                    *field = json!("0x1234");
                }
            }
        }
    }
    let l1 = Recorder::new(&chain.endpoints().l1, |_, mut answer| {
        with_another_field(&mut answer);
        answer
    })
    .await;
    let flags = chain.flags().with("--l1", l1.url());
    let node = NodeProcess::start(&flags);
    until("the distrust", LIMIT, || async {
        let (_, page) = node.rpc().page("/readyz").await;
        if page.to_string().contains("\"l1_") {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
    drop(node);
    let node = NodeProcess::start(&flags.with_switch("--l1.trust-rpc"));
    node.rpc().until_ready(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_of_a_devnet_is_the_one_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let datadir = format!("--datadir={}", dir.path().display());
    let times = ["--block-time=3s", "--l1-block-time=1s", "--fork=isthmus"];
    let args = [&["devnet", "--followers=0", &datadir], &times[..]].concat();
    let process = Process::spawn(plain_command(&args));
    let name = dir.path().canonicalize().unwrap().display().to_string();
    let is_printed = |line: &str| line.contains(&name).then_some(());
    process.wait_for("the directory of the files", LIMIT, is_printed);
    let json = |file: &str| -> Value {
        serde_json::from_slice(&fs::read(dir.path().join(file)).unwrap()).unwrap()
    };
    let rollup = json("rollup.json");
    assert_eq!(rollup["block_time"], 3);
    assert_eq!(rollup["isthmus_time"], 0);
    assert!(rollup["jovian_time"].is_null(), "{rollup}");
    let l1 = Rpc::url(json("endpoints.json")["l1"].as_str().unwrap());
    let times = until("two L1 blocks", LIMIT, || async {
        let mut times = Vec::new();
        for number in ["0x1", "0x2"] {
            let block = l1
                .call("eth_getBlockByNumber", json!([number, false]))
                .await?;
            let time = block["timestamp"].as_str().ok_or_else(|| block.clone())?;
            times.push(u64::from_str_radix(time.trim_start_matches("0x"), 16).unwrap());
        }
        Ok::<_, Value>(times)
    })
    .await;
    assert_eq!(times[1] - times[0], 1);
}

/// Exit code and stdout of a command that ends by itself.
fn answer(args: &[&str]) -> (Option<i32>, String) {
    let output = plain_command(args).output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn a_health_check_asks_the_node_that_is_named() {
    let (dir, flags) = Flags::lonely();
    let node = NodeProcess::start(&flags.with("--rpc.addr", "127.0.0.2"));
    let (addr, port) = (node.addr().ip(), node.addr().port());
    let file = dir.path().join("node.toml");
    fs::write(&file, format!("[rpc]\naddr = \"{addr}\"\nport = {port}\n")).unwrap();
    let url = format!("--url=http://{addr}:{port}");
    let file = format!("--config={}", file.display());
    let (addr, port) = (format!("--rpc.addr={addr}"), format!("--rpc.port={port}"));
    for named in [&[url.as_str()] as &[&str], &[&file], &[&addr, &port]] {
        let code = |more: &[&str]| answer(&[&["healthcheck"], more, named].concat()).0;
        assert_eq!(code(&["--live"]), Some(0), "{named:?}");
        // It lives, and it is not ready: nothing listens at its endpoints.
        assert_eq!(code(&[]), Some(1), "{named:?}");
    }
    assert_eq!(
        answer(&["healthcheck", "--live", &port]).0,
        Some(1),
        "the address was not taken"
    );
    assert_eq!(
        answer(&["healthcheck", "--live", &addr, "--rpc.port=1"]).0,
        Some(1)
    );
}

#[test]
fn a_doctor_answers_in_json_where_asked_to() {
    let (_dir, flags) = Flags::lonely();
    let mut args = flags.args();
    args.insert(0, "doctor".to_owned());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (code, text) = answer(&args);
    assert_eq!(code, Some(1), "{text}");
    assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
    let (code, text) = answer(&[&args[..], &["--json"]].concat());
    assert_eq!(code, Some(1), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["healthy"], false);
    assert!(report["findings"].is_array(), "{report}");
}
