//! The answers of `opp2p_*` as op-node writes them, key by key.

use alloy_primitives::hex;
use base64::{Engine, prelude::BASE64_STANDARD};
use ipnet::IpNet;
use light_node_network::{PeerDump, PeerInfo, PeerScores, PeerStats};
use serde_json::{Map, Value, json};

/// `PeerInfo`: this node, or a peer. Latency in nanoseconds; the node id has no `0x`.
pub(crate) fn peer_info(info: &PeerInfo) -> Value {
    let addresses: Vec<_> = info.addresses.iter().map(ToString::to_string).collect();
    json!({
        "peerID": info.peer_id.to_string(),
        "nodeID": hex::encode(info.node_id),
        "userAgent": info.user_agent,
        "protocolVersion": info.protocol_version,
        "ENR": info.enr,
        "addresses": addresses,
        "protocols": info.protocols,
        "connectedness": info.connectedness as u8,
        "direction": info.direction as u8,
        "protected": info.is_protected,
        "chainID": info.chain_id,
        "latency": u64::try_from(info.latency.as_nanos()).unwrap_or(u64::MAX),
        "gossipBlocks": info.gossips_blocks,
        "scores": scores(&info.scores),
    })
}

fn scores(scores: &PeerScores) -> Value {
    let PeerScores { gossip, req_resp } = scores;
    json!({
        "gossip": {
            "total": gossip.total,
            "blocks": {
                "timeInMesh": gossip.time_in_mesh,
                "firstMessageDeliveries": gossip.first_message_deliveries,
                "meshMessageDeliveries": gossip.mesh_message_deliveries,
                "invalidMessageDeliveries": gossip.invalid_message_deliveries,
            },
            "IPColocationFactor": gossip.ip_colocation_factor,
            "behavioralPenalty": gossip.behavioral_penalty,
        },
        "reqResp": {
            "validResponses": req_resp.valid_responses,
            "errorResponses": req_resp.error_responses,
            "rejectedPayloads": req_resp.rejected_payloads,
        },
    })
}

/// `PeerDump`.
pub(crate) fn peer_dump(dump: &PeerDump) -> Value {
    let peers: Map<String, Value> = dump
        .peers
        .iter()
        .map(|(peer, info)| (peer.to_string(), peer_info(info)))
        .collect();
    json!({
        "totalConnected": dump.total_connected,
        "peers": peers,
        "bannedPeers": banned_peers(dump),
        "bannedIPS": dump.banned_ips,
        "bannedSubnets": banned_subnets(dump),
    })
}

/// Peer ids in base58.
pub(crate) fn banned_peers(dump: &PeerDump) -> Value {
    let peers = dump.banned_peers.iter();
    peers.map(ToString::to_string).collect()
}

/// Addresses as text.
pub(crate) fn banned_ips(dump: &PeerDump) -> Value {
    json!(dump.banned_ips)
}

/// Subnets as Go writes them.
pub(crate) fn banned_subnets(dump: &PeerDump) -> Value {
    dump.banned_subnets.iter().map(subnet).collect()
}

/// `net.IPNet`: the address as text, the mask as its 4 or 16 bytes in base64.
pub(crate) fn subnet(subnet: &IpNet) -> Value {
    let mask = match subnet {
        IpNet::V4(subnet) => BASE64_STANDARD.encode(subnet.netmask().octets()),
        IpNet::V6(subnet) => BASE64_STANDARD.encode(subnet.netmask().octets()),
    };
    json!({ "IP": subnet.network(), "Mask": mask })
}

/// `PeerStats`.
pub(crate) fn peer_stats(stats: &PeerStats) -> Value {
    let [v1, v2, v3, v4] = stats.block_topics;
    json!({
        "connected": stats.connected,
        "table": stats.table,
        "blocksTopic": v1,
        "blocksTopicV2": v2,
        "blocksTopicV3": v3,
        "blocksTopicV4": v4,
        "banned": stats.banned,
        "known": stats.known,
    })
}

/// kona-node's `PeerCount`. It writes null for the first number where discovery is off.
pub(crate) fn peer_count(stats: &PeerStats, has_discovery: bool) -> Value {
    json!({
        "connectedDiscovery": has_discovery.then_some(stats.table),
        "connectedGossip": stats.connected,
    })
}
