//! Values of derivation's flags that cannot be right: the answer names flag, value and what would be right, and comes before
//! anything is sent to anybody.

use crate::helpers::{
    flags::{DEAD, Flags},
    process::{plain_command, run_to_end},
};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

/// Flags of a node that derives, at whose endpoints nobody answers, and the directory with its files.
fn lonely_deriver() -> (TempDir, Flags) {
    let (dir, flags) = Flags::lonely();
    let flags = flags
        .without("--l2.follow.source")
        .with("--l1.beacon", DEAD);
    (dir, flags)
}

/// Asserts that a run ends with this code and that its answer has each of these words.
fn is_answered(flags: &Flags, code: i32, words: &[&str]) {
    let (ended, printed) = run_to_end(&flags.args());
    assert_eq!(ended, Some(code), "{printed}");
    for word in words {
        assert!(printed.contains(word), "`{word}` is missing in: {printed}");
    }
    assert!(!printed.contains("panicked"), "{printed}");
    assert!(!printed.contains("hunter2"), "a key was printed: {printed}");
}

#[test]
fn values_that_no_flag_of_derivation_takes_are_answered_with_those_that_it_takes() {
    let (_dir, flags) = lonely_deriver();
    for (flag, values, words) in [
        (
            "--l1.rpc-rate-limit",
            &["-1", "0.5", "many", ""][..],
            &["no limit"][..],
        ),
        (
            "--l1.max-concurrency",
            &["0", "257", "-1", "all"],
            &["1..=256", "invalid digit"],
        ),
        (
            "--verifier.l1-confs",
            &["-1", "some", "1.5", "10001"],
            &["invalid digit", "..=10000"],
        ),
        (
            "--syncmode",
            &["snap", "CL"],
            &["consensus-layer, execution-layer"],
        ),
        (
            "--syncmode.offset-el-safe",
            &["0s", "25h", "12", "soon"],
            &[
                "must be from 1s to 1day",
                "time unit needed",
                "expected number",
            ],
        ),
        ("--safedb.disable", &["perhaps"], &["not a boolean"]),
    ] {
        for value in values {
            let (code, printed) = run_to_end(&flags.clone().with(flag, value).args());
            assert_eq!(code, Some(2), "{flag}={value}: {printed}");
            assert!(printed.contains(flag), "{flag}={value}: {printed}");
            let is_helpful = words.iter().any(|word| printed.contains(word));
            assert!(is_helpful, "{flag}={value}: {printed}");
        }
    }
}

#[test]
fn beacons_that_are_no_urls_are_named_without_repeating_them() {
    let (_dir, flags) = lonely_deriver();
    for flag in ["--l1.beacon", "--l1.beacon-fallbacks"] {
        let with = |value: &str| flags.clone().with(flag, value);
        let scheme = format!("{flag} has the scheme `ws`");
        is_answered(&with("ws://host/hunter2"), 1, &[&scheme, "http://"]);
        let no_url = format!("{flag} is not a URL");
        is_answered(&with("hunter2"), 1, &[&no_url, "http://host:port"]);
        // The second of several, too.
        let several = format!("{DEAD},hunter2");
        is_answered(&with(&several), 1, &[&no_url]);
    }
}

#[test]
fn without_a_beacon_it_says_since_when_one_is_needed() {
    let (_dir, flags) = lonely_deriver();
    let words = [
        "--l1.beacon=URL is missing",
        "Ecotone",
        "--l2.follow.source=URL",
    ];
    is_answered(&flags.clone().without("--l1.beacon"), 1, &words);
    // Fallbacks have only what beacons lack.
    let flags = flags
        .without("--l1.beacon")
        .with("--l1.beacon-fallbacks", DEAD);
    is_answered(&flags, 1, &words);
}

#[test]
fn files_that_cannot_be_right_are_named() {
    let (dir, flags) = lonely_deriver();
    let file = dir.path().join("file.json");
    let name = file.display().to_string();
    let chain_config = flags.clone().with("--l1.chain-config", &name);
    is_answered(
        &chain_config,
        1,
        &["cannot read --l1.chain-config=", &name, "No such file"],
    );
    for content in ["", "{", "[]", "{}", r#"{"config": {"chainId": 1}}"#] {
        fs::write(&file, content).unwrap();
        is_answered(
            &chain_config,
            1,
            &["--l1.chain-config=", &name, "no blob schedule"],
        );
    }
    // The L1 of a chain of one's own.
    let mut rollup = light_node_protocol::RollupConfig::by_network("op-sepolia").unwrap();
    rollup.l1_chain_id = 900;
    fs::write(&file, serde_json::to_vec(&rollup).unwrap()).unwrap();
    let own = flags
        .clone()
        .without("--network")
        .with("--rollup.config", &name);
    is_answered(
        &own,
        1,
        &[
            "--l1.chain-config=FILE is missing",
            "L1 chain 900",
            "genesis",
        ],
    );
    // A file where a directory is to be.
    let history = flags.with("--safedb.path", &name);
    is_answered(&history, 1, &[&name, "--safedb.path", "--safedb.disable"]);
}

#[test]
fn flags_of_the_other_mode_are_named_and_change_nothing() {
    let (_dir, deriving) = lonely_deriver();
    let following = deriving
        .clone()
        .with("--l2.follow.source", DEAD)
        .with("--verifier.l1-confs", 4)
        .with("--syncmode", "execution-layer");
    let deriving = deriving.with("--l2.follow.max-age", "5m");
    for (flags, names) in [
        (
            following,
            &["--l1.beacon", "--verifier.l1-confs", "--syncmode"][..],
        ),
        (deriving, &["--l2.follow.max-age"]),
    ] {
        let args = [
            &["config".to_owned(), "check".to_owned()],
            &flags.args()[..],
        ]
        .concat();
        let output = plain_command(&args).output().unwrap();
        let answer = [output.stdout, output.stderr].concat();
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(output.status.code(), Some(0), "{answer}");
        for name in names {
            let is_warned = |line: &str| line.starts_with("warning: ") && line.contains(name);
            assert!(answer.lines().any(is_warned), "{name}: {answer}");
        }
    }
}

/// Flags of derivation with a value, our variable without its prefix, and how other nodes call it: variables without the
/// prefix of a node, flags with their dashes.
const NAMES: &[(&str, &str, &str, &[&str])] = &[
    (
        "l1.beacon",
        "http://b",
        "L1_BEACON",
        &["L1_BEACON", "--l1-beacon"],
    ),
    (
        "l1.beacon-fallbacks",
        "http://f",
        "L1_BEACON_FALLBACKS",
        &[
            "L1_BEACON_FALLBACKS",
            "L1_BEACON_ARCHIVER",
            "--l1.beacon-archiver",
        ],
    ),
    (
        "l1.rpc-rate-limit",
        "2.5",
        "L1_RPC_RATE_LIMIT",
        &["L1_RPC_RATE_LIMIT"],
    ),
    (
        "l1.max-concurrency",
        "10",
        "L1_MAX_CONCURRENCY",
        &["L1_MAX_CONCURRENCY"],
    ),
    (
        "l1.chain-config",
        "/l1.json",
        "L1_CHAIN_CONFIG",
        &[
            "L1_CHAIN_CONFIG",
            "ROLLUP_L1_CHAIN_CONFIG",
            "--rollup.l1-chain-config",
        ],
    ),
    (
        "verifier.l1-confs",
        "4",
        "VERIFIER_L1_CONFS",
        &["VERIFIER_L1_CONFS"],
    ),
    (
        "rollup.upgrade-bundle",
        "/a.json,/b.json",
        "ROLLUP_UPGRADE_BUNDLE",
        &[],
    ),
    ("syncmode", "execution-layer", "SYNCMODE", &["SYNCMODE"]),
    (
        "syncmode.offset-el-safe",
        "12h0m0s",
        "SYNCMODE_OFFSET_EL_SAFE",
        &["SYNCMODE_OFFSET_EL_SAFE"],
    ),
    ("safedb.path", "/safedb", "SAFEDB_PATH", &["SAFEDB_PATH"]),
    ("safedb.disable", "true", "SAFEDB_DISABLE", &[]),
];

/// Asserts that a run with one thing given shows it as this flag's value, and where it comes from.
fn is_shown(flag: &str, value: &str, given: &str) {
    let mut command = plain_command(&["config", "show", "--json", "--with-credentials"]);
    if given.starts_with("--") {
        command.arg(format!("{given}={value}"));
    } else {
        command.env(given, value);
    }
    let output = command.output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{given}={value}: {answer}");
    let all: Vec<Value> = serde_json::from_str(&answer).unwrap();
    let name = format!("--{flag}");
    let shown = all.iter().find(|one| one["flag"] == name).unwrap();
    let is_value = match &shown["value"] {
        Value::Array(all) => value
            .split(',')
            .eq(all.iter().map(|one| one.as_str().unwrap())),
        one => one == value,
    };
    assert!(is_value, "{given}: {shown}");
    assert_eq!(shown["origin"]["name"], given, "{shown}");
}

#[test]
fn each_flag_of_derivation_has_its_variable_and_is_known_by_its_names_elsewhere() {
    for (flag, value, env, elsewhere) in NAMES {
        is_shown(flag, value, &format!("--{flag}"));
        is_shown(flag, value, &format!("LIGHT_NODE_{env}"));
        for name in *elsewhere {
            if name.starts_with("--") {
                is_shown(flag, value, name);
                continue;
            }
            for node in ["OP_NODE", "KONA_NODE"] {
                is_shown(flag, value, &format!("{node}_{name}"));
            }
        }
    }
}

#[test]
fn what_is_dumped_of_a_node_that_derives_is_understood_again() {
    let (dir, mut flags) = lonely_deriver();
    for (flag, value, ..) in NAMES {
        // What needs files that are right, and URLs.
        if !matches!(*flag, "l1.chain-config" | "rollup.upgrade-bundle") {
            flags = flags.with(&format!("--{flag}"), value);
        }
    }
    let dump = |args: &[String]| {
        let output = plain_command(args).arg("--dump-config").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        text
    };
    let first = dump(&flags.args());
    for word in [
        "http://f",
        "2.5",
        "execution-layer",
        "12h0m0s",
        "l1-confs = 4",
    ] {
        assert!(first.contains(word), "`{word}` is missing in: {first}");
    }
    let file = dir.path().join("node.toml");
    fs::write(&file, &first).unwrap();
    assert_eq!(dump(&[format!("--config={}", file.display())]), first);
}
