#![allow(clippy::unwrap_used)]

use super::{super::finding::Severity, *};
use std::fs::Permissions;

fn addrs(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|addr| addr.parse().unwrap()).collect()
}

#[test]
fn our_own_address_is_known_in_all_its_spellings() {
    let is_local = |ip: IpAddr| ip.is_loopback() || ip.to_string() == "10.0.0.7";
    for (found, listen, ours) in [
        ("127.0.0.1:9545", "127.0.0.1:9545", true),
        ("127.0.0.1:9545", "0.0.0.0:9545", true),
        ("10.0.0.7:9545", "0.0.0.0:9545", true),
        ("[::1]:9545", "[::]:9545", true),
        ("[::ffff:127.0.0.1]:9545", "127.0.0.1:9545", true),
        ("10.0.0.7:9545", "127.0.0.1:9545", false),
        ("10.0.0.8:9545", "0.0.0.0:9545", false),
        ("127.0.0.1:9546", "127.0.0.1:9545", false),
        ("127.0.0.1:0", "127.0.0.1:0", false),
    ] {
        let found = addrs(&[found]);
        let answer = is_ours(&found, listen.parse().unwrap(), is_local);
        assert_eq!(answer, ours, "{found:?} {listen}");
    }
}

#[test]
fn names_are_judged_once_and_addresses_not_at_all() {
    let name = |host: &str, is_literal, found| Resolved {
        flag: "--l1",
        host: host.to_owned(),
        is_literal,
        found,
    };
    let all = [
        name("10.0.0.1", true, Ok(addrs(&["10.0.0.1:1"]))),
        name("l1.example", false, Ok(addrs(&["10.0.0.1:1"]))),
        name("l1.example", false, Ok(addrs(&["10.0.0.1:1"]))),
        name("lost.example", false, Err("no such host".to_owned())),
        name("empty.example", false, Ok(Vec::new())),
    ];
    let severities: Vec<_> = judge_names(&all).iter().map(|one| one.severity).collect();
    assert_eq!(severities, [Severity::Ok, Severity::Error, Severity::Error]);
}

#[tokio::test]
async fn an_address_resolves_to_itself() {
    for (url, found) in [
        ("http://127.0.0.1:8551", "127.0.0.1:8551"),
        ("https://[::1]/x", "[::1]:443"),
    ] {
        let resolved = resolve("--l1", &url.parse().unwrap()).await;
        assert!(resolved.is_literal);
        assert_eq!(resolved.found.unwrap(), addrs(&[found]));
    }
}

#[tokio::test]
async fn a_port_is_free_or_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let page = "healthz";
    assert!(matches!(look_at_port(addr, page).await, Port::Taken));
    drop(taken);
    assert!(matches!(look_at_port(addr, page).await, Port::Free));
    let any = "127.0.0.1:0".parse().unwrap();
    assert!(matches!(look_at_port(any, page).await, Port::Any));
    let foreign = "192.0.2.1:9545".parse().unwrap();
    assert!(matches!(
        look_at_port(foreign, page).await,
        Port::Impossible(_)
    ));
}

#[test]
fn each_kind_of_port_has_its_verdict() {
    let listen = "127.0.0.1:80".parse().unwrap();
    for (port, severity, fix) in [
        (Port::Any, Severity::Ok, ""),
        (Port::Free, Severity::Ok, ""),
        (Port::LightNode(Running::default()), Severity::Ok, ""),
        (Port::Taken, Severity::Error, "--rpc.port"),
        (
            Port::Impossible(ErrorKind::AddrNotAvailable.into()),
            Severity::Error,
            "--rpc.addr",
        ),
        (
            Port::Impossible(ErrorKind::PermissionDenied.into()),
            Severity::Error,
            "1023",
        ),
    ] {
        let finding = judge_port(Check::RpcPort, "--rpc", listen, &port);
        assert_eq!(finding.severity, severity, "{port:?}");
        assert!(finding.fix.unwrap_or_default().contains(fix));
    }
}

#[test]
fn only_a_light_node_s_page_is_one() {
    let node = identify("healthz", br#"{"version":"0.1.0"}"#).unwrap();
    assert_eq!(node.version.unwrap(), "0.1.0");
    assert!(identify(METRICS_PAGE, b"light_node_up 1\n").is_some());
    for other in ["", "<html>", "{}", "[]", r#"{"version":1}"#, "\u{0}"] {
        assert!(identify("healthz", other.as_bytes()).is_none());
        assert!(identify(METRICS_PAGE, other.as_bytes()).is_none());
    }
}

#[test]
fn admin_on_a_public_address_is_a_warning() {
    let severity = |listen: &str, is_enabled| {
        let finding = judge_admin(listen.parse().unwrap(), is_enabled);
        finding.map(|finding| finding.severity)
    };
    assert_eq!(severity("0.0.0.0:9545", false), None);
    assert_eq!(severity("127.0.0.1:9545", true), Some(Severity::Ok));
    assert_eq!(severity("0.0.0.0:9545", true), Some(Severity::Warning));
}

#[test]
fn a_secret_is_for_its_user_and_group() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt.hex");
    let judged = |path: &Path| {
        let findings = look_at_secret(path);
        findings
            .iter()
            .map(|one| (one.check, one.severity))
            .collect::<Vec<_>>()
    };
    assert_eq!(judged(&path), [(Check::JwtFile, Severity::Error)]);
    std::fs::write(&path, "0x12").unwrap();
    assert_eq!(judged(&path), [(Check::JwtFile, Severity::Error)]);
    std::fs::write(&path, "ab".repeat(32)).unwrap();
    for (mode, severity) in [
        (0o600, Severity::Ok),
        (0o640, Severity::Ok),
        (0o644, Severity::Warning),
        (0o602, Severity::Warning),
    ] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let expected = [
            (Check::JwtFile, Severity::Ok),
            (Check::JwtPermissions, severity),
        ];
        assert_eq!(judged(&path), expected, "{mode:o}");
    }
}

#[test]
fn a_node_that_runs_is_judged_by_its_own_words() {
    let listen = "127.0.0.1:9545".parse().unwrap();
    let said = |reasons| {
        let version = None;
        judge_running(listen, &Port::LightNode(Running { version, reasons }))
    };
    assert_eq!(judge_running(listen, &Port::Free), None);
    assert_eq!(said(None), None);
    assert_eq!(said(Some(Vec::new())).unwrap().severity, Severity::Ok);
    let reason = |word: &str| Reason {
        reason: word.to_owned(),
        detail: "x".to_owned(),
    };
    let finding = said(Some(vec![reason("l1_behind")])).unwrap();
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.detail.contains("l1_behind: x"), "{finding:?}");
    // No other finding tells of these, and they stay.
    for (word, remedy) in [
        ("el_no_progress", "peers"),
        ("l1_finalized_lost", "--l1"),
        ("no_valid_batch", "batch_inbox_address"),
        ("rollup_config_mismatch", "--rollup.config"),
    ] {
        let finding = said(Some(vec![reason("l1_behind"), reason(word)])).unwrap();
        assert_eq!(finding.severity, Severity::Error, "{word}");
        assert!(finding.fix.unwrap().contains(remedy), "{word}");
    }
}

#[test]
fn a_name_without_an_address_is_one_finding_as_bad_as_its_consequence() {
    let dns = || unresolved("a.invalid", "--l1", "unknown");
    let reach = |severity, url: &str| Finding {
        severity,
        ..Finding::error(Check::L1Reachable, url, "no", "start it")
    };
    let other = || reach(Severity::Error, "http://b:1");
    let judged = |consequence| {
        let found = without_consequences(&[dns(), consequence, other()]);
        let found = found.iter().map(|one| (one.check, one.severity));
        found.collect::<Vec<_>>()
    };
    let url = "http://a.invalid:8545";
    let rest = (Check::L1Reachable, Severity::Error);
    for severity in [Severity::Error, Severity::Warning] {
        assert_eq!(judged(reach(severity, url)), [(Check::Dns, severity), rest]);
    }
    // A proxy knows the name.
    assert_eq!(
        judged(reach(Severity::Ok, url)),
        [
            (Check::Dns, Severity::Info),
            (Check::L1Reachable, Severity::Ok),
            rest
        ]
    );
    assert_eq!(judged(other()), [(Check::Dns, Severity::Error), rest, rest]);
}
