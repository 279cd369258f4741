use super::*;
use alloy_primitives::B256;
use light_node_network::{
    Connectedness, Direction, GossipScores, LocalNode, PeerDump, PeerInfo, PeerScores, PeerStats,
    ReqRespScores, testing::a_node,
};
use std::{collections::BTreeMap, time::Duration};

/// A peer of which everything is known.
fn a_peer() -> PeerInfo {
    PeerInfo {
        node_id: B256::repeat_byte(0xab),
        user_agent: "optimism".to_owned(),
        protocol_version: "1.0".to_owned(),
        enr: "enr:-abc".to_owned(),
        protocols: Some(vec![
            "/meshsub/1.1.0".to_owned(),
            "/ipfs/id/1.0.0".to_owned(),
        ]),
        connectedness: Connectedness::Connected,
        direction: Direction::Outbound,
        is_protected: true,
        chain_id: 901,
        latency: Duration::from_micros(1_500),
        gossips_blocks: true,
        scores: PeerScores {
            gossip: GossipScores {
                total: 1.5,
                time_in_mesh: 2.0,
                first_message_deliveries: 3.0,
                mesh_message_deliveries: 4.0,
                invalid_message_deliveries: 5.0,
                ip_colocation_factor: 6.0,
                behavioral_penalty: 7.0,
            },
            req_resp: ReqRespScores {
                valid_responses: 8.0,
                error_responses: 9.0,
                rejected_payloads: 10.0,
            },
        },
        ..a_node(peer(), 9003)
    }
}

/// The same as op-node writes it.
fn a_peer_in_json() -> Value {
    json!({
        "peerID": PEER,
        "nodeID": "ab".repeat(32),
        "userAgent": "optimism",
        "protocolVersion": "1.0",
        "ENR": "enr:-abc",
        "addresses": [format!("/ip4/127.0.0.1/tcp/9003/p2p/{PEER}")],
        "protocols": ["/meshsub/1.1.0", "/ipfs/id/1.0.0"],
        "connectedness": 1,
        "direction": 2,
        "protected": true,
        "chainID": 901,
        "latency": 1_500_000,
        "gossipBlocks": true,
        "scores": {
            "gossip": {
                "total": 1.5,
                "blocks": {
                    "timeInMesh": 2.0,
                    "firstMessageDeliveries": 3.0,
                    "meshMessageDeliveries": 4.0,
                    "invalidMessageDeliveries": 5.0,
                },
                "IPColocationFactor": 6.0,
                "behavioralPenalty": 7.0,
            },
            "reqResp": {
                "validResponses": 8.0,
                "errorResponses": 9.0,
                "rejectedPayloads": 10.0,
            },
        },
    })
}

#[tokio::test]
async fn this_node_is_told_in_op_nodes_words() {
    let (site, mut network) = Site::scripted();
    network.this = a_peer();
    let (answer, question) = site.asking(&mut network, "opp2p_self", json!([])).await;
    assert_eq!(answer, Ok(a_peer_in_json()));
    assert_eq!(question, NetworkQuestion::This);
}

#[tokio::test]
async fn a_peer_that_has_said_nothing_has_no_protocols_and_an_empty_record() {
    let (site, mut network) = Site::scripted();
    network.this = PeerInfo {
        connectedness: Connectedness::NotConnected,
        ..a_node(peer(), 9003)
    };
    let (answer, _) = site.asking(&mut network, "opp2p_self", json!(null)).await;
    let answer = answer.unwrap();
    assert_eq!(answer["protocols"], Value::Null);
    assert_eq!(answer["ENR"], "");
    assert_eq!(
        (&answer["connectedness"], &answer["direction"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(answer["scores"]["gossip"]["total"], json!(0.0));
}

fn a_dump() -> PeerDump {
    PeerDump {
        total_connected: 1,
        peers: BTreeMap::from([(peer(), a_peer())]),
        banned_peers: vec![peer()],
        banned_ips: vec!["10.1.2.3".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        banned_subnets: vec![
            "10.0.0.0/8".parse().unwrap(),
            "2001:db8::/33".parse().unwrap(),
        ],
    }
}

/// Subnets as Go writes them.
fn subnets_in_json() -> Value {
    json!([
        { "IP": "10.0.0.0", "Mask": "/wAAAA==" },
        { "IP": "2001:db8::", "Mask": "/////4AAAAAAAAAAAAAAAA==" },
    ])
}

#[tokio::test]
async fn peers_are_told_in_op_nodes_words() {
    let (site, mut network) = Site::scripted();
    network.peers = a_dump();
    let expected = json!({
        "totalConnected": 1,
        "peers": { PEER: a_peer_in_json() },
        "bannedPeers": [PEER],
        "bannedIPS": ["10.1.2.3", "2001:db8::1"],
        "bannedSubnets": subnets_in_json(),
    });
    for connected_only in [true, false] {
        let asked = site.asking(&mut network, "opp2p_peers", json!([connected_only]));
        let (answer, question) = asked.await;
        assert_eq!(answer, Ok(expected.clone()));
        assert_eq!(question, NetworkQuestion::Peers { connected_only });
    }
}

#[tokio::test]
async fn without_peers_there_are_empty_lists_and_no_nulls() {
    let (site, mut network) = Site::scripted();
    let (answer, _) = site
        .asking(&mut network, "opp2p_peers", json!([true]))
        .await;
    let expected = json!({
        "totalConnected": 0,
        "peers": {},
        "bannedPeers": [],
        "bannedIPS": [],
        "bannedSubnets": [],
    });
    assert_eq!(answer, Ok(expected));
}

#[tokio::test]
async fn whether_only_connected_peers_are_wanted_must_be_said() {
    let (site, _network) = Site::scripted();
    for params in [json!([]), json!(["yes"]), json!([1]), json!([true, true])] {
        let (code, words) = site.call("opp2p_peers", params).await.unwrap_err();
        assert_eq!(code, -32602);
        assert!(
            words.starts_with("expected true for connected peers"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn what_is_blocked_is_listed_by_kind() {
    let (site, mut network) = Site::scripted();
    network.peers = a_dump();
    for (method, expected) in [
        ("opp2p_listBlockedPeers", json!([PEER])),
        ("opp2p_listBlockedAddrs", json!(["10.1.2.3", "2001:db8::1"])),
        ("opp2p_listBlockedSubnets", subnets_in_json()),
    ] {
        let (answer, _) = site.asking(&mut network, method, json!([])).await;
        assert_eq!(answer, Ok(expected), "{method}");
    }
}

#[tokio::test]
async fn numbers_of_peers_need_no_answer_of_the_network() {
    let (site, network) = Site::scripted();
    network.set_stats(PeerStats {
        connected: 5,
        table: 40,
        block_topics: [1, 2, 3, 4],
        banned: 6,
        known: 7,
    });
    let expected = json!({
        "connected": 5,
        "table": 40,
        "blocksTopic": 1,
        "blocksTopicV2": 2,
        "blocksTopicV3": 3,
        "blocksTopicV4": 4,
        "banned": 6,
        "known": 7,
    });
    assert_eq!(site.call("opp2p_peerStats", json!([])).await, Ok(expected));
    let expected = json!({ "connectedDiscovery": null, "connectedGossip": 5 });
    assert_eq!(site.call("opp2p_peerCount", json!([])).await, Ok(expected));
    discovers(&network);
    let expected = json!({ "connectedDiscovery": 40, "connectedGossip": 5 });
    assert_eq!(site.call("opp2p_peerCount", json!([])).await, Ok(expected));
}

#[tokio::test]
async fn the_table_of_discovery_is_a_list_of_records_where_there_is_discovery() {
    let (site, mut network) = Site::scripted();
    let none = Err((-32000, "discovery disabled".to_owned()));
    assert_eq!(site.call("opp2p_discoveryTable", json!([])).await, none);
    discovers(&network);
    network.table = vec!["enr:-a".to_owned(), "enr:-b".to_owned()];
    let asked = site.asking(&mut network, "opp2p_discoveryTable", json!([]));
    let (answer, question) = asked.await;
    assert_eq!(answer, Ok(json!(["enr:-a", "enr:-b"])));
    assert_eq!(question, NetworkQuestion::DiscoveryTable);
}

fn discovers(network: &ScriptedNetwork) {
    network.set_local_node(LocalNode {
        peer_id: peer(),
        node_id: B256::ZERO,
        enr: "enr:-abc".to_owned(),
        addresses: Vec::new(),
        discovery: Some("127.0.0.1:9222".parse().unwrap()),
    });
}
