#![allow(clippy::unwrap_used)]

use super::*;
use crate::{args::setting, cli};
use std::collections::BTreeSet;

fn flag(name: &str, value: Option<&str>) -> Translated {
    of_flag(name).unwrap().translate(value.map(OsStr::new))
}

fn env(name: &str, value: &str) -> Translated {
    of_env(name).unwrap().translate(Some(OsStr::new(value)))
}

fn given(flag: &'static str, value: &str) -> Translated {
    Translated::Given {
        flag,
        value: value.into(),
        unless: None,
    }
}

#[test]
fn every_row_points_at_a_flag_that_exists_and_no_name_stands_twice() {
    let command = cli::command();
    let settings = setting::settings_of(command.find_subcommand("node").unwrap());
    let is_ours = |name: &str| settings.iter().any(|setting| setting.flag == name);
    let mut seen = BTreeSet::new();
    for alias in rows() {
        let targets = match alias.meaning {
            Meaning::Flag(flag)
            | Meaning::Seconds(flag)
            | Meaning::Duration(flag)
            | Meaning::Minutes(flag) => vec![flag],
            Meaning::Mode => vec!["sequencer.enabled"],
            Meaning::FlagUnless(flag, other, _) => vec![flag, other],
            Meaning::Level => vec!["log.level"],
            Meaning::Always(..) | Meaning::Ignored(_) | Meaning::Only(..) | Meaning::Refused(_) => {
                vec![]
            }
        };
        for target in targets {
            assert!(is_ours(target), "{target} is no flag");
        }
        for name in alias.flags {
            assert!(!is_ours(name), "{name} is a flag of ours");
        }
        for name in alias.flags.iter().chain(alias.envs) {
            assert!(seen.insert(*name), "{name} stands twice");
        }
    }
}

#[test]
fn a_name_of_another_node_is_a_flag_of_ours() {
    assert_eq!(
        flag("l1-eth-rpc", Some("http://a")),
        given("l1", "http://a")
    );
    assert_eq!(flag("l1.trustrpc", None), given("l1.trust-rpc", "true"));
    assert_eq!(
        env("OP_NODE_L2_ENGINE_AUTH", "f"),
        given("l2.jwt-secret", "f")
    );
    assert_eq!(
        env("KONA_NODE_L2_ENGINE_AUTH", "f"),
        given("l2.jwt-secret", "f")
    );
    assert_eq!(
        env("BASE_NODE_L2_ENGINE_AUTH", "f"),
        given("l2.jwt-secret", "f")
    );
    for (name, ours) in [
        ("OP_NODE_L1_BEACON", "l1.beacon"),
        ("OP_NODE_L1_BEACON_ARCHIVER", "l1.beacon-fallbacks"),
        ("KONA_NODE_L1_BEACON", "l1.beacon"),
        ("OP_NODE_ROLLUP_L1_CHAIN_CONFIG", "l1.chain-config"),
        ("OP_NODE_VERIFIER_L1_CONFS", "verifier.l1-confs"),
        ("OP_NODE_SYNCMODE", "syncmode"),
        ("OP_NODE_SYNCMODE_OFFSET_EL_SAFE", "syncmode.offset-el-safe"),
        ("OP_NODE_SAFEDB_PATH", "safedb.path"),
    ] {
        assert_eq!(env(name, "1"), given(ours, "1"), "{name}");
    }
    assert!(of_env("OP_NODE_UNHEARD_OF").is_none());
    assert!(of_flag("unheard-of").is_none());
}

#[test]
fn values_are_put_into_our_words() {
    assert_eq!(env("KONA_LOG_LEVEL", "3"), given("log.level", "info"));
    assert_eq!(env("KONA_LOG_LEVEL", "5"), given("log.level", "trace"));
    assert_eq!(
        env("OP_NODE_LOG_LEVEL", "debug"),
        given("log.level", "debug")
    );
    for refused in ["0", "6"] {
        assert!(matches!(
            env("KONA_LOG_LEVEL", refused),
            Translated::Refused(_)
        ));
    }
    let slot = "l1-slot-duration-override";
    assert_eq!(flag(slot, Some("2")), given("l1.slot-duration", "2s"));
    assert_eq!(flag(slot, Some("0")), Translated::AsItIs);
    assert!(matches!(flag(slot, Some("2s")), Translated::Refused(_)));
    assert!(matches!(flag(slot, None), Translated::Refused(_)));
}

#[test]
fn kona_nodes_numbers_get_their_units_and_its_mode_is_a_switch() {
    for (name, value, ours, expected) in [
        (
            "KONA_NODE_P2P_BAN_DURATION",
            "60",
            "p2p.ban.duration",
            "60m",
        ),
        ("KONA_NODE_P2P_PEERS_GRACE", "30", "p2p.peers.grace", "30s"),
        ("OP_NODE_P2P_PEERS_GRACE", "30s", "p2p.peers.grace", "30s"),
        (
            "KONA_NODE_P2P_DISCOVERY_INTERVAL",
            "5",
            "p2p.discovery.interval",
            "5s",
        ),
        ("KONA_NODE_MODE", "Sequencer", "sequencer.enabled", "true"),
        (
            "KONA_NODE_P2P_SEQUENCER_KEY_PATH",
            "f",
            "p2p.sequencer.key-file",
            "f",
        ),
        (
            "OP_NODE_P2P_PEER_BANNING",
            "false",
            "p2p.ban.peers",
            "false",
        ),
        ("OP_NODE_P2P_AGENT", "optimism", "p2p.useragent", "optimism"),
    ] {
        assert_eq!(env(name, value), given(ours, expected), "{name}");
    }
}

#[test]
fn what_would_be_dangerous_to_ignore_is_refused() {
    for (name, value) in [
        ("l2.follow.skip-l1-check", None),
        ("mode", Some("Archive")),
        ("p2p.mux", Some("mplex")),
        ("p2p.security", Some("none")),
        ("signer.header", Some("key=value")),
        ("override.jovian", Some("1")),
        ("canyon-override", Some("1")),
    ] {
        assert!(
            matches!(flag(name, value), Translated::Refused(_)),
            "{name}"
        );
    }
    for (name, value) in [
        ("KONA_NODE_MODE", "Validator"),
        ("OP_NODE_P2P_MUX", "yamux,mplex"),
        ("OP_NODE_P2P_SECURITY", "noise"),
        ("KONA_NODE_RPC_WS_ENABLED", "true"),
    ] {
        assert_eq!(env(name, value), Translated::AsItIs, "{name}");
    }
}

#[test]
fn what_means_nothing_here_is_ignored_with_the_reason() {
    for name in [
        "p2p.sync.req-resp",
        "p2p.nat",
        "rpc.disabled",
        "altda.enabled",
    ] {
        assert!(matches!(flag(name, None), Translated::Ignored(_)), "{name}");
    }
    for name in [
        "p2p.redial",
        "l1.beacon-header",
        "finality.delay",
        "p2p.unheard-of",
    ] {
        let translated = flag(name, Some("1"));
        assert!(matches!(translated, Translated::Ignored(_)), "{name}");
    }
    for name in [
        "KONA_NODE_P2P_UNSAFE_BLOCK_SIGNER",
        "OP_NODE_P2P_SYNC_REQ_RESP",
        "OP_NODE_L1_BEACON_HEADER",
    ] {
        assert!(matches!(env(name, "1"), Translated::Ignored(_)), "{name}");
    }
}
