#![allow(clippy::unwrap_used)]

use super::*;
use alloy_consensus::Header;
use alloy_primitives::Bytes;
use light_node_protocol::L1BlockRef;

/// So many blocks on top of `parent`, from the block after it on.
fn branch(parent: &L1Data, count: usize, salt: u8) -> Vec<Arc<L1Data>> {
    let mut blocks: Vec<Arc<L1Data>> = Vec::new();
    for _ in 0..count {
        let parent = blocks.last().map_or(parent, |last| last);
        let header = Header {
            number: parent.header.number + 1,
            parent_hash: parent.hash,
            extra_data: Bytes::from(vec![salt]),
            ..Header::default()
        };
        blocks.push(Arc::new(L1Data::with_header(
            header,
            Vec::new(),
            Vec::new(),
        )));
    }
    blocks
}

fn genesis() -> L1Data {
    L1Data::with_header(Header::default(), Vec::new(), Vec::new())
}

/// A store with the blocks 1 to `count`, the cursor at `cursor`, and finality at `finalized`.
fn store(count: usize, cursor: u64, finalized: u64) -> (Store, Vec<Arc<L1Data>>) {
    let blocks = branch(&genesis(), count, 0);
    let mut store = Store::default();
    for block in &blocks {
        assert!(!store.adopt(block.clone()));
    }
    store.advance(cursor);
    store.finalized = finalized;
    (store, blocks)
}

fn known(store: &Store) -> Vec<u64> {
    store.canonical.keys().copied().collect()
}

fn heads(head: &L1Data, finalized: u64) -> L1Heads {
    L1Heads {
        head: head.block_ref(),
        finalized: L1BlockRef {
            number: finalized,
            ..L1BlockRef::default()
        },
        ..L1Heads::default()
    }
}

#[test]
fn a_block_that_does_not_link_makes_everything_down_to_finality_doubtful() {
    let (mut store, blocks) = store(10, 5, 3);
    let other = branch(&blocks[6], 3, 1);
    // Block 10 of another branch, which leaves at block 7.
    assert!(store.adopt(other[2].clone()));
    assert_eq!(known(&store), [1, 2, 3, 10]);
    // What stayed is found again by its links, without being fetched.
    assert!(!store.adopt(other[1].clone()));
    assert!(!store.adopt(other[0].clone()));
    assert_eq!(known(&store), [1, 2, 3, 8, 9, 10]);
    assert!(store.by_id(blocks[4].id()).is_some(), "kept by its hash");
    // What was ahead of the cursor had to go, what lies behind it is linked again.
    assert!(!store.adopt(blocks[6].clone()));
    assert_eq!(known(&store), [1, 2, 3, 7, 8, 9, 10]);
    assert!(!store.adopt(blocks[5].clone()));
    assert_eq!(known(&store), (1..=10).collect::<Vec<_>>());
    assert_eq!(store.canonical(9).unwrap().hash, other[1].hash);
}

#[test]
fn a_block_below_takes_those_above_with_it_if_they_do_not_link() {
    let (mut store, blocks) = store(10, 0, 0);
    let other = branch(&blocks[5], 1, 1);
    assert!(store.adopt(other[0].clone()));
    assert_eq!(known(&store), (1..=7).collect::<Vec<_>>());
    assert!(store.by_id(blocks[6].id()).is_none(), "ahead and stale");
}

#[test]
fn new_heads_drop_what_they_contradict() {
    let (mut store, blocks) = store(10, 0, 0);
    assert!(!store.set_heads(&L1Heads::default()));
    assert!(!store.set_heads(&heads(&blocks[9], 3)));
    assert!(store.set_heads(&heads(&blocks[8], 3)), "rolled back");
    assert_eq!(known(&store).last(), Some(&9));
    let other = branch(&blocks[5], 3, 1);
    assert!(store.set_heads(&heads(&other[2], 3)));
    assert_eq!(known(&store).last(), Some(&7), "its parent is another");
}

#[test]
fn going_back_finds_what_was_passed() {
    let (mut store, blocks) = store(10, 8, 0);
    assert_eq!(store.window_blocks(), 2);
    let (ahead, behind) = (store.ahead_bytes, store.behind_bytes);
    store.advance(2);
    assert_eq!((store.window_blocks(), store.behind), (8, 2));
    assert!(store.canonical(5).is_some());
    store.advance(8);
    assert_eq!((store.ahead_bytes, store.behind_bytes), (ahead, behind));
    assert_eq!(store.by_id(blocks[0].id()).unwrap().hash, blocks[0].hash);
}

#[test]
fn what_lies_behind_is_bounded_by_count_and_bytes() {
    let blocks = branch(&genesis(), BEHIND_BLOCKS + 100, 0);
    let mut store = Store::default();
    for block in &blocks {
        store.adopt(block.clone());
    }
    assert_eq!(
        store.window_blocks(),
        blocks.len(),
        "ahead is the plan's affair"
    );
    store.advance(blocks.len() as u64);
    assert_eq!(store.behind, BEHIND_BLOCKS);
    assert_eq!(known(&store)[0], 101);
    let mut tip = blocks.last().unwrap().clone();
    for _ in 0..5 {
        let mut large = (*branch(&tip, 1, 0)[0]).clone();
        large.inbox = vec![crate::InboxTransaction {
            sender: alloy_primitives::Address::ZERO,
            data: InboxData::Calldata(vec![0; BEHIND_BYTES / 4].into()),
        }];
        tip = Arc::new(large);
        store.adopt(tip.clone());
        store.advance(tip.header.number);
    }
    assert!(store.behind_bytes <= BEHIND_BYTES, "{}", store.behind_bytes);
    assert!(store.by_id(tip.id()).is_some());
    assert_eq!(store.window_bytes(), 0);
}

#[test]
fn blobs_go_when_derivation_has_passed_their_block() {
    let (mut store, _) = store(3, 0, 0);
    let blob = Arc::new(Blob::ZERO);
    for number in 1..=3u8 {
        let hash = B256::repeat_byte(number);
        store.put_blobs(u64::from(number), [(hash, blob.clone())], 10);
    }
    let before = store.window_bytes();
    store.advance(2);
    assert!(store.blob(&B256::repeat_byte(1)).is_none());
    assert!(store.blob(&B256::repeat_byte(2)).is_some());
    assert!(before - store.window_bytes() >= BLOB_BYTES);
    store.put_blobs(2, [(B256::repeat_byte(4), blob)], 2);
    assert!(
        store.blob(&B256::repeat_byte(3)).is_none(),
        "the farthest goes"
    );
}

#[test]
fn a_finalized_block_of_another_branch_takes_all_above_the_one_before_with_it() {
    let (mut store, blocks) = store(60, 40, 54);
    let other = branch(&blocks[53], 8, 1);
    // 55 to 61 of the other branch, with 55 finalized at once.
    let new_heads = L1Heads {
        finalized: other[0].block_ref(),
        ..heads(&other[6], 0)
    };
    assert!(store.set_heads(&new_heads));
    store.reorg(Some(54));
    assert_eq!(known(&store).last(), Some(&54));
    store.adopt(other[0].clone());
    assert_eq!(store.canonical(55).unwrap().hash, other[0].hash);
}

#[test]
fn a_block_below_finality_that_does_not_link_makes_those_below_it_doubtful() {
    // 50 to 52 are of a branch that left L1 while nobody looked; what came between was never fetched.
    let blocks = branch(&genesis(), 60, 0);
    let stale = branch(&blocks[48], 3, 1);
    let mut store = Store::default();
    for block in blocks[..49].iter().chain(&stale) {
        store.adopt(block.clone());
    }
    store.adopt(blocks[54].clone());
    store.set_heads(&L1Heads {
        finalized: blocks[54].block_ref(),
        ..heads(&blocks[59], 0)
    });
    for number in [53, 52, 51, 50] {
        store.adopt(blocks[number - 1].clone());
    }
    for number in 50..=53_u64 {
        let found = store.canonical(number).unwrap();
        assert_eq!(found.hash, blocks[number as usize - 1].hash, "{number}");
    }
}
