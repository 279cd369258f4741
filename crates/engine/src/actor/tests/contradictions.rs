//! Sources that contradict what we hold, or lie, or name blocks that are invalid.

use super::{faults::following, *};
use light_node_engine_api::memory::Scripted;

under_each_el! {
    a_source_that_contradicts_our_safe_head_is_refused_until_it_may_move,
    safe_goes_down_on_its_chain_only_when_it_may_move,
    a_source_that_contradicts_our_finalized_head_is_refused_for_ever,
    a_lower_or_unknown_finalized_head_leaves_ours_and_the_rest_goes_on,
    a_block_with_another_l1_origin_than_claimed_is_refused_before_any_label_moves,
    labels_wait_while_the_el_stands_above_our_head_on_a_refused_block,
    labels_never_pass_our_head_when_the_els_own_is_refused_and_gossip_is_pending,
    an_invalid_block_of_the_source_is_refused_and_forgotten_after_5_minutes,
}

const REFUSED: fn(FollowRefusal) -> FollowOutcome = FollowOutcome::Refused;

fn moving(update: FollowUpdate) -> FollowUpdate {
    FollowUpdate {
        safe_may_move: true,
        ..update
    }
}

/// As an update to `block`, with an L1 origin that is not the block's.
fn lie(block: &MemoryBlock) -> FollowUpdate {
    let mut update = Harness::update(block, None);
    update.state.safe.l1_origin = ChainBuilder::l1_block(200, 0).id();
    update.state.local_safe.l1_origin = update.state.safe.l1_origin;
    update
}

/// As [`following`], and the EL stands 6 blocks higher, on a block that a source has lied about. Returns 12 blocks on ours.
pub(super) async fn beside_an_el_on_a_refused_block(
    kind: MemoryElKind,
) -> (Harness, Vec<MemoryBlock>, Vec<MemoryBlock>) {
    let (mut harness, chain) = following(kind).await;
    let next = harness.branch(&chain[9], 12, 0);
    assert_eq!(harness.follow(lie(&next[5])).await, FollowOutcome::Syncing);
    harness.el.add(&next[..6]);
    harness
        .published_until(|state| state.target.is_none())
        .await;
    // Until gossip may make a target again.
    harness.pass(seconds(20)).await;
    assert_eq!(harness.el.head(), next[5].block_ref());
    assert_eq!(harness.state().unsafe_head, chain[9].block_ref());
    (harness, chain, next)
}

async fn a_source_that_contradicts_our_safe_head_is_refused_until_it_may_move(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let other = harness.branch(&chain[3], 4, 1);
    harness.el.add(&other);
    let before = harness.state();
    let update = Harness::update(&other[3], Some(&chain[2]));
    assert_eq!(
        harness.follow(update).await,
        REFUSED(FollowRefusal::SafeContradicted)
    );
    assert_eq!(harness.state(), before);
    assert_eq!(
        harness.el.head(),
        chain[9].block_ref(),
        "the EL was led back"
    );
    harness.forkchoices();
    harness.take_calls();
    assert_eq!(
        harness.follow(update).await,
        REFUSED(FollowRefusal::SafeContradicted)
    );
    assert_eq!(harness.forkchoices(), [], "it is remembered");

    harness.safe_may_fall = true;
    assert_eq!(harness.follow(moving(update)).await, FollowOutcome::Applied);
    assert_eq!(harness.state().safe_head, other[3].block_ref());
    assert_eq!(harness.state().epoch, before.epoch + 1);
    harness.stop().await;
}

async fn safe_goes_down_on_its_chain_only_when_it_may_move(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let update = Harness::update(&chain[3], Some(&chain[2]));
    assert_eq!(
        harness.follow(update).await,
        REFUSED(FollowRefusal::SafeContradicted)
    );
    harness.safe_may_fall = true;
    assert_eq!(harness.follow(moving(update)).await, FollowOutcome::Applied);
    let state = harness.state();
    assert_eq!(
        (state.safe_head, state.unsafe_head),
        (chain[3].block_ref(), chain[9].block_ref())
    );
    let below = moving(Harness::update(&chain[1], None));
    assert_eq!(
        harness.follow(below).await,
        REFUSED(FollowRefusal::SafeContradicted)
    );
    harness.stop().await;
}

async fn a_source_that_contradicts_our_finalized_head_is_refused_for_ever(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    let before = harness.state();
    let other = harness.branch(&chain[0], 8, 1);
    // Unknown to the EL, so that only the look at VALID can find it.
    let update = moving(Harness::update(&other[7], Some(&chain[1])));
    assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
    harness.el.add(&other);
    harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(harness.state(), before);
    assert_eq!(harness.el.head(), chain[9].block_ref());
    let refused = REFUSED(FollowRefusal::FinalizedContradicted);
    assert_eq!(harness.follow(update).await, refused);
    let at_its_height = moving(Harness::update(&other[7], Some(&other[1])));
    assert_eq!(harness.follow(at_its_height).await, refused);
    harness.stop().await;
}

async fn a_lower_or_unknown_finalized_head_leaves_ours_and_the_rest_goes_on(kind: MemoryElKind) {
    let (mut harness, chain) = following(kind).await;
    for (safe, finalized) in [(5, Some(&chain[1])), (6, None)] {
        let update = Harness::update(&chain[safe], finalized);
        assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
        assert_eq!(harness.state().finalized_head, chain[2].block_ref());
        assert_eq!(harness.state().safe_head, chain[safe].block_ref());
    }
    harness.stop().await;
}

async fn a_block_with_another_l1_origin_than_claimed_is_refused_before_any_label_moves(
    kind: MemoryElKind,
) {
    let (mut harness, chain) = following(kind).await;
    let next = harness.branch(&chain[9], 2, 0);
    let refused = |block: &MemoryBlock| {
        REFUSED(FollowRefusal::OriginMismatch {
            block: block.hash(),
        })
    };
    let before = harness.state();
    // Row 3, then row 1 with a block that the EL has.
    assert_eq!(harness.follow(lie(&chain[6])).await, refused(&chain[6]));
    harness.el.add(&next[..1]);
    assert_eq!(harness.follow(lie(&next[0])).await, refused(&next[0]));
    assert_eq!(harness.forkchoices(), []);
    // Row 1 with a block that comes later: at VALID, before labels.
    assert_eq!(harness.follow(lie(&next[1])).await, FollowOutcome::Syncing);
    harness.el.add(&next);
    harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(harness.state(), before);
    assert_eq!(harness.el.safe(), chain[4].block_ref());
    // The EL has the block now, but on that source's word alone. It would ignore labels on anything below.
    let below = Harness::update(&chain[5], None);
    assert_eq!(harness.follow(below).await, FollowOutcome::Syncing);
    assert_eq!(harness.state(), before);
    // The honest update goes through all the same.
    let honest = Harness::update(&next[1], None);
    assert_eq!(harness.follow(honest).await, FollowOutcome::Applied);
    assert_eq!(harness.el.safe(), next[1].block_ref());
    harness.stop().await;
}

async fn labels_wait_while_the_el_stands_above_our_head_on_a_refused_block(kind: MemoryElKind) {
    let (mut harness, chain, next) = beside_an_el_on_a_refused_block(kind).await;
    let before = harness.state();
    // Row 3, row 1 with a child of our head, row 1 with any other block.
    for safe in [&chain[7], &next[0], &next[3]] {
        let update = Harness::update(safe, None);
        assert_eq!(harness.follow(update).await, FollowOutcome::Syncing);
        let state = harness.state();
        assert_eq!(
            (state.unsafe_head, state.safe_head),
            (before.unsafe_head, before.safe_head)
        );
        assert_eq!(harness.el.safe(), before.safe_head);
    }
    // When the refusal is forgotten, the labels follow without another poll.
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, next[5].block_ref());
    assert_eq!(state.safe_head, next[3].block_ref());
    assert_eq!(harness.el.safe(), next[3].block_ref());
    harness.stop().await;
}

async fn labels_never_pass_our_head_when_the_els_own_is_refused_and_gossip_is_pending(
    kind: MemoryElKind,
) {
    let (mut harness, _, next) = beside_an_el_on_a_refused_block(kind).await;
    assert_eq!(harness.insert(&next[11]).await, InsertOutcome::Buffered);
    harness
        .published_until(|state| state.target.is_some())
        .await;
    let before = harness.state();
    let honest = Harness::update(&next[3], None);
    assert_eq!(harness.follow(honest).await, FollowOutcome::Syncing);
    assert_eq!(harness.state(), before);
    // The labels come with the target.
    harness.el.add(&next);
    let state = harness
        .published_until(|state| state.target.is_none())
        .await;
    assert_eq!(state.unsafe_head, next[11].block_ref());
    assert_eq!(state.safe_head, next[3].block_ref());
    assert_eq!(harness.el.safe(), next[3].block_ref());
    harness.stop().await;
}

async fn an_invalid_block_of_the_source_is_refused_and_forgotten_after_5_minutes(
    kind: MemoryElKind,
) {
    let (mut harness, chain) = following(kind).await;
    let next = harness.branch(&chain[9], 1, 0);
    let update = Harness::update(&next[0], None);
    let invalid = alloy_rpc_types_engine::PayloadStatusEnum::Invalid {
        validation_error: "disk full".to_owned(),
    };
    harness
        .el
        .script(CallKind::ForkchoiceUpdated, Scripted::Status(invalid));
    let refused = REFUSED(FollowRefusal::InvalidBlock {
        block: next[0].hash(),
    });
    assert_eq!(harness.follow(update).await, refused);
    harness.take_calls();
    assert_eq!(harness.follow(update).await, refused);
    harness.el.add(&next);
    harness.pass(seconds(300)).await;
    assert_eq!(harness.follow(update).await, FollowOutcome::Applied);
    harness.stop().await;
}
