//! Started as another node: with only its variables, or with its flags. What means the same here works, what means nothing is
//! said once, and what would be dangerous to ignore ends the program.

use crate::helpers::{
    chain::{Chain, Settings},
    flags::DEAD,
    process::{NodeProcess, plain_command},
};
use serde_json::{Value, json};
use std::{fs, process::Output, time::Duration};

const LIMIT: Duration = Duration::from_secs(30);

/// Exit code and everything printed.
fn run(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = plain_command(args);
    command.envs(variables.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let printed = [stdout, stderr].concat();
    (status.code(), String::from_utf8(printed).unwrap())
}

/// The lines that the node logs about settings without effect.
fn warnings(node: &NodeProcess) -> Vec<Value> {
    let lines = node.printed();
    let lines = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["fields"]["message"] == "settings without effect")
        .collect()
}

/// What a harness sets that starts a kona-node as a subprocess, and the source to follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_harness_that_knows_kona_nodes_variables_only_gets_a_follower() {
    let chain = Chain::start(Settings::on_command()).await;
    let target = chain.step_until(|status| status.safe_l2.number >= 2).await;
    let endpoints = chain.endpoints();
    let jwt = endpoints.files.jwt.display().to_string();
    let rollup = endpoints.files.rollup.display().to_string();
    let key = chain.dir().join("p2p.key").display().to_string();
    let mut command = plain_command(&["node"]);
    command.envs([
        ("KONA_NODE_L1_ETH_RPC", endpoints.l1.as_str()),
        ("KONA_NODE_L1_BEACON", endpoints.l1.as_str()),
        ("KONA_NODE_L2_ENGINE_RPC", endpoints.spare.authrpc.as_str()),
        ("KONA_NODE_L2_ENGINE_AUTH", jwt.as_str()),
        ("KONA_NODE_ROLLUP_CONFIG", rollup.as_str()),
        ("KONA_NODE_L1_CHAIN_CONFIG", "/nowhere/l1.json"),
        ("KONA_NODE_P2P_PRIV_PATH", key.as_str()),
        ("KONA_NODE_P2P_NO_DISCOVERY", "true"),
        ("KONA_NODE_P2P_LISTEN_IP", "127.0.0.1"),
        ("KONA_NODE_P2P_LISTEN_TCP_PORT", "0"),
        ("KONA_NODE_P2P_LISTEN_UDP_PORT", "0"),
        ("KONA_NODE_RPC_ADDR", "127.0.0.1"),
        ("KONA_NODE_RPC_PORT", "0"),
        ("KONA_NODE_RPC_WS_ENABLED", "true"),
        ("KONA_NODE_MODE", "Validator"),
        ("KONA_METRICS_ENABLED", "true"),
        ("KONA_METRICS_PORT", "0"),
        ("KONA_LOG_LEVEL", "3"),
        ("KONA_LOG_STDOUT_FORMAT", "json"),
        ("KONA_NODE_L2_FOLLOW_SOURCE", endpoints.source.as_str()),
    ]);
    let node = NodeProcess::spawn(command);
    node.rpc().until_ready(LIMIT).await;
    let status = node.rpc().sync_status().await.unwrap();
    assert_eq!(status.safe_l2, target.safe_l2);
    let warnings = warnings(&node);
    let names = |words: &str| {
        let fields = warnings
            .iter()
            .map(|line| line["fields"]["names"].to_string());
        fields.filter(|names| names.contains(words)).count()
    };
    assert_eq!(names("KONA_NODE_L1_BEACON"), 1, "{warnings:#?}");
    assert_eq!(names("KONA_NODE_L1_CHAIN_CONFIG"), 1, "{warnings:#?}");
    assert_eq!(names("KONA_NODE_RPC_WS_ENABLED"), 0, "{warnings:#?}");
    assert_eq!(warnings.len(), 2, "one warning a reason: {warnings:#?}");
    // The key did not exist.
    let made = fs::read_to_string(&key).unwrap();
    assert_eq!(made.trim().len(), 64);
    let this = node.rpc().call("opp2p_self", json!([])).await.unwrap();
    let address = this["addresses"][0].as_str().unwrap();
    assert!(address.starts_with("/ip4/127.0.0.1/tcp/"), "{this}");
}

/// The command line of a unit as op-node's documentation has it, with what operators add.
#[test]
fn the_command_line_of_an_op_node_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let jwt = dir.path().join("jwt.hex");
    fs::write(&jwt, "5c".repeat(32)).unwrap();
    let (l1, l2) = (format!("--l1={DEAD}"), format!("--l2={DEAD}"));
    let jwt = format!("--l2.jwt-secret={}", jwt.display());
    let line = [
        "--network=op-sepolia",
        &l1,
        "--l1.beacon",
        DEAD,
        &l2,
        &jwt,
        "--l2.follow.source",
        DEAD,
        "--l2.follow.source.rpc-timeout=7s",
        "--l1.rpckind=alchemy",
        "--l1.trustrpc",
        "--l1.http-poll-interval=6s",
        "--syncmode=execution-layer",
        "--l2.enginekind=reth",
        "--verifier.l1-confs=4",
        "--p2p.listen.tcp",
        "9222",
        "--p2p.sync.req-resp=false",
        "--p2p.no-discovery",
        "--p2p.static=/ip4/127.0.0.1/tcp/1/p2p/16Uiu2HAmE1WrFWUZqGBvvjKvDf8FFLWdSbVYNPyRrPkjNnRzzxYM",
        "--safedb.path=/data/safedb",
        "--rpc.addr=0.0.0.0",
        "--rpc.port=8547",
        "--rpc.enable-admin=true",
        "--log.format=text",
        "--sequencer.enabled=false",
        "--pprof.enabled",
        "--snapshotlog.file=x",
        "--heartbeat.enabled=false",
    ];
    let (code, answer) = run(&[&["config", "check"], &line[..]].concat(), &[]);
    assert_eq!(code, Some(0), "{answer}");
    let (code, answer) = run(&[&["config", "show", "--json"], &line[..]].concat(), &[]);
    assert_eq!(code, Some(0), "{answer}");
    let all: Vec<Value> = serde_json::from_str(&answer).unwrap();
    let value = |flag: &str| {
        let one = all.iter().find(|one| one["flag"] == flag).unwrap();
        (one["value"].clone(), one["origin"]["name"].clone())
    };
    assert_eq!(
        value("--l1.trust-rpc"),
        (json!("true"), json!("--l1.trustrpc"))
    );
    let timeout = json!("--l2.follow.source.rpc-timeout");
    assert_eq!(value("--l2.follow.request-timeout"), (json!("7s"), timeout));
    assert_eq!(value("--rpc.enable-admin").0, "true");
    assert_eq!(value("--rpc.port").0, "8547");
}

#[test]
fn a_kona_nodes_flags_may_stand_before_the_subcommand() {
    let args = [
        "--chain",
        "11155420",
        "-vvv",
        "--metrics-like-flag-is-unknown=1",
    ];
    let (code, printed) = run(&[&args[..3], &["node", "--dump-config"]].concat(), &[]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("network = \"11155420\""), "{printed}");
    let (code, printed) = run(&[&args[..], &["node"]].concat(), &[]);
    assert_eq!(code, Some(2), "{printed}");
}

#[test]
fn what_would_be_dangerous_to_ignore_ends_the_program_with_the_reason() {
    for (flag, reason) in [
        (
            "--signer.header=Authorization=hunter2",
            "might refuse to sign",
        ),
        ("--p2p.mux=mplex", "carry yamux"),
        (
            "--l2.follow.skip-l1-check",
            "what a follower is protected by",
        ),
        ("--override.jovian=1", "rollup.json"),
        ("--l2-engine-jwt-encoded=hunter2", "put it into a file"),
    ] {
        let (code, printed) = run(&["node", flag], &[]);
        assert_eq!(code, Some(2), "{flag}: {printed}");
        let name = flag.split('=').next().unwrap();
        assert!(
            printed.contains(&format!("{name} cannot be followed")),
            "{printed}"
        );
        assert!(printed.contains(reason), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
    let (code, printed) = run(&["node"], &[("OP_NODE_P2P_MUX", "mplex")]);
    assert_eq!(code, Some(1), "{printed}");
    assert!(
        printed.contains("OP_NODE_P2P_MUX cannot be followed"),
        "{printed}"
    );
}

#[test]
fn the_table_of_names_can_be_printed() {
    let (code, table) = run(&["config", "aliases"], &[]);
    assert_eq!(code, Some(0), "{table}");
    assert!(
        table.contains("| `--l1-eth-rpc` | `L1_ETH_RPC` | `--l1` |"),
        "{table}"
    );
}
