//! `light-node doctor`: nothing to say about a healthy set-up, and for each broken one the finding that names it. It changes nothing
//! on the execution layer.

use crate::helpers::{
    chain::{Chain, Settings},
    deriving,
    flags::{DEAD, Flags},
    process::{NodeProcess, plain_command},
};
use light_node_devnet_l1::{Fault, FaultKind};
use light_node_protocol::Hardfork;
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener as AsyncListener,
};

const LIMIT: Duration = Duration::from_secs(30);

/// The promise, and some seconds for a machine that runs all tests at once.
const PROMISED: Duration = Duration::from_secs(15);

/// What the doctor says: exit code and findings.
struct Examined {
    code: Option<i32>,
    report: Value,
}

impl Examined {
    fn of(flags: &Flags) -> Self {
        let started = Instant::now();
        let output = plain_command(&["doctor", "--json"])
            .args(flags.args())
            .output()
            .unwrap();
        assert!(started.elapsed() < PROMISED, "{:?}", started.elapsed());
        let printed = String::from_utf8(output.stdout).unwrap();
        let report = serde_json::from_str(&printed).unwrap_or_else(|error| {
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!("{error}: {printed}{errors}")
        });
        Self {
            code: output.status.code(),
            report,
        }
    }

    /// Ids of the findings of a severity.
    fn ids(&self, severity: &str) -> Vec<&str> {
        let findings = self.report["findings"].as_array().unwrap();
        let found = findings.iter().filter(|one| one["severity"] == severity);
        found.map(|one| one["id"].as_str().unwrap()).collect()
    }

    fn detail(&self, id: &str) -> &str {
        let mut findings = self.report["findings"].as_array().unwrap().iter();
        let finding = findings.find(|one| one["id"] == id).unwrap();
        finding["detail"].as_str().unwrap()
    }

    fn assert_errors(&self, ids: &[&str]) {
        assert_eq!(self.ids("error"), ids, "{:#}", self.report);
        assert_eq!(self.code, Some(1));
        assert_eq!(self.report["healthy"], false);
        for finding in self.report["findings"].as_array().unwrap() {
            let must_have_fix = finding["severity"] == "error" || finding["severity"] == "warning";
            assert_eq!(finding["fix"].is_string(), must_have_fix, "{finding}");
        }
    }
}

/// A chain that has begun, and whose blocks come on command.
async fn begun() -> Chain {
    let chain = Chain::start(Settings::on_command()).await;
    chain.step_until(|status| status.safe_l2.number >= 1).await;
    chain
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A server that answers everything with a web page.
async fn website() -> String {
    const PAGE: &str = "<html>Welcome</html>";
    let listener = AsyncListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = client.read(&mut request).await;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{PAGE}",
                    PAGE.len()
                );
                let _ = client.write_all(answer.as_bytes()).await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_set_up_is_healthy_before_and_while_the_node_runs() {
    let chain = Chain::start(Settings::by_clock(Hardfork::Jovian)).await;
    let mut statuses = chain.source().subscribe();
    let begun = statuses.wait_for(|status| status.safe_l2.number >= 1);
    drop(tokio::time::timeout(LIMIT, begun).await.unwrap().unwrap());
    let flags = chain
        .flags()
        .with("--rpc.port", free_port())
        .with("--metrics.port", free_port());
    let head = || async {
        chain
            .spare_el_rpc()
            .call("eth_blockNumber", json!([]))
            .await
    };
    let before = head().await;
    let examined = Examined::of(&flags);
    assert_eq!(examined.ids("error"), [""; 0], "{:#}", examined.report);
    assert_eq!(examined.ids("warning"), [""; 0], "{:#}", examined.report);
    assert_eq!(examined.code, Some(0));
    assert_eq!(examined.report["healthy"], true);
    for id in [
        "L1_CHAIN_ID",
        "EL_JWT",
        "EL_GENESIS",
        "SOURCE_CHAIN",
        "CLOCK_OFFSET",
    ] {
        assert!(examined.ids("ok").contains(&id), "{id}");
    }
    assert_eq!(head().await, before, "the doctor moved the execution layer");

    let node = NodeProcess::start(&flags);
    node.rpc().until_ready(LIMIT).await;
    let examined = Examined::of(&flags);
    assert_eq!(examined.ids("error"), [""; 0], "{:#}", examined.report);
    for port in ["RPC_PORT", "METRICS_PORT"] {
        let detail = examined.detail(port);
        assert!(detail.contains("a light-node runs there"), "{detail}");
        assert!(!detail.contains("unknown"), "{detail}");
    }
    assert_eq!(examined.detail("NODE_READY"), "/readyz: ok");

    // Two nodes in a row are no cycle.
    let second = chain
        .flags()
        .with("--rpc.port", free_port())
        .with("--l2.follow.source", format!("http://{}", node.addr()));
    let examined = Examined::of(&second);
    assert_eq!(examined.ids("error"), [""; 0], "{:#}", examined.report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_broken_endpoint_has_its_finding() {
    let chain = begun().await;
    let flags = chain.flags();
    let dead_l1 = flags.clone().with("--l1", DEAD);
    Examined::of(&dead_l1).assert_errors(&["L1_REACHABLE"]);
    let dead_el = flags.clone().with("--l2", DEAD);
    Examined::of(&dead_el).assert_errors(&["EL_REACHABLE"]);
    let dead_source = flags.clone().with("--l2.follow.source", DEAD);
    Examined::of(&dead_source).assert_errors(&["SOURCE_REACHABLE"]);
    let plain_port = chain.spare_el_http();
    Examined::of(&flags.clone().with("--l2", plain_port)).assert_errors(&["EL_ENGINE_PORT"]);
    let website = website().await;
    let page = flags.clone().with("--l2.follow.source", &website);
    Examined::of(&page).assert_errors(&["SOURCE_ANSWER"]);
    Examined::of(&flags.clone().with("--l1", &website)).assert_errors(&["L1_ANSWER"]);
    Examined::of(&flags.clone().with("--l2", &website))
        .assert_errors(&["EL_ENGINE_PORT", "EL_ANSWER"]);
    let port = free_port();
    let itself = flags
        .clone()
        .with("--rpc.port", port)
        .with("--l2.follow.source", format!("http://127.0.0.1:{port}"));
    Examined::of(&itself).assert_errors(&["SOURCE_CYCLE"]);
    // A name without an address is one trouble, not two.
    let nameless = flags.clone().with("--l2", "http://op-reth.invalid:8551");
    Examined::of(&nameless).assert_errors(&["DNS"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    Examined::of(&flags.with("--rpc.port", port)).assert_errors(&["RPC_PORT"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_runs_and_does_not_follow_is_asked_why() {
    let chain = begun().await;
    let flags = chain.flags().with("--rpc.port", free_port());
    let node = NodeProcess::start(&flags.clone().with("--l1", DEAD));
    let examined = Examined::of(&flags);
    assert_eq!(examined.ids("error"), [""; 0], "{:#}", examined.report);
    assert_eq!(examined.ids("warning"), ["NODE_READY"]);
    let (_, page) = node.rpc().page("/readyz").await;
    let reason = page["reasons"][0]["reason"].as_str().unwrap();
    assert!(examined.detail("NODE_READY").contains(reason), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_of_another_chain_are_named() {
    let chain = begun().await;
    let other = Chain::start(Settings {
        fork: Hardfork::Isthmus,
        ..Settings::on_command()
    })
    .await;
    let flags = chain.flags();
    let source = flags
        .clone()
        .with("--l2.follow.source", other.source().url());
    Examined::of(&source).assert_errors(&["SOURCE_CHAIN"]);
    let config = |pointer: &str, value: Value| {
        let mut config: Value =
            serde_json::from_slice(&fs::read(chain.rollup_config()).unwrap()).unwrap();
        *config.pointer_mut(pointer).unwrap() = value;
        let path = chain.dir().join("other.json");
        fs::write(&path, config.to_string()).unwrap();
        Examined::of(&flags.clone().with("--rollup.config", path.display()))
    };
    let hash = |digits: &str| json!("0x".to_owned() + &digits.repeat(32));
    config("/l1_chain_id", json!(1)).assert_errors(&["L1_CHAIN_ID", "SOURCE_CHAIN"]);
    config("/genesis/l1/hash", hash("34")).assert_errors(&["L1_GENESIS", "SOURCE_CHAIN"]);
    config("/l2_chain_id", json!(902)).assert_errors(&["EL_CHAIN_ID", "SOURCE_CHAIN"]);
    config("/genesis/l2/hash", hash("12")).assert_errors(&["EL_GENESIS", "SOURCE_CHAIN"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_set_up_of_a_node_that_derives_is_healthy() {
    let chain = Chain::start(Settings::by_clock(Hardfork::Jovian)).await;
    let mut statuses = chain.source().subscribe();
    // The newest L1 block is not asked about, and the batches are in one before it.
    let begun = statuses.wait_for(|status| status.finalized_l2.number >= 1);
    drop(tokio::time::timeout(LIMIT, begun).await.unwrap().unwrap());
    let flags = deriving::flags(&chain);
    let examined = Examined::of(&flags);
    assert_eq!(examined.ids("error"), [""; 0], "{:#}", examined.report);
    assert_eq!(examined.ids("warning"), [""; 0], "{:#}", examined.report);
    for id in [
        "L1_CHAIN_CONFIG",
        "BEACON_REACHABLE",
        "BEACON_CHAIN",
        "BEACON_BLOBS",
        "UPGRADE_BUNDLE",
        "SAFEDB_PATH",
    ] {
        assert!(examined.ids("ok").contains(&id), "{:#}", examined.report);
    }
    assert!(!chain.dir().join("safedb").exists(), "the doctor made it");
    // Who follows needs none of it.
    let examined = Examined::of(&chain.flags());
    assert!(!examined.report.to_string().contains("BEACON"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_a_beacon_is_named() {
    let chain = begun().await;
    // The newest L1 block is not asked about.
    chain.l1().mine(1).unwrap();
    let flags = deriving::flags(&chain);
    let beacon = |url: &str| Examined::of(&flags.clone().with("--l1.beacon", url));
    beacon(DEAD).assert_errors(&["BEACON_REACHABLE"]);
    beacon(&website().await).assert_errors(&["BEACON_ANSWER"]);
    let other = Chain::start(Settings {
        fork: Hardfork::Isthmus,
        l1_block_seconds: 3,
        ..Settings::on_command()
    })
    .await;
    // However far the first one has come.
    other.l1().mine(400).unwrap();
    beacon(&other.endpoints().beacon).assert_errors(&["BEACON_CHAIN"]);
    for kind in [FaultKind::WithheldBlobs, FaultKind::MissedSlot] {
        let l1 = chain.l1();
        l1.set_fault(Fault::until_cleared(kind));
        let id = match kind {
            FaultKind::WithheldBlobs => "BEACON_BLOBS",
            _ => "BEACON_CHAIN",
        };
        Examined::of(&flags).assert_errors(&[id]);
        l1.clear_fault();
    }
    // One that is down is no error beside one that works.
    let both = [DEAD, &chain.endpoints().beacon].join(",");
    let examined = beacon(&both);
    assert_eq!(examined.ids("error"), [""; 0], "{:#}", examined.report);
    // Blocks on command may be ahead of the clock, which is another warning.
    assert!(examined.ids("warning").contains(&"BEACON_REACHABLE"));
    Examined::of(&flags.without("--l1.beacon")).assert_errors(&["CONFIG"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_derivation_needs_are_examined() {
    let chain = begun().await;
    let flags = deriving::flags(&chain);
    let file = |name: &str, content: String| {
        let path = chain.dir().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let genesis = fs::read(&chain.endpoints().files.l1_genesis).unwrap();
    let mut genesis: Value = serde_json::from_slice(&genesis).unwrap();
    genesis["config"]["chainId"] = json!(1);
    let foreign = file("foreign.json", genesis.to_string());
    let config = |path: &str| Examined::of(&flags.clone().with("--l1.chain-config", path));
    config(foreign.to_str().unwrap()).assert_errors(&["L1_CHAIN_CONFIG"]);
    config("/nowhere/genesis.json").assert_errors(&["L1_CHAIN_CONFIG"]);
    let bundle = file("bundle.json", r#"{ "transactions": [] }"#.to_owned());
    let bundle = flags
        .clone()
        .with("--rollup.upgrade-bundle", bundle.display());
    let examined = Examined::of(&bundle);
    examined.assert_errors(&["UPGRADE_BUNDLE"]);
    let below_a_file = chain.rollup_config().join("safedb");
    let safedb = flags.clone().with("--safedb.path", below_a_file.display());
    Examined::of(&safedb).assert_errors(&["SAFEDB_PATH"]);

    let mut rollup: Value =
        serde_json::from_slice(&fs::read(chain.rollup_config()).unwrap()).unwrap();
    let begun = rollup["genesis"]["l2_time"].as_u64().unwrap();
    rollup["karst_time"] = json!(begun + 10 * 86_400);
    let karst = file("karst.json", rollup.to_string());
    let examined = Examined::of(&flags.with("--rollup.config", karst.display()));
    assert!(examined.ids("warning").contains(&"UPGRADE_BUNDLE"));
    let detail = examined.detail("UPGRADE_BUNDLE");
    assert!(detail.contains("karst activates in"), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_is_examined_as_file_and_as_key() {
    let chain = begun().await;
    let secret = |name: &str, content: String, mode: u32| {
        let path = chain.dir().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Examined::of(&chain.flags().with("--l2.jwt-secret", path.display()))
    };
    secret("foreign.hex", "ab".repeat(32), 0o600).assert_errors(&["EL_JWT"]);
    secret("short.hex", "ab".to_owned(), 0o600).assert_errors(&["JWT_FILE"]);
    let missing = chain.flags().with("--l2.jwt-secret", "/nowhere/jwt.hex");
    Examined::of(&missing).assert_errors(&["JWT_FILE"]);
    // A directory cannot be read as a file, by nobody.
    let unreadable = chain.flags().with("--l2.jwt-secret", chain.dir().display());
    Examined::of(&unreadable).assert_errors(&["JWT_FILE"]);
    let foreign = secret("open.hex", "ab".repeat(32), 0o644);
    assert_eq!(foreign.ids("warning"), ["JWT_PERMISSIONS"]);
}

#[test]
fn a_configuration_that_cannot_be_read_is_a_finding_and_credentials_are_not_shown() {
    let flags = Flags::dead("/nowhere/jwt.hex").without("--l1").with(
        "--l2.follow.source",
        "http://user:hunter2@127.0.0.1:1/v3/hunter2?key=hunter2",
    );
    let examined = Examined::of(&flags);
    examined.assert_errors(&["CONFIG", "JWT_FILE", "EL_REACHABLE", "SOURCE_REACHABLE"]);
    assert!(!examined.report.to_string().contains("hunter2"));
}

#[test]
fn people_get_lines_and_a_wrong_flag_is_another_exit_code() {
    let flags = Flags::dead("/nowhere/jwt.hex");
    let output = plain_command(&["doctor"])
        .args(flags.args())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("✗ JWT_FILE"), "{printed}");
    assert!(printed.contains("  fix: "), "{printed}");
    // What is wrong scrolls away behind what is not: the last line names it again.
    let last = printed.lines().last().unwrap_or_default();
    for id in ["JWT_FILE", "L1_REACHABLE"] {
        assert!(last.contains(id), "{last}");
    }
    assert!(output.stderr.is_empty());
    let output = plain_command(&["doctor", "--no-such-flag"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
