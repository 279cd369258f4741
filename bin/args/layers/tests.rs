#![allow(clippy::unwrap_used)]

use super::*;
use crate::cli;

/// The layers of a run without file.
fn layers(arguments: &[&str], variables: &[(&str, &str)]) -> Layers {
    let owned = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
    let environment = Environment::new(variables.iter().map(owned));
    let arguments = std::iter::once("light-node").chain(arguments.iter().copied());
    Layers::new(&cli::command(), arguments.map(OsString::from), &environment)
}

/// The value and the origin of a flag.
fn value(layers: &Layers, flag: &str) -> Option<(String, String)> {
    let given = layers.given.get(flag)?;
    Some((shown(&given.values), given.origin.to_string()))
}

fn pair(value: &str, origin: &str) -> Option<(String, String)> {
    Some((value.to_owned(), origin.to_owned()))
}

fn faults(layers: &Layers) -> Vec<String> {
    layers.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_flag_wins_over_a_variable_and_ours_over_another_nodes() {
    let set = [
        ("LIGHT_NODE_L1", "http://env"),
        ("LIGHT_NODE_L2", "http://env"),
        ("OP_NODE_L2_ENGINE_RPC", "http://env"),
        ("KONA_NODE_RPC_PORT", "7"),
    ];
    let layers = layers(&["--l1", "http://flag"], &set);
    assert_eq!(value(&layers, "l1"), pair("http://flag", "--l1"));
    assert_eq!(value(&layers, "l2"), pair("http://env", "LIGHT_NODE_L2"));
    assert_eq!(value(&layers, "rpc.port"), pair("7", "KONA_NODE_RPC_PORT"));
    assert_eq!(faults(&layers), Vec::<String>::new());
}

#[test]
fn another_nodes_flag_wins_over_our_variable() {
    let layers = layers(
        &["--l1-eth-rpc=http://flag"],
        &[("LIGHT_NODE_L1", "http://env")],
    );
    assert_eq!(value(&layers, "l1"), pair("http://flag", "--l1-eth-rpc"));
}

#[test]
fn two_names_that_say_different_things_in_one_layer_are_a_fault() {
    let ours_and_theirs = layers(&["--rpc.port=1", "--port=2"], &[]);
    let message = faults(&ours_and_theirs).join("\n");
    assert_eq!(
        message,
        "--rpc.port and --port say different things for --rpc.port (1 and 2): give one of them"
    );
    assert!(ours_and_theirs.faults[0].is_usage);
    let two_of_theirs = layers(
        &[],
        &[
            ("OP_NODE_L1_ETH_RPC", "http://hunter2@a"),
            ("KONA_NODE_L1_ETH_RPC", "http://b"),
        ],
    );
    let message = faults(&two_of_theirs).join("\n");
    assert!(message.contains("OP_NODE_L1_ETH_RPC"), "{message}");
    assert!(message.contains("KONA_NODE_L1_ETH_RPC"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    assert!(!two_of_theirs.faults[0].is_usage);
}

#[test]
fn two_names_that_say_the_same_are_one() {
    for arguments in [["--rpc.port=1", "--port=1"], ["--port=1", "--rpc.port=1"]] {
        let layers = layers(&arguments, &[]);
        assert_eq!(faults(&layers), Vec::<String>::new());
        assert_eq!(value(&layers, "rpc.port"), pair("1", "--rpc.port"));
    }
}

#[test]
fn a_list_may_be_given_by_repeating_another_nodes_name() {
    let layers = layers(&["--l1-eth-rpc=http://a", "--l1-eth-rpc=http://b"], &[]);
    assert_eq!(
        value(&layers, "l1"),
        pair("http://a,http://b", "--l1-eth-rpc")
    );
}

#[test]
fn names_without_effect_are_gathered_by_reason() {
    let set = [
        ("KONA_NODE_P2P_SYNC_REQ_RESP", "true"),
        ("KONA_NODE_UNHEARD_OF", "1"),
    ];
    let layers = layers(&["--p2p.sync.req-resp", "-vvv"], &set);
    let names: BTreeSet<Vec<String>> = layers
        .notices
        .iter()
        .map(|notice| notice.names.clone())
        .collect();
    let expected = [
        vec!["--p2p.sync.req-resp", "KONA_NODE_P2P_SYNC_REQ_RESP"],
        vec!["--v"],
        vec!["KONA_NODE_UNHEARD_OF"],
    ];
    let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect());
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!(faults(&layers), Vec::<String>::new());
}

#[test]
fn a_chain_id_beside_a_rollup_config_has_no_effect() {
    let alone = layers(&["--chain=10"], &[]);
    assert_eq!(value(&alone, "network"), pair("10", "--chain"));
    let beside = layers(&["-c", "10"], &[("KONA_NODE_ROLLUP_CONFIG", "r.json")]);
    assert_eq!(value(&beside, "network"), None);
    assert_eq!(beside.notices.len(), 1);
}

#[test]
fn what_is_dangerous_is_refused_for_a_node_and_no_matter_of_other_commands() {
    let set = [("OP_NODE_OVERRIDE_JOVIAN", "1")];
    let message = faults(&layers(&[], &set)).join("\n");
    assert!(
        message.starts_with("OP_NODE_OVERRIDE_JOVIAN cannot be followed: "),
        "{message}"
    );
    #[cfg(feature = "devnet")]
    assert!(faults(&layers(&["devnet"], &set)).is_empty());
}

#[test]
fn a_variable_of_another_command_is_known() {
    #[cfg(feature = "devnet")]
    assert!(faults(&layers(&[], &[("LIGHT_NODE_DEVNET_FORK", "karst")])).is_empty());
    let message = faults(&layers(
        &["config", "show"],
        &[("LIGHT_NODE_RCP_PORT", "1")],
    ))
    .join("\n");
    assert!(message.contains("LIGHT_NODE_RPC_PORT?"), "{message}");
}

#[test]
fn questions_about_the_program_do_not_read_the_configuration() {
    let set = [("LIGHT_NODE_TYPO", "1")];
    for arguments in [["--help", ""], ["version", "--json"], ["node", "--help"]] {
        assert!(
            faults(&layers(&arguments, &set)).is_empty(),
            "{arguments:?}"
        );
    }
    let layers = layers(&["version", "--json"], &set);
    assert_eq!(layers.command_line(), ["light-node", "version", "--json"]);
}

#[test]
fn what_wins_is_written_as_one_command_line() {
    let layers = layers(
        &["--l1.trust-rpc", "node", "--l1", "http://a", "--unheard-of"],
        &[("LIGHT_NODE_RPC_PORT", "1")],
    );
    let line = layers.command_line();
    let expected = [
        "light-node",
        "node",
        "--l1=http://a",
        "--l1.trust-rpc=true",
        "--rpc.port=1",
        "--p2p.disable=true",
        "--unheard-of",
    ];
    assert_eq!(line, expected);
}

#[test]
fn a_flag_takes_back_what_a_variable_switches_on() {
    let set = [("LIGHT_NODE_L1_TRUST_RPC", "true")];
    let layers = layers(&["--l1.trust-rpc=false"], &set);
    assert_eq!(
        value(&layers, "l1.trust-rpc"),
        pair("false", "--l1.trust-rpc")
    );
}

#[test]
fn a_flag_without_its_value_is_left_to_the_parser() {
    let layers = layers(&["--rpc.port"], &[("LIGHT_NODE_RPC_PORT", "1")]);
    let error = cli::parse(&layers).unwrap_err().to_string();
    assert!(error.contains("--rpc.port"), "{error}");
}

#[test]
fn a_history_that_is_switched_off_needs_no_place() {
    let path = "--safedb.path=/data/safedb";
    let notices = |switch| layers(&["node", path, switch], &[]).notices;
    let off = notices("--safedb.disable");
    let about_path = |notice: &Notice| notice.names == ["--safedb.path"];
    assert!(off.iter().any(about_path), "{off:?}");
    let on = notices("--safedb.disable=false");
    assert!(!on.iter().any(about_path), "{on:?}");
}

#[test]
fn peers_are_dealt_with_where_anything_is_said_of_them() {
    let is_disabled = |arguments: &[&str], variables: &[(&str, &str)]| {
        let line = layers(arguments, variables).command_line();
        line.contains(&OsString::from("--p2p.disable=true"))
    };
    assert!(is_disabled(&[], &[]));
    assert!(is_disabled(&["--sequencer.enabled=false"], &[]));
    // What has no effect says nothing.
    assert!(is_disabled(&["--p2p.sync.req-resp"], &[]));
    assert!(!is_disabled(&["--p2p.disable=false"], &[]));
    assert!(!is_disabled(&["--p2p.listen.tcp=0"], &[]));
    assert!(!is_disabled(&["--sequencer.enabled"], &[]));
    assert!(!is_disabled(&["--mode=Sequencer"], &[]));
    assert!(!is_disabled(&[], &[("KONA_NODE_P2P_PRIV_PATH", "key")]));
    // Other commands know no such flag.
    assert!(!is_disabled(&["version"], &[]));
}

#[test]
fn a_key_is_not_repeated() {
    let arguments = ["--p2p.sequencer.key=hunter2"];
    let set = [("OP_NODE_P2P_SEQUENCER_KEY", "hunter3")];
    let both = layers(&[arguments[0], "--p2p.priv.raw=hunter2"], &set);
    assert!(!faults(&both).join("\n").contains("hunter"));
    let (cli, _) = cli::parse(&layers(&arguments, &[])).unwrap();
    assert!(!format!("{cli:?}").contains("hunter2"));
}

#[test]
fn what_sequencers_need_means_nothing_elsewhere() {
    let notices = |arguments: &[&str]| layers(arguments, &[]).notices;
    let about = |notices: &[Notice]| {
        notices
            .iter()
            .any(|it| it.names == ["--sequencer.l1-confs"])
    };
    assert!(about(&notices(&["--sequencer.l1-confs=2"])));
    assert!(!about(&notices(&[
        "--sequencer.l1-confs=2",
        "--sequencer.enabled"
    ])));
    let follows = ["--l2.follow.source=http://a", "--l1.chain-config=f"];
    assert_eq!(notices(&follows).len(), 1);
    let sequences = [&follows[..], &["--sequencer.enabled"]].concat();
    assert_eq!(notices(&sequences).len(), 0);
}
