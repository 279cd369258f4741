//! Where the configuration comes from: flags over variables over a file over defaults, what is wrong in each of them, and
//! the commands that show and judge it.

use crate::helpers::{
    flags::{DEAD, Flags},
    process::{NodeProcess, Process, STOP_LIMIT, plain_command},
};
use serde_json::Value;
use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output},
};
use tempfile::TempDir;

/// A configuration file, with what it names beside it.
struct Config {
    dir: TempDir,
}

impl Config {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("jwt.hex"), "5c".repeat(32)).unwrap();
        fs::write(dir.path().join("node.toml"), text).unwrap();
        Self { dir }
    }

    /// All that a node needs. Nothing listens at its URLs.
    fn whole() -> Self {
        let config = Self::new("");
        let text = format!(
            "network = \"op-sepolia\"\nrpc.port = 0\nmetrics.port = 0\nl1.url = [\"{DEAD}\"]\nl2.url = \"{DEAD}\"\n\
             l2.jwt-secret = \"{}\"\nl2.follow.source = \"{DEAD}\"\n",
            config.dir.path().join("jwt.hex").display()
        );
        fs::write(config.path(), text).unwrap();
        config
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("node.toml")
    }

    fn flag(&self) -> String {
        format!("--config={}", self.path().display())
    }
}

/// Exit code, stdout and stderr of a run with these variables.
fn run(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = plain_command(args);
    command.envs(variables.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Value and origin of a flag in the answer of `config show --json`.
fn shown(flag: &str, args: &[&str], variables: &[(&str, &str)]) -> (Value, Value) {
    let args = [&["config", "show", "--json"], args].concat();
    let (code, answer, error) = run(&args, variables);
    assert_eq!(code, Some(0), "{error}");
    let all: Vec<Value> = serde_json::from_str(&answer).unwrap();
    let one = all.into_iter().find(|one| one["flag"] == flag).unwrap();
    (one["value"].clone(), one["origin"].clone())
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let config = Config::new("[rpc]\nport = 3\n");
    let file = config.flag();
    let variable = [("LIGHT_NODE_RPC_PORT", "2")];
    let port = |args: &[&str], variables: &[(&str, &str)]| {
        let (value, origin) = shown("--rpc.port", args, variables);
        (value.as_str().unwrap().to_owned(), origin)
    };

    let (value, origin) = port(&[&file, "--rpc.port=1"], &variable);
    assert_eq!((value.as_str(), &origin["kind"]), ("1", &"flag".into()));
    let (value, origin) = port(&[&file], &variable);
    assert_eq!((value.as_str(), &origin["kind"]), ("2", &"env".into()));
    assert_eq!(origin["name"], "LIGHT_NODE_RPC_PORT");
    let (value, origin) = port(&[&file], &[]);
    assert_eq!((value.as_str(), &origin["kind"]), ("3", &"file".into()));
    assert_eq!(
        (&origin["line"], &origin["name"]),
        (&2.into(), &"rpc.port".into())
    );
    let (value, origin) = port(&[], &[]);
    assert_eq!(
        (value.as_str(), &origin["kind"]),
        ("9545", &"default".into())
    );
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let config = Config::new("rpc.port = 3\n");
    let path = config.path().display().to_string();
    let (value, _) = shown("--rpc.port", &[], &[("LIGHT_NODE_CONFIG", &path)]);
    assert_eq!(value, "3");
}

#[test]
fn a_file_is_enough_to_run_a_node() {
    let config = Config::whole();
    let flags = Flags::default().with("--config", config.path().display());
    let node = NodeProcess::start(&flags);
    assert_ne!(node.addr().port(), 9545, "the file's port was not taken");
}

#[test]
fn what_is_dumped_gives_the_same_configuration_again() {
    let config = Config::whole();
    let secret = "--l1=https://user:hunter2@a.example,http://b.example";
    let dump = "--dump-config=with-credentials";
    let variables = [("LIGHT_NODE_L1_TRUST_RPC", "yes")];
    let (code, first, error) = run(&["node", &config.flag(), secret, dump], &variables);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        first.contains("trust-rpc = true") && first.contains("hunter2"),
        "{first}"
    );
    let again = Config::new(&first);
    let (code, second, error) = run(&["node", &again.flag(), dump], &[]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(first, second);
}

#[test]
fn a_dump_hides_credentials_and_does_not_start_without_them() {
    let config = Config::whole();
    let secret = "--l1=https://user:hunter2@a.example/v3/key";
    let (_, dump, _) = run(&["node", &config.flag(), secret, "--dump-config"], &[]);
    assert!(dump.contains("https://a.example/<redacted>"), "{dump}");
    assert!(!dump.contains("hunter2") && !dump.contains("key"), "{dump}");
    assert!(dump.contains("--dump-config=with-credentials"), "{dump}");
    let again = Config::new(&dump);
    let (code, _, error) = run(&["node", &again.flag()], &[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("--l1 was left out of a dump"), "{error}");
}

#[test]
fn show_hides_credentials_unless_asked_for() {
    let secret = "--l2=https://user:hunter2@a.example";
    let (_, table, _) = run(&["config", "show", secret], &[]);
    assert!(table.contains("https://a.example/<redacted>"), "{table}");
    assert!(!table.contains("hunter2"), "{table}");
    let (value, _) = shown("--l2", &[secret, "--with-credentials"], &[]);
    assert_eq!(value, "https://user:hunter2@a.example");
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_by_every_command() {
    let typo = [("LIGHT_NODE_L2_FOLOW_SOURCE", DEAD)];
    for args in [&["node"] as &[&str], &[], &["devnet"], &["config", "show"]] {
        let (code, _, error) = run(args, &typo);
        assert_eq!(code, Some(1), "{args:?}: {error}");
        assert!(
            error.contains("LIGHT_NODE_L2_FOLOW_SOURCE")
                && error.contains("LIGHT_NODE_L2_FOLLOW_SOURCE?"),
            "{error}"
        );
    }
}

#[test]
fn an_empty_variable_is_unset_and_another_commands_variable_is_known() {
    let set = [
        ("LIGHT_NODE_RPC_PORT", ""),
        ("LIGHT_NODE_RPC_ENABLE_ADMIN", ""),
        ("LIGHT_NODE_UNHEARD_OF", ""),
        ("LIGHT_NODE_DEVNET_FORK", "karst"),
    ];
    let (value, origin) = shown("--rpc.port", &[], &set);
    assert_eq!(
        (value, origin["kind"].clone()),
        ("9545".into(), "default".into())
    );
}

#[test]
fn a_wrong_value_is_told_with_the_place_it_stands_at() {
    let wrong = [("LIGHT_NODE_RPC_PORT", "99999")];
    let (code, _, error) = run(&["node"], &wrong);
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains("--rpc.port comes from LIGHT_NODE_RPC_PORT"),
        "{error}"
    );
    let config = Config::new("\n[l1]\nslot-duration = \"1d\"\n");
    let (code, _, error) = run(&["node", &config.flag()], &[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("node.toml:3 l1.slot-duration"), "{error}");
    assert!(error.contains("must be from 100ms to 10m"), "{error}");
    let (code, _, error) = run(&["node", "--rpc.port=99999"], &[]);
    assert_eq!(code, Some(2), "{error}");
    assert!(!error.contains("comes from"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let (code, _, error) = run(&["node", "--config=/nowhere/node.toml"], &[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains("--config=/nowhere/node.toml: No such file"),
        "{error}"
    );
}

#[test]
fn settings_that_exclude_each_other_are_refused_with_both_names_and_places() {
    let config = Config::new("network = \"op-sepolia\"\n");
    let args = ["node", &config.flag(), "--rollup.config=/dev/null"];
    let (code, _, error) = run(&args, &[]);
    assert_eq!(code, Some(1), "{error}");
    for words in ["--network", "--rollup.config", "node.toml:1 network"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn two_servers_on_one_port_are_refused_before_either_starts() {
    let config = Config::whole();
    let args = |command: &[&'static str], metrics: &str| {
        let mut args: Vec<_> = command.iter().map(|word| (*word).to_owned()).collect();
        args.extend([config.flag(), "--rpc.port=45321".to_owned()]);
        args.extend(metrics.split(' ').map(str::to_owned));
        args
    };
    let said = |command: &[&'static str], metrics: &str| {
        let args = args(command, metrics);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let (code, answer, error) = run(&args, &[]);
        (code, answer + &error)
    };
    for metrics in [
        "--metrics.port=45321",
        "--metrics.port=45321 --metrics.addr=0.0.0.0",
    ] {
        for command in [&["config", "check"] as &[_], &["node"], &["doctor"]] {
            let (code, said) = said(command, metrics);
            assert_eq!(code, Some(1), "{said}");
            let is_named = said.contains("--rpc.port and --metrics.port");
            assert!(is_named && said.contains("45321"), "{said}");
        }
    }
    for metrics in [
        "--metrics.port=45322",
        "--metrics.port=45321 --metrics.addr=127.0.0.2",
        "--metrics.port=45321 --metrics.enabled=false",
    ] {
        let (code, said) = said(&["config", "check"], metrics);
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let (code, _, error) = run(&["node"], &[]);
    assert_eq!(code, Some(1), "{error}");
    for flag in [
        "--l1=URL",
        "--l2=URL",
        "--l2.jwt-secret=FILE",
        "--l2.follow.source=URL",
        "--network=NAME",
    ] {
        assert!(error.contains(flag), "{flag} is missing in: {error}");
    }
}

#[test]
fn check_names_every_fault_of_every_layer_at_once() {
    let config = Config::new("netwerk = \"op-sepolia\"\n[rpc]\nport = [1]\n");
    let args = [
        "config",
        "check",
        &config.flag(),
        "--l2.follow.max-age=0s",
        "--rollup.config=/nowhere/rollup.json",
        "--l2.jwt-secret=/nowhere/jwt.hex",
        "--l1=ws://user:hunter2@host",
        "--l2=http://user:hunter2@host",
        "--no-such-flag",
        "--override.jovian=1",
        "--p2p.nat",
    ];
    let variables = [
        ("LIGHT_NODE_L1_SLOT_DURATION", "0s"),
        ("LIGHT_NODE_TYPO", "1"),
    ];
    let (code, answer, _) = run(&args, &variables);
    assert_eq!(code, Some(1), "{answer}");
    for words in [
        "node.toml:1: the key `netwerk`",
        "node.toml:3: `rpc.port` must be one string",
        "--l2.follow.max-age",
        "/nowhere/rollup.json",
        "/nowhere/jwt.hex",
        "--l1 has the scheme `ws`",
        "--no-such-flag",
        "--override.jovian cannot be followed",
        "LIGHT_NODE_L1_SLOT_DURATION",
        "LIGHT_NODE_TYPO",
        "the Engine API URL of http://host has a user or password",
        "--l1.beacon=URL is missing",
    ] {
        let is_named = |line: &str| line.starts_with("fault: ") && line.contains(words);
        assert!(
            answer.lines().any(is_named),
            "`{words}` is missing in: {answer}"
        );
    }
    assert!(answer.contains("warning: --p2p.nat: "), "{answer}");
    assert!(!answer.contains("hunter2"), "{answer}");
}

#[test]
fn check_of_a_right_configuration_says_so() {
    let config = Config::whole();
    let (code, answer, error) = run(&["config", "check", &config.flag()], &[]);
    assert_eq!(code, Some(0), "{answer}{error}");
    assert!(answer.starts_with("ok: "), "{answer}");
}

#[test]
fn a_fatal_cause_is_printed_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--rpc.port={}", taken.local_addr().unwrap().port());
    let config = Config::whole();
    let mut node = Process::spawn(plain_command(&["node", &config.flag(), &port]));
    assert_eq!(node.wait_for_end(STOP_LIMIT).code(), Some(1));
    let printed = node.printed().join("\n");
    assert_eq!(printed.matches("cannot serve RPC").count(), 1, "{printed}");
    assert_eq!(printed.matches("in use").count(), 1, "{printed}");
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, error) = run(&["completions", shell], &[]);
        assert_eq!(code, Some(0), "{error}");
        assert!(script.contains("l2.follow.source"), "{shell}: {script}");
    }
    let (code, _, error) = run(&["completions", "csh"], &[]);
    assert_eq!(code, Some(2), "{error}");
}

/// What bash offers for the last of `words`, if there is a bash.
fn completed_by_bash(words: &[&str]) -> Option<Vec<String>> {
    const ASK: &str = r#"
        source <("$PROGRAM" completions bash)
        COMP_WORDS=(light-node "$@")
        COMP_CWORD=$#
        function=$(complete -p light-node | sed 's/.* -F \([^ ]*\) .*/\1/')
        "$function" light-node "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", ASK, "bash"]);
    let asked = bash
        .args(words)
        .env("PROGRAM", env!("CARGO_BIN_EXE_light-node"));
    let output = match asked.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    assert!(output.stderr.is_empty(), "{output:?}");
    let offered = String::from_utf8(output.stdout).unwrap();
    Some(offered.lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_the_flags_of_a_subcommand() {
    for (words, expected) in [
        (&["do"][..], "doctor"),
        (&["doctor", "--l"], "--l2.follow.source"),
        (&["doctor", "--js"], "--json"),
        (&["config", "show", "--with"], "--with-credentials"),
        (&["jwt", "generate", "--if"], "--if-missing"),
    ] {
        let Some(offered) = completed_by_bash(words) else {
            return;
        };
        let has_it = offered.iter().any(|word| word == expected);
        assert!(has_it, "{words:?}: {offered:?}");
    }
}

#[test]
fn the_level_of_the_log_is_shown_where_none_is_set() {
    let (value, origin) = shown("--log.level", &[], &[]);
    assert_eq!((value, &origin["kind"]), ("info".into(), &"default".into()));
    let (value, origin) = shown("--log.level", &["--log.level=warn"], &[]);
    assert_eq!((value, &origin["kind"]), ("warn".into(), &"flag".into()));
}

#[test]
fn a_log_filter_that_the_node_refuses_is_a_fault_to_check_and_doctor() {
    let config = Config::whole();
    let file = config.flag();
    let refused = "the log level `crit` of --log.level does not exist";
    let does_not_parse = "the log filter `info,light_node=loud` of RUST_LOG does not parse";
    for (args, variables, expected) in [
        (&["--log.level=crit"][..], &[][..], refused),
        (&[], &[("LIGHT_NODE_LOG_LEVEL", "crit")], refused),
        (&[], &[("RUST_LOG", "info,light_node=loud")], does_not_parse),
    ] {
        for command in [&["node"][..], &["config", "check"], &["doctor"]] {
            let args = [command, &[&file], args].concat();
            let (code, output, error) = run(&args, variables);
            assert_eq!(code, Some(1), "{args:?}: {output}{error}");
            let said = output + &error;
            assert!(said.contains(expected), "{args:?}: {said}");
        }
    }
    let (code, output, _) = run(&["config", "check", &file, "--log.level=off"], &[]);
    assert_eq!(code, Some(0), "{output}");
}

#[test]
fn the_version_says_what_the_program_was_built_from() {
    let (code, line, _) = run(&["version"], &[]);
    assert_eq!(code, Some(0));
    let version = env!("CARGO_PKG_VERSION");
    assert!(line.starts_with(&format!("light-node {version}")), "{line}");
    let (code, answer, _) = run(&["version", "--json"], &[]);
    assert_eq!(code, Some(0));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["version"], version);
    assert!(
        answer["rustc"].as_str().unwrap().starts_with("rustc 1."),
        "{answer}"
    );
    for name in ["target", "profile"] {
        assert_ne!(answer[name], "", "{answer}");
    }
    assert_eq!(answer["features"], serde_json::json!(["devnet"]));
    assert!(answer.get("commit").is_some());
}
