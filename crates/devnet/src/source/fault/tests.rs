use super::*;
use crate::{source::Source, testing::Rig};
use light_node_protocol::Hardfork;

/// A chain with finalized blocks, and the faults of its source.
async fn settled() -> (Rig, SourceFaults) {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    rig.advance(30).await;
    let faults = SourceFaults::new(Source::history(&rig.source));
    (rig, faults)
}

fn met(kind: SourceFaultKind, amount: Option<u64>) -> Met<SourceFaultKind> {
    Met { kind, amount }
}

#[tokio::test]
async fn a_source_that_is_behind_tells_a_whole_status_of_the_past() {
    let (rig, faults) = settled().await;
    let now = rig.status();
    let past = faults.told(met(SourceFaultKind::Behind, Some(3)), now);
    assert_eq!(past.head_l1.number, now.head_l1.number - 3);
    assert!(past.current_l1.number < now.current_l1.number);
    assert!(past.safe_l2.number < now.safe_l2.number);
    let alternating = met(SourceFaultKind::Alternating, Some(3));
    let turns = [0; 4].map(|_| faults.told(alternating, now));
    assert_eq!(turns, [past, now, past, now]);
}

#[tokio::test]
async fn heads_go_back_alone_and_never_below_finalized() {
    let (rig, faults) = settled().await;
    let now = rig.status();
    let back = faults.told(met(SourceFaultKind::SafeBack, None), now);
    assert!(back.safe_l2.number < now.safe_l2.number);
    assert!(back.safe_l2.number >= now.finalized_l2.number);
    assert_eq!(back.current_l1, now.current_l1);
    let far = faults.told(met(SourceFaultKind::SafeBack, Some(10_000)), now);
    assert_eq!(far.safe_l2.number, now.finalized_l2.number);
    let back = faults.told(met(SourceFaultKind::FinalizedBack, None), now);
    assert!(back.finalized_l2.number < now.finalized_l2.number);
    assert_eq!(back.safe_l2, now.safe_l2);
}

#[tokio::test]
async fn a_frozen_source_tells_what_was_true_when_it_froze() {
    let (mut rig, faults) = settled().await;
    let then = rig.status();
    faults.set(SourceFault::until_cleared(SourceFaultKind::Frozen), then);
    rig.advance(2).await;
    let told = faults.told(met(SourceFaultKind::Frozen, None), rig.status());
    assert_eq!(told, then);
}

#[tokio::test]
async fn each_distortion_is_what_it_says() {
    let (rig, faults) = settled().await;
    let now = rig.status();
    let told = |kind| faults.told(met(kind, None), now);
    let zero = told(SourceFaultKind::ZeroHeads);
    assert!(zero.safe_l2.is_zero() && zero.finalized_l2.is_zero() && zero.current_l1.is_zero());
    let above = told(SourceFaultKind::FinalizedAboveSafe);
    assert!(above.finalized_l2.number > above.safe_l2.number);
    let foreign = told(SourceFaultKind::ForeignOrigin).safe_l2;
    assert_eq!(foreign.hash, now.safe_l2.hash);
    assert_ne!(foreign.l1_origin.hash, now.safe_l2.l1_origin.hash);
    assert_eq!(foreign.l1_origin.number, now.safe_l2.l1_origin.number);
    let wrong = told(SourceFaultKind::WrongOrigin).safe_l2;
    assert_ne!(wrong.l1_origin, now.safe_l2.l1_origin);
    let on_l1 = rig.l1.block_by_number(wrong.l1_origin.number).unwrap();
    assert_eq!(on_l1.hash(), wrong.l1_origin.hash);
    let unknown = told(SourceFaultKind::ForeignBlock).safe_l2;
    assert_eq!(unknown.l1_origin, now.safe_l2.l1_origin);
    assert!(rig.l2.view().block_by_hash(&unknown.hash).is_none());
    assert!(told(SourceFaultKind::ZeroCursor).current_l1.is_zero());
}
