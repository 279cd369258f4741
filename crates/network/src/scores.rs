//! Gossip scores: what a peer's behaviour is worth. Delivery is not scored: three of four block topics are idle on every chain, and
//! who is slow there is no worse. Invalid blocks are: the third within 100 slots ends the talk, the fourth bans.

use libp2p::gossipsub::{PeerScoreParams, PeerScoreThresholds, TopicHash, TopicScoreParams};
use std::time::Duration;

/// Slots of an epoch in the sense of the scores.
const EPOCH_SLOTS: u32 = 6;
/// A counter that is below it is zero.
const DECAY_TO_ZERO: f64 = 0.01;
/// Slots until an invalid block is forgotten.
const INVALID_SLOTS: u32 = 100;
/// Offences against the manners of the mesh that are free; they are forgotten within ten epochs. A node that is started anew right
/// after it left grafts itself within the time for which it had asked to be left alone: up to eight offences on four topics.
/// Nodes that number messages in another way seem to break promises.
const OFFENCES_FREE: f64 = 20.0;

/// Parameters and thresholds for the block topics of a chain.
pub(crate) fn light(
    topics: impl IntoIterator<Item = TopicHash>,
    block_time: Duration,
) -> (PeerScoreParams, PeerScoreThresholds) {
    // The library refuses an interval below a second; chains with faster blocks decay once a second.
    let slot = block_time.max(Duration::from_secs(1));
    let invalid = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: decay(INVALID_SLOTS),
        ..TopicScoreParams::default()
    };
    let parameters = PeerScoreParams {
        topics: topics
            .into_iter()
            .map(|topic| (topic, invalid.clone()))
            .collect(),
        topic_score_cap: 0.0,
        app_specific_weight: 1.0,
        // An address of the internet has no more connections than the gater gives it. What more have in common is a gateway or a
        // container's bridge, and they would all be banned for it.
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: -16.0,
        behaviour_penalty_threshold: OFFENCES_FREE,
        behaviour_penalty_decay: decay(10 * EPOCH_SLOTS),
        decay_interval: slot,
        decay_to_zero: DECAY_TO_ZERO,
        retain_score: slot * (100 * EPOCH_SLOTS),
        // A peer that reads slowly harms itself.
        slow_peer_weight: 0.0,
        ..PeerScoreParams::default()
    };
    let thresholds = PeerScoreThresholds {
        gossip_threshold: -10.0,
        publish_threshold: -40.0,
        graylist_threshold: -40.0,
        accept_px_threshold: 20.0,
        opportunistic_graft_threshold: 0.05,
    };
    (parameters, thresholds)
}

/// The factor per slot that takes a counter of 1 to [`DECAY_TO_ZERO`] in so many slots.
fn decay(slots: u32) -> f64 {
    DECAY_TO_ZERO.powf(1.0 / f64::from(slots))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn topics() -> Vec<TopicHash> {
        (0..4)
            .map(|version| TopicHash::from_raw(format!("/optimism/901/{version}/blocks")))
            .collect()
    }

    fn params(block_time_ms: u64) -> PeerScoreParams {
        light(topics(), Duration::from_millis(block_time_ms)).0
    }

    #[test]
    fn the_library_takes_the_parameters_of_slow_and_fast_chains() {
        for block_time_ms in [200, 1000, 2000, 12_000] {
            let (parameters, thresholds) = light(topics(), Duration::from_millis(block_time_ms));
            parameters.validate().unwrap();
            thresholds.validate().unwrap();
            assert_eq!(parameters.topics.len(), 4);
        }
    }

    #[test]
    fn an_idle_topic_costs_nobody_anything() {
        for topic in params(2000).topics.values() {
            assert_eq!(topic.mesh_message_deliveries_weight, 0.0);
            assert_eq!(topic.mesh_failure_penalty_weight, 0.0);
            assert_eq!(topic.first_message_deliveries_weight, 0.0);
            assert_eq!(topic.time_in_mesh_weight, 0.0);
        }
    }

    #[test]
    fn the_third_invalid_block_silences_and_the_fourth_bans() {
        let (parameters, thresholds) = light(topics(), Duration::from_secs(2));
        let topic = parameters.topics.values().next().unwrap();
        let score = |invalid: f64| {
            topic.topic_weight * topic.invalid_message_deliveries_weight * invalid * invalid
        };
        assert!(score(1.0) >= thresholds.gossip_threshold);
        assert!(score(3.0) < thresholds.graylist_threshold);
        assert!(score(3.0) >= -100.0 && score(4.0) < -100.0);
    }

    #[test]
    fn an_invalid_block_is_forgotten_after_a_hundred_slots() {
        let topic = params(2000).topics.into_values().next().unwrap();
        let left = |slots: i32| topic.invalid_message_deliveries_decay.powi(slots);
        assert!(left(99) > DECAY_TO_ZERO && left(101) < DECAY_TO_ZERO);
    }

    #[test]
    fn a_node_that_is_started_five_times_in_a_minute_and_a_half_is_no_offender() {
        let params = params(2000);
        let (mut offences, mut last) = (0.0, 0);
        for slot in [0, 1, 7, 19, 35] {
            offences *= params.behaviour_penalty_decay.powi(slot - last);
            // Four topics, twice each.
            offences += 8.0;
            last = slot;
            let above = (offences - params.behaviour_penalty_threshold).max(0.0);
            let score = params.behaviour_penalty_weight * above * above;
            assert!(score > -100.0, "{offences} at slot {slot}");
        }
    }

    #[test]
    fn who_comes_from_one_address_with_many_others_is_not_blamed_for_it() {
        assert_eq!(params(2000).ip_colocation_factor_weight, 0.0);
    }

    #[test]
    fn who_keeps_offending_is_banned() {
        let params = params(2000);
        let above = 8.0 * 3.0 - params.behaviour_penalty_threshold;
        assert!(params.behaviour_penalty_weight * above * above < -100.0);
    }
}
