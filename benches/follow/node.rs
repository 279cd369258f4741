//! The node as a process of its own, and what it takes from the machine.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Clock ticks a second, in `/proc`: fixed by the kernel's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// The running node; killed when dropped, as a benchmark asks nothing of its end.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    started: Instant,
    rpc_url: String,
    metrics_url: String,
    client: reqwest::Client,
}

impl Node {
    /// Serves its RPC and its metrics on free ports that are looked for here: reading them from the log would cost time.
    pub(crate) fn start(args: &[impl AsRef<OsStr>]) -> Self {
        let free: [TcpListener; 2] =
            std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [rpc, metrics] = free.map(|held| held.local_addr().unwrap().port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_light-node"));
        // What names programs for tests and benches means nothing to it.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LIGHT_NODE_TEST_") {
                command.env_remove(name);
            }
        }
        // Made before: it reads the machine's certificates.
        let client = reqwest::Client::new();
        let started = Instant::now();
        let child = command
            .args(args)
            .arg(format!("--rpc.port={rpc}"))
            .arg(format!("--metrics.port={metrics}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self {
            child,
            started,
            rpc_url: format!("http://127.0.0.1:{rpc}"),
            metrics_url: format!("http://127.0.0.1:{metrics}/metrics"),
            client,
        }
    }

    /// The moment before the process was made.
    pub(crate) const fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn rpc_url(&self) -> &str {
        &self.rpc_url
    }

    /// To ask it with: making one anew for each question would cost the machine more than the question does.
    #[allow(dead_code)] // not every bench asks
    pub(crate) const fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Its metrics, as text.
    #[allow(dead_code)] // not every bench asks
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.client.get(&self.metrics_url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// The largest resident size so far, in MiB.
    pub(crate) fn peak_rss_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib / 1024.0
    }

    /// CPU time used so far, in user and system mode.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name of the program stands in parentheses and may hold spaces.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks: f64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<f64>().unwrap())
            .sum();
        Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
