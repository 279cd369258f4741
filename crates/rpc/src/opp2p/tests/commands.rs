use super::*;
use crate::config::{ASKING_CALLS_MAX, CONNECT_PATIENCE, CONNECTS_MAX, TURN_PATIENCE};
use NetworkQuestion as Q;
use jsonrpsee::types::error::SERVER_IS_BUSY_CODE;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

#[tokio::test]
async fn each_command_comes_to_the_network_and_is_answered_with_null() {
    let (site, mut network) = Site::scripted();
    let addr = "10.1.2.3".parse().unwrap();
    let subnet = "10.0.0.0/8".parse().unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/9003/p2p/{PEER}");
    for (method, subject, question) in [
        ("opp2p_blockPeer", PEER, Q::BlockPeer(peer())),
        ("opp2p_unblockPeer", PEER, Q::UnblockPeer(peer())),
        ("opp2p_blockAddr", "10.1.2.3", Q::BlockAddr(addr)),
        ("opp2p_blocAddr", "10.1.2.3", Q::BlockAddr(addr)),
        ("opp2p_unblockAddr", "::ffff:10.1.2.3", Q::UnblockAddr(addr)),
        ("opp2p_blockSubnet", "10.0.0.0/8", Q::BlockSubnet(subnet)),
        (
            "opp2p_unblockSubnet",
            "10.9.9.9/8",
            Q::UnblockSubnet(subnet),
        ),
        ("opp2p_protectPeer", PEER, Q::ProtectPeer(peer())),
        ("opp2p_unprotectPeer", PEER, Q::UnprotectPeer(peer())),
        (
            "opp2p_connectPeer",
            &address,
            Q::Connect(address.parse().unwrap()),
        ),
        ("opp2p_disconnectPeer", PEER, Q::Disconnect(peer())),
    ] {
        assert!(COMMANDS.contains(&method));
        let asked = site.asking(&mut network, method, json!([subject])).await;
        assert_eq!(asked, (Ok(Value::Null), question));
    }
}

#[tokio::test]
async fn what_the_network_refuses_is_refused_in_its_words() {
    let (site, mut network) = Site::scripted();
    network.refusal = Some("the peer is blocked".to_owned());
    let asked = site.asking(&mut network, "opp2p_protectPeer", json!([PEER]));
    let words = "the peer is blocked".to_owned();
    assert_eq!(asked.await.0, Err((-32000, words)));
}

#[tokio::test]
async fn subnets_come_in_gos_form_too() {
    let (site, mut network) = Site::scripted();
    for (ip, mask, expected) in [
        ("10.0.0.0", "/wAAAA==", "10.0.0.0/8"),
        ("10.1.2.3", "//8AAA==", "10.1.0.0/16"),
        // Sixteen bytes for an address of IPv4.
        ("10.0.0.0", "/////////////////wAAAA==", "10.0.0.0/8"),
        ("::ffff:10.0.0.0", "/wAAAA==", "10.0.0.0/8"),
        ("0.0.0.0", "AAAAAA==", "0.0.0.0/0"),
        ("2001:db8::1", "/////4AAAAAAAAAAAAAAAA==", "2001:db8::/33"),
    ] {
        let subnet = json!([{ "IP": ip, "Mask": mask }]);
        let asked = site.asking(&mut network, "opp2p_blockSubnet", subnet).await;
        let expected = Q::BlockSubnet(expected.parse().unwrap());
        assert_eq!(asked, (Ok(Value::Null), expected), "{ip} {mask}");
    }
}

#[tokio::test]
async fn a_subnet_that_is_listed_can_be_given_back() {
    let (site, mut network) = Site::scripted();
    for text in ["192.168.0.0/22", "2001:db8::/33", "10.1.2.3/32", "::/0"] {
        let subnet = text.parse().unwrap();
        network.peers.banned_subnets = vec![subnet];
        let listed = site.asking(&mut network, "opp2p_listBlockedSubnets", json!([]));
        let listed = listed.await.0.unwrap();
        let asked = site.asking(&mut network, "opp2p_unblockSubnet", listed);
        assert_eq!(asked.await.1, Q::UnblockSubnet(subnet));
    }
}

#[tokio::test]
async fn wrong_parameters_are_named_and_never_come_to_the_network() {
    let (site, mut network) = Site::scripted();
    let go = |ip: &str, mask: &str| json!([{ "IP": ip, "Mask": mask }]);
    let peers = [
        "opp2p_blockPeer",
        "opp2p_protectPeer",
        "opp2p_disconnectPeer",
    ];
    let mut wrong = Vec::new();
    for params in [
        json!([]),
        json!([""]),
        json!(["peer"]),
        json!([7]),
        json!([PEER, PEER]),
    ] {
        wrong.extend(
            peers.map(|method| (method, params.clone(), "expected one peer id in base58: ")),
        );
        wrong.push((
            "opp2p_blockAddr",
            params.clone(),
            "expected one IP address: ",
        ));
        wrong.push((
            "opp2p_blockSubnet",
            params.clone(),
            "expected one subnet, as ",
        ));
        wrong.push((
            "opp2p_connectPeer",
            params,
            "expected one address that ends in /p2p/<peer id>: ",
        ));
    }
    for params in [
        json!(["10.0.0.0"]),
        json!(["10.0.0.0/33"]),
        json!([{ "IP": "10.0.0.0" }]),
        go("10.0.0.0", "8"),
        go("10.0.0.0", ""),
        // Ones after zeros; five bytes; a mask of IPv4 for an address of IPv6.
        go("10.0.0.0", "AP8AAA=="),
        go("10.0.0.0", "/wAAAAA="),
        go("2001:db8::", "/wAAAA=="),
    ] {
        wrong.push(("opp2p_unblockSubnet", params, "expected one subnet, as "));
    }
    for address in [
        "/ip4/127.0.0.1/tcp/9003".to_owned(),
        format!("/p2p/{PEER}/p2p-circuit"),
        format!("127.0.0.1:9003/p2p/{PEER}"),
    ] {
        wrong.push((
            "opp2p_connectPeer",
            json!([address]),
            "expected one address that ends in",
        ));
    }
    for (method, params, words) in wrong {
        let (code, message) = site.call(method, params.clone()).await.unwrap_err();
        assert_eq!(code, -32602, "{method} {params}: {message}");
        assert!(message.starts_with(words), "{method} {params}: {message}");
    }
    let asked = site.asking(&mut network, "opp2p_self", json!([])).await.1;
    assert_eq!(asked, Q::This, "nothing else was asked");
}

#[tokio::test(start_paused = true)]
async fn peers_that_do_not_answer_keep_nobody_else_waiting() {
    let turns = TurnsByKind::new(&Handle::current());
    let (handle, _never_answers) = NetworkHandle::scripted();
    let silent = Arc::new(Site::with_turns(Some(handle), turns.clone(), true));
    let (handle, mut network) = NetworkHandle::scripted();
    let site = Site::with_turns(Some(handle), turns, true);

    let address = format!("/ip4/127.0.0.1/tcp/9003/p2p/{PEER}");
    let started = Instant::now();
    let mut connects = JoinSet::new();
    for _ in 0..=CONNECTS_MAX {
        let (silent, params) = (silent.clone(), json!([address]));
        connects.spawn(async move { silent.call("opp2p_connectPeer", params).await });
    }
    let busy = connects.join_next().await.unwrap().unwrap();
    assert_eq!(
        busy.unwrap_err().0,
        i64::from(SERVER_IS_BUSY_CODE),
        "one too many"
    );
    assert_eq!(started.elapsed(), TURN_PATIENCE);

    // All turns to connect are taken; other questions and commands have their own.
    let (answer, _) = site
        .asking(&mut network, "opp2p_peers", json!([true]))
        .await;
    assert!(answer.is_ok());
    let asked = site.asking(&mut network, "opp2p_blockPeer", json!([PEER]));
    assert_eq!(asked.await.0, Ok(Value::Null));
    assert_eq!(started.elapsed(), TURN_PATIENCE, "at once");

    while let Some(answer) = connects.join_next().await {
        let words = "no answer in time".to_owned();
        assert_eq!(answer.unwrap(), Err((-32603, words)));
    }
    assert_eq!(started.elapsed(), CONNECT_PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_questions_keeps_no_command_waiting() {
    let turns = TurnsByKind::new(&Handle::current());
    let (handle, _never_answers) = NetworkHandle::scripted();
    let silent = Arc::new(Site::with_turns(Some(handle), turns.clone(), true));
    let (handle, mut network) = NetworkHandle::scripted();
    let site = Site::with_turns(Some(handle), turns, true);
    let mut questions = JoinSet::new();
    for _ in 0..10 * ASKING_CALLS_MAX {
        let silent = silent.clone();
        questions.spawn(async move { silent.call("opp2p_self", json!([])).await });
    }
    tokio::time::sleep(TURN_PATIENCE / 2).await;
    let started = Instant::now();
    let asked = site.asking(&mut network, "opp2p_disconnectPeer", json!([PEER]));
    assert_eq!(asked.await.0, Ok(Value::Null));
    assert_eq!(started.elapsed(), Duration::ZERO);
}
