#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    args::{environment::Environment, layers::Layers},
    cli,
};
use std::ffi::OsString;

#[test]
fn an_address_is_taken_as_it_is_and_a_name_is_resolved() {
    assert_eq!(resolve("10.0.0.1").unwrap().to_string(), "10.0.0.1");
    assert_eq!(resolve("2001:db8::1").unwrap().to_string(), "2001:db8::1");
    assert!(resolve("localhost").unwrap().is_loopback());
    for refused in ["no.such.name.invalid", "", "a b", "0.0.0.0"] {
        let message = resolve(refused).unwrap_err().to_string();
        assert!(message.contains("--p2p.advertise.ip="), "{message}");
    }
}

#[test]
fn a_directory_has_one_node() {
    let dir = tempfile::tempdir().unwrap();
    assert!(lock(dir.path()).unwrap());
    assert!(!lock(dir.path()).unwrap());
}

#[test]
fn a_store_is_a_file_in_a_directory_or_memory() {
    let dir = tempfile::tempdir().unwrap();
    let none = |_: &str| None;
    let of = |path: &Path| store(Some(path), "--flag", "name", none).unwrap();
    assert_eq!(of(dir.path()), Some(dir.path().join("name")));
    let deep = dir.path().join("new/file");
    assert_eq!(of(&deep), Some(deep.clone()));
    assert_eq!(of(Path::new(MEMORY)), None);
    fs::write(dir.path().join("file"), "").unwrap();
    let below_a_file = dir.path().join("file/x");
    let refused = store(Some(&below_a_file), "--flag", "name", none).unwrap_err();
    assert!(refused.to_string().contains("--flag="), "{refused}");
}

/// The words of a peer of nobody.
const PEER: &str =
    "/ip4/10.0.0.9/tcp/9222/p2p/16Uiu2HAmE1WrFWUZqGBvvjKvDf8FFLWdSbVYNPyRrPkjNnRzzxYM";

/// Two that can be read, in an order that no chain has them in.
fn two_bootnodes() -> [&'static str; 2] {
    let mainnet = RollupConfig::by_network("op-mainnet").unwrap();
    let known = built_in_bootnodes(&mainnet);
    [known[1], known[0]]
}

fn with_args<T>(flags: &[&str], look: impl FnOnce(&NodeArgs) -> T) -> T {
    let words = [&["light-node", "config", "check"], flags].concat();
    let words = words.iter().map(OsString::from);
    let layers = Layers::new(&cli::command(), words, &Environment::new([]));
    let (cli, _) = cli::parse(&layers).unwrap();
    look(cli.checked_node().unwrap().0)
}

fn judged(flags: &[&str]) -> (Option<NetworkConfig>, String) {
    judged_for(RollupConfig::by_network("op-sepolia").unwrap(), flags)
}

fn judged_for(rollup: RollupConfig, flags: &[&str]) -> (Option<NetworkConfig>, String) {
    let rollup = Arc::new(rollup);
    let mut faults = Vec::new();
    let config = with_args(flags, |args| judge(args, &rollup, &mut faults));
    let faults: Vec<_> = faults.iter().map(|fault| format!("{fault:#}")).collect();
    (config, faults.join("\n"))
}

#[test]
fn every_flag_of_peers_reaches_the_configuration() {
    let shown = |flags: &[&str]| {
        let (config, faults) = judged(flags);
        assert_eq!(faults, "", "{flags:?}");
        format!("{:?}", config.unwrap())
    };
    let usual = shown(&["--p2p.disable=false"]);
    let peer = format!("--p2p.static={PEER}");
    let named = two_bootnodes();
    let bootnodes = format!("--p2p.bootnodes={}", named.join(","));
    let named = format!("{named:?}");
    for (flag, words) in [
        ("--p2p.no-discovery", "discovery: None"),
        ("--p2p.useragent=me", "user_agent: \"me\""),
        ("--p2p.listen.ip=10.0.0.7", "ip: 10.0.0.7"),
        ("--p2p.listen.tcp=9003", "tcp_port: 9003"),
        ("--p2p.listen.udp=9004", "udp_port: 9004"),
        ("--p2p.advertise.tcp=9005", "tcp_port: Some(9005)"),
        ("--p2p.advertise.udp=9006", "udp_port: Some(9006)"),
        (&bootnodes, &named),
        (&peer, PEER),
        ("--p2p.netrestrict=10.0.0.0/8", "10.0.0.0/8"),
        ("--p2p.peers.lo=7", "low: 7"),
        ("--p2p.peers.hi=77", "high: 77"),
        ("--p2p.peers.grace=7s", "grace: 7s"),
        ("--p2p.scoring=none", "is_scoring: false"),
        ("--p2p.ban.peers=false", "bans: None"),
        ("--p2p.ban.threshold=-7", "threshold: -7.0"),
        ("--p2p.ban.duration=7h", "duration: 25200s"),
        ("--p2p.ping=false", "is_pinging: false"),
        ("--p2p.discovery.interval=7s", "interval: 7s"),
        ("--p2p.gossip.mesh.d=9", "mesh: 9"),
        ("--p2p.gossip.mesh.lo=5", "mesh_low: 5"),
        ("--p2p.gossip.mesh.dhi=15", "mesh_high: 15"),
        ("--p2p.gossip.mesh.dlazy=3", "lazy: 3"),
        (
            "--p2p.gossip.mesh.floodpublish",
            "is_flood_publishing: true",
        ),
        ("--p2p.gossip.timestamp.threshold=1h", "age_max: 3600s"),
        ("--p2p.timeout.negotiation=7s", "negotiation: 7s"),
        ("--p2p.timeout.accept=7s", "accept: 7s"),
        ("--p2p.timeout.dial=7s", "dial: 7s"),
    ] {
        assert!(!usual.contains(words), "{flag}: {usual}");
        let config = shown(&[flag]);
        assert!(config.contains(words), "{flag}: {config}");
    }
}

#[test]
fn who_signs_reaches_the_configuration_of_a_sequencer_and_is_not_shown() {
    let key = "5c".repeat(32);
    let dir = tempfile::tempdir().unwrap();
    let [file, pem] = ["key", "pem"].map(|name| dir.path().join(name));
    fs::write(&file, format!("0x{key}\n")).unwrap();
    fs::write(&pem, "").unwrap();
    let raw = format!("--p2p.sequencer.key={key}");
    let file = format!("--p2p.sequencer.key-file={}", file.display());
    let [endpoint, address] = [
        "--signer.endpoint=http://me:hunter2@signer",
        "--signer.address=0xaaaa45d9549eda09e70937013520214382ffc4a2",
    ];
    let tls = ["ca", "cert", "key"].map(|name| format!("--signer.tls.{name}={}", pem.display()));
    let [ca, cert, tls_key] = tls.each_ref().map(String::as_str);
    for (flags, expected) in [
        (&[raw.as_str()][..], "Local"),
        (&[&file], "Local"),
        (&[endpoint, address, ca, cert, tls_key], "ca_path: Some"),
    ] {
        let flags = [flags, &["--p2p.disable=false", "--sequencer.enabled"]].concat();
        let (config, faults) = judged(&flags);
        assert_eq!(faults, "", "{flags:?}");
        let signer = format!("{:?}", config.unwrap().signer.unwrap());
        assert!(signer.contains(expected), "{signer}");
        assert!(
            !signer.contains(&key) && !signer.contains("hunter2"),
            "{signer}"
        );
        assert!(
            judged(&flags[..flags.len() - 1])
                .0
                .unwrap()
                .signer
                .is_none()
        );
    }
}

#[test]
fn contradictions_are_answered_with_what_to_do() {
    let raw = format!("--p2p.priv.raw={}", "5c".repeat(32));
    let endpoint = "--signer.endpoint=http://signer";
    for (flags, words) in [
        (&["--p2p.peers.lo=31"][..], "--p2p.peers.hi"),
        (&["--p2p.gossip.mesh.d=13"], "--p2p.gossip.mesh.dhi=12"),
        (&["--p2p.listen.tcp=9545"], "--rpc.port"),
        (&["--p2p.listen.tcp=7300"], "--metrics.port"),
        (&[&raw, "--p2p.priv.path=f"], "give one of them"),
        (&["--p2p.priv.raw=hunter2"], "--p2p.priv.raw is no key"),
        (&["--p2p.sequencer.key=hunter2"], "64 hex digits"),
        (
            &["--p2p.sequencer.key-file=/nowhere"],
            "cannot read --p2p.sequencer.key-file=/nowhere",
        ),
        (
            &["--p2p.sequencer.key=a", "--p2p.sequencer.key-file=b"],
            "give one of them",
        ),
        (&["--p2p.sequencer.key=a", endpoint], "give one of them"),
        (&[endpoint], "--signer.address=ADDRESS is missing"),
    ] {
        let flags = [flags, &["--p2p.no-discovery"]].concat();
        let (config, faults) = judged(&flags);
        assert!(config.is_none(), "{flags:?}");
        assert!(faults.contains(words), "{flags:?}: {faults}");
        assert!(!faults.contains("hunter2"), "{faults}");
    }
}

#[test]
fn a_node_without_peers_opens_nothing() {
    assert!(judged(&[]).0.is_none());
    assert!(judged(&["--p2p.disable", "--p2p.listen.tcp=1"]).0.is_none());
}

#[test]
fn a_word_on_peers_or_the_sequencer_opens_and_so_does_saying_that_it_is_not_off() {
    let opens = |flags: &[&str]| judged(flags).0.is_some();
    assert!(opens(&["--p2p.disable=false"]));
    assert!(opens(&["--p2p.peers.hi=30"]));
    assert!(opens(&["--sequencer.enabled"]));
    assert!(!opens(&["--sequencer.enabled", "--p2p.disable"]));
    assert!(!opens(&["--sequencer.enabled=false"]));
}

#[test]
fn each_bootnode_that_cannot_be_read_is_a_fault_where_somebody_would_read_it() {
    let [good, _] = two_bootnodes();
    let flag = format!("--p2p.bootnodes=enr:-a,{good},enode://b");
    let (config, faults) = judged(&[&flag]);
    assert!(config.is_none());
    for bad in ["enr:-a", "enode://b"] {
        let said = format!("--p2p.bootnodes: cannot read the bootnode {bad}");
        assert!(faults.contains(&said), "{faults}");
    }
    assert!(!faults.contains(good), "{faults}");
    assert_eq!(judged(&[&flag, "--p2p.no-discovery"]).1, "");
}

#[test]
fn a_known_chain_has_bootnodes_until_others_are_named() {
    let bootnodes = |rollup: &RollupConfig, flag: &str| {
        let config = judged_for(rollup.clone(), &[flag]).0.unwrap();
        config.discovery.map(|discovery| discovery.bootnodes)
    };
    let mainnet = RollupConfig::by_network("op-mainnet").unwrap();
    let built_in = bootnodes(&mainnet, "--p2p.disable=false").unwrap();
    assert!(built_in.len() > 5, "{built_in:?}");
    let [one, _] = two_bootnodes();
    let own = bootnodes(&mainnet, &format!("--p2p.bootnodes={one}"));
    assert_eq!(own.unwrap(), [one]);
    assert_eq!(bootnodes(&mainnet, "--p2p.no-discovery"), None);
    let mut unknown = mainnet;
    unknown.l2_chain_id = 7;
    let none = bootnodes(&unknown, "--p2p.disable=false");
    assert!(none.unwrap().is_empty());
}

#[test]
fn what_is_kept_is_where_the_flags_say() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let open_with = |flags: &[String]| {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let mut config = judged(&flags).0.unwrap();
        with_args(&flags, |args| open(&args.p2p, &mut config)).map(|()| config)
    };
    let flag = |name: &str, file: &str| format!("--p2p.{name}={}", at(file).display());
    let all = open_with(&[
        flag("dir", "all"),
        "--p2p.advertise.ip=localhost".to_owned(),
    ])
    .unwrap();
    assert!(at("all/node.key").exists());
    assert_eq!(all.gater_path, Some(at("all/blocked.json")));
    assert_eq!(all.discovery.unwrap().store_path, Some(at("all/nodes.txt")));
    assert!(all.advertise.ip.unwrap().is_loopback());
    let taken = open_with(&[flag("dir", "all")]).unwrap_err().to_string();
    assert!(taken.contains("is used by another node"), "{taken}");

    let single = [
        flag("priv.path", "keys/node"),
        flag("peerstore.path", "blocked"),
        flag("discovery.path", "nodes"),
    ];
    let first = open_with(&single).unwrap();
    assert_eq!(first.gater_path, Some(at("blocked")));
    assert_eq!(first.discovery.unwrap().store_path, Some(at("nodes")));
    let second = open_with(&single).unwrap();
    assert_eq!(first.key.public(), second.key.public());
    let memory = ["--p2p.peerstore.path=memory", "--p2p.discovery.path=memory"];
    let raw = format!("--p2p.priv.raw={}", "5c".repeat(32));
    let memory = open_with(&[memory[0].to_owned(), memory[1].to_owned(), raw]).unwrap();
    assert_eq!(memory.gater_path, None);
    assert_eq!(memory.discovery.unwrap().store_path, None);

    fs::write(at("file"), "").unwrap();
    for name in ["dir", "priv.path", "peerstore.path", "discovery.path"] {
        let mut flags: Vec<String> = single.to_vec();
        flags.retain(|other| !other.contains(name));
        flags.push(flag(name, "file/below"));
        let refused = open_with(&flags).unwrap_err().to_string();
        assert!(refused.contains(&format!("--p2p.{name}=")), "{refused}");
    }
}
