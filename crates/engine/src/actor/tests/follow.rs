//! Every row of the follow table.

use super::*;

under_each_el! {
    row_1_an_unknown_block_becomes_target_and_its_labels_follow_without_another_poll,
    row_1_without_gossip_an_update_costs_two_forkchoices_and_one_batch_of_reads,
    row_1_a_buffered_payload_is_given_to_the_el_first,
    row_1_a_known_child_of_our_head_takes_one_forkchoice,
    row_0_an_equal_update_costs_no_call_and_a_heartbeat_goes_out_each_minute,
    row_0_unknown_to_known_is_a_move_also_at_block_0,
    row_2a_a_pending_target_is_asked_for_by_our_own_clock_and_not_by_polls,
    row_1_an_el_that_is_slower_than_the_source_is_found_on_its_way,
    row_2a_one_false_answer_of_the_source_is_forgotten_when_the_el_stands_still,
    row_2a_labels_wait_below_a_target_from_gossip_which_yields_when_the_el_stands_still,
    row_2b_an_el_that_cannot_be_asked_skips_the_update_and_the_next_poll_goes_on,
    an_idle_engine_finds_a_dead_el_within_a_minute_and_one_that_is_back_within_seconds,
    polls_that_wait_for_a_target_do_not_hide_that_the_el_is_dead,
    row_3_labels_move_with_one_look_at_the_els_own_head_and_one_forkchoice,
    row_3_after_a_restart_one_batch_and_one_forkchoice_are_enough,
    row_3_only_the_cursor_moves_without_a_forkchoice,
    row_4_another_chain_of_the_source_is_adopted_as_a_reorg,
    row_4_an_unknown_branch_is_synced_to_and_heads_hold_until_it_is_there,
}

const NONE: B256 = B256::ZERO;

async fn row_1_an_unknown_block_becomes_target_and_its_labels_follow_without_another_poll(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(20);
    let head = &chain[19];
    let update = Harness::update(head, Some(&chain[9]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    assert_eq!(harness.forkchoices(), [(head.hash(), NONE, NONE)]);
    let state = harness.state();
    assert_eq!(state.target, Some(head.block_ref().id()));
    assert_eq!(state.el_sync, ElSyncState::Syncing);
    assert_eq!(
        state.unsafe_head.number, 0,
        "only what is VALID is published"
    );

    harness.el.add(&chain);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, head.block_ref());
    assert_eq!(state.safe_head, head.block_ref());
    assert_eq!(state.finalized_head, chain[9].block_ref());
    assert_eq!(state.current_l1, update.state.current_l1);
    assert_eq!(
        harness.forkchoices(),
        [(head.hash(), head.hash(), chain[9].hash())],
        "found there, it gets its labels by one forkchoice"
    );
    assert_eq!(harness.follow(update).await, FollowOutcome::Unchanged);
    harness.stop().await;
}

async fn row_1_without_gossip_an_update_costs_two_forkchoices_and_one_batch_of_reads(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(9);
    for index in 0..9 {
        harness.asked(CallKind::Blocks);
        harness.forkchoices();
        let update = Harness::update(&chain[index], None);
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        let asked_at = Instant::now();
        harness.el.add(&chain[index..=index]);
        let head = chain[index].block_ref();
        harness
            .published_until(|state| state.safe_head == head)
            .await;
        assert_eq!(asked_at.elapsed(), Duration::from_millis(100));
        // That the EL does not have them is learned at the first.
        let batches = if index == 0 { 2 } else { 1 };
        assert_eq!(harness.asked(CallKind::Blocks), batches, "{index}");
        let hash = head.hash;
        let expected = [(hash, NONE, NONE), (hash, hash, NONE)];
        assert_eq!(harness.forkchoices(), expected);
    }
    harness.stop().await;
}

async fn row_1_a_buffered_payload_is_given_to_the_el_first(kind: MemoryElKind) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(3);
    assert_eq!(harness.insert(&chain[2]).await, InsertOutcome::Buffered);
    let update = Harness::update(&chain[2], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    assert!(harness.el.known(chain[2].hash()).is_none());
    // The parents come by gossip: with the payload in its hands the EL needs no peer.
    harness.insert(&chain[0]).await;
    harness.insert(&chain[1]).await;
    let state = harness
        .published_until(|state| !state.safe_head.is_zero())
        .await;
    assert_eq!(state.safe_head, chain[2].block_ref());
    harness.stop().await;
}

async fn row_1_a_known_child_of_our_head_takes_one_forkchoice(kind: MemoryElKind) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(1);
    harness.el.add(&chain);
    let update = Harness::update(&chain[0], Some(&harness.builder.genesis()));
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    let (head, genesis) = (chain[0].hash(), harness.builder.genesis().hash());
    assert_eq!(harness.forkchoices(), [(head, head, genesis)]);
    harness.stop().await;
}

async fn row_0_an_equal_update_costs_no_call_and_a_heartbeat_goes_out_each_minute(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(1);
    harness.el.add_canonical(&chain);
    let update = Harness::update(&chain[0], None);
    harness.follow(update).await;
    harness.forkchoices();
    for _ in 0..50 {
        assert_eq!(harness.follow(update).await, FollowOutcome::Unchanged);
        harness.pass(seconds(1)).await;
    }
    assert_eq!(harness.take_calls(), []);
    assert_eq!(harness.forkchoices(), []);
    harness.pass(seconds(140)).await;
    let head = chain[0].hash();
    assert_eq!(harness.forkchoices(), [(head, head, NONE); 3]);
    harness.stop().await;
}

async fn row_0_unknown_to_known_is_a_move_also_at_block_0(kind: MemoryElKind) {
    let mut harness = Harness::fresh_as(kind).await;
    let genesis = harness.builder.genesis();
    assert_eq!(
        harness.follow(Harness::update(&genesis, None)).await,
        FollowOutcome::Applied
    );
    assert_eq!(harness.state().safe_head, genesis.block_ref());
    let known = Harness::update(&genesis, Some(&genesis));
    assert_eq!(harness.follow(known).await, FollowOutcome::Applied);
    assert_eq!(harness.state().finalized_head, genesis.block_ref());
    let hash = genesis.hash();
    assert_eq!(
        harness.forkchoices(),
        [(hash, hash, NONE), (hash, hash, hash)]
    );
    harness.stop().await;
}

async fn row_2a_a_pending_target_is_asked_for_by_our_own_clock_and_not_by_polls(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(8);
    let update = Harness::update(&chain[7], None);
    let start = Instant::now();
    for _ in 0..60 {
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        harness.pass(seconds(1)).await;
    }
    // At 0; it is looked for after 0.1, 0.3 and 0.7 s, and asked for again at 1.5, 3.1, 6.3, 12.7, 24.7, 36.7 and 48.7 s.
    assert_eq!(start.elapsed(), seconds(60));
    assert_eq!(harness.forkchoices(), [(chain[7].hash(), NONE, NONE); 8]);
    let since = harness.engine.status().target_since.unwrap();
    assert_eq!(since.elapsed(), seconds(60));

    // A higher block of the source takes the target over, with its age.
    let longer = harness.branch(&chain[7], 4, 0);
    let update = Harness::update(&longer[3], Some(&chain[2]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    assert_eq!(harness.forkchoices(), [(longer[3].hash(), NONE, NONE)]);
    assert_eq!(harness.engine.status().target_since, Some(since));
    harness.el.add(&chain);
    harness.el.add(&longer);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.safe_head, longer[3].block_ref());
    harness.stop().await;
}

async fn row_1_an_el_that_is_slower_than_the_source_is_found_on_its_way(kind: MemoryElKind) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(40);
    let mut seen = 0;
    for newest in 3..40 {
        // The EL is always three blocks behind what the source names, and the source names a new one each second.
        harness.el.add(&chain[..newest - 3]);
        harness.follow(Harness::update(&chain[newest], None)).await;
        harness.pass(seconds(1)).await;
        let safe = harness.state().safe_head.number;
        assert!(
            safe + 9 > newest as u64,
            "safe stays at {safe}, the source is at {newest}"
        );
        seen = safe;
    }
    assert!(seen > 30);
    harness.stop().await;
}

async fn row_2a_one_false_answer_of_the_source_is_forgotten_when_the_el_stands_still(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(40);
    let lie = harness.branch(&chain[39], 60, 1);
    let false_answer = Harness::update(&lie[59], None);
    assert_eq!(harness.follow(false_answer).await, FollowOutcome::Syncing);
    harness.el.add(&chain);
    let honest = Harness::update(&chain[3], None);
    let start = Instant::now();
    while harness.follow(honest).await != FollowOutcome::Applied {
        harness.pass(seconds(1)).await;
        assert!(start.elapsed() < seconds(60), "the node waits for ever");
    }
    assert_eq!(harness.state().safe_head, chain[3].block_ref());
    harness.stop().await;
}

async fn row_2a_labels_wait_below_a_target_from_gossip_which_yields_when_the_el_stands_still(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(10);
    assert_eq!(harness.insert(&chain[9]).await, InsertOutcome::Buffered);
    let target = harness
        .published_until(|state| state.target.is_some())
        .await
        .target;
    assert_eq!(target, Some(chain[9].block_ref().id()));

    let update = Harness::update(&chain[4], None);
    for _ in 0..29 {
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        harness.pass(seconds(1)).await;
        assert_eq!(harness.state().target, target);
    }
    harness.pass(seconds(1)).await;
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    assert_eq!(harness.state().target, Some(chain[4].block_ref().id()));
    harness.el.add(&chain[..5]);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.safe_head, chain[4].block_ref());
    harness.stop().await;
}

async fn row_2b_an_el_that_cannot_be_asked_skips_the_update_and_the_next_poll_goes_on(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(2);
    harness.el.add_canonical(&chain[..1]);
    harness.follow(Harness::update(&chain[0], None)).await;
    let before = harness.state();
    harness.el.set_down(true);
    let update = Harness::update(&chain[1], None);
    for _ in 0..5 {
        assert_eq!(harness.follow(update).await, FollowOutcome::Skipped);
        harness.pass(seconds(1)).await;
    }
    assert_eq!(
        harness.engine.status().last_follow_case,
        Some(FollowCase::Unanswered)
    );
    assert_eq!(harness.state(), before);
    let status = harness.engine.status();
    assert!(!status.is_answering());
    assert_eq!(status.failing_age(), Some(seconds(5)));
    harness.el.set_down(false);
    harness.el.add(&chain);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    let status = harness.engine.status();
    assert!(status.is_answering());
    assert_eq!((status.last_error, status.failing_since), (None, None));
    harness.stop().await;
}

async fn an_idle_engine_finds_a_dead_el_within_a_minute_and_one_that_is_back_within_seconds(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(1);
    harness.el.add_canonical(&chain);
    let update = Harness::update(&chain[0], None);
    harness.follow(update).await;
    harness.el.set_down(true);
    harness.pass(seconds(59)).await;
    assert!(harness.engine.status().is_answering());
    harness.pass(seconds(2)).await;
    assert!(!harness.engine.status().is_answering());
    harness.pass(seconds(300)).await;
    // An answer that needs no EL says nothing of it.
    assert_eq!(harness.follow(update).await, FollowOutcome::Unchanged);
    let failing = harness.engine.status().failing_age();
    assert!(failing.is_some_and(|age| age >= seconds(300)));
    harness.el.set_down(false);
    harness.pass(seconds(6)).await;
    assert!(harness.engine.status().is_answering());
    harness.stop().await;
}

async fn polls_that_wait_for_a_target_do_not_hide_that_the_el_is_dead(kind: MemoryElKind) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(4);
    let update = Harness::update(&chain[3], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    harness.el.set_down(true);
    for _ in 0..60 {
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        harness.pass(seconds(1)).await;
    }
    let status = harness.engine.status();
    assert_eq!(status.target_age(), Some(seconds(60)));
    assert!(status.failing_age() >= Some(seconds(58)), "{status:?}");
    harness.stop().await;
}

async fn row_3_labels_move_with_one_look_at_the_els_own_head_and_one_forkchoice(
    kind: MemoryElKind,
) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(6);
    for block in &chain {
        assert_eq!(harness.insert(block).await, InsertOutcome::Inserted);
    }
    harness.forkchoices();
    let update = Harness::update(&chain[3], Some(&chain[1]));
    let engine = harness.engine.clone();
    assert_eq!(engine.follow(update).await, Ok(FollowOutcome::Applied));
    assert_eq!(
        harness.take_calls(),
        [CallKind::Blocks, CallKind::ForkchoiceUpdated]
    );
    let hashes = (chain[5].hash(), chain[3].hash(), chain[1].hash());
    assert_eq!(harness.forkchoices(), [hashes]);
    assert_eq!(
        (harness.el.safe(), harness.el.finalized()),
        (chain[3].block_ref(), chain[1].block_ref())
    );
    harness.stop().await;
}

async fn row_3_after_a_restart_one_batch_and_one_forkchoice_are_enough(kind: MemoryElKind) {
    let builder = ChainBuilder::new();
    let chain = builder.extend(&builder.genesis(), 9, 0);
    let mut harness = Harness::beside_a(kind, builder, |_, el| el.add_canonical(&chain)).await;
    harness.chain(9);
    harness.take_calls();
    let update = Harness::update(&chain[6], Some(&chain[3]));
    let engine = harness.engine.clone();
    assert_eq!(engine.follow(update).await, Ok(FollowOutcome::Applied));
    assert_eq!(
        harness.take_calls(),
        [CallKind::Blocks, CallKind::ForkchoiceUpdated]
    );
    assert_eq!(harness.state().unsafe_head, chain[8].block_ref());
    harness.stop().await;
}

async fn row_3_only_the_cursor_moves_without_a_forkchoice(kind: MemoryElKind) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(1);
    harness.el.add_canonical(&chain);
    let mut update = Harness::update(&chain[0], None);
    harness.follow(update).await;
    harness.forkchoices();
    update.state.current_l1 = ChainBuilder::l1_block(107, 0);
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.state().current_l1, update.state.current_l1);
    update.state.current_l1 = L1BlockRef::default();
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    assert_eq!(harness.state().current_l1.number, 107, "never zeroed");
    assert_eq!(harness.forkchoices(), []);
    harness.stop().await;
}

async fn row_4_another_chain_of_the_source_is_adopted_as_a_reorg(kind: MemoryElKind) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(8);
    for block in &chain {
        harness.insert(block).await;
    }
    harness
        .follow(Harness::update(&chain[2], Some(&chain[0])))
        .await;
    let other = harness.branch(&chain[4], 2, 1);
    harness.el.add(&other);
    let before = harness.state();
    let update = Harness::update(&other[1], Some(&chain[1]));
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    let state = harness.state();
    assert_eq!(state.unsafe_head, other[1].block_ref());
    assert_eq!(state.safe_head, other[1].block_ref());
    assert_eq!(state.finalized_head, chain[1].block_ref());
    assert_eq!(state.epoch, before.epoch + 1);
    assert_eq!(harness.el.head(), other[1].block_ref());
    assert_eq!(harness.el.safe(), other[1].block_ref());
    harness.stop().await;
}

async fn row_4_an_unknown_branch_is_synced_to_and_heads_hold_until_it_is_there(kind: MemoryElKind) {
    let mut harness = Harness::fresh_as(kind).await;
    let chain = harness.chain(8);
    for block in &chain {
        harness.insert(block).await;
    }
    harness.follow(Harness::update(&chain[2], None)).await;
    let other = harness.branch(&chain[2], 3, 1);
    let before = harness.state();
    let update = Harness::update(&other[2], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    let held = harness.state();
    assert_eq!(
        (held.unsafe_head, held.safe_head),
        (before.unsafe_head, before.safe_head)
    );
    // The branch grows meanwhile.
    let longer = harness.branch(&other[2], 1, 1);
    let update = Harness::update(&longer[0], None);
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    harness.el.add(&other);
    harness.el.add(&longer);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, longer[0].block_ref());
    assert_eq!(
        state.epoch,
        before.epoch + 1,
        "one reorg, however many polls"
    );
    harness.stop().await;
}
