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
}

impl Node {
    /// Serves its RPC on a free port that is looked for here: reading it from the log would cost time.
    pub(crate) fn start(args: &[impl AsRef<OsStr>]) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = Command::new(env!("CARGO_BIN_EXE_light-node"));
        // What names programs for tests and benches means nothing to it.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LIGHT_NODE_TEST_") {
                command.env_remove(name);
            }
        }
        let started = Instant::now();
        let child = command
            .args(args)
            .arg(format!("--rpc.port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let rpc_url = format!("http://127.0.0.1:{port}");
        Self {
            child,
            started,
            rpc_url,
        }
    }

    /// The moment before the process was made.
    pub(crate) const fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn rpc_url(&self) -> &str {
        &self.rpc_url
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
