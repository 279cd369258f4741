//! Unsafe payloads: what links, what waits, what becomes target, what is refused.

use super::*;
use light_node_engine_api::memory::Scripted;

async fn with_head(count: usize) -> (Harness, Vec<MemoryBlock>) {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(count);
    for block in &chain {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
    }
    (harness, chain)
}

#[tokio::test(start_paused = true)]
async fn a_child_of_our_head_is_executed_and_becomes_head() {
    let (mut harness, chain) = with_head(2).await;
    assert_eq!(harness.state().unsafe_head, chain[1].block_ref());
    assert_eq!(harness.insert(&chain[0]).await, InsertOutcome::AlreadyKnown);
    assert_eq!(harness.insert(&chain[1]).await, InsertOutcome::AlreadyKnown);
    assert_eq!(harness.el.head(), chain[1].block_ref());
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_buffered_payload_follows_its_parent() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(4);
    for index in [3, 1, 2] {
        assert_eq!(harness.insert(&chain[index]).await, InsertOutcome::Buffered);
    }
    assert_eq!(harness.engine.status().buffered_payloads, 3);
    assert_eq!(harness.insert(&chain[0]).await, InsertOutcome::Inserted);
    harness
        .published_until(|state| state.unsafe_head == chain[3].block_ref())
        .await;
    assert_eq!(harness.engine.status().buffered_payloads, 0);
    assert!(harness.forkchoices().len() <= 4);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_older_than_two_blocks_becomes_target_and_what_waits_above_follows() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(8);
    let start = Instant::now();
    for index in [6, 7] {
        assert_eq!(harness.insert(&chain[index]).await, InsertOutcome::Buffered);
    }
    let state = harness
        .published_until(|state| state.target.is_some())
        .await;
    assert_eq!(start.elapsed(), seconds(4));
    assert_eq!(
        state.target,
        Some(chain[6].block_ref().id()),
        "the lower side of the far bank"
    );
    harness.pass(seconds(20)).await;
    assert_eq!(harness.state().target, state.target, "its child is no gap");
    harness.el.add(&chain[..6]);
    let state = harness
        .published_until(|state| state.unsafe_head == chain[7].block_ref())
        .await;
    assert_eq!(state.target, None);
    assert!(state.safe_head.is_zero());
    // The target at 4 s, eight times more in the 24.7 s after that, and its child: labels that do not move cost nothing.
    let none = B256::ZERO;
    let mut expected = vec![(chain[6].hash(), none, none); 9];
    expected.push((chain[7].hash(), none, none));
    assert_eq!(harness.forkchoices(), expected);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_beside_an_el_that_is_down_is_tried_once_a_second() {
    let mut harness = Harness::fresh().await;
    let chain = harness.chain(3);
    assert_eq!(harness.insert(&chain[2]).await, InsertOutcome::Buffered);
    harness.asked(CallKind::ChainId);
    harness.el.set_down(true);
    harness.pass(seconds(24)).await;
    // After the first payload only the question who answers there goes out: in place of the payload, and of the forkchoice.
    assert_eq!(
        (harness.sent.len(), harness.asked(CallKind::ChainId)),
        (0, 39)
    );
    harness.el.set_down(false);
    harness
        .published_until(|state| state.target.is_some())
        .await;
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_drops_what_links_to_the_old_branch() {
    let (mut harness, chain) = with_head(6).await;
    harness.follow(Harness::update(&chain[1], None)).await;
    // A sibling of our head's parent waits; its parent is about to be left.
    let sibling = harness.branch(&chain[3], 1, 2);
    assert_eq!(harness.insert(&sibling[0]).await, InsertOutcome::Buffered);
    let other = harness.branch(&chain[2], 3, 1);
    harness.el.add(&other);
    // Local safe moves to the other branch, below the sibling's height.
    let mut update = Harness::update(&other[0], None);
    update.state.safe = chain[1].block_ref();
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.engine.status().buffered_payloads, 0);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_gap_becomes_target_within_10_s_of_a_reorg_by_the_source() {
    let (mut harness, chain) = with_head(6).await;
    let other = harness.branch(&chain[1], 3, 1);
    harness.el.add(&other);
    let update = Harness::update(&other[2], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    let far = harness.branch(&other[2], 5, 1);
    let start = Instant::now();
    assert_eq!(harness.insert(&far[4]).await, InsertOutcome::Buffered);
    harness
        .published_until(|state| state.target.is_some())
        .await;
    assert_eq!(start.elapsed(), seconds(10));
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_turns_out_to_be_off_the_safe_chain_is_left_again() {
    let (mut harness, chain) = with_head(4).await;
    harness.follow(Harness::update(&chain[2], None)).await;
    let before = harness.state();
    let other = harness.branch(&chain[0], 6, 1);
    assert_eq!(harness.insert(&other[5]).await, InsertOutcome::Buffered);
    harness
        .published_until(|state| state.target.is_some())
        .await;
    harness.el.add(&other);
    harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(harness.state(), before);
    assert_eq!(harness.el.head(), chain[3].block_ref());
    let refused = InsertOutcome::Rejected {
        reason: "the block was refused before",
    };
    assert_eq!(harness.insert(&other[5]).await, refused);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_branch_off_the_safe_chain_leads_the_el_away_no_more_than_once_in_10_s() {
    let (mut harness, chain) = with_head(5).await;
    harness.follow(Harness::update(&chain[3], None)).await;
    let other = harness.branch(&chain[0], 60, 1);
    harness.el.add(&other);
    harness.forkchoices();
    for block in &other[10..50] {
        assert_eq!(harness.insert(block).await, InsertOutcome::Buffered);
        harness.pass(seconds(1)).await;
    }
    let ours = chain[4].hash();
    let sent = harness.forkchoices();
    let away = sent.iter().filter(|(head, ..)| *head != ours).count();
    assert!((1..=5).contains(&away), "{away} times");
    assert_eq!(harness.el.head(), chain[4].block_ref());
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_of_gossip_that_our_head_has_passed_on_another_branch_is_asked_for_no_more() {
    let (mut harness, chain) = with_head(2).await;
    let other = harness.branch(&chain[0], 6, 1);
    assert_eq!(harness.insert(&other[5]).await, InsertOutcome::Buffered);
    harness
        .published_until(|state| state.target.is_some())
        .await;
    let next = harness.branch(&chain[1], 8, 0);
    for block in &next {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
    }
    assert_eq!(harness.state().target, None);
    harness.forkchoices();
    harness.pass(seconds(40)).await;
    assert_eq!(harness.forkchoices(), []);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_sequencers_own_longer_branch_is_fetched_where_a_block_of_it_got_lost() {
    let (mut harness, chain) = with_head(5).await;
    harness.follow(Harness::update(&chain[1], None)).await;
    let other = harness.branch(&chain[2], 6, 1);
    let start = Instant::now();
    for block in &other[1..3] {
        assert_eq!(harness.insert(block).await, InsertOutcome::Buffered);
    }
    let state = harness
        .published_until(|state| state.target.is_some())
        .await;
    assert_eq!(start.elapsed(), seconds(4));
    assert_eq!(state.target, Some(other[2].block_ref().id()));
    assert_eq!(harness.insert(&other[3]).await, InsertOutcome::Buffered);
    harness.pass(seconds(10)).await;
    assert_eq!(harness.state().target, state.target, "its child is no gap");
    harness.el.add(&other[..2]);
    let state = harness
        .published_until(|state| state.unsafe_head == other[3].block_ref())
        .await;
    assert_eq!((state.epoch, state.safe_head), (1, chain[1].block_ref()));
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_sequencers_own_longer_branch_above_safe_is_adopted() {
    let (mut harness, chain) = with_head(5).await;
    harness.follow(Harness::update(&chain[1], None)).await;
    let other = harness.branch(&chain[2], 3, 1);
    assert_eq!(harness.insert(&other[0]).await, InsertOutcome::Buffered);
    assert_eq!(
        harness.insert(&other[1]).await,
        InsertOutcome::Buffered,
        "not above our head"
    );
    assert_eq!(harness.insert(&other[2]).await, InsertOutcome::Inserted);
    let state = harness.state();
    assert_eq!(state.unsafe_head, other[2].block_ref());
    assert_eq!((state.epoch, state.safe_head), (1, chain[1].block_ref()));
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn below_our_head_the_sequencer_may_reorg_only_when_our_origin_left_l1() {
    let (mut harness, chain) = with_head(5).await;
    harness.follow(Harness::update(&chain[1], None)).await;
    harness.take_calls();
    harness.engine.reset_keeping_heads().await.unwrap();
    let state = harness.published_until(|state| state.epoch == 1).await;
    assert_eq!(state.unsafe_head, chain[4].block_ref());
    assert_eq!(harness.take_calls(), []);
    let other = harness.branch(&chain[2], 1, 1);
    assert_eq!(harness.insert(&other[0]).await, InsertOutcome::Inserted);
    assert_eq!(harness.state().unsafe_head, other[0].block_ref());
    assert_eq!(harness.state().epoch, 2);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_block_at_a_finalized_height_that_is_not_ours_is_rejected() {
    let (mut harness, chain) = with_head(5).await;
    harness
        .follow(Harness::update(&chain[2], Some(&chain[1])))
        .await;
    let other = harness.branch(&chain[0], 1, 1);
    let rejected = InsertOutcome::Rejected {
        reason: "it conflicts with the finalized chain",
    };
    assert_eq!(harness.insert(&other[0]).await, rejected);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_sequencers_reorg_from_below_safe_waits_for_the_safe_source_to_go_back() {
    let (mut harness, chain) = with_head(5).await;
    harness
        .follow(Harness::update(&chain[3], Some(&chain[0])))
        .await;
    // L1 was reorganised. Gossip of the new branch is faster than the safe source.
    let other = harness.branch(&chain[1], 4, 1);
    for block in &other[..2] {
        assert_eq!(harness.insert(block).await, InsertOutcome::Buffered);
    }
    // One more block of the old branch still comes.
    let late = harness.branch(&chain[4], 1, 0);
    assert_eq!(harness.insert(&late[0]).await, InsertOutcome::Inserted);
    harness.safe_may_fall = true;
    harness.engine.reset_keeping_heads().await.unwrap();
    let update = FollowUpdate {
        safe_may_move: true,
        ..Harness::update(&chain[1], Some(&chain[0]))
    };
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.insert(&other[2]).await, InsertOutcome::Inserted);
    assert_eq!(harness.state().unsafe_head, other[2].block_ref());
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_invalid_block_is_refused_with_the_els_words_and_remembered() {
    let (mut harness, chain) = with_head(1).await;
    let next = harness.branch(&chain[0], 1, 0);
    harness.el.mark_invalid(next[0].hash());
    assert!(
        matches!(harness.insert(&next[0]).await, InsertOutcome::Invalid { reason } if !reason.is_empty())
    );
    harness.take_calls();
    assert!(matches!(
        harness.insert(&next[0]).await,
        InsertOutcome::Rejected { .. }
    ));
    assert_eq!(harness.take_calls(), []);
    assert_eq!(harness.state().unsafe_head, chain[0].block_ref());
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_el_that_is_down_for_a_moment_delays_a_payload_and_does_not_lose_it() {
    let (mut harness, chain) = with_head(1).await;
    let next = harness.branch(&chain[0], 2, 0);
    harness.el.set_down(true);
    harness
        .engine
        .try_insert_unsafe(next[0].envelope.clone())
        .unwrap();
    harness
        .engine
        .try_insert_unsafe(next[1].envelope.clone())
        .unwrap();
    harness.pass(seconds(60)).await;
    assert!(harness.el.count(CallKind::NewPayload) < 30);
    harness.el.set_down(false);
    harness
        .published_until(|state| state.unsafe_head == next[1].block_ref())
        .await;
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_verdict_hears_after_10_s_that_the_el_cannot_be_asked() {
    let (mut harness, chain) = with_head(1).await;
    let next = harness.branch(&chain[0], 1, 0);
    harness.el.set_down(true);
    let start = Instant::now();
    assert!(matches!(
        harness.insert(&next[0]).await,
        InsertOutcome::Failed { .. }
    ));
    assert!(start.elapsed() >= seconds(10) && start.elapsed() < seconds(20));

    // Also behind gossip, for which nobody waits and which is kept.
    let start = Instant::now();
    let gossip = next[0].envelope.clone();
    harness.engine.try_insert_unsafe(gossip).unwrap();
    let outcome = harness.insert(&next[0]).await;
    assert!(matches!(outcome, InsertOutcome::Failed { .. }));
    assert!(start.elapsed() >= seconds(10) && start.elapsed() < seconds(20));
    harness.el.set_down(false);
    harness
        .published_until(|state| state.unsafe_head == next[0].block_ref())
        .await;
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_el_is_asked_again() {
    let (mut harness, chain) = with_head(1).await;
    let next = harness.branch(&chain[0], 1, 0);
    let syncing = alloy_rpc_types_engine::PayloadStatusEnum::Syncing;
    harness
        .el
        .script(CallKind::NewPayload, Scripted::Status(syncing));
    assert_eq!(harness.insert(&next[0]).await, InsertOutcome::Inserted);
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn labels_that_the_el_refuses_do_not_hold_up_a_payload() {
    let (mut harness, chain) = with_head(2).await;
    harness.follow(Harness::update(&chain[0], None)).await;
    let next = harness.branch(&chain[1], 1, 0);
    let refusal = ElError::InvalidForkchoiceState {
        message: "unknown safe".to_owned(),
    };
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, Scripted::Error(refusal));
    assert_eq!(harness.insert(&next[0]).await, InsertOutcome::Inserted);
    assert_eq!(harness.el.head(), next[0].block_ref());
    harness.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_has_no_place_in_the_rollup_never_reaches_the_el() {
    let (mut harness, chain) = with_head(1).await;
    let mut next = harness.branch(&chain[0], 1, 0).remove(0);
    next.envelope.execution_payload.transactions_mut().clear();
    let rejected = InsertOutcome::Rejected {
        reason: "it has no place in this rollup",
    };
    assert_eq!(harness.insert(&next).await, rejected);
    assert_eq!(
        harness.engine.try_insert_unsafe(next.envelope),
        Err(crate::handle::PayloadDropped::NoPlace)
    );
    harness.stop().await;
}
