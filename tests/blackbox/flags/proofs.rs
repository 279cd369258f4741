//! Which test proves what of which flag. A flag may have several: one shows that it reaches the configuration, and another one,
//! often of the crate that reads it there, what it does.

/// Command, flags without dashes, and a test that fails if one of them does nothing.
pub(super) type Proof = (&'static str, &'static [&'static str], &'static str);

/// Tests which show of a flag only that it reaches the configuration.
pub(super) const CARRIED: &[&str] = &[
    "a_devnets_flags_reach_its_configuration",
    "every_flag_of_peers_reaches_the_configuration",
    "every_flag_of_the_sequencer_reaches_its_configuration",
    "peers_are_dealt_with_where_anything_is_said_of_them",
    "who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown",
];

/// All of them, by matter.
#[rustfmt::skip]
pub(super) const PROOFS: &[Proof] = &[
    // Logs.
    ("", &["log.level"], "a_dead_first_l1_is_failed_over_and_the_rpc_address_is_the_one_asked_for"),
    ("", &["log.format"], "the_log_has_the_form_asked_for"),
    ("", &["log.color"], "colour_is_a_choice_of_the_pretty_form"),
    // The chain and the configuration itself.
    ("node", &["config"], "a_file_is_enough_to_run_a_node"),
    ("node", &["dump-config"], "what_is_dumped_gives_the_same_configuration_again"),
    ("node", &["network"], "a_node_serves_the_network_asked_for"),
    ("node", &["rollup.config", "l2", "l2.follow.source"], "a_jovian_chain_is_followed"),
    ("node", &["rollup.upgrade-bundle"], "what_is_no_upgrade_bundle_bit_for_bit_is_refused_at_start"),
    ("node", &["rollup.upgrade-bundle"], "a_fork_is_derived_across_with_its_upgrade_bundle_and_not_without"),
    // L1.
    ("node", &["l1", "rpc.addr"], "a_dead_first_l1_is_failed_over_and_the_rpc_address_is_the_one_asked_for"),
    ("node", &["l1.epoch-poll-interval"], "labels_of_l1_are_asked_for_as_often_as_said"),
    ("node", &["l1.slot-duration"], "the_head_of_l1_is_asked_for_when_the_next_block_is_due"),
    ("node", &["l1.request-timeout", "l2.follow.request-timeout"], "an_endpoint_that_hangs_is_given_up_after_the_time_said"),
    ("node", &["l1.trust-rpc"], "a_header_with_unknown_fields_is_believed_where_l1_is_trusted"),
    ("node", &["l1.runtime-config-reload-interval"], "the_signer_is_read_from_l1_as_often_as_said"),
    // The execution layer and the source.
    ("node", &["l2.jwt-secret"], "a_refused_jwt_ends_the_node_after_half_a_minute"),
    ("node", &["l2.follow.poll-interval"], "the_source_is_asked_as_often_as_said"),
    ("node", &["l2.follow.max-age"], "a_source_older_than_said_is_stale"),
    // Derivation.
    ("node", &["l1.beacon", "l1.chain-config"], "a_jovian_chain_is_derived"),
    ("node", &["l1.beacon-fallbacks"], "blobs_that_no_beacon_gives_come_from_a_fallback"),
    ("node", &["l1.max-concurrency"], "as_many_blocks_of_l1_are_asked_for_at_once_as_said"),
    ("node", &["l1.rpc-rate-limit"], "blocks_of_l1_are_asked_for_as_slowly_as_said"),
    ("node", &["verifier.l1-confs"], "derivation_stays_as_far_below_the_l1_head_as_said"),
    ("node", &["syncmode", "syncmode.offset-el-safe"], "a_fresh_execution_layer_syncs_by_itself_and_what_is_old_enough_is_safe"),
    ("node", &["safedb.disable"], "no_history_of_safe_heads_is_kept_where_it_is_switched_off"),
    ("node", &["safedb.path"], "the_history_of_safe_heads_is_kept_where_it_was_asked_to"),
    // Servers.
    ("node", &["rpc.port"], "a_taken_port_is_named"),
    ("node", &["rpc.enable-admin"], "admin_exists_only_where_it_was_enabled"),
    ("node", &["metrics.enabled"], "without_metrics_there_is_no_port_and_no_line"),
    ("node", &["metrics.addr", "metrics.port"], "metrics_are_served_on_the_address_and_port_asked_for"),
    ("node", &["metrics.compat"], "without_compatibility_only_our_own_names_are_served"),
    // Peers: who we are and where.
    ("node", &[
        "p2p.no-discovery", "p2p.useragent", "p2p.listen.ip", "p2p.listen.udp", "p2p.advertise.tcp", "p2p.advertise.udp",
        "p2p.bootnodes", "p2p.static", "p2p.netrestrict", "p2p.peers.lo", "p2p.peers.hi", "p2p.peers.grace", "p2p.scoring",
        "p2p.ban.peers", "p2p.ban.threshold", "p2p.ban.duration", "p2p.ping", "p2p.discovery.interval", "p2p.gossip.mesh.d",
        "p2p.gossip.mesh.lo", "p2p.gossip.mesh.dhi", "p2p.gossip.mesh.dlazy", "p2p.gossip.mesh.floodpublish",
        "p2p.gossip.timestamp.threshold", "p2p.timeout.negotiation", "p2p.timeout.accept", "p2p.timeout.dial",
    ], "every_flag_of_peers_reaches_the_configuration"),
    ("node", &["p2p.disable"], "peers_are_dealt_with_where_anything_is_said_of_them"),
    ("node", &["p2p.disable"], "a_node_without_peers_has_neither_their_ports_nor_their_methods"),
    ("node", &["p2p.dir", "p2p.priv.path", "p2p.advertise.ip", "p2p.peerstore.path", "p2p.discovery.path"], "what_is_kept_is_where_the_flags_say"),
    ("node", &["p2p.priv.raw"], "a_node_tells_peers_who_it_is_by_the_key_given"),
    ("node", &["p2p.priv.path"], "a_node_is_the_same_peer_after_a_restart_with_its_key_file"),
    ("node", &["p2p.peerstore.path"], "blocks_and_bans_outlive_a_restart"),
    ("node", &["p2p.discovery.path"], "a_restart_finds_its_peers_without_the_bootnodes"),
    ("node", &["p2p.listen.tcp"], "a_port_for_peers_that_is_taken_is_named"),
    ("node", &["p2p.listen.udp", "p2p.no-discovery"], "a_port_for_discovery_that_is_taken_is_named_and_not_needed_without_it"),
    ("node", &["p2p.listen.ip", "p2p.useragent", "p2p.ping", "p2p.advertise.ip", "p2p.advertise.tcp", "p2p.static"], "peers_see_a_node_as_its_flags_say"),
    ("node", &["p2p.advertise.ip", "p2p.advertise.tcp", "p2p.advertise.udp"], "the_record_says_what_is_advertised_and_nobodys_word_changes_it"),
    // Peers: whom we look for and keep.
    ("node", &["p2p.bootnodes"], "nodes_find_each_other_through_a_router_of_another_chain"),
    ("node", &["p2p.discovery.interval"], "with_enough_peers_lookups_go_on_more_slowly"),
    ("node", &["p2p.static"], "a_verifier_that_starts_again_comes_back_to_its_static_peer"),
    ("node", &["p2p.netrestrict"], "who_is_outside_of_the_networks_said_is_not_dealt_with"),
    ("node", &["p2p.peers.lo"], "candidates_are_dialled_while_there_are_too_few_peers"),
    ("node", &["p2p.peers.hi"], "above_the_most_peers_said_one_is_let_go"),
    ("node", &["p2p.peers.grace"], "a_new_peer_has_its_grace"),
    ("node", &["p2p.timeout.accept", "p2p.timeout.negotiation"], "who_comes_and_says_nothing_is_cut_off_after_the_time_said"),
    ("node", &["p2p.timeout.dial"], "a_peer_that_does_not_answer_is_given_up_after_the_time_said"),
    // Peers: how they are judged, and what they get.
    ("node", &["p2p.ban.threshold", "p2p.ban.duration"], "a_peer_is_banned_below_the_score_said_and_for_the_time_said"),
    ("node", &["p2p.ban.peers", "p2p.scoring"], "who_is_not_scored_or_not_banned_stays"),
    ("node", &["p2p.gossip.mesh.d", "p2p.gossip.mesh.lo", "p2p.gossip.mesh.dhi", "p2p.gossip.mesh.dlazy", "p2p.gossip.mesh.floodpublish"], "the_mesh_has_the_numbers_of_the_configuration"),
    ("node", &["p2p.gossip.timestamp.threshold"], "blocks_of_every_version_go_both_ways"),
    // The sequencer, and who signs for it.
    ("node", &[
        "sequencer.enabled", "sequencer.stopped", "sequencer.l1-confs", "sequencer.max-safe-lag", "sequencer.recover",
        "rpc.admin-state", "conductor.enabled", "conductor.rpc", "conductor.rpc-timeout",
    ], "every_flag_of_the_sequencer_reaches_its_configuration"),
    ("node", &["sequencer.enabled"], "a_sequencer_that_is_killed_goes_on_on_its_head"),
    ("node", &["sequencer.stopped", "sequencer.recover"], "a_sequencer_starts_as_its_flags_say"),
    ("node", &["sequencer.l1-confs"], "each_new_origin_is_taken_as_soon_as_it_is_confirmed_and_not_later_than_the_block"),
    ("node", &["sequencer.max-safe-lag", "sequencer.l1-confs"], "a_sequencer_stays_as_near_to_the_safe_head_and_as_far_from_l1_as_said"),
    ("node", &["rpc.admin-state"], "an_admin_stops_starts_and_slows_a_sequencer_and_it_remembers"),
    ("node", &["conductor.enabled", "conductor.rpc"], "leadership_moves_to_and_fro_without_a_block_that_was_not_taken"),
    ("node", &["conductor.rpc-timeout"], "a_call_that_fails_is_made_twice_within_its_timeouts"),
    ("node", &[
        "p2p.sequencer.key", "p2p.sequencer.key-file", "signer.endpoint", "signer.address", "signer.tls.ca", "signer.tls.cert",
        "signer.tls.key",
    ], "who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown"),
    ("node", &["p2p.sequencer.key-file"], "blocks_reach_those_who_derive_and_those_who_follow_before_they_are_safe"),
    ("node", &["p2p.sequencer.key"], "a_sequencer_stays_as_near_to_the_safe_head_and_as_far_from_l1_as_said"),
    ("node", &["signer.endpoint", "signer.address"], "a_signer_is_told_hash_chain_and_account_and_its_signature_is_taken"),
    ("node", &["signer.tls.ca", "signer.tls.cert", "signer.tls.key"], "a_signer_and_its_client_know_each_other_by_their_certificates"),
    // The devnet.
    ("devnet", &["fork", "block-time", "l1-block-time"], "the_chain_of_a_devnet_is_the_one_asked_for"),
    ("devnet", &["followers"], "a_devnet_needs_no_followers"),
    ("devnet", &["sequencer"], "a_light_sequencer_and_a_script_can_make_the_blocks_as_well"),
    ("devnet", &["deriver"], "the_followers_of_a_devnet_follow_a_deriver_where_there_is_one"),
    ("devnet", &["batches", "compression", "da", "frame-bytes"], "the_batcher_of_a_devnet_writes_as_asked_for"),
    ("devnet", &["engine"], "followers_can_be_wired_to_their_execution_layers_without_a_port"),
    ("devnet", &["datadir"], "a_directory_that_cannot_be_made_is_named"),
    ("devnet", &["stable-ports", "el-sync-delay", "el-sync-batch", "el-behaviour"], "a_devnets_flags_reach_its_configuration"),
    ("devnet", &["stable-ports"], "fixed_ports_do_not_run_into_each_other"),
    ("devnet", &["el-sync-delay", "el-sync-batch"], "the_delay_is_waited_before_each_batch"),
    ("devnet", &["el-behaviour"], "followers_recover_from_faults_of_their_execution_layer_under_each_behaviour"),
    // The other commands.
    ("doctor", &["json"], "a_doctor_answers_in_json_where_asked_to"),
    ("healthcheck", &["url", "live", "config", "rpc.addr", "rpc.port"], "a_health_check_asks_the_node_that_is_named"),
    ("healthcheck", &["timeout"], "who_does_not_answer_is_unhealthy_within_the_deadline"),
    ("healthcheck", &["rpc.enable-admin"], "admin_exists_only_where_it_was_enabled"),
    ("jwt generate", &["if-missing"], "compose_keeps_the_secret_of_the_first_start"),
    ("jwt generate", &["force"], "an_existing_file_is_replaced_by_force_only"),
    ("config show", &["json"], "a_flag_wins_over_a_variable_over_the_file_over_the_default"),
    ("config show", &["with-credentials"], "show_hides_credentials_unless_asked_for"),
    ("version", &["json"], "the_version_says_what_the_program_was_built_from"),
];
