use super::*;
use alloy_primitives::keccak256;

fn hash(number: u64, branch: u8) -> B256 {
    keccak256([&number.to_be_bytes()[..], &[branch]].concat())
}

fn block(number: u64, branch: u8) -> L1BlockRef {
    L1BlockRef {
        hash: hash(number, branch),
        number,
        parent_hash: hash(number - 1, branch),
        timestamp: 12 * number,
    }
}

fn window(from: u64, to: u64) -> Window {
    let mut window = Window::default();
    for number in from..=to {
        let _ = window.advance(block(number, 0), number.checked_sub(1));
    }
    window
}

#[test]
fn an_empty_window_knows_nothing_and_links_to_anything() {
    let window = Window::default();
    assert_eq!(window.judge(block(5, 0).id()), None);
    assert_eq!(window.relation(&block(5, 0)), Relation::Linked);
}

#[test]
fn each_relation_of_a_head_is_told() {
    let window = window(90, 100);
    assert_eq!(window.relation(&block(100, 0)), Relation::Same);
    assert_eq!(window.relation(&block(95, 0)), Relation::Behind);
    assert_eq!(window.relation(&block(101, 0)), Relation::Linked);
    let sibling = L1BlockRef {
        hash: hash(98, 7),
        ..block(98, 0)
    };
    assert_eq!(window.relation(&sibling), Relation::Linked);
    assert_eq!(window.relation(&block(103, 0)), Relation::Unlinked);
    assert_eq!(window.relation(&block(98, 7)), Relation::Unlinked);
}

#[test]
fn a_parent_is_known_as_soon_as_its_child_is() {
    let mut window = window(100, 100);
    assert_eq!(
        window.judge(block(99, 0).id()),
        Some(Canonicality::Canonical)
    );
    assert_eq!(window.judge(block(98, 0).id()), None);
    window.insert(&block(50, 0)).unwrap();
    assert_eq!(
        window.judge(block(49, 0).id()),
        Some(Canonicality::Canonical)
    );
    assert_eq!(window.judge(block(101, 0).id()), Some(Canonicality::Ahead));
}

#[test]
fn a_reorg_keeps_what_lies_below_the_fork_and_drops_the_rest() {
    let mut window = window(90, 100);
    let head = L1BlockRef {
        hash: hash(98, 7),
        ..block(98, 0)
    };
    let reorg = window.advance(head, Some(97)).unwrap();
    assert_eq!((reorg.old_head.number, reorg.kept), (100, Some(97)));
    assert_eq!(
        window.judge(block(97, 0).id()),
        Some(Canonicality::Canonical)
    );
    assert_eq!(
        window.judge(block(98, 0).id()),
        Some(Canonicality::Mismatch { ours: head.hash })
    );
    assert_eq!(window.judge(block(99, 0).id()), Some(Canonicality::Ahead));
    let reorg = window.advance(block(120, 3), None).unwrap();
    assert_eq!(reorg.kept, None);
    assert_eq!(window.judge(block(97, 0).id()), None);
}

#[test]
fn a_gap_without_a_fork_is_not_a_reorg() {
    let mut window = window(90, 100);
    assert_eq!(window.anchors(&block(110, 0)), [100, 99, 98, 97, 96, 92]);
    assert_eq!(window.advance(block(110, 0), Some(100)), None);
    assert_eq!(
        window.judge(block(90, 0).id()),
        Some(Canonicality::Canonical)
    );
    assert_eq!(window.judge(block(105, 0).id()), None);
}

#[test]
fn the_finalized_height_is_the_last_anchor() {
    let mut window = window(50, 100);
    window.insert(&block(20, 0)).unwrap();
    window.finalize(block(20, 0).id());
    assert_eq!(window.anchors(&block(99, 9)).last(), Some(&20));
    assert!(window.is_final(20) && !window.is_final(21));
}

#[test]
fn a_block_that_contradicts_the_window_is_not_taken_in() {
    let mut window = window(90, 100);
    assert_eq!(window.insert(&block(95, 1)), Err(Conflict { number: 95 }));
    let other_parent = L1BlockRef {
        parent_hash: hash(94, 1),
        ..block(95, 0)
    };
    assert_eq!(window.insert(&other_parent), Err(Conflict { number: 94 }));
    assert_eq!(
        window.judge(block(94, 0).id()),
        Some(Canonicality::Canonical)
    );
    // A block above the head says nothing yet.
    window.insert(&block(150, 1)).unwrap();
    assert_eq!(window.judge(block(150, 1).id()), Some(Canonicality::Ahead));
}

#[test]
fn the_window_is_bounded_and_forgets_the_lowest() {
    let window = window(1, 2 * CAPACITY as u64);
    assert_eq!(window.hashes.len(), CAPACITY);
    assert_eq!(window.judge(block(1, 0).id()), None);
    assert_eq!(
        window.judge(block(CAPACITY as u64 + 1, 0).id()),
        Some(Canonicality::Canonical)
    );
}

#[test]
fn unknown_heights_are_asked_for_with_those_that_come_next() {
    let window = window(90, 100);
    let ahead = |missing: &[u64]| {
        let mut missing = missing.to_vec();
        window.look_ahead(&mut missing, 12);
        missing
    };
    assert_eq!(ahead(&[50, 50]), [50, 51, 52, 53, 54, 55, 56, 57, 58]);
    assert_eq!(
        ahead(&[50, 52]),
        [50, 52, 51, 53, 54, 55, 56, 57, 58, 59, 60]
    );
    assert_eq!(
        ahead(&[10, 30]),
        [10, 30, 11, 12, 13, 14, 15, 16, 17, 18, 31, 32]
    );
    assert_eq!(ahead(&[86]), [86, 87, 88]);
    assert_eq!(ahead(&[105]), [105]);
    let empty = Window::default();
    let mut missing = vec![7];
    empty.look_ahead(&mut missing, 12);
    assert_eq!(missing, [7]);
}

#[test]
fn after_forgetting_only_the_head_and_the_finalized_block_are_known() {
    let mut window = window(50, 100);
    window.finalize(block(60, 0).id());
    window.forget();
    for known in [60, 99, 100] {
        let verdict = window.judge(block(known, 0).id());
        assert_eq!(verdict, Some(Canonicality::Canonical), "{known}");
    }
    for forgotten in [59, 61, 98] {
        assert_eq!(window.judge(block(forgotten, 0).id()), None, "{forgotten}");
    }
    assert_eq!(window.finalized(), Some(block(60, 0).id()));
}

#[test]
fn the_finalized_block_does_not_go_down() {
    let mut window = window(50, 100);
    window.finalize(block(60, 0).id());
    window.finalize(block(55, 0).id());
    assert_eq!(window.finalized(), Some(block(60, 0).id()));
}
