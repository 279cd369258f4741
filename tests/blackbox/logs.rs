//! Log lines: their forms, what wins, and that a reader who is gone or a full disk ends nothing.

use crate::helpers::{
    chain::{Chain, Settings},
    flags::{DEAD, Flags},
    process::{NodeProcess, bound_address, plain_command},
    rpc::Rpc,
    wait::until,
};
use serde_json::Value;
use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);

/// A node with a known port at whose endpoints nothing listens; killed at the end.
struct Node {
    child: Child,
    addr: SocketAddr,
    _dir: TempDir,
}

impl Node {
    fn start(args: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let jwt = dir.path().join("jwt.hex");
        fs::write(&jwt, "5c".repeat(32)).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let flags = Flags::dead(jwt.display()).with("--rpc.port", addr.port());
        let mut command = plain_command(&flags.args());
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        prepare(&mut command);
        Self {
            child: command.spawn().unwrap(),
            addr,
            _dir: dir,
        }
    }

    fn stdout(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.child.stdout.take().unwrap())
    }

    /// Lines up to the one that names the RPC address.
    fn lines_of_start(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for line in self.stdout().lines() {
            lines.push(line.unwrap());
            if lines
                .last()
                .is_some_and(|line| line.contains("RPC server bound to address"))
            {
                break;
            }
        }
        lines
    }

    async fn until_alive(&mut self) {
        let rpc = Rpc::at(self.addr);
        until("the RPC server", LIMIT, || async {
            match rpc.call("optimism_version", Value::Null).await {
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await;
        assert!(self.child.try_wait().unwrap().is_none(), "the node ended");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn json_lines_have_the_shape_that_harnesses_read() {
    let lines = Node::start(&["--log.format=json"], |_| {}).lines_of_start();
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            ["INFO", "WARN", "ERROR"].contains(&line["level"].as_str().unwrap()),
            "{line}"
        );
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    let bound: Vec<_> = lines
        .iter()
        .filter_map(|line| bound_address(line))
        .collect();
    assert_eq!(bound.len(), 1);
}

#[test]
fn a_node_says_at_its_start_what_it_is() {
    let (_dir, flags) = Flags::lonely();
    let key = "5c".repeat(32);
    let sequences = flags
        .clone()
        .with("--p2p.sequencer.key", &key)
        .with("--p2p.listen.tcp", 0)
        .with("--p2p.listen.ip", "127.0.0.1")
        .with_switch("--p2p.no-discovery")
        .with_switch("--sequencer.enabled");
    for (flags, is_sequencer) in [(flags, false), (sequences, true)] {
        let node = NodeProcess::start(&flags);
        let printed = node.printed();
        let lines = printed.iter().map(|line| serde_json::from_str(line));
        let lines: Vec<Value> = lines.collect::<Result<_, _>>().unwrap();
        let said = lines
            .iter()
            .map(|line| &line["fields"])
            .find(|fields| fields["message"] == "what this node is");
        let said = said.unwrap();
        assert_eq!(said["follows"], DEAD, "{said}");
        for (field, expected) in [
            ("derives", false),
            ("gossips", is_sequencer),
            ("sequences", is_sequencer),
        ] {
            assert_eq!(said[field], expected, "{said}");
        }
        assert_eq!(said["signer"].is_string(), is_sequencer, "{said}");
        assert!(!printed.concat().contains(&key), "a key was printed");
    }
}

/// The status lines, the whole of a node's log from the first to the third of them.
fn from_first_to_third(printed: &[String]) -> Option<Vec<Value>> {
    let is_status = |line: &Value| line["target"] == "light_node_node::status_line";
    let lines = printed.iter().map(|line| serde_json::from_str(line));
    let lines: Vec<Value> = lines.collect::<Result<_, _>>().unwrap();
    let mut at = (0..lines.len()).filter(|index| is_status(&lines[*index]));
    let (first, third) = (at.next()?, at.nth(1)?);
    Some(lines[first..=third].to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_to_which_nothing_happens_says_each_ten_seconds_where_it_is_and_nothing_else() {
    let chain = Chain::start(Settings::on_command()).await;
    let status = chain.step_until(|status| status.safe_l2.number >= 2).await;
    // No block of L1 is missing for as long as this takes.
    let node = NodeProcess::start(&chain.flags().with("--l1.slot-duration", "60s"));
    node.rpc().until_ready(LIMIT).await;
    let lines = until("three status lines", LIMIT * 2, || async {
        from_first_to_third(&node.printed()).ok_or_else(|| node.printed())
    })
    .await;
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for line in &lines {
        let fields = &line["fields"];
        assert_eq!(fields["message"], "following", "{line}");
        assert_eq!(fields["safe"], status.safe_l2.number, "{line}");
        assert_eq!(fields["behind_source"], 0, "{line}");
        assert!(fields["lag"].is_string(), "{line}");
    }
    let second = |line: &Value| {
        let time = line["timestamp"].as_str().unwrap();
        humantime::parse_rfc3339(time).unwrap()
    };
    let apart = second(&lines[2]).duration_since(second(&lines[0])).unwrap();
    assert!(
        (19..=25).contains(&apart.as_secs()),
        "not each ten seconds: {apart:?}"
    );
}

#[test]
fn without_a_terminal_lines_are_logfmt_without_colour() {
    let lines = Node::start(&[], |_| {}).lines_of_start();
    for line in &lines {
        assert!(
            line.contains("level=") && line.contains("message="),
            "{line}"
        );
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

#[test]
fn colour_is_a_choice_of_the_pretty_form() {
    let coloured = |args: &[&str], no_color: &str| {
        let args = [&["--log.format=pretty"], args].concat();
        let lines = Node::start(&args, |command| {
            command.env("NO_COLOR", no_color);
        })
        .lines_of_start();
        lines.iter().any(|line| line.contains('\u{1b}'))
    };
    assert!(!coloured(&[], ""));
    assert!(coloured(&["--log.color=always"], "1"));
    assert!(coloured(&["--log.color"], ""));
    assert!(!coloured(&["--log.color=never"], ""));
}

#[test]
fn rust_log_wins_unless_it_is_empty() {
    let has_debug = |rust_log: &str| {
        let args = ["--log.level=debug", "--log.format=json"];
        let lines = Node::start(&args, |command| {
            command.env("RUST_LOG", rust_log);
        })
        .lines_of_start();
        lines.iter().any(|line| line.contains(r#""level":"DEBUG""#))
    };
    assert!(has_debug(""));
    assert!(!has_debug("info"));
}

#[tokio::test]
async fn a_reader_who_goes_after_the_first_line_does_not_end_the_node() {
    let mut node = Node::start(&["--log.level=trace"], |_| {});
    let mut first = String::new();
    node.stdout().read_line(&mut first).unwrap();
    assert!(!first.is_empty());
    // The pipe is closed now, and trace lines go on.
    node.until_alive().await;
    node.until_alive().await;
}

#[tokio::test]
async fn a_reader_who_never_reads_does_not_stop_the_node() {
    let mut node = Node::start(&["--log.level=trace"], |_| {});
    node.until_alive().await;
    // More lines than a pipe and our queue can hold.
    for _ in 0..200 {
        node.until_alive().await;
    }
}

#[tokio::test]
async fn a_full_disk_does_not_end_the_node() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut node = Node::start(&["--log.level=trace"], |command| {
        command.stdout(full);
    });
    node.until_alive().await;
    node.until_alive().await;
}

#[test]
fn words_for_people_survive_a_closed_pipe() {
    for args in [["doctor", "--network=op-sepolia"], ["version", "--json"]] {
        let mut child = plain_command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{args:?}: {errors}");
    }
}
