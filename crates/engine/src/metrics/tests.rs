#![allow(clippy::unwrap_used)]

use super::*;
use crate::queue::Lane;
use alloy_primitives::B256;
use light_node_protocol::L2BlockRef;
use std::time::Duration;

fn exposition(metrics: &EngineMetrics) -> String {
    let mut catalogue = Catalogue::new();
    metrics.register(&mut catalogue);
    catalogue.encode()
}

fn has(exposition: &str, line: &str) {
    let found = exposition.lines().any(|it| it == line);
    assert!(found, "{line} is missing:\n{exposition}");
}

#[tokio::test(start_paused = true)]
async fn answers_are_timed_by_their_status_and_errors_by_their_class() {
    let metrics = EngineMetrics::default();
    let sent_at = Instant::now();
    tokio::time::advance(Duration::from_millis(30)).await;
    metrics.forkchoice(Ok(&PayloadStatusEnum::Valid), sent_at);
    metrics.forkchoice(Ok(&PayloadStatusEnum::Syncing), sent_at);
    let refused = ElError::InvalidForkchoiceState {
        message: String::new(),
    };
    metrics.forkchoice(Err(&refused), sent_at);
    metrics.new_payload(Ok(&PayloadStatusEnum::Accepted), sent_at);
    let text = exposition(&metrics);
    let name = "light_node_engine_forkchoice_updated_duration_seconds";
    for status in ["valid", "syncing", "invalid_forkchoice"] {
        has(&text, &format!("{name}_count{{status=\"{status}\"}} 1"));
        has(
            &text,
            &format!("{name}_bucket{{le=\"0.025\",status=\"{status}\"}} 0"),
        );
        has(
            &text,
            &format!("{name}_bucket{{le=\"0.05\",status=\"{status}\"}} 1"),
        );
    }
    has(
        &text,
        "light_node_engine_new_payload_duration_seconds_count{status=\"accepted\"} 1",
    );
}

#[test]
fn events_are_counted() {
    let metrics = EngineMetrics::default();
    metrics.follow_case(Some(FollowCase::Reorg));
    metrics.follow_case(None);
    metrics.reorg("safe_source", 3);
    metrics.el_lost();
    metrics.stall(Stall::NoProgress);
    metrics.heartbeat();
    metrics.read_back();
    let text = exposition(&metrics);
    for line in [
        "light_node_engine_follow_cases_total{case=\"reorg\"} 1",
        "light_node_engine_follow_cases_total{case=\"refused\"} 1",
        "light_node_engine_unsafe_reorg_depth_blocks_bucket{le=\"3.0\",cause=\"safe_source\"} 1",
        "light_node_engine_unsafe_reorg_depth_blocks_bucket{le=\"2.0\",cause=\"safe_source\"} 0",
        "light_node_engine_el_lost_total 1",
        "light_node_engine_stalls_total{kind=\"no_progress\"} 1",
        "light_node_engine_heartbeats_total 1",
        "light_node_engine_read_back_retries_total 1",
    ] {
        has(&text, line);
    }
}

#[tokio::test(start_paused = true)]
async fn heads_and_queue_are_read_from_the_watches_at_the_scrape() {
    let (state, published) = watch::channel(EngineState::default());
    let (status, reported) = watch::channel(EngineStatus::default());
    let mut catalogue = Catalogue::new();
    EngineMetrics::of(published, reported).register(&mut catalogue);
    assert!(
        !catalogue.encode().contains("engine_head_number{"),
        "no head is known"
    );

    let head = L2BlockRef {
        hash: B256::repeat_byte(1),
        number: 7,
        timestamp: 1_700_000_014,
        ..Default::default()
    };
    state.send_modify(|state| state.unsafe_head = head);
    status.send_modify(|status| {
        status.queue_depths[Lane::Follow as usize] = 1;
        status.oldest_since[Lane::Follow as usize] = Some(Instant::now());
        status.el_wrong_chain = true;
    });
    tokio::time::advance(Duration::from_secs(2)).await;
    let text = catalogue.encode();
    for line in [
        "light_node_engine_head_number{head=\"unsafe\"} 7",
        "light_node_engine_head_timestamp_seconds{head=\"unsafe\"} 1700000014",
        "light_node_engine_queue_depth{lane=\"follow\"} 1",
        "light_node_engine_queue_depth{lane=\"commit\"} 0",
        "light_node_engine_queue_oldest_age_seconds{lane=\"follow\"} 2.0",
        "light_node_engine_el_wrong_chain 1",
    ] {
        has(&text, line);
    }
    assert!(
        !text.contains("head=\"safe\""),
        "an unknown head is no block 0"
    );
}
