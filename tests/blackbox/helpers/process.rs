//! The real binary as a child process. Dropping it asserts that SIGTERM ends it cleanly, so every test is a shutdown test.
//!
//! Waiting here blocks the thread: in a test with a runtime that is the test's own thread, and the chain runs on others.

use super::{flags::Flags, rpc::Rpc};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long the process may take to say where it serves RPC.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long a run that must end by itself may take: a refused JWT is tried for 30 s.
const END_LIMIT: Duration = Duration::from_secs(60);

/// The promise of the command line is 2 s; the rest is slack for a busy machine.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(4);

/// A command of the binary with JSON logs.
pub(crate) fn command(args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = plain_command(args);
    command.arg("--log.format=json");
    command
}

/// A command of the binary with just these arguments, in a clean environment.
pub(crate) fn plain_command(args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_light-node"));
    for (name, _) in std::env::vars() {
        let is_ours = ["LIGHT_NODE_", "OP_NODE_", "KONA_", "BASE_NODE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if is_ours || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    // Nothing is left behind: what no flag gives a place stays in memory.
    command.env_remove("STATE_DIRECTORY");
    command.env("XDG_STATE_HOME", "/dev/null");
    command.args(args);
    command
}

/// Exit code and everything printed by a run that must end by itself.
pub(crate) fn run_to_end(args: &[impl AsRef<OsStr>]) -> (Option<i32>, String) {
    let mut process = Process::spawn(command(args));
    let status = process.wait_for_end(END_LIMIT);
    (status.code(), process.printed().join("\n"))
}

/// Asserts that a run ends with 1 and that its error message contains each of `words` and is printed once.
pub(crate) fn ends_saying(flags: &Flags, words: &[&str]) {
    let (code, printed) = run_to_end(&flags.args());
    assert_eq!(code, Some(1), "{printed}");
    let error = printed
        .lines()
        .find(|line| line.starts_with("Error: "))
        .unwrap_or_default();
    for word in words {
        assert!(
            error.contains(word),
            "`{word}` is missing in `{error}` of: {printed}"
        );
    }
    let cause = error.trim_start_matches("Error: ");
    assert_eq!(
        printed.matches(cause).count(),
        1,
        "not printed once: {printed}"
    );
}

/// The binary, running.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    printed: Arc<Printed>,
    readers: Vec<JoinHandle<()>>,
    ended: bool,
}

/// Lines of stdout and stderr as they come.
#[derive(Debug, Default)]
struct Printed {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::new(Printed::default());
        let readers = vec![
            read(child.stdout.take().unwrap(), printed.clone()),
            read(child.stderr.take().unwrap(), printed.clone()),
        ];
        Self {
            child,
            printed,
            readers,
            ended: false,
        }
    }

    /// Every line printed so far; everything once the process has ended.
    pub(crate) fn printed(&self) -> Vec<String> {
        let lines = self.printed.lines.lock();
        // A failed wait has poisoned it: what was printed is wanted the more.
        lines.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a printed line in which `find` finds something.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + limit;
        let mut lines = self.printed.lines.lock().unwrap();
        loop {
            if let Some(found) = lines.iter().find_map(|line| find(line)) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what}: not printed within {limit:?}: {lines:#?}"
            );
            lines = self.printed.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        self.ended = true;
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= deadline {
                let _ = self.child.kill();
                panic!(
                    "the process did not end within {limit:?}: {:#?}",
                    self.printed()
                );
            }
            thread::park_timeout(Duration::from_millis(10));
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status
    }

    /// Sends a signal, and says how the process ended and after what time.
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

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if thread::panicking() {
            eprintln!("printed by the process: {:#?}", self.printed());
            let _ = self.child.kill();
            let _ = self.child.wait();
            return;
        }
        self.signal(Signal::SIGTERM);
        let status = self.wait_for_end(STOP_LIMIT);
        assert!(
            status.success(),
            "SIGTERM did not end the process cleanly: {status}"
        );
    }
}

fn read(pipe: impl Read + Send + 'static, printed: Arc<Printed>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            printed.lines.lock().unwrap().push(line);
            printed.grown.notify_all();
        }
    })
}

/// A running node.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    process: Process,
    addr: SocketAddr,
}

impl NodeProcess {
    /// Starts the node and waits until it says where it serves RPC.
    pub(crate) fn start(flags: &Flags) -> Self {
        Self::spawn(command(&flags.args()))
    }

    /// Starts a command that runs the node with JSON logs, and waits until it says where it serves RPC.
    pub(crate) fn spawn(command: Command) -> Self {
        let process = Process::spawn(command);
        let addr = process.wait_for("the RPC address", START_LIMIT, bound_address);
        Self { process, addr }
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    pub(crate) fn rpc(&self) -> Rpc {
        Rpc::at(self.addr)
    }

    /// Every line printed so far.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.process.printed()
    }

    /// Sends a signal, and says how the node ended and after what time.
    pub(crate) fn stop(self, signal: Signal) -> (ExitStatus, Duration) {
        self.process.stop(signal)
    }
}

/// The address in the line by which harnesses learn it.
pub(crate) fn bound_address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields")?;
    if fields["message"] != "RPC server bound to address" {
        return None;
    }
    let addr = fields["addr"].as_str().expect("the address is a string");
    Some(addr.parse().unwrap())
}
