//! Wrong configuration: the process ends with 1, and says what is wrong, where, and what to do. And the generated page of
//! all flags.

use crate::helpers::{
    flags::{DEAD, Flags},
    process::{command, plain_command, run_to_end},
};
use light_node_protocol::RollupConfig;
use std::{fs, net::TcpListener, path::Path};
use tempfile::TempDir;

/// A secret as op-reth and op-geth write it.
const SECRET: &str = "0x688f5d737bad920bdfb2fc2f488d6b6209eebda1dae949a8de91398d932c517a";

/// A command line that is right but for what a test changes in it. Nothing listens at its URLs.
struct CommandLine {
    dir: TempDir,
    flags: Flags,
}

impl CommandLine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let jwt = dir.path().join("jwt.hex");
        fs::write(&jwt, SECRET).unwrap();
        let flags = Flags::dead(jwt.display());
        Self { dir, flags }
    }

    fn without(mut self, flag: &str) -> Self {
        self.flags = self.flags.without(flag);
        self
    }

    fn with(mut self, flag: &str, value: impl std::fmt::Display) -> Self {
        self.flags = self.flags.with(flag, value);
        self
    }

    /// Gives `flag` a file of this content.
    fn with_file(self, flag: &str, name: &str, content: &str) -> Self {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        self.with(flag, path.display())
    }

    fn run(&self) -> (Option<i32>, String) {
        run_to_end(&self.flags.args())
    }

    /// Asserts that the run ends with 1 and that what it prints contains each of `words`.
    fn fails_saying(&self, words: &[&str]) {
        let (code, printed) = run_to_end(&self.flags.args());
        assert_eq!(code, Some(1), "{printed}");
        for word in words {
            assert!(printed.contains(word), "`{word}` is missing in: {printed}");
        }
        assert!(!printed.contains(&SECRET[2..]), "the secret was printed");
    }
}

#[test]
fn without_a_source_it_asks_for_a_beacon_or_a_source() {
    CommandLine::new()
        .without("--l2.follow.source")
        .fails_saying(&["--l1.beacon=URL", "--l2.follow.source=URL"]);
}

#[test]
fn without_l1_it_says_why_l1_is_needed() {
    CommandLine::new()
        .without("--l1")
        .fails_saying(&["--l1=URL", "L1 origin", "derives"]);
}

#[test]
fn without_an_execution_layer_it_names_the_flags() {
    CommandLine::new()
        .without("--l2")
        .fails_saying(&["--l2=URL", "8551"]);
    CommandLine::new()
        .without("--l2.jwt-secret")
        .fails_saying(&["--l2.jwt-secret=FILE"]);
}

#[test]
fn without_a_chain_it_asks_which() {
    CommandLine::new()
        .without("--network")
        .fails_saying(&["--network=NAME", "--rollup.config=FILE"]);
}

#[test]
fn an_unknown_network_is_answered_with_the_nearest_name() {
    CommandLine::new()
        .with("--network", "op-sepoila")
        .fails_saying(&["op-sepoila", "op-sepolia"]);
}

#[test]
fn two_chains_at_once_are_refused() {
    let line = CommandLine::new().with("--rollup.config", "/dev/null");
    let (code, printed) = run_to_end(&line.flags.args());
    assert_eq!(code, Some(2), "{printed}");
    assert!(
        printed.contains("--network") && printed.contains("--rollup.config"),
        "{printed}"
    );
}

#[test]
fn a_missing_rollup_config_is_named() {
    CommandLine::new()
        .without("--network")
        .with("--rollup.config", "/nowhere/rollup.json")
        .fails_saying(&["/nowhere/rollup.json", "No such file"]);
}

#[test]
fn a_broken_rollup_config_is_named_with_the_place() {
    CommandLine::new()
        .without("--network")
        .with_file("--rollup.config", "rollup.json", "{\n  \"genesis\": {},\n")
        .fails_saying(&["rollup.json", "line 2"]);
}

#[test]
fn a_rollup_config_that_cannot_be_right_is_refused() {
    let mut config = RollupConfig::by_network("op-sepolia").unwrap();
    config.block_time = 0;
    let json = serde_json::to_string(&config).unwrap();
    CommandLine::new()
        .without("--network")
        .with_file("--rollup.config", "rollup.json", &json)
        .fails_saying(&["rollup.json", "block_time"]);
}

#[test]
fn an_endpoint_that_is_no_url_is_refused_without_being_repeated() {
    for (flag, typed) in [
        ("--l1", "https://user:hunter2@bad host/"),
        ("--l2", "127.0.0.1:8551"),
        ("--l2.follow.source", "ws://user:hunter2@host"),
    ] {
        let line = CommandLine::new().with(flag, typed);
        let (_, printed) = line.run();
        assert!(!printed.contains("hunter2"), "{printed}");
        line.fails_saying(&[flag, "http"]);
    }
}

#[test]
fn the_help_shows_no_value_of_the_environment() {
    let output = command(&["node", "--help"])
        .env("LIGHT_NODE_L1", "https://user:hunter2@l1.example")
        .env("LIGHT_NODE_L2", "https://user:hunter2@l2.example")
        .env(
            "LIGHT_NODE_L2_FOLLOW_SOURCE",
            "https://user:hunter2@source.example",
        )
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("LIGHT_NODE_L2_FOLLOW_SOURCE"));
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_duration_without_sense_is_refused() {
    for (flag, typed) in [
        ("--l2.follow.poll-interval", "500000000000y"),
        ("--l2.follow.max-age", "0s"),
        ("--l1.slot-duration", "5"),
    ] {
        let (code, printed) = CommandLine::new().with(flag, typed).run();
        assert_eq!(code, Some(2), "{printed}");
        assert!(printed.contains(flag), "{printed}");
    }
}

#[test]
fn a_missing_jwt_file_is_named_with_the_remedy() {
    CommandLine::new()
        .with("--l2.jwt-secret", "/nowhere/jwt.hex")
        .fails_saying(&["/nowhere/jwt.hex"]);
}

#[test]
fn a_jwt_file_without_a_secret_is_named_and_not_printed() {
    CommandLine::new()
        .with_file("--l2.jwt-secret", "short.hex", "0xabcdef")
        .fails_saying(&["short.hex", "64"]);
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    CommandLine::new()
        .with("--rpc.port", port)
        .fails_saying(&[&format!("127.0.0.1:{port}"), "another node"]);
}

#[test]
fn a_flag_that_does_not_exist_is_refused() {
    let (code, printed) = run_to_end(&["--l2.folow.source=http://x"]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("--l2.follow.source"), "{printed}");
}

#[test]
fn an_environment_variable_is_a_flag() {
    let line = CommandLine::new()
        .without("--l2.follow.source")
        .without("--l1");
    let output = command(&line.flags.args())
        .env("LIGHT_NODE_L2_FOLLOW_SOURCE", DEAD)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(
        printed.contains("--l1=URL"),
        "the source was not taken: {printed}"
    );
}

/// What holds for all flags.
const CONVENTIONS: &str = r#"
## Where a value comes from

Each setting is a flag, a variable and a key of a file; `light-node config show` prints all of them with value and origin. The
first of these that says something wins:

1. the flag, `--rpc.port=9545` or `--rpc.port 9545`. A switch may take a value, so that it can take back what a variable says:
   `--l1.trust-rpc=false`.
2. the variable, `LIGHT_NODE_RPC_PORT=9545`. An empty one counts as not set, as compose files pass `NAME=${NAME:-}`. A
   `LIGHT_NODE_*` that no command knows is an error, which names the nearest; what Kubernetes sets for a Service named
   `light-node` or `light-node-...` is passed over.
3. the file that `--config` (`LIGHT_NODE_CONFIG`) names, in TOML. Its keys are the flags, dots are tables. Two flags are
   also the names of tables and have a key of their own there: `--l1` is `l1.url`, `--l2` is `l2.url`. A list may be an array.
   An unknown key, a key twice and a value of a wrong type are errors, which name line and key. The JWT secret is in a
   file of its own and never in this one.
4. the default.

```toml
network = "op-sepolia"

[l1]
url = ["http://l1-a:8545", "http://l1-b:8545"]

[l2]
url = "http://op-reth:8551"
jwt-secret = "/secrets/jwt.hex"
follow.source = "http://op-node:9545"

[rpc]
addr = "0.0.0.0"
```

Settings that exclude each other are refused with both names, whatever layers they stand in. `light-node node --dump-config`
prints what all layers make together as such a file; what may open an endpoint (user, password, path, query) is left out unless
`--dump-config=with-credentials` is given. `light-node config check` reads all layers and the files they name, asks nobody, and
prints everything that is wrong at once.

## Exit codes

| code | when |
|---|---|
| 0 | a clean end, also by SIGINT or SIGTERM |
| 1 | the configuration is wrong (variables, file, what is missing or cannot be read), or a fatal cause before an endpoint's first success; a question answered with no |
| 2 | the command line does not parse |
| 130 | a second signal while the program was ending |

What is wrong is printed once, on stderr, after `Error: ` or `error: `.
"#;

/// What the table of other nodes' names is.
const ALIASES: &str = "\
Flags of op-node, kona-node and base's consensus client are understood, and their variables: `OP_NODE_`, `KONA_NODE_` or `BASE_NODE_`
and what stands in the table, or the whole name where it stands there. `*` covers everything that begins so. Two names
for one thing in the same layer must say the same, or the program ends. What has no effect is accepted, and named once at the start
with the reason.
";

/// What a command prints.
fn command_output(args: &[&str]) -> String {
    let output = plain_command(args).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The help of a command, as a terminal of 100 columns shows it.
fn help(args: &[&str]) -> String {
    let output = plain_command(args)
        .arg("--help")
        .env_remove("COLUMNS")
        .output()
        .unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    help.lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

#[test]
fn generated_docs_are_up_to_date() {
    let mut page = String::from(
        "# Command line\n\nGenerated from the program's own help by `just docs`. No subcommand means `node`.\n",
    );
    page += CONVENTIONS;
    for command in std::iter::once(String::new()).chain(crate::flags::commands("")) {
        let args: Vec<&str> = command.split_whitespace().collect();
        let title = format!("light-node {command}");
        page += &format!("\n## {}\n\n```text\n{}```\n", title.trim(), help(&args));
    }
    let table = command_output(&["config", "aliases"]);
    page += &format!("\n## Names of other nodes\n\n{ALIASES}\n{table}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, page,
        "docs/cli.md is out of date: run `just docs`"
    );
}
