//! When derived blocks are safe: before Holocene with the end of their span, and pending safe until then; from Holocene on
//! each at once.

use super::{
    deriving::{bad_span, derived, in_span, is_stale, safe, span},
    *,
};
use crate::request::{ConsolidateOutcome, DerivedAttributes};

under_each_el! {
    from_holocene_on_a_derived_block_is_safe_at_once,
    the_l1_block_that_a_block_is_derived_from_decides_on_holocene,
    before_holocene_a_span_is_safe_when_it_ends,
    before_holocene_a_refused_block_is_dropped_with_its_span,
    pending_safe_is_lowered_with_what_it_stood_on,
}

/// No L1 block of the tests is of Holocene.
const NEVER: u64 = 1_000_000;

/// `block` inside a span that comes from the L1 block `number`.
fn from_l1(block: &MemoryBlock, number: u64) -> DerivedAttributes {
    DerivedAttributes {
        derived_from: ChainBuilder::l1_block(number, 0),
        ..in_span(block)
    }
}

async fn from_holocene_on_a_derived_block_is_safe_at_once(kind: MemoryElKind) {
    for by_gossip in [true, false] {
        let mut harness = Harness::deriving(kind).await;
        let chain = harness.chain(3);
        for block in chain.iter().filter(|_| by_gossip) {
            harness.insert(block).await;
        }
        harness.asked(CallKind::ForkchoiceUpdated);
        for block in &chain {
            assert_eq!(harness.consolidate(in_span(block)).await, safe(block));
            harness.pass(seconds(1)).await;
            let state = harness.state();
            assert_eq!(state.safe_head, block.block_ref());
            assert_eq!(state.local_safe_head, block.block_ref());
            assert_eq!(state.pending_safe_head, block.block_ref());
            assert_eq!(harness.el.safe(), block.block_ref());
        }
        let sent = harness.asked(CallKind::ForkchoiceUpdated);
        // One that starts the build, and one for the head with its labels.
        let expected = if by_gossip { 3 } else { 6 };
        assert_eq!(sent, expected);
        harness.stop().await;
    }
}

async fn the_l1_block_that_a_block_is_derived_from_decides_on_holocene(kind: MemoryElKind) {
    let mut harness = Harness::deriving_before_holocene(kind, 150).await;
    let chain = harness.chain(3);
    let genesis = harness.builder.genesis().block_ref();
    assert_eq!(
        harness.consolidate(from_l1(&chain[0], 149)).await,
        safe(&chain[0])
    );
    harness.pass(seconds(1)).await;
    assert_eq!(harness.state().safe_head, genesis);
    // The span was cut off by the fork.
    assert_eq!(
        harness.consolidate(from_l1(&chain[1], 150)).await,
        safe(&chain[1])
    );
    harness.pass(seconds(1)).await;
    assert_eq!(harness.state().safe_head, chain[1].block_ref());
    assert_eq!(harness.el.safe(), chain[1].block_ref());
    harness.stop().await;
}

async fn before_holocene_a_span_is_safe_when_it_ends(kind: MemoryElKind) {
    for by_gossip in [true, false] {
        let mut harness = Harness::deriving_before_holocene(kind, NEVER).await;
        let chain = harness.chain(5);
        for block in chain.iter().filter(|_| by_gossip) {
            harness.insert(block).await;
        }
        let genesis = harness.builder.genesis().block_ref();
        for block in &chain[..3] {
            assert_eq!(harness.consolidate(in_span(block)).await, safe(block));
            let state = harness.state();
            assert_eq!(state.pending_safe_head, block.block_ref());
            harness.pass(seconds(1)).await;
            let state = harness.state();
            assert_eq!((state.safe_head, state.local_safe_head), (genesis, genesis));
            assert_eq!(harness.el.safe(), genesis);
        }
        assert_eq!(
            harness.consolidate(derived(&chain[3])).await,
            safe(&chain[3])
        );
        harness.pass(seconds(1)).await;
        let state = harness.state();
        assert_eq!(state.safe_head, chain[3].block_ref());
        assert_eq!(state.pending_safe_head, chain[3].block_ref());
        assert_eq!(harness.el.safe(), chain[3].block_ref());
        harness.stop().await;
    }
}

async fn before_holocene_a_refused_block_is_dropped_with_its_span(kind: MemoryElKind) {
    let mut harness = Harness::deriving_before_holocene(kind, NEVER).await;
    let chain = harness.chain(8);
    assert_eq!(
        harness.consolidate(derived(&chain[0])).await,
        safe(&chain[0])
    );
    harness.el.leave_out_transactions(true);
    let outcomes = harness.consolidate_all(bad_span(&chain[1..6])).await;
    assert_eq!(outcomes[..2], [safe(&chain[1]), safe(&chain[2])]);
    let dropped = ConsolidateOutcome::Dropped(chain[0].block_ref());
    assert_eq!(outcomes[2], dropped);
    assert!(is_stale(&outcomes[3..]), "{outcomes:?}");
    harness.pass(seconds(1)).await;
    let state = harness.state();
    assert_eq!(state.safe_head, chain[0].block_ref());
    assert_eq!(state.pending_safe_head, chain[0].block_ref());
    // The next batch stands on what is safe, and takes the place of what was built in vain.
    let other = harness.branch(&chain[0], 3, 1);
    let outcomes = harness.consolidate_all(span(&other)).await;
    assert_eq!(outcomes, other.iter().map(safe).collect::<Vec<_>>());
    harness.pass(seconds(1)).await;
    assert_eq!(harness.el.head(), other[2].block_ref());
    assert_eq!(harness.el.safe(), other[2].block_ref());
    harness.stop().await;
}

async fn pending_safe_is_lowered_with_what_it_stood_on(kind: MemoryElKind) {
    let mut harness = Harness::deriving_before_holocene(kind, NEVER).await;
    let chain = harness.chain(8);
    assert_eq!(
        harness.consolidate(derived(&chain[0])).await,
        safe(&chain[0])
    );
    for block in &chain[1..5] {
        assert_eq!(harness.consolidate(in_span(block)).await, safe(block));
    }
    harness.pass(seconds(1)).await;
    let pending = harness.state().pending_safe_head;
    assert_eq!(pending, chain[4].block_ref());
    // The sequencer's own reorg takes two of them away; derivation undoes it with its next block.
    let other = harness.branch(&chain[2], 5, 1);
    harness.el.add_canonical(&other);
    let inserted = harness.insert(&other[4]).await;
    assert_eq!(inserted, InsertOutcome::Buffered);
    let state = harness
        .published_until(|state| state.unsafe_head == other[4].block_ref())
        .await;
    assert_eq!(state.pending_safe_head, chain[0].block_ref());
    assert_eq!(
        harness.consolidate(in_span(&chain[5])).await,
        safe(&chain[5])
    );
    assert_eq!(harness.state().pending_safe_head, chain[5].block_ref());
    harness.engine.restart_derivation().await.unwrap();
    let state = harness.published_until(|state| state.reset_epoch > 1).await;
    assert_eq!(state.pending_safe_head, chain[0].block_ref());
    harness.stop().await;
}
