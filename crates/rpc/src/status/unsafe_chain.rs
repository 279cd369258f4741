//! The parts of `/status` on how unsafe blocks come and go: the network and the sequencer.

use light_node_network::{LocalNode, PeerStats};
use light_node_sequencer::SequencerStatus;
use serde_json::{Value, json};

pub(super) fn network(local: &LocalNode, stats: &PeerStats) -> Value {
    let addresses: Vec<_> = local.addresses.iter().map(ToString::to_string).collect();
    let [v1, v2, v3, v4] = stats.block_topics;
    json!({
        "peer_id": local.peer_id.to_string(),
        "enr": (!local.enr.is_empty()).then_some(&local.enr),
        "addresses": addresses,
        "discovery": local.discovery,
        "connected_peers": stats.connected,
        "known_peers": stats.known,
        "banned_peers": stats.banned,
        "discovered_records": stats.table,
        "block_topic_peers": { "v1": v1, "v2": v2, "v3": v3, "v4": v4 },
    })
}

pub(super) fn sequencer(status: &SequencerStatus) -> Value {
    let waiting_for = status.waiting_for;
    json!({
        "active": status.is_active,
        "waiting_for": (status.is_active && !waiting_for.is_empty()).then_some(waiting_for),
        "last_block": (!status.last_block.is_zero()).then_some(status.last_block),
        "recover_mode": status.is_recovering,
        "conductor": status.has_conductor,
        "leader_overridden": status.is_leader_overridden,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use light_node_network::NetworkHandle;

    #[test]
    fn the_part_on_the_network_is_the_one_that_scripts_know() {
        let (handle, _network) = NetworkHandle::scripted();
        let local = handle.local_node();
        let stats = PeerStats {
            connected: 5,
            table: 40,
            block_topics: [1, 2, 3, 4],
            banned: 6,
            known: 7,
        };
        let expected = json!({
            "peer_id": local.peer_id.to_string(),
            "enr": null,
            "addresses": [local.addresses[0].to_string()],
            "discovery": null,
            "connected_peers": 5,
            "known_peers": 7,
            "banned_peers": 6,
            "discovered_records": 40,
            "block_topic_peers": { "v1": 1, "v2": 2, "v3": 3, "v4": 4 },
        });
        assert_eq!(network(&local, &stats), expected);
    }

    #[test]
    fn the_part_on_the_sequencer_says_what_it_waits_for_only_while_it_is_active() {
        let mut status = SequencerStatus {
            waiting_for: "the execution layer",
            has_conductor: true,
            ..SequencerStatus::default()
        };
        let mut expected = json!({
            "active": false,
            "waiting_for": null,
            "last_block": null,
            "recover_mode": false,
            "conductor": true,
            "leader_overridden": false,
        });
        assert_eq!(sequencer(&status), expected);
        status.is_active = true;
        status.last_block.hash = B256::repeat_byte(7);
        expected["active"] = true.into();
        expected["waiting_for"] = "the execution layer".into();
        expected["last_block"] = json!(status.last_block);
        assert_eq!(sequencer(&status), expected);
    }
}
