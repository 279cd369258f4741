//! Every flag of every command has a test that proves its effect. The table names it; a flag that stands in no row, or a row
//! whose test is gone, fails here. Effects that have no other home are tested in `effects`.

use crate::helpers::process::plain_command;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

mod deriving;
mod devnet;
mod effects;
mod peers;
mod values;

/// Command, flag, and the test that fails if the flag does nothing.
const PROOFS: &[(&str, &str, &str)] = &[
    (
        "node",
        "--p2p.no-discovery",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.useragent",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.listen.ip",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.listen.udp",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.advertise.tcp",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.advertise.udp",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.bootnodes",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.static",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.netrestrict",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.peers.lo",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.peers.hi",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.peers.grace",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.scoring",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.ban.peers",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.ban.threshold",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.ban.duration",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.ping",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.discovery.interval",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.gossip.mesh.d",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.gossip.mesh.lo",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.gossip.mesh.dhi",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.gossip.mesh.dlazy",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.gossip.mesh.floodpublish",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.gossip.timestamp.threshold",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.timeout.negotiation",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.timeout.accept",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.timeout.dial",
        "every_flag_of_peers_reaches_the_configuration",
    ),
    (
        "node",
        "--p2p.disable",
        "peers_are_dealt_with_where_anything_is_said_of_them",
    ),
    (
        "node",
        "--p2p.listen.tcp",
        "a_port_for_peers_that_is_taken_is_named",
    ),
    ("node", "--p2p.dir", "what_is_kept_is_where_the_flags_say"),
    (
        "node",
        "--p2p.priv.path",
        "what_is_kept_is_where_the_flags_say",
    ),
    (
        "node",
        "--p2p.advertise.ip",
        "what_is_kept_is_where_the_flags_say",
    ),
    (
        "node",
        "--p2p.peerstore.path",
        "what_is_kept_is_where_the_flags_say",
    ),
    (
        "node",
        "--p2p.discovery.path",
        "what_is_kept_is_where_the_flags_say",
    ),
    (
        "node",
        "--p2p.priv.raw",
        "a_node_tells_peers_who_it_is_by_the_key_given",
    ),
    (
        "node",
        "--p2p.sequencer.key",
        "who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown",
    ),
    (
        "node",
        "--p2p.sequencer.key-file",
        "who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown",
    ),
    (
        "node",
        "--signer.endpoint",
        "who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown",
    ),
    (
        "node",
        "--signer.address",
        "who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown",
    ),
    (
        "node",
        "--signer.tls.ca",
        "who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown",
    ),
    (
        "node",
        "--signer.tls.cert",
        "who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown",
    ),
    (
        "node",
        "--signer.tls.key",
        "who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown",
    ),
    (
        "node",
        "--sequencer.stopped",
        "every_flag_of_the_sequencer_reaches_its_configuration",
    ),
    (
        "node",
        "--sequencer.l1-confs",
        "every_flag_of_the_sequencer_reaches_its_configuration",
    ),
    (
        "node",
        "--sequencer.max-safe-lag",
        "every_flag_of_the_sequencer_reaches_its_configuration",
    ),
    (
        "node",
        "--sequencer.recover",
        "every_flag_of_the_sequencer_reaches_its_configuration",
    ),
    (
        "node",
        "--rpc.admin-state",
        "every_flag_of_the_sequencer_reaches_its_configuration",
    ),
    (
        "node",
        "--conductor.enabled",
        "every_flag_of_the_sequencer_reaches_its_configuration",
    ),
    (
        "node",
        "--conductor.rpc",
        "every_flag_of_the_sequencer_reaches_its_configuration",
    ),
    (
        "node",
        "--conductor.rpc-timeout",
        "every_flag_of_the_sequencer_reaches_its_configuration",
    ),
    (
        "node",
        "--sequencer.enabled",
        "every_flag_of_the_sequencer_reaches_its_configuration",
    ),
    (
        "node",
        "--l1.runtime-config-reload-interval",
        "the_signer_is_read_from_l1_as_often_as_said",
    ),
    (
        "",
        "--log.level",
        "a_dead_first_l1_is_failed_over_and_the_rpc_address_is_the_one_asked_for",
    ),
    ("", "--log.format", "the_log_has_the_form_asked_for"),
    ("node", "--config", "a_file_is_enough_to_run_a_node"),
    (
        "node",
        "--dump-config",
        "what_is_dumped_gives_the_same_configuration_again",
    ),
    ("node", "--network", "a_node_serves_the_network_asked_for"),
    ("node", "--rollup.config", "a_jovian_chain_is_followed"),
    (
        "node",
        "--l1",
        "a_dead_first_l1_is_failed_over_and_the_rpc_address_is_the_one_asked_for",
    ),
    (
        "node",
        "--l1.epoch-poll-interval",
        "labels_of_l1_are_asked_for_as_often_as_said",
    ),
    (
        "node",
        "--l1.slot-duration",
        "the_head_of_l1_is_asked_for_when_the_next_block_is_due",
    ),
    (
        "node",
        "--l1.request-timeout",
        "an_endpoint_that_hangs_is_given_up_after_the_time_said",
    ),
    (
        "node",
        "--l1.trust-rpc",
        "a_header_with_unknown_fields_is_believed_where_l1_is_trusted",
    ),
    ("node", "--l2", "a_jovian_chain_is_followed"),
    (
        "node",
        "--l2.jwt-secret",
        "a_refused_jwt_ends_the_node_after_half_a_minute",
    ),
    ("node", "--l2.follow.source", "a_jovian_chain_is_followed"),
    (
        "node",
        "--l2.follow.poll-interval",
        "the_source_is_asked_as_often_as_said",
    ),
    (
        "node",
        "--l2.follow.max-age",
        "a_source_older_than_said_is_stale",
    ),
    (
        "node",
        "--l2.follow.request-timeout",
        "an_endpoint_that_hangs_is_given_up_after_the_time_said",
    ),
    (
        "node",
        "--rpc.addr",
        "a_dead_first_l1_is_failed_over_and_the_rpc_address_is_the_one_asked_for",
    ),
    ("node", "--rpc.port", "a_taken_port_is_named"),
    (
        "node",
        "--rpc.enable-admin",
        "admin_exists_only_where_it_was_enabled",
    ),
    (
        "devnet",
        "--fork",
        "the_chain_of_a_devnet_is_the_one_asked_for",
    ),
    (
        "devnet",
        "--block-time",
        "the_chain_of_a_devnet_is_the_one_asked_for",
    ),
    (
        "devnet",
        "--l1-block-time",
        "the_chain_of_a_devnet_is_the_one_asked_for",
    ),
    ("devnet", "--followers", "a_devnet_needs_no_followers"),
    (
        "devnet",
        "--sequencer",
        "a_light_sequencer_and_a_script_can_make_the_blocks_as_well",
    ),
    (
        "devnet",
        "--stable-ports",
        "a_devnets_flags_reach_its_configuration",
    ),
    (
        "devnet",
        "--engine",
        "followers_can_be_wired_to_their_execution_layers_without_a_port",
    ),
    (
        "devnet",
        "--datadir",
        "a_directory_that_cannot_be_made_is_named",
    ),
    (
        "devnet",
        "--el-sync-delay",
        "a_devnets_flags_reach_its_configuration",
    ),
    (
        "devnet",
        "--el-sync-batch",
        "a_devnets_flags_reach_its_configuration",
    ),
    (
        "devnet",
        "--el-behaviour",
        "a_devnets_flags_reach_its_configuration",
    ),
    ("", "--log.color", "colour_is_a_choice_of_the_pretty_form"),
    (
        "node",
        "--metrics.enabled",
        "without_metrics_there_is_no_port_and_no_line",
    ),
    (
        "node",
        "--metrics.addr",
        "metrics_are_served_on_the_address_and_port_asked_for",
    ),
    (
        "node",
        "--metrics.port",
        "metrics_are_served_on_the_address_and_port_asked_for",
    ),
    (
        "node",
        "--metrics.compat",
        "without_compatibility_only_our_own_names_are_served",
    ),
    ("node", "--l1.beacon", "a_jovian_chain_is_derived"),
    (
        "node",
        "--l1.beacon-fallbacks",
        "blobs_that_no_beacon_gives_come_from_a_fallback",
    ),
    ("node", "--l1.chain-config", "a_jovian_chain_is_derived"),
    (
        "node",
        "--l1.max-concurrency",
        "as_many_blocks_of_l1_are_asked_for_at_once_as_said",
    ),
    (
        "node",
        "--l1.rpc-rate-limit",
        "blocks_of_l1_are_asked_for_as_slowly_as_said",
    ),
    (
        "node",
        "--rollup.upgrade-bundle",
        "what_is_no_upgrade_bundle_bit_for_bit_is_refused_at_start",
    ),
    (
        "node",
        "--safedb.disable",
        "no_history_of_safe_heads_is_kept_where_it_is_switched_off",
    ),
    (
        "node",
        "--safedb.path",
        "the_history_of_safe_heads_is_kept_where_it_was_asked_to",
    ),
    (
        "node",
        "--syncmode",
        "a_fresh_execution_layer_syncs_by_itself_and_what_is_old_enough_is_safe",
    ),
    (
        "node",
        "--syncmode.offset-el-safe",
        "a_fresh_execution_layer_syncs_by_itself_and_what_is_old_enough_is_safe",
    ),
    (
        "node",
        "--verifier.l1-confs",
        "derivation_stays_as_far_below_the_l1_head_as_said",
    ),
    (
        "devnet",
        "--batches",
        "the_batcher_of_a_devnet_writes_as_asked_for",
    ),
    (
        "devnet",
        "--compression",
        "the_batcher_of_a_devnet_writes_as_asked_for",
    ),
    (
        "devnet",
        "--da",
        "the_batcher_of_a_devnet_writes_as_asked_for",
    ),
    (
        "devnet",
        "--frame-bytes",
        "the_batcher_of_a_devnet_writes_as_asked_for",
    ),
    (
        "devnet",
        "--deriver",
        "the_followers_of_a_devnet_follow_a_deriver_where_there_is_one",
    ),
    (
        "doctor",
        "--json",
        "a_doctor_answers_in_json_where_asked_to",
    ),
    (
        "healthcheck",
        "--url",
        "a_health_check_asks_the_node_that_is_named",
    ),
    (
        "healthcheck",
        "--live",
        "a_health_check_asks_the_node_that_is_named",
    ),
    (
        "healthcheck",
        "--timeout",
        "who_does_not_answer_is_unhealthy_within_the_deadline",
    ),
    (
        "healthcheck",
        "--config",
        "a_health_check_asks_the_node_that_is_named",
    ),
    (
        "healthcheck",
        "--rpc.addr",
        "a_health_check_asks_the_node_that_is_named",
    ),
    (
        "healthcheck",
        "--rpc.port",
        "a_health_check_asks_the_node_that_is_named",
    ),
    (
        "healthcheck",
        "--rpc.enable-admin",
        "admin_exists_only_where_it_was_enabled",
    ),
    (
        "jwt generate",
        "--if-missing",
        "compose_keeps_the_secret_of_the_first_start",
    ),
    (
        "jwt generate",
        "--force",
        "an_existing_file_is_replaced_by_force_only",
    ),
    (
        "config show",
        "--json",
        "a_flag_wins_over_a_variable_over_the_file_over_the_default",
    ),
    (
        "config show",
        "--with-credentials",
        "show_hides_credentials_unless_asked_for",
    ),
    (
        "version",
        "--json",
        "the_version_says_what_the_program_was_built_from",
    ),
];

/// The commands below `path`, as the help lists them.
pub(crate) fn commands(path: &str) -> Vec<String> {
    let help = help(path);
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| {
        let is_name = line.starts_with("  ") && !line.starts_with("   ");
        is_name.then(|| line.split_whitespace().next()).flatten()
    });
    let names = names.filter(|name| *name != "help");
    let inner: Vec<_> = names
        .map(|name| format!("{path} {name}").trim().to_owned())
        .collect();
    let deeper = inner.iter().flat_map(|path| commands(path));
    let mut all = inner.clone();
    all.extend(deeper);
    all
}

fn help(path: &str) -> String {
    let args: Vec<_> = path.split_whitespace().chain(["--help"]).collect();
    let output = plain_command(&args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The flags in the help of a command.
fn flags(path: &str) -> BTreeSet<String> {
    let help = help(path);
    let flag = |line: &str| {
        let line = line.trim_start();
        let flag = line
            .split(&[' ', ',', '[', '='][..])
            .find(|word| word.starts_with("--"))?;
        (line.starts_with('-') && !matches!(flag, "--help" | "--version")).then(|| flag.to_owned())
    };
    help.lines().filter_map(flag).collect()
}

/// The text of every source and test.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(&path).unwrap();
        }
    }
}

#[test]
fn every_flag_has_a_test() {
    let global = flags("");
    let mut found: BTreeSet<(String, String)> = global
        .iter()
        .map(|flag| (String::new(), flag.clone()))
        .collect();
    for command in commands("") {
        let own = flags(&command);
        let own = own.difference(&global);
        found.extend(own.map(|flag| (command.clone(), flag.clone())));
    }
    // Doctor takes the node's flags as the node does.
    let node = flags("node");
    found.retain(|(command, flag)| command != "doctor" || !node.contains(flag));
    let proofs: BTreeMap<_, _> = PROOFS
        .iter()
        .map(|(command, flag, test)| (((*command).to_owned(), (*flag).to_owned()), *test))
        .collect();
    assert_eq!(proofs.len(), PROOFS.len(), "a flag stands twice");
    let untested: Vec<_> = found
        .iter()
        .filter(|flag| !proofs.contains_key(*flag))
        .collect();
    assert!(untested.is_empty(), "flags without a test: {untested:?}");
    let gone: Vec<_> = proofs
        .keys()
        .filter(|flag| !found.contains(*flag))
        .collect();
    assert!(gone.is_empty(), "flags that do not exist: {gone:?}");

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for folder in ["tests", "bin", "crates"] {
        sources(&root.join(folder), &mut text);
    }
    for (flag, test) in &proofs {
        assert!(
            text.contains(&format!("fn {test}(")),
            "the test of {flag:?} is gone: {test}"
        );
    }
}
