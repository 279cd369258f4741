//! The real binary as a child process. Dropping it asserts that SIGTERM ends it cleanly, so every test is a shutdown test.

use super::rpc::Rpc;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

/// How long the process may take to say where it serves RPC.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The promise of the command line, and some slack for a busy machine.
const STOP_LIMIT: Duration = Duration::from_secs(4);

/// A command of the binary with a clean environment and JSON logs.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_light-node"));
    for (name, _) in std::env::vars() {
        if name.starts_with("LIGHT_NODE_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.args(args).args(["--log.format=json"]);
    command
}

/// Exit code and everything printed by a run that must end by itself.
pub(crate) fn run_to_end(args: &[&str]) -> (Option<i32>, String) {
    let output = command(args).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
}

/// A running node.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    addr: SocketAddr,
    ended: bool,
}

impl NodeProcess {
    /// Starts the node and waits until it says where it serves RPC.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = command(args)
            .args(["--rpc.port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (bound, waits) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let lines = log.clone();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(addr) = bound_address(&line) {
                    let _ = bound.send(addr);
                }
                lines.lock().unwrap().push(line);
            }
        });
        let Ok(addr) = waits.recv_timeout(START_LIMIT) else {
            let _ = child.kill();
            panic!("the node did not say where it serves: {:#?}", log.lock().unwrap());
        };
        Self { child, log, addr, ended: false }
    }

    pub(crate) fn rpc(&self) -> Rpc {
        Rpc::at(self.addr)
    }

    /// Every line logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        self.ended = true;
        wait(&mut self.child, limit).unwrap_or_else(|| {
            let _ = self.child.kill();
            panic!("the node did not end within {limit:?}: {:#?}", self.log.lock().unwrap())
        })
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(mut self, signal: Signal) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal(signal);
        let status = self.wait_for_end(STOP_LIMIT);
        (status, asked.elapsed())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.signal(Signal::SIGTERM);
        let status = self.wait_for_end(STOP_LIMIT);
        if !thread::panicking() {
            assert!(status.success(), "SIGTERM did not end the node cleanly: {status}");
        }
    }
}

fn bound_address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields")?;
    if fields["message"] != "RPC server bound to address" {
        return None;
    }
    Some(fields["addr"].as_str().expect("the address is a string").parse().unwrap())
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    None
}
