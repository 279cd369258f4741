//! Execution layers with nothing but genesis, and without any peer: the devnet's, or a real op-geth whose program
//! `LIGHT_NODE_TEST_EL_OP_GETH` names. Each serves the Engine API over HTTP.

use crate::chain::Chain;
use alloy_rpc_types_engine::JwtSecret;
use light_node_actor::CancellationToken;
use light_node_devnet_el::{ElConfig, ElServer, ElServerConfig, EmbeddedEl};
use light_node_engine_api::{ElDeadlines, ElReader, HttpEngine, HttpEngineConfig, JwtSource};
use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

/// Whose.
#[derive(Clone, Debug)]
pub(crate) enum ElKind {
    Embedded,
    OpGeth(PathBuf),
}

impl ElKind {
    /// Those that there are on this machine.
    pub(crate) fn all() -> Vec<Self> {
        let program =
            std::env::var_os("LIGHT_NODE_TEST_EL_OP_GETH").filter(|path| !path.is_empty());
        let real = program.map(|program| Self::OpGeth(program.into()));
        std::iter::once(Self::Embedded).chain(real).collect()
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded EL",
            Self::OpGeth(_) => "op-geth",
        }
    }

    /// How many times as long as by bare calls a derived block may take beside it. The devnet's is as fast as none that people run,
    /// and shares its process with the L1 that is served here.
    pub(crate) const fn times_at_most(&self) -> f64 {
        match self {
            Self::Embedded => 1.15,
            Self::OpGeth(_) => 1.05,
        }
    }

    /// A new one at genesis, which answers.
    pub(crate) async fn start(&self, chain: &Chain) -> El {
        let files = &chain.devnet.endpoints().files;
        let (url, embedded, life) = match self {
            Self::Embedded => {
                let genesis = chain.devnet.deployment().l2_genesis.clone();
                let el = EmbeddedEl::new(ElConfig::new(genesis)).unwrap();
                let any_port = (Ipv4Addr::LOCALHOST, 0).into();
                let config = ElServerConfig {
                    authrpc: any_port,
                    http: any_port,
                    jwt: JwtSecret::from_file(&files.jwt).unwrap(),
                };
                let token = CancellationToken::new();
                let server = ElServer::start(el.clone(), config, token.clone()).unwrap();
                let url = format!("http://{}", server.authrpc_addr());
                (url, Some(el), Life::Served(token))
            }
            Self::OpGeth(program) => {
                let dir = chain.new_dir();
                let (child, url) = op_geth(program, &dir, &files.genesis, &files.jwt);
                (url, None, Life::Process(child))
            }
        };
        let el = El {
            url,
            embedded,
            jwt: files.jwt.clone(),
            life,
        };
        let engine = el.engine(chain);
        while engine.chain_id().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        el
    }
}

/// A running one. It ends when dropped.
#[derive(Debug)]
pub(crate) struct El {
    /// Of its authenticated port.
    pub(crate) url: String,
    /// The devnet's.
    pub(crate) embedded: Option<Arc<EmbeddedEl>>,
    jwt: PathBuf,
    life: Life,
}

#[derive(Debug)]
enum Life {
    Served(CancellationToken),
    Process(Child),
}

impl Drop for El {
    fn drop(&mut self) {
        match &mut self.life {
            Life::Served(token) => token.cancel(),
            Life::Process(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl El {
    /// A client of it.
    pub(crate) fn engine(&self, chain: &Chain) -> HttpEngine {
        HttpEngine::new(HttpEngineConfig {
            url: self.url.parse().unwrap(),
            jwt: JwtSource::File(self.jwt.clone()),
            rollup_config: chain.rollup().clone(),
            deadlines: ElDeadlines::default(),
        })
        .unwrap()
    }
}

/// Starts op-geth on `dir`. Returns the URL of its authenticated port, too.
fn op_geth(program: &Path, dir: &Path, genesis: &Path, jwt: &Path) -> (Child, String) {
    let run = |args: String| {
        let mut command = Command::new(program);
        command
            .args(args.split_whitespace())
            .arg(format!("--datadir={}", dir.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let mut init = run("init --state.scheme=hash".to_owned());
    let init = init.arg(genesis).status();
    assert!(init.unwrap().success(), "op-geth takes the genesis");
    let free: [TcpListener; 2] =
        std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let [engine, p2p] = free.map(|held| held.local_addr().unwrap().port());
    let mut command = run(format!(
        "--networkid=901 --syncmode=full --state.scheme=hash --nodiscover --nat=none --cache=256 --ipcdisable \
         --rollup.superchain-upgrades=false --rollup.disabletxpoolgossip=true --maxpeers=0 --port={p2p} \
         --authrpc.port={engine} --authrpc.jwtsecret={}",
        jwt.display()
    ));
    let url = format!("http://127.0.0.1:{engine}");
    (command.spawn().unwrap(), url)
}
