//! A real execution layer beside the binary, started from the chain's own genesis file in a directory of its own. Which program it
//! is an environment variable says; where that is unset the test says so and ends.

use super::{chain::Chain, flags::Flags, rpc::Rpc, wait::until};
use alloy_primitives::B256;
use serde_json::json;
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write as _},
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tempfile::TempDir;

/// How long it may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Where ports are looked for.
const PORTS: Range<u16> = 10_000..32_000;

/// Lines of its log that a failed test shows.
const LOG_LINES: usize = 60;

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RealElKind {
    OpGeth,
    OpReth,
}

impl RealElKind {
    /// The environment variable with the path of the program.
    const fn variable(self) -> &'static str {
        match self {
            Self::OpGeth => "LIGHT_NODE_TEST_EL_OP_GETH",
            Self::OpReth => "LIGHT_NODE_TEST_EL_OP_RETH",
        }
    }

    fn program(self) -> Option<PathBuf> {
        let program = std::env::var_os(self.variable()).filter(|path| !path.is_empty());
        if program.is_none() {
            // Not by `eprintln`, which says nothing where a test passes.
            let _ = writeln!(
                io::stderr(),
                "skipped: {} names no program",
                self.variable()
            );
        }
        program.map(PathBuf::from)
    }

    /// Arguments that make `data` a new chain of `genesis`.
    fn init_args(self, data: &Path, genesis: &Path) -> Vec<String> {
        let (data, genesis) = (data.display(), genesis.display());
        let args = match self {
            Self::OpGeth => format!("init --datadir={data} --state.scheme=hash {genesis}"),
            Self::OpReth => format!("init --datadir={data} --chain={genesis}"),
        };
        words(&args)
    }

    /// Arguments that run it without any peer.
    fn run_args(self, data: &Path, genesis: &Path, jwt: &Path, ports: &Ports) -> Vec<String> {
        let (data, genesis, jwt) = (data.display(), genesis.display(), jwt.display());
        let own = match self {
            Self::OpGeth => String::from(
                "--networkid=901 --syncmode=full --gcmode=archive --state.scheme=hash --nodiscover --nat=none --cache=64 \
                 --rollup.superchain-upgrades=false --rollup.disabletxpoolgossip=true",
            ),
            Self::OpReth => format!("node --chain={genesis} --disable-discovery"),
        };
        let Ports { http, engine, p2p } = ports;
        words(&format!(
            "{own} --datadir={data} --ipcdisable --port={p2p} --authrpc.port={engine} --authrpc.jwtsecret={jwt} \
             --http --http.port={http} --http.api=eth,net,admin"
        ))
    }
}

fn words(args: &str) -> Vec<String> {
    args.split_whitespace().map(str::to_owned).collect()
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    http: u16,
    engine: u16,
    p2p: u16,
}

impl Ports {
    fn free() -> Self {
        let [http, engine, p2p] = std::array::from_fn(|_| free_port());
        Self { http, engine, p2p }
    }
}

/// A port that is free now, below those that the system hands out by itself: nobody else takes it while the program starts or is
/// down. Each process searches from a place of its own.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let step = std::process::id()
            .wrapping_mul(97)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(step % PORTS.len() as u32).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// The program, running or killed. It is killed at the end of the test.
#[derive(Debug)]
pub(crate) struct RealEl {
    kind: RealElKind,
    program: PathBuf,
    genesis: PathBuf,
    jwt: PathBuf,
    dir: TempDir,
    ports: Ports,
    child: Option<Child>,
}

impl RealEl {
    /// Starts it at the chain's genesis; `None` where there is no such program.
    pub(crate) async fn start(kind: RealElKind, chain: &Chain) -> Option<Self> {
        let files = &chain.endpoints().files;
        let mut el = Self {
            kind,
            program: kind.program()?,
            genesis: files.genesis.clone(),
            jwt: files.jwt.clone(),
            dir: tempfile::tempdir().unwrap(),
            ports: Ports::free(),
            child: None,
        };
        el.init();
        el.restart().await;
        Some(el)
    }

    /// `flags` with it as execution layer.
    pub(crate) fn flags(&self, flags: Flags) -> Flags {
        let port = self.ports.engine;
        flags.with("--l2", format!("http://127.0.0.1:{port}"))
    }

    /// Its port for wallets.
    pub(crate) fn rpc(&self) -> Rpc {
        Rpc::url(format!("http://127.0.0.1:{}", self.ports.http))
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Runs it on what it has on disk, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        let args = self
            .kind
            .run_args(&self.data(), &self.genesis, &self.jwt, &self.ports);
        self.child = Some(self.command(&args).spawn().unwrap());
        let rpc = self.rpc();
        until("an answer of the execution layer", START_LIMIT, || {
            rpc.call("eth_chainId", json!([]))
        })
        .await;
    }

    /// Runs it with nothing but genesis.
    pub(crate) async fn wipe(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.data()).unwrap();
        self.init();
        self.restart().await;
    }

    /// Peers it with another one of the same chain.
    pub(crate) async fn peer_with(&self, other: &Self) {
        let info = other.rpc().call("admin_nodeInfo", json!([])).await.unwrap();
        let enode = info["enode"].as_str().unwrap();
        let key = enode.split('@').next().unwrap();
        let enode = format!("{key}@127.0.0.1:{}", other.ports.p2p);
        let rpc = self.rpc();
        rpc.call("admin_addPeer", json!([enode])).await.unwrap();
        until("a peer", START_LIMIT, || async {
            match rpc.call("net_peerCount", json!([])).await? {
                count if count == json!("0x0") => Err(count),
                _ => Ok(()),
            }
        })
        .await;
    }

    /// Hash of its canonical block.
    pub(crate) async fn hash(&self, number: u64) -> Option<B256> {
        let params = json!([format!("{number:#x}"), false]);
        let block = self.rpc().call("eth_getBlockByNumber", params).await;
        serde_json::from_value(block.unwrap()["hash"].clone()).ok()
    }

    /// Asserts that it has the sequencer's blocks up to `last`.
    pub(crate) async fn has_the_sequencers_blocks(&self, chain: &Chain, last: u64) {
        for number in 0..=last {
            let expected = chain.hash_on_sequencer_el(number);
            assert_eq!(self.hash(number).await, expected, "block {number}");
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn init(&self) {
        let args = self.kind.init_args(&self.data(), &self.genesis);
        let status = self.command(&args).status().unwrap();
        assert!(status.success(), "{status}: {}", self.logged());
    }

    fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    /// The end of its log.
    fn logged(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for RealEl {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("printed by the execution layer: {}", self.logged());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
