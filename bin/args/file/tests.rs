#![allow(clippy::unwrap_used)]

use super::*;
use crate::{args::setting::settings_of, cli};

fn parsed(text: &str) -> (Vec<Given>, Vec<String>) {
    let command = cli::command();
    let known = settings_of(command.find_subcommand("node").unwrap());
    let (given, faults) = parse(Path::new("node.toml"), text, &known);
    (given, faults.iter().map(ToString::to_string).collect())
}

/// The one fault of a text.
fn fault(text: &str) -> String {
    let (_, faults) = parsed(text);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.into_iter().next().unwrap()
}

#[test]
fn keys_are_flags_and_their_lines_are_known() {
    let text = "network = \"op-sepolia\"\n\n[l1]\nurl = [\"http://a\", \"http://b\"]\ntrust-rpc = true\n\n[rpc]\nport = 1\n";
    let (given, faults) = parsed(text);
    assert_eq!(faults, Vec::<String>::new());
    let shown: Vec<_> = given
        .iter()
        .map(|given| {
            (
                given.flag.as_str(),
                given.values.len(),
                given.origin.to_string(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("network", 1, "node.toml:1 network".to_owned()),
            ("l1", 2, "node.toml:4 l1.url".to_owned()),
            ("l1.trust-rpc", 1, "node.toml:5 l1.trust-rpc".to_owned()),
            ("rpc.port", 1, "node.toml:8 rpc.port".to_owned()),
        ]
    );
}

#[test]
fn dotted_keys_are_tables() {
    let (given, faults) = parsed("l2.follow.source = \"http://a\"\nl2.url = \"http://b\"\n");
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(given[0].flag, "l2.follow.source");
    assert_eq!(given[1].flag, "l2");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest() {
    let words = fault("[rpc]\nport = 1\nadress = \"x\"\n");
    assert_eq!(
        words,
        "node.toml:3: the key `rpc.adress` means nothing to light-node; did you mean `rpc.addr`?"
    );
}

#[test]
fn a_flag_that_is_a_table_here_is_told_its_leaf() {
    let words = fault("l1 = \"http://a\"\n");
    assert!(words.contains("the flag --l1 is `l1.url` here"), "{words}");
    let words = fault("rpc = 1\n");
    assert!(words.contains("it is the table [rpc]"), "{words}");
}

#[test]
fn a_wrong_type_is_named_with_what_was_expected() {
    let words = fault("[rpc]\nport = [1]\n");
    assert_eq!(
        words,
        "node.toml:2: `rpc.port` must be one string, number or boolean"
    );
    let words = fault("l1.url = [1.5]\n");
    assert_eq!(words, "node.toml:1: `l1.url` must be a list of strings");
}

#[test]
fn a_key_twice_is_a_fault() {
    let words = fault("network = \"a\"\nnetwork = \"b\"\n");
    assert!(words.starts_with("node.toml:2: duplicate key"), "{words}");
}

#[test]
fn broken_toml_is_named_with_its_line_and_not_repeated() {
    let (_, faults) = parsed("network = \"op-sepolia\"\nl1.url = \"https://user:hunter2@host\n");
    let words = faults.join("\n");
    assert!(words.starts_with("node.toml:2: "), "{words}");
    assert!(!words.contains("hunter2"), "{words}");
}

#[test]
fn all_faults_are_found_at_once() {
    let (given, faults) = parsed("netwerk = 1\n[rpc]\nprot = 2\nport = 3\n");
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert_eq!(given.len(), 1);
}

#[test]
fn the_file_cannot_name_a_file() {
    let words = fault("config = \"other.toml\"\n");
    assert!(words.contains("`config` means nothing"), "{words}");
}

#[test]
fn a_number_may_have_a_fraction() {
    let (given, faults) = parsed("[l1]\nrpc-rate-limit = 2.5\n");
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(given[0].values, ["2.5"]);
}
